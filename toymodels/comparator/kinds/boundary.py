"""Comparisons of a phase boundary that was bracketed by bisection."""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import numpy as np

from toymodels.comparator.kinds.base import Case, Estimate, Kind, undefined, variable
from toymodels.errors import UsageError


def zero_hit_share(runs: int, false_alarm: float) -> float:
    """Largest share of hits that is still compatible with none in `runs`: (1 - share)^runs = false_alarm."""
    if runs < 1:
        raise UsageError(f"A share needs at least one run, not {runs}.")
    return -math.expm1(math.log(false_alarm) / runs)


def zero_hit_slack(runs: int, growth: float, false_alarm: float) -> float:
    """How far (in log of the swept parameter) the true onset may lie below the largest value without a hit,
    where the share of hits grows as `growth` times that distance."""
    return zero_hit_share(runs, false_alarm) / growth


@dataclasses.dataclass(frozen=True)
class Boundary(Kind):
    """A boundary known to lie in a bracket: I = [log(lower/predicted) - slack, log(upper/predicted)].

    `lower`: largest value without a hit. `upper`: smallest with one (inf: none found). `slack`: how far the
    onset may lie below `lower` although none of the finitely many runs there hit (log scale; a variable or a
    number, 0 if outcomes are deterministic); see `zero_hit_slack`. `runs` may name the number of runs behind
    `lower`.
    """

    lower: str = "lower"
    upper: str = "upper"
    slack: str | float = "slack"
    runs_at_lower: str | None = None
    name: ClassVar[str] = "boundary"

    def columns(self, observable: str) -> dict[str, str]:
        named = {"lower end of the bracket": self.lower, "upper end of the bracket": self.upper}
        if isinstance(self.slack, str):
            named["slack"] = self.slack
        if self.runs_at_lower:
            named["number of runs"] = self.runs_at_lower
        return named

    def _bracket(self, case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        lower = case.column(self.lower, "lower end of the bracket")[:, 0]
        upper = case.column(self.upper, "upper end of the bracket")[:, 0]
        slack = case.column(self.slack, "slack")[:, 0]
        if np.any(lower > upper):
            raise UsageError(f"{self.lower!r} exceeds {self.upper!r} somewhere; a bracket runs from lower to upper.")
        if np.any(lower < 0):
            raise UsageError(f"{self.lower!r} is negative somewhere; boundaries are compared on the log scale.")
        if np.any(slack < 0):
            raise UsageError(f"The slack {self.slack!r} is negative somewhere; it widens the bracket, at least 0.")
        with np.errstate(divide="ignore"):
            return np.log(lower), np.log(upper), slack

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        lower, upper, slack = self._bracket(case)
        with np.errstate(divide="ignore", invalid="ignore"):
            claim = np.log(predicted[:, 0])
        middle = np.where(np.isfinite(upper), np.where(np.isfinite(lower), (lower + upper) / 2, upper), lower)
        return Estimate.of(middle - claim, lower - slack - claim, upper - claim)

    def measure(self, case: Case) -> Estimate:
        log = self.interval(case, np.ones(case.layout.shape))
        return Estimate.of(np.exp(log.value), np.exp(log.low), np.exp(log.high))

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        return np.abs(np.log(claim[:, 0]) - np.log(mutant[:, 0]))

    def undefined(self, predicted: np.ndarray) -> np.ndarray:
        return undefined(predicted, "log")

    def runs(self, case: Case) -> int | None:
        if self.runs_at_lower is None:
            return None
        counts = case.column(self.runs_at_lower, "number of runs")[:, 0][case.kept_points]
        return int(np.nanmin(counts)) if counts.size else None

    def needed_runs(self, case: Case, shrink: float) -> int | None:
        """The slack falls as one over the number of runs; the bracket is up to the bisection."""
        runs = self.runs(case)
        if runs is None or shrink <= 0:
            return None
        lower, upper, slack = (end[case.kept_points] for end in self._bracket(case))
        left = shrink * (upper - lower + slack) - (upper - lower)
        if not np.isfinite(left).all() or (left <= 0).any():
            return None
        return math.ceil(runs * max(1.0, float((slack / left).max())))

    def count_censored(self, case: Case) -> int:
        upper = variable(case.data, self.upper, "upper end of the bracket")
        open_end = ~np.isfinite(case.layout.stack(upper, "upper end")[:, 0])
        return int((open_end & case.kept_points).sum())

    @property
    def quantity(self) -> str:
        return "log(measured/predicted) boundary of {observable}"

    @property
    def bars(self) -> str:
        return "bars: bracket and slack"
