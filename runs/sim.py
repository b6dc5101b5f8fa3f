"""Structured identity mapping: the experiments."""

from __future__ import annotations

from runs.sim_concepts import CONCEPTS
from runs.sim_depth import DEPTH
from runs.sim_dynamics import DYNAMICS
from runs.sim_extrema import EXTREMA
from runs.sim_learning_time import LEARNING_TIME
from runs.sim_recurrence import RECURRENCE
from runs.sim_relu import RELU
from runs.sim_sampled import SAMPLED
from runs.sim_stages import STAGES
from runs.sim_starts import STARTS
from runs.sim_swing_by import SWING_BY

EXPERIMENTS = (LEARNING_TIME, SWING_BY, DYNAMICS, STAGES, RECURRENCE, STARTS, EXTREMA, CONCEPTS, SAMPLED, DEPTH, RELU)
