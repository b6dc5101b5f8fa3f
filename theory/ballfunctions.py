"""Sympy expressions as functions of balls, and sharper bounds over boxes through their derivatives."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import sympy as sp
from flint import acb, arb, arb_mat, ctx, fmpq, fmpz

from theory.errors import ClaimUsageError
from theory.sampling import symbol_named

Box = tuple[tuple[arb, arb], ...]


@contextlib.contextmanager
def working_precision(bits: int) -> Iterator[None]:
    """Set flint's precision for a block."""
    before = ctx.prec
    ctx.prec = bits
    try:
        yield
    finally:
        ctx.prec = before


def ball_function(expression: sp.Expr, symbols: Sequence[Any]) -> Callable[..., Any]:
    """The expression as a function of balls, in the order of `symbols`."""
    names = [symbol_named(s) for s in symbols]
    missing = sorted(s.name for s in expression.free_symbols if s.name not in names)
    if missing:
        raise ClaimUsageError(f"No range is given for {missing[0]}; add it to over=.")

    def call(*values: Any) -> Any:
        return _evaluate(expression, dict(zip(names, values, strict=True)), {})

    return call


FUNCTIONS: dict[Any, Callable[..., Any]] = {
    sp.exp: lambda x: x.exp(), sp.log: lambda x: x.log(), sp.sin: lambda x: x.sin(), sp.cos: lambda x: x.cos(),
    sp.tan: lambda x: x.tan(), sp.cot: lambda x: x.cot(), sp.sinh: lambda x: x.sinh(), sp.cosh: lambda x: x.cosh(),
    sp.tanh: lambda x: x.tanh(), sp.asin: lambda x: x.asin(), sp.acos: lambda x: x.acos(), sp.atan: lambda x: x.atan(),
    sp.asinh: lambda x: x.asinh(), sp.acosh: lambda x: x.acosh(), sp.atanh: lambda x: x.atanh(),
    sp.gamma: lambda x: x.gamma(), sp.loggamma: lambda x: x.lgamma(), sp.digamma: lambda x: x.digamma(),
    sp.erf: lambda x: x.erf(), sp.erfc: lambda x: x.erfc(), sp.LambertW: lambda x: x.lambertw(),
    sp.airyai: lambda x: x.airy_ai(), sp.airybi: lambda x: x.airy_bi(), sp.Abs: abs, sp.sec: lambda x: x.sec(),
    sp.beta: lambda x, y: x.gamma() * y.gamma() / (x + y).gamma(), sp.csc: lambda x: x.csc(),
    sp.hyper: lambda a, b, z: z.hypgeom(a, b),
}  # fmt: skip
CONSTANTS = {sp.pi: arb.pi, sp.E: arb.const_e, sp.EulerGamma: arb.const_euler, sp.Catalan: arb.const_catalan}


def _evaluate(e: sp.Basic, known: dict[str, Any], seen: dict[sp.Basic, Any]) -> Any:
    if e not in seen:
        seen[e] = _evaluate_new(e, known, seen)
    return seen[e]


def _power(base: Any, exponent: int) -> Any:
    """Integer power; an even one of a ball around zero is not negative, which plain multiplication would forget."""
    if exponent > 0 and exponent % 2 == 0 and isinstance(base, arb) and base.contains(0):
        half = base.abs_upper() ** fmpz(exponent) / 2
        return half + arb(0, half)
    return base ** fmpz(exponent)


def _evaluate_new(e: sp.Basic, known: dict[str, Any], seen: dict[sp.Basic, Any]) -> Any:
    if isinstance(e, sp.Symbol):
        return known[e.name]
    if isinstance(e, sp.Rational):
        return arb(fmpq(int(e.p), int(e.q)))
    if isinstance(e, sp.Float):
        return _evaluate_new(sp.Rational(e), known, seen)
    if e in CONSTANTS:
        return CONSTANTS[e]()
    if isinstance(e, sp.Tuple):
        return [_evaluate(arg, known, seen) for arg in e.args]
    if isinstance(e, sp.Pow) and e.exp.is_Integer:
        return _power(_evaluate(e.base, known, seen), int(e.exp))
    if isinstance(e, sp.Pow) and e.exp.is_Rational and e.exp.q == 2:
        return _evaluate(e.base, known, seen).sqrt() ** fmpz(int(e.exp.p))
    args = [_evaluate(arg, known, seen) for arg in e.args]
    if isinstance(e, sp.Add):
        return sum(args[1:], args[0])
    if isinstance(e, sp.Mul):
        product = args[0]
        for factor in args[1:]:
            product = product * factor
        return product
    if isinstance(e, sp.Pow):
        return args[0] ** args[1]
    if isinstance(e, sp.Max | sp.Min):
        best = args[0]
        for other in args[1:]:
            best = best.max(other) if isinstance(e, sp.Max) else best.min(other)
        return best
    if e.func in FUNCTIONS:
        return FUNCTIONS[e.func](*args)
    raise ClaimUsageError(f"Ball arithmetic knows no {e.func.__name__}; write a function of arb numbers instead.")


