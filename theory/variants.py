"""A claim and its mutants, evaluated together on labelled axes."""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import xarray as xr

from theory.binding import Binding, accepted_by, bind
from theory.errors import ClaimUsageError
from theory.knobs import FACTORS

if TYPE_CHECKING:
    from theory.claim import Claim
    from theory.mutants import Mutant

# A mutant with a prediction on less than this share of the claim's points cannot be judged.
LEAST_SHARE = 0.1


class Variant(NamedTuple):
    """A prediction and its labels along `variant`."""

    id: str
    description: str
    kind: str
    site: str
    change: float
    value: xr.DataArray


def predict_variants(claim: Claim, data_by_symbol: Mapping[str, Any], mutants: bool = True) -> xr.DataArray:
    """Predictions along a leading dim `variant`: "claim", then the ids of the mutants.

    Values as for `Claim.evaluate`. A mutant's value is NaN where it is inadmissible: infinite, complex, outside the
    predicted quantity's domain, or negative where the claim is positive. The coordinate `admissible` is False for
    mutants that keep less than a tenth of the claim's points; `description` and `site` (the coefficient or exponent
    that was changed) are for readers, `mutation` is the kind of change, and `change` says by how much: relative change
    of a coefficient, change of an exponent, NaN where neither.

    Where symbols are computed from given inputs (a `Derived` rule), inputs changed in size or order are mutants too:
    a rule that is wrong in one of its terms moves the prediction in the same way.
    """
    bound = _bind(claim, data_by_symbol)
    claimed = _predict(claim, claim.statement.values, bound)
    usable = np.isfinite(claimed)
    points = max(int(usable.sum()), 1)
    known = claim.vocabulary.get(claim.predicts.name)
    made = [Variant("claim", "the claim", "", "", math.nan, claimed)]
    admissible = [True]
    for one in _mutants(claim, bound, data_by_symbol, claimed) if mutants else ():
        fine = np.isfinite(one.value) & ~((claimed > 0) & (one.value < 0))
        if known is not None:
            fine = fine & one.value.copy(data=known.contains(one.value.values))
        made.append(one._replace(value=one.value.where(fine)))
        admissible.append(int((fine & usable).sum()) >= LEAST_SHARE * points)
    ids, descriptions, kinds, sites, changes, rows = (list(column) for column in zip(*made, strict=True))
    result = xr.concat(rows, dim="variant", coords="minimal", compat="override", join="override")
    result = result.assign_coords(
        variant=ids,
        description=("variant", descriptions),
        mutation=("variant", kinds),
        site=("variant", sites),
        change=("variant", changes),
        admissible=("variant", admissible),
    )
    return result.assign_attrs(
        claim=claim.id, quantity=claim.predicts.name, units=claim.predicts.unit, descriptions=descriptions
    )


def _mutants(claim: Claim, bound: Binding, given: Mapping[str, Any], claimed: xr.DataArray) -> Iterator[Variant]:
    for mutant in claim.mutants():
        value = _predict(claim, functools.partial(_values, mutant), bound)
        yield Variant(mutant.id, mutant.description, mutant.kind, mutant.site, mutant.change, value)
    for name in _sources(claim, given):
        site = f"input {name}"
        for ending, words, change, wrong in _wrong_inputs(claim.vocabulary[name].dims):
            try:
                changed = _bind(claim, {**given, name: wrong(bound.given[name])})
                value = _predict(claim, claim.statement.values, changed)
            except ClaimUsageError:  # nowhere inside the domain of a symbol
                value = xr.full_like(claimed, np.nan)
            yield Variant(f"input:{name}{ending}", f"{site}{words}", "input", site, change, value)


def _values(mutant: Mutant, symbols: object, arrays: list[np.ndarray]) -> np.ndarray:
    return mutant.values(arrays)


def _sources(claim: Claim, given: Mapping[str, Any]) -> list[str]:
    """The given inputs from which symbols of the statement are computed."""
    found: dict[str, None] = {}
    for symbol in claim.symbols:
        if symbol.name not in given:
            found |= dict.fromkeys(name for name in accepted_by(claim.vocabulary, symbol.name) if name in given)
    return list(found)


def _wrong_inputs(dims: tuple[str, ...]) -> Iterator[tuple[str, str, float, Callable[[xr.DataArray], xr.DataArray]]]:
    """(ending of the id, words, relative change, change) for an input with these dims of its own."""
    for factor in FACTORS:
        yield factor.ending, factor.words, factor.amount, functools.partial(operator.mul, float(factor.value))
    yield "*0", " taken as zero", -1.0, lambda a: 0 * a
    if len(dims) == 1:
        yield " reversed", " in reverse order", math.nan, lambda a: a.copy(data=_reversed(a, dims[0]))
    if len(dims) == 2:
        yield " diagonal", " without its entries off the diagonal", math.nan, lambda a: _diagonal(a, dims)


def _reversed(array: xr.DataArray, dim: str) -> np.ndarray:
    return np.flip(array.values, array.get_axis_num(dim))


def _diagonal(array: xr.DataArray, dims: tuple[str, ...]) -> xr.DataArray:
    rows, columns = (xr.DataArray(np.arange(array.sizes[d]), dims=d) for d in dims)
    return array.where(rows == columns, 0.0)


def _bind(claim: Claim, values: Mapping[str, Any]) -> Binding:
    names = [s.name for s in claim.symbols]
    return bind(claim.id, claim.vocabulary, values, names, claim.optional, strict=False, name_axes=True)


def _predict(claim: Claim, function: Callable[..., np.ndarray], bound: Binding) -> xr.DataArray:
    arrays = [bound.arrays[s.name] for s in claim.symbols]
    if not arrays:
        return bound.unlabel(xr.DataArray(function(claim.symbols, [])))
    return bound.unlabel(xr.apply_ufunc(lambda *v: function(claim.symbols, list(v)), *arrays, join="exact"))
