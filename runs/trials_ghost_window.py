"""Trials of single windows of the ghost: passage times, slopes of the loss, confidences."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from runs import ghost_confidence as confidence
from runs.ghost_onset import unit_r
from runs.ghost_window import DT, OFFSETS
from runs.trial import POINT, Range, Trial
from runs.trials_ghost_space import DEPTH, OFFSET, ROUNDING, SOFT, T_RANGE, Raw, T, output, substeps
from toymodels.comparator import Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model


def _windows(parameters: dict[str, object], fine: int) -> dict[str, Sweep]:
    steps = substeps(parameters)
    return {
        name: Sweep(
            get_model("ghost", refine=refine, substeps=refine * steps),
            {"T": T, "r0_spread": 0.0, "steps": 0, **parameters},
            seeds=1,
        )
        for name, refine in (("coarse", fine), ("fine", 2 * fine))
    }


def _with_error(raw: Raw, observable: str) -> xr.Dataset:
    """The window at the finer step; its error budget is the difference to the coarser one."""
    coarse, fine = (raw[name][observable].isel(seed=0, step=0, drop=True) for name in ("coarse", "fine"))
    error = abs(fine - coarse) + ROUNDING * abs(fine)
    return fine.to_dataset(name=observable).assign(error=error).rename(r0_mean="r")


def _slopes(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    return _windows({"r0_mean": (POINT, points.rho.values * unit_r(T)), **output(points)}, fine)


def _slope(rho: Range) -> Trial:
    return Trial(
        {"rho": rho, "depth": DEPTH, "offset": SOFT}, _slopes, lambda raw, points: _with_error(raw, "gradient")
    )


ABOVE = _slope(Range(1.0001, 20.0, "r over that of a blow-up at T", log=True))
BELOW = _slope(Range(0.251, 0.9999, "r over that of a blow-up at T"))


def _passages(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    r, threshold = points.rho.values * unit_r(T), points.threshold.values
    return _windows(
        {"r0_mean": (POINT, r), "threshold": (POINT, threshold), "confidence": (POINT, 20 / threshold)}, fine
    )


def _passed(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    data = _with_error(raw, "activation_time")
    return data.where(np.isfinite(data.activation_time))


PASSAGE = Trial(
    {
        "rho": Range(0.26, 30.0, "r over that of a blow-up at T", log=True),
        "threshold": Range(0.1, 100.0, "x at which the output is 1/2", log=True),
    },
    _passages,
    _passed,
)


def _at_rest(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    return _windows({"r0_mean": 0.0, **output(points)}, fine)


def _grid(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    threshold = points.threshold.values
    grid = ((POINT, "offset"), OFFSETS / threshold[:, None])
    return _windows({"r0_mean": 0.0, "threshold": (POINT, threshold), "confidence": grid}, fine)


def _steepest(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """The confidence of the most negative slope at r = 0, by a parabola through the three lowest points."""
    step = math.log(OFFSETS[1] / OFFSETS[0])
    size = np.log(-raw["fine"].gradient.isel(seed=0, step=0).transpose(POINT, "offset").values)
    top, at = size.argmax(axis=1), np.arange(len(size))
    left, middle, right = size[at, top - 1], size[at, top], size[at, top + 1]
    shift = (left - right) / (2 * (left - 2 * middle + right))
    best = np.exp(np.log(OFFSETS[top]) + shift * step) / points.threshold.values
    # The cubic term that a parabola leaves out is of the order of the squared spacing.
    data = xr.Dataset({"best_confidence": (POINT, best), "error": (POINT, best * step**2)})
    return data.assign_coords(threshold=points.threshold)


# --- Euler scheme: passage times only ---

EULER_RHO = Range(1.5, 8.0, "r over that of a blow-up at T", log=True)
COARSE = Range(0.2, 5.0, "x at which the output is 1/2", log=True, default=1.0)


def _euler(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    r = points.rho.values * unit_r(T)
    parameters = {"r0_mean": (POINT, r), "r0_spread": (POINT, 0.05 * r), "threshold": (POINT, points.threshold.values)}
    model = get_model("ghost", scheme="euler")
    return {"euler": Sweep(model, {"T": T, "dt": DT, "steps": 0, **parameters}, seeds=seeds)}


def _noisy(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    r = points.rho.values * unit_r(T)
    parameters = {
        "r0_mean": (POINT, r),
        "noise": (POINT, points.strength.values * r**1.5),
        "threshold": (POINT, points.threshold.values),
    }
    model = get_model("ghost", scheme="euler_maruyama")
    return {"euler": Sweep(model, {"T": T, "dt": DT, "steps": 0, "r0_spread": 0.0, **parameters}, seeds=seeds)}


def _switched(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """Passage times and the realised r; counted in whole steps, they are half a step too long on average."""
    runs = raw["euler"].isel(step=0, drop=True)
    time = (runs.activation_time - DT / 2).where(np.isfinite(runs.activation_time))
    return runs[["initial_r"]].assign(activation_time=time, r=runs.initial_r)


# --- the least loss, the fastest escape ---


def _around_optimum(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    lengths = points["T"].values
    out = output(points, lengths)
    r = unit_r(lengths)[:, None] * (1 + confidence.NEAR)
    steps = substeps(out, lengths)
    return {
        f"least_{refine}": Sweep(
            get_model("ghost", refine=refine * fine, substeps=refine * fine * steps),
            {"T": (POINT, lengths), **out, "r0_mean": ((POINT, "rho"), r), "r0_spread": 0.0, "steps": 0},
            seeds=1,
        )
        for refine in (1, confidence.FINE)
    }


LEAST = Trial(
    {"T": T_RANGE, "depth": DEPTH, "offset": Range(0.5, 6.0, SOFT.doc, log=True, default=1.0)},
    _around_optimum,
    lambda raw, points: confidence.least(raw),
    points=32,
)


def _crowds(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    offsets = xr.DataArray(confidence.CROWD, dims="offset")
    training = confidence.escaping(points["T"], points.threshold, offsets, confidence.RATE / 4)
    grid = (POINT, "offset")
    return {
        "crowd": Sweep(
            get_model("ghost", record_every=1, refine=fine),
            {
                **training,
                "T": (POINT, points["T"].values),
                "threshold": (POINT, points.threshold.values),
                "confidence": (grid, training["confidence"].transpose(*grid).values),
                "learning_rate": (grid, training["learning_rate"].transpose(*grid).values),
            },
            seeds=1,
        )
    }


FASTEST = Trial(
    {
        "T": Range(30.0, 300.0, T_RANGE.doc, log=True, default=100.0),
        "threshold": Range(8.0, 100.0, "x at which the output is 1/2", log=True, default=10.0),
    },
    _crowds,
    lambda raw, points: confidence.fastest(raw["crowd"]),
    points=16,
)


MEAN = Statistical(estimator="mean", scale="relative")

TRIALS = {
    "ghost.least_loss": LEAST,
    "ghost.best_escape_confidence": FASTEST,
    "ghost.passage_time": PASSAGE,
    "ghost.blow_up_time": PASSAGE,
    "ghost.euler_passage_time": Trial(
        {"rho": EULER_RHO, "threshold": COARSE}, _euler, _switched, seeds=64, confirm_seeds=256, kind=MEAN
    ),
    "ghost.noisy_passage_time": Trial(
        {"rho": EULER_RHO, "threshold": COARSE, "strength": Range(0.0, 0.1, "noise/r^(3/2)")},
        _noisy,
        _switched,
        seeds=1000,
        confirm_seeds=10_000,
        points=48,
    ),
    "ghost.slope_above": ABOVE,
    "ghost.sharp_slope_above": ABOVE,
    "ghost.slope_below": BELOW,
    "ghost.sharp_slope_below": BELOW,
    "ghost.slope_at_bifurcation": Trial(
        {
            "depth": Range(1.0, 1e5, DEPTH.doc, log=True, default=1000.0),
            "offset": Range(0.25, 30.0, OFFSET.doc, log=True),
        },
        _at_rest,
        lambda raw, points: _with_error(raw, "gradient"),
    ),
    "ghost.best_confidence": Trial(
        {"threshold": Range(0.1, 100.0, "x at which the output is 1/2", log=True)}, _grid, _steepest, points=64
    ),
}  # fmt: skip
