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
from runs.userdata.arrange import POINT, SEED_COLUMNS
from runs.userdata.assemble import Assembled, assemble, bracket_names, entries, roles, run_dims, tabular_repeats
from runs.userdata.files import read
from runs.userdata.hints import hints
from runs.userdata.inputs import Inputs
from runs.userdata.observables import Measured, expected_name, measured, own_dims
from runs.userdata.outside import reasons
from runs.userdata.pivot import widened
from runs.userdata.request import Request
from runs.userdata.source import ROW, Source
from theory.claim import Claim
from theory.registry import get_claim, load_claims
from toymodels.comparator import Kind, Statistical
from toymodels.engine import save_netcdf
from toymodels.errors import EnvironmentProblem, UsageError

RUN_KINDS = ("statistical", "exponent", "asymptotic")


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
    source = _selected(_renamed(source, request), request, claim)
    if request.out is not None:
        _writable(request.out)
    bracket = bracket_names(request, source, claim)
    wants_bracket = bracket is not None and kinds.kind_name(request, claim, known, bracketed=True, repeated=False) in (
        "boundary",
        "exponent",
    )
    text = claim.predicts.name if wants_bracket else expected_name(request, source, claim, known)
    if not wants_bracket:
        extra = tuple(name for name in (request.error, "error") if name)
        source = widened(source, text, own_dims(claim), extra)
    inputs = Inputs(request, source, claims, text)
    seen: Measured | None = None if wants_bracket else measured(text, request, source, claim, inputs)
    if seen is not None:
        seen = _entry(seen, source, request, claim)
    name = seen.name if seen else claim.predicts.name
    factor: Any = seen.factor if seen else _bracket_factor(request, inputs, claim)
    columns = roles(request, source, inputs, seen, factor, claim)
    if not wants_bracket:
        columns = {role: value for role, value in columns.items() if role in ("error", "along")}
    word, over, repeated = _kind_and_runs(request, claim, known, source, inputs, seen, wants_bracket)
    if word in ("exponent", "asymptotic") and "along" not in columns:
        raise UsageError(f"--kind {word} needs --along NAME: the input along which the exponent is measured.")
    used = {
        str(source.plain(n)) for n in (text, *(t for t in (request.error, *(bracket or ())) if t)) if source.plain(n)
    }
    values = seen.values if seen else None
    ready = assemble(request, source, inputs, claims, name, values, columns, repeated and source.tabular, used)
    run_over = _over(request, claim, known, ready, over, word, name)
    _check_runs(ready, name, run_over, word, source)
    chosen = kinds.choose(request, claim, known, word, run_over, ready.roles)
    data = ready.data
    missing_note = ""
    if seen is not None and request.censored == "drop" and not run_over:
        data, missing_note = _without_missing(data, name, ready)
    comparison = _comparison(request, claim, claims, name, chosen, ready, data)
    comparison = dataclasses.replace(comparison, domain=_domain(claim, data, ready, comparison))
    inside, not_checked = _inside(claim, data, ready, comparison)
    counts, notes = _counted(claim, source, data, ready, comparison, inside, seen)
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


def find_claim(name: str) -> Claim:
    """A claim by its id, or from a user's file: FILE.py (if it holds one claim) or FILE.py:ID."""
    path, _, claim_id = name.partition(".py")
    if not _:
        return get_claim(name)
    found = {claim.id: claim for claim in load_claims(f"{path}.py")}
    claim_id = claim_id.removeprefix(":")
    if claim_id:
        if claim_id not in found:
            raise UsageError(f"{path}.py defines no claim {claim_id!r}; it defines {', '.join(found)}.")
        return found[claim_id]
    if len(found) > 1:
        raise UsageError(f"{path}.py defines several claims; give {path}.py:ID with one of {', '.join(found)}.")
    return next(iter(found.values()))


def _renamed(source: Source, request: Request) -> Source:
    for old, new in request.rename.items():
        if old not in source.data.dims:
            dims = ", ".join(str(d) for d in source.data.dims) or "none"
            raise UsageError(f"--rename {old}={new}: {request.data} has no dim {old!r}; its dims are {dims}.")
        if source.tabular:
            raise UsageError("--rename is for the dims of NetCDF files; columns are named with --map.")
        if new in source.data.dims or new in source.data.variables:
            raise UsageError(f"--rename {old}={new}: the file has a {new!r} already.")
    return dataclasses.replace(source, data=source.data.rename(dict(request.rename))) if request.rename else source


