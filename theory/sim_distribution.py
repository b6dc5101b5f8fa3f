"""Structured identity mapping: the whole distribution of learning times over random starts, and narrow starts.

Setting and notation: theory/sim.py. Entries of U(0) are Gaussian; s_p = init_scale^2 c_p chi^2 with width - rank + 1
degrees of freedom (Bartlett), c_p as in theory/sim_learning_time.py. A narrow start has fewer columns than concepts.
"""

from __future__ import annotations

import mpmath
import numpy as np
from scipy import stats
from sympy import Expr, Interval, Matrix, Piecewise, Rational, exp, eye, gamma, log, symbols, uppergamma

from theory.claim import Assumption, Claim, Derived, Quantity, Source, Step, numerical, symbolic
from theory.sim_learning_time import BARTLETT, DELAY, FREEDOM, LEFT, RANDOM, RATE, TIME, learning_time
from theory.sim_linear import A2, W2, field
from theory.sim_vocabulary import POSITIVE, V, a_1, a_2, lr, rank, s, scale, t, w_11, w_12, w_22, width

Array = np.ndarray


def _chi_squared(width: Array, rank: Array, probability: Array) -> Array:
    """The number that chi^2 with width - rank + 1 degrees of freedom exceeds with that probability; NaN without any."""
    freedom = np.asarray(width)[..., None] - rank + 1.0
    return stats.chi2.isf(np.asarray(probability)[..., None], np.where(freedom > 0, freedom, np.nan))


V.input("probability", "share of runs", domain=Interval.open(0, 1), typical=(0.01, 0.99))
chi_squared = V.symbol(
    "chi_squared", "exceeded by chi^2 with width - rank + 1 degrees of freedom with the given probability",
    domain=POSITIVE, dims=("concept",), typical=(0.1, 10.0),
    derived=Derived(_chi_squared, ("width", "rank", "probability")),
)  # fmt: skip

k, x = symbols("k x", positive=True)
TAIL = uppergamma(k / 2, x / 2) / gamma(k / 2)
ODDS = exp(RATE * (t / lr + DELAY))
"""(1 - s)/s of a start that is half learned at the time t."""


def _tail_residual(probability: float, freedom: float) -> float:
    """Share of chi^2 above the quantile of the statement's symbol, minus the probability."""
    at = float(_chi_squared(np.array(freedom), np.array([1.0]), np.array(probability))[0])
    return float(mpmath.gammainc(freedom / 2, at / 2, regularized=True)) - probability


learning_time_quantile = Claim(
    id="sim.learning_time_quantile",
    title="Quantiles of the learning time over random starts",
    statement=lr * (log(1 / (scale**2 * LEFT * chi_squared) - 1) / RATE - DELAY),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("Bartlett decomposition of the Wishart matrix W(0); the time falls with s"),
    assumptions=(
        *RANDOM,
        Assumption("such starts are small", scale**2 * LEFT * chi_squared < 0.05, "other rows are neglected"),
    ),
    notation="the time before which the share `probability` of all runs has learned the concept",
    derivation=(
        BARTLETT,
        Step(
            "chi_squared is exceeded with the given probability",
            numerical(
                _tail_residual,
                tolerance=1e-10,
                over={"probability": (0.01, 0.99), "freedom": (1, 12)},
                reason="scipy's quantile against the incomplete gamma function of mpmath",
            ),
        ),
        Step(
            "the statement is the learning time of s = scale^2 c_p chi_squared",
            symbolic(
                lambda law: exp((law / lr + DELAY) * RATE).simplify(),
                lambda: exp((learning_time.statement.expression / lr + DELAY) * RATE)
                .simplify()
                .subs(s, scale**2 * LEFT * chi_squared),
            ),
        ),
        Step(
            "which falls with s, so that early runs are those with large s",
            symbolic(lambda: log(1 / s - 1).diff(s) + 1 / (s * (1 - s))),
        ),
    ),
)  # fmt: skip

learned_share = Claim(
    id="sim.learned_share",
    title="Share of random starts that have learned a concept by a given time",
    statement=uppergamma(FREEDOM, 1 / (2 * scale**2 * LEFT * (1 + ODDS))) / gamma(FREEDOM),
    vocabulary=V,
    predicts=Quantity("share learned"),
    kind="closed form",
    source=Source.own("Bartlett decomposition of W(0): a run that seems to have failed started with a small s"),
    assumptions=RANDOM,
    notation="time is how long was trained; the rest of the runs is late, not lost",
    derivation=(
        BARTLETT,
        Step(
            "the share of chi^2_k above x: minus its slope is the density",
            symbolic(lambda: TAIL.diff(x) + x ** (k / 2 - 1) * exp(-x / 2) / (2 ** (k / 2) * gamma(k / 2))),
        ),
        Step("and at x = 0 it is one", symbolic(lambda: TAIL.subs(x, 0).doit() - 1)),
        Step(
            "a start is half learned at the time t if (1 - s)/s is ODDS",
            symbolic(lambda: learning_time.statement.expression.subs(s, 1 / (1 + ODDS)).simplify() - t),
        ),
        Step(
            "the statement is that share for x = s/(scale^2 c_p)",
            symbolic(
                lambda law: law.subs(width, k + rank - 1),
                lambda: TAIL.subs(x, 1 / (scale**2 * LEFT * (1 + ODDS))),
            ),
        ),
    ),
)


