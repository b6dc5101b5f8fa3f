"""A claim: a law of learning dynamics, stated once, with everything needed to check and to evaluate it.

A file of claims begins with its vocabulary and ends with the tuple CLAIMS:

>>> from sympy import Integral, Interval, log, oo, pi, sqrt, tan
>>> from theory.claim import Assumption, Claim, Quantity, Source, Step, Vocabulary, symbolic
>>> V = Vocabulary()
>>> r = V.symbol("r", "distance to the bifurcation", unit="1/time^2", domain=Interval.open(0, oo))
>>> t = V.symbol("t", "time", unit="time", domain=Interval(0, oo))
>>> x = sqrt(r) * tan(sqrt(r) * t)
>>> blow_up = Claim(
...     id="example.blow_up",
...     title="Time to leave the remnant of a saddle-node",
...     statement=pi / (2 * sqrt(r)),
...     vocabulary=V,
...     predicts=Quantity("passage_time", unit="time"),
...     kind="closed form",
...     assumptions=(Assumption("the slow point is a ghost, not a distant one", r < 0.1),),
...     validity={"distance": r},
...     source=Source.own("integrate dx/(r + x^2) from 0 to infinity"),
...     derivation=(
...         Step("x(t) solves dx/dt = r + x^2", symbolic(lambda: x.diff(t), lambda: r + x**2)),
...         Step("it diverges at that time", symbolic(lambda law: (1 / x).subs(t, law))),
...     ),
... )
>>> CLAIMS = (blow_up,)
>>> round(blow_up.predict(r=0.01), 6)
15.707963
>>> blow_up.predict(r=-1)
Traceback (most recent call last):
theory.errors.ClaimUsageError: example.blow_up: r = -1 is outside its domain (0, oo) (unit 1/time^2); ...

A statement may also be a `Root` or a `Minimum`, which `predict` solves numerically. Names with a `Derived` rule may
be given directly or through the inputs of the rule.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp
import xarray as xr

from theory import printing
from theory.binding import Binding, accepted_by, bind
from theory.certificate import Check, certified, high_precision, numerical, symbolic
from theory.compiled import numeric
from theory.errors import ClaimUsageError
from theory.parts import KINDS, Assumption, Correction, Input, Quantity, Step
from theory.references import Source
from theory.statement import Formula, Minimum, Root, Statement, as_statement
from theory.vocabulary import Derived, Vocabulary, domain_text

__all__ = [
    "KINDS", "Assumption", "Check", "Claim", "Correction", "Derived", "Formula", "Input", "Minimum", "Quantity", "Root",
    "Source", "Statement", "Step", "Vocabulary", "certified", "high_precision", "numerical", "symbolic",
]  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Claim:
    """One law.

    `id` begins with the system's name; `statement` is a sympy expression, a `Root` or a `Minimum` in symbols of
    `vocabulary`; `predicts` names the observable or parameter that it gives. `kind` is one of KINDS; an asymptotic law
    states its `small_parameter` and the `order` of its error in it, a law with free constants lists those symbols in
    `free` (their values are given to `predict` like any other). `assumptions` mark points, `validity` holds at most
    three dimensionless coordinates along which the law should degrade. `derivation` is checked by `theory.verify`; a
    claim that has none on purpose (a printed statement, a rival guess) says why in `underived`.
    `corrects` names the printed claims that this one replaces; `notation` translates to the source's letters.
    `origin` is the file of the declaration, from which other processes can load the claim.
    """

    id: str
    title: str
    statement: Any
    vocabulary: Vocabulary = dataclasses.field(repr=False)
    predicts: Quantity
    kind: str
    source: Source
    assumptions: tuple[Assumption, ...] = ()
    validity: Mapping[str, sp.Expr] = dataclasses.field(default_factory=dict)
    derivation: tuple[Step, ...] = ()
    underived: str = ""
    corrects: Correction | tuple[Correction, ...] | None = None
    notation: str = ""
    small_parameter: sp.Expr | None = None
    order: sp.Expr | int | None = None
    free: tuple[sp.Symbol, ...] = ()
    origin: str = dataclasses.field(default_factory=printing.caller_file, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "statement", as_statement(self.statement))
        object.__setattr__(self, "validity", {k: sp.sympify(v) for k, v in self.validity.items()})
        self._check_declaration()

    @property
    def corrections(self) -> tuple[Correction, ...]:
        """`corrects` as a tuple."""
        return (self.corrects,) if isinstance(self.corrects, Correction) else tuple(self.corrects or ())

    @property
    def symbols(self) -> tuple[sp.Symbol, ...]:
        """Symbols of the statement, in the order of the vocabulary."""
        return self._ordered(self.statement.free_symbols)

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What may be given: required symbols first, each followed by the inputs that can stand for it."""
        needed = [s.name for s in self.symbols]
        found: dict[str, Input] = {}
        for name in [*needed, *self.optional]:
            for source in accepted_by(self.vocabulary, name):
                entry = self.vocabulary[source]
                found.setdefault(source, Input(
                    source, entry.meaning, entry.unit, domain_text(entry.domain), entry.dims, source in needed,
                    entry.derived.inputs if entry.derived else (), name if source != name else None,
                ))  # fmt: skip
        return tuple(found.values())

    def predict(self, **values: Any) -> Any:
        """The prediction: float for numbers, ndarray for numpy input, DataArray for xarray input (broadcast by dim).

        Axes of a vector symbol (its own dims) come last. Raises `ClaimUsageError` for a missing or unknown name, a
        value outside its domain or lengths that do not fit. NaN where a root or minimum does not exist.
        """
        bound = self._bind(values, strict=True)
        return bound.unlabel(self._prediction(bound))

    def evaluate(self, values: Mapping[str, Any]) -> xr.Dataset:
        """Dataset of `prediction`, `in_domain` and the validity coordinates, on the labelled axes of the values.

        Plain sequences become axes named after their symbol. Points that break an assumption or lie outside a
        symbol's domain (NaN of a missing run, say) are marked, not refused. Assumptions whose symbols were not given
        are listed in the attribute `not_checked`.
        """
        bound = self._bind(values, strict=False, name_axes=True)
        prediction = bound.unlabel(self._prediction(bound)).assign_attrs(self._attributes())
        dataset = xr.Dataset({"prediction": prediction})
        inside, unchecked = bound.inside, []
        for assumption in self.assumptions:
            if self._known(assumption.relation, bound):
                inside = inside & self._apply(assumption.relation, bound).astype(bool)
            else:
                unchecked.append(f"{assumption.text}: {assumption.relation}")
        inside = (inside & np.isfinite(prediction)).broadcast_like(prediction)
        dataset["in_domain"] = inside.drop_vars([c for c in inside.coords if c not in prediction.coords])
        for name, expression in self.validity.items():
            if name in dataset.dims:
                continue  # already an axis; assigning would replace its labels by recomputed, rounded ones
            if self._known(expression, bound):
                dataset[name] = bound.unlabel(self._apply(expression, bound)).assign_attrs(formula=str(expression))
        return dataset.assign_attrs(claim=self.id, not_checked=unchecked)

    def mutants(self) -> tuple[Any, ...]:
        """Wrong versions of the claim, one change each (computed on first use)."""
        return self._mutation.mutants

    def set_aside(self) -> tuple[Any, ...]:
        """Changes that leave the claim as it is (such as the sign of a term under a square)."""
        return self._mutation.equal

    @functools.cached_property
    def _mutation(self) -> Any:
        from theory.mutants import mutate  # which needs claims

        return mutate(self)

    @property
    def statement_text(self) -> str:
        """The law on one line, in plain characters."""
        return f"{self.predicts.name} = {self.statement.text(str)}"

    @property
    def statement_latex(self) -> str:
        """The law in LaTeX, without dollar signs."""
        return printing.latex_text(self.predicts.name, self.statement, self.vocabulary.latex_names())

    @property
    def statement_mathml(self) -> str:
        """The law as one presentation MathML element."""
        return printing.mathml_text(self.predicts.name, self.statement, self.vocabulary.latex_names())

    @property
    def optional(self) -> list[str]:
        """Symbols that only assumptions and validity coordinates use."""
        extra = set().union(*(a.relation.free_symbols for a in self.assumptions), set())
        extra = extra.union(*(v.free_symbols for v in self.validity.values()))
        return [s.name for s in self._ordered(extra - self.statement.free_symbols)]

    def _ordered(self, symbols: set[sp.Symbol]) -> tuple[sp.Symbol, ...]:
        order = list(self.vocabulary)
        return tuple(sorted(symbols, key=lambda s: order.index(s.name)))

    def _bind(self, values: Mapping[str, Any], **how: Any) -> Binding:
        return bind(self.id, self.vocabulary, values, [s.name for s in self.symbols], self.optional, **how)

    def _prediction(self, bound: Binding) -> xr.DataArray:
        return apply_statement(self.statement, self.symbols, bound)

    def _apply(self, formula: sp.Basic, bound: Binding) -> xr.DataArray:
        symbols = self._ordered(formula.free_symbols)
        return xr.apply_ufunc(numeric(formula, symbols), *(bound.arrays[s.name] for s in symbols), join="exact")

    def _known(self, formula: sp.Basic, bound: Binding) -> bool:
        return all(s.name in bound.arrays for s in formula.free_symbols)

    def _attributes(self) -> dict[str, str]:
        return {"claim": self.id, "quantity": self.predicts.name, "units": self.predicts.unit}

    def _check_declaration(self) -> None:
        problems = {
            "id": re.fullmatch(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+)+", self.id) is not None,
            "kind": self.kind in KINDS,
            "validity": len(self.validity) <= 3,
            "order": (self.kind == "asymptotic") == (self.order is not None and self.small_parameter is not None),
            "free": (self.kind == "law with free constants") == bool(self.free),
            "underived": not (self.derivation and self.underived),
        }
        allowed = {
            "id": "an id like ghost.critical_learning_rate (lower case, dots between parts)",
            "kind": f"one of: {', '.join(KINDS)}",
            "validity": "at most three coordinates",
            "order": "small_parameter and order where, and only where, the kind is asymptotic",
            "underived": "a reason only where there is no derivation",
            "free": "free=(symbols,) where, and only where, the kind is law with free constants",
        }
        for field, fine in problems.items():
            if not fine:
                given = getattr(self, field)
                raise ClaimUsageError(f"{self.id}: {field}={given!r} is not accepted; give {allowed[field]}.")
        used = {"statement": self.statement.free_symbols} | {a.text: a.relation.free_symbols for a in self.assumptions}
        used |= {name: expression.free_symbols for name, expression in self.validity.items()}
        for where, symbols in used.items():
            for symbol in symbols:
                if not self.vocabulary.owns(symbol):
                    raise ClaimUsageError(f"{self.id}: {symbol} in {where!r} is not a symbol of the vocabulary.")


def apply_statement(statement: Statement, symbols: tuple[sp.Symbol, ...], bound: Binding) -> xr.DataArray:
    """The statement evaluated on bound values, broadcast by dim."""
    arrays = [bound.arrays[s.name] for s in symbols]
    if not arrays:
        return xr.DataArray(statement.values((), []))
    return xr.apply_ufunc(lambda *v: statement.values(symbols, list(v)), *arrays, join="exact")
