"""Structured identity mapping: when a concept is half learned (w_pp = 1/2), and the spread over starts.

Setting and notation: theory/sim.py. A concept grows logistically, not from w_pp(0) but from s_p, the part
of it that no stronger concept explains: the rest is carried along with a stronger row and falls back.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import mpmath
import numpy as np
from scipy.integrate import solve_ivp
from sympy import (
    Abs,
    Expr,
    Integer,
    Integral,
    Matrix,
    Rational,
    digamma,
    exp,
    expand_log,
    gamma,
    limit,
    log,
    ones,
    oo,
    polygamma,
    series,
    simplify,
    sqrt,
    symbols,
)

from theory import sim_coordinates as coordinates
from theory.claim import Assumption, Claim, Quantity, Source, Step, numerical, symbolic
from theory.compiled import numeric
from theory.sim_linear import A2, W2, field
from theory.sim_vocabulary import (
    V,
    a,
    a_1,
    a_2,
    correlation,
    lr,
    rank,
    s,
    scale,
    shift,
    w_11,
    w_12,
    w_22,
    w_pp,
    width,
)

RATE = 2 * log(1 + 2 * lr * a)
DELAY = Rational(3, 4) * log(2)
TIME = Quantity("learning_time", unit="time")


def _after(distance: Expr) -> Expr:
    """Time in which the logarithm of w/(1 - w) gains `distance`, under gradient descent."""
    return lr * (distance / RATE - DELAY)


def _complement_residual() -> Expr:
    """d/dt (w_22 - w_12^2/w_11) minus its law."""
    flow = field(W2, A2)
    complement = w_22 - w_12**2 / w_11
    change = sum(complement.diff(w) * f for w, f in ((w_11, flow[0, 0]), (w_12, flow[0, 1]), (w_22, flow[1, 1])))
    return change - 4 * a_2 * complement * (1 - complement) - 2 * (a_1 - a_2) * complement * w_12**2 / w_11


def _strong_residual() -> Expr:
    """d/dt w_11 minus its law."""
    return field(W2, A2)[0, 0] - 4 * a_1 * w_11 * (1 - w_11) + 2 * (a_1 + a_2) * w_12**2


h, u = symbols("h u", positive=True)


def _delay_residual(law: Expr) -> Expr:
    """Steps of the law, h = lr a, minus those of descent, up to order h^0; both for small s.

    Descent follows the flow of f - f f'/2 + ... with f(u) = 2 h u (1 - u^2): the time of the flow of f, the integral of
    du/f, and log(f_end/f_start)/2 steps more.
    """
    f = 2 * h * u * (1 - u**2)
    flow = log((1 - s) / s) / (4 * h)
    ratio = f.subs(u, sqrt(Rational(1, 2))) / f.subs(u, sqrt(s))
    steps = series((law / lr).subs(lr, h / a), h, 0, 1).removeO() - flow - log(ratio) / 2
    # What is left out of the law at order h^0 is of order s.
    return expand_log(steps, force=True).expand().replace(log, lambda x: log(x) if x != 1 - s else 0)


def _flow_residual() -> Expr:
    """The integrand of the flow's time in terms of w = u^2: du/f - dw/(4 h w (1 - w))."""
    w = u**2
    return 1 / (2 * h * u * (1 - u**2)) - w.diff(u) / (4 * h * w * (1 - w))


def _map_residual() -> Expr:
    """Descent on U of a concept alone squares to w <- w (1 + 2 h (1 - w))^2: its step on u = sqrt(w) minus f."""
    w = Matrix([[u**2, 0], [0, 0]])
    m = A2 * (w - Matrix.eye(2)) + (w - Matrix.eye(2)) * A2
    moved = (w + lr * field(w, A2) + lr**2 * m * w * m)[0, 0]
    return moved - (u + 2 * lr * a_1 * u * (1 - u**2)) ** 2


def _descent_alone(law: Expr, h: float, start: float) -> float:
    """Steps that w <- w (1 + 2 h (1 - w))^2 takes from `start` to 1/2, minus the law, over h."""
    w, n = start, 0
    while (after := w * (1 + 2 * h * (1 - w)) ** 2) < 0.5:
        w, n = after, n + 1
    steps = n + math.log(1 / w - 1) / (math.log(1 / w - 1) - math.log(1 / after - 1))
    return (steps - float(numeric(law.subs(a, 1), (lr, s))(h, start)) / h) / h


