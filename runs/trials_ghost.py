"""Trials of the claims about the ghost. T = 100 where it only sets the unit of time.

The space is named by what the laws depend on: `rho` = r/r* of a window or `start` = r0/r* of training, `depth` =
threshold T, `offset` = confidence threshold, `kappa` = 8 learning_rate T^5/pi^4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.experiment import Onset
from runs.falsify.judging import ALARM
from runs.ghost_curve import INTEGRATOR
from runs.ghost_onset import PASS, unit_r, unit_rate
from runs.ghost_window import DT, OFFSETS
from runs.trial import POINT, Range, Trial
from toymodels.comparator import Statistical, zero_hit_slack
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.models.ghost_window import substeps_for
from toymodels.outcome import Outcome

Raw = Mapping[str, xr.Dataset]
T = 100.0
ROUNDING = 1e-12
DEPTH = Range(2e3, 1e5, "threshold times T", log=True, default=1e4)
OFFSET = Range(20.0, 200.0, "confidence times threshold", log=True, default=50.0)
SOFT = Range(0.5, 100.0, OFFSET.doc, log=True)
T_RANGE = Range(20.0, 200.0, "length of the silent half of the window", log=True, default=100.0)


def _output(points: xr.Dataset, T: np.ndarray | float = T) -> dict[str, object]:
    """threshold and confidence from depth and offset."""
    threshold = points.depth.values / T
    return {"threshold": (POINT, threshold), "confidence": (POINT, points.offset.values / threshold)}


# --- single windows at two step sizes ---


def _substeps(parameters: Mapping[str, object], T: np.ndarray | float = T) -> int:
    """As the model estimates it for the longest window, in few different values: compiled programs are reused."""
    threshold, confidence = (
        np.asarray(value[1] if isinstance(value, tuple) else value, dtype=float)
        for value in (parameters["threshold"], parameters["confidence"])
    )
    longest = {"T": np.max(T), "threshold": threshold.max(), "confidence": confidence.min()}
    needed = substeps_for(longest, 1)
    return 64 * math.ceil(float(np.max(needed)) / 64)


def _windows(parameters: dict[str, object], fine: int) -> dict[str, Sweep]:
    steps = _substeps(parameters)
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
    return _windows({"r0_mean": (POINT, points.rho.values * unit_r(T)), **_output(points)}, fine)


def _slope(rho: Range) -> Trial:
    return Trial(
        {"rho": rho, "depth": DEPTH, "offset": SOFT}, _slopes, lambda raw, points: _with_error(raw, "gradient")
    )


ABOVE = _slope(Range(1.02, 20.0, "r over that of a blow-up at T", log=True))
BELOW = _slope(Range(0.26, 0.98, "r over that of a blow-up at T"))


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
    return _windows({"r0_mean": 0.0, **_output(points)}, fine)


def _grid(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    threshold = points.threshold.values
    confidence = OFFSETS / threshold[:, None]
    return _windows(
        {"r0_mean": 0.0, "threshold": (POINT, threshold), "confidence": ((POINT, "offset"), confidence)}, fine
    )


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


# --- onset of trapping ---

WIDTH = 0.6
"""Half-width of the starts in units of r*."""
GROWTH = 0.75 / (2 * WIDTH * 17 / 8) * 0.95
"""Share trapped per relative distance beyond the onset, as in runs.ghost_onset, with 5 % to spare."""


def _onset(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Onset]:
    """Starts from 0.6 r* on, since the optimum of a soft output lies below r*, to one step above it."""
    T = points["T"].values
    parameters = _output(points, T)
    starts = {"r0_mean": (POINT, (0.6 + WIDTH) * unit_r(T)), "r0_spread": (POINT, WIDTH * unit_r(T))}
    steps = _substeps(parameters, T)
    model = get_model("ghost", record_every=PASS, refine=fine, substeps=fine * steps)
    return {
        "onset": Onset(
            Sweep(model, {"T": (POINT, T), **parameters, **starts, "steps": PASS}, seeds=seeds),
            axis="learning_rate",
            outcome=Outcome.TRAPPED,
            low=xr.DataArray(0.4 * unit_rate(T), dims=POINT),
            high=xr.DataArray(0.9 * unit_rate(T), dims=POINT),
            rel_tol=1.5e-3,
        )
    }


def _bracket(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    onset = raw["onset"]
    slack = zero_hit_slack(int(onset.runs.min()), GROWTH, ALARM)
    return onset.assign(slack=xr.full_like(onset.lower, slack))


def _trapping(depth: Range, offset: Range) -> Trial:
    space = {"T": T_RANGE, "depth": depth, "offset": offset}
    return Trial(space, _onset, _bracket, seeds=2000, confirm_seeds=8000, points=24)


FINITE = _trapping(
    Range(20.0, 2000.0, DEPTH.doc, log=True, default=100.0), Range(5.0, 200.0, OFFSET.doc, log=True, default=20.0)
)
SHARP = _trapping(DEPTH, OFFSET)

# --- training along the plateau and after ---


def _training(points: xr.Dataset, spread: np.ndarray, T: np.ndarray | float = T) -> dict[str, object]:
    """Rates and starts of each point; `spread` in units of r*."""
    return {
        "T": T,
        **_output(points, T),
        "learning_rate": (POINT, points.kappa.values * unit_rate(T)),
        "r0_mean": (POINT, points.start.values * unit_r(T)),
        "r0_spread": (POINT, spread * unit_r(T)),
    }


def _trained(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    """From above down the plateau, starts spread over two steps of descent."""
    spread = points.kappa.values * points.start.values**-1.5
    needed = 0.4 * (points.start.values + spread) ** 2.5 / points.kappa.values
    parameters = _training(points, spread)
    steps = 1 << math.ceil(math.log2(float(needed.max()) + 20))
    # Errors of single gradients, 1e-4, add up over hundreds of steps: half the step size has 5e-6.
    refine = 2 * fine
    model = get_model("ghost", refine=refine, substeps=refine * _substeps(parameters), record_every=max(1, steps // 32))
    return {"plateau": Sweep(model, {**parameters, "steps": steps}, seeds=seeds)}


def _learned(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    return raw["plateau"][["learning_step", "initial_r"]]


def _curve(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    curve = raw["plateau"][["loss", "initial_r"]].isel(step=slice(1, None))
    return curve.assign(error=INTEGRATOR * curve.loss)


PLATEAU = {
    "kappa": Range(0.02, 1.0, "8 learning_rate T^5/pi^4", log=True),
    "start": Range(1.6, 5.0, "r0 over that of a blow-up at T", log=True),
    "depth": DEPTH,
    "offset": OFFSET,
}


def _pairs(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    """The same run in units of r* and T, at two T; threshold and confidence are not scaled."""
    both = np.stack([points["T"].values, np.full(points.sizes[POINT], T)], axis=-1)
    rates, starts = points.kappa.values[:, None] * unit_rate(both), points.start.values[:, None] * unit_r(both)
    steps = 1 << math.ceil(math.log2(float((0.4 * points.start**2.5 / points.kappa).max()) + 20))
    output = {"threshold": 400.0, "confidence": 0.25}
    refine = 2 * fine
    model = get_model(
        "ghost", refine=refine, substeps=refine * _substeps(output, 200.0), record_every=max(1, steps // 32)
    )
    pair = (POINT, "pair")
    parameters = {"T": (pair, both), "learning_rate": (pair, rates), "r0_mean": (pair, starts), **output}
    return {"plateau": Sweep(model, {**parameters, "r0_spread": 0.0, "steps": steps}, seeds=1)}


def _paired(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    curve = raw["plateau"][["loss"]].isel(step=slice(1, None), seed=0)
    on_plateau = curve.loss.where(curve.loss > 0.2 * curve["T"])
    short, long = (on_plateau.isel(pair=k, drop=True).reset_coords(drop=True) for k in (0, 1))
    data = xr.Dataset({"loss": short, "sample_loss": long, "error": INTEGRATOR * short})
    return data.assign_coords(T=points["T"], sample_T=T)


BURN = 1000


def _oscillating(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    parameters = _training(points.assign(start=xr.ones_like(points.kappa)), np.full(points.sizes[POINT], 0.05))
    model = get_model("ghost", refine=fine, substeps=fine * _substeps(parameters), record_every=BURN)
    return {"floor": Sweep(model, {**parameters, "steps": 2 * BURN}, seeds=seeds)}


MEAN = Statistical(estimator="mean", scale="relative")

CURVE = Trial(PLATEAU, _trained, _curve, seeds=2)
LEARNING = Trial(PLATEAU, _trained, _learned, seeds=64, confirm_seeds=256, points=64)

TRIALS = {
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
    "ghost.critical_learning_rate": SHARP,
    "ghost.critical_learning_rate_at_finite_threshold": FINITE,
    "ghost.critical_learning_rate_finite": FINITE,
    "ghost.critical_learning_rate_shifted": FINITE,
    "ghost.collapse": Trial(
        # A larger kappa oscillates above T/5, where steps that jump over r* amplify every error of the integrator.
        {"kappa": Range(0.01, 0.2, PLATEAU["kappa"].doc, log=True), "start": PLATEAU["start"], "T": T_RANGE},
        _pairs,
        _paired,
    ),
    "ghost.learning_step": LEARNING,
    "ghost.learning_step_continuous": LEARNING,
    "ghost.plateau_loss": CURVE,
    "ghost.plateau_loss_continuous": CURVE,
    "ghost.floor": Trial(
        {"kappa": Range(0.01, 0.1, "8 learning_rate T^5/pi^4", log=True), "depth": DEPTH, "offset": OFFSET},
        _oscillating,
        lambda raw, points: raw["floor"][["mean_loss"]].isel(step=-1),
        seeds=32,
        confirm_seeds=64,
        points=24,
    ),
}  # fmt: skip
