"""Who computes the chunks of a sweep: this process, processes of this machine, a dask cluster, a Slurm cluster.

All share the shape of `concurrent.futures`. Chunks are files in the store, so that any executor finishes what another
began. A worker is one core: it trains on one device with one thread.
"""

from __future__ import annotations

import concurrent.futures
import logging
import multiprocessing
import multiprocessing.context
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import jax

from toymodels.engine.runtime import cores
from toymodels.errors import EnvironmentProblem, UsageError, unknown

EXECUTORS = ("inline", "processes", "dask", "slurm")
SLURM_MINUTES = 240
POLL_SECONDS = 1.0
T = TypeVar("T")
Future = concurrent.futures.Future


class Executor(Protocol):
    """What `run` and `bisect_onset` ask of an executor."""

    lost: tuple[type[BaseException], ...]
    """Errors of a future that mean: the worker died."""

    def jobs(self, tasks: Sequence[T]) -> Iterator[Sequence[T]]:
        """Deal tasks out to jobs."""
        ...

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Compute `function(*arguments)` on a worker."""
        ...

    def renew(self) -> None:
        """Make the executor usable again after the death of a worker."""
        ...

    def close(self, *, kill: bool) -> None:
        """End the workers: now if `kill`, else after their work."""
        ...


@contextmanager
def open_executor(name: str, workers: int | None = None, *, logs: Path | None = None) -> Iterator[Executor | None]:
    """The executor called `name` (None for "inline"), whose workers are gone when the context ends, by an exception or
    Ctrl-C too.

    `workers`: default one for every core of this machine. `logs`: folder for the job files of Slurm, on a disk that
    this machine and the nodes share (default: ./slurm). With DASK_SCHEDULER_ADDRESS set, "dask" uses that cluster and
    not this machine; `workers` is then up to the cluster. Partition, account and time limit of Slurm jobs are taken
    from SBATCH_PARTITION, SBATCH_ACCOUNT and SBATCH_TIMELIMIT.

    A script that uses processes begins its work under `if __name__ == "__main__":`, since workers import it.

    Errors: `UnknownName`; `UsageError` for workers that make no sense or a library that is not installed;
    `EnvironmentProblem` where there is no Slurm or no processor to share.
    """
    if name not in EXECUTORS:
        raise unknown("executor", name, EXECUTORS)
    if workers is not None and (isinstance(workers, bool) or workers < 1):
        raise UsageError(f"workers = {workers!r} is not allowed; give a whole number >= 1.")
    if name == "inline":
        if workers is not None:
            raise UsageError(
                "Inline, this process uses all cores without workers; leave --workers out, or add --executor processes."
            )
        yield None
        return
    executor = _MAKERS[name](workers or cores(), logs or Path("slurm"))
    finished = False
    try:
        yield executor
        finished = True
    finally:
        executor.close(kill=not finished)


class Processes:
    """Fresh Python processes of this machine (`ProcessPoolExecutor`), started with the first chunk."""

    lost: tuple[type[BaseException], ...] = (concurrent.futures.BrokenExecutor,)

    def __init__(self, workers: int) -> None:
        if jax.default_backend() != "cpu":
            raise EnvironmentProblem(
                f"Processes would compete for the {jax.default_backend()}, which one process fills: run inline."
            )
        self.workers = workers
        self._context = _Spawn()
        self._pool: concurrent.futures.ProcessPoolExecutor | None = None

    def jobs(self, tasks: Sequence[T]) -> Iterator[Sequence[T]]:
        return ([task] for task in tasks)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        if self._pool is None:
            self._pool = concurrent.futures.ProcessPoolExecutor(
                self.workers, mp_context=self._context, initializer=_stay_with_parent
            )
        return self._pool.submit(function, *arguments)

    def renew(self) -> None:
        self.close(kill=True)

    def close(self, *, kill: bool) -> None:
        if self._pool is None:
            return
        if kill:
            for process in self._context.started:
                process.kill()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._pool = None
        self._context.started.clear()


class _Spawn(multiprocessing.context.SpawnContext):
    """Remembers its processes: a pool has no public way to kill them before Python 3.14."""

    def __init__(self) -> None:
        super().__init__()
        self.started: list[multiprocessing.context.SpawnProcess] = []

    def Process(self, *given: Any, **named: Any) -> multiprocessing.context.SpawnProcess:  # type: ignore[override]
        process = multiprocessing.context.SpawnProcess(*given, **named)
        self.started.append(process)
        return process


def _stay_with_parent() -> None:
    """Ctrl-C is the parent's affair; a worker whose parent was killed does not stay behind."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class Dask:
    """`dask.distributed`: processes of this machine, or the cluster that DASK_SCHEDULER_ADDRESS names."""

    def __init__(self, workers: int) -> None:
        try:
            from distributed import Client, KilledWorker
        except ImportError as error:
            raise _missing("dask", error) from error
        import dask

        # Dask itself starts a lost chunk again on another worker, three times.
        self.lost: tuple[type[BaseException], ...] = (KilledWorker,)
        local: dict[str, Any] = {"n_workers": workers, "threads_per_worker": 1, "memory_limit": 0}
        # Without the web page, and without warnings of workers that are slow to leave.
        local |= {"dashboard_address": None, "silence_logs": logging.ERROR}
        elsewhere = dask.config.get("scheduler-address", None)
        try:
            self._client = Client(elsewhere) if elsewhere else Client(**local)
        except OSError as error:
            raise EnvironmentProblem(
                f"There is no dask scheduler at {elsewhere or 'this machine'} ({error}); start one with `dask "
                "scheduler`, correct DASK_SCHEDULER_ADDRESS, or unset it."
            ) from error
        self._pool = self._client.get_executor(pure=False)

    def jobs(self, tasks: Sequence[T]) -> Iterator[Sequence[T]]:
        return ([task] for task in tasks)

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        return self._pool.submit(function, *arguments)

    def renew(self) -> None:
        return

    def close(self, *, kill: bool) -> None:
        self._pool.shutdown(wait=not kill)
        self._client.close(timeout=2 if kill else None)
        if self._client.cluster is not None:
            self._client.cluster.close(timeout=2 if kill else None)


