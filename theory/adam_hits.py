"""Adam: gradients that come now and then, and the sequence that makes updates largest. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Interval, Max, Rational, S, exp, log, sqrt

from theory.adam_bound import DISCRETE
from theory.adam_vocabulary import POINTS, V, beta1, beta2, k, step
from theory.claim import Assumption, Claim, Quantity, Source, Step, certified, high_precision, symbolic

lag = V.symbol(
    "lag", "steps before the one at which the update is largest", unit="step", domain=S.Naturals0, typical=(1, 20)
)
period = V.symbol(
    "period",
    "every how many steps a coordinate sees a gradient",
    unit="step",
    domain=S.Naturals,
    latex="p",
    typical=(1, 40),
)
hit = V.symbol(
    "hit",
    "probability that a coordinate sees a gradient in a step",
    domain=Interval.open(0, 1),
    typical=(0.001, 0.5),
)
RATE = log(beta1) - log(beta2) / 2

saturating_gradients = Claim(
    id="adam.saturating_gradients",
    title="Past gradients, over the present one, that make the update as large as it can be",
    statement=(beta1 / beta2) ** lag,
    vocabulary=V,
    predicts=Quantity("gradient_ratio"),
    kind="closed form",
    source=Source.own("equality in Cauchy-Schwarz: each gradient is the ratio of its weights in m and in v"),
    derivation=(
        Step(
            "its weight in m over its weight in v times itself is the same at every lag",
            symbolic(lambda law: beta1**lag / (beta2**lag * law), lambda: 1),
        ),
        Step(
            "the update after ten of them is the discrete bound",
            high_precision(
                lambda law: (
                    (1 - beta1)
                    / (1 - beta1**10)
                    * sum(beta1**j * law.subs(lag, j) for j in range(10))
                    / sqrt((1 - beta2) / (1 - beta2**10) * sum(beta2**j * law.subs(lag, j) ** 2 for j in range(10)))
                ),
                lambda: DISCRETE.subs(step, 10),
                over=POINTS,
            ),
        ),
    ),
)

periodic_update = Claim(
    id="adam.periodic_update",
    title="Largest update of a coordinate that sees the same gradient every so many steps",
    statement=(1 - beta1)
    / (1 - beta1**period)
    * sqrt((1 - beta2**period) / (1 - beta2))
    * Max(1, beta1 / sqrt(beta2)) ** (period - 1),
    vocabulary=V,
    predicts=Quantity("max_update"),
    kind="closed form",
    source=Source.own("m and v repeat themselves; between gradients their ratio fades or grows until the next one"),
    notation="after many steps; just after the gradient where stable, just before the next one where unstable",
    derivation=(
        Step(
            "just after a gradient of 1, m and v are the sums of beta^(p j), times 1 - beta",
            symbolic(
                lambda: [(1 - b) / (1 - b**period) - (b**period * (1 - b) / (1 - b**period)) for b in (beta1, beta2)],
                lambda: [1 - beta1, 1 - beta2],
            ),
        ),
        Step(
            "the statement is the larger of m/sqrt(v) there and p - 1 steps later",
            high_precision(
                lambda law: law.subs(period, k),
                lambda: Max(
                    *(
                        (1 - beta1) / (1 - beta1**k) * beta1**j / sqrt((1 - beta2) / (1 - beta2**k) * beta2**j)
                        for j in (0, k - 1)
                    )
                ),
                over={**POINTS, k: (1, 40)},
            ),
        ),
        Step(
            "with a gradient in every step it is 1",
            symbolic(lambda law: law.subs(period, 1), lambda: 1),
        ),
    ),
)

update_tail = Claim(
    id="adam.update_tail",
    title="Tail of the updates of a coordinate that sees a gradient now and then, outside the stable region",
    statement=-log(1 - hit) / RATE,
    vocabulary=V,
    predicts=Quantity("tail_exponent"),
    kind="exponent",
    assumptions=(Assumption("unstable: beta1 > sqrt(beta2)", RATE > 0),),
    source=Source.own("silence of k steps has probability (1 - hit)^k and multiplies the update by e^(rate k)"),
    notation="P(|u| > x e^(rate k)) = P(|u| > x) e^(-exponent rate k) for x above any update that follows a gradient",
    derivation=(
        Step(
            "an update above x e^(rate k) has been silent for k steps and was above x before them",
            symbolic(lambda law: exp(-law * RATE * k), lambda: (1 - hit) ** k),
        ),
        Step(
            "coordinates hit more often have lighter tails: the rarest one decides",
            certified(
                lambda law: law.diff(hit) > 0,
                over={
                    hit: (Rational(1, 100), Rational(9, 10)),
                    beta1: (Rational(9, 10), Rational(99, 100)),
                    beta2: (Rational(1, 10), Rational(8, 10)),
                },
            ),
        ),
    ),
)

CLAIMS = (saturating_gradients, periodic_update, update_tail)
