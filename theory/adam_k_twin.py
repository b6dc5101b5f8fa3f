"""Scale-invariant weights under k-Adam: how long they are, and 2-Adam on their direction alone.

AdamW moves the direction w = W/|W| by learning_rate u/|W|. As |W|^2 is an average of |u|^2, that is 2-Adam on w: a
second stage without momentum, whose average has one number for all weights. With rho = 1 - learning_rate weight_decay:

                              step size of the direction                            decay of the average of |u|^2
    printed                   sqrt(2 learning_rate weight_decay)                    1/(1 + 2 learning_rate weight_decay)
    corrected                 sqrt((1 - rho^2)(1 - beta1 rho)/(1 + beta1 rho))      rho^2

Momentum makes the weights longer than the printed law has it: their gradients are orthogonal to W only when taken.
The norm of weights under k-Adam follows from the response h_n of k stages in the same way (theory/adam_k_stages.py):
<W_{n-1}, u_n> collects <u_j, g_m> = h_{j-m}, and 2 sum over s of h_s sum over i < s of h_i + sum of h_s^2 is
(sum of h)^2 = 1, where |u|^2 alone would give R_k.
"""

from __future__ import annotations

from sympy import Expr, Interval, Matrix, S, cos, eye, factorial, oo, sin, sqrt, symbols

from theory.adam_k_stages import DECAY, POWER, power_sum, response, stage
from theory.adam_norm_vocabulary import (
    EXACT_MEMORY,
    MEMORY,
    PAPER,
    STEADY,
    V,
    beta1,
    dim,
    exact_norm,
    lr,
    rho,
    square_update,
    wd,
)
from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, high_precision, symbolic

twin_rate = V.symbol(
    "twin_rate",
    "step size of the twin",
    unit="radian/step",
    domain=Interval.open(0, oo),
    latex=r"\eta_w",
    typical=(0.001, 0.1),
)

PRINTED_RATE = sqrt(2 * lr * wd)
RATE = sqrt((1 - rho**2) / EXACT_MEMORY)
MANY_WEIGHTS = 2 * twin_rate * RATE / (twin_rate**2 + RATE**2)
OVERLAP = MANY_WEIGHTS * (1 - (1 - MANY_WEIGHTS**2) / (dim - 1))
TURNING = (twin_rate**2 + RATE**2) * MEMORY / (1 - beta1)
"""Squared angle of the turn of both within the memory of momentum."""

SLOW = Assumption(
    "both directions turn little within the memory of momentum",
    TURNING < 0.1,
    reason="the walks are diffusions on longer times only",
)

s, n, q, z, small = symbols("s n q z epsilon", positive=True)


def _trace(size: int) -> list[Expr]:
    """tr(P P') - (size - 2 + <w, w'>^2) for the projections orthogonal to two unit vectors."""
    angle = symbols("phi", real=True)
    first = Matrix([1, 0] + [0] * (size - 2))
    second = Matrix([cos(angle), sin(angle)] + [0] * (size - 2))
    product = (eye(size) - first * first.T) * (eye(size) - second * second.T)
    return [product.trace() - (size - 2 + first.dot(second) ** 2)]


def _generating(k: int) -> list[Expr]:
    """H(z) = sum of h_n z^n is ((1-b)/(1-bz))^k: its first coefficients, and H(1) - 1."""
    whole = ((1 - beta1) / (1 - beta1 * z)) ** k
    terms = [whole.diff(z, m).subs(z, 0) / factorial(m) - response(S(k), S(m)) for m in range(5)]
    return [*terms, whole.subs(z, 1) - 1]


def _plain_overlap() -> Expr:
    """The law: s = 2 a a'/(a^2 + a'^2), small = 1/(d - 1)."""
    return s * (1 - small * (1 - s**2))


def _drift() -> Expr:
    """Mean change of the overlap a step at the law, over (a^2 + a'^2)/2. The share of the noise in common,
    (d - 2 + o^2)/(d - 1), is 1 - small + small o^2."""
    overlap = _plain_overlap()
    return s * (1 - small + small * overlap**2) - overlap


