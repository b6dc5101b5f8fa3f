"""How to train a model at chosen points of a claim's domain: what the search for counterexamples needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from toymodels.engine import Sweep


@dataclasses.dataclass(frozen=True)
class Trial:
    """Training at points of a space.

    `space` maps search variables to ranges; `sweeps(points, seeds)` trains at the points of a Dataset over the dim
    `point`; `measure` turns the raw results into the dataset that the comparison names, still over `point`.
    """

    space: Mapping[str, Any]
    sweeps: Callable[[xr.Dataset, int], Mapping[str, Sweep]]
    measure: Callable[[Mapping[str, xr.Dataset]], xr.Dataset]
