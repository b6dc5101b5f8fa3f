"""Structured identity mapping: when the test loss falls, rises and falls again (a swing by the right answer).

Setting and notation: theory/sim.py. For two concepts, once the strong one is nearly learned, x = 1/w_11 - 1
falls as e^(-4 a_1 t)/w_11(0), w_12 as c = C e^(-(a_1-a_2) t); S = w_22 - w_12^2/w_11 as s_2 e^(4 a_2 t):

    dL/dt = -P e^(-8 a_1 t) + Q e^(-(a_1-a_2) t) - R e^(4 a_2 t)   up to a relative error of order x

for the test loss L = |W x_hat - x_hat|^2/2. The loss rises iff the middle term wins at some time.
"""

from __future__ import annotations

from sympy import Expr, Rational, S, exp, log, symbols

from theory.claim import Assumption, Claim, Quantity, Source, Step, high_precision, symbolic
from theory.sim_linear import KAPPA, W12_FLOW
from theory.sim_vocabulary import V, a_1, a_2, lr, mu_1, mu_2, s_2, scale, t, w_11, w_12

ALPHA = a_2 / a_1
P = 4 * a_1 * mu_1**2 / w_11**2
Q = mu_1 * mu_2 * (a_1 - a_2) * w_12 * w_11 ** (-KAPPA)
R = 4 * a_2 * mu_2**2 * s_2
M, N = 7 * a_1 + a_2, a_1 + 3 * a_2
RATIO = Q / ((M + N) * (P / N) ** (N / (M + N)) * (R / M) ** (M / (M + N)))
"""How many times larger the middle term is than needed for a rise."""

FALL = (1 - ALPHA) * (3 - ALPHA) / (4 * (2 + ALPHA))
"""RATIO falls as W(0)^(-FALL)."""

TOUCH = (N * R / (M * P)) ** (1 / (2 + ALPHA)) / w_11
"""x = e^(-4 a_1 t)/w_11(0) where minimum and bump would merge."""

GAP = TOUCH * RATIO ** ((1 - ALPHA) / ((2 + ALPHA) * FALL))
"""TOUCH at the critical scale."""

FIRST_ORDER = 2 - KAPPA + 3 * N / (M + N)
"""The relative error of log RATIO at the edge is FIRST_ORDER times x."""

p, q, r, m, n, x, c, e, tau = symbols("p q r m n x c epsilon tau", positive=True)


def _slope_residual() -> Expr:
    """dL/dt of the flow minus the three terms with corrections of order x; c and S count as x^2."""
    grown = symbols("S", positive=True)
    w12, w11 = c * (1 + x) ** (-KAPPA), 1 / (1 + x)
    first = mu_1 * (1 - w11) - mu_2 * w12
    second = mu_2 * (1 - grown - w12**2 / w11) - mu_1 * w12
    loss = (first**2 + second**2) / 2
    slope = -4 * a_1 * x * loss.diff(x) - (a_1 - a_2) * c * loss.diff(c) + 4 * a_2 * grown * loss.diff(grown)
    terms = (
        -4 * a_1 * mu_1**2 * x**2 * (1 - 3 * x)
        + mu_1 * mu_2 * (a_1 - a_2) * c * (1 + (2 - KAPPA) * x)
        - 4 * a_2 * mu_2**2 * grown
    )
    small = (slope - terms).subs({x: e * x, c: e**2 * c, grown: e**2 * grown}, simultaneous=True)
    return sum((small.diff(e, k).subs(e, 0) for k in range(4)), S.Zero)


def _touching_residual() -> Expr:
    """p e^(-m t) + r e^(n t) at its minimum over the threshold, minus one."""
    when = log(m * p / (n * r)) / (m + n)
    least = p * exp(-m * when) + r * exp(n * when)
    return least / ((m + n) * (p / n) ** (n / (m + n)) * (r / m) ** (m / (m + n))) - 1


def _scaling_residual() -> Expr:
    """RATIO of a start that is k times larger, times k^FALL, over RATIO, minus one."""
    k = Rational(3, 7)
    return _scaled(RATIO, k) * k**FALL / RATIO - 1


