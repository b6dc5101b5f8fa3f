"""Hints for theorists: a discrepancy that looks like another unit, normalisation or way of counting."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xarray as xr

from toymodels.comparator import Verdict

TOLERANCE = 0.02
FACTORS = {
    "2": 2.0,
    "3": 3.0,
    "4": 4.0,
    "8": 8.0,
    "sqrt(2)": math.sqrt(2),
    "pi": math.pi,
    "2 pi": 2 * math.pi,
    "pi/2": math.pi / 2,
    "log(2)": math.log(2),
    "log(10)": math.log(10),
    "60": 60.0,
    **{f"10^{k}": 10.0**k for k in (1, 2, 3, 6, 9)},
}
OFFSETS = {"1": 1.0, "1/2": 0.5}


def hints(verdict: Verdict, inputs: Mapping[str, xr.DataArray], observable: str) -> list[str]:
    """Sentences about the compared points; none where the claim agrees or the points were combined.

    `inputs` with one value per point are tried as factors (time = learning_rate * step).
    """
    if verdict.status == "agrees" or "measured" not in verdict.points:
        return []
    points = verdict.points
    used = (points["status"] != "outside").values.ravel()
    measured, predicted = (points[name].values.ravel()[used] for name in ("measured", "predicted"))
    known = np.isfinite(measured) & np.isfinite(predicted) & (predicted != 0) & (measured != 0)
    measured, predicted = measured[known], predicted[known]
    if not measured.size:
        return []
    ratio = _ratio(verdict, used, known, measured, predicted)
    for name, array in inputs.items():
        factor = _per_point(points["status"], array)
        if factor is not None:
            said = _input(name, factor.ravel()[used][known], ratio, observable)
            if said:
                return [said]
    where = "everywhere" if measured.size > 1 else "at the one point"
    if _constant(ratio) and abs(math.log(abs(_middle(ratio)))) > max(TOLERANCE, min(verdict.margin, 0.5)):
        return [_factor(_middle(ratio), where, observable)]
    for word, undo, formula in (
        ("the natural logarithm of it", np.exp, f"exp({observable})"),
        ("its decimal logarithm", lambda v: 10.0**v, f"10**{observable}"),
    ):
        with np.errstate(over="ignore"):
            undone = undo(measured) / predicted
        if measured.size > 1 and _is_one(undone):
            return [f"the data are {word}: give --observable '{formula}'"]
    gap = measured - predicted
    if measured.size > 2 and _spread(predicted) > 0.2 and np.ptp(gap) <= 0.05 * abs(np.median(gap)):
        return [_offset(float(np.median(gap)), observable)]
    return []


def _ratio(
    verdict: Verdict, used: np.ndarray, known: np.ndarray, measured: np.ndarray, predicted: np.ndarray
) -> np.ndarray:
    """measured/predicted per point: from the discrepancy where that is a ratio, since it pairs each run with its own
    prediction."""
    value = verdict.points["value"].values.ravel()[used][known]
    if verdict.kind in ("statistical", "exact", "boundary"):
        if verdict.quantity.startswith("log("):
            return np.exp(value)
        if verdict.quantity.startswith("relative") and (predicted > 0).all():
            return 1 + value
    return measured / predicted


def _input(name: str, factor: np.ndarray, ratio: np.ndarray, observable: str) -> str | None:
    if not (np.isfinite(factor) & (factor > 0)).all() or _is_one(factor) or np.abs(np.log(factor)).min() < 0.1:
        return None
    # Of a number that happens to be constant and round, a constant factor says as much.
    if _is_one(ratio * factor):
        return (
            f"the data are the prediction divided by {name} at every point, as numbers of steps are when the claim is "
            f"in time: try --unit {observable}={name}"
        )
    if _is_one(ratio / factor):
        return (
            f"the data are the prediction times {name} at every point, as times are when the claim counts steps: try "
            f"--unit '{observable}=1/{name}'"
        )
    return None


def _factor(number: float, where: str, observable: str) -> str:
    says = f"the data are {number:.4g} times the prediction {where} (within {TOLERANCE:.0%})"
    for text, factor in FACTORS.items():
        for word, value in (
            (text, factor),
            (f"1/{text}" if " " not in text and "/" not in text else f"1/({text})", 1 / factor),
        ):
            if abs(abs(number) / value - 1) <= TOLERANCE / 2:
                sign = "-" if number < 0 else ""
                return (
                    f"{says}, close to {sign}{word}: another normalisation or unit? If it is one, give "
                    f"--unit '{observable}=1/({sign}{word.replace('^', '**').replace(' ', '*')})'"
                )
    return f"{says}: a wrong prefactor, or another normalisation or unit"


def _offset(gap: float, observable: str) -> str:
    says = f"the data exceed the prediction by {gap:.4g} everywhere"
    if gap < 0:
        says = f"the data fall short of the prediction by {-gap:.4g} everywhere"
    near = next((word for word, value in OFFSETS.items() if abs(abs(gap) / value - 1) < 0.05), None)
    return f"{says}: " + (f"counted from another origin (off by {near})?" if near else "is something counted along?")


def _per_point(status: xr.DataArray, array: xr.DataArray) -> np.ndarray | None:
    if not set(map(str, array.dims)) <= set(map(str, status.dims)) or array.dtype.kind not in "fiu":
        return None
    return np.asarray(array.broadcast_like(status).transpose(*status.dims).values, float)


def _middle(ratio: np.ndarray) -> float:
    return float(np.median(ratio))


def _constant(ratio: np.ndarray) -> bool:
    middle = _middle(ratio)
    return middle != 0 and bool(np.all(np.abs(ratio / middle - 1) <= TOLERANCE))


def _is_one(ratio: np.ndarray) -> bool:
    return bool(np.isfinite(ratio).all() and np.all(np.abs(ratio - 1) <= TOLERANCE))


def _spread(values: np.ndarray) -> float:
    return float(np.ptp(values) / np.abs(np.median(values)))
