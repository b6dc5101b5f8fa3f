"""Figures of the length and the turning of scale-invariant weights. See runs/adam_weight_norm.py."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from runs.experiment import Data
from theory.registry import get_claim
from toymodels.comparator.figures import colours, styled

PRINTED, CORRECTED = "printed law (update orthogonal to W)", "corrected law"
SECOND = "#f0803c"
SMALLEST = 0.005
"""1 - beta1 at the end of the axis."""


def figures(data: Data) -> Mapping[str, Figure]:
    """The two laws of |W|^2 and of the angle, |W|^2 in time, and where the corrected law stops."""
    with styled():
        return {
            "adam.weight_norm_laws": _laws(data["momentum"].sel(noise=1.0)),
            "adam.weight_norm_in_time": _in_time(data["history"]),
            "adam.weight_norm_limits": _limits(data),
        }


def _laws(runs: xr.Dataset) -> Figure:
    """|W|^2 in units of the printed law, and the angle per step, over beta1."""
    rest = np.geomspace(1.0, SMALLEST, 200)
    figure = Figure(figsize=(9.6, 4.0), layout="constrained")
    norm, turn = figure.subplots(1, 2)
    for colour, decay in zip(colours(runs.sizes["decay"]), runs.decay.values, strict=True):
        some = runs.sel(decay=decay)
        printed = some.learning_rate * some.mean_square_update / (2 * some.weight_decay)
        known = {"beta1": 1 - rest, "learning_rate": 1.0, "weight_decay": decay}
        unit = get_claim("adam.weight_norm_continuous").predict(mean_square_update=1.0, **known)
        law = get_claim("adam.weight_norm").predict(mean_square_update=1.0, **known) / unit
        norm.plot(rest, law, color=colour)
        _marks(norm, 1 - some.beta1, some.mean_square_norm / printed, colour, f"{decay:g}")
        turn.plot(rest, get_claim("adam.rotation").predict(**known), color=colour)
        turn.axhline(float(np.sqrt(2 * decay)), ls="--", color=colour, lw=1.2)
        _marks(turn, 1 - some.beta1, some.rms_turn, colour, f"{decay:g}")
    norm.axhline(1.0, ls="--", color="black", lw=1.2)
    for axis in (norm, turn):
        axis.set(xscale="log", yscale="log", xlim=(1.15, SMALLEST), xlabel="beta1")
        labels = (0.0, 0.5, 0.8, 0.9, 0.95, 0.99)
        axis.xaxis.set_major_locator(FixedLocator([1 - value for value in labels]))
        axis.xaxis.set_major_formatter(FixedFormatter([f"{value:g}" for value in labels]))
        axis.xaxis.set_minor_locator(NullLocator())
    norm.set(ylabel="|W|² 2 weight_decay/(learning_rate <|u|²>)", title="Norm over what the printed law says")
    turn.set(ylabel="angle per step (radian)", title="Turning of the weights")
    marks, names = norm.get_legend_handles_labels()
    styles = [norm.plot([], [], ls, color="black", label=label)[0] for ls, label in (("-", CORRECTED), ("--", PRINTED))]
    titled = [f"learning_rate weight_decay = {name}" for name in names]
    figure.legend(
        [*styles, *marks], [CORRECTED, PRINTED, *titled], loc="outside lower center", ncols=3, fontsize="small"
    )
    return figure


def _marks(axis: Axes, x: xr.DataArray, y: xr.DataArray, colour: object, label: str) -> None:
    """Median over all runs of an x, with bars from the least to the largest."""
    runs = [dim for dim in y.dims if dim not in x.dims]
    middle = y.median(runs)
    bars = np.abs(np.stack([middle - y.min(runs), y.max(runs) - middle]))
    axis.errorbar(x, middle, bars, fmt="o", ms=4.5, color=colour, label=label)


def _in_time(history: xr.Dataset) -> Figure:
    """|W|^2 of two starts, measured and as averages of the measured |u|^2."""
    figure = Figure(figsize=(9.6, 3.9), layout="constrained")
    axes = figure.subplots(1, history.sizes["beta1"], sharey=True, squeeze=False)[0]
    seen = history.isel(seed=0).sel(step=slice(1, None))
    names = ("learning_rate", "weight_decay", "beta1", "step", "initial_square_norm", "discounted_square_update")
    for axis, beta1 in zip(axes, seen.beta1.values, strict=True):
        for colour, start in zip((colours(2)[0], SECOND), seen.initial_norm.values, strict=True):
            run = seen.sel(beta1=beta1, initial_norm=start)
            axis.plot(
                run.step, run.square_norm, "o", ms=3, markevery=2, color=colour, label=f"AdamW, |W| = {start:g} first"
            )
            for claim, dashes, label in (
                ("adam.norm_history", "-", CORRECTED),
                ("adam.norm_history_continuous", "--", PRINTED),
            ):
                law = get_claim(claim).predict(**{name: run[name] for name in names})
                axis.plot(run.step, law, dashes, color=colour, lw=1.4, label=label if start > 1 else None)
        axis.set(yscale="log", xlabel="step", title=f"beta1 = {beta1:g}")
    axes[0].set_ylabel("|W|²")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    return figure


def _limits(data: Data) -> Figure:
    """Measured |W|^2 over the corrected law where that stops: axes as eigenvectors, varying noise, small beta2."""
    figure = Figure(figsize=(10.2, 3.9), layout="constrained")
    aligned, tail, beta2 = figure.subplots(1, 3)
    names = ("learning_rate", "weight_decay", "beta1", "mean_square_update")

    def over(runs: xr.Dataset, claim: str = "adam.weight_norm", *more: str) -> xr.DataArray:
        return runs.mean_square_norm / get_claim(claim).predict(**{name: runs[name] for name in (*names, *more)})

    for colour, beta1 in zip((colours(2)[0], SECOND), data["aligned"].beta1.values, strict=True):
        runs = data["aligned"].sel(beta1=beta1)
        _marks(aligned, runs.noise, over(runs), colour, f"beta1 = {beta1:g}")
        rest = over(runs, "adam.weight_norm_misfit", "mean_fresh_overlap").median("seed")
        aligned.plot(runs.noise, rest, "x", ls=":", color=colour, label="with measured <W, g/sqrt(v)>")
    aligned.set(xscale="log", yscale="log", xlabel="noise", title="Eigenvectors on the axes")
    aligned.set_ylabel("|W|² measured/corrected law")
    for colour, (beta1, own) in zip(
        colours(4), ((b1, b2) for b1 in data["tail"].beta1.values for b2 in data["tail"].beta2.values), strict=True
    ):
        runs = data["tail"].sel(beta1=beta1, beta2=own)
        _marks(tail, runs["tail"], over(runs), colour, f"beta1 = {beta1:g}, beta2 = {own:g}")
    tail.set(xlabel="tail (spread of log noise size)", title="Noise of varying size")
    for colour, beta1 in zip(colours(3), data["beta2"].beta1.values, strict=True):
        runs = data["beta2"].sel(beta1=beta1)
        _marks(beta2, 1 - runs.beta2, over(runs), colour, f"beta1 = {beta1:g}")
    beta2.set(xscale="log", xlabel="1 - beta2", title="v that forgets quickly")
    aligned.yaxis.set_major_locator(FixedLocator([1, 1.5, 2, 3]))
    aligned.yaxis.set_major_formatter(FixedFormatter(["1", "1.5", "2", "3"]))
    aligned.yaxis.set_minor_locator(NullLocator())
    for axis in (aligned, tail, beta2):
        axis.axhline(1.0, color="black", lw=1)
        axis.axhspan(0.95, 1.05, color="black", alpha=0.1, lw=0)
        axis.legend(fontsize="x-small")
    return figure
