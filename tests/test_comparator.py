"""The comparator: the rule, the kinds, mutants, calibration, verdicts as files, rivals, domains, figures."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import xarray as xr

from toymodels import comparator as c
from toymodels.comparator import intervals, request, rule
from toymodels.comparator.kinds.base import Estimate
from toymodels.comparator.mutants import moved
from toymodels.errors import UnknownName, UsageError

T = xr.DataArray([20.0, 50.0, 100.0, 200.0], dims="T", coords={"T": [20.0, 50.0, 100.0, 200.0]})
LAW = 3.0 * T**-2.0
PLANTED = 1.03


def variants(claim: xr.DataArray, **mutants: xr.DataArray) -> xr.DataArray:
    arrays = xr.broadcast(claim, *mutants.values())
    return xr.concat(arrays, xr.Variable("variant", ["claim", *mutants]))


def noisy(law: xr.DataArray, seeds: int = 400, spread: float = 0.02, key: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(key)
    noise = xr.DataArray(
        np.exp(spread * rng.standard_t(2.5, (*law.shape, seeds))),
        dims=(*law.dims, "seed"),
        coords={"seed": np.arange(seeds)},
    )
    return xr.Dataset({"y": law * noise})


def judge(data: xr.Dataset, predictions: xr.DataArray, kind: c.Kind, margin: float, **options) -> c.Verdict:
    request = {"observable": "y", "id": "toy.comparison", "claim": "toy.law", **options}
    return c.compare(data, predictions, kind=kind, margin=margin, **request)


# --- the rule -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("low", "high", "status"),
    [
        (-0.5, 0.5, "agrees"),
        (-1.0, 1.0, "agrees"),
        (1.1, 1.5, "disagrees"),
        (-1.5, -1.1, "disagrees"),
        (0.5, 1.5, "inconclusive"),
        (-2.0, 2.0, "inconclusive"),
        (-2.0, 0.0, "inconclusive"),
        (-math.inf, math.inf, "inconclusive"),
        (1.1, math.inf, "disagrees"),
        (math.inf, math.inf, "disagrees"),
    ],
)
def test_rule_of_one_point(low: float, high: float, status: str) -> None:
    estimate = Estimate(np.zeros(1), np.array([low]), np.array([high]))
    assert rule.point_status(estimate, 1.0).tolist() == [status]


@pytest.mark.parametrize(
    ("statuses", "status"),
    [
        (["agrees", "agrees"], "agrees"),
        (["agrees", "inconclusive"], "inconclusive"),
        (["agrees", "inconclusive", "disagrees"], "disagrees"),
        ([], "inconclusive"),
    ],
)
def test_rule_of_many_points(statuses: list[str], status: str) -> None:
    assert rule.overall(np.array(statuses, dtype=str)) == status


def test_needed_shrinking() -> None:
    def estimate(value: float, low: float, high: float) -> Estimate:
        return Estimate(np.array([value]), np.array([low]), np.array([high]))

    assert rule.shrink_to_decide(estimate(0.0, -2, 2), 1.0) == pytest.approx(0.5)
    assert rule.shrink_to_decide(estimate(2.0, 0, 4), 1.0) == pytest.approx(0.5)
    assert rule.shrink_to_decide(estimate(0.0, -math.inf, 2), 1.0) == 0.0
    assert rule.shrink_to_decide(estimate(1.0, 0, 2), 1.0) is None


# --- every kind: the truth is accepted, a planted 3 % (0.03 in an exponent) is rejected ---------------------------


def statistical_case(factor: xr.DataArray | float) -> xr.Dataset:
    return noisy(LAW * factor)


def mean_case(factor: xr.DataArray | float) -> xr.Dataset:
    """Skewed runs whose mean is the law."""
    noise = np.random.default_rng(1).gamma(2000, 1 / 2000, (4, 400))
    return xr.Dataset({"y": LAW * factor * xr.DataArray(noise, dims=("T", "seed"))})


def quantile_case(factor: xr.DataArray | float) -> xr.Dataset:
    """Runs whose upper decile is the law."""
    noise = 0.02 * (np.random.default_rng(3).uniform(size=(4, 4000)) - 0.9)
    return xr.Dataset({"y": LAW * factor * (1 + xr.DataArray(noise, dims=("T", "seed")))})


def boundary_case(factor: xr.DataArray | float) -> xr.Dataset:
    onset = LAW * factor
    return xr.Dataset({"lower": onset * 0.998, "upper": onset * 1.002, "slack": 0.001 + 0 * T})


def exact_case(factor: xr.DataArray | float) -> xr.Dataset:
    return xr.Dataset({"y": LAW * factor * (1 + 1e-9), "error": 1e-8 * LAW})


def remainder_case(order: float) -> xr.Dataset:
    small = 1 / T
    return xr.Dataset({"y": LAW + 0.3 * small**order, "error": 1e-12 + 0 * T})


CONSTANT = variants(LAW, planted=LAW * PLANTED, factor=LAW * 2)
SLOPE = variants(LAW, planted=LAW * (T / 60) ** 0.03)
KINDS = [
    (c.Statistical(), statistical_case, CONSTANT, 0.008),
    (c.Statistical(estimator="q90", scale="relative"), quantile_case, CONSTANT, 0.009),
    (c.Statistical(estimator="mean"), mean_case, CONSTANT, 0.0095),
    (c.Statistical(estimator="geometric_mean"), mean_case, CONSTANT, 0.0095),
    (c.Boundary(), boundary_case, CONSTANT, 0.005),
    (c.Exact(), exact_case, CONSTANT, 1e-3),
    (c.Exact(scale="log"), exact_case, CONSTANT, 1e-3),
    (c.Exponent("T"), statistical_case, SLOPE, 0.008),
    (c.Exponent("T", points=c.Boundary()), boundary_case, SLOPE, 0.005),
    (c.Exponent("T", points=c.Exact(scale="log")), exact_case, SLOPE, 1e-3),
]


@pytest.mark.parametrize(("kind", "make", "predictions", "margin"), KINDS)
def test_truth_is_accepted_and_a_planted_error_rejected(kind, make, predictions, margin) -> None:
    truth = judge(make(1.0), predictions, kind, margin)
    assert truth.status == "agrees", truth.sentence
    assert {m.id: m.verdict_class for m in truth.mutants}["planted"] == "killed"
    planted = predictions.isel(variant=1, drop=True) / LAW
    wrong = judge(make(planted), predictions, kind, margin)
    assert wrong.status == "disagrees", wrong.sentence
    back = judge(make(1 / planted), predictions, kind, margin)
    assert back.status == "disagrees", back.sentence


def test_bound() -> None:
    data = xr.Dataset({"y": LAW * xr.DataArray([0.2, 1.0, 0.999, 0.5], dims="T"), "error": 1e-9 * LAW})
    predictions = variants(LAW, tight=LAW / PLANTED, loose=LAW * PLANTED)
    upper = judge(data, predictions, c.Bound(), 1e-3)
    assert upper.status == "agrees"
    assert upper.discrepancy == 0.0  # no excess counts as nothing, however far below the bound
    assert [m.verdict_class for m in upper.mutants] == ["killed", "irrelevant"]
    assert judge(data * PLANTED, predictions, c.Bound(), 1e-3).status == "disagrees"
    lower = judge(1 / data.assign(error=LAW), 1 / predictions, c.Bound(side="lower", error=0.0), 1e-3)
    assert lower.status == "agrees"
    assert [m.verdict_class for m in lower.mutants] == ["killed", "irrelevant"]


def test_bound_that_nothing_attains_is_inconclusive() -> None:
    data = xr.Dataset({"y": LAW * 0.5, "error": 0 * LAW})
    verdict = judge(data, variants(LAW, tight=LAW / PLANTED), c.Bound(), 1e-3)
    assert verdict.status == "inconclusive"
    assert "extend the sweep" in verdict.reason
    assert verdict.needed_runs is None


def test_asymptotic_order() -> None:
    predictions = variants(LAW, planted=LAW * PLANTED).assign_coords(eps=("T", 1 / T.values))
    data = remainder_case(3.0).assign_coords(eps=("T", 1 / T.values))
    kind = c.Asymptotic("eps", order=3.0)
    verdict = judge(data, predictions, kind, 0.05)
    assert verdict.status == "agrees", verdict.sentence
    assert judge(remainder_case(3.1).assign_coords(eps=data.eps), predictions, kind, 0.05).status == "disagrees"
    blurred = judge(data.assign(error=0.1 + 0 * T), predictions, kind, 0.05)
    assert blurred.status == "inconclusive"


# --- points -------------------------------------------------------------------------------------------------------


def test_one_bad_point_is_isolated() -> None:
    data = noisy(LAW)
    clean = judge(data, CONSTANT, c.Statistical(), 0.008)
    data["y"][1] = np.nan
    verdict = judge(data, CONSTANT, c.Statistical(), 0.008)
    assert verdict.points.status.values.tolist() == ["agrees", "inconclusive", "agrees", "agrees"]
    np.testing.assert_array_equal(verdict.points.low[2:], clean.points.low[2:])
    assert verdict.status == "inconclusive"
    assert "no finite data" in verdict.reason
    assert verdict.n_censored == 400
    outside = judge(data, CONSTANT, c.Statistical(), 0.008, in_domain=T != 50)
    assert outside.status == "agrees"
    assert outside.n_outside == 1
    assert outside.points.status.values[1] == "outside"
    assert "1 points outside" in outside.sentence


def test_no_point_in_the_domain() -> None:
    verdict = judge(noisy(LAW), CONSTANT, c.Statistical(), 0.008, in_domain=T < 0)
    assert verdict.status == "inconclusive"
    assert verdict.n_points == 0
    assert c.Verdict.from_json(verdict.to_json()).interval == (-math.inf, math.inf)


def test_claim_without_a_number_inside_its_own_domain_does_not_agree() -> None:
    predictions = CONSTANT.where(T < 150)
    assert judge(noisy(LAW), predictions, c.Statistical(), 0.008).n_outside == 1
    declared = judge(noisy(LAW), predictions, c.Statistical(), 0.008, in_domain=T > 0)
    assert declared.status == "inconclusive"
    assert "its own domain" in declared.reason


def test_laws_evaluated_on_each_run() -> None:
    rng = np.random.default_rng(1)
    start = xr.DataArray(rng.lognormal(0, 1, (4, 100)), dims=("T", "seed"), coords={"T": T})
    law = LAW * start
    data = xr.Dataset({"y": law * np.exp(0.01 * rng.normal(size=law.shape)), "start": start})
    predictions = variants(law, planted=law * PLANTED, wrong_input=LAW * start**1.1)
    verdict = judge(data, predictions, c.Statistical(), 0.008)
    assert verdict.status == "agrees", verdict.sentence
    few = judge(data, predictions, c.Statistical(), 0.008, in_domain=start > 0.5)
    assert few.status == "agrees"
    assert few.n_runs_outside == int((start <= 0.5).sum())
    slope = judge(data, variants(law, planted=law * (T / 60) ** 0.03), c.Exponent("T"), 0.009)
    assert slope.status == "agrees", slope.sentence


def test_few_seeds_are_inconclusive_and_say_how_many_would_do() -> None:
    for seeds in (1, 2, 5):
        verdict = judge(noisy(LAW, seeds), CONSTANT, c.Statistical(), 0.008)
        assert verdict.status == "inconclusive"
        assert verdict.needed_runs == intervals.least_runs(0.5, rule.FALSE_ALARM / 4)
        mean = judge(noisy(LAW, seeds), CONSTANT, c.Statistical(estimator="mean"), 0.008)
        assert mean.status == "inconclusive"
        assert mean.needed_runs == intervals.least_runs_of_a_mean(rule.FALSE_ALARM / 4)
    # ... but a wrong law needs no precision once an interval exists.
    assert judge(noisy(2 * LAW, 14), CONSTANT, c.Statistical(), 0.008).status == "disagrees"


def test_needed_runs_suffice() -> None:
    for key in range(5):
        short = judge(noisy(LAW, 60, key=key), CONSTANT, c.Statistical(), 0.012)
        assert short.status == "inconclusive"
        assert short.needed_runs is not None
        enough = judge(noisy(LAW, 2 * short.needed_runs, key=key), CONSTANT, c.Statistical(), 0.012)
        assert enough.status == "agrees"


def test_censored_runs() -> None:
    data = noisy(LAW, 200)
    data["y"][:, :20] = np.nan  # the same share at every point

    def status(censored: str, **more) -> tuple[float, float]:
        verdict = judge(data, CONSTANT, c.Statistical(censored=censored, **more), 0.008)
        assert verdict.n_censored == 80
        return verdict.points.low.values[0], verdict.points.high.values[0]

    unknown, above, below, drop = (status(p) for p in ("unknown", "above", "below", "drop"))
    assert unknown[0] < drop[0] < drop[1] < unknown[1]
    assert unknown == (below[0], above[1])
    assert above[0] > drop[0]
    assert below[1] < drop[1]
    assert status("unknown", estimator="mean") == (-math.inf, math.inf)
    flagged = noisy(LAW, 200).assign(late=(("T", "seed"), np.isnan(data.y.values)))
    by_flag = judge(flagged, CONSTANT, c.Statistical(flag="late"), 0.008)
    assert (by_flag.points.low.values[0], by_flag.points.high.values[0]) == unknown


@pytest.mark.parametrize(
    ("wrong", "margin", "status"), [(0, 0.1, "agrees"), (40, 0.1, "disagrees"), (8, 0.03, "inconclusive")]
)
def test_misses_count_runs_beyond_the_allowed_distance(wrong: int, margin: float, status: str) -> None:
    """Misses to both sides do not cancel; a run without a value may be one."""
    values = np.full((4, 200), 1.0) * LAW.values[:, None] * np.exp(np.random.default_rng(0).uniform(-0.02, 0.02, 200))
    values[:, :wrong] *= np.where(np.arange(wrong) % 2, 1.5, 0.5)
    data = xr.Dataset({"y": (("T", "seed"), values)}, coords={"T": T})
    kind = c.Statistical(estimator="misses", within=0.05)
    verdict = judge(data, variants(LAW, near=LAW * 1.01, far=LAW * 1.2), kind, margin)
    assert verdict.status == status
    assert verdict.points.value.values == pytest.approx(np.full(4, wrong / 200))
    classes = {m.id: m.verdict_class for m in verdict.mutants}
    assert classes == {"near": "irrelevant", "far": "killed"}
    censored = data.assign(y=data.y.where(data["seed"] >= 20))
    unknown = judge(censored, variants(LAW, far=LAW * 1.2), kind, margin).points
    assert (unknown.high.values >= 0.1).all()


@pytest.mark.parametrize("wrong", [{"estimator": "misses"}, {"within": 0.1}, {"estimator": "misses", "within": -1.0},
                                   {"estimator": "misses", "within": 0.1, "censored": "above"}])  # fmt: skip
def test_misses_need_a_distance(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="misses"):
        c.Statistical(**wrong)


def test_zero_hits_still_give_an_interval() -> None:
    data = xr.Dataset({"y": (("T", "seed"), np.zeros((4, 50)))}, coords={"T": T})
    nothing = variants(0.01 + 0 * T, more=0.5 + 0 * T)
    verdict = judge(data, nothing, c.Statistical(estimator="share", scale="linear"), 0.15)
    assert verdict.points.low.values[0] == pytest.approx(-0.01)
    limit = 1 - (rule.FALSE_ALARM / 4 / 2) ** (1 / 50)
    assert verdict.points.high.values[0] == pytest.approx(limit - 0.01)
    assert verdict.status == "agrees"
    same = judge(data, nothing, c.Statistical(estimator="mean", scale="linear"), 0.15)
    np.testing.assert_array_equal(same.points.high, verdict.points.high)
    assert c.zero_hit_share(50, 0.01) == pytest.approx(1 - 0.01 ** (1 / 50))
    assert c.zero_hit_slack(4000, 0.886 * 0.75, 0.003) == pytest.approx(0.00218, rel=0.01)


def test_boundary_that_was_not_closed() -> None:
    data = boundary_case(1.0)
    data["upper"][2] = np.inf
    verdict = judge(data, CONSTANT, c.Boundary(), 0.005)
    assert verdict.status == "inconclusive"
    assert verdict.n_censored == 1
    assert verdict.interval[1] == math.inf
    data["lower"][2] = 2 * LAW[2]  # no hit far above the prediction
    assert judge(data, CONSTANT, c.Boundary(), 0.005).status == "disagrees"


def test_boundary_says_how_many_runs_shorten_its_slack() -> None:
    data = boundary_case(1.0).assign(slack=0.012 + 0 * T, starts=1000 + 0 * T)
    verdict = judge(data, CONSTANT, c.Boundary(runs_at_lower="starts"), 0.009)
    assert verdict.status == "inconclusive"
    assert verdict.needed_runs is not None
    better = data.assign(slack=data.slack * 1000 / verdict.needed_runs)
    assert judge(better, CONSTANT, c.Boundary(), 0.009).status == "agrees"


def test_exponent_interval_of_brackets_is_the_worst_case() -> None:
    rng = np.random.default_rng(0)
    data = boundary_case(1.0)
    found = judge(data, SLOPE, c.Exponent("T", points=c.Boundary()), 0.01)
    ends = np.log(np.stack([data.lower / np.exp(data.slack), data.upper]) / LAW.values)
    x = np.log(T.values)
    slopes = [np.polyfit(x, ends[rng.integers(0, 2, 4), np.arange(4)], 1)[0] for _ in range(300)]
    assert found.interval == pytest.approx((min(slopes), max(slopes)))


def test_exponent_per_group_with_coordinate_over_two_dims() -> None:
    wide = xr.DataArray([1.0, 4.0], dims="c", coords={"c": [1.0, 4.0]})
    rate = (T * wide).rename("rate")
    data = xr.Dataset({"y": rate**-2.0, "error": 1e-9 * rate**-2.0, "rate": rate})
    predictions = variants(rate**-2.0, planted=rate**-2.03)
    verdict = judge(data, predictions, c.Exponent("rate", points=c.Exact(scale="log"), dim="T"), 1e-3)
    assert verdict.status == "agrees"
    assert verdict.points.sizes == {"c": 2}


# --- mutants ------------------------------------------------------------------------------------------------------


def test_classes_of_mutants() -> None:
    predictions = variants(
        LAW,
        planted=LAW * PLANTED,
        same=LAW * (1 + 1e-6),
        negative=-LAW,
        infinite=LAW / 0.0,
        undefined=LAW * np.nan,
        elsewhere=LAW * 3,
        half_defined=LAW.where(T > 60) * 2,
        one_point=LAW.where(T != 100, 2 * LAW),
    )
    inside = xr.ones_like(predictions, dtype=bool)
    inside.loc[{"variant": "elsewhere"}] = False
    verdict = judge(exact_case(1.0), predictions, c.Exact(), 1e-3, in_domain=inside)
    assert {m.id: m.verdict_class for m in verdict.mutants} == {
        "planted": "killed",
        "same": "irrelevant",
        "negative": "inadmissible",
        "infinite": "inadmissible",
        "undefined": "inadmissible",
        "elsewhere": "inadmissible",
        "half_defined": "killed",
        "one_point": "killed",
    }
    assert verdict.status == "agrees"
    assert "3 of 3 relevant mutants rejected" in verdict.sentence


def test_complex_mutants_are_inadmissible_and_descriptions_are_kept() -> None:
    predictions = variants(LAW + 0j, turned=LAW * 1j, planted=LAW * PLANTED + 0j)
    predictions = predictions.assign_coords(
        description=("variant", ["the law", "times i", "coefficient 3 % larger"]), change=("variant", [0, np.nan, 0.03])
    )
    verdict = judge(exact_case(1.0), predictions, c.Exact(), 1e-3)
    assert [m.verdict_class for m in verdict.mutants] == ["inadmissible", "killed"]
    assert verdict.mutants[1].description == "coefficient 3 % larger"
    assert verdict.mutants[1].resolution == pytest.approx(3e-3, rel=0.05)
    assert "rejected" in verdict.mutant_lines[1]


def test_relevance_needs_a_tenth_of_the_points() -> None:
    assert moved(np.array([1.0] + [0.0] * 9)) == 1.0
    assert moved(np.array([1.0] + [0.0] * 10)) == 0.0
    assert moved(np.array([])) == 0.0


def test_agreement_needs_a_relevant_mutant_and_no_survivor() -> None:
    data = exact_case(1.0)
    alone = judge(data, c.claim_only(LAW), c.Exact(), 1e-3)
    assert alone.status == "inconclusive"
    assert "no mutant" in alone.reason
    # On a two-sided kind a relevant mutant cannot survive an agreement; on a bound it can.
    half = judge(data * 0.5, variants(LAW, tight=LAW / 1.5, tighter=LAW / 3), c.Bound(), 1e-3)
    assert [m.verdict_class for m in half.mutants] == ["survived", "killed"]
    assert half.status == "inconclusive"
    assert "1 of 2 relevant mutants are not rejected (tight)" in half.reason


def test_expectation() -> None:
    wrong = judge(exact_case(2.0), CONSTANT, c.Exact(), 1e-3, expect="disagrees", reason="a factor is missing")
    assert wrong.as_expected
    assert "because a factor is missing" in wrong.sentence
    assert not judge(exact_case(2.0), CONSTANT, c.Exact(), 1e-3).as_expected


# --- calibration --------------------------------------------------------------------------------------------------


def test_least_runs_of_a_median() -> None:
    assert intervals.least_runs(0.5, 0.003) == 10


@pytest.mark.parametrize("seeds", [8, 20, 200])
def test_calibration_small(seeds: int) -> None:
    """The whole way through `compare`, margin next to nothing, heavy tails: alarms are rare."""
    rng = np.random.default_rng(seeds)
    alarms = 0
    for _ in range(100):
        data = xr.Dataset({"y": (("T", "seed"), rng.standard_t(2.5, (4, seeds)))}, coords={"T": T})
        kind = c.Statistical(scale="linear")
        alarms += judge(data, c.claim_only(0 * T), kind, 1e-12).status == "disagrees"
    assert alarms <= 3


# --- verdicts as files --------------------------------------------------------------------------------------------


def strict(text: str) -> dict:
    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    return json.loads(text, parse_constant=refuse)


def test_json_round_trip(tmp_path) -> None:
    data = noisy(LAW, 12).assign_coords(label=("T", list("abcd")))
    data["y"][0, 0] = np.nan
    predictions = variants(LAW, planted=LAW * PLANTED, bad=LAW * np.nan)
    validity = {"smallness": 1 / T}
    verdict = judge(data, predictions, c.Statistical(), 0.008, validity=validity)
    fields = strict(verdict.to_json())
    assert fields["sentence"] == verdict.sentence
    again = c.Verdict.from_json(verdict.to_json())
    assert again == verdict
    xr.testing.assert_identical(again.points, verdict.points.drop_attrs())
    assert again.to_json() == verdict.to_json()
    stored = verdict.as_dataset()
    stored.to_netcdf(tmp_path / "verdict.nc")
    assert strict(stored.attrs["verdict"])["id"] == "toy.comparison"
    with xr.open_dataset(tmp_path / "verdict.nc") as read:
        assert read.status.attrs["flag_meanings"].split()[read.status.values[0]] == verdict.points.status.values[0]


def test_verdict_speaks() -> None:
    verdict = judge(exact_case(1.0), CONSTANT, c.Exact(), 1e-3)
    assert verdict.sentence.startswith("toy.law agrees with the simulation: relative deviation of y ")
    assert "margin 0.001" in verdict.sentence
    assert "T 20 to 200" in verdict.sentence


# --- rivals and domains -------------------------------------------------------------------------------------------


def test_rivals_are_ranked_with_the_region_where_each_wins() -> None:
    truth = LAW * (1 + 2 / T)
    data = noisy(truth, 2000, spread=0.005)
    rivals = {"toy.sharp": LAW, "toy.finite": LAW * (1 + 2 / T), "toy.crossing": truth * (T / 200) ** 0.05}
    ranking = c.rank_rivals(data, rivals, observable="y", kind=c.Statistical())
    assert [r.claim for r in ranking.contenders] == ["toy.finite", "toy.sharp", "toy.crossing"]
    assert ranking.held_out == "odd seeds"
    assert ranking.contenders[0].share_won >= 0.75
    assert ranking.contenders[0].share_decided >= 0.5
    assert "T 20 to" in ranking.contenders[0].region
    strict(json.dumps(ranking.as_records()))
    assert ranking.sentence.startswith("toy.finite is nearest")
    exact = c.rank_rivals(exact_case(1.0), {"a": LAW * 2, "b": LAW}, observable="y", kind=c.Exact())
    assert [r.claim for r in exact.contenders] == ["b", "a"]
    assert exact.contenders[0].share_decided == 1.0


def test_domain_of_agreement() -> None:
    data = noisy(LAW * (1 + 2 / T), 4000, spread=0.005)
    found = c.agreement_domain(
        data, CONSTANT, validity={"1/T": 1 / T}, observable="y", kind=c.Statistical(), margin=0.025, id="d", claim="law"
    )
    assert found.status == "agrees"
    assert found.thresholds == {"1/T": pytest.approx(1 / 100)}
    assert found.share == 0.5
    assert "confirmed" in found.sentence
    none = c.agreement_domain(
        data * 2,
        CONSTANT,
        validity={"1/T": 1 / T},
        observable="y",
        kind=c.Statistical(),
        margin=0.025,
        id="d",
        claim="l",
    )
    assert none.status == "inconclusive"


def test_domain_that_other_runs_do_not_confirm() -> None:
    good, bad = exact_case(1.0), exact_case(1.5)
    options = {
        "validity": {"1/T": 1 / T},
        "observable": "y",
        "kind": c.Exact(),
        "margin": 1e-3,
        "id": "d",
        "claim": "l",
    }
    again, other = (c.Measurement(data, CONSTANT, options["validity"]) for data in (good, bad))
    assert c.agreement_domain(good, CONSTANT, confirm=again, **options).status == "agrees"
    found = c.agreement_domain(good, CONSTANT, confirm=other, **options)
    assert found.status == "inconclusive"
    assert "on a second measurement it is disagrees" in found.sentence
    alone = c.agreement_domain(good, CONSTANT, **options)
    assert alone.status == "inconclusive"
    assert "chosen, not confirmed" in alone.sentence


# --- wrong input --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"observable": "z"}, "hold no observable named 'z'; they hold T, error, y"),
        ({"margin": 0.0}, "positive number"),
        ({"margin": math.nan}, "positive number"),
        ({"expect": "disagrees"}, "needs a reason"),
        ({"expect": "agree"}, "did you mean agrees"),
        ({"false_alarm": 2.0}, "probability"),
        ({"predictions": LAW}, "claim_only"),
        ({"predictions": CONSTANT.isel(variant=[1, 2])}, "must be 'claim'"),
        ({"predictions": CONSTANT.isel(T=slice(3))}, "3 values along 'T', the data have 4"),
        ({"predictions": CONSTANT.assign_coords(T=[1.0, 2.0, 3.0, 4.0])}, "other values along 'T'"),
        ({"predictions": CONSTANT.expand_dims(width=[1, 2])}, "has the dim 'width', which the data lack"),
        ({"kind": c.Statistical()}, "'seed', which is no dim"),
        ({"kind": c.Exact(error="budget")}, "no error budget named 'budget'"),
        ({"kind": c.Exact(error=-1.0)}, "negative"),
        ({"kind": c.Boundary()}, "no lower end of the bracket named 'lower'"),
        ({"kind": c.Exponent("T")}, "'seed', which is no dim"),
        ({"kind": c.Exponent("y", points=c.Exact(scale="log"), dim="x")}, "no point dim"),
        ({"in_domain": 0 * T}, "True"),
    ],
)
def test_wrong_input_is_explained(change: dict, message: str) -> None:
    request = {"data": exact_case(1.0), "predictions": CONSTANT, "kind": c.Exact(), "margin": 1e-3} | change
    with pytest.raises(UsageError, match=message):
        c.compare(**({"observable": "y", "id": "i", "claim": "l"} | request))


@pytest.mark.parametrize(
    ("kind", "message"), [("exact", r"such as Exact\(...\)"), ("exakt", "did you mean exact"), (3, "no kind")]
)
def test_a_kind_must_be_an_object(kind: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        request.check_request(kind, 1.0, "agrees", "", 0.003)


def test_wrong_kinds_are_explained() -> None:
    for make in (
        lambda: c.Statistical(estimator="medium"),
        lambda: c.Statistical(scale="logarithmic"),
        lambda: c.Statistical(censored="lost"),
        lambda: c.Bound(side="above"),
    ):
        with pytest.raises(UnknownName):
            make()
    with pytest.raises(UsageError, match="geometric"):
        c.Statistical(estimator="geometric_mean", scale="linear")
    with pytest.raises(UsageError, match="scale 'log'"):
        c.Exponent("T", points=c.Exact(scale="linear"))
    with pytest.raises(UsageError, match="at least two claims"):
        c.rank_rivals(exact_case(1.0), {"one": LAW}, observable="y", kind=c.Exact())


# --- figures ------------------------------------------------------------------------------------------------------


def test_overlay_and_files(tmp_path) -> None:
    wide = xr.DataArray([0.5, 1.0], dims="c", coords={"c": [0.5, 1.0]})
    data = noisy(LAW * wide, 50)
    data["y"][0, 0] = np.nan
    predictions = variants(LAW * wide, planted=LAW * wide * 2)
    verdict = judge(data, predictions, c.Statistical(), 0.03)
    rival = {"toy.rival": LAW * wide * (1 + 1 / T)}
    written = []
    for name in ("one", "two"):
        figure = c.overlay(
            data, predictions, observable="y", kind=c.Statistical(), x="T", hue="c", rivals=rival, verdict=verdict
        )
        written.append(c.save_figure(figure, tmp_path / name / "toy.comparison", verdict.points))
    assert [p.name for p in written[0]] == ["toy.comparison.png", "toy.comparison.pdf", "toy.comparison.nc"]
    for first, second in zip(*written, strict=True):
        assert first.read_bytes() == second.read_bytes()
    upper, lower = figure.axes[:2]
    assert upper.get_xscale() == upper.get_yscale() == "log"
    assert len(figure.legends) == 1
    assert not upper.get_legend()
    assert not lower.get_legend()


def test_overlay_tells_dims_apart_and_shows_what_was_left_out() -> None:
    wide = xr.DataArray([0.5, 1.0], dims="c", coords={"c": [0.5, 1.0]})
    data = noisy(LAW * wide, 50)
    predictions = variants(LAW * wide, planted=LAW * wide * 2)
    verdict = judge(data, predictions, c.Statistical(), 0.03, in_domain=T > 30)
    far = {"toy.far": LAW * wide * 5}
    figure = c.overlay(
        data, predictions, observable="y", kind=c.Statistical(), x="T", verdict=verdict, rivals=far, in_domain=T > 30
    )
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert {"c = 0.5", "c = 1", "outside the domain", "margin 0.03"} <= set(words)
    assert "rival:\ntoy.far\n(beyond the lower panel)" in words


def test_overlay_over_names_draws_a_bar_at_each_and_nothing_between() -> None:
    named = {"choice": ["uniform", "root", "split"]}
    law = xr.DataArray([1.0, 3.0, 2.0], dims="choice", coords=named)
    data = xr.Dataset({"y": law, "error": 0.01 * law})
    figure = c.overlay(data, variants(law), observable="y", kind=c.Exact(scale="relative"), x="choice", margin=0.1)
    (line,) = (line for line in figure.axes[0].lines if np.isnan(line.get_ydata().astype(float)).any())
    x, y = (np.asarray(part, float).reshape(3, 3) for part in line.get_data())
    assert dict(zip(x[:, :2].mean(1), y[:, 0], strict=True)) == dict(enumerate(law.values))


@pytest.mark.parametrize("kind", [c.Boundary(), c.Exponent("T", points=c.Boundary())])
def test_overlay_of_boundaries(kind: c.Kind) -> None:
    data = boundary_case(1.0)
    data["upper"][1] = np.inf
    figure = c.overlay(data, CONSTANT, observable="rate", kind=kind, x="T", margin=0.01)
    figure.canvas.draw()


def test_overlay_of_bounds_and_orders() -> None:
    c.overlay(exact_case(1.0), CONSTANT, observable="y", kind=c.Bound(), x="T").canvas.draw()
    data = remainder_case(3.0).assign_coords(eps=("T", 1 / T.values))
    kind = c.Asymptotic("eps", order=3.0)
    c.overlay(data, CONSTANT.assign_coords(eps=data.eps), observable="y", kind=kind, x="eps").canvas.draw()


def test_phase_diagram() -> None:
    x, y = np.geomspace(0.01, 1, 6), np.linspace(0, 1, 5)
    share = xr.DataArray(np.outer(y, x), dims=("y", "x"), coords={"x": x, "y": y}, name="share")
    line = xr.DataArray(x, dims="x", coords={"x": x})
    figure = c.phase_diagram(share, x="x", y="y", boundaries={"law": line}, limits=(0.0, 1.0))
    assert figure.axes[0].get_xscale() == "log"
    assert [t.get_text() for t in figure.legends[0].get_texts()] == ["law"]
    codes = (share > 0.1).astype(int)
    c.phase_diagram(codes, x="x", y="y", categories={0: "learned", 1: "trapped"}).canvas.draw()
    with pytest.raises(UsageError, match="no other"):
        c.phase_diagram(share.expand_dims("z"), x="x", y="y")
