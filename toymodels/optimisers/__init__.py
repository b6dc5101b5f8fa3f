"""Optax transformations that optax does not have, and optimisers by name."""

from toymodels.optimisers.by_name import optimiser_by_name
from toymodels.optimisers.k_adam import KAdamState, k_adam, scale_by_k_adam
from toymodels.optimisers.monitor import MaxUpdate, max_update, monitor_max_update
from toymodels.optimisers.stages import CHOICES, stage_constants

__all__ = [
    "CHOICES",
    "KAdamState",
    "MaxUpdate",
    "k_adam",
    "max_update",
    "monitor_max_update",
    "optimiser_by_name",
    "scale_by_k_adam",
    "stage_constants",
]
