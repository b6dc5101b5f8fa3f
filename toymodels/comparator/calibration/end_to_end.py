"""What users get: `compare` with mutants, one repetition after the other, on data of known truth."""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Callable

import numpy as np
import xarray as xr

from toymodels.comparator import rule
from toymodels.comparator.calibration.boundaries import GROWTH, bisected
from toymodels.comparator.calibration.scenario import HAIR, SEED, Row
from toymodels.comparator.compare import compare
from toymodels.comparator.kinds import (
    Asymptotic,
    Bound,
    Boundary,
    Exact,
    Exponent,
    Kind,
    Statistical,
    zero_hit_slack,
)
from toymodels.comparator.verdict import Verdict

T = xr.DataArray([20.0, 50.0, 100.0, 200.0], dims="T", coords={"T": [20.0, 50.0, 100.0, 200.0]})
LAW = 3.0 * T**-2.0


@dataclasses.dataclass(frozen=True)
class Trial:
    """A kind, data whose truth is `law`, a law off by three margins, and the margin."""

    name: str
    setting: str
    runs: int | None
    kind: Kind
    draw: Callable[[np.random.Generator], xr.Dataset]
    law: xr.DataArray
    wrong: xr.DataArray
    margin: float


def _noisy(runs: int, spread: float) -> Callable[[np.random.Generator], xr.Dataset]:
    def draw(rng: np.random.Generator) -> xr.Dataset:
        noise = np.exp(spread * rng.standard_t(2.5, (T.size, runs)))
        return xr.Dataset({"y": LAW * xr.DataArray(noise, dims=("T", "seed"))})

    return draw


def _bracket(runs: int) -> Callable[[np.random.Generator], xr.Dataset]:
    slack = zero_hit_slack(runs, GROWTH, rule.FALSE_ALARM / T.size)

    def draw(rng: np.random.Generator) -> xr.Dataset:
        lower, upper = bisected(LAW.values, runs, GROWTH, rng)
        return xr.Dataset({"lower": ("T", lower), "upper": ("T", upper), "slack": slack + 0 * T}, {"T": T})

    return draw


def _solved(rng: np.random.Generator) -> xr.Dataset:
    error = 1e-4 * LAW * rng.uniform(-1, 1, T.size)
    return xr.Dataset({"y": LAW + error, "error": 1e-4 * LAW})


def _attained(rng: np.random.Generator) -> xr.Dataset:
    gap = xr.DataArray([0.0, 0.0, *rng.uniform(0, 0.5, T.size - 2)], dims="T")
    error = 1e-4 * LAW * rng.uniform(-1, 1, T.size)
    return xr.Dataset({"y": LAW * (1 - gap) + error, "error": 1e-4 * LAW})


def _expanded(rng: np.random.Generator) -> xr.Dataset:
    small = 1 / T
    error = 1e-10 * rng.uniform(-1, 1, T.size)
    return xr.Dataset({"y": LAW + small**3 + error, "error": 1e-10 + 0 * T}).assign_coords(small=small)


STEEPER = LAW * (T / 60) ** 0.3
CASES: tuple[Trial, ...] = (
    Trial("Statistical: median", "student 2.5", 200, Statistical(), _noisy(200, 0.1), LAW, LAW * np.exp(0.15), 0.05),
    Trial("Statistical: median", "student 2.5", 5, Statistical(), _noisy(5, 0.1), LAW, LAW * np.exp(0.15), 0.05),
    Trial("Boundary: share 0+", "growth 0.66", 100, Boundary(), _bracket(100), LAW, LAW * np.exp(0.3), 0.1),
    Trial("Exponent: Statistical", "student 2.5", 40, Exponent("T"), _noisy(40, 0.1), LAW, STEEPER, 0.1),
    Trial("Exact", "honest budget", None, Exact(), _solved, LAW, LAW / 0.97, 0.01),
    Trial("Bound", "half attained", None, Bound(), _attained, LAW, LAW * 0.97, 0.01),
    Trial("Asymptotic", "order 3", None, Asymptotic("small", order=3.0), _expanded, LAW, LAW * 1.5, 0.1),
)


def measure_case(trial: Trial, repetitions: int) -> Row:
    """Alarms with a margin of next to nothing; wrong laws that agree with the declared margin."""
    rng = np.random.default_rng([SEED, zlib.crc32(f"{trial.name}|{trial.setting}|{trial.runs}".encode())])
    right, wrong = _variants(trial.law, trial.wrong), _variants(trial.wrong, trial.law)
    alarms = missed = 0
    widths = []
    for _ in range(repetitions):
        data = trial.draw(rng)
        truth = judge(trial, data, HAIR, right)
        alarms += truth.status == rule.DISAGREES
        missed += judge(trial, data, trial.margin, wrong).status == rule.AGREES
        widths.append((truth.interval[1] - truth.interval[0]) / 2)
    width = float(np.median(widths))
    return Row(trial.name, f"{trial.setting}, through compare", trial.runs, T.size, repetitions, alarms, missed, width)


def judge(trial: Trial, data: xr.Dataset, margin: float, predictions: xr.DataArray) -> Verdict:
    """The first variant is judged, with the other as its mutant."""
    return compare(
        data, predictions, observable="y", kind=trial.kind, margin=margin, id="calibration", claim=trial.setting
    )


def _variants(claim: xr.DataArray, mutant: xr.DataArray) -> xr.DataArray:
    pair = xr.broadcast(claim, mutant)
    return xr.concat(pair, xr.Variable("variant", ["claim", "mutant"]), coords="minimal", compat="override")
