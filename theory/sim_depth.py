"""Structured identity mapping: learning times of untied linear networks of any depth, f(x) = x W_1 ... W_L.

Setting and notation: theory/sim.py, L = depth, M = W_1 ... W_L. Balanced layers (W_l^T W_l = W_(l+1) W_(l+1)^T) stay
so under gradient flow. For L = 2 and a symmetric M the velocity of M is half that of the tied network plus an
antisymmetric part, which is of second order in M and turns M away from the symmetric maps: the untied network is the
tied one at half the speed early on only, and for M that commutes with A. A concept alone grows as
w' = L a w^(2 - 2/L) (1 - w).
"""

from __future__ import annotations

import numpy as np
from scipy.integrate import solve_ivp
from sympy import Abs, Expr, Matrix, Rational, diff, digamma, expand_log, eye, hyper, log, prod, simplify, symbols

from theory import sim_coordinates as coordinates
from theory.claim import Assumption, Claim, Source, Step, high_precision, numerical, symbolic
from theory.compiled import numeric
from theory.sim_learning_time import BARTLETT, DELAY, FREEDOM, RANDOM, TIME, VALIDITY, learning_time, learning_time_mean
from theory.sim_linear import A2, field
from theory.sim_vocabulary import V, a, a_1, a_2, correlation, depth, lr, s, scale, shift, w_11, w_12, w_22

HALVED = 2 * log(1 + lr * a)
"""Growth of log(w/(1 - w)) in one step of descent on two layers."""
SMALL_STEP = Assumption(
    "the steps resolve the growth",
    lr * a < 0.1,
    "the delay of 3/4 log 2 steps changes by 0.2 learning_rate a",
)
START = Matrix(2, 2, symbols("u_11 u_12 u_21 u_22", real=True))


def _velocity(first: Matrix, second: Matrix) -> Matrix:
    """dM/dt of M = W_1 W_2 under gradient flow on tr((M - 1)^T A (M - 1))/2."""
    error = A2 * (first * second - eye(2))
    return -error * second.T * second - first * first.T * error


def _symmetric_part() -> Matrix:
    """Symmetric part of the velocity at W_1 = U, W_2 = U^T, minus half the tied network's."""
    moved = _velocity(START, START.T)
    return ((moved + moved.T) / 2 - field(START * START.T, A2) / 2).expand()


def _antisymmetric_part() -> Matrix:
    """The rest of the velocity, minus (M^2 A - A M^2)/2."""
    moved, m = _velocity(START, START.T), START * START.T
    return ((moved - moved.T) / 2 - (m**2 * A2 - A2 * m**2) / 2).expand()


def _early_growth() -> Expr:
    """Growth rate of w_22 - w_12^2/w_11 under M' = A M + M A, minus 2 a_2."""
    m = Matrix([[w_11, w_12], [w_12, w_22]])
    moved = A2 * m + m * A2
    left = w_22 - w_12**2 / w_11
    change = sum(left.diff(w) * v for w, v in ((w_11, moved[0, 0]), (w_12, moved[0, 1]), (w_22, moved[1, 1])))
    return simplify(change / left - 2 * a_2)


def _gradient(layers: int) -> Expr:
    """- d/du_1 of a (u_1 ... u_L - 1)^2/2 at equal layers, minus a u^(L-1) (1 - u^L)."""
    each = symbols(f"u_1:{layers + 1}", positive=True)
    u = symbols("u", positive=True)
    force = -diff(a * (prod(each) - 1) ** 2 / 2, each[0]).subs(dict.fromkeys(each, u), simultaneous=True)
    return (force - a * u ** (layers - 1) * (1 - u**layers)).expand()


