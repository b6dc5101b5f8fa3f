"""The symbols of a family of claims: meaning, unit, domain, own dims, and how to compute one from another."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import sympy as sp

from theory.errors import ClaimUsageError, nearest


@dataclasses.dataclass(frozen=True)
class Derived:
    """How to compute a symbol from other names of the vocabulary.

    `function` is plain numpy: its positional arguments follow `inputs`, each an array whose *last* axes are the
    input's own dims and whose leading axes broadcast; it returns an array whose last axes are the symbol's own dims.
    It returns NaN, and does not raise, where an entry is NaN.
    """

    function: Callable[..., Any]
    inputs: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One declared name. `symbol` is None for inputs that only `Derived` functions use."""

    name: str
    meaning: str
    unit: str
    domain: sp.Set
    dims: tuple[str, ...]
    symbol: sp.Symbol | None
    derived: Derived | None
    latex: str | None
    typical: tuple[float, float] | None

    def contains(self, values: np.ndarray) -> np.ndarray:
        """Elementwise: is the value finite and inside the domain?"""
        with np.errstate(invalid="ignore"):
            return np.isfinite(values) & _inside(self.domain, values)

    def sample(self, rng: np.random.Generator) -> sp.Rational:
        """A random exact rational in the domain: inside `typical` if declared, else of order one."""
        lo, hi = map(float, self.typical or _plain_range(self.domain))
        for _ in range(200):
            if lo > 0 and hi / lo >= 10:
                value = float(np.exp(rng.uniform(np.log(lo), np.log(hi))))
            else:
                value = float(rng.uniform(lo, hi))
            if self.symbol is not None and self.symbol.is_integer:
                value = float(round(value))
            exact = sp.Rational(round(value * 2**24), 2**24) if abs(value) > 2**-8 else sp.Rational(value)
            if bool(self.contains(np.asarray(float(exact)))):
                return exact
        raise ClaimUsageError(
            f"No number of the range {lo:g} to {hi:g} lies in the domain {self.domain} of {self.name}; "
            f"give V.symbol(..., typical=(lo, hi)) a range inside the domain."
        )

    def extreme(self, rng: np.random.Generator) -> sp.Rational:
        """A random exact number of the domain, of any size and as likely as not close to an end of the domain."""
        low, high = float(self.domain.inf), float(self.domain.sup)
        size = sp.Integer(10) ** int(rng.integers(-6, 4))
        if self.symbol is not None and self.symbol.is_integer:
            size = max(size, sp.Integer(1))
        ends = [sp.nsimplify(end) for end in (low, high) if np.isfinite(end)]
        choices = [end + sign * size for end in ends or [sp.Integer(0)] for sign in (1, -1)]
        choices = [value for value in choices if bool(self.contains(np.asarray(float(value))))]
        return choices[int(rng.integers(len(choices)))] if choices else self.sample(rng)


class Vocabulary:
    """The names that the claims of one file may use. Declare it at the top of the file.

    >>> V = Vocabulary()
    >>> T = V.symbol("T", "length of the silent period", unit="time", domain=sp.Interval.open(0, sp.oo))
    >>> T.is_positive
    True
    """

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}

    def symbol(
        self,
        name: str,
        meaning: str,
        *,
        unit: str = "1",
        domain: sp.Set = sp.S.Reals,
        dims: Sequence[str] = (),
        derived: Derived | None = None,
        latex: str | None = None,
        typical: tuple[float, float] | None = None,
    ) -> sp.Symbol:
        """Declare `name` and return its sympy symbol, whose assumptions follow from the domain.

        `typical` is the range in which random points are drawn (equality of mutants, searches); without it points of
        order one are used. `latex` replaces the name in typeset output.
        """
        _check_set(name, domain)
        symbol = sp.Symbol(name, **_assumptions(domain))
        self._declare(Entry(name, meaning, unit, domain, tuple(dims), symbol, derived, latex, typical))
        return symbol

    def input(
        self,
        name: str,
        meaning: str,
        *,
        unit: str = "1",
        domain: sp.Set = sp.S.Reals,
        dims: Sequence[str] = (),
        typical: tuple[float, float] | None = None,
    ) -> None:
        """Declare a name that appears in no formula but from which `Derived` symbols are computed."""
        self._declare(Entry(name, meaning, unit, domain, tuple(dims), None, None, None, typical))

    def _declare(self, entry: Entry) -> None:
        if entry.name in self._entries:
            raise ClaimUsageError(f"The vocabulary already has a {entry.name!r}; use another name.")
        if not entry.name.isidentifier():
            raise ClaimUsageError(f"{entry.name!r} cannot be a keyword argument; use letters, digits and underscores.")
        _check_set(entry.name, entry.domain)
        for name in entry.derived.inputs if entry.derived else ():
            if name not in self._entries:
                raise ClaimUsageError(
                    f"{entry.name} is derived from {name!r}, which is not declared (declare it first); "
                    + nearest(name, self._entries)
                )
        self._entries[entry.name] = entry

    def __getitem__(self, name: str) -> Entry:
        return self._entries[name]

    def get(self, name: str) -> Entry | None:
        """The entry of this name, if there is one."""
        return self._entries.get(name)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def owns(self, symbol: sp.Basic) -> bool:
        """Is this very symbol (name and assumptions) declared here?"""
        entry = self._entries.get(getattr(symbol, "name", ""))
        return entry is not None and entry.symbol == symbol

    def latex_names(self) -> dict[sp.Symbol, str]:
        """Typeset names for sympy's printers."""
        return {e.symbol: e.latex for e in self._entries.values() if e.symbol is not None and e.latex}


