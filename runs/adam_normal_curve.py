"""Adam along the curve that crosses the level sets of C at right angles: slopes after 500 steps."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.adam_slopes import ROUNDING
from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Bound, Exact, Statistical, styled
from toymodels.engine import Sweep
from toymodels.models import get_model

START = {"beta1_start": 0.9, "beta2_start": 0.999}
POINTS = 64
BETA1 = (0.898, 0.9995)
"""Almost all of the curve inside the unit square: it enters at beta1 = 0.8975 and leaves at beta2 = 0.9515."""
STEP = 500
EVERY = 10
WINDOW = 100
"""The slope at step 500 is the mean one from 450 to 550."""
SEEDS = {"adversarial": (1, 1), "embedding": (20, 100), "dense": (20, 100)}
"""At scale quick and full."""
MARKERS = dict(zip(SEEDS, "os^", strict=True))
MANY = (160, 1000)
"""Seeds of the embedding where it is unstable: one in six draws its leading token again while the slope is taken."""
SHOWN = (2, 40, 55, 61)
"""Points of the curve whose training is drawn."""
BIND = {"beta1": "beta1", "beta2": "beta2", "step": "step"}


def curve() -> tuple[np.ndarray, np.ndarray]:
    """beta1 and beta2 of the points."""
    beta1 = np.linspace(*BETA1, POINTS)
    return beta1, get_claim("adam.normal_curve").predict(beta1=beta1, **START)


def _sweep(problem: str, points: slice, seeds: int) -> Sweep:
    beta1, beta2 = (beta[points] for beta in curve())
    return Sweep(
        get_model("adam", problem=problem, record_every=EVERY),
        {"beta1": beta1, "beta2": ("beta1", beta2), "steps": STEP + WINDOW},
        seeds=seeds,
    )


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Three problems at the 64 points, and many embeddings at those where q = beta1^2/beta2 > 1."""
    full = scale == "full"
    planned = {problem: _sweep(problem, slice(None), seeds[full]) for problem, seeds in SEEDS.items()}
    beta1, beta2 = curve()
    return planned | {"silent": _sweep("embedding", slice(int(np.argmax(beta1**2 > beta2)), None), MANY[full])}


