"""k-Adam in training: is a second stage an advantage, and by how much its learning rate must be smaller.

Setting of the stages: theory/adam_k_stages.py. Steps of 2-Adam in white noise are about three times those of Adam at
the same learning rate. Two ways of making the best learning rate of one the best of the other: equal root mean square
of a step, or equal path under gradients that change slowly, where u^2 is u^1 over its root mean square.
"""

from __future__ import annotations

from sympy import Expr, Integer, Interval, S, sqrt

from theory.adam_k_stages import DECAY, SECOND, before
from theory.adam_norm_vocabulary import V, beta1
from theory.claim import Claim, Quantity, Source, Step, symbolic

single = V.symbol(
    "beta1_single", "beta1 of Adam with one stage", domain=Interval.Ropen(0, 1), latex=r"\beta_1", typical=(0.1, 0.95)
)


def _power(b: Expr) -> Expr:
    """Mean square of u^1 in white noise."""
    return DECAY.subs(beta1, b)


two_ahead = Claim(
    id="adam.k_two_ahead",
    title="Two stages classify images better than one",
    statement=Integer(0),
    vocabulary=V,
    predicts=Quantity("accuracy_gain"),
    kind="bound",
    source=Source(
        "Gould2024",
        "k-Adam, image classification: k = 2 ahead of k = 1 for most choices of the stage constants",
        printed=r"a_{k=2} - a_{k=1} \ge 0",
        assuming="learning rates tuned for each k and each choice; a is the accuracy on test images",
    ),
    underived="reported from experiments; nothing is said of why it should hold",
)

rate_ratio = Claim(
    id="adam.k_rate_ratio",
    title="Tuned learning rate of one stage over that of two, if steps are to be of the same size",
    statement=sqrt(SECOND / _power(single)),
    vocabulary=V,
    predicts=Quantity("rate_ratio"),
    kind="closed form",
    source=Source.own("steps of the same root mean square in white noise are the best ones at both k"),
    notation="beta1_before, beta1: of the first and the second of two stages",
    derivation=(
        Step(
            "lr_1 times the root mean square of Adam's update is lr_2 times that of 2-Adam's",
            symbolic(lambda law: law**2 * _power(single), lambda: SECOND),
        ),
        Step(
            "with a second stage that has no memory, updates are signs, of size 1",
            symbolic(lambda law: law.subs(beta1, 0) ** 2, lambda: 1 / _power(single)),
        ),
    ),
)

rate_ratio_drift = Claim(
    id="adam.k_rate_ratio_drift",
    title="Tuned learning rate of one stage over that of two, if slow signals are to be followed at the same pace",
    statement=1 / sqrt(_power(before)),
    vocabulary=V,
    predicts=Quantity("rate_ratio"),
    kind="closed form",
    source=Source.own("averages pass slow signals unchanged; stage 2 divides by the root mean square of u^1"),
    notation="beta1_before: of the first of two stages",
    derivation=(
        Step(
            "weights of an average add up to 1, those of its square to (1-b)/(1+b)",
            symbolic(
                lambda law: [(1 - before) / (1 - before), (1 - before) ** 2 / (1 - before**2)],
                lambda law: [S.One, 1 / law**2],
            ),
        ),
    ),
)

CLAIMS = (two_ahead, rate_ratio, rate_ratio_drift)
