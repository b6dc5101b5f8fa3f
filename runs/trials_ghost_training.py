"""Trials of training through the ghost: onset of trapping, the plateau and its end, the floor."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from runs.experiment import Onset
from runs.falsify.judging import ALARM
from runs.ghost_curve import INTEGRATOR
from runs.ghost_onset import PASS, unit_r, unit_rate
from runs.trial import POINT, Range, Trial
from runs.trials_ghost_space import DEPTH, OFFSET, T_RANGE, Raw, T, output, substeps
from toymodels.comparator import zero_hit_slack
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

# --- onset of trapping ---

WIDTH = 0.6
"""Half-width of the starts in units of r*."""
GROWTH = 0.75 / (2 * WIDTH * 17 / 8) * 0.95
"""Share trapped per relative distance beyond the onset, as in runs.ghost_onset, with 5 % to spare."""


def _onset(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Onset]:
    """Starts from 0.6 r* on, since the optimum of a soft output lies below r*, to one step above it."""
    T = points["T"].values
    parameters = output(points, T)
    starts = {"r0_mean": (POINT, (0.6 + WIDTH) * unit_r(T)), "r0_spread": (POINT, WIDTH * unit_r(T))}
    steps = substeps(parameters, T)
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
        **output(points, T),
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
    model = get_model("ghost", refine=refine, substeps=refine * substeps(parameters), record_every=max(1, steps // 32))
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
    # The shorter of both windows has the depth that is asked for.
    out = output(points, both.min(axis=1))
    refine = 2 * fine
    model = get_model(
        "ghost", refine=refine, substeps=refine * substeps(out, both.max(axis=1)), record_every=max(1, steps // 32)
    )
    pair = (POINT, "pair")
    parameters = {"T": (pair, both), "learning_rate": (pair, rates), "r0_mean": (pair, starts), **out}
    return {"plateau": Sweep(model, {**parameters, "r0_spread": 0.0, "steps": steps}, seeds=1)}


def _paired(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    curve = raw["plateau"][["loss"]].isel(step=slice(1, None), seed=0)
    on_plateau = curve.loss.where(curve.loss > 0.2 * curve["T"])
    short, long = (on_plateau.isel(pair=k, drop=True).reset_coords(drop=True) for k in (0, 1))
    data = xr.Dataset({"loss": short, "sample_loss": long, "error": INTEGRATOR * short})
    threshold = points.depth / np.minimum(points["T"], T)
    return data.assign_coords(
        T=points["T"], sample_T=T, kappa=points.kappa, threshold=threshold, confidence=points.offset / threshold
    )


BURN = 1000


def _oscillating(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    parameters = _training(points.assign(start=xr.ones_like(points.kappa)), np.full(points.sizes[POINT], 0.05))
    model = get_model("ghost", refine=fine, substeps=fine * substeps(parameters), record_every=BURN)
    return {"floor": Sweep(model, {**parameters, "steps": 2 * BURN}, seeds=seeds)}


CURVE = Trial(PLATEAU, _trained, _curve, seeds=2)
LEARNING = Trial(PLATEAU, _trained, _learned, seeds=64, confirm_seeds=256, points=64)

TRIALS = {
    "ghost.critical_learning_rate": SHARP,
    "ghost.critical_learning_rate_at_finite_threshold": FINITE,
    "ghost.critical_learning_rate_finite": FINITE,
    "ghost.critical_learning_rate_shifted": FINITE,
    "ghost.collapse": Trial(
        {
            "kappa": Range(0.01, 0.305, PLATEAU["kappa"].doc, log=True),
            "start": PLATEAU["start"],
            "T": T_RANGE,
            "depth": DEPTH,
            "offset": OFFSET,
        },
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
