"""Passage times of dx = (r + x^2) dt + sqrt(2D) dW, numerically from the backward equation.

Units: x in D^(1/3), time in D^(-1/3), hence dy = (z + y^2) dtau + sqrt(2) dW with z = r D^(-2/3). The line is
compactified, y = tan(theta), and discretised at Chebyshev points. The drift carries the boundary condition at infinity,
where passages end; none is imposed at minus infinity, from where they come.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import scipy.linalg
import sympy as sp
from scipy.interpolate import CubicSpline, PchipInterpolator, RectBivariateSpline
from scipy.special import airy, erf, logit

Z_RANGE = (-2.5, 12.0)
"""z of the tabulated quantiles."""
LEVEL_RANGE = (0.01, 0.99)
RESOLUTION = 64
"""Chebyshev points: shares within 3e-6 over Z_RANGE, compared with 128 points and with a contour integral."""
DOUBLINGS = 12
TIMES = 2**DOUBLINGS
MEANS = 7.0
"""A table of the distribution ends at this many mean passage times: beyond it lies less than 0.001."""


def mean_passage(z: Any) -> np.ndarray:
    """Mean time from -infinity to infinity at z = r D^(-2/3), in units of D^(-1/3); any shape."""
    first, _, second, _ = airy(-np.asarray(z, dtype=float))
    return np.pi**2 * (first**2 + second**2)


def generator(z: float, resolution: int = RESOLUTION) -> np.ndarray:
    """(z + y^2) d/dy + d^2/dy^2 at the Chebyshev points theta_k = pi/2 cos(pi k/resolution), y = tan(theta).

    Shape (resolution + 1, resolution + 1); point 0 is y = infinity, the last one -infinity.
    """
    index = np.arange(resolution + 1)
    points = np.cos(np.pi * index / resolution)
    weights = np.where(index % resolution == 0, 2.0, 1.0) * (-1.0) ** index
    slope = np.outer(weights, 1 / weights) / (points[:, None] - points + np.eye(resolution + 1))
    slope -= np.diag(slope.sum(axis=1))
    slope *= 2 / np.pi
    cos, sin = np.cos(np.pi / 2 * points), np.sin(np.pi / 2 * points)
    drift = z * cos**2 + sin**2 - 2 * sin * cos**3
    return drift[:, None] * slope + (cos**4)[:, None] * (slope @ slope)


def mean_from(z: float, resolution: int = RESOLUTION) -> tuple[np.ndarray, np.ndarray]:
    """Mean time to infinity from y = tan(theta): (theta, mean), without the point at infinity."""
    inner = generator(z, resolution)[1:, 1:]
    theta = np.pi / 2 * np.cos(np.pi * np.arange(1, resolution + 1) / resolution)
    return theta, np.linalg.solve(inner, -np.ones(resolution))


@functools.lru_cache(maxsize=256)
def distribution(z: float, resolution: int = RESOLUTION) -> tuple[np.ndarray, np.ndarray]:
    """(tau, share passed by tau) from -infinity to infinity, TIMES equal steps up to MEANS mean passage times.

    The survival w obeys dw/dtau = generator w, w = 1 at first and 0 at infinity: one matrix exponential and its
    powers.
    """
    end = MEANS * float(mean_passage(z))
    forward = scipy.linalg.expm(generator(z, resolution)[1:, 1:] * (end / TIMES))
    # Row k of `rows` is the last row of forward^(k + 1).
    rows = forward[-1:]
    for _ in range(DOUBLINGS):
        rows = np.concatenate([rows, rows @ forward])
        forward = forward @ forward
    return end / TIMES * np.arange(1, TIMES + 1), 1 - rows.sum(axis=1)


def passage_share(z: float, tau: Any, resolution: int = RESOLUTION) -> np.ndarray:
    """Share of passages from -infinity to infinity that take at most tau (units of D^(-1/3)); shape of tau.

    Within 1e-5 for z in Z_RANGE and tau up to MEANS mean passage times; NaN beyond.
    """
    times, share = distribution(float(z), resolution)
    curve = CubicSpline(np.concatenate([[0.0], times]), np.concatenate([[0.0], share]), extrapolate=False)
    return curve(np.asarray(tau, dtype=float))


def passage_quantile(z: float, level: Any) -> np.ndarray:
    """Time by which the share `level` of passages is over, in units of D^(-1/3); shape of level."""
    times, share = distribution(float(z))
    # The share rises steeply, then saturates: on the logit scale both ends are smooth. Rounding makes it dip there.
    before = np.maximum(1e-4, np.concatenate([[0.0], np.maximum.accumulate(share)[:-1]]))
    rising = (share > before + 1e-9) & (share < 1 - 1e-4)
    curve = PchipInterpolator(logit(share[rising]), times[rising], extrapolate=False)
    return curve(logit(np.asarray(level, dtype=float)))


@functools.cache
def _table() -> RectBivariateSpline:
    z = np.linspace(*Z_RANGE, 88)
    low, high = (float(logit(level)) for level in LEVEL_RANGE)
    levels = np.linspace(low, high, 141)
    times = np.array([passage_quantile(one, 1 / (1 + np.exp(-levels))) for one in z])
    return RectBivariateSpline(z, levels, np.log(times / mean_passage(z)[:, None]))


def quantiles(z: Any, level: Any) -> np.ndarray:
    """`passage_quantile` by interpolation, for arrays that broadcast; NaN outside Z_RANGE and LEVEL_RANGE."""
    z, level = np.broadcast_arrays(np.asarray(z, dtype=float), np.asarray(level, dtype=float))
    inside = (z >= Z_RANGE[0]) & (z <= Z_RANGE[1]) & (level >= LEVEL_RANGE[0]) & (level <= LEVEL_RANGE[1])
    safe_z, safe_level = np.where(inside, z, 0.0), np.where(inside, level, 0.5)
    times = mean_passage(safe_z) * np.exp(_table().ev(safe_z, logit(safe_level)))
    return np.where(inside, times, np.nan)


NODES, WEIGHTS = np.polynomial.legendre.leggauss(240)
FURTHEST = 4.6
"""Where exp(-u^6/12) has fallen below 1e-300."""


def mean_from_rest(z: Any, height: Any) -> np.ndarray:
    """Mean time from y = 0 to y = height (numbers of units D^(1/3)), in units of D^(-1/3); arrays that broadcast.

    integral over u > 0 of sqrt(pi) [erf(u (height - u^2/2)) + erf(u^3/2)] exp(-z u^2 - u^6/12). Gauss-Legendre; NaN for
    z outside (-8, 400), where the integrand is not resolved.
    """
    z, height = np.broadcast_arrays(np.asarray(z, dtype=float), np.asarray(height, dtype=float))
    # Weak noise narrows the integrand.
    reach = np.minimum(FURTHEST, 6.5 / np.sqrt(np.maximum(z, 1e-9)))[..., None]
    u = reach * (NODES + 1) / 2
    weight = np.exp(-z[..., None] * u**2 - u**6 / 12)
    both = erf(u * (height[..., None] - u**2 / 2)) + erf(u**3 / 2)
    result = (both * weight * WEIGHTS * reach / 2).sum(axis=-1) * np.sqrt(np.pi)
    return np.where((z > -8) & (z < 400) & (height > 0), result, np.nan)


def _plain(function: Any) -> Any:
    """For sympy: float64 arrays as they are, other numbers (of mpmath) as floats."""

    def call(*values: Any) -> Any:
        if all(isinstance(value, np.ndarray | np.floating | float | int) for value in values):
            return function(*values)
        return float(function(*(float(value) for value in values)))

    return staticmethod(call)


class PassageQuantile(sp.Function):
    """`quantiles` as a function of sympy: (z, level)."""

    nargs = 2
    _imp_ = _plain(quantiles)


class MeanFromRest(sp.Function):
    """`mean_from_rest` as a function of sympy: (z, height)."""

    nargs = 2
    _imp_ = _plain(mean_from_rest)
