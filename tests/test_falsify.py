"""The search for counterexamples: it finds planted and known ones, accuses no exact claim, and says what it did."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shlex
from collections.abc import Sequence
from pathlib import Path

import pytest

from runs.cli.main import main
from runs.falsify import Judgement, Ledger, Search, falsify, select
from runs.falsify import ledger as ledger_module
from runs.falsify.ledger import BudgetSpent
from runs.falsify.registry import TRIALS, comparisons, searchable, searches
from runs.falsify.search import block, look
from runs.falsify.shrink import shrink, simpler
from runs.falsify.space import Point, Space
from runs.trial import Choice, Range
from theory.claim import Minimum, Root
from theory.registry import CLAIMS
from toymodels.errors import UsageError

SPACE = Space(
    "a claim",
    {
        "x": Range(0.01, 100.0, log=True),
        "y": Range(0.0, 1.0),
        "z": Range(0.1, 10.0, log=True, default=3.0),
        "n": Range(1, 500, integer=True, log=True),
        "kind": Choice(("good", "bad"), known=("good", "bad", "ugly")),
    },
)


def invoke(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["falsify", *arguments])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def judged(score: float) -> Judgement:
    return Judgement(score, score, score, score, {}, 1)


# --- the space and the simplification, without training ---


def test_points_of_the_space_are_short_numbers_inside_it() -> None:
    for u in (0.0, 0.037, 0.5, 0.731, 1.0):
        point = SPACE.point([u] * 5)
        assert SPACE.outside(point) == []
        assert all(float(f"{point[name]:.4g}") == point[name] for name in "xyzn")
        assert isinstance(point["n"], int)
        assert point["kind"] in ("good", "bad")
    assert SPACE.point([0.0] * 5)["x"] == 0.01
    assert SPACE.point([1.0] * 5)["x"] == 100.0


def test_widening_and_fixing_replace_the_declared_space() -> None:
    space = SPACE.widened(["x=1,1000", "kind=ugly"]).fixing({"y": 2.0, "n": 7.0})
    assert space.free == ["x", "z", "kind"]
    point = space.point([1.0, 0.5, 0.5])
    assert (point["x"], point["y"], point["n"], point["kind"]) == (1000.0, 2.0, 7, "ugly")
    assert space.outside(point) == ["y"]


@pytest.mark.parametrize(
    ("items", "says"),
    [
        (["X=1,2"], "x"),
        (["x=1"], "LOW,HIGH"),
        (["x=2,1"], "LOW < HIGH"),
        (["x=0,1"], "0 < LOW"),
        (["x=1,nan"], "finite"),
        (["kind=goood"], "good"),
        (["kind="], "ugly"),
    ],
)
def test_a_bad_range_gets_a_sentence(items: list[str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        SPACE.widened(items)


@pytest.mark.parametrize("values", [{"x": [1.0, 2.0]}, {"x": "one"}, {"n": 1.5}, {"q": 1.0}, {"kind": "odd"}])
def test_a_bad_value_is_refused(values: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        SPACE.fixing(values)


def test_a_witness_is_shrunk_to_round_numbers() -> None:
    """Off where x > 3 and n >= 4; y, z and kind do not matter."""

    def judge(points: Sequence[Point]) -> list[Judgement]:
        return [judged(2.0 if float(p["x"]) > 3 and int(p["n"]) >= 4 else 0.5) for p in points]

    found = shrink(SPACE, {"x": 7.318, "y": 0.4173, "z": 2.222, "n": 131, "kind": "bad"}, judge)
    assert found == {"x": 10.0, "y": 0.0, "z": 3.0, "n": 5, "kind": "good"}


def test_shrinking_keeps_the_disagreement_and_ends_with_the_budget() -> None:
    start: Point = {"x": 7.318, "y": 0.4173, "z": 2.222, "n": 131, "kind": "bad"}
    assert shrink(SPACE, start, lambda points: [judged(0.9) for _ in points]) == start

    def spent(points: Sequence[Point]) -> list[Judgement]:
        raise BudgetSpent

    assert shrink(SPACE, start, spent) == start


def test_simpler_values_begin_with_the_simplest() -> None:
    options = simpler(SPACE.variables["x"], 7.318)
    assert options[0] == 1.0
    assert options.index(5.0) < options.index(7.0) < options.index(7.3)
    assert simpler(SPACE.variables["z"], 3.0) == []


def test_seeds_of_different_purposes_never_meet() -> None:
    blocks = [block(seed, number, 1_000_000) for seed in (0, 1, 399) for number in range(10)]
    spans = sorted((b[0], b[-1]) for b in blocks)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(spans))
    assert spans[-1][1] < 2**32


# --- the registry ---


def test_every_trial_serves_a_comparison() -> None:
    assert set(TRIALS) <= {comparison.id for comparison in comparisons()}


def test_a_claim_can_be_searched_or_is_refused_with_a_reason() -> None:
    assert len(searchable()) >= 45
    for claim in CLAIMS.values():
        if searches(claim):
            assert select(claim.id).claim is claim
        else:
            with pytest.raises(UsageError, match=r"no training run|are fitted"):
                select(claim.id)


def test_a_comparison_that_should_pass_comes_first() -> None:
    assert select("adam.growth_rate").comparison.expect == "agrees"
    assert select("adam.growth_rate", "adam.growth_rate_dense").comparison.expect == "disagrees"


# --- searches that train ---

FAST = (
    "sim.learning_time",
    "--json",
    "--set",
    "sigma=0",
    "--set",
    "mu=1",
    "--set",
    "init_scale=0.01",
    "--set",
    "step_size=0.04",
    "--set",
    "width=2",
)


def test_learning_times_of_equally_strong_concepts_are_found_out(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, err = invoke(capsys, *FAST, "--widen", "ratio=0.8,1", "--budget", "3000", "--out", str(tmp_path))
    assert out, err
    found = json.loads(out)
    assert code == 1
    assert found["status"] == "witness"
    assert found["runs"] <= 3000
    assert found["witness"]["point"]["ratio"] == 1.0
    assert found["witness"]["outside_search_ranges"] == []
    low, high = found["witness"]["interval"]
    assert min(abs(low), abs(high)) > found["margin"]
    archived = json.loads((tmp_path / "witness.json").read_text())
    assert archived["point"] == found["witness"]["point"]
    assert (tmp_path / "witness-runs.nc").exists()


def test_the_rate_of_a_dense_net_is_found_out_and_the_command_shows_it_again(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = invoke(
        capsys, "adam.growth_rate_continuous", "--widen", "problem=dense", "--budget", "120", "--out", str(tmp_path),
        "--json",
    )  # fmt: skip
    witness = json.loads(out)["witness"]
    assert code == 1
    assert witness["point"]["problem"] == "dense"
    assert all(float(f"{witness['point'][name]:.2g}") == witness["point"][name] for name in ("beta1", "beta2"))
    code, out, _ = invoke(capsys, *shlex.split(witness["command"])[2:], "--json")
    again = json.loads(out)
    assert code == 1
    assert again["interval"] == pytest.approx(witness["interval"])


@pytest.mark.parametrize(
    ("claim", "settings"),
    [
        ("adam.update_bound_discrete", ("--set", "problem=adversarial", "--seed", "1")),
        ("ghost.slope_at_bifurcation", ()),
    ],
)
def test_an_exact_claim_is_not_accused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, claim: str, settings: tuple[str, ...]
) -> None:
    code, out, err = invoke(capsys, claim, *settings, "--budget", "60", "--out", str(tmp_path), "--json")
    found = json.loads(out)
    assert code == 0, err
    assert found["status"] == "none found"
    assert found["worst"]["score"] <= 1
    assert found["points"] >= 16
    assert not (tmp_path / "witness.json").exists()


def wrong_search(factor: float, claim: str = "adam.growth_rate") -> Search:
    """The law of a claim, by default the exact growth rate of Adam's largest update, times a factor."""
    search = select(claim)
    law = search.claim.statement
    if isinstance(law, Root | Minimum):
        wrong = dataclasses.replace(law, result=factor * (law.unknown if law.result is None else law.result))
    else:
        wrong = factor * law.expression
    return dataclasses.replace(search, claim=dataclasses.replace(search.claim, statement=wrong))


