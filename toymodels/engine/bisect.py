"""A phase boundary by bisection: a sequence of plain sweeps, vectorised over all other axes."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
import xarray as xr

from toymodels.engine import finalise
from toymodels.engine.execute import execute
from toymodels.engine.executors import Executor
from toymodels.engine.run import open_store, progress_bar
from toymodels.engine.store import Store
from toymodels.engine.sweep import Sweep, own_lengths, plan
from toymodels.errors import UsageError, unknown
from toymodels.model import choose_stride
from toymodels.outcome import Outcome
from toymodels.parameters import Parameter, find

RUNG = "rung"
WIDENINGS = 3
WIDEN_BY = 4.0


class OnsetStatus(enum.IntEnum):
    """How the search ended at one point. Only FOUND comes with numbers."""

    NOT_SEARCHED = 0
    FOUND = 1
    HIT_AT_LOW = 2
    """The outcome occurs at the low end still, after widening: the onset lies below."""
    NEVER_HIT = 3
    """The outcome occurs nowhere on the ladder, after widening: the onset lies above, or there is none."""


@dataclasses.dataclass
class _Search:
    """State of every point; arrays over the flattened other dims."""

    low: np.ndarray
    high: np.ndarray
    status: np.ndarray
    lower: np.ndarray
    upper: np.ndarray
    hits: np.ndarray
    lower_hits: np.ndarray
    undecided: np.ndarray
    lower_undecided: np.ndarray
    widened: np.ndarray


def bisect_onset(
    sweep: Sweep,
    axis: str,
    outcome: Outcome | str | Iterable[Outcome | str],
    *,
    low: Any,
    high: Any,
    rel_tol: float = 1e-2,
    share: str | float = "0+",
    rungs: int = 8,
    store: str | Path | None = None,
    progress: bool = True,
    batch: int | None = None,
    fresh: bool = False,
    devices: Sequence[jax.Device] | None = None,
    executor: Executor | None = None,
) -> xr.Dataset:
    """The lowest value of `axis` at which runs end with `outcome` (one code or several), at every point of
    `sweep`.

    `sweep` leaves `axis` open. A value counts as hit where any seed (`share="0+"`) or at least a share of the
    seeds (a number in (0, 1]) has the outcome. NOT_FINISHED runs are no hits; `undecided` counts them at the
    two ends. `low` and `high` are numbers or labelled arrays over dims of the sweep.

    The search needs a clean lower and a hit upper end: it looks at a geometric ladder of `rungs` intervals
    from low to high and takes the lowest rung that is hit, because outcomes need not be monotone above the
    onset. Where the lowest rung is hit, or none, the bracket is moved on by a factor of 4 up to three times;
    if that does not help the point is NaN and `status` says why. Then the bracket is halved (in the
    logarithm) until upper <= (1 + rel_tol) lower.

    Each round is a plain sweep: with a `store`, an interrupted search goes on by replaying its rounds from
    there, and an `executor` may compute the chunks of each round.

    Returns `lower`, `upper`, `hits` (runs with the outcome at upper), `lower_hits`, `undecided`, `runs`
    (seeds a point) and `status` over the sweep's dims without the seed.
    """
    parameter = find(sweep.model.parameters, axis, sweep.model.name)
    codes = _codes(outcome)
    needed = _needed(share, len(sweep.seed_values))
    ends = _check(sweep, parameter, low, high, rel_tol, rungs)
    at_ends = [own_lengths(_at(sweep, axis, end[:, None])) for end in ends]
    # One stride for all rounds, or a point at rest would be computed again when the others get longer.
    stride = choose_stride(max(int(n[:, 0].max()) for n in at_ends), sweep.model.record_every)
    exact = np.array_equal(at_ends[0], at_ends[1])
    halvings = math.ceil(math.log2(max(2.0, np.log(np.max(ends[1] / ends[0])) / rungs / math.log1p(rel_tol))))
    total = sweep.runs * (rungs + 1 + halvings)

    with (
        open_store(store, sweep, fresh, keep=frozenset({"outcome"})) as place,
        progress_bar(f"{sweep.model.name}: onset along {axis}", total, progress) as advance,
    ):

        def look(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            """Hits and undecided runs at the values `x` of shape (points, k)."""
            ready = plan(_at(sweep, axis, x), stride=stride, exact=exact)
            execute(ready, place, batch=batch, devices=devices, executor=executor, advance=advance)
            found = finalise.gather(ready, place, "outcome", slice(None), place.find(ready.ids))
            found = found.reshape((*x.shape, -1))
            return np.isin(found, codes).sum(axis=-1), (found == Outcome.NOT_FINISHED).sum(axis=-1)

        search = _climb(look, ends, needed, rungs, parameter)
        _halve(look, search, needed, rel_tol)
    attrs = {
        "axis": axis,
        "outcome": " ".join(Outcome(code).name.lower() for code in codes),
        "share": str(share),
        "rel_tol": rel_tol,
        "rungs": rungs,
    }
    return _label(sweep, parameter, search, place, attrs, ends)


def _codes(outcome: Outcome | str | Iterable[Outcome | str]) -> list[int]:
    names = {code.name.lower(): code for code in Outcome}
    listed = [outcome] if isinstance(outcome, Outcome | str) else list(outcome)
    codes = []
    for entry in listed:
        if isinstance(entry, str) and entry.lower() not in names:
            raise unknown("outcome", entry, names)
        codes.append(int(names[entry.lower()] if isinstance(entry, str) else Outcome(entry)))
    if not codes:
        raise UsageError(f"Give an outcome to look for; known: {', '.join(names)}.")
    return codes


def _needed(share: str | float, seeds: int) -> int:
    """Number of runs with the outcome from which a value counts as hit."""
    if share == "0+":
        return 1
    try:
        number = float(share)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number <= 1:
        raise UsageError(f"share must be '0+' (any run) or a number in (0, 1], got {share!r}.")
    return max(1, math.ceil(number * seeds - 1e-9))


def _check(
    sweep: Sweep, parameter: Parameter, low: Any, high: Any, rel_tol: float, rungs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both ends at every point, or an error."""
    name = sweep.model.name
    if parameter.name in sweep.grid.given:
        raise UsageError(f"{name}: {parameter.name} is searched for; leave it out of the sweep's parameters.")
    if parameter.integer or parameter.dims:
        kind = "a whole number" if parameter.integer else "a vector"
        raise UsageError(f"{name}: {parameter.name} is {kind}; only a real number can be bisected.")
    finest = 8 * float(np.finfo(sweep.dtype).eps)
    if not finest <= rel_tol < 1:
        raise UsageError(f"rel_tol must lie in [{finest:.1g}, 1) for {sweep.dtype}, got {rel_tol!r}.")
    if isinstance(rungs, bool) or rungs < 1:
        raise UsageError(f"rungs must be a whole number >= 1, got {rungs!r}.")
    if RUNG in sweep.grid.dims:
        raise UsageError(f"{name}: the dim {RUNG!r} is used by the search itself; give the axis another name.")
    ends = _everywhere(sweep, parameter, "low", low), _everywhere(sweep, parameter, "high", high)
    if np.any(ends[0] <= 0) or np.any(ends[0] >= ends[1]):
        raise UsageError(
            f"{name}: the bracket of {parameter.name} needs 0 < low < high at every point, got low from "
            f"{ends[0].min():g} and high from {ends[1].min():g}."
        )
    return ends