def _lent(alpha: float, start: float) -> float:
    """(1 - alpha)/2 times the integral over 4 a_1 t of w_12^2/w_11, L = 1."""
    integral = mpmath.quad(
        lambda x: mpmath.exp(alpha * x) * (1 - start + start * mpmath.exp(x)) ** (-(1 + alpha) / 2),
        [0, 5, 20, 60, 200, 1200],
    )
    return float((1 - alpha) / 2 * integral)


def _held(alpha: float, start: float) -> float:
    """(1 + alpha)/2 times the integral over 4 a_1 t of w_12^2/(w_11 (1 - w_11)) until w_11 = 1/2, L = 1."""
    integral = mpmath.quad(
        lambda x: mpmath.exp(alpha * x) * (1 - start + start * mpmath.exp(x)) ** ((1 - alpha) / 2),
        [0, math.log((1 - start) / start)],
    )
    return float((1 + alpha) / 2 / (1 - start) * integral)


def _shift_residual(seed: float) -> float:
    """Largest deviation of 4 a_p t_p of the integrated flow from log((1 - s)/s) + shift, over the largest shift."""
    rng = np.random.default_rng(int(seed))
    d = 3 + int(seed) % 2
    moments = np.array([2.0, 0.9, 0.35])
    full = np.zeros(d)
    full[:3] = moments
    factor = np.diag(np.sqrt(rng.uniform(2e-8, 2e-7, d))) + 1e-5 * np.tril(rng.normal(size=(d, d)), -1)
    start = factor @ factor.T
    second = np.diag(full)

    def flow(_: float, w: np.ndarray) -> np.ndarray:
        w = w.reshape(d, d)
        return (2 * (second @ w + w @ second) - (second @ w @ w + w @ w @ second + 2 * w @ second @ w)).ravel()

    halves = [lambda _, w, p=p: w[p * d + p] - 0.5 for p in range(3)]
    done = solve_ivp(flow, (0, 20), start.ravel(), method="DOP853", rtol=1e-12, atol=1e-24, events=halves)
    times = np.array([event[0] for event in done.t_events])
    s_p, shift_p = coordinates.pivots(start, moments), coordinates.shifts(start, moments)
    left = 4 * moments * times - np.log((1 - s_p) / s_p)
    return float(np.abs(left - shift_p).max() / np.abs(shift_p).max())


SMALL_STEP = Assumption(
    "the steps resolve the growth",
    lr * a < 0.05,
    "the delay of 3/4 log 2 steps changes by 0.4 learning_rate a",
)
VALIDITY = {"correction": Abs(shift) / log((1 - s) / s), "start": s, "step_size": lr * a}
RANGE = {"alpha": (0.05, 0.9), "start": (1e-8, 0.05)}
COMPLEMENT = Step(
    "the part of w_22 that concept 1 cannot explain grows on its own, but for what w_12 lends it",
    symbolic(_complement_residual),
)
STRONG = Step("the strong concept grows on its own, but for what w_12 holds back", symbolic(_strong_residual))
HALF = Step(
    "the logistic curve from s reaches 1/2 after log((1 - s)/s)/(4 a)",
    symbolic(lambda: s * exp(log((1 - s) / s)) / (1 + s * (exp(log((1 - s) / s)) - 1)) - Rational(1, 2)),
)


def _delayed(of_start: Callable[[Expr], Expr]) -> tuple[Step, ...]:
    """The steps that tie a law of the start s to descent; `of_start` writes the statement as such a law."""
    return (
        Step("a concept alone follows u <- u + f(u), f = 2 h u (1 - u^2), in u = sqrt(w)", symbolic(_map_residual)),
        Step(
            "the flow of f takes log((1 - s)/s)/(4 h) steps: its integrand is that of the logistic",
            symbolic(_flow_residual),
        ),
        Step(
            "descent on U lags the flow by 3/4 log 2 steps for small s and learning rate: the statement to order h^0",
            symbolic(lambda law: _delay_residual(of_start(law))),
        ),
        Step(
            "the statement on the iterated map, what is left over h",
            numerical(
                lambda law, h, start: _descent_alone(of_start(law), h, start),
                tolerance=0.5,
                over={"h": (0.002, 0.01), "start": (1e-9, 1e-5)},
                reason="an iteration; the next term of the delay is 0.44 h",
            ),
        ),
    )


def _plain(law: Expr) -> Expr:
    return law


