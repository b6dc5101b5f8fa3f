"""Numbers without randomness: error budgets from two step sizes, bounds that are attained, orders of remainders."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import numpy as np
import xarray as xr

from toymodels.comparator.calibration.scenario import REPETITION, Batch, Scenario
from toymodels.comparator.kinds import Asymptotic, Bound, Exact, Statistical

POINTS = (REPETITION, "point")
HIGHER = 0.3
"""Largest next-order term relative to the leading error of the coarse solution: the solver is near its asymptotic
range."""
SAFETY = 2.0
ORDER_MARGIN = 0.1


def scenarios() -> Iterator[Scenario]:
    """Exact, Bound and Asymptotic."""
    for scale in ("relative", "log", "linear"):
        for points in (1, 5, 50):
            yield Scenario("Exact", f"honest budget, {scale}", None, points, functools.partial(_honest, scale, points))
    for order in (1.0, 2.0, 4.0):
        setting = f"steps h and h/2, order {order:g}, difference / (2^order - 1) x {SAFETY:g}"
        make = functools.partial(_two_steps, order, SAFETY / (2**order - 1), 5)
        yield Scenario("Exact", setting, None, 5, make)
    yield Scenario(
        "Exact", "steps h and h/2, order 2, bare difference", None, 5, functools.partial(_two_steps, 2.0, 1.0, 5)
    )
    for side in ("upper", "lower"):
        for points in (1, 5, 50):
            yield Scenario("Bound", f"{side}, half attained", None, points, functools.partial(_bound, side, points))
    yield Scenario("Bound", "attained up to rounding", None, 50, functools.partial(_rounding, 50))
    for order in (1.0, 2.0, 3.0):
        for points in (5, 20):
            make = functools.partial(_remainder, order, points, False)
            yield Scenario("Asymptotic", f"order {order:g} with numerical error", None, points, make)
        make = functools.partial(_remainder, order, 5, True)
        yield Scenario("Asymptotic", f"order {order:g}, next order 10 %, margin {ORDER_MARGIN:g}", None, 5, make)
    for runs in (8, 40, 200):
        yield Scenario(
            "Asymptotic", "order 2 of a mean over runs", runs, 5, functools.partial(_noisy_remainder, runs, 5)
        )


def optimistic() -> Iterator[Scenario]:
    """Budgets that are none."""
    for order, factor, text in (
        (1.0, 1.0, "order 1, bare difference"),
        (0.5, 1.0, "order 1/2, bare difference"),
        (2.0, SAFETY / 15, "order 2 taken for 4"),
    ):
        make = functools.partial(_two_steps, order, factor, 5)
        yield Scenario("Exact", f"steps h and h/2, {text}", None, 5, make, covered=False)


def _honest(scale: str, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    """The error fills its budget now and then."""
    law = rng.lognormal(0, 2, (repetitions, points))
    budget = 10 ** rng.uniform(-12, -2, law.shape) * law
    measured = law + budget * np.clip(1.5 * rng.uniform(-1, 1, law.shape), -1, 1) * (1 - 1e-9)
    data = xr.Dataset({"y": (POINTS, measured), "error": (POINTS, budget)})
    truth = xr.DataArray(law, dims=POINTS)
    wrong = tuple(
        (Exact(scale=scale), truth + 3 * m if scale == "linear" else truth * np.exp(3 * m), m) for m in (1e-3,)
    )
    return Batch(Exact(scale=scale), data, truth, wrong=wrong)


def _two_steps(order: float, factor: float, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    """A solver of known order; the finer solution is compared, the difference gives the budget."""
    shape = (repetitions, points)
    law, leading, higher = rng.lognormal(0, 1, shape), 0.01 * rng.normal(size=shape), HIGHER * rng.uniform(-1, 1, shape)
    coarse, fine = (law * (1 + leading * h**order * (1 + higher * h)) for h in (1.0, 0.5))
    data = xr.Dataset({"y": (POINTS, fine), "error": (POINTS, factor * abs(fine - coarse))})
    truth = xr.DataArray(law, dims=POINTS)
    return Batch(Exact(), data, truth, wrong=((Exact(), truth * 1.03, 0.01),))


def _bound(side: str, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    """Half of the points attain the bound exactly, but for an error within the budget."""
    bound = rng.lognormal(0, 1, (repetitions, points))
    gap = np.where(rng.uniform(size=bound.shape) < 0.5, 0.0, rng.beta(0.5, 2, bound.shape))
    gap[:, 0] = 0.0
    away = -1 if side == "upper" else 1
    budget = 1e-6 * bound
    measured = bound * (1 + away * gap) + budget * rng.uniform(-1, 1, bound.shape)
    truth = xr.DataArray(bound, dims=POINTS)
    data = xr.Dataset({"y": (POINTS, measured), "error": (POINTS, budget)})
    return Batch(Bound(side=side), data, truth, wrong=((Bound(side=side), truth * (1 + 0.03 * away), 0.01),))


def _rounding(points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    """|a + b| <= |a| + |b| for numbers of one sign, computed in two ways that round differently."""
    a, b = rng.lognormal(0, 3, (2, repetitions, points))
    law = a + b
    data = xr.Dataset({"y": (POINTS, ((a * 3 + b * 3) / 3)), "error": (POINTS, 4 * np.finfo(float).eps * law)})
    truth = xr.DataArray(law, dims=POINTS)
    return Batch(Bound(), data, truth, wrong=((Bound(), truth * 0.97, 0.01),))


def _remainder(order: float, points: int, contaminated: bool, rng: np.random.Generator, repetitions: int) -> Batch:
    """law + c small^order, either with an error up to a tenth of the smallest remainder or with the next order."""
    small = xr.DataArray(np.geomspace(0.01, 0.1, points), dims="point")
    coefficient = rng.lognormal(0, 1, (repetitions, 1)) * rng.choice([-1, 1], (repetitions, 1))
    law = rng.lognormal(0, 1, (repetitions, points))
    remainder = coefficient * small.values**order
    budget = 0.1 * np.abs(coefficient) * 0.01**order * np.ones(points)
    if contaminated:
        remainder = remainder * (1 + rng.uniform(-1, 1, (repetitions, 1)) * small.values)
        measured = law + remainder
        budget = 1e-3 * budget
    else:
        measured = law + remainder + budget * rng.uniform(-1, 1, law.shape)
    data = xr.Dataset({"y": (POINTS, measured), "error": (POINTS, budget)}, {"small": small})
    truth = xr.DataArray(law, dims=POINTS)

    def kind(claimed: float) -> Asymptotic:
        return Asymptotic("small", order=claimed)

    margin = {"margin": ORDER_MARGIN} if contaminated else {}
    wrong = tuple((kind(order + shift), truth, ORDER_MARGIN) for shift in (-0.5, -0.3, 0.3, 0.5))
    return Batch(kind(order), data, truth, wrong=wrong, **margin)


def _noisy_remainder(runs: int, points: int, rng: np.random.Generator, repetitions: int) -> Batch:
    small = xr.DataArray(np.geomspace(0.1, 1, points), dims="point")
    law = rng.lognormal(0, 1, (repetitions, points))
    measured = (law + small.values**2)[:, :, None] + 0.02 * rng.normal(size=(repetitions, points, runs))
    data = xr.Dataset({"y": ((*POINTS, "seed"), measured)}, {"small": small})
    truth = xr.DataArray(law, dims=POINTS)
    points_kind = Statistical(estimator="mean", scale="linear")
    wrong = tuple((Asymptotic("small", points=points_kind, order=order), truth, ORDER_MARGIN) for order in (1.7, 2.3))
    return Batch(Asymptotic("small", points=points_kind, order=2.0), data, truth, wrong=wrong)
