"""The names that the claims about Adam use, and what several of their derivations need."""

from __future__ import annotations

from sympy import Expr, Interval, Rational, S, symbols

from theory.claim import (
    Assumption,
    Vocabulary,
)

V = Vocabulary()
UNIT = Interval.open(0, 1)
beta1 = V.symbol("beta1", "decay of the average of gradients", domain=UNIT, latex=r"\beta_1", typical=(0.1, 0.99))
beta2 = V.symbol("beta2", "decay of the average of squares", domain=UNIT, latex=r"\beta_2", typical=(0.1, 0.99))
step = V.symbol("step", "number of updates made", unit="step", domain=S.Naturals, latex="n", typical=(2, 60))
beta1_start = V.symbol(
    "beta1_start", "beta1 of a point on the curve", domain=UNIT, latex=r"\beta_{1,0}", typical=(0.85, 0.95)
)
beta2_start = V.symbol(
    "beta2_start", "beta2 of a point on the curve", domain=UNIT, latex=r"\beta_{2,0}", typical=(0.9, 0.99)
)

PAPER = "Gould2024"
INDEX = 2 / beta1 - 1 / beta2 - 1
RATIO = beta1**2 / beta2
STABLE = Assumption("beta1^2 < beta2: the sum of q^j converges", beta1**2 / beta2 < 0.999999)

# The discrete law as one would write it on paper, for the derivations: real n, ratio q = beta1^2/beta2.
n, k, t, s, ratio = symbols("n k t s q", positive=True)
q = RATIO

STABLE_BOX = {beta1: (Rational(1, 20), Rational(85, 100)), beta2: (Rational(9, 10), Rational(999, 1000))}
BALANCED = beta1 / (2 - beta1)
"""beta2 at which C = 0."""
POINTS = {beta1: (0.05, 0.999), beta2: (0.05, 0.999)}


def geometric(k: Expr) -> Expr:
    """1 + q + ... + q^(k-1), with a plain symbol for q."""
    return (1 - ratio**k) / (1 - ratio)


def lagrange() -> Expr:
    """(sum a^2)(sum b^2) - (sum ab)^2 - sum of squares, for four terms."""
    a, b = symbols("a:4", real=True), symbols("b:4", real=True)
    product = sum(x**2 for x in a) * sum(y**2 for y in b) - sum(x * y for x, y in zip(a, b, strict=True)) ** 2
    squares = sum((a[i] * b[j] - a[j] * b[i]) ** 2 for i in range(4) for j in range(i))
    return product - squares
