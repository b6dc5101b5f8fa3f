"""Run an experiment: sweeps through their stores, measurement, verdicts, figures, one result tree."""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from runs.experiment import Data, Experiment, Onset, Scale
from runs.judging import Judged, judge
from runs.loading import sources as own_sources
from runs.registry import is_own
from toymodels.comparator import Verdict, save_figure
from toymodels.engine import Executor, bisect_onset, run
from toymodels.engine.lock import locked
from toymodels.engine.provenance import commit, versions
from toymodels.engine.tree import save_tree
from toymodels.errors import EnvironmentProblem

SUMMARY = "verdicts.json"
MOST_NUMBERS = 2_000_000
"""Numbers of one comparison that are kept under /theory."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run of an experiment left behind in `directory`."""

    experiment: Experiment
    scale: Scale
    directory: Path
    judged: tuple[Judged, ...]
    reused: bool

    @property
    def as_expected(self) -> bool:
        """Whether every verdict is the declared one."""
        return all(judged.verdict.as_expected for judged in self.judged)


class Announcer:
    """Hears what is going on; the command line prints it, the default is silent."""

    def sweep(self, name: str, position: int, total: int) -> None:
        """A sweep begins."""
        return

    def verdict(self, judged: Judged) -> None:
        """A comparison has been decided."""
        return


def execute(
    experiment: Experiment,
    scale: Scale,
    out: Path,
    *,
    fresh: bool = False,
    progress: bool = False,
    announce: Announcer | None = None,
    executor: Executor | None = None,
) -> Outcome:
    """Run `experiment` at `scale` under `out`/name/scale and return its verdicts.

    What a previous run finished is taken from disk: whole experiments while no source file has changed, single training
    runs while the simulator has not. `fresh` deletes all of it first. Raises `StoreMismatch` when a store on disk was
    written by another simulator, `EnvironmentProblem` when `out` cannot be written, or another process is at it.
    `executor`: whose workers train (default: this process).
    """
    announce = announce or Announcer()
    directory = out / experiment.name / scale
    _make(directory)
    with locked(directory.with_name(f"{scale}.lock")):
        if fresh:
            shutil.rmtree(directory)
            _make(directory)
        return _execute(experiment, scale, directory, progress, announce, executor)


def _execute(
    experiment: Experiment,
    scale: Scale,
    directory: Path,
    progress: bool,
    announce: Announcer,
    executor: Executor | None,
) -> Outcome:
    stamp = source_digest(own=is_own(experiment))
    earlier = _reload(experiment, scale, directory, stamp)
    if earlier is not None:
        for judged in earlier.judged:
            announce.verdict(judged)
        return earlier

    raw = _simulate(experiment, scale, directory, progress, announce, executor)
    data = experiment.measure(raw)
    verdicts: list[Judged] = []
    predictions = {}
    for comparison in experiment.comparisons:
        second = data[comparison.confirm] if comparison.confirm else None
        one, predicted = judge(comparison, data[comparison.data], directory, second=second)
        predictions[comparison.id] = predicted
        verdicts.append(one)
        announce.verdict(one)
    for name, figure in experiment.figures(data).items():
        save_figure(figure, directory / "figures" / name, None)
    _save(directory, data, predictions, verdicts, {"experiment": experiment.name, "scale": scale, "sources": stamp})
    _write_summary(directory, experiment, scale, stamp, verdicts)
    return Outcome(experiment, scale, directory, tuple(verdicts), reused=False)


def _simulate(
    experiment: Experiment,
    scale: Scale,
    directory: Path,
    progress: bool,
    announce: Announcer,
    executor: Executor | None,
) -> dict[str, xr.Dataset]:
    planned = experiment.sweeps(scale)
    raw = {}
    for position, (name, plan) in enumerate(planned.items()):
        announce.sweep(name, position + 1, len(planned))
        store = directory / "stores" / name
        if isinstance(plan, Onset):
            fields = {field.name: getattr(plan, field.name) for field in dataclasses.fields(plan)}
            raw[name] = bisect_onset(**fields, store=store, progress=progress, executor=executor)
        else:
            raw[name] = run(plan, store, progress=progress, executor=executor)
    return raw


def _save(
    directory: Path,
    data: Data,
    predictions: Mapping[str, xr.DataArray],
    judged: list[Judged],
    provenance: dict[str, Any],
) -> None:
    nodes: dict[str, xr.Dataset] = {f"/simulation/{name}": dataset for name, dataset in data.items()}
    nodes |= {f"/theory/{name}": _kept(array).to_dataset(name="prediction") for name, array in predictions.items()}
    nodes |= {f"/verdict/{one.comparison.id}": one.verdict.as_dataset() for one in judged}
    provenance |= {"versions": versions(), "commit": commit(), "argv": sys.argv}
    save_tree(nodes, directory / "result.zarr", provenance)


def _kept(predictions: xr.DataArray) -> xr.DataArray:
    """The claim and its mutants; of a very large grid the claim alone, since mutants are made again in seconds."""
    if predictions.size <= MOST_NUMBERS:
        return predictions
    return predictions.isel(variant=[0]).assign_attrs(mutants="left out: too many points")


def _write_summary(directory: Path, experiment: Experiment, scale: Scale, stamp: str, judged: list[Judged]) -> None:
    summary = {
        "experiment": experiment.name,
        "title": experiment.title,
        "caption": experiment.caption,
        "scale": scale,
        "sources": stamp,
        "figures": sorted(str(path.relative_to(directory)) for path in directory.glob("figures/*.png")),
        "verdicts": [{"verdict": json.loads(one.verdict.to_json()), **one.record()} for one in judged],
    }
    temporary = directory / f".{SUMMARY}"
    temporary.write_text(json.dumps(summary, indent=2, allow_nan=False))
    temporary.replace(directory / SUMMARY)


def _reload(experiment: Experiment, scale: Scale, directory: Path, stamp: str) -> Outcome | None:
    path = directory / SUMMARY
    if not path.exists():
        return None
    try:
        summary = json.loads(path.read_text())
        if summary["sources"] != stamp:
            return None
        comparisons = {comparison.id: comparison for comparison in experiment.comparisons}
        judged = tuple(
            Judged.from_record(
                comparisons[entry["verdict"]["id"]], Verdict.from_json(json.dumps(entry["verdict"])), entry
            )
            for entry in summary["verdicts"]
        )
        complete = all((directory / name).exists() for name in summary["figures"])
    except (KeyError, ValueError, TypeError):
        return None  # a damaged summary: judge again from the stores
    return Outcome(experiment, scale, directory, judged, reused=True) if complete else None


def source_digest(own: bool = True) -> str:
    """Digest of every source file of the three packages, and, with `own`, of the folders that the user's loaded files
    come from: verdicts are reused only while none has changed."""
    digest = hashlib.sha256()
    for package in ("runs", "theory", "toymodels"):
        root = Path(str(importlib.import_module(package).__file__)).parent
        for path in sorted(root.rglob("*")):
            if path.suffix in {".py", ".bib", ".mplstyle"}:
                digest.update(str(path.relative_to(root.parent)).encode() + b"\0" + path.read_bytes())
    for path in own_sources() if own else ():
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _make(directory: Path) -> None:
    try:
        (directory / "figures").mkdir(parents=True, exist_ok=True)
        probe = directory / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise EnvironmentProblem(
            f"Cannot write results to {directory}: {error.strerror or error}. Choose another place with --out."
        ) from error
