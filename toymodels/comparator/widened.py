"""A kind whose intervals also allow for the uncertainty of fitted constants."""

from __future__ import annotations

import dataclasses

import numpy as np
import xarray as xr

from toymodels.comparator.kinds.base import Case, Estimate, Kind
from toymodels.comparator.layout import Layout


@dataclasses.dataclass(frozen=True)
class Widened(Kind):
    """`inner`, with every interval longer by `by` at both ends (on the kind's scale, over its point dims).

    A right law whose constant is off because few runs were fitted must not be accused.
    """

    inner: Kind
    by: xr.DataArray = dataclasses.field(compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.inner.name)

    @property
    def run_dims(self) -> tuple[str, ...]:
        return self.inner.run_dims

    def columns(self, observable: str) -> dict[str, str]:
        return self.inner.columns(observable)

    def interval(self, case: Case, predicted: np.ndarray) -> Estimate:
        inner = self.inner.interval(case, predicted)
        by = self.inner.result_layout(case.layout).stack(self.by, "uncertainty of the fit")[:, 0]
        return Estimate.of(inner.value, inner.low - by, inner.high + by)

    def evidence(self, case: Case) -> np.ndarray | None:
        return self.inner.evidence(case)

    def shift(self, case: Case, claim: np.ndarray, mutant: np.ndarray) -> np.ndarray:
        return self.inner.shift(case, claim, mutant)

    def undefined(self, predicted: np.ndarray) -> np.ndarray:
        return self.inner.undefined(predicted)

    def measure(self, case: Case) -> Estimate:
        return self.inner.measure(case)

    def result_layout(self, layout: Layout) -> Layout:
        return self.inner.result_layout(layout)

    def kept_results(self, case: Case) -> np.ndarray:
        return self.inner.kept_results(case)

    def runs(self, case: Case) -> int | None:
        return self.inner.runs(case)

    def count_censored(self, case: Case) -> int:
        return self.inner.count_censored(case)

    def needed_runs(self, case: Case, shrink: float) -> int | None:
        return self.inner.needed_runs(case, shrink)

    @property
    def quantity(self) -> str:
        return self.inner.quantity

    @property
    def bars(self) -> str:
        return self.inner.bars
