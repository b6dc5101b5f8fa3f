"""Adam: the curves along and across which its stability index changes. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Interval, Rational, S, oo

from theory.adam_vocabulary import PAPER, V, beta1, beta1_start, beta2, beta2_start
from theory.claim import Assumption, Claim, Quantity, Source, Step, certified, symbolic

index = V.symbol(
    "index",
    "stability index C of a level set",
    unit="1/step",
    domain=Interval.open(-oo, oo),
    latex="C",
    typical=(-0.05, 0.3),
)

level_set = Claim(
    id="adam.level_set",
    title="beta1 on a level set of the stability index",
    statement=2 / (1 + index + 1 / beta2),
    vocabulary=V,
    predicts=Quantity("beta1"),
    kind="closed form",
    assumptions=(
        Assumption(
            "the level set meets this beta2 inside the unit square",
            index > 1 - 1 / beta2,
            reason="beta1 would not be below 1",
        ),
    ),
    source=Source(PAPER, "level sets of C"),
    derivation=(
        Step("C has the given value there", symbolic(lambda law: 2 / law - 1 / beta2 - 1, lambda: index)),
        Step(
            "the level set C = 0 is the boundary of stability in continuous time",
            symbolic(lambda law: law.subs(index, 0), lambda: 2 * beta2 / (1 + beta2)),
        ),
        Step(
            "its slope is that of C: -(dC/dbeta2)/(dC/dbeta1) = (beta1/beta2)^2/2",
            symbolic(lambda law: law.diff(beta2), lambda law: law**2 / (2 * beta2**2)),
        ),
        Step(
            "on the axis beta2 = 1 it starts at 2/(2 + C), so that C = 0 alone meets the corner",
            symbolic(lambda law: law.subs(beta2, 1), lambda: 2 / (2 + index)),
        ),
        Step(
            "larger C means smaller beta1",
            certified(
                lambda law: law.diff(index) < 0,
                over={beta2: (Rational(1, 2), Rational(999, 1000)), index: (0, S(2))},
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

level_set_share = Claim(
    id="adam.level_set_share",
    title="Share of the differences in training over the (beta1, beta2) square that C accounts for",
    statement=S.One,
    vocabulary=V,
    predicts=Quantity("share"),
    kind="closed form",
    source=Source(PAPER, "training and generalisation depend on (beta1, beta2) through C"),
    notation="variance of means over seeds within level sets of C, divided by that over all points, from 1",
    underived="a printed statement about experiments",
)

CLAIMS = (level_set, normal_curve, level_set_share)
