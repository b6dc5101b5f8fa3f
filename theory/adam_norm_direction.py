"""Scale-invariant weights under AdamW: how fast their direction moves. Setting: theory/adam_norm.py.

Where |W| is nearly constant, the angle of a step follows from the same mean <W, u> as the norm. Where gradients are
noise, W is an autoregressive process of order 2 with the roots rho and beta1.
"""

from __future__ import annotations

from sympy import Expr, Rational, exp, log, sqrt, symbols

from theory.adam_norm_vocabulary import (
    EQUILIBRIUM,
    PAPER,
    QUICK,
    STEADY_STATE,
    V,
    beta1,
    decay,
    exact_norm,
    lag,
    lr,
    mean_overlap,
    rho,
    square_update,
    wd,
)
from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, certified, symbolic

k, r, b, e = symbols("k r b epsilon", positive=True)
TURN = Quantity("rms_turn", unit="radian")
EXACT_SQUARE = 2 * (1 - rho) * (1 - beta1) / (1 + beta1 * rho)
HELD = Assumption(
    "the norm is nearly constant over the memory of momentum", decay < 0.2, reason="one step turns by little"
)


def _cosine() -> Expr:
    """<W_{n-1}, W_n>/|W|^2 in the time mean, from W_n = rho W_{n-1} - learning_rate u_n."""
    return rho - lr * mean_overlap() / exact_norm()


def _memory(k: Expr) -> Expr:
    """Correlation of the autoregressive process at distance k, roots r and b."""
    return ((1 - b**2) * r ** (k + 1) - (1 - r**2) * b ** (k + 1)) / ((r - b) * (1 + r * b))


def _spare(law: Expr) -> list[Expr]:
    """Share by which the exact square is larger, and how far that is below e = learning_rate weight_decay; over e."""
    ratio = (EXACT_SQUARE / law**2).subs(lr, e / wd).cancel()
    return [((ratio - 1) / e).cancel(), ((1 + e - ratio) / e).cancel()]


rotation_orthogonal = Claim(
    id="adam.rotation_continuous",
    title="Angle per step if updates were orthogonal to the weights",
    statement=sqrt(2 * lr * wd),
    vocabulary=V,
    predicts=TURN,
    kind="closed form",
    assumptions=(*STEADY_STATE, HELD),
    source=Source(
        PAPER,
        "W/|W| moves by -u/|W|, with |W|^2 from its equation",
        printed=r"\frac{d\|W\|^2}{dt} = -2\lambda\|W\|^2 + \eta\|u\|^2",
        assuming=r"$\langle W(t), g(s)\rangle = 0$ for all $s \le t$; the angle follows, and is not printed",
    ),
    derivation=(
        Step(
            "learning_rate |u| over |W|, with learning_rate |u|^2/(2 weight_decay) for |W|^2",
            symbolic(lambda law: law**2, lambda: lr**2 * square_update / (lr * square_update / (2 * wd))),
        ),
    ),
)

rotation = Claim(
    id="adam.rotation",
    title="Angle by which scale-invariant weights turn per step",
    statement=sqrt(2 * (1 - rho) * (1 - beta1) / (1 + beta1 * rho)),
    vocabulary=V,
    predicts=TURN,
    kind="closed form",
    assumptions=(*STEADY_STATE, HELD),
    validity={"decay": decay},
    source=Source.own("mean <W, u> and |W|^2 of adam.weight_norm; root mean square of |w_n - w_{n-1}|"),
    corrects=Correction(
        "adam.rotation_continuous",
        classed="assumption fails",
        note="the weights are longer than that by sqrt((1 + beta1)/(1 - beta1)), and turn as much less",
    ),
    derivation=(
        Step(
            "the mean cosine of a step is (rho + beta1)/(1 + beta1 rho)",
            symbolic(_cosine, lambda: (rho + beta1) / (1 + beta1 * rho)),
        ),
        Step("and |w_n - w_{n-1}|^2 is twice one minus the cosine", symbolic(lambda law: law**2 - 2 * (1 - _cosine()))),
    ),
)

rotation_quasi_steady = Claim(
    id="adam.rotation_quasi_steady",
    title="Angle per step, momentum short",
    statement=sqrt(2 * lr * wd * (1 - beta1) / (1 + beta1)),
    vocabulary=V,
    predicts=TURN,
    kind="closed form",
    assumptions=(*STEADY_STATE, Assumption("weights decay slowly", decay < 0.02)),
    validity={"decay": decay},
    source=Source(EQUILIBRIUM, "equilibrium angular update of AdamW"),
    derivation=(
        Step(
            "its square is that of adam.rotation to first order in the weight decay",
            symbolic(lambda law: law**2 - wd * EXACT_SQUARE.diff(wd).subs(wd, 0)),
        ),
        Step(
            "and smaller, by less than a share learning_rate weight_decay",
            certified(
                lambda law: [spare > 0 for spare in _spare(law)],
                over={beta1: (Rational(1, 1000), Rational(999, 1000)), e: (0, Rational(1, 2))},
            ),
        ),
    ),
)

direction_memory = Claim(
    id="adam.direction_memory",
    title="Memory of the direction of scale-invariant weights in noise",
    statement=exp(-decay * lag),
    vocabulary=V,
    predicts=Quantity("direction_memory"),
    kind="closed form",
    assumptions=(*STEADY_STATE, QUICK, Assumption("weights decay slowly", decay < 0.01)),
    validity={"decay": decay},
    source=Source.own("slow root of the process W_n - (rho + beta1) W_{n-1} + beta1 rho W_{n-2} = noise"),
    notation="cosine of the angle between weights `lag` steps apart, mean over runs; without signal",
    derivation=(
        Step(
            "the correlation of that process obeys its recursion, and is 1 at distance 0",
            symbolic(lambda: [_memory(k + 1) - (r + b) * _memory(k) + r * b * _memory(k - 1), _memory(0 * k)], [0, 1]),
        ),
        Step(
            "and at distance 1 it is the mean cosine of a step of adam.rotation",
            symbolic(lambda: _memory(k**0), lambda: (r + b) / (1 + r * b)),
        ),
        Step(
            "its slow root decays as the law, to first order in the weight decay",
            symbolic(lambda law: (log(law) - lag * log(rho)).diff(wd).subs(wd, 0)),
        ),
        Step(
            "with a factor of 1 to zeroth order",
            symbolic(lambda law: (law * ((1 - b**2) * r / ((r - b) * (1 + r * b))).subs(r, rho)).subs(wd, 0), 1),
        ),
    ),
)

CLAIMS = (rotation_orthogonal, rotation, rotation_quasi_steady, direction_memory)