def _flow_time(law: Expr, layers: float, seed: float) -> float:
    """Relative deviation of the law from the flow of balanced layers that start at a nearly diagonal map."""
    rng = np.random.default_rng(int(seed))
    count, moments = round(layers), np.array([2.0, 0.9, 0.4])
    small = (1e-6 if count == 2 else 1e-4 if count == 3 else 1e-3) * rng.uniform(0.5, 2.0, 3)
    factor = np.diag(np.sqrt(small)) + 0.02 * np.sqrt(small.min()) * np.tril(rng.normal(size=(3, 3)), -1)
    values, vectors = np.linalg.eigh(factor @ factor.T)
    root = vectors @ np.diag(values ** (1 / count)) @ vectors.T
    second = np.diag(moments)

    def flow(_: float, flat: np.ndarray) -> np.ndarray:
        w = flat.reshape(count, 3, 3)
        error = second @ (_product(w) - np.eye(3))
        return np.array([-_product(w[:n]).T @ error @ _product(w[n + 1 :]).T for n in range(count)]).ravel()

    halves = [lambda _, flat, p=p: _product(flat.reshape(count, 3, 3))[p, p] - 0.5 for p in range(3)]
    done = solve_ivp(
        flow, (0, 400), np.array([root] * count).ravel(), method="DOP853", rtol=1e-10, atol=1e-14, events=halves
    )
    times = np.array([event[0] for event in done.t_events])
    s_p = coordinates.pivots(factor @ factor.T, moments)
    free = {s: s, a: a, depth: count, lr: Rational(1, 10**9)}
    stated = numeric(law.subs(free), (s, a))(s_p, moments)
    return float(np.abs(times / stated - 1).max())


def _product(layers: np.ndarray) -> np.ndarray:
    out = np.eye(3)
    for layer in layers:
        out = out @ layer
    return out


BALANCED = Assumption("other rows hardly matter", Abs(shift) / log((1 - s) / s) < 0.15)

learning_time_untied = Claim(
    id="sim.learning_time_untied",
    title="When a concept is half learned by two untied layers",
    statement=lr * (log((1 - s) / s) / HALVED - DELAY),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("balanced start: the tied law at half the speed; 2 a t = log((1 - s)/s) as learning_rate -> 0"),
    assumptions=(SMALL_STEP, BALANCED),
    validity=VALIDITY,
    derivation=(
        Step("at a symmetric map the symmetric part of the velocity is half the tied one", symbolic(_symmetric_part)),
        Step("the antisymmetric part is (M^2 A - A M^2)/2, of second order in M", symbolic(_antisymmetric_part)),
        Step("early on w_22 - w_12^2/w_11 grows at the rate 2 a_2", symbolic(_early_growth)),
        Step(
            "the statement is the tied law at half the learning rate and twice the time",
            symbolic(lambda law: law, lambda: 2 * learning_time.statement.expression.subs(lr, lr / 2)),
        ),
        Step(
            "the statement on the integrated flow of two balanced layers and three concepts",
            numerical(
                lambda law, seed: _flow_time(law, 2, seed),
                tolerance=0.01,
                samples=4,
                over={"seed": (0, 1000)},
                reason="integration of the flow; the other rows are left out of the law",
            ),
        ),
    ),
)

learning_time_untied_mean = Claim(
    id="sim.learning_time_untied_mean",
    title="Mean learning time of two untied layers over Gaussian starts",
    statement=lr * ((-log(scale**2) - digamma(FREEDOM)) / HALVED - DELAY),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("(W_1 + W_2^T)/2 grows as e^(A t), the difference dies out: a tied start of variance scale^2/2"),
    assumptions=(SMALL_STEP, *RANDOM[1:]),
    derivation=(
        BARTLETT,
        Step(
            "early on W_1 + W_2^T grows at the rate A and W_1 - W_2^T at -A",
            symbolic(lambda: [a_1 * (w_12 + sign * w_22) - sign * a_1 * (w_22 + sign * w_12) for sign in (1, -1)]),
        ),
        Step(
            "the statement is the tied mean at half the learning rate, twice the time and scale/sqrt 2",
            symbolic(
                lambda law: expand_log(law, force=True),
                lambda: expand_log(_tied_mean(), force=True),
            ),
        ),
    ),
)


