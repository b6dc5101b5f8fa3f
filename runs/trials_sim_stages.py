"""Trials of the claims on stage bounds, on single steps of descent, and on the spread of learning times."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import xarray as xr

from runs.sim_recurrence import single_steps
from runs.trial import Trial
from runs.trials_sim import GROWTH, SPREAD_TRIAL, STEPS
from toymodels.comparator import Bound, Statistical

Raw = Mapping[str, xr.Dataset]
SHARES = np.array([0.7, 0.85, 1.0, 1.2])
"""Lengths of training over the time that a start of the typical size needs."""


def _descended(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """Single steps; what diverged has left the domain."""
    data = single_steps(raw["runs"])
    fine = np.isfinite(data.determinant_ratio) & (abs(data.initial_W).max(("row", "column")) < 2)
    return data.where(fine)


def _growing(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    data = GROWTH.measure(raw, points)
    return data.assign(W=abs(data.W)).assign_coords(time=raw["runs"].learning_rate * raw["runs"].step)


def _quantile(q: int) -> Trial:
    def measure(raw: Raw, points: xr.Dataset) -> xr.Dataset:
        return SPREAD_TRIAL.measure(raw, points).assign_coords(probability=q / 100)

    kind = Statistical(estimator="median" if q == 50 else f"q{q}")
    return dataclasses.replace(SPREAD_TRIAL, measure=measure, kind=kind, seeds=400, confirm_seeds=1600)


def _shares(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """Learned or not after several lengths of training, by concept."""
    data = SPREAD_TRIAL.measure(raw, points)
    a = data.mu**2 / data.sizes["concept"] + data.sigma**2
    time = xr.DataArray(SHARES, dims="share") * -np.log(data.init_scale**2) / (4 * a.min("concept"))
    return data.assign(learned=(data.learning_time <= time).astype(float)).assign_coords(time=time)


TRIALS = {
    "sim.second_order_term": dataclasses.replace(STEPS, measure=_descended, kind=None),
    "sim.tied_determinant": dataclasses.replace(STEPS, measure=_descended, kind=None),
    "sim.stage_growth_sharp": dataclasses.replace(GROWTH, measure=_growing, kind=Bound(scale="log")),
    **{f"sim.learning_time_quantile_{q}": _quantile(q) for q in (5, 50, 95)},
    "sim.learned_share": dataclasses.replace(
        SPREAD_TRIAL, measure=_shares, kind=Statistical(estimator="share", scale="linear")
    ),
}
