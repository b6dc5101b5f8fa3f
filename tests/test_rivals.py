"""Rivals, fitted constants and domains: on made-up data with a known answer, and through a whole comparison."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
import xarray as xr
from sympy import Interval, oo

import toymodels.comparator as c
from runs.experiment import Comparison
from runs.judging import Judged, judge
from theory.claim import Claim, Quantity, Source, Vocabulary
from theory.errors import ClaimUsageError
from theory.free import FreeLaw, brackets
from theory.registry import CLAIMS, register
from toymodels.errors import UsageError

TIMES = np.geomspace(20, 200, 6)
T = xr.DataArray(TIMES, dims="T", coords={"T": TIMES})
BRACKETS = {"C": (0.1, 100.0), "p": (0.5, 8.0)}
MEDIAN = c.Statistical()
TRUTH = 3.0 * T**-2.5

V = Vocabulary()
POSITIVE = Interval.open(0, oo)
time = V.symbol("T", "time", unit="time", domain=POSITIVE, typical=(20, 200))
factor = V.symbol("factor", "prefactor", unit="y", domain=POSITIVE, typical=(0.5, 20))
power = V.symbol("power", "exponent", domain=POSITIVE, typical=(1, 5))
offset = V.symbol("offset", "offset", typical=(-1, 1))
untold = V.symbol("untold", "constant without a range")


def claim(name: str, statement: object, free: tuple = (), **more: object) -> str:
    """The id of a registered claim about y."""
    full = f"toy.{name}"
    if full not in CLAIMS:
        kind = "law with free constants" if free else "closed form"
        source, predicts = Source.own("made up"), Quantity("y")
        register(Claim(full, name, statement, V, predicts, kind, source, free=free, **more))
    return full


def power_law(constants: dict[str, float]) -> xr.DataArray:
    return constants["C"] * T ** -constants["p"]


def noisy(law: xr.DataArray, runs: int = 200, spread: float = 0.1, seed: int = 0) -> xr.Dataset:
    rng = np.random.default_rng(seed)
    scatter = xr.DataArray(rng.normal(size=(*law.shape, runs)), dims=(*law.dims, "seed"), coords={"seed": range(runs)})
    return xr.Dataset({"y": law * np.exp(spread * scatter)})


def fitted(data: xr.Dataset, law: object = power_law, kind: c.Kind = MEDIAN, **options: object) -> c.Fit:
    given = {"margin": 0.02, "halves": c.split(data, kind, "y"), **options}
    return c.fit(law, given.pop("brackets", BRACKETS), data=data, observable="y", kind=kind, **given)


# --- fitted constants ---------------------------------------------------------------------------------------------


def test_constants_are_recovered_with_calibrated_intervals() -> None:
    inside, widths = np.zeros(2), []
    for seed in range(10):
        found = fitted(noisy(TRUTH, seed=seed), false_alarm=0.3)
        for i, truth in enumerate((3.0, 2.5)):
            constant = found.constants[i]
            inside[i] += constant.low <= truth <= constant.high
        widths.append(found.constants[1].high - found.constants[1].low)
    # Simultaneous intervals at 70 %, so 7 of 10 at least but for chance; useful ones are no wider than 3 errors of a
    # regression over 6 medians of 100 runs each.
    assert (inside >= 6).all()
    error = 1.25 * 0.1 / 10 / np.sqrt(((np.log(TIMES) - np.log(TIMES).mean()) ** 2).sum())
    assert np.mean(widths) < 6 * error
    assert np.mean(widths) > 1 * error


def test_fit_uses_one_half_and_says_which() -> None:
    data = noisy(TRUTH)
    data["y"] = data.y.where(data.seed % 2 == 0, 100 * data.y)
    found = fitted(data)
    assert found.values["p"] == pytest.approx(2.5, abs=0.05)
    assert found.values["C"] == pytest.approx(3.0, rel=0.3)
    assert "fitted on even seeds, judged on odd seeds" in found.sentence


def test_points_are_split_where_there_are_no_runs() -> None:
    data = xr.Dataset({"y": TRUTH.copy(deep=True), "error": 1e-3 * TRUTH})
    data["y"][1::2] *= 100
    found = fitted(data, kind=c.Exact())
    assert found.values == pytest.approx({"C": 3.0, "p": 2.5}, rel=1e-3)
    for constant, truth in zip(found.constants, (3.0, 2.5), strict=True):
        assert constant.low < truth < constant.high
    assert "every second point" in found.sentence
    square = xr.Dataset({"y": TRUTH * xr.DataArray(np.ones(4), dims="k"), "error": TRUTH})
    halves = c.split(square, c.Exact(), "y")
    assert int(halves.first.sum()) == 12
    assert not (halves.first.values[:, 1:] == halves.first.values[:, :-1]).any()


def test_one_wild_point_does_not_decide() -> None:
    data = noisy(TRUTH, spread=0.01)
    data["y"][3] *= 2
    assert fitted(data).values["p"] == pytest.approx(2.5, abs=0.1)


@pytest.mark.parametrize(
    ("law", "limits", "words"),
    [
        (lambda k: k["C"] * k["p"] * T**-2.5, BRACKETS, "C and p separately"),
        (lambda k: k["C"] * T**-2.5 + 0 * k["p"], BRACKETS, "do not determine p"),
        (power_law, {"C": (10.0, 100.0), "p": (3.0, 8.0)}, "push p to the lower end of its bracket, 3"),
        (lambda k: k["C"] ** 2 * T ** -k["p"], {"C": (-10.0, 10.0), "p": (0.5, 8.0)}, "equally well"),
        (lambda k: np.nan * power_law(k), BRACKETS, "no admissible number"),
    ],
)
def test_constants_that_data_do_not_determine_are_refused(law: object, limits: dict, words: str) -> None:
    found = fitted(noisy(TRUTH), law, brackets=limits)
    assert not found.constants
    assert words in found.problem


def test_too_few_points_or_runs_are_refused() -> None:
    one = noisy(TRUTH).isel(T=[0])
    assert "1 points" in fitted(one, lambda k: power_law(k).isel(T=[0])).problem
    assert "runs" in fitted(noisy(TRUTH, runs=10)).problem
    with pytest.raises(UsageError, match="looser"):
        fitted(xr.Dataset({"y": TRUTH, "error": 0 * T}), kind=c.Bound())
    with pytest.raises(UsageError, match="low < high"):
        fitted(noisy(TRUTH), brackets={"C": (2.0, 1.0), "p": (1.0, 2.0)})


def test_uncertainty_of_the_constants_widens_the_verdict() -> None:
    data = noisy(TRUTH, runs=60, spread=0.3)
    halves = c.split(data, MEDIAN, "y")
    found = fitted(data)
    by = c.spread(power_law, found, BRACKETS, data=halves.take_second(data), observable="y", kind=MEDIAN)
    predictions = c.claim_only(power_law(found.values))
    asked = {"observable": "y", "margin": 0.02, "id": "w", "claim": "law"}
    plain = c.compare(halves.take_second(data), predictions, kind=MEDIAN, **asked)
    wide = c.compare(halves.take_second(data), predictions, kind=c.Widened(MEDIAN, by), **asked)
    assert np.allclose(wide.points.high - plain.points.high, by)
    assert wide.kind == plain.kind == "statistical"
    assert (by > 0).all()


def test_misfit_of_a_wrong_law_is_no_excuse() -> None:
    bent = TRUTH * (1 - 4 / T)
    data = xr.Dataset({"y": bent, "error": 1e-4 * bent})
    found = fitted(data, kind=c.Exact())
    by = c.spread(power_law, found, BRACKETS, data=data, observable="y", kind=c.Exact())
    interval = found.constants[1].high - found.constants[1].low
    assert interval > 0.02
    assert float(by.max()) < 1e-3


# --- comparisons with fitted constants ----------------------------------------------------------------------------

FLEXIBLE = claim("power_law", factor * time**-power, free=(factor, power))
STIFF = claim("stiff", factor * time**-2, free=(factor,))
RIGHT = claim("right", 3 / time**2)
CROOKED = claim("crooked", factor / (1 + power / time), free=(factor, power))


def compared(data: xr.Dataset, name: str, **more: object) -> Judged:
    options = {"kind": MEDIAN, "margin": 0.03, "bind": {"T": "T"}, **more}
    return judge(Comparison(f"toy.{name}", name, "", "y", **options), data, None)[0]


def test_law_with_a_free_constant_agrees_on_the_other_half() -> None:
    judged = compared(noisy(3 / T**2, runs=1000, spread=0.05), STIFF)
    assert judged.verdict.status == "agrees", judged.verdict.sentence
    assert "fitted on even seeds, judged on odd seeds" in judged.verdict.sentence
    assert judged.verdict.n_runs == 500
    # Wrong prefactors are made up for by the constant: the same law. Wrong exponents are not.
    assert judged.fit is not None
    assert any("factor" in words and "x 2" in words for words in judged.fit["absorbed"])
    killed = judged.verdict.mutants_of("killed")
    assert killed
    assert all("exponent" in mutant.id for mutant in killed)
    assert not judged.verdict.mutants_of("survived")


def test_planted_error_in_a_prefactor_is_absorbed_and_in_an_exponent_is_not() -> None:
    for plant, status in ((2.0 * 3 / T**2, "agrees"), (3 / T**2.1, "disagrees")):
        assert compared(noisy(plant, runs=1000, spread=0.05), STIFF).verdict.status == status


def test_law_that_absorbs_every_mutant_is_not_confirmed() -> None:
    judged = compared(noisy(3 / T**2, runs=1000, spread=0.05), FLEXIBLE)
    assert judged.verdict.status == "inconclusive"
    assert "absorbs every wrong version" in judged.verdict.reason
    assert judged.fit is not None
    assert [constant["name"] for constant in judged.fit["constants"]] == ["factor", "power"]


def test_undetermined_constant_is_inconclusive_and_not_a_number() -> None:
    data = noisy(xr.ones_like(T), runs=400)
    judged = compared(data, CROOKED, constants={"power": (1e-6, 1e-3)})
    assert judged.verdict.status == "inconclusive"
    assert "do not determine power" in judged.verdict.sentence
    assert np.isnan(judged.verdict.discrepancy)


def test_overfitting_is_caught_by_the_held_out_half() -> None:
    free = tuple(V.symbol(f"k{i}", "coefficient", typical=(-20, 20)) for i in range(4))
    position = (time - 55) / 45
    wiggly = claim("wiggly", sum(k * position**i for i, k in enumerate(free)), free=free)
    straight = claim("straight", factor + offset * position, free=(factor, offset))
    rng = np.random.default_rng(7)
    times = np.linspace(10, 100, 10)
    along = xr.DataArray(times, dims="T", coords={"T": times})
    y = 5 + along / 100 + 0.3 * xr.DataArray(rng.normal(size=10), dims="T")
    data = xr.Dataset({"y": y, "error": 0 * y + 0.01})
    linear = {"kind": c.Exact(scale="linear"), "margin": 0.05}
    judged = compared(data, straight, rivals=(wiggly,), mutants=False, **linear)
    assert judged.ranking[0]["claim"] == straight
    assert "each with constants fitted on others" in judged.winner
    halves = c.split(data, linear["kind"], "y")
    law = FreeLaw(CLAIMS[wiggly], {"T": along}, mutants=False)
    found = c.fit(
        law.law(), brackets(CLAIMS[wiggly]), data=data, observable="y", halves=halves, uncertainty=False, **linear
    )
    miss = abs(law.law()(found.values) - data.y)
    assert float(miss.where(halves.first).max()) < 0.2 * float(miss.where(halves.second).max())


def test_constants_need_a_bracket() -> None:
    bare = claim("bare", untold / time, free=(untold,))
    with pytest.raises(ClaimUsageError, match="typical"):
        brackets(CLAIMS[bare])
    with pytest.raises(ClaimUsageError, match="no free constants"):
        FreeLaw(CLAIMS[RIGHT], {"T": T})


# --- rivals -------------------------------------------------------------------------------------------------------


def plane() -> xr.Dataset:
    """Over u and v: the law u + v^2 below u = 5, u + v beyond; the two say the same nowhere but at v = 1."""
    u = xr.DataArray(np.linspace(1, 10, 8), dims="u", coords={"u": np.linspace(1, 10, 8)})
    v = xr.DataArray(np.linspace(0.5, 3, 6), dims="v", coords={"v": np.linspace(0.5, 3, 6)})
    square, plain = u + v**2, u + v
    return noisy(xr.where(u < 5, square, plain), spread=0.01).assign(square=square, plain=plain)


def ranked() -> c.Ranking:
    data = plane()
    rivals = {"square": data.square, "plain": data.plain}
    return c.rank_rivals(data, rivals, observable="y", kind=MEDIAN)


def test_winner_of_every_point_is_known() -> None:
    points = ranked().points
    clear = points.where(points.v > 1.4, drop=True)
    assert (clear.nearest.sel(u=clear.u[clear.u < 5]) == "square").all()
    assert (clear.nearest.sel(u=clear.u[clear.u > 5]) == "plain").all()
    assert clear.decided.all()
    assert not points.decided.sel(v=1.0).any()


def test_regions_are_drawn_with_crossovers() -> None:
    data, ranking = plane(), ranked()
    figure = c.winner_regions(ranking, ties={"square = plain": data.square - data.plain})
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert any(word.startswith("square: ") for word in words)
    assert {"undecided", "square = plain"} <= set(words)
    axes = figure.axes[0]
    assert {axes.get_xlabel(), axes.get_ylabel()} == {"u", "v"}
    line = np.concatenate([path.vertices for path in axes.collections[-1].get_paths()])
    assert np.ptp(line, axis=0).min() == pytest.approx(0, abs=0.05)  # v = 1, for every u
    strip = c.winner_regions(
        c.rank_rivals(data.isel(v=3), {n: data[n].isel(v=3) for n in ("square", "plain")}, observable="y", kind=MEDIAN)
    )
    colours = [patch.get_facecolor() for patch in strip.axes[1].patches]
    assert len(set(colours)) == 2
    assert colours[0] != colours[-1]


def test_regions_refuse_what_cannot_be_read() -> None:
    point = noisy(TRUTH).isel(T=0)
    single = c.rank_rivals(point, {"a": TRUTH[0], "b": 2 * TRUTH[0]}, observable="y", kind=MEDIAN)
    with pytest.raises(UsageError, match="single point"):
        c.winner_regions(single)
    many = noisy(TRUTH * xr.DataArray(np.ones((3, 3, 9)), dims=("a", "b", "d")), runs=20)
    wide = c.rank_rivals(many, {"one": TRUTH, "two": 2 * TRUTH}, observable="y", kind=MEDIAN)
    with pytest.raises(UsageError, match="panels"):
        c.winner_regions(wide, x="a", y="b")


def test_fitted_rival_is_ranked_on_what_it_was_not_fitted_to(tmp_path: pathlib.Path) -> None:
    data = noisy(3 / T**2, runs=400, spread=0.05)
    options = {"kind": MEDIAN, "margin": 0.05, "bind": {"T": "T"}, "rivals": (FLEXIBLE,)}
    judged, _ = judge(Comparison("toy.ranked", RIGHT, "", "y", **options), data, tmp_path)
    assert {row["claim"] for row in judged.ranking} == {RIGHT, FLEXIBLE}
    assert "odd seeds" in judged.winner
    assert "power = " in judged.winner
    assert [drawn["figure"] for drawn in judged.maps] == ["figures/toy.ranked.regions"]
    assert (tmp_path / "figures" / "toy.ranked.regions.png").stat().st_size > 0
    restored = Judged.from_record(judged.comparison, judged.verdict, json.loads(json.dumps(judged.record())))
    assert restored == judged


# --- domains ------------------------------------------------------------------------------------------------------


def degrading() -> tuple[xr.Dataset, xr.DataArray]:
    """A law that is off by u + v; agrees within 0.1 where that sum is small."""
    u = xr.DataArray(np.linspace(0.01, 0.2, 8), dims="u", coords={"u": np.linspace(0.01, 0.2, 8)})
    v = xr.DataArray(np.linspace(0.0, 0.1, 6), dims="v", coords={"v": np.linspace(0.0, 0.1, 6)})
    law = (1 + 0 * u) * np.exp(xr.DataArray(np.linspace(0, 2, 6), dims="v", coords={"v": v.values}))
    return noisy(law * np.exp(u + v), runs=1000, spread=0.01), law


def searched(**more: object) -> c.AgreementDomain:
    data, law = degrading()
    predictions = xr.concat([law, 1.5 * law], dim="variant").assign_coords(variant=["claim", "wrong"])
    validity = {"u": data.u, "v": data.v}
    asked = {"observable": "y", "kind": MEDIAN, "margin": 0.12, "id": "d", "claim": "law", **more}
    return c.agreement_domain(data, predictions, validity=validity, **asked)


def test_largest_domain_is_found_and_confirmed() -> None:
    found = searched()
    assert found.status == "agrees"
    grid_u, grid_v = np.linspace(0.01, 0.2, 8), np.linspace(0.0, 0.1, 6)
    room = 0.12 - 2 * 5 * 1.25 * 0.01 / np.sqrt(500)  # margin, less a generous interval of the median of one half
    sizes = {
        (i + 1) * (j + 1): (grid_u[i], grid_v[j]) for i in range(8) for j in range(6) if grid_u[i] + grid_v[j] < room
    }
    assert found.share == pytest.approx(max(sizes) / 48)
    assert found.thresholds["u"] + found.thresholds["v"] < 0.12
    assert "confirmed on odd seeds" in found.sentence
    inside = found.points.inside
    assert int(inside.sum()) == max(sizes)
    assert (abs(found.points.value).where(inside, 0) < 0.12).all()


def test_domain_is_searched_where_no_assumption_holds() -> None:
    data, _ = degrading()
    small = searched(in_domain=(data.u < 0.05) & (data.v < 0.05))
    assert small.thresholds["u"] < 0.05
    assert searched().thresholds["u"] > 0.05


def test_domain_without_power_to_reject_wrong_laws_is_inconclusive() -> None:
    data, law = degrading()
    predictions = xr.concat([law, 1.01 * law], dim="variant").assign_coords(variant=["claim", "close"])
    asked = {"observable": "y", "kind": MEDIAN, "margin": 0.12, "id": "d", "claim": "law"}
    found = c.agreement_domain(data, predictions, validity={"u": data.u}, **asked)
    assert found.status == "inconclusive"
    assert "wrong laws" in found.sentence


def test_domain_is_drawn_along_the_edges_of_cells() -> None:
    found = searched()
    figure = c.domain_map(found)
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert f"D: {found.limits} (confirmed)" in words
    edge = np.concatenate(figure.axes[0].collections[-1].get_segments())
    along = {"x": figure.axes[0].get_xlabel(), "y": figure.axes[0].get_ylabel()}
    for column, name in enumerate(along.values()):
        beyond = found.points[name].values[found.points[name].values > found.thresholds[name]]
        assert found.thresholds[name] < edge[:, column].max() < beyond.min()
    one = c.agreement_domain(
        *_lone(), validity={"T": 1 / T}, observable="y", kind=c.Exact(), margin=0.02, id="d", claim="law"
    )
    assert "chosen, not confirmed" in one.sentence
    assert c.domain_map(one).axes[0].get_xlabel() == "T"


def _lone() -> tuple[xr.Dataset, xr.DataArray]:
    data = xr.Dataset({"y": TRUTH * (1 + 1 / T), "error": 1e-6 * TRUTH})
    return data, xr.concat([TRUTH, 2 * TRUTH], dim="variant").assign_coords(variant=["claim", "wrong"])


def test_comparison_states_its_domain(tmp_path: pathlib.Path) -> None:
    asymptotic = claim("asymptotic", 3 / time**2, validity={"distance": 1 / time})
    data = noisy(3 / T**2 * (1 + 2 / T), runs=4000, spread=0.01)
    comparison = Comparison("toy.d", asymptotic, "", "y", MEDIAN, 0.03, {"T": "T"}, domain_search=True)
    judged, _ = judge(comparison, data, tmp_path)
    assert judged.verdict.status == "agrees", judged.verdict.sentence
    assert judged.domain is not None
    assert judged.domain["thresholds"] == {"distance": pytest.approx(1 / TIMES[TIMES > 67][0])}
    assert "D: distance <= " in judged.verdict.sentence
    assert "D: distance" in judged.verdict.domain
    assert judged.maps[-1]["caption"].endswith("confirmed on odd seeds.")
    restored = c.Verdict.from_json(judged.verdict.to_json())
    assert (restored.domain, restored.note, restored.status) == (judged.verdict.domain, "", "agrees")


def test_unknown_coordinate_of_a_domain_is_named() -> None:
    comparison = Comparison("toy.e", RIGHT, "", "y", MEDIAN, 0.03, {"T": "T"}, domain_search=("width",))
    with pytest.raises(UsageError, match="no coordinate 'width'"):
        judge(comparison, noisy(3 / T**2), None)
