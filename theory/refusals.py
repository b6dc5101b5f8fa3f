"""What is refused when a check is declared: steps that cannot fail, or whose domain is empty."""

from __future__ import annotations

import dis
import math
from collections.abc import Mapping
from typing import Any

import sympy as sp

from theory.errors import ClaimUsageError

LEAST_DIGITS = 50
CALLS = {"CALL", "CALL_FUNCTION", "CALL_METHOD", "CALL_FUNCTION_EX", "CALL_FUNCTION_KW", "CALL_KW", "PRECALL"}


def is_function(side: Any) -> bool:
    """A function that builds a side, as opposed to a side (sympy's expressions can be called too)."""
    return callable(side) and not isinstance(side, sp.Basic)


def sides(kind: str, left: Any, right: Any) -> None:
    """Refuse a comparison that holds as written: sympy has already cancelled it, or nothing was stated."""
    if not is_function(left) and not is_function(right):
        if isinstance(left, list | tuple):
            return
        zero = getattr(left, "is_zero", None) if _is_zero(right) else _same(left, right)
        if zero or (isinstance(left, int | float) and left == right):
            raise ClaimUsageError(
                f"{kind}(...): the residual is 0 as written, so the check cannot fail; give both sides as functions, "
                f"{kind}(lambda: left, lambda: right)."
            )
        return
    written = [_as_written(side) for side in (left, right)]
    if written[0] is not None and written[1] is not None and _same(*written):
        raise ClaimUsageError(
            f"{kind}(...): both sides are the same as written, without any computation, so the check cannot fail; "
            "state what follows from what, such as lambda: law.diff(r)."
        )


def inequality(statement: Any) -> None:
    """Refuse an inequality that is decided already, and a function that computes nothing."""
    for part in statement if isinstance(statement, list | tuple) else (statement,):
        if isinstance(part, bool) or part in (sp.true, sp.false):
            raise ClaimUsageError(
                "certified() needs an inequality or a function that computes one, not a bool (sympy has decided it "
                "from the symbols' assumptions, or the comparison was done already)."
            )
        if isinstance(part, sp.core.relational.Relational) and not part.free_symbols:
            raise ClaimUsageError(f"certified({part}): no symbol, so no domain; give it as a function, lambda: ...")
        if is_function(part) and isinstance(_as_written(part), bool | int | float | sp.Number | type(sp.true)):
            raise ClaimUsageError("certified(...): the function computes nothing, so the check cannot fail.")


def ranges(kind: str, over: Mapping[Any, Any]) -> None:
    """Refuse a domain that is empty, a single point, not finite, or at odds with a symbol's assumptions."""
    for key, bounds in over.items():
        name = key if isinstance(key, str) else getattr(key, "name", repr(key))
        try:
            low, high = (sp.sympify(end) for end in bounds)
            if not float(low) < float(high) or math.isinf(float(high) - float(low)):
                raise ValueError
        except (TypeError, ValueError, sp.SympifyError) as error:
            raise ClaimUsageError(
                f"{kind}(..., over={{{name}: {bounds!r}}}) needs a pair of finite numbers (lo, hi) with lo < hi."
            ) from error
        refused = {
            "is_positive": low < 0,
            "is_nonnegative": low < 0,
            "is_negative": high > 0,
            "is_nonpositive": high > 0,
        }
        for fact, broken in refused.items():
            if broken and getattr(key, fact, None):
                word = fact.removeprefix("is_")
                raise ClaimUsageError(
                    f"{kind}(..., over={{{name}: {bounds!r}}}): {name} is declared {word}, and sympy uses that, so "
                    "nothing can be checked beyond; change the range or the declaration."
                )
        if getattr(key, "is_integer", None) and math.floor(float(high)) < math.ceil(float(low)):
            raise ClaimUsageError(f"{kind}(..., over={{{name}: {bounds!r}}}) contains no whole number.")


def sampling(kind: str, samples: int) -> None:
    """Refuse a check of no points."""
    if not samples >= 1:
        raise ClaimUsageError(f"{kind}(..., samples={samples!r}) needs at least one sample.")


def digits(count: int) -> None:
    """High precision means what the certificate says."""
    if not LEAST_DIGITS <= count < math.inf:
        raise ClaimUsageError(
            f"high_precision(..., digits={count!r}) needs {LEAST_DIGITS} digits or more; "
            "use numerical(..., tolerance=..., reason=...) for less."
        )


def tolerance(value: float, reason: str, lone: bool) -> None:
    """Refuse a tolerance that everything passes, and a missing reason."""
    if not reason.strip():
        raise ClaimUsageError("numerical(...) needs a reason: why no stronger check, and whence the tolerance.")
    if not 0 < value < math.inf:
        raise ClaimUsageError(f"numerical(...) needs a positive tolerance that is finite, got {value!r}.")
    if not lone and value >= 1:
        raise ClaimUsageError(
            f"numerical(..., tolerance={value!r}) is relative to the larger side: any two numbers of one sign pass; "
            "give less than 1."
        )


def _is_zero(side: Any) -> bool:
    return not is_function(side) and isinstance(side, int | float | sp.Number) and side == 0


def _same(left: Any, right: Any) -> bool:
    try:
        return bool(left == right)
    except (TypeError, ValueError):
        return False


def _as_written(side: Any) -> Any:
    """The value of a side that only writes plain symbols and numbers down, without any call; else None."""
    if not is_function(side):
        return side if isinstance(side, int | float | sp.Number | sp.Symbol) else None
    code = getattr(side, "__code__", None)
    if code is None or code.co_argcount or code.co_kwonlyargcount:
        return None
    operations = {instruction.opname for instruction in dis.get_instructions(code)}
    if operations & CALLS or any(name.startswith(("IMPORT", "LOAD_METHOD", "LOAD_ATTR")) for name in operations):
        return None
    try:
        closed = [cell.cell_contents for cell in side.__closure__ or ()]
        named = [side.__globals__[name] for name in code.co_names]
        if all(isinstance(value, int | float | sp.Symbol | sp.Number) for value in (*closed, *named)):
            return side()
    except Exception:  # defined later, or wrong in a way that running the check will tell
        return None
    return None