def _moved_edge() -> list[Expr]:
    """Slopes of the needed log RATIO with all terms of relative order x: in time, and in x plus FIRST_ORDER.

    Time counts from where the bare terms touch; their weights there are N/(M + N) and M/(M + N). As the slope in
    time vanishes, the place of the minimum moves the needed ratio by order x^2 only.
    """
    gap = x * exp(-4 * a_1 * tau)
    fall = (N * exp(-M * tau) * (1 - 3 * gap) + M * exp(N * tau)) / (M + N)
    needed = log(fall / (1 + (2 - KAPPA) * gap))
    return [needed.diff(tau).subs({tau: 0, x: 0}), needed.diff(x).subs({tau: 0, x: 0}) + FIRST_ORDER]


def _flow(t: Expr) -> tuple[Expr, Expr, Expr]:
    """x, c and S of the module's docstring at time t."""
    strong = exp(-4 * a_1 * t) / w_11
    return strong, w_12 * w_11 ** (-KAPPA) * exp(-(a_1 - a_2) * t), s_2 * exp(4 * a_2 * t)


def _three_terms(t: Expr) -> tuple[Expr, Expr, Expr]:
    """The sizes of the three terms of dL/dt at time t, as in _slope_residual without corrections."""
    strong, off_diagonal, grown = _flow(t)
    middle = mu_1 * mu_2 * (a_1 - a_2) * off_diagonal
    return 4 * a_1 * mu_1**2 * strong**2, middle, 4 * a_2 * mu_2**2 * grown


def _weights() -> list[Expr]:
    """The three terms over the middle one's exponential, over P e^(-M t), Q and R e^(N t), minus one."""
    given = (P * exp(-M * tau), Q, R * exp(N * tau))
    decay = exp(-(a_1 - a_2) * tau)
    return [term / decay / weight - 1 for term, weight in zip(_three_terms(tau), given, strict=True)]


def _exact_flow() -> Expr:
    """The flow of w_12 over c (1 + (1 - w_11) x)^(-KAPPA), minus one."""
    strong, off_diagonal, _ = _flow(t)
    return W12_FLOW / (off_diagonal * (1 + (1 - w_11) * strong) ** (-KAPPA)) - 1


def _touching_place() -> list[Expr]:
    """At TOUCH: RATIO is Q over the least of P e^(-M t) + R e^(N t), and x is TOUCH then; minus one each."""
    when = log(M * P / (N * R)) / (M + N)
    least = P * exp(-M * when) + R * exp(N * when)
    return [Q / least / RATIO - 1, _flow(when)[0] / TOUCH - 1]


def _scaled(formula: Expr, factor: Expr) -> Expr:
    """The formula for a W(0) that is `factor` times larger."""
    return formula.subs({w_11: factor * w_11, w_12: factor * w_12, s_2: factor * s_2}, simultaneous=True)


def _edge_residual(law: Expr) -> Expr:
    """RATIO of the start at the scale of the law, times e^(FIRST_ORDER x), minus one; x where the bare terms touch."""
    bare = _scaled(TOUCH, RATIO ** (1 / FALL))
    return _scaled(RATIO, (law / scale) ** 2) * exp(FIRST_ORDER * bare) - 1


STARTS = {
    a_1: (1, 3),
    a_2: (0.1, 0.9),
    mu_1: (1, 3),
    mu_2: (1, 2),
    w_11: (1e-8, 1e-2),
    w_12: (1e-8, 1e-2),
    s_2: (1e-8, 1e-2),
}
TERMS = (
    Step(
        "w_12 of the flow is c (1 + (1 - w_11(0)) x)^(-KAPPA)",
        high_precision(_exact_flow, over={a_1: (1, 3), a_2: (0.1, 0.9), w_11: (1e-8, 1e-2), t: (0, 4)}),
    ),
    Step(
        "the three terms are P e^(-M t), Q and R e^(N t) times that of the middle one",
        high_precision(_weights, over={**STARTS, tau: (0, 4)}),
    ),
)
SLOPE = Step("dL/dt near the solution, with corrections of order x", symbolic(_slope_residual))
ORDER = Assumption("the strong concept is clearly stronger", ALPHA < 0.7, "w_12 must fall before concept 2 grows")
FLOW = Assumption(
    "close to gradient flow",
    lr * a_1 * log(1 / w_11) < 0.05,
    "descent moves log W by learning_rate a log(1/w) or so",
)

