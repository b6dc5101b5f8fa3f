"""Optax transformations that optax does not have, and optimisers by name."""

from toymodels.optimisers.by_name import optimiser_by_name
from toymodels.optimisers.k_adam import CHOICES, k_adam, scale_by_k_adam, stage_constants

__all__ = ["CHOICES", "k_adam", "optimiser_by_name", "scale_by_k_adam", "stage_constants"]
