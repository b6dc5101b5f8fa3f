"""Wrong versions of a claim: made, recognised as equal, laid beside data, counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import sympy as sp
import xarray as xr
from example_claims import BETA1, BETA2, SHARP, TIMES, A, N, P, Q, T, X, make

from runs.cli.main import main
from runs.coverage import LEVELS, coverage, rate_line, summary
from theory.claim import Claim, Minimum, Root, Vocabulary
from theory.compiled import numeric
from theory.knobs import FACTORS
from theory.mutants import sample_points
from theory.registry import CLAIMS
from theory.variants import predict_variants
from toymodels.comparator import Bound, Exact, Tally, Verdict, compare
from toymodels.comparator.mutants import MutantResult
from toymodels.comparator.resolution import resolutions


def ids(claim: Claim) -> set[str]:
    return {m.id for m in claim.mutants()}


def aside(claim: Claim) -> set[str]:
    return {m.id for m in claim.set_aside()}


# --- what is made ----------------------------------------------------------------------------------------------------


def test_mutants_change_one_thing_each() -> None:
    names = [m.id for m in SHARP.mutants()]
    assert len(set(names)) == len(names)
    for expected in ("coefficient:3/32*1.03", "coefficient:pi*0.5", "exponent:T**(-5)-0.1", "exponent:pi**4+0.5"):
        assert expected in names
    by_id = {m.id: m for m in SHARP.mutants()}
    assert by_id["coefficient:3/32*1.03"].description == "coefficient 3/32 x 1.03"
    assert by_id["coefficient:3/32*2"].statement.expression == 3 * sp.pi**4 / (16 * T**5)
    assert by_id["coefficient:pi*2"].statement.expression == 3 * (2 * sp.pi) ** 4 / (32 * T**5)
    for mutant in SHARP.mutants():
        direct = numeric(mutant.statement.expression, (T,))(np.array(1.7))
        np.testing.assert_allclose(mutant.values([np.array(1.7)]), direct, rtol=1e-13)


def test_terms_signs_symbols_and_thresholds() -> None:
    law = make(sp.Piecewise((BETA1 - 2 * BETA2, sp.Rational(1, 2) > BETA1), (BETA1 * BETA2**2, True)))
    assert {"sign:-2*beta2", "drop:beta1", "coefficient:1 of beta1*2", "swap:beta1<->beta2"} <= ids(law)
    assert "threshold:beta1 < 1/2*1.03" in ids(law)
    swapped = next(m for m in law.mutants() if m.kind == "swap")
    assert float(swapped.values([np.array(0.25), np.array(0.75)])) == 0.75 * 0.25**2


LAWS = {
    "sum": lambda c: c[0] * P**2 + sp.sqrt(c[1]) * sp.exp(-c[2] * P) + sp.log(c[3] + P) - c[4],
    "powers": lambda c: (c[0] + c[1] * P) ** N - c[2] * P ** (c[3] * Q),
    "special": lambda c: sp.LambertW(c[0] * P) + sp.erf(c[1] * P) + sp.polygamma(1, c[2] * P) + sp.atan2(c[3], X),
    "kinks": lambda c: sp.Max(c[0], P) + sp.Min(c[1], Q) + c[2] * sp.Abs(X - c[3]),
    "steps": lambda c: sp.Piecewise((c[0] * P, c[1] > P), (Q, True)) + c[2] * sp.Heaviside(X - c[3]),
    "nested": lambda c: sp.sin(c[0] / (c[1] + c[2] * sp.cosh(c[3] * P) ** 2)),
}  # fmt: skip
NUMBERS = [sp.Integer(v) for v in (3, 7, 2, 5, 11)]


@pytest.mark.parametrize("name", LAWS)
def test_every_number_is_changed_by_every_factor(name: str) -> None:
    """Against laws that were changed by hand: each change is a mutant, or equal to one, or leaves the law as it is."""
    write = LAWS[name]
    claim = make(write(NUMBERS))
    used = [
        k for k in range(len(NUMBERS)) if write([*NUMBERS[:k], NUMBERS[k] * 2, *NUMBERS[k + 1 :]]) != write(NUMBERS)
    ]
    assert len(used) >= 4
    points = sample_points(claim, 60, 60)
    near = [number * factor for number in NUMBERS for factor in (0.49, 0.51, 0.89, 0.91, 0.965, 0.98, 1.02, 1.09, 1.9)]
    points += [(value,) * len(claim.symbols) for value in near]
    columns = [np.array([float(p[k]) for p in points]) for k in range(len(claim.symbols))]
    made = np.stack([np.broadcast_to(m.values(columns), len(points)) for m in claim.mutants()])
    original = claim.statement.values(claim.symbols, columns)
    for k in used:
        for change in FACTORS:
            changed = [*NUMBERS[:k], NUMBERS[k] * change.value, *NUMBERS[k + 1 :]]
            wanted = np.broadcast_to(numeric(write(changed), claim.symbols)(*columns), len(points))
            assert not np.allclose(wanted, original, rtol=1e-12), "the points must tell the change"
            match = np.isclose(made, wanted, rtol=1e-9, equal_nan=True).all(axis=1)
            assert match.any(), f"{NUMBERS[k]} x {change.value} of {write(NUMBERS)}"


def test_exponents_written_or_not_are_shifted() -> None:
    law = make(P * Q ** (X + 1) / sp.sqrt(T) + (1 - BETA1) ** N)
    for place in ("p", "q**(x + 1)", "1/sqrt(T)", "(1 - beta1)**n", "beta1"):
        for shift in ("+0.1", "-0.1", "+0.5", "-0.5"):
            assert f"exponent:{place}{shift}" in ids(law)
    assert "exponent:x+0.1" not in ids(law), "a power of a number of either sign is complex"


def test_base_of_a_symbolic_power_has_a_coefficient() -> None:
    assert "coefficient:1 of beta1*1.03" in ids(make(BETA1**N))


def test_thresholds_at_zero_are_shifted() -> None:
    law = make(sp.Piecewise((P, P - 2 * Q < 0), (Q, True)))
    moved = next(m for m in law.mutants() if m.id == "threshold:p - 2*q < 0*2")
    at = [np.array([1.0, 3.0, 5.0]), np.array([1.0, 1.0, 1.0])]
    assert law.statement.values((P, Q), at).tolist() == [1.0, 1.0, 1.0]
    assert moved.values(at).tolist() == [1.0, 3.0, 1.0]
    assert "threshold:sign(x)+0.03" in ids(make(P * sp.sign(X)))


def test_orders_of_functions_are_no_coefficients() -> None:
    assert not any("constant 1" in name for name in ids(make(sp.polygamma(1, P))))


def test_mutants_of_roots_and_minima() -> None:
    root = make(Root(sp.Eq(X**3, 2 * T), X, (0, 10 * (T + 1))))
    mutant = next(m for m in root.mutants() if m.id.startswith("coefficient:2") and m.id.endswith("*2"))
    assert float(mutant.values([np.array(2.0)])) == pytest.approx(2.0, rel=1e-14)
    minimum = make(Minimum(X**2 + T / X, X, (0, 100)))
    assert "drop:T/x" in ids(minimum)
    assert "exponent:x**2+0.5" in ids(minimum)


def test_symbols_with_a_rule_are_scaled_wherever_they_occur() -> None:
    law = make(A * sp.exp(-A * T))
    scaled = next(m for m in law.mutants() if m.id == "derived:a*1.03")
    a, t = np.array(0.7), np.array(2.0)
    values = scaled.values([{"T": t, "a": a}[s.name] for s in law.symbols])
    assert float(values) == pytest.approx(0.721 * np.exp(-1.442), rel=1e-14)
    assert not any(name.startswith("derived:a") for name in ids(TIMES)), "it occurs once: the coefficient 1/4 does"


def test_places_that_look_alike_are_told_apart() -> None:
    law = make(2 * P * sp.exp(-2 * Q) + 2 * T)
    sites = {m.site for m in law.mutants() if m.kind == "coefficient" and m.site.startswith("coefficient 2")}
    assert sites == {"coefficient 2 in 2*p*exp(-2*q)", "coefficient 2 in 2*T"} or len(sites) == 2
    for site in {m.site for m in law.mutants() if m.kind == "sign"}:
        assert sum(m.site == site and m.kind == "sign" for m in law.mutants()) == 1


@pytest.mark.parametrize("id", sorted(CLAIMS))
def test_every_place_of_a_registered_claim_has_a_name_and_sizes(id: str) -> None:
    for mutant in CLAIMS[id].mutants():
        assert mutant.site
        sized = mutant.kind in ("coefficient", "exponent", "derived", "sign", "drop")
        assert np.isfinite(mutant.change) or not sized
    sites = [(m.site, m.kind, m.change) for m in CLAIMS[id].mutants()]
    sized = [s for s in sites if np.isfinite(s[2])]
    assert len(set(sized)) == len(sized), "one place, one change of a size"


def test_mutant_ids_do_not_depend_on_the_process() -> None:
    code = "import theory; print([m.id for c in theory.list_claims('adam.stability') for m in c.mutants()])"
    outputs = set()
    for seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        outputs.add(done.stdout)
    assert len(outputs) == 1


# --- equal to the claim ----------------------------------------------------------------------------------------------


def test_changes_without_effect_are_set_aside_and_duplicates_dropped() -> None:
    even = make(sp.cos(-2 * X + 0 * T) + sp.sqrt(T**2 + (X - 3) ** 2))
    assert "sign:2*x" in aside(even)
    scaled = make(Root(2 * X**2 - 2 * T, X, (0, T + 1)))
    assert not ids(scaled) & aside(scaled)
    whole = make(Root(sp.exp(X) * (X**2 - T), X, (0, T + 1)))
    assert {"coefficient:1 of x*2", "coefficient:1 of (-T + x**2)*exp(x)*2"} <= aside(whole)
    product = make(2 * T * sp.exp(sp.log(3)))
    values = [float(m.values([np.array(1.3)])) for m in product.mutants()]
    assert len(values) == len(set(values))
    kinked = make(sp.Abs(3 * X) + T)
    assert "sign:3*x" not in ids(kinked), "a tie of a law with a kink is confirmed by algebra"


@pytest.mark.parametrize(
    ("law", "change"),
    [
        (sp.sqrt(P**2 + (Q * X) ** 2), "sign:x*q"),
        (sp.sqrt((X - 2) ** 2) + P, "sign:x - 2"),
        (sp.sin(P) * sp.cos(Q) + sp.cos(P) * sp.sin(Q), "swap:p<->q"),
        (sp.log(P) * T + T * sp.log(Q), "swap:p<->q"),
        (sp.log(P / Q) ** 2 + T, "swap:p<->q"),
        (sp.Max(P, Q) + T, "swap:p<->q"),
        (sp.sign(2 * P - Q) * T, "coefficient:1 of 2*p - q*2"),
    ],
    ids=str,
)  # fmt: skip
def test_equal_by_identity_or_domain(law: sp.Expr, change: str) -> None:
    claim = make(law)
    swapped = change.startswith("swap")
    if swapped:
        assert change in aside(claim)
        assert change not in ids(claim)
        return
    # Signs that sympy removes on sight leave no mutant at all; the rest is recognised.
    for mutant in claim.set_aside():
        at = [np.linspace(0.3, 2.9, 7) * (1 if s.is_positive else -1) for s in claim.symbols]
        np.testing.assert_allclose(mutant.values(at), claim.statement.values(claim.symbols, at), rtol=1e-12)
    assert change not in ids(claim)


@pytest.mark.parametrize(
    ("law", "change"),
    [
        (P + Q * sp.Rational(1, 10**12), "drop:q/1000000000000"),
        (P + Q * sp.Rational(1, 10**60), "drop:q/1000000000000000000...000000000"),
        (P + sp.exp(-500 * P), "drop:exp(-500*p)"),
        (P + sp.exp(-sp.exp(20 * Q)), "drop:exp(-exp(20*q))"),
        (P + sp.Max(0, X - 50), "coefficient:1 of x - 50*2"),
        (sp.Piecewise((P, P < 1000), (2 * P, True)), "coefficient:2*2"),
        (sp.Max(P, sp.Rational(1, 1000)), "coefficient:constant 1/1000*2"),
        (sp.tanh(100 * P) * T, "coefficient:100*1.03"),
    ],
    ids=str,
)  # fmt: skip
def test_tiny_or_remote_differences_are_no_equality(law: sp.Expr, change: str) -> None:
    claim = make(law)
    named = [m for m in (*claim.mutants(), *claim.set_aside()) if m.id == change]
    assert named or any(change.split(":")[0] == m.kind for m in claim.mutants()), sorted(ids(claim))
    assert change not in aside(claim)


def test_branches_of_a_law_with_kinks_are_not_taken_for_each_other() -> None:
    law = make(2 * sp.Piecewise((3 * P, P < 4), (5 * Q, True)))
    at = [np.array([1.0, 5.0]), np.array([1.0, 1.0])]
    moved = {tuple(np.round(m.values(at) / [6.0, 10.0], 12)) for m in law.mutants() if m.kind == "coefficient"}
    assert {(2.0, 1.0), (1.0, 2.0), (2.0, 2.0)} <= moved


# --- beside data -----------------------------------------------------------------------------------------------------


def test_variants_are_labelled_and_inadmissible_ones_flagged() -> None:
    variants = predict_variants(SHARP, {"T": [10.0, 20.0], "threshold": 1.0})
    assert variants.dims == ("variant", "T")
    assert variants.variant.values[0] == "claim"
    np.testing.assert_allclose(variants.sel(variant="claim"), SHARP.predict(T=[10.0, 20.0]))
    np.testing.assert_allclose(variants[1:][variants.site[1:] == "coefficient 3/32"][0], 1.03 * variants[0])
    assert float(variants.sel(variant="coefficient:pi*0.5").change) == -0.5
    assert float(variants.sel(variant="exponent:T**(-5)+0.1").change) == 0.1
    sign = variants.sel(variant=[v for v in variants.variant.values if v.startswith("sign:")])
    assert not sign.admissible.any()
    assert np.isnan(sign).all()
    assert variants.admissible.sum() == variants.sizes["variant"] - 1
    assert len(variants.attrs["descriptions"]) == variants.sizes["variant"]
    assert predict_variants(SHARP, {"T": 10.0}, mutants=False).sizes == {"variant": 1}
    seeds = predict_variants(TIMES, {"a": ("concept", [1.0, 2.0]), "s": (("seed", "concept"), np.full((3, 2), 0.1))})
    assert seeds.dims == ("variant", "seed", "concept")
    limited = Vocabulary()
    b = limited.symbol("b", "b", domain=sp.Interval.open(0, 1))
    limited.symbol("rate", "rate", domain=sp.Interval(0, 1))
    share = make(sp.Rational(9, 10) * b, vocabulary=limited)
    doubled = predict_variants(share, {"b": [0.1, 0.9]}).sel(variant="coefficient:9/10*2")
    assert np.isnan(doubled).values.tolist() == [False, True]


W = np.array([[0.1, 0.05], [0.05, 0.2]])


def test_given_inputs_of_a_rule_are_changed() -> None:
    given = {"mu": ("concept", [2.0, 1.0]), "sigma": ("concept", [0.5, 0.1]), "initial_W": (("row", "column"), W)}
    variants = predict_variants(TIMES, given)
    at = {str(v): variants.sel(variant=v).values for v in variants.variant.values}
    np.testing.assert_allclose(at["input:sigma*0"], TIMES.predict(a=[2.0, 0.5], s=[0.1, 0.2]))
    np.testing.assert_allclose(at["input:mu reversed"], TIMES.predict(a=[0.75, 2.01], s=[0.1, 0.2]))
    np.testing.assert_allclose(at["input:initial_W*2"], TIMES.predict(a=[2.25, 0.51], s=[0.2, 0.4]))
    np.testing.assert_allclose(at["input:initial_W diagonal"], at["claim"])
    direct = predict_variants(TIMES, {"a": ("concept", [1.0]), "s": 0.1})
    assert not any(str(name).startswith("input:") for name in direct.variant.values)


# --- resolution ------------------------------------------------------------------------------------------------------

POINTS = xr.DataArray(np.linspace(0.5, 2, 31), dims="p", coords={"p": np.linspace(0.5, 2, 31)})
LINE = make(3 * P**2 + sp.Rational(1, 200) * Q, id="test.line")


def judged(
    claim: Claim, truth: xr.DataArray, margin: float = 0.01, kind: Exact | None = None, **fields: object
) -> Verdict:
    bound = {s.name: {"p": POINTS, "q": xr.DataArray(2.0)}[s.name] for s in claim.symbols}
    data = xr.Dataset({"y": truth, "error": 1e-9 + 0 * truth})
    settings = {"id": "test", "claim": claim.id} | fields
    return compare(
        data, predict_variants(claim, bound), observable="y", kind=kind or Exact(), margin=margin, **settings
    )


TRUTH = 3 * POINTS**2 + 0.01


def test_resolution_is_the_smallest_change_that_would_be_relevant() -> None:
    verdict = judged(LINE, TRUTH)
    assert verdict.status == "agrees"
    places = {place.site: place for place in verdict.resolutions}
    for site, low, high in (("coefficient 3", 0.029, 0.0315), ("exponent p**2", 0.03 / np.log(2.0), 0.07)):
        assert places[site].tested
        assert low < places[site].smallest < high

    # By brute force: the coefficient at which the shift reaches three margins on a tenth of the points.
    def visible(change: float) -> bool:
        shift = abs(TRUTH / (TRUTH + change * 3 * POINTS**2) - 1)
        return float(np.sort(shift.values)[::-1][3]) > 0.03

    smallest = places["coefficient 3"].smallest
    assert visible(-1.05 * smallest)
    assert not visible(-0.95 * smallest)


def test_untested_places_say_why() -> None:
    verdict = judged(LINE, TRUTH)
    small = next(place for place in verdict.resolutions if place.site == "coefficient 1/200")
    assert not small.tested
    assert small.smallest > 1, "not even doubled"
    assert "moves the prediction by more than" in small.why_not
    assert small.tally.killed == 0
    tested = sum(place.tested for place in verdict.resolutions)
    assert f"{tested} of {len(verdict.resolutions)} places of the formula tested" in verdict.sentence


def test_rejected_change_bounds_the_resolution() -> None:
    """A shift that saturates is not linear in the change; what was rejected bounds the estimate from above."""
    group = [
        MutantResult("a", "x 2", "killed", "disagrees", 0.035, None, "coefficient", "coefficient c", 1.0),
        MutantResult("b", "x 1.1", "killed", "disagrees", 0.034, None, "coefficient", "coefficient c", 0.1),
        MutantResult("c", "dropped", "killed", "disagrees", 0.0301, None, "drop", "coefficient c", -1.0),
    ]
    (place,) = resolutions(group, 0.01)
    assert place.smallest == pytest.approx(0.1 * 0.03 / 0.034)
    assert place.text == "8.8 %"


def test_resolution_survives_json() -> None:
    verdict = judged(LINE, TRUTH)
    restored = Verdict.from_json(verdict.to_json())
    assert restored.resolutions == verdict.resolutions
    assert restored.tally == verdict.tally
    written = json.loads(verdict.to_json())
    assert written["tally"]["rate"] == 1.0
    assert {"site", "tested", "smallest", "why_not"} <= set(written["resolutions"][0])


# --- kill rates and coverage -----------------------------------------------------------------------------------------


def test_kill_rates_count_laws_that_should_agree() -> None:
    good = judged(LINE, TRUTH)
    # A bound that is never met cannot reject the bounds below it.
    loose = judged(LINE, 0.5 * TRUTH, kind=Bound(), id="loose")
    wrong = judged(LINE, 2 * TRUTH, id="wrong", expect="disagrees", reason="a factor of two")
    assert loose.status == "inconclusive"
    assert wrong.tally.survived > 0, "the mutant x 2 is the correction"
    total = good.tally + loose.tally
    assert summary([good, loose, wrong], "quick") == {
        "killed": total.killed,
        "survived": loose.tally.survived,
        "irrelevant": total.irrelevant,
        "inadmissible": total.inadmissible,
        "relevant": total.relevant,
        "rate": total.killed / total.relevant,
        "level": LEVELS["quick"],
        "reached": total.killed / total.relevant >= 0.95,
    }
    assert "(100 %" in rate_line([good, wrong], "full")
    assert "BELOW the declared level" in rate_line([good, loose], "full")
    assert rate_line([], "quick") == ""
    assert Tally().rate is None


def test_coverage_takes_the_best_of_all_comparisons() -> None:
    coarse, sharp = judged(LINE, TRUTH, id="coarse"), judged(LINE, TRUTH, 1e-4, id="sharp")
    (one,) = coverage([coarse])
    assert "coefficient 1/200" in {place.site for place in one.untested}
    (both,) = coverage([coarse, sharp])
    assert both.comparisons == ("coarse", "sharp")
    assert not both.untested
    assert {place.comparison for place in both.tested if place.site == "coefficient 1/200"} == {"sharp"}
    assert coverage([judged(LINE, 2 * TRUTH, expect="disagrees", reason="a factor of two")]) == []


# --- an error in a rule that computes an input ------------------------------------------------------------------------


def test_a_wrong_rule_is_found_out() -> None:
    law = make(sp.exp(-2 * A), id="test.decay")
    mu = xr.DataArray(np.linspace(0.5, 2, 9)[:, None] * [1.0, 0.5], dims=("strength", "concept"))
    sigma = xr.DataArray([0.3, 0.3], dims="concept")
    truth = np.exp(-2 * (mu**2 / 2 + sigma**2))
    variants = predict_variants(law, {"mu": mu, "sigma": sigma})
    data = xr.Dataset({"y": truth, "error": 1e-12 * truth})
    verdict = compare(data, variants, observable="y", kind=Exact(), margin=0.01, id="t", claim="t")
    assert verdict.status == "agrees"
    classes = {m.id: m.verdict_class for m in verdict.mutants}
    assert classes["input:sigma*0"] == classes["input:mu*1.1"] == classes["input:mu reversed"] == "killed"
    assert "input sigma" in {place.site for place in verdict.resolutions if place.tested}


# --- the command line ------------------------------------------------------------------------------------------------


def test_predict_shows_mutants(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["predict", "ghost.collapse", "--set", "T=100,200", "--set", "sample_loss=3", "--set", "sample_T=80"]
    with pytest.raises(SystemExit) as stopped:
        main([*asked, "--mutants", "--json"])
    assert not stopped.value.code
    found = json.loads(capsys.readouterr().out)
    doubled = next(row for row in found["mutants"] if row["mutant"].endswith("*2"))
    assert doubled["ratio"] == [2.0, 2.0]
    assert doubled["change"] == 1.0
    assert doubled["prediction"] == [7.5, 15.0]
    assert found["equal_to_the_claim"] == ["T and sample_loss swapped"]
    with pytest.raises(SystemExit) as stopped:
        main([*asked, "--mutants", "--out", "x.csv"])
    assert stopped.value.code == 2
