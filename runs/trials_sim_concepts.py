"""Trials of the claims about hidden capabilities: tied networks on two concepts, random starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.sim_concepts import LONG, RECORDS, STEP, times_of
from runs.trial import POINT, Range, Trial
from toymodels.comparator import Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model

SPACE = {
    "mu": Range(0.5, 3.0, "mu of the stronger concept", log=True, default=1.0),
    "ratio": Range(0.35, 0.6, "mu of the weaker concept over that of the stronger"),
    "sigma": Range(0.0, 0.1, "sigma of both concepts", default=0.0),
    "init_scale": Range(1e-3, 1e-2, "standard deviation of the entries of the start", log=True),
}
GAIN = {"gain": Range(1.5, 16.0, "largest gain", log=True)}


def _sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    mu = np.stack([points.mu.values, points.mu.values * points.ratio.values], axis=-1)
    sigma = np.repeat(points.sigma.values[:, None], 2, axis=1)
    a = mu**2 / 2 + sigma**2
    rate = STEP / a.max(axis=1) / fine
    stride = int(np.ceil((LONG / (4 * a.min(axis=1) * rate)).max() / RECORDS))
    parameters: dict[str, object] = {
        "mu": ((POINT, "concept"), mu),
        "sigma": ((POINT, "concept"), sigma),
        "init_scale": (POINT, points.init_scale.values),
        "learning_rate": (POINT, rate),
        "steps": stride * RECORDS,
    }
    return {"runs": Sweep(get_model("sim", record_every=stride), parameters, seeds=seeds)}


def _measure(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    """Every point at its own gain."""
    runs = raw["runs"]
    if "gain" not in points:
        return times_of(runs)
    parts = [
        times_of(runs.isel({POINT: [k]}), (float(gain),)).isel(gain=0, drop=True)
        for k, gain in enumerate(points.gain.values)
    ]
    found = xr.concat(parts, dim=POINT, data_vars="all", coords="different", compat="equals", join="exact")
    return found.assign_coords(gain=(POINT, points.gain.values))


PUSH = Trial(SPACE | GAIN, _sweeps, _measure, seeds=60, confirm_seeds=240, points=16)
TURN = Statistical(scale="linear", censored="drop")
TRIALS = {
    "sim.capability_time": PUSH,
    "sim.capability_lead": PUSH,
    "sim.disentanglement_time": Trial(
        SPACE, _sweeps, _measure, seeds=100, confirm_seeds=400, kind=Statistical(censored="drop"), points=16
    ),
    "sim.turn_after_disentanglement": Trial(
        SPACE, _sweeps, _measure, seeds=200, confirm_seeds=600, kind=TURN, points=16
    ),
}
