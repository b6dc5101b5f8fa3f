"""Untied linear networks: when they learn a concept, and how depth and dimension shape the bump of the test loss."""

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

MU = np.array([1.0, 2.0])
A = MU**2 / 2
RATE = 0.01
WIDTH = 32
"""Wide balanced starts are nearly diagonal: W(0) = scale^2 G G^T with 32 columns in G."""
STARTS = {2: (0.002, 0.006), 3: (0.01, 0.02), 4: (0.02, 0.03)}
"""Sizes of the start by depth."""
STEPS = {2: 1400, 3: 2000, 4: 1600}
"""Long enough for the weak concept from the smaller size."""
GAUSSIAN_WIDTHS, GAUSSIAN_SIZE, GAUSSIAN_STEPS = (3, 8), 0.003, 2800
DEPTHS, DIMENSIONS = (2, 3, 4), (2, 4, 8)
BUMP_SIZE, BUMP_SIGMA = 0.1, 0.05
BUMP_STEPS = {(2, 2): 1500, (3, 2): 3000, (4, 2): 3000, (3, 4): 2000, (3, 8): 1200}
"""By depth and dimension: three times as long as the median start needs for the weak concept."""


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Balanced starts of three depths; Gaussian starts of two layers; narrow starts of all depths and dimensions."""
    more = 1 if scale == "quick" else 10
    planned = {}
    for depth, sizes in STARTS.items():
        model = get_model(
            "sim_net", network="linear", depth=depth, width=WIDTH, init="balanced", record_every=STEPS[depth]
        )
        planned[f"depth {depth}"] = Sweep(
            model, _pair(0.0) | {"steps": STEPS[depth], "init_scale": list(sizes)}, seeds=60 * more
        )
    for width in GAUSSIAN_WIDTHS:
        model = get_model("sim_net", network="linear", depth=2, width=width, record_every=GAUSSIAN_STEPS)
        planned[f"gaussian {width}"] = Sweep(
            model, _pair(0.0) | {"steps": GAUSSIAN_STEPS, "init_scale": GAUSSIAN_SIZE}, seeds=1000 * more
        )
    for name, static, steps in _bumps():
        model = get_model("sim_net", **static, record_every=steps // 50)
        planned[name] = Sweep(model, _pair(BUMP_SIGMA) | {"steps": steps, "init_scale": BUMP_SIZE}, seeds=480 * more)
    return planned


def _pair(sigma: float) -> dict[str, object]:
    return {"mu": MU, "sigma": np.full(2, sigma), "learning_rate": RATE}


def _bumps() -> list[tuple[str, dict[str, object], int]]:
    """Name, static settings and steps: all depths in two dimensions, all dimensions at three layers."""
    static = {"network": "linear", "init": "balanced"}
    return [
        (f"bump {depth} {d}", static | {"depth": depth, "d": d, "width": d}, steps)
        for (depth, d), steps in BUMP_STEPS.items()
    ]


def measure(raw: Data) -> Data:
    """Learning times with their starts; depths of the bump."""
    data = {
        f"depth {depth}": raw[f"depth {depth}"][["learning_time", "initial_W"]].assign_coords(depth=depth)
        for depth in STARTS
    }
    widths = xr.Variable("width", list(GAUSSIAN_WIDTHS))
    gaussian = [raw[f"gaussian {width}"][["learning_time"]] for width in GAUSSIAN_WIDTHS]
    by_depth = [raw[f"bump {depth} 2"][["swing_depth"]] for depth in DEPTHS]
    by_dimension = [raw[f"bump 3 {d}"][["swing_depth"]] for d in DIMENSIONS]
    return data | {
        "gaussian": xr.concat(gaussian, dim=widths),
        "by depth": xr.concat(by_depth, dim=xr.Variable("depth", list(DEPTHS))),
        "by dimension": xr.concat(by_dimension, dim=xr.Variable("dimension", list(DIMENSIONS))),
    }


BIND = {name: name for name in ("initial_W", "mu", "sigma", "learning_rate")}


def _deep(depth: int) -> Comparison:
    return Comparison(
        id=f"sim.learning_time_depth_{depth}",
        claim="sim.learning_time_deep" if depth > 2 else "sim.learning_time_untied",
        data=f"depth {depth}",
        observable="learning_time",
        kind=Statistical(),
        margin=0.02,
        bind=BIND | ({"depth": "depth"} if depth > 2 else {}),
        domain=f"{depth} balanced layers of width 32, two concepts",
        x="init_scale",
        hue="concept",
    )


COMPARISONS = (
    *(_deep(depth) for depth in STARTS),
    Comparison(
        id="sim.learning_time_untied_mean",
        claim="sim.learning_time_untied_mean",
        data="gaussian",
        observable="learning_time",
        kind=Statistical(estimator="mean"),
        margin=0.02,
        bind={name: name for name in ("mu", "sigma", "learning_rate", "init_scale", "width")},
        domain="two layers from independent Gaussian starts: not balanced, nor symmetric",
    ),
    Comparison(
        id="sim.swing_depth_with_depth",
        claim="sim.swing_depth_alike",
        data="by depth",
        observable="swing_depth",
        kind=Exponent(along="depth", points=Statistical(estimator="mean")),
        margin=0.3,
        bind={},
        constants={"typical_swing": (1e-4, 1.0)},
        domain="two dimensions, the same W(0) at all depths",
        expect="disagrees",
        reason="the bump deepens with depth: the exponent is positive",
    ),
    Comparison(
        id="sim.swing_depth_with_dimension",
        claim="sim.swing_depth_alike",
        data="by dimension",
        observable="swing_depth",
        kind=Exponent(along="dimension", points=Statistical(estimator="mean")),
        margin=0.3,
        bind={},
        constants={"typical_swing": (1e-4, 1.0)},
        domain="three layers",
        expect="disagrees",
        reason="the bump shrinks with dimension: the exponent is negative",
    ),
)


def bumps(data: Data) -> Figure:
    """Depth of the bump by depth and by dimension: means over all starts with 95 % intervals, and every start."""
    with styled():
        figure = Figure(figsize=(7.2, 3.4), layout="constrained")
        panels = figure.subplots(1, 2, sharey=True)
        cases = (("depth", "layers (2 dimensions)"), ("dimension", "dimensions (3 layers)"))
        for panel, (along, label), colour in zip(panels, cases, colours(2), strict=True):
            depth = data[f"by {along}"].swing_depth
            rng = np.random.default_rng(0)
            for n, x in enumerate(depth[along].values):
                seen = depth.sel({along: x}).values
                means = rng.choice(seen, (2000, len(seen))).mean(axis=1)
                low, high = np.quantile(means, [0.025, 0.975])
                panel.plot(n + rng.uniform(0.08, 0.3, len(seen)), seen, ".", ms=3, color=colour, alpha=0.6)
                middle = seen.mean()
                panel.errorbar(n, middle, [[middle - low], [high - middle]], fmt="o", color="black", capsize=3)
                panel.annotate(f"{middle:.2g}", (n - 0.08, middle), ha="right", va="center", fontsize="small")
            panel.set(xticks=range(len(depth[along])), xticklabels=depth[along].values, xlabel=label, xlim=(-0.5, 2.5))
        panels[0].set(ylabel="rise of the test loss / first loss", ylim=(0, 0.5))
        panels[0].set_yscale("symlog", linthresh=1e-3)
    return figure


def times(data: Data) -> Figure:
    """Measured against predicted learning times of all depths."""
    with styled():
        figure = Figure(figsize=(4.4, 3.8), layout="constrained")
        panel = figure.subplots()
        ends = []
        for depth, colour in zip(STARTS, colours(len(STARTS)), strict=True):
            case = data[f"depth {depth}"]
            given = {name: case[name] for name in BIND} | ({"depth": depth} if depth > 2 else {})
            claim = "sim.learning_time_deep" if depth > 2 else "sim.learning_time_untied"
            law = get_claim(claim).predict(**given).transpose(*case.learning_time.dims)
            panel.plot(law.values.ravel(), case.learning_time.values.ravel(), ".", ms=3, color=colour)
            panel.plot([], [], "o", color=colour, label=f"{depth} layers")
            ends += [float(law.min()), float(law.max())]
        panel.plot([min(ends), max(ends)], [min(ends), max(ends)], "-", color="black", lw=1, label="law")
        panel.set(xscale="log", yscale="log", xlabel="predicted learning_time", ylabel="measured learning_time")
        panel.legend()
    return figure


DEPTH = Experiment(
    name="sim.depth",
    title="Untied linear networks: learning times and the bump",
    caption=(
        "Untied linear networks f(x) = x W_1 ... W_L on two concepts. Two layers take the law of the tied network at "
        "half the speed, for balanced and for Gaussian starts; from three layers on a concept grows as a power of time "
        "first, and is half learned when the law of depth L says so. In about half of the starts "
        "the test loss rises again (bars: mean over all starts): from one W(0) the further the deeper the network, and "
        "less in more dimensions."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"sim.depth_times": times(data), "sim.bumps": bumps(data)},
)
