"""The structured identity mapping task: clusters on the axes of concept space, tested on their combinations.

Concept p is a cluster z ~ N(mu_p e_p, diag(sigma^2)) in R^s; an input is x = z E with E the first s rows of a
rotation of R^d (of the identity without one), and the target is x itself. The test points x_hat(v) combine concepts:
coordinates v_p mu_p, v in {0, 1}^s; those with two concepts or more are far from all training data.

Everything here works on the s coordinates z: the other d - s coordinates of the data are exactly zero before the
rotation. Source: Yang, Park, Lubana, Okawa, Hu, Tanaka, ICLR 2025, arXiv:2410.08309.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array


class Sample(NamedTuple):
    """Training data: z of shape (points, s), and which of them are kept, shape (points,)."""

    z: Array
    kept: Array


def vertices(concepts: int) -> np.ndarray:
    """All v in {0, 1}^s, shape (2^s, s). Row k holds the binary digits of k: concept 1 is the lowest one, so row 0 is
    the origin, row 2^(p-1) concept p alone, and the last row the combination of all.

    >>> vertices(2).tolist()
    [[0, 0], [1, 0], [0, 1], [1, 1]]
    """
    return (np.arange(2**concepts)[:, None] >> np.arange(concepts)[None, :]) & 1


def parents(concepts: int) -> np.ndarray:
    """Pairs (k, l) of rows of `vertices` where l has one concept more than k, shape (s 2^(s-1), 2): the edges of the
    hierarchy u <= v.

    >>> parents(2).tolist()
    [[0, 1], [2, 3], [0, 2], [1, 3]]
    """
    k = np.arange(2**concepts)
    pairs = [np.stack([k, k | 1 << p], -1)[(k >> p) & 1 == 0] for p in range(concepts)]
    return np.concatenate(pairs)


def rotation(key: Array, d: int, dtype: jnp.dtype) -> Array:
    """Uniformly random orthogonal (d, d) matrix: rows of a Gaussian one, orthonormalised one after the other."""

    def add_row(k: Array, rows: Array) -> Array:
        row = draws[k]
        # Twice is enough for orthogonality to rounding. LAPACK's QR, batched, deadlocks on two host devices.
        for _ in range(2):
            row = row - (rows @ row) @ rows
        return rows.at[k].set(row / jnp.linalg.norm(row))

    draws = jax.random.normal(key, (d, d), dtype)
    return jax.lax.fori_loop(0, d, add_row, jnp.zeros((d, d), dtype))


def sample(
    key: Array, mu: Array, sigma: Array, per_cluster: int, origin: int = 0, truncation: Array | float = 0.0
) -> Sample:
    """`per_cluster` points of each cluster, then `origin` points of a cluster N(0, diag(sigma^2)). Kept are those at
    least `truncation` away from the test point (mu_1, ..., mu_s). One key gives the same draws at all other values."""
    concepts = mu.shape[0]
    centres = jnp.concatenate([jnp.repeat(jnp.diag(mu), per_cluster, axis=0), jnp.zeros((origin, concepts), mu.dtype)])
    z = centres + sigma[None, :] * jax.random.normal(key, centres.shape, mu.dtype)
    return Sample(z, jnp.linalg.norm(z - mu[None, :], axis=1) >= truncation)


def population_moment(mu: Array, sigma: Array, origin: float = 0.0) -> Array:
    """E[z z^T], shape (s, s); `origin` is the weight of the cluster at the origin, the others have 1."""
    return jnp.diag(mu**2 / (mu.shape[0] + origin) + sigma**2)


def sample_moment(data: Sample) -> Array:
    """Mean of z z^T over the points kept, shape (s, s); NaN if there is none."""
    return (data.z * data.kept[:, None]).T @ data.z / jnp.sum(data.kept)


def shuffled(key: Array, kept: Array) -> Array:
    """Positions of all points in random order, those kept first; int32 of shape (points,)."""
    order = jnp.where(kept, jax.random.uniform(key, kept.shape, jnp.float32), 2.0)
    return jnp.argsort(order).astype(jnp.int32)


def minibatch(order: Array, kept: Array, step_in_epoch: Array, size: int) -> Array:
    """Positions of the points of one batch, (size,): consecutive ones of `order`. Where points were dropped, an epoch
    goes round the others again until it has as many batches as without a drop."""
    places = step_in_epoch * size + jnp.arange(size)
    return order[places % jnp.maximum(jnp.sum(kept), 1)]
