"""Long tables of vectors: a column `concept` that says which entry a row holds becomes columns, one an entry."""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr

from runs.userdata.source import ROW, Source
from toymodels.errors import UsageError


def widened(source: Source, observable: str, dims: tuple[str, ...], extra: tuple[str, ...]) -> Source:
    """`source` with the rows of one run joined, if columns called like `dims` number the entries of the observable.

    Columns that differ between the joined rows (beside the observable, `extra` and the index) must not exist.
    """
    column = source.plain(observable)
    if not source.tabular or column is None or not dims or any(source.plain(d) is None for d in dims):
        return source
    index_columns = [str(source.plain(d)) for d in dims]
    moving = [column, *(str(source.plain(e)) for e in extra if source.plain(e))]
    numbers = [source.numbers(name).values for name in index_columns]
    if any(np.isnan(n).any() or (n != np.round(n)).any() for n in numbers):
        raise UsageError(
            f"The column {', '.join(index_columns)} must number the entries of {observable} from 0 or 1 on."
        )
    keys = [name for name in source.names if name not in (*moving, *index_columns) and source.data[name].dims == (ROW,)]
    frame = pd.DataFrame({name: source.data[name].values for name in keys}, dtype=object)
    group = frame.astype(str).groupby(keys, sort=False).ngroup().to_numpy() if keys else np.zeros(source.rows, int)
    entry = list(zip(*(n.astype(int) for n in numbers), strict=True))
    if pd.DataFrame({"group": group, "entry": entry}).duplicated().any():
        raise UsageError(
            f"{source.path}: several rows share {', '.join(index_columns)} and all other columns, so their entries "
            "cannot be told apart; add a column seed."
        )
    first = np.unique(group, return_index=True)[1]
    columns = {name: (ROW, source.data[name].values[first]) for name in keys}
    for name in moving:
        cells = source.data[name].values
        for index in sorted(set(entry)):
            wide = np.full(len(first), np.nan, dtype=object)
            chosen = np.array([e == index for e in entry])
            wide[group[chosen]] = cells[chosen]
            columns["_".join([observable if name == column else name, *map(str, index)])] = (ROW, wide)
    assert source.lines is not None
    return Source(xr.Dataset(columns), source.path, True, source.lines[first], source.unit)
