"""Rows of a table as points and runs: one labelled array each, ragged groups padded with absent runs."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np
import pandas as pd
import xarray as xr

from runs.userdata.source import ROW, Source
from toymodels.errors import UsageError

POINT, RUN = "point", "seed"
SEED_COLUMNS = ("seed", "run", "run_id", "run_index", "replicate", "repetition", "trial", "realisation", "realization")
DIGITS = 12
"""Numbers that agree in so many digits belong to the same point."""
REPEATED = 5
"""Realised inputs (initial_..., sample_...) that repeat this often on average are settings."""
FEW = 50
"""A further column with at most so many values looks like a setting."""


@dataclasses.dataclass(frozen=True)
class Arranged:
    """`place(array)` moves an array over rows to points and runs. `present` is False for runs that are not there."""

    shape: dict[str, int]
    coords: dict[str, xr.DataArray]
    index: np.ndarray
    """(points, runs) row numbers, -1 where there is no run."""
    first: np.ndarray
    """A row of every point."""
    settings: tuple[str, ...]
    """Inputs that have one value per point."""
    notes: tuple[str, ...]

    @property
    def dims(self) -> tuple[str, ...]:
        return tuple(self.shape)

    @property
    def present(self) -> xr.DataArray:
        return xr.DataArray(self.index.reshape(tuple(self.shape.values())) >= 0, dims=self.dims)

    def place(self, array: xr.DataArray, per_point: bool = False) -> xr.DataArray:
        """`array` (over rows, or constant) on the new dims; absent runs are NaN."""
        if ROW not in array.dims:
            return array
        values = array.transpose(ROW, ...).values
        own = [str(d) for d in array.dims if d != ROW]
        if per_point:
            dims = [d for d in self.dims if d != RUN]
            lengths = [self.shape[d] for d in dims]
            moved = values[self.first]
        else:
            dims, lengths = list(self.dims), list(self.shape.values())
            moved = np.where(_expand(self.index.ravel() >= 0, values.ndim), values[self.index.ravel()], np.nan)
        return xr.DataArray(moved.reshape((*lengths, *values.shape[1:])), dims=(*dims, *own), attrs=array.attrs)


def arrange(
    source: Source,
    inputs: Mapping[str, xr.DataArray],
    realised: set[str],
    others: Mapping[str, xr.DataArray],
    used: set[str],
    *,
    seed: str | None,
    repeated: bool,
) -> Arranged:
    """Group the rows of a table.

    Rows with the same `inputs` and the same `others` (axes of the figure, say) are one point, and the rows of a point
    are its runs; inputs in `realised` may differ between them. Without `repeated` runs every row is a point. A complete
    grid gets one dim per input, anything else the dim `point`. `used` are columns with a role of their own.
    """
    notes: list[str] = []
    over_rows = {name: array for name, array in inputs.items() if ROW in array.dims}
    codes = {name: _codes(array) for name, array in {**over_rows, **others}.items() if ROW in array.dims}
    run_column = _seed_column(source, seed, used)
    seeds = _codes_of(source.text(run_column)) if run_column else None
    if not repeated:
        return _flat(source, over_rows, codes, others)
    settings = [name for name in codes if name not in realised]
    own = [name for name in codes if name in realised]
    if own and _groups(codes, settings + own, source.rows).max() + 1 <= source.rows / REPEATED:
        settings, own = [*settings, *own], []
    group = _groups(codes, settings, source.rows)
    if seeds is not None:
        group, further, said = _separated(source, group, seeds, codes, settings, used | {run_column or ""})
        settings, others = [*settings, *further], {**others, **further}
        notes += said
    counts = np.bincount(group)
    if counts.max() == 1:
        widest = max((n for n in settings if n in over_rows), key=lambda n: codes[n].max(initial=0), default="NAME")
        raise UsageError(
            f"{source.path} holds a single run for every combination of {', '.join(settings) or 'inputs'}, and an "
            "estimate over runs needs several. Give more seeds, or --kind exact (with --error for the numerical "
            f"error), or say which input differs from run to run, such as --per-run {widest}."
        )
    if seeds is None:
        notes += _pooled(source, group, used | {source.plain(n) or n for n in codes})
    slots, labels = _slots(group, seeds, None if run_column is None else source.text(run_column), counts)
    index = np.full((len(counts), len(labels)), -1)
    index[group, slots] = np.arange(source.rows)
    first = np.array([row[row >= 0][0] for row in index])
    shape, coords, order = _axes(over_rows, codes, settings, first, others)
    index, first = index[order], first[order]
    coords[RUN] = xr.DataArray(labels, dims=RUN)
    if own:
        notes.append(f"{', '.join(own)}: one value per run")
    return Arranged({**shape, RUN: len(labels)}, coords, index, first, tuple(settings), tuple(notes))


def repeats(source: Source, inputs: Mapping[str, xr.DataArray], realised: set[str]) -> bool:
    """Whether several rows share all inputs, except those that are realised anew in every run."""
    over_rows = {name: array for name, array in inputs.items() if ROW in array.dims and name not in realised}
    codes = {name: _codes(array) for name, array in over_rows.items()}
    return source.rows > 1 and int(_groups(codes, list(codes), source.rows).max(initial=0)) + 1 < source.rows


def _flat(
    source: Source,
    inputs: Mapping[str, xr.DataArray],
    codes: dict[str, np.ndarray],
    others: Mapping[str, xr.DataArray],
) -> Arranged:
    """Every row a point: on a grid where it is complete, else in the order of the file."""
    rows = np.arange(source.rows)
    group = _groups(codes, list(codes), source.rows)
    if group.max(initial=-1) + 1 == source.rows and codes:
        first = np.argsort(group)
        shape, coords, order = _axes(inputs, codes, list(codes), first, others)
        first = first[order]
    else:
        first, shape = rows, {POINT: source.rows}
        labels = {name: array.values for name, array in inputs.items() if array.ndim == 1}
        coords = {POINT: xr.DataArray(_labels(labels, first), dims=POINT)}
        coords |= {name: xr.DataArray(values, dims=POINT) for name, values in labels.items()}
    return Arranged(shape, coords, first[:, None], first, tuple(codes), ())


def _axes(
    inputs: Mapping[str, xr.DataArray],
    codes: dict[str, np.ndarray],
    settings: list[str],
    first: np.ndarray,
    others: Mapping[str, xr.DataArray],
) -> tuple[dict[str, int], dict[str, xr.DataArray], np.ndarray]:
    """Dims, coordinates and order of the points: one dim per setting if the grid is complete, else `point`."""
    values = {n: {**others, **inputs}[n].values for n in settings}
    varying = [n for n in settings if len(np.unique(codes[n][first])) > 1]
    order = np.lexsort([codes[n][first] for n in reversed(settings)]) if settings else np.arange(len(first))
    lengths = {n: len(np.unique(codes[n][first])) for n in varying}
    plain = all(values[n].ndim == 1 and not pd.isna(values[n][first]).any() for n in varying)
    if varying and plain and np.prod(list(lengths.values())) == len(first):
        coords = {n: xr.DataArray(_sorted(values[n][first], codes[n][first]), dims=n) for n in varying}
        return lengths, coords, order
    # Constant settings need no axis, but a table may hold a single point.
    ordered = {n: values[n][first[order]] for n in settings if values[n].ndim == 1}
    coords = {POINT: xr.DataArray(_labels(ordered, np.arange(len(first))), dims=POINT)}
    coords |= {n: xr.DataArray(v, dims=POINT) for n, v in ordered.items()}
    return {POINT: len(first)}, coords, order


def _sorted(values: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """One value per code, by rising code."""
    _, first = np.unique(codes, return_index=True)
    return values[first]


def _labels(columns: Mapping[str, np.ndarray], rows: np.ndarray) -> np.ndarray:
    """Words for points: the inputs that differ between them, or their numbers."""
    varying = {n: v for n, v in columns.items() if len(np.unique(v[rows])) > 1}
    if not varying:
        return np.arange(1, len(rows) + 1)
    words = [", ".join(f"{n}={_short(v[row])}" for n, v in varying.items()) for row in rows]
    return np.array(words) if len(set(words)) == len(words) else np.arange(1, len(rows) + 1)


def _short(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def _codes(array: xr.DataArray) -> np.ndarray:
    """(rows,) numbers that are equal where the values are, rising with the (first) value."""
    if array.dtype.kind not in "fiub":
        return _codes_of(array.values)
    values = array.transpose(ROW, ...).values.reshape(array.sizes[ROW], -1).astype(float)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.where((values == 0) | ~np.isfinite(values), 1.0, 10.0 ** np.floor(np.log10(np.abs(values))))
        rounded = np.round(values / size, DIGITS - 1) * size
    columns = np.stack([_codes_of(column) for column in rounded.T], axis=1)
    return np.unique(columns, axis=0, return_inverse=True)[1].reshape(-1)


def _codes_of(values: np.ndarray) -> np.ndarray:
    return pd.factorize(pd.Series(values), sort=True, use_na_sentinel=False)[0]


def _groups(codes: Mapping[str, np.ndarray], names: list[str], rows: int) -> np.ndarray:
    """(rows,) number of the combination of `names`, without gaps."""
    group = np.zeros(rows, dtype=np.int64)
    for name in names:
        group = np.unique(group * (codes[name].max(initial=0) + 1) + codes[name], return_inverse=True)[1].reshape(-1)
    return group


def _seed_column(source: Source, seed: str | None, used: set[str]) -> str | None:
    if seed is not None:
        found = source.plain(seed)
        if found is None:
            raise source.unknown(seed, " (given by --runs-dim)")
        return found
    names = {name.lower(): name for name in source.names}
    found = next((names[name] for name in SEED_COLUMNS if name in names), None)
    return None if found in used else found


def _separated(
    source: Source,
    group: np.ndarray,
    seeds: np.ndarray,
    codes: dict[str, np.ndarray],
    settings: list[str],
    used: set[str],
) -> tuple[np.ndarray, dict[str, xr.DataArray], list[str]]:
    """Points within which every seed occurs once: further columns that tell equal seeds apart become settings."""
    notes: list[str] = []
    further: dict[str, xr.DataArray] = {}
    while True:
        twice = pd.DataFrame({"group": group, "seed": seeds}).duplicated(keep=False).to_numpy()
        if not twice.any():
            return group, further, notes
        best = None
        for name in _further(source, used | {source.plain(n) or n for n in codes}):
            column = _codes_of(source.text(name))
            finer = _groups({"group": group, name: column}, ["group", name], source.rows)
            left = int(pd.DataFrame({"group": finer, "seed": seeds}).duplicated(keep=False).sum())
            if (
                column.max(initial=0) < max(FEW, source.rows / 4)
                and left < twice.sum()
                and (not best or left < best[0])
            ):
                best = (left, name, column, finer)
        if best is None:
            rows = np.flatnonzero(twice)
            raise UsageError(
                f"{source.path}: {len(rows)} rows have the same seed and the same inputs "
                f"({', '.join(settings) or 'none differ'}) as another row: {source.where(rows)}. Delete repeated "
                "rows, or name the column that tells them apart with --points-by COLUMN."
            )
        _, name, column, group = best
        codes[name], further[name] = column, source.label(name)
        notes.append(f"rows with equal seeds and inputs differ in {name}, which became an axis")


def _further(source: Source, used: set[str]) -> list[str]:
    """Columns of numbers or words that have no role yet."""
    return [name for name in source.names if name not in used and source.data[name].dims == (ROW,)]


def _pooled(source: Source, group: np.ndarray, used: set[str]) -> list[str]:
    """Notes on further settings that vary within points."""
    found = []
    for name in _further(source, used):
        column = _codes_of(source.text(name))
        count = column.max(initial=0) + 1
        finer = _groups({"group": group, name: column}, ["group", name], source.rows).max() + 1
        if 1 < count <= FEW and group.max() + 1 < finer <= source.rows / REPEATED:
            found.append(name)
    return [f"rows that differ in {n} alone are runs of one point (--points-by {n} tells them apart)" for n in found]


def _slots(
    group: np.ndarray, seeds: np.ndarray | None, labels: np.ndarray | None, counts: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """A place for every row among the runs of its point, and the labels of the places."""
    if seeds is not None and labels is not None and seeds.max() + 1 <= 2 * counts.max():
        names = np.array([labels[np.flatnonzero(seeds == code)[0]] for code in range(seeds.max() + 1)])
        return seeds, _whole(names)
    order = np.lexsort((np.arange(len(group)) if seeds is None else seeds, group))
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]])
    slots = np.empty(len(group), dtype=np.int64)
    slots[order] = np.arange(len(group)) - starts[group[order]]
    return slots, np.arange(counts.max())


def _whole(names: np.ndarray) -> np.ndarray:
    """Labels as whole numbers where they are (halves of the runs are told apart by them), else as they are."""
    numbers = pd.to_numeric(pd.Series(names), errors="coerce").to_numpy(float)
    if np.isfinite(numbers).all() and (numbers == np.round(numbers)).all():
        order = numbers.astype(np.int64)
        return order if len(set(order.tolist())) == len(order) else np.arange(len(names))
    return np.arange(len(names))


def _expand(mask: np.ndarray, ndim: int) -> np.ndarray:
    return mask.reshape((-1, *(1,) * (ndim - 1)))
