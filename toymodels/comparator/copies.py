"""Runs that are copies of one another, such as a seed that was used twice: found, and denied as evidence.

Two runs are copies if nothing tells them apart at any compared point (observable, prediction, realised inputs) and the
tie cannot be a coincidence. Realised inputs (`initial_*`, `sample_*`) decide where they exist: other inputs, no copies.
A tie proves something only in a number that hardly ever comes twice. Whole numbers, rounded numbers, multiples of a
time step, values that never vary among the inputs and values piled up at the end of a range are legitimate ties.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import xarray as xr

from toymodels.comparator.layout import Layout

INPUTS = ("initial_", "sample_")
DIGITS = 7
"""Numbers with at most so many significant digits were rounded or counted."""
LEVELS = 1e6
"""A grid with fewer levels than this explains ties."""
_PROBED = 64
"""Distinct values per point on which a grid is looked for."""


def copied_runs(
    data: xr.Dataset, layout: Layout, keep: np.ndarray, observed: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """(runs,): True for every run that repeats an earlier one.

    `keep`, `observed` (the estimator's numbers), `predicted`: (points, runs).
    """
    runs = layout.n_runs
    redundant = np.zeros(runs, bool)
    alive = np.flatnonzero(keep.any(axis=0))
    points = np.flatnonzero(keep.any(axis=1))
    if alive.size < 2:
        return redundant
    digest = np.zeros(alive.size, np.uint64)
    for point in points:
        for row in (keep[point], np.where(keep[point], observed[point], 0), np.where(keep[point], predicted[point], 0)):
            digest = _mixed(digest, row[alive])
    tied = alive[_repeated(digest)]
    if not tied.size:
        return redundant
    digest = digest[_repeated(digest)]
    seen_in_inputs = np.zeros(tied.size, bool)
    for full, rows in _inputs(data, layout):
        for point in points:
            here = keep[point]
            values = np.where(here, rows[point], 0.0)
            digest = _mixed(digest, values[tied])
            if full and np.unique(values[here]).size > 1:
                seen_in_inputs |= telling(values, here)[tied]
    proven = seen_in_inputs
    if not proven.all():
        for point in points:
            proven = proven | telling(observed[point], keep[point])[tied]
    _, first, group = np.unique(digest, return_index=True, return_inverse=True)
    redundant[tied] = proven & (first[group] != np.arange(tied.size))
    return redundant


def telling(values: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """(runs,): where another run with the same number would be no coincidence, at one point."""
    usable = keep & np.isfinite(values)
    result = np.zeros(values.shape, bool)
    if not usable.any():
        return result
    distinct, place, counts = np.unique(values[usable], return_inverse=True, return_counts=True)
    if _on_a_grid(distinct):
        return result
    single = np.float32(distinct) == distinct
    if single.all() and (counts - 1).sum() <= 2 + usable.sum() ** 2 / 2**21:
        return result  # so many ties come about in single precision by chance
    ends = np.isin(np.arange(distinct.size), (0, distinct.size - 1))
    # A value at either end may be a floor or a ceiling, unless every single value comes twice.
    result[usable] = (~ends | bool((counts > 1).all()))[place]
    return result


def _on_a_grid(distinct: np.ndarray) -> bool:
    """Whether numbers are rounded or multiples of one step (as they are, or before a logarithm or rate was taken)."""
    probe = distinct[np.unique(np.linspace(0, distinct.size - 1, _PROBED).astype(int))]
    if all(float(f"{v:.{DIGITS - 1}e}") == v for v in probe.tolist()):
        return True
    if distinct.size == 1:
        return False
    with np.errstate(all="ignore"):
        return any(_steps(v) for v in (probe, np.exp(probe), np.power(10.0, probe), 1 / probe))


def _steps(values: np.ndarray) -> bool:
    """Euclid's algorithm on floats: is there a step of which all are multiples, with few levels?"""
    sizes = np.abs(values[values != 0])
    if not sizes.size or not np.isfinite(sizes).all() or sizes.max() > 1e300:
        return False
    sizes = np.sort(sizes / sizes.max())
    step = float(sizes[-1])
    for size in sizes.tolist():
        while size > 1e-10:
            rest = step % size
            step, size = size, 0.0 if size - rest < 1e-10 else rest
        if step < 1 / LEVELS:
            return False
    return True


def _inputs(data: xr.Dataset, layout: Layout) -> Iterator[tuple[bool, np.ndarray]]:
    """Every number of every realised input as (points, runs), and whether it has all run dims."""
    for name, variable in data.data_vars.items():
        dims = set(map(str, variable.dims))
        if not str(name).startswith(INPUTS) or not dims & set(layout.run_dims) or variable.dtype.kind not in "fiub":
            continue
        extra = [d for d in variable.dims if str(d) not in layout.sizes]
        for index in np.ndindex(*(variable.sizes[d] for d in extra)):
            one = variable.isel(dict(zip(extra, index, strict=True)), drop=True)
            yield dims >= set(layout.run_dims), layout.stack(one, f"realised input {name!r}").astype(float)


def _repeated(digest: np.ndarray) -> np.ndarray:
    _, group, counts = np.unique(digest, return_inverse=True, return_counts=True)
    return counts[group] > 1


def _mixed(digest: np.ndarray, row: np.ndarray) -> np.ndarray:
    """64-bit digest of what went before and one more number per run; all NaN are alike, and so are both zeros."""
    numbers = np.where(np.isnan(row), np.nan, row.astype(float) + 0.0) if row.dtype.kind == "f" else row.astype(float)
    mixed = (digest ^ np.ascontiguousarray(numbers, float).view(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    return np.asarray(mixed ^ (mixed >> np.uint64(32)))
