"""Commands that train: simulate, boundary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import numpy as np
import xarray as xr

from runs.cli import parse
from runs.cli.crew import executor_option, workers_option
from runs.cli.failures import FellShort
from runs.cli.output import json_option, plain, print_json, print_table, writable
from theory.registry import get_claim
from toymodels.engine import Sweep, bisect_onset, open_executor, run, save_netcdf
from toymodels.engine.bisect import OnsetStatus
from toymodels.engine.finalise import parameter_array
from toymodels.engine.sweep import plan
from toymodels.errors import UsageError, unknown
from toymodels.models import get_model, model_class, static_types
from toymodels.outcome import Outcome

set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUES",
    help="a parameter or static setting; commas separate values of an axis, brackets make a vector",
)
seeds_option = click.option("--seeds", type=int, default=100, show_default=True, help="number of seeds")
dtype_option = click.option("--dtype", default="float64", show_default=True, help="float64 or float32")


def _sweep(model: str, values: dict[str, Any], seeds: int, dtype: str, independent: bool = False) -> Sweep:
    static, parameters = parse.static_settings(values, static_types(model_class(model)))
    return Sweep(get_model(model, **static), parameters, seeds=seeds, dtype=dtype, independent=independent)


@click.command()
@click.argument("model")
@set_option
@seeds_option
@dtype_option
@click.option("--independent", is_flag=True, help="new random draws at every hyperparameter, instead of paired ones")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="NetCDF file to write")
def simulate_command(
    model: str, settings: tuple[str, ...], seeds: int, dtype: str, independent: bool, out: Path
) -> None:
    """Train MODEL over all combinations of the given values and seeds; write the labelled records to a NetCDF file.

    Example: toymodels simulate ghost --set learning_rate=1e-10,2e-10 --seeds 100 --out runs.nc
    """
    sweep = _sweep(model, parse.settings(settings), seeds, dtype, independent)
    if out.suffix != ".nc":
        raise UsageError(f"--out {out} must end in .nc: results are NetCDF files.")
    writable(out)
    result = run(sweep, progress=True)
    save_netcdf(result, out)
    click.echo(f"{sweep.runs} runs -> {out}")
    for name, count in _outcomes(result["outcome"]).items():
        click.echo(f"  {name}: {count}")


def _outcomes(codes: xr.DataArray) -> dict[str, int]:
    values, counts = np.unique(codes.values, return_counts=True)
    return {Outcome(int(v)).name.lower(): int(n) for v, n in zip(values, counts, strict=True)}


@click.command()
@click.argument("model")
@click.option("--axis", required=True, help="the parameter to bisect")
@click.option("--outcome", required=True, help="what must happen above the boundary, for example trapped")
@click.option("--share", default="0+", show_default=True, help="0+ (any run at all) or a share such as 0.5")
@click.option("--bracket", nargs=2, type=float, required=True, metavar="LO HI", help="where to look")
@click.option("--relative-to", "claim", help="LO and HI are multiples of this claim's prediction")
@click.option("--over", multiple=True, metavar="NAME=VALUES", help="parameters along which to follow the boundary")
@set_option
@click.option("--seeds", type=int, default=1000, show_default=True, help="number of seeds")
@dtype_option
@click.option("--rel-tol", type=float, default=1e-3, show_default=True, help="relative width of the final bracket")
@click.option("--store", type=click.Path(path_type=Path), help="directory that keeps finished runs for a resume")
@executor_option
@workers_option
@json_option
def boundary_command(
    model: str,
    axis: str,
    outcome: str,
    share: str,
    bracket: tuple[float, float],
    claim: str | None,
    over: tuple[str, ...],
    settings: tuple[str, ...],
    seeds: int,
    dtype: str,
    rel_tol: float,
    store: Path | None,
    executor: str,
    workers: int | None,
    as_json: bool,
) -> None:
    """Bisect the lowest value of an axis at which runs of MODEL end with an outcome.

    Example: toymodels boundary ghost --axis learning_rate --outcome trapped --bracket 0.5 2
    --relative-to ghost.critical_learning_rate --over T=20,50,100
    """
    along, fixed = parse.settings(over), parse.settings(settings)
    for name in along:
        if name in fixed:
            raise UsageError(f"{name} is given by --over and by --set; give it once.")
    if axis in along or axis in fixed:
        raise UsageError(f"{axis} is the axis to bisect and cannot be given by --over or --set as well.")
    values = fixed | {name: value if isinstance(value, list) else [value] for name, value in along.items()}
    sweep = _sweep(model, values, seeds, dtype)
    low, high = (xr.DataArray(end) * _scale(claim, sweep) for end in bracket)
    wanted, counted = _code(outcome), _share(share)
    if executor != "inline" and store is None:
        raise UsageError(f"--executor {executor} needs --store DIR: workers write what they train there.")
    with open_executor(executor, workers, logs=store / "slurm" if store else None) as crew:
        result = bisect_onset(
            sweep,
            axis=axis,
            outcome=wanted,
            low=low,
            high=high,
            rel_tol=rel_tol,
            share=counted,
            store=store,
            progress=not as_json,
            executor=crew,
        )
    records = result.to_dataframe().reset_index().drop(columns="index", errors="ignore").to_dict("records")
    for record in records:
        record["status"] = OnsetStatus(int(record["status"])).name.lower()
    if as_json:
        print_json({"model": model, "axis": axis, "outcome": outcome, "boundary": records})
    else:
        columns = list(records[0])
        print_table(columns, [[plain(record[column]) for column in columns] for record in records])
    missed = sum(record["status"] != "found" for record in records)
    if missed:
        raise FellShort(
            f"The bracket misses the boundary at {missed} of {len(records)} points, even after widening: hit_at_low "
            "asks for a lower --bracket, never_hit for a higher one or another --outcome."
        )


def _scale(claim_id: str | None, sweep: Sweep) -> xr.DataArray | float:
    """The claim's prediction at the sweep's parameters, as far as they bear the same names."""
    if claim_id is None:
        return 1.0
    claim = get_claim(claim_id)
    ready = plan(sweep)
    model = {p.name: p.dims for p in sweep.model.parameters}
    return claim.predict(
        **{i.name: parameter_array(ready, i.name, model[i.name]) for i in claim.inputs if i.name in model}
    )


def _code(name: str) -> Outcome:
    names = {code.name.lower(): code for code in Outcome}
    if name.lower() not in names:
        raise unknown("outcome", name, names)
    return names[name.lower()]


def _share(text: str) -> str | float:
    if text == "0+":
        return text
    try:
        share = float(text)
    except ValueError:
        share = float("nan")
    if not 0 < share < 1:
        raise UsageError(f"--share {text} must be 0+ or a number between 0 and 1.")
    return share