swing_by_critical_scale = Claim(
    id="sim.swing_by_critical_scale",
    title="Largest start that still swings by",
    statement=scale * RATIO ** (1 / (2 * FALL)) * exp(FIRST_ORDER / (2 * FALL) * GAP),
    vocabulary=V,
    predicts=Quantity("init_scale"),
    kind="threshold",
    source=Source.own("minimum and bump of the test loss merge; RATIO scales as init_scale^(-2 FALL)"),
    assumptions=(
        Assumption("the entry that swings has the right sign", w_12 > 1e-12),
        ORDER,
        FLOW,
        Assumption(
            "the strong concept is learned at the turning points",
            GAP < 0.01,
            "terms of order x^2 are left out",
        ),
    ),
    validity={"gap": GAP, "ratio_of_strengths": ALPHA, "step_size": lr * a_1 * log(1 / w_11)},
    notation="W(0) may be taken at any scale: the statement extrapolates it to the critical one",
    derivation=(
        SLOPE,
        Step(
            "p e^(-m t) + r e^(n t) is least where both terms balance",
            high_precision(_touching_residual, over={p: (0.1, 9), r: (0.1, 9), m: (1, 20), n: (1, 9)}),
        ),
        Step(
            "a start k times larger needs k^FALL times more",
            high_precision(
                _scaling_residual,
                over=STARTS,
            ),
        ),
        *TERMS,
        Step(
            "RATIO is the middle term over that least value, and x is TOUCH there",
            high_precision(_touching_place, over=STARTS),
        ),
        Step("terms of order x move log RATIO at the edge by -FIRST_ORDER x", symbolic(_moved_edge)),
        Step(
            "at the stated scale RATIO is e^(-FIRST_ORDER x), with x where the bare terms touch",
            high_precision(_edge_residual, over={**STARTS, scale: (1e-3, 1e-1)}),
        ),
        Step(
            "P e^(-M t) + R e^(N t) has no other turning point: its curvature is positive for all positive numbers",
            symbolic(lambda: (p * exp(-m * tau) + r * exp(n * tau)).diff(tau, 2) > 0),
        ),
    ),
)

TURNING = (
    Assumption("minimum and bump are well apart", RATIO > 3, "each time neglects the farther of the three terms"),
    ORDER,
    FLOW,
    Assumption("the strong concept is learned at the minimum", (Q / P) ** (4 * a_1 / M) / w_11 < 0.02),
    Assumption("the weak concept is small at the bump", s_2 * (Q / R) ** (4 * a_2 / N) < 0.05),
)

swing_by_minimum_time = Claim(
    id="sim.swing_by_minimum_time",
    title="When the test loss first turns upwards",
    statement=log(P / Q) / M,
    vocabulary=V,
    predicts=Quantity("swing_min_time", unit="time"),
    kind="closed form",
    source=Source.own("P and Q terms balance"),
    assumptions=TURNING,
    validity={"excess": RATIO, "step_size": lr * a_1 * log(1 / w_11)},
    derivation=(
        SLOPE,
        *TERMS,
        Step(
            "the first two terms balance at the stated time",
            high_precision(lambda law: _three_terms(law)[0], lambda law: _three_terms(law)[1], over=STARTS),
        ),
    ),
)

swing_by_bump_time = Claim(
    id="sim.swing_by_bump_time",
    title="When the test loss turns downwards again",
    statement=log(Q / R) / N,
    vocabulary=V,
    predicts=Quantity("swing_bump_time", unit="time"),
    kind="closed form",
    source=Source.own("Q and R terms balance"),
    assumptions=TURNING,
    validity={"excess": RATIO, "step_size": lr * a_1 * log(1 / w_11)},
    derivation=(
        SLOPE,
        *TERMS,
        Step(
            "the last two terms balance at the stated time",
            high_precision(lambda law: _three_terms(law)[2], lambda law: _three_terms(law)[1], over=STARTS),
        ),
    ),
)

CLAIMS = (swing_by_critical_scale, swing_by_minimum_time, swing_by_bump_time)
