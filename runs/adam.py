"""Adam: the experiments."""

from __future__ import annotations

from runs.adam_k_training import EXPERIMENTS as K_TRAINING
from runs.adam_level_sets import LEVEL_SETS
from runs.adam_normal_curve import NORMAL_CURVE
from runs.adam_square import SQUARE
from runs.adam_stability import STABILITY
from runs.adam_stages import STAGES_OF_K_ADAM
from runs.adam_trajectories import TRAJECTORIES
from runs.adam_two_adam import TWO_ADAM
from runs.adam_weight_norm import WEIGHT_NORM
from runs.adam_weight_norm_net import WEIGHT_NORM_NET

EXPERIMENTS = (
    STABILITY,
    SQUARE,
    NORMAL_CURVE,
    LEVEL_SETS,
    WEIGHT_NORM,
    WEIGHT_NORM_NET,
    STAGES_OF_K_ADAM,
    TWO_ADAM,
    TRAJECTORIES,
    *K_TRAINING,
)
