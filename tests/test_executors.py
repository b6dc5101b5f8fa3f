"""Executors: the same bits, finished by whoever comes, and no hang when a worker or the command dies."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from runs.cli.main import main
from runs.loading import load
from toymodels.engine import Sweep, bisect_onset, open_executor, run
from toymodels.engine import execute as engine
from toymodels.engine.chunks import compute_chunks
from toymodels.engine.compile import Program
from toymodels.engine.executors import Executor, Slurm
from toymodels.engine.lock import locked
from toymodels.errors import EnvironmentProblem, UsageError
from toymodels.models import get_model

MODEL = """
import dataclasses, multiprocessing, os, signal
from pathlib import Path
import jax, jax.numpy as jnp, numpy as np
from {name}_part import WEIGHT
from toymodels.model import Observable, ToyModel
from toymodels.outcome import Outcome
from toymodels.parameters import POSITIVE, Parameter

for flag in ("dies_once", "dies_always"):
    file = Path(__file__).with_name(flag)
    if multiprocessing.parent_process() is not None and file.exists():
        if flag == "dies_once":
            file.unlink()
        os.kill(os.getpid(), signal.SIGKILL)

@dataclasses.dataclass(frozen=True)
class Walk(ToyModel):
    name = "{name}"
    record_every: int = 10
    parameters = (
        Parameter("rate", "step size", 0.1, "1", POSITIVE),
        Parameter("steps", "updates", 40, "step", POSITIVE, integer=True),
    )

    @property
    def observables(self):
        return {{"x": Observable("state", ("step",)), "outcome": Observable("code", dtype="int8")}}

    def scan_lengths(self, values):
        return np.asarray(values["steps"])[:, None]

    def simulate(self, params, key, *, lengths, stride):
        start = jax.random.normal(key, (), params["rate"].dtype)
        slope = jax.grad(lambda x: WEIGHT * jnp.log(jnp.cosh(x)))

        def step(n, x):
            return jnp.where(n < params["steps"], x - params["rate"] * slope(x), x)

        def block(x, first):
            x = jax.lax.fori_loop(first, first + stride, step, x)
            return x, jnp.where(first + stride <= params["steps"], x, jnp.nan)

        end, path = jax.lax.scan(block, start, jnp.arange(0, lengths[0], stride, dtype=jnp.int32))
        away = jnp.abs(end) > 0.5 * jnp.abs(start)
        code = jnp.where(away, Outcome.DIVERGED, Outcome.LEARNED).astype(jnp.int8)
        return {{"x": jnp.concatenate([start[None], path]), "outcome": code}}

MODELS = (Walk,)
"""


def own_model(folder: Path, name: str) -> None:
    """A model in a file of its own, which imports a neighbour: workers have to load both."""
    folder.mkdir(exist_ok=True)
    (folder / f"{name}_part.py").write_text("WEIGHT = 1.5\n")
    (folder / f"{name}_model.py").write_text(MODEL.format(name=name))
    load(folder / f"{name}_model.py")


@pytest.fixture(scope="session")  # a name is registered once, whatever the order in which workers take tests
def walk(tmp_path_factory: pytest.TempPathFactory) -> str:
    own_model(tmp_path_factory.mktemp("walk"), "walk")
    return "walk"


@pytest.fixture(scope="module")
def crew() -> Iterator[Executor]:
    with open_executor("processes", 2) as executor:
        assert executor is not None
        yield executor


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("toymodels.engine.batch.CHUNK_RUNS", 16)
    monkeypatch.setattr("toymodels.engine.execute.tune", lambda start, *rest: start)


@pytest.fixture
def computed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Sizes of all calls of compiled programs in this process."""
    calls: list[int] = []
    original = Program.__call__

    def counted(self, root, params, seeds, words):
        calls.append(len(seeds))
        return original(self, root, params, seeds, words)

    monkeypatch.setattr(Program, "__call__", counted)
    return calls


def sweep(name: str, seeds: int = 37, **changes) -> Sweep:
    """Two groups of three or five chunks each, the last of them not full."""
    return Sweep(get_model(name), {"rate": [0.1, 0.7], "steps": ("length", [13, 40])} | changes, seeds=seeds)


def chunks(store: Path) -> set[str]:
    return {file.name for file in (store / "chunks").glob("*.npz")}


def quiet(plan: Sweep, store: Path, **options) -> xr.Dataset:
    return run(plan, store, progress=False, **options)


def test_processes_give_the_bits_of_inline(walk, crew, tmp_path, computed):
    inline = quiet(sweep(walk), tmp_path / "inline")
    computed.clear()
    spread = quiet(sweep(walk), tmp_path / "processes", executor=crew)
    xr.testing.assert_identical(inline.drop_attrs(), spread.drop_attrs())
    # A chunk's name is the digest of its content.
    assert chunks(tmp_path / "inline") == chunks(tmp_path / "processes")
    assert len(chunks(tmp_path / "inline")) == 10
    assert computed == []


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.slow
def test_processes_give_the_bits_of_inline_for_the_library(dtype, crew, tmp_path):
    for name, settings in {
        "ghost": {"T": [20.0, 50.0], "threshold": 20.0, "confidence": 2.0, "steps": 4},
        "sim": {"learning_rate": [0.02, 0.05], "steps": 60},
        "adam": {"beta1": [0.5, 0.9], "steps": 30},
    }.items():
        plan = Sweep(get_model(name), settings, seeds=37, dtype=dtype)
        quiet(plan, tmp_path / name / "inline")
        quiet(plan, tmp_path / name / "processes", executor=crew)
        assert chunks(tmp_path / name / "inline") == chunks(tmp_path / name / "processes"), name


