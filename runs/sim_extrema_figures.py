"""Figures of the turning points: descents over time, errors over the coupling, the map of yes and no."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from theory.registry import get_claim
from theory.sim_coordinates import strengths
from theory.sim_trajectory_factor import coupling, entries, in_order, path, test_loss
from toymodels.comparator.figures import readable_log_axis, styled

Bind = Mapping[str, str]
LIMIT = 0.3
"""Largest coupling within the domain of the laws."""


def figures(
    data: Mapping[str, xr.Dataset], bind: Bind, random: tuple[str, ...], paper: tuple[str, ...]
) -> dict[str, Figure]:
    """All figures, by file name."""
    return {
        "sim.multiple_descent": multiple_descent(data, paper, bind),
        "sim.extrema_errors": errors(data, random, bind),
        "sim.swings_by_map": phase_map(data["map"], bind),
        "sim.trajectory_entries": followed(data["entries"]),
    }


def _law(claim: str, data: xr.Dataset, bind: Bind) -> xr.Dataset:
    return get_claim(claim).evaluate({name: data[source] for name, source in bind.items()})


def multiple_descent(data: Mapping[str, xr.Dataset], names: tuple[str, ...], bind: Bind) -> Figure:
    """Of each sweep the run that descends most often, and rises highest: training, and the composite trajectory; below,
    each rise by itself."""
    with styled():
        figure = Figure(figsize=(11.0, 6.4), layout="constrained")
        for part, name in zip(np.ravel(np.asarray(figure.subfigures(1, len(names)))), names, strict=True):
            one = _best(data[name])
            law = {c: _law(f"sim.turning_{c}", one, bind).prediction.values for c in ("time", "height")}
            times, heights = (values[np.isfinite(values)] for values in (law["time"], law["height"]))
            zooms = [f"rise {k + 1}" for k in range(len(times) // 2)]
            axes = part.subplot_mosaic([["all"] * len(zooms), zooms], height_ratios=(1.5, 1.0))
            measured, composite = _curves(one)
            for key, axis in axes.items():
                if key == "all":
                    window = (0.0, 1.25 * float(times.max()))
                else:
                    low, top = times[2 * zooms.index(key) :][:2]
                    window = (low - 0.5 * (top - low), top + 0.5 * (top - low))
                for (x, y), style, label in ((measured, "o", "training"), (composite, "-", "composite trajectory")):
                    here = (x >= window[0]) & (x <= window[1])
                    every = max(int(here.sum()) // 40, 1) if style == "o" else 1
                    axis.plot(x[here][::every], y[here][::every], style, ms=3, label=label)
                here = (times >= window[0]) & (times <= window[1])
                axis.plot(times[here], heights[here], "D", mfc="none", ms=8, label="predicted turning points")
                axis.set_xlim(*window)
                if key != "all":
                    bottom, rise = heights[2 * zooms.index(key)], np.diff(heights[2 * zooms.index(key) :][:2])[0]
                    axis.set_ylim(bottom - 0.5 * rise, bottom + 1.7 * rise)
                    axis.ticklabel_format(useOffset=False)
                    axis.set_title(key, fontsize=9)
                    axis.tick_params(labelsize=7)
                    axis.locator_params(nbins=4)
            strengths_of = ", ".join(f"{m:g}" for m in one.mu.values)
            axes["all"].set(title=f"{int(one.descents)} descents, mu = ({strengths_of})", ylabel="test loss [length^2]")
            axes["all"].legend()
            part.supxlabel("time = learning_rate * step", fontsize=10)
    return figure


def _best(runs: xr.Dataset) -> xr.Dataset:
    """Of the runs that descend most often the one whose smallest rise is largest."""
    runs = runs.transpose("seed", ..., "step", "turn")
    height = runs.turning_height.values
    rise = np.nanmin(np.where(np.isnan(height[:, 1::2]), np.inf, height[:, 1::2] - height[:, ::2]), axis=-1)
    return runs.isel(seed=int(np.lexsort((rise, np.nan_to_num(runs.descents.values)))[-1]))


def _curves(one: xr.Dataset) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """(time, test loss) of a run, and of its composite trajectory."""
    a = strengths(one.mu.values, one.sigma.values)
    w, probe, a, _, _ = in_order(one.initial_W.values[None], one.mu.values[None], a[None])
    found = path(w, a, points=2000)
    return (
        ((one.step * one.learning_rate).values, one.test_loss.values),
        (found.time[:, 0], test_loss(found.w, probe)[:, 0]),
    )


def followed(runs: xr.Dataset) -> Figure:
    """Every entry of W over time for the first starts: training as marks, the corrected composite as lines."""
    runs = runs.transpose("seed", "step", ..., "row", "column")
    with styled():
        figure = Figure(figsize=(10.4, 4.0), layout="constrained")
        for axis, seed in zip(figure.subplots(1, 3, sharey=True), range(3), strict=True):
            one = runs.isel(seed=seed)
            times = np.linspace(0.0, float(one.time.max()), 300)
            given = one.initial_W.values, one.mu.values, one.sigma.values
            told = entries(*given, times, "corrected")
            for k, (i, j) in enumerate(((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))):
                axis.plot(times, told[:, i, j], "-", color=f"C{k}")
                axis.plot(one.time, one.W[:, i, j], "o", ms=4, color=f"C{k}", label=f"w_{i + 1}{j + 1}")
            axis.set(xlabel="time = learning_rate * step", title=f"start {seed}, coupling {coupling(*given):.2g}")
        axis.legend(fontsize=8)
        figure.axes[0].set_ylabel("entries of W (lines: composite)")
    return figure


def errors(data: Mapping[str, xr.Dataset], names: tuple[str, ...], bind: Bind) -> Figure:
    """Relative errors of times and heights over the coupling; the share within 5 % on both sides of the limit."""
    with styled():
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        for axis, what in zip(figure.subplots(1, 2, sharex=True, sharey=True), ("time", "height"), strict=True):
            inside: list[np.ndarray] = []
            outside: list[np.ndarray] = []
            for name in names:
                runs = data[name]
                law = _law(f"sim.turning_{what}", runs, bind)
                known, told = xr.broadcast(runs[f"turning_{what}"], law.prediction)
                error = abs(told / known - 1).where(np.isfinite(known))
                coupling = law.coupling.broadcast_like(error)
                # A turning point that is not predicted is wrong by more than any limit.
                wrong = error.fillna(np.inf).where(np.isfinite(known))
                inside.append(wrong.values[(np.isfinite(known) & (coupling < LIMIT)).values])
                outside.append(wrong.values[(np.isfinite(known) & ~(coupling < LIMIT)).values])
                axis.plot(coupling.values.ravel(), error.values.ravel(), ".", ms=3, alpha=0.6, label=f"{name} concepts")
            share = [100 * float(np.mean(np.concatenate(part) < 0.05)) for part in (inside, outside)]
            count = [sum(map(len, part)) for part in (inside, outside)]
            axis.axvline(LIMIT, ls="--", color="black", lw=1)
            axis.axhline(0.05, ls=":", color="black", lw=1)
            axis.set(
                xscale="log",
                yscale="log",
                xlabel="coupling",
                ylabel="relative error (above 10: not shown)",
                ylim=(1e-7, 10.0),
                title=f"{what}: within 5 %: {share[0]:.1f} % of {count[0]} inside,\n"
                f"{share[1]:.1f} % of {count[1]} outside the domain (dashed)",
            )
            axis.legend()
    return figure  # fmt: skip


def phase_map(runs: xr.Dataset, bind: Bind) -> Figure:
    """Share of starts that swing by over size, ratio and correlation; predicted shares as lines; where it is unsure."""
    law = _law("sim.swings_by", runs, bind)
    rises = {n: _column(runs, bind, n) for n in ("rises", "rises_before")}
    unsure = (rises["rises"] > 0) != (rises["rises_before"] > 0)
    told = xr.DataArray(law.prediction)
    right = (told == runs.swings).where(~unsure)
    inside = (told == runs.swings).where(law.in_domain)
    with styled():
        figure = Figure(figsize=(10.4, 4.6), layout="constrained")
        figure.suptitle(
            f"Swings by, yes or no: {_percent(right)} right of the {int(right.count())} runs where sure, "
            f"{_percent(unsure)} unsure; {_percent(inside)} right of the {int(inside.count())} in the domain",
            fontsize=11,
        )
        panels = figure.subplots(1, runs.sizes["init_correlation"], sharex=True, sharey=True)
        for axis, correlation in zip(panels, runs.init_correlation.values, strict=True):
            here = {"init_correlation": correlation}
            order = ("ratio", "init_scale")
            share = runs.swings.sel(here).mean("seed").transpose(*order)
            image = axis.pcolormesh(runs.init_scale, runs.ratio, share, vmin=0, vmax=1, cmap="viridis", rasterized=True)
            lines = axis.contour(
                runs.init_scale,
                runs.ratio,
                told.sel(here).mean("seed").transpose(*order),
                (0.1, 0.3, 0.5, 0.7),
                colors="white",
                linewidths=1.2,
            )
            axis.clabel(lines, fmt="%g", fontsize=8)
            axis.set(
                xscale="log",
                xlabel="init_scale",
                title=f"correlation {correlation:g}: {_percent(right.sel(here))} right\n"
                f"where sure, {_percent(unsure.sel(here))} unsure;\n{_percent(inside.sel(here))} right in the domain",
            )
            axis.grid(False)
            readable_log_axis(axis.xaxis)
        panels[0].set_ylabel("mu_2/mu_1")
        figure.colorbar(image, ax=panels, label="measured share that swings by (lines: predicted)")
    return figure  # fmt: skip


def _percent(share: xr.DataArray) -> str:
    return f"{100 * float(share.mean()):.1f} %"


def _column(runs: xr.Dataset, bind: Bind, name: str) -> xr.DataArray:
    from theory.sim_vocabulary import V

    derived = V[name].derived
    assert derived is not None
    given = [runs[bind[n]] for n in derived.inputs]
    own = [list(V[n].dims) for n in derived.inputs]
    return xr.apply_ufunc(derived.function, *given, input_core_dims=own)
