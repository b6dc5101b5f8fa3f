"""The labelled dataset that is compared: observable, inputs, error budgets, axes of the figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import xarray as xr

from runs.userdata.arrange import RUN, SEED_COLUMNS, Arranged, arrange, repeats
from runs.userdata.inputs import Inputs
from runs.userdata.observables import Measured, own_dims
from runs.userdata.request import Request
from runs.userdata.source import ROW, Source
from theory.claim import Claim
from toymodels.errors import UsageError

RUN_DIMS = (*SEED_COLUMNS, "runs", "seeds", "sample", "member", "init")
ROLES = ("error", "lower", "upper", "slack", "along")


@dataclasses.dataclass
class Assembled:
    """`bind` maps each claim's inputs to variables of `data`; `roles` the kind's columns; `present` marks real runs."""

    data: xr.Dataset
    bind: dict[str, dict[str, str]]
    roles: dict[str, Any]
    present: xr.DataArray | None
    rows: xr.DataArray | None
    run_dims: tuple[str, ...]
    settings: tuple[str, ...]
    notes: list[str]


def roles(
    request: Request, source: Source, inputs: Inputs, measured: Measured | None, factor: Any, claim: Claim
) -> dict[str, xr.DataArray | float]:
    """Numbers of the kind's further columns, in the compared unit."""
    found: dict[str, xr.DataArray | float] = {}
    names = bracket_names(request, source, claim)
    given = {"error": request.error, "slack": request.slack, "along": request.along}
    given |= dict(zip(("lower", "upper"), names, strict=True)) if names else {}
    if measured is not None and request.error is None and "error" in source.names:
        given["error"] = "error"
    if names and request.slack is None and "slack" in source.names:
        given["slack"] = "slack"
    for role, text in given.items():
        if text is None:
            continue
        value = inputs.expression(text, f"--{role}")
        if role in ("error", "lower", "upper"):
            value = value * abs(factor) if role == "error" else value * factor
        found[role] = value
    return found


def bracket_names(request: Request, source: Source, claim: Claim) -> tuple[str, str] | None:
    """Columns of the two ends of a bracket, as given or as they are called."""
    if (request.lower is None) != (request.upper is None):
        raise UsageError("A bracket has two ends: give both --lower and --upper.")
    if request.lower is not None and request.upper is not None:
        return request.lower, request.upper
    name = request.observable or claim.predicts.name
    for low, high in ((f"{name}_lower", f"{name}_upper"), (f"{name}_low", f"{name}_high"), ("lower", "upper")):
        if source.plain(low) and source.plain(high):
            return low, high
    return None


def tabular_repeats(request: Request, inputs: Inputs, claim: Claim, source: Source) -> bool:
    """Whether a table has several rows for one combination of inputs."""
    given = inputs.of(claim, (ROW,))
    return repeats(source, given, _realised(request, inputs, claim, given))


def run_dims(request: Request, values: xr.DataArray, over: tuple[str, ...]) -> tuple[str, ...]:
    """Dims of a labelled observable that count runs: as given, as the experiments have them, or by their names."""
    dims = tuple(map(str, values.dims))
    if request.runs:
        for name in request.runs:
            if name not in dims:
                raise UsageError(
                    f"--runs-dim {name} is no dim of the observable, which has {', '.join(dims) or 'none'}."
                )
        return request.runs
    if set(over) & set(dims) & set(RUN_DIMS):
        return tuple(d for d in dims if d in over)
    return tuple(d for d in dims if d.lower() in RUN_DIMS)


def assemble(
    request: Request,
    source: Source,
    inputs: Inputs,
    claims: tuple[Claim, ...],
    name: str,
    values: xr.DataArray | None,
    columns: Mapping[str, xr.DataArray | float],
    repeated: bool,
    used: set[str],
) -> Assembled:
    """Put everything that is compared on common dims."""
    claim = claims[0]
    dims = {str(d) for d in (values.dims if values is not None else ())}
    dims |= {str(d) for c in columns.values() if isinstance(c, xr.DataArray) for d in c.dims}
    needs = {one.id: inputs.of(one, dims | {ROW}) for one in claims}
    given = {symbol: array for arrays in needs.values() for symbol, array in arrays.items()}
    if values is not None and not source.tabular:
        _refuse_foreign_dims(source, name, set(map(str, values.dims)), claim, needs[claim.id])
    axes = _axes(request, source, inputs, given, columns)
    place: Arranged | None = None
    notes: list[str] = []
    if source.tabular:
        realised = set().union(*(_realised(request, inputs, one, needs[one.id]) for one in claims))
        seed = request.runs[0] if request.runs else None
        place = arrange(source, given, realised, axes, used, seed=seed, repeated=repeated)
        notes += place.notes
    data = xr.Dataset(coords=dict(place.coords) if place else {})
    mapped = {symbol: symbol if symbol != name else f"{symbol}_input" for symbol in given}
    settings = place.settings if place else ()

    def put(array: xr.DataArray, per_point: bool) -> xr.DataArray:
        moved = place.place(array, per_point) if place else array
        return moved.squeeze(RUN, drop=True) if place and not repeated and RUN in moved.dims else moved

    if values is not None:
        data[name] = put(values, False)
        vectors = {str(d) for array in needs[claim.id].values() for d in array.dims}
        wanted = (set(own_dims(claim)) & vectors) - {str(d) for d in data[name].dims}
    else:
        wanted = set()
    for symbol, array in given.items():
        target = mapped[symbol]
        if target in data.coords:
            continue
        moved = put(array, symbol in settings)
        data[target] = moved.drop_vars([c for c in moved.coords if c in data.coords or c not in moved.dims])
        own = claim.vocabulary.get(symbol)
        data[target].attrs = {"long_name": own.meaning, "units": own.unit} if own else {}
    # What has one value per point labels the points: in the figure, in the regions where a rival wins.
    counting = {RUN, *RUN_DIMS, *request.runs}
    labels = [mapped[s] for s in given if mapped[s] in data.data_vars]
    data = data.set_coords(
        [n for n in labels if data[n].ndim and set(map(str, data[n].dims)) <= dims_of(data, name) - counting]
    )
    roles_: dict[str, Any] = {}
    for role, column in columns.items():
        array = xr.DataArray(column)
        if array.ndim == 0:
            roles_[role] = float(array)
        elif role == "along" and request.along in mapped:
            roles_[role] = mapped[str(request.along)]
        else:
            target = role if role not in data.variables else f"{role}_column"
            data[target] = put(array, role == "along")
            roles_[role] = target
    for axis, array in axes.items():
        if axis not in data.variables:
            data = data.assign_coords({axis: put(array, True)})
    if wanted and values is not None:
        _refuse_vectors(source, name, wanted)
    present = place.present if place and repeated and not bool(place.present.all()) else None
    bind = {one.id: {symbol: mapped[symbol] for symbol in needs[one.id]} for one in claims}
    if present is not None:
        data = _absent(data, bind, claims, present)
    rows = None
    if place is not None:
        shape = tuple(place.shape.values())
        rows = xr.DataArray(place.index.reshape(shape), dims=place.dims)
        rows = rows.squeeze(RUN, drop=True) if not repeated and RUN in rows.dims else rows
    over = (RUN,) if place and repeated else ()
    return Assembled(data, bind, roles_, present, rows, over, settings, notes)


