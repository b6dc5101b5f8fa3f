"""Adam against optax and against its bounds."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import xarray as xr

from runs.adam_level_shares import share
from runs.adam_normal_curve import slope_at
from runs.adam_slopes import ratio_of_averages, slopes
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.errors import UsageError
from toymodels.models import get_model
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


def _over_the_square(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Points all over the square and very near to the boundary of stability."""
    rng = np.random.default_rng(0)
    beta1, beta2 = np.exp(-(10 ** rng.uniform(-4, 0.5, (2, count))))
    near = count // 3
    beta2[:near] = beta1[:near] ** 2 * np.exp(10 ** rng.uniform(-8, -1, near) * rng.choice([-1, 1], near))
    keep = beta2 < 1
    return beta1[keep], beta2[keep]


def test_the_error_of_a_slope_covers_what_is_left_of_it() -> None:
    beta1, beta2 = _over_the_square(1500)
    model = get_model("adam", problem="adversarial", record_every=50)
    raw = run(Sweep(model, {"beta1": ("point", beta1), "beta2": ("point", beta2), "steps": 500}, seeds=1))
    found = slopes(raw.isel(seed=0))
    rate = np.log(beta1 / np.sqrt(beta2))
    off = abs(found.growth_rate - np.maximum(rate, 0)).values
    assert np.all(off <= found.error)
    # It is no blank cheque: two to six times what is left, where that is more than rounding.
    assert np.all((found.error.values < 6 * off) | (off < 1e-8))
    clear = rate * 500 > 10
    assert np.all(off[clear] < 1e-6 * rate[clear])
    last = ratio_of_averages(raw).isel(seed=0, step=[-3, -2, -1]).diff("step") / 50
    half_difference = abs(last.diff("step")).isel(step=0)
    assert (off > half_difference).any(), "the difference of two slopes would be no bound"


def test_slopes_that_do_not_settle_have_no_limit() -> None:
    step = np.arange(0, 501, 50)
    rising = xr.Dataset({"log_max_update": ("step", step**2 / 1000.0)}, {"step": step, "beta1": 0.5, "beta2": 0.5})
    assert slopes(rising).error == np.inf


@pytest.mark.parametrize("problem", ["adversarial", "embedding"])
def test_slope_after_finitely_many_steps(problem: str) -> None:
    """Near (1, 0.95) the correction of the bias still changes at step 500: the slope is 7 % below the exact rate."""
    beta1 = np.array([0.99, 0.995, 0.9995])
    beta2 = get_claim("adam.normal_curve").predict(beta1=beta1, beta1_start=0.9, beta2_start=0.999)
    seeds = 1 if problem == "adversarial" else 40
    model = get_model("adam", problem=problem, record_every=10)
    found = slope_at(run(Sweep(model, {"beta1": beta1, "beta2": ("beta1", beta2), "steps": 600}, seeds=seeds)))
    for claim in ("adam.bound_slope", "adam.silent_slope"):
        predicted = get_claim(claim).predict(beta1=beta1, beta2=beta2, step=500)
        np.testing.assert_allclose(found.slope.median("seed"), predicted, rtol=2e-3)
    rate = get_claim("adam.growth_rate").predict(beta1=beta1, beta2=beta2)
    assert found.slope.median("seed")[-1] < 0.95 * rate[-1]


def test_updates_on_both_boundaries() -> None:
    """As sqrt(n) where beta1 = sqrt(beta2); a plateau where C = 0."""
    beta1, steps = np.array([0.5, 0.9, 0.99]), 2000
    points = {"beta1": beta1[:, None], "step": np.array([1000, 2000])}
    marginal, balanced = (
        np.exp(_record(Adam("adversarial"), stride=1000, beta1=beta1, beta2=b2, steps=steps)["log_max_update"][:, 1:])
        for b2 in (beta1**2, beta1 / (2 - beta1))
    )
    np.testing.assert_allclose(marginal, get_claim("adam.marginal_update").predict(**points), rtol=1e-9)
    bound = get_claim("adam.marginal_update_continuous").predict(**points)
    assert np.all(balanced <= bound * (1 + 1e-10))
    assert np.all(balanced[:2, 1] / balanced[:2, 0] < 1.01)
    assert np.all(bound[:, 1] / bound[:, 0] > 1.4)


