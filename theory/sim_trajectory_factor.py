"""The composite trajectory of the tied network: its factor over a grid of times, as plain numpy.

W = L L^T with L lower triangular and the concepts in the order of descending strength. In these variables the flow of
theory/sim.py is, with S_p = L_pp^2,

    d log S_p/dt = 4 a_p (1 - S_p) + r_p
    d L_jp/dt    = (2 a_j - (a_p + a_j) S_p - (a_p + 3 a_j) S_j) L_jp + r_jp,      j > p,

where every r is at least quadratic in the entries below the diagonal. The composite keeps of the r only what can
outlast its own entry, the detour of j to p over the concepts k between them, -(a_p + a_j + 2 a_k) L_kp L_jk L_kk:

    S_p = s_p e^(4 a_p t)/D_p,   D_p = 1 + s_p (e^(4 a_p t) - 1),   L_jp = E_jp (L_jp(0) + integral of detours/E_jp),
    E_jp = e^(2 a_j t) D_p^(-(a_p + a_j)/(4 a_p)) D_j^(-(a_p + 3 a_j)/(4 a_j)).

The corrected composite is one step further: the same two equations with all r evaluated on the composite; "twice"
evaluates them on the corrected one.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import numpy as np

from theory.memory import remembered
from theory.sim_coordinates import ordered, strengths

Array = np.ndarray
Order = Literal["direct", "composite", "corrected", "twice"]

POINTS = 300
"""Intervals of the grid in u, where time = end u^2: fast concepts are learned early."""
COARSE = 100
"""The same where only the size of the coupling is asked for."""
BATCH = 256
"""Starts that are followed together."""
AFTER = 8.0
"""4 a time between the last learning time and the end of the grid."""


@dataclasses.dataclass(frozen=True)
class Path:
    """Factors of R starts: `u` (n), `end` (R), `factor` (n, R, d, d), `before` (the same of one order less, if any);
    `coupling` (R) is the largest shift of a log S_p by the entries below the diagonal, which the composite leaves out:
    the error of the composite is of this order, that of the corrected one of its square."""

    u: Array
    end: Array
    factor: Array
    before: Array
    coupling: Array

    @property
    def time(self) -> Array:
        """Shape (n, R)."""
        return self.end * self.u[:, None] ** 2

    @property
    def w(self) -> Array:
        """Maps, shape (n, R, d, d), in the order of descending strength."""
        factor = np.ascontiguousarray(self.factor)
        return factor @ _t(factor)


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
        rates, shift = _left_out(factor, a, weight)
        coupling = np.abs(shift).max(axis=(0, 2))
        before = factor
        if order in ("corrected", "twice"):
            factor = _corrected(start, a, time, weight, factor, rates, shift)
        if order == "twice":
            before = factor
            factor = _corrected(start, a, time, weight, factor, *_left_out(factor, a, weight))
    return Path(u, end, factor, before, coupling)


def loss_along(factor: Array, probe: Array) -> Array:
    """|L L^T x - x|^2/2 for factors (n, R, d, d) and x (R, d)."""
    d = factor.shape[-1]
    seen = [sum(factor[..., j, i] * probe[:, j] for j in range(i, d)) for i in range(d)]
    return 0.5 * sum((sum(factor[..., j, i] * seen[i] for i in range(j + 1)) - probe[:, j]) ** 2 for j in range(d))


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


@remembered
def coupling(w: Array, mu: Array, sigma: Array) -> Array:
    """`Path.coupling` of starts (..., d, d) with concepts in any order; leading axes broadcast."""
    a = strengths(mu, sigma)
    lead = np.broadcast_shapes(w.shape[:-2], a.shape[:-1])
    flat, _, a, _, _ = in_order(np.broadcast_to(w, (*lead, *w.shape[-2:])), np.asarray(mu), a)
    parts = [
        path(flat[k : k + BATCH], a[k : k + BATCH], order="composite", points=COARSE).coupling
        for k in range(0, len(flat), BATCH)
    ]
    return np.concatenate(parts).reshape(lead)


def entries(w: Array, mu: Array, sigma: Array, time: Array, order: Order) -> Array:
    """W at given times, shape (..., d, d), rows and columns in their own order; NaN after the end of the grid."""
    return _entries(w, mu, sigma, time)[order] if order != "twice" else _at(w, mu, sigma, time, order)[0]


@remembered
def _entries(w: Array, mu: Array, sigma: Array, time: Array) -> dict[str, Array]:
    corrected, composite = _at(w, mu, sigma, time, "corrected")
    return {"direct": _at(w, mu, sigma, time, "direct")[0], "composite": composite, "corrected": corrected}


def _at(w: Array, mu: Array, sigma: Array, time: Array, order: Order) -> tuple[Array, Array]:
    """W of `order` and of the order before, at given times."""
    lead = np.broadcast_shapes(w.shape[:-2], mu.shape[:-1], sigma.shape[:-1], time.shape)
    starts = np.broadcast_shapes(w.shape[:-2], mu.shape[:-1], sigma.shape[:-1])
    d = w.shape[-1]
    a = np.broadcast_to(strengths(mu, sigma), (*starts, mu.shape[-1]))
    flat, _, a, ranks, _ = in_order(np.broadcast_to(w, (*starts, d, d)), a, a)
    one = path(flat, a, order=order)
    back = np.argsort(np.concatenate([ranks.reshape(len(flat), -1), _rest(flat, ranks)], axis=-1), axis=-1)
    # Times vary along some axes and starts along others: each start is followed once, over all of its times.
    number = np.broadcast_to(np.arange(len(flat)).reshape(starts), lead).reshape(-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        u = np.sqrt(np.broadcast_to(time, lead).reshape(-1) / one.end[number])
    rows, columns = back[number][:, :, None], back[number][:, None, :]
    found = (_interpolated(factor, number, u) for factor in (one.factor, one.before))
    maps = ((low @ _t(low))[np.arange(len(u))[:, None, None], rows, columns] for low in found)
    last, before = (x.reshape(*lead, d, d) for x in maps)
    return last, before


def _interpolated(factor: Array, run: Array, u: Array) -> Array:
    """Factors (n, R, d, d) over the even grid of u in [0, 1], of run k at u[k]: through the six points around;
    NaN outside."""
    last = len(factor) - 1
    inside = (u >= 0) & (u <= 1)
    place = np.where(inside, u, 0.0) * last
    first = np.clip(np.floor(place).astype(int) - 2, 0, last - 5)
    x = (place - first)[:, None, None]
    nodes = range(6)
    out = np.zeros((len(u), *factor.shape[2:]))
    for k in nodes:
        weight = np.prod([(x - j) / (k - j) for j in nodes if j != k], axis=0)
        out += weight * factor[first + k, run]
    return np.where(inside[:, None, None], out, np.nan)


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
    factor = _matrices(time.shape, d)
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


def _matrices(shape: tuple[int, ...], d: int) -> Array:
    """Zeros (*shape, d, d) whose single entries lie together in memory: small products are sums over whole entries."""
    return np.moveaxis(np.zeros((d, d, *shape)), (0, 1), (-2, -1))


def _left_out(factor: Array, a: Array, weight: Array) -> tuple[Array, Array]:
    """L^-1 dL/dt on `factor`, and the integrals of r_p, by which log S_p is shifted."""
    rates = _rates(factor, a)
    return rates, _running(2 * _diagonal(rates) - 4 * a * (1 - _diagonal(factor) ** 2), weight)


def _rates(factor: Array, a: Array) -> Array:
    """L^-1 dL/dt of the flow, lower triangular: with B = L^-1 A L and N = B (2 - L^T L) - L^T A L, its part below the
    diagonal is N + N^T and its diagonal that of N. A zero or NaN pivot gives NaN in its own run alone."""
    d = a.shape[-1]
    low = [[factor[..., i, j] for j in range(d)] for i in range(d)]
    same: list[list[Any]] = [[0.0] * d for _ in range(d)]
    gram, pulled = ([[0.0] * d for _ in range(d)] for _ in range(2))
    for i in range(d):
        for j in range(i + 1):
            known = sum(low[i][k] * same[k][j] for k in range(j, i))
            same[i][j] = (a[:, i] * low[i][j] - known) / low[i][i]
            gram[i][j] = gram[j][i] = sum(low[k][i] * low[k][j] for k in range(i, d))
            pulled[i][j] = pulled[j][i] = sum(a[:, k] * low[k][i] * low[k][j] for k in range(i, d))

    def entry(i: int, j: int) -> Any:
        twice = 2 * same[i][j] if i >= j else 0.0
        return twice - sum(same[i][k] * gram[k][j] for k in range(i + 1)) - pulled[i][j]

    out = _matrices(factor.shape[:-2], d)
    for i in range(d):
        out[..., i, i] = entry(i, i)
        for j in range(i):
            out[..., i, j] = entry(i, j) + entry(j, i)
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
    out = _matrices(time.shape, d)
    for p in range(d):
        out[..., p, p] = inverse[..., p] ** -0.5
        for j in range(p + 1, d):
            linear = 2 * a[:, j] - (a[:, p] + a[:, j]) * before[..., p] - (a[:, p] + 3 * a[:, j]) * before[..., j]
            moved = sum(factor[..., j, k] * rates[..., k, p] for k in range(p, j + 1))
            rest = moved - linear * factor[..., j, p]
            growth = _growth(a, time, area, p, j)
            out[..., j, p] = growth * (start[:, j, p] + _running(rest / growth, weight))
    return out
