"""The command `toymodels`."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

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


# What a path in place of a name stands for, and whether several names may stand there.
BY_PATH = {
    "predict": ("claim", False),
    "verify": ("claim", True),
    "compare": ("claim", False),
    "falsify": ("claim", False),
    "citation": ("claim", False),
    "simulate": ("model", False),
    "boundary": ("model", False),
    "explain": ("experiment", True),
    "run": ("experiment", True),
}


class LazyGroup(click.Group):
    """A group whose commands are imported on first use, and whose names may be given as paths of a user's files."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, _loads_first(args))

    def invoke(self, ctx: click.Context) -> object:
        from theory.errors import UnknownClaim
        from toymodels.errors import UnknownName

        try:
            return super().invoke(ctx)
        except (UnknownName, UnknownClaim) as error:
            from runs.loading import unloaded_hint

            raise type(error)(f"{error}{unloaded_hint(Path.cwd())}") from error

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
        if args and args[0] in BY_PATH:
            args = [args[0], *_names_for_paths(args[0], args[1:])]
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])


def _loads_first(args: list[str]) -> list[str]:
    """`--load PATH` may stand anywhere before a `--`."""
    end = args.index("--") if "--" in args else len(args)
    loads: list[str] = []
    others: list[str] = []
    rest = iter(args[:end])
    for arg in rest:
        if arg == "--load":
            loads += [arg, *(value for value in [next(rest, None)] if value is not None)]
        else:
            (loads if arg.startswith("--load=") else others).append(arg)
    return [*loads, *others, *args[end:]]


def _names_for_paths(command: str, args: list[str]) -> list[str]:
    """Load the Python files among the arguments and put the names that they define in their place."""
    kind, several = BY_PATH[command]
    found: list[str] = []
    for arg in args:
        if not arg.endswith(".py") or arg.startswith("-"):
            found.append(arg)
            continue
        from runs.loading import load, names
        from toymodels.errors import UsageError

        known = names(kind, load(arg))
        if not known:
            raise UsageError(f"{arg} defines no {kind}s, and `toymodels {command}` needs one; give another file.")
        if len(known) > 1 and not several:
            raise UsageError(
                f"{arg} defines {', '.join(known)}: choose one, as in `toymodels --load {arg} {command} {known[0]}`."
            )
        found += known
    return found


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="toymodels")
@click.option(
    "--load",
    "paths",
    multiple=True,
    type=click.Path(path_type=Path),
    envvar="TOYMODELS_PATH",
    metavar="PATH",
    help="file or folder of your own to load (also: TOYMODELS_PATH); may be repeated",
)
def cli(paths: tuple[Path, ...]) -> None:
    """Lay theories of learning over simulations of toy models, and judge them.

    A name of a claim, model or experiment may also be the path of your own file that defines it, such as
    ./mine_theory.py.

    Exit status: 0 done, 1 a check fell short, 2 wrong usage, 3 disk or permissions, 130 interrupted.
    """
    if paths:
        from runs.loading import load

        for path in paths:
            load(path)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the console script."""
    sys.exit(guarded(lambda: cli.main(args=arguments, prog_name="toymodels", standalone_mode=False)))
