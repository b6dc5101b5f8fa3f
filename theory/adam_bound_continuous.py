"""Adam in continuous time: the bound on its update, beside the discrete one. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Abs, Eq, Max, Min, Piecewise, exp, sqrt

from theory.adam_bound import DISCRETE
from theory.adam_vocabulary import (
    BALANCED,
    INDEX,
    PAPER,
    POINTS,
    STABLE_BOX,
    V,
    beta1,
    beta2,
    k,
    n,
    step,
)
from theory.claim import (
    Assumption,
    Claim,
    Quantity,
    Source,
    Step,
    certified,
    high_precision,
    symbolic,
)

# sqrt of the integral of e^(-C s) over 0 < s < n, with exponentials that overflow no sooner than the bound itself.
CONTINUOUS_SUM = Piecewise(
    (sqrt(step), Eq(INDEX, 0)),
    (exp(-step * Min(0, INDEX) / 2) * sqrt((1 - exp(-step * Abs(INDEX))) / Abs(INDEX)), True),
)
CONTINUOUS = (
    sqrt(beta2 / (1 - beta2))
    * (1 - beta1)
    / beta1
    * CONTINUOUS_SUM
    * sqrt(1 - exp(-step * (1 - beta2) / beta2))
    / (1 - exp(-step * (1 - beta1) / beta1))
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

CLAIMS = (update_bound_continuous, bound_ratio)
