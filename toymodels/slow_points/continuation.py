"""Follow a ghost, and the branch of fixed points that it is the remnant of, in a parameter."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError
from toymodels.slow_points import search
from toymodels.slow_points.edge import checked_vector_field
from toymodels.slow_points.precision import double
from toymodels.slow_points.reduction import normal_form

CONVERGED = 1e-8
"""Newton step, relative to the size of the unknowns, up to which a corrector counts as arrived."""


@dataclasses.dataclass(frozen=True, eq=False)
class GhostBranch:
    """A bottleneck over parameter values: `r` = A B > 0 a ghost, 0 a saddle-node, < 0 between two fixed points.

    Arrays over the n values: `locations` (n, d), `A`, `B`, `r`, `errors` (Newton step left, a length).
    """

    parameters: np.ndarray
    locations: np.ndarray
    A: np.ndarray
    B: np.ndarray
    r: np.ndarray
    errors: np.ndarray


@dataclasses.dataclass(frozen=True, eq=False)
class SaddleNode:
    """A fold of fixed points at `parameter`. `error`: Newton step left in the parameter; `slope`: dr/d(parameter)."""

    parameter: float
    location: np.ndarray
    error: float
    slope: float


@dataclasses.dataclass(frozen=True, eq=False)
class FixedPointBranch:
    """Fixed points along an arc: `parameters` (n,), `locations` (n, d), the indices at which the parameter turns."""

    parameters: np.ndarray
    locations: np.ndarray
    folds: tuple[int, ...]


def continue_ghost(
    field: Callable[..., Any], start: Any, parameters: Sequence[float], *, leak: float | None = None
) -> GhostBranch:
    """The bottleneck of `field(x, parameter)` near `start`, shape (d,), at each of the `parameters` in turn.

    Predictor: secant; corrector: Newton on the bordered equations (`toymodels.slow_points.search`), which stay regular
    at the saddle-node, so that r passes through zero there. Raises `UsageError` where Newton's method does not arrive:
    take smaller steps.
    """
    values = np.asarray(parameters, dtype=float)
    if values.ndim != 1 or len(values) == 0 or not np.all(np.isfinite(values)):
        raise UsageError(f"parameters must be a sequence of finite numbers, got the shape {values.shape}.")
    with double():
        function, array, _ = checked_vector_field(field, np.atleast_2d(start), (float(values[0]),), leak)
        points: list[np.ndarray] = []
        rows = []
        for index, value in enumerate(values):
            guess = array[0] if index == 0 else points[-1]
            if index > 1 and values[index - 1] != values[index - 2]:
                share = (value - values[index - 1]) / (values[index - 1] - values[index - 2])
                guess = points[-1] + share * (points[-1] - points[-2])
            x, A, B, step = map(np.asarray, _bottleneck_at(function, jnp.asarray(guess), jnp.asarray(value)))
            _arrived(float(step), x, f"bottleneck at parameter {value:g}")
            points.append(x)
            rows.append((A, B, step))
    A, B, error = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return GhostBranch(values, np.array(points), A, B, A * B, error)


def find_saddle_node(
    field: Callable[..., Any], start: Any, parameter: float, *, leak: float | None = None
) -> SaddleNode:
    """The saddle-node of `field(x, parameter)` nearest to a ghost (or fixed point) `start` at `parameter`.

    Newton on F = 0, J singular, unknowns (x, parameter). Raises `UsageError` where it does not arrive.
    """
    with double():
        function, array, _ = checked_vector_field(field, np.atleast_2d(start), (float(parameter),), leak)
        x, value, step, slope = map(np.asarray, _fold(function, jnp.asarray(array[0]), jnp.asarray(float(parameter))))
    _arrived(float(np.max(step)), x, f"saddle-node from parameter {parameter:g}")
    return SaddleNode(float(value), x, float(step[1]), float(slope))


def continue_fixed_point(
    field: Callable[..., Any], start: Any, parameter: float, *, arc: float, steps: int, leak: float | None = None
) -> FixedPointBranch:
    """Fixed points of `field(x, parameter)` from `start` on, by `steps` steps of pseudo-arclength |arc|, around folds.

    A positive `arc` sets out towards larger parameters. Raises `UsageError` where Newton's method does not arrive.
    """
    with double():
        function, array, _ = checked_vector_field(field, np.atleast_2d(start), (float(parameter),), leak)
        x, step = map(np.asarray, search.roots(function, (jnp.asarray(float(parameter)),), jnp.asarray(array)))
        _arrived(float(step[0]), x[0], f"fixed point at parameter {parameter:g}")
        at = np.append(x[0], parameter)
        heading = np.append(np.zeros(len(at) - 1), np.sign(arc))
        points, turns = [at], []
        for index in range(steps):
            found, tangent, left = map(
                np.asarray, _along_arc(function, jnp.asarray(at), jnp.asarray(heading), jnp.asarray(abs(arc)))
            )
            _arrived(float(left), found, f"fixed point {index + 1} steps along the arc")
            if index and tangent[-1] * heading[-1] < 0:
                turns.append(index)
            points.append(found)
            at, heading = found, tangent
    path = np.array(points)
    return FixedPointBranch(path[:, -1], path[:, :-1], tuple(turns))


def _arrived(step: float, at: np.ndarray, what: str) -> None:
    if not step <= CONVERGED * max(1.0, float(np.linalg.norm(at))):
        raise UsageError(f"Newton's method did not arrive at the {what}; start nearer to it or take smaller steps.")


@functools.partial(jax.jit, static_argnums=0)
def _bottleneck_at(function: Any, guess: jax.Array, value: jax.Array) -> tuple[jax.Array, ...]:
    def field(x: jax.Array) -> jax.Array:
        return function(x, value)

    border, coborder = search.borders(field, guess)
    equations = search.bottleneck_equations(field, border, coborder)
    left = search.bordered(field, border, coborder, guess)[2]
    unknown = search.newton(equations, (guess, left @ field(guess)))
    form = normal_form(field, unknown[0])
    # v keeps its direction along the branch, so that B does not change sign where A does.
    sign = jnp.sign(form.null @ coborder)
    return unknown[0], sign * form.A, sign * form.B, search.newton_step(equations, unknown)


@functools.partial(jax.jit, static_argnums=0)
def _fold(function: Any, guess: jax.Array, value: jax.Array) -> tuple[jax.Array, ...]:
    border, coborder = search.borders(lambda x: function(x, value), guess)

    def equations(unknown: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        x, parameter = unknown
        field = functools.partial(_at, function, parameter)
        return field(x), search.bordered(field, border, coborder, x)[0]

    x, parameter = search.newton(equations, (guess, value))
    # Unknowns swapped: the step of the parameter comes first.
    swapped = search.newton_step(lambda pair: equations((pair[1], pair[0])), (parameter, x))
    form = normal_form(functools.partial(_at, function, parameter), x)
    change = jax.jvp(lambda p: function(x, p), (parameter,), (jnp.ones_like(parameter),))[1]
    step = jnp.stack([search.newton_step(equations, (x, parameter)), swapped])
    return x, parameter, step, (form.left @ change) * form.B


def _at(function: Any, parameter: jax.Array, x: jax.Array) -> jax.Array:
    return function(x, parameter)


@functools.partial(jax.jit, static_argnums=0)
def _along_arc(function: Any, at: jax.Array, heading: jax.Array, arc: jax.Array) -> tuple[jax.Array, ...]:
    def extended(point: jax.Array) -> jax.Array:
        return function(point[:-1], point[-1])

    def tangent_at(point: jax.Array) -> jax.Array:
        tangent = jnp.linalg.svd(jax.jacfwd(extended)(point), full_matrices=True)[2][-1]
        return tangent * jnp.where(tangent @ heading < 0, -1.0, 1.0)

    tangent = tangent_at(at)
    guess = at + arc * tangent

    def equations(point: jax.Array) -> jax.Array:
        return jnp.append(extended(point), tangent @ (point - guess))

    found = search.newton(equations, guess)
    return found, tangent_at(found), search.newton_step(equations, found)