def test_one_executor_finishes_what_another_began(walk, crew, tmp_path, computed):
    quiet(sweep(walk), tmp_path)
    every = {file: file.stat().st_mtime_ns for file in (tmp_path / "chunks").glob("*.npz")}
    for gone in list(every)[::3]:
        gone.unlink()
    quiet(sweep(walk), tmp_path, executor=crew)
    again = {file: file.stat().st_mtime_ns for file in (tmp_path / "chunks").glob("*.npz")}
    assert set(again) == set(every)
    assert sum(again[file] == every[file] for file in every) == len(every) - len(list(every)[::3])
    computed.clear()
    missing = sorted(every)[0]
    with np.load(missing) as members:
        runs = len(members["_ids"])
    missing.unlink()
    quiet(sweep(walk), tmp_path)
    assert sum(computed) == runs
    assert chunks(tmp_path) == {file.name for file in every}


def test_bisection_by_workers(walk, crew, tmp_path):
    plan = Sweep(get_model(walk), {"steps": ("length", [13, 40])}, seeds=12)
    search = {"axis": "rate", "outcome": "diverged", "low": 0.5, "high": 20.0, "progress": False}
    inline = bisect_onset(plan, **search, store=tmp_path / "inline")
    spread = bisect_onset(plan, **search, store=tmp_path / "processes", executor=crew)
    xr.testing.assert_identical(inline.drop_attrs(), spread.drop_attrs())
    assert bool((inline.status == 1).all())


def test_a_worker_that_dies_is_replaced_once(tmp_path):
    own_model(tmp_path / "own", "walk_dying")
    (tmp_path / "own" / "dies_once").touch()
    with open_executor("processes", 1) as executor:
        quiet(sweep("walk_dying", seeds=5), tmp_path / "store", executor=executor)
        assert not (tmp_path / "own" / "dies_once").exists()
        (tmp_path / "own" / "dies_always").touch()
        executor.renew()
        with pytest.raises(EnvironmentProblem, match=r"died twice .*same command again"):
            quiet(sweep("walk_dying", seeds=6), tmp_path / "store", executor=executor)


SCRIPT = """
import sys
from pathlib import Path
import toymodels.engine.batch as batch
from runs.cli.failures import guarded
from runs.loading import load
from toymodels.engine import Sweep, open_executor, run
from toymodels.models import get_model

def main():
    batch.CHUNK_RUNS = 16
    load({model!r})
    plan = Sweep(get_model("walk_long"), {{"rate": 1e-6, "steps": 400_000}}, seeds=640)
    with open_executor("processes", 2) as executor:
        run(plan, {store!r}, progress=False, executor=executor, batch=8)

if __name__ == "__main__":
    sys.exit(guarded(main))
"""


