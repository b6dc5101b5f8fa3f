"""Is a mutant the claim in disguise, or another mutant? 40-digit values at random points decide."""

from __future__ import annotations

import dataclasses
import functools
import time
from typing import TYPE_CHECKING, Any

import mpmath
import numpy as np
import sympy as sp

from theory.compiled import precise
from theory.limits import OutOfTime, can_limit, time_limit
from theory.statement import Formula, Minimum, Root

if TYPE_CHECKING:
    from theory.mutants import Family, Mutant

DIGITS = 40
TIE = mpmath.mpf(10) ** -30
MANY_DIGITS = 500
"""Digits for confirming a tie: a term such as exp(-500) is nothing to 40 digits, and yet a term."""
SIGNATURE_POINTS, TIE_POINTS = 2, 10
SIMPLIFY_SECONDS = 2.0
"""Budget per claim for confirming ties by algebra."""
KINKED = (sp.Piecewise, sp.Abs, sp.Max, sp.Min, sp.sign, sp.Heaviside, sp.floor, sp.ceiling)


class Judge:
    """Tells equal, duplicate and new mutants apart, by 40-digit values at random points of the domain."""

    def __init__(
        self, family: Family, points: list[tuple[sp.Rational, ...]], corners: list[tuple[sp.Rational, ...]]
    ) -> None:
        self.family = family
        self.smooth = not any(f.has(*KINKED) for f in family.statement.formulas())
        self.neutral = {s: mpmath.mpf(int(v)) for s, v in family.neutral.items()}
        self.seen: dict[tuple[str, ...], list[Mutant]] = {}
        self.seconds = SIMPLIFY_SECONDS
        self.columns = [np.array([float(p[k]) for p in points]) for k in range(len(family.symbols))]
        self.plain = family.statement.values(family.symbols, self.columns)
        self.drawn = [*points[: SIGNATURE_POINTS + TIE_POINTS], *corners]
        self.points: list[tuple[Any, ...]] = []
        with mpmath.workdps(DIGITS):
            # A law with kinks differs from place to place: what ties in one branch may not in another.
            for point in self.drawn[: SIGNATURE_POINTS + TIE_POINTS if self.smooth else None]:
                values = tuple(mpmath.mpf(v.p) / v.q for v in point)
                anchor = self._anchor(values, point)
                if anchor is not None:
                    self.points.append((values, *anchor))

    def judge(self, mutant: Mutant) -> str:
        """ "equal", "duplicate" or "new"."""
        with mpmath.workdps(DIGITS):
            seen = self.points[: SIGNATURE_POINTS if self.smooth else None]
            first = [self._measure(mutant, p) for p in seen]
            tied = bool(first) and all(abs(deviation) < TIE for deviation, _ in first if mpmath.isfinite(deviation))
            tied = tied and all(mpmath.isfinite(deviation) for deviation, _ in first)
            if tied:
                rest = (self._measure(mutant, p)[0] for p in self.points[len(seen) :])
                same = all(abs(deviation) < TIE for deviation in rest) and self._same_to_many_digits(mutant)
                return "equal" if same and (self.smooth or self._confirmed(mutant)) else "new"
            if mutant.kind == "threshold" or not all(mpmath.isfinite(d) for d, _ in first):
                return "new"
            alike = self.seen.setdefault(tuple(text for _, text in first), []) if first else []
            if any(self._same(mutant, other) for other in alike):
                return "duplicate"
            alike.append(mutant)
            return "new"

    def _same(self, mutant: Mutant, other: Mutant) -> bool:
        """Whether two mutants that agree at the first points do so at all: a saturating function may hide one there."""
        return all(self._measure(mutant, p)[1] == self._measure(other, p)[1] for p in self.points[SIGNATURE_POINTS:])

    def _anchor(self, values: tuple[Any, ...], point: tuple[sp.Rational, ...]) -> tuple[Any, ...] | None:
        """Claim's value, unknown and scale of the residual at a point; None where mpmath finds none."""
        statement = self.family.statement
        if isinstance(statement, Formula):
            value = _attempt(lambda: precise(statement.expression, self.family.symbols)(*values))
            return (value, None, 1) if value is not None and mpmath.isfinite(value) else None
        free = dataclasses.replace(statement, result=statement.unknown)
        start = float(np.asarray(free.values(self.family.symbols, [np.asarray(float(v)) for v in point])))
        residual = precise(_vanishing(statement), (statement.unknown, *self.family.symbols))
        root = _attempt(lambda: mpmath.findroot(lambda x: residual(x, *values), start, tol=mpmath.mpf(10) ** -70))
        if root is None or not abs(root - start) < 1e-6 * abs(start):
            return None
        scale = _attempt(lambda: mpmath.diff(lambda x: residual(x, *values), root) * root)
        value = precise(_predicted(statement), (statement.unknown, *self.family.symbols))(root, *values)
        return (value, root, scale) if scale else None

    def _measure(self, mutant: Mutant, at: tuple[Any, ...]) -> tuple[Any, str]:
        """Relative deviation of the mutant from the claim at a point, and a text that identifies its values."""
        values, claimed, root, scale = at
        fitted, symbols = self.family.fitted, self.family.symbols
        if mutant.exchange:
            values = tuple(values[symbols.index(mutant.exchange.get(s, s))] for s in symbols)
        settings = self.neutral | {s: mpmath.mpf(v.p) / v.q for s, v in mutant.settings.items()}
        knobs, numbers = tuple(settings), settings.values()
        if isinstance(fitted, Formula):
            value = _attempt(lambda: precise(fitted.expression, (*symbols, *knobs))(*values, *numbers))
            off = mpmath.mpf(0)
        else:
            names = (fitted.unknown, *symbols, *knobs)
            off = _attempt(lambda: precise(_vanishing(fitted), names)(root, *values, *numbers) / scale)
            value = _attempt(lambda: precise(_predicted(fitted), names)(root, *values, *numbers))
        if value is None or off is None or not (mpmath.isfinite(value) and mpmath.isfinite(off)):
            return mpmath.nan, "nan"
        deviation = abs(value - claimed) / (abs(claimed) or 1) + abs(off)
        return deviation, f"{mpmath.nstr(value, 25)} {mpmath.nstr(off, 25)}"

    def _same_to_many_digits(self, mutant: Mutant) -> bool:
        """Whether a formula and its mutant coincide to hundreds of digits, also near the ends of the domain."""
        fitted, symbols = self.family.fitted, self.family.symbols
        if not isinstance(fitted, Formula):
            return True
        settings = self.family.neutral | mutant.settings
        function = precise(fitted.expression, (*symbols, *settings))
        with mpmath.workdps(MANY_DIGITS):
            neutral = [mpmath.mpf(v.p) / v.q for v in self.family.neutral.values()]
            changed = [mpmath.mpf(v.p) / v.q for v in settings.values()]
            for point in self.drawn:
                plain = [mpmath.mpf(v.p) / v.q for v in point]
                moved = [plain[symbols.index(mutant.exchange.get(s, s))] for s in symbols]
                one = _attempt(functools.partial(function, *plain, *neutral))
                two = _attempt(functools.partial(function, *moved, *changed))
                known = one is not None and mpmath.isfinite(one)
                if known and (two is None or not abs(two - one) <= abs(one) * mpmath.mpf(10) ** (20 - MANY_DIGITS)):
                    return False
        return True

    def _confirmed(self, mutant: Mutant) -> bool:
        """Confirm a tie of laws with kinks, where a few random points may have missed the difference.

        An unconfirmed tie counts as a mutant: if it never differs from the claim, no comparison will find it relevant.
        """
        claim = self.family.statement
        if mutant.kind == "threshold" or not isinstance(claim, Formula) or not can_limit() or self.seconds <= 0.1:
            return False
        if not np.allclose(mutant.values(self.columns), self.plain, rtol=1e-9, atol=0, equal_nan=True):
            return False
        start = time.perf_counter()
        try:
            other = mutant.statement
            assert isinstance(other, Formula)
            with time_limit(self.seconds):
                return bool(sp.simplify(claim.expression - other.expression) == 0)
        except (OutOfTime, NotImplementedError, TypeError, ValueError):
            return False
        finally:
            self.seconds -= time.perf_counter() - start


def _vanishing(statement: Root | Minimum) -> sp.Expr:
    return statement.residual if isinstance(statement, Root) else statement.slope


def _predicted(statement: Root | Minimum) -> sp.Expr:
    if statement.result is not None:
        return statement.result
    return statement.unknown if isinstance(statement, Root) else statement.objective


def _attempt(compute: Any) -> Any:
    try:
        value = compute()
    except (ArithmeticError, ValueError, TypeError, mpmath.libmp.NoConvergence):
        return None
    return mpmath.mpmathify(value)
