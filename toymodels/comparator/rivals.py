"""Several claims about one observable: which is nearer to the data, by how much, and where."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from toymodels.comparator import rule, strict_json
from toymodels.comparator.describe import domain_text
from toymodels.comparator.kinds.base import Case, Estimate, Kind, variable
from toymodels.comparator.layout import Layout
from toymodels.comparator.split import halves
from toymodels.errors import UsageError

SILENT = 0.1
"""Share of the runs of a point for which a contender may give no number and still be ranked there."""


@dataclasses.dataclass(frozen=True)
class Contender:
    """One claim's place in a ranking."""

    claim: str
    error: float
    """Root mean square of the discrepancy over the points where every contender says something."""
    share_won: float
    """Share of these points at which no contender is nearer to the data."""
    share_decided: float
    """Share at which it is nearer than all others whatever value the interval allows."""
    region: str
    """Where it wins (where that is decided, if it is anywhere)."""
    undefined: int
    """Points at which it says nothing although some contender does."""


@dataclasses.dataclass(frozen=True)
class Ranking:
    """Contenders, best first, and per point the winner and every discrepancy."""

    observable: str
    quantity: str
    held_out: str
    contenders: tuple[Contender, ...]
    points: xr.Dataset = dataclasses.field(compare=False)

    def as_records(self) -> list[dict[str, Any]]:
        """One JSON-ready mapping per contender, best first."""
        return [strict_json.encode(dataclasses.asdict(c)) for c in self.contenders]

    @property
    def sentence(self) -> str:
        """Who wins, by how much, and where the others do."""
        what = self.quantity.format(observable=self.observable)
        first, *others = self.contenders
        rest = "; ".join(
            f"{c.claim} {c.error:.3g}, nearer at {c.share_won:.0%} of the points"
            + (f" ({c.region})" if c.share_won > 0 and c.region else "")
            for c in others
        )
        best = f"{first.claim} is nearest: root mean square of {what} {first.error:.3g} on {self.held_out}"
        return f"{best}; {rest}."


def rank_rivals(
    data: xr.Dataset,
    predictions: Mapping[str, xr.DataArray],
    *,
    observable: str,
    kind: Kind,
    in_domain: xr.DataArray | None = None,
    fitted: bool = False,
    false_alarm: float = rule.FALSE_ALARM,
) -> Ranking:
    """Rank the claims in `predictions` ({claim id: prediction}) by their error on held-out data: the odd
    seeds where the data have run dims, else all points. `fitted` says that constants of a contender were
    fitted: then its prediction at every point must come from constants fitted on others.

    Points where a contender gives no admissible number (for more than a tenth of the runs) are left out of the
    errors for all, and counted against it; elsewhere single runs without a number are left out for all.
    """
    if len(predictions) < 2:
        raise UsageError(f"A ranking needs at least two claims, not {len(predictions)}.")
    held_out = "all points" + (", each with constants fitted on others" if fitted else " (nothing is fitted)")
    if kind.run_dims:
        dim = kind.run_dims[0]
        _, odd = halves(data, dim)
        data, held_out = odd(data), f"odd {dim}s"
        predictions = {name: odd(p) for name, p in predictions.items()}
        in_domain = odd(in_domain) if in_domain is not None else None
    columns = [variable(data, name, role) for role, name in kind.columns(observable).items()]
    layout = Layout.of(columns, kind.run_dims)
    numbers = {n: layout.stack(p.astype(float), f"prediction of {n}") for n, p in predictions.items()}
    keep = np.ones(layout.shape, bool)
    if in_domain is not None:
        keep = layout.stack(in_domain.astype(bool), "domain mask")
    silent = {n: kind.undefined(p) & keep for n, p in numbers.items()}
    says = {n: keep.any(axis=1) & (bad.sum(axis=1) <= SILENT * keep.sum(axis=1)) for n, bad in silent.items()}
    keep = keep & ~np.logical_or.reduce(list(silent.values()))
    everywhere = np.logical_and.reduce(list(says.values()))
    somewhere = np.logical_or.reduce(list(says.values()))
    case = Case(data, observable, layout, keep & everywhere[:, None], false_alarm)
    estimates = {n: kind.estimate(case, p) for n, p in numbers.items()}
    results = kind.result_layout(layout)
    values = np.array([e.value for e in estimates.values()])
    used = np.isfinite(values).all(axis=0) & kind.kept_results(case)
    if not used.any():
        raise UsageError(f"There is no point at which the data and all of {', '.join(predictions)} give a number.")
    won = _nearest(values) & used
    decided = _decided(list(estimates.values())) & used

    def region(mask: np.ndarray) -> str:
        if not mask.any() or mask[used].all():
            return "everywhere" if mask.any() else ""
        return domain_text(results, mask, {}, only=results.point_dims)

    contenders = [
        Contender(
            claim=name,
            error=float(np.sqrt(np.mean(values[i, used] ** 2))),
            share_won=float(won[i].sum() / used.sum()),
            share_decided=float(decided[i].sum() / used.sum()),
            region=region(decided[i] if decided[i].any() else won[i]),
            undefined=int((somewhere & ~says[name]).sum()),
        )
        for i, name in enumerate(predictions)
    ]
    winner = np.where(used, np.array(list(predictions))[np.argmax(won, axis=0)], "")
    points = xr.Dataset({"nearest": results.unstack(winner), "decided": results.unstack(decided.any(axis=0))})
    for name, estimate in estimates.items():
        points[f"discrepancy of {name}"] = results.unstack(estimate.value)
    contenders.sort(key=lambda c: (c.error, c.undefined))
    return Ranking(observable, kind.quantity, held_out, tuple(contenders), points)


def _nearest(values: np.ndarray) -> np.ndarray:
    """(claims, points): smallest absolute discrepancy; ties go to all that share it."""
    size = np.abs(values)
    return size == size.min(axis=0)


def _decided(estimates: list[Estimate]) -> np.ndarray:
    """(claims, points): nearer than every other for each value in the interval.

    Between two claims the discrepancy differs by a known step s, so |x| < |x + s| holds on the whole interval
    of x if it lies on the near side of -s/2.
    """
    table = np.ones((len(estimates), len(estimates[0].value)), bool)
    for i, one in enumerate(estimates):
        for j, other in enumerate(estimates):
            if i != j:
                with np.errstate(invalid="ignore"):
                    step = other.value - one.value
                    table[i] &= np.where(step > 0, one.low > -step / 2, (step < 0) & (one.high < -step / 2))
    return table
