"""Confidence intervals over runs, vectorised over points, honest with few runs and heavy tails."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

LEAST_RUNS_OF_A_MEAN = 16
"""From this many runs on the sample's skewness says enough about the law's to correct with."""

VISIBLE = 0.25
"""A second kind of outcome that holds this share of the runs must not go unseen by a mean."""


SPENT = 0.75
"""Share of the allowed rate that the exact intervals of quantiles spend. At the full rate, 6 alarms in 2000 on average,
one table row in a hundred exceeds 12 by chance; with a reserve one in two thousand does."""


@dataclasses.dataclass(frozen=True)
class Reduced:
    """An estimate and its interval per point."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def least_runs(q: float, alarm: float) -> int:
    """Smallest number of runs with which both order-statistic ends of the quantile `q` exist."""
    return max(math.ceil(math.log(SPENT * alarm / 2) / math.log(max(q, 1 - q))), 1)


def least_runs_of_a_mean(alarm: float, bounded: bool = False) -> int:
    """Smallest number of runs from which a mean has an interval. Unless the runs are `bounded` by a declared support,
    all of them are of the larger kind with probability (1 - VISIBLE)^runs, which must not exceed `alarm`."""
    unseen = 0 if bounded else math.ceil(math.log(alarm) / math.log1p(-VISIBLE))
    return max(LEAST_RUNS_OF_A_MEAN, unseen)


