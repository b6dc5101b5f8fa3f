"""The ghost: how descent escapes from the no-learning zone, starting at the bifurcation. Setting: theory/ghost.py.

Inside the zone, 0 <= r < r*/4, x stays far below 1/confidence, the output stays at S = 1/(1 + e^(confidence
threshold)), and only the state's own sensitivity makes the slope grow. At a sharp output S = 0 and nothing moves.
"""

from __future__ import annotations

import numpy as np
from sympy import Expr, Float, Rational, exp, log, pi, sqrt, symbols, tan

from theory.claim import Assumption, Claim, Correction, Derived, Minimum, Quantity, Source, Step, numerical, symbolic
from theory.ghost_slope import AT_REST
from theory.ghost_vocabulary import POSITIVE, SILENT, T, V, confidence, learning_rate, output_offset, r, threshold

t, S, angle = symbols("t S angle", positive=True)
NODES, WEIGHTS = np.polynomial.legendre.leggauss(40)
ANGLES = (NODES + 1) * np.pi / 4
"""Angles 2 T sqrt(r) between 0 and pi/2, where the zone ends."""


def _integral(rest: np.ndarray) -> np.ndarray:
    """Integral of angle^2/(4 (1 - S) tan(angle) - 2 tan(angle/2)) over 0..pi/2."""
    rest = np.asarray(rest, dtype=float)[..., None]
    slope = 4 * (1 - rest) * np.tan(ANGLES) - 2 * np.tan(ANGLES / 2)
    return (np.pi / 4 * WEIGHTS * ANGLES**2 / slope).sum(-1)


escape_integral = V.symbol(
    "escape_integral", "of angle^2/(4 (1 - S) tan(angle) - 2 tan(angle/2)), angle from 0 to pi/2", domain=POSITIVE,
    typical=(0.2, 0.8), latex="I",
    derived=Derived(lambda c, x: _integral(1 / (1 + np.exp(c * x))), ("confidence", "threshold")),
)  # fmt: skip

REST = SILENT * (1 - SILENT)
SENSITIVITY = t * tan(sqrt(r) * t) / (2 * sqrt(r))
"""Integral of dx/dr over 0..t."""
IN_ZONE = 2 * SENSITIVITY.subs(t, T) - 2 * (1 - S) * SENSITIVITY.subs(t, 2 * T)
"""dL/dr over confidence S (1 - S)."""
AT_ANGLE = angle**2 / (4 * T**2)
SOFT = Assumption("x stays below 1/confidence until the zone ends", confidence / T <= 0.02, "0.8 % there")
FAR = Assumption("the threshold is far on the scale of the ghost", threshold * T >= 200.0)
MANY = Assumption(
    "the escape takes many steps", learning_rate * confidence * SILENT * T**4 <= 0.02, "about ten steps, rounded up"
)
VALIDITY = {"steepness": confidence / T, "distance": 1 / (threshold * T)}
SUMMED = Step(
    "dx/dr of x = sqrt(r) tan(sqrt(r) t), summed over time, is t tan(sqrt(r) t)/(2 sqrt(r))",
    symbolic(lambda: [SENSITIVITY.diff(t), SENSITIVITY.subs(t, 0)], lambda: [(sqrt(r) * tan(sqrt(r) * t)).diff(r), 0]),
)
AT_ZERO = Step(
    "2 (o - y) o (1 - o) confidence dx/dr with o = S, summed over both halves; at r = 0 it is the exact slope there",
    symbolic(
        lambda: (confidence * S * (1 - S) * IN_ZONE).limit(r, 0).subs(S, SILENT),
        lambda: AT_REST,
    ),
)


def _quad(rest: float) -> float:
    """The escape integral by adaptive quadrature."""
    from scipy.integrate import quad

    slope = lambda v: 4 * (1 - rest) * np.tan(v) - 2 * np.tan(v / 2)  # noqa: E731
    return float(quad(lambda v: v**2 / slope(v), 0, np.pi / 2)[0])


def _spent() -> Expr:
    """Steps per angle: dr/d angle over the step."""
    slope = confidence * REST * IN_ZONE.subs(S, SILENT).subs(r, AT_ANGLE)
    return AT_ANGLE.diff(angle) / (-learning_rate * slope)


