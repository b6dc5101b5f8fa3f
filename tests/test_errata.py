"""Errata: which printed statements are listed, what the page and the report say of them, and that none is forgotten."""

from __future__ import annotations

import dataclasses
import importlib
import json
import re
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
import xarray as xr
from sympy import Interval, oo, pi

from runs.errata import UNCORRECTED, bears_on, collect, corrections_of, declared, wording
from runs.errata.__main__ import main
from runs.errata.declared import BEYOND, LIMIT, SET_ASIDE, TIGHTNESS, not_counted
from runs.errata.figure import draw, draw_all
from runs.errata.page import anchor, listed, render, section, write_page
from runs.errata.witness import Witness, digits
from runs.experiment import Comparison, Experiment
from runs.judging import judge
from runs.registry import experiments, select
from runs.report.build import build_report
from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, Vocabulary, symbolic
from theory.registry import CLAIMS, cited, register
from theory.verify import verify
from toymodels.comparator import Bound, Exact
from toymodels.engine.tree import save_tree
from toymodels.errors import EnvironmentProblem

PAGE = Path(__file__).parents[1] / "docs" / "errata.md"
CLASSES = get_args(get_type_hints(Correction)["classed"])


# --- nothing is forgotten: the registry and the committed page


@pytest.mark.parametrize("claim_id", declared())
def test_a_refuted_printed_statement_has_a_correction_or_a_reason_why_not(claim_id: str) -> None:
    assert bool(corrections_of(claim_id)) != (claim_id in UNCORRECTED)


@pytest.mark.parametrize("claim", [claim for claim in CLAIMS.values() if claim.corrections], ids=lambda claim: claim.id)
def test_corrections_name_a_claim_and_one_of_the_four_classes(claim: Claim) -> None:
    assert len(CLASSES) == 4
    for correction in claim.corrections:
        assert correction.claim in CLAIMS
        assert correction.claim != claim.id
        assert correction.classed in CLASSES
        assert correction.note


def test_laws_that_correct_one_statement_class_it_alike() -> None:
    for claim_id in CLAIMS:
        assert len({correction.classed for _, correction in corrections_of(claim_id)}) <= 1, claim_id


def test_a_correction_of_a_printed_statement_is_declared_by_a_comparison_that_refutes_it() -> None:
    corrected = {c.claim for claim in CLAIMS.values() for c in claim.corrections if CLAIMS[c.claim].source.key}
    limits = {comparison.claim for comparison, why in not_counted() if why == LIMIT}
    assert corrected == {claim_id for claim_id in declared() if claim_id not in UNCORRECTED} | limits


def test_every_declared_disagreement_with_a_printed_law_is_listed_or_set_aside_for_a_reason() -> None:
    disagreeing = {
        comparison.id
        for experiment in experiments().values()
        for comparison in experiment.comparisons
        if comparison.expect == "disagrees" and CLAIMS[comparison.claim].source.key
    }
    counted = {comparison.id for pairs in declared().values() for _, comparison in pairs}
    aside = {comparison.id: why for comparison, why in not_counted()}
    assert counted | set(aside) == disagreeing
    assert not counted & set(aside)
    assert all(aside.values())
    assert set(SET_ASIDE) <= disagreeing, "reasons for comparisons that are gone"
    text = PAGE.read_text(encoding="utf-8")
    assert all(f"- `{name}`: {wording.prose(why)}." in text for name, why in aside.items())


def test_the_group_holds_the_experiments_behind_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\$ toymodels run (\S+)$", text, flags=re.M)) == {one.name for one in select("errata")}


def test_the_committed_page_lists_exactly_the_declared_statements() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert listed(text) == [anchor(claim_id) for claim_id in declared()]


@pytest.mark.parametrize("claim_id", declared())
def test_the_committed_page_is_that_of_the_present_claims(claim_id: str) -> None:
    printed, text = CLAIMS[claim_id], section(PAGE.read_text(encoding="utf-8"), CLAIMS[claim_id])
    shown = [printed.source.printed, wording.formula(printed), f"`{printed.id}`", wording.prose(str(printed.source))]
    for law, correction in corrections_of(claim_id):
        shown += [f"`{law.id}`", wording.formula(law), f"**{correction.classed}**", wording.prose(correction.note)]
    for experiment, comparison in declared()[claim_id]:
        shown += [f"`{comparison.id}`", f"$ toymodels run {experiment.name}\n"]
    assert [piece for piece in shown if piece not in text] == []
    pictures = re.findall(r"\]\((_static/errata/[^)]+)\)", text)
    assert pictures
    assert all((PAGE.parent / picture).is_file() for picture in pictures)


# --- what counts as a refutation


