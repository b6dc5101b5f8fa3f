"""Where each of several laws wins, and where one law holds, drawn over the axes of a sweep."""

from __future__ import annotations

import itertools
import textwrap
from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from toymodels.comparator.domain import AgreementDomain
from toymodels.comparator.figures import colours, styled
from toymodels.comparator.panels import HATCH, Panels, dress, edges, outline, sorted_cells, ticks_of
from toymodels.comparator.rivals import Ranking
from toymodels.errors import UsageError

MARKS = "os^DvPX*"
LEVELS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Steps of |discrepancy|/margin; above 1 a law is wrong there."""
RIM = [patheffects.Stroke(linewidth=3.4, foreground="black"), patheffects.Normal()]


def winner_regions(
    ranking: Ranking,
    *,
    x: str | None = None,
    y: str | None = None,
    ties: Mapping[str, xr.DataArray] | None = None,
    labels: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """The claim nearest to the held-out data at every point: a map over two axes, a strip over one; hatched where the
    intervals leave open who is nearest, grey where some contender gives no number.

    `ties` {label: difference of two predictions over the points}: its zero, where both say the same and the winner
    changes hands, is a line. `labels` replace the names of axes. Further dims become panels. Raises `UsageError`
    without an axis and with too many panels.
    """
    points = ranking.points.assign({f"tie {i}": field for i, field in enumerate((ties or {}).values())})
    panels = Panels.of(points, "nearest", x, y)
    names = [c.claim for c in ranking.contenders]
    palette = dict(zip(names, colours(len(names)), strict=True))
    drawn: set[int] = set()
    with styled():
        if panels.y is None:
            figure = _strips(panels, names, palette, ranking, dict(labels or {}))
        else:
            figure, drawn = _maps(panels, names, palette, list(ties or {}), dict(labels or {}))
        figure.suptitle(title or textwrap.fill(f"Nearest to the data on {ranking.held_out}", 60))
        handles: list[Any] = []
        for number, c in enumerate(ranking.contenders):
            words = f"{c.claim}: {c.share_won:.0%} of points, error {c.error:.3g}"
            if panels.y is None:
                handles.append(Line2D([], [], color=palette[c.claim], marker=MARKS[number % len(MARKS)], label=words))
            else:
                handles.append(Patch(color=palette[c.claim], label=words))
        compared = points["nearest"] != ""
        if bool((compared & ~points["decided"].astype(bool)).any()):
            handles.append(Patch(facecolor="none", edgecolor="0.2", hatch=HATCH, label="undecided"))
        if not bool(compared.all()):
            handles.append(Patch(color="0.85", label="not compared"))
        for number, (dashes, label) in enumerate(zip(itertools.cycle(("-", "--", ":")), ties or {})):
            if number in drawn:
                handles.append(Line2D([], [], color="white", ls=dashes, path_effects=RIM, label=label))
        figure.legend(handles=handles, loc="outside lower center", ncols=1 if len(panels.parts) < 3 else 2)
    return figure


def _maps(
    panels: Panels, names: list[str], palette: dict[str, Any], ties: list[str], labels: dict[str, str]
) -> tuple[Figure, set[int]]:
    """The maps, and the numbers of the ties that cross one of them."""
    drawn: set[int] = set()
    width, height = panels.size
    figure = Figure(figsize=(width, height + 0.22 * (len(names) + len(ties))), layout="constrained")
    colouring = ListedColormap([palette[name] for name in names])
    for axes, (words, whole) in zip(panels.grid(figure), panels.parts, strict=True):
        part, xs, ys = sorted_cells(whole, panels)
        nearest = part["nearest"].values
        code = np.full(nearest.shape, np.nan)
        for number, name in enumerate(names):
            code[nearest == name] = number
        axes.grid(False)
        axes.set_facecolor("0.85")
        axes.pcolormesh(
            xs, ys, np.ma.masked_invalid(code), cmap=colouring, vmin=-0.5, vmax=len(names) - 0.5, rasterized=True
        )
        _hatch(axes, xs, ys, ~part["decided"].values.astype(bool) & np.isfinite(code))
        for number, dashes in zip(range(len(ties)), itertools.cycle(("-", "--", ":"))):
            # Predictions may not depend on both axes of the map.
            tie = part[f"tie {number}"].broadcast_like(part["nearest"]).transpose(*part["nearest"].dims)
            if _zero(axes, part, panels, tie.values, dashes):
                drawn.add(number)
        axes.set_title(words, fontsize="small")
        dress(axes, part, panels, labels)
    return figure, drawn


def _hatch(axes: Axes, xs: np.ndarray, ys: np.ndarray, mask: np.ndarray) -> None:
    if mask.any():
        cells = np.ma.masked_where(~mask, np.ones(mask.shape))
        axes.pcolor(xs, ys, cells, cmap=ListedColormap(["none"]), hatch=HATCH, edgecolor="0.75", lw=0, rasterized=True)


def _zero(axes: Axes, part: xr.Dataset, panels: Panels, field: np.ndarray, dashes: str) -> bool:
    finite = field[np.isfinite(field)]
    if panels.y is None or not (finite.size and finite.min() < 0 < finite.max()):
        return False
    xs, ys = ticks_of(part, panels.x)[0], ticks_of(part, panels.y)[0]
    drawn = axes.contour(xs, ys, field, levels=[0.0], colors="white", linewidths=1.6, linestyles=[dashes])
    drawn.set_path_effects(RIM)
    return True


def _strips(
    panels: Panels, names: list[str], palette: dict[str, Any], ranking: Ranking, labels: dict[str, str]
) -> Figure:
    """Above the size of every discrepancy, below a strip of the winner."""
    count = len(panels.parts)
    figure = Figure(figsize=(2.0 + (5.0 if count == 1 else 2.6 * count), 3.6 + 0.22 * len(names)), layout="constrained")
    grid = figure.subplots(2, count, sharex="col", sharey="row", squeeze=False, height_ratios=(6, 1))
    for column, (words, part) in enumerate(panels.parts):
        upper, lower = grid[0, column], grid[1, column]
        positions, _ = ticks_of(part, panels.x)
        order = np.argsort(positions, kind="stable")
        positions = positions[order]
        for number, name in enumerate(names):
            size = np.abs(part[f"discrepancy of {name}"].values[order])
            mark = MARKS[number % len(MARKS)]
            shown = np.where(size > 0, size, np.nan)
            upper.plot(positions, shown, marker=mark, color=palette[name], lw=1.2, ms=4, clip_on=False)
        if not all(np.isnan(part[f"discrepancy of {name}"].values).all() for name in names):
            upper.set_yscale("log")
        upper.set_title(words, fontsize="small")
        ends = edges(positions)
        for i, (left, right) in enumerate(itertools.pairwise(ends)):
            winner = str(part["nearest"].values[order][i])
            colour = palette.get(winner, "0.85")
            lower.add_patch(Rectangle((left, 0), right - left, 1, facecolor=colour, lw=0))
            if winner and not part["decided"].values[order][i]:
                style: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.75", "hatch": HATCH, "lw": 0}
                lower.add_patch(Rectangle((left, 0), right - left, 1, **style))
        lower.set(ylim=(0, 1), yticks=[])
        lower.grid(False)
        dress(lower, part, panels, labels)
    words = f"size of {ranking.quantity.format(observable=ranking.observable)}"
    grid[0, 0].set_ylabel(textwrap.fill(words, 32), fontsize="small")
    grid[1, 0].set_ylabel("nearest", rotation=0, ha="right", va="center", fontsize="small")
    return figure


def domain_map(
    domain: AgreementDomain,
    *,
    x: str | None = None,
    y: str | None = None,
    labels: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """|discrepancy|/margin at every point that was searched, hatched where its interval straddles the margin, with the
    edge of D. Over one axis: points with intervals, the margin and D as a band. Further dims become panels."""
    if "inside" not in domain.points:
        raise UsageError("The validity coordinates differ between runs, so that D has no edge over points.")
    panels = Panels.of(domain.points, "value", x, y)
    with styled():
        figure = _domain_strips(panels, dict(labels or {})) if panels.y is None else _domain_maps(panels, labels)
        state = {True: "confirmed", False: "not confirmed"}[domain.status == "agrees"]
        where = f"D: {domain.limits} ({state})" if domain.thresholds else "no D found"
        found = bool(domain.thresholds) and panels.y is not None
        handles: list[Any] = [_edge(where)] if found else [Patch(color="0.85", label=where)]
        if panels.y is not None:
            handles.append(Patch(facecolor="none", edgecolor="0.2", hatch=HATCH, label="interval straddles the margin"))
        figure.legend(handles=handles, loc="outside lower center", ncols=1)
        figure.suptitle(title or "")
    return figure


def _edge(label: str) -> Line2D:
    return Line2D([], [], color="white", lw=2, path_effects=RIM, label=label)


def _domain_maps(panels: Panels, labels: Mapping[str, str] | None) -> Figure:
    width, height = panels.size
    figure = Figure(figsize=(width + 0.8, height + 0.5), layout="constrained")
    norm = BoundaryNorm(LEVELS, mpl.colormaps["viridis"].N, extend="max")
    grid = panels.grid(figure)
    for axes, (words, whole) in zip(grid, panels.parts, strict=True):
        part, xs, ys = sorted_cells(whole, panels)
        size = np.abs(part["value"].values) / part["margin"].values
        axes.grid(False)
        axes.set_facecolor("0.85")
        mesh = axes.pcolormesh(xs, ys, np.ma.masked_invalid(size), norm=norm, cmap="viridis", rasterized=True)
        limit = float(part["margin"])
        low, high = part["low"].values, part["high"].values
        inside, outside = (low >= -limit) & (high <= limit), (low > limit) | (high < -limit)
        _hatch(axes, xs, ys, ~inside & ~outside & np.isfinite(size))
        outline(axes, part["inside"].values, xs, ys, color="white", lw=2.0, path_effects=RIM, zorder=4)
        axes.set_title(words, fontsize="small")
        dress(axes, part, panels, dict(labels or {}))
    figure.colorbar(mesh, ax=grid, label="|discrepancy| / margin")
    return figure


def _domain_strips(panels: Panels, labels: dict[str, str]) -> Figure:
    count = len(panels.parts)
    figure = Figure(figsize=(2.0 + (5.0 if count == 1 else 2.6 * count), 4.0), layout="constrained")
    grid = figure.subplots(1, count, sharey=True, squeeze=False)[0]
    for axes, (words, part) in zip(grid, panels.parts, strict=True):
        positions, _ = ticks_of(part, panels.x)
        order = np.argsort(positions, kind="stable")
        positions, margin = positions[order], float(part["margin"])
        value, low, high = (part[name].values[order] / margin for name in ("value", "low", "high"))
        bars = np.stack([value - low, high - value])
        axes.errorbar(positions, value, yerr=np.where(np.isfinite(bars), bars, 0.0), fmt="o", ms=4, mfc="white")
        for edge in (-1, 1):
            axes.axhline(edge, color="0.3", ls="--", lw=1)
        held = part["inside"].values[order]
        for (left, right), inside in zip(itertools.pairwise(edges(positions)), held, strict=True):
            if inside:
                axes.axvspan(left, right, color="0.85", lw=0, zorder=0)
        axes.set_title(words, fontsize="small")
        dress(axes, part, panels, labels)
    grid[0].set_ylabel("discrepancy / margin (dashed: +-1)")
    return figure
