"""What every kind of comparison shares: scales, the case at hand, and the estimate it returns."""

from __future__ import annotations

import abc
import dataclasses
from typing import ClassVar

import numpy as np
import xarray as xr

from toymodels.comparator.layout import Layout
from toymodels.errors import UsageError, unknown

SCALES = ("log", "linear", "relative")


def check_scale(scale: str) -> None:
    if scale not in SCALES:
        raise unknown("scale", scale, SCALES)


def discrepancy(measured: np.ndarray, predicted: np.ndarray, scale: str) -> np.ndarray:
    """`measured` against `predicted`, increasing in `measured`; zero where they are equal.

    log: log(measured/predicted). relative: (measured - predicted)/|predicted|. linear: measured - predicted.
    """
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if scale == "linear":
            return measured - predicted
        if scale == "relative":
            return (measured - predicted) / np.abs(predicted)
        return np.log(measured) - np.log(predicted)


def undefined(predicted: np.ndarray, scale: str) -> np.ndarray:
    """Where a prediction cannot be compared with anything on this scale."""
    bad = ~np.isfinite(predicted)
    if scale == "log":
        bad = bad | (predicted <= 0)
    if scale == "relative":
        bad = bad | (predicted == 0)
    return bad


@dataclasses.dataclass(frozen=True)
class Case:
    """The data of one comparison, laid out as (points, runs)."""

    data: xr.Dataset
    observable: str
    layout: Layout
    keep: np.ndarray
    """(points, runs): inside the domain. Everything else is neither compared nor counted as a run."""
    false_alarm: float
    """Probability, over all points together, that some interval misses the truth."""
    cache: dict[str, np.ndarray] = dataclasses.field(default_factory=dict, repr=False, compare=False)
    """What depends on the data alone and is dear, such as a bootstrap; shared by the claim and its
    mutants."""
    copies: np.ndarray | None = dataclasses.field(default=None, repr=False, compare=False)
    """(runs,): runs that repeat an earlier one; None if there are none."""

    def column(self, name: str | float, role: str) -> np.ndarray:
        """A variable of the data (or one number for all) as (points, runs)."""
        if not isinstance(name, str):
            return np.full(self.layout.shape, float(name))
        return self.layout.stack(variable(self.data, name, role), f"variable {name!r}").astype(float)

    @property
    def kept_points(self) -> np.ndarray:
        return np.asarray(self.keep.any(axis=1))

    @property
    def without_copies(self) -> Case:
        """The same case, judged on the first run of every set of copies alone."""
        keep = self.keep if self.copies is None else self.keep & ~self.copies
        return dataclasses.replace(self, keep=keep, copies=None, cache={})

    def point_alarm(self) -> float:
        """Bonferroni's share of one point: valid whatever the dependence, as for seeds shared by all
        points."""
        return self.false_alarm / max(1, int(self.kept_points.sum()))


def median_of_runs(predicted: np.ndarray, keep: np.ndarray) -> np.ndarray:
    """One prediction per point for display: the median over the runs' own predictions, where they differ."""
    known = np.isfinite(predicted) & keep
    result = np.full(len(predicted), np.nan)
    some = known.any(axis=1)
    result[some] = np.nanmedian(np.where(known, predicted, np.nan)[some], axis=1)
    return result


def variable(data: xr.Dataset, name: str, role: str) -> xr.DataArray:
    """The variable (or coordinate) `name` of the data, or a sentence that says what there is."""
    if name in data.variables:
        return data[name]
    known = ", ".join(sorted(str(k) for k in data.variables)) or "nothing"
    raise UsageError(f"The data hold no {role} named {name!r}; they hold {known}.")


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A discrepancy per point with its simultaneous interval. No information is the interval (-inf, inf)."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(cls, value: np.ndarray, low: np.ndarray, high: np.ndarray) -> Estimate:
        """NaN ends carry no information, hence become infinite."""
        return cls(value, np.where(np.isnan(low), -np.inf, low), np.where(np.isnan(high), np.inf, high))

    def covering(self, other: Estimate) -> Estimate:
        """The same value with intervals that hold the other's as well."""
        return Estimate(self.value, np.minimum(self.low, other.low), np.maximum(self.high, other.high))


@dataclasses.dataclass(frozen=True)
class Kind(abc.ABC):
    """How data and a prediction become a discrepancy with an interval per point."""

    name: ClassVar[str]

    @property
    def run_dims(self) -> tuple[str, ...]:
        """Dims that an estimator reduces; all others hold compared points."""
        return ()

    @abc.abstractmethod
    def columns(self, observable: str) -> dict[str, str]:
        """{role: name} of the variables that the data must hold; the first gives the dims."""

    def estimate(self, case: Case, predicted: np.ndarray) -> Estimate:
        """Discrepancy of the data from `predicted` (points, runs).

        Copied runs never narrow an interval: it covers what the data say with them and without them.
        """
        found = self.interval(case, predicted)
        return found if case.copies is None else found.covering(self.interval(case.without_copies, predicted))

    @abc.abstractmethod
    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        """The discrepancy where every kept run counts."""

    def evidence(self, case: Case) -> np.ndarray | None:
        """(points, runs): the numbers that must tell runs apart; None where runs are not the unit of evidence."""
        return None

    @abc.abstractmethod
    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        """How far the mutant moves the prediction, per point, on this kind's scale: positive counts as
        relevant."""

    @abc.abstractmethod
    def undefined(self, predicted: np.ndarray) -> np.ndarray:
        """Where `predicted` is no admissible value for this kind."""

    @abc.abstractmethod
    def measure(self, case: Case) -> Estimate:
        """The measured value itself with its interval, in the observable's unit: what a figure shows."""

    def result_layout(self, layout: Layout) -> Layout:
        """Layout of what `estimate` returns."""
        return layout

    def kept_results(self, case: Case) -> np.ndarray:
        """Which results are compared: those with anything inside the domain."""
        return case.kept_points

    def runs(self, case: Case) -> int | None:
        """Number of runs behind the least supported point; None where runs are not the unit of evidence."""
        return None

    def count_censored(self, case: Case) -> int:
        """Number of runs inside the domain whose value is not known."""
        return 0

    def needed_runs(self, case: Case, shrink: float) -> int | None:
        """Runs per point that would make the interval `shrink` times as wide (0: that would make it
        finite)."""
        return None

    @property
    @abc.abstractmethod
    def quantity(self) -> str:
        """The discrepancy in words, with {observable} in it."""

    @property
    @abc.abstractmethod
    def bars(self) -> str:
        """What marks and error bars of a figure show, with {level} for the simultaneous level where it
        counts."""


QUANTITY = {
    "log": "log(measured/predicted) of {observable}",
    "linear": "measured minus predicted {observable}",
    "relative": "relative deviation of {observable}",
}
