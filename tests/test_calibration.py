"""False alarms on data of known truth, copied runs, and the page that shows both."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from runs import calibration as page
from toymodels import comparator as c
from toymodels.comparator import calibration, power
from toymodels.comparator.calibration import bimodal, boundaries, censored, numerical, scenario, tails
from toymodels.errors import UsageError

POINTS, SEEDS = 3, 200
T = xr.DataArray([20.0, 50.0, 100.0], dims="T", coords={"T": [20.0, 50.0, 100.0]})
LAW = 3.0 * T**-2.0


def judge(data: xr.Dataset, law: xr.DataArray = LAW, kind: c.Kind | None = None, margin: float = 0.05) -> c.Verdict:
    pair = xr.concat(xr.broadcast(law, 2 * law), xr.Variable("variant", ["claim", "twice"]))
    return c.compare(data, pair, observable="y", kind=kind or c.Statistical(), margin=margin, id="i", claim="toy.law")


def noise(seeds: int, points: int = POINTS, key: int = 0, spread: float = 0.1) -> np.ndarray:
    return np.exp(spread * np.random.default_rng(key).normal(size=(points, seeds)))


def dataset(values: np.ndarray, **inputs: np.ndarray) -> xr.Dataset:
    labels = {"T": T.values, "seed": np.arange(values.shape[1])}
    return xr.Dataset({"y": (("T", "seed"), values)}, labels).assign(
        {name: (("seed", "i")[: array.ndim], array) for name, array in inputs.items()}
    )


# --- copied runs --------------------------------------------------------------------------------------------------


def reused(seeds: int, distinct: int) -> np.ndarray:
    """Which of `distinct` seeds each run really used."""
    return np.arange(seeds) % distinct


@pytest.mark.parametrize("distinct", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("points", [1, POINTS])
def test_a_reused_seed_is_found_out(distinct: int, points: int) -> None:
    values = (LAW.values[:, None] * noise(distinct))[:points, reused(SEEDS, distinct)]
    verdict = judge(dataset(values)) if points == POINTS else judge_one(dataset_of_one(values))
    assert verdict.n_copies == SEEDS - distinct
    assert f"{SEEDS - distinct} runs are copies of earlier ones" in verdict.sentence
    if distinct < 10:
        assert verdict.status == "inconclusive"
        assert verdict.reason.startswith(f"{SEEDS - distinct} runs are copies")


def dataset_of_one(values: np.ndarray) -> xr.Dataset:
    full = np.full((POINTS, values.shape[1]), np.nan)
    full[:1] = values
    return dataset(full).isel(T=[0])


def judge_one(data: xr.Dataset, **options) -> c.Verdict:
    return judge(data, LAW.isel(T=[0]), **options)


def test_one_seed_in_all_runs_of_an_exponent_and_of_a_mean() -> None:
    data = dataset(LAW.values[:, None] * noise(1)[:, reused(SEEDS, 1)])
    for kind in (c.Exponent("T"), c.Statistical(estimator="mean")):
        verdict = judge(data, kind=kind)
        assert verdict.n_copies == SEEDS - 1
        assert verdict.status == "inconclusive"


def test_copies_do_not_narrow_an_interval() -> None:
    few = dataset(LAW.values[:, None] * noise(20))
    many = dataset(few.y.values[:, reused(400, 20)])
    alone, copied = judge(few), judge(many)
    assert copied.n_copies == 380
    assert (copied.points.low <= alone.points.low).all()
    assert (copied.points.high >= alone.points.high).all()
    mean = judge(many, kind=c.Statistical(estimator="mean"))
    assert mean.points.high.isnull().sum() == 0
    assert np.isinf(mean.points.high).all()


def test_copies_cannot_make_a_true_law_wrong() -> None:
    """Two seeds out of 400 runs miss the law by far: without the check the law would be rejected."""
    values = LAW.values[:, None] * noise(2, spread=0.5)[:, reused(400, 2)]
    assert judge(dataset(values)).status == "inconclusive"


def test_wrong_law_is_rejected_although_a_few_runs_are_copies() -> None:
    values = 2 * LAW.values[:, None] * noise(SEEDS)
    values[:, 1] = values[:, 0]
    verdict = judge(dataset(values))
    assert verdict.status == "disagrees"
    assert c.Verdict.from_json(verdict.to_json()).n_copies == verdict.n_copies


def test_realised_inputs_decide() -> None:
    hits = (noise(SEEDS) > 1.1).astype(float)
    starts = np.random.default_rng(3).normal(size=SEEDS)
    share = c.Statistical(estimator="share", scale="linear")
    law = 0.2 + 0 * T
    assert judge(dataset(hits), law, share).n_copies == 0  # zeros and ones: ties are legitimate
    assert judge(dataset(hits, initial_r=starts), law, share).n_copies == 0
    same = reused(SEEDS, 5)
    copied = judge(dataset(hits[:, same], initial_r=starts[same]), law, share)
    assert copied.n_copies == SEEDS - 5
    matrices = np.random.default_rng(4).normal(size=(SEEDS, 4))
    assert judge(dataset(hits[:, same], initial_W=matrices[same]), law, share).n_copies == SEEDS - 5
    # The same start but another path: no copies. The same number after another start: none either.
    moving = LAW.values[:, None] * noise(SEEDS)
    assert judge(dataset(moving, initial_r=starts[same])).n_copies == 0
    assert judge(dataset(moving[:, same], initial_r=starts)).n_copies == 0


def rounded(values: np.ndarray, digits: int) -> np.ndarray:
    return np.array([[float(f"{v:.{digits}g}") for v in row] for row in values])


HONEST = {
    "whole steps": np.round(50 * noise(SEEDS)),
    "whole steps, all alike": np.full((POINTS, SEEDS), 50.0),
    "multiples of a time step": 0.0017320508075688 * np.round(50 * noise(SEEDS)),
    "logarithm of whole steps": np.log(np.round(50 * noise(SEEDS))),
    "rate of whole steps": 1 / np.round(50 * noise(SEEDS)),
    "four digits of a table": rounded(50 * noise(SEEDS), 4),
    "zeros and ones": (noise(SEEDS) > 1).astype(float),
    "accuracy on 300 examples": np.round(300 / (1 + noise(SEEDS))) / 300,
    "ceiling": np.minimum(noise(SEEDS), 1.0371932),
    "floor and ceiling": np.clip(noise(SEEDS), 0.95318237, 1.0371932),
    "not finished": np.where(noise(SEEDS) > 1.1, np.inf, noise(SEEDS)),
    "censored": np.where(noise(SEEDS) > 1.0, np.nan, noise(SEEDS)),
    "continuous": noise(SEEDS),
    "single precision": np.float32(noise(5000)).astype(float),
}


@pytest.mark.parametrize("name", HONEST)
@pytest.mark.parametrize("points", [1, POINTS])
def test_honest_ties_are_not_accused(name: str, points: int) -> None:
    values = HONEST[name]
    if points == 1:
        verdict = judge_one(dataset_of_one(values[:1]))
    else:
        # The same outcome at all points, as for a run that reaches the ceiling everywhere.
        verdict = judge(dataset(np.broadcast_to(values[:1], values.shape)))
    assert verdict.n_copies == 0, verdict.sentence


def test_deterministic_data_are_sent_to_the_kind_exact() -> None:
    verdict = judge(dataset(np.broadcast_to(LAW.values[:, None] * (1 + 1e-6), (POINTS, 30))))
    assert verdict.status == "inconclusive"
    assert "kind Exact" in verdict.sentence


def test_runs_left_out_of_the_domain_are_no_copies() -> None:
    values = LAW.values[:, None] * noise(SEEDS)
    data = dataset(values)
    inside = xr.DataArray(np.arange(SEEDS) % 2 == 0, dims="seed") & (T > 0)
    pair = xr.concat(xr.broadcast(LAW, 2 * LAW), xr.Variable("variant", ["claim", "twice"]))
    verdict = c.compare(
        data, pair, observable="y", kind=c.Statistical(), margin=0.09, id="i", claim="l", in_domain=inside
    )
    assert verdict.n_copies == 0
    assert verdict.status == "agrees"


def test_support_is_checked_and_reaches_through() -> None:
    values = np.random.default_rng(0).uniform(size=(POINTS, 40))
    law = 0.5 + 0 * T
    narrow = judge(dataset(values), law, c.Statistical(estimator="mean", scale="linear"))
    wide = judge(dataset(values), law, c.Statistical(estimator="mean", scale="linear", support=(0.0, 1.0)))
    assert (wide.points.low < narrow.points.low).all()
    assert (wide.points.high > narrow.points.high).all()
    assert (wide.points.measured_high <= 1).all()
    slope = judge(dataset(values), law, c.Exponent("T", points=c.Statistical(estimator="mean", support=(0.0, 1.0))))
    alone = judge(dataset(values), law, c.Exponent("T", points=c.Statistical(estimator="mean")))
    assert slope.interval[0] < alone.interval[0]
    with pytest.raises(UsageError, match="leaves support"):
        judge(dataset(values), law, c.Statistical(estimator="mean", support=(0.0, 0.5)))
    for wrong in ({"estimator": "median", "support": (0.0, 1.0)}, {"estimator": "mean", "support": (1.0, 0.0)}):
        with pytest.raises(UsageError, match="support="):
            c.Statistical(**wrong)


# --- calibration --------------------------------------------------------------------------------------------------


def quick() -> list[calibration.Scenario]:
    """Rows of every room that take a fraction of a second with all 2000 repetitions."""
    rooms = (tails, censored, bimodal, boundaries, numerical)
    every = [s for room in rooms for s in room.scenarios() if s.points <= 6]
    resampled = ("Exponent: median", "Exponent: mean")
    cheap = [s for s in every if not s.kind.startswith(resampled)]
    return [s for s in cheap if (s.runs or 1) <= 40 or "Boundary" in s.kind]


def test_false_alarms_and_wrong_laws_of_the_quick_rows() -> None:
    rows = calibration.calibration_table(chosen=quick())
    assert {r.kind.split(":")[0] for r in rows} == {
        "Statistical",
        "Boundary",
        "Exponent",
        "Exact",
        "Bound",
        "Asymptotic",
    }
    assert len(rows) > 100
    assert all(r.repetitions == 2000 for r in rows)
    assert {page.row_cells(r) for r in rows if r.alarms > calibration.ALLOWED} == set()
    assert {page.row_cells(r) for r in rows if r.missed > 0} == set()
    few = [r for r in rows if r.runs in (3, 5) and r.kind.startswith("Statistical") and "share" not in r.kind]
    assert few
    assert all(np.isinf(r.width) and r.alarms == 0 for r in few)


def test_what_the_guarantee_does_not_cover_is_shown_to_fail() -> None:
    """Otherwise the list of limits on the page would be idle talk."""
    limits = [s for s in calibration.scenarios() if not s.covered]
    assert len(limits) >= 4
    assert all(r.alarms > 10 * calibration.ALLOWED for r in calibration.calibration_table(chosen=limits))


def test_the_table_sees_an_interval_that_is_too_narrow(monkeypatch) -> None:
    wanted = ("Statistical: mean", "lognormal 1", 30)
    case = next(s for s in tails.scenarios() if (s.kind, s.setting, s.runs) == wanted)
    assert calibration.measure(case, 2000).alarms <= calibration.ALLOWED
    monkeypatch.setattr(scenario.rule, "FALSE_ALARM", 0.1)
    assert calibration.measure(case, 2000).alarms > calibration.ALLOWED


@pytest.mark.parametrize("case", calibration.CASES, ids=lambda case: f"{case.name}, {case.runs}")
def test_the_whole_way_through_compare(case) -> None:
    row = calibration.measure_case(case, 20)
    assert row.alarms <= 1
    assert row.missed == 0


def committed(name: str) -> list[tuple[str, ...]]:
    with (Path(page.__file__).parents[1] / page.PLACE / name).open(newline="") as file:
        return [tuple(line) for line in csv.reader(file)]


def test_the_page_shows_what_the_code_gives() -> None:
    """A few rows of the committed tables, made anew."""
    lines = committed("calibration.csv")
    assert lines[0] == page.ROW_HEAD
    assert len(lines) == 1 + len([s for s in calibration.scenarios() if s.covered]) + len(calibration.CASES)
    for row in calibration.calibration_table(chosen=quick()[::12]):
        assert page.row_cells(row) in lines
    assert max(int(line[4]) for line in lines[1:]) <= calibration.ALLOWED
    assert max(int(line[5]) for line in lines[1:]) <= calibration.ALLOWED
    limits = committed("calibration_limits.csv")
    for row in calibration.calibration_table(chosen=numerical.optimistic()):
        assert page.row_cells(row) in limits
    needed = committed("power.csv")
    for curve in power.power_curves(["boundaries", "exact"]):
        assert page.power_cells(curve) in needed


def test_power_grows_with_runs_and_errors() -> None:
    curves = power.power_curves(["boundaries", "shares"])
    for kind in ("Boundary", "Statistical"):
        mine = sorted((curve for curve in curves if curve.kind == kind), key=lambda curve: curve.error)
        needed = [curve.needed for curve in mine if np.isfinite(curve.needed)]
        assert len(needed) >= 2
        assert needed == sorted(needed, reverse=True)
        assert all(curve.rejected[0] < 0.1 < 0.9 < curve.rejected[-1] for curve in mine[1:])


@pytest.mark.slow
def test_the_whole_table() -> None:
    covered = [s for s in calibration.scenarios() if s.covered]
    lines = committed("calibration.csv")
    for row in calibration.calibration_table(chosen=covered):
        assert row.alarms <= calibration.ALLOWED, page.row_cells(row)
        assert row.missed <= calibration.ALLOWED, page.row_cells(row)
        assert page.row_cells(row) in lines
