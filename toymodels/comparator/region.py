"""The region in which fitted constants lie, seen through the width of any combination of them."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Region:
    """Deviations of the constants from their fitted values; columns are (constants,) vectors.

    `independent` ones add in quadrature (random errors), `together` in absolute value (limits of measurement, all at
    their worst), and of the `alternatives` the largest counts.
    """

    independent: np.ndarray
    together: np.ndarray
    alternatives: np.ndarray

    @classmethod
    def random(cls, draws: np.ndarray, critical: float) -> Region:
        """From resampled constants (constants, draws), `critical` standard errors wide."""
        centred = draws - draws.mean(axis=1, keepdims=True)
        empty = np.zeros((len(draws), 0))
        return cls(critical * centred / np.sqrt(max(draws.shape[1] - 1, 1)), empty, empty)

    @classmethod
    def bounded(cls, limits: np.ndarray, alternatives: np.ndarray) -> Region:
        """From the reach of each measurement's error, and other places where the constants might as well be."""
        return cls(np.zeros((len(limits), 0)), limits, alternatives)

    def reach(self, gradient: np.ndarray) -> np.ndarray:
        """Half-width of every combination from errors of measurement alone: how far off the constants of a right law
        may be. `gradient` is (combinations, constants)."""
        return np.asarray(
            np.sqrt(((gradient @ self.independent) ** 2).sum(axis=-1)) + np.abs(gradient @ self.together).sum(axis=-1)
        )

    def width(self, gradient: np.ndarray) -> np.ndarray:
        """The same with the alternatives, which also tell how badly a wrong law fits."""
        return np.asarray(self.reach(gradient) + np.abs(gradient @ self.alternatives).max(axis=-1, initial=0.0))
