"""Swing-by: from which starts the test loss falls, rises and falls again, and when."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Boundary, Statistical
from toymodels.comparator.figures import readable_log_axis, styled
from toymodels.engine import Sweep, run
from toymodels.models import get_model

PAIRS = {"2:1": (2.0, 1.0), "3:1": (3.0, 1.0), "1.5:1": (1.5, 1.0)}
SIGMA = (0.05, 0.05)
STEP = 0.002
"""learning_rate times the largest second moment: descent moves the edge by learning_rate a log(1/w)."""
LONG = 24.0
"""4 a_2 time at the end of a run."""
LOW, HIGH = 1e-3, 0.1
RISE = 1e-9
"""A rise above this share of the initial test loss counts; rounding stays far below."""
MAP_SCALES = (1e-4, 0.3)
MAP_RATIOS = (0.5, 0.95)
"""mu_2/mu_1 on the map; mu_1 = 1."""
SHARES = (0.05, 0.15, 0.25, 0.35)
"""Predicted shares that the map shows as lines."""

BIND = {
    "initial_W": "initial_W",
    "mu": "mu",
    "sigma": "sigma",
    "learning_rate": "learning_rate",
    "init_scale": "init_scale",
}


def _settings(mu: tuple[float, ...]) -> dict[str, object]:
    a = np.array(mu) ** 2 / len(mu) + np.array(SIGMA) ** 2
    rate = STEP / a.max()
    return {
        "mu": mu,
        "sigma": SIGMA,
        "learning_rate": rate,
        "steps": int(np.ceil(LONG / (4 * a.min() * rate))),
    }


MODEL = get_model("sim")


def _untrained(seeds: int) -> xr.Dataset:
    """Starts alone. They do not depend on the strengths of the concepts."""
    return run(Sweep(MODEL, {"steps": 0, "init_scale": LOW}, seeds=seeds), progress=False)


def _promising(starts: xr.Dataset, settings: dict[str, object], count: int) -> list[int]:
    """The first seeds whose predicted edge lies well inside the grid of scales."""
    law = get_claim("sim.swing_by_critical_scale").evaluate(
        {
            "initial_W": starts.initial_W,
            "init_scale": LOW,
            "learning_rate": settings["learning_rate"],
            "mu": ("concept", settings["mu"]),
            "sigma": ("concept", settings["sigma"]),
        }
    )
    inside = law.in_domain & (law.prediction > 1.5 * LOW) & (law.prediction < HIGH / 1.5)
    return [int(seed) for seed in starts.seed.values[inside.values][:count]]


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Per pair of strengths, starts along a fine grid of sizes; and many small starts."""
    count, grid = (8, 201) if scale == "quick" else (40, 401)
    starts = _untrained(40 * count)
    planned = {}
    for name, mu in PAIRS.items():
        settings = _settings(mu)
        planned[f"edge {name}"] = Sweep(
            MODEL,
            settings | {"init_scale": np.geomspace(LOW, HIGH, grid)},
            seeds=_promising(starts, settings, count),
        )
    planned["turning"] = Sweep(
        MODEL,
        _settings(PAIRS["2:1"]) | {"init_scale": [0.001, 0.003, 0.01]},
        seeds=1000 if scale == "quick" else 4000,
    )
    planned["map"] = _map(scale)
    return planned


def _map(scale: Scale) -> Sweep:
    """Starts of every sign and size, over strength ratios; all runs as long as the weakest concept needs."""
    count, seeds = (20, 50) if scale == "quick" else (32, 200)
    ratio = np.linspace(*MAP_RATIOS, count)
    mu = np.stack([np.ones(count), ratio], axis=-1)
    settings = _settings((1.0, MAP_RATIOS[0])) | {
        "mu": xr.DataArray(mu, dims=("ratio", "concept"), coords={"ratio": ratio}),
        "init_scale": np.geomspace(*MAP_SCALES, count),
    }
    return Sweep(get_model("sim", record_every=settings["steps"]), settings, seeds=seeds)


def _bracket(raw: xr.Dataset, pair: str) -> xr.Dataset:
    """Largest scale up to which a start swings by, and the next one, for each seed."""
    silent = (raw.swing_depth <= RISE).transpose("init_scale", "seed").values
    scales = np.concatenate([[0.0], raw.init_scale.values, [np.inf]])
    first = np.where(silent.any(0), silent.argmax(0), len(scales) - 2)
    count = raw.sizes["seed"]
    numbers = {"init_scale": scales[1], "learning_rate": _settings(PAIRS[pair])["learning_rate"], "rise": RISE}
    return xr.Dataset(
        {
            "lower": ("start", scales[first]),
            "upper": ("start", scales[first + 1]),
            "initial_W": (("start", "row", "column"), raw.initial_W.isel(init_scale=0).transpose("seed", ...).values),
            "mu": (("start", "concept"), np.tile(PAIRS[pair], (count, 1))),
            "sigma": (("start", "concept"), np.tile(SIGMA, (count, 1))),
            "pair": ("start", [pair] * count),
            **{name: ("start", np.full(count, value)) for name, value in numbers.items()},
        }
    )


def measure(raw: Data) -> Data:
    """Brackets of the edge, one per start, and times of minimum and bump."""
    edge = xr.concat([_bracket(raw[f"edge {pair}"], pair) for pair in PAIRS], dim="start").set_coords("pair")
    law = get_claim("sim.swing_by_minimum_time").evaluate({name: edge[name] for name in BIND if name != "init_scale"})
    edge = edge.assign_coords(excess=law.excess)
    return {"edge": edge, "turning": raw["turning"], "map": _answers(raw["map"])}


