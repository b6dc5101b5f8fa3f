"""Which claim and which part of a file: names of claims, --rename, --select."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from runs.userdata.observables import Measured, own_dims
from runs.userdata.request import Request
from runs.userdata.source import Source
from theory.claim import Claim
from theory.registry import get_claim, load_claims
from toymodels.errors import UsageError


def find_claim(name: str) -> Claim:
    """A claim by its id, or from a user's file: FILE.py (if it holds one claim) or FILE.py:ID."""
    path, _, claim_id = name.partition(".py")
    if not _:
        return get_claim(name)
    found = {claim.id: claim for claim in load_claims(f"{path}.py")}
    claim_id = claim_id.removeprefix(":")
    if claim_id:
        if claim_id not in found:
            raise UsageError(f"{path}.py defines no claim {claim_id!r}; it defines {', '.join(found)}.")
        return found[claim_id]
    if len(found) > 1:
        raise UsageError(f"{path}.py defines several claims; give {path}.py:ID with one of {', '.join(found)}.")
    return next(iter(found.values()))


def renamed(source: Source, request: Request) -> Source:
    for old, new in request.rename.items():
        if old not in source.data.dims:
            dims = ", ".join(str(d) for d in source.data.dims) or "none"
            raise UsageError(f"--rename {old}={new}: {request.data} has no dim {old!r}; its dims are {dims}.")
        if source.tabular:
            raise UsageError("--rename is for the dims of NetCDF files; columns are named with --map.")
        if new in source.data.dims or new in source.data.variables:
            raise UsageError(f"--rename {old}={new}: the file has a {new!r} already.")
    return dataclasses.replace(source, data=source.data.rename(dict(request.rename))) if request.rename else source


def selected(source: Source, request: Request, claim: Claim) -> Source:
    """Only the rows, or the labels of dims, that --select names."""
    for name, value in request.select.items():
        wanted = value if isinstance(value, list) else [value]
        if source.tabular:
            cells = source.label(name)
            kept = np.isin(cells.values, np.array(wanted, dtype=cells.dtype if cells.dtype.kind == "f" else str))
            if not kept.any():
                there = ", ".join(f"{v}" for v in np.unique(cells.values)[:8])
                raise UsageError(f"--select {name}={value}: no row has that value; {name} takes {there}.")
            source = source.keep(kept)
        elif not _of_vectors(claim, name):
            source = dataclasses.replace(source, data=_picked(source.data, name, value, source))
    return source


def _of_vectors(claim: Claim, dim: str) -> bool:
    """Whether inputs have this dim by themselves: they are needed in full where one entry is compared."""
    return any(dim in i.dims for i in claim.inputs)


def entry(seen: Measured, source: Source, request: Request, claim: Claim) -> Measured:
    """The entries of a vector observable that --select names."""
    values: Any = seen.values
    for name, value in request.select.items():
        if source.tabular or not _of_vectors(claim, name):
            continue
        if name in own_dims(claim):
            raise UsageError(
                f"--select {name}: {claim.id} predicts all entries along {name} together; compare them all, or leave "
                "the observable of the others empty (NaN) and give --censored drop."
            )
        values = _picked(values, name, value, source).reset_coords(drop=True)
    return dataclasses.replace(seen, values=values)


def _picked(data: Any, name: str, value: Any, source: Source) -> Any:
    if name not in data.dims:
        raise UsageError(
            f"--select {name}={value}: {name} is no dim of {source.path}; its dims are "
            f"{', '.join(map(str, source.data.dims)) or 'none'}."
        )
    wanted = value if isinstance(value, list) else [value]
    labels = data[name].values if name in data.coords else np.arange(data.sizes[name])
    chosen = np.flatnonzero(np.isin(labels if labels.dtype.kind in "fiu" else labels.astype(str), wanted))
    if not chosen.size:
        there = ", ".join(str(v) for v in labels[:8])
        raise UsageError(f"--select {name}={value}: {name} takes {there}{', ...' if len(labels) > 8 else ''}.")
    return data.isel({name: int(chosen[0]) if len(wanted) == 1 else chosen})
