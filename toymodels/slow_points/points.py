"""What a slow point is: its kind, where it lies, and what its surroundings predict."""

from __future__ import annotations

import dataclasses
import enum
import math
from collections.abc import Iterator

import numpy as np

from toymodels.errors import UsageError


class Kind(enum.StrEnum):
    """Slow points told apart. The first four are fixed points."""

    STABLE = "stable fixed point"
    SADDLE = "saddle"
    UNSTABLE = "unstable fixed point"
    MARGINAL = "marginal fixed point"
    """At a bifurcation, as far as can be resolved: the sign of r is not known."""
    GHOST = "ghost"
    SLOW_REGION = "slow region"


FIXED = (Kind.STABLE, Kind.SADDLE, Kind.UNSTABLE, Kind.MARGINAL)


@dataclasses.dataclass(frozen=True, eq=False)
class SlowPoint:
    """One slow point. Times are in units of the field's time, or in steps for a map.

    `r` is A B of a ghost, -lambda^2/4 of a fixed point with a real leading eigenvalue lambda (how far the saddle-node
    is), else NaN. `A` = l.F (0 at a fixed point), `B` = l.D2F(v, v)/2, with F per unit of time. `passage_time` is
    pi/sqrt(A B) (per leak for a map; NaN unless a ghost). `relative_correction` is the next order of that time, in A;
    `passage_time_error` and `r_error` are its size. `location_error`: the Newton step left plus rounding. `separation`:
    sqrt(r) over the slowest other rate. `weak`: a stable fixed point whose leading rate is a small part of the others,
    or of what the starts see. `note` says in words why it is of this kind.
    """

    kind: Kind
    location: np.ndarray
    location_error: float
    speed: float
    eigenvalues: np.ndarray
    singular_values: np.ndarray
    A: float
    B: float
    C: float
    r: float
    r_error: float
    passage_time: float
    passage_time_error: float
    relative_correction: float
    separation: float
    null: np.ndarray
    left: np.ndarray
    weak: bool
    attracting: bool
    starts: int
    leak: float | None
    note: str

    @property
    def fixed(self) -> bool:
        """Is it a fixed point?"""
        return self.kind in FIXED

    def passage_time_in_window(self, before: float, after: float) -> float:
        """Time (or steps) from distance `before` ahead of the ghost to `after` behind it, measured by l.(x - x_g).

        (pi/sqrt(A B) - 1/(B before) - 1/(B after))/leak; both distances must exceed the width sqrt(A/B).
        Raises `UsageError` for a point that is no ghost, or a window inside the bottleneck.
        """
        if self.kind is not Kind.GHOST:
            raise UsageError(f"A passage time needs a ghost; this point is a {self.kind}: {self.note}")
        width = math.sqrt(self.A / self.B)
        if not (before > width and after > width):
            raise UsageError(
                f"The window ({before:g}, {after:g}) must reach beyond the bottleneck, whose half-width is {width:.3g}."
            )
        time = math.pi / math.sqrt(self.A * self.B) - 1 / (abs(self.B) * before) - 1 / (abs(self.B) * after)
        return time / (self.leak or 1.0)

    def __str__(self) -> str:
        text = f"{self.kind}{' (weak)' if self.weak else ''}: speed {self.speed:.3g}"
        if np.isfinite(self.r):
            text += f", r = {self.r:.4g}"
        if self.kind is Kind.GHOST:
            unit = "steps" if self.leak else "time"
            text += f" +- {self.r_error:.1g}, passage {self.passage_time:.4g} +- {self.passage_time_error:.2g} ({unit})"
        return f"{text}, location +- {self.location_error:.1g}, {self.starts} starts"


@dataclasses.dataclass(frozen=True, eq=False)
class SlowPoints:
    """All slow points that the starts led to, slowest first; a sequence. `unresolved` counts the starts that led to
    none, by reason."""

    points: tuple[SlowPoint, ...]
    unresolved: dict[str, int]

    def __iter__(self) -> Iterator[SlowPoint]:
        return iter(self.points)

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, index: int) -> SlowPoint:
        return self.points[index]

    @property
    def ghosts(self) -> tuple[SlowPoint, ...]:
        """The ghosts."""
        return tuple(point for point in self.points if point.kind is Kind.GHOST)

    @property
    def fixed_points(self) -> tuple[SlowPoint, ...]:
        """The fixed points, marginal ones included."""
        return tuple(point for point in self.points if point.fixed)

    @property
    def slow_regions(self) -> tuple[SlowPoint, ...]:
        """Places that are slow without being a fixed point or a ghost."""
        return tuple(point for point in self.points if point.kind is Kind.SLOW_REGION)

    def __str__(self) -> str:
        lines = [str(point) for point in self.points] or ["no slow point"]
        lines += [f"{count} starts: {reason}" for reason, count in self.unresolved.items()]
        return "\n".join(lines)
