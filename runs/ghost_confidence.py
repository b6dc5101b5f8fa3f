"""Loss and gradient over r and confidence, the best confidence, and the escape from the no-learning zone."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.colors import SymLogNorm
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.ghost_onset import unit_r
from runs.trial import POINT, Range, Trial
from theory.registry import get_claim
from toymodels.comparator import Exact, styled
from toymodels.engine import Sweep
from toymodels.models import get_model

PUBLISHED = {"T": 100.0, "threshold": 10.0}
LENGTHS = np.array([37.0, 160.0])
OFFSETS = np.array([0.7, 1.3, 2.0])
"""Confidence times threshold."""
RHO_ABOVE, RHO_BELOW = np.array([1.1, 1.7, 4.0, 15.0]), np.array([0.3, 0.5, 0.9])
NEAR = np.linspace(-4e-3, 4e-3, 81)
"""Distance from r* within which the least loss is looked for, relative."""
Z = np.geomspace(0.5, 8, 81)
FINE = 2
RATE = 3e-4
"""learning_rate confidence S (1 - S) T^4: some 400 steps to escape."""
CROWD = 1.8 * np.exp(np.linspace(-0.25, 0.25, 15))
"""Confidences times threshold around the fastest escape."""


def rest(offset: Any) -> Any:
    """S, the output at x = 0."""
    return 1 / (1 + np.exp(offset))


def escaping(T: xr.DataArray, threshold: xr.DataArray, offset: xr.DataArray, scale: float) -> dict[str, Any]:
    """Parameters of training from r = 0; `scale` = learning_rate confidence S (1 - S) T^4."""
    confidence = offset / threshold
    rate = scale / (confidence * rest(offset) * (1 - rest(offset)) * T**4)
    steps = int(np.ceil(0.5 / scale))
    return {"confidence": confidence, "learning_rate": rate, "r0_mean": 0.0, "r0_spread": 0.0, "steps": steps}


def _axis(name: str, values: np.ndarray) -> xr.DataArray:
    return xr.DataArray(values, dims=name, coords={name: values})


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Single windows over (r, confidence); windows at lengths, thresholds and confidences of their own; escapes."""
    quick = scale == "quick"
    rho = np.linspace(-1.5, 3.0, 91 if quick else 361)
    confidences = np.geomspace(0.005, 3, 49 if quick else 193)
    still = {"r0_spread": 0.0, "steps": 0}
    planned: dict[str, Sweep] = {
        "map": Sweep(
            get_model("ghost"),
            {**PUBLISHED, **still, "r0_mean": rho * unit_r(PUBLISHED["T"]), "confidence": confidences},
            seeds=1,
        )
    }
    for refine in (1, FINE):
        model = get_model("ghost", refine=refine)
        for name, ratios, threshold in (
            ("above", RHO_ABOVE, 70.0), ("below", RHO_BELOW, 70.0), ("least", 1 + NEAR, 2000.0)
        ):  # fmt: skip
            starts = xr.DataArray(ratios * unit_r(LENGTHS)[:, None], dims=("T", "rho"), coords={"rho": ratios})
            planned[f"{name}_{refine}"] = Sweep(
                model,
                {"T": LENGTHS, "threshold": threshold, "confidence": OFFSETS / threshold, "r0_mean": starts, **still},
                seeds=1,
            )
        thresholds = np.array([3.0, 30.0])
        planned[f"rest_{refine}"] = Sweep(
            model,
            {
                "T": LENGTHS,
                "threshold": thresholds,
                "confidence": (("threshold", "offset"), Z / thresholds[:, None]),
                "r0_mean": 0.0,
                **still,
            },
            seeds=1,
        )
    model, thresholds = get_model("ghost", record_every=1), np.array([10.0, 40.0])
    for name, lengths, offsets, rate in (
        ("escape", np.array([50.0, 200.0]), np.array([0.5, 1.0, 1.83, 3.0, 5.0, 10.0]), RATE),
        ("crowd", np.array([50.0]), CROWD, RATE / 8),
    ):
        training = escaping(_axis("T", lengths), _axis("threshold", thresholds), _axis("offset", offsets), rate)
        planned[name] = Sweep(model, {"T": lengths, "threshold": thresholds, **training}, seeds=1)
    return planned


