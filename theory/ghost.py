"""The ghost mechanism: abrupt learning near the remnant of a saddle-node.

Setting [Dinc2025]: dx/dt = r + x^2, x(0) = 0; the output sigmoid(confidence (x - threshold)) should be 0 until T and 1
from T to 2T. The loss L(r) is the squared error integrated over [0, 2T] (a time, not an average), and
r <- r - learning_rate dL/dr. Times of training count steps.

Notation: r* = pi^2/(4 T^2) is the optimum of a sharp output (blow-up at T); below r*/4 the output stays silent for the
whole window, the no-learning zone; S = 1/(1 + e^(confidence threshold)) is the output at x = 0;
kappa = 8 learning_rate T^5/pi^4 is the only parameter of sharp training.
"""

from __future__ import annotations

from theory import (
    ghost_escape,
    ghost_euler,
    ghost_locking,
    ghost_noise,
    ghost_passage,
    ghost_plateau,
    ghost_reduction,
    ghost_rivals,
    ghost_shares,
    ghost_slope,
    ghost_training,
)

CLAIMS = (
    *ghost_passage.CLAIMS,
    *ghost_noise.CLAIMS,
    *ghost_slope.CLAIMS,
    *ghost_training.CLAIMS,
    *ghost_plateau.CLAIMS,
    *ghost_locking.CLAIMS,
    *ghost_shares.CLAIMS,
    *ghost_rivals.CLAIMS,
    *ghost_euler.CLAIMS,
    *ghost_escape.CLAIMS,
    *ghost_reduction.CLAIMS,
)
