"""Trajectories for the paper's stage bounds, and the numbers that the bounds are about."""

from __future__ import annotations

import numpy as np
import xarray as xr

from runs.experiment import Data, Scale
from toymodels.engine import Sweep
from toymodels.models import get_model

K, KAPPA = 20.0, 1.1
"""The paper's constants, where they admit the largest start."""
STEP_SIZE = 1 / (18 * K)
"""learning_rate times the largest second moment: the paper's largest eta = 2 learning_rate."""
STRONG = 2.0
TINY = 1e-65
"""Entries of W(0) are then near 1e-130: inside all assumptions for rows of any likely overlap."""
RATIOS = (0.15, 0.3)
SCALES = (1e-3, 0.01, 0.1)
TURN_RATIOS = (0.1, 0.2, 1 / 3, 0.5)
RECORDS = 700
ROUNDING = 1e-12
"""Of an entry over the geometric mean of its diagonals: the rows of U carry their rounding with them."""


def _concepts(ratios: tuple[float, ...], count: int = 2) -> dict[str, object]:
    """mu of strengths STRONG, STRONG * ratio, STRONG * ratio^2, ...; no spread."""
    mu = np.sqrt(count * STRONG * np.array(ratios)[:, None] ** np.arange(count))
    shared = {"mu": xr.DataArray(mu, dims=("ratio", "concept"), coords={"ratio": np.round(ratios, 3)})}
    return shared | {"sigma": np.zeros(count), "learning_rate": STEP_SIZE / STRONG}


def _until_learned(scale: float, ratios: tuple[float, ...], count: int = 2) -> int:
    """Steps in which the weakest concept of the weakest ratio is learned from a typical start, and then some."""
    return int((20 - 2 * np.log(scale)) / (4 * STEP_SIZE * min(ratios) ** (count - 1)))


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Starts inside the assumptions; larger ones; three concepts; and peaks of w_12, finely recorded."""
    seeds = 12 if scale == "quick" else 60
    steps = _until_learned(TINY, RATIOS)
    planned = {
        "inside": Sweep(
            get_model("sim", record_every=steps // RECORDS),
            _concepts(RATIOS) | {"init_scale": TINY, "steps": steps},
            seeds=seeds,
        )
    }
    steps = _until_learned(SCALES[0], RATIOS)
    planned["outside"] = Sweep(
        get_model("sim", record_every=steps // RECORDS),
        _concepts((*RATIOS, 0.5)) | {"init_scale": list(SCALES), "steps": steps},
        seeds=seeds,
    )
    planned["three"] = Sweep(
        get_model("sim", record_every=50),
        _concepts((0.3,), 3) | {"init_scale": 0.03, "steps": 4000},
        seeds=4 * seeds,
    )
    planned["turn"] = Sweep(
        get_model("sim", record_every=3),
        _concepts(TURN_RATIOS) | {"init_scale": 1e-4, "steps": 3000},
        seeds=2 * seeds,
    )
    return planned


def _bound(data: xr.Dataset, runs: xr.Dataset) -> xr.Dataset:
    """With what the claims are bound to, as coordinates."""
    given = {name: runs[name] for name in ("mu", "sigma", "learning_rate")}
    return data.assign_coords(given | {"K": K, "kappa": KAPPA})


def _timed(raw: xr.Dataset) -> xr.Dataset:
    """|W| with rounding, the time and the paper's constants, at the steps where bounds of growth are finite."""
    time = raw.learning_rate * raw.step
    size = abs(raw.W)
    early = (raw.step > 0) & (time < 500 / (4 * KAPPA * STRONG))
    error = ROUNDING * size
    data = xr.Dataset({"W": size, "error": error, "initial_W": raw.initial_W, "time": time})
    return _bound(data.isel(step=np.flatnonzero(early.values)), raw)


def _diagonal(w: xr.DataArray) -> xr.DataArray:
    """Diagonal entries along `concept`."""
    entries = [w.sel(row=p, column=p, drop=True) for p in w["row"].values]
    return xr.concat(entries, dim=xr.Variable("concept", w["row"].values))


def _after(diagonal: xr.DataArray, level: float | xr.DataArray) -> xr.DataArray:
    """Records from the first one on at which a diagonal entry has passed the level."""
    return (diagonal > level).cumsum("step") > 0


def _reduced(raw: xr.Dataset) -> xr.Dataset:
    """One number a run (and concept): extremes of diagonals, what became of w_12 after each level."""
    diagonal = _diagonal(raw.W)
    off = abs(raw.W.sel(row=1, column=2, drop=True))
    strong, weak = diagonal.sel(concept=1, drop=True), diagonal.sel(concept=2, drop=True)
    seen = off > ROUNDING * np.sqrt(strong * weak)
    a_1, a_2 = ((raw.mu**2 / raw.sizes["concept"]).sel(concept=p, drop=True) for p in (1, 2))
    least = abs(raw.initial_W).min(("row", "column"))
    found = {
        "largest_diagonal": diagonal.max("step"),
        "lowest_once_learned": diagonal.where(_after(diagonal, 1 - 2 / K)).min("step"),
        "initial_W": raw.initial_W,
    }
    for name, level in (("fifths", 0.8), ("turn", 2 * (a_1 + a_2) / (3 * a_1 + a_2))):
        after = _after(strong, level)
        passed = off.isel(step=after.argmax("step")).drop_vars("step").where(after.any("step"))
        found[f"w_at_{name}"] = passed
        found[f"top_after_{name}"] = off.where(after & seen).max("step").fillna(passed)
    data = xr.Dataset(found)
    data["w_floor"] = least
    return _bound(data, raw)


