"""What the mathematics predicts for skeleton. Replace the setting, the symbols and the claims by your own.

Setting: gradient descent on one parameter w,

    loss L(w) = curvature w^2 / 2,        w_{n+1} = w_n - learning_rate dL/dw(w_n),        w_0 ~ N(0, 1).

This file knows sympy and nothing of the simulation: a prediction that cannot see the training cannot be fitted to it.
"""

from __future__ import annotations

from sympy import Expr, Interval, S, Symbol, exp, oo

from theory.claim import Assumption, Claim, Quantity, Source, Step, Vocabulary, certified, symbolic

# 1. The symbols, with meaning, unit and domain. `typical` is where random points are drawn. Names that are equal to
#    those of the model's parameters are recognised by `toymodels boundary --relative-to` and `toymodels compare`.
V = Vocabulary()
POSITIVE = Interval.open(0, oo)
curvature = V.symbol("curvature", "second derivative of the loss", domain=POSITIVE, latex="a", typical=(0.1, 10))
learning_rate = V.symbol("learning_rate", "step size", domain=POSITIVE, latex=r"\eta", typical=(0.01, 1))
initial_w = V.symbol("initial_w", "realised start of w", latex="w_0", typical=(0.1, 3))
step = V.symbol("step", "updates done", unit="step", domain=S.Naturals0, latex="n", typical=(0, 50))

# 2. What derivations need and no claim mentions.
w, excess = Symbol("w", real=True), Symbol("excess", positive=True)
LOSS = curvature * w**2 / 2
FACTOR = 1 - learning_rate * curvature
FLOW = initial_w * exp(-learning_rate * curvature * step)


def path(steps: Expr) -> Expr:
    """w after some updates."""
    return initial_w * FACTOR**steps


def update(before: Expr) -> Expr:
    """The rule that is trained."""
    return before - learning_rate * LOSS.diff(w).subs(w, before)


# 3. The claims. A derivation is a chain of steps, each with a check that can fail. A function of `law` is given the
#    statement itself: without such a step nothing ties the derivation to it. Change a factor and see what fails.
loss = Claim(
    id="skeleton.loss",
    title="Loss after n steps",
    statement=curvature * initial_w**2 / 2 * FACTOR ** (2 * step),
    vocabulary=V,
    predicts=Quantity("loss"),
    kind="closed form",
    # Your paper: put skeleton.bib beside this file and write Source("Key2026", "Eq. 3").
    source=Source.own("each update multiplies w by 1 - learning_rate curvature"),
    derivation=(
        Step(
            "w_n = w_0 (1 - learning_rate curvature)^n solves the update",
            symbolic(lambda: path(step + 1), lambda: update(path(step))),
        ),
        Step("the loss at that w", symbolic(lambda law: law, lambda: LOSS.subs(w, path(step)))),
    ),
)

# A rival: the same in continuous time. It holds where steps are small, which `validity` and `assumptions` say.
loss_gradient_flow = Claim(
    id="skeleton.loss_gradient_flow",
    title="Loss after n steps, by gradient flow",
    statement=curvature * initial_w**2 / 2 * exp(-2 * learning_rate * curvature * step),
    vocabulary=V,
    predicts=Quantity("loss"),
    kind="closed form",
    assumptions=(Assumption("steps are small", learning_rate * curvature < 0.01),),
    validity={"relative_step": learning_rate * curvature},
    source=Source.own("dw/dn = -learning_rate dL/dw"),
    derivation=(
        Step(
            "w = w_0 exp(-learning_rate curvature n) solves the flow",
            symbolic(lambda: FLOW.diff(step), lambda: -learning_rate * LOSS.diff(w).subs(w, FLOW)),
        ),
        Step("the loss at that w", symbolic(lambda law: law, lambda: LOSS.subs(w, FLOW))),
    ),
)

critical_learning_rate = Claim(
    id="skeleton.critical_learning_rate",
    title="Learning rate above which descent diverges",
    statement=2 / curvature,
    vocabulary=V,
    predicts=Quantity("learning_rate"),
    kind="threshold",
    source=Source.own("|1 - learning_rate curvature| = 1"),
    derivation=(
        Step(
            "an update at the threshold turns w into -w",
            symbolic(lambda law: update(w).subs(learning_rate, law), lambda: -w),
        ),
        Step(
            "above it, w grows",
            certified(
                lambda law: FACTOR.subs(learning_rate, law * (1 + excess)) ** 2 > 1,
                over={curvature: (0.1, 10), excess: (0.001, 10)},
            ),
        ),
    ),
)

CLAIMS = (loss, loss_gradient_flow, critical_learning_rate)
