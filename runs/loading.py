"""A user's own files: claims, models and experiments that are loaded by path. Nothing in the package changes.

Files are loaded only when they are named, by `--load`, TOYMODELS_PATH, or their path in place of a name, since loading
a Python file runs it.
"""

from __future__ import annotations

import dataclasses
import traceback
from pathlib import Path
from types import ModuleType

from runs import registry
from runs.experiment import Experiment
from theory.claim import Claim
from theory.registry import import_file, register
from toymodels.errors import UsageError
from toymodels.model import ToyModel
from toymodels.models.registry import register_model

PARTS = ("theory", "model", "experiment")
"""Endings of file names, in the order in which files are loaded."""
WANTED = "CLAIMS, MODELS or EXPERIMENTS"


@dataclasses.dataclass(frozen=True)
class Loaded:
    """What files define."""

    claims: tuple[Claim, ...] = ()
    models: tuple[type[ToyModel], ...] = ()
    experiments: tuple[Experiment, ...] = ()

    def __add__(self, other: Loaded) -> Loaded:
        return Loaded(self.claims + other.claims, self.models + other.models, self.experiments + other.experiments)


_LOADED: dict[Path, Loaded] = {}


def load(path: str | Path) -> Loaded:
    """Register what a file or folder defines, and return it; what is loaded already is not loaded again.

    A folder stands for its files NAME_theory.py, NAME_model.py and NAME_experiment.py. One of these stands for itself,
    but its siblings of the same NAME are loaded with it. Any other Python file may define all in one. Raises
    `UsageError` with file and line where a file cannot be loaded, or defines nothing.
    """
    place = Path(path)
    if place.is_dir():
        files = own_files(place)
        if not files:
            raise UsageError(
                f"{place} holds no files that end in {', '.join(f'_{part}.py' for part in PARTS)}; make some with "
                f"`toymodels new NAME --into {place}`, or give the path of a Python file."
            )
        return sum((_load_file(file) for file in files), Loaded())
    if place.suffix != ".py" or not place.is_file():
        raise UsageError(f"There is no Python file or folder {place}; give one that exists, such as ./NAME_theory.py.")
    name, part = _split(place)
    for file in own_files(place.parent):
        if part and _split(file)[0] == name:
            _load_file(file)
    return _load_file(place)


def own_files(folder: Path) -> list[Path]:
    """Files of a folder that `load` takes, theories first, then models, then experiments."""
    return sorted(
        (file for file in folder.glob("*.py") if _split(file)[1]),
        key=lambda file: (PARTS.index(_split(file)[1]), file.name),
    )


def _split(file: Path) -> tuple[str, str]:
    """NAME and part of a file name; part is "" for other files."""
    name, _, part = file.stem.rpartition("_")
    return (name, part) if name and part in PARTS and file.suffix == ".py" else (file.stem, "")


def _load_file(file: Path) -> Loaded:
    file = file.resolve()
    if file not in _LOADED:
        found = _define(_import(file), file)
        for claim in found.claims:
            register(claim)
        for model in found.models:
            register_model(model)
        for experiment in found.experiments:
            registry.register(experiment, file)
        _LOADED[file] = found
    return _LOADED[file]


def _import(file: Path) -> ModuleType:
    try:
        return import_file(file)
    except (Exception, SystemExit) as error:  # whatever a user's file raises, the user is told where
        raise UsageError(
            f"{file}, line {_line(error, file)}: {type(error).__name__}: {error} (while the file was loaded). Correct "
            "the file and run the same command again."
        ) from error


def _line(error: BaseException, file: Path) -> int | str:
    if isinstance(error, SyntaxError):
        return error.lineno or "?"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(file)]
    return lines[-1] if lines and lines[-1] else "?"


def _define(module: ModuleType, file: Path) -> Loaded:
    expected = {"theory": "CLAIMS", "model": "MODELS", "experiment": "EXPERIMENTS"}.get(_split(file)[1])
    kinds = {"CLAIMS": (Claim, False), "MODELS": (ToyModel, True), "EXPERIMENTS": (Experiment, False)}
    found = {}
    for name, (kind, is_class) in kinds.items():
        found[name] = entries = getattr(module, name, ())
        fine = isinstance(entries, tuple | list) and all(
            isinstance(entry, type) and issubclass(entry, kind) if is_class else isinstance(entry, kind)
            for entry in entries
        )
        if not fine:
            what = f"subclasses of {kind.__name__}" if is_class else f"objects of type {kind.__name__}"
            raise UsageError(f"{file}: {name} must be a tuple of {what}, such as {name} = (mine,); got {entries!r}.")
    if not found[expected] if expected else not any(found.values()):
        raise UsageError(f"{file} defines no {expected or WANTED}; end it with {expected or 'CLAIMS'} = (mine,).")
    return Loaded(*(tuple(found[name]) for name in kinds))


def names(kind: str, loaded: Loaded) -> list[str]:
    """Names of the claims, models or experiments among what was loaded."""
    if kind == "claim":
        return [claim.id for claim in loaded.claims]
    if kind == "model":
        return [model.name for model in loaded.models]
    return [experiment.name for experiment in loaded.experiments]


def sources() -> tuple[Path, ...]:
    """Python files and bibliographies in the folders of all files that are loaded: own experiments may depend on
    them."""
    folders = sorted({file.parent for file in _LOADED})
    return tuple(path for folder in folders for path in sorted(folder.iterdir()) if path.suffix in {".py", ".bib"})


def unloaded_hint(folder: Path) -> str:
    """A sentence about own files in `folder` that were not loaded; empty if there are none."""
    forgotten = [file.name for file in own_files(folder) if file.resolve() not in _LOADED]
    if not forgotten:
        return ""
    return (
        f" {', '.join(forgotten[:3])} in this folder {'is' if len(forgotten) == 1 else 'are'} not loaded: add --load ."
    )
