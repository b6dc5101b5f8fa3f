"""Trials of the published Euler scheme and of soft outputs: slopes, learning, floors, locking to two steps."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from runs import ghost_published as published
from runs.ghost_onset import unit_r, unit_rate
from runs.trial import POINT, Range, Trial
from runs.trials_ghost_space import DEPTH, Raw, output, substeps
from theory.registry import get_claim
from toymodels.engine import Sweep
from toymodels.models import get_model

T = published.LENGTH
KAPPA = Range(0.01, 0.1, "8 learning_rate T^5/pi^4", log=True)
STEP = Range(0.05, 0.4, "step of the Euler scheme", log=True, default=0.1)
CONFIDENCE = Range(0.01, 2.0, "steepness of the output", log=True, default=0.1)
ACROSS = np.exp(published.LOCKING_STEP * (np.arange(16) - 7.7))


def _scheme(points: xr.Dataset) -> dict[str, object]:
    fixed = {"T": T, "threshold": published.THRESHOLD}
    return fixed | {name: (POINT, points[name].values) for name in ("dt", "confidence")}


def _slopes(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    pairs = zip(points.dt.values, points.rho.values, strict=True)
    r = np.array([published.phased(float(dt), float(rho)) for dt, rho in pairs])
    parameters = {**_scheme(points), "r0_mean": ((POINT, "phase"), r), "r0_spread": 0.0, "steps": 0}
    return {"slope": Sweep(get_model("ghost", scheme="euler"), parameters, seeds=1)}


def _seen(raw: Raw) -> xr.Dataset:
    slopes = raw["slope"][["gradient", "initial_r"]].isel(step=0, seed=0, drop=True).rename(initial_r="r")
    return slopes.drop_vars("r0_mean")


SLOPES = {"rho": Range(1.6, 20.0, "r over that of a blow-up at T", log=True), "confidence": CONFIDENCE, "dt": STEP}


def _learning(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    """kappa such that the first step moves r by the given share."""
    kappa = points.share.values * points.start.values**2.5
    needed = 0.8 / points.share.values.min() + 20
    steps = 1 << math.ceil(math.log2(needed))
    parameters = {
        **_scheme(points),
        "learning_rate": (POINT, kappa * unit_rate(T)),
        "r0_mean": (POINT, points.start.values * unit_r(T)),
        "r0_spread": (POINT, 0.02 * points.start.values * unit_r(T)),
        "steps": steps,
    }
    return {
        "runs": Sweep(get_model("ghost", scheme="euler", record_every=max(1, steps // 32)), parameters, seeds=seeds)
    }


def _learned(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    runs = raw["runs"]
    return runs[["learning_step", "initial_r"]].where(np.isfinite(runs.learning_step))


def _curve(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    curve = raw["runs"][["loss", "initial_r"]].isel(step=slice(1, None))
    return curve.assign(error=2e-3 * abs(curve.loss))


LEARNING = {
    "share": Range(5e-4, 2e-3, "part of r0 by which the first step moves it", log=True, default=1e-3),
    "start": Range(2.0, 12.0, "r0 over that of a blow-up at T", log=True, default=4.0),
    "confidence": Range(0.05, 0.5, CONFIDENCE.doc, log=True, default=0.1),
    "dt": Range(0.05, 0.2, STEP.doc, log=True, default=0.1),
}


def _oscillating(points: xr.Dataset) -> dict[str, object]:
    burn = published.BURN
    start = {"r0_mean": 1.02 * unit_r(T), "r0_spread": 0.02 * unit_r(T), "steps": 2 * burn}
    return {"learning_rate": (POINT, points.kappa.values * unit_rate(T)), **start}


def _floors(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    model = get_model("ghost", scheme="euler", record_every=published.BURN)
    return {"floor": Sweep(model, {**_scheme(points), **_oscillating(points)}, seeds=seeds)}


def _soft(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    parameters = {"T": T, **output(points, T)}
    model = get_model("ghost", record_every=published.BURN, refine=fine, substeps=fine * substeps(parameters, T))
    return {"floor": Sweep(model, {**parameters, **_oscillating(points)}, seeds=seeds)}


def _mean_loss(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    return raw["floor"][["mean_loss"]].isel(step=-1)


def _two_steps(end: str) -> Trial:
    def sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
        lengths, confidence = points["T"].values, points.offset.values / published.FAR
        law = get_claim(f"ghost.period_two_{end}").predict(
            T=points["T"], threshold=published.FAR, confidence=points.offset / published.FAR
        )
        parameters = {
            "T": (POINT, lengths),
            "threshold": published.FAR,
            "confidence": (POINT, confidence),
            "learning_rate": ((POINT, "rung"), np.asarray(law)[:, None] * ACROSS),
            "r0_mean": (POINT, 1.05 * unit_r(lengths)),
            "r0_spread": 0.0,
            "steps": 1200,
        }
        return {"runs": Sweep(get_model("ghost", refine=2 * fine, record_every=1), parameters, seeds=1)}

    def measure(raw: Raw, points: xr.Dataset) -> xr.Dataset:
        runs = raw["runs"].expand_dims(end=list(published.LOCKING_ENDS))
        runs = runs.assign_coords(rung_index=("rung", np.arange(len(ACROSS))))
        return published.locking(runs)[f"period_two_{end}"]

    space = {
        "T": Range(50.0, 200.0, "length of the silent half of the window", log=True, default=100.0),
        "offset": Range(1.2, 3.0, "confidence times threshold", default=2.0),
    }
    return Trial(space, sweeps, measure, points=16)


FLOOR = {"kappa": KAPPA, "confidence": CONFIDENCE, "dt": Range(0.05, 0.2, STEP.doc, log=True, default=0.1)}
SOFT = {"kappa": KAPPA, "depth": DEPTH, "offset": Range(0.4, 8.0, "confidence times threshold", log=True, default=2.0)}

TRIALS = {
    "ghost.slope_euler": Trial(SLOPES, _slopes, lambda raw, points: published.mean_slope(_seen(raw)), points=32),
    "ghost.steepest_slope_euler": Trial(SLOPES, _slopes, lambda raw, points: published.steepest(_seen(raw)), points=32),
    "ghost.learning_step_euler": Trial(LEARNING, _learning, _learned, seeds=2, points=48),
    "ghost.plateau_loss_euler": Trial(LEARNING, _learning, _curve, seeds=2, points=48),
    "ghost.floor_euler": Trial(FLOOR, _floors, _mean_loss, seeds=16, confirm_seeds=32, points=24),
    "ghost.floor_soft": Trial(SOFT, _soft, _mean_loss, seeds=32, confirm_seeds=64, points=24),
    **{f"ghost.period_two_{end}": _two_steps(end) for end in published.LOCKING_ENDS},
}