def _axes(
    request: Request,
    source: Source,
    inputs: Inputs,
    given: Mapping[str, xr.DataArray],
    columns: Mapping[str, xr.DataArray | float],
) -> dict[str, xr.DataArray]:
    """Columns beside the inputs that tell points apart: the axes of the figure and those of --points-by."""
    found: dict[str, xr.DataArray] = {}
    for flag, name in (("--x", request.x), ("--hue", request.hue), *(("--points-by", n) for n in request.points_by)):
        if name is None or name in given or (not source.tabular and name in source.data.variables):
            continue
        if not source.has(name):
            known = dict.fromkeys([*given, *source.names])
            raise UsageError(f"{flag} {name} is neither an input nor a {source.word}; there are {', '.join(known)}.")
        found[name] = source.label(name)
    along = columns.get("along")
    if source.tabular and isinstance(along, xr.DataArray) and along.ndim and request.along not in given:
        found["along"] = along
    return found


def _realised(request: Request, inputs: Inputs, claim: Claim, given: Mapping[str, xr.DataArray]) -> set[str]:
    for name in request.per_run:
        if name not in given:
            raise UsageError(f"--per-run {name} is no input in use; these are {', '.join(given) or 'none'}.")
    return set(request.per_run) | {name for name in given if name in claim.vocabulary and inputs.per_run(claim, name)}


def _refuse_foreign_dims(
    source: Source, name: str, dims: set[str], claim: Claim, given: Mapping[str, xr.DataArray]
) -> None:
    for symbol, array in given.items():
        foreign = set(map(str, array.dims)) - dims - set(claim.vocabulary[symbol].dims)
        if foreign:
            dim = sorted(foreign)[0]
            raise UsageError(
                f"{symbol} has the dim {dim}, which {name} lacks (its dims: {', '.join(sorted(dims)) or 'none'}), in "
                f"{source.path}. Take one value with --select {dim}=VALUE, or rename a dim with --rename {dim}=NAME."
            )


def _refuse_vectors(source: Source, name: str, wanted: set[str]) -> None:
    dims = ", ".join(sorted(wanted))
    if source.tabular:
        raise UsageError(
            f"The claim predicts one value for each {dims}, but {source.path} has a single column {name}. Name its "
            f"columns {name}_1, {name}_2, ..., or add a column {sorted(wanted)[0]} that numbers the entries."
        )
    raise UsageError(
        f"The claim predicts one value for each {dims}, but {name} lacks that dim; rename one with "
        f"--rename DIM={sorted(wanted)[0]}, or give numbers for single entries."
    )


def _absent(
    data: xr.Dataset, bind: dict[str, dict[str, str]], claims: tuple[Claim, ...], present: xr.DataArray
) -> xr.Dataset:
    """A run that is not there has no inputs, so it is outside every domain: neither compared nor censored."""
    for claim in claims:
        mine = bind[claim.id]
        symbol = next((s.name for s in claim.symbols if s.name in mine), next(iter(mine), None))
        if symbol is None:
            raise UsageError(
                f"{claim.id} takes no input, so its points need equally many runs; give as many rows to each."
            )
        target = f"{symbol}_of_runs"
        if target not in data:
            array = data[mine[symbol]]
            extra = [d for d in array.dims if d not in present.dims]
            data[target] = array.reset_coords(drop=True).where(present).transpose(*present.dims, *extra)
            data[target].attrs = dict(data[mine[symbol]].attrs)
        mine[symbol] = target
    return data


def dims_of(data: xr.Dataset, name: str) -> set[str]:
    """Dims of the observable; of everything where a bracket stands for it."""
    return set(map(str, data[name].dims if name in data else data.dims))


def entries(data: xr.Dataset, name: str, present: xr.DataArray | None) -> xr.DataArray:
    """True for every measured number that the file could hold."""
    real = xr.ones_like(data[name], dtype=bool)
    return real if present is None else real & present
