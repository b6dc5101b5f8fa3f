"""Exponents over points that were measured as estimates over runs."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import xarray as xr

from toymodels.comparator.calibration.scenario import REPETITION, Batch, Scenario
from toymodels.comparator.calibration.tails import DISTRIBUTIONS
from toymodels.comparator.kinds import Exponent, Statistical

NOISES = {
    "median": ("normal", "student 2.5", "lognormal 1"),
    "mean": ("lognormal 1", "exponential"),
    "geometric_mean": ("normal", "student 2.5", "lognormal 1"),
}
POINTS = 6


def scenarios() -> Iterator[Scenario]:
    """Six points over a decade."""
    for estimator, names in NOISES.items():
        for name in names:
            for runs in (8, 40, 200) if name == names[-1] else (8, 40):
                make = functools.partial(_draw, estimator, name, runs)
                yield Scenario(f"Exponent: {estimator}", name, runs, POINTS, make)


def _draw(estimator: str, name: str, runs: int, rng: np.random.Generator, repetitions: int) -> Batch:
    law = DISTRIBUTIONS[name]
    along = np.geomspace(20, 200, POINTS)
    sample = law.rvs(size=(repetitions, along.size, runs), random_state=rng)
    if estimator == "mean":
        ratio = sample / law.mean()
    else:
        ratio = np.exp(0.1 * (sample - (law.median() if estimator == "median" else law.mean())))
    data = xr.Dataset({"y": ((REPETITION, "T", "seed"), ratio)}, {"T": along})
    return Batch(Exponent("T", points=Statistical(estimator=estimator)), data, 1.0)
