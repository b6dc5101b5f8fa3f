"""Proofs in ball arithmetic: every operation returns an interval that certainly contains the true value."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import sympy as sp
from flint import arb

from theory.ballfunctions import Box, Region, ball_function, ends, real, working_precision
from theory.errors import ClaimUsageError
from theory.sampling import symbol_named
from theory.symbolics import vanish


class Proof(NamedTuple):
    """The outcome of a proof attempt; true only if the statement was proved."""

    passed: bool
    detail: str
    digits: float | None = None

    def __bool__(self) -> bool:
        return self.passed


def certified_sign(
    function: Callable[..., arb] | sp.Expr, box: Mapping[Any, tuple[Any, Any]], sign: int = 1, *,
    strict: bool = True, precision: int = 128, max_boxes: int = 20_000, touching: Mapping[Any, Any] | None = None,
) -> Proof:  # fmt: skip
    """Prove that sign * function > 0 (or >= 0) on the whole box, by splitting it until each part is decided.

    `function` is a sympy expression in the keys of `box`, or takes one arb per key, in order. Ends are exact numbers
    (integers, fractions, sympy rationals, floats as they are, or pi and the like). Expressions are bounded through
    their derivatives too, which needs far fewer boxes and decides a zero on the edge of the box if they are monotone.
    At the point `touching` inside the box an expression may be zero (not strict): where value and gradient vanish
    there by algebra, parts around it are decided by convexity.
    """
    if not box or any(not (low < high) for low, high in map(ends, box.values())):
        raise ClaimUsageError(f"A box needs lo < hi for every symbol, got {dict(box)}.")
    keys = list(box)
    with working_precision(precision):
        region = Region(function * sign if isinstance(function, sp.Expr) else lambda *x: sign * function(*x), keys)
        start = tuple(ends(box[key]) for key in keys)
        point = _touching_point(function, keys, touching, strict) if touching is not None else None
        # The widest undecided box first: a wrong statement is then refuted early, from a coarse view.
        queue: list[tuple[float, int, Box]] = [(0.0, 0, start)]
        done = 0
        while queue:
            if done >= max_boxes:
                where = _place(keys, queue[0][2])
                return Proof(False, f"not decided after {max_boxes} boxes, for example near {where}")
            _, _, current = heapq.heappop(queue)
            done += 1
            middle = tuple(((low + high) / 2).mid() for low, high in current)
            for corner in (middle, tuple(low.mid() for low, _ in current), tuple(high.mid() for _, high in current)):
                value = region.value(corner)
                if corner is middle and not value.is_finite():
                    where = _place(keys, tuple((x, x) for x in corner))
                    return Proof(False, f"not defined at {where}")
                if value < 0 or (strict and value <= 0):
                    where = _place(keys, tuple((x, x) for x in corner))
                    return Proof(False, f"false at {where}: value {(sign * value).str(6, radius=False)}")
            if region.holds(current, strict) or (point is not None and region.convex_around(current, point)):
                continue
            widths = [float((high - low).abs_upper()) / float(1 + low.abs_upper()) for low, high in current]
            side = max(range(len(widths)), key=widths.__getitem__, default=-1)
            if side < 0 or widths[side] < 2.0 ** (8 - precision):
                return Proof(False, f"not decided at {_place(keys, current)}")
            low, high = current[side]
            for number, half in enumerate(((low, middle[side]), (middle[side], high))):
                part = (*current[:side], half, *current[side + 1 :])
                heapq.heappush(queue, (-widths[side] / 2, 2 * done + number, part))
    relation = (">" if sign > 0 else "<") + ("" if strict else "=")
    return Proof(True, f"{relation} 0 proved on {done} box{'es' if done > 1 else ''}")


def certified_root(
    function: Callable[[arb], arb] | sp.Expr, bracket: tuple[Any, Any], unknown: sp.Symbol | None = None, *,
    digits: int = 30, precision: int = 256,
) -> arb:  # fmt: skip
    """A ball of radius below 10**-digits (relative) that certainly contains a root, by bisection of a sign change.

    Raises ClaimUsageError where the ends of the bracket do not have certain, opposite signs.
    """
    if isinstance(function, sp.Expr):
        names = [unknown] if unknown is not None else sorted(function.free_symbols, key=str)
        function = ball_function(function, names)
    with working_precision(precision):
        low, high = ends(bracket)
        left, right = real(function(low)), real(function(high))
        if not ((left < 0 and right > 0) or (left > 0 and right < 0)):
            raise ClaimUsageError(
                f"No certain sign change on the bracket: values {left.str(6)} and {right.str(6)} at its ends; widen it."
            )
        rising = left < 0
        target = arb(10) ** -digits
        while not (high - low) < target * (low.abs_upper() + high.abs_upper() + target):
            cut = ((low + high) / 2).mid()
            value = real(function(cut))
            if not (value > 0 or value < 0):
                # The midpoint is too close to the root to have a certain sign: any other point serves.
                cut = ((low * 3 + high * 2) / 5).mid()
                value = real(function(cut))
                if not (value > 0 or value < 0):
                    raise ClaimUsageError(
                        f"Signs cannot be told near {cut.str(10)}; raise precision (now {precision})."
                    )
            low, high = (cut, high) if (value < 0) == rising else (low, cut)
        return low.union(high)


def certified_unique_root(
    function: sp.Expr, unknown: sp.Symbol, bracket: tuple[Any, Any], over: Mapping[Any, Any] | None = None, *,
    precision: int = 128, max_boxes: int = 20_000,
) -> Proof:  # fmt: skip
    """Prove that `function` has exactly one root in `unknown` inside the bracket, for every point of the box `over`.

    Over a box, its signs at the ends are certain and opposite, and its derivative keeps one sign between them. Without
    one, the bracket is cut until every part has a certain sign or a certain sign of the slope.
    """
    low, high = bracket
    options: dict[str, Any] = {"precision": precision, "max_boxes": max_boxes}
    left = _value_sign(function.subs(unknown, low), over or {}, options)
    right = _value_sign(function.subs(unknown, high), over or {}, options)
    if not left or left + right:
        return Proof(False, f"the ends of the bracket of {unknown} have no certain, opposite signs")
    if not over:
        return _one_sign_change(function, unknown, bracket, precision, max_boxes)
    slope = certified_sign(function.diff(unknown), {**over, unknown: bracket}, right, **options)
    return Proof(slope.passed, f"opposite signs at the ends of {unknown}; slope {slope.detail}")


def _one_sign_change(
    function: sp.Expr, unknown: sp.Symbol, bracket: tuple[Any, Any], precision: int, max_boxes: int
) -> Proof:
    """Every part of the bracket has a certain sign, or is monotone between certain signs; one part changes sign."""
    value, slope = ball_function(function, [unknown]), ball_function(function.diff(unknown), [unknown])
    with working_precision(precision):
        parts, done, changes = [ends(bracket)], 0, 0
        while parts:
            low, high = parts.pop()
            done += 1
            whole = real(value(low.union(high)))
            if whole > 0 or whole < 0:
                continue
            tilt = real(slope(low.union(high)))
            first, last = real(value(low)), real(value(high))
            certain = (first > 0 or first < 0) and (last > 0 or last < 0)
            if certain and whole.is_finite() and (tilt > 0 or tilt < 0):
                changes += bool(first > 0) != bool(last > 0)
                continue
            middle = ((low * 15 + high * 17) / 32).mid()  # not the centre, where a root is more likely
            if done >= max_boxes or not (low < middle < high):
                return Proof(False, f"not decided near {unknown} = {middle.str(6, radius=False)}")
            parts += [(low, middle), (middle, high)]
    count = {0: "no sign change", 1: "one sign change"}.get(changes, f"{changes} sign changes")
    return Proof(changes == 1, f"{count} of {unknown} in the bracket, from {done} parts")


def certified_definite(
    matrix: sp.MatrixBase, box: Mapping[Any, tuple[Any, Any]], sign: int = 1, *,
    precision: int = 128, max_boxes: int = 20_000,
) -> Proof:  # fmt: skip
    """Prove that all eigenvalues of a symmetric matrix have this sign on the whole box (Sylvester's criterion)."""
    if matrix != matrix.T:
        return Proof(False, "the matrix is not symmetric")
    for size in range(1, matrix.rows + 1):
        minor = (sign * matrix)[:size, :size].det()
        if not minor.free_symbols:
            if not minor.is_positive:
                return Proof(False, f"the leading minor of size {size} is {minor}, not positive")
            continue
        found = certified_sign(minor, part_of(box, minor), precision=precision, max_boxes=max_boxes)
        if not found:
            return Proof(False, f"the leading minor of size {size}: {found.detail}")
    return Proof(True, f"all {matrix.rows} leading minors are positive")


def _value_sign(value: sp.Expr, over: Mapping[Any, Any], options: dict[str, Any]) -> int:
    """1 or -1 where the value certainly has that sign on the whole box, else 0."""
    if not value.free_symbols:
        with working_precision(options["precision"]):
            ball = real(ball_function(value, [])())
        return 1 if ball > 0 else -1 if ball < 0 else 0
    part = part_of(over, value)
    return next((sign for sign in (1, -1) if certified_sign(value, part, sign, **options)), 0)


def part_of(box: Mapping[Any, Any], formula: sp.Basic) -> dict[Any, Any]:
    """The ranges of the symbols that a formula has."""
    names = {s.name for s in formula.free_symbols}
    return {key: bounds for key, bounds in box.items() if symbol_named(key) in names}


def _touching_point(function: Any, keys: list[Any], touching: Mapping[Any, Any], strict: bool) -> list[arb]:
    """The point as balls, once value and gradient are known to vanish there."""
    if strict or not isinstance(function, sp.Expr):
        raise ClaimUsageError("touching= is for expressions and inequalities that are not strict (>=, <=).")
    symbols = {s.name: s for s in function.free_symbols}
    at = {symbol_named(key): sp.sympify(value) for key, value in touching.items()}
    if set(at) != {symbol_named(key) for key in keys}:
        raise ClaimUsageError(f"touching= needs one number for each of {', '.join(map(symbol_named, keys))}.")
    place = {symbols[name]: value for name, value in at.items()}
    zeros = [function.subs(place), *(function.diff(symbol).subs(place) for symbol in place)]
    checked = vanish(zeros)
    if not checked.passed:
        raise ClaimUsageError(f"touching=: value and gradient must vanish at {at}: {checked.detail}.")
    return [ends((at[symbol_named(key)],) * 2)[0] for key in keys]


def _place(keys: list[Any], box: tuple[tuple[arb, arb], ...]) -> str:
    middle = [((low + high) / 2).mid().str(6, radius=False) for low, high in box]
    return ", ".join(f"{symbol_named(k)} = {m}" for k, m in zip(keys, middle, strict=True))
