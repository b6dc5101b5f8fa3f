"""Toy models by name."""

from __future__ import annotations

import dataclasses
import inspect
import typing
from typing import Any

from toymodels.errors import UsageError, unknown
from toymodels.model import ToyModel
from toymodels.models.adam import Adam
from toymodels.models.adam_twin import AdamTwin
from toymodels.models.ghost import Ghost
from toymodels.models.ghost_flow import GhostFlow
from toymodels.models.ghost_passage import GhostPassage
from toymodels.models.k_adam import KAdam
from toymodels.models.scale_invariant import ScaleInvariant
from toymodels.models.sim import Sim
from toymodels.models.sim_net import SimNet
from toymodels.models.training import Training

MODELS: dict[str, type[ToyModel]] = {
    model.name: model
    for model in (Ghost, GhostFlow, GhostPassage, Sim, SimNet, Adam, ScaleInvariant, KAdam, AdamTwin, Training)
}


def register_model(model: type[ToyModel]) -> type[ToyModel]:
    """Make a user's model known by its name. A name that a model of another file has is refused."""
    if not isinstance(model, type) or not issubclass(model, ToyModel):
        raise UsageError(f"MODELS must hold subclasses of ToyModel, got {model!r}.")
    if not isinstance(getattr(model, "name", None), str) or not dataclasses.is_dataclass(model):
        raise UsageError(f"{model.__qualname__}: a toy model is a frozen dataclass with a name, such as name = 'mine'.")
    file, known = inspect.getsourcefile(model), MODELS.get(model.name)
    if known is not None and inspect.getsourcefile(known) != file:
        raise UsageError(
            f"{file} defines the model {model.name}, which {inspect.getsourcefile(known)} has already; rename it."
        )
    MODELS[model.name] = model
    return model


def model_class(name: str) -> type[ToyModel]:
    """The class registered as `name`; `UnknownName` offers the nearest ones."""
    if name not in MODELS:
        raise unknown("model", name, MODELS)
    return MODELS[name]


def static_types(model: type[ToyModel]) -> dict[str, Any]:
    """The static settings of a model and their annotations."""
    hints = typing.get_type_hints(model)
    return {field.name: hints[field.name] for field in dataclasses.fields(model)}


def get_model(name: str, **static: Any) -> ToyModel:
    """The model called `name` with the given static settings; the others keep their defaults.

    Raises `UnknownName` for a model or setting that does not exist, `UsageError` for a setting of the wrong type.
    """
    model = model_class(name)
    known = static_types(model)
    for key, value in static.items():
        if key not in known:
            raise unknown(f"static setting of {name}", key, known)
        _check_type(name, key, value, known[key])
    return model(**static)


def _check_type(model: str, key: str, value: Any, hint: Any) -> None:
    accepted = typing.get_args(hint) or (hint,)
    if typing.get_origin(hint) is typing.Literal:
        if value not in accepted:
            raise UsageError(f"{model}: {key} = {value!r} is not one of {', '.join(map(str, accepted))}.")
        return
    classes = tuple(option for option in accepted if isinstance(option, type))
    if not isinstance(value, classes) or (isinstance(value, bool) and bool not in classes):
        wanted = " or ".join(option.__name__ for option in classes if option is not type(None))
        raise UsageError(f"{model}: {key} = {value!r} must be of type {wanted}.")
