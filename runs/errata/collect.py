"""Collect, from the verdicts of a results directory, every printed statement that was refuted."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import xarray as xr

from runs.errata.declared import UNCORRECTED, bears_on, corrections_of
from runs.errata.witness import Witness, find_witness
from runs.experiment import SCALES, Comparison, Experiment
from runs.registry import experiments
from theory.claim import Claim, Correction
from theory.registry import CLAIMS
from theory.variants import predict_variants
from theory.verify import Verification
from toymodels.engine.tree import open_tree


@dataclasses.dataclass(frozen=True)
class Corrected:
    """A law that replaces a printed one: how it was declared, its certificate and the verdicts on it."""

    claim: Claim
    correction: Correction
    certificate: Verification | None
    verdicts: tuple[dict[str, Any], ...]


@dataclasses.dataclass(frozen=True)
class Refutation:
    """A comparison that refuted a printed statement, and its data on disk."""

    experiment: Experiment
    comparison: Comparison
    verdict: dict[str, Any]
    law: Claim | None
    """The corrected law of the same data."""
    place: Path
    """Directory of the experiment's results."""
    directory: Path
    """The results directory, which also holds the archives of `toymodels falsify`."""

    @functools.cached_property
    def data(self) -> xr.Dataset:
        """The compared data, as measured."""
        return self._tree[f"simulation/{self.comparison.data}"].to_dataset().load()

    @functools.cached_property
    def points(self) -> xr.Dataset:
        """The verdict's points."""
        return self._tree[f"verdict/{self.comparison.id}"].to_dataset().load()

    def predicted(self, claim: Claim) -> xr.DataArray:
        """The law's prediction on the compared data."""
        given = binding(claim, self.experiment, self.comparison, self.data)
        bound = {symbol: self.data[source] for symbol, source in given.items()}
        law = predict_variants(claim, bound, mutants=False).isel(variant=0, drop=True)
        return self.comparison.convert(law, self.data) if self.comparison.convert else law

    @functools.cached_property
    def witness(self) -> Witness | None:
        """The simplest point where the printed form fails."""
        return find_witness(self)

    @functools.cached_property
    def _tree(self) -> xr.DataTree:
        return open_tree(self.place / "result.zarr")


@dataclasses.dataclass(frozen=True)
class Erratum:
    """A printed statement that does not hold, and everything that speaks for and against it."""

    printed: Claim
    refutations: tuple[Refutation, ...]
    corrected: tuple[Corrected, ...]

    @property
    def classed(self) -> str:
        """misprint, convention, assumption fails, loose prefactor; "" where no correction is known."""
        return self.corrected[0].correction.classed if self.corrected else ""

    @property
    def reason_uncorrected(self) -> str:
        """Why there is no corrected law."""
        return UNCORRECTED.get(self.printed.id, "")


def collect(
    directory: Path, summaries: Iterable[dict[str, Any]], certificates: Iterable[Verification] = ()
) -> tuple[Erratum, ...]:
    """Errata in the order of the registry.

    `summaries` are those of `runs.report.build.load`; of an experiment at several scales the fullest counts.
    `certificates` are attached to the laws that they belong to. A printed statement that holds, or that was refuted
    only outside what it states, is not among them.
    """
    known = experiments()
    rows: dict[str, tuple[Experiment, Comparison, dict[str, Any], Path]] = {}
    for summary in sorted(summaries, key=lambda one: SCALES.index(one["scale"])):
        experiment = known.get(summary["experiment"])
        comparisons = {c.id: c for c in experiment.comparisons} if experiment else {}
        for row in summary["verdicts"]:
            comparison = comparisons.get(row["verdict"]["id"])
            if experiment is not None and comparison is not None:
                rows[comparison.id] = (experiment, comparison, row["verdict"], directory / summary["path"])
    checked = {result.claim: result for result in certificates}
    return tuple(
        erratum
        for claim in CLAIMS.values()
        if claim.source.key is not None
        and (erratum := _erratum(claim, list(rows.values()), checked, directory)).refutations
    )


def binding(claim: Claim, experiment: Experiment, comparison: Comparison, data: xr.Dataset) -> dict[str, str]:
    """How `claim` reads the `data` of `comparison`: as where it is compared with the same data, or with others that
    hold the same names; else as its rival."""
    alike = [c for c in experiment.comparisons if (c.claim, c.observable) == (claim.id, comparison.observable)]
    for other in sorted(alike, key=lambda c: c.data != comparison.data):
        if all(source in data for source in other.bind.values()):
            return dict(other.bind)
    return dict(comparison.bind)


def _erratum(
    claim: Claim,
    rows: list[tuple[Experiment, Comparison, dict[str, Any], Path]],
    checked: dict[str, Verification],
    directory: Path,
) -> Erratum:
    laws = corrections_of(claim.id)
    refutations = tuple(
        Refutation(experiment, comparison, verdict, _partner(comparison, experiment, laws), place, directory)
        for experiment, comparison, verdict, place in rows
        if comparison.claim == claim.id and verdict["status"] == "disagrees" and bears_on(comparison)
    )

    def about(law: Claim) -> tuple[dict[str, Any], ...]:
        return tuple(verdict for _, _, verdict, _ in rows if verdict["claim"] == law.id)

    corrected = tuple(Corrected(law, how, checked.get(law.id), about(law)) for law, how in laws)
    return Erratum(claim, refutations, corrected)


def _partner(
    comparison: Comparison, experiment: Experiment, laws: tuple[tuple[Claim, Correction], ...]
) -> Claim | None:
    """The corrected law to lay beside the printed one: one that is compared with the same data, if there is any."""
    here = (comparison.data, comparison.observable)
    same = {other.claim for other in experiment.comparisons if (other.data, other.observable) == here}
    ordered = sorted((law for law, _ in laws), key=lambda law: law.id not in same)
    return ordered[0] if ordered else None