def _answers(raw: xr.Dataset) -> xr.Dataset:
    """Per run of the map: does it swing by, should it, and do all assumptions of the prediction hold."""
    law = get_claim("sim.swing_by_critical_scale").evaluate({name: raw[name] for name in BIND})
    # Without a prediction (w_12 of the wrong sign) no size swings by.
    return xr.Dataset(
        {
            "swings": raw.swing_depth > RISE,
            "should": law.prediction.fillna(0.0) > raw.init_scale,
            "in_domain": law.in_domain,
        }
    )


def phase_diagram(data: Data) -> Figure:
    """Share of starts that swing by over size and ratio of strengths, and where each answer is as predicted."""
    runs = data["map"].transpose("ratio", "init_scale", "seed")
    right = runs.swings == runs.should
    share, should, agreeing = (answer.mean("seed") for answer in (runs.swings, runs.should, right))
    valid = runs.ratio.values[runs.in_domain.any(("init_scale", "seed")).values].max()
    limit = valid + (runs.ratio.values[1] - runs.ratio.values[0]) / 2
    rim = [patheffects.Stroke(linewidth=2.8, foreground="black"), patheffects.Normal()]
    with styled():
        figure = Figure(figsize=(9.6, 4.4), layout="constrained")
        axes = figure.subplots(1, 2, sharex=True, sharey=True)
        for axis, values, bounds, label in (
            (axes[0], share, (0.0, 0.5), "measured share of runs with a rise > 1e-9 L(0)"),
            (axes[1], agreeing, (0.5, 1.0), "share of runs whose yes/no is predicted"),
        ):
            image = axis.pcolormesh(
                runs.init_scale, runs.ratio, values, vmin=bounds[0], vmax=bounds[1], cmap="viridis", rasterized=True
            )
            figure.colorbar(image, ax=axis, label=label)
            axis.set(xscale="log", xlabel="init_scale (standard deviation of the entries of U(0))")
            axis.grid(False)
            readable_log_axis(axis.xaxis)
        lines = axes[0].contour(runs.init_scale, runs.ratio, should, SHARES, colors="white", linewidths=1.4)
        lines.set_path_effects(rim)
        for text in axes[0].clabel(lines, fmt="%g", fontsize=8):
            text.set_path_effects(rim)
        axes[1].axhline(limit, color="white", ls="--", lw=1.4, path_effects=rim)
        axes[1].annotate(
            "below: assumptions can hold",
            (MAP_SCALES[0], limit),
            (6, -12),
            textcoords="offset points",
            color="white",
            fontsize=8,
            path_effects=rim,
        )
        axes[0].set(ylabel="mu_2/mu_1", title="Swings by: measured (colour)\nand predicted share (lines)")
        within = right.where(runs.in_domain)
        axes[1].set_title(
            f"Yes/no as predicted: {100 * float(right.mean()):.1f} % of runs,\n"
            f"{100 * float(within.mean()):.1f} % where all assumptions hold"
        )
    return figure


COMPARISONS = (
    Comparison(
        id="sim.swing_by_critical_scale",
        claim="sim.swing_by_critical_scale",
        data="edge",
        observable="init_scale",
        kind=Boundary(slack=0.0),
        margin=0.12,
        bind=BIND,
        x="excess",
        hue="pair",
        overlay={
            "xlabel": f"P, Q, R terms at init_scale = {LOW:g}: Q over what a rise needs",
            "ylabel": "largest init_scale that swings by",
            "xscale": "log",
            "yscale": "log",
        },
    ),
    Comparison(
        id="sim.swing_by_edge",
        claim="sim.swing_by_edge",
        data="edge",
        observable="init_scale",
        kind=Boundary(slack=0.0),
        margin=0.08,
        bind=BIND | {"rise": "rise"},
        rivals=("sim.swing_by_critical_scale",),
        x="excess",
        hue="pair",
        overlay={
            "xlabel": f"P, Q, R terms at init_scale = {LOW:g}: Q over what a rise needs",
            "ylabel": "largest init_scale that swings by",
            "xscale": "log",
            "yscale": "log",
        },
    ),
    *(
        Comparison(
            id=f"sim.swing_by_{which}_time",
            claim=f"sim.swing_by_{which}_time",
            data="turning",
            observable=f"swing_{'min' if which == 'minimum' else 'bump'}_time",
            kind=Statistical(),
            margin=0.03,
            bind={name: name for name in ("initial_W", "mu", "sigma", "learning_rate")},
            x="init_scale",
            overlay={"ylabel": f"time of the {which} of the test loss [time]"},
        )
        for which in ("minimum", "bump")
    ),
)

SWING_BY = Experiment(
    name="sim.swing_by",
    title="When the test loss swings by",
    caption=(
        "Tied linear network on two concepts. Started small and with the right sign of w_12, it first nears "
        "the untrained combination of concepts, turns away while w_12 falls, and returns when the weak "
        "concept is learned. Scaling a start up, the bump vanishes at the predicted size; minimum and bump "
        "come when predicted. The map counts a run as swinging by if its test loss rises by more than 1e-9 of "
        "its initial value; its prediction is used also where its assumptions fail."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"sim.swing_by_phase_diagram": phase_diagram(data)},
    core=True,
)
