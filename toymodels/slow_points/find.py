"""Find and classify the slow points of a vector field or a map."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from toymodels.errors import UsageError
from toymodels.slow_points import search
from toymodels.slow_points.classify import Judge
from toymodels.slow_points.edge import checked_number, checked_vector_field
from toymodels.slow_points.points import SlowPoint, SlowPoints
from toymodels.slow_points.precision import double

REACH = 1e3
"""Points further out than this, relative to the furthest start (at least 1), are not looked at."""


def find_slow_points(
    field: Callable[..., Any],
    starts: Any,
    *,
    args: tuple = (),
    leak: float | None = None,
    slow: float = 0.01,
    tolerance: float = 1e-7,
) -> SlowPoints:
    """Slow points of `field(x, *args)` that the rows of `starts`, shape (n, d), lead to.

    `field` is a function written in jax.numpy from shape (d,) to shape (d,): dx/dt, or with `leak` = a the step x -> x'
    of a map, such as (1 - a) x + a tanh(W x). All starts are followed at once in float64: Levenberg-Marquardt on
    |F|^2/2, Newton on its gradient and on F. Good starts are states along trajectories of the system, noisy or not.

    - A *fixed point* is a root of F; stable, saddle or unstable by its spectrum, marginal where an eigenvalue is zero
      as far as can be told.
    - A *ghost* is an interior local minimum of |F| with F != 0: J is singular there and F its left null vector. It
      needs A B > 0, rates of the other directions well above sqrt(A B), and a next-order correction of at most 10 %.
    - A *slow region* is another place where a start came to rest with a speed below `slow` times the fastest start.

    Points closer than `tolerance` (times the size of x, at least 1) are one; what a saddle-node at that distance from
    its fold does cannot be told apart from the fold: it is marginal. A field with additive noise is given by its
    deterministic part.

    Raises `UsageError` where the field is not callable or traceable, returns the wrong shape, complex numbers or whole
    numbers, or is NaN at every start; where starts do not have the shape (n, d). Single starts at which the field is
    not finite are counted in `unresolved`.

    >>> import jax.numpy as jnp
    >>> def flow(x, r):
    ...     return jnp.stack([r + x[0] ** 2, -x[1] + x[0] ** 2])
    >>> (point,) = find_slow_points(flow, [[0.3, -0.2], [-0.5, 0.1]], args=(1e-4,))
    >>> point.kind.value, round(point.r, 10), round(point.passage_time, 3)
    ('ghost', 0.0001, 314.159)
    """
    checked_number("slow", slow, 0.0, 1.0)
    checked_number("tolerance", tolerance, 0.0, 0.1)
    with double():
        function, array, traced = checked_vector_field(field, starts, args, leak)
        return _find(function, array, traced, leak, slow, tolerance)


def _find(function: Any, starts: np.ndarray, args: tuple, leak: float | None, slow: float, tol: float) -> SlowPoints:
    speed = _points(search.speeds, function, args, starts)
    usable = np.isfinite(speed)
    if not usable.any():
        raise UsageError(
            f"The field is NaN or infinite at all {len(starts)} starts; give starts at which it is defined."
        )
    lost: Counter[str] = Counter()
    if not usable.all():
        lost["the field is not finite there"] = int((~usable).sum())
    starts = starts[usable]
    ends = _points(search.descend_all, function, args, starts)
    fastest = float(speed[usable].max())
    far = REACH * max(1.0, float(np.linalg.norm(starts, axis=1).max()))
    judge = Judge(leak=leak, slow_speed=slow * fastest, start_speed=fastest, tolerance=tol, reach=far)

    bottleneck, step = _points(search.bottlenecks, function, args, ends)
    root, root_step = _points(search.roots, function, args, ends)
    middle = _measured(function, args, bottleneck)
    # Between two fixed points of a saddle-node q has a saddle, from which both can be reached.
    with np.errstate(all="ignore"):
        reach = np.sqrt(-middle.form.A / middle.form.B)
    split = np.isfinite(reach) & (step < 1e-3 * (1 + reach))
    shift = reach[split, None] * middle.form.null[split]
    more = np.concatenate([bottleneck[split] + shift, bottleneck[split] - shift])
    if len(more):
        found, found_step = _points(search.roots, function, args, more)
        root, root_step = np.concatenate([root, found]), np.concatenate([root_step, found_step])

    owner = np.arange(len(starts))
    owners = np.concatenate([owner, owner[split], owner[split]])
    at_roots = _measured(function, args, root)
    candidates: list[tuple[int, SlowPoint]] = []
    for row, start in enumerate(owners):
        point = judge.fixed_point(_row(at_roots, row), float(root_step[row]))
        if point is not None:
            candidates.append((int(start), point))
    for index in range(len(starts)):
        point = judge.bottleneck(_row(middle, index), float(step[index]))
        if point is not None:
            candidates.append((int(index), point))
    resolved = {index for index, _ in candidates}
    rest = np.array([index for index in range(len(starts)) if index not in resolved], dtype=int)
    if len(rest):
        at_ends = _measured(function, args, ends[rest])
        for position, index in enumerate(rest):
            point = judge.slow_region(_row(at_ends, position))
            if point is None:
                lost["led to no slow point"] += 1
            else:
                candidates.append((int(index), point))
    return SlowPoints(judge.distinct(candidates), dict(lost))


def _points(stage: Any, function: Any, args: tuple, points: np.ndarray) -> Any:
    """A compiled stage over points, padded to a power of two so that few programs are compiled."""
    count = len(points)
    padded = np.resize(points, (max(8, 1 << (count - 1).bit_length()), points.shape[1]))
    padded[count:] = points[0]
    return jax.tree.map(lambda leaf: np.asarray(leaf)[:count], stage(function, args, padded))


def _measured(function: Any, args: tuple, points: np.ndarray) -> Any:
    # A point that ran off to infinity is measured elsewhere, and refused for its Newton step, which is not finite.
    safe = np.where(np.isfinite(points).all(axis=1, keepdims=True), points, 0.0)
    measured = _points(search.measure_all, function, args, safe)
    return measured._replace(x=points)


def _row(measured: Any, index: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[index], measured)
