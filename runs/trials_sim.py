"""Trials of the claims about structured identity mapping: two concepts (one where noted), random starts.

The space is named by what the laws depend on: `mu` of the stronger concept, `ratio` = mu_weak/mu_strong, a common
`sigma`, the size of the start, and `step_size` = learning_rate times the largest second moment.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from runs.experiment import Onset
from runs.sim_dynamics import ROUNDING
from runs.sim_swing_by import RISE
from runs.trial import POINT, Choice, Range, Trial
from theory.registry import get_claim
from toymodels.comparator import Exact, Statistical
from toymodels.engine import Sweep, run
from toymodels.model import ToyModel
from toymodels.models import get_model
from toymodels.outcome import Outcome

Raw = Mapping[str, xr.Dataset]
Measure = Callable[[Raw, xr.Dataset], xr.Dataset]
MU = Range(0.5, 3.0, "mu of the stronger concept", log=True, default=1.0)
SIGMA = Range(0.0, 0.2, "sigma of both concepts", default=0.0)
RATIO = Range(0.3, 0.66, "mu of the weaker concept over that of the stronger")
ANY_RATIO = Range(0.3, 1.0, RATIO.doc)
SCALE = Range(1e-3, 0.1, "standard deviation of the entries of the start", log=True)
STEP_SIZE = Range(0.01, 0.04, "learning_rate times the largest second moment", log=True)
WIDTHS = Choice(("2", "8"), "columns of U", ("2", "3", "4", "8", "16"))
LATE = 14.0
"""4 a_2 time at the end of a run beyond what a typical start needs; a start e^-14 times as large is still learned."""
GRID = np.geomspace(1e-3, 0.1, 41)
"""Sizes of a start among which the largest one that swings by is sought."""


def _mu(points: xr.Dataset) -> np.ndarray:
    return np.stack([points.mu.values, points.mu.values * points.ratio.values], axis=-1)


def _sigma(points: xr.Dataset) -> np.ndarray:
    return np.repeat(points.sigma.values[:, None], 2, axis=1)


def _strengths(points: xr.Dataset) -> np.ndarray:
    return _mu(points) ** 2 / 2 + _sigma(points) ** 2


def _pair(points: xr.Dataset) -> dict[str, object]:
    """mu and sigma of two concepts, the stronger one first."""
    return {"mu": ((POINT, "concept"), _mu(points)), "sigma": ((POINT, "concept"), _sigma(points))}


def _rate(points: xr.Dataset) -> np.ndarray:
    return points.step_size.values / _strengths(points).max(axis=1)


def _scales(points: xr.Dataset) -> dict[str, object]:
    return {"init_scale": (POINT, points.init_scale.values)}


def _enough(steps: np.ndarray) -> int:
    """A power of two, the same for all points, so that rounds of a search share compiled programs."""
    return 1 << math.ceil(math.log2(max(2.0, float(np.max(steps)))))


def _model(points: xr.Dataset, steps: int, **static: Any) -> ToyModel:
    width = {"width": int(points["width"].item())} if "width" in points else {}
    return get_model("sim", record_every=steps, **width, **static)


def _bound(data: xr.Dataset, runs: xr.Dataset) -> xr.Dataset:
    """With what the laws are bound to, as coordinates."""
    return data.assign_coords({name: runs[name] for name in ("mu", "sigma", "learning_rate", "init_scale")})


# --- runs until everything is learned ---


def _until_learned(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    rate = _rate(points)
    time = LATE - 2 * np.log(points.init_scale.values)
    steps = _enough(time / (4 * _strengths(points).min(axis=1) * rate))
    extra = {"init_correlation": (POINT, points.init_correlation.values)} if "init_correlation" in points else {}
    parameters = _pair(points) | _scales(points) | extra | {"learning_rate": (POINT, rate), "steps": steps}
    return {"runs": Sweep(_model(points, steps), parameters, seeds=seeds)}


def _learned(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    data = raw["runs"][["learning_time", "initial_W"]]
    if "width" in points:
        data = data.assign_coords(width=float(points["width"].item()))
    time = data.learning_time
    count = time.sizes["seed"]
    data = data.assign(squared_distance=(time - time.mean("seed")) ** 2 * count / max(count - 1, 1))
    return _bound(data, raw["runs"])


def _weak(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    data = raw["runs"][["learning_time", "initial_W"]].sel(concept=2, row=2, column=2)
    a = raw["runs"].mu ** 2 / 2 + raw["runs"].sigma ** 2
    return data.assign(w_pp=data.initial_W, a=a.sel(concept=2))


def _learning(measure: Measure, kind: Statistical, seeds: int, **space: Range | Choice) -> Trial:
    variables: dict[str, Range | Choice] = {
        "mu": MU,
        "ratio": RATIO,
        "sigma": SIGMA,
        "init_scale": SCALE,
        "step_size": STEP_SIZE,
        "width": WIDTHS,
    }
    variables.update(space)
    return Trial(variables, _until_learned, measure, seeds, 4 * seeds, kind, points=64)


OVER = ("seed",)
"""Each concept by itself: the errors of the weak and the strong one have opposite signs."""
SMALL_SCALE = Range(1e-3, 0.01, SCALE.doc, log=True)

# --- turning points of a run ---


def _until_peak(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    size = points.step_size.values
    steps = _enough((math.log(40) - 2 * np.log(points.init_scale.values) + 12) / (4 * size))
    parameters = _pair(points) | _scales(points) | {"learning_rate": (POINT, _rate(points)), "steps": steps}
    return {"runs": Sweep(_model(points, steps), parameters, seeds=seeds)}


def _peak(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    data = raw["runs"][["peak_height", "peak_time", "initial_W"]]
    entry = data[["peak_height", "peak_time"]].sel(row=1, column=2, drop=True)
    return _bound(entry.assign(initial_W=data.initial_W), raw["runs"])


FINE_STEPS = Range(1e-3, 4e-3, STEP_SIZE.doc, log=True)
PEAK = Trial(
    {
        "mu": MU,
        "ratio": ANY_RATIO,
        "sigma": SIGMA,
        "init_scale": Range(1e-3, 0.03, SCALE.doc, log=True),
        "step_size": FINE_STEPS,
    },
    _until_peak,
    _peak,
    seeds=60,
    confirm_seeds=240,
    points=64,
)

SWINGING: dict[str, Range | Choice] = {
    "mu": MU,
    "ratio": Range(0.45, 0.55, RATIO.doc),
    "sigma": Range(0.0, 0.05, SIGMA.doc, default=0.0),
    "step_size": Range(1.5e-3, 2e-3, STEP_SIZE.doc, log=True),
}
TURNING = Trial(
    SWINGING | {"init_scale": Range(1e-3, 3e-3, SCALE.doc, log=True)},
    _until_learned,
    lambda raw, points: _bound(raw["runs"][["swing_min_time", "swing_bump_time", "initial_W"]], raw["runs"]),
    seeds=150,
    confirm_seeds=600,
    points=16,
)


@functools.lru_cache
def _promising(first: int, count: int) -> tuple[int, ...]:
    """Seeds from `first` on whose edge is predicted well inside GRID, in the middle of the space."""
    starts = run(
        Sweep(get_model("sim"), {"steps": 0, "init_scale": GRID[0]}, seeds=range(first, first + 50 * count)),
        progress=False,
    )
    law = get_claim("sim.swing_by_critical_scale").evaluate(
        {
            "initial_W": starts.initial_W,
            "init_scale": GRID[0],
            "learning_rate": 3.5e-3,
            "mu": ("concept", np.array([1.0, 0.5])),
            "sigma": ("concept", np.zeros(2)),
        }
    )
    inside = law.in_domain & (law.prediction > 1.5 * GRID[0]) & (law.prediction < GRID[-1] / 1.5)
    order = np.argsort(~inside.values, kind="stable")[:count]
    return tuple(int(seed) for seed in starts.seed.values[order])


def _edge_sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    """Few starts have an edge within the reach of the law: as many as there are `seeds` are taken from the first on."""
    rate = _rate(points)
    steps = _enough(24.0 / (4 * _strengths(points).min(axis=1) * rate))
    parameters = _pair(points) | {"init_scale": GRID, "learning_rate": (POINT, rate), "steps": steps}
    return {"runs": Sweep(_model(points, steps), parameters, seeds=_promising(int(seeds[0]), len(seeds)))}


def _edge(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """Largest size up to which a start swings by, and the next one; starts that never do are left open."""
    runs = raw["runs"]
    silent = (runs.swing_depth <= RISE).transpose(POINT, "seed", "init_scale").values
    sizes = np.concatenate([[0.0], GRID, [np.inf]])
    first = np.where(silent.any(-1), silent.argmax(-1), len(GRID))
    data = runs[["initial_W"]].isel(init_scale=0, drop=True)
    data = data.assign(lower=((POINT, "seed"), sizes[first]), upper=((POINT, "seed"), sizes[first + 1]))
    return _bound(data, runs.isel(init_scale=0)).assign_coords(rise=RISE)


EDGE = Trial(SWINGING, _edge_sweeps, _edge, seeds=4, points=16)

# --- single steps and short runs ---


def _tied(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    parameters = _pair(points) | _scales(points) | {"learning_rate": (POINT, _rate(points)), "steps": 60}
    return {"runs": Sweep(get_model("sim", record_every=1), parameters, seeds=seeds)}


def _increments(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """Steps of w_12 in units of its free growth, with the rounding error of the terms that they are the sum of."""
    runs = raw["runs"]
    increment = runs.W.sel(row=1, column=2, drop=True).diff("step", label="lower")
    increment = increment.where(np.isfinite(increment))  # a run that diverged has left the domain
    before = runs.isel(step=slice(None, -1))
    largest = abs(before.W).max(("row", "column"))
    a = before.mu**2 / 2 + before.sigma**2
    size = before.learning_rate * a.max("concept") * (1 + largest)
    error = ROUNDING * largest * (1 + size) ** 2
    growth = 2 * before.learning_rate * a.sum("concept") * abs(before.W.sel(row=1, column=2, drop=True))
    scaled = {"relative_increment": increment / growth, "error": error / growth, "growth": growth}
    return _bound(xr.Dataset({**scaled, "initial_W": before.W}), runs)


STEPS = Trial(
    {
        "mu": MU,
        "ratio": ANY_RATIO,
        "sigma": SIGMA,
        "init_scale": Range(1e-3, 1.0, SCALE.doc, log=True),
        "step_size": Range(1e-3, 0.3, STEP_SIZE.doc, log=True),
    },
    _tied,
    _increments,
    seeds=4,
    kind=Exact(scale="linear"),
)


def _growth(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    runs = raw["runs"]
    entry = runs.W.sel(row=1, column=2, drop=True)
    error = 60 * ROUNDING * abs(runs.W).max(("row", "column"))
    return _bound(xr.Dataset({"W": entry, "initial_W": runs.initial_W, "error": error}), runs)


GROWTH = Trial(
    {
        "mu": MU,
        "ratio": ANY_RATIO,
        "sigma": SIGMA,
        "init_scale": Range(1e-5, 0.1, SCALE.doc, log=True),
        "step_size": Range(1e-3, 0.2, STEP_SIZE.doc, log=True),
    },
    _tied,
    _growth,
    seeds=4,
    kind=Exact(),
)

# --- one layer, one concept ---

LAYER_STEPS, LAYER_EVERY = 400, 20


def _halved(rate: np.ndarray, steps: int) -> dict[str, object]:
    return {
        "learning_rate": ((POINT, "halving"), np.stack([rate, rate / 2], axis=-1)),
        "steps": ("halving", [steps, 2 * steps]),
    }


def _layer(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    model = get_model("sim", layers=1, d=3, record_every=LAYER_EVERY)
    parameters = _pair(points) | _scales(points) | _halved(_rate(points) / fine, fine * LAYER_STEPS)
    return {"runs": Sweep(model, parameters, seeds=seeds)}


def _descent(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    model = get_model("sim", layers=1, d=3, record_every=LAYER_EVERY)
    parameters = _pair(points) | _scales(points) | {"learning_rate": (POINT, _rate(points)), "steps": LAYER_STEPS}
    return {"runs": Sweep(model, parameters, seeds=seeds)}


def _columns(runs: xr.Dataset) -> dict[Any, xr.DataArray]:
    """The identity and the second moment of the input that each column reads."""
    a = (runs.mu**2 / 2 + runs.sigma**2).transpose(..., "concept").reset_coords(drop=True)
    padded = a.pad(concept=(0, 1), constant_values=0.0).rename(concept="column")
    size = runs.sizes["row"]
    return {
        "target": xr.DataArray(np.eye(size), dims=("row", "column"), coords={n: runs[n] for n in ("row", "column")}),
        "a_column": padded.assign_coords(column=runs["column"]),
    }


def _same_times(runs: xr.Dataset, entry: Callable[[xr.DataArray], xr.DataArray] = lambda w: w) -> xr.Dataset:
    """W at the finer step size, at times that both have; the difference of both is the error budget."""
    steps = runs.step.values[(runs.step.values > 0) & (2 * runs.step.values <= runs.step.values[-1])]
    coarse, fine = (entry(runs.W.isel(halving=k, drop=True)).reset_coords(drop=True) for k in (0, 1))
    fine = fine.sel(step=2 * steps).assign_coords(step=steps)
    error = abs(fine - coarse.sel(step=steps)) + ROUNDING * (1 + abs(fine))
    time = runs.learning_rate.isel(halving=0, drop=True).reset_coords(drop=True) * fine.step
    return xr.Dataset({"W": fine, "error": error, "time": time})


def _flow(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    runs = raw["runs"]
    start = runs.initial_W.isel(halving=0, drop=True).reset_coords(drop=True)
    return _same_times(runs).assign({"initial_W": start} | _columns(runs))


def _stepwise(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    runs = raw["runs"]
    data = xr.Dataset({"W": runs.W, "initial_W": runs.initial_W, **_columns(runs)})
    # Each step multiplies the error by 1 - learning_rate a, with one rounding.
    return data.assign(error=ROUNDING * (1 + runs.step) * (1 + abs(runs.W) + abs(runs.initial_W).max()))


LAYER = {"mu": MU, "ratio": ANY_RATIO, "sigma": SIGMA, "init_scale": Range(0.01, 3.0, SCALE.doc, log=True)}
FLOW = Trial(LAYER | {"step_size": Range(1e-3, 0.01, STEP_SIZE.doc, log=True)}, _layer, _flow, seeds=2)


def _alone_sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    a = points.mu.values**2 + points.sigma.values**2
    rate = points.step_size.values / a / fine
    steps = fine * _enough(16.0 / (4 * points.step_size.values))
    model = get_model("sim", width=2, record_every=steps // 16)
    shape = {name: ((POINT, "concept"), points[name].values[:, None]) for name in ("mu", "sigma")}
    return {"runs": Sweep(model, shape | _scales(points) | _halved(rate, steps), seeds=seeds)}


def _alone(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    runs = raw["runs"]
    start = runs.initial_W.isel(halving=0, row=0, column=0, drop=True).reset_coords(drop=True)
    data = _same_times(runs, lambda w: w.isel(row=0, column=0, drop=True))
    a = (runs.mu**2 + runs.sigma**2).isel(concept=0, drop=True).reset_coords(drop=True)
    return data.assign(w_pp=start, a=a)


def _stability(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Onset]:
    critical = 1 / _strengths(points).max(axis=1)
    steps = 20_000
    sweep = Sweep(_model(points, steps, layers=1), _pair(points) | _scales(points) | {"steps": steps}, seeds=seeds)
    low, high = (xr.DataArray(k * critical, dims=POINT) for k in (1.0, 4.0))
    return {"onset": Onset(sweep, "learning_rate", Outcome.DIVERGED, low, high, rel_tol=1e-3 / fine)}


MEAN = Statistical(over=OVER, estimator="mean")
MEDIAN = Statistical(over=OVER)
POOL: dict[str, Range | Choice] = {"ratio": RATIO, "init_scale": SMALL_SCALE}
SPREAD: dict[str, Range | Choice] = {
    "init_correlation": Range(0.0, 0.8, "correlation between rows of the start", default=0.0)
}
SPREAD_TRIAL = _learning(_learned, MEAN, 200, **SPREAD)

TRIALS = {
    **{
        f"sim.learning_time_{q}": _learning(_learned, Statistical(over=OVER, estimator=q), 60, **POOL)
        for q in ("q25", "q75", "q5", "q95")
    },
    "sim.learning_time_corner": _learning(_learned, Statistical(over=OVER, estimator="q90"), 60),
    "sim.learning_time_corrected": _learning(_learned, MEDIAN, 60),
    "sim.learning_time_naive": _learning(_weak, MEDIAN, 200),
    "sim.learning_time_mean": SPREAD_TRIAL,
    "sim.learning_time_variance": _learning(_learned, MEAN, 200),
    **{f"sim.off_diagonal_peak_{what}": PEAK for what in ("time", "height")},
    **{f"sim.swing_by_{which}_time": TURNING for which in ("minimum", "bump")},
    **dict.fromkeys(("sim.swing_by_critical_scale", "sim.swing_by_edge"), EDGE),
    "sim.tied_step": STEPS,
    "sim.tied_step_printed": STEPS,
    "sim.tied_recurrence": STEPS,
    "sim.early_growth": GROWTH,
    "sim.one_layer": FLOW,
    "sim.one_layer_printed": FLOW,
    "sim.one_layer_discrete": Trial(
        LAYER | {"step_size": Range(1e-3, 1.9, STEP_SIZE.doc, log=True)},
        _descent,
        _stepwise,
        seeds=2,
        kind=Exact(scale="linear"),
    ),
    "sim.diagonal_logistic": Trial(
        {"mu": MU, "sigma": SIGMA, "init_scale": SCALE, "step_size": Range(5e-4, 1e-3, STEP_SIZE.doc, log=True)},
        _alone_sweeps,
        _alone,
        seeds=4,
    ),
    "sim.one_layer_critical_learning_rate": Trial(LAYER, _stability, lambda raw, points: raw["onset"], seeds=2),
}
