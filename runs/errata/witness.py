"""The simplest point where a printed statement fails, with what was measured there."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from theory.claim import Claim
from theory.registry import get_claim

if TYPE_CHECKING:
    from runs.errata.collect import Refutation

CLEAR = 1.0
"""Discrepancies beyond this one, a factor of two or more, count alike."""
MEANS = ("mean", "share")
SHARE = 0.5
"""Points that disagree by less than this share of the clearest are no witnesses."""


@dataclasses.dataclass(frozen=True)
class Witness:
    """One compared point: its coordinates, what was measured, what both laws say, and the command that shows it."""

    point: dict[str, Any]
    index: dict[str, int]
    measured: float
    low: float
    high: float
    printed: float
    corrected: float | None
    command: str
    archived: str = ""
    """The witness that `toymodels falsify` has found, in its own words."""


def find_witness(refutation: Refutation) -> Witness | None:
    """None where the comparison judges no single points (a regression over all of them)."""
    points = refutation.points
    if "measured" not in points:
        return None
    dims = points.status.dims
    printed = _at_points(refutation, get_claim(refutation.comparison.claim))
    corrected = None if refutation.law is None else _at_points(refutation, refutation.law)
    fails = (points.status == code(points.status, "disagrees")) & np.isfinite(points.measured) & np.isfinite(printed)
    if corrected is not None and bool((fails & np.isfinite(corrected)).any()):
        fails = fails & np.isfinite(corrected)
    places = np.argwhere(fails.values)
    if not len(places):
        return None
    size = np.abs(points.value.values[tuple(places.T)])
    size = np.minimum(np.where(np.isfinite(size), size, CLEAR), CLEAR)
    places, size = (values[size >= SHARE * size.max()] for values in (places, size))
    best = places[np.lexsort((-size.round(2), _length(points, dims, places)))[0]]  # rounded: no choice by noise
    index = dict(zip(map(str, dims), map(int, best), strict=True))
    one = points.isel(index)
    sentence, command = archived(refutation)
    return Witness(
        point=_coordinates(refutation, points, index),
        index=index,
        measured=float(one.measured),
        low=float(one.measured_low),
        high=float(one.measured_high),
        printed=float(printed.isel(index)),
        corrected=None if corrected is None else float(corrected.isel(index)),
        command=command or search_command(refutation),
        archived=sentence,
    )


def search_command(refutation: Refutation) -> str:
    """The command that looks for a counterexample anew; empty where no training run is declared for it."""
    from runs.falsify.registry import searches  # which imports all experiments

    claim = get_claim(refutation.comparison.claim)
    if refutation.comparison.id not in {search.comparison.id for search in searches(claim)}:
        return ""
    words = ["toymodels", "falsify", claim.id, "--comparison", refutation.comparison.id]
    return " ".join([*words, *(["--beyond-assumptions"] if refutation.comparison.beyond_domain else [])])


def archived(refutation: Refutation) -> tuple[str, str]:
    """Sentence and command of the witness that a search has left in the results directory, or two empty strings."""
    path = refutation.directory / "falsify" / refutation.comparison.claim / "witness.json"
    if not path.exists():
        return "", ""
    record = json.loads(path.read_text(encoding="utf-8"))
    if record["comparison"] != refutation.comparison.id:
        return "", ""
    return record["sentence"], record["command"]


def digits(value: Any) -> int:
    """How long a coordinate is to write, to four digits: 0 for zero and text, 1 for 0.5 and 20, 4 for 0.007402."""
    if not isinstance(value, int | float | np.number):
        return 0
    if not math.isfinite(value):
        return 4
    return len(f"{abs(float(value)):.4g}".partition("e")[0].replace(".", "").strip("0"))


def _length(points: xr.Dataset, dims: tuple[Any, ...], places: np.ndarray) -> np.ndarray:
    total = np.zeros(len(places), dtype=int)
    for axis, dim in enumerate(dims):
        labels = points[dim].values if dim in points.coords else np.arange(points.sizes[dim])
        total += np.array([digits(label) for label in labels.tolist()], dtype=int)[places[:, axis]]
    return total


def code(status: xr.DataArray, meaning: str) -> int:
    """The number that stands for a status in a stored verdict."""
    return status.attrs["flag_values"][status.attrs["flag_meanings"].split().index(meaning)]


def _at_points(refutation: Refutation, claim: Claim) -> xr.DataArray:
    """The law per compared point: over the runs of a point its mean where means are compared, else its median."""
    law, status = refutation.predicted(claim), refutation.points.status
    runs = [dim for dim in law.dims if dim not in status.dims]
    law = law.mean(runs) if getattr(refutation.comparison.kind, "estimator", "") in MEANS else law.median(runs)
    return law.reset_coords(drop=True).broadcast_like(status).transpose(*status.dims)


def _coordinates(refutation: Refutation, points: xr.Dataset, index: dict[str, int]) -> dict[str, Any]:
    """Labels of the point, and single numbers that the printed law is evaluated with."""
    data = refutation.data
    found = {dim: points[dim].values[i] if dim in points.coords else i for dim, i in index.items()}
    for name in refutation.comparison.bind.values():
        if name in data.variables and name not in found and set(data[name].dims) <= set(index):
            found[name] = data[name].isel({d: i for d, i in index.items() if d in data[name].dims}).item()
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in found.items()}
