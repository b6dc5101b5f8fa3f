"""Minima and bumps of the test loss along the composite trajectory: derived inputs, plain numpy and scipy.

A rise of the loss counts from `rise` times the initial loss on, measured from the lowest point before it (not the
start of training itself) to its top. Turning points are numbered along the time: 1 the first minimum, 2 the first bump,
3 the second minimum, ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import find_peaks

from theory import sim_coordinates as coordinates
from theory.memory import remembered
from theory.sim_trajectory_factor import BATCH, Order, in_order, loss_along, path

Array = np.ndarray
EDGE_GRID = 21
EDGE_ROUNDS = 8
LARGEST_ENTRY = 0.5
SMALLEST = 1e-10
NEWTON = 4
"""Steps towards an extremum from the nearest sample."""


class Turns(NamedTuple):
    """Per start: times and heights of the turning points (R, turns), NaN beyond the last; the number of rises and the
    largest one; the initial loss; the coupling of the composite; the number of rises at the order before the last."""

    time: Array
    height: Array
    rises: Array
    deepest: Array
    initial: Array
    coupling: Array
    rises_before: Array


def turning_points(loss: Array, rise: float) -> Array:
    """Minima and tops of rises by more than `rise` of one sampled curve: rows of (position, height), alternating.

    Positions are in samples, and lie between them.
    """
    tops, _ = find_peaks(loss, prominence=max(rise, np.finfo(float).tiny))
    found: list[int] = []
    after = 0
    for top in tops:
        low = after + int(np.argmin(loss[after : top + 1]))
        after = int(top)
        if low > 0:
            found += [low, int(top)]
    return _refined(loss, np.asarray(found, dtype=int))


def _refined(loss: Array, at: Array) -> Array:
    """Rows of (position, height) of the extrema near the samples `at`, on the quartic through the five around each."""
    centre = np.clip(at, 2, len(loss) - 3)
    a, b, c, d, e = (loss[centre + k] for k in range(-2, 3))
    first, second = (a - 8 * b + 8 * d - e) / 12, (-a + 16 * b - 30 * c + 16 * d - e) / 12
    third, fourth = (-a + 2 * b - 2 * d + e) / 2, a - 4 * b + 6 * c - 4 * d + e
    x = (at - centre).astype(float)
    for _ in range(NEWTON):
        slope = first + x * (second + x * (third / 2 + x * fourth / 6))
        bend = second + x * (third + x * fourth / 2)
        x = np.clip(x - np.where(bend == 0, 0.0, slope / np.where(bend == 0, 1.0, bend)), -2, 2)
    return np.stack([centre + x, c + x * (first + x * (second / 2 + x * (third / 6 + x * fourth / 24)))], axis=-1)


@remembered
def turns(w: Array, mu: Array, sigma: Array, rise: Array) -> Turns:
    """Turning points of the corrected composite, corrected once more where that changes their number.

    Leading axes broadcast.
    """
    a = coordinates.strengths(mu, sigma)
    count = 2 * max(a.shape[-1] - 1, 1)
    lead = np.broadcast_shapes(w.shape[:-2], a.shape[:-1], np.shape(rise))
    rise = np.broadcast_to(rise, lead).reshape(-1)
    w = np.broadcast_to(w, (*lead, *w.shape[-2:]))
    flat, probe, strength, _, _ = in_order(w, np.asarray(mu), a)
    parts = []
    for k in range(0, len(flat), BATCH):
        one = slice(k, k + BATCH)
        given = flat[one], probe[one], strength[one], rise[one]
        part = _batch(given, count, "corrected")
        near = np.abs(part.rises - part.rises_before) > 0
        if near.any():
            again = _batch(tuple(array[near] for array in given), count, "twice")
            for column, better in zip(part, again, strict=True):
                column[near] = better
        parts.append(part)
    joined = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Turns(*(column.reshape(lead + column.shape[1:]) for column in joined))


def _batch(given: tuple[Array, ...], count: int, order: Order) -> Turns:
    w, probe, a, rise = given
    best = path(w, a, order=order)
    runs = len(w)
    time, height = np.full((2, runs, count), np.nan)
    rises, deepest, before = np.full((3, runs), np.nan)
    with np.errstate(all="ignore"):
        losses, earlier = (loss_along(factor, probe) for factor in (best.factor, best.before))
    initial = losses[0]
    known = np.isfinite(losses).all(axis=0) & np.isfinite(earlier).all(axis=0)
    rises[known] = before[known] = deepest[known] = 0.0
    for k in np.flatnonzero(known & _bends(earlier)):
        before[k] = len(turning_points(earlier[:, k], rise[k] * initial[k])) // 2
    for k in np.flatnonzero(known & _bends(losses)):
        points = turning_points(losses[:, k], rise[k] * initial[k])
        rises[k] = len(points) // 2
        deepest[k] = max(points[1::2, 1] - points[::2, 1], default=0.0)
        used = points[:count]
        time[k, : len(used)] = best.end[k] * (used[:, 0] / (len(best.u) - 1)) ** 2
        height[k, : len(used)] = used[:, 1]
    return Turns(time, height, rises, deepest, initial, best.coupling, before)


def _bends(losses: Array) -> Array:
    """Which columns turn downwards anywhere: the others need no closer look."""
    with np.errstate(invalid="ignore"):
        up = np.diff(losses, axis=0) > 0
    return np.asarray((up[:-1] & ~up[1:]).any(axis=0))


@remembered
def edge(w: Array, mu: Array, sigma: Array, rise: Array) -> Array:
    """Factor on W(0) up to which the loss rises on the way: the first one from below at which it no longer does.

    Sought over ten decades up to where a diagonal entry of the start is 1/2; NaN where the loss does not rise at the
    lowest of them, or rises at all.
    """
    a = coordinates.strengths(mu, sigma)
    lead = np.broadcast_shapes(w.shape[:-2], a.shape[:-1], np.shape(rise))
    least = np.broadcast_to(rise, lead).reshape(-1)
    flat, probe, strength, _, _ = in_order(np.broadcast_to(w, (*lead, *w.shape[-2:])), np.asarray(mu), a)
    largest = LARGEST_ENTRY / np.diagonal(flat, axis1=-2, axis2=-1).max(-1)

    def swings(factor: Array) -> Array:
        out = np.zeros(len(flat), dtype=bool)
        for k in range(0, len(flat), BATCH):
            here = slice(k, k + BATCH)
            one = path(flat[here] * factor[here, None, None], strength[here])
            with np.errstate(all="ignore"):
                losses = loss_along(one.factor, probe[here])
            for i in np.flatnonzero(np.isfinite(losses).all(axis=0) & _bends(losses)):
                loss = losses[:, i]
                out[k + i] = len(turning_points(loss, least[k + i] * loss[0])) > 0
        return out

    grid = np.geomspace(SMALLEST, 1.0, EDGE_GRID)
    low, high = np.full((2, len(flat)), np.nan)
    for share in grid:
        rising, open_ = swings(share * largest), np.isnan(high)
        low = np.where(open_ & rising, share * largest, low)
        high = np.where(open_ & ~rising, share * largest, high)
    for _ in range(EDGE_ROUNDS):
        middle = np.sqrt(low * high)
        rising = swings(np.where(np.isnan(middle), SMALLEST * largest, middle))
        low, high = np.where(rising, middle, low), np.where(rising, high, middle)
    return np.sqrt(low * high).reshape(lead)


def of_turns(name: str) -> Callable[..., Array]:
    """The column `name` of the turns of (initial_W, mu, sigma, rise)."""

    def column(*given: Any) -> Array:
        return np.asarray(getattr(turns(*map(np.asarray, given)), name), dtype=float)

    return column
