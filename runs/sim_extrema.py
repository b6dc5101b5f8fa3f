"""Every minimum and bump of the test loss: the composite trajectory against training, for two to four concepts."""

from __future__ import annotations

import math

import numpy as np
import xarray as xr

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.sim_extrema_figures import figures
from theory.sim_extrema_points import turning_points
from toymodels.comparator import Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model

STEP = 0.004
"""learning_rate times the largest second moment: descent is later than the flow by about this share."""
FINE_STEP = 5e-4
"""The same where entries are compared at given times."""
LONG = 24.0
"""4 a_min time at the end of a run of the weakest concept that is drawn."""
WEAKEST = 0.15
"""Least second moment over the largest one."""
RECORDS = 1500
RISE = 1e-6
"""Share of the initial test loss by which it must rise to count."""
CONCEPTS = {"two": 2, "three": 3, "four": 4}
SCALES = {"two": (2e-3, 0.05), "three": (2e-3, 0.05), "four": (2e-3, 0.02)}
"""Sizes of starts. Of the larger ones of four concepts few are in the domain."""
TASKS, STARTS = 24, {"two": 20, "three": 20, "four": 40}
CORRELATION = 0.4
"""Of the rows of a start: without, few runs of two concepts swing by."""
PAPER = {"triple": ((1.0, 1.5, 2.2), (0.05, 0.05, 0.05)), "quadruple": ((1.0, 1.5, 2.2, 2.7), (0.05, 0.05, 0.05, 0.5))}
"""Strengths with which the test loss may descend three and four times; sigma_4 is large."""
MAP_RATIOS = (0.45, 0.95)
MAP_SCALES = (2e-3, 0.3)
CORRELATIONS = (0.0, 0.5, 0.9)
ENTRIES = {
    "entries": {"mu": (3.0, 2.0, 1.2), "init_scale": 0.01, "init_correlation": 0.3},
    "pair": {"mu": (2.0, 1.0), "init_scale": 0.01, "init_correlation": 0.3},
}
"""Tasks and starts of which every entry is followed; sigma = 0.05."""
TIMES = 6
"""At which they are compared."""
FEW = 0.03
"""Share of runs for which yes or no may be wrong, and of turning points that may be missed by more than told."""
SOME = 0.05
"""The same for the number of descents and the depth."""
TENTH = 0.1
"""Share of starts for which an entry may be off at any one time."""
CASES = ("case", "seed")
BIND = {name: name for name in ("initial_W", "mu", "sigma", "learning_rate")}
WITH_RISE = BIND | {"rise": "rise"}


def _drawn(name: str, cases: int) -> dict[str, object]:
    """Strengths and sizes of random tasks; the order of the concepts is random too."""
    concepts, sizes = CONCEPTS[name], SCALES[name]
    rng = np.random.default_rng(concepts)
    lowest = math.sqrt(WEAKEST)
    mu = np.exp(rng.uniform(math.log(lowest), 0.0, (cases, concepts)))
    mu[:, 0] = 1.0
    mu = rng.permuted(mu, axis=1) * np.exp(rng.uniform(0.0, 1.0, (cases, 1)))
    sigma = rng.uniform(0.0, 0.15, (cases, concepts)) * mu
    a = mu**2 / concepts + sigma**2
    return {
        "mu": (("case", "concept"), mu),
        "sigma": (("case", "concept"), sigma),
        "init_scale": ("case", np.exp(rng.uniform(math.log(sizes[0]), math.log(sizes[1]), cases))),
        "learning_rate": ("case", STEP / a.max(axis=1)),
        "steps": int(LONG / (4 * WEAKEST * STEP)),
        "init_correlation": CORRELATION,
    }


def _recorded(settings: dict[str, object], seeds: int, records: int = RECORDS, independent: bool = True) -> Sweep:
    """With `records` records, the last one at the last step."""
    stride = int(str(settings["steps"])) // records
    settings = settings | {"steps": stride * records}
    # Every task has starts of its own: runs are counted one by one.
    return Sweep(get_model("sim", record_every=stride), settings, seeds=seeds, independent=independent)


def _paper(name: str) -> dict[str, object]:
    mu, sigma = (np.array(values) for values in PAPER[name])
    a = mu**2 / len(mu) + sigma**2
    rate = STEP / a.max()
    steps = int(1.3 * LONG / (4 * a.min() * rate))
    return {"mu": mu, "sigma": sigma, "learning_rate": rate, "steps": steps, "init_scale": 1e-5,
            "init_correlation": 0.6}  # fmt: skip


def _entries(name: str) -> dict[str, object]:
    given = ENTRIES[name]
    mu = np.array(given["mu"])
    sigma = np.full(len(mu), 0.05)
    a = mu**2 / len(mu) + sigma**2
    rate = FINE_STEP / a.max()
    return {**given, "mu": mu, "sigma": sigma, "learning_rate": rate, "steps": int(13 / (4 * a.min() * rate))}


def _map(scale: Scale) -> Sweep:
    count, seeds = (12, 12) if scale == "quick" else (24, 60)
    ratio = np.linspace(*MAP_RATIOS, count)
    mu = np.stack([np.ones(count), ratio], axis=-1)
    rate = STEP / 0.5
    settings = {
        "mu": xr.DataArray(mu, dims=("ratio", "concept"), coords={"ratio": ratio}),
        "sigma": (0.05, 0.05),
        "learning_rate": rate,
        "steps": int(LONG / (4 * MAP_RATIOS[0] ** 2 / 2 * rate)),
        "init_scale": np.geomspace(*MAP_SCALES, count),
        "init_correlation": list(CORRELATIONS),
    }
    return Sweep(get_model("sim", record_every=int(str(settings["steps"]))), settings, seeds=seeds)


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Random tasks and starts of two, three and four concepts; the paper's strengths; a map; entries at given times."""
    tasks = TASKS if scale == "quick" else 4 * TASKS
    planned = {name: _recorded(_drawn(name, tasks), seeds=STARTS[name]) for name in CONCEPTS}
    planned |= {name: _recorded(_paper(name), seeds=24, independent=False) for name in PAPER}
    planned["map"] = _map(scale)
    planned |= {name: _recorded(_entries(name), seeds=160, records=TIMES) for name in ENTRIES}
    return planned


