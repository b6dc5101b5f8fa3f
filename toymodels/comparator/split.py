"""Two halves of the evidence: one to choose or fit on, one to confirm or judge on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import xarray as xr

from toymodels.comparator.kinds.base import Kind, variable
from toymodels.comparator.layout import Layout
from toymodels.errors import UsageError

Labelled = TypeVar("Labelled", xr.Dataset, xr.DataArray)
Half = Callable[[Labelled], Labelled]


def halves(data: xr.Dataset, dim: str) -> tuple[Half, Half]:
    """Functions that take the even and the odd runs along `dim`, by label where labels are whole numbers (so
    that the same seed always falls on the same side), else by position. What lacks the dim passes
    unchanged."""
    if dim not in data.dims:
        raise UsageError(f"The data lack the dim {dim!r}, so they cannot be split into even and odd runs.")
    labels = data[dim].values if dim in data.coords else np.arange(data.sizes[dim])
    if labels.dtype.kind not in "iu":
        labels = np.arange(data.sizes[dim])
    even, odd = np.flatnonzero(labels % 2 == 0), np.flatnonzero(labels % 2 == 1)
    if not (even.size and odd.size):
        raise UsageError(f"All labels along {dim!r} are {'even' if even.size else 'odd'}; both halves need runs.")

    def taker(chosen: np.ndarray) -> Half:
        def take(labelled: Labelled) -> Labelled:
            return labelled.isel({dim: chosen}) if dim in labelled.dims else labelled

        return take

    return taker(even), taker(odd)


@dataclasses.dataclass(frozen=True)
class Split:
    """What a law is fitted on and what it is judged on.

    Runs are split by seed: `take_first` and `take_second` select them. Data without runs are split by point, every
    second one along each dim: `first` and `second` are masks, and the judged points lie between the fitted ones, so
    that interpolation is judged, not extrapolation.
    """

    take_first: Half
    take_second: Half
    first: xr.DataArray
    second: xr.DataArray
    fitted_on: str
    judged_on: str

    @property
    def exchanged(self) -> Split:
        """Fitted and judged parts exchanged."""
        return Split(self.take_second, self.take_first, self.second, self.first, self.judged_on, self.fitted_on)


def split(data: xr.Dataset, kind: Kind, observable: str) -> Split:
    """The two halves of `data` for a comparison of this kind."""
    whole = xr.DataArray(True)
    if kind.run_dims:
        dim = kind.run_dims[0]
        even, odd = halves(data, dim)
        return Split(even, odd, whole, whole, f"even {dim}s", f"odd {dim}s")
    layout = Layout.of([variable(data, name, role) for role, name in kind.columns(observable).items()], ())
    sizes = [layout.sizes[dim] for dim in layout.point_dims]
    position = sum(np.indices(sizes)) if sizes else np.array(0)
    first = layout.unstack(np.asarray(position % 2 == 0))
    return Split(_same, _same, first, ~first, "every second point", "the points between")


def _same(labelled: Labelled) -> Labelled:
    return labelled