class Slurm:
    """Slurm jobs of one core each, through submitit. A job computes its share of a sweep's chunks one after another."""

    def __init__(self, workers: int, folder: Path, cluster: str = "slurm") -> None:
        try:
            import submitit
        except ImportError as error:
            raise _missing("slurm", error) from error
        if cluster == "slurm" and shutil.which("sbatch") is None:
            raise EnvironmentProblem(
                "There is no sbatch on the PATH, so no job can be submitted; log in to a node from which Slurm can be "
                "used, or take --executor processes."
            )
        self.lost: tuple[type[BaseException], ...] = (submitit.core.utils.UncompletedJobError,)
        self._failed = submitit.core.utils.FailedJobError
        self.workers = workers
        self._submit = submitit.AutoExecutor(folder=folder / "%j", cluster=cluster)
        self._submit.update_parameters(name="toymodels", timeout_min=SLURM_MINUTES, slurm_cpus_per_task=1)
        self._jobs: dict[Future[Any], Any] = {}
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def jobs(self, tasks: Sequence[T]) -> Iterator[Sequence[T]]:
        # Every n-th chunk: neighbouring chunks cost alike.
        return (tasks[k :: self.workers] for k in range(min(self.workers, len(tasks))))

    def submit(self, function: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        job = self._submit.submit(function, *arguments)
        future: Future[Any] = concurrent.futures.Future()
        self._jobs[future] = job
        return future

    def _watch(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            for future, job in list(self._jobs.items()):
                if not job.done():
                    continue
                del self._jobs[future]
                if not future.set_running_or_notify_cancel():
                    continue
                try:
                    future.set_result(job.result())
                except self._failed as error:  # the function raised: no reason to try again
                    future.set_exception(EnvironmentProblem(f"A Slurm job failed: {error}"))
                except BaseException as error:
                    future.set_exception(error)

    def renew(self) -> None:
        for future, job in list(self._jobs.items()):
            job.cancel(check=False)
            del self._jobs[future]

    def close(self, *, kill: bool) -> None:
        self._stop.set()
        self._watcher.join()
        self.renew()


def _missing(extra: str, error: ImportError) -> UsageError:
    return UsageError(
        f"--executor {extra} needs a library that is not installed ({error}); add it with: "
        f"python -m pip install 'toymodels[{extra}]'"
    )


_MAKERS: dict[str, Callable[[int, Path], Any]] = {
    "processes": lambda workers, logs: Processes(workers),
    "dask": lambda workers, logs: Dask(workers),
    "slurm": lambda workers, logs: Slurm(workers, logs),
}
