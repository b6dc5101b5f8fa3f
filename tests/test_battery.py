"""What every registered model and claim must pass, just by being registered."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from sympy import Integer

from runs.userdata.kinds import declared
from theory.registry import CLAIMS
from theory.statement import Formula
from theory.verify import verify
from toymodels.engine import Sweep, run, simulate_one
from toymodels.errors import UsageError
from toymodels.models import MODELS, get_model
from toymodels.outcome import Outcome

SETTINGS = {
    "ghost": {"T": [20.0, 50.0], "threshold": 20.0, "confidence": 2.0, "steps": 4},
    "ghost_flow": {"planted_r": [1e-3, 1e-2]},
    "ghost_passage": {"r": [-1e-4, 1e-4], "steps": 2000},
    "sim": {"learning_rate": [0.02, 0.05], "steps": 60},
    "sim_net": {"learning_rate": [0.02, 0.05], "steps": 60},
    "adam": {"beta1": [0.5, 0.9], "steps": 30},
    "scale_invariant": {"beta1": [0.5, 0.9], "steps": 30},
    "k_adam": {"beta1": [0.5, 0.9], "steps": 30},
    "adam_twin": {"beta1": [0.5, 0.9], "steps": 30},
    "training": {"learning_rate": [0.003, 0.01], "steps": 20},
}
"""Small sweeps; a new model adds its own line, or is tried at its defaults."""

HOSTILE = {
    "ghost": {"learning_rate": 1e300},
    "ghost_flow": {"planted_r": 1e300},
    "ghost_passage": {"noise": 1e300},
    "sim": {"learning_rate": 1e6},
    "sim_net": {"learning_rate": 1e6},
    "adam": {"learning_rate": 1e300},
    "scale_invariant": {"learning_rate": 1e300},
    "k_adam": {"scale": 1e300},
    "adam_twin": {"learning_rate": 1e300},
    "training": {"learning_rate": 1e300},
}
"""A setting that ruins a run."""

models = pytest.mark.parametrize("name", MODELS)


def small(name: str, **changes) -> Sweep:
    return Sweep(get_model(name), {**SETTINGS.get(name, {}), **changes}, seeds=3)


def numbers(dataset: xr.Dataset) -> dict[str, np.ndarray]:
    return {str(key): array.values for key, array in dataset.data_vars.items()}


def assert_same(left: xr.Dataset, right: xr.Dataset, rtol: float) -> None:
    assert set(left.data_vars) == set(right.data_vars)
    for key, values in numbers(left).items():
        np.testing.assert_allclose(values, right[key].values, rtol=rtol, atol=1e-12, err_msg=key)


@models
def test_a_sweep_equals_its_single_runs(name: str) -> None:
    result = run(small(name), progress=False)
    axis = next(key for key, value in SETTINGS[name].items() if isinstance(value, list))
    for position, value in enumerate(SETTINGS[name][axis]):
        for seed in (0, 2):
            one = simulate_one(get_model(name), {**SETTINGS[name], axis: value}, seed)
            for key, values in one.items():
                together = result[key].isel({axis: position}).sel(seed=seed).values
                kept = tuple(slice(0, length) for length in np.shape(values))
                np.testing.assert_allclose(together[kept], values, rtol=1e-9, atol=1e-12, err_msg=key)


@models
def test_the_batch_does_not_matter(name: str) -> None:
    assert_same(run(small(name), progress=False, batch=1), run(small(name), progress=False, batch=4), rtol=1e-9)


@models
def test_a_bad_run_does_not_hurt_its_neighbours(name: str) -> None:
    ((key, bad),) = HOSTILE[name].items()
    resolved = run(Sweep(get_model(name), {"steps": 4}, seeds=2), progress=False)
    values = [float(resolved[key]), bad]
    mixed = run(Sweep(get_model(name), {"steps": 4, key: values}, seeds=2), progress=False)
    alone = run(Sweep(get_model(name), {"steps": 4, key: values[:1]}, seeds=2), progress=False)
    assert_same(mixed.isel({key: [0]}), alone, rtol=1e-9)
    assert (mixed["outcome"] != Outcome.NOT_RUN).all()


@models
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_requested_precision_is_kept(name: str, dtype: str) -> None:
    model = get_model(name)
    result = run(Sweep(model, SETTINGS[name], seeds=2, dtype=dtype), progress=False)
    for key, observable in model.observables.items():
        if observable.dtype == "float":
            assert result[key].dtype == dtype, key


@models
def test_dims_and_units_are_declared(name: str) -> None:
    model = get_model(name)
    result = run(small(name), progress=False)
    assert set(result.data_vars) == set(model.observables)
    sweep_dims = set(small(name).dims)
    for key, observable in model.observables.items():
        assert set(result[key].dims) == sweep_dims | set(observable.dims), key
        assert "units" in result[key].attrs or observable.dtype != "float", key
    for parameter in model.parameters:
        assert parameter.doc
        assert parameter.unit


@models
def test_the_same_seed_gives_the_same_run_wherever_it_stands(name: str) -> None:
    three = run(small(name), progress=False)
    two = run(small(name).replace(seeds=[2, 0]), progress=False)
    assert_same(three.sel(seed=[2, 0]), two, rtol=1e-9)


@models
def test_misspelt_and_impossible_parameters_are_refused(name: str) -> None:
    parameter = next(p for p in MODELS[name].parameters if not p.dims)
    with pytest.raises(UsageError, match=parameter.name):
        Sweep(get_model(name), {parameter.name + "x": 1.0})
    with pytest.raises(UsageError, match="domain"):
        Sweep(get_model(name), {parameter.name: float("nan")})


def test_every_certificate_holds() -> None:
    failed = [str(result) for result in verify(CLAIMS.values(), jobs=2) if result.status == "fails"]
    assert not failed, "\n".join(failed)


@pytest.mark.parametrize("id", CLAIMS)
def test_every_claim_has_a_derivation_and_mutants(id: str) -> None:
    claim = CLAIMS[id]
    known = claim.derivation or claim.source.key or all(c.expect == "disagrees" for c in declared(claim))
    assert known, "an own law needs a derivation; printed ones and those that are to be refuted may stand without"
    mutants = claim.mutants()
    assert mutants or claim.statement == Formula(Integer(0)), "only the bound 0 has nothing to change"
    assert len({mutant.id for mutant in mutants}) == len(mutants)
    for own in claim.inputs:
        assert own.meaning
        assert own.unit
