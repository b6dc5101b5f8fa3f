"""Trials of the claims about scale-invariant weights: other rates, averages, noise and numbers of weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.adam_weight_norm import single_steps, time_means
from runs.trial import POINT, Choice, Range, Trial
from toymodels.comparator import Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model

DIMS = ("32", "48", "96")
STEPS = 4000
STRIDE = 200
REST1 = Range(0.01, 1.0, "1 - beta1", log=True, default=0.1)
REST2 = Range(1e-4, 0.05, "1 - beta2", log=True, default=1e-3)
RATE = Range(1e-3, 0.1, "learning rate", log=True, default=0.01)
DECAY = Range(1.5e-3, 0.3, "learning_rate weight_decay", log=True, default=5e-3)
SPACE: Mapping[str, Range | Choice] = {
    "rest1": REST1,
    "rest2": REST2,
    "learning_rate": RATE,
    "decay": DECAY,
    "noise": Range(0.03, 30.0, "size of the noise; the signal is 1", log=True, default=1.0),
    "tail": Range(0.0, 0.3, "spread of the logarithm of the noise", default=0.0),
    "initial": Range(0.3, 3.0, "|W| at the start over that of the steady state in noise", log=True, default=1.0),
    "dim": Choice(DIMS, "number of weights", DIMS),
}
ALIGNED: Mapping[str, Range | Choice] = {
    **SPACE,
    "noise": Range(0.01, 1.0, "size of the noise; the signal is 1", log=True, default=0.1),
}


def _along(values: xr.DataArray | np.ndarray) -> tuple[str, np.ndarray]:
    return POINT, np.asarray(values)


def _parameters(points: xr.Dataset, dim: int) -> dict[str, object]:
    """The model's own parameters at the points."""
    weight_decay = points.decay / points.learning_rate
    steady = np.sqrt(points.learning_rate * dim / (2 * weight_decay))
    return {
        "beta1": _along(1 - points.rest1),
        "beta2": _along(1 - points.rest2),
        "learning_rate": _along(points.learning_rate),
        "weight_decay": _along(weight_decay),
        "noise": _along(points.noise),
        "tail": _along(points["tail"]),
        "initial_norm": _along(points.initial * steady),
    }


def _steady(aligned: bool) -> Trial:
    def sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> Mapping[str, Sweep]:
        dim = int(points["dim"].item())
        model = get_model("scale_invariant", dim=dim, aligned=aligned, record_every=STRIDE)
        return {"runs": Sweep(model, _parameters(points, dim) | {"steps": STEPS}, seeds=seeds)}

    def measure(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
        return time_means(raw["runs"], int(points["dim"].item()))

    return Trial(
        space=ALIGNED if aligned else SPACE,
        sweeps=sweeps,
        measure=measure,
        seeds=12,
        confirm_seeds=24,
        kind=Statistical(scale="relative"),
        points=16,
    )


def _single(points: xr.Dataset, seeds: Sequence[int], fine: int) -> Mapping[str, Sweep]:
    dim = int(points["dim"].item())
    model = get_model("scale_invariant", dim=dim, second_moment="scalar", record_every=1)
    return {"runs": Sweep(model, _parameters(points, dim) | {"steps": 60}, seeds=seeds)}


STEADY, BESIDE_AXES = _steady(False), _steady(True)
SINGLE = Trial(
    space={**SPACE, "rest1": Range(0.01, 0.9, "1 - beta1", log=True, default=0.1), "tail": Range(0.0, 1.5)},
    sweeps=_single,
    measure=lambda raw, points: single_steps(raw["runs"]),
    points=16,
)

TRIALS = {
    "adam.update_overlap": SINGLE,
    "adam.norm_gain": SINGLE,
    "adam.norm_gain_continuous": SINGLE,
    **{
        f"adam.{name}": STEADY
        for name in (
            "weight_norm",
            "weight_norm_continuous",
            "weight_norm_noise",
            "weight_norm_quasi_steady",
            "rotation",
            "rotation_quasi_steady",
            "rotation_continuous",
        )
    },
    "adam.weight_norm_misfit": BESIDE_AXES,
    "adam.weight_norm_aligned_beyond": BESIDE_AXES,
}
