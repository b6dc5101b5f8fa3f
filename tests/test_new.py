"""Own files: the pattern that `new` writes runs at once, commands take it by path, and mistakes get a sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from runs import loading, registry
from runs.cli import new
from runs.cli.main import COMMANDS, main
from runs.execute import execute, source_digest
from runs.registry import experiments, is_own
from theory.references import bibliography
from theory.registry import CLAIMS, get_claim
from theory.verify import verify
from toymodels.errors import StoreMismatch, UsageError
from toymodels.models import MODELS


def invoke(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test begins with the library alone."""
    assert len(CLAIMS)  # which loads them
    monkeypatch.delenv("TOYMODELS_PATH", raising=False)
    registers = (loading._LOADED, registry._OWN, CLAIMS._claims, MODELS)
    before = [dict(register) for register in registers]
    yield
    for register, known in zip(registers, before, strict=True):
        register.clear()
        register.update(known)


@pytest.fixture
def pendulum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """A folder with the files that `new pendulum` writes."""
    code, out, err = invoke(capsys, "new", "pendulum", "--into", tmp_path / "own")
    assert code == 0, err
    assert "pendulum_theory.py" in out
    return tmp_path / "own"


# What `new` writes.


def test_four_files_that_name_nothing_but_the_model(pendulum):
    files = {file.name for file in pendulum.iterdir()}
    assert files == {"pendulum_theory.py", "pendulum_model.py", "pendulum_experiment.py", "test_pendulum.py"}
    for file in pendulum.iterdir():
        assert "skeleton" not in file.read_text().lower()
    assert "class Pendulum(ToyModel)" in (pendulum / "pendulum_model.py").read_text()
    assert "class MyRnn(ToyModel)" in new.skeleton("my_rnn")["my_rnn_model.py"]


def test_the_pattern_holds(pendulum, tmp_path):
    own = loading.load(pendulum)
    results = verify(own.claims)
    assert all(result.passed for result in results), "\n".join(map(str, results))
    (experiment,) = own.experiments
    outcome = execute(experiment, "quick", tmp_path / "results")
    assert outcome.as_expected
    by_id = {judged.verdict.id: judged for judged in outcome.judged}
    assert all(judged.verdict.status == "agrees" for judged in by_id.values())
    ranking = by_id["pendulum.loss"].ranking
    assert ranking[0]["claim"] == "pendulum.loss", "gradient flow must lose"
    assert (outcome.directory / "figures" / "pendulum.loss.png").exists()


@pytest.mark.parametrize(
    ("file", "right", "wrong", "claim"),
    [
        ("model", 'params["curvature"] * w**2 / 2', 'params["curvature"] * w**2', "pendulum.critical_learning_rate"),
        ("theory", "statement=2 / curvature", "statement=1 / curvature", "pendulum.critical_learning_rate"),
        ("theory", "FACTOR ** (2 * step)", "FACTOR ** step", "pendulum.loss"),
    ],
)
def test_an_error_in_theory_or_model_is_found(pendulum, tmp_path, file, right, wrong, claim):
    place = pendulum / f"pendulum_{file}.py"
    assert right in place.read_text()
    place.write_text(place.read_text().replace(right, wrong))
    (experiment,) = loading.load(pendulum).experiments
    outcome = execute(experiment, "quick", tmp_path / "results")
    assert {judged.verdict.id: judged.verdict.status for judged in outcome.judged}[claim] == "disagrees"
    if file == "theory":
        (result,) = verify(get_claim(claim))
        assert result.status == "fails"


@pytest.mark.slow
def test_its_own_test_passes_from_its_folder(pendulum):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "test_pendulum.py"],
        cwd=pendulum,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_nothing_is_overwritten(pendulum, capsys):
    (pendulum / "pendulum_model.py").write_text("mine")
    (pendulum / "test_pendulum.py").unlink()
    code, _, err = invoke(capsys, "new", "pendulum", "--into", pendulum)
    assert code == 2
    assert "pendulum_model.py" in err
    assert (pendulum / "pendulum_model.py").read_text() == "mine"
    assert not (pendulum / "test_pendulum.py").exists()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("3d", "lower-case"),
        ("My Model", "my_model"),
        ("class", "not accepted"),
        ("ghost", "the library"),
        ("a.b", "a_b"),
    ],
)
def test_names_that_cannot_be(name, says, tmp_path, capsys):
    code, _, err = invoke(capsys, "new", name, "--into", tmp_path / "own")
    assert code == 2
    assert says in err
    assert not (tmp_path / "own").exists()