def slope_at(raw: xr.Dataset) -> xr.Dataset:
    """Central difference of the log of the largest update at step 500.

    Its error grows as the square of the window, so that the difference from the slope over twice the window is three
    times the error of a smooth curve.
    """
    narrow, wide = (
        (raw.log_max_update.sel(step=STEP + half) - raw.log_max_update.sel(step=STEP - half)) / (2 * half)
        for half in (WINDOW // 2, WINDOW)
    )
    found = xr.Dataset({"slope": narrow, "error": abs(wide - narrow) + 2 * ROUNDING / WINDOW})
    found.slope.attrs = {"long_name": f"slope of log max |u| at step {STEP}", "units": "1/step"}
    return found.assign_coords(step=STEP)


def measure(raw: Data) -> Data:
    """Slopes on the whole curve and on its unstable part, and the largest updates over all seeds."""
    slopes = {}
    for name, dataset in raw.items():
        found = slope_at(dataset)
        betas = {beta: found[beta] for beta in ("beta1", "beta2")}
        slopes[name] = found.assign_coords(index=get_claim("adam.stability_index").predict(**betas))
    slopes["adversarial"] = slopes["adversarial"].isel(seed=0)
    unstable = (slopes["dense"].beta1 ** 2 > slopes["dense"].beta2).values
    slopes |= {f"{name}_unstable": slopes[name].isel(beta1=unstable) for name in ("adversarial", "dense")}
    largest = [np.exp(raw[name].log_max_update.sel(step=slice(EVERY, None)).max("seed")) for name in SEEDS]
    bounds = xr.concat(largest, dim=xr.Variable("problem", list(SEEDS))).to_dataset(name="max_update")
    bounds["error"] = ROUNDING * bounds.max_update
    bounds.max_update.attrs = {"long_name": "largest |u| of all seeds", "units": "1"}
    return {**slopes, "bounds": bounds}


OVERLAY = {"xlabel": "C"}
NOT_SILENT = "gradients of a dense net are hardly ever exactly zero: no coordinate falls silent"
LIMITS = {
    "half_index": (
        "adam.growth_rate_continuous",
        "an update is no small time, and 500 steps are too few where 1 - beta1 < 1/100 or C is near 0",
    ),
    "rate": (
        "adam.growth_rate",
        "it is the limit; after 500 steps the correction of the bias still changes where 1 - beta1 < 1/100, and near "
        "the boundary the growth has hardly begun",
    ),
}
"""What the paper compares slopes with, and the exact rate."""
MEDIAN = Statistical(estimator="median", scale="relative")
COMPARISONS = (
    *(
        Comparison(
            id=f"adam.curve_{name}_bound",
            claim=f"adam.update_bound_{name}",
            data="bounds",
            observable="max_update",
            kind=Bound(scale="log"),
            margin=1e-9,
            bind=BIND,
        )
        for name in ("discrete", "continuous")
    ),
    Comparison(
        id="adam.curve_slope",
        claim="adam.bound_slope",
        data="adversarial",
        observable="slope",
        kind=Exact(scale="linear"),
        margin=1e-4,
        bind=BIND,
        x="index",
        overlay=OVERLAY,
    ),
    Comparison(
        id="adam.curve_slope_embedding",
        claim="adam.silent_slope",
        data="silent",
        observable="slope",
        kind=MEDIAN,
        margin=0.01,
        bind=BIND,
        rivals=("adam.growth_rate", "adam.growth_rate_continuous"),
        x="index",
        overlay=OVERLAY,
    ),
    Comparison(
        id="adam.curve_slope_dense",
        claim="adam.silent_slope",
        data="dense_unstable",
        observable="slope",
        kind=MEDIAN,
        margin=0.01,
        bind=BIND,
        mutants=False,
        expect="disagrees",
        reason=NOT_SILENT,
        x="index",
        overlay=OVERLAY,
    ),
    *(
        Comparison(
            id=f"adam.curve_{name}_{problem}",
            claim=claim,
            data=data,
            observable="slope",
            kind=kind,
            margin=0.01,
            bind=BIND,
            mutants=False,
            beyond_domain=True,
            expect="disagrees",
            reason=NOT_SILENT if problem == "dense" else reason,
            x="index",
            overlay=OVERLAY,
        )
        for name, (claim, reason) in LIMITS.items()
        for problem, data, kind in (
            ("adversarial", "adversarial_unstable", Exact(scale="relative")),
            ("embedding", "silent", MEDIAN),
            ("dense", "dense_unstable", MEDIAN),
        )
    ),
)


def slope_figure(data: Data) -> Figure:
    """Measured slopes at step 500 against C, with |C|/2, the exact rate and the exact slope after 500 steps."""
    fine = np.linspace(BETA1[0], BETA1[1], 800)
    line = {"beta1": fine, "beta2": get_claim("adam.normal_curve").predict(beta1=fine, **START)}
    index = get_claim("adam.stability_index").predict(**line)
    with styled():
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        whole, near = figure.subplots(1, 2)
        for axis in (whole, near):
            for claim, label, style in (
                ("adam.growth_rate_continuous", "|C|/2 where C < 0", "--"),
                ("adam.growth_rate", "log(beta1/sqrt(beta2)) where positive", ":"),
            ):
                rate = np.clip(get_claim(claim).predict(**line), 0, None)
                axis.plot(index, rate, style, color="black", lw=1.2, label=label)
            exact = get_claim("adam.bound_slope").predict(**line, step=STEP)
            axis.plot(index, exact, "-", color="black", lw=1.2, label="slope of the exact bound at step 500")
            for colour, (problem, marker) in enumerate(MARKERS.items()):
                slope = data[problem].slope
                label, middle, bars = problem, slope.values, None
                if "seed" in slope.dims:
                    label += " (median, 16 to 84 % of seeds)"
                    low, middle, high = slope.quantile([0.16, 0.5, 0.84], "seed").transpose("quantile", "beta1").values
                    bars = [middle - low, high - middle]
                axis.errorbar(
                    data[problem].index,
                    middle,
                    bars,
                    fmt=marker,
                    ms=4,
                    lw=0.8,
                    mfc="none",
                    color=f"C{colour}",
                    label=label,
                )
            axis.set(xlabel="stability index C (1/step)", ylabel="slope of log max |u| at step 500 (1/step)")
        near.set(xlim=(-0.052, 0.002), ylim=(-0.004, 0.027), title="beyond C = 0")
        whole.set(title="the whole curve")
        figure.legend(*whole.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def training_figure(data: Data) -> Figure:
    """Largest update over training beside both bounds, at some points of the curve."""
    beta1, beta2 = curve()
    with styled():
        figure = Figure(figsize=(9.6, 5.6), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        for axis, point in zip(axes.flat, SHOWN, strict=True):
            at = {"beta1": beta1[point], "beta2": beta2[point]}
            step = np.arange(EVERY, STEP + WINDOW + 1, EVERY)
            for name, style in (("discrete", "-"), ("continuous", "--")):
                bound = get_claim(f"adam.update_bound_{name}").predict(**at, step=step)
                axis.plot(step, bound, style, color="black", lw=1.2, label=f"bound, {name} time")
            for colour, (problem, marker) in enumerate(MARKERS.items()):
                update = data["bounds"].max_update.sel(problem=problem).isel(beta1=point)
                label = f"{problem} (largest of all seeds)"
                axis.plot(update.step, update, marker, ms=3, color=f"C{colour}", label=label)
            index = get_claim("adam.stability_index").predict(**at)
            axis.set(yscale="log", title=f"C = {index:+.3f} (beta1 = {at['beta1']:.4f}, beta2 = {at['beta2']:.4f})")
        for axis in axes[-1]:
            axis.set_xlabel("step")
        for axis in axes[:, 0]:
            axis.set_ylabel("largest |u|")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=5)
    return figure


NORMAL_CURVE = Experiment(
    name="adam.normal_curve",
    title="Growth of Adam's updates along the normal curve",
    caption=(
        "Slope of log max |u| at step 500 at 64 points of the curve beta1^3 + 2 beta2^3 = const through (0.9, 0.999), "
        "which crosses the level sets of C at right angles, for adversarial gradients, a long-tailed embedding and a "
        "dense net. The adversarial slope is that of the exact bound everywhere. In the unstable part the median "
        "embedding follows the law of a silent coordinate, whose correction of the bias matters at this step. Neither "
        "|C|/2 nor the exact rate, both of them limits, is that slope within 1 %. A dense net follows neither."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {
        "adam.normal_curve_slopes": slope_figure(data),
        "adam.normal_curve_training": training_figure(data),
    },
)
