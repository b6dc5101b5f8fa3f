"""Independent runs with light, heavy and skewed tails; few runs; many points."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray as xr
from scipy import stats

from toymodels.comparator.calibration.scenario import REPETITION, Batch, Scenario
from toymodels.comparator.kinds import Statistical

DISTRIBUTIONS: dict[str, Any] = {
    "normal": stats.norm(),
    "student 2.5": stats.t(2.5),
    "lognormal 1": stats.lognorm(1.0),
    "exponential": stats.expon(),
}
DIMS = (REPETITION, "point", "seed")


def scenarios() -> Iterator[Scenario]:
    """Every estimator on every distribution."""
    for name in DISTRIBUTIONS:
        for estimator in ("median", "mean", "q90"):
            for runs in (8, 30 if estimator == "mean" else 20, 200):
                for points in (1, 5):
                    yield _scenario(estimator, "linear", name, runs, points)
    for name in ("lognormal 1", "exponential"):
        for runs in (30, 200):
            yield _scenario("mean", "log", name, runs, 1)
    for runs in (20, 80):
        yield _scenario("median", "linear", "student 2.5", runs, 50)
    yield _scenario("mean", "linear", "student 2.5", 80, 50)
    for runs in (3, 5, 8):
        for estimator in ("median", "mean", "q90"):
            yield _scenario(estimator, "linear", "student 2.5", runs, 4)
    for share in (0.02, 0.3):
        for runs in (3, 8, 20, 200):
            for points in (1, 5):
                make = functools.partial(_coins, share, runs, points)
                yield Scenario("Statistical: share", f"share {share}", runs, points, make)


def _scenario(estimator: str, scale: str, name: str, runs: int, points: int) -> Scenario:
    label = f"Statistical: {estimator}" + (", log scale" if scale == "log" else "")
    return Scenario(label, name, runs, points, functools.partial(_draw, estimator, scale, name, runs, points))


def _draw(
    estimator: str, scale: str, name: str, runs: int, points: int, rng: np.random.Generator, repetitions: int
) -> Batch:
    law = DISTRIBUTIONS[name]
    truth = {"median": law.median, "mean": law.mean, "q90": lambda: law.ppf(0.9)}[estimator]()
    sample = law.rvs(size=(repetitions, points, runs), random_state=rng)
    return Batch(Statistical(estimator=estimator, scale=scale), xr.Dataset({"y": (DIMS, sample)}), float(truth))


def _coins(share: float, runs: int, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    sample = (rng.uniform(size=(repetitions, points, runs)) < share).astype(float)
    return Batch(Statistical(estimator="share", scale="linear"), xr.Dataset({"y": (DIMS, sample)}), share)