def _window(raw: Data, name: str, observable: str) -> xr.Dataset:
    """The window at the fine step, with the difference to the coarse one as error."""
    coarse, fine = (raw[f"{name}_{refine}"][observable].isel(seed=0, step=0, drop=True) for refine in (1, FINE))
    data = fine.to_dataset(name=observable).assign(error=abs(fine - coarse))
    return data.assign_coords(r=data.r0_mean)


def least(raw: Data) -> xr.Dataset:
    """Least loss over the grid of r around r*; between its points it may be lower by half a spacing's rise."""
    windows = _window(raw, "least", "loss")
    least = windows.loss.min("rho").to_dataset(name="least_loss")
    gap = (NEAR[1] - NEAR[0]) / 2 * windows["T"] / 2
    return least.assign(error=windows.error.max("rho") + gap)


def steepest(rest: xr.Dataset, offsets: np.ndarray) -> xr.Dataset:
    """The confidence of the most negative slope, by a parabola through the three lowest points of each line."""
    size = np.log(-rest.gradient.transpose(..., "offset"))
    top = size.argmax("offset").clip(1, len(offsets) - 2)
    left, middle, right = (size.isel(offset=top + k).drop_vars("offset", errors="ignore") for k in (-1, 0, 1))
    shift = (left - right) / (2 * (left - 2 * middle + right))
    spacing = np.log(offsets[1] / offsets[0])
    z = np.exp(np.log(xr.DataArray(offsets, dims="offset").isel(offset=top)) + shift * spacing)
    best = (z / rest.threshold).rename("best_confidence").drop_vars("confidence", errors="ignore")
    # The cubic term that a parabola leaves out is of the order of the squared spacing.
    return best.to_dataset().assign(error=best * spacing**2)


def escaped(runs: xr.Dataset) -> xr.Dataset:
    """First step at which x passes the threshold within the window: known to a step, half of one early on average."""
    passed = np.isfinite(runs.activation_time)
    first = runs.step.where(passed).min("step") - 0.5
    first = first.isel(seed=0, drop=True).rename("escape_step")
    return first.to_dataset().assign(error=xr.full_like(first, 0.5))


def fastest(raw: xr.Dataset) -> xr.Dataset:
    """Minimum of learning_rate * steps over confidence, by a polynomial of degree 4 in the logarithm."""
    runs = escaped(raw)
    spent = np.log(runs.escape_step * runs.learning_rate).transpose(..., "offset")
    at = np.log(CROWD / 1.8)
    dense = np.linspace(at[0], at[-1], 20_001)

    def lowest(values: np.ndarray) -> float:
        return 1.8 * float(np.exp(dense[np.polyval(np.polyfit(at, values, 4), dense).argmin()]))

    z = xr.apply_ufunc(lowest, spent, input_core_dims=[["offset"]], vectorize=True)
    best = (z / raw.threshold).rename("best_confidence")
    # Half a step in 4000 shifts the minimum by 2e-4.
    return best.to_dataset().assign(error=1e-3 * best)


def measure(raw: Data) -> Data:
    """Slopes, least losses, best confidences and escapes with their numerical errors; the map for the figure."""
    at_rest = _window(raw, "rest", "gradient")
    return {
        "map": raw["map"][["loss", "gradient"]].isel(seed=0, step=0, drop=True),
        "above": _window(raw, "above", "gradient"),
        "below": _window(raw, "below", "gradient"),
        "least": least(raw),
        "rest": at_rest,
        "best": steepest(at_rest, Z),
        "escape": escaped(raw["escape"]),
        "fastest": fastest(raw["crowd"]),
    }


OUTPUT = {"T": "T", "threshold": "threshold", "confidence": "confidence"}
ESCAPE = {**OUTPUT, "learning_rate": "learning_rate"}


