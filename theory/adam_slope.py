"""Adam: the slope of the log of the largest update after finitely many steps. Setting: theory/adam.py."""

from __future__ import annotations

from collections.abc import Callable

from sympy import Abs, Expr, Max, Ne, S, exp, log

from theory.adam_bound import DISCRETE
from theory.adam_vocabulary import POINTS, RATIO, V, beta1, beta2, k, n, s, step, t
from theory.claim import Assumption, Claim, Quantity, Source, Step, high_precision, symbolic

window = V.symbol(
    "window",
    "number of the last steps over which a slope is taken",
    unit="step",
    domain=S.Naturals,
    latex="w",
    typical=(1, 50),
)

EARLY = Assumption("the slope begins after the first step", step - window >= 1)


def _corrections(n: Expr) -> Expr:
    """log of sqrt(1 - beta2^n)/(1 - beta1^n)."""
    return log(1 - beta2**n) / 2 - log(1 - beta1**n)


def _log_sum(n: Expr) -> Expr:
    """log of sqrt(1 + q + ... + q^(n-1)) without its growth and a constant, on either side of the boundary."""
    return log(1 - exp(-n * Abs(log(RATIO)))) / 2


def _per_step(over: Callable[[Expr], Expr]) -> Expr:
    """Mean change a step over the window."""
    return (over(step) - over(step - window)) / window


bound_slope = Claim(
    id="adam.bound_slope",
    title="Slope of the log of the largest possible update over the last steps",
    statement=Max(0, log(RATIO)) / 2 + _per_step(lambda n: _log_sum(n) + _corrections(n)),
    vocabulary=V,
    predicts=Quantity("slope", unit="1/step"),
    kind="closed form",
    assumptions=(EARLY, Assumption("not on the boundary itself, where the sum of q^j is n", Ne(RATIO, 1))),
    source=Source.own(
        "difference of the log of the discrete bound, which one sequence of gradients attains at every n"
    ),
    derivation=(
        Step(
            "it is the slope of the log of the discrete bound, on both sides of the boundary",
            high_precision(
                lambda law: exp(law * window).subs({step: 30, window: n}),
                lambda: DISCRETE.subs(step, 30) / DISCRETE.subs(step, 30 - n),
                over={**POINTS, n: (1, 29)},
            ),
        ),
    ),
)

silent_slope = Claim(
    id="adam.silent_slope",
    title="Slope of the log of the update of a coordinate without gradients over the last steps",
    statement=log(beta1) - log(beta2) / 2 + _per_step(_corrections),
    vocabulary=V,
    predicts=Quantity("slope", unit="1/step"),
    kind="closed form",
    assumptions=(
        EARLY,
        Assumption(
            "unstable, and for long enough: silent coordinates have overtaken those that still see gradients",
            (log(beta1) - log(beta2) / 2) * step > 2.5,
            reason="the largest update of a coordinate that is still hit is a few times that of one hit last long ago",
        ),
    ),
    validity={"e_foldings": (log(beta1) - log(beta2) / 2) * step},
    source=Source.own("m and v fade by beta1 and beta2 a step; the corrections of the bias are kept"),
    derivation=(
        Step(
            "m = beta1^k t and v = beta2^k s, k steps after the last gradient, of n + k steps",
            symbolic(
                lambda law: law.subs({step: n + k, window: k}) * k,
                lambda: (
                    k * log(beta1)
                    - log(1 - beta1 ** (n + k))
                    + log(t)
                    - (k * log(beta2) - log(1 - beta2 ** (n + k)) + log(s)) / 2
                    - (-log(1 - beta1**n) + log(t) - (-log(1 - beta2**n) + log(s)) / 2)
                ),
            ),
        ),
    ),
)

CLAIMS = (bound_slope, silent_slope)