def domain_text(domain: sp.Set) -> str:
    """The domain in a reader's words: (0, oo), {1, 2, 3, ...}."""
    names = {sp.S.Reals: "real numbers", sp.S.Naturals: "1, 2, 3, ...", sp.S.Naturals0: "0, 1, 2, ..."}
    names[sp.S.Integers] = "whole numbers"
    if domain in names:
        return names[domain]
    if isinstance(domain, sp.Interval):
        left = "(" if domain.left_open else "["
        right = ")" if domain.right_open else "]"
        return f"{left}{domain.start}, {domain.end}{right}"
    return str(domain)


def _check_set(name: str, domain: object) -> None:
    if not isinstance(domain, sp.Set) or domain.is_empty:
        raise ClaimUsageError(
            f"The domain of {name} must be a sympy set of numbers, for example Interval.open(0, oo); got {domain!r}."
        )


def _assumptions(domain: sp.Set) -> dict[str, bool]:
    facts = {"real": True}
    if domain.is_subset(sp.S.Integers):
        facts = {"integer": True}
    low, high = domain.inf, domain.sup
    if low.is_positive or (low.is_zero and domain.contains(sp.S.Zero) == sp.false):
        facts["positive"] = True
    elif low.is_nonnegative:
        facts["nonnegative"] = True
    elif high.is_negative or (high.is_zero and domain.contains(sp.S.Zero) == sp.false):
        facts["negative"] = True
    elif high.is_nonpositive:
        facts["nonpositive"] = True
    return facts


def _inside(domain: sp.Set, values: np.ndarray) -> np.ndarray:
    if domain == sp.S.Reals:
        return np.ones(np.shape(values), bool)
    if isinstance(domain, sp.Interval):
        low, high = float(domain.start), float(domain.end)
        above = values > low if domain.left_open else values >= low
        return above & (values < high if domain.right_open else values <= high)
    if domain in (sp.S.Naturals, sp.S.Naturals0, sp.S.Integers):
        return (values == np.round(values)) & (values >= float(domain.inf))
    if isinstance(domain, sp.Range) and abs(domain.step) == 1:
        return (values == np.round(values)) & (values >= float(domain.inf)) & (values <= float(domain.sup))
    if isinstance(domain, sp.FiniteSet):
        return np.isin(values, [float(v) for v in domain])
    if isinstance(domain, sp.Union):
        return np.any([_inside(part, values) for part in domain.args], axis=0)
    if isinstance(domain, sp.Intersection):
        return np.all([_inside(part, values) for part in domain.args], axis=0)
    if isinstance(domain, sp.Complement):
        return _inside(domain.args[0], values) & ~_inside(domain.args[1], values)
    raise ClaimUsageError(f"The domain {domain} is not supported; use intervals, whole numbers or their unions.")


def _plain_range(domain: sp.Set) -> tuple[float, float]:
    low, high = float(domain.inf), float(domain.sup)
    if np.isfinite(low) and np.isfinite(high):
        return low, high
    if domain.is_subset(sp.S.Integers):
        return (low, low + 40) if np.isfinite(low) else (-20.0, 20.0)
    if np.isfinite(low):
        return (0.2, 5.0) if low == 0 else (low, low + 4 + abs(low))
    return (high - 4 - abs(high), high) if np.isfinite(high) else (-3.0, 3.0)
