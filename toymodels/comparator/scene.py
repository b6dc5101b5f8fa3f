"""Marks and lines of an overlay: which points belong together, where they lie, what colour they have."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from toymodels.comparator import rule
from toymodels.comparator.figures import colours, hue_scale
from toymodels.comparator.kinds.base import Case, Estimate, Kind, median_of_runs, variable
from toymodels.comparator.layout import Layout
from toymodels.errors import UsageError

MOST_HUES = 8
"""More values of `hue` than this get a colour bar instead of legend entries."""

MARKERS = "os^DvPX*"

HALF_BAR = 0.3
"""Half the width of a prediction drawn at a name, in units of the distance between names."""
DODGE = 0.02
"""Width, as a share of the axis, over which the hues of one abscissa are spread."""


class Scene:
    """Points, their abscissae, colours (by `hue`) and marks (by the dims that neither `x` nor `hue` has)."""

    def __init__(
        self,
        data: xr.Dataset,
        layout: Layout,
        kind: Kind,
        observable: str,
        x: str,
        hue: str | None,
        keep: np.ndarray,
    ) -> None:
        self.kind, self.layout = kind, layout
        self.case = Case(data, observable, layout, keep, rule.FALSE_ALARM)
        self.x_name, self.hue_name = x, hue
        self.x = self._axis(data, x)
        self.hue = self._axis(data, hue) if hue else np.zeros(layout.n_points)
        self.hues = list(dict.fromkeys(self.hue.tolist()))
        numeric = self.hue.dtype.kind in "fiu"
        if numeric:
            self.hues.sort()
        self.scale = hue_scale(self.hues) if numeric and len(self.hues) > MOST_HUES else None
        palette = self.scale.to_rgba(np.array(self.hues)) if self.scale else colours(len(self.hues))
        self.colour = dict(zip(self.hues, palette, strict=True))
        taken = {str(d) for name in (x, hue) if name for d in data[name].dims}
        self.style, self.styles = _styles(layout, [d for d in layout.point_dims if d not in taken])
        self.lines = [
            chosen[np.argsort(self.x[chosen], kind="stable")]
            for hue_ in self.hues
            for style in range(int(self.style.max(initial=0)) + 1)
            if (chosen := np.flatnonzero((self.hue == hue_) & (self.style == style))).size
        ]

    def _axis(self, data: xr.Dataset, name: str) -> np.ndarray:
        values = self.layout.stack(variable(data, name, "coordinate"), f"coordinate {name!r}")
        if self.layout.n_runs > 1 and (values != values[:, :1]).any():
            raise UsageError(f"{name!r} differs between runs; an axis of the figure needs one value per point.")
        return values[:, 0]

    def marker(self, style: int) -> str:
        return MARKERS[style] if self.styles else "o"

    def shown(self, prediction: xr.DataArray) -> np.ndarray:
        """One number per point: the median over the runs' own predictions, where they differ."""
        numbers = self.layout.stack(prediction.astype(float), "prediction")
        # Outside the domain the line goes on, for the eye; there is nothing to compare it with.
        keep = self.case.keep | ~self.case.kept_points[:, None]
        return median_of_runs(numbers, keep)

    def draw_marks(self, axes: Axes, estimate: Estimate, dodge: bool = False) -> None:
        """Marks with bars; an infinite end becomes an arrow. `dodge` sets the hues side by side."""
        for number, hue in enumerate(self.hues):
            aside = (number / (len(self.hues) - 1) - 0.5) * DODGE if dodge and len(self.hues) > 1 else 0.0
            for style in np.unique(self.style):
                mine = (self.hue == hue) & (self.style == style) & self.case.kept_points
                mine &= np.isfinite(estimate.value)
                x = _aside(axes, self.x[mine], aside)
                ends = (estimate.value[mine], estimate.low[mine], estimate.high[mine])
                _bars(axes, x, *ends, colour=self.colour[hue], marker=self.marker(int(style)))

    def draw_outside(self, axes: Axes) -> bool:
        """Points outside the domain, small and grey; whether there are any."""
        everything = dataclasses.replace(self.case, keep=np.ones_like(self.case.keep), cache={})
        measured = self.kind.measure(everything).value
        mine = ~self.case.kept_points & np.isfinite(measured)
        axes.plot(self.x[mine], measured[mine], "o", color="0.7", ms=3, mew=0, zorder=1.5)
        return bool(mine.any())

    def draw_lines(
        self, axes: Axes, values: np.ndarray, dashes: Any, rival: bool = False, gid: str | None = None
    ) -> None:
        """One line per group of points, or a bar for each point where the abscissae are names; rivals thinner, and grey
        unless the hue tells groups apart."""
        width, order = (1.1, 2.0) if rival else (1.5, 2.5)
        for line in self.lines:
            colour = self.colour[self.hue[line[0]].item()] if self.hue_name or not rival else "0.35"
            x, y = self.x[line], values[line]
            if self.x.dtype.kind not in "fiu":
                x, y = _level_bars(np.asarray(axes.convert_xunits(x), float), y)
            axes.plot(x, y, ls=dashes, color=colour, lw=width, zorder=order, gid=gid)

    def draw_curve(self, axes: Axes, curve: xr.DataArray) -> None:
        """The claim on its own, finer grid."""
        name = self.hue_name
        if name is None or name not in curve.coords:
            axes.plot(curve[self.x_name], curve.transpose(self.x_name, ...), color=self.colour[self.hues[0]])
            return
        for value in np.atleast_1d(curve[name].values).tolist():
            if value in self.colour:
                one = curve.sel({name: value}) if name in curve.dims else curve
                axes.plot(one[self.x_name], one.transpose(self.x_name, ...), color=self.colour[value])


