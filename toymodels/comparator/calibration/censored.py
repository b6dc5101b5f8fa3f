"""Runs that did not finish: every policy, with the truth of the law that the policy leaves."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy import stats

from toymodels.comparator.calibration.scenario import Batch, Scenario
from toymodels.comparator.calibration.tails import DIMS
from toymodels.comparator.kinds import Exponent, Statistical

LAW = stats.lognorm(1.0)
LOST = 0.2


@dataclasses.dataclass(frozen=True)
class Loss:
    """Which runs are lost, what they are declared to stand for, and what a law says of what the policy keeps."""

    setting: str
    policy: str
    where: str
    """chance (independent of the value), largest or smallest (beyond a cap)."""


LOSSES = (
    Loss("a fifth lost by chance", "unknown", "chance"),
    Loss("largest fifth lost", "unknown", "largest"),
    Loss("smallest fifth lost", "unknown", "smallest"),
    Loss("largest fifth lost", "above", "largest"),
    Loss("smallest fifth lost", "below", "smallest"),
    Loss("a fifth lost by chance", "drop", "chance"),
    Loss("law of the finished four fifths", "drop", "largest"),
)


def scenarios() -> Iterator[Scenario]:
    """Medians, quantiles, means and shares of what is left."""
    for loss in LOSSES:
        setting = f"censored {loss.policy}: {loss.setting}"
        for estimator in ("median", "q90") if loss.where != "largest" or loss.policy == "drop" else ("median",):
            for runs in (20, 200):
                make = functools.partial(_draw, loss, estimator, runs, 5)
                yield Scenario(f"Statistical: {estimator}", setting, runs, 5, make)
        for runs in (40, 200) if loss.policy == "drop" else (200,):
            yield Scenario("Statistical: mean", setting, runs, 5, functools.partial(_draw, loss, "mean", runs, 5))
        if loss.policy in ("above", "drop"):
            yield Scenario("Exponent: median", setting, 40, 6, functools.partial(_exponent, loss, 40, 6))
    for policy in ("unknown", "drop"):
        for runs in (20, 200):
            make = functools.partial(_coins, policy, runs)
            yield Scenario("Statistical: share", f"censored {policy}: a fifth lost by chance", runs, 5, make)


def _lost(loss: Loss, sample: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if loss.where == "largest":
        return sample > LAW.ppf(1 - LOST)
    if loss.where == "smallest":
        return sample < LAW.ppf(LOST)
    return rng.uniform(size=sample.shape) < LOST


def _truth(loss: Loss, estimator: str) -> float:
    """Of all runs, unless the largest are dropped: then of the finished ones."""
    dropped = loss.policy == "drop" and loss.where == "largest"
    share = 1 - LOST if dropped else 1.0
    if estimator == "mean":
        return float(LAW.expect(ub=LAW.ppf(share), conditional=True)) if dropped else float(LAW.mean())
    return float(LAW.ppf(share * {"median": 0.5, "q90": 0.9}[estimator]))


def _draw(loss: Loss, estimator: str, runs: int, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    sample = LAW.rvs(size=(repetitions, points, runs), random_state=rng)
    sample[_lost(loss, sample, rng)] = np.nan
    kind = Statistical(estimator=estimator, scale="linear", censored=loss.policy)
    return Batch(kind, xr.Dataset({"y": (DIMS, sample)}), _truth(loss, estimator))


def _exponent(loss: Loss, runs: int, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    batch = _draw(loss, "median", runs, points, rng, repetitions)
    kind = Exponent("T", points=Statistical(censored=loss.policy), dim="point")
    return Batch(kind, batch.data.assign_coords(T=("point", np.geomspace(20, 200, points))), batch.truth)


def _coins(policy: str, runs: int, rng: np.random.Generator, repetitions: int) -> Batch:
    sample = (rng.uniform(size=(repetitions, 5, runs)) < 0.3).astype(float)
    sample[rng.uniform(size=sample.shape) < LOST] = np.nan
    kind = Statistical(estimator="share", scale="linear", censored=policy)
    return Batch(kind, xr.Dataset({"y": (DIMS, sample)}), 0.3)
