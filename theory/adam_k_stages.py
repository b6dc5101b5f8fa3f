"""k-Adam: what its stages do to white noise and to constant gradients.

u^0 = g; stage i divides the average of u^{i-1} by the root of the average of its square (bias-corrected, eps = 0).
Where v_i averages over so many steps that it is nearly constant, k stages are one linear filter. Its response to one
gradient, n steps later, is h_n = (1-b)^k C(n+k-1, k-1) b^n for equal b = beta1; hence in white noise

    R_k = sum of h_n^2 = (1-b)^(2k) (1-b^2)^(1-2k) sum_i C(k-1, i)^2 b^(2i) = [(1-b)/(1+b)]^k P_{k-1}(x),

with P Legendre's polynomials and x = (1+b^2)/(1-b^2). Each stage divides by its input's root mean square, so that of
u^k is sqrt(R_k/R_{k-1}): it grows with k, from sqrt((1-b)/(1+b)) to 1.

The bound of Adam's update (theory/adam_bound.py) holds for any gradients, hence for stage k with the constants of that
stage, whatever the stages before it are.
"""

from __future__ import annotations

from sympy import Expr, Interval, S, binomial, hyper, legendre, sqrt, symbols

from theory.adam_norm_vocabulary import V, beta1, beta2
from theory.claim import Assumption, Claim, Quantity, Source, Step, high_precision, symbolic

stage = V.symbol("stage", "which stage of k-Adam, from 1", domain=S.Naturals, latex="k", typical=(2, 9))
before = V.symbol(
    "beta1_before", "beta1 of the stage before", domain=Interval.Ropen(0, 1), latex=r"\beta_{1,1}", typical=(0.1, 0.95)
)

DECAY = (1 - beta1) / (1 + beta1)
ARGUMENT = (1 + beta1**2) / (1 - beta1**2)
POWER = DECAY**stage * legendre(stage - 1, ARGUMENT)
SECOND = DECAY * (1 + before * beta1) / (1 - before * beta1)

k, n, b = symbols("k n b", positive=True)
x = symbols("x:4", positive=True)
w, w2 = symbols("p:4", positive=True), symbols("r:4", positive=True)
scale = symbols("c", positive=True)

BOX = {beta1: (0.01, 0.97), stage: (1, 12)}
LONG = Assumption(
    "v averages over many times the memory of momentum",
    (1 - beta2) / (1 - beta1) < 0.0051,
    reason="else v follows the size of its own input; the error is of this order",
)
WHITE = "white noise: gradients of different steps are independent, of mean 0 and the same variance"


def response(k: Expr, n: Expr) -> Expr:
    """h_n of k stages."""
    return (1 - beta1) ** k * binomial(n + k - 1, k - 1) * beta1**n


def power_sum(k: int) -> Expr:
    """R_k as a finite sum, for a whole number k."""
    terms = sum(binomial(k - 1, i) ** 2 * beta1 ** (2 * i) for i in range(k))
    return (1 - beta1) ** (2 * k) * (1 - beta1**2) ** (1 - 2 * k) * terms


def _by_gauss(k: Expr) -> Expr:
    """R_k as the sum of h_n^2."""
    return (1 - beta1) ** (2 * k) * hyper([k, k], [1], beta1**2)


def _stage(weights: tuple[Expr, ...], squares: tuple[Expr, ...], inputs: list[Expr]) -> Expr:
    """The output of a stage whose averages have these weights."""
    mean = sum(p * value for p, value in zip(weights, inputs, strict=True))
    return mean / sqrt(sum(r * value**2 for r, value in zip(squares, inputs, strict=True)))


def _both(n: Expr) -> Expr:
    """Response of two stages with the constants `before` and b, over (1 - before)(1 - b)."""
    return (before ** (n + 1) - b ** (n + 1)) / (before - b)


RESPONSE = (
    Step(
        "one more stage: a response h_n of k stages is beta1 h_{n-1} plus (1 - beta1) that of k - 1 stages",
        high_precision(
            lambda: response(k, n),
            lambda: beta1 * response(k, n - 1) + (1 - beta1) * response(k - 1, n),
            over={k: (2, 12), n: (1, 40), beta1: (0.01, 0.97)},
        ),
    ),
    Step(
        "and begins with (1 - beta1) times theirs",
        high_precision(
            lambda: response(k, S.Zero),
            lambda: (1 - beta1) * response(k - 1, S.Zero),
            over={k: (2, 12), beta1: (0.01, 0.97)},
        ),
    ),
    Step(
        "h_n^2 over h_0^2 is (k)_n^2/n!^2 beta1^(2n): ratio of terms of 2F1(k, k; 1; beta1^2)",
        high_precision(
            lambda: response(k, n + 1) ** 2,
            lambda: response(k, n) ** 2 * (n + k) ** 2 / (n + 1) ** 2 * beta1**2,
            over={k: (1, 12), n: (0, 40), beta1: (0.01, 0.97)},
        ),
    ),
)