def _level_bars(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A level line about each point, with gaps between: there is nothing between two names."""
    gap = np.full(len(x), np.nan)
    return np.stack([x - HALF_BAR, x + HALF_BAR, gap], 1).ravel(), np.stack([y, y, gap], 1).ravel()


def _styles(layout: Layout, dims: list[str]) -> tuple[np.ndarray, list[str]]:
    """A number per point for its place along `dims`, and the words for each number (none if they are too many)."""
    shape = [layout.sizes[d] for d in layout.point_dims]
    number, words = np.zeros(shape, int), [""]
    for dim in dims:
        size, axis = layout.sizes[dim], layout.point_dims.index(dim)
        step = np.arange(size).reshape([-1 if i == axis else 1 for i in range(len(shape))])
        number = number * size + step
        labels = layout.coords[dim].values.tolist() if dim in layout.coords.coords else list(range(size))
        texts = [f"{dim} = {v:.4g}" if isinstance(v, float) else f"{dim} = {v}" for v in labels]
        words = [", ".join(filter(None, (word, text))) for word in words for text in texts]
    return number.ravel(), words if 1 < len(words) <= len(MARKERS) else []


def _bars(
    axes: Axes,
    x: np.ndarray,
    value: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    *,
    colour: Any,
    marker: str,
) -> None:
    with np.errstate(invalid="ignore"):
        lengths = [np.where(np.isfinite(d), np.maximum(d, 0.0), 0.0) for d in (value - low, high - value)]
    style: dict[str, Any] = {"color": colour, "mfc": "white", "mew": 1.1, "elinewidth": 1, "zorder": 3}
    axes.errorbar(x, value, yerr=np.array(lengths), fmt=marker, **style)
    arrow = {"arrowstyle": "<-", "color": colour, "lw": 1.2, "shrinkA": 2, "shrinkB": 0}
    for end, tip in ((high, 16.0), (low, -16.0)):
        for place in zip(x[np.isinf(end)], value[np.isinf(end)], strict=True):
            axes.annotate("", place, xytext=(0, tip), textcoords="offset points", arrowprops=arrow)


def _aside(axes: Axes, x: np.ndarray, share: float) -> np.ndarray:
    """`x` moved by `share` of the axis."""
    if share == 0 or x.dtype.kind not in "fiu":
        return x
    low, high = axes.get_xlim()
    if axes.get_xscale() == "log":
        return np.asarray(x * (high / low) ** share)
    return np.asarray(x + (high - low) * share)
