"""Adam: the largest possible update, and what the original paper says of it. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Abs, Eq, Expr, Max, Min, Piecewise, Rational, S, log, sinh, sqrt

from theory.adam_vocabulary import (
    POINTS,
    RATIO,
    STABLE,
    STABLE_BOX,
    V,
    beta1,
    beta2,
    geometric,
    k,
    lagrange,
    n,
    q,
    ratio,
    s,
    step,
    t,
)
from theory.claim import (
    Assumption,
    Claim,
    Correction,
    Quantity,
    Source,
    Step,
    certified,
    high_precision,
    symbolic,
)

# sqrt of 1 + q + ... + q^(n-1), with powers that overflow no sooner than the bound itself, whichever side of the
# boundary.
DISCRETE_SUM = Piecewise(
    (sqrt(step), Eq(beta1**2, beta2)),
    (Max(1, RATIO) ** ((step - 1) / 2) * sqrt((1 - Min(RATIO, 1 / RATIO) ** step) / (1 - Min(RATIO, 1 / RATIO))), True),
)
DISCRETE = (1 - beta1) / sqrt(1 - beta2) * DISCRETE_SUM * sqrt(1 - beta2**step) / (1 - beta1**step)


def _squared_bound(n: Expr, total: Expr) -> Expr:
    return (1 - beta1) ** 2 / (1 - beta2) * total * (1 - beta2**n) / (1 - beta1**n) ** 2


PLAIN = _squared_bound(n, geometric(n).subs(ratio, q))


def _squared_by_sinh() -> Expr:
    """The squared bound as f(n)/f(1); see the derivation below."""

    def f(x: Expr) -> Expr:
        return 1 - (sinh(log(beta2 / beta1) * x / 2) / sinh(-log(beta1) * x / 2)) ** 2

    return f(n) / f(S.One)


update_bound_discrete = Claim(
    id="adam.update_bound_discrete",
    title="Largest possible update of Adam",
    statement=DISCRETE,
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    source=Source.own("Cauchy-Schwarz over the gradients seen, attained by g_k = (beta2/beta1)^k at every n"),
    corrects=Correction(
        "adam.unit_step",
        classed="assumption fails",
        note="|mean| <= root mean square needs equal weights, and both averages weigh the gradients alike only where "
        "beta1 = beta2",
    ),
    notation="the piecewise factor is the square root of the sum of q^j over j < n, q = beta1^2/beta2",
    derivation=(
        Step(
            "Cauchy-Schwarz by Lagrange's identity, with a_j^2 = q^j and b_j^2 = beta2^j g_{n-j}^2",
            symbolic(lagrange),
        ),
        Step(
            "the sum of q^j, j < n, is (1 - q^n)/(1 - q): it is 1 for n = 1 and grows by q^n",
            symbolic(lambda: [geometric(1), geometric(n + 1) - geometric(n)], lambda: [1, ratio**n]),
        ),
        Step(
            "g_k = (beta2/beta1)^k: m_k/g_k and v_k/g_k^2 are multiplied by q a step, before the new term",
            symbolic(lambda: [beta1 * (beta1 / beta2), beta2 * (beta1 / beta2) ** 2], lambda: [q, q]),
        ),
        Step(
            "so that both are that sum, times 1 - beta1 and 1 - beta2",
            symbolic(lambda: geometric(k), lambda: ratio * geometric(k - 1) + 1),
        ),
        Step(
            "hence these gradients attain the bound, at every n",
            symbolic(
                lambda: (
                    ((1 - beta1) * geometric(n) / (1 - beta1**n)) ** 2 / ((1 - beta2) * geometric(n) / (1 - beta2**n))
                ),
                lambda: _squared_bound(n, geometric(n)),
            ),
        ),
        Step(
            "it is f(n)/f(1), f(n) = 1 - [sinh(d n)/sinh(s n)]^2, 2 d = log(beta2/beta1), 2 s = -log(beta1)",
            high_precision(lambda: _squared_by_sinh() / PLAIN - 1, over={**POINTS, n: (1, 40)}),
        ),
        Step(
            "hence it increases with n (stays 1 where beta1 = beta2): x coth(x) increases, as sinh(2x) > 2x",
            symbolic(lambda: (s / sinh(s) * sinh(s).diff(s)).diff(s) - (sinh(2 * s) - 2 * s) / (2 * sinh(s) ** 2)),
        ),
        Step("which holds for x > 0", certified(lambda: sinh(2 * s) > 2 * s, over={s: (Rational(1, 10**4), 20)})),
        Step(
            "the statement, written without overflow, is that bound",
            high_precision(lambda law: law.subs(step, n) / sqrt(PLAIN) - 1, over={**POINTS, n: (1, 40)}),
        ),
        Step(
            "on the boundary q = 1 it is positive too",
            high_precision(
                lambda law: law.subs(beta2, beta1**2),
                lambda law: Abs(law.subs(beta2, beta1**2)),
                over={beta1: (0.05, 0.999), step: (1, 40)},
            ),
        ),
        Step(
            "and the sum is n",
            symbolic(
                lambda law: (law**2).subs(beta2, beta1**2), lambda: _squared_bound(step, step).subs(beta2, beta1**2)
            ),
        ),
    ),
)

update_supremum = Claim(
    id="adam.update_supremum",
    title="Largest update of stable Adam over all steps",
    statement=sqrt(1 + (beta1 - beta2) ** 2 / ((1 - beta2) * (beta2 - beta1**2))),
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    assumptions=(STABLE,),
    source=Source.own("limit of the discrete bound, which increases with the step"),
    corrects=Correction(
        "adam.step_estimate",
        classed="loose prefactor",
        note="a single gradient after silence is not the worst case: the factor 1/sqrt(1 - beta1^2/beta2) is missing",
    ),
    derivation=(
        Step(
            "the limit n -> oo of the squared discrete bound, where q^n, beta1^n and beta2^n vanish",
            high_precision(lambda law: law, lambda: sqrt((1 - beta1) ** 2 / ((1 - beta2) * (1 - q))), over=STABLE_BOX),
        ),
        Step(
            "its square by algebra",
            symbolic(lambda law: law**2, lambda: (1 - beta1) ** 2 / ((1 - beta2) * (1 - q))),
        ),
        Step(
            "the squared discrete bound is a product of that and of what vanishes",
            high_precision(
                lambda law: law**2 * (1 - q**n) * (1 - beta2**n) / (1 - beta1**n) ** 2,
                lambda: PLAIN,
                over={beta1: (0.05, 0.85), beta2: (0.9, 0.999), n: (1, 40)},
            ),
        ),
        Step(
            "the bound is never below 1",
            certified(lambda law: law**2 >= 1, over=STABLE_BOX, factor=(beta1 - beta2) ** 2),
        ),
    ),
)

step_estimate = Claim(
    id="adam.step_estimate",
    title="Estimate of the largest step in the original paper",
    statement=(1 - beta1) / sqrt(1 - beta2),
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    assumptions=(
        Assumption("the case that the paper treats: 1 - beta1 > sqrt(1 - beta2)", (1 - beta1) / sqrt(1 - beta2) > 1.0),
    ),
    source=Source(
        "Kingma2015",
        "Sec. 2.1",
        printed=r"|\Delta_t| \le \alpha \cdot (1 - \beta_1)/\sqrt{1 - \beta_2}",
        assuming=r"$(1 - \beta_1) > \sqrt{1 - \beta_2}$ and $\epsilon = 0$",
    ),
    derivation=(
        Step(
            "the limit of m/sqrt(v) for a single gradient after silence: m = (1-beta1) g, v = (1-beta2) g^2",
            symbolic(lambda law: ((1 - beta1) * t) / sqrt((1 - beta2) * t**2) - law),
        ),
    ),
)

unit_step = Claim(
    id="adam.unit_step",
    title="Largest step in the original paper where averages of gradients are no shorter than those of squares",
    statement=S.One,
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    assumptions=(Assumption("the other case: 1 - beta1 <= sqrt(1 - beta2)", (1 - beta1) / sqrt(1 - beta2) <= 1.0),),
    source=Source(
        "Kingma2015",
        "Sec. 2.1",
        printed=r"|\Delta_t| \le \alpha",
        assuming=r"$(1 - \beta_1) \le \sqrt{1 - \beta_2}$ and $\epsilon = 0$",
    ),
    derivation=(
        Step(
            "for equal weights of both averages it holds: |mean| <= root mean square, by Lagrange's identity",
            symbolic(lagrange),
        ),
        Step(
            "it is the supremum of the updates at beta1 = beta2",
            symbolic(lambda law: law, lambda: sqrt(((1 - beta1) ** 2 / ((1 - beta2) * (1 - q))).subs(beta2, beta1))),
        ),
    ),
)

CLAIMS = (update_bound_discrete, update_supremum, step_estimate, unit_step)
