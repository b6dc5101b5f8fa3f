"""Comparisons of an estimate over random runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import ClassVar

import numpy as np

from toymodels.comparator import bootstrap, intervals
from toymodels.comparator.kinds.base import (
    QUANTITY,
    Case,
    Estimate,
    Kind,
    check_scale,
    discrepancy,
    undefined,
)
from toymodels.errors import UsageError, unknown

CENSORED = ("unknown", "above", "below", "drop")
MEANS = ("mean", "geometric_mean", "share", "misses")


@dataclasses.dataclass(frozen=True)
class Statistical(Kind):
    """An estimate over runs: "median", a quantile such as "q90", "mean", "geometric_mean", or "share" (of
    ones among zeros and ones; a mean of zeros and ones is treated as such).

    If the prediction is evaluated on each run's realised inputs, every run is compared with its own
    prediction and the estimator is taken of the discrepancies (of measured/predicted for the mean on the log
    and relative scales). Medians and quantiles get order-statistic intervals, which hold for any distribution
    (least numbers of runs at the design rate: 10 for a median, 65 for q90), shares exact binomial ones; for
    means see `intervals.mean`.

    `censored` says what a run without a finite value (NaN, or True in the variable `flag`) stands for:
    "unknown" (anything: the interval allows for both extremes), "above" (larger than can be told, such as a
    time that was not reached), "below", or "drop" (left out and counted). Infinite values are taken at their
    word.

    "misses" is the share of runs whose own prediction is off by more than `within` (on the scale). The margin is then
    the largest share that may be: `within=0.05, margin=0.1` asks for nine of ten runs within 5 %.

    `support` declares the least and the largest value that a run can have, for means. An interval for a mean
    cannot know of outcomes too rare to have been seen; with their worst value declared it allows for them.
    """

    over: tuple[str, ...] | str = ("seed",)
    estimator: str = "median"
    scale: str = "log"
    censored: str = "unknown"
    flag: str | None = None
    support: tuple[float, float] | None = None
    within: float | None = None
    name: ClassVar[str] = "statistical"

    def __post_init__(self) -> None:
        check_scale(self.scale)
        if self.censored not in CENSORED:
            raise unknown("policy for censored runs", self.censored, CENSORED)
        if self.estimator not in MEANS and self._quantile is None:
            raise unknown("estimator", self.estimator, ("median", *MEANS, "q10", "q90", "q99"))
        if self.estimator == "geometric_mean" and self.scale != "log":
            raise UsageError("A geometric mean is compared on the scale 'log'; use 'mean' on the others.")
        if (self.estimator == "misses") != (self.within is not None and self.within > 0):
            raise UsageError(
                f"within={self.within!r} with the estimator {self.estimator!r}; "
                "'misses', and no other, needs a positive one: how far off a run may be."
            )
        if self.estimator == "misses" and self.censored in ("above", "below"):
            raise UsageError(f"censored={self.censored!r} with the estimator 'misses'; use 'unknown' or 'drop'.")
        if self.support is not None and (
            self.estimator not in ("mean", "geometric_mean") or not self.support[0] < self.support[1]
        ):
            raise UsageError(
                f"support={self.support!r} with the estimator {self.estimator!r}; it is the (least, largest) possible "
                "value of a run, for 'mean' and 'geometric_mean' alone."
            )

    @property
    def _quantile(self) -> float | None:
        if self.estimator == "median":
            return 0.5
        head, digits = self.estimator[:1], self.estimator[1:]
        if head == "q" and digits.isdigit() and 0 < int(digits) < 100:
            return int(digits) / 100
        return None

    @property
    def run_dims(self) -> tuple[str, ...]:
        return (self.over,) if isinstance(self.over, str) else tuple(self.over)

    def columns(self, observable: str) -> dict[str, str]:
        return {"observable": observable, **({"censoring flag": self.flag} if self.flag else {})}

    def _values(self, case: Case) -> np.ndarray:
        """Measured values; NaN marks a censored run."""
        values = case.column(case.observable, "observable")
        if self.flag:
            values = np.where(case.column(self.flag, "censoring flag") != 0, np.nan, values)
        if self.scale == "log" and np.any(values < 0):
            raise UsageError(f"{case.observable!r} is negative somewhere; compare it on scale 'linear' or 'relative'.")
        if self.support is not None and np.any((values < self.support[0]) | (values > self.support[1])):
            raise UsageError(f"{case.observable!r} leaves support={self.support!r} somewhere; name the range it has.")
        return values

    def _reach(self, predicted: np.ndarray, keep: np.ndarray) -> np.ndarray | None:
        """(2, points): the least and the largest value that `per_run` can take."""
        if self.support is None:
            return None
        ends = (self.per_run(np.full(predicted.shape, end), predicted) for end in self.support)
        low, high = (np.where(keep, end, fill) for end, fill in zip(ends, (np.inf, -np.inf), strict=True))
        return np.array([low.min(axis=1), high.max(axis=1)])

    def evidence(self, case: Case) -> np.ndarray | None:
        return self._values(case)

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        return self._compare(self._values(case), predicted, case.keep, case.point_alarm())

    def _compare(self, values: np.ndarray, predicted: np.ndarray, keep: np.ndarray, alarm: float) -> Estimate:
        if self.within is not None:
            share = intervals.share(self._missed(self.per_run(values, predicted)), keep, alarm, self.censored)
            return Estimate.of(share.value, share.low, share.high)
        if self._is_share(values[keep]):
            return self._against_mean(intervals.share(values, keep, alarm, self.censored), predicted, keep)
        runs = self.per_run(values, predicted)
        if self._quantile is not None:
            reduced = intervals.quantile(runs, keep, self._quantile, alarm, self.censored)
        else:
            reduced = intervals.mean(runs, keep, alarm, self.censored, self._reach(predicted, keep))
        return Estimate.of(*(self.finish(end) for end in (reduced.value, reduced.low, reduced.high)))

    def per_run(self, values: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """What the estimator is taken of. A law for a mean on the log scale predicts the mean, not the mean
        logarithm: there the ratios are averaged first."""
        if self.estimator == "mean" and self.scale == "log":
            with np.errstate(divide="ignore", invalid="ignore"):
                return values / predicted
        return discrepancy(values, predicted, self.scale)

    def _missed(self, runs: np.ndarray) -> np.ndarray:
        """One for each discrepancy beyond `within`; NaN stays."""
        return np.where(np.isnan(runs), np.nan, np.abs(runs) > (self.within or 0.0))

    def finish(self, reduced: np.ndarray) -> np.ndarray:
        """The discrepancy that belongs to the reduced values of `per_run`."""
        if self.estimator == "mean" and self.scale == "log":
            with np.errstate(divide="ignore"):
                return np.log(np.maximum(reduced, 0.0))
        return reduced

    def _is_share(self, values: np.ndarray) -> bool:
        known = values[~np.isnan(values)]
        binary = bool(np.isin(known, (0.0, 1.0)).all())
        if self.estimator == "share" and not binary:
            raise UsageError("A share needs an observable of zeros and ones, one per run; use 'mean' for other values.")
        return self.estimator == "share" or (self.estimator == "mean" and binary)

    def _against_mean(self, share: intervals.Reduced, predicted: np.ndarray, keep: np.ndarray) -> Estimate:
        """A share against the mean of the runs' predicted probabilities. Unequal probabilities scatter less
        than equal ones, so the binomial interval stays valid."""
        expected = np.where(keep, predicted, 0.0).sum(axis=1) / np.maximum(keep.sum(axis=1), 1)
        return Estimate.of(*(discrepancy(end, expected, self.scale) for end in (share.value, share.low, share.high)))

    def measure(self, case: Case) -> Estimate:
        values, alarm = self._values(case), case.point_alarm()
        if self.within is not None:  # what is predicted, not how often that is missed
            reduced = intervals.quantile(values, case.keep, 0.5, alarm, self.censored)
            return Estimate.of(reduced.value, reduced.low, reduced.high)
        support = None if self.support is None else np.array(self.support)[:, None]
        if self._is_share(values[case.keep]):
            share = intervals.share(values, case.keep, alarm, self.censored)
            return Estimate.of(share.value, share.low, share.high)
        if self.estimator == "geometric_mean":
            with np.errstate(divide="ignore"):
                reach = None if support is None else np.log(support)
                logs = intervals.mean(np.log(values), case.keep, alarm, self.censored, reach)
            return Estimate.of(np.exp(logs.value), np.exp(logs.low), np.exp(logs.high))
        if self._quantile is not None:
            reduced = intervals.quantile(values, case.keep, self._quantile, alarm, self.censored)
        else:
            reduced = intervals.mean(values, case.keep, alarm, self.censored, support)
        return Estimate.of(reduced.value, reduced.low, reduced.high)

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        if self.within is not None:
            missed = self._missed(self.per_run(claim, mutant))
            return np.where(case.keep, np.nan_to_num(missed), 0.0).sum(axis=1) / np.maximum(case.keep.sum(axis=1), 1)
        if self._is_share(self._values(case)[case.keep]):
            count = np.maximum(case.keep.sum(axis=1), 1)
            mean = np.where(case.keep, claim, 0.0).sum(axis=1) / count
            alone = intervals.Reduced(mean, mean, mean)
            return np.abs(self._against_mean(alone, mutant, case.keep).value)
        runs, quantile = self.per_run(claim, mutant), self._quantile
        if quantile is not None:
            moved = intervals.quantile(runs, case.keep, quantile, 0.5, "drop").value
        else:
            moved = intervals.mean(runs, case.keep, 0.5, "drop").value
        return np.abs(self.finish(moved))

    def undefined(self, predicted: np.ndarray) -> np.ndarray:
        return undefined(predicted, self.scale)

    def combination_widths(
        self,
        case: Case,
        predicted: np.ndarray,
        combine: Callable[[np.ndarray], np.ndarray],
        groups: np.ndarray,
    ) -> np.ndarray:
        """Half-width of the interval of a linear combination of point estimates, by the bootstrap; infinite
        where it does not apply (censored or too few runs, no variation). `groups` (results, k) are the points
        of each."""
        if bool((predicted == predicted[:, :1]).all()):
            # One prediction per point shifts all resampled estimates alike: the variants share one bootstrap.
            if "widths" not in case.cache:
                case.cache["widths"] = self._widths(case, np.ones_like(predicted), combine, groups)
            return case.cache["widths"]
        return self._widths(case, predicted, combine, groups)

    def _widths(
        self,
        case: Case,
        predicted: np.ndarray,
        combine: Callable[[np.ndarray], np.ndarray],
        groups: np.ndarray,
    ) -> np.ndarray:
        values = self._values(case)
        keep = case.keep & ~np.isnan(values) if self.censored == "drop" else case.keep
        runs = self.per_run(values, predicted)
        finite = np.isfinite(runs) | ~keep
        # Resampling knows nothing of outcomes that were not seen, for which the points' own intervals allow.
        if self.within is not None or self._is_share(values[keep]) or not runs.size or self.support is not None:
            return np.full(len(groups), np.inf)

        counts = np.where(keep.any(axis=1), keep.sum(axis=1), np.iinfo(int).max)[groups].min(axis=1)
        compared = int((case.kept_points[groups].sum(axis=1) >= 2).sum())
        critical = bootstrap.critical(counts, case.false_alarm / max(1, compared), self._quantile)
        if np.isinf(critical).all():
            return critical

        def reduce(rows: np.ndarray, kept: np.ndarray) -> np.ndarray:
            return self.finish(intervals.estimate(rows, kept, self._quantile))

        spread = bootstrap.standard_errors(np.where(finite, runs, 0.0), keep, reduce, combine)
        sound = finite.all(axis=1)[groups].all(axis=1) & (spread > 0)
        return np.where(sound, critical * spread, np.inf)

    def runs(self, case: Case) -> int | None:
        counts = case.keep.sum(axis=1)[case.kept_points]
        return int(counts.min()) if counts.size else None

    def count_censored(self, case: Case) -> int:
        return int((np.isnan(self._values(case)) & case.keep).sum())

    def needed_runs(self, case: Case, shrink: float) -> int | None:
        alarm = case.point_alarm()
        quantile = self._quantile
        least = (
            1
            if self.estimator in ("share", "misses")
            else intervals.least_runs_of_a_mean(alarm, self.support is not None)
        )
        if quantile is not None:
            least = intervals.least_runs(quantile, alarm)
        runs = self.runs(case)
        if runs is None:
            return None
        if shrink <= 0:
            # With enough runs an end is infinite because of censoring, which more runs do not mend.
            return least if runs < least else None
        return max(least, math.ceil(runs / shrink**2)) if runs / shrink**2 < 1e9 else None

    @property
    def quantity(self) -> str:
        if self.within is not None:
            over = ", ".join(self.run_dims)
            return f"share of runs with |{QUANTITY[self.scale]}| above {self.within:g} (over {over})"
        return f"{QUANTITY[self.scale]} ({self.estimator.replace('_', ' ')} over {', '.join(self.run_dims)})"

    @property
    def bars(self) -> str:
        over = ", ".join(self.run_dims)
        shown = "median" if self.within is not None else self.estimator.replace("_", " ")
        return f"{shown} over {over},\nbars: {{level}}, all points"
