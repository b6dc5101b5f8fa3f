"""A formula with a knob on everything that may be wrong in it: coefficients, exponents, signs, terms, thresholds."""

from __future__ import annotations

import dataclasses
import math

import sympy as sp
from sympy.core.relational import Relational


@dataclasses.dataclass(frozen=True)
class Change:
    """One setting of a knob. `amount`: relative change of a coefficient or threshold, change of an exponent, or NaN."""

    value: sp.Rational
    ending: str
    words: str
    amount: float
    kind: str = ""
    """Of changes that have a name of their own (sign, drop); others are called after their knob."""


def _factors() -> tuple[Change, ...]:
    values = [sp.Rational(v, 100) for v in (103, 97, 110, 90, 200, 50)]
    return tuple(Change(v, f"*{float(v):g}", f" x {float(v):g}", float(v - 1)) for v in values)


def _sums(unit: int, steps: tuple[int, ...], measured: bool) -> tuple[Change, ...]:
    values = [sp.Rational(v, unit) for v in steps]
    words = (f" {'+' if v > 0 else '-'} {abs(float(v)):g}" for v in values)
    return tuple(
        Change(v, f"{float(v):+g}", text, float(v) if measured else math.nan)
        for v, text in zip(values, words, strict=True)
    )


FACTORS = _factors()
SHIFTS = _sums(10, (1, -1, 5, -5), measured=True)
# A threshold at zero has no size that a change could be relative to.
NUDGES = _sums(100, (3, -3, 10, -10), measured=False)
# Subtrees of at least this many operations that occur several times stand for one definition, changed in one place.
SHARED_FROM = 4
STEPPED = (sp.Heaviside, sp.sign)
# Functions of several arguments whose numbers are values like any other; elsewhere whole numbers are orders.
SYMMETRIC = (sp.Max, sp.Min, sp.atan2)


@dataclasses.dataclass(frozen=True)
class Knob:
    """One place of the formula. The formula with every knob at its neutral value is the claim.

    `within` holds the subtrees around the place, innermost first, as text.
    """

    symbol: sp.Symbol
    kind: str
    label: str
    neutral: int
    changes: tuple[Change, ...]
    within: tuple[str, ...] = ()