def _correlations(k: int) -> Expr:
    """sum over l of rho^|l| c_l, with c_l the autocovariance of the response of k stages; k = 1, 2."""
    autocovariance = {
        1: DECAY * beta1**n,
        2: power_sum(2) * beta1**n * (1 + n * (1 - beta1**2) / (1 + beta1**2)),
    }[k]
    zero = autocovariance.subs(n, 0)
    x = q * beta1
    plain, weighted = x / (1 - x), x / (1 - x) ** 2
    slope = (autocovariance / beta1**n).expand().diff(n)
    return zero + 2 * (zero * plain + slope * weighted)


two_adam_rate_printed = Claim(
    id="adam.two_adam_rate_printed",
    title="Step size of 2-Adam on the direction of scale-invariant weights, as printed",
    statement=PRINTED_RATE,
    vocabulary=V,
    predicts=Quantity("direction_rate", unit="radian/step"),
    kind="closed form",
    source=Source(
        PAPER,
        "scale invariance and 2-Adam",
        printed=r"\|W\|^2 = \eta \int_0^t e^{-2\lambda(t-s)} \|u(s)\|^2 ds",
        assuming=r"$\langle W(t), g(s)\rangle = 0$ for all $s \le t$; step size $\sqrt{2\eta\lambda}$ follows",
    ),
    derivation=(
        Step(
            "learning_rate |u|/|W| in the steady state of d|W|^2/dt = -2 weight_decay |W|^2 + learning_rate |u|^2",
            symbolic(lambda law: lr * sqrt(square_update / (lr * square_update / (2 * wd))) - law),
        ),
    ),
)

two_adam_rate = Claim(
    id="adam.two_adam_rate",
    title="Step size of 2-Adam on the direction of scale-invariant weights",
    statement=RATE,
    vocabulary=V,
    predicts=Quantity("direction_rate", unit="radian/step"),
    kind="closed form",
    assumptions=(Assumption("an update shrinks the weights, and keeps their sign", lr * wd < 1.0), STEADY),
    validity={"decay_in_memory": lr * wd / (1 - beta1)},
    source=Source.own("the exact norm of the weights in the time mean"),
    corrects=Correction(
        "adam.two_adam_rate_printed",
        classed="assumption fails",
        note="momentum points against the weights that it has moved, which lengthens them by sqrt((1+beta1)/(1-beta1))",
    ),
    derivation=(
        Step(
            "learning_rate |u|/|W| with the exact mean of |W|^2",
            high_precision(
                lambda law: law,
                lambda: lr * sqrt(square_update / exact_norm()),
                over={beta1: (0, 0.99), lr: (0.001, 0.5), wd: (0.01, 1), square_update: (1, 50)},
            ),
        ),
        Step(
            "which for a small learning rate is the printed one over sqrt((1 + beta1)/(1 - beta1))",
            symbolic(
                lambda law: ((law**2).subs(lr, s).diff(s)).subs(s, 0), lambda: (PRINTED_RATE**2 / MEMORY).diff(lr)
            ),
        ),
        Step(
            "with the decay rho^2, |W_n|^2 is lr^2 EXACT_MEMORY/(1 - rho^2) times the average of |u|^2",
            symbolic(lambda law: lr**2 * square_update / law**2, exact_norm),
        ),
    ),
)

two_adam_printed = Claim(
    id="adam.two_adam_printed",
    title="Cosine between the direction of scale-invariant weights and 2-Adam with the printed constants",
    statement=S.One,
    vocabulary=V,
    predicts=Quantity("overlap"),
    kind="identity",
    source=Source(
        PAPER,
        "scale invariance and 2-Adam",
        printed=r"\beta_1^{(2)} = 0,\quad \beta_2^{(2)} = \frac{1}{1 + 2\lambda\eta}",
        assuming=r"$\langle W(t), g(s)\rangle = 0$ for all $s \le t$",
    ),
    derivation=(
        Step(
            "without momentum both turn by the same step, to first order in learning_rate weight_decay",
            symbolic(
                lambda law: law * (PRINTED_RATE**2).diff(lr), lambda: (RATE**2).subs(beta1, 0).diff(lr).subs(lr, 0)
            ),
        ),
    ),
)

