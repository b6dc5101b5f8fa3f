"""Checks of skeleton: the derivations hold, training is what it should be, the verdicts are the declared ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from runs.execute import execute
from runs.loading import load
from theory.verify import verify
from toymodels.engine import Sweep, run, simulate_one
from toymodels.models import get_model

HERE = Path(__file__).parent
OWN = load(HERE / "skeleton_theory.py") + load(HERE / "skeleton_model.py") + load(HERE / "skeleton_experiment.py")


@pytest.mark.parametrize("claim", OWN.claims, ids=lambda claim: claim.id)
def test_the_derivation_holds(claim) -> None:
    (result,) = verify(claim)
    assert result.passed, str(result)
    assert claim.mutants()


def test_a_run_is_the_same_in_company() -> None:
    settings = {"learning_rate": [0.1, 0.5], "steps": 20}
    together = run(Sweep(get_model("skeleton"), settings, seeds=3), progress=False)
    alone = simulate_one(get_model("skeleton"), {"learning_rate": 0.5, "steps": 20}, seed=2)
    np.testing.assert_allclose(together.loss.sel(learning_rate=0.5, seed=2), alone.loss, rtol=1e-12)


def test_a_bad_run_does_not_hurt_its_neighbours() -> None:
    mixed = run(Sweep(get_model("skeleton"), {"learning_rate": [0.1, 1e300], "steps": 20}, seeds=2), progress=False)
    alone = run(Sweep(get_model("skeleton"), {"learning_rate": [0.1], "steps": 20}, seeds=2), progress=False)
    np.testing.assert_allclose(mixed.loss.isel(learning_rate=[0]), alone.loss, rtol=1e-12)


@pytest.mark.parametrize("experiment", OWN.experiments, ids=lambda experiment: experiment.name)
def test_the_verdicts_are_the_declared_ones(experiment, tmp_path: Path) -> None:
    outcome = execute(experiment, "quick", tmp_path)
    assert outcome.as_expected, "\n".join(judged.verdict.sentence for judged in outcome.judged)
