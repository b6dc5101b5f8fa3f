"""Standard errors of combinations of estimates, by resampling runs jointly at all points."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy import stats

from toymodels.comparator import intervals

DRAWS = 800
_CHUNK = 4_000_000
"""Numbers held at once while resampling."""

LEAST_RUNS = 12
"""Of a combination of quantiles."""


def standard_errors(
    runs: np.ndarray,
    keep: np.ndarray,
    reduce: Callable[[np.ndarray, np.ndarray], np.ndarray],
    combine: Callable[[np.ndarray], np.ndarray],
) -> np.ndarray:
    """Standard error of `combine(reduce(runs))`, where `reduce` takes (rows, runs) to (rows,) and `combine`
    takes (points, draws) to (results, draws). Runs are drawn jointly, so shared seeds keep their
    correlation."""
    points, n = runs.shape
    rng = np.random.default_rng(0)  # the same data always give the same interval
    results = []
    size = max(1, _CHUNK // max(1, points * n))
    for start in range(0, DRAWS, size):
        draws = min(size, DRAWS - start)
        chosen = rng.integers(0, n, (draws, n))
        rows = runs[:, chosen].reshape(points * draws, n)
        kept = keep[:, chosen].reshape(points * draws, n)
        results.append(combine(reduce(rows, kept).reshape(points, draws)))
    with np.errstate(invalid="ignore"):
        return np.concatenate(results, axis=1).std(axis=1, ddof=1)


def critical(n: np.ndarray, alarm: float, quantile: float | None) -> np.ndarray:
    """Factor on the standard error of a combination of quantiles (or of means: None); infinite with too few
    runs.

    Student's quantile, widened. Skewness cancels in a combination of similar points but not of unlike ones,
    so a combination of means is widened as much as a single uncorrected mean of lognormal runs needs.
    """
    n = np.asarray(n)
    student = stats.t.isf(alarm / 2, np.maximum(n - 1, 1))
    if quantile is None:
        least = intervals.least_runs_of_a_mean(alarm)
        return np.where(n >= least, student * (1 + 8 / np.sqrt(np.maximum(n, 1))), np.inf)
    enough = (n >= LEAST_RUNS) & (n * min(quantile, 1 - quantile) >= LEAST_RUNS / 2)
    return np.where(enough, 1.25 * student, np.inf)
