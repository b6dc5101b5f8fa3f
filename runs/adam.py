"""Adam: the experiments."""

from __future__ import annotations

from runs.adam_normal_curve import NORMAL_CURVE
from runs.adam_stability import STABILITY
from runs.adam_stages import STAGES_OF_K_ADAM
from runs.adam_trajectories import TRAJECTORIES
from runs.adam_weight_norm import WEIGHT_NORM

EXPERIMENTS = (STABILITY, NORMAL_CURVE, WEIGHT_NORM, STAGES_OF_K_ADAM, TRAJECTORIES)