def _escapes(points: xr.Dataset, seeds: object, fine: int) -> dict[str, Sweep]:
    training = escaping(points["T"], points.threshold, points.offset, RATE)
    return {
        "escape": Sweep(
            get_model("ghost", record_every=1, refine=fine),
            {
                "T": (POINT, points["T"].values),
                "threshold": (POINT, points.threshold.values),
                **training,
                "confidence": (POINT, training["confidence"].values),
                "learning_rate": (POINT, training["learning_rate"].values),
            },
            seeds=1,
        )
    }


ESCAPING = Trial(
    {
        "T": Range(30.0, 300.0, "length of the silent half of the window", log=True, default=100.0),
        "threshold": Range(8.0, 100.0, "x at which the output is 1/2", log=True, default=10.0),
        "offset": Range(0.3, 12.0, "confidence times threshold", log=True, default=2.0),
    },
    _escapes,
    lambda raw, points: escaped(raw["escape"]).assign_coords(
        T=points["T"], threshold=points.threshold, confidence=points.offset / points.threshold
    ),
    points=32,
)

COMPARISONS = (
    *(
        Comparison(
            id=f"ghost.slope_{side}_unseen",
            claim=f"ghost.slope_{side}",
            data=side,
            observable="gradient",
            kind=Exact(scale="relative"),
            margin=0.01,
            bind={**OUTPUT, "r": "r"},
            domain="threshold 70, T = 37 and 160, confidence threshold from 0.7 to 2",
            rivals=("ghost.sharp_slope",),
            x="rho",
            hue="T",
            map_axes=("rho", "confidence"),
        )
        for side in ("above", "below")
    ),
    Comparison(
        id="ghost.least_loss",
        claim="ghost.least_loss",
        data="least",
        observable="least_loss",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind=OUTPUT,
        domain="threshold 2000, T = 37 and 160, confidence threshold from 0.7 to 2",
        x="confidence",
        hue="T",
    ),
    Comparison(
        id="ghost.slope_at_bifurcation_unseen",
        claim="ghost.slope_at_bifurcation",
        data="rest",
        observable="gradient",
        kind=Exact(scale="relative"),
        margin=1e-4,
        bind=OUTPUT,
        domain="threshold 3 and 30, T = 37 and 160, confidence threshold from 0.5 to 8",
    ),
    Comparison(
        id="ghost.best_confidence_unseen",
        claim="ghost.best_confidence",
        data="best",
        observable="best_confidence",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={"threshold": "threshold"},
        domain="threshold 3 and 30, T = 37 and 160",
        x="threshold",
        hue="T",
    ),
    Comparison(
        id="ghost.escape_step",
        claim="ghost.escape_step",
        data="escape",
        observable="escape_step",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind=ESCAPE,
        domain="start at r = 0, threshold 10 and 40, T = 50 and 200, confidence threshold from 0.5 to 10",
        rivals=("ghost.escape_step_constant",),
        trial=ESCAPING,
    ),
    Comparison(
        id="ghost.escape_step_constant",
        claim="ghost.escape_step_constant",
        data="escape",
        observable="escape_step",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind=ESCAPE,
        domain="start at r = 0, threshold 10 and 40, T = 50 and 200, confidence threshold from 0.5 to 10",
        expect="disagrees",
        reason="the slope grows on the way to the end of the zone and diverges there",
        trial=ESCAPING,
    ),
    Comparison(
        id="ghost.best_escape_confidence",
        claim="ghost.best_escape_confidence",
        data="fastest",
        observable="best_confidence",
        kind=Exact(scale="relative"),
        margin=0.005,
        bind={"threshold": "threshold"},
        domain="threshold 10 and 40, T = 50",
        rivals=("ghost.best_confidence",),
    ),
)


