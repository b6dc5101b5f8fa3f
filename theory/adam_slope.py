"""Adam: the slope of the log of the largest update after finitely many steps. Setting: theory/adam.py."""

from __future__ import annotations

from sympy import Ne, log

from theory.adam_bound import PLAIN
from theory.adam_vocabulary import POINTS, RATIO, V, beta1, beta2, k, n, s, step, t
from theory.claim import Assumption, Claim, Quantity, Source, Step, high_precision, symbolic

bound_slope = Claim(
    id="adam.bound_slope",
    title="Slope of the log of the largest possible update",
    statement=(
        log(RATIO) / (1 - RATIO**-step) / 2 + log(beta1) / (beta1**-step - 1) - log(beta2) / (beta2**-step - 1) / 2
    ),
    vocabulary=V,
    predicts=Quantity("slope", unit="1/step"),
    kind="closed form",
    assumptions=(Assumption("not on the boundary itself, where the first term is 1/(2 step)", Ne(RATIO, 1)),),
    source=Source.own(
        "derivative of the log of the discrete bound, which one sequence of gradients attains at every n"
    ),
    derivation=(
        Step(
            "it is the derivative of the log of the discrete bound, on both sides of the boundary",
            high_precision(
                lambda law: law.subs(step, n),
                lambda: (log(PLAIN) / 2).diff(n),
                over={**POINTS, n: (1, 40)},
            ),
        ),
        Step(
            "which is the slope of a silent coordinate and a rest that fades as q^-n",
            high_precision(
                lambda law: law.subs(step, n),
                lambda: log(beta1) / (1 - beta1**n) - log(beta2) / (1 - beta2**n) / 2 + log(RATIO) / (RATIO**n - 1) / 2,
                over={**POINTS, n: (1, 40)},
            ),
        ),
    ),
)

silent_slope = Claim(
    id="adam.silent_slope",
    title="Slope of the log of the update of a coordinate without gradients",
    statement=log(beta1) / (1 - beta1**step) - log(beta2) / (1 - beta2**step) / 2,
    vocabulary=V,
    predicts=Quantity("slope", unit="1/step"),
    kind="closed form",
    assumptions=(
        Assumption(
            "unstable, and for long enough: silent coordinates have overtaken those that still see gradients",
            (log(beta1) - log(beta2) / 2) * step > 2.5,
            reason="the largest update of a coordinate that is still hit is some times that of one hit last long ago",
        ),
    ),
    validity={"e_foldings": (log(beta1) - log(beta2) / 2) * step},
    source=Source.own("m and v fade by beta1 and beta2 a step; the corrections of the bias are kept"),
    derivation=(
        Step(
            "m = beta1^k t and v = beta2^k s, k steps after the last gradient, of n + k steps",
            symbolic(
                lambda law: law.subs(step, n + k),
                lambda: (
                    k * log(beta1)
                    + log(t / (1 - beta1 ** (n + k)))
                    - (k * log(beta2) + log(s / (1 - beta2 ** (n + k)))) / 2
                ).diff(k),
            ),
        ),
    ),
)

CLAIMS = (bound_slope, silent_slope)
