"""False alarms on data of known truth, copied runs, and the page that shows both."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from toymodels import comparator as c
from toymodels.comparator import rule

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
    assert rule.FALSE_ALARM == verdict.false_alarm
