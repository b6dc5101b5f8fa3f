"""Trials of the reduction of ghosts: planted flows and leaky maps in a few dimensions, one seed a random tilt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.ghost_reduction import MAP_TOLERANCE, TIME_STEPS
from runs.trial import POINT, Range, Trial
from toymodels.engine import Sweep
from toymodels.models.ghost_flow import GhostFlow

DIMENSION = 6
SPACE = {
    "planted_r": Range(1e-4, 1e-3, "r of the planted flow", log=True),
    "tilt": Range(0.0, 0.8, "strength of the random shear", default=0.5),
    "bend": Range(-0.5, 0.5, "curvature of the slow manifold", default=0.3),
    "mixing": Range(-0.5, 0.5, "coupling of fast coordinates into the slow one", default=0.3),
}
EDGES = {
    "before": Range(0.3, 0.6, "where the clock starts", default=0.4),
    "after": Range(0.3, 0.6, "where it stops", default=0.6),
}
WIDTHS = {
    "before": Range(6.0, 12.0, "where the clock starts, in units of sqrt(r)", default=6.0),
    "after": Range(6.0, 12.0, "where it stops, in units of sqrt(r)", default=9.0),
}
FORM = {
    "cubic": Range(-0.3, 0.3, "coefficient of u^3", default=0.0),
    "quartic": Range(-0.2, 0.2, "coefficient of u^4", default=0.0),
}
Raw = Mapping[str, xr.Dataset]


def _parameters(points: xr.Dataset) -> dict[str, object]:
    return {str(name): (POINT, points[name].values) for name in points.data_vars}


def _flow(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    steps = [step / fine for step in TIME_STEPS]
    return {"flow": Sweep(GhostFlow(DIMENSION, "flow"), {**_parameters(points), "time_step": steps}, seeds=seeds)}


def _inner(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    return _flow(points.assign({name: points[name] * np.sqrt(points.planted_r) for name in WIDTHS}), seeds, fine)


def _map(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    return {"map": Sweep(GhostFlow(DIMENSION, "map"), _parameters(points), seeds=seeds)}


def _passed(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """The passage at the finer step; its error budget is the difference to the coarser one."""
    coarse, fine = (raw["flow"].isel(time_step=index, drop=True) for index in (0, 1))
    error = abs(coarse.passage_time - fine.passage_time) + 1e-12 * fine.passage_time
    return fine.assign(error=error)


def _stepped(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    steps = raw["map"].rename(passage_time="passage_steps")
    return steps.assign(error=xr.full_like(steps.passage_steps, MAP_TOLERANCE))


def _planted(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    flow = raw["flow"].isel(time_step=1, drop=True)
    strength = (flow.planted_r * xr.ones_like(flow.sample_A)).assign_attrs(units="1/time^2")
    return flow.assign(planted_strength=strength, error=1e-9 * strength)


PASSAGE = Trial({**SPACE, **EDGES, **FORM}, _flow, _passed)
INNER = Trial({**SPACE, **WIDTHS, **FORM}, _inner, _passed)
STRENGTH = Trial(SPACE, _flow, _planted)
STEPS = Trial({**SPACE, **EDGES, **FORM, "leak": Range(0.05, 0.6, "a of the map x + a F(x)")}, _map, _stepped)

TRIALS = {
    "ghost.reduced_passage_time": PASSAGE,
    "ghost.reduced_passage_time_next": INNER,
    "ghost.full_passage_time": PASSAGE,
    "ghost.reduced_strength": STRENGTH,
    "ghost.reduced_strength_next": STRENGTH,
    "ghost.leaky_passage_steps": STEPS,
}
