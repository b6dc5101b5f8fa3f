"""One chunk of a sweep as a task that any process can do: it trains the runs and writes them itself."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import importlib.util
import inspect
import os
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from toymodels.engine.compile import Signature, program
from toymodels.engine.provenance import surroundings
from toymodels.engine.store import differences, write_chunk
from toymodels.errors import EnvironmentProblem, UsageError
from toymodels.model import ToyModel

Given = tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]


@dataclasses.dataclass(frozen=True)
class Parcel:
    """A program and everything that must be the same where it runs. It travels as plain bytes and strings, because a
    worker can unpickle a user's model only after it has loaded the user's file."""

    model: bytes
    module: str
    file: str | None
    rest: tuple[Any, ...]
    """Fields of the signature after the model."""
    batch: int
    capacity: int
    platform: str
    surroundings: Mapping[str, Any]
    folder: str
    """Chunks of the store, on a disk that workers share."""


@dataclasses.dataclass(frozen=True, eq=False)
class ChunkTask:
    """The runs of one chunk, and how to train them."""

    parcel: Parcel
    given: Given
    ids: np.ndarray
    kept: int
    """Records along `step` that are stored."""


def pack(sig: Signature, batch: int, capacity: int, platform: str, folder: Path) -> Parcel:
    """`UsageError` for a model that another process cannot load."""
    cls = type(sig.model)
    if cls.__module__ == "__main__":
        raise UsageError(
            f"{sig.model.name}: workers cannot load {cls.__qualname__} from the running script; put the model in a "
            "file of its own and import it, or run inline."
        )
    try:
        packed = pickle.dumps(sig.model)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise UsageError(
            f"{sig.model.name}: the model cannot be sent to workers ({error}); define it, and the functions among its "
            "static fields, at the top level of a file, or run inline."
        ) from error
    rest = (sig.lengths, sig.stride, sig.dtype, sig.shapes, sig.independent)
    file = inspect.getsourcefile(cls)
    where = str(folder.resolve())
    return Parcel(packed, cls.__module__, file, rest, batch, capacity, platform, surroundings(cls), where)


def compute_chunks(tasks: Sequence[ChunkTask]) -> list[str]:
    """Train and store chunks, on one device and one thread; names of the files. Runs in a worker process."""
    _take_one_core()
    return [_compute(task) for task in tasks]


def _compute(task: ChunkTask) -> str:
    parcel = task.parcel
    model = _unpack(parcel)
    device = jax.local_devices()[0]
    if device.platform != parcel.platform:
        raise EnvironmentProblem(
            f"A worker would train on {device.platform} what was begun on {parcel.platform}: results depend on it in "
            "their last bits. Set JAX_PLATFORMS to the same value for both."
        )
    runner = program(Signature(model, *parcel.rest), parcel.batch, parcel.capacity, (device,))
    root, params, seeds, words = task.given
    parts = [
        runner(root, {name: values[rows] for name, values in params.items()}, seeds[rows], words[rows])
        for start in range(0, len(seeds), runner.total)
        for rows in (slice(start, start + runner.total),)
    ]
    records = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    return write_chunk(Path(parcel.folder), task.ids, trim(model, records, task.kept)).name


def trim(model: ToyModel, records: Mapping[str, np.ndarray], kept: int) -> dict[str, np.ndarray]:
    """Records after the last step of the longest run of a chunk are not kept."""
    axes = {name: seen.dims.index("step") for name, seen in model.observables.items() if "step" in seen.dims}
    return {
        name: rows[(slice(None),) * (1 + axes[name]) + (slice(kept),)] if name in axes else rows
        for name, rows in records.items()
    }


@functools.cache
def _take_one_core() -> None:
    """Workers share the cores: each gets one thread and one device. It counts before jax starts its backend, later it
    changes nothing."""
    # XLA sizes its thread pools by these two; pinning to a core instead would let two commands meet on the same one.
    os.environ["NPROC"] = os.environ["PJRT_NPROC"] = "1"
    if "xla_force_host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", 1)


def _unpack(parcel: Parcel) -> ToyModel:
    if parcel.module not in sys.modules:
        _load(parcel.module, parcel.file)
    model = pickle.loads(parcel.model)
    here = _surroundings(type(model))
    if here != parcel.surroundings:
        lines = "; ".join(differences(parcel.surroundings, here))
        raise EnvironmentProblem(
            f"A worker has another simulator or other libraries than this command ({lines}). Restart the workers, in "
            "the same environment, and run the same command again."
        )
    return model


def _surroundings(model: type[ToyModel]) -> Mapping[str, Any]:
    """As of the first use, right after the import: a file that changes later does not change what is loaded."""
    if model not in _loaded:
        _loaded[model] = surroundings(model)
    return _loaded[model]


_loaded: dict[type[ToyModel], Mapping[str, Any]] = {}


def _load(name: str, file: str | None) -> None:
    """Import a module by name, or else from its file, under the name that the model was pickled with."""
    with contextlib.suppress(ImportError):
        importlib.import_module(name)
        return
    spec = importlib.util.spec_from_file_location(name, file) if file and Path(file).is_file() else None
    if spec is None or spec.loader is None:
        raise EnvironmentProblem(f"A worker cannot load the module {name} ({file}); use a folder that workers share.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    beside = str(Path(str(file)).parent)
    sys.path.append(beside)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(beside)
