"""`toymodels compare`: data from hand-written loops, which share no code with the package, against claims."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

from runs.cli.main import main

Rows = list[list[Any]]
Invoke = Callable[..., tuple[int, str, str]]


@pytest.fixture
def invoke(capsys: pytest.CaptureFixture[str]) -> Invoke:
    def run(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as stopped:
            main(["compare", *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return run


def write(path: Path, header: str, rows: Sequence[Sequence[Any]], delimiter: str = ",") -> Path:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wt", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(header.split())
        writer.writerows(rows)
    return path


def ghost_passage(r: float, threshold: float, steps_per_unit: float = 200.0) -> float:
    """Time at which x' = r + x^2 from 0 reaches the threshold: RK4 in steps that shrink as x grows."""
    x = t = 0.0
    while True:
        h = 1 / (steps_per_unit * max(np.sqrt(r), x))
        a = r + x * x
        b = r + (x + h * a / 2) ** 2
        c = r + (x + h * b / 2) ** 2
        d = r + (x + h * c) ** 2
        following = x + h * (a + 2 * b + 2 * c + d) / 6
        if following >= threshold:
            # dt = dx/(r + x^2) over the rest, by Simpson's rule.
            middle = (x + threshold) / 2
            rest = (threshold - x) / 6 * (1 / (r + x * x) + 4 / (r + middle**2) + 1 / (r + threshold**2))
            return t + rest
        x, t = following, t + h


@pytest.fixture(scope="module")
def passage() -> Rows:
    grid = [(r, b) for b in (0.5, 2.0, 10.0) for r in np.geomspace(1e-3, 0.3, 5)]
    return [[r, b, ghost_passage(r, b)] for r, b in grid]


PASSAGE = "r threshold activation_time"


def ghost_descent(rate: float, start: float, length: float = 100.0) -> int:
    """Steps of sharp training down to the optimum: r <- r - rate pi/4 r^(-3/2)."""
    r, steps = start, 0
    while r > np.pi**2 / (4 * length**2):
        r -= rate * np.pi / 4 * r**-1.5
        steps += 1
    return steps


LEARNING = "T learning_rate seed initial_r learning_step"


@pytest.fixture(scope="module")
def learning() -> Rows:
    rng = np.random.default_rng(1)
    optimum = np.pi**2 / 4e4
    rows: Rows = []
    for kappa in (0.02, 0.04):
        rate = kappa * np.pi**4 / 8e10
        for seed in range(80):
            start = optimum * rng.uniform(3.7, 4.3)
            rows.append([100.0, rate, seed, start, ghost_descent(rate, start)])
    return rows


SIM = (
    "learning_rate seed mu_1 mu_2 sigma_1 sigma_2 initial_W_1_1 initial_W_1_2 initial_W_2_1 initial_W_2_2 "
    "learning_time_1 learning_time_2"
)


@pytest.fixture(scope="module")
def sim() -> Rows:
    """Tied linear nets W = U U^T, full-batch descent, all seeds in one batch."""
    rng = np.random.default_rng(2)
    mu, sigma = np.array([1.0, 2.0]), np.array([0.05, 0.05])
    moments = np.diag(mu**2 / 2 + sigma**2)
    rate, seeds = 0.01, 160
    u = 0.01 * rng.standard_normal((seeds, 2, 2))
    start = w = u @ u.transpose(0, 2, 1)
    times = np.full((seeds, 2), np.nan)
    for step in range(1500):
        error = w - np.eye(2)
        u = u - rate * (error @ moments + moments @ error) @ u
        new = u @ u.transpose(0, 2, 1)
        for p in range(2):
            before, after = w[:, p, p], new[:, p, p]
            crossed = np.isnan(times[:, p]) & (after >= 0.5)
            times[crossed, p] = rate * (step + (0.5 - before[crossed]) / (after - before)[crossed])
        w = new
    return [[rate, k, *mu, *sigma, *start[k].ravel(), *times[k]] for k in range(seeds)]


ADAM = "beta1 beta2 step max_update"


