"""The command `toymodels`."""

from __future__ import annotations

import importlib
import sys

import click

from runs.cli.failures import guarded

# Commands live in modules that are imported when asked for: `toymodels --help` must not wait for jax and sympy.
COMMANDS = {
    "list": ("runs.cli.reading:list_command", "Models, claims and experiments."),
    "predict": ("runs.cli.reading:predict_command", "Evaluate a claim."),
    "verify": ("runs.cli.reading:verify_command", "Check the derivations of claims."),
    "citation": ("runs.cli.reading:citation_command", "BibTeX of what a claim or experiment uses."),
    "compare": ("runs.cli.compare:compare_command", "Judge a claim on your own data."),
    "falsify": ("runs.cli.falsify:falsify_command", "Search a claim's domain for a counterexample."),
    "simulate": ("runs.cli.training:simulate_command", "Train a toy model over seeds and hyperparameters."),
    "boundary": ("runs.cli.training:boundary_command", "Bisect a phase boundary."),
    "explain": ("runs.cli.experiments:explain_command", "Cost of an experiment, without running it."),
    "run": ("runs.cli.experiments:run_command", "Run experiments and judge their claims."),
    "report": ("runs.cli.experiments:report_command", "Static HTML report of results."),
    "new": ("runs.cli.new:new_command", "Skeleton of a toy model in your own folder."),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        return getattr(importlib.import_module(module), attribute)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            from toymodels.errors import unknown

            raise unknown("command", args[0], COMMANDS)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="toymodels")
def cli() -> None:
    """Lay theories of learning over simulations of toy models, and judge them.

    Exit status: 0 done, 1 a check fell short, 2 wrong usage, 3 disk or permissions, 130 interrupted.
    """


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    sys.exit(guarded(lambda: cli.main(args=arguments, prog_name="toymodels", standalone_mode=False)))
