"""What sampling at multiples of dt does to the crossing of the threshold in the Euler scheme; plain numpy.

Near the threshold r is negligible and the scheme is the map xi <- xi + xi^2, xi = dt x. Its orbits differ by a phase
only: the fraction of a step by which the grid is shifted. The slope of the loss is a sum over the orbit instead of an
integral, and so depends on the phase. `gain` is the sum over the integral; its mean over the phase is 1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

START = 0.01
"""xi at which orbits begin: small enough for the series of the flow."""
FLOW = (1.0, -1.0, 3 / 2, -8 / 3, 31 / 6)
"""The flow whose time-1 map is xi + xi^2: d xi/du = xi^2 - xi^3 + 3/2 xi^4 - 8/3 xi^5 + 31/6 xi^6 - ..."""
PHASES = 4096
FAR = 1e12


class Gain(NamedTuple):
    """Sums over integrals, by phase: shape (PHASES,). `silent` before T, `active` after it."""

    silent: np.ndarray
    active: np.ndarray


def _flow(xi: np.ndarray) -> np.ndarray:
    return np.polyval([*reversed(FLOW), 0.0, 0.0], xi)


def _orbits() -> tuple[np.ndarray, np.ndarray]:
    """Starts evenly spread in phase over one step from START on, and d xi/d phase there."""
    grid = np.linspace(START, START + START**2, PHASES + 1)
    pace = 1 / _flow(grid)
    phase = np.concatenate([[0.0], np.cumsum((pace[1:] + pace[:-1]) / 2 * np.diff(grid))])
    xi = np.interp((np.arange(PHASES) + 0.5) / PHASES, phase / phase[-1], grid)
    return xi, _flow(xi)


@functools.lru_cache(maxsize=512)
def gain(steepness: float, height: float) -> Gain:
    """Gain of an output sigmoid(steepness (xi - height)): steepness = confidence/dt, height = threshold dt."""

    def output(xi: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(np.clip(steepness * (height - xi), -700.0, 700.0)))

    xi, speed = _orbits()
    rest = output(np.zeros(1))[0]
    # Before the start the sum is the integral.
    silent = output(xi) ** 2 - rest**2
    active = (1 - rest) ** 2 - (1 - output(xi)) ** 2
    begin = steepness * output(xi) * (1 - output(xi)) * speed
    # Euler-Maclaurin: a sum from the start on holds half of its first term too much.
    silent = silent - output(xi) * begin
    active = active - (1 - output(xi)) * begin
    while (moving := (xi < FAR) & (steepness * (xi - height) < 40)).any():
        o = output(xi)
        change = np.where(moving, 2 * steepness * o * (1 - o) * speed, 0.0)
        silent = silent + change * o
        active = active + change * (1 - o)
        speed = np.where(moving, speed * (1 + 2 * xi), speed)
        xi = np.where(moving, xi + xi**2, xi)
    return Gain(silent / (1 - rest**2), active / (1 - rest) ** 2)


@functools.lru_cache(maxsize=512)
def _lag(steepness: float, height: float, period: float) -> float:
    """Mean time at which o^2 rises minus that at which (1 - o)^2 falls, in steps; `period` = T/dt.

    From rest to START the passage is that of r = pi^2/(4 T^2), from there on that of the orbit.
    """

    def output(xi: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(np.clip(steepness * (height - xi), -700.0, 700.0)))

    def weight(o: np.ndarray, rest: float) -> np.ndarray:
        """Difference of both densities over do/dxi."""
        return 2 * steepness * o * (1 - o) * (o / (1 - rest**2) - (1 - o) / (1 - rest) ** 2)

    rest = float(output(np.zeros(1))[0])
    below, parts = np.linspace(0.0, START, 4001), np.pi / (2 * period)
    early = (np.arctan(below / parts) - np.arctan(START / parts)) / parts
    total = float(np.trapezoid(weight(output(below), rest) * early, below))
    xi, speed = _orbits()
    time = (np.arange(PHASES) + 0.5) / PHASES
    while (moving := (xi < FAR) & (steepness * (xi - height) < 40)).any():
        total += float(np.where(moving, weight(output(xi), rest) * speed * time, 0.0).mean())
        speed = np.where(moving, speed * (1 + 2 * xi), speed)
        xi, time = np.where(moving, xi + xi**2, xi), time + 1
    return total


def switch_lag(confidence: np.ndarray, threshold: np.ndarray, dt: np.ndarray, T: np.ndarray) -> np.ndarray:
    """Mean time at which o^2 rises minus that at which (1 - o)^2 falls: what a switch at the optimum saves."""

    def one(c: float, x: float, step: float, T: float) -> float:
        if not (np.isfinite([c, x, step, T]).all() and min(c, x, step, T) > 0):
            return np.nan
        return step * _lag(c / step, x * step, T / step)

    return np.vectorize(one, otypes=[float])(confidence, threshold, dt, T)


def _over(
    confidence: np.ndarray, threshold: np.ndarray, dt: np.ndarray, reduce: Callable[[Gain, float], float]
) -> np.ndarray:
    def one(c: float, x: float, step: float) -> float:
        if not (np.isfinite([c, x, step]).all() and min(c, x, step) > 0):
            return np.nan
        return float(reduce(gain(c / step, x * step), 1 / (1 + np.exp(c * x))))

    return np.vectorize(one, otypes=[float])(confidence, threshold, dt)


def largest_gain(confidence: np.ndarray, threshold: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """Largest slope above the optimum over its mean over the phase."""
    return _over(confidence, threshold, dt, lambda found, rest: found.silent.max())


def mean_inverse_gain(confidence: np.ndarray, threshold: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """Mean of 1/gain over the phase: how much longer slow descent takes."""
    return _over(confidence, threshold, dt, lambda found, rest: (1 / found.silent).mean())


def mean_square_gain(confidence: np.ndarray, threshold: np.ndarray, dt: np.ndarray) -> np.ndarray:
    """Mean of the squared gain: over the phase, and over both sides of the optimum by their share of the loss.

    With slopes a = 1 - S^2 above and b = (1 - S)^2 below, runs spend a share b/(a + b) of the steps above.
    """

    def reduce(found: Gain, rest: float) -> float:
        above, below = 1 - rest**2, (1 - rest) ** 2
        return (above * (found.silent**2).mean() + below * (found.active**2).mean()) / (above + below)

    return _over(confidence, threshold, dt, reduce)
