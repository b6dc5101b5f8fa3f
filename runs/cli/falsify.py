"""The command `falsify`: search a claim's domain for a counterexample."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from runs.cli import parse
from runs.cli.failures import FellShort
from runs.cli.output import json_option, print_json
from runs.falsify import archive
from runs.falsify.judging import Search
from runs.falsify.ledger import Ledger
from runs.falsify.registry import select
from runs.falsify.search import Result, check_seed, confirm_seeds, falsify, look, usual_budget
from runs.falsify.space import Space, describe
from toymodels.errors import UsageError


@click.command()
@click.argument("claim")
@click.option("--budget", type=int, help="training runs that may be spent [default: about 256 points]")
@click.option("--comparison", "comparison_id", help="which comparison of the claim [default: the first it should pass]")
@click.option("--seed", type=int, default=0, show_default=True, help="of the search: same seed, same search")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="fix a search variable; with all of them fixed that one point is judged",
)
@click.option("--widen", multiple=True, metavar="NAME=LOW,HIGH", help="search this range instead of the declared one")
@click.option("--beyond-assumptions", is_flag=True, help="search also where the claim's assumptions do not hold")
@click.option("--seeds", type=click.IntRange(1), help="number of seeds, where one point is judged")
@click.option("--first-seed", type=click.IntRange(0), default=0, show_default=True, help="the first of these seeds")
@click.option(
    "--out", type=click.Path(path_type=Path), help="directory of the archive [default: results/falsify/CLAIM]"
)
@json_option
def falsify_command(
    claim: str,
    budget: int | None,
    comparison_id: str | None,
    seed: int,
    settings: tuple[str, ...],
    widen: tuple[str, ...],
    beyond_assumptions: bool,
    seeds: int | None,
    first_seed: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Search the domain of CLAIM for the worst disagreement with training, beyond numerical and statistical error.

    Fills the search space, refines around the worst points, confirms what it suspects with fresh runs, and simplifies
    it. Exit status 1 when a witness is found, 0 when not. Finished rounds are kept under --out: an interrupted command
    continues when it is given again.

    Examples: toymodels falsify sim.learning_time --widen ratio=0.1,1;
    toymodels falsify adam.growth_rate --widen problem=dense
    """
    search = select(claim, comparison_id)
    search = dataclasses.replace(search, beyond_assumptions=beyond_assumptions).with_limits()
    space = search.space().widened(widen).fixing(parse.settings(settings))
    if not space.free:
        count = seeds or confirm_seeds(search)
        _judge_one(search, space, tuple(range(first_seed, first_seed + count)), as_json)
        return
    if seeds is not None or first_seed:
        missing = ", ".join(space.free)
        raise UsageError(f"--seeds and --first-seed belong to a single point; fix the others by --set too: {missing}.")
    check_seed(seed)
    directory = archive.make(out or Path("results") / "falsify" / claim)
    budget = usual_budget(search, space) if budget is None else budget
    with _progress(claim, budget, not as_json) as advance:
        ledger = Ledger(search, budget, directory / archive.LEDGER, advance)
        result = falsify(search, space, ledger, seed)
    archive.save(directory, result, ledger)
    if as_json:
        print_json(archive.summary(result))
    else:
        for line in report(result):
            click.echo(line)
        click.echo(f"archive: {directory}")
    if result.interrupted:
        raise KeyboardInterrupt
    if result.witness is not None:
        raise FellShort(f"{claim} does not hold at a point of the space that was searched.")


def _judge_one(search: Search, space: Space, seeds: tuple[int, ...], as_json: bool) -> None:
    point, judgement = look(search, space, seeds)
    if as_json:
        print_json(
            {
                "claim": search.claim.id,
                "comparison": search.comparison.id,
                "point": point,
                "disagrees": judgement.disagrees,
                "margin": search.comparison.margin,
                **archive.judgement_record(judgement),
            }
        )
    else:
        for name in space.outside(point):
            click.echo(f"{name} lies outside the range that is searched by default")
        if not judgement.compared:
            click.echo(f"{describe(point)}: outside the domain of {search.claim.id}, nothing to compare")
        else:
            says = "disagrees" if judgement.disagrees else "does not disagree"
            click.echo(f"{search.claim.id} {says} at {describe(point)}:\n  {judgement.sentence(search)}")
    if judgement.disagrees:
        raise FellShort(f"{search.claim.id} does not hold at this point.")


def report(result: Result) -> Iterator[str]:
    """The outcome of a search in a few lines."""
    search, claim = result.search, result.search.claim.id
    looked = f"{result.points} points, {result.spent} of {result.budget} training runs"
    if result.outside:
        looked += f"; {result.outside} of the points lie outside the domain"
    if result.interrupted:
        yield f"{claim}: interrupted after {looked}."
    elif result.witness is not None:
        witness = result.witness
        yield f"{claim} is falsified: it disagrees with training ({looked})."
        yield f"  witness: {describe(witness.point)}"
        yield f"  {witness.judgement.sentence(search)}"
        if search.random:
            yield f"  {len(witness.seeds)} fresh runs, seeds {witness.seeds[0]} to {witness.seeds[-1]}"
        if search.comparison.expect == "disagrees":
            yield f"  expected: {search.comparison.reason}"
        yield f"  again: {archive.command(search, witness.point, witness.seeds)}"
        return
    else:
        unconfirmed = f"; {result.unconfirmed} suspects were not confirmed by fresh runs" if result.unconfirmed else ""
        yield f"{claim}: no counterexample found ({looked}{unconfirmed})."
    if result.worst is not None:
        yield f"  largest discrepancy seen: {result.worst.judgement.sentence(search)}"
        yield f"  at {describe(result.worst.point)}"
    else:
        yield "  nothing could be compared: no point lay inside the domain with a measured value"


@contextmanager
def _progress(name: str, budget: int, wanted: bool) -> Iterator[Callable[[int, str], None]]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, disable=not (wanted and console.is_terminal)) as bar:
        task = bar.add_task(name, total=budget)
        yield lambda runs, stage: bar.update(task, advance=runs, description=f"{name}: {stage}")