T = Vocabulary()
RATE = T.symbol("rate", "something that is swept", domain=Interval.open(0, oo))
STEP = (Step("a law proportional to the rate", symbolic(lambda law: RATE * law.diff(RATE) - law)),)


def _law(name: str, statement: Any, **more: Any) -> Claim:
    return Claim(
        id=f"errata_test.{name}",
        title=f"The law {name}",
        statement=statement,
        vocabulary=T,
        kind=more.pop("kind", "closed form"),
        predicts=Quantity("observed"),
        source=more.pop("source", Source.own("made up")),
        derivation=STEP,
        **more,
    )


PAPER = Source("Dinc2025", "Eq. 99", printed=r"o = \tfrac12 \varrho", assuming="rates below 10")
SMALL = (Assumption("a small rate", RATE < 10.0),)
CLAIM_LIST = (
    _law("printed", RATE / 2, source=PAPER),
    _law("corrected", RATE, corrects=Correction("errata_test.printed", "misprint", "the *half* is too much")),
    _law("holds", RATE, source=PAPER),
    _law("beyond", RATE / 2, source=PAPER, assumptions=SMALL),
    _law("orphan", RATE / 3, source=PAPER),
    _law("limit", RATE / pi, source=PAPER, assumptions=SMALL),
    _law("finite", RATE, corrects=(Correction("errata_test.limit", "assumption fails", "no limit"),)),
    _law("bound", 2 * RATE, source=PAPER, kind="bound"),
    _law("false_bound", RATE / 2, source=PAPER, kind="bound"),
)


def _compare(name: str, expect: str = "agrees", *, id: str = "", **more: Any) -> Comparison:
    return Comparison(
        id=f"errata_test.{id or name}", claim=f"errata_test.{name}", data="sweep", observable="observed",
        kind=more.pop("kind", Exact(scale="log")), margin=0.01, bind={"rate": "rate"}, expect=expect,
        reason="" if expect == "agrees" else "made to fail", **more,
    )  # fmt: skip


COMPARISONS = (
    _compare("printed", "disagrees", mutants=False),
    _compare("corrected"),
    _compare("holds"),
    _compare("beyond", "disagrees", beyond_domain=True, mutants=False),
    _compare("orphan", "disagrees", mutants=False, x="rate"),
    _compare("limit", "disagrees", beyond_domain=True, mutants=False),
    _compare("finite"),
    _compare("bound", "disagrees", id="tightness", mutants=False),
    _compare("false_bound", "disagrees", kind=Bound(scale="log"), mutants=False),
)
LISTED = ["printed", "orphan", "limit", "false_bound"]
EXPERIMENT = Experiment(
    name="errata_test.experiment", title="Made up", caption="", sweeps=lambda scale: {}, comparisons=COMPARISONS
)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """An experiment whose data follow observed = rate, and its claims, in the registries."""
    claims = dict(CLAIMS)
    monkeypatch.setattr(CLAIMS, "_claims", claims)
    for claim in CLAIM_LIST:
        register(claim)
    for module in ("runs.errata.collect", "runs.errata.declared", "runs.report.build", "runs.falsify.registry"):
        monkeypatch.setattr(importlib.import_module(module), "experiments", lambda: {EXPERIMENT.name: EXPERIMENT})
    return EXPERIMENT


def _results(directory: Path, scale: str = "quick", factor: float = 1.0) -> Path:
    """Stored verdicts of the experiment, as a run leaves them."""
    rate = xr.DataArray([0.37, 2.0, 3.1234, 50.0], dims="rate", name="rate").assign_coords(
        rate=[0.37, 2.0, 3.1234, 50.0]
    )
    data = xr.Dataset({"observed": factor * rate, "error": 1e-6 * rate}).expand_dims(seed=[0, 1]).copy()
    place = directory / EXPERIMENT.name / scale
    place.mkdir(parents=True)
    judged = [judge(comparison, data, None)[0] for comparison in COMPARISONS]
    save_tree(
        {"/simulation/sweep": data, **{f"/verdict/{one.comparison.id}": one.verdict.as_dataset() for one in judged}},
        place / "result.zarr",
        {},
    )
    rows = [{"verdict": json.loads(one.verdict.to_json()), "rivals": [], "figure": None} for one in judged]
    summary = {
        "experiment": EXPERIMENT.name,
        "title": "",
        "caption": "",
        "scale": scale,
        "figures": [],
        "verdicts": rows,
    }
    (place / "verdicts.json").write_text(json.dumps(summary))
    return directory


def _summary(directory: Path, scale: str = "quick") -> dict[str, Any]:
    path = directory / EXPERIMENT.name / scale
    return json.loads((path / "verdicts.json").read_text()) | {"path": path.relative_to(directory).as_posix()}


def _names(claims: Any) -> list[str]:
    return [claim_id.removeprefix("errata_test.") for claim_id in claims]