def test_a_folder_that_cannot_be_written(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    code, _, err = invoke(capsys, "new", "pendulum", "--into", tmp_path / "file" / "own")
    assert code == 3
    assert "in the way" in err


# Commands.


def test_every_command_finds_what_was_loaded(pendulum, tmp_path, capsys, monkeypatch):
    code, out, err = invoke(capsys, "--load", pendulum, "list", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert "pendulum" in {row["model"] for row in found["models"]}
    assert "pendulum.loss" in {row["claim"] for row in found["claims"]}
    assert "pendulum.descent" in {row["experiment"] for row in found["experiments"]}
    monkeypatch.setenv("TOYMODELS_PATH", os.pathsep.join([str(pendulum)]))
    arguments = ("predict", "pendulum.critical_learning_rate", "--set", "curvature=4", "--json")
    assert json.loads(invoke(capsys, *arguments)[1])["rows"][0]["prediction"] == 0.5
    code, out, err = invoke(capsys, "citation", "pendulum.descent")
    assert code == 0, err
    assert "@software{toymodels" in out


def test_load_may_stand_at_the_end(pendulum, capsys):
    code, out, err = invoke(
        capsys, "predict", "pendulum.critical_learning_rate", "--set", "curvature=4", "--load", pendulum
    )
    assert code == 0, err
    assert "0.5" in out


def test_paths_stand_for_names(pendulum, tmp_path, capsys):
    model = pendulum / "pendulum_model.py"
    code, out, err = invoke(capsys, "simulate", model, "--seeds", "2", "--out", tmp_path / "x.nc")
    assert code == 0, err
    assert out.startswith("2 runs")
    code, out, err = invoke(capsys, "verify", pendulum / "pendulum_theory.py", "--json")
    assert code == 0, err
    assert {row["claim"] for row in json.loads(out)} == set(
        loading.names("claim", loading.load(pendulum / "pendulum_theory.py"))
    )
    code, out, err = invoke(
        capsys, "boundary", model, "--axis", "learning_rate", "--outcome", "diverged", "--bracket", "0.5", "2",
        "--relative-to", "pendulum.critical_learning_rate", "--set", "steps=2000", "--seeds", "2", "--rel-tol", "0.01",
        "--over", "curvature=1,4", "--json",
    )  # fmt: skip
    assert code == 0, err
    assert [row["upper"] for row in json.loads(out)["boundary"]] == pytest.approx([2.0, 0.5], rel=0.02)
    code, out, err = invoke(capsys, "explain", pendulum / "pendulum_experiment.py", "--json")
    assert code == 0, err
    assert {row["sweep"] for row in json.loads(out)["sweeps"]} == {"curves", "onset"}


def test_a_path_must_say_one_thing(pendulum, capsys):
    code, _, err = invoke(capsys, "predict", pendulum / "pendulum_theory.py")
    assert code == 2
    assert "choose one" in err
    assert "pendulum.loss_gradient_flow" in err
    code, _, err = invoke(capsys, "run", pendulum / "pendulum_theory.py")
    assert code == 2
    assert "defines no experiments" in err
    code, _, err = invoke(capsys, "run", pendulum / "penulum_experiment.py")
    assert code == 2
    assert "There is no Python file" in err


def test_forgotten_files_are_pointed_out(pendulum, capsys, monkeypatch):
    monkeypatch.chdir(pendulum)
    for arguments in (
        ("run", "pendulum.descent"),
        ("predict", "pendulum.loss"),
        ("simulate", "pendulum", "--out", "x.nc"),
    ):
        code, _, err = invoke(capsys, *arguments)
        assert code == 2
        assert "add --load ." in err


def test_commands_that_take_paths_exist():
    from runs.cli.main import BY_PATH

    assert set(BY_PATH) <= set(COMMANDS)


# Loading.


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a_theory.py", "x = 1\ny = 1 / 0\n", "line 2: ZeroDivisionError"),
        ("a_model.py", "def f(:\n", "line 1: SyntaxError"),
        ("a_model.py", "\nimport no_such_module\n", "line 2: ModuleNotFoundError"),
        ("a_model.py", "import sys\nsys.exit(3)\n", "line 2: SystemExit"),
        ("a_theory.py", "x = 1\n", "defines no CLAIMS"),
        ("a_model.py", "MODELS = ()\n", "defines no MODELS"),
        ("a_experiment.py", "EXPERIMENTS = (3,)\n", "objects of type Experiment"),
        ("a_model.py", "MODELS = (int,)\n", "subclasses of ToyModel"),
        ("mine.py", "x = 1\n", "defines no CLAIMS, MODELS or EXPERIMENTS"),
        ("a_model.py", "from toymodels.models import Sim\nclass Mine(Sim):\n    pass\nMODELS = (Mine,)\n", "rename it"),
        (
            "a_experiment.py",
            "from runs.experiment import Experiment\n"
            "EXPERIMENTS = (Experiment('sim.dynamics', '', '', lambda scale: {}, ()),)\n",
            "rename it",
        ),
    ],
)
def test_files_that_cannot_be_loaded(name, text, says, tmp_path, capsys):
    (tmp_path / name).write_text(text)
    code, _, err = invoke(capsys, "list", "--load", tmp_path / name)
    assert code == 2
    assert says in err
    assert name in err
    assert "Traceback" not in err
    assert "sim.dynamics" in experiments()
    assert MODELS["sim"].__module__ == "toymodels.models.sim"