def _tied_mean() -> Expr:
    tied = learning_time_mean.statement.expression.subs({correlation: 0, lr: lr / 2})
    return 2 * tied.subs(scale, scale / 2 ** Rational(1, 2))


POWER = 2 / depth - 1


def _primitive(w: Expr) -> Expr:
    """Integral of w^(2/L - 2)/(1 - w)."""
    return w**POWER / POWER * hyper([1, POWER], [2 / depth], w)


FLOW = (_primitive(Rational(1, 2)) - _primitive(s)) / (depth * a)
LAG = lr / 2 * ((1 - 1 / depth) * log(1 / (2 * s)) - log(2 * (1 - s)))


def _descent(law: Expr, layers: float, h: float, start: float) -> float:
    """Time that u <- u + h u^(L-1) (1 - u^L) takes from u^L = start to 1/2, minus the law, over h."""
    count = round(layers)
    u, n, after = start ** (1 / count), 0, 0.0
    while (after := u + h * u ** (count - 1) * (1 - u**count)) ** count < 0.5:
        u, n = after, n + 1
    steps = n + (0.5 - u**count) / (after**count - u**count)
    stated = numeric(law.subs({a: 1, depth: count}), (lr, s))(h, start)
    return float(steps - stated / h)


learning_time_deep = Claim(
    id="sim.learning_time_deep",
    title="When a concept is half learned by three layers and more",
    statement=FLOW + LAG,
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("w' = L a w^(2 - 2/L) (1 - w) from s_p, and the lag of descent behind the flow"),
    assumptions=(
        Assumption("three layers or more", depth > 2.5, "two layers grow exponentially: sim.learning_time_untied"),
        Assumption("the steps resolve the growth", lr * a * depth < 0.2),
        Assumption(
            "other rows hardly matter",
            Abs(shift) / log((1 - s) / s) < 0.15,
            "the correction of the tied network as a measure of how far W(0) is from diagonal",
        ),
    ),
    validity={"start": s, "correction": Abs(shift) / log((1 - s) / s), "step_size": lr * a},
    derivation=(
        Step(
            "each of L equal layers of one concept is pushed by a u^(L-1) (1 - u^L)",
            symbolic(lambda: [_gradient(layers) for layers in (3, 4, 5)]),
        ),
        Step(
            "so that w = u^L obeys w' = L a w^(2 - 2/L) (1 - w): the law's slope in s is minus the inverse of that",
            high_precision(
                lambda law: -law.subs(lr, 0).diff(s) * depth * a * s ** (2 - 2 / depth) * (1 - s) - 1,
                over={s: (1e-6, 0.3), a: (0.2, 3), depth: (3, 6)},
            ),
        ),
        Step("and the time from 1/2 is zero", symbolic(lambda law: law.subs(lr, 0).subs(s, Rational(1, 2)))),
        Step(
            "descent lags the flow by half the logarithm of the push's growth",
            symbolic(
                lambda law: expand_log(law.diff(lr), force=True),
                lambda: expand_log(
                    log((1 / (2 * s)) ** (1 - 1 / depth) * Rational(1, 2) / (1 - s)) / 2,
                    force=True,
                ),
            ),
        ),
        Step(
            "the statement on the iterated map, what is left in steps",
            numerical(
                _descent,
                tolerance=0.02,
                over={"layers": (3, 5), "h": (0.002, 0.02), "start": (1e-3, 3e-2)},
                reason="an iteration; the next term is of order learning_rate",
            ),
        ),
        Step(
            "the statement on the integrated flow of balanced layers and three concepts",
            numerical(
                _flow_time,
                tolerance=0.01,
                samples=4,
                over={"layers": (3, 4), "seed": (0, 1000)},
                reason="integration of the flow; the other rows are left out of the law",
            ),
        ),
    ),
)

CLAIMS = (learning_time_untied, learning_time_untied_mean, learning_time_deep)
