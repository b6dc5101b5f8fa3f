"""The ghost, one window: the slope of the loss, and what confidence does to it. Setting: theory/ghost.py."""

from __future__ import annotations

from sympy import Abs, Expr, Rational, Symbol, exp, factor, integrate, pi, sign, simplify, sqrt, symbols, tan

from theory.balls import certified_unique_root
from theory.claim import (
    Assumption,
    Claim,
    Correction,
    Quantity,
    Root,
    Source,
    Step,
    certified,
    symbolic,
)
from theory.ghost_passage import BLOW_UP, PAPER
from theory.ghost_vocabulary import OPTIMUM, SILENT, T, V, confidence, output_offset, r, threshold

t, z = symbols("t z", positive=True)
x = Symbol("x", real=True)
SLOPE = pi / (4 * r ** Rational(3, 2))
S = Symbol("S", positive=True)

SHARP = (
    Assumption(
        "the threshold is far on the scale of the ghost", threshold * T >= 2000.0, "finite laws deviate by 0.25 %"
    ),
    Assumption("the silent output is 0", confidence * threshold >= 20.0, "S < 2.1e-9"),
)
FAR = SHARP[:1]
ALIVE = Assumption("above the no-learning zone", r / OPTIMUM > 0.25)


OUTPUT = 1 / (1 + exp(-confidence * (x - threshold)))
"""o(x), for the derivations."""


def _S(z: Symbol) -> Expr:
    return 1 / (1 + exp(z))


def _rest() -> Expr:
    """The output at x = 0."""
    return OUTPUT.subs(x, 0)


def _sharp(law: Expr, ratio: Expr) -> Expr:
    """The law at r = ratio r*, signs decided where they can be."""
    return law.subs(r, ratio * OPTIMUM).replace(sign, lambda argument: sign(factor(argument)))


sharp_slope = Claim(
    id="ghost.sharp_slope",
    title="Slope of the loss for a sharp output",
    statement=sign(r - OPTIMUM) * SLOPE,
    vocabulary=V,
    predicts=Quantity("gradient", unit="time^3"),
    kind="closed form",
    assumptions=(
        *SHARP,
        ALIVE,
        Assumption(
            "the crossing does not fall on T",
            Abs(r / OPTIMUM - 1) >= 4 / (threshold * T),
            "nearer to r* than 2/(threshold T) the threshold is passed on the other side of T",
        ),
    ),
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source(
        PAPER,
        "gradient of the loss; it vanishes below r*/4, the no-learning zone",
        printed=(
            r"\frac{dL}{dr} = +\frac{\pi}{4 r^{3/2}} \;(r > r^*), \qquad "
            r"\frac{dL}{dr} = -\frac{\pi}{4 r^{3/2}} \;(r^*/4 < r < r^*)"
        ),
        assuming="a sharp output: confidence and threshold to infinity, so that the output at rest is 0",
    ),
    notation="r* = pi^2/(4 T^2), where the loss |T - pi/(2 sqrt(r))| vanishes",
    derivation=(
        Step("above r* the output is on too early, L = T - t*", symbolic(lambda: (T - BLOW_UP).diff(r), lambda: SLOPE)),
        Step("r* is where the blow-up falls on T", symbolic(lambda: BLOW_UP.subs(r, OPTIMUM) - T)),
        Step(
            "at r*/4 it falls on 2T, and below the output stays silent",
            symbolic(lambda: BLOW_UP.subs(r, OPTIMUM / 4), lambda: 2 * T),
        ),
        Step("at r* the slope is 2 T^3/pi^2", symbolic(lambda: SLOPE.subs(r, OPTIMUM), lambda: 2 * T**3 / pi**2)),
        Step(
            "the statement is the slope of T - t* for every r > r*, and of t* - T for every r < r*",
            symbolic(
                lambda law: [_sharp(law, 1 + z), _sharp(law, 1 / (1 + z))],
                lambda: [_sharp((T - BLOW_UP).diff(r), 1 + z), _sharp((BLOW_UP - T).diff(r), 1 / (1 + z))],
            ),
        ),
    ),
)

slope_above = Claim(
    id="ghost.slope_above",
    title="Slope of the loss above the optimum, with the output at rest",
    statement=(1 - SILENT**2) * SLOPE,
    vocabulary=V,
    predicts=Quantity("gradient", unit="time^3"),
    kind="closed form",
    assumptions=(*FAR, Assumption("above the optimum", r / OPTIMUM > 1.0)),
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("the output rises from S = sigmoid(-confidence threshold), not from 0"),
    corrects=Correction("ghost.sharp_slope", classed="assumption fails", note="the printed slope is the case S = 0"),
    notation="S = 1/(1 + e^(confidence threshold)) is the output at x = 0",
    derivation=(
        Step(
            "L = S^2 t* + (T - t*), t* = pi/(2 sqrt(r))",
            symbolic(lambda law: law, lambda: (_rest() ** 2 * BLOW_UP + T - BLOW_UP).diff(r)),
        ),
    ),
)

