"""Toy models of learning, one file each."""

from toymodels.models.adam import Adam
from toymodels.models.ghost import Ghost
from toymodels.models.ghost_passage import GhostPassage
from toymodels.models.registry import MODELS, get_model, model_class, static_types
from toymodels.models.sim import Sim
from toymodels.models.sim_net import SimNet

__all__ = ["MODELS", "Adam", "Ghost", "GhostPassage", "Sim", "SimNet", "get_model", "model_class", "static_types"]
