"""Time points that share their seeds: paths, of which neighbouring points say nearly the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator

import numpy as np
import xarray as xr

from toymodels.comparator.calibration.scenario import REPETITION, Batch, Scenario
from toymodels.comparator.kinds import Exponent, Statistical

SPREAD = 0.3
"""Standard deviation of the logarithm at the last step of a random walk."""


def scenarios() -> Iterator[Scenario]:
    """Random walks and autoregressive noise, judged at all steps at once."""
    for estimator in ("median", "mean", "geometric_mean"):
        for steps in (5, 50):
            for runs in (20 if estimator == "median" else 40, 200 if steps == 5 else 80):
                yield _scenario("random walk", estimator, runs, steps)
    for steps in (5, 50):
        yield _scenario("AR(1) 0.95, student 2.5", "median", 40, steps)
    for walk in PATHS:
        for estimator in ("median", "geometric_mean"):
            make = functools.partial(_exponent, walk, estimator, 40, 6)
            yield Scenario(f"Exponent: {estimator}", f"{walk} along step", 40, 6, make)


def _walk(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    return np.cumsum(rng.normal(size=shape), axis=1) * SPREAD / np.sqrt(shape[1])


def _autoregressive(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    path = SPREAD * rng.standard_t(2.5, shape)
    for step in range(1, shape[1]):
        path[:, step] = 0.95 * path[:, step - 1] + np.sqrt(1 - 0.95**2) * path[:, step]
    return path


PATHS: dict[str, Callable[[np.random.Generator, tuple[int, int, int]], np.ndarray]] = {
    "random walk": _walk,
    "AR(1) 0.95, student 2.5": _autoregressive,
}


def _scenario(walk: str, estimator: str, runs: int, steps: int) -> Scenario:
    make = functools.partial(_paths, walk, estimator, runs, steps)
    return Scenario(f"Statistical: {estimator}, log scale", f"{walk} along step", runs, steps, make)


def _paths(walk: str, estimator: str, runs: int, steps: int, rng: np.random.Generator, repetitions: int) -> Batch:
    logs = PATHS[walk](rng, (repetitions, steps, runs))
    data = xr.Dataset({"y": ((REPETITION, "step", "seed"), np.exp(logs))}, {"step": np.arange(1, steps + 1)})
    # The mean of a lognormal number is exp(variance / 2); both other estimators see through the exponential.
    growth = SPREAD**2 * data.step / steps / 2 if estimator == "mean" else 0 * data.step
    return Batch(Statistical(estimator=estimator), data, np.exp(growth))


def _exponent(walk: str, estimator: str, runs: int, steps: int, rng: np.random.Generator, repetitions: int) -> Batch:
    batch = _paths(walk, estimator, runs, steps, rng, repetitions)
    return Batch(Exponent("step", points=Statistical(estimator=estimator)), batch.data, batch.truth)
