"""The calibration table: all scenarios, measured and written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from toymodels.comparator.calibration import (
    bimodal,
    boundaries,
    censored,
    correlated,
    exponents,
    numerical,
    tails,
)
from toymodels.comparator.calibration.scenario import Row, Scenario, measure

REPETITIONS = 2000
ALLOWED = 12
"""At the design rate 2000 repetitions give 6 alarms on average, and more than 12 in less than 1 % of rows."""


def scenarios() -> Iterator[Scenario]:
    """Everything that the guarantee covers, then what it does not."""
    for room in (tails, correlated, censored, bimodal, exponents, boundaries, numerical):
        yield from room.scenarios()
    yield from bimodal.hidden()
    yield from boundaries.misjudged()
    yield from numerical.optimistic()


def calibration_table(repetitions: int = REPETITIONS, chosen: Iterable[Scenario] | None = None) -> tuple[Row, ...]:
    """One row per scenario (all of them by default); a row is the same whatever else is in the table."""
    return tuple(measure(scenario, repetitions) for scenario in (scenarios() if chosen is None else chosen))