def children(process: int) -> list[int]:
    """Processes that `process` started and that are alive."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            if int(fields[1]) == process and fields[0] != "Z":
                found.append(int(entry.name))
    return found


def alive(process: int) -> bool:
    with contextlib.suppress(OSError):
        return (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")
@pytest.mark.parametrize(("how", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_workers_go_with_the_command(how, code, tmp_path, computed):
    own_model(tmp_path / "own", f"walk_long_{how.name.lower()}")
    name = f"walk_long_{how.name.lower()}"
    store = tmp_path / "store"
    script = tmp_path / "script.py"
    text = SCRIPT.format(model=str(tmp_path / "own" / f"{name}_model.py"), store=str(store))
    script.write_text(textwrap.dedent(text.replace('"walk_long"', repr(name))))
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    with subprocess.Popen(
        [sys.executable, script], env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        for _ in range(1200):
            if len(chunks(store)) >= 2:
                break
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.1)
        crew = children(process.pid)
        # Ctrl-C reaches the whole group of processes, kill -9 the command alone.
        (os.killpg if how == signal.SIGINT else os.kill)(process.pid, how)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == code
    assert "Traceback" not in complaint
    assert len(crew) >= 2
    for _ in range(100):
        if not any(map(alive, crew)):
            break
        time.sleep(0.1)
    assert not any(map(alive, crew))
    kept = len(chunks(store))
    assert 2 <= kept < 40
    quiet(Sweep(get_model(name), {"rate": 1e-6, "steps": 400_000}, seeds=640), store)
    assert sum(computed) == 640 - 16 * kept


def test_two_commands_do_not_write_to_one_store(walk, tmp_path):
    with locked(tmp_path / "lock"), pytest.raises(EnvironmentProblem, match=f"process {os.getpid()} on"):
        quiet(sweep(walk, seeds=1), tmp_path)
    quiet(sweep(walk, seeds=1), tmp_path)


def test_two_commands_do_not_write_to_one_experiment(tmp_path, capsys):
    with locked(tmp_path / "sim.dynamics" / "quick.lock"), pytest.raises(SystemExit) as stopped:
        main(["run", "sim.dynamics", "--out", str(tmp_path)])
    assert stopped.value.code == 3
    assert "is being written by process" in capsys.readouterr().err


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom toymodels.engine.lock import locked\n"
        f"with locked(Path({str(tmp_path)!r}) / 'lock'):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", script], env=environment, check=False)
    assert done.returncode == -signal.SIGKILL
    with locked(tmp_path / "lock"):
        assert f"process {os.getpid()} on" in (tmp_path / "lock").read_text()


def tasks(walk: str, store: Path, monkeypatch: pytest.MonkeyPatch) -> list:
    """The tasks of a small sweep, not carried out."""
    taken: list = []
    monkeypatch.setattr(engine, "distribute", lambda given, *rest: taken.extend(given))
    with contextlib.suppress(Exception):  # the result cannot be assembled
        run(sweep(walk, seeds=1), store, progress=False, executor=object())
    return taken


def test_a_worker_with_another_simulator_refuses(walk, tmp_path, monkeypatch):
    task = tasks(walk, tmp_path, monkeypatch)[0]
    (name,) = compute_chunks([task])
    assert name in chunks(tmp_path)
    sources = task.parcel.surroundings | {"source of": {"walk_model.py": "0"}}
    with pytest.raises(EnvironmentProblem, match=r"another simulator .*walk_model.py"):
        compute_chunks([dataclasses.replace(task, parcel=dataclasses.replace(task.parcel, surroundings=sources))])
    with pytest.raises(EnvironmentProblem, match="JAX_PLATFORMS"):
        compute_chunks([dataclasses.replace(task, parcel=dataclasses.replace(task.parcel, platform="gpu"))])


def test_wrong_wishes_are_refused(walk, crew, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="give store=directory"):
        run(sweep(walk), progress=False, executor=crew)
    with pytest.raises(UsageError, match="processes"), open_executor("proceses"):
        pass
    with pytest.raises(UsageError, match="workers = 0"), open_executor("processes", 0):
        pass
    with pytest.raises(UsageError, match="leave --workers out"), open_executor("inline", 2):
        pass
    monkeypatch.setattr("toymodels.engine.executors.shutil.which", lambda name: None)
    with pytest.raises(EnvironmentProblem, match="no sbatch on the PATH"), open_executor("slurm", 2, logs=tmp_path):
        pass
    for name, library in (("dask", "distributed"), ("slurm", "submitit")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(UsageError, match=rf"pip install 'toymodels\[{name}\]'"), open_executor(name, 2):
            pass


def test_a_model_of_the_running_script_is_refused(walk, crew, tmp_path, monkeypatch):
    monkeypatch.setattr(type(get_model(walk)), "__module__", "__main__")
    # Whatever runs the tests: a script has a file.
    monkeypatch.setattr(sys.modules["__main__"], "__file__", str(Path(__file__)), raising=False)
    with pytest.raises(UsageError, match="file of its own"):
        quiet(sweep(walk, seeds=1), tmp_path, executor=crew)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("run", "sim.dynamics", "--executor", "slurm"), 3, "no sbatch"),
        (("run", "sim.dynamics", "--workers", "2"), 2, "--executor processes"),
        (("run", "sim.dynamics", "--executor", "process"), 2, "processes"),
        (("boundary", "ghost", "--executor", "processes"), 2, "--store DIR"),
    ],
)
def test_the_command_line_refuses(arguments, code, says, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("toymodels.engine.executors.shutil.which", lambda name: None)
    if arguments[0] == "boundary":
        arguments += ("--axis", "learning_rate", "--outcome", "trapped", "--bracket", "1e-9", "1e-8")
    else:
        arguments += ("--out", str(tmp_path))
    with pytest.raises(SystemExit) as stopped:
        main(list(arguments))
    assert stopped.value.code == code
    assert says in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_dask_gives_the_bits_of_inline(walk, tmp_path):
    pytest.importorskip("distributed")
    quiet(sweep(walk), tmp_path / "inline")
    with open_executor("dask", 2) as executor:
        quiet(sweep(walk), tmp_path / "dask", executor=executor)
    assert chunks(tmp_path / "inline") == chunks(tmp_path / "dask")


@pytest.mark.slow
def test_jobs_give_the_bits_of_inline(walk, tmp_path):
    """The Slurm executor with submitit's processes of this machine in the place of a cluster."""
    pytest.importorskip("submitit")
    quiet(sweep(walk), tmp_path / "inline")
    executor = Slurm(2, tmp_path / "logs", cluster="local")
    try:
        quiet(sweep(walk), tmp_path / "slurm", executor=executor)
    finally:
        executor.close(kill=True)
    assert chunks(tmp_path / "inline") == chunks(tmp_path / "slurm")
