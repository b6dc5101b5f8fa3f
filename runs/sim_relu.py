"""ReLU networks on minibatches in 64 dimensions: rate, order and slowing of learning, hierarchy of the losses."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Exponent, Statistical, styled
from toymodels.comparator.figures import colours
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.tasks.sim import parents, vertices

WIDTH = 64
RATE = 0.05
STRONG = np.array([1.4, 2.0, 3.0])
"""mu of the stronger concept; the weaker one has 1."""
SIGMA = 0.05
WEAK_A = 1 / 2 + SIGMA**2
STRONG_A = xr.DataArray(STRONG**2 / 2 + SIGMA**2, dims="strong")
SIZES = (0.1, 0.3)
"""Sizes of the start that are small; at 1 the entries are those of LeCun's start."""
STEPS = 300
THREE, THREE_STEPS = np.array([0.7, 1.7, 3.0]), 600


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Pairs of concepts from starts of three sizes; three concepts, one of them so weak that it comes late."""
    seeds = 40 if scale == "quick" else 200
    static = {
        "network": "relu",
        "d": WIDTH,
        "width": WIDTH,
        "data": "minibatch",
        "samples": 500,
        "init": "lecun",
        "rotation": True,
    }
    mu = np.stack([np.ones(len(STRONG)), STRONG], axis=-1)
    return {
        "pairs": Sweep(
            get_model("sim_net", record_every=STEPS, **static),
            {
                "mu": xr.DataArray(mu, dims=("strong", "concept"), coords={"strong": STRONG}),
                "sigma": [SIGMA, SIGMA],
                "learning_rate": RATE,
                "steps": STEPS,
                "init_scale": [*SIZES, 1.0],
            },
            seeds=seeds,
        ),
        "three": Sweep(
            get_model("sim_net", record_every=10, **static),
            {
                "mu": THREE,
                "sigma": np.full(3, SIGMA),
                "learning_rate": RATE,
                "steps": THREE_STEPS,
                "init_scale": [SIZES[0], 1.0],
            },
            seeds=seeds,
        ),
    }


def measure(raw: Data) -> Data:
    """Learning times by concept; the share of the hierarchy's edges that are in order, by time."""
    pairs = raw["pairs"][["learning_time", "mu", "sigma", "learning_rate"]].assign_coords(width=WIDTH)
    strong = pairs.sel(concept=2, init_scale=SIZES[0], drop=True).assign_coords(init_scale=SIZES[0])
    weak = pairs.learning_time.sel(concept=1, init_scale=1.0)
    three = raw["three"][["learning_time", "outputs", "test_loss"]]
    return {
        "strong": strong[["learning_time", "learning_rate"]].assign_coords(a=STRONG_A, rank=1),
        "small": pairs.sel(init_scale=SIZES[0]),
        "slowed": xr.Dataset({"slowed_time": weak / weak.sel(strong=STRONG[0], drop=True)}).assign_coords(a=WEAK_A),
        "pairs": pairs,
        "three": three.assign(ordered=_ordered(three.test_loss)),
    }


def _ordered(loss: xr.DataArray) -> xr.DataArray:
    """1 where loss(u) <= loss(v), for each pair u <= v of neighbours; without u = 0, whose loss is zero."""
    edges = [(u, v) for u, v in parents(len(THREE)).tolist() if u]
    kept = [(loss.isel(vertex=u, drop=True) <= loss.isel(vertex=v, drop=True)) for u, v in edges]
    digits = vertices(len(THREE))
    names = ["".join(map(str, digits[u])) + "-" + "".join(map(str, digits[v])) for u, v in edges]
    return xr.concat(kept, dim=xr.Variable("edge", names)).astype(float)


SIGNAL = {"mu": "mu", "sigma": "sigma"}
COMPARISONS = (
    Comparison(
        id="sim.relu_strong",
        claim="sim.learning_time_relu",
        data="strong",
        observable="learning_time",
        kind=Statistical(),
        margin=0.08,
        bind={name: name for name in ("a", "rank", "learning_rate", "init_scale", "width")},
        domain="the stronger of two concepts; minibatches of 128, 64 dimensions, 64 units; start of 0.1",
        x="strong",
    ),
    Comparison(
        id="sim.relu_signal_small",
        claim="sim.learning_time_inverse_signal",
        data="small",
        observable="learning_time",
        kind=Statistical(),
        margin=0.15,
        bind=SIGNAL,
        domain="both concepts, start of 0.1",
    ),
    Comparison(
        id="sim.relu_slowing",
        claim="sim.learning_time_inverse_signal",
        data="slowed",
        observable="slowed_time",
        kind=Exponent(along="strong", points=Statistical(censored="drop")),
        margin=0.1,
        bind={"a": "a"},
        domain="the weaker concept, mu = 1, from LeCun's start; the same start beside mu = 1.4 is the unit of time",
        constants={"time_per_signal": (0.05, 5.0)},
        expect="disagrees",
        reason="slowing: the same weak concept is learned later beside a stronger one",
    ),
)


