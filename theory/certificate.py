"""Checks of derivation steps, strongest first: symbolic, certified (ball arithmetic), high precision, numerical.

Every check compares two sides (or one residual with zero). Sides may be sympy expressions or functions that build
them, so that importing a file of claims does no algebra. The four constructors:

    symbolic(lambda: x.diff(t), lambda: r + x**2)                         the difference simplifies to 0
    certified(bound > other, over={T: (1, 100)})                          proved on the box, by interval arithmetic
    high_precision(lhs, rhs, over={b: (0.1, 0.9), n: (1, 50)})            50 digits, at random points of the box
    numerical(quadrature, formula, tolerance=1e-8, reason="scipy.quad")   float64, with a reason for being so weak

A function with an argument named `law` receives the statement of the claim whose derivation the step belongs to: the
sympy expression of a closed form, else the `Root` or `Minimum`. Such a step fails when the statement is wrong, so
every derivation needs one; the others establish what it uses.

    symbolic(lambda law: law.diff(r), lambda: -pi / (4 * r ** Rational(3, 2)))

Running a check gives a `Certificate`. A check that raises, runs out of time or cannot decide has failed. A check
that cannot fail is refused when it is declared, as far as that can be seen (`theory.refusals`).
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from theory import refusals
from theory.errors import ClaimUsageError
from theory.limits import OutOfTime, time_limit

STRENGTHS = ("symbolic", "certified", "high precision", "numerical")
LAW = "law"
Side = Any
Ranges = Mapping[Any, tuple[Any, Any]]


class Finding(NamedTuple):
    """What a check found: passed or not, digits of agreement (None: exact), and a sentence."""

    passed: bool
    digits: float | None
    detail: str


@dataclasses.dataclass(frozen=True)
class Certificate:
    """The outcome of running a check under a time limit."""

    kind: str
    passed: bool
    digits: float | None
    seconds: float
    detail: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return dataclasses.asdict(self)


@dataclasses.dataclass(frozen=True, eq=False)
class Check:
    """A check of one kind; `find` does the work on the sides, once those that ask for the law have it."""

    kind: str
    find: Callable[..., Finding] = dataclasses.field(repr=False)
    sides: tuple[Side, ...] = dataclasses.field(default=(), repr=False)

    @property
    def tied(self) -> bool:
        """Does a side receive the claim's statement?"""
        return any(map(takes_law, self.sides))

    def run(self, time_limit: float = 60.0, law: Any = None) -> Certificate:
        """Run here and now. `theory.verify.verify` runs many in worker processes, which it can stop by force.

        `law` is what sides with an argument of that name receive; `theory.worker.run_step` gives the claim's.
        """
        start = time.perf_counter()
        try:
            with _limited(time_limit):
                finding = self.find(*(_with_law(side, law) for side in self.sides))
        except OutOfTime:
            finding = Finding(False, None, f"not decided within {time_limit:g} s")
        except Exception as error:  # whatever a check raises, the step is not certified
            finding = Finding(False, None, f"raised {type(error).__name__}: {error}")
        return Certificate(self.kind, finding.passed, finding.digits, time.perf_counter() - start, finding.detail)


_limited = time_limit


def takes_law(side: Side) -> bool:
    """Is the side a function with an argument named `law`?"""
    return refusals.is_function(side) and LAW in inspect.signature(side).parameters


def _with_law(side: Side, law: Any) -> Side:
    if not takes_law(side):
        return side
    if law is None:
        raise ClaimUsageError("This step needs the statement of its claim: run it through theory.verify.")
    return functools.partial(side, **{LAW: law})


def symbolic(left: Side, right: Side = 0) -> Check:
    """left - right simplifies to 0 under the symbols' assumptions.

    A side is an expression, matrix, Eq or sequence of these, or a function that returns one.
    Integrals, derivatives, sums and limits that are written but not done are done.
    """
    refusals.sides("symbolic", left, right)

    def find(left: Side, right: Side) -> Finding:
        from theory.symbolics import vanish

        return vanish(left, right)

    return Check("symbolic", find, (left, right))


def certified(
    statement: Any, *, over: Ranges | None = None, precision: int = 128, max_boxes: int = 20_000, digits: int = 30,
    factor: Any = None, touching: Mapping[Any, Any] | None = None,
) -> Check:  # fmt: skip
    """Proved in ball arithmetic (python-flint).

    Either a sympy inequality, or several, (or a function that returns them) over a box of its symbols, subdivided
    until every part is decided; or a function that returns a `theory.balls.Proof` (from `certified_sign`,
    `certified_definite`, `certified_unique_root`), a bool that follows from comparing balls (say with
    `certified_root`), a ball that encloses a residual (it must contain 0 and be smaller than 10**-digits), or a
    sequence of these.

    Subdivision never decides left >= right where both sides are equal inside the box. Say where they touch:
    `factor` is a factor of left - right that is certainly not negative, such as (x - y)**2 (for a strict inequality
    it must be positive); what is left after division is proved instead, and the division is checked symbolically.
    `touching` is one point {symbol: number} at which value and gradient vanish; near it the function is proved
    convex.
    """
    refusals.inequality(statement)
    refusals.ranges("certified", over or {})

    def find(statement: Any, factor: Any) -> Finding:
        from theory.proving import prove

        return prove(statement, over or {}, precision, max_boxes, digits, factor, touching)

    return Check("certified", find, (statement, factor))


def high_precision(
    left: Side, right: Side = 0, *, over: Ranges | None = None, digits: int = 50, samples: int = 24, seed: int = 0
) -> Check:
    """left and right agree to `digits` digits (mpmath) at the corners and at random points of the box `over`.

    A side is an expression; a function without arguments that returns an expression or an mpmath number; or a
    function whose arguments are named as in `over`, which receives mpmath numbers. Agreement is relative to the
    larger side, or, for a single residual, to its largest term.
    """
    refusals.sides("high_precision", left, right)
    refusals.ranges("high_precision", over or {})
    refusals.sampling("high_precision", samples)
    refusals.digits(digits)

    def find(left: Side, right: Side) -> Finding:
        from theory.sampled import agree

        return agree(left, right, over or {}, samples, seed, digits=digits)

    return Check("high precision", find, (left, right))


def numerical(
    left: Side, right: Side = 0, *, tolerance: float, reason: str,
    over: Ranges | None = None, samples: int = 24, seed: int = 0,
) -> Check:  # fmt: skip
    """left and right agree in float64 to `tolerance`: relative to the larger side, absolutely for a single residual.

    Sides as for `high_precision`; functions receive floats and may return arrays. `reason` says why nothing
    stronger is possible and where the tolerance comes from.
    """
    lone = not refusals.is_function(right) and right == 0
    refusals.tolerance(tolerance, reason, lone)
    refusals.sides("numerical", left, right)
    refusals.ranges("numerical", over or {})
    refusals.sampling("numerical", samples)

    def find(left: Side, right: Side) -> Finding:
        from theory.sampled import agree

        found = agree(left, right, over or {}, samples, seed, tolerance=tolerance)
        return found._replace(detail=f"{found.detail}; {reason}")

    return Check("numerical", find, (left, right))