@pytest.mark.parametrize(
    ("claim", "factor", "values"),
    [
        ("ghost.window_5_upper", 1.01, {"depth": 1e4, "offset": 50.0}),
        ("ghost.two_step_gain", 1.05, {"kappa": 0.3, "depth": 1e4, "offset": 50.0}),
        ("ghost.least_loss", 1.02, {"T": 60.0, "depth": 1e5, "offset": 1.0}),
        ("ghost.learning_step_euler", 1.03, {"share": 1e-3, "start": 3.0, "confidence": 0.1, "dt": 0.1}),
        ("ghost.weak_noise_passage", 1.06, {"scaled_r": 3.0, "noise": 1e-6}),
    ],
)
def test_a_trial_of_the_ghost_finds_a_wrong_factor_and_lets_the_right_law_pass(
    claim: str, factor: float, values: dict[str, float]
) -> None:
    for search, accused in ((wrong_search(factor, claim), True), (wrong_search(1.0, claim), False)):
        judgement = look(
            search, search.space().fixing(values), range(search.trial.confirm_seeds or search.trial.seeds)
        )[1]
        assert judgement.compared
        assert judgement.disagrees == accused


def test_a_wrong_factor_is_found_and_the_right_one_is_not(tmp_path: Path) -> None:
    wrong, right = wrong_search(1.03), wrong_search(1.0)
    found = falsify(wrong, wrong.space(), Ledger(wrong, 60), 0)
    assert found.witness is not None
    assert found.witness.judgement.value == pytest.approx(1 / 1.03 - 1, abs=2e-3)
    assert falsify(right, right.space(), Ledger(right, 60), 0).witness is None


