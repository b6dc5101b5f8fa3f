"""Training by k-Adam: the tasks, the model against a plain loop with optax, and what the experiment measures."""

from __future__ import annotations

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr
from jax.flatten_util import ravel_pytree

from runs.adam_k_training import TUNING, best_rates, measure
from toymodels.engine import Sweep, run, simulate_one
from toymodels.errors import UsageError
from toymodels.models import classifiers
from toymodels.models.training import PROBLEMS, Training
from toymodels.outcome import Outcome
from toymodels.tasks import characters as text
from toymodels.tasks.digits import SEED, digits
from toymodels.tasks.supervised import Dataset, Examples, split


@pytest.mark.parametrize("load", [digits, text.characters], ids=["digits", "characters"])
def test_tasks_are_the_same_every_time_and_have_disjoint_parts(load: Any) -> None:
    once = load()
    for function in (load, text.text, text.chain):
        function.cache_clear()
    again = load()
    seen = []
    for part, same in zip(once[:3], again[:3], strict=True):
        np.testing.assert_array_equal(part.x, same.x)
        np.testing.assert_array_equal(part.y, same.y)
        assert len(part.x) == len(part.y) > 100
        assert set(np.unique(part.y)) == set(range(once.classes))
        seen.append(part.x)
    assert np.isfinite(np.concatenate(seen)).all()


def test_a_split_deals_out_every_example_at_most_once() -> None:
    examples = Examples(np.arange(100)[:, None], np.arange(100))
    parts = split(examples, (50, 20, 30), 100, SEED)
    np.testing.assert_array_equal(np.sort(np.concatenate([part.y for part in parts[:3]])), np.arange(100))
    for part in parts[:3]:
        np.testing.assert_array_equal(part.x[:, 0], part.y)
    assert (parts.train.y != np.sort(parts.train.y)).any()


def test_digits_are_the_images_of_scikit_learn() -> None:
    from sklearn.datasets import load_digits

    images = load_digits().data
    ours = np.concatenate([part.x for part in digits()[:3]])
    order = np.lexsort(images.T)
    np.testing.assert_array_equal(images[order], (8 * (ours + 1))[np.lexsort(ours.T)])


def test_the_least_loss_of_the_text_is_its_entropy() -> None:
    """The chain's own probabilities, on the text that it wrote."""
    numbers = np.array([text.ALPHABET.index(letter) for letter in text.text()])
    own = -np.log(text.chain()[numbers[:-2], numbers[1:-1], numbers[2:]])
    assert own.mean() == pytest.approx(text.least_loss(), abs=4 * own.std() / len(own) ** 0.5)
    np.testing.assert_allclose(text.chain().sum(-1), 1)


def _plain(rate: float, decay: float, betas: tuple[float, float], seed: int, steps: int) -> Any:
    """The perceptron in plain jax, trained with optax.adamw on the minibatches of the model's key."""
    key = jax.random.wrap_key_data(jax.random.key_data(jax.random.key(seed)))
    init_key, batch_key = jax.random.split(key)
    train = digits().train
    x, y = jnp.asarray(train.x), jnp.asarray(train.y)
    module = classifiers.Perceptron(classes=10, width=8, normalise="none", param_dtype=jnp.float64)
    first = classifiers.start(init_key, module, x[:1], jnp.float64)["params"]

    def loss(weights: Any, rows: jax.Array) -> jax.Array:
        hidden = jnp.maximum(x[rows] @ weights["Dense_0"]["kernel"] + weights["Dense_0"]["bias"][None], 0)
        logits = hidden @ weights["Dense_1"]["kernel"] + weights["Dense_1"]["bias"][None]
        return optax.softmax_cross_entropy_with_integer_labels(logits, y[rows]).mean()

    optimiser = optax.adamw(rate, *betas, eps=1e-8, weight_decay=decay)

    @jax.jit
    def step(weights: Any, state: Any, n: jax.Array) -> Any:
        rows = jax.random.randint(jax.random.fold_in(batch_key, n), (16,), 0, len(x), jnp.int32)
        value, gradient = jax.value_and_grad(loss)(weights, rows)
        change, state = optimiser.update(gradient, state, weights)
        largest = jnp.abs(ravel_pytree(change)[0] / rate + decay * ravel_pytree(weights)[0]).max()
        return optax.apply_updates(weights, change), state, value, jnp.log(largest)

    weights, state, losses, peaks = first, optimiser.init(first), [], []
    for n in range(steps):
        weights, state, value, peak = step(weights, state, jnp.int32(n))
        losses.append(float(value))
        peaks.append(float(peak))
    test = digits().test
    logits = jnp.maximum(test.x @ weights["Dense_0"]["kernel"] + weights["Dense_0"]["bias"][None], 0)
    logits = logits @ weights["Dense_1"]["kernel"] + weights["Dense_1"]["bias"][None]
    loss_at_end = optax.softmax_cross_entropy_with_integer_labels(logits, jnp.asarray(test.y)).mean()
    return np.array(losses), np.array(peaks), float(loss_at_end), float((logits.argmax(-1) == test.y).mean())


