"""The one-dimensional flow through a bottleneck, from derivatives of a field F: R^d -> R^d at a point of it.

At a ghost the Jacobian J is singular: J v = 0, l J = 0, l.v = 1. With A = l.F, the centre coordinate u and the slaved
rest h(u), x = x_g + u v + h(u), l.h = 0, follow

    du/dt = f(u) = A + B u^2 + (C u^3 + g1 A u) + (E u^4 + g2 A u^2 + g3 A^2) + ...
    h(u) = (h20 u^2 + h01 A) + (h30 u^3 + h11 A u) + ...

ordered by u ~ sqrt(A). The invariance equation h'(u) f(u) = (1 - v l) F(x) gives the coefficients one order after the
other, with B = l.D2F(v, v)/2. The same equation holds for a map x -> x + leak F(x) to this order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

Array = jax.Array
Field = Callable[[Array], Array]


class NormalForm(NamedTuple):
    """Coefficients of f(u) (scalars; see the module), the null vectors, the singular values and the eigenvalues.

    `null` is v, of unit length; `left` is l, scaled so that l.v = 1; `singular` the singular values of J, falling.
    """

    A: Array
    B: Array
    C: Array
    E: Array
    g1: Array
    g2: Array
    g3: Array
    null: Array
    left: Array
    overlap: Array
    """|l.v| of the unit vectors: 1 for a symmetric Jacobian, 0 where the eigenvalue 0 is double."""
    singular: Array
    eigenvalues: Array


def normal_form(field: Field, x: Array) -> NormalForm:
    """Coefficients at the point x of shape (d,), from exact derivatives up to the fourth order."""
    value, jacobian = field(x), jax.jacfwd(field)(x)
    u, singular, vt = jnp.linalg.svd(jacobian)
    v, left = vt[-1], u[:, -1]
    v = v * jnp.sign(left @ v) * jnp.sign(left @ value + (left @ value == 0))
    left = left * jnp.sign(left @ value + (left @ value == 0))
    overlap = left @ v
    left = left / jnp.where(overlap == 0, 1.0, overlap)
    size = x.shape[0]
    bordered = jnp.block([[jacobian, v[:, None]], [left[None, :], jnp.zeros((1, 1), x.dtype)]])

    def slaved(right: Array) -> Array:
        """h with J h = right and l.h = 0."""
        right = right - v * (left @ right)
        return jnp.linalg.solve(bordered, jnp.concatenate([right, jnp.zeros(1, x.dtype)]))[:size]

    def derivative(*directions: Array) -> Array:
        """D^nF in n directions."""
        function = field
        for direction in directions:
            function = _along(function, direction)
        return function(x)

    A = left @ value
    second, third, fourth = derivative(v, v), derivative(v, v, v), derivative(v, v, v, v)
    B = left @ second / 2
    h20 = slaved(-second / 2)
    # The part of F along the range of J is of the order of A.
    h01 = slaved(-value) / jnp.where(A == 0, 1.0, A)
    by_h20, by_h01 = derivative(v, h20), derivative(v, h01)
    C = left @ by_h20 + left @ third / 6
    g1 = left @ by_h01
    h30 = slaved(2 * B * h20 - by_h20 - third / 6)
    h11 = slaved(2 * h20 - by_h01)
    E = (
        left @ derivative(v, h30)
        + left @ derivative(h20, h20) / 2
        + left @ derivative(v, v, h20) / 2
        + left @ fourth / 24
    )
    g2 = left @ derivative(v, h11) + left @ derivative(h20, h01) + left @ derivative(v, v, h01) / 2
    g3 = left @ derivative(h01, h01) / 2
    eigenvalues = jnp.linalg.eigvals(jacobian)
    return NormalForm(A, B, C, E, g1, g2, g3, v, left, jnp.abs(overlap), singular, eigenvalues)


def _along(function: Field, direction: Array) -> Field:
    return lambda x: jax.jvp(function, (x,), (direction,))[1]


def relative_correction(form: NormalForm, leak: Array | float = 0.0) -> Array:
    """delta: the passage takes pi/sqrt(A B) (1 + delta) and boundary terms, to the next order in A.

    delta = A {[-15 C^2/8 + 3 C g1 B/4 + g1^2 B^2/8]/B^3 + [3 E - g2 B - g3 B^2]/(2 B^2)} for a flow. A map
    x -> x + leak F(x) adds leak^2 A B/3.
    """
    A, B, C, E, g1, g2, g3 = form[:7]
    odd = (-15 / 8 * C**2 + 3 / 4 * C * g1 * B + g1**2 * B**2 / 8) / B**3
    even = (3 * E - g2 * B - g3 * B**2) / (2 * B**2)
    return A * (odd + even) + leak**2 * A * B / 3