def test_the_same_seed_gives_the_same_search_and_a_resume_trains_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_module, "source_digest", lambda: "the same sources")
    search = wrong_search(1.03)
    first = falsify(search, search.space(), Ledger(search, 40, tmp_path / "ledger.jsonl"), 3)
    other = Ledger(search, 40)
    second = falsify(search, search.space(), other, 3)
    assert second == first

    def fails(*_: object, **__: object) -> list[Judgement]:
        raise AssertionError("a run that is known is trained again")

    monkeypatch.setattr(ledger_module, "judge", fails)
    assert falsify(search, search.space(), Ledger(search, 40, tmp_path / "ledger.jsonl"), 3) == first
    changed = wrong_search(1.04)
    with pytest.raises(AssertionError):
        falsify(changed, changed.space(), Ledger(changed, 40, tmp_path / "ledger.jsonl"), 3)


def test_an_interrupted_search_keeps_what_it_has(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = 0

    def stops(search: Search, space: Space, points: Sequence[Point], *_: object, **__: object) -> list[Judgement]:
        nonlocal calls
        calls += 1
        if calls > 1:
            raise KeyboardInterrupt
        return [judged(k / 100) for k in range(len(points))]

    monkeypatch.setattr(ledger_module, "judge", stops)
    code, _, err = invoke(capsys, "adam.growth_rate", "--budget", "60", "--out", str(tmp_path), "--json")
    assert code == 130, err
    kept = json.loads((tmp_path / "search.json").read_text())
    assert kept["status"] == "interrupted"
    assert kept["worst"]["score"] > 0


# --- wrong input ---


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("adam.growth_rat",), "adam.growth_rate"),
        (("adam.normal_curve",), "adam.growth_rate"),
        (("adam.growth_rate", "--budget", "3"), "--budget 18"),
        (("adam.growth_rate", "--widen", "beta3=0,1"), "beta1"),
        (("adam.growth_rate", "--widen", "beta1=0.9,0.1"), "LOW < HIGH"),
        (("adam.growth_rate", "--widen", "problem=dens"), "dense"),
        (("adam.growth_rate", "--set", "beta1=0.5,0.6"), "--widen"),
        (("adam.growth_rate", "--seeds", "3"), "--set"),
        (("adam.growth_rate", "--seed", "-1"), "0 to"),
        (("adam.growth_rate", "--comparison", "adam.growth_rate_dens"), "adam.growth_rate_dense"),
    ],
)
def test_wrong_input_gets_one_sentence(
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = invoke(capsys, *arguments)
    assert code == 2
    assert says in err
    assert "Traceback" not in err


def test_a_point_outside_the_domain_is_not_an_accusation(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(
        capsys, "adam.growth_rate", "--set", "beta1=0.5", "--set", "beta2=0.9", "--set", "problem=adversarial", "--json"
    )
    assert code == 0
    found = json.loads(out)
    assert not found["disagrees"]
    assert found["discrepancy"] is None or math.isnan(found["discrepancy"])