def turns_of(runs: xr.Dataset) -> xr.Dataset:
    """Times and heights of the turning points of each recorded run, and how often its loss descends."""
    loss = runs.test_loss.transpose(..., "step")
    count = 2 * (runs.sizes["concept"] - 1)
    lead = loss.shape[:-1]
    found = np.full((int(np.prod(lead)), count, 2), np.nan)
    descents = np.full(len(found), np.nan)
    stride = float(runs.step[1] - runs.step[0])
    for k, one in enumerate(loss.values.reshape(-1, loss.shape[-1])):
        if np.isfinite(one).all():
            points = turning_points(one, RISE * one[0])
            descents[k] = 1 + len(points) // 2
            found[k, : len(points)] = points[:count]
    dims = loss.dims[:-1]
    found = found.reshape(*lead, count, 2)
    return xr.Dataset(
        {
            "turning_time": xr.DataArray(found[..., 0] * stride, dims=(*dims, "turn")) * runs.learning_rate,
            "turning_height": xr.DataArray(found[..., 1], dims=(*dims, "turn")),
            "descents": xr.DataArray(descents.reshape(lead), dims=dims),
            "swings": xr.DataArray(np.where(np.isnan(descents), np.nan, descents > 1).reshape(lead), dims=dims),
        }
    )


def measure(raw: Data) -> Data:
    """Turning points with what the laws are evaluated on, yes or no over the map, entries at given times."""
    data = {}
    for name in (*CONCEPTS, *PAPER):
        runs = raw[name]
        kept = runs[["initial_W", "swing_depth"]].merge(turns_of(runs))
        if name in PAPER:
            kept["test_loss"] = runs.test_loss
        bound = {n: runs[n] for n in ("mu", "sigma", "learning_rate")}
        data[name] = kept.assign_coords(bound | {"rise": RISE})
    runs = raw["map"]
    data["map"] = runs[["initial_W"]].assign(swings=(runs.swing_depth > RISE).astype(float)).assign_coords(rise=RISE)
    for name in ENTRIES:
        entries = raw[name].isel(step=slice(1, None))
        data[name] = entries[["W", "initial_W"]].assign(time=entries.learning_rate * entries.step)
    strong, weak = ({"row": k, "column": k} for k in (0, 1))
    whole = data["pair"].W
    data["pair"] = data["pair"].assign(
        w_11=whole.isel(strong), w_12=whole.isel(row=0, column=1), w_22=whole.isel(weak)
    )  # fmt: skip
    for name in ("map", *ENTRIES):
        data[name] = data[name].assign_coords({n: raw[name][n] for n in ("mu", "sigma", "learning_rate")})
    return data


def _of_runs(
    claim: str, name: str, observable: str, margin: float, over: tuple[str, ...] = CASES, **kind: object
) -> Comparison:
    return Comparison(
        id=f"sim.{claim}_{name}",
        claim=f"sim.{claim}",
        data=name,
        observable=observable,
        kind=Statistical(over=over, estimator="misses", censored="drop", **kind),  # type: ignore[arg-type]
        margin=margin,
        bind=WITH_RISE,
        domain=f"{STARTS[name]} starts of every random task of {name} concepts",
    )


def _entry(claim: str, data: str, observable: str, scale: str, within: float, domain: str) -> Comparison:
    return Comparison(
        id=f"sim.{claim}",
        claim=f"sim.{claim}",
        data=data,
        observable=observable,
        kind=Statistical(estimator="misses", within=within, scale=scale),
        margin=TENTH,
        bind=BIND | {"time": "time"},
        domain=domain,
    )


TURNS = (*CASES, "turn")
COMPARISONS = (
    *(_of_runs("turning_time", name, "turning_time", FEW, TURNS, within=0.02) for name in CONCEPTS),
    *(_of_runs("turning_height", name, "turning_height", FEW, TURNS, within=0.05) for name in CONCEPTS),
    *(_of_runs("swing_depth", name, "swing_depth", SOME, within=1e-3, scale="linear") for name in ("two", "three")),
    *(_of_runs("swings_by", name, "swings", FEW, within=0.5, scale="linear") for name in ("two", "three")),
    *(_of_runs("descents", name, "descents", SOME, within=0.5, scale="linear") for name in ("three", "four")),
    _entry("trajectory_strong", "pair", "w_11", "relative", 0.05, "two concepts"),
    _entry("trajectory_cross", "pair", "w_12", "relative", 0.03, "two concepts"),
    _entry("trajectory_weak", "pair", "w_22", "relative", 0.05, "two concepts"),
    _entry("trajectory", "entries", "W", "linear", 0.003, "three concepts, every entry of W"),
)

EXTREMA = Experiment(
    name="sim.extrema",
    title="Every minimum and bump of the test loss",
    caption=(
        "Tied linear networks on two, three and four concepts of random strength from random starts. When the "
        "test loss turns, how high it is then, and how often it descends follow from the composite trajectory. "
        "With suitable strengths it descends three and four times."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: figures(data, WITH_RISE, tuple(CONCEPTS), tuple(PAPER)),
)
