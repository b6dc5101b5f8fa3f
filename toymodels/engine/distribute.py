"""Hand the chunks of a sweep to an executor and take the finished ones into the store."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence

from toymodels.engine.chunks import ChunkTask, compute_chunks
from toymodels.engine.executors import Executor
from toymodels.engine.store import DiskStore
from toymodels.errors import EnvironmentProblem

Advance = Callable[[int], None]


def distribute(tasks: Sequence[ChunkTask], store: DiskStore, executor: Executor, advance: Advance) -> None:
    """Compute `tasks`; `advance` hears of every finished one.

    Where a worker dies, what is left is handed out once more; a second time is an `EnvironmentProblem`.
    """
    left = list(tasks)
    lost = _attempt(left, store, executor, advance)
    if lost is None:
        return
    executor.renew()
    store.look_again()  # a worker may have written a chunk and died before it could say so
    known = [task for task in left if not _lacking(store, task)]
    advance(sum(len(task.ids) for task in known))
    left = [task for task in left if _lacking(store, task)]
    lost = _attempt(left, store, executor, advance)
    if lost is not None:
        detail = " ".join(str(lost).split())
        raise EnvironmentProblem(
            f"Workers died twice ({type(lost).__name__}: {detail[:400]}). Killed by hand, or out of memory? Finished "
            f"chunks are kept in {store.path}: run the same command again, with fewer --workers or inline."
        ) from lost


def _lacking(store: DiskStore, task: ChunkTask) -> bool:
    return bool((store.find(task.ids)[:, 0] < 0).any())


def _attempt(left: list[ChunkTask], store: DiskStore, executor: Executor, advance: Advance) -> BaseException | None:
    """Take finished tasks off `left`; returns the death of a worker, if any."""
    waiting: dict[concurrent.futures.Future[list[str]], Sequence[ChunkTask]] = {}
    try:
        for job in executor.jobs(left):
            waiting[executor.submit(compute_chunks, job)] = job
        for future in concurrent.futures.as_completed(waiting):
            for task, name in zip(waiting[future], future.result(), strict=True):
                store.adopt(name, task.ids)
                left.remove(task)
                advance(len(task.ids))
    except executor.lost as error:
        return error
    finally:
        for future in waiting:
            future.cancel()
    return None
