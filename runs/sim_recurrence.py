"""Descent on U against the printed recurrence on W = U U^T: the exact difference, and where they part for good."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.sim_dynamics import ROUNDING
from runs.sim_stage_data import KAPPA, STEP_SIZE, STRONG, TINY, K
from toymodels.comparator import Bound, Exact, styled
from toymodels.comparator.figures import colours
from toymodels.engine import Sweep
from toymodels.models import get_model

RATIOS = (0.15, 0.3)
LOWEST = -0.5
"""A recurrence is followed until a diagonal entry is below this: soon after it would overflow."""
RECORDS = 400
PAIR = {"initial_W": "initial_W", "mu": "mu", "sigma": "sigma", "learning_rate": "learning_rate"}


def _pair(ratios: tuple[float, ...]) -> dict[str, object]:
    """mu of two concepts of strengths STRONG and STRONG * ratio; no spread."""
    mu = np.sqrt(2 * STRONG * np.array(ratios)[:, None] ** np.arange(2))
    return {"mu": xr.DataArray(mu, dims=("ratio", "concept"), coords={"ratio": list(ratios)}), "sigma": [0.0, 0.0]}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Single steps of wide starts; starts of rank one, both ordinary and inside the paper's assumptions."""
    seeds = 20 if scale == "quick" else 100
    pair, rate = _pair(RATIOS), STEP_SIZE / STRONG
    steps = int((20 - 2 * np.log(TINY)) / (4 * STEP_SIZE * RATIOS[-1]))
    return {
        "wide": Sweep(
            get_model("sim", width=4, record_every=1),
            pair | {"init_scale": 0.2, "learning_rate": [0.01, 0.05], "steps": 60},
            seeds=seeds,
        ),
        "narrow": Sweep(
            get_model("sim", width=1, record_every=1),
            pair | {"init_scale": [0.1, 0.5], "learning_rate": [rate, 0.05], "steps": 1},
            seeds=seeds,
        ),
        "long": Sweep(
            get_model("sim", width=1, record_every=steps // RECORDS),
            _pair(RATIOS[-1:]) | {"init_scale": TINY, "learning_rate": rate, "steps": steps},
            seeds=seeds,
        ),
    }


def printed_field(w: np.ndarray, a: np.ndarray) -> np.ndarray:
    """W A + A W - (A W^2 + W^2 A + 2 W A W)/2 as printed, over leading axes; W (..., d, d), a (..., d)."""
    right, left = w * a[..., None, :], w * a[..., :, None]
    square = w @ w
    return right + left - (a[..., :, None] * square + square * a[..., None, :] + 2 * right @ w) / 2


def _rows_last(w: xr.DataArray) -> np.ndarray:
    return np.asarray(w.transpose(..., "row", "column"))


def _moments(runs: xr.Dataset, like: xr.DataArray) -> np.ndarray:
    """a, broadcast to the leading axes of W."""
    lead = like.isel(row=0, column=0, drop=True)
    a = (runs.mu**2 / runs.sizes["concept"] + runs.sigma**2).reset_coords(drop=True)
    return np.asarray((a * xr.ones_like(lead.reset_coords(drop=True))).transpose(*lead.dims, "concept"))


def _eta(runs: xr.Dataset, like: xr.DataArray) -> np.ndarray:
    lead = like.isel(row=0, column=0, drop=True).reset_coords(drop=True)
    return np.asarray((2 * runs.learning_rate.reset_coords(drop=True) * xr.ones_like(lead)).transpose(*lead.dims))


def _next(runs: xr.Dataset, w: xr.DataArray) -> xr.DataArray:
    """One step of the printed recurrence from `w`."""
    w = w.transpose(..., "row", "column")
    step = _eta(runs, w)[..., None, None] * printed_field(w.values, _moments(runs, w))
    return w + step


def _determinant(w: xr.DataArray) -> xr.DataArray:
    entry = {(i, j): w.sel(row=i, column=j, drop=True) for i, j in ((1, 1), (2, 2), (1, 2))}
    return entry[1, 1] * entry[2, 2] - entry[1, 2] ** 2


def _bound(data: xr.Dataset, runs: xr.Dataset) -> xr.Dataset:
    """With what the claims are bound to, as coordinates."""
    return data.assign_coords({name: runs[name] for name in ("mu", "sigma", "learning_rate")})


def single_steps(runs: xr.Dataset) -> xr.Dataset:
    """For each step: what descent adds to the recurrence, in units of free growth, and the ratio of determinants."""
    before, after = runs.isel(step=slice(None, -1)), runs.isel(step=slice(1, None))
    w = before.W
    growth = 2 * runs.learning_rate * (runs.mu**2 / 2).sum("concept") * abs(w.sel(row=1, column=2, drop=True))
    reached = after.W.assign_coords(step=w.step)
    extra = (reached - _next(before, w)).sel(row=1, column=2, drop=True) / growth
    ratio = _determinant(reached) / _determinant(w)
    loss = abs(w).max(("row", "column")) ** 2
    error = 4 * ROUNDING * (loss / abs(_determinant(w)) + 1) * ratio
    units = {"growth": growth, "extra_error": ROUNDING * abs(w).max(("row", "column")) / growth, "ratio_error": error}
    return _bound(xr.Dataset({"extra": extra, "determinant_ratio": ratio, **units, "initial_W": w}), runs)


def _rank_one(runs: xr.Dataset) -> xr.Dataset:
    """Determinants one step after a start of rank one, in units of w_11 w_22."""
    start = runs.initial_W
    unit = start.sel(row=1, column=1, drop=True) * start.sel(row=2, column=2, drop=True)
    after = _determinant(_next(runs, start)) / unit
    descent = _determinant(runs.W.isel(step=-1, drop=True)) / unit
    data = xr.Dataset({"determinant": after, "determinant_of_descent": descent, "unit": unit, "initial_W": start})
    return _bound(data.assign(error=100 * ROUNDING), runs)


def _followed(runs: xr.Dataset) -> xr.Dataset:
    """Lowest diagonal entry along the recurrence from the runs' own starts, and along descent; both against time."""
    start = runs.initial_W.transpose(..., "row", "column")
    eta, a = _eta(runs, start)[..., None, None], _moments(runs, start)
    w, records = start.values.copy(), []
    stride = int(runs.step[1])
    for n in range(int(runs.step[-1]) + 1):
        if n % stride == 0:
            records.append(np.diagonal(w, axis1=-2, axis2=-1).min(-1))
        going = np.diagonal(w, axis1=-2, axis2=-1).min(-1) > LOWEST
        w = np.where(going[..., None, None], w + eta * printed_field(w, a), w)
    dims = start.dims[:-2]
    recurrence = xr.DataArray(np.stack(records), dims=("step", *dims), coords={"step": runs.step[: len(records)]})
    diagonal = xr.concat([runs.W.sel(row=p, column=p, drop=True) for p in (1, 2)], dim="concept").min("concept")
    data = xr.Dataset({"recurrence": recurrence, "descent": diagonal, "initial_W": runs.initial_W})
    data = data.assign(lowest=recurrence.min("step"))
    return _bound(data, runs).assign_coords(K=K, kappa=KAPPA, time=runs.learning_rate * runs.step)


def measure(raw: Data) -> Data:
    """Single steps, determinants after a start of rank one, and long runs of the recurrence."""
    return {"steps": single_steps(raw["wide"]), "rank one": _rank_one(raw["narrow"]), "long": _followed(raw["long"])}


INSIDE = {
    "initial_W": "initial_W",
    "mu": "mu",
    "sigma": "sigma",
    "learning_rate": "learning_rate",
    "K": "K",
    "kappa": "kappa",
}
NARROW = "starts of rank one (one column) with entries near 1e-130, inside all of the paper's assumptions"

COMPARISONS = (
    Comparison(
        id="sim.second_order_term",
        claim="sim.second_order_term",
        data="steps",
        observable="extra",
        kind=Exact(error="extra_error", scale="linear"),
        margin=1e-5,
        bind=PAIR,
        convert=lambda prediction, steps: prediction / steps.growth,
    ),
    Comparison(
        id="sim.tied_determinant",
        claim="sim.tied_determinant",
        data="steps",
        observable="determinant_ratio",
        kind=Exact(error="ratio_error", scale="linear"),
        margin=1e-4,
        bind=PAIR,
    ),
    Comparison(
        id="sim.recurrence_determinant",
        claim="sim.recurrence_determinant",
        data="rank one",
        observable="determinant",
        kind=Exact(scale="linear"),
        margin=1e-10,
        bind=PAIR,
        convert=lambda prediction, data: prediction / data.unit,
    ),
    Comparison(
        id="sim.recurrence_determinant_of_descent",
        claim="sim.recurrence_determinant",
        data="rank one",
        observable="determinant_of_descent",
        kind=Exact(scale="linear"),
        margin=1e-10,
        bind=PAIR,
        convert=lambda prediction, data: prediction / data.unit,
        mutants=False,
        expect="disagrees",
        reason="descent on U keeps W = U U^T and its determinant at zero: here the two part after one step",
    ),
    Comparison(
        id="sim.recurrence_positive",
        claim="sim.recurrence_positive",
        data="long",
        observable="lowest",
        kind=Bound(error=0.0, scale="linear", side="lower"),
        margin=0.01,
        bind=INSIDE,
        domain=NARROW,
        mutants=False,
        x="seed",
        overlay={"xlabel": "seed of the start", "ylabel": "lowest diagonal entry of W, followed down to -0.5"},
        expect="disagrees",
        reason="the first step leaves w_22 - w_12^2/w_11 below zero, which then grows as w_22 does",
    ),
)


def parting(data: Data) -> Figure:
    """Lowest diagonal entry against time, by descent on U and by the recurrence, from the same starts."""
    runs = data["long"].isel(ratio=0)
    with styled():
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        panel = figure.subplots()
        for (name, label), colour in zip(
            (("descent", "descent on U"), ("recurrence", "printed recurrence")), colours(2), strict=True
        ):
            for seed in runs.seed.values[:6]:
                line = runs[name].sel(seed=seed)
                panel.plot(runs.time, line, color=colour, label=label if seed == runs.seed.values[0] else None)
        panel.axhline(0.0, color="black", lw=0.6)
        panel.set(xlabel="time (learning_rate * step)", ylabel="smallest diagonal entry of W", ylim=(LOWEST, 0.05))
        panel.legend()
    return figure


RECURRENCE = Experiment(
    name="sim.recurrence",
    title="Descent on U and the recurrence on W",
    caption=(
        "A step of descent on U adds lr^2 M W M to the printed recurrence on W, exactly. That term keeps W positive: "
        "the determinant is multiplied by a square. The recurrence has no such property. From a start of rank one it "
        "is negative after a single step, and the diagonal entry of the weak concept, which the paper's lemma "
        "bounds below by zero, falls without end."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"sim.parting": parting(data)},
    core=True,
)
