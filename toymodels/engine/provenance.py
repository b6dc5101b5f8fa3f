"""What a result depends on: the identity of a store, and the account that travels with every result."""

from __future__ import annotations

import ast
import dataclasses
import functools
import hashlib
import importlib.metadata
import importlib.util
import inspect
import json
import platform
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from toymodels.engine.sweep import Plan, Sweep
from toymodels.errors import UsageError
from toymodels.model import ToyModel

LIBRARIES = ("jax", "jaxlib", "numpy", "optax", "flax")
ENGINE = ("toymodels.engine.keys", "toymodels.engine.compile")
PACKAGE = "toymodels"


def identity(sweep: Sweep) -> dict[str, Any]:
    """What all runs of one store share. Parameters, seeds and stride are not part of it: they identify single
    runs."""
    return {
        "model": sweep.model.name,
        "statics": statics(sweep.model),
        "dtype": sweep.dtype,
        "root": int(sweep.root),
        "independent": bool(sweep.independent),
        **surroundings(type(sweep.model)),
    }


def surroundings(model: type) -> dict[str, Any]:
    """What results depend on apart from the specification: libraries, random bits, sources."""
    return {
        "versions": versions(),
        "random bits": {"threefry partitionable": _partitionable()},
        "source of": source_digests(model),
    }


def _partitionable() -> bool:
    return bool(jax.config.jax_threefry_partitionable)  # type: ignore[attr-defined]


def statics(model: ToyModel) -> dict[str, Any]:
    """The static fields of a model, as JSON values."""
    return {field.name: _plain(getattr(model, field.name)) for field in dataclasses.fields(model)}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            "type": type(value).__qualname__,
            **{f.name: _plain(getattr(value, f.name)) for f in dataclasses.fields(value)},
        }
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


@functools.cache
def _versions() -> tuple[tuple[str, str], ...]:
    found = []
    for name in LIBRARIES:
        try:
            found.append((name, importlib.metadata.version(name)))
        except importlib.metadata.PackageNotFoundError:
            found.append((name, "absent"))
    return tuple(found)


def versions() -> dict[str, str]:
    """Versions of the libraries that results depend on."""
    return dict(_versions())


def source_digests(model: type) -> dict[str, str]:
    """Digest of the source of every module that the model is made of.

    These are the files of the model's class and its bases, what they import from this package, directly or
    not, and what a model in a file of its own imports from files beside it; also the parts of the engine that
    decide on numbers.
    """
    pending: dict[str, Path] = {}
    digests: dict[str, str] = {}
    for cls in model.__mro__:
        if cls.__module__ in ("builtins", "abc"):
            continue
        file = _file_of_class(cls)
        if file is None:
            digests[f"{cls.__module__}.{cls.__qualname__}"] = _digest(_source_of_class(cls))
        else:
            pending[cls.__module__] = file
    pending |= {name: file for name in ENGINE if (file := _find(name)) is not None}
    seen: set[Path] = set()
    while pending:
        name, file = pending.popitem()
        if file in seen:
            continue
        seen.add(file)
        content = file.read_bytes()
        digests[name if name.startswith(PACKAGE) else file.name] = _digest(content)
        if name not in ENGINE:
            pending |= _imports(name, file, content)
    return dict(sorted(digests.items()))


def _file_of_class(cls: type) -> Path | None:
    try:
        file = inspect.getsourcefile(cls)
    except TypeError:
        file = getattr(sys.modules.get(cls.__module__), "__file__", None)
    return Path(file) if file and Path(file).is_file() else None


def _source_of_class(cls: type) -> bytes:
    try:
        return inspect.getsource(cls).encode()
    except (OSError, TypeError) as error:
        raise UsageError(
            f"The source of {cls.__qualname__} cannot be found, so a store could not tell when it changes; "
            "define the model in a file, or run without a store."
        ) from error


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _find(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    return Path(spec.origin) if spec and spec.origin and spec.origin.endswith(".py") else None


@functools.lru_cache(maxsize=256)
def _imports(module: str, file: Path, content: bytes) -> dict[str, Path]:
    """Modules of this package, and files beside `file`, that a module imports anywhere in its source."""
    found: dict[str, Path] = {}
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(content)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from a.b import c`: c is a module of its own, or a name in a.b.
            inner = {alias.name: f"{base}.{alias.name}" for alias in node.names}
            names = [full if _local(full, file) else base for full in inner.values()]
        for name in names:
            source = _local(name, file)
            if source is not None:
                found[name] = source
    return found


def _local(name: str, importer: Path) -> Path | None:
    if name.split(".")[0] == PACKAGE:
        return _find(name)
    beside = importer.parent / f"{name}.py"
    return beside if "." not in name and beside.is_file() else None


def spec(plan: Plan) -> dict[str, Any]:
    """What was asked for, as JSON values."""
    sweep = plan.sweep
    seeds = sweep.seed_values
    consecutive = bool(np.all(np.diff(seeds.astype(np.int64)) == 1))
    return {
        "model": sweep.model.name,
        "module": type(sweep.model).__module__,
        "statics": statics(sweep.model),
        "parameters": {
            name: {"dims": list(map(str, array.dims)), "values": array.values.tolist()}
            for name, array in sweep.grid.given.items()
        },
        "seeds": [int(seeds[0]), int(seeds[-1])] if consecutive else seeds.tolist(),
        "seeds_are": "first and last" if consecutive else "all",
        "independent": bool(sweep.independent),
        "dtype": sweep.dtype,
        "root": int(sweep.root),
        "stride": plan.stride,
    }


def provenance(plan: Plan, batches: Mapping[str, int]) -> str:
    """JSON text: what was run, with which software, where, and by which command."""
    asked = spec(plan)
    try:
        sources = source_digests(type(plan.sweep.model))
    except UsageError:
        sources = {}
    hashed = json.dumps([asked, versions(), sources], sort_keys=True).encode()
    device = jax.devices()[0]
    account = {
        "spec": asked,
        "spec_hash": hashlib.sha256(hashed).hexdigest(),
        "versions": versions() | {"toymodels": _toymodels_version(), "python": platform.python_version()},
        "source": sources,
        "commit": commit(),
        "device": {
            "platform": device.platform,
            "kind": device.device_kind,
            "count": jax.local_device_count(),
        },
        "batches": dict(batches),
        "argv": sys.argv,
    }
    return json.dumps(account, sort_keys=True)


def _toymodels_version() -> str:
    try:
        return importlib.metadata.version(PACKAGE)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


@functools.cache
def commit() -> str:
    """Git commit of this package's working tree, "+changes" if it differs from it; empty outside of one."""
    here = Path(__file__).resolve().parent

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=5, check=True
        ).stdout.strip()

    try:
        if not git("ls-files", "--", str(here.parent / "model.py")):
            return ""
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", "--", str(here.parent)) else "")
    except (OSError, subprocess.SubprocessError):
        return ""
