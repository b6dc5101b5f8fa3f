"""Figures of the turning points: descents over time, errors over the coupling, the map of yes and no."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from theory.registry import get_claim
from theory.sim_coordinates import strengths
from theory.sim_trajectory_factor import in_order, path, test_loss
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
    }


def _law(claim: str, data: xr.Dataset, bind: Bind) -> xr.Dataset:
    return get_claim(claim).evaluate({name: data[source] for name, source in bind.items()})


def multiple_descent(data: Mapping[str, xr.Dataset], names: tuple[str, ...], bind: Bind) -> Figure:
    """Of each sweep the run that descends most often, and turns highest: training, and the composite trajectory."""
    with styled():
        figure = Figure(figsize=(9.6, 4.0), layout="constrained")
        for axis, name in zip(figure.subplots(1, len(names)), names, strict=True):
            runs = data[name].transpose("seed", ..., "step", "turn")
            # Of those that descend most often the one whose smallest rise is largest.
            height = runs.turning_height.values
            rise = np.nanmin(np.where(np.isnan(height[:, 1::2]), np.inf, height[:, 1::2] - height[:, ::2]), axis=-1)
            best = int(np.lexsort((rise, np.nan_to_num(runs.descents.values)))[-1])
            one = runs.isel(seed=best)
            time = one.step * one.learning_rate
            axis.plot(time[::30], one.test_loss[::30], "o", ms=3, label="training")
            a = strengths(one.mu.values, one.sigma.values)
            w, probe, a, _, _ = in_order(one.initial_W.values[None], one.mu.values[None], a[None])
            found = path(w, a)
            axis.plot(found.time[:, 0], test_loss(found.w, probe)[:, 0], "-", label="composite trajectory")
            law = {c: _law(f"sim.turning_{c}", one, bind).prediction for c in ("time", "height")}
            axis.plot(law["time"], law["height"], "D", mfc="none", ms=8, label="predicted turning points")
            # Each axis ends after the last turning point has passed.
            axis.set(
                xlim=(0, 1.25 * float(np.nanmax(law["time"]))),
                xlabel="time = learning_rate * step",
                title=f"{int(one.descents)} descents, mu = ({', '.join(f'{m:g}' for m in one.mu.values)})",
            )
            axis.set_ylabel("test loss [length^2]")
            axis.legend()
    return figure  # fmt: skip


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
                ylabel="relative error",
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
    with styled():
        figure = Figure(figsize=(10.4, 4.2), layout="constrained")
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
                title=f"correlation {correlation:g}: {100 * float(right.sel(here).mean()):.1f} % right,\n"
                f"{100 * float(unsure.sel(here).mean()):.1f} % unsure",
            )
            axis.grid(False)
            readable_log_axis(axis.xaxis)
        panels[0].set_ylabel("mu_2/mu_1")
        figure.colorbar(image, ax=panels, label="measured share that swings by (lines: predicted)")
    return figure  # fmt: skip


def _column(runs: xr.Dataset, bind: Bind, name: str) -> xr.DataArray:
    from theory.sim_vocabulary import V

    derived = V[name].derived
    assert derived is not None
    given = [runs[bind[n]] for n in derived.inputs]
    own = [list(V[n].dims) for n in derived.inputs]
    return xr.apply_ufunc(derived.function, *given, input_core_dims=own)
