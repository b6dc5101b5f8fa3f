"""Two sides compared at random points: in mpmath to many digits, or in float64 to a tolerance."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import numpy as np
import sympy as sp

from theory.certificate import Finding
from theory.errors import ClaimUsageError
from theory.sampling import corner_points, random_point, symbol_named

GUARD_DIGITS = 15


def agree(
    left: Any, right: Any, over: Mapping[Any, Any], samples: int, seed: int,
    *, digits: int | None = None, tolerance: float | None = None,
) -> Finding:  # fmt: skip
    """Compare at `samples` points; the worst one decides. Exactly one of `digits` and `tolerance` is given."""
    sides = [_Side(left, over), _Side(right, over)]
    lone = not sides[1].callable and sides[1].value == 0
    _complete(sides, over)
    corners = corner_points(over) if over else []
    count = len(corners) + samples if over else 1
    worst, at = None, {}
    for index in range(count):
        inner = index - len(corners)
        point = corners[index] if inner < 0 else random_point(over, seed=seed * 100_003 + inner)
        error = _precise_error(sides, point, digits, lone) if digits else _float_error(sides, point, lone)
        if worst is None or not error <= worst:
            worst, at = error, point
        if error != error or (digits and error > mpmath.mpf(10) ** -digits):
            break  # decided, at the cost of one point
    where = ", ".join(f"{symbol_named(k)} = {float(v):.6g}" for k, v in at.items())
    where = f" (worst at {where})" if where else ""
    points = f"{count} point{'s' if count > 1 else ''}"
    if worst is None or worst != worst:
        return Finding(False, None, f"a side is not a number{where}")
    attained = float(-mpmath.log10(worst)) if worst > 0 else float(mpmath.mp.dps if digits is None else digits)
    if digits:
        return Finding(attained >= digits, round(attained, 1), f"{attained:.1f} digits at {points}{where}")
    assert tolerance is not None
    passed = bool(worst <= tolerance)
    kind = "absolute" if lone else "relative"
    detail = f"{kind} error {float(worst):.2g}, tolerance {tolerance:g}, {points}{where}"
    # An absolute error says nothing about digits.
    return Finding(passed, None if lone else round(attained, 1), detail)


def _complete(sides: list[_Side], over: Mapping[Any, Any]) -> None:
    """Refuse names without a range (a default would hide which domain was sampled), and a domain that is not used."""
    known = {symbol_named(k) for k in over}
    used = sides[0].uses() | sides[1].uses()
    for name in sorted(used - known):
        raise ClaimUsageError(f"over= gives no range for {name}; add over={{{name}: (lo, hi)}}.")
    if known and not used:
        names = ", ".join(sorted(known))
        raise ClaimUsageError(f"over= gives ranges for {names}, but neither side depends on any of them; remove it.")


def _precise_error(sides: list[_Side], point: Mapping[Any, Any], digits: int, lone: bool) -> Any:
    """Relative difference; working precision doubles while digits are missing, as cancellation may eat them."""
    error = mpmath.nan
    for working in (digits + GUARD_DIGITS, 2 * digits + GUARD_DIGITS, 4 * digits + GUARD_DIGITS):
        with mpmath.workdps(working):
            values = [side.precise(point) for side in sides]
            if len(values[0]) != len(values[1]) and not (lone or len(values[1]) == 1):
                raise ValueError(f"{len(values[0])} left sides but {len(values[1])} right sides")
            others = values[1] if len(values[1]) == len(values[0]) else values[1] * len(values[0])
            scale = sides[0].largest_term(point) if lone else None
            errors = [_relative(a, b, scale) for a, b in zip(values[0], others, strict=True)]
            if not errors or any(mpmath.isnan(e) for e in errors):
                return mpmath.nan
            error = max(errors)
            if error <= mpmath.mpf(10) ** -digits:
                break
    return error


def _relative(a: Any, b: Any, scale: Any) -> Any:
    if not (mpmath.isfinite(a) and mpmath.isfinite(b)):
        return mpmath.nan
    size = max(abs(a), abs(b)) if scale is None else scale
    return abs(a - b) / size if size else abs(a - b)


def _float_error(sides: list[_Side], point: Mapping[Any, Any], lone: bool) -> float:
    a, b = (np.asarray(side.floating(point)) for side in sides)
    if a.size == 0 or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("nan")
    a, b = np.broadcast_arrays(a, b)
    difference = np.abs(a - b)
    if not lone:
        size = np.maximum(np.abs(a), np.abs(b))
        difference = difference / np.where(size > 0, size, 1.0)
    return float(difference.max())


class _Side:
    """One side of a comparison: a formula, or a function of the sampled numbers."""

    def __init__(self, side: Any, over: Mapping[Any, Any]) -> None:
        self.callable = callable(side) and not isinstance(side, sp.Basic)
        self.function: Callable[..., Any] | None = None
        self.value: Any = side
        if self.callable:
            known = {symbol_named(k) for k in over}
            parameters = inspect.signature(side).parameters.values()
            self.names = [p.name for p in parameters if p.name in known]
            unknown = [p.name for p in parameters if p.name not in known and p.default is p.empty]
            if unknown:
                ranges = ", ".join(sorted(known)) or "no ranges"
                raise ClaimUsageError(f"A side takes {unknown[0]!r}, but over= has {ranges}.")
            self.value = None if self.names else side()
            # A number was computed at the precision of this moment; compute it again at the precision of the check.
            self.function = side if self.names or not _symbolic(self.value) else None
        if self.function is None:
            self.value = _as_formula(self.value)

    def uses(self) -> set[str]:
        """Names of the sampled numbers on which the side depends."""
        if self.function is not None:
            return set(self.names)
        return {symbol.name for symbol in getattr(self.value, "free_symbols", ())}

    def precise(self, point: Mapping[Any, Any]) -> list[Any]:
        """mpmath values at the precision in force."""
        named = {symbol_named(k): mpmath.mpf(v.p) / v.q for k, v in point.items()}
        if self.function is not None:
            return _flat(self.function(**{n: named[n] for n in self.names}))
        if not isinstance(self.value, sp.Basic | sp.MatrixBase):
            return _flat(self.value)
        from theory.compiled import precise

        symbols = tuple(sorted(self.value.free_symbols, key=lambda s: s.name))
        return _flat(precise(sp.ImmutableMatrix(self.value) if isinstance(self.value, sp.MatrixBase) else self.value,
                             symbols)(*(named[s.name] for s in symbols)))  # fmt: skip

    def floating(self, point: Mapping[Any, Any]) -> Any:
        """float64 values."""
        named = {symbol_named(k): float(v) for k, v in point.items()}
        if self.function is not None:
            return np.asarray(self.function(**{n: named[n] for n in self.names}))
        if not isinstance(self.value, sp.Basic):
            return np.asarray(self.value, dtype=complex if np.iscomplexobj(self.value) else float)
        from theory.compiled import numeric

        symbols = tuple(sorted(self.value.free_symbols, key=lambda s: s.name))
        return numeric(self.value, symbols)(*(named[s.name] for s in symbols))

    def largest_term(self, point: Mapping[Any, Any]) -> Any:
        """The scale against which a lone residual is small: its largest term once multiplied out.

        A product that has no terms is its own scale, so that it is small only where it is zero. Functions of the
        sampled numbers have the scale 1.
        """
        if self.function is not None or isinstance(self.value, sp.MatrixBase) or not isinstance(self.value, sp.Expr):
            return mpmath.mpf(1)
        value = self.value if isinstance(self.value, sp.Add) else sp.expand(self.value)
        terms = [_Side(term, {}) for term in sp.Add.make_args(value)]
        return max(abs(term.precise(point)[0]) for term in terms)


def _symbolic(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return any(map(_symbolic, value))
    return isinstance(value, int | sp.Basic | sp.MatrixBase)


def _as_formula(value: Any) -> Any:
    if isinstance(value, sp.Equality):
        return value.lhs - value.rhs
    if isinstance(value, list | tuple) and any(isinstance(v, sp.Basic) for v in value):
        return sp.ImmutableMatrix([value])
    return sp.sympify(value) if isinstance(value, int) else value


def _flat(value: Any) -> list[Any]:
    if isinstance(value, mpmath.matrix | list | tuple | np.ndarray):
        return [mpmath.mpmathify(v) for v in (value.flat if isinstance(value, np.ndarray) else list(value))]
    return [mpmath.mpmathify(value)]
