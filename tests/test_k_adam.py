"""k-Adam against optax and an independent reference; its constants, masks, schedules, monitor; its models."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from documented import run_page

from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.errors import UsageError
from toymodels.models import get_model
from toymodels.models.adam import quadratic_loss
from toymodels.optimisers import (
    CHOICES,
    k_adam,
    max_update,
    monitor_max_update,
    optimiser_by_name,
    scale_by_k_adam,
    stage_constants,
)

GRADIENTS = np.random.default_rng(0).normal(size=(25, 3)) * [1.0, 1e-3, 30.0]


def _outputs(transformation: optax.GradientTransformation, gradients: np.ndarray = GRADIENTS) -> np.ndarray:
    """The updates that it makes of these gradients."""

    def update(state: tuple, gradient: jax.Array) -> tuple:
        change, state = transformation.update(gradient, state)
        return state, change

    gradients = jnp.asarray(gradients)
    return np.asarray(jax.lax.scan(update, transformation.init(gradients[0]), gradients)[1])


def _trajectory(optimiser: optax.GradientTransformation, steps: int = 30) -> jax.Array:
    theta = jnp.linspace(-1.0, 2.0, 5)

    def update(carry: tuple, _: None) -> tuple:
        theta, state = carry
        change, state = optimiser.update(jax.grad(quadratic_loss)(theta), state, theta)
        return (optax.apply_updates(theta, change), state), theta

    return jax.lax.scan(update, (theta, optimiser.init(theta)), None, length=steps)[1]


def _reference(beta1: list[float], beta2: list[float], eps: float, gradients: np.ndarray = GRADIENTS) -> np.ndarray:
    """u^k by explicit weighted means over all inputs so far; no recursion."""
    inputs = gradients
    for b1, b2 in zip(beta1, beta2, strict=True):
        outputs = []
        for n in range(1, len(inputs) + 1):
            weights = [np.array([b ** (n - j) for j in range(1, n + 1)]) for b in (b1, b2)]
            mean, square = (
                np.einsum("j,jc->c", w, x) / w.sum()
                for w, x in zip(weights, (inputs[:n], inputs[:n] ** 2), strict=True)
            )
            outputs.append(mean / (np.sqrt(square) + eps))
        inputs = np.array(outputs)
    return inputs


@pytest.mark.parametrize("eps", [0.0, 0.1])
@pytest.mark.parametrize("choice", CHOICES)
@pytest.mark.parametrize("k", [1, 2, 4])
def test_updates_are_those_of_the_reference(k: int, choice: str, eps: float) -> None:
    beta1, beta2 = stage_constants(0.9, k, choice), stage_constants(0.99, k, choice)
    expected = _reference(list(beta1), list(beta2), eps)
    whole = k_adam(-1.0, k, beta1=0.9, beta2=0.99, choice=choice, eps=eps)
    np.testing.assert_allclose(_outputs(whole), expected, rtol=1e-10)


def test_every_stage_may_have_its_own_constants() -> None:
    beta1, beta2 = [0.9, 0.0, 0.5], [0.99, 0.9, 0.999]
    expected = _reference(beta1, beta2, 0.0)
    rests = {"rest1": [1 - b for b in beta1], "rest2": [1 - b for b in beta2]}
    for given in ({"beta1": beta1, "beta2": beta2}, rests, {"beta1": jnp.array(beta1), "rest2": rests["rest2"]}):
        np.testing.assert_allclose(_outputs(k_adam(-1.0, eps=0.0, **given)), expected, rtol=1e-9)


@pytest.mark.parametrize("choice", CHOICES)
def test_one_stage_is_adamw(choice: str) -> None:
    settings = {"weight_decay": 0.1}
    schedule = optax.cosine_decay_schedule(0.01, 40)
    for rate in (0.01, schedule) if choice == "split" else (0.01,):
        theirs = _trajectory(optax.adamw(rate, b1=0.9, b2=0.999, **settings))
        ours = _trajectory(k_adam(rate, 1, choice=choice, **settings))
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-14)


@pytest.mark.parametrize("mask", [{"kernel": True, "bias": False}, lambda tree: {"kernel": True, "bias": False}])
def test_masks_and_schedules_of_the_decay_are_those_of_adamw(mask: object) -> None:
    params = {"kernel": jnp.ones(3), "bias": jnp.ones(2)}
    grads = jax.tree.map(lambda x: 0.3 * x, params)
    for decay in (0.1, lambda count: 0.1 / (1 + count)):
        ours = k_adam(0.01, 1, weight_decay=decay, mask=mask)
        theirs = optax.adamw(0.01, weight_decay=decay, mask=mask)
        states, answers = [], []
        for optimiser in (ours, theirs):
            state = optimiser.init(params)
            for _ in range(3):
                change, state = optimiser.update(grads, state, params)
            states.append(state)
            answers.append(change)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-12), *answers)
        assert not np.allclose(answers[0]["kernel"][0], answers[0]["bias"][0])


def test_constants_of_many_runs_at_once() -> None:
    beta1, beta2 = jnp.array([0.0, 0.5, 0.9]), jnp.array([0.9, 0.99, 0.999])
    eps, decay = jnp.array([0.0, 1e-8, 0.1]), jnp.array([0.0, 0.1, 0.2])

    def ours(b1: jax.Array, b2: jax.Array, eps: jax.Array, decay: jax.Array) -> jax.Array:
        return _trajectory(k_adam(0.01, 2, beta1=b1, beta2=b2, eps=eps, weight_decay=decay, choice="split"))

    together = jax.jit(jax.vmap(ours))(beta1, beta2, eps, decay)
    for i in range(3):
        alone = ours(float(beta1[i]), float(beta2[i]), float(eps[i]), float(decay[i]))
        np.testing.assert_allclose(together[i], alone, rtol=0, atol=1e-12)


def test_rests_keep_their_digits_in_float32() -> None:
    rest2 = 1e-5
    exact = _reference([0.9], [1 - rest2], 0.0)
    gradients = GRADIENTS.astype(np.float32)
    given = _outputs(k_adam(-1.0, 1, eps=0.0, rest2=jnp.float32(rest2)), gradients)
    np.testing.assert_allclose(given, exact, rtol=3e-5, atol=1e-6)
    rested = scale_by_k_adam(rest1=[jnp.float32(0.1)], rest2=[jnp.float32(rest2)], eps=0.0)
    rounded = scale_by_k_adam([jnp.float32(0.9)], [jnp.float32(1 - rest2)], eps=0.0)
    state, traced = rested.init(jnp.ones(1, jnp.float32)), rounded.init(jnp.ones(1, jnp.float32))
    for gradient in (jnp.ones(1, jnp.float32), jnp.zeros(1, jnp.float32)):
        state, traced = rested.update(gradient, state)[1], rounded.update(gradient, traced)[1]
    # The average itself (which eps and restarts see) is off by 1e-3 or so where beta2 was rounded.
    assert float(state.v[0][0]) == pytest.approx(rest2 * (1 - rest2), rel=1e-6)
    assert abs(float(traced.v[0][0]) / (rest2 * (1 - rest2)) - 1) > 1e-4


@pytest.mark.parametrize("k", [1, 2, 3])
def test_silent_coordinates_stay_where_they_are(k: int) -> None:
    gradients = GRADIENTS * [1.0, 0.0, 1.0]
    outputs = _outputs(scale_by_k_adam([0.9] * k, [0.999] * k, eps=0.0), gradients)
    assert np.all(outputs[:, 1] == 0)
    assert np.all(np.isfinite(outputs))
    gradients[10, 0] = np.nan
    assert np.isnan(_outputs(scale_by_k_adam([0.9] * k, [0.999] * k, eps=0.0), gradients)[10:, 0]).all()


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
def test_dtypes_stay(dtype: str) -> None:
    params = {"a": jnp.ones(3, dtype)}
    for number in (0.9, jnp.asarray(0.9, "float32" if dtype == "float64" else "float64")):
        optimiser = k_adam(number, 2, beta1=number, eps=number, weight_decay=number, monitor=True)
        state = optimiser.init(params)
        change, after = optimiser.update(params, state, params)
        assert {leaf.dtype for leaf in jax.tree.leaves(change)} == {jnp.dtype(dtype)}
        assert jax.tree.map(lambda x: x.dtype, state) == jax.tree.map(lambda x: x.dtype, after)


def test_it_lives_with_the_wrappers_of_optax() -> None:
    params = {"a": jnp.ones(3), "b": jnp.ones(2)}
    grads = {"a": jnp.array([1.0, -2.0, 3.0]), "b": jnp.ones(2)}
    labels = {"a": "k", "b": "plain"}
    parted = optax.multi_transform({"k": k_adam(0.1, 2, eps=0.0, monitor=True), "plain": optax.sgd(0.1)}, labels)
    change, state = parted.update(grads, parted.init(params), params)
    np.testing.assert_allclose(change["a"], [-0.1, 0.1, -0.1], rtol=1e-12)
    assert float(max_update(state).largest) == pytest.approx(1.0)
    masked = optax.masked(scale_by_k_adam([0.9], [0.99], eps=0.0), {"a": True, "b": False})
    change, _ = masked.update(grads, masked.init(params), params)
    np.testing.assert_allclose(change["a"], np.sign(grads["a"]), rtol=1e-12)
    np.testing.assert_allclose(change["b"], grads["b"])
    steps = optax.MultiSteps(k_adam(0.1, 2, eps=0.0), every_k_schedule=2)
    state = steps.init(params)
    first, state = steps.update(grads, state, params)
    second, state = steps.update(grads, state, params)
    assert np.all(first["a"] == 0)
    np.testing.assert_allclose(second["a"], [-0.1, 0.1, -0.1], rtol=1e-12)
    injected = optax.inject_hyperparams(k_adam, static_args=("k",))(learning_rate=0.1, k=2, eps=0.0)
    change, _ = injected.update(grads, injected.init(params), params)
    np.testing.assert_allclose(change["a"], [-0.1, 0.1, -0.1], rtol=1e-6)
    with pytest.raises(UsageError, match="static_args"):
        optax.inject_hyperparams(k_adam)(learning_rate=0.1, k=2).init(params)


def test_the_monitor_remembers_the_largest_update() -> None:
    monitor = optax.chain(scale_by_k_adam([0.9], [0.9], eps=0.0), monitor_max_update())
    state, seen = monitor.init(jnp.zeros(3)), []
    for gradient in GRADIENTS:
        change, state = monitor.update(jnp.asarray(gradient), state)
        seen.append(float(jnp.max(jnp.abs(change))))
        assert float(max_update(state).latest) == seen[-1]
    assert float(max_update(state).largest) == max(seen)
    assert int(max_update(state).step) == 1 + int(np.argmax(seen))
    _, state = monitor.update(jnp.array([jnp.nan, 0.0, 0.0]), state)
    assert np.isnan(float(max_update(state).largest))
    assert int(max_update(state).step) == 1 + len(GRADIENTS)
    with pytest.raises(UsageError, match="monitor=True"):
        max_update(k_adam(0.1).init(jnp.zeros(3)))


def test_stage_constants() -> None:
    assert stage_constants(0.9, 3) == (0.9, 0.9, 0.9)
    assert stage_constants(0.9, 2, "first") == (0.9, 0.0)
    assert np.prod(stage_constants(0.9, 3, "root")) == pytest.approx(0.9)
    assert np.prod([1 - b for b in stage_constants(0.9, 3, "split")]) == pytest.approx(0.1)
    assert stage_constants(0.0, 3, "root") == (0.0, 0.0, 0.0)
    signs = _outputs(k_adam(-1.0, 2, beta1=0.0, beta2=0.0, choice="root", eps=0.0))
    np.testing.assert_allclose(signs, np.sign(GRADIENTS), rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "hint"),
    [
        ({"k": 0}, "whole number of at least 1, got 0"),
        ({"k": 2.0}, "whole number"),
        ({"k": True}, "whole number"),
        ({"beta1": 1.0}, r"beta1 must be in \[0, 1\), got 1"),
        ({"beta2": -0.1}, r"beta2 must be in \[0, 1\)"),
        ({"beta2": jnp.float32(1.5)}, r"beta2 must be in \[0, 1\)"),
        ({"beta1": "0.9"}, "must be a number"),
        ({"rest2": 0.0}, r"rest2 .* must be in \(0, 1\]"),
        ({"beta2": 0.9, "rest2": 0.1}, "not both"),
        ({"k": 3, "beta1": [0.9, 0.8]}, "has 2 stage constants but k = 3; give one for each stage"),
        ({"beta1": [0.9, 0.8], "beta2": [0.9, 0.8, 0.7]}, "has 3 stage constants but k = 2"),
        ({"beta1": []}, "0 stage constants"),
        ({"beta1": [0.9, 1.2]}, "got 1.2"),
        ({"beta1": jnp.ones((2, 2))}, "jax.vmap"),
        ({"choice": "uniforn"}, "did you mean uniform"),
        ({"choice": "uniforn", "beta1": [0.9, 0.8], "beta2": [0.9, 0.8]}, "did you mean uniform"),
        ({"eps": -1e-8}, "eps must be a finite number of at least 0"),
        ({"weight_decay": -0.1}, "weight_decay must be a finite number of at least 0"),
        ({"weight_decay": float("nan")}, "weight_decay must be"),
    ],
)
def test_mistakes_are_answered_with_the_remedy(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        k_adam(0.1, **settings)


def test_sequences_of_one_length_are_asked_for() -> None:
    with pytest.raises(UsageError, match="each stage"):
        scale_by_k_adam([0.9], [0.9, 0.99])
    with pytest.raises(UsageError, match="each stage"):
        scale_by_k_adam(0.9, 0.99)


def test_by_name_it_takes_all_of_this() -> None:
    text = "k_adam(k=3, beta1=[0.9, 0.5, 0.0], beta2=0.99, choice='root', eps=0, weight_decay=0.1, monitor=True)"
    beta2 = stage_constants(0.99, 3, "root")
    expected = k_adam(0.01, beta1=[0.9, 0.5, 0.0], beta2=beta2, eps=0, weight_decay=0.1)
    np.testing.assert_allclose(_trajectory(optimiser_by_name(text)(0.01)), _trajectory(expected), atol=1e-14)
    for wrong, hint in (
        ("k_adam(k=0)", "whole number"),
        ("k_adam(beta1=1.5)", r"\[0, 1\)"),
        ("k_adam(k=2, beta1=[0.9])", "1 stage constants"),
        ("k_adam(weight_decay=-1)", "at least 0"),
        ("adam(b1=1.0)", r"b1 must be in \[0, 1\)"),
        ("adamw(weight_decay=-0.1)", "at least 0"),
    ):
        with pytest.raises(UsageError, match=hint):
            optimiser_by_name(wrong)


def test_the_largest_update_attains_the_bound_of_the_last_stage() -> None:
    """Falling inputs (beta2 < beta1) attain it at every step; rising ones in the end."""
    bound = get_claim("adam.update_bound_discrete").predict
    for stages in (1, 2, 3):
        model = get_model("k_adam", gradients="adversarial", stages=stages, size=1, record_every=1)
        before = {"beta1_before": 0.8, "beta2_before": 0.9}
        values = {"beta1": 0.9, "beta2": ("case", [0.85, 0.9, 0.95]), "steps": 600, **before}
        largest = run(Sweep(model, values, seeds=1), progress=False).max_update.isel(seed=0, stage=-1)
        ratio = largest.isel(step=slice(1, None)) / [
            [bound(beta1=0.9, beta2=b, step=n) for n in range(1, 601)] for b in (0.85, 0.9, 0.95)
        ]
        assert float(ratio.max()) < 1 + 1e-12
        np.testing.assert_allclose(ratio.isel(case=[0, 1]), 1, rtol=1e-10)
        assert float(ratio.isel(case=2, step=-1)) > 1 - 1e-7


def test_scale_invariant_weights_and_their_twin() -> None:
    """At beta1 = 0.6 the printed step size is twice too large: cosine 0.8, not 1."""
    model = get_model("adam_twin", dim=32, record_every=1000)
    constants = {"beta1": 0.6, "learning_rate": 0.01, "weight_decay": 0.2}
    rates = np.array(
        [
            get_claim(f"adam.two_adam_rate{end}").predict(
                **{name: value for name, value in constants.items() if not (end and name == "beta1")}
            )
            for end in ("", "_printed")
        ]
    )
    values = {
        **constants,
        "twin_rate": rates,
        "twin_beta2": 0.998**2,
        "initial_norm": 0.01 * 32**0.5 / rates[1],
        "steps": 2000,
    }
    found = run(Sweep(model, values, seeds=30), progress=False)
    overlap = found.mean_overlap.isel(step=-1).mean("seed")
    assert float(overlap[0]) == pytest.approx(1.0, abs=1e-3)
    assert float(overlap[1]) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(
    ("name", "settings", "hint"),
    [
        ("k_adam", {"gradients": "norml"}, "did you mean normal"),
        ("k_adam", {"stages": 0}, "at least 1"),
        ("adam_twin", {"dim": 1}, "at least 2"),
        ("adam_twin", {"stages": 0}, "at least 1"),
    ],
)
def test_models_answer_mistakes(name: str, settings: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        get_model(name, **settings)


def test_adversaries_need_both_averages() -> None:
    with pytest.raises(UsageError, match="beta1 > 0"):
        Sweep(get_model("k_adam", gradients="adversarial"), {"beta1": 0.0})


def test_the_documented_example_runs() -> None:
    space = run_page("optimisers.md")
    assert space["loss"](space["theta"]) < 1e-3
    assert (
        1
        < max_update(space["state"]).largest
        < get_claim("adam.update_supremum").predict(beta1=1 - 0.1**0.5, beta2=1 - 0.001**0.5)
    )