white_noise_power = Claim(
    id="adam.k_white_noise_power",
    title="Power of white noise after k averages",
    statement=POWER,
    vocabulary=V,
    predicts=Quantity("power"),
    kind="closed form",
    assumptions=(
        Assumption(
            "v of every stage averages over many times the memory of momentum",
            stage * (1 - beta2) / (1 - beta1) < 0.0151,
            reason="power is a product over the stages, and their errors add",
        ),
    ),
    validity={"rest_ratio": stage * (1 - beta2) / (1 - beta1)},
    source=Source.own(WHITE + "; v nearly constant"),
    notation="P is Legendre's polynomial; power is the product of the mean squares of u^1, ..., u^k",
    derivation=(
        *RESPONSE,
        Step(
            "hence the sum of h_n^2, for any k, is that function of Gauss",
            high_precision(lambda law: law, lambda: _by_gauss(stage), over=BOX),
        ),
        Step(
            "which for k = 1, ..., 8 is the finite sum with squared binomials",
            symbolic(
                lambda law: [law.subs(stage, k) for k in range(1, 9)], lambda: [power_sum(k) for k in range(1, 9)]
            ),
        ),
        Step(
            "and for any k, by Euler's transformation",
            high_precision(
                lambda law: law,
                lambda: (
                    (1 - beta1) ** (2 * stage)
                    * (1 - beta1**2) ** (1 - 2 * stage)
                    * hyper([1 - stage, 1 - stage], [1], beta1**2)
                ),
                over=BOX,
            ),
        ),
    ),
)

update_rms = Claim(
    id="adam.k_update_rms",
    title="Root mean square of k-Adam's update in white noise",
    statement=sqrt(DECAY * legendre(stage - 1, ARGUMENT) / legendre(stage - 2, ARGUMENT)),
    vocabulary=V,
    predicts=Quantity("rms_update"),
    kind="closed form",
    assumptions=(LONG,),
    validity={"rest_ratio": (1 - beta2) / (1 - beta1)},
    source=Source.own(WHITE + "; v nearly constant, in which case v_k is the mean of (u^{k-1})^2"),
    notation="P_{-1} = 1; P is Legendre's polynomial",
    derivation=(
        *RESPONSE,
        Step(
            "stage k divides by the root mean square of its input: the root of R_k/R_{k-1}, with R_0 = 1",
            high_precision(lambda law: law, lambda: sqrt(_by_gauss(stage) / _by_gauss(stage - 1)), over=BOX),
        ),
        Step(
            "the largest growth of Legendre's polynomials, x + sqrt(x^2 - 1), is the inverse of the other factor: the "
            "root mean square stays below 1",
            symbolic(
                lambda: [
                    DECAY * (ARGUMENT + 2 * beta1 / (1 - beta1**2)),
                    ARGUMENT**2 - (2 * beta1 / (1 - beta1**2)) ** 2,
                ],
                lambda: [1, 1],
            ),
        ),
    ),
)

update_rms_two = Claim(
    id="adam.k_update_rms_two",
    title="Root mean square of 2-Adam's update in white noise, with different constants",
    statement=sqrt(SECOND),
    vocabulary=V,
    predicts=Quantity("rms_update"),
    kind="closed form",
    assumptions=(
        LONG,
        Assumption(
            "the same of the first stage", (1 - beta2) / (1 - before) < 0.0051, reason="both stages have one beta2"
        ),
    ),
    source=Source.own(WHITE + "; v nearly constant"),
    derivation=(
        Step(
            "the response of both stages is the sum over j of a^j b^(n-j), a = beta1 of the first",
            symbolic(lambda: [_both(n) - b * _both(n - 1), _both(S.Zero)], lambda: [before**n, 1]),
        ),
        Step(
            "the sum of its squares, term by term a geometric sum, over that of the first stage",
            high_precision(
                lambda law: law,
                lambda: (
                    (1 - beta1)
                    * sqrt(
                        (1 - before**2)
                        * (
                            before**2 / (1 - before**2)
                            - 2 * before * beta1 / (1 - before * beta1)
                            + beta1**2 / (1 - beta1**2)
                        )
                        / (before - beta1) ** 2
                    )
                ),
                over={beta1: (0.5, 0.97), before: (0.01, 0.4)},
            ),
        ),
        Step(
            "with equal constants it is the law of the equal stages, for k = 2",
            symbolic(lambda law: law.subs(before, beta1) ** 2, lambda: power_sum(2) / power_sum(1)),
        ),
    ),
)

constant_update = Claim(
    id="adam.k_constant_gradient",
    title="Update of k-Adam for constant gradients",
    statement=S.One,
    vocabulary=V,
    predicts=Quantity("rms_update"),
    kind="identity",
    source=Source.own("every stage returns the sign of a constant, from its first step, for all beta1 and beta2"),
    derivation=(
        Step(
            "a constant c > 0 over n steps: m = (1 - beta1^n) c and v = (1 - beta2^n) c^2 before the corrections",
            symbolic(
                lambda law: (
                    (1 - beta1**n) * scale / (1 - beta1**n) / sqrt((1 - beta2**n) * scale**2 / (1 - beta2**n)) - law
                )
            ),
        ),
        Step(
            "m solves its recursion: beta1 m_{n-1} + (1 - beta1) c",
            symbolic(lambda: beta1 * (1 - beta1 ** (n - 1)) + 1 - beta1, lambda: 1 - beta1**n),
        ),
    ),
)

scale_free = Claim(
    id="adam.k_scale_invariance",
    title="Update of k-Adam when all gradients are multiplied by one number, over that without",
    statement=S.One,
    vocabulary=V,
    predicts=Quantity("update_ratio"),
    kind="identity",
    source=Source.own("eps = 0: a stage is homogeneous of degree 0 in all its inputs"),
    derivation=(
        Step(
            "weighted averages of any four inputs, and of the same inputs times c > 0",
            symbolic(lambda law: _stage(w, w2, [scale * value for value in x]) / _stage(w, w2, list(x)) - law),
        ),
    ),
)

CLAIMS = (white_noise_power, update_rms, update_rms_two, constant_update, scale_free)
