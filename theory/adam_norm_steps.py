"""Scale-invariant weights: what one update does to their norm, exactly, when all weights share one v.

The loss does not change when W is multiplied by a number, so a gradient is orthogonal to the weights where it is
taken: <W_{n-1}, g_n> = 0. It is not orthogonal to weights of other times, and momentum carries it there:

    P_n = <W_{n-1}, u_n> = beta1 r_n (rho P_{n-1} - learning_rate |u_{n-1}|^2),    rho = 1 - learning_rate weight_decay
    |W_n|^2 = rho^2 |W_{n-1}|^2 - 2 learning_rate rho P_n + learning_rate^2 |u_n|^2

with r_n = sqrt(vhat_{n-1}/vhat_n) (1 - beta1^(n-1))/(1 - beta1^n), whatever the gradients are.
"""

from __future__ import annotations

from sympy import Expr, Matrix, symbols

from theory.adam_norm_vocabulary import (
    PAPER,
    V,
    beta1,
    last_overlap,
    last_update,
    lr,
    now_update,
    rho,
    scale_ratio,
    wd,
)
from theory.claim import Claim, Correction, Quantity, Source, Step, symbolic

OVERLAP = beta1 * scale_ratio * (rho * last_overlap - lr * last_update)
GAIN = lr**2 * now_update - 2 * lr * rho * OVERLAP

n, old_root, root, old_mean, gradient, share = symbols("n s_old s m_old g c", positive=True)


def _vectors() -> tuple[Matrix, Matrix, Matrix]:
    """W_{n-2}, u_{n-1}, and g_n made orthogonal to W_{n-1}; three weights."""
    before, update, free = (Matrix(symbols(f"{name}:3", real=True)) for name in "whz")
    weights = rho * before - lr * update
    return before, update, free - weights.dot(free) / weights.dot(weights) * weights


def _update() -> Expr:
    """u_n of one weight by Adam's rule, from the average m_{n-1} before."""
    return (beta1 * old_mean + (1 - beta1) * gradient) / (1 - beta1**n) / root


def _update_by_parts() -> Expr:
    """The same as beta1 r_n u_{n-1} and a multiple of g_n."""
    old_update = old_mean / (1 - beta1 ** (n - 1)) / old_root
    ratio = old_root / root * (1 - beta1 ** (n - 1)) / (1 - beta1**n)
    return beta1 * ratio * old_update + (1 - beta1) / (1 - beta1**n) / root * gradient


def _next_vectors() -> tuple[Matrix, Matrix, dict[Expr, Expr]]:
    """W_{n-1} and u_n, and what the symbols of the laws stand for."""
    before, update, gradients = _vectors()
    weights, new = rho * before - lr * update, beta1 * scale_ratio * update + share * gradients
    known = {last_overlap: before.dot(update), last_update: update.dot(update), now_update: new.dot(new)}
    return weights, new, known


def _overlap_residual(law: Expr) -> Expr:
    weights, new, known = _next_vectors()
    return weights.dot(new) - law.subs(known)


def _gain_residual(law: Expr) -> Expr:
    """For any weights and update; P_{n-1} is written through <W_{n-1}, u_n>."""
    weights, new = (Matrix(symbols(f"{name}:3", real=True)) for name in "wu")
    after = rho * weights - lr * new
    earlier = (weights.dot(new) / (beta1 * scale_ratio) + lr * last_update) / rho
    return (
        after.dot(after) - rho**2 * weights.dot(weights) - law.subs({last_overlap: earlier, now_update: new.dot(new)})
    )


BY_PARTS = Step(
    "with one v for all weights, u_n is beta1 r_n u_{n-1} and a multiple of g_n",
    symbolic(_update, _update_by_parts),
)

update_overlap = Claim(
    id="adam.update_overlap",
    title="Component of an update along scale-invariant weights",
    statement=OVERLAP,
    vocabulary=V,
    predicts=Quantity("overlap"),
    kind="identity",
    source=Source.own("one v for all weights; <W_{n-1}, g_n> = 0 and no other assumption"),
    derivation=(
        BY_PARTS,
        Step("whose product with W_{n-1} is the law, for any g_n orthogonal to W_{n-1}", symbolic(_overlap_residual)),
    ),
)

norm_gain_continuous = Claim(
    id="adam.norm_gain_continuous",
    title="What an update adds to |W|^2 if it is orthogonal to the weights",
    statement=lr**2 * now_update,
    vocabulary=V,
    predicts=Quantity("square_norm_gain"),
    kind="closed form",
    source=Source(
        PAPER,
        "norm of scale-invariant weights",
        printed=r"\frac{d\|W\|^2}{dt} = -2\lambda\|W\|^2 + \eta\|u\|^2",
        assuming=r"$\langle W(t), g(s)\rangle = 0$ for all $s \le t$; one update is a time $\eta$",
    ),
    notation="the gain is |W_n|^2 - (1 - learning_rate weight_decay)^2 |W_{n-1}|^2",
    derivation=(
        Step(
            "orthogonal vectors: |rho W - learning_rate u|^2 - rho^2 |W|^2",
            symbolic(lambda law: ((lr * root) ** 2 - law).subs(now_update, root**2)),
        ),
        Step(
            "the decay of |W|^2 is that of the equation, 2 learning_rate weight_decay, to first order",
            symbolic(lambda: (1 - rho**2).diff(wd).subs(wd, 0), lambda: 2 * lr),
        ),
    ),
)

norm_gain = Claim(
    id="adam.norm_gain",
    title="What an update adds to |W|^2",
    statement=GAIN,
    vocabulary=V,
    predicts=Quantity("square_norm_gain"),
    kind="identity",
    source=Source.own("the same, and |rho W - learning_rate u|^2"),
    corrects=Correction(
        "adam.norm_gain_continuous",
        classed="assumption fails",
        note="only gradients and weights of the same step are orthogonal; the momentum of earlier gradients points "
        "against the weights that they have moved",
    ),
    notation="the gain is |W_n|^2 - (1 - learning_rate weight_decay)^2 |W_{n-1}|^2",
    derivation=(
        BY_PARTS,
        Step(
            "whose product with W_{n-1} is that of adam.update_overlap",
            symbolic(lambda: _overlap_residual(OVERLAP)),
        ),
        Step("with it the law is |rho W - learning_rate u|^2 - rho^2 |W|^2", symbolic(_gain_residual)),
    ),
)

CLAIMS = (update_overlap, norm_gain_continuous, norm_gain)
