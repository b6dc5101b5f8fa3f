"""A claim against a file: read, map, arrange, judge, explain."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from runs.experiment import Comparison
from runs.judging import Judged, judge
from runs.userdata import kinds
from runs.userdata.arrange import POINT
from runs.userdata.assemble import Assembled, assemble, bracket_names, roles
from runs.userdata.coverage import counted, domain_words, inside_domain
from runs.userdata.files import read
from runs.userdata.hints import hints
from runs.userdata.inputs import Inputs
from runs.userdata.observables import Measured, expected_name, measured, own_dims
from runs.userdata.pivot import widened
from runs.userdata.repetition import check_runs, kind_and_runs, runs_of
from runs.userdata.request import Request
from runs.userdata.selection import entry, find_claim, renamed, selected
from theory.claim import Claim
from toymodels.comparator import Kind
from toymodels.engine import save_netcdf
from toymodels.errors import EnvironmentProblem, UsageError


@dataclasses.dataclass(frozen=True)
class Answer:
    """The verdict, with all that was assumed on the way to it."""

    judged: Judged
    data: xr.Dataset
    mapping: Mapping[str, str]
    """{observable or input: column, formula or constant}."""
    notes: tuple[str, ...]
    counts: Mapping[str, int]
    """Measured numbers: read, compared, outside the domain, censored."""
    hints: tuple[str, ...]
    not_checked: tuple[str, ...]
    out: Path | None

    @property
    def as_expected(self) -> bool:
        return self.judged.verdict.as_expected

    def as_dict(self, points: bool = False) -> dict[str, Any]:
        """JSON-ready."""
        verdict = self.judged.verdict
        return {
            "verdict": json.loads(verdict.to_json(points=points)),
            "mapping": dict(self.mapping),
            "notes": list(self.notes),
            "counts": dict(self.counts),
            "hints": list(self.hints),
            "not_checked": list(self.not_checked),
            "rivals": list(self.judged.ranking),
            "figure": None if self.figure is None else str(self.figure),
        }

    @property
    def figure(self) -> Path | None:
        if self.judged.figure is None or self.out is None:
            return None
        return self.out / f"{self.judged.figure}.png"


def compare_data(request: Request) -> Answer:
    """Judge a claim on a file. Raises `UsageError` and `EnvironmentProblem`, whose sentences name the remedy."""
    claims = tuple(find_claim(name) for name in dict.fromkeys((request.claim, *request.rivals)))
    claim = claims[0]
    known = kinds.declared(claim)
    source = read(request.data, request.group, tuple(c.data for c in known))
    source = selected(renamed(source, request), request, claim)
    if request.out is not None:
        _writable(request.out)
    bracket = bracket_names(request, source, claim)
    wants_bracket = bracket is not None and kinds.kind_name(request, claim, known, bracketed=True, repeated=False) in (
        "boundary",
        "exponent",
    )
    text = claim.predicts.name if wants_bracket else expected_name(request, source, claim, known)
    if not wants_bracket:
        vectors = [i.name for i in claim.inputs if i.dims == own_dims(claim)]
        extra = tuple(name for name in (request.error, "error", *vectors) if name)
        source = widened(source, text, own_dims(claim), extra)
    inputs = Inputs(request, source, claims, text)
    seen: Measured | None = None if wants_bracket else measured(text, request, source, claim, inputs)
    if seen is not None:
        seen = entry(seen, source, request, claim)
    name = seen.name if seen else claim.predicts.name
    factor: Any = seen.factor if seen else _bracket_factor(request, inputs, claim)
    columns = roles(request, source, inputs, seen, factor, claim)
    if not wants_bracket:
        columns = {role: value for role, value in columns.items() if role in ("error", "along")}
    word, over, repeated = kind_and_runs(request, claim, known, source, inputs, seen, wants_bracket)
    if word in ("exponent", "asymptotic") and "along" not in columns:
        raise UsageError(f"--kind {word} needs --along NAME: the input along which the exponent is measured.")
    used = {
        str(source.plain(n)) for n in (text, *(t for t in (request.error, *(bracket or ())) if t)) if source.plain(n)
    }
    values = seen.values if seen else None
    ready = assemble(request, source, inputs, claims, name, values, columns, repeated and source.tabular, used)
    run_over = runs_of(request, claim, known, ready, over, word, name)
    check_runs(ready, name, run_over, word, source)
    chosen = kinds.choose(request, claim, known, word, run_over, ready.roles)
    data = ready.data
    missing_note = ""
    if seen is not None and request.censored == "drop" and not run_over:
        data, missing_note = _without_missing(data, name, ready)
    comparison = _comparison(request, claim, claims, name, chosen, ready, data)
    comparison = dataclasses.replace(comparison, domain=domain_words(claim, data, ready, comparison))
    inside, not_checked = inside_domain(claim, data, ready, comparison)
    counts, notes = counted(claim, source, data, ready, comparison, inside, seen)
    with_bind = {one.id: ready.bind[one.id] for one in claims[1:]}
    judged, _ = judge(comparison, data, request.out, with_bind)
    judged = _without_padding(judged, data, ready, inside, run_over)
    said = {name: seen.said if seen else f"{bracket[0]} ... {bracket[1]}" if bracket else name}
    answer = Answer(
        judged=judged,
        data=data,
        mapping=said
        | {symbol: inputs.said[symbol] for symbol in dict.fromkeys(s for b in ready.bind.values() for s in b)},
        notes=tuple(n for n in (*chosen.said, *ready.notes, seen.note if seen else "", missing_note, *notes) if n),
        counts=counts | {"censored": judged.verdict.n_censored},
        hints=tuple(hints(judged.verdict, {s: data[v] for s, v in ready.bind[claim.id].items()}, name)),
        not_checked=not_checked,
        out=request.out,
    )
    if request.out is not None:
        _write(answer, request.out)
    return answer


def _bracket_factor(request: Request, inputs: Inputs, claim: Claim) -> Any:
    text = request.units.get(claim.predicts.name)
    return 1.0 if text is None else inputs.expression(text, f"--unit {claim.predicts.name}=")


def _without_missing(data: xr.Dataset, name: str, ready: Assembled) -> tuple[xr.Dataset, str]:
    known = data[name].copy(data=np.isfinite(data[name].values)).reset_coords(drop=True)
    count = int((~known).sum())
    if not count:
        return data, ""
    data = data.copy()
    for mine in ready.bind.values():
        symbol = next(iter(mine), None)
        if symbol is not None:
            array = data[mine[symbol]]
            data[f"{symbol}_of_finished"] = array.reset_coords(drop=True).where(known)
            mine[symbol] = f"{symbol}_of_finished"
    return data, f"{count} values without a number were left out (--censored drop)"


def _comparison(
    request: Request,
    claim: Claim,
    claims: tuple[Claim, ...],
    name: str,
    chosen: kinds.Chosen,
    ready: Assembled,
    data: xr.Dataset,
) -> Comparison:
    x, hue = _figure_axes(request, name, chosen.kind, ready, data)
    return Comparison(
        id=claim.id,
        claim=claim.id,
        data=str(request.data),
        observable=name,
        kind=chosen.kind,
        margin=chosen.margin,
        bind=ready.bind[claim.id],
        expect=request.expect,  # type: ignore[arg-type]
        reason="" if request.expect == "agrees" else "--expect says so",
        rivals=tuple(one.id for one in claims[1:]),
        beyond_domain=request.beyond_domain,
        x=x,
        hue=hue,
        overlay={} if name in data else {"ylabel": f"{name} [{claim.predicts.unit}]"},
    )


def _figure_axes(
    request: Request, name: str, kind: Kind, ready: Assembled, data: xr.Dataset
) -> tuple[str | None, str | None]:
    """Axes of the overlay: those asked for; else the setting with most values, and the next one as colour."""
    reference = data[name] if name in data else data[ready.roles["lower"]]
    free = [str(d) for d in reference.dims if d not in kind.run_dims]

    def usable(axis: str) -> bool:
        return axis in data.variables and set(map(str, data[axis].dims)) <= set(free) and data[axis].ndim > 0

    for flag, axis in (("--x", request.x), ("--hue", request.hue)):
        if axis is not None and not usable(axis):
            offered = ", ".join(str(n) for n in data.variables if usable(str(n))) or "none (all points are pooled)"
            raise UsageError(f"{flag} {axis} has no single value per compared point; there are {offered}.")
    if request.x is not None or not free:
        return request.x, request.hue
    named = list(dict.fromkeys([*(v for b in ready.bind.values() for v in b.values()), *free]))
    counts = {
        n: len(np.unique(data[n].values)) for n in named if usable(n) and data[n].dtype.kind in "fiu" and n != POINT
    }
    varying = sorted((n for n in counts if counts[n] > 1), key=lambda n: -counts[n])
    if not varying:
        axis = next((n for n in (*free, *counts) if usable(n)), None)
        return axis, None
    hue = request.hue or next((n for n in varying[1:] if n not in (varying[0],)), None)
    return varying[0], hue


def _without_padding(
    judged: Judged, data: xr.Dataset, ready: Assembled, inside: xr.DataArray, over: tuple[str, ...]
) -> Judged:
    """Absent runs of ragged points are no runs outside the domain."""
    if ready.present is None:
        return judged
    name = judged.comparison.observable
    _, absent, within = xr.broadcast(data[name], ~ready.present, inside)
    at_points = int((absent & within.any([d for d in over if d in within.dims])).sum())
    verdict = judged.verdict
    if at_points:
        verdict = dataclasses.replace(verdict, n_runs_outside=max(0, verdict.n_runs_outside - at_points))
    return dataclasses.replace(judged, verdict=verdict)


def _writable(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        probe = out / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EnvironmentProblem(
            f"Cannot write to {out}: {error.strerror or error}. Choose another directory with --out."
        ) from error


def _write(answer: Answer, out: Path) -> None:
    """Verdict as JSON and the data as compared as NetCDF; the overlay is there already."""
    try:
        text = json.dumps(answer.as_dict(points=True), indent=2, allow_nan=False)
        (out / "verdict.json").write_text(text)
    except OSError as error:
        raise EnvironmentProblem(f"Cannot write to {out}: {error.strerror or error}.") from error
    save_netcdf(answer.data, out / "data.nc")