def _selected(source: Source, request: Request, claim: Claim) -> Source:
    """Only the rows, or the labels of dims, that --select names."""
    for name, value in request.select.items():
        wanted = value if isinstance(value, list) else [value]
        if source.tabular:
            cells = source.label(name)
            kept = np.isin(cells.values, np.array(wanted, dtype=cells.dtype if cells.dtype.kind == "f" else str))
            if not kept.any():
                there = ", ".join(f"{v}" for v in np.unique(cells.values)[:8])
                raise UsageError(f"--select {name}={value}: no row has that value; {name} takes {there}.")
            source = source.keep(kept)
        elif not _of_vectors(claim, name):
            source = dataclasses.replace(source, data=_picked(source.data, name, value, source))
    return source


def _of_vectors(claim: Claim, dim: str) -> bool:
    """Whether inputs have this dim by themselves: they are needed in full where one entry is compared."""
    return any(dim in i.dims for i in claim.inputs)


def _entry(seen: Measured, source: Source, request: Request, claim: Claim) -> Measured:
    """The entries of a vector observable that --select names."""
    values: Any = seen.values
    for name, value in request.select.items():
        if source.tabular or not _of_vectors(claim, name):
            continue
        if name in own_dims(claim):
            raise UsageError(
                f"--select {name}: {claim.id} predicts all entries along {name} together; compare them all, or leave the "
                "observable of the others empty (NaN) and give --censored drop."
            )
        values = _picked(values, name, value, source).reset_coords(drop=True)
    return dataclasses.replace(seen, values=values)


def _picked(data: Any, name: str, value: Any, source: Source) -> Any:
    if name not in data.dims:
        raise UsageError(
            f"--select {name}={value}: {name} is no dim of {source.path}; its dims are "
            f"{', '.join(map(str, source.data.dims)) or 'none'}."
        )
    wanted = value if isinstance(value, list) else [value]
    labels = data[name].values if name in data.coords else np.arange(data.sizes[name])
    chosen = np.flatnonzero(np.isin(labels if labels.dtype.kind in "fiu" else labels.astype(str), wanted))
    if not chosen.size:
        there = ", ".join(str(v) for v in labels[:8])
        raise UsageError(f"--select {name}={value}: {name} takes {there}{', ...' if len(labels) > 8 else ''}.")
    return data.isel({name: int(chosen[0]) if len(wanted) == 1 else chosen})


def _bracket_factor(request: Request, inputs: Inputs, claim: Claim) -> Any:
    text = request.units.get(claim.predicts.name)
    return 1.0 if text is None else inputs.expression(text, f"--unit {claim.predicts.name}=")


def _kind_and_runs(
    request: Request,
    claim: Claim,
    known: tuple[Comparison, ...],
    source: Source,
    inputs: Inputs,
    seen: Measured | None,
    bracketed: bool,
) -> tuple[str, tuple[str, ...], bool]:
    """The kind as a word, run dims of labelled data, and whether points have several runs."""
    over: tuple[str, ...] = ()
    if seen is not None and not source.tabular:
        over = run_dims(request, seen.values, _declared_over(known))
        repeated = any(seen.values.sizes[d] > 1 for d in over)
    else:
        repeated = not bracketed and tabular_repeats(request, inputs, claim, source)
    word = kinds.kind_name(request, claim, known, bracketed=bracketed, repeated=repeated)
    if word == "boundary" and not bracketed:
        raise UsageError(
            f"--kind boundary needs a bracket: the columns lower (no hit yet) and upper (a hit), or --lower and --upper. "
            f"{source.path} has: {source.listing}."
        )
    if word not in RUN_KINDS:
        return word, (), False
    return word, over, repeated or word == "statistical"


def _declared_over(known: tuple[Comparison, ...]) -> tuple[str, ...]:
    found = [c.kind for c in known if isinstance(c.kind, Statistical)]
    return found[0].run_dims if found else ()


def _over(
    request: Request,
    claim: Claim,
    known: tuple[Comparison, ...],
    ready: Assembled,
    labelled: tuple[str, ...],
    word: str,
    name: str,
) -> tuple[str, ...]:
    """Dims that the estimator runs over. Comparisons that the experiments pool over settings are pooled here too."""
    if word not in RUN_KINDS or name not in ready.data:
        return ()
    dims = tuple(str(d) for d in ready.data[name].dims)
    if not ready.run_dims:
        return labelled
    if request.runs or not _pools(known, request, own_dims(claim)):
        return ready.run_dims
    own = set(_declared_over(known))
    return tuple(d for d in dims if d in ready.run_dims or d in own or d not in own_dims(claim))


