"""What is searched, and how bad one point of it is."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from runs.experiment import Comparison, Onset
from runs.falsify.space import Point, Space
from runs.trial import POINT, Trial
from theory.claim import Claim
from toymodels.comparator import FALSE_ALARM, Bound, Boundary, Exact, Statistical, claim_only, compare
from toymodels.comparator.kinds.base import Kind
from toymodels.engine import bisect_onset, run

TRIES = 3
"""Candidates that may be put to the test with fresh runs: before they are simplified, after, and with fewer runs."""
ALARM = FALSE_ALARM / (3 * TRIES)
"""False alarms of one such test, so that those of a whole search stay at the design rate."""
RUNGS = 8
"""Rungs of a bisection (the engine's default)."""


@dataclasses.dataclass(frozen=True)
class Search:
    """A claim, the comparison that says what it must agree with and how well, and the trial that trains."""

    claim: Claim
    comparison: Comparison
    trial: Trial
    beyond_assumptions: bool = False

    @property
    def kind(self) -> Kind:
        """The kind of comparison."""
        kind: Kind = self.trial.kind or self.comparison.kind
        return kind

    @property
    def random(self) -> bool:
        """Whether other seeds would give another number at the same point; else every run is compared by itself."""
        return isinstance(self.kind, Statistical | Boundary)

    def space(self) -> Space:
        """The declared search space."""
        return Space(self.claim.id, self.trial.space)

    def with_limits(self) -> Search:
        """Points that a comparison makes on purpose beyond the assumptions are searched there as well."""
        return dataclasses.replace(self, beyond_assumptions=self.beyond_assumptions or self.comparison.beyond_domain)


@dataclasses.dataclass(frozen=True)
class Judgement:
    """How far the claim is off at one point, at the worst place there (step, run, entry).

    `score` is the least |discrepancy| that the interval allows, in margins, negative if it allows for none: above 1
    the claim disagrees; -inf: nothing could be compared. `where` are the coordinates of the worst place.
    """

    score: float
    value: float
    low: float
    high: float
    where: Mapping[str, Any]
    compared: int

    @property
    def disagrees(self) -> bool:
        """Whether the interval lies outside the margin."""
        return self.score > 1.0

    def sentence(self, search: Search) -> str:
        """Discrepancy, interval and margin in words."""
        what = search.kind.quantity.format(observable=search.comparison.observable)
        margin = search.comparison.margin
        number = f"{what} {self.value:+.3g} [{self.low:+.3g}, {self.high:+.3g}], margin {margin:g}"
        place = ", ".join(f"{k} = {v:g}" if isinstance(v, float) else f"{k} = {v}" for k, v in self.where.items())
        return f"{number} ({place})" if place else number


NOTHING = Judgement(-math.inf, math.nan, -math.inf, math.inf, {}, 0)


def cost(search: Search, space: Space, points: Sequence[Point], seeds: Sequence[int]) -> int:
    """Training runs that these points take; a bisection takes one sweep for each of its rounds."""
    total = 0
    for members in space.groups(points):
        chosen = space.dataset([points[i] for i in members])
        for plan in search.trial.sweeps(chosen, list(seeds), 1).values():
            total += plan.sweep.runs * _rounds(plan) if isinstance(plan, Onset) else plan.runs
    return total


def train(
    search: Search, space: Space, points: Sequence[Point], seeds: Sequence[int], fine: int
) -> dict[str, xr.Dataset]:
    """Raw results at points that agree in all choices."""
    raw = {}
    for name, plan in search.trial.sweeps(space.dataset(points), list(seeds), fine).items():
        if isinstance(plan, Onset):
            fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
            raw[name] = bisect_onset(**fields, rungs=RUNGS, progress=False, batch=_batch(plan.sweep.runs))
        else:
            raw[name] = run(plan, progress=False, batch=_batch(plan.runs))
    return raw


def judge(
    search: Search,
    space: Space,
    points: Sequence[Point],
    seeds: Sequence[int],
    *,
    fine: int = 1,
    alarm: float = ALARM,
) -> list[Judgement]:
    """Train at `points` and compare; `alarm` is the false-alarm rate of each point by itself."""
    found: list[Judgement] = [NOTHING] * len(points)
    for members in space.groups(points):
        chosen = [points[i] for i in members]
        data = search.trial.measure(train(search, space, chosen, seeds, fine), space.dataset(chosen))
        for index, judgement in zip(members, assess(search, data, alarm), strict=True):
            found[index] = judgement
    return found


def assess(search: Search, data: xr.Dataset, alarm: float) -> list[Judgement]:
    """The judgement of each point of measured `data`."""
    comparison, count = search.comparison, data.sizes[POINT]
    bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
    claim = dataclasses.replace(search.claim, assumptions=()) if search.beyond_assumptions else search.claim
    law = claim.evaluate(bound)
    prediction = law["prediction"].reset_coords(drop=True)
    if comparison.convert is not None:
        prediction = comparison.convert(prediction, data)

    def intervals(kind: Kind) -> xr.Dataset:
        verdict = compare(
            data,
            claim_only(prediction),
            observable=comparison.observable,
            kind=kind,
            margin=comparison.margin,
            id=comparison.id,
            claim=claim.id,
            in_domain=law["in_domain"].reset_coords(drop=True),
            false_alarm=min(0.5, alarm * count),
        )
        return verdict.points

    kind = search.kind
    seen = intervals(kind)
    sign = 1.0
    slope = seen
    if isinstance(kind, Bound):
        # A bound that holds has the discrepancy 0 everywhere; how closely it holds shows the way.
        slope = intervals(Exact(error=kind.error, scale=kind.scale))
        sign = 1.0 if kind.side == "upper" else -1.0
        score = (slope.low if sign > 0 else -slope.high) / comparison.margin
    else:
        score = np.maximum(seen.low, -seen.high) / comparison.margin
    others = [dim for dim in seen["value"].dims if dim != POINT]
    compared = (seen["status"] != "outside").transpose(POINT, *others).values.reshape(count, -1)
    scores = np.where(compared, score.transpose(POINT, *others).values.reshape(count, -1), -np.inf)
    scores = np.where(np.isnan(scores), -np.inf, scores)
    worst = scores.argmax(axis=1)
    columns = {
        name: seen[name].transpose(POINT, *others).values.reshape(count, -1)[np.arange(count), worst]
        for name in ("value", "low", "high")
    }
    shape = [seen.sizes[dim] for dim in others]
    judgements = []
    for i in range(count):
        if not compared[i].any():
            judgements.append(NOTHING)
            continue
        place = np.unravel_index(int(worst[i]), shape) if others else ()
        where = {str(d): _label(seen, str(d), int(k)) for d, k in zip(others, place, strict=True)}
        value, low, high = (float(columns[name][i]) for name in ("value", "low", "high"))
        judgements.append(Judgement(float(scores[i, worst[i]]), value, low, high, where, int(compared[i].sum())))
    return judgements


def _label(data: xr.Dataset, dim: str, index: int) -> Any:
    return data[dim].values[index].item() if dim in data.coords else index


def _batch(runs: int) -> int:
    """Runs computed together. Fixed, since tuning it takes longer than the sweeps of a search."""
    return 8 if runs <= 512 else 64


def _rounds(plan: Onset) -> int:
    low, high = (np.asarray(end, dtype=float) for end in (plan.low, plan.high))
    width = float(np.log(np.max(high / low)))
    return RUNGS + 1 + math.ceil(math.log2(max(2.0, width / RUNGS / math.log1p(plan.rel_tol))))
