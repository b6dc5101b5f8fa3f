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
LONG = 26.0
"""4 a_min time at the end of a run of the weakest concept that is drawn."""
WEAKEST = 0.12
"""Least second moment over the largest one."""
RECORDS = 1500
RISE = 1e-6
"""Share of the initial test loss by which it must rise to count."""
CONCEPTS = {"two": 2, "three": 3, "four": 4}
SCALES = (1e-3, 0.1)
CORRELATION = 0.4
"""Of the rows of a start: without, few runs of two concepts swing by."""
PAPER = {"triple": ((1.0, 1.5, 2.2), (0.05, 0.05, 0.05)), "quadruple": ((1.0, 1.5, 2.2, 2.7), (0.05, 0.05, 0.05, 0.5))}
"""Strengths with which the test loss may descend three and four times; sigma_4 is large."""
MAP_RATIOS = (0.45, 0.95)
MAP_SCALES = (1e-3, 0.3)
CORRELATIONS = (0.0, 0.5, 0.9)
ENTRIES_MU, ENTRIES_SIGMA = (3.0, 2.0, 1.2), (0.05, 0.05, 0.05)
BIND = {name: name for name in ("initial_W", "mu", "sigma", "learning_rate")}
WITH_RISE = BIND | {"rise": "rise"}


def _drawn(concepts: int, cases: int) -> dict[str, object]:
    """Strengths and sizes of random tasks; the order of the concepts is random too."""
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
        "init_scale": ("case", np.exp(rng.uniform(math.log(SCALES[0]), math.log(SCALES[1]), cases))),
        "learning_rate": ("case", STEP / a.max(axis=1)),
        "steps": int(LONG / (4 * WEAKEST * STEP)),
        "init_correlation": CORRELATION,
    }


def _recorded(settings: dict[str, object], seeds: int, records: int = RECORDS) -> Sweep:
    """With `records` records, the last one at the last step."""
    stride = int(str(settings["steps"])) // records
    return Sweep(get_model("sim", record_every=stride), settings | {"steps": stride * records}, seeds=seeds)


def _paper(name: str) -> dict[str, object]:
    mu, sigma = (np.array(values) for values in PAPER[name])
    a = mu**2 / len(mu) + sigma**2
    rate = STEP / a.max()
    steps = int(1.3 * LONG / (4 * a.min() * rate))
    return {"mu": mu, "sigma": sigma, "learning_rate": rate, "steps": steps, "init_scale": 1e-5,
            "init_correlation": 0.6}  # fmt: skip


def _entries() -> dict[str, object]:
    mu, sigma = np.array(ENTRIES_MU), np.array(ENTRIES_SIGMA)
    a = mu**2 / len(mu) + sigma**2
    rate = FINE_STEP / a.max()
    return {"mu": mu, "sigma": sigma, "learning_rate": rate, "steps": int(20 / (4 * a.min() * rate)),
            "init_scale": 0.01, "init_correlation": 0.3}  # fmt: skip


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
    factor = 1 if scale == "quick" else 4
    planned = {name: _recorded(_drawn(count, 100 * factor), seeds=8 - count) for name, count in CONCEPTS.items()}
    planned |= {name: _recorded(_paper(name), seeds=40) for name in PAPER}
    planned["map"] = _map(scale)
    planned["entries"] = _recorded(_entries(), seeds=40 * factor, records=16)
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
    entries = raw["entries"].isel(step=slice(1, None))
    data["entries"] = entries[["W", "initial_W"]].assign(time=entries.learning_rate * entries.step)
    for name in ("map", "entries"):
        data[name] = data[name].assign_coords({n: raw[name][n] for n in ("mu", "sigma", "learning_rate")})
    return data


def _of_runs(claim: str, name: str, estimator: str, margin: float, **more: object) -> Comparison:
    turns = claim.startswith("turning")
    return Comparison(
        id=f"sim.{claim}_{name}_{estimator}",
        claim=f"sim.{claim}",
        data=name,
        observable="swings" if claim == "swings_by" else claim,
        kind=Statistical(over=("case", "seed", *(["turn"] if turns else [])), estimator=estimator, censored="drop",
                         scale="log" if turns else "linear"),
        margin=margin,
        bind=WITH_RISE,
        domain=f"random strengths, starts and sizes, {name} concepts",
    )  # fmt: skip


COMPARISONS = (
    *(
        _of_runs(claim, name, estimator, 0.05)
        for claim in ("turning_time", "turning_height")
        for name in CONCEPTS
        for estimator in ("q5", "q95")
    ),
    *(_of_runs("descents", name, estimator, 0.3) for name in CONCEPTS for estimator in ("q5", "q95")),
    *(_of_runs("swings_by", name, estimator, 0.3) for name in CONCEPTS for estimator in ("q5", "q95")),
    Comparison(
        id="sim.trajectory",
        claim="sim.trajectory",
        data="entries",
        observable="W",
        kind=Statistical(scale="linear"),
        margin=0.01,
        bind=BIND | {"time": "time"},
        x="step",
        hue="row",
        overlay={"ylabel": "entries of W"},
    ),
)  # fmt: skip

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
