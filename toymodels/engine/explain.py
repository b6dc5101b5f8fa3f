"""What a sweep will cost, before anything starts."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np

from toymodels.engine.batch import size_class
from toymodels.engine.compile import layout, program
from toymodels.engine.execute import GroupWork, inputs, prepare
from toymodels.engine.provenance import identity
from toymodels.engine.store import DiskStore, MemoryStore, Store
from toymodels.engine.sweep import Plan, Sweep, plan

TRIAL_STEPS = 2000


@dataclasses.dataclass(frozen=True)
class Explanation:
    """Cost of a sweep. `str()` is readable."""

    model: str
    dims: dict[str, int]
    runs: int
    stored: int
    """Runs that need no computing: the store holds them, or they occur twice."""
    groups: tuple[tuple[tuple[int, ...], int], ...]
    """Scan lengths of each compiled program, and its runs."""
    chunks: int
    memory_bytes: int
    """Peak working memory beyond the result: one call's records, on devices and on the host."""
    result_bytes: int
    devices: str
    seconds_estimate: float | None
    """From a short trial; without the time to compile. None where none was made."""

    def __str__(self) -> str:
        axes = " x ".join(f"{name} {length}" for name, length in self.dims.items())
        lines = [
            f"{self.model}: {self.runs} runs ({axes}), {self.stored} of them known already, on {self.devices}",
            f"  compiled programs  {len(self.groups)}, scan lengths "
            + "; ".join(f"{' x '.join(map(str, lengths))} ({runs} runs)" for lengths, runs in self.groups),
            f"  chunks to compute  {self.chunks}" + self._crew(),
            f"  memory             {_bytes(self.memory_bytes)} while running, result {_bytes(self.result_bytes)}",
        ]
        if self.seconds_estimate is not None:
            lines.append(f"  time               about {_seconds(self.seconds_estimate)}, plus compiling")
        return "\n".join(lines)

    def _crew(self) -> str:
        if self.chunks < 2:
            return ""
        return f", at most {self.chunks} workers of one core at once with --executor processes, dask or slurm"


def explain(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    trial: bool = True,
    devices: Sequence[jax.Device] | None = None,
) -> Explanation:
    """Count runs, programs, chunks and memory of `sweep`; with `trial`, estimate its time from one short
    batch.

    Nothing is written: a `store` that does not exist is not made.
    """
    devices = tuple(devices or jax.local_devices())[: sweep.model.most_devices]
    ready = plan(sweep)
    held: Store = MemoryStore()
    if store is not None and (Path(store) / "store.json").is_file():
        held = DiskStore(Path(store), identity(sweep))
    work = prepare(ready, held, devices)
    calls = [min(item.sizes.call, max(len(item.todo), 1)) * layout(item.signature).bytes for item in work]
    todo = sum(len(item.todo) for item in work)
    heaviest = max(work, key=lambda item: len(item.todo) * max(item.group.lengths[0], 1))
    batch = held.batches.get(size_class(sweep.runs, len(devices), devices[0].platform), heaviest.sizes.batch)
    seconds = 0.0 if not todo else _trial(ready, work, heaviest, batch, devices) if trial else None
    return Explanation(
        model=sweep.model.name,
        dims=sweep.dims,
        runs=sweep.runs,
        stored=sweep.runs - todo,
        groups=tuple((item.group.lengths, item.runs) for item in work),
        chunks=sum(-(-len(item.todo) // item.sizes.chunk) for item in work),
        memory_bytes=3 * max(calls),
        result_bytes=sum(item.runs * layout(item.signature).bytes for item in work),
        devices=f"{len(devices)} {devices[0].platform} device{'s' if len(devices) > 1 else ''}",
        seconds_estimate=seconds,
    )


def _trial(
    ready: Plan, work: Sequence[GroupWork], heaviest: GroupWork, batch: int, devices: tuple[jax.Device, ...]
) -> float | None:
    """Time of one batch over at most TRIAL_STEPS steps, scaled to all run-steps."""
    lengths = heaviest.group.lengths
    short = min(lengths[0], -(-TRIAL_STEPS // ready.stride) * ready.stride)
    if lengths[0] > 0 and short == 0:
        return None
    sig = dataclasses.replace(heaviest.signature, lengths=(short, *lengths[1:]))
    runner = program(sig, batch, batch, devices)
    given = inputs(ready, sig, np.resize(heaviest.todo, batch * len(devices)))
    runner(*given)
    begun = time.perf_counter()
    runner(*given)
    per_step = (time.perf_counter() - begun) / max(short, 1) / (batch * len(devices))
    return per_step * sum(_padded(item, batch * len(devices)) * max(item.group.lengths[0], 1) for item in work)


def _padded(item: GroupWork, together: int) -> int:
    return -(-len(item.todo) // together) * together


def _bytes(n: int) -> str:
    size, units = float(n), ["B", "KiB", "MiB", "GiB", "TiB"]
    while size >= 1024 and len(units) > 1:
        size, units = size / 1024, units[1:]
    return f"{size:.3g} {units[0]}"


def _seconds(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.2g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
