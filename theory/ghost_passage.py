"""The ghost, one window: passage times, loss and its slope. Setting: theory/ghost.py."""

from __future__ import annotations

from sympy import (
    Expr,
    Function,
    Integral,
    Rational,
    Symbol,
    atan,
    log,
    oo,
    pi,
    series,
    sqrt,
    symbols,
    tan,
)

from theory.claim import Claim, Correction, Quantity, Source, Step, certified, high_precision, symbolic
from theory.ghost_vocabulary import (
    V,
    dt,
    r,
    threshold,
)

PAPER = "Dinc2025"
x, t, s, o_T, z = symbols("x t s o_T z", positive=True)
PASSAGE = atan(threshold / sqrt(r)) / sqrt(r)
EULER = PASSAGE + dt / 2 * log(1 + threshold**2 / r)
BLOW_UP = pi / (2 * sqrt(r))


def growth_with_threshold(law: Expr) -> list[Expr]:
    """Residuals: zero at threshold 0, and d/d threshold minus (1 + dt F'/2)/F, F = r + x^2, at the threshold."""
    drift = r + x**2
    growth = ((1 + dt * drift.diff(x) / 2) / drift).subs(x, threshold)
    return [law.subs(threshold, 0), law.diff(threshold) - growth]


ATAN = Step(
    "where u - u^3/3 < atan(u) < u",
    certified(lambda: [atan(z) < z, atan(z) > z - z**3 / 3], over={z: (Rational(1, 10**6), 2)}),
)

passage_time = Claim(
    id="ghost.passage_time",
    title="Time to reach the threshold",
    statement=PASSAGE,
    vocabulary=V,
    predicts=Quantity("activation_time", unit="time"),
    kind="closed form",
    validity={"distance": sqrt(r) / threshold},
    source=Source(PAPER, "solution of dx/dt = r + x^2"),
    corrects=Correction(
        "ghost.blow_up_time",
        classed="assumption fails",
        note="the same solution at a finite threshold, which is reached 1/threshold before the blow-up",
    ),
    derivation=(
        Step(
            "dt = dx/(r + x^2)",
            symbolic(lambda: (atan(x / sqrt(r)) / sqrt(r)).diff(x), lambda: 1 / (r + x**2)),
        ),
        Step(
            "inverted, x(t) = sqrt(r) tan(sqrt(r) t), which solves the equation",
            symbolic(lambda: (sqrt(r) * tan(sqrt(r) * t)).diff(t), lambda: r + r * tan(sqrt(r) * t) ** 2),
        ),
        Step(
            "and reaches the threshold then",
            symbolic(lambda law: (sqrt(r) * tan(sqrt(r) * t)).subs(t, law), lambda: threshold),
        ),
        Step(
            "for the first time, on the first branch of the tangent",
            certified(
                lambda law: [sqrt(r) * law > Rational(1, 10**6), sqrt(r) * law < pi / 2],
                over={r: (Rational(1, 10**4), Rational(1, 10)), threshold: (Rational(1, 2), 1000)},
            ),
        ),
    ),
)

blow_up_time = Claim(
    id="ghost.blow_up_time",
    title="Time to leave the ghost for good",
    statement=BLOW_UP,
    vocabulary=V,
    predicts=Quantity("activation_time", unit="time"),
    kind="closed form",
    validity={"distance": sqrt(r) / threshold},
    source=Source(
        PAPER,
        "half of the passage time pi/sqrt(r)",
        printed=r"t^* = \frac{\pi}{2\sqrt{r}}",
        assuming="a threshold at infinity",
    ),
    derivation=(
        Step(
            "the integral of dx/(r + x^2) from 0 to infinity",
            symbolic(lambda law: law, lambda: Integral(1 / (r + x**2), (x, 0, oo))),
        ),
        Step(
            "it exceeds the time to reach the threshold by 1/threshold",
            symbolic(lambda law: series(law - PASSAGE.subs(threshold, 1 / s), s, 0, 3).removeO() - s),
        ),
        Step(
            "exactly by atan(u)/sqrt(r), u = sqrt(r)/threshold",
            high_precision(
                lambda law: law - PASSAGE,
                lambda: atan(sqrt(r) / threshold) / sqrt(r),
                over={r: (1e-4, 1e-1), threshold: (0.5, 1000)},
            ),
        ),
        ATAN,
    ),
)

euler_passage_time = Claim(
    id="ghost.euler_passage_time",
    title="Time to reach the threshold in the Euler scheme",
    statement=EULER,
    vocabulary=V,
    predicts=Quantity("activation_time", unit="time"),
    kind="asymptotic",
    small_parameter=dt * threshold,
    order=1,
    validity={"coarseness": dt * threshold},
    source=Source.own("the modified equation of the Euler scheme to first order in dt"),
    derivation=(
        Step(
            "the scheme follows dx/dt = F - dt F F'/2: its second-order term equals that of x + dt F",
            symbolic(
                lambda: dt * (_F(x) - dt / 2 * _F(x) * _F(x).diff(x)) + dt**2 / 2 * _F(x) * _F(x).diff(x),
                lambda: dt * _F(x),
            ),
        ),
        Step(
            "F = r + x^2: 1/(F - dt F F'/2) exceeds 1/F by dt F'/(2 F) to first order, whose integral is the delay",
            symbolic(
                lambda: (1 / ((r + x**2) * (1 - dt * x))).diff(dt).subs(dt, 0), lambda: (log(1 + x**2 / r) / 2).diff(x)
            ),
        ),
        Step(
            "the statement starts at 0 and grows with the threshold as 1/F + dt F'/(2 F) there",
            symbolic(growth_with_threshold),
        ),
    ),
)


def _F(x: Symbol) -> Function:
    return Function("F")(x)


CLAIMS = (
    passage_time,
    blow_up_time,
    euler_passage_time,
)
