"""Names that the claims about the ghost use. Setting: dx/dt = r + x^2 from x = 0 over [0, 2T]; see theory/ghost.py."""

from __future__ import annotations

from sympy import Interval, S, Symbol, exp, oo, pi

from theory.claim import Vocabulary

V = Vocabulary()
POSITIVE = Interval.open(0, oo)

T = V.symbol("T", "length of the silent half of the window", unit="time", domain=POSITIVE, typical=(20, 200))
threshold = V.symbol(
    "threshold",
    "x at which the output is 1/2",
    unit="1/time",
    domain=POSITIVE,
    latex=r"x_\mathrm{th}",
    typical=(1, 100),
)
confidence = V.symbol(
    "confidence", "steepness of the output", unit="time", domain=POSITIVE, latex="c", typical=(0.01, 1)
)
learning_rate = V.symbol(
    "learning_rate", "step size of descent on L", unit="1/time^5", domain=POSITIVE, latex=r"\eta", typical=(1e-11, 1e-9)
)
r = V.symbol("r", "the trained parameter", unit="1/time^2", domain=POSITIVE, typical=(1e-4, 1e-2))
initial_r = V.symbol(
    "initial_r", "realised start of r", unit="1/time^2", domain=POSITIVE, latex="r_0", typical=(1e-3, 1e-2)
)
step = V.symbol("step", "training steps done", unit="step", domain=Interval(0, oo), latex="n", typical=(0, 1000))
dt = V.symbol("dt", "step of the Euler scheme", unit="time", domain=POSITIVE, latex=r"\Delta t", typical=(0.01, 0.2))
noise = V.symbol(
    "noise", "D of dx += sqrt(2 D) dW", unit="1/time^3", domain=Interval(0, oo), latex="D", typical=(1e-9, 1e-6)
)
signed_r = V.symbol(
    "signed_r", "the parameter, of either sign", unit="1/time^2", domain=S.Reals, latex="r", typical=(-2e-6, 1e-5)
)
level = V.symbol("level", "share of runs", domain=Interval.open(0, 1), typical=(0.05, 0.95))
kappa = V.symbol("kappa", "8 learning_rate T^5/pi^4", domain=POSITIVE, latex=r"\kappa", typical=(0.01, 1))
orbit_u = V.symbol(
    "orbit_u", "lowest point of the period-3 orbit, r/(r* kappa^(2/5))", domain=POSITIVE, latex="u", typical=(1, 1.2)
)
sample_rho = V.symbol("sample_rho", "r/r* of a run before a step", domain=POSITIVE, latex=r"\rho", typical=(1.01, 1.3))
output_offset = V.symbol("output_offset", "confidence times threshold", domain=POSITIVE, latex="z", typical=(0.5, 5))
mean_sign = V.symbol(
    "mean_sign", "mean of sgn(r - r*) over steps", domain=Interval(-1, 1), latex=r"\langle\sigma\rangle"
)
mean_inverse_cube = V.symbol(
    "mean_inverse_cube", "mean of (r*/r)^3 over steps", domain=POSITIVE, latex=r"\langle\rho^{-3}\rangle"
)

SILENT = 1 / (1 + exp(confidence * threshold))
"""S, the output at x = 0."""
OPTIMUM = pi**2 / (4 * T**2)
"""r*, the blow-up falls on T."""
KAPPA = 8 * learning_rate * T**5 / pi**4
rho = Symbol("rho", positive=True)
"""r/r* (derivations only)."""
ONE = S.One
