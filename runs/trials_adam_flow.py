"""Trials of the claims about the trajectory of Adam: quadratics of any spectrum, memory of a fixed time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.adam_trajectories import BUDGET
from runs.trial import POINT, Range, Trial
from toymodels.engine import Sweep
from toymodels.models import get_model

SPACE = {
    "tau1": Range(0.1, 0.5, "1 - beta1 = learning_rate/tau1", log=True),
    "tau2": Range(0.1, 10.0, "1 - beta2 = learning_rate/tau2", log=True),
    "updates": Range(200, 1000, "updates until the time 1", log=True, integer=True),
    "weight_decay": Range(0.0, 1.0),
    "curvature_max": Range(2.0, 10.0, log=True),
}


def _sweep(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    updates = points.updates.values.astype(int)
    rate = 1 / updates
    values = {
        "learning_rate": rate,
        "beta1": 1 - rate / points.tau1.values,
        "beta2": 1 - rate / points.tau2.values,
        "weight_decay": points.weight_decay.values,
        "curvature_max": points.curvature_max.values,
        "steps": updates,
    }
    model = get_model("adam", problem="quadratic", size=4, watch="theta", record_every=1)
    return {"adam": Sweep(model, {name: (POINT, value) for name, value in values.items()}, seeds=seeds)}


def _end(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    """theta after the last update."""
    run = raw["adam"]
    # Records beyond a run's own last step are NaN.
    place = np.isfinite(run.theta).all("coordinate").sum("step") - 1
    theta = run.theta.isel(step=place).drop_vars("step")
    found = run.drop_vars(["theta", "log_max_update"]).drop_dims("step", errors="ignore")
    return found.assign(theta=theta, error=xr.full_like(theta, BUDGET["time"])).assign_coords(step=run.steps)


PATH = Trial(space=SPACE, sweeps=_sweep, measure=_end, points=32)

TRIALS = {f"adam.trajectory_flow_{system}": PATH for system in ("first", "second", "midpoint")}
