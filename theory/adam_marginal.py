"""Adam: the largest update at both boundaries of stability, and its plateau inside. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Expr, Rational, coth, exp, sinh, sqrt, tanh

from theory.adam_bound import PLAIN
from theory.adam_vocabulary import BALANCED, INDEX, PAPER, POINTS, V, beta1, beta2, k, n, s, step
from theory.claim import Assumption, Claim, Quantity, Source, Step, certified, high_precision, symbolic

DECAY = (1 - beta1) / beta1
"""Rate of the kernel of the average of gradients in continuous time; twice it is that of squares where C = 0."""


def _continuous_squared() -> Expr:
    """The squared bound in continuous time after n updates, C not 0."""
    rest = (1 - beta2) / beta2
    total = (1 - exp(-INDEX * n)) / INDEX
    return DECAY**2 / rest * total * (1 - exp(-rest * n)) / (1 - exp(-DECAY * n)) ** 2


marginal_update = Claim(
    id="adam.marginal_update",
    title="Largest update on the boundary of stability: it grows as the square root of the step",
    statement=sqrt(step * (1 - beta1) / (1 + beta1) * (1 + beta1**step) / (1 - beta1**step)),
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    source=Source.own("the discrete bound at beta2 = beta1^2, where all powers of q are 1; attained"),
    notation="beta2 = beta1^2",
    derivation=(
        Step(
            "the discrete bound with the sum n, where 1 - beta1^(2n) has the factor 1 - beta1^n",
            high_precision(
                lambda law: law.subs(step, n),
                lambda: (1 - beta1) / (1 - beta1**n) * sqrt(n * (1 - beta1 ** (2 * n)) / (1 - beta1**2)),
                over={beta1: (0.05, 0.999), n: (1, 40)},
            ),
        ),
        Step(
            "written by hyperbolic functions: n tanh(s)/tanh(n s), 2 s = -log(beta1)",
            symbolic(
                lambda law: (law**2).subs(beta1, exp(-2 * s)),
                lambda: (step * tanh(s) / tanh(step * s)).rewrite(exp),
            ),
        ),
        Step(
            "it is the limit q -> 1 of the discrete bound",
            symbolic(
                lambda law: (law**2).subs(step, 7) - PLAIN.subs(n, 7).cancel().subs(beta2, beta1**2),
            ),
        ),
        Step(
            "n tanh(s)/tanh(n s) is 1 for n = 1 and increases, as x coth(x) does where sinh(2x) > 2x",
            symbolic(lambda: (k * coth(k)).diff(k) - (sinh(2 * k) - 2 * k) / (2 * sinh(k) ** 2)),
        ),
        Step(
            "which holds for x > 0",
            certified(lambda: sinh(2 * k) > 2 * k, over={k: (Rational(1, 10**4), 20)}),
        ),
    ),
)

marginal_update_continuous = Claim(
    id="adam.marginal_update_continuous",
    title="Bound on the update where C = 0, continuous time: it grows as the square root of the step",
    statement=sqrt(step * DECAY / 2 / tanh(DECAY * step / 2)),
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    source=Source(PAPER, "growth of the bound where C = 0"),
    notation="beta2 = beta1/(2 - beta1), that is C = 0",
    derivation=(
        Step("C = 0 there", symbolic(lambda: INDEX.subs(beta2, BALANCED))),
        Step(
            "squares are averaged at twice the rate of gradients",
            symbolic(lambda: ((1 - beta2) / beta2).subs(beta2, BALANCED), lambda: 2 * DECAY),
        ),
        Step(
            "the integral of e^(-C s) is n, and 1 - e^(-2 a n) has the factor 1 - e^(-a n)",
            high_precision(
                lambda law: law.subs(step, n),
                lambda: DECAY * sqrt(n / (2 * DECAY) * (1 - exp(-2 * DECAY * n))) / (1 - exp(-DECAY * n)),
                over={beta1: (0.05, 0.999), n: (1, 40)},
            ),
        ),
    ),
)

plateau_continuous = Claim(
    id="adam.plateau_continuous",
    title="Plateau of the bound of continuous-time Adam inside the stable region",
    statement=sqrt(beta2 / (1 - beta2)) * DECAY / sqrt(INDEX),
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    assumptions=(Assumption("stable in continuous time: C > 0", INDEX > 1e-6),),
    validity={"rest1": 1 - beta1, "rest2": 1 - beta2},
    source=Source(PAPER, "plateau of the bound for C > 0"),
    derivation=(
        Step(
            "the bound is a product of that and of what vanishes",
            high_precision(
                lambda law: (
                    law
                    * sqrt((1 - exp(-INDEX * n)) * (1 - exp(-(1 - beta2) / beta2 * n)))
                    / (1 - exp(-DECAY * n))
                    / sqrt(_continuous_squared())
                    - 1
                ),
                over={beta1: (0.05, 0.85), beta2: (0.9, 0.999), n: (1, 40)},
            ),
        ),
        Step(
            "which bounds it at every n: over that of n = 1, it is the discrete bound with e^(-(1-beta)/beta) for "
            "beta, and that one increases with n",
            high_precision(
                lambda: _continuous_squared(),
                lambda: (
                    PLAIN.subs({beta1: exp(-DECAY), beta2: exp(-(1 - beta2) / beta2)}, simultaneous=True)
                    * _continuous_squared().subs(n, 1)
                ),
                over=POINTS | {n: (1, 40)},
            ),
        ),
    ),
)

CLAIMS = (marginal_update, marginal_update_continuous, plateau_continuous)
