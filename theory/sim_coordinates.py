"""Derived inputs of the sim claims: plain numpy, own axes last, leading axes broadcast, NaN stays.

The start W(0) enters the laws of the tied linear network through its Cholesky factor L, with the concepts in
the order of descending strength. The pivot s_p = L_pp^2 is what is left of w_pp(0) once the stronger concepts
are accounted for.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

Array = np.ndarray

NODES, WEIGHTS = np.polynomial.legendre.leggauss(64)


def strengths(mu: Array, sigma: Array) -> Array:
    """Second moments a_p = mu_p^2/s + sigma_p^2 of the s concepts, shape (..., s)."""
    mu, sigma = np.broadcast_arrays(mu, sigma)
    return mu**2 / mu.shape[-1] + sigma**2


def ranks(a: Array) -> Array:
    """Place of every concept in the order of descending strength, counted from 1, shape (..., s)."""
    place = np.argsort(np.argsort(-a, axis=-1, kind="stable"), axis=-1, kind="stable") + 1.0
    return np.where(np.isnan(a), np.nan, place)


def diagonal(w: Array, a: Array) -> Array:
    """w_pp(0) of the concepts, shape (..., s)."""
    return np.diagonal(w, axis1=-2, axis2=-1)[..., : a.shape[-1]]


def pivots(w: Array, a: Array) -> Array:
    """s_p: the Schur complement of concept p after all stronger ones, shape (..., s)."""
    w, a, order = ordered(w, a)
    return _unordered(_factor(w, a.shape[-1])[0], order)


def shifts(w: Array, a: Array) -> Array:
    """Leading correction to 4 a_p t_p from the other rows of the start, shape (..., s).

    Stronger concepts i lend their row to p on the way (sooner, negative); weaker rows j, also of directions
    without data (a_j = 0), hold p back (later, positive). Both are first order in L^2 and uniform in a_j/a_p
    and s, because the integrals begin at the start of training, not at time minus infinity.
    """
    w, a, order = ordered(w, a)
    concepts, d = a.shape[-1], w.shape[-1]
    full = np.concatenate([a, np.zeros((*a.shape[:-1], d - concepts))], axis=-1)
    s, loading = _factor(w, concepts)
    out = np.zeros(s.shape)
    with np.errstate(all="ignore"):
        for p in range(concepts):
            for i in range(p):
                out[..., p] -= loading[..., p, i] ** 2 * lent(a[..., p] / a[..., i], s[..., i])
            for j in range(p + 1, d):
                out[..., p] += loading[..., j, p] ** 2 * held(full[..., j] / a[..., p], s[..., p])
    return _unordered(out, order)


def lent(alpha: Any, start: Any) -> Any:
    """(1 - alpha)/2 times the integral of x^(alpha-1) D^(-(1+alpha)/2), x > 1, D = 1 + start (x - 1)."""
    half = np.maximum((1.0 - alpha) / 2.0, 1e-12)  # equal strengths: the limit of the product is finite
    whole = special.beta(alpha, half) * special.betainc(half, alpha, 1.0 - start)
    return half * _prefactor(alpha, start) * whole


def held(alpha: Any, start: Any) -> Any:
    """(1 + alpha)/2/(1 - start) times that of x^(alpha-1) D^((1-alpha)/2), 1 < x < 1/start - 1."""
    lowest = np.log(start / (1.0 - start))
    y = np.expand_dims(lowest, -1) * (1.0 - NODES) / 2.0  # log of start x/(1 - start)
    power = np.expand_dims(alpha, -1)
    integrand = np.exp(power * y) * (1.0 + np.exp(y)) ** ((1.0 - power) / 2.0)
    integral = -lowest / 2.0 * (integrand @ WEIGHTS)
    return (1.0 + alpha) / 2.0 * _prefactor(alpha, start) * integral


def _prefactor(alpha: Any, s: Any) -> Any:
    return (1.0 - s) ** (-(1.0 + alpha) / 2.0) * ((1.0 - s) / s) ** alpha


def strongest_two(w: Array, mu: Array, sigma: Array) -> Array:
    """(mu_1, mu_2, a_1, a_2, w_11, w_12, w_22, s_2): 1 the strongest concept, 2 the next. Shape (..., 8)."""
    w, a, order = ordered(w, strengths(mu, sigma))
    mu = np.take_along_axis(np.broadcast_to(mu, order.shape), order, axis=-1)
    w11, w12, w22 = w[..., 0, 0], w[..., 0, 1], w[..., 1, 1]
    with np.errstate(all="ignore"):
        columns = (mu[..., 0], mu[..., 1], a[..., 0], a[..., 1], w11, w12, w22, w22 - w12**2 / w11)
    return np.stack(columns, axis=-1)


def ordered(w: Array, a: Array) -> tuple[Array, Array, Array]:
    """W and a with concepts by descending strength and all leading axes broadcast, and the order itself."""
    lead = np.broadcast_shapes(w.shape[:-2], a.shape[:-1])
    concepts, d = a.shape[-1], w.shape[-1]
    a, w = np.broadcast_to(a, (*lead, concepts)), np.broadcast_to(w, (*lead, d, d))
    order = np.argsort(-a, axis=-1, kind="stable")
    rest = np.broadcast_to(np.arange(concepts, d), (*lead, d - concepts))
    rows = np.concatenate([order, rest], axis=-1)
    w = np.take_along_axis(np.take_along_axis(w, rows[..., :, None], axis=-2), rows[..., None, :], axis=-1)
    return w, np.take_along_axis(a, order, axis=-1), order


def _unordered(values: Array, order: Array) -> Array:
    out = np.empty(values.shape)
    np.put_along_axis(out, order, values, axis=-1)
    return out


def _factor(w: Array, columns: int) -> tuple[Array, Array]:
    """Pivots (..., columns) and Cholesky factor (..., d, columns); NaN after a pivot that is not positive."""
    rest = np.array(w, dtype=float)
    s, loading = np.empty((*w.shape[:-2], columns)), np.empty((*w.shape[:-1], columns))
    with np.errstate(all="ignore"):
        for p in range(columns):
            s[..., p] = rest[..., p, p]
            column = rest[..., :, p] / np.sqrt(s[..., p])[..., None]
            loading[..., p] = column
            rest -= column[..., :, None] * column[..., None, :]
    return s, loading
