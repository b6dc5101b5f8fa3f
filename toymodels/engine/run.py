"""Run a sweep, or one run of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import xarray as xr
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from toymodels.engine import finalise
from toymodels.engine.execute import execute
from toymodels.engine.executors import Executor
from toymodels.engine.lock import locked
from toymodels.engine.provenance import identity
from toymodels.engine.store import LOCK, DiskStore, MemoryStore, Store
from toymodels.engine.sweep import Sweep, plan
from toymodels.model import ToyModel


def run(
    sweep: Sweep,
    store: str | Path | None = None,
    *,
    progress: bool = True,
    batch: int | None = None,
    fresh: bool = False,
    devices: Sequence[jax.Device] | None = None,
    executor: Executor | None = None,
) -> xr.Dataset:
    """Simulate all runs of `sweep` and return them labelled.

    Dims are those of the sweep, `seed`, and each observable's own. With a `store` (a directory), finished
    runs are kept there chunk by chunk, and runs that it holds, from whatever sweep, are not computed again;
    the result is also written to `result.zarr` in it, and read lazily from there if it is larger than a
    gigabyte. `fresh=True` deletes the store's content first. `batch`: runs computed together on a device,
    tuned if None. `devices`: default all. `executor` (see `open_executor`): its workers compute the chunks, to the
    same bits; it needs a `store`.

    Errors: `StoreMismatch` where the store belongs to another simulator, `EnvironmentProblem` where it cannot
    be written, another process is writing it, or workers died twice.

    Example:
        >>> from toymodels.models import get_model
        >>> data = run(Sweep(get_model("sim"), {"learning_rate": [0.01, 0.02], "steps": 100}, seeds=3))
        >>> dict(data.outcome.sizes)
        {'learning_rate': 2, 'seed': 3}
    """
    ready = plan(sweep)
    with open_store(store, sweep, fresh) as place:
        with progress_bar(sweep.model.name, sweep.runs, progress) as advance:
            execute(ready, place, batch=batch, devices=devices, executor=executor, advance=advance)
        return finalise.in_memory(ready, place) if isinstance(place, MemoryStore) else finalise.on_disk(ready, place)


@contextmanager
def open_store(
    path: str | Path | None, sweep: Sweep, fresh: bool, keep: frozenset[str] | None = None
) -> Iterator[Store]:
    """A place for the runs of `sweep`: the directory `path`, locked, or memory, which holds the observables `keep`."""
    if path is None:
        yield MemoryStore(keep)
        return
    with locked(Path(path) / LOCK):
        place = DiskStore(Path(path), identity(sweep), fresh=fresh)
        try:
            yield place
        finally:
            place.close()


def simulate_one(
    model: ToyModel,
    params: Mapping[str, Any],
    seed: int,
    *,
    independent: bool = False,
    dtype: str = "float64",
    root: int = 0,
) -> xr.Dataset:
    """The run of any sweep with these parameters and this seed (up to rounding), without sweep dims."""
    sweep = Sweep(model, params, seeds=[seed], independent=independent, dtype=dtype, root=root)
    return run(sweep, progress=False, devices=jax.local_devices()[:1]).isel(dict.fromkeys(sweep.dims, 0))


class RateColumn(ProgressColumn):
    """Runs per second."""

    def render(self, task: Task) -> Text:
        """The rate, once there is one."""
        return Text(f"{task.speed:.3g} runs/s" if task.speed else "", style="progress.data.speed")


@contextmanager
def progress_bar(name: str, runs: int, wanted: bool) -> Iterator[Callable[[int], None]]:
    """A bar on the terminal that hears of finished runs; silent where there is no terminal."""
    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        RateColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not (wanted and console.is_terminal)) as bar:
        task = bar.add_task(name, total=runs)
        yield lambda done: bar.advance(task, done)