@styled()
def map_figure(data: Data) -> Figure:
    """Loss and gradient over (confidence, r), with the zone's edge, the optimum and the best confidence."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    grid, unit = data["map"], float(unit_r(PUBLISHED["T"]))
    rho, confidence = grid.r0_mean.values / unit, grid.confidence.values
    loss = grid.loss.transpose("r0_mean", "confidence").values
    shown = left.pcolormesh(confidence, rho, loss / PUBLISHED["T"], shading="nearest", cmap="viridis", rasterized=True)
    figure.colorbar(shown, ax=left, label="L/T")
    slope = grid.gradient.transpose("r0_mean", "confidence").values * unit / PUBLISHED["T"]
    norm = SymLogNorm(1e-5, vmin=-1, vmax=1, base=10)
    shown = right.pcolormesh(confidence, rho, slope, norm=norm, shading="nearest", cmap="PuOr_r", rasterized=True)
    bar = figure.colorbar(shown, ax=right, label="(r*/T) dL/dr")
    bar.set_ticks([-1, -1e-2, -1e-4, 0, 1e-4, 1e-2, 1])
    best = get_claim("ghost.best_confidence").predict(threshold=PUBLISHED["threshold"])
    for axes, title in ((left, "Loss"), (right, "Its slope")):
        axes.axhline(1, color="k", lw=1, label="r*, sharp optimum")
        axes.axhline(0.25, color="k", lw=1, ls="--", label="r*/4, end of the no-learning zone")
        axes.axhline(0, color="k", lw=1, ls=":", label="bifurcation")
        axes.axvline(best, color="crimson", lw=1, label="best confidence at r = 0")
        axes.set(xscale="log", xlabel="confidence (time)", title=title)
    left.set_ylabel("r/r*")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


@styled()
def escape_figure(data: Data) -> Figure:
    """Steps to escape over confidence, in units in which all lengths and thresholds coincide."""
    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.subplots()
    offsets = np.geomspace(0.35, 12, 200)
    for claim, style in (("ghost.escape_step", "-"), ("ghost.escape_step_constant", "--")):
        one: dict[str, Any] = {"T": 1000.0, "threshold": 10.0, "confidence": offsets / 10, "learning_rate": 1e-14}
        count = get_claim(claim).evaluate({k: xr.DataArray(v, dims="z") if np.ndim(v) else v for k, v in one.items()})
        label = "law" if style == "-" else "rival: slope as at r = 0"
        axes.plot(offsets, count.prediction * one["learning_rate"] * one["T"] ** 4 / 10, f"k{style}", label=label)
    runs = data["escape"]
    for T in runs["T"].values:
        for threshold, mark in zip(runs.threshold.values, "os", strict=True):
            some = runs.sel(T=T, threshold=threshold)
            size = some.escape_step * some.learning_rate * T**4 / threshold
            axes.plot(some.offset, size, mark, ms=4, fillstyle="none", label=f"T = {T:g}, threshold {threshold:g}")
    best = get_claim("ghost.best_escape_confidence").predict(threshold=1.0)
    axes.axvline(best, color="crimson", lw=1, label=f"fastest: {best:.2f}")
    axes.set(
        xscale="log", yscale="log", xlabel="confidence × threshold",
        ylabel="steps × learning rate × T$^4$/threshold", title="Escape from r = 0",
    )  # fmt: skip
    axes.legend()
    return figure


EXPERIMENTS = (
    Experiment(
        name="ghost.confidence",
        title="What confidence does to the loss, its slope, and the escape from the no-learning zone",
        caption=(
            "Loss and slope over r and confidence at T = 100 and threshold 10, by differentiating the integration. "
            "A sharp output has no slope below r*/4; a soft one has, steepest at r = 0 where confidence times "
            "threshold is 1.855. The laws for the slope above and below r*, for the least loss and for r = 0 are "
            "judged at lengths, thresholds and confidences of their own. Training that starts at r = 0 escapes "
            "after a predicted number of steps, fastest at 1.83: at threshold 10 some 400 times faster than at "
            "confidence 1."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
        figures=lambda data: {"ghost.confidence_map": map_figure(data), "ghost.escape": escape_figure(data)},
    ),
)