slope_below = Claim(
    id="ghost.slope_below",
    title="Slope of the loss below the optimum, with the output at rest",
    statement=-((1 - SILENT) ** 2) * SLOPE,
    vocabulary=V,
    predicts=Quantity("gradient", unit="time^3"),
    kind="closed form",
    assumptions=(
        *FAR,
        ALIVE,
        Assumption("below the optimum", r / OPTIMUM < 1.0),
        Assumption(
            "the output has hardly begun to rise at T",
            2 * (OUTPUT.subs(x, sqrt(r) * tan(sqrt(r) * T)) - SILENT) / (1 - SILENT) ** 2 <= 0.008,
            "the rise before T takes that share from the slope: 4 % for r = 0.98 r*, threshold T = 2000, S = 0.27",
        ),
    ),
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("the output rises from S = sigmoid(-confidence threshold), not from 0"),
    corrects=Correction("ghost.sharp_slope", classed="assumption fails", note="the printed slope is the case S = 0"),
    notation="S = 1/(1 + e^(confidence threshold)) is the output at x = 0",
    derivation=(
        Step(
            "L = S^2 T + (1 - S)^2 (t* - T), t* = pi/(2 sqrt(r))",
            symbolic(lambda law: law, lambda: (_rest() ** 2 * T + (1 - _rest()) ** 2 * (BLOW_UP - T)).diff(r)),
        ),
    ),
)

least_loss = Claim(
    id="ghost.least_loss",
    title="Least loss at finite confidence",
    statement=SILENT**2 * T,
    vocabulary=V,
    predicts=Quantity("least_loss", unit="time"),
    kind="closed form",
    assumptions=(
        *FAR,
        Assumption(
            "the output rises fast beside what rest costs",
            1 / (confidence * threshold**2 * T * SILENT**2) <= 0.005,
            "the rise costs up to 1/(confidence threshold^2), 0.6 % of S^2 T there, six times S^2 T for "
            "threshold T = 2000 and confidence threshold = 6",
        ),
    ),
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("the silent half costs S^2 T even where the switch comes in time"),
    derivation=(
        Step(
            "the value of both branches at r*",
            symbolic(
                lambda law: [law, law],
                lambda: [
                    (_rest() ** 2 * BLOW_UP + T - BLOW_UP).subs(r, OPTIMUM),
                    (_rest() ** 2 * T + (1 - _rest()) ** 2 * (BLOW_UP - T)).subs(r, OPTIMUM),
                ],
            ),
        ),
        Step(
            "which is the least: the loss rises with r above r*, and falls below (t* falls with r)",
            certified(
                lambda: [
                    simplify((S**2 * BLOW_UP + T - BLOW_UP).diff(r) / SLOPE) > 0,
                    simplify((S**2 * T + (1 - S) ** 2 * (BLOW_UP - T)).diff(r) / SLOPE) < 0,
                ],
                over={S: (0, Rational(1, 2))},
            ),
        ),
    ),
)

REST = SILENT * (1 - SILENT)
AT_REST = confidence * REST * T**2 * (4 * SILENT - 3)

slope_at_bifurcation = Claim(
    id="ghost.slope_at_bifurcation",
    title="Slope of the loss at r = 0",
    statement=AT_REST,
    vocabulary=V,
    predicts=Quantity("gradient", unit="time^3"),
    kind="identity",
    source=Source.own("at r = 0 the state stays at x = 0 and its sensitivity dx/dr is t"),
    derivation=(
        Step(
            "the sensitivity s = dx/dr of x = sqrt(r) tan(sqrt(r) t) tends to t",
            symbolic(lambda: (sqrt(r) * tan(sqrt(r) * t)).diff(r).limit(r, 0) - t),
        ),
        Step(
            "do/dr = confidence o (1 - o) s; 2 (o - y) do/dr summed over the silent and the active half",
            symbolic(
                lambda law: law,
                lambda: (
                    integrate(2 * S * confidence * S * (1 - S) * t, (t, 0, T))
                    + integrate(2 * (S - 1) * confidence * S * (1 - S) * t, (t, T, 2 * T))
                ).subs(S, _rest()),
            ),
        ),
        Step(
            "where do/dr is that: the output's own derivative",
            symbolic(lambda: OUTPUT.diff(x), lambda: confidence * OUTPUT * (1 - OUTPUT)),
        ),
    ),
)

S_OF_Z = 1 / (1 + exp(output_offset))

best_confidence = Claim(
    id="ghost.best_confidence",
    title="Confidence of the steepest loss at r = 0",
    statement=Root(
        output_offset * (3 - 14 * S_OF_Z + 12 * S_OF_Z**2) - (3 - 4 * S_OF_Z),
        unknown=output_offset,
        bracket=(1, 10),
        result=output_offset / threshold,
    ),
    vocabulary=V,
    predicts=Quantity("best_confidence", unit="time"),
    kind="threshold",
    source=Source.own("stationary point of the slope at r = 0"),
    notation="confidence times threshold = z with z (3 - 14 S + 12 S^2) = 3 - 4 S, S = 1/(1 + e^z)",
    derivation=(
        Step(
            "the slope at r = 0, at confidence z/threshold, changes with z by T^2/threshold S (1 - S) the equation",
            symbolic(
                lambda law: T**2 / threshold * _S(z) * (1 - _S(z)) * law.residual.subs(output_offset, z),
                lambda: (
                    (confidence * _rest() * (1 - _rest()) * T**2 * (4 * _rest() - 3))
                    .subs(confidence, z / threshold)
                    .diff(z)
                ),
            ),
        ),
        Step("the confidence is z/threshold", symbolic(lambda law: law.result * threshold - output_offset)),
        Step(
            "the equation has one root in the bracket",
            certified(lambda law: certified_unique_root(law.residual, law.unknown, law.bracket)),
        ),
    ),
)

CLAIMS = (sharp_slope, slope_above, slope_below, least_loss, slope_at_bifurcation, best_confidence)
