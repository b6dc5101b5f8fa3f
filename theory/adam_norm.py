"""Scale-invariant weights under AdamW: their norm in the steady state. Setting: theory/adam_norm_steps.py.

Angle brackets are means over time. Where sqrt(v) is steady and uniform along W, P = beta1 (rho P - learning_rate
<|u|^2>) in the mean, hence

    <|W|^2> = learning_rate^2 <|u|^2>/(1 - rho^2) (1 + beta1 rho)/(1 - beta1 rho)

with rho = 1 - learning_rate weight_decay, whatever the gradients are: noise or signal. Where gradients are white noise,
<|u|^2> = dim (1 - beta1)/(1 + beta1), and beta1 drops out of the norm.
"""

from __future__ import annotations

from sympy import Abs, Expr, Rational, symbols

from theory.adam_norm_steps import OVERLAP
from theory.adam_norm_vocabulary import (
    EQUILIBRIUM,
    EVEN_NOISE,
    EXACT_MEMORY,
    FORGOTTEN,
    MANY,
    MEMORY,
    MISFIT,
    PAPER,
    QUASI_STEADY_NORM,
    QUICK,
    SHRINKS,
    SLOWNESS,
    START,
    STEADY,
    STEADY_STATE,
    V,
    beta1,
    beta2,
    dim,
    exact_norm,
    fresh_overlap,
    last_overlap,
    last_update,
    lr,
    mean_overlap,
    rho,
    scale_ratio,
    square_update,
    wd,
)
from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, certified, symbolic

e, j = symbols("epsilon j", positive=True)
NORM = Quantity("mean_square_norm")
SMALL = {beta1: (0, Rational(999, 1000)), e: (0, Rational(1, 2))}


def _steady(overlap: Expr) -> Expr:
    """|W|^2 from (1 - rho^2) |W|^2 = learning_rate^2 |u|^2 - 2 learning_rate rho P."""
    return (lr**2 * square_update - 2 * lr * rho * overlap) / (1 - rho**2)


def _mean_recursion(overlap: Expr, added: Expr | int = 0) -> Expr:
    """P - beta1 (rho P - learning_rate <|u|^2>) - what is added: vanishes in the time mean."""
    means = {scale_ratio: 1, last_overlap: overlap, last_update: square_update}
    return overlap - OVERLAP.subs(means) - added


def _first_order(formula: Expr) -> Expr:
    """Terms of order 0 and 1 in the weight decay."""
    return formula.subs(wd, 0) + wd * formula.diff(wd).subs(wd, 0)


def _white_noise(count: Expr) -> Expr:
    """Sum of the squared weights (1 - beta1) beta1^j of an average, j below `count`."""
    return (1 - beta1) / (1 + beta1) * (1 - beta1 ** (2 * count))


def _spare(law: Expr) -> list[Expr]:
    """SLOWNESS less the relative error of the law, either sign of it, over e = learning_rate weight_decay."""
    ratio = (law / exact_norm()).subs(lr, e / wd).cancel()
    most = e / (1 - beta1)
    return [((most - sign * (ratio - 1)) / e).cancel() for sign in (1, -1)]


OVERLAP_STEP = Step(
    "the recursion of adam.update_overlap in the mean, v steady: P = -learning_rate beta1 <|u|^2>/(1 - beta1 rho)",
    symbolic(lambda: _mean_recursion(mean_overlap())),
)

weight_norm_continuous = Claim(
    id="adam.weight_norm_continuous",
    title="Norm of scale-invariant weights if updates were orthogonal to them",
    statement=lr * square_update / (2 * wd),
    vocabulary=V,
    predicts=NORM,
    kind="closed form",
    assumptions=STEADY_STATE,
    validity={"momentum": 1 - beta1, "slowness": SLOWNESS},
    source=Source(
        PAPER,
        "norm of scale-invariant weights",
        printed=r"\frac{d\|W\|^2}{dt} = -2\lambda\|W\|^2 + \eta\|u\|^2",
        assuming=r"$\langle W(t), g(s)\rangle = 0$ for all $s \le t$",
    ),
    derivation=(
        Step(
            "the steady state of d|W|^2/dt = -2 weight_decay |W|^2 + learning_rate |u|^2",
            symbolic(lambda law: -2 * wd * law + lr * square_update),
        ),
    ),
)

weight_norm = Claim(
    id="adam.weight_norm",
    title="Norm of scale-invariant weights",
    statement=lr**2 * square_update / (1 - rho**2) * EXACT_MEMORY,
    vocabulary=V,
    predicts=NORM,
    kind="closed form",
    assumptions=STEADY_STATE,
    validity={"misfit": Abs(MISFIT), "rest2": 1 - beta2, "slowness": SLOWNESS},
    source=Source.own("time mean of the exact recursion of <W, u> and |W|^2, v steady and uniform along W"),
    corrects=Correction(
        "adam.weight_norm_continuous",
        classed="assumption fails",
        note="gradients are orthogonal to the weights of their own step only; momentum multiplies |W|^2 by "
        "(1 + beta1)/(1 - beta1), 19 at beta1 = 0.9",
    ),
    derivation=(
        OVERLAP_STEP,
        Step(
            "the balance of |W|^2 with that overlap",
            symbolic(lambda law: law, lambda: _steady(mean_overlap())),
        ),
    ),
)

