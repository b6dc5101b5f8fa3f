"""Figures of runs/adam_trajectories.py: the paths themselves, and their distances against the learning rate."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runs.experiment import Data
from theory.registry import get_claim
from toymodels.comparator import styled

LOOKS = {
    "first": ("C0", "-", "o", "first order"),
    "second": ("C1", "-", "s", "second order"),
    "first_decay": ("C0", ":", "^", "first order, rates -log(beta)"),
    "second_decay": ("C1", ":", "v", "second order, rates -log(beta)"),
    "midpoint": ("C2", "-", "D", "averages half an update ahead"),
    "midpoint_decay": ("C2", ":", "P", "the same, rates -log(beta)"),
}
SHOWN = ("first", "second", "midpoint")


def figures(data: Data) -> Mapping[str, Figure]:
    """Overlay of trajectories; distance against learning rate in both limits."""
    return {"adam.trajectories_overlay": overlay(data["overlay"]), "adam.trajectories_orders": orders(data)}


def overlay(raw: xr.Dataset) -> Figure:
    """theta of a quadratic in two dimensions, without and with weight decay, and how far each system is from it."""
    with styled():
        figure = Figure(figsize=(10.0, 5.4), layout="constrained")
        axes = figure.subplots(2, 2, sharex=True)
        for column, decay in enumerate(raw.weight_decay.values):
            _column(axes[:, column], raw.sel(weight_decay=decay).isel(seed=0), float(decay))
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=5)
    return figure


def _column(axes: np.ndarray, run: xr.Dataset, decay: float) -> None:
    step = run.step.values[1:]
    given = {name: run[name] for name in ("initial_theta", "beta1", "beta2", "learning_rate")} | {
        "weight_decay": decay, "hessian": run.sample_hessian, "step": xr.DataArray(step, dims="step"),
    }  # fmt: skip
    top, bottom = axes
    for k, mark in enumerate("ox"):
        top.plot(run.step[::3], run.theta.isel(coordinate=k)[::3], mark, color="0.35", ms=4, label=f"Adam, theta_{k}")
    for system in SHOWN:
        colour, dashes, _, label = LOOKS[system]
        law = get_claim(f"adam.flow_{system}").predict(**given).transpose("step", "coordinate")
        top.plot(step, law, dashes, color=colour, lw=1.2, label=[label, "_"])
        apart = np.sqrt(((run.theta.isel(step=slice(1, None)).values - law.values) ** 2).sum(-1))
        bottom.semilogy(step, apart, dashes, color=colour, lw=1.2)
    top.set(title=f"weight decay {decay:g}", ylabel="theta")
    bottom.set(xlabel="step", ylabel="distance to Adam")


def orders(data: Data) -> Figure:
    """Distance to each system against the learning rate; grey: slopes 1 and 2."""
    panels = (
        ("time", "memory of a fixed time (quadratic)"),
        ("net", "memory of a fixed time (net)"),
        ("steps", "fixed betas, weight decay 1 (quadratic)"),
    )
    with styled():
        figure = Figure(figsize=(11.0, 4.2), layout="constrained")
        for axis, (name, title) in zip(figure.subplots(1, 3), panels, strict=True):
            _orders(axis, data[name].isel(weight_decay=-1))
            axis.set(title=title, xlabel="learning rate")
        figure.axes[0].set_ylabel("distance to Adam (median, all runs)")
        figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _orders(axis: Axes, far: xr.Dataset) -> None:
    distance = far.distance
    if "least_gradient" in far:
        distance = distance.where(far.least_gradient > 0.2)
    rate = far.learning_rate.values
    for system in distance.system.values:
        colour, dashes, mark, label = LOOKS[str(system)]
        runs = distance.sel(system=system).stack(run=("memory", "seed")).transpose("learning_rate", "run").values
        middle = np.nanmedian(runs, axis=1)
        spread = np.abs(np.stack([np.nanmin(runs, axis=1), np.nanmax(runs, axis=1)]) - middle)
        axis.errorbar(rate, middle, spread, fmt=mark, ls=dashes, color=colour, ms=4, lw=1, elinewidth=0.6, label=label)
    top = np.nanmax(distance.values)
    for order in (1, 2):
        line = top * 2 * (rate / rate.max()) ** order
        axis.plot(rate, line, "--", color="0.6", lw=0.8, label="slopes 1 and 2" if order == 1 else None)
    axis.set(xscale="log", yscale="log")
