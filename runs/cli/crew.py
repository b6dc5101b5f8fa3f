"""Options that choose who trains."""

from __future__ import annotations

import click

from toymodels.engine import EXECUTORS

workers_option = click.option("--workers", type=click.IntRange(1), help="worker processes or jobs  [default: cores]")
executor_option = click.option(
    "--executor",
    type=click.Choice(EXECUTORS),
    default="inline",
    show_default=True,
    help="who trains: this process, or workers of one core each",
)
