"""Trials of the oscillation about the optimum: ends of locked windows, gain of two steps, mean sign."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from runs import ghost_locking as locking
from runs.ghost_onset import unit_r, unit_rate
from runs.trial import POINT, Range, Trial
from runs.trials_ghost_space import DEPTH, OFFSET, Raw, T, output, substeps
from theory.registry import get_claim
from toymodels.engine import Sweep
from toymodels.models import get_model

OUTPUT = {"depth": DEPTH, "offset": OFFSET}
NEAR = np.exp(np.linspace(-0.02, 0.02, 21))
"""kappa over the end that the law has: rungs between which the end is found."""


def _orbits(
    points: xr.Dataset,
    rates: object,
    steps: int,
    seeds: Sequence[int],
    fine: int,
    mean: float = 0.85,
    width: float = 0.14,
) -> Sweep:
    """Every step of training; starts `mean` +- `width` in units of r*."""
    parameters = output(points)
    model = get_model("ghost", record_every=1, refine=fine, substeps=fine * substeps(parameters))
    r = float(unit_r(T))
    start = {"r0_mean": mean * r, "r0_spread": width * r}
    return Sweep(model, {"T": T, **parameters, **start, "learning_rate": rates, "steps": steps}, seeds=seeds)


def _end(name: str) -> Trial:
    """The outermost rungs at which runs are locked, whatever threshold and confidence."""
    law = float(get_claim(locking.WINDOWS[name]).predict())
    period, side = name.split("_")

    def sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
        rates = ("rung", law * NEAR * float(unit_rate(T)))
        return {"orbits": _orbits(points, rates, 300, seeds, fine, *locking.AT_END.get(name, ()))}

    def measure(raw: Raw, points: xr.Dataset) -> xr.Dataset:
        locked = _locked(raw["orbits"], int(period)).transpose(POINT, "rung").values
        ends = np.array([_between(one, law * NEAR, side) for one in locked])
        slack = xr.full_like(points.depth, 1e-4)
        return xr.Dataset({"lower": (POINT, ends[:, 0]), "upper": (POINT, ends[:, 1]), "slack": slack})

    return Trial(OUTPUT, sweeps, measure, seeds=6, points=24)


def _locked(runs: xr.Dataset, period: int) -> xr.DataArray:
    """Whether some run repeats after `period` steps, with one step down more than up, at the end."""
    last = runs.isel(step=slice(-3 * period, None))
    rho, before = last.r, runs.r.isel(step=slice(-4 * period, -period))
    repeats = (abs(rho - before.values) < locking.SAME * float(unit_r(T))).all("step")
    signs = xr.where(last.gradient > 0, 1.0, -1.0).mean("step")
    return (repeats & (abs(signs - 1 / period) < 1e-9)).any("seed")


def _between(locked: np.ndarray, kappa: np.ndarray, side: str) -> tuple[float, float]:
    """The last rung that is locked and the next one outwards; (0, inf) if there are no such."""
    hits = np.flatnonzero(locked)
    if not hits.size:
        return 0.0, np.inf
    if side == "upper":
        return kappa[hits[-1]], kappa[hits[-1] + 1] if hits[-1] + 1 < len(kappa) else np.inf
    return kappa[hits[0] - 1] if hits[0] > 0 else 0.0, kappa[hits[0]]


def _scan(steps: int, low: float, high: float, measured: str) -> Trial:
    space = {"kappa": Range(low, high, "8 learning_rate T^5/pi^4", log=True), **OUTPUT}

    def sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
        return {"orbits": _orbits(points, (POINT, points.kappa.values * float(unit_rate(T))), steps, seeds, fine)}

    def measure(raw: Raw, points: xr.Dataset) -> xr.Dataset:
        runs = raw["orbits"].assign_coords(kappa=points.kappa)
        return locking.gains(runs) if measured == "gain" else locking.stationary(runs)

    return Trial(space, sweeps, measure, seeds=2, points=32)


TRIALS = {
    **{claim if name == "3_upper" else f"ghost.window_{name}": _end(name) for name, claim in locking.WINDOWS.items()},
    "ghost.two_step_gain": _scan(100, 0.04, 0.74, "gain"),
    "ghost.mean_sign": _scan(locking.BURN + 1200, 0.03, 0.1, "sign"),
}
