"""How many runs does it take to see an error? Probability of rejection against the number of runs, kind by kind.

A law is off by an error x; the margin is x/3, as small as a comparison may declare if x is to be relevant. The law is
seen to be wrong where the rule says "disagrees". `needed` is the number of runs at which that happens in nine of ten
repetitions. Numbers without chance (Exact, Bound) have the numerical error in the place of runs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import xarray as xr
from scipy import stats

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
RUNS = tuple(2**k for k in range(4, 22))
MOST, MOST_RESAMPLED = 2048, 512
"""Up to so many runs are drawn (fewer where every interval takes a bootstrap). Beyond, the errors and intervals of the
last draw shrink as one over the root of the number of runs."""
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
    amounts: tuple[int, ...] | tuple[float, ...]
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
            return float(self.amounts[0])
        share = (WANTED - p[first - 1]) / (p[first] - p[first - 1])
        return float(self.amounts[first - 1] * (self.amounts[first] / self.amounts[first - 1]) ** share)


def _rejected(found: Estimate, margin: float) -> float:
    """Share of repetitions (first axis) in which some point disagrees."""
    return float((rule.point_status(found, margin) == rule.DISAGREES).any(axis=1).mean())


def _moved(found: Estimate, spread: float, error: float) -> Estimate:
    """Intervals of unit spread about the truth, for runs of another spread and a law that is `error` too low."""
    with np.errstate(invalid="ignore"):
        return Estimate(*(spread * end + error for end in (found.value, found.low, found.high)))


def _drawn(draw: Callable[[int], Estimate], most: int = MOST) -> list[Estimate]:
    """Intervals about the truth at all of `RUNS`."""
    found = [draw(runs) for runs in RUNS if runs <= most]
    return found + [_moved(found[-1], float(np.sqrt(most / runs)), 0.0) for runs in RUNS if runs > most]


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
        law = float(np.exp(stats.norm.ppf(0.9))) if estimator == "q90" else 1.0

        def draw(
            runs: int, estimator: str = estimator, heavy: bool = name == "heavy tails", law: float = law
        ) -> Estimate:
            size = (REPETITIONS, 1, runs)
            logs = rng.standard_t(2.5, size) if heavy else rng.normal(size=size)
            return _sample(Statistical(estimator=estimator), np.exp(logs), law)

        found = _drawn(draw)
        label = f"{estimator.replace('_', ' ')}, {name}"
        for spread in SPREADS:
            for error in ERRORS:
                curve = [_rejected(_moved(f, spread, float(np.log1p(error))), error / 3) for f in found]
                yield Curve("Statistical", label, spread, error, "runs", RUNS, tuple(curve))


def _means(rng: np.random.Generator) -> Iterator[Curve]:
    for spread in SPREADS:

        def draw(runs: int, spread: float = spread) -> Estimate:
            values = np.exp(spread * rng.normal(size=(REPETITIONS, 1, runs)))
            return _sample(Statistical(estimator="mean"), values, float(np.exp(spread**2 / 2)))

        found = _drawn(draw)
        for error in ERRORS:
            curve = [_rejected(_moved(f, 1.0, float(np.log1p(error))), error / 3) for f in found]
            yield Curve("Statistical", "mean, lognormal", spread, error, "runs", RUNS, tuple(curve))


def _shares(rng: np.random.Generator, share: float = 0.3) -> Iterator[Curve]:
    kind = Statistical(estimator="share")

    def draw(runs: int) -> Estimate:
        return _sample(kind, (rng.uniform(size=(REPETITIONS, 1, runs)) < share).astype(float), share)

    found = _drawn(draw)
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


def _exponents(rng: np.random.Generator, repetitions: int = 30) -> Iterator[Curve]:
    """Six points over one decade, the same runs at none of them."""
    for estimator in ("median", "geometric_mean"):
        kind = Exponent("T", points=Statistical(estimator=estimator))

        def draw(runs: int, kind: Exponent = kind) -> Estimate:
            return _sample(kind, np.exp(rng.normal(size=(repetitions, POINTS, runs))))

        found = _drawn(draw, MOST_RESAMPLED)
        label = f"{estimator.replace('_', ' ')}, lognormal, {POINTS} points over a decade"
        for spread in SPREADS:
            for error in EXPONENTS:
                curve = [_rejected(_moved(f, spread, error), error / 3) for f in found]
                yield Curve("Exponent", label, spread, error, "runs", RUNS, tuple(curve))


def _orders(rng: np.random.Generator) -> Iterator[Curve]:
    """A remainder of order 2 over one decade of the small parameter, as a mean over runs. The spread of a run is
    relative to the smallest remainder."""
    small = np.geomspace(0.1, 1, POINTS)
    for spread in SPREADS:
        found = []
        for runs in RUNS:
            drawn = min(runs, MOST)
            scatter = spread * small[0] ** 2 * rng.normal(size=(REPETITIONS, POINTS, drawn)) * np.sqrt(drawn / runs)
            data = xr.Dataset(
                {"y": ((REPETITION, "T", "seed"), (1 + small**2)[:, None] + scatter)}, {"small": ("T", small)}
            )
            kind = Asymptotic("small", points=Statistical(estimator="mean", scale="linear"), order=2.0, dim="T")
            found.append(judged(kind, data, 1.0, REPETITIONS))
        for error in ORDERS:
            curve = [_rejected(_moved(f, 1.0, error), error / 3) for f in found]
            yield Curve(
                "Asymptotic", "order of a mean over runs, one decade", spread, error, "runs", RUNS, tuple(curve)
            )


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


PARTS: dict[str, Callable[[np.random.Generator], Iterator[Curve]]] = {
    "locations": _locations,
    "means": _means,
    "shares": _shares,
    "boundaries": _boundaries,
    "exponents": _exponents,
    "orders": _orders,
    "exact": _exact,
}


def power_curves(parts: Iterable[str] = tuple(PARTS)) -> tuple[Curve, ...]:
    """Curves of the named parts (all by default), each from a fixed seed of its own."""
    names = list(PARTS)
    return tuple(c for part in parts for c in PARTS[part](np.random.default_rng([SEED, names.index(part)])))
