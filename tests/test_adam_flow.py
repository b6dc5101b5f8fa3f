"""Adam against its differential equations, and what the model records for it."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from theory import adam_flow_paths as paths
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.errors import UsageError
from toymodels.models.adam import Adam, hessian, quadratic_loss

UPDATES = 200


@pytest.fixture(scope="module")
def trained() -> xr.Dataset:
    """Quadratics with memory of the times 0.1 and 0.5, up to the time 1."""
    rate = 1 / UPDATES
    values = {"beta1": 1 - rate / 0.1, "beta2": 1 - rate / 0.5, "learning_rate": rate, "steps": UPDATES}
    model = Adam("quadratic", size=4, watch="theta", record_every=20)
    return run(Sweep(model, values | {"weight_decay": [0.0, 0.5]}, seeds=2), progress=False)


def _bound(data: xr.Dataset, **more: str) -> dict[str, xr.DataArray]:
    names = ("initial_theta", "beta1", "beta2", "learning_rate", "weight_decay", "step")
    return {name: data[name] for name in names} | {symbol: data[name] for symbol, name in more.items()}


def test_the_midpoint_system_is_nearer_than_the_printed_ones(trained: xr.Dataset) -> None:
    data = trained.isel(step=slice(1, None))
    apart = {
        system: float(abs(get_claim(f"adam.flow_{system}").predict(**_bound(data, hessian="sample_hessian"))
                          - data.theta).max())
        for system in ("first", "second", "midpoint")
    }  # fmt: skip
    assert apart["midpoint"] < 2e-4
    assert apart["first"] > 5e-4
    assert apart["second"] > 5e-4
    assert max(apart.values()) < 0.02


def test_the_model_is_the_discrete_update(trained: xr.Dataset) -> None:
    one = trained.isel(weight_decay=1, seed=0)
    given = paths.Settings(*(float(one[n]) for n in ("beta1", "beta2", "learning_rate", "weight_decay")))
    path = paths.descent(paths.quadratic(one.sample_hessian.values), one.initial_theta.values, given, UPDATES)
    np.testing.assert_allclose(one.theta, path[one.step.values], rtol=0, atol=1e-12)


def test_the_net_of_both_sides_is_the_same() -> None:
    values = {"beta1": 0.9, "beta2": 0.95, "learning_rate": 0.01, "steps": 20}
    data = run(Sweep(Adam("full_batch", watch="theta", record_every=5), values, seeds=1), progress=False).isel(seed=0)
    gradient = paths.net(data.sample_inputs.values, data.sample_targets.values)
    path = paths.descent(gradient, data.initial_theta.values, paths.Settings(0.9, 0.95, 0.01, 0.0), 20)
    np.testing.assert_allclose(data.theta, path[::5], rtol=0, atol=1e-12)


@pytest.mark.parametrize("system", ["first", "second", "midpoint"])
def test_paths_start_at_the_start_with_the_sign_of_the_gradient(system: str) -> None:
    h, start = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.5])
    given = paths.Settings(0.9, 0.99, 1e-3, 0.0)
    told = paths.path(paths.SYSTEMS[system], paths.quadratic(h), start, given, np.array([0.0, 1.0]))
    np.testing.assert_allclose(told[0], start, atol=1e-6)
    np.testing.assert_allclose((told[0] - told[1]) / 1e-3, np.sign(h @ start), atol=0.02)


def test_pace_adds_what_sign_descent_lacks() -> None:
    h, start = np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([1.0, -1.5])
    beta1, beta2, rate, count = 0.5, 0.9, 1e-4, 3000
    seen = paths.descent(paths.quadratic(h), start, paths.Settings(beta1, beta2, rate, 0.0), count)[-1]
    common = {"initial_theta": start, "hessian": h, "learning_rate": rate, "step": count}
    pace = get_claim("adam.pace").predict(beta1=beta1, beta2=beta2, **common)
    bare = get_claim("adam.sign_descent").predict(**common)
    assert np.all(abs(seen - pace) < 0.02 * abs(seen - bare))


def test_travelled_broadcasts_and_a_bad_run_hurts_no_other() -> None:
    h, starts = np.eye(2), np.array([[1.0, -2.0], [np.nan, 1.0]])
    rates = np.array([1e-2, 2e-2])[:, None, None]
    moved = paths.travelled("first", "quadratic", starts, h, 0.9, 0.95, rates, 0.1, np.array([[5.0], [10.0]]))
    assert moved.shape == (2, 2, 2, 2)
    assert np.isnan(moved[..., 1, :]).all()
    alone = paths.travelled("first", "quadratic", starts[0], h, 0.9, 0.95, 2e-2, 0.1, 10.0)
    np.testing.assert_allclose(moved[1, 1, 0], alone, rtol=0, atol=1e-9)


def test_the_spectrum_is_the_one_asked_for() -> None:
    np.testing.assert_allclose(np.linalg.eigvalsh(hessian(5, 0.5, 8.0)), np.geomspace(0.5, 8.0, 5), rtol=1e-12)
    theta = jnp.arange(1.0, 6.0)
    np.testing.assert_allclose(jax.hessian(quadratic_loss)(theta), hessian(5), atol=1e-12)


def test_the_trajectory_is_recorded_on_request_only() -> None:
    assert "theta" not in Adam("quadratic").observables
    assert {"theta", "initial_theta", "sample_hessian"} < set(Adam("quadratic", watch="theta").observables)
    with pytest.raises(UsageError, match="theta"):
        Adam("quadratic", watch="thetas")
