"""Does an expression vanish identically? A quick numerical refutation first, then simplification."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sympy as sp
from sympy.logic.boolalg import Boolean

from theory.certificate import Finding
from theory.sampling import random_point

REFUTE_DIGITS = 30
SEQUENCES = list | tuple | sp.Tuple


def _is_radical(e: sp.Basic) -> bool:
    return isinstance(e, sp.Pow) and e.exp.is_Rational and not e.exp.is_Integer


STRATEGIES: tuple[Callable[[sp.Expr], sp.Expr], ...] = (
    lambda e: e,
    sp.expand,
    lambda e: sp.expand(sp.expand_log(sp.expand_power_base(e, force=False), force=False)),
    lambda e: sp.cancel(sp.together(e)),
    sp.simplify,
    lambda e: sp.simplify(e.rewrite(sp.exp)),
    lambda e: sp.simplify(sp.expand_func(e)),
    lambda e: sp.simplify(sp.expand_trig(e)),
    lambda e: sp.simplify(sp.powsimp(sp.expand(sp.logcombine(e, force=False)), force=False)),
    lambda e: sp.radsimp(sp.sqrtdenest(sp.simplify(e))),
    lambda e: sp.simplify(sp.gammasimp(e)),
    lambda e: sp.factor(sp.trigsimp(sp.expand(e))),
    lambda e: sp.simplify(e.replace(_is_radical, lambda p: sp.Pow(sp.factor(p.base), p.exp))),
)


def vanish(left: Any, right: Any = 0) -> Finding:
    """Is left - right identically zero?"""
    count = 0
    for residual in residuals(left, right):
        count += 1
        finding = _vanishes(residual)
        if not finding.passed:
            return finding
    if count == 0:
        return Finding(False, None, "nothing was stated: no residual")
    what = "residual simplifies" if count == 1 else f"{count} residuals simplify"
    return Finding(True, None, f"{what} to 0")


def residuals(left: Any, right: Any = 0) -> Iterator[sp.Expr]:
    """Scalar differences of two sides (functions are called, matrices and sequences are taken entry by entry).

    Raises ValueError where the sides do not fit together: shapes, lengths, or a truth value against a number.
    """
    left, right = (side() if callable(side) and not isinstance(side, sp.Basic) else side for side in (left, right))
    if isinstance(left, sp.MatrixBase) or isinstance(right, sp.MatrixBase):
        shape = left.shape if isinstance(left, sp.MatrixBase) else right.shape
        left, right = (_as_matrix(side, shape) for side in (left, right))
        if left.shape != right.shape:
            raise ValueError(f"matrices of shapes {left.shape} and {right.shape} cannot be equal")
        left, right = list(left), list(right)
    if isinstance(left, SEQUENCES) or isinstance(right, SEQUENCES):
        if not isinstance(left, SEQUENCES):
            raise ValueError("one left side but several right sides")
        others = list(right) if isinstance(right, SEQUENCES) else [right] * len(left)
        if len(others) != len(left):
            raise ValueError(f"{len(left)} left sides but {len(others)} right sides")
        for one, other in zip(left, others, strict=True):
            yield from residuals(one, other)
        return
    left, right = sp.sympify(left), sp.sympify(right)
    # A plain symbol is both an expression and a Boolean for sympy; here it is a number.
    if isinstance(left, sp.Expr) and isinstance(right, sp.Expr):
        yield left - right
        return
    if right != 0 or not isinstance(left, Boolean):
        raise ValueError(f"{left} and {right} cannot be compared; give two expressions, or one equation alone")
    if isinstance(left, sp.Equality):
        yield left.lhs - left.rhs
        return
    # A relation that sympy itself decides: only True counts.
    yield sp.Integer(0) if left is sp.true else sp.Integer(1)


def _as_matrix(side: Any, shape: tuple[int, int]) -> sp.MatrixBase:
    """The side; zeros for a literal 0. A number stands for no other matrix."""
    if isinstance(side, sp.MatrixBase):
        return side
    if sp.sympify(side) != 0:
        raise ValueError(f"a matrix cannot be equal to {side}; give a matrix, or 0 for the matrix of zeros")
    return sp.zeros(*shape)


def _vanishes(residual: sp.Expr) -> Finding:
    residual = residual.doit()
    if residual.has(sp.nan, sp.zoo):
        return Finding(False, None, f"residual is not defined: {_short(residual)}")
    if residual == 0:
        return Finding(True, None, "residual is 0")
    witness = refute(residual)
    if witness is not None:
        return Finding(False, None, witness)
    for strategy in STRATEGIES:
        try:
            reduced = strategy(residual)
        except (NotImplementedError, sp.PolynomialError, TypeError, ValueError):
            continue  # this strategy does not apply to such an expression
        if reduced == 0:
            return Finding(True, None, "residual simplifies to 0")
    return Finding(
        False, None, f"could not simplify {_short(residual)} to 0, though it is tiny at random points; "
        "help it with smaller steps or use a weaker kind of check",
    )  # fmt: skip


def refute(residual: sp.Expr, points: int = 6) -> str | None:
    """A sentence with a point where the residual is certainly not zero, or None.

    An evaluation counts only if sympy attains the digits asked for; where it cannot (a cancellation), it is no witness.
    """
    symbols = sorted(residual.free_symbols, key=lambda s: s.name)
    for index in range(points if symbols else 1):
        point = random_point({s: None for s in symbols}, seed=index)
        try:
            value = residual.xreplace(point).evalf(REFUTE_DIGITS, maxn=400, strict=False)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError, NotImplementedError, AttributeError):
            continue
        if not value.is_number or value.has(sp.nan, sp.zoo, sp.oo, -sp.oo):
            continue
        size = abs(value).evalf(15)
        if size.is_comparable and size > sp.Float(10) ** (-REFUTE_DIGITS // 2):
            where = ", ".join(f"{s} = {sp.Float(v, 6)}" for s, v in point.items())
            return f"residual is {sp.Float(abs(value), 6)}, not 0{' at ' + where if where else ''}"
    return None


def _short(expression: sp.Expr) -> str:
    text = str(expression)
    return text if len(text) < 160 else text[:150] + " ..."