def rates(data: Data) -> Figure:
    """Learning time times signal: constant if each concept kept its own time; and who is first."""
    pairs = data["pairs"]
    scaled = pairs.learning_time.clip(max=STEPS * RATE) * (pairs.mu**2 / 2 + pairs.sigma**2)
    with styled():
        figure = Figure(figsize=(7.2, 3.6), layout="constrained")
        panels = figure.subplots(1, 3, sharey=True)
        for panel, size in zip(panels, pairs.init_scale.values, strict=True):
            for concept, name, colour in zip((1, 2), ("weak", "strong"), colours(2), strict=True):
                seen = scaled.sel(init_scale=size, concept=concept)
                middle, low, high = (seen.quantile(q, "seed", method="nearest") for q in (0.5, 0.1, 0.9))
                panel.errorbar(STRONG, middle, [middle - low, high - middle], fmt="o", color=colour, label=name)
            if size < 1:
                given = {"a": STRONG_A, "rank": 1, "learning_rate": RATE, "init_scale": size, "width": WIDTH}
                law = get_claim("sim.learning_time_relu").predict(**given)
                panel.plot(STRONG, law * STRONG_A, "-", color="black", lw=1, label="law, strong")
            both = pairs.learning_time.sel(init_scale=size)
            first = (both.sel(concept=2) < both.sel(concept=1)).mean().item()
            panel.set(title=f"start {size:g}: strong first {first:.0%}", xlabel="mu of the strong concept")
        panels[0].set(ylabel="learning_time * a   (bars: 80 % of seeds)", ylim=(0, None))
        panels[0].legend(loc="lower right")
    return figure


def hierarchy(data: Data) -> Figure:
    """Outputs at the full test point, and the share of seeds in which each pair u <= v of losses is in order."""
    three = data["three"]
    time = three.step * RATE
    with styled():
        figure = Figure(figsize=(7.2, 5.4), layout="constrained")
        for row, size in zip(figure.subplots(2, 2, sharex=True), three.init_scale.values, strict=True):
            part = three.sel(init_scale=size)
            for p, mu, colour in zip(part.concept.values, THREE, colours(3), strict=True):
                share = part.outputs.isel(vertex=-1).sel(concept=p) / mu
                row[0].plot(time, share.median("seed"), "-", color=colour, label=f"mu = {mu:g}")
                row[0].fill_between(time, *share.quantile([0.1, 0.9], "seed"), color=colour, alpha=0.25, lw=0)
            for edge, colour in zip(part.edge.values, colours(len(part.edge)), strict=True):
                row[1].plot(time, part.ordered.sel(edge=edge).mean("seed"), "-", lw=1, color=colour, label=str(edge))
            always = part.ordered.min("step").mean().item()
            row[0].set(title=f"start {size:g}", ylabel="output / mu", ylim=(-0.1, 1.3))
            row[1].set(
                title=f"in order all the time: {always:.0%}", ylabel="share of seeds in order", ylim=(-0.03, 1.03)
            )
        row[0].set_xlabel("time (learning_rate * step)")
        row[1].set_xlabel("time (learning_rate * step)")
        row[0].legend(loc="lower right")
        row[1].legend(fontsize="x-small", ncol=3, title="loss(u) <= loss(v), digits: concepts 1, 2, 3")
    return figure


RELU = Experiment(
    name="sim.relu",
    title="ReLU networks: rate, order, slowing, hierarchy",
    caption=(
        "ReLU networks of one hidden layer, 64 dimensions and units, minibatches of 128, randomly rotated data. From a "
        "small start the strong concept is half learned when two linear layers would, starting from the share of the "
        "units that stay on; the weak one takes nearly as much in units of its own signal. From LeCun's start the weak "
        "concept is slowed by the strong one, the more the stronger that is. There losses keep the hierarchy's order "
        "nearly always, but the weak concept of three stays half learned at the full test point in many runs; from the "
        "small start it is late, and while it waits most pairs that involve it are out of order."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"sim.relu_rates": rates(data), "sim.relu_hierarchy": hierarchy(data)},
)
