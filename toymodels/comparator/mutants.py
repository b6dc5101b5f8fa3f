"""Wrong versions of a claim: which of them could this comparison tell from the claim, and did it?"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from toymodels.comparator import rule
from toymodels.comparator.kinds.base import Case, Estimate, Kind
from toymodels.comparator.layout import VARIANT

KILLED, SURVIVED, IRRELEVANT, INADMISSIBLE = "killed", "survived", "irrelevant", "inadmissible"

WORDS = {
    KILLED: "rejected",
    SURVIVED: "not rejected",
    IRRELEVANT: "not tested here",
    INADMISSIBLE: "no admissible number",
}

RELEVANCE = 3.0
"""A mutant is relevant if it moves the prediction by more than this many margins ..."""
SHARE = 0.1
"""... on at least this share of the compared points."""


@dataclasses.dataclass(frozen=True)
class MutantResult:
    """What became of one mutant."""

    id: str
    description: str
    verdict_class: str
    """killed, survived (both relevant), irrelevant (not tested here), or inadmissible."""
    status: str | None
    """The rule's status of the mutant; None if inadmissible."""
    shift: float | None
    """The move of the prediction, on the kind's scale, that a tenth of the points reach or exceed."""
    resolution: float | None
    """Smallest change of the mutated coefficient, in the mutant's own unit of change, that this comparison
    could see; None if the change is not stated. Linear in the change, hence a guide."""
    kind: str = ""
    """What was changed: coefficient, exponent, sign, ..."""
    site: str = ""
    """The place of the formula, shared by all changes of it."""
    change: float | None = None
    """Relative change of a coefficient, change of an exponent; None where it has no size."""

    @property
    def relevant(self) -> bool:
        return self.verdict_class in (KILLED, SURVIVED)


@dataclasses.dataclass(frozen=True)
class Label:
    """What the predictions say of one variant."""

    id: str
    description: str
    kind: str = ""
    site: str = ""
    change: float | None = None


def labels(predictions: xr.DataArray) -> list[Label]:
    """The variants, from the coordinates `description`, `mutation` (the kind), `site` and `change`, where present."""
    text = described(predictions)
    count = len(text)
    columns = {name: _column(predictions, name, count) for name in ("mutation", "site", "change")}
    rows = zip(text.items(), columns["mutation"], columns["site"], columns["change"], strict=True)
    return [
        Label(name, words, str(kind or ""), str(site or ""), float(c) if c is not None and math.isfinite(c) else None)
        for (name, words), kind, site, c in rows
    ]


def _column(predictions: xr.DataArray, name: str, count: int) -> list[Any]:
    return predictions[name].values.tolist() if name in predictions.coords else [None] * count


def described(predictions: xr.DataArray) -> dict[str, str]:
    """{variant: description}, from the coordinate `description` or the attribute of that name (list, mapping,
    JSON)."""
    names = [str(v) for v in predictions[VARIANT].values]
    if "description" in predictions.coords:
        return dict(zip(names, (str(d) for d in predictions["description"].values), strict=True))
    raw = predictions.attrs.get("description", predictions.attrs.get("descriptions"))
    if isinstance(raw, str):
        try:
            raw = json.loads(raw)
        except json.JSONDecodeError:
            raw = None
    if isinstance(raw, Mapping):
        return {name: str(raw.get(name, name)) for name in names}
    if isinstance(raw, list | tuple) and len(raw) == len(names):
        return dict(zip(names, (str(d) for d in raw), strict=True))
    return {name: name for name in names}


def moved(shift: np.ndarray, share: float = SHARE) -> float:
    """The shift that at least `share` of the points reach."""
    if not shift.size:
        return 0.0
    return float(np.sort(shift)[::-1][math.ceil(share * shift.size) - 1])


def judge(
    kind: Kind,
    case: Case,
    claim: np.ndarray,
    mutant: np.ndarray,
    *,
    label: Label,
    margin: float,
    own_domain: np.ndarray,
) -> tuple[MutantResult, Estimate | None]:
    """Class and status of one mutant, with its estimate if it is admissible.

    Where its number is infinite, complex, outside its domain or negative though the claim's never is, a mutant says
    nothing: it is judged on the rest, and inadmissible if that is less than a tenth of what the claim is judged on.
    """
    inside = case.keep
    bad = kind.undefined(mutant) | ~own_domain | ((mutant < 0) & bool((claim[inside] >= 0).all()))
    good = inside & ~bad
    if good.sum() < SHARE * inside.sum() or not good.any():
        return _result(label, INADMISSIBLE), None
    own = case if (good == inside).all() else dataclasses.replace(case, keep=good, cache={})
    kept = kind.kept_results(own)
    # Points where the mutant says nothing count as compared but not moved.
    shifts = np.where(kept, kind.shift(own, claim, np.where(good, mutant, claim)), 0.0)
    shift = moved(shifts[kind.kept_results(case)])
    full = kind.estimate(own, np.where(bad, np.nan, mutant))
    estimate = Estimate(full.value[kept], full.low[kept], full.high[kept])
    status = rule.overall(rule.point_status(estimate, margin))
    verdict_class = IRRELEVANT
    if shift > RELEVANCE * margin:
        verdict_class = KILLED if status == rule.DISAGREES else SURVIVED
    resolution = None
    if label.change is not None and shift > 0:
        resolution = abs(label.change) * RELEVANCE * margin / shift
    return _result(label, verdict_class, status, shift, resolution), estimate


def _result(
    label: Label,
    verdict_class: str,
    status: str | None = None,
    shift: float | None = None,
    resolution: float | None = None,
) -> MutantResult:
    facts = (verdict_class, status, shift, resolution)
    return MutantResult(label.id, label.description, *facts, kind=label.kind, site=label.site, change=label.change)