weight_norm_quasi_steady = Claim(
    id="adam.weight_norm_quasi_steady",
    title="Norm of scale-invariant weights, momentum short",
    statement=QUASI_STEADY_NORM,
    vocabulary=V,
    predicts=NORM,
    kind="closed form",
    assumptions=(*STEADY_STATE, QUICK),
    validity={"slowness": SLOWNESS},
    source=Source.own("d|W|^2/dt = -2 weight_decay |W|^2 + learning_rate |u|^2 (1 + beta1)/(1 - beta1)"),
    derivation=(
        Step(
            "the exact law over this one tends to 1 for small weight decay",
            symbolic(lambda law: (exact_norm() / law).cancel().subs(wd, 0), 1),
        ),
        Step(
            "and never differs by more than learning_rate weight_decay/(1 - beta1)",
            certified(lambda law: [spare > 0 for spare in _spare(law)], over=SMALL),
        ),
    ),
)

quasi_steady_excess = Claim(
    id="adam.quasi_steady_excess",
    title="Relative error of the quasi-steady norm",
    statement=2 * beta1 * lr * wd / (1 - beta1**2) - lr * wd / 2,
    vocabulary=V,
    predicts=Quantity("quasi_steady_excess"),
    kind="closed form",
    assumptions=(
        *STEADY_STATE,
        Assumption(
            "first order in the weight decay", SLOWNESS < 0.35, reason="the second order stays below the square of it"
        ),
    ),
    validity={"slowness": SLOWNESS},
    source=Source.own("quasi-steady over exact norm, minus one, to first order in learning_rate weight_decay"),
    derivation=(
        Step(
            "its terms of order 0 and 1",
            symbolic(lambda law: _first_order((QUASI_STEADY_NORM / exact_norm()).cancel() - 1) - law),
        ),
    ),
)

weight_norm_misfit = Claim(
    id="adam.weight_norm_misfit",
    title="Norm of scale-invariant weights where sqrt(v) is not uniform along them",
    statement=(lr**2 * square_update * (1 + beta1 * rho) - 2 * lr * rho * fresh_overlap)
    / ((1 - rho**2) * (1 - beta1 * rho)),
    vocabulary=V,
    predicts=NORM,
    kind="closed form",
    assumptions=(SHRINKS, FORGOTTEN, START, STEADY, MANY, EVEN_NOISE),
    validity={"misfit": Abs(MISFIT), "rest2": 1 - beta2},
    source=Source.own("the same, with the measured overlap of W and new gradients over sqrt(v)"),
    derivation=(
        Step(
            "the mean overlap with that of new gradients added",
            symbolic(lambda: _mean_recursion(mean_overlap() + fresh_overlap / (1 - beta1 * rho), fresh_overlap)),
        ),
        Step(
            "the balance of |W|^2 with that overlap",
            symbolic(lambda law: law, lambda: _steady(mean_overlap() + fresh_overlap / (1 - beta1 * rho))),
        ),
        Step(
            "to leading order in the weight decay it is adam.weight_norm times 1 - misfit",
            symbolic(lambda law: (law / exact_norm()).subs(wd, 0) - (1 - MISFIT)),
        ),
    ),
)

weight_norm_noise = Claim(
    id="adam.weight_norm_noise",
    title="Norm of scale-invariant weights in white noise",
    statement=lr * dim / (2 * wd),
    vocabulary=V,
    predicts=NORM,
    kind="closed form",
    assumptions=(
        SHRINKS,
        FORGOTTEN,
        MANY,
        EVEN_NOISE,
        QUICK,
        Assumption(
            "v averages over more steps than momentum",
            (1 - beta2) / (1 - beta1) < 0.3,
            reason="else |u|^2 departs from dim (1 - beta1)/(1 + beta1)",
        ),
        Assumption("and over fewer steps than weights decay in", lr * wd / (1 - beta2) < 1.0),
    ),
    validity={"slowness": SLOWNESS, "unsteadiness": (1 - beta2) / (1 - beta1)},
    source=Source(EQUILIBRIUM, "equilibrium norm of AdamW"),
    derivation=(
        Step(
            "in white noise of mean square v, |u|^2 is dim times a sum that tends to (1 - beta1)/(1 + beta1)",
            symbolic(
                lambda: [_white_noise(j + 1) - _white_noise(j), _white_noise(0 * j)],
                lambda: [((1 - beta1) * beta1**j) ** 2, 0],
            ),
        ),
        Step(
            "which the quasi-steady norm multiplies by the inverse",
            symbolic(lambda law: law, lambda: QUASI_STEADY_NORM.subs(square_update, dim / MEMORY)),
        ),
    ),
)

CLAIMS = (
    weight_norm_continuous,
    weight_norm,
    weight_norm_quasi_steady,
    quasi_steady_excess,
    weight_norm_misfit,
    weight_norm_noise,
)
