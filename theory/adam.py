"""Adam's update: how large it can be, where it is stable, and how fast it grows elsewhere.

Notation: beta1 is the decay of the average of gradients, beta2 that of squares (Gould and Tanaka write gamma
and beta for them); n = 1, 2, ... counts the updates made; u_n is the bias-corrected update of a coordinate,

    u_n = [m_n / (1 - beta1^n)] / sqrt(v_n / (1 - beta2^n)),    m_n = beta1 m_{n-1} + (1 - beta1) g_n,
                                                               v_n = beta2 v_{n-1} + (1 - beta2) g_n^2.
"""

from __future__ import annotations

from sympy import (
    Abs,
    Eq,
    Expr,
    Interval,
    Max,
    Min,
    Piecewise,
    Rational,
    S,
    exp,
    log,
    sinh,
    solve,
    sqrt,
    symbols,
)

from theory.claim import (
    Assumption,
    Claim,
    Correction,
    Quantity,
    Source,
    Step,
    Vocabulary,
    certified,
    high_precision,
    symbolic,
)

V = Vocabulary()
UNIT = Interval.open(0, 1)
beta1 = V.symbol("beta1", "decay of the average of gradients", domain=UNIT, latex=r"\beta_1", typical=(0.1, 0.99))
beta2 = V.symbol("beta2", "decay of the average of squares", domain=UNIT, latex=r"\beta_2", typical=(0.1, 0.99))
step = V.symbol("step", "number of updates made", unit="step", domain=S.Naturals, latex="n", typical=(2, 60))
beta1_start = V.symbol(
    "beta1_start", "beta1 of a point on the curve", domain=UNIT, latex=r"\beta_{1,0}", typical=(0.85, 0.95)
)
beta2_start = V.symbol(
    "beta2_start", "beta2 of a point on the curve", domain=UNIT, latex=r"\beta_{2,0}", typical=(0.9, 0.99)
)

PAPER = "Gould2024"
INDEX = 2 / beta1 - 1 / beta2 - 1
RATIO = beta1**2 / beta2
STABLE = Assumption("beta1^2 < beta2: the sum of q^j converges", beta1**2 / beta2 < 0.999999)


# sqrt of 1 + q + ... + q^(n-1) and of the integral of e^(-C s) over 0 < s < n, with powers and exponentials that
# overflow no sooner than the bound itself, whichever side of the boundary.
DISCRETE_SUM = Piecewise(
    (sqrt(step), Eq(beta1**2, beta2)),
    (Max(1, RATIO) ** ((step - 1) / 2) * sqrt((1 - Min(RATIO, 1 / RATIO) ** step) / (1 - Min(RATIO, 1 / RATIO))), True),
)
CONTINUOUS_SUM = Piecewise(
    (sqrt(step), Eq(INDEX, 0)),
    (exp(-step * Min(0, INDEX) / 2) * sqrt((1 - exp(-step * Abs(INDEX))) / Abs(INDEX)), True),
)
DISCRETE = (1 - beta1) / sqrt(1 - beta2) * DISCRETE_SUM * sqrt(1 - beta2**step) / (1 - beta1**step)
CONTINUOUS = (
    sqrt(beta2 / (1 - beta2))
    * (1 - beta1)
    / beta1
    * CONTINUOUS_SUM
    * sqrt(1 - exp(-step * (1 - beta2) / beta2))
    / (1 - exp(-step * (1 - beta1) / beta1))
)

# The discrete law as one would write it on paper, for the derivations: real n, ratio q = beta1^2/beta2.
n, k, t, s, ratio = symbols("n k t s q", positive=True)
q = RATIO


def _sum(k: Expr) -> Expr:
    """1 + q + ... + q^(k-1), with a plain symbol for q."""
    return (1 - ratio**k) / (1 - ratio)


def _squared_bound(n: Expr, total: Expr) -> Expr:
    return (1 - beta1) ** 2 / (1 - beta2) * total * (1 - beta2**n) / (1 - beta1**n) ** 2


PLAIN = _squared_bound(n, _sum(n).subs(ratio, q))


def _lagrange() -> Expr:
    """(sum a^2)(sum b^2) - (sum ab)^2 - sum of squares, for four terms."""
    a, b = symbols("a:4", real=True), symbols("b:4", real=True)
    product = sum(x**2 for x in a) * sum(y**2 for y in b) - sum(x * y for x, y in zip(a, b, strict=True)) ** 2
    squares = sum((a[i] * b[j] - a[j] * b[i]) ** 2 for i in range(4) for j in range(i))
    return product - squares


