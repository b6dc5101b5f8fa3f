"""What a certified check states, and how it is proved: inequalities over boxes, enclosures, comparisons of balls."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import sympy as sp
from flint import acb, arb

from theory.ballfunctions import working_precision
from theory.balls import Proof, certified_sign, part_of
from theory.certificate import Finding
from theory.errors import ClaimUsageError
from theory.refusals import is_function, ranges
from theory.sampling import symbol_named
from theory.symbolics import vanish


def prove(
    statement: Any, over: Mapping[Any, Any], precision: int, max_boxes: int, digits: int,
    factor: Any = None, touching: Mapping[Any, Any] | None = None,
) -> Finding:  # fmt: skip
    """Run a certified check (see `theory.certificate.certified`)."""
    how = _How(over, precision, max_boxes, digits, factor() if is_function(factor) else factor, touching)
    with working_precision(precision):
        if callable(statement) and not isinstance(statement, sp.Basic):
            statement = statement()
        proofs = [_as_proof(s, how) for s in _listed(statement)]
    if not proofs:
        return Finding(False, None, "nothing was stated")
    bad = next((p for p in proofs if not p.passed), None)
    attained = [p.digits for p in proofs if p.digits is not None]
    return Finding(
        bad is None, min(attained) if attained else None, bad.detail if bad else "; ".join(p.detail for p in proofs)
    )


class _How(NamedTuple):
    """The options of a certified check."""

    over: Mapping[Any, Any]
    precision: int
    max_boxes: int
    digits: int
    factor: sp.Expr | None
    touching: Mapping[Any, Any] | None


def _as_proof(statement: Any, how: _How) -> Proof:
    if isinstance(statement, Proof):
        return statement
    if isinstance(statement, sp.core.relational.Relational) and not isinstance(statement, sp.Equality | sp.Unequality):
        return _prove_inequality(statement, how)
    if isinstance(statement, arb | acb):
        size = statement.abs_upper()
        attained = float(-(size.log() / arb(10).log()).mid()) if size > 0 else float(how.digits)
        # A ball that is not a number contains everything.
        near = bool(statement.is_finite() and statement.contains(0)) and attained >= how.digits
        return Proof(near, f"residual enclosed within {size.str(3, radius=False)} of 0", round(attained, 1))
    if isinstance(statement, bool):
        return Proof(statement, "comparison of balls holds" if statement else "comparison of balls is not certain")
    raise ClaimUsageError(
        f"A certified check needs an inequality, a Proof or a comparison of balls; got {statement!r} "
        "(an equation is proved symbolically, or to many digits with high_precision)."
    )


def _prove_inequality(statement: Any, how: _How) -> Proof:
    strict = isinstance(statement, sp.StrictLessThan | sp.StrictGreaterThan)
    difference = statement.gts - statement.lts
    for symbol in difference.free_symbols:
        bounds = next((b for key, b in how.over.items() if symbol_named(key) == symbol.name), None)
        if bounds is not None:  # keys may be names, which have no assumptions
            ranges("certified", {symbol: bounds})
    # A whole number is proved as the real number that it is: slopes mean nothing otherwise.
    difference = difference.xreplace({s: _as_real(s) for s in difference.free_symbols if s.is_integer})
    words = ""
    if how.factor is not None:
        difference, words = _divided(difference, how.factor, strict), f" after division by {how.factor}"
    if how.factor is not None and difference.is_number:
        fine = difference.is_positive or (not strict and difference.is_zero)
        return Proof(bool(fine), f"{how.factor} times {difference}")
    if not difference.free_symbols:
        raise ClaimUsageError(f"No symbol is left in {difference}: there is no domain to prove {statement} on.")
    found = certified_sign(
        difference, part_of(how.over, difference), strict=strict, precision=how.precision, max_boxes=how.max_boxes,
        touching=how.touching,
    )  # fmt: skip
    return found._replace(detail=found.detail + words)


def _divided(difference: sp.Expr, factor: sp.Expr, strict: bool) -> sp.Expr:
    """difference/factor, once the factor's sign and the division are certain."""
    factor = factor.xreplace({s: _as_real(s) for s in factor.free_symbols if s.is_integer})
    if not (factor.is_positive or (not strict and factor.is_nonnegative)):
        raise ClaimUsageError(
            f"factor={factor} must be {'positive' if strict else 'not negative'} by the assumptions of its symbols, "
            "such as an even power or a product of positive symbols."
        )
    left_over = sp.factor(sp.together(difference / factor))
    checked = vanish(difference, factor * left_over)
    if not checked.passed:
        raise ClaimUsageError(f"factor={factor} cannot be divided out: {checked.detail}.")
    return left_over


def _as_real(symbol: sp.Symbol) -> sp.Symbol:
    known = symbol.assumptions0
    kept = {f: known[f] for f in ("positive", "negative", "nonnegative", "nonpositive") if known.get(f)}
    return sp.Symbol(symbol.name, real=True, **kept)


def _listed(statement: Any) -> list[Any]:
    return list(statement) if isinstance(statement, list | tuple) and not isinstance(statement, Proof) else [statement]
