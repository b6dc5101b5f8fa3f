"""Rivals of the ghost's laws with constants that only data can give. Setting: theory/ghost.py."""

from __future__ import annotations

from sympy import Interval, Rational, log, oo

from theory.claim import Claim, Quantity, Source, Step, symbolic
from theory.ghost_passage import PAPER
from theory.ghost_training import CRITICAL
from theory.ghost_vocabulary import POSITIVE, T, V

REFERENCE = 100
rate_at_100 = V.symbol(
    "rate_at_100", "critical learning rate at T = 100", unit="1/time^5", domain=POSITIVE, typical=(1e-10, 1e-8)
)
power = V.symbol("power", "power of T", domain=Interval(0, oo), latex="p", typical=(3.0, 6.0))
POWER_LAW = rate_at_100 * (T / REFERENCE) ** -power

power_law_critical_learning_rate = Claim(
    id="ghost.critical_learning_rate_power_law",
    title="Learning rate above which training can be trapped, as an inverse power of T",
    statement=POWER_LAW,
    vocabulary=V,
    predicts=Quantity("learning_rate", unit="1/time^5"),
    kind="law with free constants",
    free=(rate_at_100, power),
    source=Source(PAPER, "the inverse power law that fits the onset, constants not stated"),
    notation="for descent on L; descent on L/T lowers the power by one",
    derivation=(
        Step(
            "on log axes it is a straight line of slope -power",
            symbolic(lambda law: T * log(law).diff(T), lambda: -power),
        ),
        Step(
            "the sharp law is the case power = 5, rate_at_100 = 3 pi^4/(32 100^5)",
            symbolic(
                lambda law: law.subs({power: 5, rate_at_100: CRITICAL.subs(T, REFERENCE)}) / CRITICAL,
                lambda: Rational(1),
            ),
        ),
    ),
)

CLAIMS = (power_law_critical_learning_rate,)