learning_time = Claim(
    id="sim.learning_time",
    title="When a concept is half learned",
    statement=_after(log((1 - s) / s)),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("logistic growth of the Schur complement of W(0); 4 a t = log((1 - s)/s) as learning_rate -> 0"),
    assumptions=(
        SMALL_STEP,
        Assumption(
            "the correction left out is smaller than the law itself",
            Abs(shift) / log((1 - s) / s) < 1,
            "a wide domain on purpose: the validity coordinate says how far the law can be trusted inside it",
        ),
    ),
    validity=VALIDITY,
    derivation=(COMPLEMENT, STRONG, HALF, *_delayed(_plain)),
)

learning_time_corrected = Claim(
    id="sim.learning_time_corrected",
    title="When a concept is half learned, with the leading effect of the other rows",
    statement=_after(log((1 - s) / s) + shift),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("the logistic law, with w_12(t) of the flow inserted in the equations of s_2 and w_11"),
    assumptions=(
        SMALL_STEP,
        Assumption(
            "the correction is small",
            Abs(shift) / log((1 - s) / s) < 0.15,
            "its square, the error left, is then about 2 % of the time",
        ),
    ),
    validity=VALIDITY,
    notation="shift: theory.sim_coordinates.shifts, uniform in the ratio of strengths and in s",
    derivation=(
        COMPLEMENT,
        STRONG,
        Step(
            "w_12^2/w_11 integrated over the flow, as an incomplete beta function",
            numerical(
                lambda alpha, start: coordinates.lent(alpha, start) / _lent(alpha, start) - 1,
                tolerance=1e-9,
                over=RANGE,
                reason="scipy's function, to rounding",
            ),
        ),
        Step(
            "w_12^2/(w_11 (1 - w_11)) integrated over the flow, by Gauss quadrature",
            numerical(
                lambda alpha, start: coordinates.held(alpha, start) / _held(alpha, start) - 1,
                tolerance=1e-9,
                over=RANGE,
                reason="64 nodes, to rounding",
            ),
        ),
        Step(
            "the shifts of both equations, on gradient flow of random starts of three and four rows",
            numerical(
                _shift_residual,
                tolerance=0.02,
                samples=4,
                over={"seed": (0, 1000)},
                reason="integration of the flow; what is left falls with the start, from 7 % at s = 1e-3 to 1 % here",
            ),
        ),
        Step(
            "in the statement the shift adds to the logarithm",
            symbolic(
                lambda law: [law.diff(shift), law.diff(shift, 2)],
                lambda law: [law.diff(s) / log((1 - s) / s).diff(s), 0],
            ),
        ),
        *_delayed(lambda law: law.subs(shift, 0)),
    ),
)

learning_time_flow = Claim(
    id="sim.learning_time_flow",
    title="When a concept is half learned under gradient flow",
    statement=log((1 - s) / s) / (4 * a),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("the limit of small learning rates"),
    assumptions=(Assumption("other rows hardly matter", Abs(shift) / log((1 - s) / s) < 0.05),),
    validity=VALIDITY,
    derivation=(
        COMPLEMENT,
        STRONG,
        Step(
            "the logistic curve from s reaches 1/2 at the stated time",
            symbolic(lambda law: s * exp(4 * a * law) / (1 + s * (exp(4 * a * law) - 1)), lambda: Rational(1, 2)),
        ),
    ),
)

learning_time_naive = Claim(
    id="sim.learning_time_naive",
    title="When a concept is half learned if it grew from w_pp(0)",
    statement=_after(log((1 - w_pp) / w_pp)),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("rival: the diagonal alone, which ignores what stronger concepts carry along"),
    assumptions=(SMALL_STEP,),
    derivation=(
        Step(
            "holds if off-diagonal entries vanish",
            symbolic(lambda: field(W2.subs(w_12, 0), A2)[1, 1] - 4 * a_2 * w_22 * (1 - w_22)),
        ),
        *_delayed(lambda law: law.subs(w_pp, s)),
    ),
)

# --- random starts ---

LEFT = (1 - correlation) * (1 + (rank - 1) * correlation) / (1 + (rank - 2) * correlation)
FREEDOM = (width - rank + 1) / 2


def _conditional_variance() -> Matrix:
    """det C_p/det C_(p-1) of the equicorrelation matrix, minus LEFT, for p = 1, 2, 3, 4."""
    return Matrix([_equicorrelated(p) / _equicorrelated(p - 1) - LEFT.subs(rank, p) for p in (1, 2, 3, 4)])


k, p, x = symbols("k p x", positive=True)


