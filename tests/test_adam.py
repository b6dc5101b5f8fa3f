"""Adam against optax and against its bounds."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theory.registry import get_claim
from toymodels.errors import UsageError
from toymodels.models.adam import Adam, quadratic_loss
from toymodels.outcome import Outcome


def _params(dtype: str = "float64", **values: object) -> dict[str, jax.Array]:
    model = Adam()
    merged = {parameter.name: parameter.default for parameter in model.parameters} | values
    return {name: jnp.asarray(value, "int32" if name == "steps" else dtype) for name, value in merged.items()}


def _record(model: Adam, seed: int = 0, stride: int = 10, **values: object) -> dict[str, np.ndarray]:
    """Records of runs over broadcast arrays of values (vmapped)."""
    params = _params(**values)
    shape = jnp.broadcast_shapes(*(value.shape for value in params.values()))
    params = {name: jnp.broadcast_to(value, shape) for name, value in params.items()}
    lengths = (-(-int(params["steps"].max()) // stride) * stride,)

    def simulate(params: dict[str, jax.Array]) -> dict[str, jax.Array]:
        return model.simulate(params, jax.random.key(seed), lengths=lengths, stride=stride)

    run = jax.jit(jax.vmap(simulate) if shape else simulate)
    return {name: np.asarray(value) for name, value in run(params).items()}


@pytest.mark.parametrize("settings", [{}, {"eps": 1e-3}, {"weight_decay": 0.1, "learning_rate": 0.01}])
def test_update_is_that_of_optax(settings: dict[str, float]) -> None:
    seed, steps = 3, 200
    record = _record(Adam("quadratic"), seed, stride=1, steps=steps, **settings)
    params = _params(**settings)
    adam = optax.scale_by_adam(b1=0.9, b2=0.999, eps=settings.get("eps", 0.0))
    theta = jax.random.normal(jax.random.split(jax.random.key(seed))[0], (8,))

    def update(carry: tuple, _: None) -> tuple:
        theta, state = carry
        u, state = adam.update(jax.grad(quadratic_loss)(theta), state)
        theta = theta - params["learning_rate"] * (params["weight_decay"] * theta + u)
        return (theta, state), jnp.log(jnp.max(jnp.abs(u)))

    _, expected = jax.lax.scan(update, (theta, adam.init(theta)), None, length=steps)
    np.testing.assert_allclose(record["log_max_update"][1:], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("problem", ["adversarial", "embedding", "dense", "quadratic"])
def test_no_update_exceeds_the_bounds(problem: str) -> None:
    size = 400 if problem == "adversarial" else 60
    draw = np.random.default_rng(0).uniform(np.log(1e-3), np.log(0.99), (2, size))
    beta1, beta2 = 1 - np.exp(draw)
    beta2[:10] = beta1[:10]
    beta2[10:20] = beta1[10:20] ** 2
    measured = _record(Adam(problem), beta1=beta1, beta2=beta2, steps=100)["log_max_update"][:, 1:]
    step = np.arange(10, 101, 10)
    points = {"beta1": beta1[:, None], "beta2": beta2[:, None], "step": step}
    discrete, continuous = (
        np.log(get_claim(f"adam.update_bound_{kind}").predict(**points)) for kind in ("discrete", "continuous")
    )
    assert np.all(measured <= discrete + 1e-10)
    assert np.all(discrete <= continuous + 1e-10)
    if problem == "adversarial":
        np.testing.assert_allclose(measured, discrete, rtol=0, atol=1e-10)


def test_both_sides_of_the_boundary() -> None:
    beta2 = np.array([0.1, 0.5, 0.9])
    onset = get_claim("adam.stability_boundary").predict(beta2=beta2)
    settings = {"beta2": beta2, "learning_rate": 1.0, "steps": 50_000}
    below = _record(Adam("adversarial"), stride=50_000, beta1=onset * 0.999, **settings)
    above = _record(Adam("adversarial"), stride=50_000, beta1=onset * 1.005, **settings)
    assert np.all(below["outcome"] == Outcome.FINISHED)
    assert np.all(above["outcome"] == Outcome.DIVERGED)


@pytest.mark.parametrize(("problem", "follows"), [("embedding", True), ("dense", False), ("quadratic", False)])
def test_silent_coordinates_grow_at_the_rate(problem: str, follows: bool) -> None:
    """Between the two boundaries (C < 0 < log(sqrt(beta2)/beta1)) nothing grows."""
    beta1, beta2 = np.array([0.95, 0.9, 0.66, 0.3]), np.array([0.1, 0.5, 0.45, 0.12])
    log_max = _record(Adam(problem), beta1=beta1, beta2=beta2, steps=500)["log_max_update"]
    slope = (log_max[:, -1] - log_max[:, -11]) / 100
    rate = np.log(beta1 / np.sqrt(beta2))
    grows = rate > 0
    assert 2 / beta1[3] - 1 / beta2[3] - 1 < 0
    assert np.all(abs(slope[~grows]) < 0.02)
    assert np.allclose(slope[grows & (rate > 0.1)], rate[grows & (rate > 0.1)], rtol=0.01) == follows


def test_runs_do_not_depend_on_the_rounding_of_lengths() -> None:
    model, params, key = Adam("dense"), _params(steps=45, beta1=0.9), jax.random.key(1)
    short = model.simulate(params, key, lengths=(50,), stride=10)["log_max_update"]
    long = model.simulate(params, key, lengths=(80,), stride=10)["log_max_update"]
    np.testing.assert_allclose(short, long[:6], rtol=0, atol=1e-13)
    assert np.isnan(short[0])
    assert np.isfinite(short[1:5]).all()
    assert np.isnan(long[5:]).all()


@pytest.mark.parametrize("problem", ["adversarial", "embedding", "dense", "quadratic"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(problem: str, dtype: str) -> None:
    record = Adam(problem).simulate(_params(dtype, steps=20), jax.random.key(0), lengths=(20,), stride=5)
    assert record["log_max_update"].dtype == dtype
    assert record["outcome"].dtype == "int8"
    assert np.isfinite(record["log_max_update"][1:]).all()


def test_growth_is_exact_in_float32_too() -> None:
    """e^1000 is far beyond float32, and so is v: only logarithms of both are kept."""
    values = {"beta1": 0.9, "beta2": 0.02, "steps": 600}
    logs = [
        Adam("adversarial").simulate(_params(d, **values), jax.random.key(0), lengths=(600,), stride=600)
        for d in ("float32", "float64")
    ]
    single, double = (float(record["log_max_update"][-1]) for record in logs)
    assert double > 1000
    assert single == pytest.approx(double, rel=1e-4)


def test_beta1_of_zero_is_sign_like() -> None:
    record = _record(Adam("quadratic"), beta1=0.0, beta2=0.5, steps=20, stride=1)
    assert np.isfinite(record["log_max_update"][1:]).all()
    assert record["log_max_update"][1] == pytest.approx(0.0, abs=1e-12)


def test_a_bad_run_does_not_hurt_its_neighbour() -> None:
    learning_rate = np.array([np.nan, 1e-3])
    record = _record(Adam("quadratic"), learning_rate=learning_rate, steps=50)
    alone = _record(Adam("quadratic"), steps=50)
    assert list(record["outcome"]) == [Outcome.DIVERGED, Outcome.FINISHED]
    np.testing.assert_allclose(record["log_max_update"][1], alone["log_max_update"], rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"problem": "embeding"}, "embedding"),
        ({"problem": "dense", "activation": "tan"}, "tanh"),
        ({"size": 0}, "at least 1"),
    ],
)
def test_mistakes_are_answered_with_the_remedy(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        Adam(**settings)


def test_adversarial_needs_momentum() -> None:
    with pytest.raises(UsageError, match="beta1 > 0"):
        Adam("adversarial").check({"beta1": np.array([0.0])}, frozenset({"beta1"}))
