"""Figures of k-Adam in training: accuracy and tuned rate by k and choice, curves of training."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from scipy import stats

from runs.experiment import Data
from toymodels.comparator import styled
from toymodels.comparator.figures import colours, readable_log_axis

MARKERS = "osD^"


def _bars(values: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Mean over seeds and the half-width of its 95 % interval."""
    count = values.sizes["seed"]
    return values.mean("seed"), stats.t.ppf(0.975, count - 1) * values.std("seed", ddof=1) / count**0.5


def accuracies(data: Data) -> Figure:
    """Test error and test loss at the tuned rate, and that rate, by k for each choice of the stage constants."""
    tuned = data["tuned"]
    last = tuned.isel(step=-1)
    panels = (
        ("test error", *_bars(1 - last.test_accuracy)),
        ("test loss (nat)", *_bars(last.test_loss)),
        ("tuned learning rate", tuned.tuned_rate, None),
    )
    with styled():
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        for axis, (label, middle, width) in zip(figure.subplots(1, len(panels)), panels, strict=True):
            for i, (choice, colour) in enumerate(zip(tuned.choice.values, colours(tuned.sizes["choice"]), strict=True)):
                # Side by side, else the bars hide each other.
                x = tuned.k.values + 0.09 * (i - 1.5)
                bars = None if width is None else width.sel(choice=choice)
                style = {"color": colour, "marker": MARKERS[i], "ls": "-", "lw": 0.8, "label": str(choice)}
                axis.errorbar(x, middle.sel(choice=choice), bars, **style)
                if width is None:
                    edge = tuned.at_the_edge.sel(choice=choice).values.astype(bool)
                    axis.plot(x[edge], middle.sel(choice=choice).values[edge], "x", color="black", ms=9)
            axis.set(xlabel="k, stages of the optimiser", ylabel=label, yscale="log", xticks=tuned.k.values)
            readable_log_axis(axis.yaxis)
        figure.legend(
            *axis.get_legend_handles_labels(),
            loc="outside lower center",
            ncols=4,
            title=f"stage constants; bars: 95 % of the mean over {tuned.sizes['seed']} fresh seeds; "
            "crosses: the tuned rate is at the end of the grid",
        )
    return figure


def curves(data: Data) -> Figure:
    """Training loss and test accuracy against steps at the tuned rates, one row of panels for each quantity."""
    tuned = data["tuned"]
    with styled():
        figure = Figure(figsize=(9.6, 4.8), layout="constrained")
        axes = figure.subplots(2, tuned.sizes["choice"], sharex=True, sharey="row")
        for column, choice in zip(axes.T, tuned.choice.values, strict=True):
            for k, colour in zip(tuned.k.values, colours(tuned.sizes["k"]), strict=True):
                for axis, name in zip(column, ("train_loss", "test_accuracy"), strict=True):
                    # Minibatch losses are means since the last record: there is none at step 0.
                    seen = tuned[name].sel(choice=choice, k=k).dropna("step", how="all")
                    axis.plot(seen.step, seen.mean("seed"), "o-", ms=3, lw=1, color=colour, label=f"k = {k}")
                    low, high = (seen.quantile(q, "seed").values for q in (0.1, 0.9))
                    axis.fill_between(seen.step, low, high, color=colour, alpha=0.2, lw=0)
            column[0].set(title=str(choice), yscale="log")
            column[1].set(xlabel="step", ylim=(float(np.nanmin(tuned.test_accuracy.isel(step=1))) - 0.05, 1.0))
        axes[0, 0].set_ylabel("training loss (nat)")
        axes[1, 0].set_ylabel("test accuracy")
        figure.legend(
            *axes[0, 0].get_legend_handles_labels(),
            loc="outside lower center",
            ncols=10,
            title="at the tuned rates; lines: mean over fresh seeds, bands: 80 % of seeds",
        )
    return figure