escape_step = Claim(
    id="ghost.escape_step",
    title="Steps to escape from r = 0",
    statement=escape_integral / (2 * learning_rate * confidence * REST * T**4),
    vocabulary=V,
    predicts=Quantity("escape_step", unit="step"),
    kind="asymptotic",
    small_parameter=confidence / T,
    order=1,
    assumptions=(SOFT, FAR, MANY),
    validity=VALIDITY,
    source=Source.own("dn = -dr/(learning_rate dL/dr) with the slope of an output that stays at S, up to r*/4"),
    corrects=Correction(
        "ghost.escape_step_constant", classed="assumption fails", note="the slope grows on the way, and diverges"
    ),
    notation="escape: x reaches the threshold within the window; angle = 2 T sqrt(r)",
    derivation=(
        SUMMED,
        AT_ZERO,
        Step(
            "with r = angle^2/(4 T^2) the steps per angle are the integrand times the statement's prefactor",
            symbolic(
                lambda law: (
                    law / escape_integral * angle**2 - _spent() * (4 * (1 - SILENT) * tan(angle) - 2 * tan(angle / 2))
                ),
            ),
        ),
        Step(
            "the sum over 40 nodes is the integral",
            numerical(
                lambda rest: float(_integral(rest)),
                lambda rest: _quad(rest),
                tolerance=1e-10,
                reason="Gauss-Legendre against adaptive quadrature, scipy.integrate.quad",
                over={"rest": (1e-9, 0.5)},
            ),
        ),
    ),
)


escape_step_constant = Claim(
    id="ghost.escape_step_constant",
    title="Steps to escape from r = 0 at a constant slope",
    statement=pi**2 / (16 * T**2) / (-learning_rate * AT_REST),
    vocabulary=V,
    predicts=Quantity("escape_step", unit="step"),
    kind="closed form",
    assumptions=(FAR, MANY),
    validity=VALIDITY,
    source=Source.own("rival: the width of the zone over the step at r = 0"),
    derivation=(
        AT_ZERO,
        Step(
            "steps of that size fill the zone, pi^2/(16 T^2)",
            symbolic(lambda law: -law * learning_rate * AT_REST, lambda: pi**2 / (16 * T**2)),
        ),
    ),
)

MOMENTS = (0.20223705, 0.24943017, 0.30878252, 0.38360391, 0.47813739, 0.59782897, 0.74967667, 0.94268270)
"""Coefficients of S^k in the integral, k from 0 on."""
S_OF_Z = 1 / (1 + exp(output_offset))
SERIES = sum(Float(m, 8) * S_OF_Z**k for k, m in enumerate(MOMENTS))

best_escape_confidence = Claim(
    id="ghost.best_escape_confidence",
    title="Confidence of the fastest escape from r = 0",
    statement=Minimum(
        log(SERIES) - log(output_offset * S_OF_Z * (1 - S_OF_Z)),
        unknown=output_offset,
        bracket=(Rational(1, 2), 5),
        result=output_offset / threshold,
    ),
    vocabulary=V,
    predicts=Quantity("best_confidence", unit="time"),
    kind="threshold",
    source=Source.own("least escape time, integral over z S (1 - S)"),
    notation="confidence times threshold = 1.8305, a little less than the 1.8549 of the steepest slope at r = 0",
    derivation=(
        SUMMED,
        AT_ZERO,
        Step(
            "the objective is the logarithm of the escape time at confidence z/threshold, up to a constant",
            symbolic(
                lambda law: (
                    (law.objective - log(SERIES)).diff(output_offset)
                    + log(REST * confidence).subs(confidence, output_offset / threshold).diff(output_offset)
                )
            ),
        ),
        Step("the confidence is z/threshold", symbolic(lambda law: law.result * threshold - output_offset)),
        Step(
            "the series in S is the integral",
            numerical(
                lambda law, z: float(
                    exp(law.objective + log(output_offset * S_OF_Z * (1 - S_OF_Z))).subs(output_offset, z)
                ),
                lambda z: _quad(1 / (1 + np.exp(z))),
                tolerance=2e-5,
                reason="eight terms; the ninth is (4 S/3)^8 of the first, 1e-5 at z = 1.5",
                over={"z": (1.5, 5)},
            ),
        ),
    ),
)

CLAIMS = (escape_step, escape_step_constant, best_escape_confidence)
