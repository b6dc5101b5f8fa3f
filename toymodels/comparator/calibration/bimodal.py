"""Two kinds of outcome: some runs are trapped, the others learn."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import xarray as xr
from scipy import optimize, stats

from toymodels.comparator.calibration.scenario import Batch, Scenario
from toymodels.comparator.calibration.tails import DIMS
from toymodels.comparator.kinds import Exponent, Statistical

LEARNED, TRAPPED, SPREAD = 1.0, 5.0, 0.1
SUPPORT = (0.0, 6.0)


def scenarios() -> Iterator[Scenario]:
    """Estimators over both kinds of run together; laws that follow each run; means with a declared support."""
    for share in (0.3, 0.5):
        for points in (1, 5):
            for estimator in ("median", "q90"):
                for runs in (20, 200):
                    yield _scenario(estimator, share, runs, points)
            for runs in (8, 30, 200):
                yield _scenario("mean", share, runs, points)
    for share in (0.02, 0.1, 0.3):
        for runs in (20, 50, 200):
            yield _scenario("mean", share, runs, 1, SUPPORT)
    for estimator in ("median", "mean"):
        for runs in (8, 40, 200):
            make = functools.partial(_followed, estimator, runs)
            yield Scenario(f"Statistical: {estimator}, log scale", "law follows each run, 30 % trapped", runs, 5, make)
    for estimator in ("median", "mean"):
        for share in (0.3, 0.45):
            for shared in (True, False):
                setting = f"{share:.0%} trapped, " + (
                    "the same seeds at all points" if shared else "anew at each point"
                )
                make = functools.partial(_exponent, estimator, share, shared, 40)
                yield Scenario(f"Exponent: {estimator}", setting, 40, 6, make)


def hidden() -> Iterator[Scenario]:
    """Modes so rare that they go unseen, which only a declared support can allow for."""
    yield _scenario("mean", 0.05, 30, 1, None, covered=False)


def mixture(size: tuple[int, ...], trapped: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Runs around 5 where `trapped`, else around 1, kept within `SUPPORT`."""
    noise = np.clip(SPREAD * rng.normal(size=size), -0.9, 0.9)
    return np.where(trapped, TRAPPED, LEARNED) + noise


def _truth(estimator: str, share: float) -> float:
    if estimator == "mean":
        return share * TRAPPED + (1 - share) * LEARNED
    q = {"median": 0.5, "q90": 0.9}[estimator]

    def excess(x: float) -> float:
        modes = stats.norm.cdf([(x - LEARNED) / SPREAD, (x - TRAPPED) / SPREAD])
        return float((1 - share) * modes[0] + share * modes[1] - q)

    return float(optimize.brentq(excess, 0.0, 6.0))


def _scenario(
    estimator: str,
    share: float,
    runs: int,
    points: int,
    support: tuple[float, float] | None = None,
    covered: bool = True,
) -> Scenario:
    label = f"Statistical: {estimator}" + (", support declared" if support else "")
    make = functools.partial(_draw, estimator, share, runs, points, support)
    return Scenario(label, f"{share:.0%} trapped", runs, points, make, covered)


def _draw(
    estimator: str,
    share: float,
    runs: int,
    points: int,
    support: tuple[float, float] | None,
    rng: np.random.Generator,
    repetitions: int,
) -> Batch:
    size = (repetitions, points, runs)
    sample = mixture(size, rng.uniform(size=size) < share, rng)
    kind = Statistical(estimator=estimator, scale="linear", support=support)
    return Batch(kind, xr.Dataset({"y": (DIMS, sample)}), _truth(estimator, share))


def _followed(estimator: str, runs: int, rng: np.random.Generator, repetitions: int) -> Batch:
    """A law evaluated on each run's start knows which mode the run falls into."""
    size = (repetitions, 5, runs)
    law = mixture(size, rng.uniform(size=size) < 0.3, rng)
    noise = rng.gamma(25, 1 / 25, size) if estimator == "mean" else np.exp(0.2 * rng.standard_t(2.5, size))
    return Batch(Statistical(estimator=estimator), xr.Dataset({"y": (DIMS, law * noise)}), xr.DataArray(law, dims=DIMS))


def _exponent(
    estimator: str, share: float, shared: bool, runs: int, rng: np.random.Generator, repetitions: int
) -> Batch:
    size = (repetitions, 6, runs)
    trapped = rng.uniform(size=(repetitions, 1 if shared else 6, runs)) < share
    sample = mixture(size, np.broadcast_to(trapped, size), rng)
    data = xr.Dataset({"y": (DIMS, sample)}, {"T": ("point", np.geomspace(20, 200, 6))})
    return Batch(Exponent("T", points=Statistical(estimator=estimator), dim="point"), data, _truth(estimator, share))
