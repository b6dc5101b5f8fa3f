"""Structured identity mapping: when a ReLU network of one hidden layer learns its strongest concept.

Setting: theory/sim.py, f(x) = relu(x W_1) W_2, as many hidden units as dimensions, entries of variance scale^2/width.
On a cluster far from the origin a unit is on or off as a whole. One that is on has weights v = W_1 along the concept
and u = W_2 along it; early on (u + v)/2 grows as e^(a t) while (u - v)/2 dies out. It stays on if u + v > 0 and goes
off for good otherwise: of the sum over all units that a linear network starts from only a share is left.
"""

from __future__ import annotations

from sympy import Expr, Rational, cos, exp, integrate, log, oo, pi, symbols

from theory.claim import Assumption, Claim, Quantity, Source, Step, symbolic
from theory.sim_depth import HALVED, learning_time_untied
from theory.sim_learning_time import DELAY
from theory.sim_vocabulary import V, a, lr, rank, s, scale, width

SHARE = Rational(3, 8) + 1 / (4 * pi)
"""Share of E[(u + v)^2] that comes from v > 0 and u + v > 0."""
LEFT = SHARE * scale**2 / 2

phi, r = symbols("phi r", positive=True)


def _left() -> Expr:
    """width E[((u + v)/2)^2; v > 0, u + v > 0] for entries of variance scale^2/width.

    In polar coordinates around the direction u = v: (u + v)/2 = r cos(phi)/sqrt(2), and v > 0 ends at phi = pi/4.
    """
    variance = scale**2 / width
    radial = integrate(r**3 * exp(-(r**2) / (2 * variance)), (r, 0, oo)) / (2 * pi * variance)
    return width * radial * integrate(cos(phi) ** 2 / 2, (phi, -pi / 2, pi / 4))


def _modes() -> list[Expr]:
    """u' = a v and v' = a u of a unit that is on: growth of u + v at the rate a and of u - v at -a."""
    u, v = symbols("u v", real=True)
    du, dv = a * v, a * u
    return [(du + dv - a * (u + v)).expand(), (du - dv + a * (u - v)).expand()]


learning_time_relu = Claim(
    id="sim.learning_time_relu",
    title="When a ReLU network half learns its strongest concept",
    statement=lr * (log((1 - LEFT) / LEFT) / HALVED - DELAY),
    vocabulary=V,
    predicts=Quantity("learning_time", unit="time"),
    kind="closed form",
    source=Source.own("two untied layers whose start is the sum over the units that stay on"),
    assumptions=(
        Assumption("the concept is the strongest", rank < 1.5, "weaker ones are slowed by it"),
        Assumption("many units", width >= 32, "the sum over them is replaced by its mean"),
        Assumption(
            "small start",
            scale <= 0.15,
            "at 0.3 it comes 6 % late: log(1/start) is large against what the other concepts add",
        ),
        Assumption("the steps resolve the growth", lr * a < 0.3),
    ),
    validity={"start": scale, "step_size": lr * a},
    derivation=(
        Step("weights of a unit that is on: one combination grows, one dies out", symbolic(_modes)),
        Step("the sum over the units that stay on starts at (3/16 + 1/(8 pi)) scale^2", symbolic(_left, lambda: LEFT)),
        Step(
            "the statement is the law of two untied layers from there",
            symbolic(lambda law: law, lambda: learning_time_untied.statement.expression.subs(s, LEFT)),
        ),
    ),
)

CLAIMS = (learning_time_relu,)
