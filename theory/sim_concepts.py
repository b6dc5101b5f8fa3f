"""Structured identity mapping: when a hidden layer can make the unseen combination that the output does not show.

Setting and notation: theory/sim.py, two concepts. The push of concept 2 in a hidden layer by the gain g turns the
output at x_hat into W x_hat + (g - 1) mu_2 W e_2, whose shares of the goal are

    w_11 + g w_12 mu_2/mu_1    and    w_12 mu_1/mu_2 + g w_22.

The combination is shown if both lie in [1/2, 3/2]. Behaviour time: from then on it is shown at g = 1. Capability time
at a gain limit: from then on it is shown at some g between 1 and the limit. Lead: behaviour time minus capability time.
A push moves the output along W e_2, so without a limit only the direction of W e_2 counts: the combination can be made
once w_12/w_22 < mu_1/mu_2, the disentanglement time.
"""

from __future__ import annotations

import numpy as np
from sympy import Abs, Expr, Interval, Matrix, Rational, exp, log, oo, simplify, solve, symbols

from theory import sim_coordinates as coordinates
from theory.claim import Assumption, Claim, Derived, Quantity, Source, Step, high_precision, symbolic
from theory.sim_learning_time import COMPLEMENT
from theory.sim_linear import ALPHA, KAPPA
from theory.sim_swing_by import FLOW, SLOPE, STARTS, TERMS, M, N, P, Q, R, swing_by_bump_time
from theory.sim_trajectory import EXACT, LEFT
from theory.sim_vocabulary import PAIR, V, a, a_1, a_2, mu_1, mu_2, s_2, t, w_11, w_12, w_22

HALF = Rational(1, 2)
gain = V.symbol(
    "gain", "largest gain of the push", domain=Interval.open(HALF, oo), latex="g", typical=(1.5, 16.0)
)  # fmt: skip


