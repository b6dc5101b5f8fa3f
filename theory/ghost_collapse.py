"""The map of sharp training, rho <- rho - kappa sgn(rho - 1) rho^(-3/2), iterated and counted. numpy only.

Above the optimum, u = rho kappa^(-2/5) obeys u <- u - u^(-3/2) without any parameter. `plateau_phase` counts its steps:
it falls by one in each. Runs from far above, however spread, arrive with the phase spread evenly.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import sympy as sp
from scipy.special import ndtri

SERIES = tuple(sp.Rational(*pair) for pair in ((1, 5), (-39, 320), (151, 1600), (-253, 6400)))
"""Coefficients of w^-1, w^-2, ... in the phase 2 w/5 + 3 log(w)/10 + ..., w = u^(5/2)."""
CLIMB = 60
"""Steps up the plateau after which the series is good to 1e-12."""
ZONE = 0.25
START, SPREAD, STARTS = 4.0, 0.25, 10_001
"""Normal starts in units of r*: mean and standard deviation, and the number of quantiles that stand for them."""


def step_above(u: Any) -> np.ndarray:
    """u - u^(-3/2)."""
    return u - u**-1.5


def plateau_phase(u: Any) -> np.ndarray:
    """Steps of u <- u - u^(-3/2) down to u, up to a constant; any shape, u > -1."""
    point = np.asarray(u, dtype=float)
    for _ in range(CLIMB):
        above = np.maximum(point, 0.0) + 1.0
        for _ in range(8):
            above = above - (step_above(above) - point) / (1 + 1.5 * above**-2.5)
        point = above
    w = point**2.5
    rest = sum(float(c) / w ** (power + 1) for power, c in enumerate(SERIES))
    return 0.4 * w + 0.3 * np.log(w) + rest - CLIMB


def collapsed_step(rho: np.ndarray, kappa: Any) -> np.ndarray:
    """One step of training in units of r*; inside the no-learning zone nothing moves."""
    size = kappa * np.maximum(np.abs(rho), ZONE) ** -1.5
    return np.where(rho <= ZONE, rho, rho - np.where(rho > 1, size, -size))


@functools.lru_cache(maxsize=4096)
def _trapped(kappa: float, steps: int) -> float:
    if kappa <= 0.75:
        return 0.0
    rho = START + SPREAD * ndtri((np.arange(STARTS) + 0.5) / STARTS)
    trapped = 0
    for first in range(0, steps, 3):
        before = rho
        for _ in range(min(3, steps - first)):
            rho = collapsed_step(rho, kappa)
        inside = rho <= ZONE
        trapped += int(inside.sum())
        # Runs on the orbit of period 3 stay there: they need no further steps.
        rho = rho[~inside & (abs(rho - before) > 1e-7)]
    return trapped / STARTS


def trapped_share(kappa: Any, steps: Any) -> np.ndarray:
    """Share of runs in the no-learning zone after `steps` steps from normal starts at START +- SPREAD; broadcasts.

    An average over STARTS quantiles of the starts: within 1e-2. NaN where kappa or steps is not positive.
    """
    kappa, steps = np.broadcast_arrays(np.asarray(kappa, dtype=float), np.asarray(steps, dtype=float))
    shares = np.full(kappa.shape, np.nan)
    for index in np.ndindex(kappa.shape):
        if kappa[index] > 0 and 0 < steps[index] < 1e5:
            shares[index] = _trapped(float(kappa[index]), round(float(steps[index])))
    return shares


def _plain(function: Any) -> Any:
    def call(*values: Any) -> Any:
        if all(isinstance(value, np.ndarray | np.floating | float | int) for value in values):
            return function(*values)
        return float(function(*(float(value) for value in values)))

    return staticmethod(call)


class PlateauPhase(sp.Function):
    """`plateau_phase` as a function of sympy."""

    nargs = 1
    _imp_ = _plain(plateau_phase)


class TrappedShare(sp.Function):
    """`trapped_share` as a function of sympy."""

    nargs = 2
    _imp_ = _plain(trapped_share)
