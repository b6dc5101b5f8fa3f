"""How many runs does it take to see an error? Probability of rejection against the number of runs, kind by kind.

A law is off by an error x; the margin is x/3, as small as a comparison may declare if x is to be relevant. The law is
seen to be wrong where the rule says "disagrees". `needed` is the number of runs at which that happens in nine of ten
repetitions. Numbers without chance (Exact, Bound) have the numerical error in the place of runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import xarray as xr

from toymodels.comparator import rule
from toymodels.comparator.calibration.boundaries import GROWTH
from toymodels.comparator.calibration.scenario import REPETITION, SEED, judged
from toymodels.comparator.kinds import (
    Asymptotic,
    Bound,
    Boundary,
    Exact,
    Exponent,
    Kind,
    Statistical,
    zero_hit_slack,
)
from toymodels.comparator.kinds.base import Estimate

ERRORS = (0.01, 0.03, 0.1)
SPREADS = (0.05, 0.2, 1.0)
"""Standard deviation of the logarithm of a run."""
EXPONENTS = (0.03, 0.1)
ORDERS = (0.1, 0.3)
WANTED = 0.9
REPETITIONS = 200
RUNS = tuple(2**k for k in range(4, 18))
FEWER_RUNS = tuple(2**k for k in range(4, 10))
"""Where every interval takes a bootstrap; beyond, intervals shrink as one over the root of the number of runs."""
POINTS = 6
BUDGETS = tuple(np.geomspace(0.01, 2, 24).tolist())


@dataclasses.dataclass(frozen=True)
class Curve:
    """Probability of rejection of a law that is off by `error`, at each of `amounts`."""

    kind: str
    setting: str
    spread: float | None
    error: float
    unit: str
    """What `amounts` counts: "runs", or "numerical error / error of the law"."""
    amounts: tuple[float, ...]
    rejected: tuple[float, ...]

    @property
    def needed(self) -> float:
        """Amount at which nine of ten repetitions reject (interpolated on a log axis); NaN if none does."""
        p = np.array(self.rejected)
        enough = p >= WANTED
        if self.unit != "runs":
            return self.amounts[int(np.flatnonzero(enough)[-1])] if enough.any() else float("nan")
        # The first amount from which on all reach it.
        late = np.flatnonzero(~enough)
        first = int(late[-1]) + 1 if late.size else 0
        if first == p.size:
            return float("nan")
        if first == 0:
            return self.amounts[0]
        share = (WANTED - p[first - 1]) / (p[first] - p[first - 1])
        return float(self.amounts[first - 1] * (self.amounts[first] / self.amounts[first - 1]) ** share)


def power_curves() -> tuple[Curve, ...]:
    """All curves, from a fixed seed."""
    rng = np.random.default_rng(SEED)
    parts = (_locations(rng), _means(rng), _shares(rng), _boundaries(rng), _exponents(rng), _orders(rng), _exact(rng))
    return tuple(curve for part in parts for curve in part)


def _rejected(found: Estimate, margin: float) -> float:
    """Share of repetitions (first axis) in which some point disagrees."""
    return float((rule.point_status(found, margin) == rule.DISAGREES).any(axis=1).mean())


def _moved(found: Estimate, spread: float, error: float) -> Estimate:
    """Intervals of unit spread about the truth, for runs of another spread and a law that is `error` too low."""
    with np.errstate(invalid="ignore"):
        return Estimate(*(spread * end + error for end in (found.value, found.low, found.high)))


def _sample(kind: Kind, values: np.ndarray, law: float = 1.0) -> Estimate:
    data = xr.Dataset({"y": ((REPETITION, "T", "seed"), values)}, {"T": np.geomspace(20, 200, values.shape[1])})
    return judged(kind, data, law, len(values))


def _locations(rng: np.random.Generator) -> Iterator[Curve]:
    """Estimators that move and stretch with the logarithm: one set of unit runs serves all spreads and errors."""
    for estimator, name in (
        ("median", "lognormal"),
        ("median", "heavy tails"),
        ("geometric_mean", "lognormal"),
        ("q90", "lognormal"),
    ):
        law = np.exp(1.2815515655446004) if estimator == "q90" else 1.0
        found = []
        for runs in RUNS:
            size = (REPETITIONS, 1, runs)
            logs = rng.standard_t(2.5, size) if name == "heavy tails" else rng.normal(size=size)
            found.append(_sample(Statistical(estimator=estimator), np.exp(logs), float(law)))
        label = f"{estimator.replace('_', ' ')}, {name}"
        for spread in SPREADS:
            for error in ERRORS:
                curve = [_rejected(_moved(f, spread, float(np.log1p(error))), error / 3) for f in found]
                yield Curve("Statistical", label, spread, error, "runs", RUNS, tuple(curve))


def _means(rng: np.random.Generator) -> Iterator[Curve]:
    for spread in SPREADS:
        found = []
        for runs in RUNS:
            values = np.exp(spread * rng.normal(size=(REPETITIONS, 1, runs)))
            found.append(_sample(Statistical(estimator="mean"), values, float(np.exp(spread**2 / 2))))
        for error in ERRORS:
            curve = [_rejected(_moved(f, 1.0, float(np.log1p(error))), error / 3) for f in found]
            yield Curve("Statistical", "mean, lognormal", spread, error, "runs", RUNS, tuple(curve))


def _shares(rng: np.random.Generator, share: float = 0.3) -> Iterator[Curve]:
    kind = Statistical(estimator="share")
    found = [_sample(kind, (rng.uniform(size=(REPETITIONS, 1, runs)) < share).astype(float), share) for runs in RUNS]
    for error in ERRORS:
        curve = [_rejected(_moved(f, 1.0, float(np.log1p(error))), error / 3) for f in found]
        yield Curve("Statistical", f"share {share:g}", None, error, "runs", RUNS, tuple(curve))


def _boundaries(rng: np.random.Generator) -> Iterator[Curve]:
    """Onset of a share of hits that grows linearly, bisected to a tenth of the error; the law is too low, the harder
    side, since hits that were missed can only hide a lower onset."""
    for error in ERRORS:
        curve = []
        for runs in RUNS:
            lower = np.full((REPETITIONS, 1), 0.3)
            upper = np.full((REPETITIONS, 1), 3.0) * np.exp(rng.uniform(0, 0.3, lower.shape))
            while np.log(upper / lower).max() > error / 10:
                middle = np.sqrt(lower * upper)
                hit = rng.binomial(runs, np.clip(GROWTH * np.log(middle), 0, 1)) > 0
                lower, upper = np.where(hit, lower, middle), np.where(hit, middle, upper)
            data = xr.Dataset({"lower": ((REPETITION, "T"), lower), "upper": ((REPETITION, "T"), upper)})
            kind = Boundary(slack=zero_hit_slack(runs, GROWTH, rule.FALSE_ALARM))
            curve.append(_rejected(judged(kind, data, 1 / (1 + error), REPETITIONS), error / 3))
        yield Curve("Boundary", f"share 0+, growth {GROWTH:g}", None, error, "runs", RUNS, tuple(curve))


def _exponents(rng: np.random.Generator, repetitions: int = 50) -> Iterator[Curve]:
    """Six points over one decade, the same runs at none of them."""
    for estimator in ("median", "geometric_mean"):
        kind = Exponent("T", points=Statistical(estimator=estimator))
        found = {n: _sample(kind, np.exp(rng.normal(size=(repetitions, POINTS, n)))) for n in FEWER_RUNS}
        last = found[FEWER_RUNS[-1]]
        for n in RUNS[len(FEWER_RUNS) :]:
            shrink = float(np.sqrt(FEWER_RUNS[-1] / n))
            found[n] = Estimate(*(shrink * end for end in (last.value, last.low, last.high)))
        label = f"{estimator.replace('_', ' ')}, lognormal, {POINTS} points over a decade"
        for spread in SPREADS:
            for error in EXPONENTS:
                curve = [_rejected(_moved(found[n], spread, error), error / 3) for n in RUNS]
                yield Curve("Exponent", label, spread, error, "runs", RUNS, tuple(curve))


def _orders(rng: np.random.Generator) -> Iterator[Curve]:
    """A remainder of order 2 over one decade of the small parameter, as a mean over runs. The spread of a run is
    relative to the smallest remainder."""
    small = np.geomspace(0.1, 1, POINTS)
    for spread in SPREADS:
        found = []
        for runs in RUNS:
            scatter = spread * small[0] ** 2 * rng.normal(size=(REPETITIONS, POINTS, runs))
            data = xr.Dataset(
                {"y": ((REPETITION, "T", "seed"), (1 + small**2)[:, None] + scatter)}, {"small": ("T", small)}
            )
            kind = Asymptotic("small", points=Statistical(estimator="mean", scale="linear"), order=2.0, dim="T")
            found.append(judged(kind, data, 1.0, REPETITIONS))
        for error in ORDERS:
            curve = [_rejected(_moved(f, 1.0, error), error / 3) for f in found]
            yield Curve("Asymptotic", "order of a mean over runs, one decade", spread, error, "runs", RUNS, tuple(curve))


def _exact(rng: np.random.Generator) -> Iterator[Curve]:
    """Errors that lie anywhere within a budget stated honestly. The law is too low (an upper bound: too tight)."""
    for kind in (Exact(), Bound()):
        for error in ERRORS:
            curve = []
            for share in BUDGETS:
                budget = np.full((REPETITIONS, 1), share * error)
                measured = 1 + error + budget * rng.uniform(-1, 1, budget.shape)
                data = xr.Dataset({"y": ((REPETITION, "T"), measured), "error": ((REPETITION, "T"), budget)})
                curve.append(_rejected(judged(kind, data, 1.0, REPETITIONS), error / 3))
            unit = "numerical error / error of the law"
            yield Curve(type(kind).__name__, "honest budget", None, error, unit, BUDGETS, tuple(curve))
