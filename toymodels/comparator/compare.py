"""`compare`: labelled data and a labelled prediction in, a verdict out."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from toymodels.comparator import mutants as mutation
from toymodels.comparator import rule
from toymodels.comparator.copies import copied_runs
from toymodels.comparator.describe import domain_text, point_text
from toymodels.comparator.explain import explain
from toymodels.comparator.kinds.base import Case, Estimate, Kind, median_of_runs, variable
from toymodels.comparator.layout import Layout
from toymodels.comparator.request import check_request, check_variants, inside, numbers
from toymodels.comparator.verdict import Verdict, copies_phrase


def compare(
    data: xr.Dataset,
    predictions: xr.DataArray,
    *,
    observable: str,
    kind: Kind,
    margin: float,
    id: str,
    claim: str,
    expect: str = rule.AGREES,
    reason: str = "",
    domain: str = "",
    in_domain: xr.DataArray | None = None,
    validity: Mapping[str, xr.DataArray] | None = None,
    false_alarm: float = rule.FALSE_ALARM,
) -> Verdict:
    """Judge `predictions` (dim `variant`: "claim" first, then mutants) against `data[observable]`.

    `margin` is the declared tolerance on the kind's scale. `in_domain` (True: compare) may have run dims,
    which drops single runs, and a dim `variant`, which makes mutants that leave their domain inadmissible;
    without it the domain is where the claim is finite. `validity` names dimensionless coordinates to report.
    `expect` other than "agrees" needs a `reason`. `domain` says in words where the comparison is made
    (default: ranges of the coordinates).

    Raises `UsageError` for wrong input; bad data points never raise, they are inconclusive.
    """
    check_request(kind, margin, expect, reason, false_alarm)
    check_variants(predictions)
    layout = Layout.of([variable(data, n, role) for role, n in kind.columns(observable).items()], kind.run_dims)
    claimed = layout.stack(numbers(predictions, 0), "prediction")
    keep, *own = inside(layout, in_domain, predictions, claimed)
    case = Case(data, observable, layout, keep, false_alarm)
    # A law that gives no number inside its own declared domain says nothing there: that point cannot agree.
    speechless = (kind.undefined(claimed) & keep).any(axis=1)
    claimed = np.where(kind.undefined(claimed), np.nan, claimed)
    evidence = kind.evidence(case)
    copies = np.zeros(0, bool) if evidence is None else copied_runs(data, layout, keep, evidence, claimed)
    if copies.any():
        case = dataclasses.replace(case, copies=copies)

    full = kind.estimate(case, claimed)
    kept = kind.kept_results(case)
    estimate = Estimate(full.value[kept], full.low[kept], full.high[kept])
    status = rule.overall(rule.point_status(estimate, margin))

    results, undecided = [], []
    for i, label in enumerate(mutation.labels(predictions)[1:], start=1):
        result, its = mutation.judge(
            kind,
            case,
            claimed,
            layout.stack(numbers(predictions, i), "prediction"),
            label=label,
            margin=margin,
            own_domain=own[i - 1],
        )
        results.append(result)
        if result.verdict_class == mutation.SURVIVED and its is not None:
            undecided.append(its)

    why, needed = explain(kind, case, estimate, status, margin, results, undecided, int(speechless.sum()))
    if why and copies.any():
        why = f"{copies_phrase(int(copies.sum()))}; {why}"
    if status == rule.AGREES and why:
        status = rule.INCONCLUSIVE
    points = _points(kind, case, full, kept, margin, claimed, validity or {})
    number, low, high, place = _worst(estimate, kind.result_layout(layout), kept, margin)
    return Verdict(
        id=id,
        claim=claim,
        observable=observable,
        kind=kind.name,
        quantity=kind.quantity,
        status=status,
        discrepancy=number,
        interval=(low, high),
        margin=float(margin),
        points=points,
        mutants=tuple(results),
        worst_point=place,
        domain=domain or domain_text(layout, case.kept_points, validity or {}),
        n_points=int(kept.sum()),
        n_runs=kind.runs(case),
        n_outside=int((~case.kept_points).sum()),
        n_runs_outside=int((~keep[case.kept_points]).sum()),
        n_censored=kind.count_censored(case),
        n_copies=int(copies.sum()),
        needed_runs=needed,
        false_alarm=float(false_alarm),
        expect=expect,
        expect_reason=reason,
        reason=why or f"every interval lies {'inside' if status == rule.AGREES else 'decidedly against'} the margin",
    )


def _worst(estimate: Estimate, layout: Layout, kept: np.ndarray, margin: float) -> tuple[float, float, float, str]:
    if not estimate.value.size:
        return math.nan, -math.inf, math.inf, ""
    i = rule.worst(estimate, margin)
    place = point_text(layout, int(np.flatnonzero(kept)[i]))
    return float(estimate.value[i]), float(estimate.low[i]), float(estimate.high[i]), place


def _points(
    kind: Kind,
    case: Case,
    full: Estimate,
    kept: np.ndarray,
    margin: float,
    claimed: np.ndarray,
    validity: Mapping[str, xr.DataArray],
) -> xr.Dataset:
    """Every point: discrepancy, interval, status, and (unless points were combined) what was measured and
    predicted.

    Points outside the domain have NaN and the status "outside".
    """
    layout = kind.result_layout(case.layout)
    columns = {"value": full.value, "low": full.low, "high": full.high}
    if layout is case.layout:
        measured = kind.measure(case)
        columns |= {"measured": measured.value, "measured_low": measured.low, "measured_high": measured.high}
        columns["predicted"] = median_of_runs(claimed, case.keep)
    filled = {name: np.where(kept, values, np.nan) for name, values in columns.items()}
    filled["status"] = np.where(kept, rule.point_status(full, margin), "outside")
    shape = [layout.sizes[d] for d in layout.point_dims]
    # Plain arrays: aligning labels that are known to be equal takes longer than all the rest.
    points = xr.Dataset(
        {name: (layout.point_dims, values.reshape(shape)) for name, values in filled.items()}, layout.point_coords()
    )
    for name, values in validity.items():
        if set(map(str, values.dims)) <= set(layout.point_dims):
            points[name] = layout.unstack(layout.stack(values, f"validity coordinate {name!r}")[:, 0])
    return points
