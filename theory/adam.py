"""Adam's update: how large it can be, where it is stable, and how fast it grows elsewhere.

Notation: beta1 is the decay of the average of gradients, beta2 that of squares (Gould and Tanaka write gamma
and beta for them); n = 1, 2, ... counts the updates made; u_n is the bias-corrected update of a coordinate,

    u_n = [m_n / (1 - beta1^n)] / sqrt(v_n / (1 - beta2^n)),    m_n = beta1 m_{n-1} + (1 - beta1) g_n,
                                                               v_n = beta2 v_{n-1} + (1 - beta2) g_n^2.
"""

from __future__ import annotations

from theory import (
    adam_bound,
    adam_bound_continuous,
    adam_flow,
    adam_flow_orders,
    adam_flow_pace,
    adam_growth,
    adam_hits,
    adam_k_stages,
    adam_k_training,
    adam_k_twin,
    adam_levels,
    adam_marginal,
    adam_norm,
    adam_norm_direction,
    adam_norm_steps,
    adam_norm_time,
    adam_slope,
)

CLAIMS = (
    *adam_bound.CLAIMS,
    *adam_bound_continuous.CLAIMS,
    *adam_growth.CLAIMS,
    *adam_slope.CLAIMS,
    *adam_marginal.CLAIMS,
    *adam_levels.CLAIMS,
    *adam_hits.CLAIMS,
    *adam_norm_steps.CLAIMS,
    *adam_norm.CLAIMS,
    *adam_norm_time.CLAIMS,
    *adam_norm_direction.CLAIMS,
    *adam_k_stages.CLAIMS,
    *adam_k_training.CLAIMS,
    *adam_k_twin.CLAIMS,
    *adam_flow.CLAIMS,
    *adam_flow_orders.CLAIMS,
    *adam_flow_pace.CLAIMS,
)
