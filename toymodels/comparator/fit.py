"""Free constants of a law: fitted on one half of the evidence, with intervals, or refused with a reason."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from scipy import optimize, stats
from scipy.stats import qmc

from toymodels.comparator import rule, strict_json
from toymodels.comparator.kinds.base import Case, Kind, discrepancy, variable
from toymodels.comparator.kinds.exact import Bound
from toymodels.comparator.kinds.slopes import Slope
from toymodels.comparator.layout import Layout
from toymodels.comparator.region import Region
from toymodels.comparator.split import Split
from toymodels.errors import UsageError

Constants = Mapping[str, float]
Law = Callable[[Constants], xr.DataArray]

STARTS, TRIED = 16, 4
"""Points at which the law is looked at, and the best of them, from which constants are fitted."""
DRAWS = 200
"""Resamples of the runs: a standard error to 5 %."""
LEAST_RUNS = 8
MARGINS = 0.1
"""A constant is not determined if its whole bracket moves the law by less than this many margins."""
AT_END = 1e-4
"""A constant within this share of its bracket from an end has run into it."""
WORST = 1e4
"""Residual, in margins, where a law gives no number."""


@dataclasses.dataclass(frozen=True)
class FittedConstant:
    """One constant with its interval (all constants and all their combinations together at the design level)."""

    name: str
    value: float
    low: float
    high: float


@dataclasses.dataclass(frozen=True)
class Fit:
    """Constants of one law. With a `problem` the data do not determine them, and `constants` is empty."""

    constants: tuple[FittedConstant, ...]
    fitted_on: str
    judged_on: str
    problem: str
    region: Region | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def values(self) -> dict[str, float]:
        """{name: fitted value}."""
        return {c.name: c.value for c in self.constants}

    @property
    def sentence(self) -> str:
        """The constants with intervals, and which half of the evidence was used for what."""
        if self.problem:
            return f"no constants fitted: {self.problem}"
        words = ", ".join(f"{c.name} = {c.value:.6g} [{c.low:.6g}, {c.high:.6g}]" for c in self.constants)
        return f"{words} fitted on {self.fitted_on}, judged on {self.judged_on}"

    def as_record(self) -> dict[str, Any]:
        """JSON-ready."""
        fields = {name: getattr(self, name) for name in ("fitted_on", "judged_on", "problem", "sentence")}
        record: dict[str, Any] = strict_json.encode(
            {**fields, "constants": [dataclasses.asdict(c) for c in self.constants]}
        )
        return record


def fit(
    law: Law,
    brackets: Mapping[str, tuple[float, float]],
    *,
    data: xr.Dataset,
    observable: str,
    kind: Kind,
    margin: float,
    halves: Split,
    in_domain: xr.DataArray | None = None,
    guess: Constants | None = None,
    uncertainty: bool = True,
    false_alarm: float = rule.FALSE_ALARM,
) -> Fit:
    """Constants of `law` ({name: value} -> labelled prediction) that minimise the discrepancy on the first half.

    `brackets` {name: (low, high)} are hard limits; constants of positive brackets are fitted on the log scale, from
    several starts spread over the brackets (from `guess` and two others, if it is given). The loss is quadratic for
    discrepancies up to the margin (or to twice the median one, for a law that is further off) and linear beyond, so
    that single bad points do not decide. Intervals: with runs, a bootstrap over the runs, simultaneous for all
    combinations of the constants (Scheffe); without, the worst case of the points' own intervals plus what leaving any
    one point out changes.
    `uncertainty=False` skips them. Exponents are fitted at their points.

    Raises `UsageError` for wrong brackets and for bounds, which any loose enough constant satisfies.
    """
    space = _Space(brackets)
    if isinstance(kind, Bound):
        raise UsageError("Constants cannot be fitted to a bound: every looser constant holds as well. Use Exact.")
    base = kind.points if isinstance(kind, Slope) else kind
    problem = _Problem(law, space, base, data, observable, margin, halves, in_domain, false_alarm)

    def refused(why: str) -> Fit:
        return Fit((), halves.fitted_on, halves.judged_on, why)

    few = problem.too_few()
    if few:
        return refused(few)
    found = problem.solve(guess)
    if found is None:
        return refused("the law gives no admissible number anywhere in the brackets of its constants")
    best, ties = found
    blind = problem.blind(best)
    if blind:
        return refused(blind)
    if ties:
        return refused(f"different constants fit equally well: {space.text(best)} and {space.text(ties[0])}")
    region = problem.region(best) if uncertainty else None
    width = region.width(np.eye(space.size)) if region else np.zeros(space.size)
    wide = [n for n, w, span in zip(space.names, width, space.span, strict=True) if not w < span]
    if wide:
        return refused(f"the interval of {' and of '.join(wide)} is wider than the bracket")
    ends = (space.values(best + d) for d in (np.zeros(space.size), -width, width))
    value, low, high = ends
    constants = tuple(FittedConstant(n, value[n], low[n], high[n]) for n in space.names)
    return Fit(constants, halves.fitted_on, halves.judged_on, "", region)


def spread(
    law: Law,
    fitted: Fit,
    brackets: Mapping[str, tuple[float, float]],
    *,
    data: xr.Dataset,
    observable: str,
    kind: Kind,
) -> xr.DataArray:
    """How far errors of measurement in the fitted constants move the discrepancy: half-widths over the kind's points.

    What leaving out a point changes is no part of it: the misfit of a wrong law must not excuse it.
    """
    if fitted.region is None:
        raise UsageError("The fit has no intervals: " + (fitted.problem or "it was made with uncertainty=False."))
    space = _Space(brackets)
    layout = Layout.of([variable(data, n, role) for role, n in kind.columns(observable).items()], kind.run_dims)
    case = Case(data, observable, layout, np.ones(layout.shape, bool), rule.FALSE_ALARM)
    centre = space.point(fitted.values)

    def value(u: np.ndarray) -> np.ndarray:
        return kind.estimate(case, layout.stack(law(space.values(u)).astype(float), "prediction")).value

    gradient = _gradient(value, centre, fitted.region.width(np.eye(space.size)))
    half = fitted.region.reach(np.nan_to_num(gradient, nan=0.0, posinf=0.0, neginf=0.0))
    return kind.result_layout(layout).unstack(half)


class _Space:
    """Constants as coordinates: logarithms where the bracket is positive."""

    def __init__(self, brackets: Mapping[str, tuple[float, float]]) -> None:
        for name, (low, high) in brackets.items():
            if not (math.isfinite(low) and math.isfinite(high) and low < high):
                raise UsageError(f"The bracket of {name} is ({low:g}, {high:g}); give two finite ends, low < high.")
        self.names = tuple(brackets)
        ends = np.array([brackets[name] for name in self.names], float)
        self.log = ends[:, 0] > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            self.low, self.high = np.where(self.log[:, None], np.log(ends), ends).T
        self.span = self.high - self.low

    @property
    def size(self) -> int:
        return len(self.names)

    def values(self, u: np.ndarray) -> dict[str, float]:
        numbers = np.where(self.log, np.exp(np.where(self.log, u, 0.0)), u)
        return dict(zip(self.names, (float(n) for n in numbers), strict=True))

    def point(self, values: Constants) -> np.ndarray:
        pairs = zip(self.names, self.log, strict=True)
        return np.array([math.log(values[n]) if log else values[n] for n, log in pairs])

    def text(self, u: np.ndarray) -> str:
        return ", ".join(f"{name} = {value:.4g}" for name, value in self.values(u).items())

    def starts(self) -> list[np.ndarray]:
        unit = qmc.Sobol(self.size, seed=0).random(STARTS)
        return [self.low + self.span * (0.02 + 0.96 * row) for row in unit]


class _Problem:
    """Residuals on the fitted half, in margins."""

    def __init__(
        self,
        law: Law,
        space: _Space,
        kind: Kind,
        data: xr.Dataset,
        observable: str,
        margin: float,
        halves: Split,
        in_domain: xr.DataArray | None,
        false_alarm: float,
    ) -> None:
        self.law, self.space, self.kind, self.margin, self.halves = law, space, kind, margin, halves
        self.false_alarm = false_alarm
        self.data = halves.take_first(data[list(dict.fromkeys(kind.columns(observable).values()))])
        columns = [variable(self.data, name, role) for role, name in kind.columns(observable).items()]
        self.layout = Layout.of(columns, kind.run_dims)
        inside = halves.first if in_domain is None else in_domain & halves.first
        keep = self.layout.stack(halves.take_first(inside), "domain mask")
        self.case = Case(self.data, observable, self.layout, keep, false_alarm)
        measured = kind.measure(self.case)
        self.measured = measured.value
        known = np.isfinite(measured.value)
        if not kind.run_dims:
            known &= np.isfinite(measured.low) & np.isfinite(measured.high)
        self.usable = self.case.kept_points & known

    def too_few(self) -> str:
        count, needed = int(self.usable.sum()), self.space.size
        names = " and ".join(self.space.names)
        if self.kind.run_dims:
            runs = self.case.keep.sum(axis=1)[self.usable]
            if runs.size and runs.min() < LEAST_RUNS:
                return f"only {runs.min()} runs at a point of the fitted half, at least {LEAST_RUNS} are needed"
            needed -= 1  # one point determines one constant; its runs say how well
        if count <= needed:
            return f"{count} points with data in the fitted half do not determine {names}"
        return ""

    def prediction(self, u: np.ndarray) -> np.ndarray:
        return self.layout.stack(self.halves.take_first(self.law(self.space.values(u)).astype(float)), "prediction")

    def discrepancies(self, u: np.ndarray) -> np.ndarray:
        predicted = self.prediction(u)
        bad = self.kind.undefined(predicted)
        predicted = np.where(bad, np.nan, predicted)
        if (bad | (predicted == predicted[:, :1])).all():
            # One prediction a point: the estimator need not be taken again, which is most of the time of a fit.
            value = discrepancy(self.measured, predicted[:, 0], getattr(self.kind, "scale", "log"))
        else:
            value = self.kind.estimate(self.case, predicted).value
        silent = (bad & self.case.keep).any(axis=1) | ~np.isfinite(value)
        return np.where(silent, np.nan, value)[self.usable] / self.margin

    def residuals(self, u: np.ndarray) -> np.ndarray:
        return np.clip(np.nan_to_num(self.discrepancies(u), nan=WORST), -WORST, WORST)

    def solve(self, guess: Constants | None) -> tuple[np.ndarray, list[np.ndarray]] | None:
        """The best constants, and others that are as good."""
        tries = self.space.starts()
        if guess is not None:
            tries = [np.clip(self.space.point(guess), self.space.low, self.space.high), *tries[:2]]
        tries = [u for u in tries if np.isfinite(self.discrepancies(u)).any()]
        if not tries:
            return None
        tries = sorted(tries, key=lambda u: float((self.residuals(u) ** 2).sum()))[:TRIED]
        # Nearly the sum of absolute values at first, so that a wild point does not set the scale by which it is judged.
        rough = [self._least(u, "soft_l1", 1.0) for u in tries]
        nearest = min(rough, key=lambda r: r.cost)
        self.scale = max(1.0, 2 * float(np.median(np.abs(nearest.fun))))
        places: list[np.ndarray] = []
        for one in rough:
            if all((np.abs(one.x - other) > 1e-4 * self.space.span).any() for other in places):
                places.append(one.x)
        results = [self._least(u, "soft_l1", self.scale) for u in places]
        best = min(results, key=lambda r: r.cost)
        if np.isnan(self.discrepancies(best.x)).any():
            return None
        level = best.cost * (1 + 1e-6) + 1e-9
        away = [r.x for r in results if r.cost <= level and (np.abs(r.x - best.x) > 1e-2 * self.space.span).any()]
        return best.x, away

    def _least(self, start: np.ndarray, loss: str, scale: float) -> Any:
        low, high = self.space.low, self.space.high
        inside = np.clip(start, low + 1e-9 * self.space.span, high - 1e-9 * self.space.span)
        return optimize.least_squares(
            self.residuals,
            inside,
            bounds=(low, high),
            x_scale=self.space.span,
            loss=loss,
            f_scale=scale,
            diff_step=1e-6,
            xtol=1e-10,
            ftol=1e-10,
            gtol=1e-10,
            max_nfev=200,
        )

    def _influence(self, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Gradient (points, constants), and by how much a unit change of each residual moves each constant."""
        gradient = _gradient(self.residuals, u, 1e-4 * self.space.span)
        weight = (1 + (self.residuals(u) / self.scale) ** 2) ** -1.5
        normal = gradient.T @ (weight[:, None] * gradient)
        return gradient, -np.linalg.solve(normal, gradient.T * weight)

    def blind(self, u: np.ndarray) -> str:
        """Which constants the data do not see."""
        names = self.space.names
        ended = [
            f"{name} to the {side} end of its bracket, {math.exp(end) if log else end:g}"
            for name, log, x, low, high, span in zip(
                names, self.space.log, u, self.space.low, self.space.high, self.space.span, strict=True
            )
            for side, end in (("lower", low), ("upper", high))
            if abs(x - end) < AT_END * span
        ]
        gradient = _gradient(self.residuals, u, 1e-3 * self.space.span) * self.space.span
        _, singular, directions = np.linalg.svd(gradient)
        if singular.size < self.space.size or singular[-1] < MARGINS:
            weak = [n for n, part in zip(names, np.abs(directions[-1]), strict=True) if part > 0.1]
            if len(weak) > 1:
                return f"the data do not determine {' and '.join(weak)} separately"
            return f"the data do not determine {weak[0]}"
        return f"the data push {' and '.join(ended)}" if ended else ""

    def region(self, u: np.ndarray) -> Region:
        gradient, influence = self._influence(u)
        if self.kind.run_dims:
            return Region.random(influence @ self._draws(u), self._critical())
        estimate = self.kind.estimate(self.case, self.prediction(u))
        half = np.maximum(estimate.high - estimate.value, estimate.value - estimate.low)[self.usable] / self.margin
        return Region.bounded(influence * half, self._left_out(u, gradient))

    def _draws(self, u: np.ndarray) -> np.ndarray:
        """(points, draws): change of the residuals when the runs are drawn again, with replacement."""
        dim = self.kind.run_dims[0]
        count = self.data.sizes[dim]
        prediction = self.halves.take_first(self.law(self.space.values(u)).astype(float))
        centre, rng = self.residuals(u), np.random.default_rng(0)
        changes = np.empty((centre.size, DRAWS))
        sizes = [self.layout.sizes[d] for d in (*self.layout.point_dims, *self.layout.run_dims)]
        keep = xr.DataArray(self.case.keep.reshape(sizes), dims=(*self.layout.point_dims, *self.layout.run_dims))
        columns = [str(n) for n in self.kind.columns(self.case.observable).values()]
        for draw in range(DRAWS):
            chosen = {dim: rng.integers(0, count, count)}
            data = self.data.isel(chosen)
            layout = Layout.of([data[name] for name in columns], self.kind.run_dims)
            numbers = prediction.isel(chosen) if dim in prediction.dims else prediction
            case = Case(data, self.case.observable, layout, layout.stack(keep.isel(chosen), "mask"), self.false_alarm)
            value = self.kind.estimate(case, layout.stack(numbers, "prediction")).value[self.usable]
            changes[:, draw] = np.clip(np.nan_to_num(value / self.margin, nan=WORST), -WORST, WORST) - centre
        return changes

    def _critical(self) -> float:
        """Scheffe's factor: every combination of the constants at once."""
        size = self.space.size
        runs = int(self.case.keep.sum(axis=1)[self.usable].min())
        return math.sqrt(size * float(stats.f.isf(self.false_alarm, size, max(runs - size, 1))))

    def _left_out(self, u: np.ndarray, gradient: np.ndarray) -> np.ndarray:
        """(constants, points): where the constants go if a point is left out (one Gauss-Newton step)."""
        residual = self.residuals(u)
        weight = (1 + (residual / self.scale) ** 2) ** -0.5
        moves = np.zeros((self.space.size, residual.size))
        for i in range(residual.size):
            rest = np.arange(residual.size) != i
            root = np.sqrt(weight[rest])
            moves[:, i] = -np.linalg.lstsq(gradient[rest] * root[:, None], residual[rest] * root, rcond=None)[0]
        return moves


def _gradient(function: Callable[[np.ndarray], np.ndarray], u: np.ndarray, step: np.ndarray) -> np.ndarray:
    columns = []
    for i, h in enumerate(np.where(step > 0, step, 1e-6)):
        move = np.zeros(u.size)
        move[i] = h
        columns.append((function(u + move) - function(u - move)) / (2 * h))
    return np.stack(columns, axis=-1)