two_adam_overlap = Claim(
    id="adam.two_adam_overlap",
    title="Cosine between the direction of scale-invariant weights and 2-Adam of any step size, in white noise",
    statement=OVERLAP,
    vocabulary=V,
    predicts=Quantity("overlap"),
    kind="closed form",
    assumptions=(SLOW, STEADY),
    validity={"turning": TURNING},
    source=Source.own(
        "two walks on the sphere with one noise: a step size that is wrong by a factor r leaves 2 r/(1 + r^2), which "
        "for the printed one is sqrt(1 - beta1^2)"
    ),
    corrects=Correction(
        "adam.two_adam_printed",
        classed="assumption fails",
        note="with the printed step size, sqrt((1+beta1)/(1-beta1)) times too large, the cosine is sqrt(1 - beta1^2); "
        "with the corrected one it is 1",
    ),
    notation="gradients without signal; the mean cosine once both starts are forgotten; to first order in 1/dim",
    derivation=(
        Step("noise orthogonal to w and to w' shares tr(P P') = d - 2 + <w, w'>^2", symbolic(lambda: _trace(5))),
        Step(
            "a step a P xi/sqrt(d - 1), made orthogonal and of length 1 again, changes o = <w, w'> in the mean by "
            "a a' tr(P P')/(d - 1) - (a^2 + a'^2) o/2: zero at the law, up to the order 1/(d - 1)^2",
            symbolic(lambda: [_drift().subs(small, 0), _drift().diff(small).subs(small, 0)]),
        ),
        Step(
            "which is the statement, for the step sizes of the weights and of the twin",
            high_precision(
                lambda law: law,
                lambda: _plain_overlap().subs({s: MANY_WEIGHTS, small: 1 / (dim - 1)}),
                over={beta1: (0, 0.9), lr: (0.001, 0.5), wd: (0.01, 1), twin_rate: (0.001, 0.1), dim: (3, 300)},
            ),
        ),
        Step(
            "the twin with the step size of the weights keeps their direction",
            high_precision(
                lambda law: law.subs(twin_rate, RATE),
                lambda: S.One,
                over={beta1: (0, 0.9), lr: (0.001, 0.5), wd: (0.01, 1), dim: (4, 300)},
            ),
        ),
        Step(
            "with the step size sqrt(MEMORY) times larger, the cosine is sqrt(1 - beta1^2) for many weights",
            symbolic(lambda: (2 * sqrt(MEMORY) / (1 + MEMORY)) ** 2, lambda: 1 - beta1**2),
        ),
    ),
)

norm_factor = Claim(
    id="adam.k_norm_factor",
    title="Squared norm of scale-invariant weights under k-Adam, over that for updates orthogonal to the weights",
    statement=1 / POWER,
    vocabulary=V,
    predicts=Quantity("norm_factor"),
    kind="closed form",
    assumptions=(
        Assumption("weights decay slowly against the memory of all stages", stage * lr * wd / (1 - beta1) < 0.01),
        STEADY,
    ),
    validity={"decay_in_memory": stage * lr * wd / (1 - beta1)},
    source=Source.own("white noise: |W|^2 grows by (sum of h)^2 = 1 where |u|^2 is R_k, in units of the noise"),
    notation="norm_factor is 2 weight_decay |W|^2/(learning_rate |u|^2), means over time; its inverse is R_k",
    derivation=(
        Step(
            "the responses of k = 1, ..., 4 stages have the generating function ((1-b)/(1-bz))^k: they sum to 1",
            symbolic(lambda: [residual for k in range(1, 5) for residual in _generating(k)]),
        ),
        Step(
            "with sum of h = 1 for sum of h^2 = R_k, the factor is the inverse of R_k",
            symbolic(lambda law: [law.subs(stage, k) * power_sum(k) for k in range(1, 8)], lambda: [S.One] * 7),
        ),
        Step(
            "k = 1, 2: the autocovariance c_l, weighed with rho^|l|, gives (1 - rho^2)|W|^2/learning_rate^2; "
            "at rho = 1 that is the law times R_k",
            symbolic(lambda law: [(_correlations(k) / power_sum(k)).subs(q, 1) - law.subs(stage, k) for k in (1, 2)]),
        ),
        Step(
            "k = 1: at any rho it is the exact law of Adam",
            symbolic(lambda: _correlations(1) / power_sum(1), lambda: EXACT_MEMORY.subs(lr, (1 - q) / wd)),
        ),
        Step("k = 1: the factor of Adam", symbolic(lambda law: law.subs(stage, 1), lambda: MEMORY)),
    ),
)

CLAIMS = (two_adam_rate_printed, two_adam_rate, two_adam_printed, two_adam_overlap, norm_factor)
