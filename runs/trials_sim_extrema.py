"""Trials of the claims about turning points of the test loss: two concepts, random starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.sim_extrema import RECORDS, RISE, turns_of
from runs.trial import POINT, Range, Trial
from toymodels.comparator import Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model

LONG = 30.0
"""4 a_2 time at the end of a run."""
SPACE = {
    "mu": Range(0.5, 3.0, "mu of the stronger concept", log=True, default=1.0),
    "ratio": Range(0.4, 0.75, "mu of the weaker concept over that of the stronger"),
    "sigma": Range(0.0, 0.1, "sigma of both concepts", default=0.0),
    "init_scale": Range(1e-3, 0.02, "standard deviation of the entries of the start", log=True),
    "init_correlation": Range(0.0, 0.8, "correlation between rows of the start", default=0.4),
}
STEP = 4e-3
"""learning_rate times the larger second moment."""


def _sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    mu = np.stack([points.mu.values, points.mu.values * points.ratio.values], axis=-1)
    sigma = np.repeat(points.sigma.values[:, None], 2, axis=1)
    a = mu**2 / 2 + sigma**2
    rate = STEP / a.max(axis=1) / fine
    stride = int(np.ceil((LONG / (4 * a.min(axis=1) * rate)).max() / RECORDS))
    parameters: dict[str, object] = {name: (POINT, points[name].values) for name in ("init_scale", "init_correlation")}
    parameters |= {
        "mu": ((POINT, "concept"), mu),
        "sigma": ((POINT, "concept"), sigma),
        "learning_rate": (POINT, rate),
        "steps": stride * RECORDS,
    }
    return {"runs": Sweep(get_model("sim", record_every=stride), parameters, seeds=seeds)}


def _measure(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    runs = raw["runs"]
    data = runs[["initial_W"]].merge(turns_of(runs))
    return data.assign_coords({name: runs[name] for name in ("mu", "sigma", "learning_rate")} | {"rise": RISE})


def _trial(kind: Statistical) -> Trial:
    return Trial(SPACE, _sweeps, _measure, seeds=160, confirm_seeds=400, kind=kind, points=16)


def _turns(within: float) -> Trial:
    return _trial(Statistical(over=("seed", "turn"), estimator="misses", within=within, censored="drop"))


def _runs(within: float) -> Trial:
    return _trial(Statistical(estimator="misses", within=within, scale="linear", censored="drop"))


TRIALS = {
    "sim.turning_time_two": _turns(0.02),
    "sim.turning_height_two": _turns(0.05),
    "sim.swing_depth_two": _runs(1e-3),
    "sim.swings_by_two": _runs(0.5),
}
