"""Commands about experiments: explain, run, report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import click
from rich.console import Console
from rich.markup import escape

from runs.cli.crew import executor_option, workers_option
from runs.cli.failures import FellShort
from runs.cli.output import json_option, print_json
from runs.coverage import rate_line, summary
from runs.execute import Announcer, Judged, execute
from runs.experiment import SCALES, Experiment, Onset, Scale
from runs.registry import select
from runs.report.build import build_report, redraw
from toymodels.engine import explain, open_executor
from toymodels.errors import EnvironmentProblem

scale_option = click.option("--scale", type=click.Choice(SCALES), default="quick", show_default=True)
out_option = click.option("--out", type=click.Path(path_type=Path), default=Path("results"), show_default=True)

MARK = {True: "[green]✓[/green]", False: "[red]✗[/red]"}


@click.command()
@click.argument("names", metavar="EXPERIMENT...", nargs=-1, required=True)
@scale_option
@json_option
def explain_command(names: tuple[str, ...], scale: Scale, as_json: bool) -> None:
    """What EXPERIMENT would cost: runs, chunks, memory, time. Nothing is trained beyond a short trial."""
    rows = []
    for chosen in _chosen(names):
        for name, plan in chosen.sweeps(scale).items():
            bisected = isinstance(plan, Onset)
            cost = explain(plan.sweep if isinstance(plan, Onset) else plan)
            rows.append({"experiment": chosen.name, "sweep": name, "bisected": bisected, **dataclasses.asdict(cost)})
            if not as_json:
                rounds = " (one round of a bisection, which takes some ten)" if bisected else ""
                click.echo(f"{chosen.name}, {scale}: {name}{rounds}\n{cost}\n")
    if as_json:
        print_json({"scale": scale, "sweeps": rows})


class ConsoleAnnouncer(Announcer):
    """Prints what happens, one line an event."""

    def __init__(self) -> None:
        self.console = Console(highlight=False, soft_wrap=True)

    def experiment(self, experiment: Experiment) -> None:
        """An experiment begins."""
        self.console.print(f"\n[bold]{escape(experiment.title)}[/bold]  ({experiment.name})")

    def sweep(self, name: str, position: int, total: int) -> None:
        self.console.print(f"  sweep {position}/{total}: {name}")

    def verdict(self, judged: Judged) -> None:
        verdict = judged.verdict
        note = "" if verdict.status == "agrees" else f" (expected: {judged.comparison.expect})"
        self.console.print(
            f"  {MARK[verdict.as_expected]} {verdict.id}: {verdict.status}{note}\n      {escape(verdict.sentence)}"
        )
        for remark in judged.remarks:
            self.console.print(f"      {escape(remark)}")


def _chosen(names: tuple[str, ...]) -> list[Experiment]:
    """Experiments by name or group, each once."""
    return list({experiment.name: experiment for name in names for experiment in select(name)}.values())


@click.command()
@click.argument("names", metavar="EXPERIMENT...", nargs=-1, required=True)
@scale_option
@out_option
@executor_option
@workers_option
@click.option(
    "--fresh", is_flag=True, help="delete what earlier runs of this experiment and scale left, and start over"
)
@click.option("--no-report", is_flag=True, help="do not write the HTML report")
@json_option
def run_command(
    names: tuple[str, ...],
    scale: Scale,
    out: Path,
    executor: str,
    workers: int | None,
    fresh: bool,
    no_report: bool,
    as_json: bool,
) -> None:
    """Run EXPERIMENT (or the groups core, errata, all), judge its claims and write the report.

    Finished runs are kept under --out: an interrupted command continues when it is given again, with any --executor.
    Exit status 1 when a verdict is not the declared one.
    """
    outcomes = []
    announcer = ConsoleAnnouncer()
    experiments = _chosen(names)
    with open_executor(executor, workers, logs=out / "slurm") as crew:
        for chosen in experiments:
            if not as_json:
                announcer.experiment(chosen)
            announce = Announcer() if as_json else announcer
            outcome = execute(chosen, scale, out, fresh=fresh, progress=not as_json, announce=announce, executor=crew)
            if outcome.reused and not as_json:
                announcer.console.print("  (already done; --fresh does it again)")
            line = rate_line((judged.verdict for judged in outcome.judged), scale)
            if line and not as_json:
                announcer.console.print(f"  mutants: {line}")
            outcomes.append(outcome)
    if not no_report:
        page = build_report(out)
        if not as_json:
            announcer.console.print(f"\nreport: {page}")
    if as_json:
        print_json(
            [
                {
                    "experiment": outcome.experiment.name,
                    "scale": outcome.scale,
                    "directory": str(outcome.directory),
                    "reused": outcome.reused,
                    "as_expected": outcome.as_expected,
                    "mutants": summary((j.verdict for j in outcome.judged), outcome.scale),
                    "verdicts": [{**json.loads(j.verdict.to_json(points=False)), **j.record()} for j in outcome.judged],
                }
                for outcome in outcomes
            ]
        )
    missed = [judged.verdict.id for outcome in outcomes for judged in outcome.judged if not judged.verdict.as_expected]
    if missed:
        raise FellShort(f"{len(missed)} verdicts are not the declared ones: {', '.join(missed)}.")


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--figures", "figures", is_flag=True, help="redraw the figures from the stored results first")
@json_option
def report_command(directory: Path, figures: bool, as_json: bool) -> None:
    """Write the static HTML report of the results in DIRECTORY: verdicts, errata, overlays, certificates, citations."""
    if not directory.is_dir():
        raise EnvironmentProblem(
            f"There are no results in {directory}; make some with: toymodels run core --out {directory}"
        )
    if figures:
        redraw(directory)
    page = build_report(directory)
    if as_json:
        print_json({"report": str(page)})
    else:
        click.echo(f"report: {page}")
