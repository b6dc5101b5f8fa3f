"""Compute what a store does not hold yet: group by group, call by call, chunk by chunk."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np

from toymodels.engine import keys
from toymodels.engine.batch import Sizes, choose_sizes, size_class, tune
from toymodels.engine.chunks import ChunkTask, pack, trim
from toymodels.engine.compile import Program, Signature, layout, program, signature
from toymodels.engine.distribute import distribute
from toymodels.engine.executors import Executor
from toymodels.engine.store import DiskStore, Store
from toymodels.engine.sweep import Group, Plan, own_lengths
from toymodels.errors import UsageError


@dataclasses.dataclass(frozen=True)
class GroupWork:
    """One group, the sizes of its calls, and the runs (indexes in the sweep's C order) that are still to
    do."""

    group: Group
    signature: Signature
    sizes: Sizes
    runs: int
    todo: np.ndarray


def prepare(plan: Plan, store: Store, devices: Sequence[jax.Device]) -> list[GroupWork]:
    """What has to be computed; a run that occurs twice in the sweep is computed once."""
    seeds = len(plan.sweep.seed_values)
    todo = (store.find(plan.ids)[:, 0] < 0).reshape(-1, seeds)
    repeated = np.ones(len(todo), dtype=bool)
    repeated[np.unique(plan.store_hash, axis=0, return_index=True)[1]] = False
    todo[repeated] = False
    work = []
    for group in plan.groups:
        runs = (group.points[:, None] * seeds + np.arange(seeds)[None, :]).reshape(-1)
        sig = signature(plan, group.lengths)
        sizes = choose_sizes(layout(sig), group.lengths, len(runs), len(devices), devices[0].platform)
        work.append(GroupWork(group, sig, sizes, len(runs), runs[todo.reshape(-1)[runs]]))
    return work


def execute(
    plan: Plan,
    store: Store,
    *,
    batch: int | None = None,
    devices: Sequence[jax.Device] | None = None,
    executor: Executor | None = None,
    advance: Callable[[int], None] = lambda runs: None,
) -> int:
    """Compute all runs of `plan` that `store` lacks, here or by an executor's workers; `advance` hears of every
    finished chunk. Returns their number."""
    if executor is not None and not isinstance(store, DiskStore):
        raise UsageError("Workers write what they train to a store; give store=directory, or run inline.")
    devices = tuple(devices or jax.local_devices())[: plan.sweep.model.most_devices]
    work = prepare(plan, store, devices)
    done = plan.sweep.runs - sum(len(w.todo) for w in work)
    advance(done)
    work = [w for w in work if len(w.todo)]
    if not work:
        return 0
    chosen = _choose_batch(plan, store, work, devices, batch)
    records = np.repeat(own_lengths(plan.sweep)[:, 0] // plan.stride + 1, len(plan.sweep.seed_values))
    if executor is not None:
        assert isinstance(store, DiskStore)
        tasks = _tasks(plan, store, work, chosen, devices, records)
        distribute(tasks, store, executor, advance)
        return sum(len(w.todo) for w in work)
    for item in work:
        runner = _program(item, chosen, devices)
        for call in _pieces(item.todo, runner.total // item.sizes.chunk * item.sizes.chunk or runner.total):
            outputs = runner(*inputs(plan, item.signature, call))
            for start in range(0, len(call), item.sizes.chunk):
                rows = slice(start, start + item.sizes.chunk)
                runs = call[rows]
                chunk = {name: values[rows] for name, values in outputs.items()}
                store.add(plan.ids[runs], trim(plan.sweep.model, chunk, int(records[runs].max())))
                advance(len(runs))
    return sum(len(w.todo) for w in work)


def _tasks(
    plan: Plan,
    store: DiskStore,
    work: Sequence[GroupWork],
    batch: int | None,
    devices: tuple[jax.Device, ...],
    records: np.ndarray,
) -> list[ChunkTask]:
    """The chunks that are lacking, cut as they are cut inline; `records` of each run are kept."""
    tasks = []
    for item in work:
        together = batch or item.sizes.batch
        # Bits depend on the capacity too: a worker's one device gets the program that each device has inline.
        capacity = _capacity(item, together, len(devices))
        parcel = pack(item.signature, together, capacity, devices[0].platform, store.chunks)
        for runs in _pieces(item.todo, item.sizes.chunk):
            given = inputs(plan, item.signature, runs)
            tasks.append(ChunkTask(parcel, given, plan.ids[runs], int(records[runs].max())))
    return tasks


def _choose_batch(
    plan: Plan, store: Store, work: Sequence[GroupWork], devices: tuple[jax.Device, ...], batch: int | None
) -> int | None:
    """The batch on the processor: given, remembered by the store, or tuned on the group with the most
    work."""
    if batch is not None and (isinstance(batch, bool) or batch < 1):
        raise UsageError(f"batch = {batch!r} is not allowed; give a whole number >= 1, or None to have it tuned.")
    key = size_class(plan.sweep.runs, len(devices), devices[0].platform)
    if batch is None:
        batch = store.batches.get(key)
    if batch is None:
        heaviest = max(work, key=lambda w: len(w.todo) * max(w.group.lengths[0], 1))
        batch = heaviest.sizes.batch
        if devices[0].platform == "cpu":
            steps = sum(len(w.todo) * w.group.lengths[0] for w in work)
            runs = -(-steps // max(heaviest.group.lengths[0], 1))

            def trial(candidate: Program) -> object:
                call = np.resize(heaviest.todo, candidate.batch * len(devices))
                return candidate(*inputs(plan, heaviest.signature, call))

            batch = tune(batch, runs, len(devices), lambda b: _program(heaviest, b, devices), trial)
    store.note_batch(key, batch)
    return batch


def _program(item: GroupWork, batch: int | None, devices: tuple[jax.Device, ...]) -> Program:
    batch = batch or item.sizes.batch
    return program(item.signature, batch, _capacity(item, batch, len(devices)), devices)


def _capacity(item: GroupWork, batch: int, devices: int) -> int:
    """Most runs of one call on one device. A power of two: sweeps of about the same size share the compiled program."""
    share = -(-item.runs // devices)
    return max(batch, min(1 << (share - 1).bit_length(), -(-item.sizes.call // devices)))


def inputs(
    plan: Plan, sig: Signature, runs: np.ndarray
) -> tuple[np.ndarray, dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Root key, parameters, seeds and hash words of some runs."""
    sweep = plan.sweep
    points, seeds = np.divmod(runs, len(sweep.seed_values))
    params = {name: sweep.grid.values[name][points].astype(dtype) for name, _, dtype in sig.shapes}
    return (
        keys.root_data(sweep.root),
        params,
        sweep.seed_values[seeds],
        keys.key_words(plan.point_hash)[points],
    )


def _pieces(runs: np.ndarray, size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(runs), size):
        yield runs[start : start + size]
