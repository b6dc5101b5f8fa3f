"""Comparisons of an exponent: a regression slope over points that a kind of their own has measured."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from toymodels.comparator.kinds.base import Case, Estimate, Kind, variable
from toymodels.comparator.kinds.exact import Bound, Exact
from toymodels.comparator.kinds.statistical import Statistical
from toymodels.comparator.layout import Layout
from toymodels.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Slope(Kind):
    """Shared by both kinds: groups of points along one dim, and the regression over each group."""

    along: str
    points: Kind = dataclasses.field(default_factory=Statistical)
    dim: str | None = None
    """The dim of the regression, if the coordinate `along` has several dims."""

    def __post_init__(self) -> None:
        if isinstance(self.points, Slope | Bound):
            raise UsageError(f"An exponent is measured over points of another kind, not {self.points.name!r}.")

    @property
    def run_dims(self) -> tuple[str, ...]:
        return self.points.run_dims

    def columns(self, observable: str) -> dict[str, str]:
        return {**self.points.columns(observable), "coordinate": self.along}

    def undefined(self, predicted: np.ndarray) -> np.ndarray:
        return self.points.undefined(predicted)

    def measure(self, case: Case) -> Estimate:
        return self.points.measure(case)

    def evidence(self, case: Case) -> np.ndarray | None:
        return self.points.evidence(case)

    def runs(self, case: Case) -> int | None:
        return self.points.runs(case)

    def count_censored(self, case: Case) -> int:
        return self.points.count_censored(case)

    def needed_runs(self, case: Case, shrink: float) -> int | None:
        return self.points.needed_runs(case, shrink)

    @property
    def bars(self) -> str:
        return self.points.bars

    def _dim(self, layout: Layout) -> str:
        if self.dim is not None:
            if self.dim not in layout.point_dims:
                raise UsageError(f"dim={self.dim!r} is no point dim; the points have {', '.join(layout.point_dims)}.")
            return self.dim
        if self.along in layout.point_dims:
            return self.along
        dims = [str(d) for d in layout.coords[self.along].dims] if self.along in layout.coords.coords else []
        if len(dims) == 1 and dims[0] in layout.point_dims:
            return dims[0]
        raise UsageError(
            f"The dim of the regression over {self.along!r} is not clear; name it with dim=..., "
            f"one of {', '.join(layout.point_dims) or 'none (the data hold a single point)'}."
        )

    def result_layout(self, layout: Layout) -> Layout:
        return layout.without(self._dim(layout))

    def _groups(self, case: Case, values: np.ndarray) -> np.ndarray:
        """(points,) to (groups, points along the dim)."""
        layout = case.layout
        cube = values.reshape([layout.sizes[d] for d in layout.point_dims])
        axis = layout.point_dims.index(self._dim(layout))
        return np.moveaxis(cube, axis, -1).reshape(-1, layout.sizes[self._dim(layout)])

    def kept_results(self, case: Case) -> np.ndarray:
        return self._groups(case, case.kept_points).sum(axis=1) >= 2

    def _weights(self, case: Case) -> np.ndarray:
        """Weights w of the least-squares slope sum(w y) over log(coordinate), per group; zero outside the
        domain."""
        along = variable(case.data, self.along, "coordinate")
        coordinate = case.layout.stack(along, f"coordinate {self.along!r}")[:, 0].astype(float)
        if np.any(coordinate[case.kept_points] <= 0):
            raise UsageError(f"The coordinate {self.along!r} must be positive: an exponent is a slope on log axes.")
        keep = self._groups(case, case.kept_points)
        with np.errstate(divide="ignore", invalid="ignore"):
            x = np.where(keep, np.log(self._groups(case, coordinate)), 0.0)
            x = np.where(keep, x - x.sum(axis=1, keepdims=True) / keep.sum(axis=1, keepdims=True), 0.0)
            return x / (x**2).sum(axis=1, keepdims=True)

    def _slope(self, case: Case, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> Estimate:
        """The slope over points that lie anywhere in their intervals: the slope is linear in them, so the
        extremes lie at interval ends (the linear programme has this closed form)."""
        w = self._weights(case)
        value, low, high = (self._groups(case, end) for end in (value, low, high))
        with np.errstate(invalid="ignore"):
            return Estimate.of(_dot(w, value), _dot(w, np.where(w > 0, low, high)), _dot(w, np.where(w > 0, high, low)))

    @property
    def quantity(self) -> str:
        return f"exponent of {{observable}} in {self.along}"


def _dot(weights: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Row-wise scalar product in which a weight of zero silences even an infinite value."""
    return np.where(weights != 0, weights * np.where(weights != 0, values, 0.0), 0.0).sum(axis=1)


