"""Experiments by name."""

from __future__ import annotations

import importlib
from pathlib import Path

from runs.experiment import Experiment
from toymodels.errors import UsageError, unknown

MODULES = ("runs.ghost", "runs.sim", "runs.adam")
GROUPS = ("core", "errata", "all")


def experiments() -> dict[str, Experiment]:
    """All experiments, in the order of the main job; those of a user's files last."""
    found: dict[str, Experiment] = {}
    for module in MODULES:
        for experiment in importlib.import_module(module).EXPERIMENTS:
            found[experiment.name] = experiment
    return found | {name: experiment for name, (experiment, _) in _OWN.items()}


_OWN: dict[str, tuple[Experiment, Path]] = {}


def register(experiment: Experiment, file: Path) -> Experiment:
    """Make a user's experiment known by its name. A name that something else has is refused."""
    known = _OWN.get(experiment.name)
    if experiment.name in GROUPS or (known is None and experiment.name in experiments()):
        raise UsageError(f"{file} defines the experiment {experiment.name}, which the library has already; rename it.")
    if known is not None and known[1] != file:
        raise UsageError(f"{file} defines the experiment {experiment.name}, which {known[1]} has already; rename it.")
    _OWN[experiment.name] = experiment, file
    return experiment


def is_own(experiment: Experiment) -> bool:
    """Was the experiment loaded from a user's file?"""
    return experiment.name in _OWN


def select(name: str) -> tuple[Experiment, ...]:
    """The experiment called `name`, or those of a group: `core`, `errata` (which refute printed statements), `all`.

    Raises `UnknownName`, which offers the nearest names.
    """
    known = experiments()
    if name == "all":
        return tuple(known.values())
    if name == "core":
        return tuple(experiment for experiment in known.values() if experiment.core)
    if name == "errata":
        from runs.errata.declared import declared  # which reads this registry

        names = {experiment.name for pairs in declared().values() for experiment, _ in pairs}
        return tuple(experiment for experiment in known.values() if experiment.name in names)
    if name not in known:
        raise unknown("experiment", name, [*known, *GROUPS])
    return (known[name],)
