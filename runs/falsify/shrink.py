"""From a witness to a simple witness: round numbers, defaults, small counts, as long as the disagreement stays."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from runs.falsify.judging import Judgement
from runs.falsify.ledger import BudgetSpent
from runs.falsify.space import DIGITS, Point, Space, Value, significant
from runs.trial import Choice, Range

PASSES = 2
Judge = Callable[[Sequence[Point]], list[Judgement]]


def shrink(space: Space, point: Point, judge: Judge) -> Point:
    """The simplest point that is reached from `point` by changing one variable at a time to a simpler value.

    Of all simpler values of a variable that keep the disagreement the simplest is taken; a second pass looks for what
    the first made possible. Ends early where `judge` raises `BudgetSpent`.
    """
    try:
        for _ in range(PASSES):
            before = dict(point)
            for name in space.free:
                options = simpler(space.variables[name], point[name])
                variants: list[Point] = [point | {name: value} for value in options]
                if not variants:
                    continue
                for variant, judgement in zip(variants, judge(variants), strict=True):
                    if judgement.disagrees:
                        point = variant
                        break
            if point == before:
                break
    except BudgetSpent:
        pass
    return point


def simpler(variable: Range | Choice, value: Value) -> list[Value]:
    """Values simpler than `value`, the simplest first."""
    if isinstance(variable, Choice):
        return list(variable.values[: variable.values.index(str(value))]) if value in variable.values else []
    x = float(value)
    if variable.default is not None and x == variable.default:
        return []
    found: list[float] = [] if variable.default is None else [variable.default]
    if variable.integer:
        found += [variable.low, *(n for n in _one_two_five(1.0, x) if n >= variable.low)]
    else:
        found += [0.0, 1.0, *_around(x)]
        found += [significant(x, digits) for digits in range(1, DIGITS)]
        found += [variable.low, variable.high]
    known: dict[float, int] = {}
    for candidate in map(float, found):
        if variable.low <= candidate <= variable.high and candidate != x:
            known.setdefault(candidate, _digits(candidate))
    limit = math.inf if variable.integer or variable.default is not None else _digits(x)
    allowed: list[float] = [c for c, d in known.items() if d < limit or c == variable.default]
    if variable.integer:
        return [int(c) for c in sorted(allowed) if c < x or c == variable.default]
    return [*sorted(allowed, key=lambda c: (c != variable.default, known[c]))]


def _around(x: float) -> list[float]:
    """The neighbours of |x| among 1, 2, 5 times powers of ten, with the sign of x."""
    if x == 0:
        return []
    size, sign = abs(x), math.copysign(1.0, x)
    power = 10.0 ** math.floor(math.log10(size))
    ladder = [significant(step * power, 1) for step in (1, 2, 5, 10)]
    below = max(n for n in ladder if n <= size * (1 + 1e-12))
    above = min((n for n in ladder if n >= size), default=ladder[-1])
    return [sign * n for n in sorted({below, above}, key=lambda n: abs(math.log(n / size)))]


def _one_two_five(low: float, high: float) -> list[float]:
    found, power = [], low
    while power <= high:
        found += [step * power for step in (1.0, 2.0, 5.0) if step * power <= high]
        power *= 10
    return found


def _digits(x: float) -> int:
    """Cost of a value: 0 for nought and one, 1 for 2, 5 and powers of ten, else 1 + its number of digits."""
    if x in (0.0, 1.0):
        return 0
    mantissa = f"{abs(x):.{11}e}".split("e")[0].rstrip("0").rstrip(".").replace(".", "")
    return 1 if mantissa in {"1", "2", "5"} else 1 + len(mantissa)
