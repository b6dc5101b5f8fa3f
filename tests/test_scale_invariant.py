"""Scale-invariant losses, AdamW on them, and the laws of their norm and turning."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theory.errors import ClaimUsageError
from theory.registry import get_claim
from toymodels.errors import UsageError
from toymodels.models.scale_invariant import ScaleInvariant
from toymodels.tasks import sphere

KEY = jax.random.key(0)


def _record(model: ScaleInvariant, stride: int, seeds: int = 1, **values: float) -> dict[str, np.ndarray]:
    """Records of runs over seeds and a broadcast array of values, shape (seeds, ..., records)."""
    merged = {parameter.name: parameter.default for parameter in model.parameters} | values
    params = {name: jnp.asarray(value, "int32" if name == "steps" else "float64") for name, value in merged.items()}
    shape = jnp.broadcast_shapes(*(value.shape for value in params.values()))
    params = {name: jnp.broadcast_to(value, (seeds, *shape)).reshape(-1) for name, value in params.items()}
    keys = jnp.repeat(jax.vmap(jax.random.key)(jnp.arange(seeds)), int(np.prod(shape)))
    steps = int(params["steps"].max())
    run = jax.jit(jax.vmap(lambda p, k: model.simulate(p, k, lengths=(steps,), stride=stride)))
    found = run(params, keys)
    return {name: np.asarray(value).reshape((seeds, *shape, *value.shape[1:])) for name, value in found.items()}


@pytest.mark.parametrize("aligned", [False, True])
def test_every_loss_ignores_the_scale_of_the_weights(aligned: bool) -> None:
    form = sphere.quadratic_form(KEY, sphere.log_spectrum(8), aligned)
    np.testing.assert_allclose(np.linalg.eigvalsh(form), np.geomspace(0.01, 1, 8), rtol=1e-12)
    weights = sphere.start(KEY, 8, 2.0, jnp.float64)
    drawn = sphere.step_noise(KEY, 8, 0.5, jnp.float64)
    g = sphere.step_gradient(weights, form, 0.7, 0.3, drawn)
    assert float(jnp.linalg.norm(weights)) == pytest.approx(2.0)
    assert abs(float(weights @ g)) < 1e-15
    np.testing.assert_allclose(sphere.step_gradient(3 * weights, form, 0.7, 0.3, drawn), g / 3, rtol=1e-12)
    w = sphere.direction(weights)
    both = 0.7 * form @ w + 0.3 * drawn
    np.testing.assert_allclose(g, (both - (both @ w) * w) / 2.0, rtol=1e-12, atol=1e-15)


def test_the_size_of_the_noise_keeps_its_mean_square() -> None:
    keys = jax.random.split(KEY, 20_000)
    drawn = jax.vmap(lambda key: sphere.step_noise(key, 4, 0.5, jnp.float64))(keys)
    squares = np.asarray(jnp.mean(drawn**2, axis=1))
    assert squares.mean() == pytest.approx(1.0, abs=0.03)
    # fourth moment of s_n: e^(4 tail^2); the mean of four squared normal numbers has 1 + 2/4.
    assert (squares**2).mean() == pytest.approx(np.e * 1.5, rel=0.2)


def test_the_update_is_that_of_optax() -> None:
    model, steps = ScaleInvariant(dim=8), 50
    settings = {"weight_decay": 0.3, "eps": 1e-3, "noise": 0.5}
    record = _record(model, 1, steps=steps, **settings)
    form_key, start_key, noise_key = jax.random.split(jax.random.key(0), 3)
    form = sphere.quadratic_form(form_key, sphere.log_spectrum(8))
    weights = sphere.start(start_key, 8, 1.0, jnp.float64)
    optimiser = optax.adamw(0.01, b1=0.9, b2=0.999, eps=1e-3, weight_decay=0.3)
    state = optimiser.init(weights)

    @jax.jit
    def update(weights: jax.Array, state: tuple, n: int) -> tuple:
        drawn = sphere.step_noise(jax.random.fold_in(noise_key, n), 8, 0.0, jnp.float64)
        change, state = optimiser.update(sphere.step_gradient(weights, form, 1.0, 0.5, drawn), state, weights)
        return weights + change, state

    squares = [1.0]
    for n in range(steps):
        weights, state = update(weights, state, n)
        squares.append(float(weights @ weights))
    np.testing.assert_allclose(record["square_norm"][0], squares, rtol=1e-12)


@pytest.mark.parametrize("second_moment", ["scalar", "coordinate"])
def test_the_exact_laws_hold_for_one_v_and_only_there(second_moment: str) -> None:
    record = _record(
        ScaleInvariant(dim=8, second_moment=second_moment), 1, steps=30, beta2=0.9, tail=1.0, initial_norm=3.0
    )
    now = {name: value[0, 2:] for name, value in record.items() if name != "outcome"}
    known = {
        "beta1": 0.9,
        "learning_rate": 0.01,
        "weight_decay": 0.1,
        "previous_square_update": now["sample_previous_square_update"],
        "previous_overlap": now["sample_previous_overlap"],
        "scale_ratio": now.get("sample_scale_ratio", 1.0),
    }
    overlap = get_claim("adam.update_overlap").predict(**known)
    gain = get_claim("adam.norm_gain").predict(**known, square_update=now["sample_square_update"])
    exact = second_moment == "scalar"
    assert np.allclose(now["overlap"], overlap, rtol=0, atol=1e-13) == exact
    assert np.allclose(now["square_norm_gain"], gain, rtol=1e-9, atol=0) == exact


def test_norm_and_turning_follow_the_corrected_law() -> None:
    """Cases that the experiment does not contain; the printed law fails by (1 + beta1)/(1 - beta1)."""
    beta1, weight_decay = np.array([0.0, 0.3, 0.7, 0.93]), 1.5
    record = _record(
        ScaleInvariant(dim=40), 1000, seeds=4, beta1=beta1, beta2=0.98, weight_decay=weight_decay, noise=0.7, steps=2000
    )
    known = {"beta1": beta1, "learning_rate": 0.01, "weight_decay": weight_decay}
    known["mean_square_update"] = record["mean_square_update"][..., -1]
    measured = record["mean_square_norm"][..., -1]
    np.testing.assert_allclose((measured / get_claim("adam.weight_norm").predict(**known)).mean(0), 1, atol=0.02)
    factor = (measured / get_claim("adam.weight_norm_continuous").predict(**known)).mean(0)
    np.testing.assert_allclose(factor, (1 + beta1) / (1 - beta1), rtol=0.25)
    assert np.all(abs(factor[1:] - 1) > 0.5)
    known.pop("mean_square_update")
    turn = np.sqrt(record["mean_square_turn"][..., -1].mean(0))
    np.testing.assert_allclose(turn, get_claim("adam.rotation").predict(**known), rtol=0.02)


def test_axes_as_eigenvectors_break_the_law_and_the_measured_overlap_mends_it() -> None:
    record = _record(ScaleInvariant(dim=32, aligned=True), 2000, seeds=3, weight_decay=0.3, noise=0.03, steps=4000)
    known = {"beta1": 0.9, "learning_rate": 0.01, "weight_decay": 0.3}
    known |= {name: record[name][:, -1] for name in ("mean_square_update", "mean_fresh_overlap")}
    measured = record["mean_square_norm"][:, -1]
    assert np.all(measured > 1.3 * get_claim("adam.weight_norm").evaluate(known).prediction.values)
    assert not get_claim("adam.weight_norm").evaluate(known).in_domain.values.any()
    np.testing.assert_allclose(measured, get_claim("adam.weight_norm_misfit").predict(**known), rtol=0.06)


def test_runs_do_not_depend_on_the_rounding_of_lengths_and_shorter_ones_end_as_nan() -> None:
    model = ScaleInvariant(dim=4, aligned=True)
    values = {p.name: jnp.asarray(p.default) for p in model.parameters} | {"steps": jnp.asarray(25)}
    short, long = (jax.jit(lambda v, n=n: model.simulate(v, KEY, lengths=(n,), stride=10))(values) for n in (30, 50))
    np.testing.assert_allclose(short["square_norm"], long["square_norm"][:4], rtol=1e-12)
    assert np.isfinite(long["square_norm"][:3]).all()
    assert np.isnan(long["square_norm"][3:]).all()


@pytest.mark.parametrize(("settings", "hint"), [({"second_moment": "scalr"}, "scalar"), ({"dim": 1}, "at least 2")])
def test_mistakes_are_answered_with_the_remedy(settings: dict[str, object], hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        ScaleInvariant(**settings)


def test_impossible_numbers_are_refused() -> None:
    model = ScaleInvariant()
    own = {parameter.name: parameter for parameter in model.parameters}
    for name, value in (("weight_decay", -0.1), ("beta1", 1.0), ("beta2", -0.5)):
        with pytest.raises(UsageError, match=f"{name} = .* outside its domain"):
            own[name].check(value, "scale_invariant")
    with pytest.raises(UsageError, match="leaves no gradient"):
        model.check({"noise": np.array([0.0]), "signal": np.array([0.0])}, frozenset())
    known = {"beta1": 0.9, "learning_rate": 0.01, "mean_square_update": 1.0}
    with pytest.raises(ClaimUsageError, match="weight_decay"):
        get_claim("adam.weight_norm").predict(**known, weight_decay=-1.0)
