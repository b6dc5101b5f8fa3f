"""Structured identity mapping: how fast, in what order and how smoothly linear networks learn concepts.

Setting: A = diag(a) is the second moment of the data, a_p = mu_p^2/s + sigma_p^2 for the s concepts and 0
elsewhere; L = |(W - 1) A^(1/2)|^2 / 2. W itself is trained (one layer), or W = U U^T through U (tied).
Everywhere time = learning_rate * step. Gradient flow of the tied network is

    dW/dt = F(W) = 2 (A W + W A) - (A W^2 + W^2 A + 2 W A W);

the paper prints F/2: the same dynamics in the time 2 t. Concept 1 is the strongest, concept 2 the next. W(0)
is the map at the beginning of the stretch that a law describes.
"""

from __future__ import annotations

from theory import (
    sim_concepts,
    sim_depth,
    sim_distribution,
    sim_extrema,
    sim_learning_time,
    sim_linear,
    sim_minibatch,
    sim_recurrence,
    sim_relu,
    sim_rivals,
    sim_stage_start,
    sim_stages,
    sim_swing_by,
    sim_trajectory,
)

CLAIMS = (
    *sim_linear.CLAIMS,
    *sim_learning_time.CLAIMS,
    *sim_swing_by.CLAIMS,
    *sim_stages.CLAIMS,
    *sim_stage_start.CLAIMS,
    *sim_recurrence.CLAIMS,
    *sim_distribution.CLAIMS,
    *sim_trajectory.CLAIMS,
    *sim_extrema.CLAIMS,
    *sim_concepts.CLAIMS,
    *sim_depth.CLAIMS,
    *sim_minibatch.CLAIMS,
    *sim_relu.CLAIMS,
    *sim_rivals.CLAIMS,
)