def test_one_stage_is_adamw_of_optax() -> None:
    model = Training(width=8, batch=16, record_every=10)
    values = {"beta1": 0.8, "beta2": 0.99, "learning_rate": 0.01, "weight_decay": 0.1, "eps": 1e-8}
    params = {name: jnp.asarray(value) for name, value in values.items()} | {"steps": jnp.int32(30)}
    record = model.simulate(params, jax.random.key(3), lengths=(30,), stride=10)
    losses, peaks, loss, accuracy = _plain(0.01, 0.1, (0.8, 0.99), 3, 30)
    np.testing.assert_allclose(record["train_loss"][1:], losses.reshape(3, 10).mean(1), rtol=1e-8)
    np.testing.assert_allclose(record["log_max_update"][1:], peaks[9::10], rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(record["log_peak_update"][1:], np.maximum.accumulate(peaks)[9::10], atol=1e-8)
    assert float(record["test_loss"][-1]) == pytest.approx(loss, rel=1e-8)
    assert float(record["test_accuracy"][-1]) == pytest.approx(accuracy)


SMALL = Training(width=8, batch=8, record_every=20)


@functools.cache
def _compiled(model: Training) -> Any:
    """One run of up to 40 steps."""
    return jax.jit(lambda params, key: model.simulate(params, key, lengths=(40,), stride=20))


def _record(model: Training, seed: int = 0, steps: int = 40, **values: float) -> dict[str, np.ndarray]:
    params = {p.name: jnp.asarray(values.get(p.name, p.default), "float64") for p in model.parameters}
    params["steps"] = jnp.int32(steps)
    return {name: np.asarray(value) for name, value in _compiled(model)(params, jax.random.key(seed)).items()}


def test_betas_are_swept_together_as_one_by_one() -> None:
    values = {"beta1": [0.0, 0.5, 0.95], "beta2": [0.9, 0.999], "learning_rate": 0.01, "steps": 40}
    together = run(Sweep(SMALL, values, seeds=2), progress=False)
    for beta1, beta2, seed in ((0.0, 0.999, 0), (0.95, 0.9, 1)):
        one = simulate_one(SMALL, values | {"beta1": beta1, "beta2": beta2}, seed)
        for name, value in one.items():
            kept = together[name].sel(beta1=beta1, beta2=beta2, seed=seed).values
            np.testing.assert_allclose(kept, value, rtol=1e-8, atol=1e-10, err_msg=name)
    final = together.test_loss.isel(step=-1)
    assert len(np.unique(final)) == final.size
    assert (together.log_peak_update.isel(step=-1).sel(beta1=0.0, beta2=0.9) <= np.log(10**0.5) + 1e-9).all()


def test_a_falling_rate_ends_at_zero_and_shorter_runs_are_masked() -> None:
    """Half of a run with a falling rate is not a run of half the length; NaN marks records after the end."""
    falling = dataclasses.replace(SMALL, schedule="linear")
    short, long = (_record(falling, steps=steps)["test_loss"] for steps in (20, 40))
    assert np.isnan(short[2])
    assert short[1] != long[1]
    constant = [_record(SMALL, steps=steps)["test_loss"] for steps in (20, 40)]
    np.testing.assert_array_equal(constant[0][:2], constant[1][:2])
    assert np.isfinite(constant[1]).all()


@pytest.mark.parametrize(
    ("static", "rate"),
    [
        ({"problem": "perceptron", "width": 16, "k": 3, "choice": "split"}, 0.005),
        ({"problem": "conv", "width": 4, "normalise": "layer"}, 0.02),
        ({"problem": "characters", "width": 8, "normalise": "rms"}, 0.02),
    ],
    ids=["perceptron", "conv", "characters"],
)
def test_each_problem_is_learned(static: dict, rate: float) -> None:
    model = Training(batch=8, record_every=60, **static)
    data = run(Sweep(model, {"learning_rate": rate, "steps": 120}, seeds=2, dtype="float32"), progress=False)
    first, last = data.test_loss.isel(step=0), data.test_loss.isel(step=-1)
    assert (last < 0.9 * first).all()
    assert (data.train_loss.isel(step=-1) < data.train_loss.isel(step=1)).all()
    assert (data.test_accuracy.isel(step=-1) > data.test_accuracy.isel(step=0) + 0.1).all()
    assert (data.outcome == Outcome.FINISHED).all()
    if static["problem"] == "characters":
        assert (last > text.least_loss()).all()


def test_a_normalised_layer_does_not_see_the_size_of_its_weights() -> None:
    x = jnp.asarray(digits().train.x[:5])
    for kind, invariant in (("none", False), ("layer", True), ("rms", True)):
        for net in (classifiers.Perceptron, classifiers.Conv):
            module = net(classes=10, width=4, normalise=kind, param_dtype=jnp.float64)
            weights = classifiers.start(jax.random.key(0), module, x, jnp.float64)
            larger = jax.tree.map(lambda w: w, weights)
            larger["params"]["Dense_0"]["kernel"] = 3 * weights["params"]["Dense_0"]["kernel"]
            same = np.allclose(module.apply(weights, x), module.apply(larger, x), rtol=1e-3)
            assert same == invariant, (kind, net)


@pytest.mark.parametrize("static", [{"normalise": "rms"}, {"problem": "conv", "width": 4, "normalise": "layer"}, {}])
def test_the_length_of_the_first_kernel_is_balanced_by_what_is_recorded(static: dict) -> None:
    rate, decay = 0.01, 0.5
    values = {"steps": 3, "eps": 0.0, "learning_rate": rate, "weight_decay": decay}
    data = run(Sweep(Training(**static, watch="norm", record_every=1), values, seeds=2), progress=False)
    np.testing.assert_allclose(data.mean_square_norm.sel(step=[1, 2, 3]), data.square_norm.sel(step=[1, 2, 3]))
    first = data.sel(step=1)
    entries = first.mean_square_update  # the first update is sign(g)
    np.testing.assert_allclose(entries, np.round(entries))
    rho = 1 - rate * decay  # and its overlap with W is all from the gradient of that step
    change = -2 * rate * rho * first.mean_fresh_overlap + rate**2 * first.mean_square_update
    np.testing.assert_allclose(first.square_norm, rho**2 * data.square_norm.sel(step=0) + change, rtol=1e-12)


def test_filters_on_patches_are_a_convolution() -> None:
    x = jax.random.normal(jax.random.key(0), (2, 6, 6, 3))
    kernel = jax.random.normal(jax.random.key(1), (3, 3, 3, 5))
    expected = jax.lax.conv_general_dilated(x, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    np.testing.assert_allclose(classifiers.patches(x) @ kernel.reshape(27, 5), expected, atol=1e-10)


def test_the_transformer_does_not_see_what_comes_later() -> None:
    data: Dataset = text.characters()
    module = classifiers.Transformer(classes=data.classes, width=8, normalise="layer", param_dtype=jnp.float64)
    x = jnp.asarray(data.train.x[:1])
    weights = classifiers.start(jax.random.key(0), module, x, jnp.float64)
    changed = x.at[0, 9].set((x[0, 9] + 1) % data.classes)
    differs = np.abs(np.asarray(module.apply(weights, x)) - np.asarray(module.apply(weights, changed))).max((0, 2)) > 0
    np.testing.assert_array_equal(differs, np.arange(x.shape[1]) >= 9)


@pytest.mark.parametrize(
    ("static", "parameters", "words"),
    [
        ({"problem": "perceptrons"}, {}, "did you mean perceptron"),
        ({"normalise": "batch"}, {}, "normalise of training"),
        ({"choice": "rot"}, {}, "did you mean root"),
        ({"schedule": "linnear"}, {}, "did you mean linear"),
        ({"k": 0}, {}, "k must be a whole number >= 1"),
        ({"batch": 0}, {}, "batch must be"),
        ({"problem": "characters", "width": 7}, {}, "even width"),
        ({"watch": "norm", "k": 2}, {}, "perceptron and conv with k = 1"),
        ({"watch": "norms"}, {}, "did you mean norm"),
        ({}, {"beta1": 1.0}, "outside its domain"),
        ({}, {"beta2": -0.1}, "outside its domain"),
        ({}, {"weight_decay": -0.1}, "outside its domain"),
    ],
)
def test_bad_settings_are_refused(static: dict, parameters: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Sweep(Training(**static), parameters)


def test_every_problem_is_documented() -> None:
    for name in (*PROBLEMS, *classifiers.NORMS):
        assert f'"{name}"' in (Training.__doc__ or "")


def test_the_best_rate_is_the_vertex_of_a_parabola() -> None:
    log_rates = np.log(2.0 ** np.arange(-6, 1))
    for best in (-3.1, -1.7):
        losses = np.exp(0.3 * (log_rates - best) ** 2)
        np.testing.assert_allclose(best_rates(losses, log_rates), best, atol=1e-12)
    assert best_rates(np.exp(-log_rates), log_rates) == pytest.approx(log_rates[-1])
    assert best_rates(np.array([1, 0.5, 0.2, 0.6, np.nan, np.nan, np.inf]), log_rates) == pytest.approx(
        log_rates[2], abs=0.7
    )


def _planted(accuracy: float, loss: float, shift: float) -> xr.Dataset:
    """Records of 36 seeds with a best rate, and accuracies and losses there that scatter by seed alike in all sets."""
    rates = 2.0 ** np.arange(-10, -2)
    scatter = 1e-3 * np.random.default_rng(1).normal(size=36)
    curve = np.exp(0.2 * (np.log(rates) - np.log(2.0**-6) - shift) ** 2)
    dims, shape = ("learning_rate", "seed", "step"), (8, 36, 2)
    full = lambda x: (dims, np.broadcast_to(x[..., None], shape).copy())  # noqa: E731
    values = {
        "train_loss": full(np.ones((8, 36))),
        "validation_loss": full(loss * curve[:, None] * (1 + scatter)),
        "test_loss": full(loss * curve[:, None] * (1 + scatter)),
        "test_accuracy": full(accuracy + scatter[None] - 0.1 * np.log(curve)[:, None]),
    }
    return xr.Dataset(values, {"learning_rate": rates, "step": [0, 10], "seed": np.arange(36)})


def test_planted_gains_and_ratios_are_measured() -> None:
    planted = {
        "uniform": (0.96, 0.12, 1.0),
        "root": (0.95, 0.15, 2.0),
        "split": (0.98, 0.08, 0.5),
        "first": (0.97, 0.1, 0),
    }
    raw = {"1_uniform": _planted(0.97, 0.1, 0.0)}
    raw |= {f"2_{choice}": _planted(a, x, -shift) for choice, (a, x, shift) in planted.items()}
    found = measure(raw)
    for choice, (accuracy, loss, shift) in planted.items():
        tuned = found["tuned"].sel(choice=choice)
        # The grid's nearest rate to the planted one costs this much.
        off = np.log(float(tuned.tuned_rate.sel(k=2)) / 2.0**-6) + shift
        assert abs(off) <= np.log(2) / 2 + 1e-9
        gains = found["gains"].sel(choice=choice)
        assert float(gains.accuracy_gain) == pytest.approx(accuracy - 0.02 * off**2 - 0.97, abs=1e-9)
        assert float(gains.loss_gain) == pytest.approx(np.log(0.1 / loss) - 0.2 * off**2, abs=1e-9)
        assert float(found["rates"].rate_ratio.sel(choice=choice)) == pytest.approx(np.exp(shift), rel=1e-6)
    most, low, high = (
        found["most"].sel(k=2),
        *(np.sort(found["gains"][f"loss_gain_{end}"])[1] for end in ("low", "high")),
    )
    assert low < np.sort(found["gains"].loss_gain)[1] < high
    np.testing.assert_allclose(
        [most.loss_gain - most.loss_gain_error, most.loss_gain + most.loss_gain_error], [low, high]
    )
    assert found["tuned"].sizes["seed"] == 36 - TUNING
