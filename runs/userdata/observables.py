"""Which column is the measured quantity, and in which unit."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from runs.experiment import Comparison
from runs.userdata.inputs import Inputs
from runs.userdata.request import Request
from runs.userdata.source import Source, attributes
from theory.claim import Claim
from toymodels.errors import UsageError, unknown


@dataclasses.dataclass(frozen=True)
class Measured:
    """The observable with its name, where it comes from, and the factor that changed its unit."""

    name: str
    values: xr.DataArray
    said: str
    factor: xr.DataArray | float
    infinite: int
    note: str = ""


def own_dims(claim: Claim) -> tuple[str, ...]:
    """Dims that the prediction has by itself, such as `concept`."""
    return tuple(dict.fromkeys(d for s in claim.symbols for d in claim.vocabulary[s.name].dims))


def candidates(claim: Claim, declared: tuple[Comparison, ...]) -> list[str]:
    """Names under which the predicted quantity may stand in a file."""
    names = [claim.predicts.name, *(c.observable for c in declared)]
    return list(dict.fromkeys(names))


def expected_name(request: Request, source: Source, claim: Claim, declared: tuple[Comparison, ...]) -> str:
    """The observable's column or expression: what the user says, or a column named like the prediction."""
    if request.observable is not None:
        return request.observable
    names = candidates(claim, declared)
    for name in names:
        if source.has(name):
            return name
    what = f"{claim.id} predicts {claim.predicts.name} (unit {claim.predicts.unit})"
    for name in names:
        if source.plain(f"log_{name}"):
            raise UsageError(
                f"{what}, and {source.path} has log_{name}: give --observable 'exp(log_{name})', or "
                f"--observable '10**log_{name}' if the logarithm is decimal."
            )
    raise source.unknown(names[0], f" {what}: name the measured one with --observable {source.word.upper()}.")


def measured(text: str, request: Request, source: Source, claim: Claim, inputs: Inputs) -> Measured:
    """The observable's numbers. Infinite ones become missing: what is not finite was not finished."""
    dims = own_dims(claim)
    plain = source.has(text)
    values = source.numbers(text, dims) if plain else inputs.expression(text, "--observable")
    name = text if plain and text.isidentifier() else claim.predicts.name.replace(" ", "_")
    said = source.origin(text) if plain else text
    factor: xr.DataArray | float = 1.0
    keys = dict.fromkeys((name, text, claim.predicts.name, "observable"))
    known = {*keys, *inputs.known}
    for key in request.units:
        if key not in known:
            raise unknown("quantity whose unit can be changed", key, known)
    for key in keys:
        if key in request.units and key not in inputs.said:
            factor = inputs.expression(request.units[key], f"--unit {key}=")
            said += f" * {request.units[key]}"
            break
    attrs = attributes(source.data[source.plain(text)]) if source.plain(text) else {}
    values = values * factor
    if not np.isfinite(values.values).any():
        raise UsageError(f"The observable {said} of {source.path} holds no finite number; there is nothing to judge.")
    infinite = np.isinf(values.values)
    note = ""
    unit = str(attrs.get("units", attrs.get("unit", "")))
    if unit and isinstance(factor, float) and _differ(unit, claim.predicts.unit):
        note = f"the file gives {said} in the unit {unit!r}, the claim predicts it in {claim.predicts.unit!r}"
    values = values.where(~infinite)
    # A unit of the file does not survive a change of unit.
    values.attrs = (
        {**attrs, "units": claim.predicts.unit} if isinstance(factor, xr.DataArray) or not attrs else dict(attrs)
    )
    return Measured(name, values, said, factor, int(infinite.sum()), note)


def _differ(unit: str, other: str) -> bool:
    return unit.strip().replace(" ", "") not in (other.replace(" ", ""), f"{other}s".replace(" ", ""))
