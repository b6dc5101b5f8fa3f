"""A user's data under their own names: numbers of a column, of a family of columns, of a variable."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from toymodels.errors import UsageError

ROW = "table_row"
SHOWN = 30
UNIT = re.compile(r"\s*[\[(][^\])]*[\])]\s*$")


@dataclasses.dataclass(frozen=True)
class Source:
    """Data as read. A table has one dim, `table_row`; its cells may still be text. `lines` says where rows stand."""

    data: xr.Dataset
    path: Path
    tabular: bool
    lines: np.ndarray | None = None
    unit: str = "line"

    @classmethod
    def table(cls, frame: pd.DataFrame, path: Path, lines: np.ndarray) -> Source:
        columns = {str(name): (ROW, frame[name].to_numpy(dtype=object)) for name in frame.columns}
        return cls(xr.Dataset(columns), path, tabular=True, lines=lines)

    @classmethod
    def labelled(cls, data: xr.Dataset, path: Path) -> Source:
        return cls(data, path, tabular=False)

    @property
    def names(self) -> list[str]:
        """What the file holds, as it is called there."""
        return [str(name) for name in self.data.variables]

    @property
    def word(self) -> str:
        return "column" if self.tabular else "variable"

    @property
    def rows(self) -> int:
        return int(self.data.sizes.get(ROW, 0))

    def has(self, name: str, dims: tuple[str, ...] = ()) -> bool:
        """Whether `numbers(name, dims)` finds something."""
        return self._plain(name) is not None or bool(self.family(name)) or self._logarithm(name) is not None

    def numbers(self, name: str, dims: tuple[str, ...] = ()) -> xr.DataArray:
        """Real numbers of a column, or of the family NAME_1, NAME_2 (NAME[0], NAME_1_1, ...) over `dims`.

        A column `log10_NAME` or `ln_NAME` stands for NAME. Raises `UsageError`.
        """
        found = self._plain(name)
        if found is not None:
            return self._own_dims(self._numeric(found), dims)
        family = self.family(name)
        if family:
            return self._stacked(name, family, dims)
        logarithm = self._logarithm(name)
        if logarithm is None:
            raise self.unknown(name)
        column, base = logarithm
        with np.errstate(over="ignore"):
            return base ** self._numeric(column)

    def origin(self, name: str) -> str:
        """How the file calls `name`."""
        found = self._plain(name)
        if found is not None:
            return found
        family = sorted(self.family(name).items())
        if family:
            return f"{family[0][1]} ... {family[-1][1]}" if len(family) > 1 else family[0][1]
        logarithm = self._logarithm(name)
        return f"{'10' if logarithm and logarithm[1] == 10 else 'e'}**{logarithm[0]}" if logarithm else name

    def family(self, name: str) -> dict[tuple[int, ...], str]:
        """{index: column} of the columns that hold the entries of a vector or matrix."""
        if not self.tabular:
            return {}
        plain = re.compile(rf"{re.escape(name)}[_ .]?[\[(]?(\d+)(?:(?:[_ ,.;]+|\]\[|\)\()(\d+))?[\])]?")
        found: dict[tuple[int, ...], str] = {}
        for column in self.names:
            match = plain.fullmatch(column.strip())
            if match:
                first, second = match.group(1), match.group(2)
                found[(int(first),) if second is None else (int(first), int(second))] = column
        ranks = {len(index) for index in found}
        if ranks == {1} and all(10 <= i < 100 for (i,) in found):
            # W_11, W_12, ... is a matrix: a vector begins at 0 or 1.
            found = {(i // 10, i % 10): column for (i,), column in found.items()}
        return found if len({len(index) for index in found}) == 1 else {}

    def text(self, name: str) -> np.ndarray:
        """The cells of a column as they are (for labels)."""
        found = self._plain(name)
        if found is None:
            raise self.unknown(name)
        return np.asarray(self.data[found].values)

    def label(self, name: str) -> xr.DataArray:
        """A column as numbers, or as words where it holds any."""
        try:
            return self.numbers(name)
        except UsageError:
            cells = self.text(name)
            return xr.DataArray(np.array([str(cell) for cell in cells]), dims=ROW)

    def plain(self, name: str) -> str | None:
        """The column called `name`, with or without a unit in brackets behind it."""
        return self._plain(name)

    def unknown(self, name: str, extra: str = "") -> UsageError:
        """The error for a name that the file lacks: nearest ones, and all of them."""
        by_key = {_key(column): column for column in self.names}
        near = [by_key[k] for k in difflib.get_close_matches(_key(name), by_key, n=3, cutoff=0.5)]
        offer = f" Did you mean {' or '.join(near)}?" if near else ""
        return UsageError(f"{self.path} has no {self.word} {name!r}.{offer} It has: {self.listing}.{extra}")

    @property
    def listing(self) -> str:
        names = self.names
        return ", ".join(names[:SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > SHOWN else "")

    def keep(self, chosen: np.ndarray) -> Source:
        """Only the rows where `chosen` is True."""
        lines = self.lines[chosen] if self.lines is not None else None
        return dataclasses.replace(self, data=self.data.isel({ROW: np.flatnonzero(chosen)}), lines=lines)

    def where(self, rows: np.ndarray) -> str:
        """ "lines 3, 7, 9, ... (12 in all)" for row numbers."""
        assert self.lines is not None
        numbers = np.sort(self.lines[rows])
        shown = ", ".join(str(n) for n in numbers[:5])
        many = f", ... ({len(numbers)} in all)" if len(numbers) > 5 else ""
        return f"{self.unit}{'s' if len(numbers) > 1 else ''} {shown}{many}"

    def _plain(self, name: str) -> str | None:
        if name in self.data.variables:
            return name
        matches = [column for column in self.names if _stripped(column) == _stripped(name)]
        return matches[0] if len(matches) == 1 else None

    def _logarithm(self, name: str) -> tuple[str, float] | None:
        for prefix, base in (("log10_", 10.0), ("ln_", math.e)):
            found = self._plain(prefix + name)
            if found is not None:
                return found, base
        return None

    def _numeric(self, column: str) -> xr.DataArray:
        array = self.data[column]
        if np.iscomplexobj(array.values):
            raise UsageError(
                f"The {self.word} {column!r} of {self.path} is complex; write real and imaginary part (or the modulus) "
                "as numbers of their own."
            )
        if array.dtype.kind in "fiub":
            return array.astype(float)
        if array.dtype.kind in "mM":
            raise UsageError(f"The {self.word} {column!r} of {self.path} holds dates; write it as plain numbers.")
        return array.copy(data=self._parsed(column, array.values))

    def _parsed(self, column: str, cells: np.ndarray) -> np.ndarray:
        flat = pd.Series(np.asarray(cells, dtype=object).ravel())
        missing = flat.isna().to_numpy()
        words = flat.astype(str).str.strip().str.replace("−", "-", regex=False)
        words = words.replace({"True": "1", "False": "0", "true": "1", "false": "0", "TRUE": "1", "FALSE": "0"})
        numbers = pd.to_numeric(words.where(~missing), errors="coerce").to_numpy(float, na_value=np.nan)
        bad = np.isnan(numbers) & ~missing & (words.str.lower().str.lstrip("+-") != "nan").to_numpy()
        if bad.any():
            decimal = pd.to_numeric(words.str.replace(",", ".", regex=False), errors="coerce").to_numpy(float)
            if not np.isnan(decimal[bad]).any() and not np.any(words[bad].str.count(",") > 1):
                return np.where(bad, decimal, numbers).reshape(cells.shape)
            first = int(np.flatnonzero(bad)[0])
            place = f" in {self.unit} {self.lines[first]}" if self.lines is not None and len(flat) == self.rows else ""
            word = str(flat.iloc[first])
            if re.fullmatch(r"\(?[-+\d.eE]+[-+][\d.eE+-]*[ij]\)?", word.replace(" ", "")):
                raise UsageError(
                    f"The {self.word} {column!r} of {self.path} holds the complex number {word!r}{place}; write real "
                    "and imaginary part (or the modulus) as columns of their own."
                )
            more = f" ({int(bad.sum())} such cells)" if bad.sum() > 1 else ""
            raise UsageError(
                f"The {self.word} {column!r} of {self.path} holds {word!r}{place}, which is no number{more}; "
                "leave a cell empty where nothing was measured."
            )
        return numbers.reshape(cells.shape)

    def _own_dims(self, array: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
        """A matrix from an npz file has axes without names: they become `dims`."""
        own = [str(d) for d in array.dims if d != ROW]
        if self.tabular and dims and len(own) == len(dims):
            return array.rename(dict(zip(own, dims, strict=True)))
        return array

    def _stacked(self, name: str, family: dict[tuple[int, ...], str], dims: tuple[str, ...]) -> xr.DataArray:
        rank = len(next(iter(family)))
        if dims and len(dims) != rank:
            raise UsageError(
                f"{name} has the axes {', '.join(dims)}, but the columns {', '.join(list(family.values())[:4])} carry "
                f"{rank} index{'es' if rank > 1 else ''} each; "
                f"name them {name}_1{'_1' * (len(dims) - 1)}, {name}_1{'_1' * (len(dims) - 2) if len(dims) > 1 else ''}"
                f"{'_2' if len(dims) > 1 else ', ' + name + '_2'}, and so on."
            )
        axes = [sorted({index[k] for index in family}) for k in range(rank)]
        for numbers in axes:
            if numbers[0] not in (0, 1) or numbers != list(range(numbers[0], numbers[0] + len(numbers))):
                raise UsageError(
                    f"The columns of {name} are numbered {', '.join(map(str, numbers))}; number them from 0 or 1 on, "
                    "without gaps."
                )
        shape = [len(numbers) for numbers in axes]
        if len(family) != np.prod(shape):
            raise UsageError(
                f"{name} lacks columns: there are {len(family)} of {' x '.join(map(str, shape))} entries "
                f"({', '.join(family.values())})."
            )
        values = np.empty((self.rows, *shape))
        for index, column in family.items():
            place: Any = (slice(None), *(i - numbers[0] for i, numbers in zip(index, axes, strict=True)))
            values[place] = self._numeric(column).values
        return xr.DataArray(values, dims=(ROW, *(dims or [f"{name}_axis{k + 1}" for k in range(rank)])))


def _stripped(name: str) -> str:
    return re.sub(r"[\s-]+", "_", UNIT.sub("", name).strip())


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def attributes(array: xr.DataArray) -> Mapping[Any, Any]:
    """Unit and description of a variable, where the file gives them."""
    return {k: v for k, v in array.attrs.items() if k in ("long_name", "units", "unit")}
