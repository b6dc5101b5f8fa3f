"""One line of the calibration table: synthetic data of known truth, and how often the rule errs on them."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable

import numpy as np
import xarray as xr

from toymodels.comparator import rule
from toymodels.comparator.kinds import Kind
from toymodels.comparator.kinds.base import Case, Estimate
from toymodels.comparator.layout import Layout

SEED = 20240229
REPETITION = "repetition"
HAIR = 1e-12
"""The margin "next to nothing": with it every interval that misses the truth is an alarm."""


@dataclasses.dataclass(frozen=True)
class Batch:
    """Many repetitions of one comparison in one data set: the first dim is `repetition`."""

    kind: Kind
    data: xr.Dataset
    truth: xr.DataArray | float
    """What a correct law predicts."""
    margin: float = HAIR
    wrong: tuple[tuple[Kind, xr.DataArray | float, float], ...] = ()
    """(kind, prediction, margin) of laws that are off by three margins. Empty: intervals are moved by three of their
    median half-widths instead, which is the same on an additive scale."""


@dataclasses.dataclass(frozen=True)
class Scenario:
    """A named source of batches. `runs` is None where runs are not the unit of evidence."""

    kind: str
    setting: str
    runs: int | None
    points: int
    make: Callable[[np.random.Generator, int], Batch]
    covered: bool = True
    """False: shown because the guarantee does not extend to it."""

    def generator(self) -> np.random.Generator:
        """Every scenario draws from a generator of its own, so that one row can be made without the others."""
        label = f"{self.kind}|{self.setting}|{self.runs}|{self.points}"
        return np.random.default_rng([SEED, zlib.crc32(label.encode())])


@dataclasses.dataclass(frozen=True)
class Row:
    """Counts of one scenario."""

    kind: str
    setting: str
    runs: int | None
    points: int
    repetitions: int
    alarms: int
    """Repetitions in which the true law was told to disagree."""
    missed: int
    """Repetitions in which a law that is off by three margins was told to agree."""
    width: float
    """Median half-width of the intervals, on the kind's scale; inf: too little data to tell."""
    covered: bool = True


def measure(scenario: Scenario, repetitions: int) -> Row:
    """Run one scenario."""
    batch = scenario.make(scenario.generator(), repetitions)
    found = judged(batch.kind, batch.data, batch.truth, repetitions)
    half = (found.high - found.low) / 2
    width = float(np.median(half))
    alarms = count(found, batch.margin, rule.DISAGREES)
    if batch.wrong:
        missed = max(
            count(judged(kind, batch.data, law, repetitions), margin, rule.AGREES) for kind, law, margin in batch.wrong
        )
    else:
        margin = width if np.isfinite(width) else 1.0
        moved = (Estimate(*(end + 3 * sign * margin for end in dataclasses.astuple(found))) for sign in (-1, 1))
        missed = sum(count(estimate, margin, rule.AGREES) for estimate in moved)
    return Row(
        scenario.kind,
        scenario.setting,
        scenario.runs,
        scenario.points,
        repetitions,
        alarms,
        missed,
        width,
        scenario.covered,
    )


def judged(kind: Kind, data: xr.Dataset, law: xr.DataArray | float, repetitions: int) -> Estimate:
    """(repetitions, points): intervals of all repetitions in one pass, each with the budget of one comparison."""
    columns = kind.columns("y")
    layout = Layout.of([data[name] for name in columns.values()], kind.run_dims)
    predicted = layout.stack(xr.DataArray(law), "law").astype(float)
    case = Case(data, "y", layout, np.ones(layout.shape, bool), rule.FALSE_ALARM * repetitions)
    found = kind.estimate(case, predicted)
    return Estimate(*(end.reshape(repetitions, -1) for end in (found.value, found.low, found.high)))


def count(found: Estimate, margin: float, status: str) -> int:
    """Repetitions to which the rule gives this status."""
    points = rule.point_status(found, margin)
    if status == rule.DISAGREES:
        return int((points == rule.DISAGREES).any(axis=1).sum())
    return int((points == status).all(axis=1).sum())
