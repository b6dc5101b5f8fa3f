"""From a start to the slow points near it: least squares, then Newton; one compiled program for all starts.

The speed has its local minima where q = |F|^2/2 has: at fixed points (F = 0) and where J^T F = 0 with F != 0. The
latter equations are singular at a saddle-node. The *bordered* ones are not: with fixed borders b, c near the null
vectors, s(x) of

    [J b; c^T 0] [v; s] = [0; 1],        [J^T c; b^T 0] [l; s] = [0; 1]

is zero exactly where J is singular. Unknowns (x, A): F(x) = A l/(l.l) and s(x) = 0. A may have either sign: A B > 0 is
a ghost, A = 0 a saddle-node, A B < 0 the saddle of q between two fixed points.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optimistix as optx
from jax.flatten_util import ravel_pytree

from toymodels.slow_points.reduction import Array, Field, NormalForm, normal_form

DESCENT: Any = optx.LevenbergMarquardt(rtol=1e-10, atol=1e-13)
NEWTON: Any = optx.Newton(rtol=1e-12, atol=1e-15)
DESCENT_STEPS = 64
NEWTON_STEPS = 40
PROBES = 8
QUICK: Any = {"xla_backend_optimization_level": 0}
"""The programs run for milliseconds and compile for seconds: unoptimised code is half as long in coming."""


class Candidate(NamedTuple):
    """A point and what was measured there."""

    x: Array
    speed: Array
    floor: Array
    """Speed that rounding alone would give."""
    curvature: Array
    """Smallest eigenvalue of the Hessian of q."""
    steepness: Array
    """Largest eigenvalue of the Hessian of q."""
    misfit: Array
    """|J^T F| over `curvature`: a bound on the distance to a stationary point of q."""
    form: NormalForm


def bordered(field: Field, border: Array, coborder: Array, x: Array) -> tuple[Array, Array, Array]:
    """(s, v, l) at x: zero where J is singular, and the null vectors there."""
    jacobian = jax.jacfwd(field)(x)
    size = x.shape[0]
    matrix = jnp.block([[jacobian, border[:, None]], [coborder[None, :], jnp.zeros((1, 1), x.dtype)]])
    unit = jnp.zeros(size + 1, x.dtype).at[size].set(1.0)
    right = jnp.linalg.solve(matrix, unit)
    left = jnp.linalg.solve(matrix.T, unit)
    return right[size], right[:size], left[:size]


def bottleneck_equations(field: Field, border: Array, coborder: Array) -> Callable[[tuple[Array, Array]], Any]:
    """Residual of (x, A) as in the module."""

    def residual(unknown: tuple[Array, Array]) -> tuple[Array, Array]:
        x, strength = unknown
        s, _, left = bordered(field, border, coborder, x)
        return field(x) - strength * left / (left @ left), s

    return residual


def borders(field: Field, x: Array) -> tuple[Array, Array]:
    """(b, c): the singular vectors of the smallest singular value at x."""
    u, _, vt = jnp.linalg.svd(jax.jacfwd(field)(x))
    return u[:, -1], vt[-1]


def newton(residual: Callable[[Any], Any], start: Any) -> Any:
    """The end of Newton's method from `start`, whether it converged or not."""
    return optx.root_find(
        lambda unknown, _: residual(unknown), NEWTON, start, max_steps=NEWTON_STEPS, throw=False
    ).value


def newton_step(residual: Callable[[Any], Any], at: Any) -> Array:
    """Length of the first component's next Newton step."""
    flat, unravel = ravel_pytree(at)

    def vector(values: Array) -> Array:
        return ravel_pytree(residual(unravel(values)))[0]

    step = unravel(jnp.linalg.solve(jax.jacfwd(vector)(flat), vector(flat)))
    return jnp.linalg.norm(jax.tree.leaves(step)[0])


def descend(field: Field, start: Array) -> Array:
    """Where Levenberg-Marquardt on |F|^2/2 ends: at a root, or in a bottleneck, where it is slow."""
    return optx.least_squares(lambda x, _: field(x), DESCENT, start, max_steps=DESCENT_STEPS, throw=False).value


def polish_bottleneck(field: Field, found: Array) -> tuple[Array, Array]:
    """(x, step): the stationary point of |F|^2/2 near `found` by Newton, then by the bordered equations."""
    x = newton(jax.grad(_half_square(field)), found)
    x = jnp.where(jnp.all(jnp.isfinite(x)), x, found)
    border, coborder = borders(field, x)
    equations = bottleneck_equations(field, border, coborder)
    left = bordered(field, border, coborder, x)[2]
    unknown = newton(equations, (x, left @ field(x)))
    return unknown[0], newton_step(equations, unknown)


def polish_root(field: Field, found: Array) -> tuple[Array, Array]:
    """(x, step): the root near `found` by Newton."""
    x = newton(field, found)
    return x, newton_step(field, x)


def _half_square(field: Field) -> Callable[[Array], Array]:
    return lambda x: jnp.sum(field(x) ** 2) / 2


def measure(field: Field, x: Array) -> Candidate:
    """What F is like at x."""
    value, jacobian = field(x), jax.jacfwd(field)(x)
    speed = jnp.linalg.norm(value)
    hessian = jax.hessian(_half_square(field))(x)
    hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), hessian, jnp.eye(x.shape[0], dtype=x.dtype))
    curvature = jnp.linalg.eigvalsh((hessian + hessian.T) / 2)
    misfit = jnp.linalg.norm(jacobian.T @ value) / jnp.maximum(jnp.abs(curvature[0]), jnp.finfo(x.dtype).tiny)
    return Candidate(x, speed, rounding_floor(field, x), curvature[0], curvature[-1], misfit, normal_form(field, x))


def rounding_floor(field: Field, x: Array) -> Array:
    """|F| that rounding may leave at a root: how far F scatters about its linear prediction within some ulps of x."""
    value, push = jax.linearize(field, x)
    key = jax.random.key(0)
    unit = jnp.finfo(x.dtype).eps * jnp.maximum(jnp.abs(x), jnp.max(jnp.abs(x)) * 1e-3)
    signs = jax.random.rademacher(key, (PROBES, x.shape[0]), x.dtype) * unit[None, :]

    def scatter(shift: Array) -> tuple[Array, Array]:
        moved = x + 4 * shift
        return jnp.linalg.norm(field(moved) - value - push(moved - x)), jnp.linalg.norm(push(shift))

    off, moved = jax.vmap(scatter)(signs)
    return jnp.max(off) + jnp.max(moved) + jnp.finfo(x.dtype).tiny


def over_points(stage: Callable[[Field, Array], Any]) -> Callable[[Callable[..., Array], tuple, Array], Any]:
    """`stage` for every row of points of shape (n, d), compiled; `args` are traced."""

    @functools.partial(jax.jit, static_argnums=0, compiler_options=QUICK)
    def compiled(function: Callable[..., Array], args: tuple, points: Array) -> Any:
        return jax.vmap(lambda point: stage(lambda x: function(x, *args), point))(points)

    return compiled


descend_all = over_points(descend)
bottlenecks = over_points(polish_bottleneck)
roots = over_points(polish_root)
measure_all = over_points(measure)
speeds = over_points(lambda field, x: jnp.linalg.norm(field(x)))
