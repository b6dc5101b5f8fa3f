"""The composite trajectory of the tied network: its factor over a grid of times, as plain numpy.

W = L L^T with L lower triangular and the concepts in the order of descending strength. In these variables the flow of
theory/sim.py is, with S_p = L_pp^2,

    d log S_p/dt = 4 a_p (1 - S_p) + r_p
    d L_jp/dt    = (2 a_j - (a_p + a_j) S_p - (a_p + 3 a_j) S_j) L_jp + r_jp,      j > p,

where every r is at least quadratic in the entries below the diagonal. The composite keeps of the r only what can
outlast its own entry, the detour of j to p over the concepts k between them, -(a_p + a_j + 2 a_k) L_kp L_jk L_kk:

    S_p = s_p e^(4 a_p t)/D_p,   D_p = 1 + s_p (e^(4 a_p t) - 1),   L_jp = E_jp (L_jp(0) + integral of detours/E_jp),
    E_jp = e^(2 a_j t) D_p^(-(a_p + a_j)/(4 a_p)) D_j^(-(a_p + 3 a_j)/(4 a_j)).

The corrected composite is one step further: the same two equations with all r evaluated on the composite.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from scipy.interpolate import CubicSpline

from theory.sim_coordinates import ordered, strengths

Array = np.ndarray
Order = Literal["direct", "composite", "corrected"]

POINTS = 400
"""Intervals of the grid in u, where time = end u^2: fast concepts are learned early."""
AFTER = 8.0
"""4 a time between the last learning time and the end of the grid."""


@dataclasses.dataclass(frozen=True)
class Path:
    """Factors of R starts: `u` (n), `end` (R), `factor` (n, R, d, d), `composite` (the same before the correction);
    `coupling` (R) is the largest shift of a log S_p
    by the entries below the diagonal, which the composite leaves out: the error of the composite is of this order, that
    of the corrected one of its square."""

    u: Array
    end: Array
    factor: Array
    composite: Array
    coupling: Array

    @property
    def time(self) -> Array:
        """Shape (n, R)."""
        return self.end * self.u[:, None] ** 2

    @property
    def w(self) -> Array:
        """Maps, shape (n, R, d, d), in the order of descending strength."""
        return self.factor @ _t(self.factor)


def path(w: Array, a: Array, *, order: Order = "corrected", points: int = POINTS) -> Path:
    """The composite from starts w (R, d, d) with strengths a (R, d), in descending order; zeros last.

    `order`: "direct" leaves out the detours as well. NaN where a start is not positive definite.
    """
    start, a = _cholesky(w), np.asarray(a, dtype=float)
    u = np.linspace(0.0, 1.0, points + 1)
    end = _end(start, a)
    time, weight = end * u[:, None] ** 2, 2 * end * u[:, None]
    with np.errstate(all="ignore"):
        factor = _composite(start, a, time, weight, detours=order != "direct")
        rates = _rates(factor, a)
        shift = _running(2 * _diagonal(rates) - 4 * a * (1 - _diagonal(factor) ** 2), weight)
        coupling = np.abs(shift).max(axis=(0, 2))
        composite = factor
        if order == "corrected":
            factor = _corrected(start, a, time, weight, factor, rates, shift)
    return Path(u, end, factor, composite, coupling)


def test_loss(w: Array, probe: Array) -> Array:
    """|W x - x|^2/2 for w (..., d, d) and x (..., d)."""
    return 0.5 * (((w @ probe[..., None])[..., 0] - probe) ** 2).sum(-1)


def in_order(w: Array, mu: Array, a: Array) -> tuple[Array, Array, Array, Array, tuple[int, ...]]:
    """Flat (R, ...) copies of w, of mu and a padded to (R, d), in descending order; the order; the leading shape."""
    w, a, order = ordered(w, a)
    mu = np.take_along_axis(np.broadcast_to(mu, order.shape), order, axis=-1)
    lead, d, concepts = w.shape[:-2], w.shape[-1], a.shape[-1]
    pad = [(0, 0)] * len(lead) + [(0, d - concepts)]
    flat = (-1, d)
    return w.reshape(-1, d, d), np.pad(mu, pad).reshape(flat), np.pad(a, pad).reshape(flat), order, lead


def coupling(w: Array, mu: Array, sigma: Array) -> Array:
    """`Path.coupling` of starts (..., d, d) with concepts in any order; leading axes broadcast."""
    flat, _, a, _, lead = in_order(w, mu, strengths(mu, sigma))
    return path(
        flat,
        a,
        order="composite",
    ).coupling.reshape(lead)


def entries(w: Array, mu: Array, sigma: Array, time: Array, order: Order) -> Array:
    """W at given times, shape (..., d, d), rows and columns in their own order; NaN after the end of the grid."""
    lead = np.broadcast_shapes(w.shape[:-2], mu.shape[:-1], sigma.shape[:-1], time.shape)
    starts = np.broadcast_shapes(w.shape[:-2], mu.shape[:-1], sigma.shape[:-1])
    d = w.shape[-1]
    a = np.broadcast_to(strengths(mu, sigma), (*starts, mu.shape[-1]))
    flat, _, a, ranks, _ = in_order(np.broadcast_to(w, (*starts, d, d)), a, a)
    one = path(flat, a, order=order)
    back = np.argsort(np.concatenate([ranks.reshape(len(flat), -1), _rest(flat, ranks)], axis=-1), axis=-1)
    # Times vary along some axes and starts along others: each start is followed once, over all of its times.
    number = np.broadcast_to(np.arange(len(flat)).reshape(starts), lead).reshape(-1)
    asked, out = np.broadcast_to(time, lead).reshape(-1), np.full((int(np.prod(lead)), d, d), np.nan)
    maps = one.w
    for k in range(len(flat)):
        here = number == k
        u = np.sqrt(asked[here] / one.end[k])
        known = maps[:, k][:, back[k]][:, :, back[k]]
        if np.isfinite(known).all():
            out[here] = np.where(u[:, None, None] <= 1, CubicSpline(one.u, known)(np.minimum(u, 1)), np.nan)
    return out.reshape(*lead, d, d)


def _rest(flat: Array, ranks: Array) -> Array:
    d, concepts = flat.shape[-1], ranks.shape[-1]
    return np.broadcast_to(np.arange(concepts, d), (len(flat), d - concepts))


def _t(x: Array) -> Array:
    return np.swapaxes(x, -1, -2)


def _diagonal(x: Array) -> Array:
    return np.diagonal(x, axis1=-2, axis2=-1)


def _cholesky(w: Array) -> Array:
    out = np.full(w.shape, np.nan)
    for k, one in enumerate(w):
        try:
            out[k] = np.linalg.cholesky(one)
        except np.linalg.LinAlgError:
            continue
    return out


def _end(start: Array, a: Array) -> Array:
    with np.errstate(all="ignore"):
        late = (AFTER + np.maximum(-2 * np.log(_diagonal(start)), 0)) / (4 * a)
    return np.where(a > 0, late, 0.0).max(-1)


def _running(f: Array, weight: Array) -> Array:
    """Integral of f (n, R, ...) over time from 0 to each point, by the trapezoid rule with its end correction in u."""
    f = f * weight.reshape(weight.shape + (1,) * (f.ndim - 2))
    slope = np.gradient(f, axis=0, edge_order=2)
    steps = (f[1:] + f[:-1]) / 2 - (slope[1:] - slope[:-1]) / 12
    return np.concatenate([np.zeros_like(f[:1]), np.cumsum(steps, axis=0)]) / (len(f) - 1)


def _growth(a: Array, time: Array, area: Array, p: int, j: int) -> Array:
    """E_jp, where area_p is the integral of S_p."""
    return np.exp(2 * a[:, j] * time - (a[:, p] + a[:, j]) * area[..., p] - (a[:, p] + 3 * a[:, j]) * area[..., j])


def _composite(start: Array, a: Array, time: Array, weight: Array, detours: bool) -> Array:
    d, s = a.shape[-1], _diagonal(start) ** 2
    grown = np.expm1(4 * a * time[..., None])
    within = 1 + s * grown
    pivot = s * (grown + 1) / within
    area = np.where(a > 0, np.log(within) / (4 * a), s * time[..., None])
    factor = np.zeros((*time.shape, d, d))
    for p in range(d):
        factor[..., p, p] = np.sqrt(pivot[..., p])
    for apart in range(1, d):  # detours need the shorter ways first
        for p in range(d - apart):
            j = p + apart
            growth = _growth(a, time, area, p, j)
            factor[..., j, p] = growth * start[:, j, p]
            if apart > 1 and detours:
                ways = (
                    -(a[:, p] + a[:, j] + 2 * a[:, k]) * factor[..., k, p] * factor[..., j, k] * factor[..., k, k]
                    for k in range(p + 1, j)
                )
                factor[..., j, p] += growth * _running(sum(ways) / growth, weight)
    return factor


def _rates(factor: Array, a: Array) -> Array:
    """L^-1 dL/dt of the flow, lower triangular: with N = L^-1 (2 A - A W - W A) L, its part below the diagonal is
    N + N^T and its diagonal that of N."""
    w = factor @ _t(factor)
    field = -(a[:, :, None] * w + w * a[:, None, :])
    for p in range(a.shape[-1]):
        field[..., p, p] += 2 * a[:, p]
    n = _solve(factor, field @ factor)
    return np.tril(n) + np.tril(_t(n), -1)


def _solve(lower: Array, right: Array) -> Array:
    """Forward substitution; a zero or NaN pivot gives NaN in its own run alone."""
    out = np.empty_like(right)
    for i in range(lower.shape[-1]):
        known = lower[..., i, None, :i] @ out[..., :i, :]
        out[..., i, :] = (right[..., i, :] - known[..., 0, :]) / lower[..., i, i, None]
    return out


def _corrected(start: Array, a: Array, time: Array, weight: Array, factor: Array, rates: Array, shift: Array) -> Array:
    d, s = a.shape[-1], _diagonal(start) ** 2
    before = _diagonal(factor) ** 2
    # 1/S falls by e^-(exponent) and is fed by 4 a: exact for constant rates within a step.
    exponent = np.diff(4 * a * time[..., None] + shift, axis=0)
    kept = np.exp(-exponent)
    share = np.where(exponent == 0, 1.0, -np.expm1(-exponent) / np.where(exponent == 0, 1.0, exponent))
    fed = 4 * a * np.diff(time, axis=0)[..., None] * share
    inverse = np.empty_like(before)
    inverse[0] = 1 / s
    for n in range(len(fed)):
        inverse[n + 1] = inverse[n] * kept[n] + fed[n]
    area = np.where(a > 0, time[..., None] + (shift + np.log(inverse * s)) / (4 * a), s * time[..., None])
    moved = factor @ rates
    out = np.zeros_like(factor)
    for p in range(d):
        out[..., p, p] = inverse[..., p] ** -0.5
        for j in range(p + 1, d):
            linear = 2 * a[:, j] - (a[:, p] + a[:, j]) * before[..., p] - (a[:, p] + 3 * a[:, j]) * before[..., j]
            rest = moved[..., j, p] - linear * factor[..., j, p]
            growth = _growth(a, time, area, p, j)
            out[..., j, p] = growth * (start[:, j, p] + _running(rest / growth, weight))
    return out
