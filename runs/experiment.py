"""What an experiment is: declared sweeps, a measurement, comparisons with a claim, figures.

An experiment reads like a figure's caption. It declares *what* is trained (`sweeps`), how raw records become the
compared quantities (`measure`), and which claim must say what about them (`comparisons`). Margins and expectations
are part of the declaration, fixed before anything runs. How it is executed, stored and drawn is `runs.execute`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import xarray as xr
from matplotlib.figure import Figure

from runs.trial import Trial
from toymodels.engine import Sweep
from toymodels.outcome import Outcome

Scale = Literal["quick", "full"]
SCALES: tuple[Scale, ...] = ("quick", "full")
Data = Mapping[str, xr.Dataset]


@dataclasses.dataclass(frozen=True)
class Onset:
    """A phase boundary found by bisection: the lowest value of `axis` at which runs end with `outcome`.

    `low` and `high` bracket the onset: numbers, or arrays over dims of `sweep` (which leaves `axis` open). They may be
    placed with the help of a predicted scale; the outcome of the search does not depend on them.
    """

    sweep: Sweep
    axis: str
    outcome: Outcome
    low: float | xr.DataArray
    high: float | xr.DataArray
    rel_tol: float
    share: str | float = "0+"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """One claim laid over one measured observable.

    `bind` maps the claim's symbols (or derived inputs) to variables or coordinates of dataset `data`. `convert` turns
    the prediction into the observable's unit, for instance time into steps, given the dataset; it must not depend on
    the observable. `domain` states in words where the comparison is made. `x`, `hue`: axes of the overlay; without `x`
    no overlay is drawn. `rivals` are claims about the same observable with the same binding. `beyond_domain` compares
    also where the claim's assumptions do not hold: to show how far off it is there.

    Free constants of a claim or rival are fitted on one half of the evidence and judged on the other (seeds, or points
    where there are no runs); `constants` {symbol: (low, high)} replaces their default brackets.

    `domain_search` asks for the largest set {coordinates <= thresholds} within which the claim agrees: True for the
    claim's validity coordinates, or names among these and the coordinates of `data`. The search covers every point
    where the claim gives a number; the set is chosen on even seeds and confirmed on odd ones, or on the dataset
    `confirm` where there are no seeds to split. `map_axes` (x, y) fix the axes of the maps of winners and domains.
    """

    id: str
    claim: str
    data: str
    observable: str
    kind: Any
    margin: float
    bind: Mapping[str, str]
    domain: str = ""
    expect: Literal["agrees", "disagrees", "inconclusive"] = "agrees"
    reason: str = ""
    rivals: tuple[str, ...] = ()
    convert: Callable[[xr.DataArray, xr.Dataset], xr.DataArray] | None = None
    beyond_domain: bool = False
    mutants: bool = True
    x: str | None = None
    hue: str | None = None
    overlay: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    constants: Mapping[str, tuple[float, float]] = dataclasses.field(default_factory=dict)
    domain_search: bool | tuple[str, ...] = False
    confirm: str | None = None
    map_axes: tuple[str, str] | None = None
    trial: Trial | None = None

    def __post_init__(self) -> None:
        if self.expect != "agrees" and not self.reason:
            raise ValueError(f"comparison {self.id}: expect={self.expect!r} needs a reason.")


@dataclasses.dataclass(frozen=True)
class Experiment:
    """Sweeps, measurement, comparisons and extra figures under one name.

    `sweeps(scale)` maps a name to a `Sweep` or an `Onset`; `measure(raw)` maps their results to the datasets that
    comparisons name (default: the raw results); `figures(data)` returns figures beyond the overlays.
    """

    name: str
    title: str
    caption: str
    sweeps: Callable[[Scale], Mapping[str, Sweep | Onset]]
    comparisons: tuple[Comparison, ...]
    measure: Callable[[Data], Data] = lambda raw: raw
    figures: Callable[[Data], Mapping[str, Figure]] = lambda data: {}
    core: bool = False
    """Part of the main job (`make reproduce`)."""
