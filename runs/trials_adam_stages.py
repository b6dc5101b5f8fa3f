"""Trials of the claims about k-Adam and its twin on the direction of scale-invariant weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.adam_stages import ROUNDING
from runs.adam_two_adam import BETA2, DIM
from runs.trial import POINT, Choice, Range, Trial
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.models.k_adam import GRADIENTS

STAGES = 6
STEPS = 8000
SHORT = 200
LIVES = 4.0
BETA1 = Range(0.1, 0.9)
BETA = Range(0.1, 0.98)


def _over(**values: np.ndarray) -> dict[str, object]:
    """Axes over the points."""
    return {name: (POINT, value) for name, value in values.items()}


def _noise(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    beta1 = points.beta1.values
    beta2 = 1 - points.rest_ratio.values * (1 - beta1)
    model = get_model("k_adam", gradients="normal", stages=STAGES, record_every=STEPS)
    return {"noise": Sweep(model, {**_over(beta1=beta1, beta2=beta2), "steps": STEPS}, seeds=seeds)}


def _rms(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    return raw["noise"][["rms_update"]]


NOISE_SPACE = {
    "beta1": BETA1,
    "rest_ratio": Range(0.001, 0.005, "(1 - beta2)/(1 - beta1)", log=True),
}


def _three_stages(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    model = get_model("k_adam", gradients=points["gradients"].item(), stages=3, size=4, record_every=1)
    names = ("beta1", "beta2", "beta1_before", "beta2_before")
    values = _over(**{name: points[name].values for name in names})
    return {"stages": Sweep(model, {**values, "steps": SHORT}, seeds=seeds)}


def _largest(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    """The largest output of the last stage after `step` steps."""
    largest = raw["stages"].max_update.isel(stage=-1).sel(step=points.step).reset_coords(drop=True)
    coords = {name: points[name] for name in ("beta1", "beta2", "step")}
    return xr.Dataset({"max_update": largest, "error": ROUNDING * largest}).assign_coords(coords)


BOUND = Trial(
    space={
        "beta1": BETA,
        "beta2": BETA,
        "beta1_before": BETA,
        "beta2_before": BETA,
        "step": Range(1, SHORT, "updates made", log=True, integer=True),
        "gradients": Choice(GRADIENTS, "what the first stage is given", GRADIENTS),
    },
    sweeps=_three_stages,
    measure=_largest,
)


def _weights(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    """Scale-invariant weights in white noise; they start with a length of the size that they will have."""
    rate, decay = points.learning_rate.values, points.decay.values
    steps = (np.ceil(LIVES / decay / 16) * 16).astype(int)
    values = _over(
        beta1=points.beta1.values,
        learning_rate=rate,
        weight_decay=decay / rate,
        initial_norm=rate * np.sqrt(DIM / (2 * decay)),
        steps=steps,
    )
    model = get_model("adam_twin", dim=DIM, record_every=16)
    return {"weights": Sweep(model, {**values, "beta2": BETA2, "twin_rate": 0.0}, seeds=seeds)}


def _direction_rate(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    """learning_rate |u|/|W| from time means over the second half of the steps."""
    weights = raw["weights"]
    half = weights[["mean_square_norm", "mean_square_update"]].where(weights.step > weights.steps / 2).mean("step")
    found = weights.learning_rate * np.sqrt(half.mean_square_update / half.mean_square_norm)
    return found.to_dataset(name="direction_rate").assign_coords(dim=DIM)


RATE = Trial(
    space={
        "beta1": Range(0.0, 0.9),
        "learning_rate": Range(1e-4, 1.0, log=True),
        "decay": Range(1e-3, 1e-2, "learning_rate times weight_decay", log=True),
    },
    sweeps=_weights,
    measure=_direction_rate,
    seeds=16,
    confirm_seeds=24,
    points=32,
)

TRIALS = {
    "adam.k_update_rms": Trial(NOISE_SPACE, _noise, _rms, seeds=20, confirm_seeds=30, points=32),
    "adam.stage_bound_holds": BOUND,
    "adam.two_adam_rate": RATE,
    "adam.two_adam_rate_printed": RATE,
}
