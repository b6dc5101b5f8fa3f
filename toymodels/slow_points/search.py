"""From a start to the slow points near it: least squares, then Newton; one compiled program for all starts.

The speed has its local minima where q = |F|^2/2 has: at fixed points (F = 0) and where J^T F = 0 with F != 0. The
latter equations are singular at a saddle-node. The *bordered* ones are not: with fixed borders b, c near the null
vectors, s(x) of

    [J b; c^T 0] [v; s] = [0; 1],        [J^T c; b^T 0] [l; s] = [0; 1]

is zero exactly where J is singular. Unknowns (x, A): F(x) = A l/(l.l) and s(x) = 0. A may have either sign: A B > 0 is
a ghost, A = 0 a saddle-node, A B < 0 the saddle of q between two fixed points.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import optimistix as optx

from toymodels.slow_points.reduction import Array, Field, NormalForm, normal_form

DESCENT = optx.LevenbergMarquardt(rtol=1e-10, atol=1e-13)
NEWTON = optx.Newton(rtol=1e-13, atol=1e-15, cauchy_termination=False)
DESCENT_STEPS = 200
NEWTON_STEPS = 60
PROBES = 8


class Candidate(NamedTuple):
    """A point of the plane and what was measured there. `step`: the Newton step still to do, a length."""

    x: Array
    speed: Array
    step: Array
    floor: Array
    """Speed that rounding alone would give."""
    curvature: Array
    """Smallest eigenvalue of the Hessian of q."""
    steepness: Array
    """Largest eigenvalue of the Hessian of q."""
    misfit: Array
    """|J^T F|/(|J| |F|): zero at a stationary point of q."""
    form: NormalForm


class Search(NamedTuple):
    """What one start led to: the end of the descent, the stationary point of q, and fixed points."""

    start_speed: Array
    descent: Candidate
    bottleneck: Candidate
    roots: Candidate
    """Three of them (leading axis)."""


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
    flat, unravel = jax.flatten_util.ravel_pytree(at)

    def vector(values: Array) -> Array:
        return jax.flatten_util.ravel_pytree(residual(unravel(values)))[0]

    step = unravel(jnp.linalg.solve(jax.jacfwd(vector)(flat), vector(flat)))
    return jnp.linalg.norm(jax.tree.leaves(step)[0])


def search(field: Field, start: Array) -> Search:
    """One start of shape (d,), traced; failures are NaN or large steps, never exceptions."""
    found = optx.least_squares(
        lambda x, _: field(x), DESCENT, start, max_steps=DESCENT_STEPS, throw=False
    ).value
    # The descent minimises |F|^2/2; its end is polished as a stationary point and as a root.
    descent = _measure(field, found, jnp.linalg.norm(jax.grad(_half_square(field))(found)))
    x = newton(jax.grad(_half_square(field)), found)
    x = jnp.where(jnp.all(jnp.isfinite(x)), x, found)
    equations = bottleneck_equations(field, *borders(field, x))
    left = bordered(field, *borders(field, x), x)[2]
    unknown = newton(equations, (x, left @ field(x)))
    bottleneck = _measure(field, unknown[0], newton_step(equations, unknown))
    # Where A B < 0 the two fixed points of the saddle-node lie at u = +- sqrt(-A/B).
    form = bottleneck.form
    reach = jnp.sqrt(jnp.abs(form.A / jnp.where(form.B == 0, 1.0, form.B)))
    guesses = jnp.stack([found, unknown[0] + reach * form.null, unknown[0] - reach * form.null])
    roots = jax.vmap(lambda guess: _root(field, guess))(guesses)
    return Search(jnp.linalg.norm(field(start)), descent, bottleneck, roots)


def _root(field: Field, guess: Array) -> Candidate:
    x = newton(field, guess)
    return _measure(field, x, newton_step(field, x))


def _half_square(field: Field) -> Callable[[Array], Array]:
    return lambda x: jnp.sum(field(x) ** 2) / 2


def _measure(field: Field, x: Array, step: Array) -> Candidate:
    value, jacobian = field(x), jax.jacfwd(field)(x)
    speed = jnp.linalg.norm(value)
    hessian = jax.hessian(_half_square(field))(x)
    hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), hessian, jnp.eye(x.shape[0], dtype=x.dtype))
    curvature = jnp.linalg.eigvalsh((hessian + hessian.T) / 2)
    size = jnp.linalg.norm(jacobian)
    misfit = jnp.linalg.norm(jacobian.T @ value) / (size * speed + (speed == 0))
    return Candidate(
        x, speed, step, rounding_floor(field, x), curvature[0], curvature[-1], misfit, normal_form(field, x)
    )


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


@eqx.filter_jit
def search_all(function: Callable[..., Array], starts: Array, args: tuple) -> Search:
    """`search` for every row of `starts`, shape (n, d)."""
    return jax.vmap(lambda start: search(lambda x: function(x, *args), start))(starts)