class Knobs:
    """Collects knobs while it rewrites formulas; call `fit` once per formula of a statement."""

    def __init__(self) -> None:
        self.found: list[Knob] = []
        self._shared: dict[sp.Basic, sp.Basic] = {}
        self._around: list[str] = []

    def fit(self, formula: sp.Expr) -> sp.Expr:
        """The formula with knobs on it."""
        return self._term(formula, droppable=False)

    def scale(self, symbol: sp.Symbol) -> sp.Expr:
        """`symbol` with a knob for all its occurrences: a wrong factor in the rule that computes it."""
        return self._new("derived", str(symbol), 1, FACTORS, positive=True) * symbol

    def places(self) -> list[str]:
        """A name per knob, told apart by what surrounds it."""
        groups: dict[tuple[str, str], list[int]] = {}
        for k, knob in enumerate(self.found):
            groups.setdefault((knob.kind, knob.label), []).append(k)
        names = [f"{knob.kind} {knob.label}" for knob in self.found]
        for group in groups.values():
            if len(group) > 1:
                for count, (k, where) in enumerate(zip(group, self._apart(group), strict=True), start=1):
                    names[k] += where or f" (occurrence {count})"
        return names

    def _apart(self, group: list[int]) -> list[str]:
        """The shortest surroundings that tell the knobs of a group apart; empty where none do."""
        around = [self.found[k].within for k in group]
        for depth in range(min(map(len, around), default=0)):
            texts = [a[depth] for a in around]
            if len(set(texts)) == len(texts):
                return [f" in {text}" for text in texts]
        return [""] * len(group)

    def _new(
        self, kind: str, label: str, neutral: int, changes: tuple[Change, ...], positive: bool | None = None
    ) -> sp.Symbol:
        symbol = sp.Symbol(f"knob_{len(self.found)}", real=True, positive=positive)
        self.found.append(Knob(symbol, kind, label, neutral, changes, tuple(reversed(self._around))))
        return symbol

    def _visit(self, e: sp.Expr) -> sp.Expr:
        if e.is_Number or e.is_NumberSymbol:
            # Nothing is 3 % more than zero or infinity.
            return self._new("coefficient", str(e), 1, FACTORS) * e if e.is_finite and e != 0 else e
        if isinstance(e, sp.Symbol) and e.is_nonnegative:
            return e ** (1 + self._new("exponent", str(e), 0, SHIFTS))  # proportional to a symbol: the exponent is one
        if not e.args or not e.free_symbols:
            return e if not e.args else self._surrounded(e)
        if e.count_ops() < SHARED_FROM:
            return self._surrounded(e)
        if e not in self._shared:
            self._shared[e] = self._surrounded(e)
        return self._shared[e]

    def _surrounded(self, e: sp.Expr) -> sp.Expr:
        self._around.append(_short(e))
        try:
            return self._inside(e)
        finally:
            self._around.pop()

    def _inside(self, e: sp.Expr) -> sp.Expr:
        if isinstance(e, sp.Add):
            return sp.Add(*(self._term(arg) for arg in _ordered(e)))
        if isinstance(e, sp.Mul):
            return sp.Mul(*(self._visit(arg) for arg in _ordered(e)))
        if isinstance(e, sp.Pow):
            return self._power(e)
        if isinstance(e, sp.Piecewise):
            return sp.Piecewise(*((self._term(arg.expr, False), self._condition(arg.cond)) for arg in e.args))
        if isinstance(e, sp.Integral):
            limits = [(x, *(self._term(end, False) for end in ends)) for x, *ends in e.limits]
            return sp.Integral(self._visit(e.function), *limits)
        if isinstance(e, sp.Sum | sp.Product | sp.Derivative):
            return e.func(self._visit(e.args[0]), *e.args[1:])
        if isinstance(e, STEPPED):
            return e.func(self._stepped(e), *e.args[1:])
        if isinstance(e, sp.Function | sp.Max | sp.Min | sp.Abs):
            return e.func(*(self._argument(e, arg) for arg in e.args))
        return e

    def _argument(self, e: sp.Expr, arg: sp.Basic) -> sp.Basic:
        if isinstance(arg, sp.Tuple):  # parameters of a hypergeometric function
            return sp.Tuple(*(self._term(entry, False) for entry in arg))
        order = len(e.args) > 1 and arg.is_Integer and not isinstance(e, SYMMETRIC)
        return self._term(arg, False) if isinstance(arg, sp.Expr) and not order else arg

    def _stepped(self, e: sp.Expr) -> sp.Expr:
        """The argument of a step, which has its threshold at zero."""
        argument = self._term(e.args[0], False)
        if isinstance(e.args[0], sp.Add):
            return argument  # the changes of its terms shift the threshold
        return argument + self._new("threshold", _short(e), 0, NUDGES)

    def _term(self, e: sp.Expr, droppable: bool = True) -> sp.Expr:
        """A term of a sum, an argument of a function or a whole formula: its coefficient, written or 1."""
        coefficient, rest = e.as_coeff_Mul()
        if coefficient == 0 or not coefficient.is_finite:
            return e
        if isinstance(rest, sp.Piecewise) and coefficient == 1:
            return self._visit(rest)
        name = _short(e)
        what = f"coefficient {coefficient}" if coefficient != 1 else f"coefficient 1 of {name}"
        if rest == 1:
            what = f"constant {coefficient}"
        label = what.removeprefix("coefficient ")
        sign = Change(sp.Integer(-1), f"sign:{name}", f"sign of {name} flipped", -2.0, "sign")
        drop = Change(sp.Integer(0), f"drop:{name}", f"term {name} dropped", -1.0, "drop")
        if coefficient not in (1, -1) and rest != 1:
            self._around.append(name)  # a number is told from its like by the term that it stands in
        knob = self._new("coefficient", label, 1, (*FACTORS, sign, *([drop] if droppable else [])))
        if coefficient not in (1, -1) and rest != 1:
            self._around.pop()
        return knob * coefficient * (rest if rest == 1 else self._visit(rest))

    def _power(self, e: sp.Pow) -> sp.Expr:
        shift = self._new("exponent", _short(sp.Pow(e.base, e.exp, evaluate=False)), 0, SHIFTS)
        if e.exp.is_Number:
            base = e.base if isinstance(e.base, sp.Symbol) else self._visit(e.base)
            return base ** (e.exp + shift)
        # With a symbol above, a factor of the base is no factor of the whole.
        return self._term(e.base, False) ** (self._term(e.exp, False) + shift)

    def _condition(self, condition: sp.Basic) -> sp.Basic:
        if isinstance(condition, sp.Eq | sp.Ne) or not condition.args:
            return condition  # isolated points (removable singularities) and "otherwise" have no threshold
        if isinstance(condition, Relational):
            left, right = condition.args
            label = _short(condition)
            if right == 0 and isinstance(left, sp.Add):
                first, *others = _ordered(left)
                left = sp.Add(first, *(self._new("threshold", label, 1, FACTORS) * term for term in others))
            elif right == 0:
                right = self._new("threshold", label, 0, NUDGES)
            else:
                right *= self._new("threshold", label, 1, FACTORS)
            return condition.func(left, right, evaluate=False)
        return condition.func(*(self._condition(arg) for arg in condition.args))


def _ordered(e: sp.Expr) -> list[sp.Expr]:
    return sorted(e.args, key=sp.default_sort_key)


def _short(e: sp.Basic) -> str:
    text = str(e)
    return text if len(text) <= 40 else f"{text[:28]}...{text[-9:]}"
