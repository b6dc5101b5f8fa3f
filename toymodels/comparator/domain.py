"""Where does a claim hold? The largest part of a sweep on which the rule says agrees, confirmed on other
runs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from toymodels.comparator import rule, strict_json
from toymodels.comparator.compare import compare
from toymodels.comparator.kinds.base import Case, Estimate, Kind, variable
from toymodels.comparator.layout import VARIANT, Layout
from toymodels.comparator.request import claim_only
from toymodels.comparator.split import halves
from toymodels.comparator.verdict import Verdict
from toymodels.errors import UsageError

CANDIDATES = 4096
"""At most so many combinations of thresholds are tried."""
CAUTION = 2.0
"""The set is chosen with intervals so many times as wide: a point just inside the margin on one half of the runs is
just outside on the other in every second case, and the ends of intervals scatter as well."""
TRIES = 4
"""Sets on which the claim agrees are judged with all mutants until one is confirmed by their rejection; smaller sets
have fewer points to reject mutants with."""


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Data with the predictions (dim `variant`) and validity coordinates that belong to them."""

    data: xr.Dataset
    predictions: xr.DataArray
    validity: Mapping[str, xr.DataArray]
    in_domain: xr.DataArray | None = None


@dataclasses.dataclass(frozen=True)
class AgreementDomain:
    """D = {every validity coordinate <= its threshold}, with the verdicts of both halves of the runs."""

    status: str
    """agrees: confirmed. inconclusive: not confirmed, or there is no such set."""
    thresholds: dict[str, float]
    chosen: Verdict | None
    confirmed: Verdict | None
    share: float
    """Share of the points (and runs) searched that D holds."""
    second: str
    """What D was confirmed on."""
    points: xr.Dataset = dataclasses.field(compare=False)
    """Every point that was searched: discrepancy `value` with `low` and `high`, the margin, whether D holds the
    point (`inside`), and the validity coordinates."""

    @property
    def limits(self) -> str:
        """D in words."""
        return " and ".join(f"{name} <= {limit:.4g}" for name, limit in self.thresholds.items())

    @property
    def sentence(self) -> str:
        """The domain in words, and what became of it on the other runs."""
        if self.chosen is None:
            return "There is no set of thresholds within which the claim agrees."
        claim, where = self.chosen.claim, f"{self.limits} ({self.share:.0%} of the sweep)"
        if self.chosen.status != rule.AGREES:
            return f"{claim} keeps the margin within {where}, but not so that wrong laws fail: {self.chosen.reason}."
        if self.confirmed is None:
            return f"{claim} seems to agree within {where}: chosen, not confirmed by a second measurement."
        if self.status == rule.AGREES:
            return f"{claim} agrees within {where}, confirmed on {self.second}."
        return f"{claim} seemed to agree within {where}, but on {self.second} it is {self.confirmed.status}."

    def as_record(self) -> dict[str, Any]:
        """JSON-ready."""
        record: dict[str, Any] = strict_json.encode(
            {
                "status": self.status,
                "thresholds": self.thresholds,
                "share": self.share,
                "sentence": self.sentence,
                "chosen": self.chosen.sentence if self.chosen else None,
                "confirmed": self.confirmed.sentence if self.confirmed else None,
            }
        )
        return record


def agreement_domain(
    data: xr.Dataset,
    predictions: xr.DataArray,
    *,
    validity: Mapping[str, xr.DataArray],
    observable: str,
    kind: Kind,
    margin: float,
    in_domain: xr.DataArray | None = None,
    confirm: Measurement | None = None,
    **options: Any,
) -> AgreementDomain:
    """Search thresholds on the validity coordinates for the largest set where `compare` says agrees.

    The search covers `in_domain` (default: wherever the claim gives a number, whether or not its assumptions hold). The
    set is chosen on the even seeds, with room for the scatter between halves, and confirmed on the odd ones. Data
    without run dims are confirmed on a second measurement, which may lie on another grid; without one the set stays
    unconfirmed. `options` go to `compare` (id, claim, ...).
    """
    if not validity:
        raise UsageError("validity={name: values} is empty; name the coordinates along which the claim should degrade.")
    whole = Measurement(data, predictions, validity, in_domain)
    first, second, other = whole, confirm, "a second measurement"
    if kind.run_dims:
        even, odd = halves(data, kind.run_dims[0])
        first, second = (_taken(whole, half) for half in (even, odd))
        other = f"odd {kind.run_dims[0]}s"
    fixed: dict[str, Any] = {"observable": observable, "kind": kind, "margin": margin, **options}
    points = _points(whole, observable, kind, margin)
    inside = _inside(first)
    kept: list[tuple[dict[str, float], Verdict]] = []
    for limits in _candidates(first, inside, kind, observable, margin):
        mask = _within(first, limits) & inside
        bare = claim_only(first.predictions.isel({VARIANT: 0}, drop=True))
        # The claim alone is quick to judge; mutants only matter where every point agrees.
        alone = compare(first.data, bare, in_domain=mask, **fixed)
        if alone.n_points == 0 or not np.isin(alone.points["status"].values, (rule.AGREES, "outside")).all():
            continue
        chosen = compare(first.data, first.predictions, in_domain=mask, **fixed)
        kept.append((limits, chosen))
        if chosen.status == rule.AGREES or len(kept) == TRIES:
            break
    if not kept:
        return AgreementDomain(rule.INCONCLUSIVE, {}, None, None, 0.0, other, points)
    limits, chosen = next((one for one in kept if one[1].status == rule.AGREES), kept[0])
    held = _within(first, limits) & inside
    share = float(held.sum() / inside.broadcast_like(held).sum())
    within = (_within(whole, limits) & _inside(whole)).any([d for d in kind.run_dims if d in whole.predictions.dims])
    if set(within.dims) <= set(points.dims):
        points["inside"] = within.broadcast_like(points["value"])
    confirmed = None
    if chosen.status == rule.AGREES and second is not None:
        mask = _within(second, limits) & _inside(second)
        confirmed = compare(second.data, second.predictions, in_domain=mask, **fixed)
    agreed = confirmed is not None and confirmed.status == rule.AGREES
    status = rule.AGREES if agreed else rule.INCONCLUSIVE
    return AgreementDomain(status, limits, chosen, confirmed, share, other, points)


