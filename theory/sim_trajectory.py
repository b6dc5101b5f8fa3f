"""Structured identity mapping: the whole trajectory W(t) of the tied network, entry by entry.

Setting and notation: theory/sim.py. Two concepts: in x = w_11, S = w_22 - w_12^2/w_11 and q = w_12^2/w_11 the flow is
a Lotka-Volterra system of three species, without any approximation,

    x'/x = 4 a_1 (1 - x) - 2 (a_1 + a_2) q
    S'/S = 4 a_2 (1 - S) + 2 (a_1 - a_2) q
    q'/q = 4 a_2 - 2 (a_1 + a_2) x - 2 (a_1 + 3 a_2) S - 4 a_2 q.

Without the terms in q on the right it is solved in closed form, the composite trajectory. `coupling` is the largest
shift of log x or log S by what is left out. More concepts: theory/sim_trajectory_factor.py.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from sympy import Expr, Interval, Matrix, Symbol, diag, exp, log, oo, simplify, symbols

from theory import sim_trajectory_factor as factor
from theory.claim import Assumption, Claim, Derived, Quantity, Source, Step, numerical, symbolic
from theory.sim_linear import A2, W2, field
from theory.sim_vocabulary import PAIR, V, a_1, a_2, lr, s_2, t, w_11, w_12, w_22

coupling = V.symbol(
    "coupling", "largest shift of a log pivot by the entries that the composite trajectory leaves out",
    domain=Interval(0, oo), typical=(1e-4, 0.3), derived=Derived(factor.coupling, PAIR),
)  # fmt: skip


def _part(name: str, meaning: str, order: factor.Order, minus: factor.Order | None = None) -> Symbol:
    def values(w: np.ndarray, mu: np.ndarray, sigma: np.ndarray, time: np.ndarray) -> np.ndarray:
        out = factor.entries(w, mu, sigma, time, order)
        return out if minus is None else out - factor.entries(w, mu, sigma, time, minus)

    return V.symbol(
        name, meaning, dims=("row", "column"), typical=(0.05, 1.0), derived=Derived(values, (*PAIR, "time"))
    )


direct = _part("direct", "W(t) without detours over concepts in between", "direct")
detour = _part("detour", "what detours over concepts in between add to W(t)", "composite", "direct")
correction = _part("correction", "what the next order adds to W(t)", "corrected", "composite")

D_1, D_2 = (1 + s * (exp(4 * a * t) - 1) for s, a in ((w_11, a_1), (s_2, a_2)))
STRONG = w_11 * exp(4 * a_1 * t) / D_1
LEFT = s_2 * exp(4 * a_2 * t) / D_2
CROSS = w_12 * exp(2 * (a_1 + a_2) * t) * D_1 ** (-(3 * a_1 + a_2) / (4 * a_1)) * D_2 ** (-(a_1 + 3 * a_2) / (4 * a_2))
WEAK = LEFT + CROSS**2 / STRONG

# --- the flow in the factor ---


def _volterra() -> list[Expr]:
    """The field F in x, S and q, minus the Lotka-Volterra system."""
    f = field(W2, A2)
    q, left = w_12**2 / w_11, w_22 - w_12**2 / w_11
    x, y, z = w_11, w_12, w_22

    def along(formula: Expr) -> Expr:
        return formula.diff(x) * f[0, 0] + formula.diff(y) * f[0, 1] + formula.diff(z) * f[1, 1]

    return [
        simplify(along(x) - x * (4 * a_1 * (1 - x) - 2 * (a_1 + a_2) * q)),
        simplify(along(left) - left * (4 * a_2 * (1 - left) + 2 * (a_1 - a_2) * q)),
        simplify(
            along(q) - q * (4 * a_2 - 2 * (a_1 + a_2) * x - 2 * (a_1 + 3 * a_2) * left - 4 * a_2 * q)
        ),
    ]  # fmt: skip


def _cross_growth() -> Expr:
    """log w_12 grows as log(q)/2 + log(x)/2: what is left of it without the terms in q."""
    return 2 * (a_1 + a_2) - (3 * a_1 + a_2) * STRONG - (a_1 + 3 * a_2) * LEFT


@functools.cache
def _three() -> tuple[Matrix, Matrix, tuple[Symbol, ...], tuple[Symbol, ...], Symbol]:
    """L^-1 of the flow for three concepts: L (below the diagonal of order e), dL/dt, strengths, roots of pivots, e."""
    a, root = symbols("a1:4", positive=True), symbols("root1:4", positive=True)
    e = symbols("e", positive=True)
    low = diag(*root)
    for name, (j, i) in {"l21": (1, 0), "l31": (2, 0), "l32": (2, 1)}.items():
        low[j, i] = e * Symbol(name)
    second = diag(*a)
    w = low * low.T
    n = low.inv() * (2 * second - second * w - w * second) * low
    rates = Matrix(3, 3, lambda i, j: n[i, j] + (n[j, i] if i > j else 0) if i >= j else 0)
    return low, (low * rates).applyfunc(lambda x: x.expand()), a, root, e


def _factor_is_of_the_flow() -> Matrix:
    """The change of L L^T minus F(L L^T) for three concepts."""
    low, change, a, _, _ = _three()
    return (change * low.T + low * change.T - field(low * low.T, diag(*a))).applyfunc(simplify)


def _rests() -> list[Expr]:
    """Rates of the factor minus those of the composite, up to the second order below the diagonal."""
    low, change, a, root, e = _three()
    (a1, a2, a3), r2 = a, root[1]
    l21, l31, l32 = symbols("l21 l31 l32")

    def order(formula: Expr, k: int) -> Expr:
        return simplify(formula.diff(e, k).subs(e, 0))

    def linear(j: int, i: int) -> Expr:
        return 2 * a[j] - (a[i] + a[j]) * root[i] ** 2 - (a[i] + 3 * a[j]) * root[j] ** 2

    off = [change[j, i] - linear(j, i) * low[j, i] for j, i in ((1, 0), (2, 0), (2, 1))]
    pivots = [2 * change[p, p] / root[p] - 4 * a[p] * (1 - root[p] ** 2) for p in range(3)]
    return [
        *(order(rest, k) for rest in (*off, *pivots) for k in (0, 1)),
        simplify(order(off[1], 2) / 2 + (a1 + 2 * a2 + a3) * l21 * l32 * r2),
        simplify(order(pivots[0], 2) / 2 + 2 * (a1 + a2) * l21**2 + 2 * (a1 + a3) * l31**2),
        simplify(order(pivots[1], 2) / 2 - 2 * (a1 - a2) * l21**2 + 2 * (a2 + a3) * l32**2),
        simplify(order(pivots[2], 2) / 2 - 2 * (a1 - a3) * l31**2 - 2 * (a2 - a3) * l32**2),
    ]


EXACT = Step("x, S and q of the flow are a Lotka-Volterra system", symbolic(_volterra))
PIVOTS = Step(
    "w_11 and S are logistic without the terms in q",
    symbolic(
        lambda: [STRONG.diff(t) / STRONG, LEFT.diff(t) / LEFT], lambda: [4 * a_1 * (1 - STRONG), 4 * a_2 * (1 - LEFT)]
    ),
)
PATH = (
    Assumption("the entries that are left out shift no logarithm much", coupling < 0.1, "the error is of this order"),
    Assumption(
        "close to gradient flow",
        lr * a_1 * log(1 / w_11) < 0.05,
        "descent moves log W by learning_rate a log(1/w) or so",
    ),
)
VALIDITY = {"coupling": coupling, "step_size": lr * a_1 * log(1 / w_11)}


def _of_two(id: str, title: str, statement: Expr, start: Expr, growth: Step) -> Claim:
    return Claim(
        id=f"sim.trajectory_{id}",
        title=title,
        statement=statement,
        vocabulary=V,
        predicts=Quantity("W"),
        kind="closed form",
        source=Source.own("Lotka-Volterra form of the flow of two concepts, without the terms in w_12^2/w_11"),
        assumptions=PATH,
        validity=VALIDITY,
        derivation=(
            EXACT,
            PIVOTS,
            growth,
            Step("starts at W(0)", symbolic(lambda law: law.subs(t, 0) - start)),
        ),
    )


strong = _of_two(
    "strong",
    "The diagonal entry of the stronger of two concepts",
    STRONG,
    w_11,
    Step("follows x'/x without q", symbolic(lambda law: law.diff(t) / law, lambda: 4 * a_1 * (1 - STRONG))),
)
cross = _of_two(
    "cross",
    "The off-diagonal entry of two concepts",
    CROSS,
    w_12,
    Step("follows x'/(2 x) + q'/(2 q) without q", symbolic(lambda law: law.diff(t) / law, _cross_growth)),
)
weak = _of_two(
    "weak",
    "The diagonal entry of the weaker of two concepts",
    WEAK,
    s_2 + w_12**2 / w_11,
    Step(
        "is S + q, each with its own rate",
        symbolic(
            lambda law: law.diff(t),
            lambda: (
                LEFT.diff(t) + CROSS**2 / STRONG * (4 * a_2 - 2 * (a_1 + a_2) * STRONG - 2 * (a_1 + 3 * a_2) * LEFT)
            ),
        ),
    ),
)

# --- any number of concepts ---

MU, SIGMA = np.array([2.0, 1.1, 0.8]), np.array([0.05, 0.1, 0.0])
START = 1e-3 * np.array([[2.0, 0.7, -0.5], [0.7, 1.5, 0.6], [-0.5, 0.6, 1.2]])
CHECKED = np.array([0.3, 0.7, 1.2, 2.0])
"""Times, from the first rise on; later the off-diagonal entries are small differences."""


def flow(w: np.ndarray, a: np.ndarray, times: np.ndarray) -> np.ndarray:
    """W at `times` by numerical integration of dW/dt = F(W), to ten digits: the judge of the composite trajectory."""
    from scipy.integrate import solve_ivp

    d = len(w)
    full = np.concatenate([a, np.zeros(d - len(a))])

    def rate(_: float, flat: np.ndarray) -> np.ndarray:
        m = flat.reshape(d, d)
        pull = 2 * np.diag(full) - full[:, None] * m - m * full
        return (pull @ m + m @ pull).ravel()

    found = solve_ivp(rate, (0.0, times[-1]), w.ravel(), "DOP853", t_eval=times, rtol=1e-10, atol=1e-20)
    return found.y.T.reshape(-1, d, d)


def _leading(law: Expr) -> np.ndarray:
    """The law on the start above, from its parts."""
    given = (START, MU, SIGMA, CHECKED)
    values = {part: np.asarray(V[part.name].derived.function(*given)) for part in (direct, detour, correction)}  # type: ignore[union-attr]
    return np.asarray(_numeric(law)(*(values[part] for part in (direct, detour, correction))))


def _numeric(law: Expr) -> Any:
    from theory.compiled import numeric

    return numeric(law, (direct, detour, correction))


def _two_of_three(t_: float) -> np.ndarray:
    """The factor's W for two concepts at one time."""
    return factor.entries(START[:2, :2], MU[:2], SIGMA[:2], np.array([t_]), "composite")[0]


