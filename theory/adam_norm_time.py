"""Scale-invariant weights under AdamW: how their norm follows the updates in time. Setting: theory/adam_norm.py."""

from __future__ import annotations

from sympy import Expr, Function, exp, symbols

from theory.adam_norm_vocabulary import (
    EQUILIBRIUM,
    EVEN_NOISE,
    MANY,
    MEMORY,
    PAPER,
    QUICK,
    SHRINKS,
    STEADY,
    V,
    beta1,
    beta2,
    decay,
    discounted_update,
    lr,
    start_norm,
    step,
    wd,
)
from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, symbolic

LEFT = exp(-2 * decay * step)
"""What is left of the start."""
n, u = symbols("n U", positive=True)
ACCUMULATED = Function("A")(n)
"""Integral of exp(-2 learning_rate weight_decay (n - k)) |u_k|^2 over 0 < k < n."""


def _norm(memory: Expr | int) -> Expr:
    return start_norm * LEFT + lr * discounted_update * memory * (1 - LEFT) / (2 * wd)


def _law(law: Expr) -> Expr:
    """The law with its discounted mean written as an integral."""
    mean = ACCUMULATED * 2 * decay / (1 - exp(-2 * decay * n))
    return law.subs(step, n).subs(discounted_update, mean)


def _flow_residual(law: Expr, memory: Expr | int) -> Expr:
    """d|W|^2/dn + 2 learning_rate weight_decay |W|^2 - learning_rate^2 |u|^2 memory."""
    follows = u - 2 * decay * ACCUMULATED
    slope = _law(law).diff(n).subs(ACCUMULATED.diff(n), follows)
    return slope + 2 * decay * _law(law) - lr**2 * u * memory


BEGUN = Assumption(
    "momentum has forgotten the start",
    (1 - beta1) * step > 80.0,
    reason="the first updates are larger than later ones, and <W, u> starts at 0",
)
SHARED = (SHRINKS, QUICK, STEADY, MANY, EVEN_NOISE, BEGUN)
START_STEP = Step("at n = 0 it is the start", symbolic(lambda law: law.subs(step, n).limit(n, 0) - start_norm))

norm_history_continuous = Claim(
    id="adam.norm_history_continuous",
    title="|W|^2 as an average of past |u|^2, updates orthogonal to the weights",
    statement=_norm(1),
    vocabulary=V,
    predicts=Quantity("square_norm"),
    kind="closed form",
    assumptions=SHARED,
    source=Source(
        PAPER,
        "norm of scale-invariant weights as an exponential average",
        printed=r"\frac{d\|W\|^2}{dt} = -2\lambda\|W\|^2 + \eta\|u\|^2",
        assuming=r"$\langle W(t), g(s)\rangle = 0$ for all $s \le t$",
    ),
    derivation=(
        Step("it solves that equation, one update a time learning_rate", symbolic(lambda law: _flow_residual(law, 1))),
        START_STEP,
    ),
)

norm_history = Claim(
    id="adam.norm_history",
    title="|W|^2 as an average of past |u|^2",
    statement=_norm(MEMORY),
    vocabulary=V,
    predicts=Quantity("square_norm"),
    kind="closed form",
    assumptions=SHARED,
    source=Source.own("the growth of adam.weight_norm_quasi_steady, at every moment"),
    corrects=Correction(
        "adam.norm_history_continuous",
        classed="assumption fails",
        note="the average has the right memory, but is (1 + beta1)/(1 - beta1) times larger",
    ),
    derivation=(
        Step(
            "it solves d|W|^2/dt = -2 weight_decay |W|^2 + learning_rate |u|^2 (1 + beta1)/(1 - beta1)",
            symbolic(lambda law: _flow_residual(law, MEMORY)),
        ),
        START_STEP,
    ),
)

norm_relaxation = Claim(
    id="adam.norm_relaxation",
    title="Rate at which |W|^2 nears its steady state",
    statement=2 * decay,
    vocabulary=V,
    predicts=Quantity("relaxation_rate", unit="1/step"),
    kind="closed form",
    assumptions=(
        SHRINKS,
        QUICK,
        STEADY,
        MANY,
        EVEN_NOISE,
        Assumption(
            "v follows the norm",
            decay / (1 - beta2) < 0.021,
            reason="gradients grow as 1/|W|, so that |u|^2 departs from its steady value until v has followed",
        ),
    ),
    validity={"lag_of_v": decay / (1 - beta2)},
    source=Source(EQUILIBRIUM, "transient of the norm"),
    derivation=(
        Step(
            "with |u|^2 at its steady value, d|W|^2/dn = -rate (|W|^2 - its steady value)",
            symbolic(
                lambda law: (
                    (start_norm * LEFT + u * (1 - LEFT)).subs(step, n).diff(n)
                    + law * ((start_norm - u) * LEFT.subs(step, n))
                )
            ),
        ),
    ),
)

CLAIMS = (norm_history_continuous, norm_history, norm_relaxation)