@dataclasses.dataclass(frozen=True)
class Exponent(Slope):
    """Slope of log(measured/predicted) against log(`along`), one per combination of the other dims: the
    difference between the measured exponent and the claim's. `points` is the kind that gives each point its
    interval."""

    name: ClassVar[str] = "exponent"

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self.points, "scale", "log") != "log":
            raise UsageError(
                "An exponent needs points on the scale 'log': its slope is that of log(measured/predicted)."
            )

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        points = self.points.interval(case, predicted)
        slope = self._slope(case, points.value, points.low, points.high)
        if not isinstance(self.points, Statistical):
            return slope
        weights, groups = self._weights(case), self._groups(case, np.arange(case.layout.n_points))

        def combine(values: np.ndarray) -> np.ndarray:
            return np.where(weights[:, :, None] != 0, weights[:, :, None] * values[groups], 0.0).sum(axis=1)

        # Random errors average out in a regression, which worst-case arithmetic ignores.
        half = self.points.combination_widths(case, predicted, combine, groups)
        sound = np.isfinite(half)
        return Estimate.of(
            slope.value,
            np.where(sound, slope.value - half, slope.low),
            np.where(sound, slope.value + half, slope.high),
        )

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = np.log(claim) - np.log(mutant)
        count = np.maximum(case.keep.sum(axis=1), 1)
        mean = np.where(case.keep, moved, 0.0).sum(axis=1) / count
        return np.abs(_dot(self._weights(case), self._groups(case, mean)))


@dataclasses.dataclass(frozen=True)
class Asymptotic(Slope):
    """An expansion up to a remainder of order `order` in the small parameter `along`: the slope of
    log|measured - predicted| against log(`along`), minus `order`. A scale "relative" in `points` means the
    order of the relative remainder. A slope over finite values of the parameter is not the limit: the margin
    allows for that."""

    points: Kind = dataclasses.field(default_factory=lambda: Exact(scale="linear"))
    order: int | float = 1.0
    name: ClassVar[str] = "asymptotic"

    def __post_init__(self) -> None:
        super().__post_init__()
        if getattr(self.points, "scale", "log") == "log":
            raise UsageError("An asymptotic order needs points on the scale 'linear' or 'relative'.")

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        remainder = self.points.interval(case, predicted)
        straddles = (remainder.low <= 0) & (remainder.high >= 0)
        near = np.minimum(np.abs(remainder.low), np.abs(remainder.high))
        far = np.maximum(np.abs(remainder.low), np.abs(remainder.high))
        with np.errstate(divide="ignore"):
            ends = (np.log(end) for end in (np.abs(remainder.value), np.where(straddles, 0.0, near), far))
            slope = self._slope(case, *ends)
        return Estimate(slope.value - self.order, slope.low - self.order, slope.high - self.order)

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        # Only the data say what remains, so the change of the measured order itself decides.
        moved = self.estimate(case, mutant).value - self.estimate(case, claim).value
        return np.nan_to_num(np.abs(moved), nan=0.0, posinf=np.inf)

    @property
    def quantity(self) -> str:
        return f"order of the remainder of {{observable}} in {self.along}, minus {self.order:g}"