def _everywhere(sweep: Sweep, parameter: Parameter, which: str, value: Any) -> np.ndarray:
    dims = sweep.grid.dims
    array = value if isinstance(value, xr.DataArray) else xr.DataArray(np.asarray(value, dtype=float))
    if isinstance(value, tuple) and len(value) == 2 and not np.isscalar(value[1]):
        array = xr.DataArray(np.asarray(value[1], dtype=float), dims=value[0])
    for dim, length in array.sizes.items():
        if dims.get(str(dim)) != length:
            raise UsageError(
                f"{sweep.model.name}: {which} of {parameter.name} has {length} values along {dim}, but the "
                "sweep has "
                f"{dict(dims)}; give a number, or an array over the sweep's dims."
            )
    ordered = array.transpose(*(dim for dim in dims if dim in array.dims)).values
    index = tuple(slice(None) if dim in array.dims else None for dim in dims)
    full = np.broadcast_to(ordered[index], tuple(dims.values())).reshape(-1)
    return parameter.check(full, f"{sweep.model.name}: {which}")


def _at(sweep: Sweep, axis: str, x: np.ndarray) -> Sweep:
    """The plain sweep at the values `x` of shape (points, k)."""
    dims = sweep.grid.dims
    values = x.reshape((*dims.values(), x.shape[1]))
    # The other axes come first, so that their dims keep their order.
    return sweep.replace(parameters={**sweep.parameters, axis: ((*dims, RUNG), values)})


Look = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]


