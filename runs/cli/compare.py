"""Command: a claim against a user's own data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.markup import escape

from runs.cli import parse
from runs.cli.failures import FellShort
from runs.cli.output import json_option, print_json, print_table
from runs.userdata import Answer, Request, compare_data
from toymodels.comparator import rule
from toymodels.comparator.kinds import KINDS
from toymodels.comparator.kinds.statistical import CENSORED
from toymodels.errors import UsageError

COLOUR = {"agrees": "green", "disagrees": "red", "inconclusive": "yellow"}
FEW = 5
"""Mutants that are listed by name; the rest is in --json."""


@click.command()
@click.argument("claim")
@click.argument("data", type=click.Path(path_type=Path))
@click.option("--observable", metavar="NAME", help="measured column, or a formula such as 'exp(log_max_update)'")
@click.option("--map", "mapping", multiple=True, metavar="SYMBOL=COLUMN", help="column or formula of an input")
@click.option(
    "--set", "constants", multiple=True, metavar="SYMBOL=VALUE", help="one value for all rows; [1,2] a vector"
)
@click.option("--unit", "units", multiple=True, metavar="NAME=FACTOR", help="multiply a column: number or formula")
@click.option("--select", "select", multiple=True, metavar="NAME=VALUES", help="only these rows (or labels of a dim)")
@click.option("--rename", "rename", multiple=True, metavar="DIM=NAME", help="dims of a NetCDF file")
@click.option("--group", help="group of a NetCDF file or result directory")
@click.option("--kind", help=f"{', '.join(KINDS)}; default: as the experiments compare this claim")
@click.option("--estimator", help="median, mean, geometric_mean, share, q90 (any quantile)")
@click.option("--scale", help="relative, log or linear")
@click.option(
    "--margin", type=float, help="how far off the law may be; default: the experiments' margin for this claim"
)
@click.option("--error", metavar="COLUMN|NUMBER", help="absolute numerical error of the observable (exact, bound)")
@click.option("--lower", metavar="COLUMN", help="lower end of a bracket, no hit yet (boundary)")
@click.option("--upper", metavar="COLUMN", help="upper end of a bracket, a hit (boundary)")
@click.option("--slack", metavar="COLUMN|NUMBER", help="how far (log) the boundary may lie below the lower end")
@click.option("--side", help="upper or lower (bound)")
@click.option("--along", metavar="NAME", help="input along which an exponent is measured")
@click.option("--order", type=float, help="claimed order of the remainder (asymptotic)")
@click.option("--censored", type=click.Choice(CENSORED), help="what a blank, NaN or infinite observable stands for")
@click.option("--runs-dim", "runs", multiple=True, metavar="NAME", help="dim (or column) that counts the runs")
@click.option("--per-run", multiple=True, metavar="SYMBOL", help="an input that differs from run to run")
@click.option("--points-by", multiple=True, metavar="COLUMN", help="a further column that tells points apart")
@click.option("--x", metavar="NAME", help="abscissa of the overlay")
@click.option("--hue", metavar="NAME", help="colour of the overlay")
@click.option("--beyond-domain", is_flag=True, help="compare also where the claim's assumptions do not hold")
@click.option("--rival", "rivals", multiple=True, metavar="CLAIM", help="rank this claim beside it")
@click.option("--expect", type=click.Choice(rule.STATUSES), default="agrees", show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="directory for verdict, overlay and the data as compared")
@json_option
def compare_command(
    mapping: tuple[str, ...],
    constants: tuple[str, ...],
    units: tuple[str, ...],
    select: tuple[str, ...],
    rename: tuple[str, ...],
    as_json: bool,
    **flags: Any,
) -> None:
    """Judge CLAIM on your own DATA: CSV, NetCDF, npz or a result directory, from any framework.

    CLAIM is an id (see `toymodels list`) or FILE.py:ID. A table has one row per run; columns named like the claim's
    inputs are found by themselves. Example: toymodels compare ghost.passage_time runs.csv --map r=bifurcation
    """
    request = Request(
        **flags,
        mapping=_pairs("--map", mapping, "T=period"),
        constants=_values("--set", constants),
        units=_pairs("--unit", units, "learning_time=learning_rate"),
        select=_values("--select", select),
        rename=_pairs("--rename", rename, "k=concept"),
    )
    answer = compare_data(request)
    if as_json:
        print_json(answer.as_dict())
    else:
        _show(answer)
    verdict = answer.judged.verdict
    if not answer.as_expected:
        raise FellShort(f"{verdict.claim}: {verdict.status}" + _expected(verdict.expect))


def _expected(status: str) -> str:
    return "." if status == "agrees" else f", but --expect says {status}."


def _pairs(flag: str, items: Iterable[str], example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in items:
        name, separator, text = (part.strip() for part in item.partition("="))
        if not separator or not name or not text:
            raise UsageError(f"{flag} {item!r} is not of the form NAME=VALUE, for example {flag} {example}.")
        if name in found:
            raise UsageError(f"{flag} {name} was given twice; give it once.")
        found[name] = text
    return found


def _values(flag: str, items: tuple[str, ...]) -> dict[str, Any]:
    try:
        return parse.settings(items)
    except UsageError as error:
        raise UsageError(str(error).replace("--set", flag)) from error


def _show(answer: Answer) -> None:
    """Verdict first, then what it rests on."""
    console = Console(highlight=False, soft_wrap=True)
    verdict = answer.judged.verdict
    console.print(f"[bold {COLOUR[verdict.status]}]{verdict.status}[/]  {escape(verdict.sentence)}")
    for hint in answer.hints:
        console.print(f"[bold]hint[/]  {escape(hint)}")
    if verdict.n_points:
        low, high = verdict.interval
        console.print(
            f"worst point  {escape(verdict.worst_point or 'the only one')}: {verdict.discrepancy:+.4g} "
            f"[{low:+.4g}, {high:+.4g}], margin {verdict.margin:g}",
            markup=False,
        )
    _show_mutants(console, answer)
    used = ", ".join(f"{name} = {origin}" if name != origin else name for name, origin in answer.mapping.items())
    counts = answer.counts
    console.print(
        f"data  {counts['read']} values read, {counts['compared']} compared, {counts['outside']} outside the domain, "
        f"{counts['censored']} censored",
        markup=False,
    )
    console.print(f"mapping  {used}", markup=False)
    for note in answer.notes:
        console.print(f"note  {note}", markup=False)
    for assumption in answer.not_checked:
        console.print(f"not checked, since its inputs were not given  {assumption}", markup=False)
    for remark in answer.judged.remarks:
        console.print(f"note  {remark}", markup=False)
    if answer.judged.ranking:
        print_table(
            ["rival", "rms error", "nearest at", "where"],
            [[r["claim"], r["error"], f"{r['share_won']:.0%}", r["region"]] for r in answer.judged.ranking],
        )
    if answer.out is not None:
        console.print(f"written  {answer.out / 'verdict.json'}, {answer.out / 'data.nc'}", markup=False)
        console.print(f"figure  {answer.figure or 'none: all points were pooled into one number'}", markup=False)


def _show_mutants(console: Console, answer: Answer) -> None:
    verdict = answer.judged.verdict
    lines = dict(zip((m.id for m in verdict.mutants), verdict.mutant_lines, strict=True))
    for word, kind in (("rejected", "killed"), ("NOT rejected", "survived"), ("not tested here", "irrelevant")):
        found = verdict.mutants_of(kind)
        if not found:
            continue
        named = ", ".join(m.description for m in found[:FEW]) + (", ..." if len(found) > FEW else "")
        console.print(f"mutants {word}  {len(found)}: {named}", markup=False)
    resolutions = [m.resolution for m in verdict.mutants if m.resolution is not None]
    if resolutions:
        console.print(
            f"resolution  changes of a coefficient below {min(resolutions):.3g} (best) to {max(resolutions):.3g} "
            "(worst) are not seen here",
            markup=False,
        )
    for mutant in verdict.mutants_of("survived")[:FEW]:
        console.print(f"  {lines[mutant.id]}", markup=False)
