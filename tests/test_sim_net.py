"""Networks on the structured identity mapping: against the model `sim`, independent arithmetic, and each other."""

from __future__ import annotations

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from toymodels.engine import Sweep, run
from toymodels.errors import UsageError
from toymodels.models.sim import Sim
from toymodels.models.sim_net import SimNet
from toymodels.outcome import Outcome
from toymodels.tasks import sim as task

MU, SIGMA = np.array([1.0, 2.0]), np.array([0.1, 0.3])
BASE = {"mu": MU, "sigma": SIGMA, "learning_rate": 0.05, "init_scale": 0.1, "truncation": 0.0}


@functools.cache
def _compiled(model: Any, length: int, stride: int) -> Any:
    return jax.jit(lambda params, key: model.simulate(params, key, lengths=(length,), stride=stride))


def _record(model: Any, seed: int = 0, steps: int = 100, stride: int = 5, **values: Any) -> dict[str, np.ndarray]:
    params = {name: jnp.asarray(value, "float64") for name, value in (BASE | values).items()}
    params["steps"] = jnp.int32(steps)
    simulate = _compiled(model, -(-steps // stride) * stride, stride)
    return {name: np.asarray(value) for name, value in simulate(params, jax.random.key(seed)).items()}


def test_the_tied_population_net_is_the_model_sim() -> None:
    net = _record(SimNet(), steps=100)
    sim = _record(Sim(), steps=100, init_correlation=0.0)
    for name in ("W", "initial_W", "train_loss", "swing_depth", "outcome"):
        np.testing.assert_allclose(net[name], sim[name], rtol=1e-10, atol=1e-14, err_msg=name)
    np.testing.assert_allclose(net["test_loss"][:, -1], sim["test_loss"], rtol=1e-10)
    np.testing.assert_allclose(net["outputs"], (sim["W"] @ (task.vertices(2) * MU).T).swapaxes(1, 2), rtol=1e-10)


def _draws(model: SimNet, seed: int) -> np.ndarray:
    """The sampled points of a run, in concept coordinates."""
    values = {name: jnp.asarray(value, "float64") for name, value in BASE.items()}
    data = model._task(values, jax.random.fold_in(jax.random.key(seed), 1)).data
    assert data is not None
    return np.asarray(data.z)


@pytest.mark.parametrize("network", ["tied", "linear"])
def test_a_full_batch_follows_the_gradient_over_all_points(network: str) -> None:
    """Point by point in NumPy, against the second moment that the model uses."""
    model = SimNet(network=network, data="sample", samples=40, d=3, keep_map=True)
    record = _record(model, seed=3, steps=40, stride=1)
    x = np.pad(_draws(model, 3), ((0, 0), (0, 1)))
    np.testing.assert_allclose(record["sample_moment"], x[:, :2].T @ x[:, :2] / len(x), rtol=1e-12)
    key = jax.random.key(3)
    keys = [key] if network == "tied" else list(jax.random.split(key, 2))
    first, *rest = (0.1 * np.asarray(jax.random.normal(k, (3, 3))) for k in keys)
    second = first.T if network == "tied" else rest[0]
    for n in range(41):
        error = x @ first @ second - x
        np.testing.assert_allclose(record["W"][n], (first @ second).T, rtol=1e-9, atol=1e-13)
        np.testing.assert_allclose(record["train_loss"][n], (error**2).sum() / (2 * len(x)), rtol=1e-10)
        left, right = x.T @ error @ second.T / len(x), (x @ first).T @ error / len(x)
        if network == "tied":
            first = first - 0.05 * (left + right.T)
            second = first.T
        else:
            first, second = first - 0.05 * left, second - 0.05 * right


def test_the_sampled_moment_tends_to_that_of_the_population() -> None:
    sampled = _record(SimNet(data="sample", samples=20_000), steps=0)["sample_moment"]
    exact = _record(SimNet(), steps=0)["sample_moment"]
    np.testing.assert_allclose(exact, np.diag(MU**2 / 2 + SIGMA**2), rtol=1e-14)
    np.testing.assert_allclose(sampled, exact, atol=0.02)


RELU = SimNet(network="relu", d=6, width=24, bias=True, data="minibatch", samples=60, batch=16, init="lecun")


def test_minibatches_are_reproducible_and_every_point_comes_once_an_epoch() -> None:
    once, again, other = (_record(RELU, seed=seed, steps=30, init_scale=0.7) for seed in (1, 1, 2))
    np.testing.assert_array_equal(once["outputs"], again["outputs"])
    assert np.abs(once["outputs"] - other["outputs"]).max() > 1e-3
    kept = jnp.arange(23) % 4 != 0
    orders = [np.asarray(task.shuffled(jax.random.key(k), kept)) for k in (0, 1)]
    assert (orders[0] != orders[1]).any()
    for order in orders:
        seen = np.concatenate([task.minibatch(jnp.asarray(order), kept, n, 5) for n in range(4)])
        np.testing.assert_array_equal(np.unique(seen[: int(kept.sum())]), np.flatnonzero(kept))
        assert np.asarray(kept)[seen].all()


@pytest.mark.parametrize("network", ["tied", "linear", "relu"])
def test_plain_descent_does_not_see_the_rotation(network: str) -> None:
    static = {"network": network, "d": 5, "data": "minibatch", "samples": 40, "batch": 8}
    straight, turned = (_record(SimNet(**static, rotation=on), init_scale=0.3, steps=60) for on in (False, True))
    for name, values in straight.items():
        np.testing.assert_allclose(turned[name], values, rtol=1e-8, atol=1e-11, err_msg=name)
    adam = [_record(SimNet(**static, rotation=on, optimiser="adam"), init_scale=0.3, steps=60) for on in (False, True)]
    assert np.abs(adam[0]["outputs"] - adam[1]["outputs"]).max() > 1e-3


def test_a_rotation_is_orthogonal_and_uniform() -> None:
    q = np.asarray(jax.vmap(lambda k: task.rotation(k, 4, jnp.float64))(jax.random.split(jax.random.key(0), 2000)))
    np.testing.assert_allclose(q @ q.swapaxes(1, 2), np.broadcast_to(np.eye(4), q.shape), atol=1e-13)
    np.testing.assert_allclose(q.mean(0), 0, atol=0.06)
    np.testing.assert_allclose((q**2).mean(0), 0.25, atol=0.03)


def test_derivatives_agree_with_differences() -> None:
    model = _tanh()

    def final(rate: jax.Array) -> jax.Array:
        params = {name: jnp.asarray(value, "float64") for name, value in (BASE | {"learning_rate": 0.0}).items()}
        params |= {"learning_rate": rate, "init_scale": jnp.asarray(0.5), "steps": jnp.int32(20)}
        return model.simulate(params, jax.random.key(0), lengths=(20,), stride=10)["test_loss"][-1, -1]

    rate, small = jnp.asarray(0.05), 1e-6
    value = jax.jit(final)
    slope = (value(rate + small) - value(rate - small)) / (2 * small)
    np.testing.assert_allclose(jax.jvp(value, (rate,), (jnp.ones(()),))[1], slope, rtol=1e-5)
    np.testing.assert_allclose(jax.grad(value)(rate), slope, rtol=1e-5)
    assert abs(slope) > 0.01


def _tanh() -> SimNet:
    return SimNet(network="tanh", d=3, width=8, data="minibatch", samples=20, batch=8)


@pytest.mark.parametrize("network", ["tied", "linear"])
def test_deeper_nets_learn_and_wait_longer_at_small_starts(network: str) -> None:
    """The balanced start has the same linear map at both depths."""
    init, scale = ("balanced", 0.1) if network == "linear" else ("gaussian", 0.3)
    shallow, deep = (
        _record(SimNet(network=network, depth=depth, init=init), init_scale=scale, steps=6000, stride=100)
        for depth in (2, 4)
    )
    for record in (shallow, deep):
        assert record["outcome"] == Outcome.LEARNED
        assert record["learning_time"][1] < record["learning_time"][0]
    assert (deep["learning_time"] > shallow["learning_time"]).all()


@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_a_balanced_start_has_the_end_to_end_map_of_the_model_sim(depth: int) -> None:
    start = _record(SimNet(network="linear", depth=depth, init="balanced", width=3), seed=5, steps=0)["initial_W"]
    sim = _record(Sim(width=3), seed=5, steps=0, init_correlation=0.0)["initial_W"]
    np.testing.assert_allclose(start, sim, rtol=1e-10)


def test_a_perceptron_learns_the_strong_concept_first_and_combinations_after_their_parts() -> None:
    model = SimNet(network="relu", d=8, width=64, data="minibatch", samples=200, batch=64, init="lecun", rotation=True)
    settings = {"mu": [1.0, 1.5, 2.2], "learning_rate": 0.05, "init_scale": 0.3, "steps": 600}
    data = run(Sweep(model, settings, seeds=6), progress=False)
    assert (data.learning_time.diff("concept") < 0).mean() > 0.8
    final = data.test_loss.isel(step=-1).median("seed")
    assert float(data.test_loss.isel(step=0, vertex=-1).median()) > 2 * float(final.isel(vertex=-1))
    lower, upper = (final.values[task.parents(3)[:, side]] for side in (0, 1))
    assert (lower[1:] <= upper[1:] * 1.05).mean() > 0.6


def test_the_hierarchy_orders_the_losses_of_a_linear_net_without_cross_talk() -> None:
    """Losses of vertices add up over concepts where W is diagonal: exact for u <= v."""
    record = _record(SimNet(network="linear", init="orthogonal"), mu=[1.0, 1.5, 2.2], sigma=[0.1] * 3, init_scale=0.0)
    k, above = task.parents(3).T
    assert (record["test_loss"][:, k] <= record["test_loss"][:, above]).all()
    np.testing.assert_allclose(record["test_loss"][0], (task.vertices(3) * np.array([1.0, 2.25, 4.84])).sum(1) / 2)


@pytest.mark.parametrize(
    ("optimiser", "dtype"),
    [("adam", "float32"), ("adam", "float64"), ("sgd(momentum=0.9)", "float64"), ("k_adam(k=2)", "float32")],
)
def test_optimisers_of_optax_train_and_keep_the_precision(optimiser: str, dtype: str) -> None:
    settings = {"learning_rate": [0.01, 0.02], "init_scale": 0.3, "steps": 400}
    data = run(Sweep(SimNet(optimiser=optimiser, record_every=400), settings, seeds=2, dtype=dtype), progress=False)
    assert data.outputs.dtype == dtype
    assert (data.train_loss.isel(step=-1) < 0.3 * data.train_loss.isel(step=0)).all()


def test_the_origin_cluster_and_truncation_do_what_they_say() -> None:
    moment = _record(SimNet(origin=2), steps=0)["sample_moment"]
    np.testing.assert_allclose(moment, np.diag(MU**2 / 4 + SIGMA**2), rtol=1e-14)
    model = SimNet(data="sample", samples=100, origin=0.5)
    z = _draws(model, 0)
    assert len(z) == 250
    assert np.linalg.norm(z[200:].mean(0)) < 0.1
    far = np.linalg.norm(z - MU, axis=1) >= 1.2
    assert 0.1 < far.mean() < 0.9
    record = _record(model, steps=0, truncation=1.2)
    np.testing.assert_allclose(record["sample_kept"], far.mean(), rtol=1e-12)
    np.testing.assert_allclose(record["sample_moment"], z[far].T @ z[far] / far.sum(), rtol=1e-12)
    assert _record(model, steps=5, truncation=100.0)["outcome"] == Outcome.DIVERGED


def test_descents_and_swings_are_those_of_the_recorded_loss() -> None:
    model = SimNet(smallest_turn=1e-3)
    settings = {"sigma": [0.05, 0.05], "init_scale": 0.01, "learning_rate": 0.02, "steps": 900, "stride": 1}
    record = max((_record(model, seed=seed, **settings) for seed in range(12)), key=lambda one: one["swing_depth"])
    loss = record["test_loss"][:, -1]
    assert record["swing_depth"] > 2e-3
    np.testing.assert_allclose(record["swing_depth"], (loss - np.minimum.accumulate(loss)).max() / loss[0], rtol=1e-12)
    assert record["descents"] == 2
    assert _record(_one_layer(), **settings)["descents"] == 1


def _one_layer() -> SimNet:
    return SimNet(network="linear", depth=1)


def test_an_intervention_in_a_linear_net_is_a_larger_input() -> None:
    gains = (1.0, 3.0, 10.0)
    model = SimNet(network="linear", depth=3, width=4, gains=gains, hidden_layer=2, rotation=True)
    record = _record(model, init_scale=0.4, steps=40)
    w = record["W"]
    for p in range(2):
        for k, gain in enumerate(gains):
            x = MU + (gain - 1) * MU * np.eye(2)[p]
            y = w @ x
            np.testing.assert_allclose(record["intervened_output"][:, p, k], y[:, p], rtol=1e-9, atol=1e-13)
            np.testing.assert_allclose(record["intervened_loss"][:, p, k], ((y - MU) ** 2).sum(1) / 2, rtol=1e-9)


def test_an_intervention_with_gain_one_changes_nothing_in_a_perceptron() -> None:
    model = SimNet(network="relu", d=4, width=16, depth=3, data="sample", samples=10, gains=(1.0, 2.0), hidden_layer=2)
    record = _record(model, steps=20, init_scale=0.5)
    for p in range(2):
        np.testing.assert_allclose(record["intervened_loss"][:, p, 0], record["test_loss"][:, -1], rtol=1e-12)
        np.testing.assert_allclose(record["intervened_output"][:, p, 0], record["outputs"][:, -1, p], rtol=1e-12)
    assert np.abs(record["intervened_loss"][..., 1] - record["intervened_loss"][..., 0]).max() > 1e-3


@pytest.mark.parametrize(
    ("static", "parameters", "words"),
    [
        ({"network": "rely", "data": "sample"}, {}, "did you mean relu"),
        ({"network": "relu"}, {}, "give data='sample'"),
        ({"network": "relu", "data": "sample", "depth": 1}, {}, "depth >= 2"),
        ({"depth": 3}, {}, "even depth"),
        ({"bias": True}, {}, "no bias"),
        ({"init": "balanced"}, {}, "network='linear'"),
        ({"network": "linear", "init": "balanced", "d": 3, "width": 2}, {}, "width >= d"),
        ({"optimiser": "adma"}, {}, "did you mean adam"),
        ({"optimiser": "adam(beta=1)"}, {}, "no option of adam"),
        ({"optimiser": "adam(1"}, {}, "not of the form"),
        ({"optimiser": "lbfgs"}, {}, "from gradients alone"),
        ({"gains": (1, 2), "hidden_layer": 2}, {}, "no hidden_layer 2"),
        ({"width": 0}, {}, "width must be"),
        ({"origin": -1}, {}, "origin is the weight"),
        ({"d": 2}, {"mu": [1.0, 2.0, 3.0]}, "do not fit in d = 2"),
        ({"data": "minibatch", "samples": 10}, {}, "smaller batch"),
        ({}, {"truncation": 0.5}, "truncation drops sampled points"),
        ({}, {"sigma": [0.1, -0.1]}, "outside its domain"),
        ({}, {"sigma": [0.1, 0.1, 0.1]}, "needs 2 entries along concept"),
    ],
)
def test_impossible_settings_are_refused(static: dict, parameters: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Sweep(SimNet(**static), parameters)
