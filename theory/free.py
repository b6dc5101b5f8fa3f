"""Laws with free constants: predictions as functions of the constants, for the claim and for each of its mutants."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from theory.binding import bind
from theory.errors import ClaimUsageError

if TYPE_CHECKING:
    from theory.claim import Claim

CLAIM = "claim"
WIDER = 100.0
"""The default bracket of a constant reaches so far beyond its typical range."""


class FreeLaw:
    """A claim of the kind "law with free constants" on given data, open in the symbols of `claim.free`.

    `variants` are "claim" and the ids of the mutants of its statement.
    """

    def __init__(self, claim: Claim, data_by_symbol: Mapping[str, Any], mutants: bool = True) -> None:
        if not claim.free:
            raise ClaimUsageError(f"{claim.id} has no free constants; it is a {claim.kind}. Use predict or evaluate.")
        names = [s.name for s in claim.symbols]
        self.claim = claim
        self.free = tuple(s.name for s in claim.free)
        inner = {name: float(np.sqrt(low * high)) if low > 0 else (low + high) / 2
                 for name, (low, high) in brackets(claim).items()}  # fmt: skip
        self._bound = bind(
            claim.id, claim.vocabulary, {**data_by_symbol, **inner}, names, claim.optional, strict=False, name_axes=True
        )
        self._mutants = {mutant.id: mutant for mutant in (claim.mutants() if mutants else ())}

    @property
    def variants(self) -> tuple[str, ...]:
        """The claim, then its mutants."""
        return (CLAIM, *self._mutants)

    def law(self, variant: str = CLAIM) -> Callable[[Mapping[str, float]], xr.DataArray]:
        """The prediction of one variant as a function of {constant: value}."""
        return functools.partial(self._predict, variant)

    def _predict(self, variant: str, constants: Mapping[str, float]) -> xr.DataArray:
        arrays = [
            xr.DataArray(float(constants[s.name])) if s.name in self.free else self._bound.arrays[s.name]
            for s in self.claim.symbols
        ]
        symbols, statement = self.claim.symbols, self.claim.statement

        def evaluate(*values: np.ndarray) -> np.ndarray:
            if variant == CLAIM:
                return statement.values(symbols, list(values))
            return np.asarray(self._mutants[variant].values(list(values)))

        result: xr.DataArray = self._bound.unlabel(xr.apply_ufunc(evaluate, *arrays, join="exact"))
        return result

    def assemble(self, constants: Mapping[str, Mapping[str, float]]) -> xr.DataArray:
        """Predictions along `variant`, each with its own constants {variant: {constant: value}}, labelled as by
        `theory.variants.predict_variants`. Numbers that are negative where the claim's are positive become NaN."""
        claimed = self._predict(CLAIM, constants[CLAIM])
        rows, labels = [claimed], [("the claim", "", "", np.nan, True)]
        for name in list(constants)[1:]:
            mutant, value = self._mutants[name], self._predict(name, constants[name])
            value = value.where(np.isfinite(value) & ~((claimed > 0) & (value < 0)))
            rows.append(value)
            change = float(getattr(mutant, "change", np.nan))
            labels.append((mutant.description, mutant.kind, mutant.site, change, bool(np.isfinite(value).any())))
        columns = [list(column) for column in zip(*labels, strict=True)]
        result = xr.concat(rows, dim="variant", coords="minimal", compat="override", join="override")
        named = zip(("description", "mutation", "site", "change", "admissible"), columns, strict=True)
        claim = self.claim
        attrs = {"claim": claim.id, "quantity": claim.predicts.name, "units": claim.predicts.unit}
        coords: dict[str, Any] = {name: ("variant", column) for name, column in named}
        return result.assign_coords({"variant": list(constants), **coords}).assign_attrs(attrs)


def brackets(claim: Claim) -> dict[str, tuple[float, float]]:
    """{constant: (low, high)} in which to look for it: its typical range, a hundred times wider at both ends if
    positive, inside its domain."""
    found = {}
    for symbol in claim.free:
        entry = claim.vocabulary[symbol.name]
        if entry.typical is None:
            raise ClaimUsageError(
                f"{claim.id}: no bracket for the constant {symbol}; give V.symbol(..., typical=(lo, hi))."
            )
        low, high = entry.typical
        if low > 0:
            low, high = low / WIDER, high * WIDER
        else:
            low, high = low - (high - low), high + (high - low)
        least, most = float(entry.domain.inf), float(entry.domain.sup)
        found[symbol.name] = (float(max(low, least)), float(min(high, most)))
    return found