def _taken(whole: Measurement, half: Any) -> Measurement:
    validity = {name: half(values) for name, values in whole.validity.items()}
    in_domain = None if whole.in_domain is None else half(whole.in_domain)
    return Measurement(half(whole.data), half(whole.predictions), validity, in_domain)


def _inside(one: Measurement) -> xr.DataArray:
    claim = one.predictions.isel({VARIANT: 0}, drop=True)
    if one.in_domain is None:
        return xr.DataArray(np.isfinite(claim))
    return one.in_domain.isel({VARIANT: 0}, drop=True) if VARIANT in one.in_domain.dims else one.in_domain


def _within(one: Measurement, limits: Mapping[str, float]) -> xr.DataArray:
    mask = xr.DataArray(True)
    for name, limit in limits.items():
        mask = mask & (one.validity[name] <= limit)
    return mask


def _case(one: Measurement, observable: str, kind: Kind, inside: xr.DataArray) -> tuple[Case, np.ndarray]:
    layout = Layout.of([variable(one.data, n, role) for role, n in kind.columns(observable).items()], kind.run_dims)
    keep = layout.stack(inside, "domain mask")
    predicted = layout.stack(one.predictions.isel({VARIANT: 0}, drop=True).astype(float), "prediction")
    case = Case(one.data, observable, layout, keep, rule.FALSE_ALARM)
    return case, np.where(kind.undefined(predicted), np.nan, predicted)


def _points(whole: Measurement, observable: str, kind: Kind, margin: float) -> xr.Dataset:
    case, predicted = _case(whole, observable, kind, _inside(whole))
    results, kept = kind.result_layout(case.layout), kind.kept_results(case)
    estimate = kind.estimate(case, predicted)
    columns = {"value": estimate.value, "low": estimate.low, "high": estimate.high}
    points = xr.Dataset({k: results.unstack(np.where(kept, v, np.nan)) for k, v in columns.items()})
    points["margin"], points["inside"] = xr.DataArray(float(margin)), results.unstack(np.zeros(kept.shape, bool))
    for name, values in whole.validity.items():
        if name not in points.dims and set(map(str, values.dims)) <= set(results.point_dims):
            points[name] = values.drop_vars([c for c in values.coords if c not in points.coords])
    return points


def _candidates(
    first: Measurement, inside: xr.DataArray, kind: Kind, observable: str, margin: float
) -> list[dict[str, float]]:
    """Combinations of thresholds, largest set first, each set once; without those that hold a point that cannot
    agree."""
    case, predicted = _case(first, observable, kind, inside)
    by_point = not any(set(map(str, v.dims)) & set(kind.run_dims) for v in first.validity.values())
    simple = by_point and kind.result_layout(case.layout) is case.layout
    failing = np.zeros(case.keep.shape, bool)
    if simple:
        # One point's share of the alarm at its most generous: what fails now fails in every set.
        generous = dataclasses.replace(case, false_alarm=rule.FALSE_ALARM * max(1, int(case.kept_points.sum())))
        generous = dataclasses.replace(generous, false_alarm=min(generous.false_alarm, 0.5))
        caution = CAUTION if kind.run_dims else 1.0
        failing = (~_safely_inside(kind.estimate(generous, predicted), margin, caution))[:, None] & case.keep
    columns = [case.layout.stack(v.astype(float), f"validity coordinate {n!r}") for n, v in first.validity.items()]
    kept = case.keep
    count = max(int(CANDIDATES ** (1 / len(columns))), 2)
    levels = []
    for column in columns:
        found = np.unique(column[kept & np.isfinite(column)])
        if found.size > count:
            found = np.unique(np.quantile(found, np.linspace(1 / count, 1, count), method="nearest"))
        levels.append(found)
    if by_point:
        columns = [column[:, :1] for column in columns]
        kept, failing = (np.asarray(mask.any(axis=1))[:, None] for mask in (kept, failing))
    sets: dict[bytes, tuple[int, dict[str, float]]] = {}
    for combination in itertools.product(*levels):
        mask = kept.copy()
        for column, limit in zip(columns, combination, strict=True):
            mask &= column <= limit
        size = int(mask.sum())
        if size and not (mask & failing).any():
            limits = {name: float(limit) for name, limit in zip(first.validity, combination, strict=True)}
            # Of thresholds with the same set the lowest are kept: they claim no more than was measured.
            sets.setdefault(np.packbits(mask).tobytes(), (size, limits))
    return [limits for _, limits in sorted(sets.values(), key=lambda item: -item[0])]


def _safely_inside(estimate: Estimate, margin: float, caution: float) -> np.ndarray:
    with np.errstate(invalid="ignore"):
        low = estimate.value - caution * (estimate.value - estimate.low)
        high = estimate.value + caution * (estimate.high - estimate.value)
    return np.asarray((low >= -margin) & (high <= margin))
