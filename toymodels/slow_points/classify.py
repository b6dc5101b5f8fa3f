"""Fixed point, ghost or plain slow region: what is decided from the numbers measured at one point."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from toymodels.slow_points.points import FIXED, Kind, SlowPoint
from toymodels.slow_points.reduction import relative_correction

SEPARATION = 0.3
"""sqrt(r) over the slowest other rate, above which there is no one-dimensional bottleneck."""
CORRECTION = 0.1
"""Next-order correction of the passage time, above which A and B do not describe the bottleneck."""
WEAK = 0.05
"""Leading rate of a weakly stable fixed point over the fastest rate."""
ROUNDING = 1e3
"""Multiple of the rounding floor up to which a speed counts as zero."""
OVERLAP = 1e-6


@dataclasses.dataclass(frozen=True)
class Judge:
    """Decides candidates of one search. `slow_speed`, `start_speed` (the fastest start's): absolute;
    `tolerance`: of lengths, relative to x;
    `reach`: largest |x|. Its methods take a `search.Candidate` whose
    leaves are numpy arrays without an axis of points."""

    leak: float | None
    slow_speed: float
    start_speed: float
    tolerance: float
    reach: float

    def near(self, x: np.ndarray) -> bool:
        """Is x finite, and not so far away that Newton's method has merely run off?"""
        return bool(np.linalg.norm(x) <= self.reach)

    def length(self, x: np.ndarray) -> float:
        """Distance below which two points are one."""
        return self.tolerance * max(1.0, float(np.linalg.norm(x)))

    def fixed_point(self, at: Any, step: float) -> SlowPoint | None:
        """The fixed point here, if F is zero to rounding and Newton's method has arrived."""
        length = self.length(at.x)
        if not (self.near(at.x) and step <= length and at.speed <= self._zero(at)):
            return None
        rates = self._rates(at.form.eigenvalues)
        lead = int(np.argmin(np.abs(np.real(at.form.eigenvalues))))
        value, fastest = at.form.eigenvalues[lead], float(np.max(np.abs(rates)))
        B, C = float(at.form.B), float(at.form.C)
        # A fold closer than the resolution: lambda = 2 B u (or 3 C u^2 where B vanishes) at distance u from it.
        # At a double root Newton halves its step, so that it stops at some distance of its own.
        unresolved = 2 * abs(B) * length + 3 * abs(C) * length**2 if np.isfinite(B * C) else 0.0
        marginal = abs(value) <= max(unresolved, 1e-12 * float(at.form.singular[0]), 1e-300)
        # Rates within rounding of zero leave the stability open too (a Hopf point).
        marginal = marginal or bool(np.min(np.abs(rates)) <= 1e-9 * max(fastest, float(at.form.singular[0])))
        if marginal:
            kind, note = Kind.MARGINAL, "an eigenvalue is zero as far as can be told: the point is at a bifurcation"
        elif np.all(rates < 0):
            kind, note = Kind.STABLE, "F = 0 and all rates are negative"
        elif np.all(rates > 0):
            kind, note = Kind.UNSTABLE, "F = 0 and all rates are positive"
        else:
            kind, note = Kind.SADDLE, "F = 0 with rates of both signs"
        real = abs(value.imag) <= 1e-9 * abs(value)
        r = -(float(value.real) ** 2) / 4 if real and not marginal else (0.0 if marginal and real else math.nan)
        weak = kind is Kind.STABLE and bool(np.max(rates) > -WEAK * max(fastest, self._speed_rate(at)))
        error = step + self._rounding_length(at)
        return self._point(kind, at, error, note, r=r, weak=weak, attracting=bool(np.all(rates < 0)))

    def bottleneck(self, at: Any, step: float) -> SlowPoint | None:
        """The ghost here, if this is an isolated minimum of |F| with F != 0 and the reduction holds."""
        A, B = float(at.form.A), float(at.form.B)
        stationary = self.near(at.x) and step <= self.length(at.x) and at.misfit <= 10 * self.length(at.x)
        if not stationary or at.speed <= self._zero(at) or not A * B > 0 or not at.curvature > 0:
            return None
        if math.sqrt(A / B) <= self.length(at.x):
            note = "the speed is lowest here, but the sign of r is not resolved: at a saddle-node"
            return self._point(Kind.MARGINAL, at, step + math.sqrt(A / B), note, r=0.0)
        r, delta = A * B, float(relative_correction(at.form, self.leak or 0.0))
        order = np.argsort(np.abs(at.form.eigenvalues))
        others = self._rates(at.form.eigenvalues)[order[1:]]
        slowest = float(np.min(np.abs(others))) if len(others) else math.inf
        separation = math.sqrt(r) / slowest if slowest > 0 else math.inf
        problem = ""
        if at.form.overlap < OVERLAP:
            problem = "the eigenvalue 0 is double (left and right null vectors are orthogonal)"
        elif separation > SEPARATION:
            problem = f"another direction is as slow: sqrt(r) is {separation:.2g} of the slowest other rate"
        elif not abs(delta) <= CORRECTION:
            problem = f"the next order changes the passage time by {100 * delta:.0f} %"
        if problem:
            region = self.slow_region(at)
            return region and dataclasses.replace(region, note=f"a minimum of the speed, but {problem}")
        note = "an isolated minimum of |F| with F != 0, J singular, F its left null vector"
        return self._point(
            Kind.GHOST, at, step + self._rounding_length(at, bordered=True), note, r=r, delta=delta,
            separation=separation, attracting=bool(np.all(others < 0)),
        )  # fmt: skip

    def slow_region(self, at: Any) -> SlowPoint | None:
        """A place that is slow and nothing else."""
        if not np.all(np.isfinite(at.x)) or not at.speed <= self.slow_speed:
            return None
        note = "slow, but neither a fixed point nor an isolated minimum of the speed was found"
        return self._point(Kind.SLOW_REGION, at, math.nan, note)

    def distinct(self, found: list[tuple[int, SlowPoint]]) -> tuple[SlowPoint, ...]:
        """One of each, with the number of starts that led there, slowest first."""
        kept: list[tuple[SlowPoint, set[int]]] = []
        for start, point in sorted(found, key=lambda pair: _accuracy(pair[1])):
            for other, starts in kept:
                if self._same(other, point):
                    starts.add(start)
                    break
            else:
                kept.append((point, {start}))
        points = [dataclasses.replace(point, starts=len(starts)) for point, starts in kept]
        return tuple(sorted(points, key=lambda point: point.speed))

    def _same(self, one: SlowPoint, other: SlowPoint) -> bool:
        gap = float(np.linalg.norm(one.location - other.location))
        errors = np.nan_to_num(one.location_error) + np.nan_to_num(other.location_error)
        reach = self.length(one.location)
        if one.kind is Kind.SLOW_REGION and other.kind is Kind.SLOW_REGION:
            reach = max(reach, 0.1 * float(np.linalg.norm(one.location)), 0.1)
        # Around a marginal point Newton's method stops at distances of its own.
        if Kind.MARGINAL in (one.kind, other.kind):
            reach *= 10
        return gap <= reach + 10 * errors

    def _zero(self, at: Any) -> float:
        return max(ROUNDING * float(at.floor), 4 * np.finfo(float).eps * self.start_speed)

    def _rates(self, eigenvalues: np.ndarray) -> np.ndarray:
        if self.leak is None:
            return np.real(eigenvalues)
        with np.errstate(divide="ignore"):
            return np.log(np.abs(1 + self.leak * eigenvalues)) / self.leak

    def _speed_rate(self, at: Any) -> float:
        """A rate to compare a single eigenvalue with: how fast the starts move over a distance of the size of x."""
        return self.slow_speed / max(1.0, float(np.linalg.norm(at.x))) if len(at.x) == 1 else 0.0

    def _rounding_length(self, at: Any, bordered: bool = False) -> float:
        """How far rounding may move the solution."""
        smallest = float(at.form.singular[-2 if bordered and len(at.form.singular) > 1 else -1])
        if bordered and len(at.form.singular) == 1:
            smallest = math.inf
        ulp = np.finfo(float).eps * float(np.linalg.norm(at.x))
        return ulp + (float(at.floor) / smallest if smallest > 0 else 0.0)

    def _strength_error(self, at: Any) -> float:
        """Rounding of A, times B."""
        return float(at.floor * np.linalg.norm(at.form.left) * abs(at.form.B))

    def _point(
        self, kind: Kind, at: Any, error: float, note: str, *, r: float = math.nan, delta: float = math.nan,
        separation: float = math.nan, weak: bool = False, attracting: bool = False,
    ) -> SlowPoint:  # fmt: skip
        form, ghost = at.form, kind is Kind.GHOST
        passage = math.pi / math.sqrt(r) / (self.leak or 1.0) if ghost else math.nan
        time_error = (abs(delta) + self._strength_error(at) / (2 * r)) * passage if ghost else math.nan
        order = np.argsort(-np.real(form.eigenvalues))
        return SlowPoint(
            kind=kind, location=np.asarray(at.x), location_error=float(error), speed=float(at.speed),
            eigenvalues=form.eigenvalues[order], singular_values=np.asarray(form.singular),
            A=0.0 if kind in FIXED else float(form.A), B=float(form.B), C=float(form.C),
            r=r, r_error=2 * abs(delta) * r + self._strength_error(at) if ghost else math.nan,
            passage_time=passage, passage_time_error=time_error,
            relative_correction=delta, separation=separation, null=np.asarray(form.null), left=np.asarray(form.left),
            weak=weak, attracting=attracting, starts=1, leak=self.leak, note=note,
        )  # fmt: skip


def _accuracy(point: SlowPoint) -> tuple[bool, float]:
    """Sort key: settled points first, the best located of them in front."""
    error = point.location_error
    return point.kind is Kind.SLOW_REGION, error if math.isfinite(error) else math.inf
