"""Losses that depend on the direction of the weights alone, L(W) = f(W/|W|), and their gradient noise.

With the direction w = W/|W|, a symmetric matrix A and a fresh vector xi of standard normal numbers at every step, the
loss that step n sees is

    L_n(W) = signal w.A.w/2 + noise s_n xi.w,    s_n = exp(tail z_n - tail^2), z_n standard normal.

Every L_n is scale invariant, so its gradient is orthogonal to W and of size 1/|W|, noise included: the noise is
noise s_n (xi - (xi.w) w)/|W|. The mean of s_n^2 is 1 whatever `tail`; at tail = 0 the noise is Gaussian, at 0.5 its
fourth moment is e times larger, at 1 it is e^4 times larger. With A = 0 the direction wanders without preference.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from toymodels.tasks.sim import rotation

Array = jax.Array


def log_spectrum(dim: int, condition: Array | float = 100.0) -> jnp.ndarray:
    """`dim` eigenvalues from 1/condition to 1, log-spaced and rising; shape (dim,). One coordinate has 1."""
    return jnp.logspace(-jnp.log10(condition), 0.0, dim) if dim > 1 else jnp.ones((1,))


def quadratic_form(key: Array, eigenvalues: Array, aligned: bool = False) -> Array:
    """Symmetric matrix with these eigenvalues, shape (dim, dim). Its eigenvectors are the coordinate axes if
    `aligned`, else the rows of a uniformly random rotation drawn from `key`."""
    if aligned:
        return jnp.diag(eigenvalues)
    rows = rotation(key, eigenvalues.size, eigenvalues.dtype)
    return (rows.T * eigenvalues[None, :]) @ rows


def direction(weights: Array) -> Array:
    """W/|W|, shape (dim,)."""
    return weights / jnp.linalg.norm(weights)


def loss(weights: Array, form: Array) -> Array:
    """w.A.w/2 at w = W/|W|: the noiseless loss with signal 1."""
    w = direction(weights)
    return w @ form @ w / 2


def step_noise(key: Array, dim: int, tail: Array | float, dtype: jnp.dtype) -> Array:
    """s_n xi of one step, shape (dim,). One key gives the same xi and z at every `tail`."""
    # Drawn in single precision, which takes a third of the time: the noise is as random, and as orthogonal to W.
    draws = jax.random.normal(key, (dim + 1,), jnp.float32).astype(dtype)
    return jnp.exp(tail * draws[-1] - tail**2) * draws[:-1]


def step_gradient(weights: Array, form: Array, signal: Array | float, noise: Array | float, drawn: Array) -> Array:
    """Gradient of L_n at W, shape (dim,), by autodiff; `drawn` is the step's `step_noise`. Orthogonal to W."""
    return jax.grad(lambda W: signal * loss(W, form) + noise * drawn @ direction(W))(weights)


def start(key: Array, dim: int, norm: Array | float, dtype: jnp.dtype) -> Array:
    """Weights of uniformly random direction and the given norm, shape (dim,)."""
    return norm * direction(jax.random.normal(key, (dim,), dtype))