def _rank_kept() -> Matrix:
    """Descent on U multiplies U from the left: the step, minus (1 - lr M) U."""
    u = Matrix(2, 1, symbols("u:2"))
    w = u * u.T
    loss = sum(entry**2 for entry in (w - eye(2)) * A2.applyfunc(lambda e: e ** Rational(1, 2))) / 2
    m = A2 * (w - eye(2)) + (w - eye(2)) * A2
    moved = u - lr * Matrix([loss.diff(entry) for entry in u])
    return (moved - (eye(2) - lr * m) * u).expand()


def _exchange() -> Expr:
    """d log w_12/dt where the weak concept is learned and the strong one is not."""
    return (field(W2, A2)[0, 1] / w_12).expand().subs({w_11: 0, w_22: 1})


learned_concepts = Claim(
    id="sim.learned_concepts",
    title="Which concepts a narrow start learns in the end",
    statement=Piecewise((1, rank <= width), (0, True)),
    vocabulary=V,
    predicts=Quantity("share learned in the end"),
    kind="closed form",
    source=Source.own("descent keeps the rank of U; a concept that is learned yields to a stronger one that is not"),
    notation="rows of U(0) in general position, so that its rank is the width; the end is after every exchange",
    derivation=(
        Step("a step multiplies U from the left by 1 - lr M, which keeps its rank", symbolic(_rank_kept)),
        Step(
            "with the weak concept learned and the strong one not, w_12 grows at the rate a_1 - a_2",
            symbolic(lambda: _exchange() - (a_1 - a_2)),
        ),
        Step(
            "so that the `width` strongest are learned and no other",
            symbolic(lambda law: [law.subs(rank, width), law.subs(rank, width + 1)], lambda: [1, 0]),
        ),
    ),
)


def _row_rates() -> Expr:
    """d log(u_1/u_2)/dt of the flow of one column u, minus (2 - |u|^2)(a_1 - a_2)."""
    u = Matrix(2, 1, symbols("u:2", positive=True))
    m = A2 * (u * u.T - eye(2)) + (u * u.T - eye(2)) * A2
    rate = -m * u
    return rate[0] / u[0] - rate[1] / u[1] - (2 - u.dot(u)) * (a_1 - a_2)


def _length_rate() -> Expr:
    """d |u|^2/dt minus 4 (1 - |u|^2) u^T A u."""
    u = Matrix(2, 1, symbols("u:2", positive=True))
    m = A2 * (u * u.T - eye(2)) + (u * u.T - eye(2)) * A2
    return (2 * u.dot(-m * u) - 4 * (1 - u.dot(u)) * (u.T * A2 * u)[0, 0]).expand()


def _exchanged(law: Expr) -> Expr:
    """log(w_11/w_22) at the time of the law: start, growth at 2 (2 - |u|^2)(a_1 - a_2), |u|^2 logistic at 4 a_2.

    The integral of |u|^2 is log(1 + w_22 (e^(4 a_2 t) - 1))/(4 a_2), here without the terms that small w_22 leaves out.
    """
    length = law + log(w_22) / (4 * a_2)
    return log(w_11 / w_22) + 2 * (a_1 - a_2) * (2 * law - length)


exchange_time = Claim(
    id="sim.exchange_time",
    title="When a stronger concept takes the place of a weaker one that was learned first",
    statement=log(w_22 / w_11) / (2 * (a_1 - a_2)) + log(w_22) / (4 * a_2),
    vocabulary=V,
    predicts=TIME,
    kind="closed form",
    source=Source.own("one column u: log(u_1/u_2) grows at (2 - |u|^2)(a_1 - a_2), and |u|^2 is logistic"),
    assumptions=(
        Assumption(
            "the weak concept is learned well before",
            log(w_22 / w_11) / 2 + log(w_22) * (a_1 - a_2) / (2 * a_2) > 2,
            "log(u_2/u_1) when it is half learned: w_11 is then below e^-4 of it",
        ),
        Assumption("small start", w_22 < 0.05, "the start of the logistic curve"),
        Assumption("close to gradient flow", lr * a_1 < 0.05),
    ),
    notation="two concepts, one column; s_2 = 0: the weak concept is learned, but not in the end",
    derivation=(
        Step("d log(u_1/u_2)/dt of the flow", symbolic(_row_rates)),
        Step("|u|^2 is logistic at 4 a_2 while u_1 is small, and stays at one afterwards", symbolic(_length_rate)),
        Step(
            "the integral of the logistic curve",
            symbolic(
                lambda: (log(1 + w_22 * (exp(4 * a_2 * t) - 1)) / (4 * a_2)).diff(t)
                - w_22 * exp(4 * a_2 * t) / (1 + w_22 * (exp(4 * a_2 * t) - 1))
            ),
        ),
        Step(
            "both rows are equal, w_11 = 1/2, at the stated time",
            symbolic(lambda law: _exchanged(law).expand(force=True)),
        ),
    ),
)  # fmt: skip

CLAIMS = (learning_time_quantile, learned_share, learned_concepts, exchange_time)
