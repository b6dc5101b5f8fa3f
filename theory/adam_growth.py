"""Adam: the stable region, its boundary and the growth of updates outside it. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Rational, exp, log, solve, sqrt

from theory.adam_vocabulary import (
    INDEX,
    PAPER,
    V,
    beta1,
    beta2,
    geometric,
    k,
    n,
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
    symbolic,
)

CLEAR = Assumption(
    "unstable, and for long enough: ten e-foldings after the given number of steps",
    (log(beta1) - log(beta2) / 2) * step > 10.0,
    reason="the slope of log(|m|/sqrt(v)) over the last fifth of the steps is then within 1e-6 of its limit",
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
            symbolic(lambda: geometric(n), lambda: ratio**n * (1 - ratio**-n) / (ratio - 1)),
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

boundary_arithmetic = Claim(
    id="adam.stability_boundary_arithmetic",
    title="Largest stable beta1 if averages decayed by e^-(1-beta)",
    statement=(1 + beta2) / 2,
    vocabulary=V,
    predicts=Quantity("beta1"),
    kind="threshold",
    validity={"rest2": 1 - beta2},
    source=Source.own("kernels of rate 1 - beta in place of (1-beta)/beta: the arithmetic mean of 1 and beta2"),
    derivation=(
        Step(
            "twice the rate of the average of gradients is that of the average of squares",
            symbolic(lambda law: 2 * (1 - law), lambda: 1 - beta2),
        ),
        Step(
            "it differs from the harmonic mean at the order (1 - beta2)^2",
            symbolic(lambda law: law - 2 * beta2 / (1 + beta2), lambda: (1 - beta2) ** 2 / (2 * (1 + beta2))),
        ),
    ),
)

CLAIMS = (
    stability_index,
    growth_rate,
    growth_rate_continuous,
    boundary,
    boundary_continuous,
    boundary_arithmetic,
)