def _successive(raw: xr.Dataset) -> xr.Dataset:
    """w_11 at every record and at the one before, of starts without an eigenvalue above one."""
    strong = raw.W.sel(row=1, column=1, drop=True)
    strong = strong.isel(step=slice(None, None, 4))
    before = strong.shift(step=1).isel(step=slice(1, None))
    fine = _below_one(raw.initial_W)
    return xr.Dataset({"W": strong.isel(step=slice(1, None)).where(fine), "w_before": before.where(fine)})


def _below_one(start: xr.DataArray) -> xr.DataArray:
    """Is every eigenvalue of the start below one?"""
    one = xr.apply_ufunc(np.linalg.eigvalsh, start, input_core_dims=[["row", "column"]], output_core_dims=[["value"]])
    return one.max("value") < 1


def _turn(raw: xr.Dataset) -> xr.Dataset:
    """w_11 at the largest recorded |w_12|, by a parabola through the three records around it."""
    off, strong = abs(raw.W.sel(row=1, column=2)), raw.W.sel(row=1, column=1)
    axis = off.get_axis_num("step")
    place = np.clip(off.values.argmax(axis), 1, off.sizes["step"] - 2)
    left, top, right = (
        np.log(np.take_along_axis(off.values, np.expand_dims(place + k, axis), axis)) for k in (-1, 0, 1)
    )
    before, at, after = (np.take_along_axis(strong.values, np.expand_dims(place + k, axis), axis) for k in (-1, 0, 1))
    shift = (left - right) / (2 * (left - 2 * top + right))
    value = at + shift * (after - before) / 2 + shift**2 * (after - 2 * at + before) / 2
    data = raw[["initial_W", "mu", "sigma"]].assign(w_11_at_turn=(off.isel(step=0).dims, np.squeeze(value, axis)))
    return data


def _searched() -> xr.Dataset:
    """Largest omega for which some P, kappa and K satisfy the printed assumptions, by search over a grid of them.

    Every inequality is taken as printed; the closed form is not used.
    """
    spreads, ratios = np.array([1.0, 3.0, 30.0]), np.array([0.02, 0.05, 0.1, 0.2, 0.3])
    beta, r, k, kappa, log_p = np.meshgrid(
        spreads,
        ratios,
        [20.0, 25.0, 40.0],
        [1.1, 1.15, 1.3, 2.0],
        np.geomspace(1, 3000, 40_001),
        indexing="ij",
        sparse=True,
    )
    small = np.log(np.minimum(kappa - 1, 1 - kappa**-0.5) / (k * (1 / r) * 2 * beta**2)) - log_p
    phase = np.log(0.4 / beta) - log_p
    # The separation bounds omega from below: log(1/(P beta omega)) is at most what log P leaves.
    left = (2 * log_p / (1 + r) - log_p - np.log(beta)) / (10 * kappa**2)
    least = -(left + log_p + np.log(beta))
    most = np.minimum(small, np.minimum(phase, -np.log(2 * beta) / 2))
    found = np.where(most >= least, most, -np.inf).max((2, 3, 4))
    dims = ("spread", "closest")
    return xr.Dataset(
        {"omega": (dims, np.exp(found)), "error": (dims, 2e-3 * np.exp(found))},
        coords={
            "spread": spreads,
            "closest": ratios,
            "contrast": ("closest", 1 / ratios),
            "rows": 2.0,
            "K": K,
            "kappa": KAPPA,
        },
    )


def measure(raw: Data) -> Data:
    """Entries against time, one number a run for what holds after a level, w_11 at the turn, the searched start."""
    inside, outside = (_timed(raw[name]).isel(step=slice(None, None, 4)) for name in ("inside", "outside"))
    pair = outside.sel(row=1, column=2, drop=True).assign(initial_W=outside.initial_W)
    reduced = {name: _reduced(raw[name]) for name in ("inside", "outside")}
    below = reduced["outside"].where(_below_one(raw["outside"].initial_W))
    return {
        "inside": inside,
        "outside": outside,
        "strongest": _successive(raw["outside"]),
        "pair": pair,
        "three": _timed(raw["three"]),
        "runs": reduced["inside"],
        "runs_outside": reduced["outside"],
        "runs_below_one": below,
        "turn": _turn(raw["turn"]),
        "searched": _searched(),
    }
