"""Maps over labelled points: which dims become axes, which become panels, and the edges of cells."""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from toymodels.comparator.figures import readable_log_axis
from toymodels.errors import UsageError

MOST_PANELS = 8
LEAST_ROWS = 3
"""A second numeric dim with fewer values becomes panels, not an axis."""
COLUMNS = 4
HATCH = "/////"


@dataclasses.dataclass(frozen=True)
class Panels:
    """`x` and `y` (None: a strip) are dims or coordinates along them; `parts` pairs a title with its points."""

    x: str
    y: str | None
    parts: list[tuple[str, xr.Dataset]]

    @classmethod
    def of(cls, points: xr.Dataset, along: str, x: str | None = None, y: str | None = None) -> Panels:
        """Axes for the variable `along`: the longest numeric dims unless `x` and `y` name some; other dims become
        panels.

        Raises `UsageError` where there is no axis, or more than MOST_PANELS panels.
        """
        points = points.squeeze(drop=True)
        dims = [str(d) for d in points[along].dims]
        if not dims:
            raise UsageError(f"There is a single point: {along} has no axis to be drawn over.")
        first = _dim_of(points, x) if x else None
        numeric = [d for d in dims if d not in points.coords or points[d].dtype.kind in "fiu"]
        ranked = sorted(numeric or dims, key=lambda d: -points.sizes[d])
        if first is None:
            first = ranked[0]
        second = _dim_of(points, y) if y else None
        if second is None and y is None:
            rest = [d for d in ranked if d != first and points.sizes[d] >= LEAST_ROWS and d in numeric]
            second = rest[0] if rest else None
        others = [d for d in dims if d not in (first, second)]
        count = int(np.prod([points.sizes[d] for d in others], dtype=int))
        if count > MOST_PANELS:
            raise UsageError(f"{', '.join(others)} would make {count} panels, at most {MOST_PANELS} can be read.")
        parts = []
        for index in itertools.product(*(range(points.sizes[d]) for d in others)):
            place = dict(zip(others, index, strict=True))
            words = [f"{d} = {_label(points, d, i)}" for d, i in place.items()]
            parts.append((", ".join(words), points.isel(place, drop=True)))
        return cls(x or first, (y or second) if second else None, parts)

    def grid(self, figure: Figure) -> list[Axes]:
        """One axes per part, sharing both scales."""
        columns = min(COLUMNS, len(self.parts))
        rows = -(-len(self.parts) // columns)
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel().tolist()
        for unused in axes[len(self.parts) :]:
            unused.set_visible(False)
        return axes[: len(self.parts)]

    @property
    def size(self) -> tuple[float, float]:
        """Inches for a figure of maps."""
        columns = min(COLUMNS, len(self.parts))
        rows = -(-len(self.parts) // columns)
        return (2.2 + (4.0 if columns == 1 else 2.7 * columns), 1.2 + (3.4 if rows == 1 else 2.7 * rows))


def _dim_of(points: xr.Dataset, name: str) -> str | None:
    if name in points.dims:
        return name
    if name in points.variables and points[name].ndim == 1:
        return str(points[name].dims[0])
    return None


def _label(points: xr.Dataset, dim: str, i: int) -> str:
    value = points[dim].values[i] if dim in points.coords else i
    return f"{value:.4g}" if isinstance(value, int | float | np.number) else str(value)


def ticks_of(part: xr.Dataset, name: str) -> tuple[np.ndarray, list[str] | None]:
    """Positions along an axis, and labels where it is not numeric."""
    if name not in part.variables:
        return np.arange(part.sizes[name], dtype=float), None
    values = part[name].values
    if values.dtype.kind in "fiu":
        return values.astype(float), None
    return np.arange(values.size, dtype=float), [str(v) for v in values]


def is_log(values: np.ndarray) -> bool:
    """Whether positive values span a decade."""
    return bool(values.min() > 0 and values.max() >= 10 * values.min())


def edges(centres: np.ndarray) -> np.ndarray:
    """Cell edges halfway between sorted centres, on the axis's own scale."""
    if centres.size == 1:
        return np.array([0.5, 1.5]) * centres[0] if centres[0] else np.array([-0.5, 0.5])
    c = np.log(centres) if is_log(centres) else centres
    inner = (c[1:] + c[:-1]) / 2
    whole = np.concatenate([[2 * c[0] - inner[0]], inner, [2 * c[-1] - inner[-1]]])
    return np.exp(whole) if is_log(centres) else whole


def sorted_cells(part: xr.Dataset, panels: Panels) -> tuple[xr.Dataset, np.ndarray, np.ndarray]:
    """The part transposed to (y, x) with ascending axes, and the edges along x and y."""
    assert panels.y is not None
    order = []
    for name in (panels.y, panels.x):
        dim = _dim_of(part, name)
        assert dim is not None
        order.append(dim)
        part = part.isel({dim: np.argsort(ticks_of(part, name)[0], kind="stable")})
    part = part.transpose(*order, ...)
    return part, edges(ticks_of(part, panels.x)[0]), edges(ticks_of(part, panels.y)[0])


def dress(axes: Axes, part: xr.Dataset, panels: Panels, labels: dict[str, str]) -> None:
    """Scales, limits and labels of the axes of a map or strip."""
    for which, name in (("x", panels.x), ("y", panels.y)):
        if name is None:
            continue
        positions, words = ticks_of(part, name)
        ends = edges(np.sort(positions))
        axis = axes.xaxis if which == "x" else axes.yaxis
        setter: dict[str, Any] = {f"{which}lim": (ends[0], ends[-1])}
        if is_log(positions):
            setter[f"{which}scale"] = "log"
        axes.set(**setter)
        if is_log(positions):
            readable_log_axis(axis)
        if words:
            axis.set_ticks(positions, labels=words)
        subplot = axes.get_subplotspec()
        outer = subplot is None or (subplot.is_last_row() if which == "x" else subplot.is_first_col())
        if outer:
            axis.set_label_text(labels.get(name, name.replace("_", " ")))


def outline(axes: Axes, mask: np.ndarray, xs: np.ndarray, ys: np.ndarray, **style: Any) -> None:
    """A line around the cells of `mask` (y, x), along their edges."""
    padded = np.pad(mask, 1)
    segments = []
    for j, i in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        if 1 <= j <= len(ys) - 1:
            segments.append([(xs[i], ys[j - 1]), (xs[i], ys[j])])
    for j, i in np.argwhere(padded[1:] != padded[:-1]):
        if 1 <= i <= len(xs) - 1:
            segments.append([(xs[i - 1], ys[j]), (xs[i], ys[j])])
    axes.add_collection(LineCollection(segments, capstyle="projecting", clip_on=False, **style))
