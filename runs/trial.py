"""How to train a model at chosen points of a claim's domain: what the search for counterexamples needs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import xarray as xr

if TYPE_CHECKING:
    from runs.experiment import Onset
    from toymodels.engine import Sweep

POINT = "point"
"""The dim of trial points."""


@dataclasses.dataclass(frozen=True)
class Range:
    """A number to search over, from `low` to `high` (logarithmically with `log`). `default` is the value that a
    witness should have if the number does not matter."""

    low: float
    high: float
    doc: str = ""
    log: bool = False
    integer: bool = False
    default: float | None = None


@dataclasses.dataclass(frozen=True)
class Choice:
    """A name to search over: one of `values`, of all those `known` to the trial."""

    values: tuple[str, ...]
    doc: str = ""
    known: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Trial:
    """Training at points of a space.

    `space` maps search variables to ranges. `sweeps(points, seeds, fine)` trains at all points at once: `points` holds
    one variable over the dim `point` for every number of the space and a text without dims for every choice; `seeds`
    are whole numbers; `fine` = 2 asks for half the step size of an integrator, where there is one. An axis of a sweep
    over points has the dim `point`. `measure(raw, points)` turns the raw results into the dataset that the comparison
    names, over `point` and whatever else is compared or averaged.

    `seeds` are trained per point while searching, `confirm_seeds` fresh ones to confirm (default: as many). `kind`
    replaces the comparison's where that one pools over axes of its experiment which no trial has. The default budget
    allows for some `points`.
    """

    space: Mapping[str, Range | Choice]
    sweeps: Callable[[xr.Dataset, Sequence[int], int], Mapping[str, Sweep | Onset]]
    measure: Callable[[Mapping[str, xr.Dataset], xr.Dataset], xr.Dataset]
    seeds: int = 1
    confirm_seeds: int | None = None
    kind: Any = None
    points: int = 128