def test_only_refutations_of_what_is_stated_count(made_up: Experiment, tmp_path: Path) -> None:
    assert _names(declared()) == LISTED
    directory = _results(tmp_path)
    errata = collect(directory, [_summary(directory)])
    assert _names(erratum.printed.id for erratum in errata) == LISTED
    assert [erratum.classed for erratum in errata] == ["misprint", "", "assumption fails", ""]


def test_tightness_of_a_bound_is_no_part_of_its_statement(made_up: Experiment) -> None:
    tightness = next(c for c in COMPARISONS if c.id == "errata_test.tightness")
    assert not bears_on(tightness)
    assert bears_on(dataclasses.replace(tightness, kind=Bound(scale="log")))
    beyond = next(c for c in COMPARISONS if c.claim.endswith("beyond"))
    assert not_counted() == ((beyond, BEYOND), (tightness, TIGHTNESS))


def test_what_the_verdict_says_counts_not_what_was_declared(made_up: Experiment, tmp_path: Path) -> None:
    directory = _results(tmp_path, factor=0.5)  # now the halves hold, and what was right fails
    names = _names(erratum.printed.id for erratum in collect(directory, [_summary(directory)]))
    assert "printed" not in names
    assert "holds" in names


def test_the_fullest_scale_counts(made_up: Experiment, tmp_path: Path) -> None:
    directory = _results(_results(tmp_path, "quick"), "full", factor=0.5)
    errata = collect(directory, [_summary(directory, "full"), _summary(directory, "quick")])
    assert "printed" not in _names(erratum.printed.id for erratum in errata)


def test_a_law_may_correct_several_statements_and_cites_their_sources() -> None:
    both = (Correction("adam.step_estimate", "misprint", "x"), Correction("ghost.blow_up_time", "misprint", "x"))
    law = _law("both", RATE, corrects=both)
    assert law.corrections == both
    assert {"Kingma2015", "Dinc2025"} <= set(cited(law))
    assert _law("none", RATE).corrections == ()


# --- the witness


def test_the_witness_is_the_simplest_point_that_fails_clearly(made_up: Experiment, tmp_path: Path) -> None:
    directory = _results(tmp_path)
    errata = collect(directory, [_summary(directory)])
    witness = errata[0].refutations[0].witness
    assert witness is not None
    assert witness.point == {"seed": 0, "rate": 2.0}
    assert (witness.measured, witness.printed, witness.corrected) == pytest.approx((2.0, 1.0, 2.0))
    assert wording.values(witness) == "measured 2.000, printed 1.000, corrected 2.000"
    orphan = errata[1].refutations[0].witness
    assert orphan is not None
    assert orphan.corrected is None
    assert "corrected" not in wording.values(orphan)


def test_the_witness_of_a_search_is_quoted(made_up: Experiment, tmp_path: Path) -> None:
    directory = _results(tmp_path)
    place = directory / "falsify" / "errata_test.printed"
    place.mkdir(parents=True)
    record = {
        "comparison": "errata_test.printed",
        "sentence": "rate = 1: twice as much.",
        "command": "toymodels falsify x",
    }
    (place / "witness.json").write_text(json.dumps(record))
    witness = collect(directory, [_summary(directory)])[0].refutations[0].witness
    assert witness is not None
    assert (witness.archived, witness.command) == (record["sentence"], record["command"])


@pytest.mark.parametrize(
    ("value", "length"), [(0.5, 1), (20, 1), (0.007402, 4), (1e-12, 1), (0, 0), ("dense", 0), (0.3, 1), (1 / 3, 4)]
)
def test_simple_numbers_are_short_to_write(value: Any, length: int) -> None:
    assert digits(value) == length


# --- wording


def test_numbers_do_not_depend_on_rounding_errors() -> None:
    verdict = {"discrepancy": 0.80712, "interval": [0.80711, 0.80713], "margin": 0.001}
    assert wording.interval(verdict) == "0.81 [0.81, 0.81]"
    assert wording.interval({"discrepancy": -1e-15, "interval": [-3e-16, 2e-4], "margin": 1e-3}) == "0 [0, 0.00020]"
    assert wording.interval({"discrepancy": 1.0, "interval": ["-inf", "inf"], "margin": 1e-3}) == "1.0 [-inf, inf]"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (-0.0, "0"), (565.0, "560"), (0.09996, "0.10"), (2.06e47, "2.1e+47"), (-3.2e-6, "-3.2e-06")],
)
def test_two_figures(value: float, text: str) -> None:
    assert wording.number(value) == text


def test_measured_and_printed_are_told_apart_however_close() -> None:
    near = Witness({}, {}, 1.0, 1.0, 1.0, 1.0 + 2e-6, None, "")
    assert wording.values(near) == "measured 1.0000000, printed 1.0000020"


