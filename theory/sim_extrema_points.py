"""Minima and bumps of the test loss along the composite trajectory: derived inputs, plain numpy and scipy.

A rise of the loss counts from `rise` times the initial loss on, measured from the lowest point before it (not the
start of training itself) to its top. Turning points are numbered along the time: 1 the first minimum, 2 the first bump,
3 the second minimum, ...
"""

from __future__ import annotations

import collections
import hashlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.signal import find_peaks

from theory import sim_coordinates as coordinates
from theory.sim_trajectory_factor import in_order, path, test_loss

Array = np.ndarray
BATCH = 256
EDGE_GRID = 21
EDGE_ROUNDS = 8
LARGEST_ENTRY = 0.5
SMALLEST = 1e-10


class Turns(NamedTuple):
    """Per start: times and heights of the turning points (R, turns), NaN beyond the last; the number of rises and the
    largest one; the initial loss; the coupling of the composite; the number of rises without the correction."""

    time: Array
    height: Array
    rises: Array
    deepest: Array
    initial: Array
    coupling: Array
    bare_rises: Array


def turning_points(loss: Array, rise: float) -> Array:
    """Minima and tops of rises by more than `rise` of one sampled curve: rows of (position, height), alternating.

    Positions are in samples, refined by a parabola through three of them.
    """
    tops, _ = find_peaks(loss, prominence=max(rise, np.finfo(float).tiny))
    found: list[int] = []
    after = 0
    for top in tops:
        low = after + int(np.argmin(loss[after : top + 1]))
        after = int(top)
        if low > 0:
            found += [low, int(top)]
    at = np.asarray(found, dtype=int)
    left, here, right = loss[at - 1], loss[at], loss[at + 1]
    bend = left - 2 * here + right
    step = np.where(bend == 0, 0.0, (left - right) / (2 * np.where(bend == 0, 1.0, bend)))
    return np.stack([at + step, here - (left - right) * step / 4], axis=-1)


def turns(w: Array, mu: Array, sigma: Array, rise: Array) -> Turns:
    """Turning points of the corrected composite; leading axes broadcast."""
    a = coordinates.strengths(mu, sigma)
    count = 2 * max(a.shape[-1] - 1, 1)
    lead = np.broadcast_shapes(w.shape[:-2], a.shape[:-1], np.shape(rise))
    rise = np.broadcast_to(rise, lead).reshape(-1)
    w = np.broadcast_to(w, (*lead, *w.shape[-2:]))
    flat, probe, strength, _, _ = in_order(w, np.asarray(mu), a)
    parts = []
    for k in range(0, len(flat), BATCH):
        here = slice(k, k + BATCH)
        parts.append(_batch(flat[here], probe[here], strength[here], rise[here], count))
    joined = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Turns(*(column.reshape(lead + column.shape[1:]) for column in joined))


def _batch(w: Array, probe: Array, a: Array, rise: Array, count: int) -> Turns:
    best = path(w, a)
    runs = len(w)
    time, height = np.full((2, runs, count), np.nan)
    rises, deepest, bare_rises = np.full((3, runs), np.nan)
    with np.errstate(all="ignore"):
        losses = [test_loss(f @ np.swapaxes(f, -1, -2), probe) for f in (best.factor, best.composite)]
    initial = losses[0][0]
    for k in range(runs):
        if not (np.isfinite(losses[0][:, k]).all() and np.isfinite(losses[1][:, k]).all()):
            continue
        points = turning_points(losses[0][:, k], rise[k] * initial[k])
        rises[k] = len(points) // 2
        bare_rises[k] = len(turning_points(losses[1][:, k], rise[k] * initial[k])) // 2
        deepest[k] = max(points[1::2, 1] - points[::2, 1], default=0.0)
        used = points[:count]
        time[k, : len(used)] = best.end[k] * (used[:, 0] / (len(best.u) - 1)) ** 2
        height[k, : len(used)] = used[:, 1]
    return Turns(time, height, rises, deepest, initial, best.coupling, bare_rises)


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
                losses = test_loss(one.w, probe[here])
            for i, loss in enumerate(losses.T):
                out[k + i] = np.isfinite(loss).all() and len(turning_points(loss, least[k + i] * loss[0])) > 0
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
    """The column `name` of the turns of (initial_W, mu, sigma, rise); the last results are kept."""

    def column(*given: Any) -> Array:
        return np.asarray(getattr(_remembered(*given), name), dtype=float)

    return column


_KEPT: collections.OrderedDict[str, Turns] = collections.OrderedDict()
_MOST = 160


def _remembered(*given: Any) -> Turns:
    """Several inputs come from the same composite, which costs a millisecond a start."""
    digest = hashlib.sha256()
    for array in given:
        digest.update(str(np.shape(array)).encode() + np.ascontiguousarray(array, dtype=float).tobytes())
    key = digest.hexdigest()
    if key not in _KEPT:
        _KEPT[key] = turns(*map(np.asarray, given))
        while len(_KEPT) > _MOST:
            _KEPT.popitem(last=False)
    _KEPT.move_to_end(key)
    return _KEPT[key]
