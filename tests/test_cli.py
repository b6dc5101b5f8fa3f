"""The command line's contract: exit codes, one sentence for wrong input, JSON for programs."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import xarray as xr

from runs.cli.main import main
from runs.cli.parse import settings, static_settings
from toymodels.errors import UsageError


def invoke(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


def test_values_are_parsed_as_axes_and_vectors() -> None:
    assert settings(["T=100,2e2", "mu=[1,2],[1,3]", "sigma=[.1,.1]", "scheme=euler"]) == {
        "T": [100.0, 200.0],
        "mu": [[1.0, 2.0], [1.0, 3.0]],
        "sigma": [0.1, 0.1],
        "scheme": "euler",
    }


@pytest.mark.parametrize("text", ["T", "=3", "T=", "T=1,,2", "mu=[1,2", "mu=1]", "mu=[a,b]"])
def test_malformed_settings_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        settings([text])


def test_static_settings_take_the_form_that_the_model_wants() -> None:
    values = settings(["optimiser=adam(b1=0.8, b2=0.99)", "gains=1,2", "bias=true", "dim=8", "T=1,2"])
    types = {"optimiser": str, "gains": tuple, "bias": bool, "dim": int}
    static, swept = static_settings(values, types)
    assert static == {"optimiser": "adam(b1=0.8, b2=0.99)", "gains": (1.0, 2.0), "bias": True, "dim": 8}
    assert swept == {"T": [1.0, 2.0]}


def test_list_names_models_claims_and_experiments(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(capsys, "list", "--json")
    found = json.loads(out)
    assert code == 0
    assert {row["model"] for row in found["models"]} >= {"ghost", "sim", "adam"}
    assert {row["claim"] for row in found["claims"]} >= {
        "ghost.critical_learning_rate",
        "sim.learning_time",
        "adam.update_bound_discrete",
        "adam.update_bound_continuous",
        "adam.stability_index",
    }


def test_predict_prints_one_row_a_point(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = invoke(
        capsys, "predict", "adam.stability_index", "--set", "beta1=0.9,0.95", "--set", "beta2=0.99", "--json"
    )
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["prediction"] for row in rows] == pytest.approx([2 / 0.9 - 1 / 0.99 - 1, 2 / 0.95 - 1 / 0.99 - 1])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("predict", "ghost.critical_learning_rat"), "ghost.critical_learning_rate"),
        (("predict", "ghost.critical_learning_rate", "--set", "T=-3"), "domain"),
        (("predict", "ghost.critical_learning_rate", "--set", "TT=3"), "T"),
        (("predict", "ghost.critical_learning_rate"), "T"),
        (("predict", "adam.stability_index", "--set", "beta1=1", "--set", "beta2=0.9"), "beta1"),
        (("simulate", "gost", "--out", "x.nc"), "ghost"),
        (("simulate", "ghost", "--set", "learning_rate=nan", "--out", "x.nc"), "learning_rate"),
        (("simulate", "ghost", "--set", "learning_rat=1", "--out", "x.nc"), "learning_rate"),
        (("simulate", "adam", "--set", "beta1=1", "--out", "x.nc"), "beta1"),
        (("simulate", "sim", "--set", "mu=[1,2,3]", "--set", "sigma=[1,2]", "--out", "x.nc"), "sigma"),
        (("simulate", "ghost", "--seeds", "0", "--out", "x.nc"), "seeds"),
        (("simulate", "ghost", "--set", "dt=0.1", "--out", "x.nc"), "euler"),
        (("run", "ghost.critical"), "ghost.critical_learning_rate"),
        (("explain", "nonsense"), "experiment"),
        (("citation", "nonsense"), "claim"),
        (("verfy",), "verify"),
        (
            ("boundary", "ghost", "--axis", "learning_rate", "--outcome", "traped", "--bracket", "1e-9", "1e-8"),
            "trapped",
        ),
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
    assert not (tmp_path / "x.nc").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_unwritable_output_is_an_environment_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    code, _, err = invoke(capsys, "simulate", "adam", "--seeds", "1", "--out", str(tmp_path / "x.nc"))
    assert code == 3
    assert "--out" in err


def test_output_below_a_file_is_an_environment_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    code, _, err = invoke(capsys, "simulate", "adam", "--seeds", "1", "--out", str(tmp_path / "file" / "x.nc"))
    assert code == 3
    assert "file" in err


def test_simulate_writes_labelled_records(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "runs.nc"
    code, _, err = invoke(
        capsys,
        "simulate",
        "sim",
        "--set",
        "learning_rate=0.02,0.05",
        "--set",
        "steps=20",
        "--seeds",
        "2",
        "--out",
        str(path),
    )
    assert code == 0, err
    with xr.open_dataset(path, engine="h5netcdf") as result:
        assert {"W", "train_loss", "test_loss", "learning_time", "outcome"} <= set(result.data_vars)
        assert result.sizes["learning_rate"] == 2
        assert result.sizes["seed"] == 2
