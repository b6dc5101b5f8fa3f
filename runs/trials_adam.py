"""Trials of the claims about Adam: one run a point, all 500 steps, on one of three problems."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.adam_slopes import ROUNDING, slopes
from runs.adam_stability import STEPS
from runs.experiment import Onset
from runs.trial import POINT, Choice, Range, Trial
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

PROBLEMS = ("adversarial", "embedding", "dense")
BETA = Range(0.1, 0.99)
SLOPE_EVERY = STEPS // 10
ONSET_STEPS = 100_000


def _along(points: xr.Dataset, name: str) -> tuple[str, np.ndarray]:
    return POINT, points[name].values


def _sweep(points: xr.Dataset, seeds: Sequence[int], fine: int, every: int) -> dict[str, Sweep]:
    model = get_model("adam", problem=points["problem"].item(), record_every=every)
    return {"adam": Sweep(model, {n: _along(points, n) for n in ("beta1", "beta2")} | {"steps": STEPS}, seeds=seeds)}


def _largest(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    """The largest update after `step` steps."""
    seen = raw["adam"].log_max_update.sel(step=points.step).reset_coords(drop=True)
    update = np.exp(seen)
    coords = {name: points[name] for name in ("beta1", "beta2", "step")}
    return xr.Dataset({"max_update": update, "error": ROUNDING * update}).assign_coords(coords)


def _bound(*problems: str) -> Trial:
    return Trial(
        space={
            "beta1": BETA,
            "beta2": BETA,
            "step": Range(1, STEPS, "updates made", log=True, integer=True),
            "problem": Choice(problems, "what is trained", PROBLEMS),
        },
        sweeps=lambda points, seeds, fine: _sweep(points, seeds, fine, 1),
        measure=_largest,
    )


def _growth(*problems: str, seeds: int = 1, beta1: Range = BETA, beta2: Range = BETA) -> Trial:
    return Trial(
        space={"beta1": beta1, "beta2": beta2, "problem": Choice(problems, "what is trained", PROBLEMS)},
        sweeps=lambda points, seeds, fine: _sweep(points, seeds, fine, SLOPE_EVERY),
        measure=lambda raw, points: slopes(raw["adam"]),
        seeds=seeds,
    )


def _onset(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Onset]:
    beta2 = points.beta2.values
    model = get_model("adam", problem="adversarial", record_every=ONSET_STEPS)
    parameters = {"beta2": (POINT, beta2), "steps": ONSET_STEPS, "learning_rate": 1.0}
    return {
        "onset": Onset(
            Sweep(model, parameters, seeds=seeds),
            axis="beta1",
            outcome=Outcome.DIVERGED,
            low=xr.DataArray(0.5 * np.sqrt(beta2), dims=POINT),
            high=xr.DataArray(np.minimum(1.2 * np.sqrt(beta2), 0.999), dims=POINT),
            rel_tol=1e-3 / fine,
        )
    }


BOUNDARY = Trial(space={"beta2": Range(0.1, 0.9)}, sweeps=_onset, measure=lambda raw, points: raw["onset"])
EMBEDDING = _growth("embedding", seeds=60, beta1=Range(0.8, 0.95), beta2=Range(0.2, 0.5))

TRIALS = {
    "adam.discrete_bound_holds": _bound(*PROBLEMS),
    "adam.discrete_bound_attained": _bound("adversarial"),
    "adam.continuous_bound_holds": _bound(*PROBLEMS),
    "adam.continuous_bound_attained": _bound("adversarial"),
    "adam.step_estimate_holds": _bound(*PROBLEMS),
    "adam.unit_step_holds": _bound(*PROBLEMS),
    "adam.supremum_holds": _bound(*PROBLEMS),
    "adam.growth_rate": _growth("adversarial"),
    "adam.growth_rate_on_curve_continuous": _growth("adversarial"),
    "adam.growth_rate_embedding": EMBEDDING,
    "adam.growth_rate_dense": _growth("dense"),
    "adam.stability_boundary": BOUNDARY,
    "adam.stability_boundary_continuous": BOUNDARY,
}
