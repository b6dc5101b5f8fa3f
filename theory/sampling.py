"""Random exact points of a box or of what symbols' assumptions allow."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from theory.errors import ClaimUsageError


def symbol_named(key: Any) -> str:
    """The name of a symbol or of a string key."""
    return key if isinstance(key, str) else key.name


def random_point(ranges: Mapping[Any, Any], seed: int) -> dict[Any, sp.Rational]:
    """One rational number per key, from its (lo, hi) or, if None, of order one and allowed by its assumptions.

    Ranges over more than two decades are sampled in the logarithm. Integer symbols get integers.
    """
    rng = np.random.default_rng([seed, len(ranges)])
    return {key: _draw(key, bounds, rng) for key, bounds in ranges.items()}


def corner_points(ranges: Mapping[Any, Any], most: int = 16) -> list[dict[Any, sp.Rational]]:
    """The corners of the box, where laws tend to break first; of more than `most` only the two extreme ones."""
    ends = {key: _exact_ends(key, bounds) for key, bounds in ranges.items()}
    if 2 ** len(ends) <= most:
        return [dict(zip(ends, corner, strict=True)) for corner in itertools.product(*ends.values())]
    return [{key: pair[side] for key, pair in ends.items()} for side in (0, 1)]


def _exact_ends(key: Any, bounds: Any) -> tuple[sp.Rational, sp.Rational]:
    low, high = _ends(key, bounds)
    if getattr(key, "is_integer", None) is True:
        return sp.Integer(int(np.ceil(low))), sp.Integer(int(np.floor(high)))
    return sp.Rational(low), sp.Rational(high)


def _draw(key: Any, bounds: Any, rng: np.random.Generator) -> sp.Rational:
    whole = getattr(key, "is_integer", None) is True
    low, high = _allowed(key, whole) if bounds is None else _ends(key, bounds)
    if whole:
        return sp.Integer(int(rng.integers(int(np.ceil(low)), int(np.floor(high)) + 1)))
    if low > 0 and high / low > 100:
        value = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    else:
        value = float(rng.uniform(low, high))
    # Few bits keep exact arithmetic short; the relative change is at most 2**-24.
    scale = 2 ** (24 - int(np.floor(np.log2(abs(value))))) if value else 1
    value = min(max(round(value * scale) / scale, low), high)
    return sp.Rational(value)


def _allowed(key: Any, whole: bool) -> tuple[float, float]:
    if whole:
        return (1, 12) if key.is_positive else (0, 12) if key.is_nonnegative else (-12, 12)
    if getattr(key, "is_positive", None) or getattr(key, "is_nonnegative", None):
        return (0.15, 2.5)
    if getattr(key, "is_negative", None) or getattr(key, "is_nonpositive", None):
        return (-2.5, -0.15)
    return (-2.5, 2.5)


def _ends(key: Any, bounds: Any) -> tuple[float, float]:
    try:
        low, high = (float(sp.sympify(end)) for end in bounds)
    except (TypeError, ValueError) as error:
        raise ClaimUsageError(f"over={{{key}: ...}} needs a pair (lo, hi) of numbers, got {bounds!r}.") from error
    if not (np.isfinite([low, high]).all() and low <= high):
        raise ClaimUsageError(f"over={{{key}: ...}} needs finite lo <= hi, got {bounds!r}.")
    return low, high
