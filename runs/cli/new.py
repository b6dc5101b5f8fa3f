"""The command `new`: four small files of a toy model that runs, in a user's own folder."""

from __future__ import annotations

import keyword
import re
from pathlib import Path

import click

import runs
from runs.cli.output import json_option, print_json
from runs.registry import experiments
from theory.registry import CLAIMS
from toymodels.engine.store import writing
from toymodels.errors import UsageError
from toymodels.models import MODELS

PATTERN = Path(runs.__file__).parent / "skeleton"
PLACEHOLDER = "skeleton"


@click.command()
@click.argument("name")
@click.option(
    "--into", "folder", type=click.Path(path_type=Path), default=Path("."), show_default=True, help="where to write"
)
@json_option
def new_command(name: str, folder: Path, as_json: bool) -> None:
    """Write NAME_theory.py, NAME_model.py, NAME_experiment.py and test_NAME.py: a small example that is complete and
    true, to be replaced piece by piece. Files that exist are never overwritten.
    """
    _check(name)
    texts = skeleton(name)
    present = [file for file in texts if (folder / file).exists()]
    if present:
        raise UsageError(
            f"{', '.join(present)} exist{'s' if len(present) == 1 else ''} in {folder} already, and nothing was "
            "written: move them away, choose another NAME, or another folder with --into."
        )
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in texts.items():
            with (folder / file).open("x", encoding="utf-8") as stream:
                stream.write(text)
    if as_json:
        print_json({"folder": str(folder.resolve()), "files": list(texts)})
        return
    click.echo("\n".join(f"wrote {folder / file}" for file in texts))
    at = "" if folder == Path(".") else f"cd {folder}\n  "
    click.echo(
        f"\nTry them:\n  {at}toymodels verify ./{name}_theory.py\n  toymodels run ./{name}_experiment.py\n"
        f"  python -m pytest test_{name}.py"
    )


def skeleton(name: str) -> dict[str, str]:
    """Text of the four files by their name."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    texts = {}
    for file in sorted(PATTERN.glob("*.py")):
        text = file.read_text(encoding="utf-8")
        text = text.replace(PLACEHOLDER, name).replace(PLACEHOLDER.capitalize(), camel)
        texts[file.name.replace(PLACEHOLDER, name)] = text
    return texts


def _check(name: str) -> None:
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        offer = f", for example {near}" if re.fullmatch(r"[a-z][a-z0-9_]*", near) and near != name else ""
        raise UsageError(
            f"NAME = {name!r} is not accepted: it begins file names and ids, so give lower-case letters, digits and "
            f"underscores that begin with a letter{offer}."
        )
    systems = {known.partition(".")[0] for known in (*CLAIMS, *MODELS, *experiments())}
    if name in systems:
        raise UsageError(f"{name} is the name of a system of the library ({', '.join(sorted(systems))}); take another.")