def _pools(known: tuple[Comparison, ...], request: Request, own: tuple[str, ...]) -> bool:
    model = kinds._model(request, known, "statistical")
    over = model.kind.run_dims if model and isinstance(model.kind, Statistical) else ()
    return bool(set(over) - set(own) - set(SEED_COLUMNS))


def _check_runs(ready: Assembled, name: str, over: tuple[str, ...], word: str, source: Source) -> None:
    if word != "statistical":
        return
    dims = {str(d): n for d, n in ready.data[name].sizes.items()}
    if not over:
        raise UsageError(
            f"An estimate over runs needs a dim that counts them, and {name} has {', '.join(dims) or 'none'}: name it "
            "with --runs-dim NAME, or give --kind exact (with --error for the numerical error)."
        )
    if all(dims[d] == 1 for d in over):
        raise UsageError(
            f"{source.path} holds a single run ({', '.join(over)} = 1), and an estimate over runs needs several. Give more "
            "seeds, or --kind exact (with --error for the numerical error)."
        )


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


def _inside(
    claim: Claim, data: xr.Dataset, ready: Assembled, comparison: Comparison
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Where the claim's domain is, and the assumptions that could not be checked. Refuses data without any such place."""
    bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
    law = claim.evaluate(bound)
    inside = law["in_domain"].reset_coords(drop=True)
    if not comparison.beyond_domain and not bool(inside.any()):
        why = "; ".join(reasons(claim, bound)[:3]) or "the claim gives no finite number"
        raise UsageError(
            f"None of the data lies inside the domain of {claim.id}: {why}. Check units and mapping "
            "(--unit, --map), or judge it outside its domain with --beyond-domain."
        )
    return inside, tuple(law.attrs["not_checked"])


def _domain(claim: Claim, data: xr.Dataset, ready: Assembled, comparison: Comparison) -> str:
    """Ranges of the inputs that are plain numbers, over the compared points."""
    bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
    inside = claim.evaluate(bound)["in_domain"].reset_coords(drop=True)
    words = []
    for symbol, array in bound.items():
        if claim.vocabulary[symbol].dims:
            continue
        array = array.reset_coords(drop=True)
        values = array.where(True if comparison.beyond_domain else inside).values
        values = values[np.isfinite(values)]
        if values.size:
            low, high = float(values.min()), float(values.max())
            words.append(f"{symbol} {low:.4g} to {high:.4g}" if low < high else f"{symbol} = {low:.4g}")
    return ", ".join(words) + (" (assumptions of the claim set aside)" if comparison.beyond_domain else "")


def _counted(
    claim: Claim,
    source: Source,
    data: xr.Dataset,
    ready: Assembled,
    comparison: Comparison,
    inside: xr.DataArray,
    seen: Measured | None,
) -> tuple[dict[str, int], list[str]]:
    """How many numbers were read and compared, and sentences on those that were not."""
    name = comparison.observable if comparison.observable in data else ready.roles["lower"]
    real = entries(data, name, ready.present)
    within = (real & inside).transpose(*real.dims) if not comparison.beyond_domain else real
    notes = []
    outside = int((real & ~within).sum())
    if outside:
        bound = {symbol: data[variable] for symbol, variable in comparison.bind.items()}
        why = "; ".join(reasons(claim, bound)[:3])
        place = ""
        if ready.rows is not None and source.lines is not None:
            rows = ready.rows.where(real & ~within, -1).values.ravel()
            place = f" ({source.where(np.unique(rows[rows >= 0]))})"
        notes.append(f"{outside} values outside the domain of {claim.id} left out{place}" + (f": {why}" if why else ""))
    if seen is not None and seen.infinite:
        notes.append(f"{seen.infinite} infinite values count as not finished")
    missing = int((~np.isfinite(data[name]) & within).sum()) if seen is not None else 0
    if missing and not comparison.kind.run_dims:
        notes.append(f"{missing} values are missing; --censored drop leaves them out")
    return {"read": int(real.sum()), "compared": int(within.sum()), "outside": outside}, notes


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
        verdict = dataclasses.replace(verdict, n_runs_outside=verdict.n_runs_outside - at_points)
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
    save_netcdf(answer.data.drop_vars([n for n, v in answer.data.variables.items() if n == ROW]), out / "data.nc")