@pytest.fixture(scope="module")
def adam() -> Rows:
    """Largest update of Adam with bias correction: the gradients that maximise it, run through Adam's recursion."""
    rows: Rows = []
    for beta1, beta2 in [(0.5, 0.95), (0.8, 0.95), (0.9, 0.95), (0.5, 0.3), (0.8, 0.5), (0.9, 0.99)]:
        for steps in (20, 60):
            m = v = 0.0
            for k in range(steps):
                gradient = (beta1 / beta2) ** (steps - 1 - k)
                m = beta1 * m + (1 - beta1) * gradient
                v = beta2 * v + (1 - beta2) * gradient**2
            rows.append([beta1, beta2, steps, m / (1 - beta1**steps) / np.sqrt(v / (1 - beta2**steps))])
    return rows


def scaled(rows: Rows, factor: float, *columns: int) -> Rows:
    return [[cell * factor if k in columns else cell for k, cell in enumerate(row)] for row in rows]


# Verdicts: the right law agrees, a law off by a few per cent does not.


def test_passage_time_agrees_and_writes_its_files(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    data = write(tmp_path / "runs.csv", PASSAGE, passage)
    code, out, _ = invoke("ghost.passage_time", data, "--out", tmp_path / "out", "--rival", "ghost.blow_up_time")
    assert code == 0
    assert "agrees" in out
    assert "margin 0.001, that of the experiments' comparison ghost.passage_time" in out
    assert "mutants rejected" in out
    assert "15 values read, 15 compared" in out
    stored = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert stored["verdict"]["status"] == "agrees"
    assert next(r["claim"] for r in stored["rivals"]) == "ghost.passage_time"
    assert Path(stored["figure"]).stat().st_size > 10_000
    compared = xr.load_dataset(tmp_path / "out" / "data.nc", engine="h5netcdf")
    assert dict(compared.activation_time.sizes) == {"threshold": 3, "r": 5}


@pytest.mark.parametrize("factor", [0.96, 1.04])
def test_passage_time_off_by_four_per_cent_is_rejected(
    tmp_path: Path, invoke: Invoke, passage: Rows, factor: float
) -> None:
    data = write(tmp_path / "runs.csv", PASSAGE, scaled(passage, factor, 2))
    code, out, err = invoke("ghost.passage_time", data)
    assert code == 1
    assert "disagrees" in err
    assert f"{factor:g} times the prediction everywhere" in out
    assert invoke("ghost.passage_time", data, "--expect", "disagrees")[0] == 0


def test_learning_step_with_realised_starts(tmp_path: Path, invoke: Invoke, learning: Rows) -> None:
    data = write(tmp_path / "runs.csv", LEARNING, learning)
    code, out, _ = invoke("ghost.learning_step", data, "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["verdict"]["n_runs"] == 80
    assert answer["verdict"]["n_points"] == 2
    assert any("initial_r: one value per run" in note for note in answer["notes"])
    off = write(tmp_path / "off.csv", LEARNING, scaled(learning, 1.03, 4))
    assert invoke("ghost.learning_step", off)[0] == 1


def test_learning_times_of_the_tied_net(tmp_path: Path, invoke: Invoke, sim: Rows) -> None:
    data = write(tmp_path / "runs.csv", SIM, sim)
    code, out, _ = invoke("sim.learning_time_corrected", data, "--json")
    answer = json.loads(out)
    assert code == 0, answer["verdict"]["sentence"]
    assert answer["verdict"]["n_points"] == 2
    off = write(tmp_path / "off.csv", SIM, scaled(sim, 1.05, 10, 11))
    assert invoke("sim.learning_time_corrected", off)[0] == 1
    # As the experiments do, the uncorrected law is judged by quantiles of all runs together.
    code, out, _ = invoke("sim.learning_time", data, "--json")
    assert code == 0
    assert json.loads(out)["verdict"]["n_points"] == 1


@pytest.mark.slow
def test_a_long_table_of_concepts_gives_the_same_verdict(tmp_path: Path, invoke: Invoke, sim: Rows) -> None:
    header = SIM.split()
    rows = [[*row[:10], k + 1, row[10 + k]] for row in sim for k in range(2)]
    long = write(tmp_path / "long.csv", " ".join([*header[:10], "concept", "learning_time"]), rows)
    wide = write(tmp_path / "wide.csv", SIM, sim)
    verdicts = [json.loads(invoke("sim.learning_time_corrected", d, "--json")[1])["verdict"] for d in (long, wide)]
    assert verdicts[0]["interval"] == verdicts[1]["interval"]


def test_adams_bound_is_attained_and_a_lower_one_is_violated(tmp_path: Path, invoke: Invoke, adam: Rows) -> None:
    data = write(tmp_path / "runs.csv", ADAM, adam)
    assert invoke("adam.update_bound_discrete", data, "--error", "1e-12")[0] == 0
    assert invoke("adam.update_bound_discrete", data, "--kind", "exact")[0] == 0
    above = write(tmp_path / "above.csv", ADAM, scaled(adam, 1.03, 3))
    code, out, _ = invoke("adam.update_bound_discrete", above)
    assert code == 1
    assert "violation of the upper bound" in out
    logs = write(tmp_path / "logs.csv", "beta1 beta2 step log_max_update", [[*r[:3], np.log(r[3])] for r in adam])
    assert invoke("adam.update_bound_discrete", logs, "--observable", "exp(log_max_update)")[0] == 0
    code, _, err = invoke("adam.update_bound_discrete", logs)
    assert code == 2
    assert "--observable 'exp(log_max_update)'" in err


def test_a_bracketed_boundary_and_its_exponent(tmp_path: Path, invoke: Invoke) -> None:
    """Onset of trapping on the sharp map: the lowest landing of one step from just above the optimum."""

    def trapped(rate: float, length: float) -> bool:
        optimum = np.pi**2 / (4 * length**2)
        starts = optimum * (1 + 1e-6 * np.arange(1, 4))
        return bool((starts - rate * np.pi / 4 * starts**-1.5 <= optimum / 4).any())

    rows = []
    for length in (20.0, 40.0, 80.0, 160.0):
        low, high = 1e-3 * length**-5, 1e3 * length**-5
        while high > low * 1.001:
            middle = np.sqrt(low * high)
            low, high = (low, middle) if trapped(middle, length) else (middle, high)
        rows.append([length, low, high])
    data = write(tmp_path / "onset.csv", "T lower upper", rows)
    code, out, _ = invoke("ghost.critical_learning_rate", data, "--out", tmp_path / "out")
    assert code == 0, out
    assert "outcomes are taken as deterministic" in out
    code, out, _ = invoke("ghost.critical_learning_rate", data, "--kind", "exponent", "--along", "T")
    assert code == 0, out
    off = write(tmp_path / "off.csv", "T lower upper", scaled(rows, 1.03, 1, 2))
    assert invoke("ghost.critical_learning_rate", off)[0] == 1


# The same numbers in other clothes.


def test_formats_and_headers_give_the_same_verdict(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    plain = write(tmp_path / "plain.csv", PASSAGE, passage)
    packed = write(tmp_path / "packed.csv.gz", PASSAGE, passage)
    semicolon = tmp_path / "semicolon.csv"
    lines = [";".join(f"{cell!r}".replace(".", ",") for cell in map(float, row)) for row in passage]
    semicolon.write_text("r [1/time^2];threshold;activation time\n" + "\n".join(lines) + "\n")
    saved = tmp_path / "saved.txt"
    np.savetxt(saved, np.array(passage, dtype=float), header=PASSAGE)
    columns = np.array(passage, dtype=float).T
    np.savez(tmp_path / "arrays.npz", r=columns[0], threshold=columns[1], activation_time=columns[2])
    cube = columns[2].reshape(3, 5)
    coords = {"threshold": columns[1].reshape(3, 5)[:, 0], "r": columns[0][:5]}
    grid = xr.Dataset({"activation_time": (("threshold", "r"), cube)}, coords=coords)
    grid.to_netcdf(tmp_path / "grid.nc", engine="h5netcdf")
    grid.to_netcdf(tmp_path / "old.nc", engine="scipy", format="NETCDF3_64BIT")
    nested = xr.DataTree.from_dict({"/simulation/passage": grid, "/verdict/x": xr.Dataset({"status": 1})})
    nested.to_netcdf(tmp_path / "tree.nc", engine="h5netcdf")
    nested.to_zarr(tmp_path / "tree.zarr", consolidated=False)
    names = ["arrays.npz", "grid.nc", "old.nc", "tree.nc", "tree.zarr"]
    reference = json.loads(invoke("ghost.passage_time", plain, "--json")[1])["verdict"]
    for path in (packed, semicolon, saved, *(tmp_path / name for name in names)):
        code, out, err = invoke("ghost.passage_time", path, "--json")
        assert code == 0, (path, err)
        verdict = json.loads(out)["verdict"]
        assert verdict["discrepancy"] == pytest.approx(reference["discrepancy"], rel=1e-6), path
        assert verdict["mutants"] == reference["mutants"] or path in (saved, semicolon), path


def test_netcdf_and_csv_runs_give_the_same_verdict(tmp_path: Path, invoke: Invoke, learning: Rows) -> None:
    table = write(tmp_path / "runs.csv", LEARNING, learning)
    cube = np.array(learning, dtype=float).reshape(2, 80, 5)
    labelled = xr.Dataset(
        {
            "learning_step": (("learning_rate", "run"), cube[..., 4]),
            "initial_r": (("learning_rate", "run"), cube[..., 3]),
            "T": 100.0,
        },
        coords={"learning_rate": cube[:, 0, 1]},
    )
    labelled.to_netcdf(tmp_path / "runs.nc", engine="h5netcdf")
    first, second = (
        json.loads(invoke("ghost.learning_step", path, "--json")[1])["verdict"]
        for path in (table, tmp_path / "runs.nc")
    )
    assert first["interval"] == pytest.approx(second["interval"], rel=1e-9)
    assert first["n_runs"] == second["n_runs"] == 80


def test_a_simulation_of_the_package_needs_no_flags(tmp_path: Path, invoke: Invoke) -> None:
    settings = [
        "--set",
        "r0_mean=1e-3,2e-3,4e-3",
        "--set",
        "r0_spread=0",
        "--set",
        "steps=0",
        "--set",
        "threshold=1,10",
    ]
    out = tmp_path / "runs.nc"
    with pytest.raises(SystemExit) as stopped:
        main(["simulate", "ghost", "--set", "T=100", *settings, "--seeds", "1", "--out", str(out)])
    assert not stopped.value.code
    assert invoke("ghost.passage_time", out)[0] == 0


# Runs: ragged points, unfinished runs, settings.


def test_ragged_points_have_absent_runs_and_no_censored_ones(tmp_path: Path, invoke: Invoke, learning: Rows) -> None:
    ragged = [row for row in learning if not (row[1] == learning[0][1] and row[2] >= 50)]
    data = write(tmp_path / "runs.csv", LEARNING, ragged)
    code, out, _ = invoke("ghost.learning_step", data, "--json", "--out", tmp_path / "out")
    verdict = json.loads(out)["verdict"]
    assert code == 0, verdict["sentence"]
    assert (verdict["n_runs"], verdict["n_censored"], verdict["n_runs_outside"]) == (50, 0, 0)
    assert json.loads(out)["counts"]["read"] == 130


def test_blank_and_infinite_cells_are_unfinished_runs(tmp_path: Path, invoke: Invoke, sim: Rows) -> None:
    rows = [list(row) for row in sim]
    for k, cell in enumerate(("", "inf", "nan", "NA")):
        rows[k][10] = cell
    data = write(tmp_path / "runs.csv", SIM, rows)
    code, out, _ = invoke("sim.learning_time_corrected", data, "--json")
    answer = json.loads(out)
    assert code == 0, answer["verdict"]["sentence"]
    assert answer["verdict"]["n_censored"] == 4
    assert "1 infinite values count as not finished" in answer["notes"]


def test_rows_of_a_further_setting_become_an_axis(tmp_path: Path, invoke: Invoke, learning: Rows) -> None:
    rows = [[*row, optimiser] for row in learning for optimiser in ("sgd", "descent")]
    data = write(tmp_path / "runs.csv", f"{LEARNING} optimiser", rows)
    code, out, _ = invoke("ghost.learning_step", data, "--json", "--out", tmp_path / "out")
    answer = json.loads(out)
    assert code == 0, answer["verdict"]["sentence"]
    assert answer["verdict"]["n_points"] == 4
    assert any("differ in optimiser" in note for note in answer["notes"])
    assert invoke("ghost.learning_step", data, "--select", "optimiser=sgd")[0] == 0


def test_names_units_and_constants_are_mapped(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    rows = [[np.log10(r), 1000 * t] for r, b, t in passage if b == 2.0]
    data = write(tmp_path / "runs.csv", "lg ms", rows)
    flags = ["--observable", "ms", "--map", "r=10**lg", "--set", "threshold=2", "--unit", "ms=1e-3"]
    code, out, _ = invoke("ghost.passage_time", data, *flags, "--json")
    assert code == 0, out
    assert json.loads(out)["mapping"] == {"ms": "ms * 1e-3", "threshold": "2 (--set)", "r": "10**lg"}
    assert invoke("ghost.passage_time", data, *flags[:-2])[0] == 1


def test_values_outside_the_domain_are_left_out_and_listed(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    data = write(tmp_path / "runs.csv", PASSAGE, [*passage, [-1.0, 2.0, 5.0], ["", 2.0, 5.0]])
    code, out, _ = invoke("ghost.passage_time", data)
    assert code == 0, out
    assert "2 outside the domain" in out
    assert "lines 17, 18" in out
    assert "r outside (0, oo)" in out


# Hints.


def test_steps_in_place_of_time_are_recognised(tmp_path: Path, invoke: Invoke, sim: Rows) -> None:
    rows = scaled(sim, 1 / sim[0][0], 10, 11)
    data = write(tmp_path / "runs.csv", SIM, rows)
    code, out, _ = invoke("sim.learning_time_corrected", data)
    assert code == 1
    assert "try --unit learning_time=learning_rate" in out
    assert invoke("sim.learning_time_corrected", data, "--unit", "learning_time=learning_rate")[0] == 0


@pytest.mark.parametrize(
    ("factor", "says"), [(2.0, "close to 2:"), (0.5, "close to 1/2:"), (1000.0, "10^3"), (np.pi, "close to pi:")]
)
def test_a_constant_factor_is_named(tmp_path: Path, invoke: Invoke, passage: Rows, factor: float, says: str) -> None:
    data = write(tmp_path / "runs.csv", PASSAGE, scaled(passage, factor, 2))
    code, out, _ = invoke("ghost.passage_time", data)
    assert code == 1
    assert says in out


def test_logarithms_and_offsets_are_named(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    logs = write(tmp_path / "logs.csv", PASSAGE, [[r, b, np.log(t)] for r, b, t in passage])
    assert "--observable 'exp(activation_time)'" in invoke("ghost.passage_time", logs)[1]
    shifted = write(tmp_path / "shifted.csv", PASSAGE, [[r, b, t + 1] for r, b, t in passage])
    assert "exceed the prediction by 1 everywhere" in invoke("ghost.passage_time", shifted)[1]


# Errors: each a sentence with the remedy.


@pytest.mark.parametrize(
    ("text", "flags", "code", "says"),
    [
        ("", [], 3, "is empty"),
        ("r,threshold,activation_time\n", [], 3, "no rows"),
        ("1,2,3\n4,5,6\n", [], 2, "has no header"),
        ("r,r,activation_time\n1,2,3\n", [], 2, "two columns named 'r'"),
        ("r,threshold,activation_time\n1,2,3,4\n", [], 2, "line 2 has 4 fields"),
        ("r,threshold,tau\n1,2,3\n", [], 2, "It has: r, threshold, tau"),
        ("r,threshold,activation_tim\n1,2,3\n", [], 2, "Did you mean activation_tim?"),
        (
            "rr,threshold,activation_time\n1,2,3\n",
            [],
            2,
            "ghost.passage_time needs r: the trained parameter (unit 1/time^2)",
        ),
        ("rr,threshold,activation_time\n1,2,3\n", [], 2, "--map r=rr"),
        ("r,threshold,activation_time\n1,2,3\n1,x7,3\n", [], 2, "holds 'x7' in line 3"),
        ("r,threshold,activation_time\n1,2,3+1j\n", [], 2, "complex number '3+1j' in line 2"),
        ("r,threshold,activation_time\n-1,2,3\n-2,2,3\n", [], 2, "outside its domain"),
        ("r,threshold,activation_time\n1,2,3\n", ["--map", "q=r"], 2, "no input of ghost.passage_time"),
        ("r,threshold,activation_time\n1,2,3\n", ["--map", "r=r+*2"], 2, "neither a column nor a formula"),
        ("r,threshold,activation_time\n1,2,3\n", ["--map", "r=r.real"], 2, "more than a formula"),
        ("r,threshold,activation_time\n1,2,3\n", ["--map", "r=sin(r)"], 2, "function"),
        ("r,threshold,activation_time\n1,2,3\n", ["--map", "r"], 2, "--map T=period"),
        ("r,threshold,activation_time\n1,2,3\n", ["--map", "r=r", "--set", "r=1"], 2, "by --map and by --set"),
        ("r,threshold,activation_time\n1,2,3\n", ["--kind", "exakt"], 2, "did you mean exact?"),
        ("r,threshold,activation_time\n1,2,3\n", ["--kind", "statistical"], 2, "--kind exact"),
        ("r,threshold,activation_time\n1,2,3\n", ["--kind", "boundary"], 2, "columns lower (no hit"),
        ("r,threshold,activation_time\n1,2,3\n", ["--kind", "exponent"], 2, "--along"),
        ("r,threshold,activation_time\n1,2,3\n", ["--scale", "linear"], 2, "There is no margin"),
        ("r,threshold,activation_time\n1,2,3\n", ["--margin", "-1"], 2, "positive number"),
        ("r,threshold,activation_time\n1,2,3\n", ["--select", "r=7"], 2, "no row has that value"),
        ("r,threshold,activation_time\n1,2,3\n", ["--x", "q"], 2, "--x q"),
        ("r,threshold,activation_time\n1,2,3\n", ["--rival", "ghost.blow_up"], 2, "ghost.blow_up_time"),
        ("r,threshold,activation_time\n1,2,3\n", ["--error", "-1"], 2, "negative"),
        ("r,threshold,activation_time\n1,2,3\n", ["--lower", "r"], 2, "two ends"),
        ("r,threshold,activation_time\n1,2,3\n", ["--group", "g"], 2, "has no groups"),
        ("r,threshold,activation_time\n1,2,3\n", ["--unit", "q=2"], 2, "unit can be changed"),
        ("r,threshold,activation_time\n1,2,\n", [], 2, "holds no finite number"),
    ],
)
def test_wrong_input_gets_a_sentence(
    tmp_path: Path, invoke: Invoke, text: str, flags: list[str], code: int, says: str
) -> None:
    data = tmp_path / "runs.csv"
    data.write_text(text)
    got, out, err = invoke("ghost.passage_time", data, *flags)
    assert (got, out) == (code, "")
    assert says in err
    assert err.startswith("toymodels: ")
    assert err.count("\n") == 1


def test_files_that_are_not_there_or_not_data(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    good = write(tmp_path / "runs.csv", PASSAGE, passage)
    code, _, err = invoke("ghost.passage_time", tmp_path / "run.csv")
    assert code == 3
    assert "runs.csv" in err
    (tmp_path / "broken.nc").write_bytes(b"\x89HDF\r\n\x1a\nnonsense")
    assert invoke("ghost.passage_time", tmp_path / "broken.nc")[0] == 3
    (tmp_path / "text.nc").write_text("r,threshold\n")
    assert invoke("ghost.passage_time", tmp_path / "text.nc")[0] == 3
    np.savez(tmp_path / "complex.npz", r=np.ones(2), threshold=np.ones(2), activation_time=np.ones(2) * 1j)
    code, _, err = invoke("ghost.passage_time", tmp_path / "complex.npz")
    assert code == 2
    assert "is complex" in err
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04")
    code, _, err = invoke("ghost.passage_time", tmp_path / "model.pt")
    assert code == 2
    assert "CSV" in err
    (tmp_path / "empty").mkdir()
    assert invoke("ghost.passage_time", tmp_path / "empty")[0] == 2
    code, _, err = invoke("ghost.passage_time", good, "--out", good / "inside")
    assert code == 3
    assert "--out" in err
    code, _, err = invoke("ghost.passage_tim", good)
    assert code == 2
    assert "ghost.passage_time" in err


def test_netcdf_with_other_dims_says_how_to_rename(tmp_path: Path, invoke: Invoke) -> None:
    rng = np.random.default_rng(3)
    data = xr.Dataset(
        {
            "learning_time": (("run", "k"), rng.uniform(1, 2, (12, 2))),
            "initial_W": (("run", "i", "j"), 1e-4 * np.eye(2) * rng.uniform(1, 2, (12, 1, 1))),
            "mu": ("k", [1.0, 2.0]),
            "sigma": ("k", [0.1, 0.1]),
            "learning_rate": 0.01,
        }
    )
    data.to_netcdf(tmp_path / "runs.nc", engine="h5netcdf")
    code, _, err = invoke("sim.learning_time_corrected", tmp_path / "runs.nc")
    assert code == 2
    assert "--rename DIM=" in err
    renames = [flag for pair in ("k=concept", "i=row", "j=column") for flag in ("--rename", pair)]
    code, _, err = invoke("sim.learning_time_corrected", tmp_path / "runs.nc", *renames)
    assert code == 1  # random times: judged, and not by this law
    code, _, err = invoke("sim.learning_time_corrected", tmp_path / "runs.nc", "--rename", "q=concept")
    assert code == 2
    assert "has no dim 'q'" in err


def test_repeated_rows_and_single_runs_are_refused(tmp_path: Path, invoke: Invoke, learning: Rows) -> None:
    twice = write(tmp_path / "twice.csv", LEARNING, [*learning, learning[3]])
    code, _, err = invoke("ghost.learning_step", twice)
    assert code == 2
    assert "lines 5, 162" in err
    single = write(tmp_path / "single.csv", LEARNING, [learning[0], learning[-1]])
    code, _, err = invoke("ghost.learning_step", single)
    assert code == 2
    assert "single run" in err


def test_all_rows_outside_the_domain_say_why(tmp_path: Path, invoke: Invoke, learning: Rows) -> None:
    far = write(tmp_path / "runs.csv", LEARNING, scaled(learning, 1000.0, 1))
    code, _, err = invoke("ghost.learning_step", far)
    assert code == 2
    assert "None of the data lies inside the domain" in err
    assert "--beyond-domain" in err
    assert invoke("ghost.learning_step", far, "--beyond-domain")[0] == 1


def test_a_claim_of_ones_own_needs_a_margin(tmp_path: Path, invoke: Invoke, passage: Rows) -> None:
    theory = tmp_path / "mine_theory.py"
    theory.write_text(
        "from sympy import Interval, oo, pi, sqrt\n"
        "from theory.claim import Claim, Quantity, Source, Vocabulary\n"
        "V = Vocabulary()\n"
        "r = V.symbol('r', 'distance', domain=Interval.open(0, oo))\n"
        "law = Claim(id='mine.blow_up', title='Blow-up', statement=pi / (2 * sqrt(r)), vocabulary=V,\n"
        "            predicts=Quantity('activation_time', unit='time'), kind='closed form',\n"
        "            source=Source.own('mine'))\n"
        "CLAIMS = (law,)\n"
    )
    data = write(tmp_path / "runs.csv", PASSAGE, [row for row in passage if row[1] == 10.0])
    code, _, err = invoke(theory, data)
    assert code == 2
    assert "--margin 0.02" in err
    assert invoke(theory, data, "--margin", "0.1")[0] in (0, 1)
    assert invoke(f"{theory}:mine.blow_up", data, "--margin", "0.001", "--expect", "disagrees")[0] == 0
    assert invoke(f"{theory}:mine.blow", data)[0] == 2


def test_entries_of_vectors_may_stand_in_rows(tmp_path: Path, invoke: Invoke) -> None:
    """W(t) of one layer, entry by entry: descent on each, 1e4 steps a unit of time."""
    rows = []
    for start, target, moment in [(0.1, 1.0, 2.0), (0.3, 0.0, 0.5), (-0.2, 1.0, 1.0)]:
        w, rate = start, 1e-4
        for step in range(1, 20_001):
            w -= rate * moment * (w - target)
            if step % 5000 == 0:
                rows.append([start, target, moment, rate * step, w])
    data = write(tmp_path / "runs.csv", "w_0 target a_column time W", rows)
    code, out, _ = invoke("sim.one_layer", data, "--json")
    assert code == 0, out
    assert json.loads(out)["verdict"]["n_points"] == 12
    off = write(tmp_path / "off.csv", "w_0 target a_column time W", scaled(rows, 1.03, 4))
    assert invoke("sim.one_layer", off)[0] == 1


def test_inputs_on_other_dims_than_the_observable_are_refused(tmp_path: Path, invoke: Invoke) -> None:
    data = xr.Dataset({"activation_time": ("k", [1.0, 2.0]), "r": ("q", [0.1, 0.2]), "threshold": 1.0})
    data.to_netcdf(tmp_path / "runs.nc", engine="h5netcdf")
    code, _, err = invoke("ghost.passage_time", tmp_path / "runs.nc")
    assert code == 2
    assert "r has the dim q, which activation_time lacks" in err
