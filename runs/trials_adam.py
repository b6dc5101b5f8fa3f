"""Trials of the claims about Adam: one run a point, all 500 steps, on one of three problems."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from runs.adam_normal_curve import EVERY, WINDOW, slope_at
from runs.adam_normal_curve import STEP as SLOPE_STEP
from runs.adam_slopes import ROUNDING, slopes
from runs.adam_square import LONG, squared_ratio
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
    coords = {name: points[name] for name in ("beta1", "beta2", "step") if name in points}
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


def _curve(problem: str, beta1: Range, beta2: Range, seeds: int = 1) -> Trial:
    """Slope at step 500, where the correction of the bias still counts."""

    def sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
        model = get_model("adam", problem=problem, record_every=EVERY)
        betas = {n: _along(points, n) for n in ("beta1", "beta2")}
        return {"adam": Sweep(model, {**betas, "steps": SLOPE_STEP + WINDOW}, seeds=seeds)}

    return Trial(
        space={"beta1": beta1, "beta2": beta2},
        sweeps=sweeps,
        measure=lambda raw, points: slope_at(raw["adam"]),
        seeds=seeds,
    )


def _on(boundary: Callable[[np.ndarray], np.ndarray]) -> Trial:
    """Adversarial gradients on a boundary of the stable region, beta2 as a function of beta1."""

    def sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
        model = get_model("adam", problem="adversarial", record_every=1)
        betas = {"beta1": _along(points, "beta1"), "beta2": (POINT, boundary(points.beta1.values))}
        return {"adam": Sweep(model, {**betas, "steps": STEPS}, seeds=seeds)}

    return Trial(
        space={
            "beta1": Range(0.32, 0.995),
            "step": Range(1, STEPS, "updates made", log=True, integer=True),
        },
        sweeps=sweeps,
        measure=_largest,
    )


def _plateaus(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    model = get_model("adam", problem="adversarial", record_every=LONG)
    return {"adam": Sweep(model, {n: _along(points, n) for n in ("beta1", "beta2")} | {"steps": LONG}, seeds=seeds)}


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
    "adam.square_plateau": _bound(*PROBLEMS),
    "adam.curve_slope": _curve("adversarial", Range(0.85, 0.9995), Range(0.9, 0.9998)),
    "adam.curve_slope_embedding": _curve("embedding", Range(0.985, 0.9995), Range(0.9, 0.96), seeds=60),
    "adam.curve_half_index_adversarial": _curve("adversarial", Range(0.96, 0.9995), Range(0.9, 0.96)),
    "adam.marginal_update": _on(np.square),
    "adam.balanced_update": _on(lambda beta1: beta1 / (2 - beta1)),
    "adam.bound_ratio": Trial(
        # Inside this box C > 0.11 and both plateaus are reached within the steps.
        space={"beta1": Range(0.1, 0.9), "beta2": Range(0.9, 0.99)},
        sweeps=_plateaus,
        measure=lambda raw, points: squared_ratio(raw["adam"]),
    ),
    "adam.boundary_harmonic": BOUNDARY,
    "adam.boundary_geometric": BOUNDARY,
    "adam.boundary_arithmetic": BOUNDARY,
}
