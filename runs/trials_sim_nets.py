"""Trials of the learning times of untied networks and of the scatter by minibatches: two concepts, random starts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.trial import POINT, Choice, Range, Trial
from toymodels.comparator import Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model

MU = Range(0.5, 3.0, "mu of the stronger concept", log=True, default=1.0)
RATIO = Range(0.3, 0.66, "mu of the weaker concept over that of the stronger", default=0.5)
STEP = 0.02
"""learning_rate times the larger second moment."""
LATE = 12.0
"""How much more than that of a typical start the logarithm of a start may need."""
WIDE = 32
SAMPLES, LENGTH = 250, 1024

Raw = Mapping[str, xr.Dataset]


def _pair(points: xr.Dataset, sigma: float = 0.0) -> tuple[dict[str, object], np.ndarray]:
    """Parameters of the two concepts, the stronger one first, and their second moments."""
    mu = np.stack([points.mu.values, points.mu.values * points.ratio.values], axis=-1)
    a = mu**2 / 2 + sigma**2
    given: dict[str, object] = {
        "mu": ((POINT, "concept"), mu),
        "sigma": np.full(2, sigma),
        "init_scale": (POINT, points.init_scale.values),
    }
    return given, a


def _power_of_two(steps: np.ndarray) -> int:
    """The same for all points, so that rounds of a search share compiled programs."""
    return 1 << math.ceil(math.log2(float(np.max(steps))))


def _bound(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    """Learning times with what the laws are bound to."""
    runs = raw["runs"]
    names = ("mu", "sigma", "learning_rate", "init_scale")
    data = runs[["learning_time", "initial_W"]].assign_coords({name: runs[name] for name in names})
    for name in ("width", "depth"):
        if name in points:
            data = data.assign_coords({name: float(points[name].item())})
    return data


def _two_layers(points: xr.Dataset, seeds: Sequence[int], fine: int, **static: object) -> dict[str, Sweep]:
    given, a = _pair(points)
    rate = STEP / a.max(axis=1) / fine
    time = (LATE - 2 * np.log(points.init_scale.values)) / (2 * a.min(axis=1))
    steps = _power_of_two(time / rate)
    model = get_model("sim_net", network="linear", depth=2, record_every=steps, **static)
    return {"runs": Sweep(model, given | {"learning_rate": (POINT, rate), "steps": steps}, seeds=seeds)}


def _balanced(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    return _two_layers(points, seeds, fine, init="balanced", width=WIDE)


def _gaussian(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    return _two_layers(points, seeds, fine, width=int(points["width"].item()))


def _deep(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    given, a = _pair(points)
    depth = int(points["depth"].item())
    rate = STEP / a.max(axis=1) / fine
    w = points.init_scale.values**2 * WIDE / 3
    time = (w ** (2 / depth - 1) / (depth - 2) + 2) / a.min(axis=1)
    steps = _power_of_two(time / rate)
    model = get_model("sim_net", network="linear", depth=depth, init="balanced", width=WIDE, record_every=steps)
    return {"runs": Sweep(model, given | {"learning_rate": (POINT, rate), "steps": steps}, seeds=seeds)}


def _batches(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    given, a = _pair(points, 0.05)
    rate = STEP / a.max(axis=1) / fine
    parameters = given | {"learning_rate": (POINT, rate), "steps": LENGTH * fine}
    static = {"samples": SAMPLES, "record_every": LENGTH * fine}
    batch = int(points["batch"].item())
    return {
        "quiet": Sweep(get_model("sim_net", data="sample", **static), parameters, seeds=seeds),
        "runs": Sweep(get_model("sim_net", data="minibatch", batch=batch, **static), parameters, seeds=seeds),
    }


def _shifts(raw: Raw, points: xr.Dataset) -> xr.Dataset:
    runs, quiet, batch = raw["runs"], raw["quiet"].learning_time, float(points["batch"].item())
    data = xr.Dataset({"squared_shift": (runs.learning_time - quiet) ** 2, "quiet_time": quiet.mean("seed")})
    data = data.assign_coords({name: runs[name] for name in ("mu", "sigma", "learning_rate")})
    return data.assign_coords(batch=batch, batches=float(2 * SAMPLES // batch), points=2.0 * SAMPLES)


PAIR: dict[str, Range | Choice] = {"mu": MU, "ratio": RATIO}
SMALL = Range(1e-3, 0.01, "factor on the start", log=True)
DEEP = {
    f"sim.learning_time_depth_{depth}": Trial(
        PAIR | {"init_scale": Range(low, 0.02, SMALL.doc, log=True), "depth": Choice((str(depth),), "layers")},
        _deep,
        _bound,
        seeds=40,
        points=16,
    )
    for depth, low in ((3, 0.005), (4, 0.01))
}
TRIALS = {
    "sim.learning_time_depth_2": Trial(PAIR | {"init_scale": SMALL}, _balanced, _bound, seeds=40, points=16),
    **DEEP,
    "sim.learning_time_untied_mean": Trial(
        PAIR | {"init_scale": SMALL, "width": Choice(("3", "8"), "units of the hidden layer")},
        _gaussian,
        _bound,
        seeds=400,
        points=16,
        kind=Statistical(estimator="mean"),
    ),
    "sim.minibatch_variance": Trial(
        PAIR
        | {
            "ratio": Range(0.6, 0.8, RATIO.doc),
            "init_scale": SMALL,
            "batch": Choice(("32", "128"), "points in a minibatch"),
        },
        _batches,
        _shifts,
        seeds=400,
        points=8,
        kind=Statistical(over=("seed", "concept"), estimator="mean"),
    ),
}