def test_asterisks_and_bars_are_text_but_formulas_stay() -> None:
    assert wording.prose("r*/4 for $a*b$") == r"r\*/4 for $a*b$"
    assert wording.cell("|C|/2") == r"\|C\|/2"


# --- page, figures, report


def test_the_page_shows_source_class_both_forms_certificate_witness_and_command(
    made_up: Experiment, tmp_path: Path
) -> None:
    directory = _results(tmp_path)
    errata = collect(directory, [_summary(directory)], verify(CLAIM_LIST[:2]))
    text = render(errata, {"errata_test.printed": "_static/errata/errata_test.printed.png"})
    assert listed(text) == [anchor(f"errata_test.{name}") for name in LISTED]
    found = section(text, CLAIM_LIST[0])
    for piece in (
        "[Dinc2025, Eq. 99]",
        "**misprint**",
        r"o = \tfrac12 \varrho",
        r"\frac{rate}{2}",
        "rates below 10",
        r"the \*half\* is too much",
        "holds, 1 step, weakest check symbolic",
        "$ toymodels run errata_test.experiment",
        "at seed = 0, rate = 2: observed measured 2.000, printed 1.000, corrected 2.000",
        "(_static/errata/errata_test.printed.png)",
        "| as printed | `errata_test.printed` | disagrees: made to fail | 0.69 [0.69, 0.69] | 0.01 |",
        "| `errata_test.corrected` | `errata_test.corrected` | agrees | 0 [0, 0] | 0.01 |",
    ):
        assert piece in found, piece
    assert "No correction known" in section(text, CLAIM_LIST[4])
    assert render(errata, {"errata_test.printed": "_static/errata/errata_test.printed.png"}) == text


def test_overlays_show_both_forms_and_need_no_declared_axis(made_up: Experiment, tmp_path: Path) -> None:
    directory = _results(tmp_path / "results")
    errata = collect(directory, [_summary(directory)])
    (tmp_path / "errata").mkdir()
    (tmp_path / "errata" / "old.png").touch()
    stems = draw_all(errata, tmp_path, "errata")
    assert set(stems) == {f"errata_test.{name}" for name in LISTED}
    assert {p.name for p in (tmp_path / "errata").glob("*.png")} == {f"errata_test.{name}.png" for name in LISTED}
    figure = draw(errata[0].refutations[0])
    assert figure is not None
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "printed:\nerrata_test.printed" in words
    assert any(word.startswith("corrected:\nerrata_test.corrected") for word in words)
    upper = [np.asarray(line.get_ydata(), dtype=float) for line in figure.axes[0].lines]
    for wanted in (0.5, 1.0):  # the printed and the corrected line, over rate = 0.37 to 50
        assert any(y.shape == (4,) and np.allclose(y, wanted * np.array([0.37, 2.0, 3.1234, 50.0])) for y in upper)


def test_results_without_a_declared_refutation_make_no_page(made_up: Experiment, tmp_path: Path) -> None:
    directory = _results(tmp_path / "results", factor=0.5)
    docs = tmp_path / "docs"
    docs.mkdir()
    with pytest.raises(EnvironmentProblem, match=r"errata_test\.experiment"):
        write_page(directory, docs)
    assert main([str(directory), str(docs)]) == 3
    assert not (docs / "errata.md").exists()
    assert main([]) == 2


def test_the_command_writes_the_page_and_its_figures(made_up: Experiment, tmp_path: Path, capsys: Any) -> None:
    directory, docs = _results(tmp_path / "results"), tmp_path / "docs"
    docs.mkdir()
    assert main([str(directory), str(docs)]) == 0
    text = (docs / "errata.md").read_text()
    assert "holds, 1 step" in section(text, CLAIM_LIST[0])
    assert len(list((docs / "_static" / "errata").iterdir())) == len(LISTED)
    assert all(path.suffix == ".png" for path in (docs / "_static" / "errata").iterdir())


def test_the_report_holds_the_same_list(made_up: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runs.report.build.verify", lambda claims, **how: [])
    directory = _results(tmp_path)
    text = build_report(directory).read_text(encoding="utf-8")
    errata = text[text.index('id="errata"') : text.index('id="certificates"')]
    assert re.findall(r'<h3 id="printed-errata-test-([a-z-]+)"', errata) == [name.replace("_", "-") for name in LISTED]
    for piece in (
        "misprint",
        "rates below 10",
        "the *half* is too much",
        "measured 2.000, printed 1.000",
        "No correction known",
    ):
        assert piece in errata
    pictures = re.findall(r'src="(errata/[^"]+)"', errata)
    assert len(pictures) == len(LISTED)
    assert all((directory / picture).is_file() for picture in pictures)