def _squared_by_sinh() -> Expr:
    """The squared bound as f(n)/f(1); see the derivation below."""

    def f(x: Expr) -> Expr:
        return 1 - (sinh(log(beta2 / beta1) * x / 2) / sinh(-log(beta1) * x / 2)) ** 2

    return f(n) / f(S.One)


STABLE_BOX = {beta1: (Rational(1, 20), Rational(85, 100)), beta2: (Rational(9, 10), Rational(999, 1000))}
BALANCED = beta1 / (2 - beta1)
"""beta2 at which C = 0."""
POINTS = {beta1: (0.05, 0.999), beta2: (0.05, 0.999)}

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
            symbolic(_lagrange),
        ),
        Step(
            "the sum of q^j, j < n, is (1 - q^n)/(1 - q): it is 1 for n = 1 and grows by q^n",
            symbolic(lambda: [_sum(1), _sum(n + 1) - _sum(n)], lambda: [1, ratio**n]),
        ),
        Step(
            "g_k = (beta2/beta1)^k: m_k/g_k and v_k/g_k^2 are multiplied by q a step, before the new term",
            symbolic(lambda: [beta1 * (beta1 / beta2), beta2 * (beta1 / beta2) ** 2], lambda: [q, q]),
        ),
        Step(
            "so that both are that sum, times 1 - beta1 and 1 - beta2",
            symbolic(lambda: _sum(k), lambda: ratio * _sum(k - 1) + 1),
        ),
        Step(
            "hence these gradients attain the bound, at every n",
            symbolic(
                lambda: ((1 - beta1) * _sum(n) / (1 - beta1**n)) ** 2 / ((1 - beta2) * _sum(n) / (1 - beta2**n)),
                lambda: _squared_bound(n, _sum(n)),
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

update_bound_continuous = Claim(
    id="adam.update_bound_continuous",
    title="Bound on the update of continuous-time Adam",
    statement=CONTINUOUS,
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="bound",
    source=Source(PAPER, "bound on the update"),
    notation="C = 2(1-beta1)/beta1 - (1-beta2)/beta2; kernels of rate (1-beta)/beta; time counted in updates",
    validity={"rest1": 1 - beta1, "rest2": 1 - beta2},
    derivation=(
        Step(
            "Cauchy-Schwarz leaves the integral of e^(-C s) from 0 to n",
            symbolic(lambda: ((1 - exp(-k * n)) / k).diff(n) - exp(-k * n)),
        ),
        Step(
            "its prefactor: squared rate of m over the rate of v",
            symbolic(
                lambda: (
                    ((1 - beta1) / beta1) ** 2 / ((1 - beta2) / beta2)
                    - (sqrt(beta2 / (1 - beta2)) * (1 - beta1) / beta1) ** 2
                )
            ),
        ),
        Step(
            "the statement, written without overflow, is that bound",
            high_precision(
                lambda law: (
                    (law**2).subs(step, n)
                    * INDEX
                    * (1 - exp(-n * (1 - beta1) / beta1)) ** 2
                    / ((1 - exp(-INDEX * n)) * (1 - exp(-n * (1 - beta2) / beta2)))
                    / (beta2 / (1 - beta2) * ((1 - beta1) / beta1) ** 2)
                    - 1
                ),
                over={**POINTS, n: (1, 40)},
            ),
        ),
        Step(
            "it is never below the discrete bound of the same n (sampled)",
            high_precision(
                lambda law: (law / DISCRETE).subs(step, n),
                lambda law: Max(1, (law / DISCRETE).subs(step, n)),
                over={**POINTS, n: (1, 40)},
            ),
        ),
        Step(
            "where C = 0 it is positive too",
            high_precision(
                lambda law: law.subs(beta2, BALANCED),
                lambda law: Abs(law.subs(beta2, BALANCED)),
                over={beta1: (0.05, 0.999), step: (1, 40)},
            ),
        ),
        Step(
            "and the integral is n",
            symbolic(
                lambda law: (law**2).subs(beta2, BALANCED),
                lambda: (
                    (beta2 / (1 - beta2) * ((1 - beta1) / beta1) ** 2 * step * (1 - exp(-step * (1 - beta2) / beta2)))
                    / (1 - exp(-step * (1 - beta1) / beta1)) ** 2
                ).subs(beta2, BALANCED),
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
            symbolic(_lagrange),
        ),
        Step(
            "it is the supremum of the updates at beta1 = beta2",
            symbolic(lambda law: law, lambda: sqrt(((1 - beta1) ** 2 / ((1 - beta2) * (1 - q))).subs(beta2, beta1))),
        ),
    ),
)

bound_ratio = Claim(
    id="adam.bound_ratio",
    title="Squared ratio of the continuous to the discrete bound after many steps",
    statement=1 + (beta2 - beta1) ** 2 / (beta1 * (2 * beta2 - beta1 - beta1 * beta2)),
    vocabulary=V,
    predicts=Quantity("squared_bound_ratio"),
    kind="closed form",
    assumptions=(Assumption("both are stable: C > 0", INDEX > 1e-6),),
    source=Source.own("limits of both bounds"),
    derivation=(
        Step(
            "quotient of the two plateaus",
            symbolic(
                lambda law: law,
                lambda: (
                    (beta2 / (1 - beta2) * ((1 - beta1) / beta1) ** 2 / (2 * (1 - beta1) / beta1 - (1 - beta2) / beta2))
                    / ((1 - beta1) ** 2 / ((1 - beta2) * (1 - beta1**2 / beta2)))
                ),
            ),
        ),
        Step("never below 1", certified(lambda law: law >= 1, over=STABLE_BOX, factor=(beta1 - beta2) ** 2)),
    ),
)

stability_index = Claim(
    id="adam.stability_index",
    title="Stability index of continuous-time Adam",
    statement=INDEX,
    vocabulary=V,
    predicts=Quantity("stability_index", unit="1/step"),
    kind="closed form",
    source=Source(PAPER, "stable region C > 0"),
    derivation=(
        Step(
            "rate of the kernel of m, twice, less that of v",
            symbolic(lambda: 2 * (1 - beta1) / beta1 - (1 - beta2) / beta2, lambda law: law),
        ),
        Step(
            "it is positive below the harmonic mean of 1 and beta2, and negative above",
            certified(
                lambda law: [
                    law.subs(beta1, x * 2 * beta2 / (1 + beta2)) * sign > 0 for x, sign in ((k, 1), (1 / k, -1))
                ],
                over={beta2: (Rational(1, 20), Rational(999, 1000)), k: (Rational(1, 20), Rational(999, 1000))},
            ),
        ),
    ),
)

CLEAR = Assumption(
    "unstable, and for long enough: ten e-foldings after the given number of steps",
    (log(beta1) - log(beta2) / 2) * step > 10.0,
    reason="the slope over the last fifth of the steps is then within 1 % of its limit if 1 - beta1 > 5/step",
)

growth_rate_continuous = Claim(
    id="adam.growth_rate_continuous",
    title="Growth rate of the largest update, continuous time",
    statement=-INDEX / 2,
    vocabulary=V,
    predicts=Quantity("growth_rate", unit="1/step"),
    kind="closed form",
    assumptions=(CLEAR,),
    # The rates differ at second order, and their first order vanishes on the boundary, at nearness 1.
    validity={"rest1": 1 - beta1, "rest2": 1 - beta2, "nearness": 2 * (1 - beta1) / (1 - beta2)},
    source=Source(
        PAPER,
        "slope of the update outside the stable region, |C|/2",
        printed=(
            r"\log \max |u_n| \sim \tfrac12 |C(\beta, \gamma)|\, n, \qquad "
            r"C(\beta, \gamma) = \frac{2(1-\gamma)}{\gamma} - \frac{1-\beta}{\beta}"
        ),
        assuming=r"continuous time; $\gamma$ is beta1, $\beta$ is beta2",
    ),
    derivation=(
        Step(
            "the sum in the squared bound is e^(2 rate n) times a factor that tends to 1/|C|, since C < 0",
            symbolic(lambda: (1 - exp(-t * n)) / t, lambda: exp(-t * n) * (1 - exp(t * n)) / -t),
        ),
        Step(
            "with t = C in it, 2 rate = -C",
            symbolic(lambda law: 2 * law, lambda: (1 - beta2) / beta2 - 2 * (1 - beta1) / beta1),
        ),
    ),
)

growth_rate = Claim(
    id="adam.growth_rate",
    title="Growth rate of the largest update outside the stable region",
    statement=log(beta1 / sqrt(beta2)),
    vocabulary=V,
    predicts=Quantity("growth_rate", unit="1/step"),
    kind="closed form",
    assumptions=(CLEAR,),
    source=Source.own("growth of the discrete bound; also of any coordinate whose gradient has become exactly zero"),
    corrects=Correction(
        "adam.growth_rate_continuous",
        classed="assumption fails",
        note="an update is no small time: the two rates differ at second order in 1 - beta1 and 1 - beta2",
    ),
    derivation=(
        Step(
            "the sum in the squared bound is q^n times a factor that tends to 1/(q - 1), since q > 1",
            symbolic(lambda: _sum(n), lambda: ratio**n * (1 - ratio**-n) / (ratio - 1)),
        ),
        Step("and q is e^(2 rate)", symbolic(lambda: beta1**2 / beta2, lambda law: exp(2 * law))),
        Step(
            "which grows where beta1 > sqrt(beta2) and decays where beta1 < sqrt(beta2)",
            certified(
                lambda law: [law.subs(beta2, beta1**2 * k) > 0, law.subs(beta2, beta1**2 / k) < 0],
                over={beta1: (Rational(1, 20), Rational(999, 1000)), k: (Rational(1, 20), Rational(999, 1000))},
            ),
        ),
        Step(
            "after the last hit m and sqrt(v) fade by beta1 and sqrt(beta2) a step",
            symbolic(lambda: log(beta1**k * t / sqrt(beta2**k * s)) - k * log(beta1 / sqrt(beta2)) - log(t / sqrt(s))),
        ),
    ),
)

boundary_continuous = Claim(
    id="adam.stability_boundary_continuous",
    title="Largest stable beta1, continuous time",
    statement=2 * beta2 / (1 + beta2),
    vocabulary=V,
    predicts=Quantity("beta1"),
    kind="threshold",
    validity={"rest2": 1 - beta2},
    source=Source(
        PAPER,
        "boundary C = 0 of the stable region",
        printed=r"C(\beta, \gamma) = \frac{2(1-\gamma)}{\gamma} - \frac{1-\beta}{\beta} > 0",
        assuming=r"continuous time; $\gamma$ is beta1, $\beta$ is beta2",
    ),
    notation="the harmonic mean of 1 and beta2",
    derivation=(
        Step(
            "C vanishes there", symbolic(lambda law: (2 * (1 - beta1) / beta1 - (1 - beta2) / beta2).subs(beta1, law))
        ),
    ),
)

boundary = Claim(
    id="adam.stability_boundary",
    title="Largest stable beta1",
    statement=sqrt(beta2),
    vocabulary=V,
    predicts=Quantity("beta1"),
    kind="threshold",
    source=Source.own("q = beta1^2/beta2 = 1: the geometric mean of 1 and beta2"),
    corrects=Correction(
        "adam.stability_boundary_continuous",
        classed="assumption fails",
        note="kernels of rate -log(beta) give the exact boundary, those of rate (1-beta)/beta the harmonic "
        "mean, those of rate 1-beta the arithmetic one",
    ),
    derivation=(
        Step("q = 1 there", symbolic(lambda law: (beta1**2 / beta2).subs(beta1, law) - 1)),
        Step(
            "so it is for kernels of rate -log(beta)",
            symbolic(lambda law: (-2 * log(beta1) + log(beta2)).subs(beta1, law)),
        ),
        Step(
            "kernels of rate 1 - beta would give the arithmetic mean",
            symbolic(lambda: solve(2 * (1 - beta1) - (1 - beta2), beta1)[0] - (1 + beta2) / 2),
        ),
        Step(
            "it lies between the harmonic and the arithmetic mean",
            certified(
                lambda law: [2 * beta2 / (1 + beta2) <= law, law <= (1 + beta2) / 2],
                over={beta2: (Rational(1, 100), Rational(999, 1000))},
                factor=(1 - sqrt(beta2)) ** 2,
            ),
        ),
    ),
)

normal_curve = Claim(
    id="adam.normal_curve",
    title="Curve through a point that crosses the level sets of C at right angles",
    statement=(beta2_start**3 + (beta1_start**3 - beta1**3) / 2) ** Rational(1, 3),
    vocabulary=V,
    predicts=Quantity("beta2"),
    kind="closed form",
    source=Source(PAPER, "points normal to the level sets of C"),
    notation="beta1^3 + 2 beta2^3 is constant on it",
    derivation=(
        Step(
            "the gradients of beta1^3 + 2 beta2^3 and of C are orthogonal",
            symbolic(
                lambda: sum(
                    (beta1**3 + 2 * beta2**3).diff(x) * (2 / beta1 - 1 / beta2 - 1).diff(x) for x in (beta1, beta2)
                )
            ),
        ),
        Step(
            "beta1^3 + 2 beta2^3 is constant along the statement, which starts at the given point",
            symbolic(
                lambda law: [beta1**3 + 2 * law**3, law.subs(beta1, beta1_start)],
                lambda: [beta1_start**3 + 2 * beta2_start**3, beta2_start],
            ),
        ),
    ),
)

CLAIMS = (
    stability_index,
    update_bound_discrete,
    update_bound_continuous,
    update_supremum,
    step_estimate,
    unit_step,
    bound_ratio,
    growth_rate,
    growth_rate_continuous,
    boundary,
    boundary_continuous,
    normal_curve,
)