def _log_moment(order: int) -> Expr:
    """Mean (order 1) or variance (order 2) of log chi^2_k, from the logarithm of the mean of its p-th power."""
    power = Integral(x ** (k / 2 - 1 + p) * exp(-x / 2), (x, 0, oo)).doit() / (2 ** (k / 2) * gamma(k / 2))
    return log(power).diff(p, order).subs(p, 0)


def _mean_as_start(law: Expr) -> Expr:
    """The mean learning time as a law of s, where log s = log(scale^2 c_p) + mean of log chi^2."""
    square = s * exp(-digamma(FREEDOM)) / (2 * LEFT)
    log_scale = symbols("log_scale", real=True)
    written = expand_log(law.replace(log, lambda e: log(e) if not e.has(scale) else expand_log(log(e), force=True)))
    written = written.subs(log(scale), log_scale)
    return simplify(written.subs(log_scale, expand_log(log(square), force=True) / 2))


def _ranks_agree(law: Expr) -> list[Expr]:
    """exp of minus the bracket of the statement, at rank p, over 2 scale^2 c_p exp(digamma)."""
    found = []
    for rank_p in (1, 2, 3, 4):
        c = _equicorrelated(rank_p) / _equicorrelated(rank_p - 1)
        mean = log(scale**2 * c) + log(2) + digamma((width - rank_p + 1) / 2)
        found.append(law.subs(rank, rank_p).diff(scale) / mean.diff(scale) + lr / RATE)
        found.append(law.subs(rank, rank_p).diff(width) / mean.diff(width) + lr / RATE)
        found.append(law.subs(rank, rank_p).diff(correlation) + lr / RATE * mean.diff(correlation))
    return found


def _equicorrelated(p: int) -> Expr:
    """Determinant of the p x p matrix with ones on the diagonal and the correlation elsewhere."""
    return (correlation * ones(p, p) + (1 - correlation) * Matrix.eye(p)).det() if p else Integer(1)


RANDOM = (
    SMALL_STEP,
    Assumption("a concept has columns of its own", width - rank + 1 >= 0.5, "s_p = 0 beyond the width"),
    Assumption("small start", scale**2 * width < 0.02, "log(1 - s) and the other rows are neglected"),
)
BARTLETT = Step(
    "s_p = init_scale^2 c_p chi^2, width - p + 1 degrees of freedom; c_p: conditional variance of row p",
    symbolic(_conditional_variance),
)

learning_time_mean = Claim(
    id="sim.learning_time_mean",
    title="Mean learning time over random starts",
    statement=_after(-log(2 * scale**2 * LEFT) - digamma(FREEDOM)),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("Bartlett decomposition of the Wishart matrix W(0)"),
    assumptions=RANDOM,
    derivation=(
        BARTLETT,
        Step(
            "the mean of log chi^2_k is log 2 + psi(k/2)",
            symbolic(lambda: _log_moment(1), lambda: log(2) + digamma(k / 2)),
        ),
        *_delayed(_mean_as_start),
        Step("whose ranks agree with c_p for p = 1, 2, 3, 4", symbolic(_ranks_agree)),
    ),
)

learning_time_variance = Claim(
    id="sim.learning_time_variance",
    title="Variance of learning times over random starts",
    statement=(lr / RATE) ** 2 * polygamma(1, FREEDOM),
    vocabulary=V,
    predicts=Quantity("variance of learning_time", unit="time^2"),
    kind="closed form",
    source=Source.own("Bartlett decomposition of the Wishart matrix W(0); no constant of the start enters"),
    assumptions=RANDOM,
    derivation=(
        BARTLETT,
        Step(
            "the variance of log chi^2_k is psi_1(k/2)",
            symbolic(lambda: _log_moment(2), lambda: polygamma(1, k / 2)),
        ),
        Step(
            "the statement is that, times the squared slope of the learning time in log s",
            symbolic(
                lambda law: law.subs(width, k + rank - 1),
                lambda: (s * learning_time.statement.expression.diff(s) * (1 - s)) ** 2 * polygamma(1, k / 2),
            ),
        ),
        Step(
            "which is 1/(4 a) for gradient flow",
            symbolic(lambda law: limit(law, lr, 0), lambda: polygamma(1, (width - rank + 1) / 2) / (4 * a) ** 2),
        ),
    ),
)

CLAIMS = (
    learning_time,
    learning_time_corrected,
    learning_time_flow,
    learning_time_naive,
    learning_time_mean,
    learning_time_variance,
)
