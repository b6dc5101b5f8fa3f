"""Rivals of the laws of structured identity mapping with constants that only data can give. Setting: theory/sim.py."""

from __future__ import annotations

from sympy import log, symbols

from theory.claim import Claim, Quantity, Source, Step, symbolic
from theory.sim_vocabulary import POSITIVE, V, a

time_per_signal = V.symbol(
    "time_per_signal", "learning time times second moment", domain=POSITIVE, typical=(0.5, 5.0), latex="c"
)
typical_swing = V.symbol(
    "typical_swing", "largest rise of the test loss over its start", domain=POSITIVE, typical=(1e-3, 0.1)
)
gain = symbols("gain", positive=True)

learning_time_inverse_signal = Claim(
    id="sim.learning_time_inverse_signal",
    title="Learning time inversely proportional to the signal",
    statement=time_per_signal / a,
    vocabulary=V,
    predicts=Quantity("learning_time", unit="time"),
    kind="law with free constants",
    free=(time_per_signal,),
    source=Source.own("rival: the time scale 1/(4 a_p) of a concept with one constant for all starts"),
    derivation=(
        Step(
            "growth by a given factor at the rate 4 a takes a time inverse to a",
            symbolic(lambda: log(gain) / (4 * a), lambda law: law.subs(time_per_signal, log(gain) / 4)),
        ),
    ),
)

swing_depth_alike = Claim(
    id="sim.swing_depth_alike",
    title="The test loss swings by as far in every network",
    statement=typical_swing,
    vocabulary=V,
    predicts=Quantity("swing_depth"),
    kind="law with free constants",
    free=(typical_swing,),
    source=Source.own("what it would be if depth and dimension did not matter: to be refuted"),
    underived="a null hypothesis",
)

CLAIMS = (learning_time_inverse_signal, swing_depth_alike)