def test_an_empty_folder_and_no_folder(tmp_path, capsys):
    code, _, err = invoke(capsys, "list", "--load", tmp_path)
    assert code == 2
    assert "toymodels new NAME" in err
    code, _, err = invoke(capsys, "list", "--load", tmp_path / "none")
    assert code == 2
    assert "There is no Python file or folder" in err


def test_two_folders_with_one_name(pendulum, tmp_path, capsys):
    invoke(capsys, "new", "pendulum", "--into", tmp_path / "other")
    code, _, err = invoke(capsys, "list", "--load", pendulum, "--load", tmp_path / "other")
    assert code == 2
    assert "which" in err
    assert "has already" in err


def test_one_file_may_hold_everything(pendulum, tmp_path):
    texts = [(pendulum / f"pendulum_{part}.py").read_text() for part in ("theory", "model", "experiment")]
    # `from __future__` must come first, and once.
    body = "\n".join(text.replace("from __future__ import annotations\n", "") for text in texts)
    body = body.replace('get_model("pendulum", ', "Pendulum(")
    (tmp_path / "one.py").write_text(body.replace("pendulum", "one"))
    own = loading.load(tmp_path / "one.py")
    assert [model.name for model in own.models] == ["one"]
    assert len(own.claims) == 3
    assert own.experiments[0].sweeps("quick")


def test_a_claim_may_cite_a_bibliography_beside_it(pendulum):
    (pendulum / "pendulum.bib").write_text("@article{Own2026,\n  title = {A pendulum},\n}\n")
    place = pendulum / "pendulum_theory.py"
    place.write_text(place.read_text().replace('Source.own("|1 -', 'Source("Own2026", "|1 -'))
    loading.load(pendulum)
    assert "Own2026" in bibliography()
    (result,) = verify(get_claim("pendulum.critical_learning_rate"))
    assert result.passed, str(result)


def test_changed_files_never_meet_old_results(pendulum, tmp_path):
    (experiment,) = loading.load(pendulum).experiments
    assert is_own(experiment)
    library = source_digest(own=False)
    before = source_digest()
    first = execute(experiment, "quick", tmp_path / "results")
    assert not first.reused
    assert execute(experiment, "quick", tmp_path / "results").reused
    place = pendulum / "pendulum_model.py"
    place.write_text(place.read_text() + "\n# changed\n")
    assert source_digest() != before
    assert source_digest(own=False) == library
    with pytest.raises(StoreMismatch, match=r"source of pendulum_model.py"):
        execute(experiment, "quick", tmp_path / "results")


def test_what_is_loaded_twice_is_loaded_once(pendulum):
    once = loading.load(pendulum)
    assert loading.load(pendulum / "pendulum_model.py").models == once.models
    with pytest.raises(UsageError, match="no Python file"):
        loading.load(pendulum / "notes.txt")