def _climb(look: Look, ends: tuple[np.ndarray, np.ndarray], needed: int, rungs: int, parameter: Parameter) -> _Search:
    """Find the lowest rung that is hit above a clean one, widening the bracket where it misses."""
    low, high = ends[0].astype(float), ends[1].astype(float)
    points = len(low)
    nan, none = np.full(points, np.nan), np.zeros(points, dtype=np.int64)
    status = np.full(points, OnsetStatus.NOT_SEARCHED, dtype=np.int8)
    s = _Search(low, high, status, nan.copy(), nan.copy(), *(none.copy() for _ in range(5)))
    while np.any(s.status == OnsetStatus.NOT_SEARCHED):
        x = s.low[:, None] * (s.high / s.low)[:, None] ** np.linspace(0.0, 1.0, rungs + 1)[None, :]
        x[:, 0], x[:, -1] = s.low, s.high  # exactly: widened ladders share an end
        hits, undecided = look(x)
        hit = hits >= needed
        for p in np.flatnonzero(s.status == OnsetStatus.NOT_SEARCHED):
            first = int(np.argmax(hit[p])) if hit[p].any() else -1
            if first > 0:
                s.status[p] = OnsetStatus.FOUND
                s.lower[p], s.upper[p] = x[p, first - 1], x[p, first]
                s.hits[p], s.lower_hits[p] = hits[p, first], hits[p, first - 1]
                s.undecided[p], s.lower_undecided[p] = undecided[p, first], undecided[p, first - 1]
                continue
            down = first == 0
            moved = s.low[p] / WIDEN_BY if down else s.high[p] * WIDEN_BY
            if s.widened[p] < WIDENINGS and bool(parameter.domain.contains(np.asarray(moved))):
                s.low[p], s.high[p] = (moved, s.low[p]) if down else (s.high[p], moved)
                s.widened[p] += 1
            else:
                s.status[p] = OnsetStatus.HIT_AT_LOW if down else OnsetStatus.NEVER_HIT
                s.hits[p], s.undecided[p] = (hits[p, 0], undecided[p, 0]) if down else (hits[p, -1], undecided[p, -1])
    return s


def _halve(look: Look, s: _Search, needed: int, rel_tol: float) -> None:
    """Halve the brackets that are still too wide; the others stay at a value that is known already."""
    found = s.status == OnsetStatus.FOUND
    while np.any(active := found & (s.upper > s.lower * (1.0 + rel_tol))):
        x = np.where(active, np.sqrt(s.lower) * np.sqrt(s.upper), np.where(found, s.upper, s.high))
        hits, undecided = (counts[:, 0] for counts in look(x[:, None]))
        up, down = active & (hits >= needed), active & (hits < needed)
        s.upper[up], s.hits[up], s.undecided[up] = x[up], hits[up], undecided[up]
        s.lower[down], s.lower_hits[down], s.lower_undecided[down] = x[down], hits[down], undecided[down]


def _label(
    sweep: Sweep,
    parameter: Parameter,
    s: _Search,
    store: Store,
    attrs: dict[str, Any],
    ends: tuple[np.ndarray, np.ndarray],
) -> xr.Dataset:
    dims, shape = tuple(sweep.grid.dims), tuple(sweep.grid.dims.values())
    base = finalise.skeleton(plan(sweep), store)
    low, high = (_at(sweep, parameter.name, end[:, None]).grid.values for end in ends)
    # Parameters whose defaults follow the axis have no one value here.
    drop = {parameter.name, "seed"} | {name for name in low if not np.array_equal(low[name], high[name])}
    known = {dim for p in sweep.model.parameters for dim in p.dims} | set(dims)
    drop |= {str(name) for name, coord in base.coords.items() if not set(coord.dims) <= known}
    value = {"units": parameter.unit}
    flags = {
        "flag_values": [int(code) for code in OnsetStatus],
        "flag_meanings": " ".join(code.name.lower() for code in OnsetStatus),
    }
    variables = {
        "lower": (s.lower, value | {"long_name": f"highest {parameter.name} known to be below the onset"}),
        "upper": (s.upper, value | {"long_name": f"lowest {parameter.name} known to be hit"}),
        "hits": (s.hits, {"long_name": "runs with the outcome at upper"}),
        "lower_hits": (s.lower_hits, {"long_name": "runs with the outcome at lower"}),
        "undecided": (
            s.undecided + s.lower_undecided,
            {"long_name": "runs not finished at lower and upper together"},
        ),
        "runs": (np.full(s.hits.shape, len(sweep.seed_values)), {"long_name": "runs at each value"}),
        "status": (s.status, {"long_name": "how the search ended"} | flags),
    }
    data = {name: (dims, array.reshape(shape), extra) for name, (array, extra) in variables.items()}
    return base.drop_vars(sorted(drop & set(map(str, base.coords)))).assign(data).assign_attrs(attrs)
