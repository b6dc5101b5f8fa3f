"""The contract of a toy model: what one run is, and what the engine may ask about it."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar

import jax
import numpy as np

from toymodels.parameters import Parameter

Values = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Observable:
    """A named output of one run: `dims` are its own axes, beyond those of the sweep."""

    doc: str
    dims: tuple[str, ...] = ()
    unit: str = "1"
    dtype: str = "float"
    """"float" follows the sweep's precision; anything else is a numpy dtype name."""


@dataclasses.dataclass(frozen=True)
class ToyModel(abc.ABC):
    """One toy model. Subclasses are frozen dataclasses whose fields are the *static* structure (sizes, scheme, what
    to record) and therefore hashable; everything sweepable is a `Parameter`.

    The engine calls `resolve` once per sweep in numpy, groups runs by `scan_lengths`, and calls
    `simulate` under jit, vmap and shard_map. `simulate` is pure and never raises for a bad run: it returns a code.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[Parameter, ...]]
    most_devices: ClassVar[int | None] = None
    """On how many devices its runs may be spread at once; None: on all."""

    @property
    @abc.abstractmethod
    def observables(self) -> Mapping[str, Observable]:
        """Everything that `simulate` returns, always with `outcome` (int8). Realised inputs are called `initial_*`
        or `sample_*`."""

    def sizes(self, values: Values) -> dict[str, int]:
        """Length of each dim that parameters share (for example `concept`), given the raw parameter values."""
        return {}

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        """Raise `UsageError` for combinations of (resolved) values that make no sense; `given` are the names that the
        user set, as opposed to defaults. By default every combination is accepted."""
        return

    @abc.abstractmethod
    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Lengths of the scans that each run needs: integers of shape (runs, k), k fixed per model.

        The engine rounds them up, compiles once per distinct row, and passes the row as `lengths`. The model masks what
        exceeds a run's own traced length, so that results do not depend on the rounding. The first column is the
        number of training steps.
        """

    @property
    @abc.abstractmethod
    def record_every(self) -> int | None:
        """Stride of the records along `step`; None lets the engine choose the stride (see `stride`)."""

    @abc.abstractmethod
    def simulate(
        self, params: Mapping[str, jax.Array], key: jax.Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, jax.Array]:
        """One run. `params` maps every parameter name to a scalar (or vector) in the sweep's dtype (whole numbers are
        int32). Records along `step` are kept at steps 0, stride, 2 stride, ..., hence
        `lengths[0] // stride + 1` of them (`lengths[0]` is a multiple of `stride`); records after the run's own last
        step are NaN.
        """

    def coordinates(self, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Labels of the model's own dims other than `step` (default: 0, 1, 2, ...)."""
        return {}


def choose_stride(steps: int, record_every: int | None, records: int = 64) -> int:
    """Stride for records of a run of `steps` steps: `record_every` if given, else so that about `records` are kept."""
    return int(record_every) if record_every else max(1, -(-steps // records))