class Region:
    """A function of balls over boxes: its values, and whether it is certainly positive on a box."""

    def __init__(self, function: Callable[..., Any] | sp.Expr, keys: Sequence[Any]) -> None:
        self.keys = list(keys)
        self.formula = function if isinstance(function, sp.Expr) else None
        self.function = ball_function(function, keys) if isinstance(function, sp.Expr) else function
        self.curvatures: list[list[Callable[..., Any]]] = []

    @functools.cached_property
    def slopes(self) -> list[tuple[sp.Expr, Callable[..., Any]]]:
        """Derivatives along the keys, as formulas and as functions of balls; none of a plain function."""
        if self.formula is None:
            return []
        symbols = {s.name: s for s in self.formula.free_symbols}
        formulas = [_tidy(sp.diff(self.formula, symbols.get(symbol_named(k), sp.Dummy()))) for k in self.keys]
        return [(formula, ball_function(formula, self.keys)) for formula in formulas]

    def value(self, point: Sequence[arb]) -> arb:
        """A ball that contains the value at a point (or over a box of balls)."""
        return real(self.function(*point))

    def holds(self, box: Box, strict: bool) -> bool:
        """Is the function certainly > 0 (or >= 0) on the whole box?"""
        balls = [low.union(high) for low, high in box]
        whole = self.value(balls)
        if _positive(whole, strict):
            return True
        if not whole.is_finite():
            return False  # perhaps a pole inside: derivatives then say nothing about the values
        try:
            slopes = [real(slope(*balls)) for _, slope in self.slopes]
        except ClaimUsageError:  # a derivative that ball arithmetic does not know
            self.slopes = []
            return False
        if not slopes:
            return False
        # Along a monotone direction the least value lies on a face.
        faces, rest = [], []
        for (low, high), ball, slope, (formula, _) in zip(box, balls, slopes, self.slopes, strict=True):
            if slope >= 0 or formula.is_nonnegative:
                faces.append(low)
            elif slope <= 0 or formula.is_nonpositive:
                faces.append(high)
            else:
                faces.append(ball)
                rest.append((ball, slope))
        if _positive(self.value(faces), strict):
            return True
        centre = [face if face is not ball else ball.mid() for face, ball in zip(faces, balls, strict=True)]
        spread = sum((slope * (ball - ball.mid()) for ball, slope in rest), arb(0))
        return _positive(self.value(centre) + spread, strict)

    def convex_around(self, box: Box, point: Sequence[arb]) -> bool:
        """Is the function certainly convex on the smallest box that contains `box` and the point?"""
        if not self.curvatures:
            keys, formulas = self.keys, [formula for formula, _ in self.slopes]
            symbols = {s.name: s for s in set().union(*(f.free_symbols for f in formulas), set())}
            rows = [[sp.diff(f, symbols.get(symbol_named(k), sp.Dummy())) for k in keys] for f in formulas]
            self.curvatures = [[ball_function(entry, keys) for entry in row] for row in rows]
        balls = [low.union(high).union(at) for (low, high), at in zip(box, point, strict=True)]
        if not self.value(balls).is_finite():
            return False
        hessian = [[real(entry(*balls)) for entry in row] for row in self.curvatures]
        return all(arb_mat([row[:k] for row in hessian[:k]]).det() > 0 for k in range(1, len(hessian) + 1))


def _tidy(formula: sp.Expr) -> sp.Expr:
    """In factors where that is cheap: terms that cancel would widen the balls."""
    if sp.count_ops(formula) > 60:
        return formula
    with contextlib.suppress(sp.PolynomialError, NotImplementedError):
        return sp.factor(sp.together(formula))
    return formula


def _positive(value: arb, strict: bool) -> bool:
    return bool(value > 0 if strict else value >= 0)


def ends(bounds: Any) -> tuple[arb, arb]:
    """Exact ends of an interval, as balls."""
    low, high = (arb(e) if isinstance(e, arb) else _evaluate(sp.sympify(e), {}, {}) for e in bounds)
    return low, high


def real(value: Any) -> arb:
    """The real part of a ball whose imaginary part may be zero; not a number otherwise."""
    if isinstance(value, acb):
        return value.real if value.imag.contains(0) else arb.nan()
    return arb(value)
