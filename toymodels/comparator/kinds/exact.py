"""Comparisons whose only uncertainty is a numerical error budget: equalities and inequalities."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import numpy as np

from toymodels.comparator.kinds.base import (
    QUANTITY,
    Case,
    Estimate,
    Kind,
    check_scale,
    discrepancy,
    undefined,
)
from toymodels.errors import UsageError, unknown


def _budget(case: Case, error: str | float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Measured values and the two ends that the error budget leaves open."""
    measured = case.column(case.observable, "observable")
    width = case.column(error, "error budget")
    if np.any(width < 0):
        raise UsageError(f"The error budget {error!r} is negative somewhere; it is an absolute error, at least 0.")
    width = np.where(np.isnan(width), np.inf, width)
    return measured, measured - width, measured + width


@dataclasses.dataclass(frozen=True)
class Exact(Kind):
    """A deterministic equality. `error` names the variable with the absolute error of the observable (for
    instance the difference between two tolerances or step sizes), or is one number for all points. Every run
    is a point."""

    error: str | float = "error"
    scale: str = "relative"
    name: ClassVar[str] = "exact"

    def __post_init__(self) -> None:
        check_scale(self.scale)

    def columns(self, observable: str) -> dict[str, str]:
        extra = {"error budget": self.error} if isinstance(self.error, str) else {}
        return {"observable": observable, **extra}

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        value, low, high = (
            discrepancy(_positive_part(end, self.scale), predicted, self.scale)[:, 0]
            for end in _budget(case, self.error)
        )
        return Estimate.of(value, low, high)

    def measure(self, case: Case) -> Estimate:
        return Estimate.of(*(end[:, 0] for end in _budget(case, self.error)))

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        return np.abs(discrepancy(claim, mutant, self.scale)[:, 0])

    def undefined(self, predicted: np.ndarray) -> np.ndarray:
        return undefined(predicted, self.scale)

    def count_censored(self, case: Case) -> int:
        measured = case.column(case.observable, "observable")
        return int((np.isnan(measured) & case.keep).sum())

    @property
    def quantity(self) -> str:
        return QUANTITY[self.scale]

    @property
    def bars(self) -> str:
        return "bars: numerical error"


@dataclasses.dataclass(frozen=True)
class Bound(Exact):
    """An inequality: the observable stays below (`side="upper"`) or above (`side="lower"`) the prediction.
    Only the excess beyond the bound counts; a bound that holds has discrepancy zero. Its tightness is another
    comparison.

    A mutant matters only where it moves towards the data, because a looser bound holds as well.
    """

    side: str = "upper"
    name: ClassVar[str] = "bound"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.side not in ("upper", "lower"):
            raise unknown("side of a bound", self.side, ("upper", "lower"))

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        raw = super().interval(case, predicted)
        if self.side == "lower":
            raw = Estimate(-raw.value, -raw.high, -raw.low)
        # NaN stays NaN (no measurement); everything below the bound is the same "not violated".
        return Estimate(*(np.maximum(end, 0.0) for end in (raw.value, raw.low, raw.high)))

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        towards = discrepancy(claim, mutant, self.scale)[:, 0]
        return np.maximum(towards if self.side == "upper" else -towards, 0.0)

    @property
    def quantity(self) -> str:
        return f"violation of the {self.side} bound on {{observable}} ({self.scale} scale)"


def _positive_part(measured: np.ndarray, scale: str) -> np.ndarray:
    """On the log scale a lower end below zero means: arbitrarily small."""
    return np.maximum(measured, 0.0) if scale == "log" else measured
