"""Wrong versions of a claim, one change each, made from its sympy tree.

Coefficients (numeric bases such as the pi of pi^4 included) +-3 %, +-10 %, doubled, halved; exponents +-0.1 and +-1/2;
signs flipped; terms dropped; symbols of equal unit swapped; thresholds of piecewise laws shifted; symbols that follow
from other inputs scaled wherever they occur. A data set that supports the claim should contradict them.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import sympy as sp

from theory.compiled import numeric
from theory.judge import Judge
from theory.knobs import Knobs
from theory.statement import Statement

if TYPE_CHECKING:
    from theory.claim import Claim

CANDIDATES = 120


@dataclasses.dataclass(frozen=True, eq=False)
class Mutant:
    """One wrong version.

    `site` names the place (all changes of one coefficient share it). `change` is the relative change of a coefficient
    (-1: dropped, -2: sign flipped), the change of an exponent, or NaN where there is no such number.
    """

    id: str
    description: str
    kind: str
    site: str
    change: float
    family: Family = dataclasses.field(repr=False)
    settings: dict[sp.Symbol, sp.Rational] = dataclasses.field(repr=False)
    exchange: dict[sp.Symbol, sp.Symbol] = dataclasses.field(repr=False)

    @functools.cached_property
    def statement(self) -> Statement:
        """The wrong law as a formula, root or minimum."""
        if self.exchange:
            return self.family.statement.map(lambda e: e.xreplace(self.exchange))
        values = self.family.neutral | self.settings
        return self.family.fitted.map(lambda e: e.xreplace(values))

    def values(self, arrays: Sequence[np.ndarray]) -> np.ndarray:
        """Predictions in float64; `arrays` follow the claim's symbols."""
        symbols = self.family.symbols
        if self.exchange:
            moved = [arrays[symbols.index(self.exchange.get(s, s))] for s in symbols]
            return self.family.statement.values(symbols, moved)
        constants = {s: float(v) for s, v in (self.family.neutral | self.settings).items()}
        return self.family.fitted.values(symbols, list(arrays), constants)


@dataclasses.dataclass(frozen=True, eq=False)
class Mutation:
    """All mutants that differ from the claim, and the changes that were set aside because they do not."""

    mutants: tuple[Mutant, ...]
    equal: tuple[Mutant, ...]


@dataclasses.dataclass(frozen=True, eq=False)
class Family:
    """The claim's statement, the same with knobs, and the knobs' neutral values."""

    statement: Statement
    fitted: Statement
    symbols: tuple[sp.Symbol, ...]
    neutral: dict[sp.Symbol, sp.Rational]


def mutate(claim: Claim) -> Mutation:
    """Make the mutants of a claim, drop duplicates, set equal ones aside."""
    knobs = Knobs()
    statement: Statement = claim.statement
    fitted = statement.map(knobs.fit)
    computed = {s: knobs.scale(s) for s in _repeated(statement, claim) if claim.vocabulary[s.name].derived is not None}
    fitted = fitted.map(lambda e: e.xreplace(computed))
    neutral: dict[sp.Symbol, sp.Rational] = {k.symbol: sp.Integer(k.neutral) for k in knobs.found}
    family = Family(statement, fitted, claim.symbols, neutral)
    judge = Judge(family, sample_points(claim, CANDIDATES, CANDIDATES), corner_points(claim))
    different: list[Mutant] = []
    equal: list[Mutant] = []
    for mutant in _numbered([*_from_knobs(family, knobs), *_swaps(family, claim)]):
        verdict = judge.judge(mutant)
        if verdict != "duplicate":
            (equal if verdict == "equal" else different).append(mutant)
    return Mutation(tuple(different), tuple(equal))


def sample_points(claim: Claim, candidates: int, wanted: int) -> list[tuple[sp.Rational, ...]]:
    """Random exact points of the domain where the claim has a finite value, if possible within its assumptions."""
    rng = np.random.default_rng(20_250_101)
    vocabulary, symbols = claim.vocabulary, claim.symbols
    assumed = sorted(set().union(*(a.relation.free_symbols for a in claim.assumptions), set()) - set(symbols), key=str)
    names = (*symbols, *assumed)
    drawn = [tuple(vocabulary[s.name].sample(rng) for s in names) for _ in range(candidates if names else 1)]
    columns = [np.array([float(p[k]) for p in drawn]) for k in range(len(names))]
    finite = np.broadcast_to(np.isfinite(claim.statement.values(symbols, columns[: len(symbols)])), len(drawn))
    inside = finite.copy()
    for assumption in claim.assumptions:
        needed = tuple(sorted(assumption.relation.free_symbols, key=str))
        inside &= numeric(assumption.relation, needed)(*(columns[names.index(s)] for s in needed)).astype(bool)
    order = [*np.flatnonzero(inside), *np.flatnonzero(finite & ~inside)]
    return [drawn[k][: len(symbols)] for k in order[:wanted]]


def corner_points(claim: Claim, wanted: int = 16) -> list[tuple[sp.Rational, ...]]:
    """Exact points far from the typical ones, near the ends of the symbols' domains, where rare differences show."""
    rng = np.random.default_rng(20_250_102)
    entries = [claim.vocabulary[s.name] for s in claim.symbols]
    return [tuple(entry.extreme(rng) for entry in entries) for _ in range(wanted if entries else 0)]


def _repeated(statement: Statement, claim: Claim) -> list[sp.Symbol]:
    """Symbols that occur several times; where one occurs once, its neighbours' coefficients do for it."""
    nodes = [node for formula in statement.formulas() for node in sp.preorder_traversal(formula)]
    return [s for s in claim.symbols if nodes.count(s) > 1]


def _from_knobs(family: Family, knobs: Knobs) -> list[Mutant]:
    found = []
    for knob, place in zip(knobs.found, knobs.places(), strict=True):
        for change in knob.changes:
            if change.kind:  # sign and drop name themselves
                kind, name, text = change.kind, change.ending, change.words
            else:
                kind, name, text = knob.kind, f"{knob.kind}:{knob.label}{change.ending}", f"{place}{change.words}"
            found.append(Mutant(name, text, kind, place, change.amount, family, {knob.symbol: change.value}, {}))
    return found


def _swaps(family: Family, claim: Claim) -> list[Mutant]:
    found = []
    for one, two in itertools.combinations(family.symbols, 2):
        first, second = claim.vocabulary[one.name], claim.vocabulary[two.name]
        if (first.unit, first.dims) == (second.unit, second.dims):
            name, exchange = f"swap:{one}<->{two}", {one: two, two: one}
            found.append(
                Mutant(
                    name, f"{one} and {two} swapped", "swap", f"swap {one} <-> {two}", math.nan, family, {}, exchange
                )
            )
    return found


def _numbered(mutants: list[Mutant]) -> list[Mutant]:
    """Ids made unique: the second occurrence of an id gets the ending #2, and so on."""
    seen: dict[str, int] = {}
    unique = []
    for mutant in mutants:
        seen[mutant.id] = count = seen.get(mutant.id, 0) + 1
        unique.append(mutant if count == 1 else dataclasses.replace(mutant, id=f"{mutant.id}#{count}"))
    return unique
