"""From the names of a claim to numbers of a file: what was mapped, what was set, what bears the same name."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import xarray as xr

from runs.userdata.expressions import evaluate
from runs.userdata.request import Request
from runs.userdata.source import Source
from theory.binding import acceptable
from theory.claim import Claim
from theory.errors import nearest
from toymodels.errors import UsageError, unknown

REALISED = ("initial_", "sample_")
"""How claims name what differs from run to run."""


class Inputs:
    """Values of the claims' inputs, in the claims' units."""

    def __init__(self, request: Request, source: Source, claims: Iterable[Claim], observable: str) -> None:
        self.request, self.source, self.claims = request, source, tuple(claims)
        self.observable = observable
        self.arrays: dict[str, xr.DataArray] = {}
        self.said: dict[str, str] = {}
        """{symbol: where its values come from}."""
        known = self.known = {name for claim in self.claims for name in _inputs(claim)}
        for flag, names in (("--map", request.mapping), ("--set", request.constants)):
            for name in names:
                if name not in known:
                    raise unknown(f"input of {self.claims[0].id} (given by {flag})", name, known)
        both = sorted(set(request.mapping) & set(request.constants))
        if both:
            raise UsageError(f"{both[0]} is given by --map and by --set; give it once.")

    def of(self, claim: Claim, dims: Iterable[str]) -> dict[str, xr.DataArray]:
        """{input: values} that `claim` needs, and the optional ones that live on `dims`. Raises `UsageError`."""
        needed: dict[str, None] = {}
        for symbol in claim.symbols:
            if symbol in claim.free and not self._direct(symbol.name):
                continue  # fitted
            ways = self._ways(claim, symbol.name)
            if ways is None:
                raise self._missing(claim, symbol.name)
            needed |= dict.fromkeys(ways)
        allowed = set(dims)
        for name in claim.optional:
            ways = self._ways(claim, name)
            own = {d for way in ways or () for d in claim.vocabulary[way].dims}
            if ways and all(set(map(str, self.value(claim, way).dims)) <= allowed | own for way in ways):
                needed |= dict.fromkeys(ways)
        return {name: self.value(claim, name) for name in needed}

    def value(self, claim: Claim, name: str) -> xr.DataArray:
        """Numbers of one input."""
        if name not in self.arrays:
            array, said = self._find(claim, name)
            factor = self.request.units.get(name)
            if factor is not None:
                array = array * self._number(factor, f"--unit {name}=")
                said += f" * {factor}"
            missing = [d for d in claim.vocabulary[name].dims if d not in array.dims]
            # A symbol may be given entry by entry, one a row; what others are computed from must be whole.
            if missing and claim.vocabulary[name].symbol is None:
                dims = ", ".join(map(str, array.dims)) or "none"
                wanted = ", ".join(claim.vocabulary[name].dims)
                remedy = (
                    f"give one column an entry ({name}_1, {name}_2, ...), or a constant with --set '{name}=[1,2]'"
                    if self.source.tabular
                    else f"rename a dim with --rename DIM={missing[0]}, or give a constant with --set '{name}=[1,2]'"
                )
                raise UsageError(f"{name} must be an array over {wanted}, but has the dims {dims}; {remedy}.")
            self.arrays[name], self.said[name] = array, said
        return self.arrays[name]

    def per_run(self, claim: Claim, name: str) -> bool:
        """Whether an input is realised anew in every run, by its name or by what it follows from."""
        entry = claim.vocabulary[name]
        sources = entry.derived.inputs if entry.derived else ()
        return name.startswith(REALISED) or any(self.per_run(claim, source) for source in sources)

    def expression(self, text: str, flag: str) -> xr.DataArray:
        """A column or formula, in which the claims' inputs may be called by their own names."""

        def has(name: str) -> bool:
            return self.source.has(name)

        def column(name: str) -> xr.DataArray:
            if not has(name):
                for claim in self.claims:
                    if name in _inputs(claim) and self._direct(name):
                        return self.value(claim, name)
            return self.source.numbers(name)

        return xr.DataArray(evaluate(text, column, has, flag))

    def _number(self, text: str, flag: str) -> xr.DataArray:
        return self.expression(text, flag)

    def _find(self, claim: Claim, name: str) -> tuple[xr.DataArray, str]:
        dims = claim.vocabulary[name].dims
        if name in self.request.constants:
            return self._constant(claim, name), f"{_short(self.request.constants[name])} (--set)"
        if name in self.request.mapping:
            text = self.request.mapping[name]
            if self.source.has(text):
                return self.source.numbers(text, dims), self.source.origin(text)
            # Not `self.expression`: inside its own mapping a name is the file's.
            found = evaluate(text, self.source.numbers, self.source.has, f"--map {name}=")
            return xr.DataArray(found), text
        return self.source.numbers(name, dims), self.source.origin(name)

    def _constant(self, claim: Claim, name: str) -> xr.DataArray:
        dims = claim.vocabulary[name].dims
        try:
            array = np.asarray(self.request.constants[name], dtype=float)
        except (TypeError, ValueError) as error:
            raise UsageError(f"--set {name}={self.request.constants[name]} is not a number.") from error
        if array.ndim != len(dims):
            wanted = f"an array over {', '.join(dims)}, such as '{name}=[1,2]'" if dims else "one number"
            raise UsageError(f"--set {name} must be {wanted}; values that differ between rows belong into the file.")
        return xr.DataArray(array, dims=dims)

    def _direct(self, name: str) -> bool:
        if name in self.request.constants or name in self.request.mapping:
            return True
        plain = self.source.plain(name)
        if plain is not None and plain == self.source.plain(self.observable):
            return False  # what is predicted is no input, unless the user says so
        return self.source.has(name)

    def _ways(self, claim: Claim, name: str) -> list[str] | None:
        """Names to give for a symbol: itself, or what it follows from; None if neither is there."""
        derived = claim.vocabulary[name].derived
        deeper: list[str] | None = [] if derived else None
        for source in derived.inputs if derived else ():
            ways = self._ways(claim, source)
            if ways is None:
                deeper = None
                break
            assert deeper is not None
            deeper += ways
        if not self._direct(name):
            return deeper
        explicit = name in self.request.constants or name in self.request.mapping
        if deeper and not explicit and any(self._entry_of(way, name) for way in deeper):
            return deeper  # the columns mu_1, mu_2 of the vector mu, not the symbols of the same names
        return [name]

    def _entry_of(self, vector: str, name: str) -> bool:
        if vector in self.request.constants or vector in self.request.mapping:
            return False
        return self.source.plain(vector) is None and self.source.plain(name) in self.source.family(vector).values()

    def _missing(self, claim: Claim, name: str) -> UsageError:
        entry = claim.vocabulary[name]
        ways = name + (f" (or {' and '.join(entry.derived.inputs)})" if entry.derived else "")
        near = nearest(name, self.source.names) if self.source.names else ""
        offer = f" Near: --map {name}={near[13:-1].split(' or ')[0]}." if near.startswith("did you mean") else ""
        return UsageError(
            f"{claim.id} needs {ways}: {entry.meaning} (unit {entry.unit}), and {self.source.path} has no "
            f"{self.source.word} of that name. Give --map {name}={self.source.word.upper()} or --set {name}=VALUE."
            f"{offer} The file has: {self.source.listing}. The claim takes: {input_list(claim)}."
        )


def input_list(claim: Claim) -> str:
    """Inputs of a claim with meaning and unit, the required ones first."""
    shown = [i for i in claim.inputs if i.required or i.instead_of]
    return "; ".join(
        f"{i.name} ({i.meaning}, unit {i.unit}{f', in place of {i.instead_of}' if i.instead_of else ''})" for i in shown
    )


def _inputs(claim: Claim) -> list[str]:
    return acceptable(claim.vocabulary, [*(s.name for s in claim.symbols), *claim.optional])


def _short(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
