"""Figures of the length and the turning of scale-invariant weights. See runs/adam_weight_norm.py."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from runs.experiment import Data
from theory.registry import get_claim
from toymodels.comparator.figures import colours, styled

PRINTED, CORRECTED = "printed: updates orthogonal to W", "corrected"
SECOND = "#f0803c"


def figures(data: Data) -> Mapping[str, Figure]:
    """The two laws of |W|^2, |W|^2 in time, the angle per step, and where the corrected law stops."""
    return {
        "adam.weight_norm_laws": _laws(data),
        "adam.weight_norm_in_time": _in_time(data),
        "adam.weight_norm_limits": _limits(data),
    }
