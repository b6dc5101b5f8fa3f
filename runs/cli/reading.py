"""Commands that only read and compute: list, predict, verify, citation."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr

from runs.cli import parse, wrong_laws
from runs.cli.failures import FellShort
from runs.cli.output import json_option, print_json, print_table, writable
from runs.cli.training import set_option
from runs.registry import experiments
from theory.certificate import STRENGTHS
from theory.claim import Claim
from theory.references import entry
from theory.registry import CLAIMS, cited, get_claim
from theory.verify import Verification, verify
from toymodels.errors import UsageError, unknown
from toymodels.models import MODELS


@click.command()
@json_option
def list_command(as_json: bool) -> None:
    """Models, claims and experiments."""
    models: list[dict[str, Any]] = [
        {
            "model": name,
            "parameters": [
                {"name": p.name, "unit": p.unit, "domain": str(p.domain), "dims": list(p.dims), "doc": p.doc}
                for p in model.parameters
            ],
            "observables": {key: list(seen.dims) for key, seen in model().observables.items()},
        }
        for name, model in MODELS.items()
    ]
    claims = [
        {
            "claim": claim.id,
            "kind": claim.kind,
            "title": claim.title,
            "statement": claim.statement_text,
            "source": str(claim.source),
            "inputs": [
                {"name": i.name, "unit": i.unit, "domain": i.domain, "required": i.required} for i in claim.inputs
            ],
        }
        for claim in CLAIMS.values()
    ]
    found = [{"experiment": e.name, "title": e.title, "core": e.core} for e in experiments().values()]
    if as_json:
        print_json({"models": models, "claims": claims, "experiments": found})
        return
    print_table(
        ["model", "parameters", "observables"],
        [[m["model"], ", ".join(p["name"] for p in m["parameters"]), ", ".join(m["observables"])] for m in models],
    )
    click.echo()
    print_table(
        ["claim", "kind", "title", "source"], [[c["claim"], c["kind"], c["title"], c["source"]] for c in claims]
    )
    click.echo()
    print_table(["experiment", "title"], [[e["experiment"], e["title"]] for e in found])


@click.command()
@click.argument("claim")
@set_option
@click.option("--out", type=click.Path(path_type=Path), help="write the values to this CSV or NetCDF file as well")
@click.option("--mutants", is_flag=True, help="show wrong versions of the claim, and how far each is off, instead")
@json_option
def predict_command(claim: str, settings: tuple[str, ...], out: Path | None, mutants: bool, as_json: bool) -> None:
    """Evaluate CLAIM over all combinations of the given values.

    Example: toymodels predict ghost.critical_learning_rate --set T=100,200
    """
    if mutants and out is not None:
        raise UsageError("--out writes the values of the claim itself; leave out --mutants, or use --json with it.")
    law = get_claim(claim)
    values = {name: _labelled(law, name, value) for name, value in parse.settings(settings).items()}
    law.predict(**values)  # refuses what lies outside a domain; evaluate only marks it
    if mutants:
        wrong_laws.show(law, values, as_json)
        return
    result = law.evaluate(values)
    if out is not None:
        _write(result, writable(out))
    columns = {str(name): array for name, array in result.data_vars.items()}
    shape = result["prediction"].dims
    frame = xr.broadcast(*(array.reset_coords(drop=True) for array in columns.values()))
    table = xr.Dataset(dict(zip(columns, frame, strict=True))).to_dataframe(dim_order=list(shape)) if shape else None
    rows: list[dict[str, Any]]
    if table is None:
        rows = [{name: array.values.item() for name, array in columns.items()}]
    else:
        index = [name for name in table.index.names if name]
        rows = table.reset_index()[[*index, *columns]].to_dict("records")
        rows = [{**_vectors(values, row), **row} for row in rows]
    if as_json:
        unit = {"quantity": law.predicts.name, "unit": law.predicts.unit}
        print_json({"claim": law.id, **unit, "not_checked": list(result.attrs["not_checked"]), "rows": rows})
        return
    click.echo(f"{law.statement_text}   (unit: {law.predicts.unit})")
    print_table(list(rows[0]), [list(row.values()) for row in rows])
    for assumption in result.attrs["not_checked"]:
        click.echo(f"not checked, since its inputs were not given: {assumption}")


def _labelled(claim: Claim, name: str, value: Any) -> xr.DataArray:
    """A parsed value with its own dims last and an axis named after the symbol first."""
    if isinstance(value, str) or (isinstance(value, list) and any(isinstance(entry, str) for entry in value)):
        raise UsageError(f"{claim.id}: {name} = {value!r} is not a number.")
    own = next((i.dims for i in claim.inputs if i.name == name), None)
    if own is None:
        raise unknown(f"input of {claim.id}", name, [i.name for i in claim.inputs])
    try:
        array = np.asarray(value, dtype=float)
    except ValueError as error:
        raise UsageError(f"{claim.id}: the vectors given for {name} differ in length.") from error
    if array.ndim == len(own):
        return xr.DataArray(array, dims=own)
    if array.ndim == len(own) + 1:
        coordinate = {name: array} if not own else {name: np.arange(array.shape[0])}
        return xr.DataArray(array, dims=(name, *own), coords=coordinate)
    wanted = f"a vector over {', '.join(own)} in brackets, such as {name}=[1,2]" if own else "a number"
    raise UsageError(f"{claim.id}: {name} must be {wanted}, got {value!r}.")


def _vectors(values: dict[str, xr.DataArray], row: dict[str, Any]) -> dict[str, Any]:
    """Vector axes are numbered in the table; say which vector a number stands for."""
    return {
        f"{name} (vector)": np.array2string(array.values[int(row[name])], separator=",")
        for name, array in values.items()
        if name in row and array.ndim > 1
    }


def _write(result: xr.Dataset, path: Path) -> None:
    if path.suffix == ".nc":
        result.assign_attrs(not_checked="; ".join(result.attrs["not_checked"])).to_netcdf(path, engine="h5netcdf")
    elif path.suffix == ".csv":
        (result.to_dataframe() if result.dims else result.expand_dims("point").to_dataframe()).to_csv(path)
    else:
        raise UsageError(f"--out {path} must end in .csv or .nc.")


@click.command()
@click.argument("claims", nargs=-1)
@click.option("--jobs", type=click.IntRange(1), default=2, show_default=True, help="worker processes")
@click.option(
    "--time-limit", type=click.FloatRange(0, min_open=True), default=60.0, show_default=True, help="seconds a step"
)
@click.option("--fresh", is_flag=True, help="run every check again, also those that passed before")
@click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    help="folder of passed certificates  [default: toymodels/certificates in the user's cache folder]",
)
@json_option
def verify_command(
    claims: tuple[str, ...], jobs: int, time_limit: float, fresh: bool, cache: Path | None, as_json: bool
) -> None:
    """Run the derivation checks of CLAIMS (default: all; a prefix such as `ghost` selects a system).

    Checks that passed before are not run again while no source, no library version and no statement has changed.
    """
    chosen = [claim for name in claims for claim in _matching(name)] if claims else list(CLAIMS.values())
    results = verify(chosen, jobs=jobs, time_limit=time_limit, cache=cache or _certificates(), fresh=fresh)
    if as_json:
        print_json([result.as_dict() for result in results])
    else:
        for result in results:
            click.echo(str(result))
        click.echo(_counted(results))
    wrong = [f"{result.claim} ({result.status})" for result in results if not result.acceptable]
    if wrong:
        raise FellShort(f"{len(wrong)} of {len(results)} claims are not established: {', '.join(wrong)}.")


def _certificates() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "toymodels" / "certificates"


def _counted(results: list[Verification]) -> str:
    """Claims by status and steps by kind, on one line."""
    statuses = Counter(result.status for result in results)
    steps = [step for result in results for step in result.steps]
    kinds = Counter(step.certificate.kind for step in steps)
    claims = ", ".join(f"{count} {status}" for status, count in statuses.items())
    of_kind = ", ".join(f"{kinds[kind]} {kind}" for kind in STRENGTHS if kinds[kind])
    cached = sum(step.cached for step in steps)
    return f"{len(results)} claims: {claims}; {len(steps)} steps: {of_kind}; {cached} of them passed before"


def _matching(name: str) -> list[Claim]:
    return [claim for key, claim in CLAIMS.items() if key.startswith(f"{name}.")] or [get_claim(name)]


@click.command()
@click.argument("name")
@json_option
def citation_command(name: str, as_json: bool) -> None:
    """BibTeX of what a claim or an experiment uses, and of toymodels itself."""
    known = experiments()
    ids: list[str]
    if name in known:
        ids = [c for comparison in known[name].comparisons for c in (comparison.claim, *comparison.rivals)]
    elif name in CLAIMS:
        ids = [name]
    else:
        raise unknown("claim or experiment", name, [*CLAIMS, *known])
    keys = sorted({key for claim_id in ids for key in cited(claim_id)} | {"toymodels"})
    if as_json:
        print_json({key: entry(key) for key in keys})
    else:
        click.echo("\n\n".join(entry(key) for key in keys))