def test_normal_curve_crosses_level_sets_at_right_angles() -> None:
    point, small = {"beta1_start": 0.93, "beta2_start": 0.97}, 1e-6
    index = float(get_claim("adam.stability_index").predict(beta1=0.93, beta2=0.97))
    along = (get_claim("adam.level_set").predict(index=index, beta2=0.97 + small) - 0.93, small)
    across = (small, get_claim("adam.normal_curve").predict(beta1=0.93 + small, **point) - 0.97)
    cosine = np.dot(along, across) / np.linalg.norm(along) / np.linalg.norm(across)
    assert abs(cosine) < 1e-4
    assert get_claim("adam.stability_index").predict(beta1=0.93 + along[0], beta2=0.97 + small) == pytest.approx(index)


def test_share_of_a_coordinate() -> None:
    """Noise of the seeds, shared by all points or not, is no variance over points."""
    rng = np.random.default_rng(0)
    first, second = (grid.ravel() for grid in np.meshgrid(np.arange(5.0), np.arange(5.0)))
    noise = rng.normal(size=(25, 400)) + 3 * rng.normal(size=400)
    for weight in (0.0, 1.0, 2.0):
        values = (np.sin(first) + weight * np.cos(second))[:, None] + noise
        true = np.var(np.sin(first)) / np.var(np.sin(first) + weight * np.cos(second))
        estimate, error = share(values, first, degree=4)
        assert abs(estimate - true) < error
        assert 0.01 < error < 0.3
    # Over many experiments with few seeds the variances are right on average, not too large by the noise.
    found = [share(rng.normal(size=(25, 6)) + np.sin(first)[:, None], second, degree=4)[0] for _ in range(60)]
    assert abs(np.median(found)) < 0.05


def _updates_of(gradients: np.ndarray, beta1: float, beta2: float) -> np.ndarray:
    """|m|/sqrt(v) after every step (the first axis), by the definition; NaN before the first gradient."""
    m = v = np.zeros(gradients.shape[1:])
    found = []
    for gradient in gradients:
        m, v = beta1 * m + (1 - beta1) * gradient, beta2 * v + (1 - beta2) * gradient**2
        found.append(abs(m) / np.sqrt(np.where(v > 0, v, np.nan)))
    return np.array(found)


@pytest.mark.parametrize(("beta1", "beta2"), [(0.9, 0.99), (0.95, 0.8), (0.5, 0.9)])
@pytest.mark.parametrize("period", [1, 3, 10])
def test_gradients_at_regular_times(beta1: float, beta2: float, period: int) -> None:
    gradients = (np.arange(2000) % period == 0).astype(float)
    largest = _updates_of(gradients, beta1, beta2)[-10 * period :].max()
    predicted = get_claim("adam.periodic_update").predict(beta1=beta1, beta2=beta2, period=period)
    assert largest == pytest.approx(predicted, rel=1e-6)


def test_gradients_at_random_times_give_updates_a_heavy_tail() -> None:
    beta1, beta2, hit, silent = 0.9, 0.7, 0.1, 10
    rate = get_claim("adam.growth_rate").predict(beta1=beta1, beta2=beta2, step=300)
    exponent = get_claim("adam.update_tail").predict(beta1=beta1, beta2=beta2, hit=hit)
    hits = np.random.default_rng(0).random((300, 40_000)) < hit
    last = np.log(_updates_of(hits.astype(float), beta1, beta2)[-1])
    # Just after a gradient the update is at most 1, as both averages see gradients of one size.
    low = np.nanmax(last[hits[-1]])
    above, beyond = (last > low).sum(), (last > low + silent * rate).sum()
    predicted = np.exp(-exponent * silent * rate)
    assert abs(beyond / above - predicted) < 4 * np.sqrt(predicted / above)
    assert above > 1000


def test_no_other_past_makes_the_update_larger() -> None:
    beta1, beta2, steps = 0.9, 0.7, 12
    best = get_claim("adam.saturating_gradients").predict(beta1=beta1, beta2=beta2, lag=np.arange(steps)[::-1])
    rng = np.random.default_rng(0)
    others = best[:, None] * (1 + 0.01 * rng.normal(size=(steps, 1000)))
    assert _updates_of(others, beta1, beta2)[-1].max() < _updates_of(best, beta1, beta2)[-1]