def _fill(values: np.ndarray, keep: np.ndarray, policy: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which runs count, and the values with censored runs at their lowest and at their highest."""
    unknown = np.isnan(values)
    if policy == "drop":
        keep = keep & ~unknown
    lowest = np.where(unknown, np.inf if policy == "above" else -np.inf, values)
    highest = np.where(unknown, -np.inf if policy == "below" else np.inf, values)
    return keep, lowest, highest


def _rank(ordered: np.ndarray, rank: np.ndarray, default: float) -> np.ndarray:
    """Order statistic number `rank` (from 1) of each row; `default` where there is none."""
    count = ordered.shape[1]
    found = np.take_along_axis(ordered, np.clip(rank - 1, 0, count - 1)[:, None], axis=1)[:, 0]
    return np.where((rank >= 1) & (rank <= count), found, default)


def quantile(values: np.ndarray, keep: np.ndarray, q: float, alarm: float, policy: str) -> Reduced:
    """Quantile `q` along axis 1 with the binomial order-statistic interval: misses the truth with probability
    at most `alarm`, for every distribution and every number of runs. With too few runs an end is infinite."""
    keep, lowest, highest = _fill(values, keep, policy)
    alarm = SPENT * alarm
    counts = keep.sum(axis=1)
    # Runs outside the domain go to the far end, beyond every rank that is asked for.
    lowest = np.sort(np.where(keep, lowest, np.inf), axis=1)
    highest = np.sort(np.where(keep, highest, np.inf), axis=1)
    below, above = np.zeros(len(counts), int), np.zeros(len(counts), int)
    for count in np.unique(counts):
        successes = np.arange(count + 1)
        below_rank = int((stats.binom.cdf(successes, count, q) <= alarm / 2).sum())
        above_rank = count - int((stats.binom.sf(successes - 1, count, q) <= alarm / 2).sum()) + 1
        below[counts == count], above[counts == count] = below_rank, above_rank
    low = _rank(lowest, below, -np.inf)
    high = np.where(above <= counts, _rank(highest, above, np.inf), np.inf)
    return Reduced(_middle(lowest, highest, counts, q), low, high)


def _middle(lowest: np.ndarray, highest: np.ndarray, counts: np.ndarray, q: float) -> np.ndarray:
    """The usual interpolated quantile, halfway between the two extremes that censoring allows."""
    position = q * (counts - 1)
    ends = []
    for ordered in (lowest, highest):
        left = _rank(ordered, np.floor(position).astype(int) + 1, np.nan)
        right = _rank(ordered, np.ceil(position).astype(int) + 1, np.nan)
        with np.errstate(invalid="ignore"):
            mixed = left + (position - np.floor(position)) * (right - left)
        ends.append(np.where(left == right, left, mixed))
    with np.errstate(invalid="ignore"):
        middle = np.where(ends[0] == ends[1], ends[0], (ends[0] + ends[1]) / 2)
    return np.where(counts > 0, middle, np.nan)


def estimate(values: np.ndarray, keep: np.ndarray, q: float | None) -> np.ndarray:
    """The estimate alone: quantile `q`, or the mean if None, of the kept (finite) values along axis 1."""
    counts = keep.sum(axis=1)
    if q is None:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(keep, values, 0.0).sum(axis=1) / counts
    ordered = np.sort(np.where(keep, values, np.inf), axis=1)
    return _middle(ordered, ordered, counts, q)


def mean(values: np.ndarray, keep: np.ndarray, alarm: float, policy: str, support: np.ndarray | None = None) -> Reduced:
    """Mean along axis 1 with an interval that allows for skew, heavy tails and two kinds of outcome.

    No interval for a mean is valid for every distribution. This one is Student's, corrected for skewness
    (Hall 1992), and widened so that it holds for lognormal (sigma 1), exponential and Student (2.5 degrees of
    freedom) runs; see `widening` and the calibration table. Fewer runs than `least_runs_of_a_mean`: infinite. Outcomes
    that hold less than `VISIBLE` of the runs may go unseen, which no such interval can know. `support` (2, rows) is the
    range of possible values: then the interval also allows for the largest unseen share at either end of it. Runs that
    never vary get an interval of width zero otherwise, so counts of rare events belong into `share`.
    """
    keep, lowest, highest = _fill(values, keep, policy)
    known = keep & np.isfinite(lowest) & np.isfinite(highest)
    runs = known.sum(axis=1)
    n = np.maximum(runs, 2)
    x = np.where(known, values, 0.0)
    centre = x.sum(axis=1) / n
    apart = np.where(known, values - centre[:, None], 0.0)
    spread = np.sqrt((apart**2).sum(axis=1) / (n - 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        skew = np.where(spread > 0, (apart**3).sum(axis=1) / n / spread**3, 0.0)
    critical = widening(n, alarm) * stats.t.isf(alarm / 2, n - 1)
    lower, upper = _hall(critical, skew / np.sqrt(n))
    error = spread / np.sqrt(n)
    # Studentised (mean - truth) lies between lower and upper, so the ends of the interval change places.
    low, high = centre - upper * error, centre - lower * error
    if support is not None:
        unseen = -np.expm1(math.log(alarm / 2) / n)
        with np.errstate(invalid="ignore"):
            low = np.maximum(low + unseen * (support[0] - centre), support[0])
            high = np.minimum(high + unseen * (support[1] - centre), support[1])
    enough = runs >= least_runs_of_a_mean(alarm, support is not None)
    sound_low = enough & ~(keep & np.isneginf(lowest)).any(axis=1)
    sound_high = enough & ~(keep & np.isposinf(highest)).any(axis=1)
    value = np.where(runs > 0, np.where(runs == 1, x.sum(axis=1), centre), np.nan)
    return Reduced(value, np.where(sound_low, low, -np.inf), np.where(sound_high, high, np.inf))


def widening(n: np.ndarray, alarm: float) -> np.ndarray:
    """Factor on Student's quantile. Fitted as an envelope to quantiles simulated at alarm rates 3e-3 to 3e-5
    for the distributions named in `mean`; the lognormal one decides."""
    return 1.15 + 4.6 * stats.t.isf(alarm / 2, n - 1) ** 2 / n**1.5


def _hall(critical: np.ndarray, skew: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends of t for |t + a t^2/3 + a^2 t^3/27 + a/6| <= critical, a = skew; the cubic is (1 + a t/3)^3 up to
    affine."""
    small = np.abs(skew) < 1e-8
    a = np.where(small, 1.0, skew)
    ends = (np.where(small, h, 3 / a * (np.cbrt(1 + a * (h - a / 6)) - 1)) for h in (-critical, critical))
    lower, upper = ends
    return lower, upper


def share(hits: np.ndarray, keep: np.ndarray, alarm: float, policy: str) -> Reduced:
    """Share of ones among zeros and ones along axis 1, with the exact binomial interval (Clopper and
    Pearson)."""
    keep, lowest, highest = _fill(hits, keep, policy)
    n = keep.sum(axis=1)
    fewest = (keep & (lowest > 0)).sum(axis=1)
    most = (keep & (highest > 0)).sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = (fewest + most) / 2 / n
    low = np.where(fewest > 0, stats.beta.ppf(alarm / 2, fewest, n - fewest + 1), 0.0)
    high = np.where(most < n, stats.beta.isf(alarm / 2, most + 1, n - most), 1.0)
    return Reduced(value, low, high)