def _next_shift(w: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """The shift of the second strongest concept, shape (...)."""
    strengths = coordinates.strengths(mu, sigma)
    w, strengths, _ = coordinates.ordered(w, strengths)
    return coordinates.shifts(w, strengths)[..., 1]


shift_2 = V.symbol(
    "shift_2", "leading correction to the logarithm of the next concept from the other rows",
    typical=(-0.1, 0.1), derived=Derived(_next_shift, PAIR),
)  # fmt: skip

TO_HALF = (log((1 - s_2) / s_2) + shift_2) / (4 * a_2)
CAPABLE = TO_HALF - log(2 * gain - 1) / (4 * a_2)
FALLING = Abs(w_12) * w_11 ** (-KAPPA)
"""w_12 is FALLING e^(-(a_1 - a_2) t) once the strong concept is learned."""
CLEAN = log(FALLING * mu_2 / (mu_1 * s_2)) / N
CARRIED = 2 * FALLING * mu_1 / mu_2 * exp(-(a_1 - a_2) * CAPABLE)
"""Share of the level that w_12 supplies at the capability time."""

# --- derivations ---

g, x, c, left, u, v, y = symbols("g x c S u v y", positive=True)


def _pushed() -> Matrix:
    """Shares of U times the pushed layer U^T x_hat + (g - 1) mu_2 U^T e_2, minus the stated ones."""
    factor = Matrix(2, 2, symbols("u11 u12 u21 u22"))
    w, hidden = factor * factor.T, factor.T * Matrix([mu_1, mu_2])
    push = (g - 1) * mu_2 * hidden.diff(mu_2)
    out = factor * (hidden + push)
    stated = Matrix(_shares()).subs({w_11: w[0, 0], w_12: w[0, 1], w_22: w[1, 1]}, simultaneous=True)
    return (Matrix([out[0] / mu_1, out[1] / mu_2]) - stated).applyfunc(simplify)


def _shares() -> list[Expr]:
    return [w_11 + g * w_12 * mu_2 / mu_1, w_12 * mu_1 / mu_2 + g * w_22]


def _alone(law: Expr) -> Expr:
    """Gain times the pivot at the stated time without a shift, minus the level."""
    return gain * LEFT.subs(t, law.subs(shift_2, 0)) - HALF


def _two_times(law: Expr) -> Expr:
    """The pivot is 1/2 at the time that the logistic needs, and 1/(2 gain) one lead earlier."""
    half = log((1 - s_2) / s_2) / (4 * a_2)
    return gain * LEFT.subs(t, half - law) - HALF


def _layered_rate() -> list[Expr]:
    """Gradient flow of a (1 - u v)^2/2, in w = u v with u = v, minus the logistic at the rate 2 a."""
    loss = a * (1 - u * v) ** 2 / 2
    rate = -(loss.diff(u) * v + loss.diff(v) * u)
    kept = loss.diff(u) * u - loss.diff(v) * v
    return [rate.subs(v, u) - 2 * a * u**2 * (1 - u**2), kept]


def _logistic_between(law: Expr) -> Expr:
    """The logistic at the rate 2 a that is 1/(2 gain) at time 0 is 1/2 at the stated time."""
    start = 1 / (2 * gain)
    return start * exp(2 * a * law) / (1 + start * (exp(2 * a * law) - 1)) - HALF


def _least_gain() -> Expr:
    """Share 1 at the least gain that lifts share 2 to 1/2, minus 3/2; w_12/w_22 = mu_1/mu_2, w_11 = 1, w_12 small."""
    (least,) = solve(g * left - HALF, g)
    return (1 + least * c * mu_2 / mu_1).subs(c, left * mu_1 / mu_2) - Rational(3, 2)


def _direction(law: Expr) -> Expr:
    """w_12/S at the stated time over mu_1/mu_2, minus one."""
    off_diagonal = w_12 * w_11 ** (-KAPPA) * exp(-(a_1 - a_2) * law)
    return off_diagonal / (s_2 * exp(4 * a_2 * law)) * mu_2 / mu_1 - 1


PUSH = Step("both shares of the pushed output", symbolic(_pushed))
SMALL_STEP = FLOW
LEARNED = Assumption(
    "the strong concept is learned by then", exp(-4 * a_1 * CAPABLE) / w_11 < 0.05, "else its share is not near 1"
)
ENTANGLED = Assumption(
    "W e_2 points away from concept 1 by then",
    CAPABLE > CLEAN + 1 / N,
    "a push before the disentanglement time spoils concept 1",
)
WANTS_GAIN = Assumption("a gain above one", gain > 1.05, "without a push there is nothing to compare")
VALIDITY = {"carried": CARRIED, "gain": gain}

capability_time = Claim(
    id="sim.capability_time",
    title="When a push of limited gain makes the unseen combination",
    statement=CAPABLE,
    vocabulary=V,
    predicts=Quantity("capability_time", unit="time"),
    kind="closed form",
    source=Source.own("gain times the weak diagonal entry reaches 1/2: the learning-time law at the level 1/(2 gain)"),
    assumptions=(
        Assumption("w_12 supplies little of the level", CARRIED < 0.03, "it moves the crossing by as much"),
        Assumption("the shift is small", Abs(shift_2) < 0.15 * log((1 - s_2) / s_2)),
        Assumption("the level lies far above the start", 2 * gain * s_2 < 0.01),
        LEARNED,
        ENTANGLED,
        SMALL_STEP,
    ),
    validity=VALIDITY,
    derivation=(
        PUSH,
        EXACT,
        COMPLEMENT,
        Step("gain times the logistic from s_2 is 1/2 at the stated time, without the shift", symbolic(_alone)),
        Step(
            "the shift adds to the logarithm of the start",
            symbolic(
                lambda law: [law.diff(shift_2), law.diff(shift_2, 2)],
                lambda law: [law.diff(s_2) / log((1 - s_2) / s_2).diff(s_2), 0],
            ),
        ),
    ),
)

capability_lead = Claim(
    id="sim.capability_lead",
    title="How much earlier a push makes the combination than the output shows it, tied network",
    statement=log(2 * gain - 1) / (4 * a_2),
    vocabulary=V,
    predicts=Quantity("capability_lead", unit="time"),
    kind="closed form",
    source=Source.own("time of the logistic from the level 1/(2 gain) to 1/2; no constant of the start enters"),
    assumptions=(
        WANTS_GAIN,
        Assumption("w_12 supplies little of the level", 0.01 * log(2 * gain - 1) > CARRIED),
        LEARNED,
        ENTANGLED,
        SMALL_STEP,
    ),
    validity=VALIDITY,
    derivation=(
        PUSH,
        COMPLEMENT,
        Step("the logistic is at 1/(2 gain) one lead before it is at 1/2", symbolic(_two_times)),
    ),
)

capability_lead_layered = Claim(
    id="sim.capability_lead_layered",
    title="How much earlier a push makes the combination than the output shows it, two untied layers",
    statement=log(2 * gain - 1) / (2 * a),
    vocabulary=V,
    predicts=Quantity("capability_lead", unit="time"),
    kind="closed form",
    source=Source.own("two balanced layers learn half as fast as tied ones"),
    assumptions=(
        WANTS_GAIN,
        Assumption("the gain is moderate", gain <= 16, "off-diagonal entries of small starts are below 1/(2 gain)"),
    ),
    validity={"gain": gain},
    notation="a is the second moment of the weaker concept",
    derivation=(
        PUSH,
        Step("w = u v of balanced layers is logistic at the rate 2 a, and stays balanced", symbolic(_layered_rate)),
        Step("that logistic takes the stated time from 1/(2 gain) to 1/2", symbolic(_logistic_between)),
    ),
)

PASSED = (
    Assumption("w_12 is not zero", Abs(w_12) > 1e-12),
    Assumption("the strong concept is clearly stronger", ALPHA < 0.7, "w_12 must fall before concept 2 grows"),
    Assumption("the strong concept is learned by then", exp(-4 * a_1 * CLEAN) / w_11 < 0.02, "at first order in this"),
    Assumption("the weak concept is not yet learned", s_2 * exp(4 * a_2 * CLEAN) < 0.02, "at first order in this"),
    SMALL_STEP,
)
PLACES = {"unlearned": exp(-4 * a_1 * CLEAN) / w_11, "learned": s_2 * exp(4 * a_2 * CLEAN)}
LEAST = Step("at the least gain that shows concept 2, concept 1 is spoilt above that ratio", symbolic(_least_gain))

disentanglement_time = Claim(
    id="sim.disentanglement_time",
    title="When a push of any gain first makes the unseen combination",
    statement=CLEAN,
    vocabulary=V,
    predicts=Quantity("disentanglement_time", unit="time"),
    kind="closed form",
    source=Source.own("w_12/w_22 of the composite trajectory falls to mu_1/mu_2"),
    assumptions=PASSED,
    validity=PLACES,
    derivation=(
        PUSH,
        LEAST,
        TERMS[0],
        Step(
            "w_12/S of the flow is mu_1/mu_2 at the stated time",
            high_precision(_direction, over=STARTS),
        ),
    ),
)

turn_after_disentanglement = Claim(
    id="sim.turn_after_disentanglement",
    title="From the disentanglement time to the bump of the test loss",
    statement=log(mu_1**2 * (a_1 - a_2) / (4 * a_2 * mu_2**2)) / N,
    vocabulary=V,
    predicts=Quantity("turn_after_disentanglement", unit="time"),
    kind="closed form",
    source=Source.own("both are times at which w_12/S passes a level; no constant of the start enters"),
    assumptions=(
        *PASSED,
        Assumption("the test loss swings by", w_12 > 1e-12),
        Assumption("signals differ clearly", a_2 / a_1 < 0.35, "at mu = (1.5, 1) the bump comes 0.02 late"),
        Assumption(
            "the first term of the slope is spent at the bump",
            P * (Q / R) ** (-M / N) / Q < 0.02,
            "the bump neglects it, and a constant of this size is wanted",
        ),
        Assumption(
            "the weak concept is small at the bump",
            s_2 * (Q / R) ** (4 * a_2 / N) < 0.01,
            "the constant moves by a few times this over a_1 + 3 a_2: at 0.05 by 0.03 at mu = (1.5, 1)",
        ),
    ),
    validity=PLACES,
    notation="negative where the capability comes after the turn: mu_1/mu_2 below about 1.6",
    derivation=(
        SLOPE,
        *TERMS,
        LEAST,
        Step("is the bump time minus the disentanglement time", high_precision(lambda law: _apart(law), over=STARTS)),
    ),
)


def _apart(law: Expr) -> Expr:
    bump = swing_by_bump_time.statement.expression
    return law - (bump - CLEAN.subs(Abs(w_12), w_12))


CLAIMS = (capability_time, capability_lead, capability_lead_layered, disentanglement_time, turn_after_disentanglement)
