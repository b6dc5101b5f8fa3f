"""Text tables: which sign separates the columns, where the header is, what is a comment."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import lzma
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from toymodels.errors import EnvironmentProblem, UsageError

DELIMITERS = (",", ";", "\t", "|")
COMMENTS = ("#", "%", "//")
PACKED: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
SNIFFED = 20
"""Lines that are looked at to find the delimiter."""


def read_table(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The columns of a text table as text (missing cells are NaN), and the line of the file that each row comes from.

    Delimiters: comma, semicolon, tab, bar, blanks. Lines that begin with #, % or // are comments; the last comment
    before the numbers serves as header where the table has no other (as written by numpy.savetxt). Raises `UsageError`
    for a table that cannot be understood, `EnvironmentProblem` for a file that cannot be read.
    """
    lines = _text(path).splitlines()
    kept = [
        (n, line) for n, line in enumerate(lines, start=1) if line.strip() and not line.lstrip().startswith(COMMENTS)
    ]
    if not kept:
        raise EnvironmentProblem(f"{path} is empty; it must hold a header line and at least one row of numbers.")
    delimiter = _delimiter([line for _, line in kept[:SNIFFED]])
    header = _split(kept[0][1], delimiter)
    if all(_is_number(cell) for cell in header):
        header = _commented_header(path, lines[: kept[0][0] - 1], len(header), delimiter)
    else:
        kept = kept[1:]
    if not kept:
        raise EnvironmentProblem(
            f"{path} holds a header line ({', '.join(header)}) and no rows; there is nothing to judge."
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise UsageError(f"{path} has two columns named {twice[0]!r}; rename one of them.")
    # A table written with its index has a first column without a name.
    names = [name or f"unnamed {position}" for position, name in enumerate(header)]
    frame = _parse(path, kept, names, delimiter)
    unnamed = [name for name, original in zip(names, header, strict=True) if not original]
    return frame.drop(columns=unnamed), np.array([n for n, _ in kept])[: len(frame)]


def _parse(path: Path, kept: list[tuple[int, str]], names: list[str], delimiter: str | None) -> pd.DataFrame:
    for n, line in kept:
        count = len(_split(line, delimiter))
        # A delimiter at the end of a line opens one more, empty field.
        extra = count - len(names)
        if extra > 0 and not (extra == 1 and delimiter and line.rstrip().endswith(delimiter)):
            raise UsageError(
                f"{path}, line {n} has {count} fields, the header has {len(names)} ({', '.join(names)}); mend the line"
                + (", or separate columns by another sign than the decimal comma." if delimiter == "," else ".")
            )
    return pd.read_csv(
        io.StringIO("\n".join(line for _, line in kept)),
        sep=delimiter or r"\s+",
        names=names,
        header=None,
        index_col=False,
        usecols=range(len(names)),
        dtype=str,
        skipinitialspace=True,
        na_values=["-", "--", "None", "none"],
    )


def _text(path: Path) -> str:
    opener = PACKED.get(path.suffix.lower(), open)
    try:
        with opener(path, "rb") as file:
            raw = file.read()
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise EnvironmentProblem(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error
    encoding = "utf-16" if raw[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    if encoding != "utf-16" and b"\0" in raw:
        raise UsageError(f"{path} is no text table (it holds zero bytes); give CSV, NetCDF, npz or a result directory.")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _delimiter(lines: list[str]) -> str | None:
    """The delimiter that splits all lines into the same number of fields, at least two; None: blanks, one column."""
    best: str | None = None
    most = (0, 1)
    for candidate in DELIMITERS:
        counts = [len(_split(line, candidate)) for line in lines]
        usual = max(set(counts), key=counts.count)
        rank = (counts.count(usual), usual)
        if usual > 1 and (best is None or rank > most):
            best, most = candidate, rank
    return best


def _split(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line.strip("\r\n")], delimiter=delimiter, skipinitialspace=True))]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _commented_header(path: Path, before: list[str], count: int, delimiter: str | None) -> list[str]:
    for line in reversed(before):
        words = _split(line.lstrip().lstrip("#%/").strip(), delimiter)
        if len(words) == count and not any(_is_number(word) for word in words):
            return words
    raise UsageError(
        f"{path} has no header: its first line is numbers. Begin it with the names of the {count} columns, "
        "for example T,learning_rate,seed,learning_step."
    )