def _closed_forms(t_: float) -> np.ndarray:
    a = factor.strengths(MU[:2], SIGMA[:2])
    w = START[:2, :2]
    given = {a_1: a[0], a_2: a[1], w_11: w[0, 0], w_12: w[0, 1], s_2: w[1, 1] - w[0, 1] ** 2 / w[0, 0], t: t_}
    x, y, z = (float(formula.subs(given)) for formula in (STRONG, CROSS, WEAK))
    return np.array([[x, y], [y, z]])


COMPOSITE = (
    Step("the rates of the factor are those of the flow (three concepts)", symbolic(_factor_is_of_the_flow)),
    Step("what the composite leaves out is of the second order below the diagonal", symbolic(_rests)),
)

trajectory = Claim(
    id="sim.trajectory",
    title="Every entry of W(t), for any number of concepts",
    statement=direct + detour + correction,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="closed form",
    source=Source.own("Cholesky factor of W(t) in the order of strength; integrals over closed forms"),
    assumptions=(
        Assumption("the next order shifts no logarithm much", coupling < 0.3, "the error is of order coupling^2"),
        Assumption("close to gradient flow", lr * a_1 * log(1 / w_11) < 0.05),
    ),
    validity=VALIDITY,
    notation="direct and detour are the composite trajectory; each L_jp has its own growth and decay",
    derivation=(
        *COMPOSITE,
        Step(
            "for two concepts the composite is that of the closed forms",
            numerical(
                _closed_forms,
                _two_of_three,
                over={"t_": (0.05, 4.0)},
                tolerance=1e-5,
                reason="the factor is tabulated and interpolated",
            ),
        ),
        Step(
            "direct, detour and correction add up to the integrated flow of three concepts",
            numerical(
                _leading,
                lambda: flow(START, factor.strengths(MU, SIGMA), CHECKED),
                tolerance=3e-4,
                reason="terms of order coupling^2 are left out, 0.0018 for this start",
            ),
        ),
    ),
)

CLAIMS = (strong, cross, weak, trajectory)
