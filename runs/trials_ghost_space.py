"""The space that trials of the ghost search, and how its points become parameters. T = 100 where it only sets the unit
of time.

The space is named by what the laws depend on: `rho` = r/r* of a window or `start` = r0/r* of training, `depth` =
threshold T, `offset` = confidence threshold, `kappa` = 8 learning_rate T^5/pi^4.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from runs.trial import POINT, Range
from toymodels.models.ghost_window import substeps_for

Raw = Mapping[str, xr.Dataset]
T = 100.0
ROUNDING = 1e-12
DEPTH = Range(2e3, 1e5, "threshold times T", log=True, default=1e4)
OFFSET = Range(20.0, 200.0, "confidence times threshold", log=True, default=50.0)
SOFT = Range(0.5, 100.0, OFFSET.doc, log=True)
T_RANGE = Range(20.0, 200.0, "length of the silent half of the window", log=True, default=100.0)


def output(points: xr.Dataset, T: np.ndarray | float = T) -> dict[str, object]:
    """threshold and confidence from depth and offset."""
    threshold = points.depth.values / T
    return {"threshold": (POINT, threshold), "confidence": (POINT, points.offset.values / threshold)}


def substeps(parameters: Mapping[str, object], T: np.ndarray | float = T) -> int:
    """As the model estimates it for the longest window, in few different values: compiled programs are reused."""
    threshold, confidence = (
        np.asarray(value[1] if isinstance(value, tuple) else value, dtype=float)
        for value in (parameters["threshold"], parameters["confidence"])
    )
    longest = {"T": np.max(T), "threshold": threshold.max(), "confidence": confidence.min()}
    needed = substeps_for(longest, 1)
    return 64 * math.ceil(float(np.max(needed)) / 64)
