"""Onsets found by bisection among finitely many runs, and exponents over such points."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import xarray as xr

from toymodels.comparator import rule
from toymodels.comparator.calibration.scenario import REPETITION, Batch, Scenario
from toymodels.comparator.kinds import Boundary, Exponent, zero_hit_slack

GROWTH = 0.66
ROUNDS = 12


def scenarios() -> Iterator[Scenario]:
    """Lowest onset (share of hits just above zero) with few and many runs; a sharp boundary; exponents."""
    for runs in (5, 20, 100, 4000):
        for points in (1, 5, 50):
            make = functools.partial(_zero_hits, GROWTH, runs, points)
            yield Scenario("Boundary: share 0+", f"growth {GROWTH:g}", runs, points, make)
    for points in (1, 50):
        yield Scenario("Boundary: sharp", "outcome without chance", None, points, functools.partial(_sharp, points))
    for runs in (100, 4000):
        make = functools.partial(_exponent, runs, 6)
        yield Scenario("Exponent: Boundary", f"share 0+, growth {GROWTH:g}", runs, 6, make)


def misjudged() -> Iterator[Scenario]:
    """A share of hits that grows three times more slowly than declared."""
    make = functools.partial(_zero_hits, GROWTH / 3, 100, 1)
    yield Scenario("Boundary: share 0+", "growth declared three times too large", 100, 1, make, covered=False)


def bisected(
    onset: np.ndarray, runs: int | None, growth: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Brackets (lower, upper) of `onset`; the share of hits grows as `growth` times the log distance above it.
    `runs=None`: every value above the onset is hit."""
    low, high = 0.3 * onset, 3.0 * onset * np.exp(rng.uniform(0, 0.3, onset.shape))
    for _ in range(ROUNDS):
        middle = np.sqrt(low * high)
        if runs is None:
            hit = middle >= onset
        else:
            hit = rng.binomial(runs, np.clip(growth * np.log(middle / onset), 0.0, 1.0)) > 0
        low, high = np.where(hit, low, middle), np.where(hit, middle, high)
    return low, high


def _zero_hits(growth: float, runs: int, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    onset = rng.lognormal(0, 1, (repetitions, points))
    lower, upper = bisected(onset, runs, growth, rng)
    slack = zero_hit_slack(runs, GROWTH, rule.FALSE_ALARM / points)
    data = xr.Dataset({"lower": ((REPETITION, "T"), lower), "upper": ((REPETITION, "T"), upper)})
    return Batch(Boundary(slack=slack), data, xr.DataArray(onset, dims=(REPETITION, "T")))


def _sharp(points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    onset = rng.lognormal(0, 1, (repetitions, points))
    lower, upper = bisected(onset, None, 0.0, rng)
    data = xr.Dataset({"lower": ((REPETITION, "T"), lower), "upper": ((REPETITION, "T"), upper)})
    return Batch(Boundary(slack=0.0), data, xr.DataArray(onset, dims=(REPETITION, "T")))


def _exponent(runs: int, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    """Onset proportional to T^-2; every point is bracketed by runs of its own."""
    T = xr.DataArray(np.geomspace(20, 200, points), dims="T")
    law = np.broadcast_to(T.values**-2.0, (repetitions, points))
    lower, upper = bisected(law, runs, GROWTH, rng)
    slack = zero_hit_slack(runs, GROWTH, rule.FALSE_ALARM / points)
    data = xr.Dataset({"lower": ((REPETITION, "T"), lower), "upper": ((REPETITION, "T"), upper)}, {"T": T.values})
    return Batch(Exponent("T", points=Boundary(slack=slack)), data, (T**-2.0).assign_coords(T=T.values))
