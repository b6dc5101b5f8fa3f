"""The ghost: its integrators, its training map, both sides of the onset, and its claims."""

from __future__ import annotations

import doctest
import functools
import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from theory.registry import get_claim
from toymodels.engine import Sweep, bisect_onset, run
from toymodels.errors import UsageError
from toymodels.models import Ghost
from toymodels.models.ghost_window import Task, integrate_rescaled, sigmoid, substeps_for
from toymodels.outcome import Outcome

T = 100.0
UNIT_R = np.pi**2 / (4 * T**2)
UNIT_RATE = np.pi**4 / (8 * T**5)
SHARP = {"T": T, "threshold": 400.0, "confidence": 0.25}
CORNERS = [(20.0, 20.0), (20.0, 200.0), (2000.0, 20.0), (2000.0, 200.0), (2e4, 200.0), (1000.0, 0.1)]
"""(threshold T, confidence threshold): both ends of what the laws are tested on, and the published softest."""


def _sweep(model: Ghost, seeds: int = 1, **parameters) -> xr.Dataset:
    return run(Sweep(model, {"T": T, "r0_spread": 0.0, **parameters}, seeds=seeds), progress=False)


def _window(model: Ghost, rho, corner=(2e4, 200.0), **parameters) -> xr.Dataset:
    """Windows without training at r = rho r*."""
    threshold = corner[0] / T
    output = {"threshold": threshold, "confidence": corner[1] / threshold}
    data = _sweep(model, r0_mean=np.asarray(rho) * UNIT_R, steps=0, **output, **parameters)
    return data.isel(seed=0, step=0)


def _names(outcome) -> list[str]:
    return [Outcome(int(code)).name for code in np.ravel(outcome)]


@pytest.mark.parametrize("corner", CORNERS)
def test_halving_the_steps_changes_little(corner: tuple[float, float]) -> None:
    """The lock: a wrong step in time looks exactly like physics."""
    rho = np.concatenate([-np.geomspace(1e4, 1e-3, 40), [0.0], np.geomspace(1e-2, 1e4, 200), np.linspace(0.9, 1.1, 41)])
    coarse, fine, finest = (_window(Ghost(refine=k), rho, corner) for k in (1, 2, 8))
    scale = np.pi / 4 * np.maximum(abs(rho), 0.25) ** -1.5 * UNIT_R**-1.5
    error, half = (np.max(abs(w.gradient - finest.gradient).values / scale) for w in (coarse, fine))
    assert error < 1e-4
    # Order four, until the kink at T decides.
    assert half < error / 6
    assert np.max(abs(coarse.loss - finest.loss)) < 1e-6 * T
    assert "NOT_FINISHED" not in _names(coarse.outcome[rho < 3])


def test_the_gradient_is_that_of_the_loss() -> None:
    task = Task(jnp.asarray(T), jnp.asarray(2.0), jnp.asarray(10.0))
    rho, h = np.array([-3.0, 0.1, 0.4, 0.99, 1.0, 1.5, 20.0]), 1e-5

    def loss(r: jax.Array) -> jax.Array:
        return integrate_rescaled(r, task, 4000, refine=8).loss

    r = jnp.asarray(rho * UNIT_R)
    slope = jax.vmap(lambda r: jax.jvp(loss, (r,), (jnp.ones_like(r),))[1])(r)
    difference = (jax.vmap(loss)(r + h * UNIT_R) - jax.vmap(loss)(r - h * UNIT_R)) / (2 * h * UNIT_R)
    np.testing.assert_allclose(slope, difference, rtol=1e-3, atol=1e-6 * T**3)


def test_the_sigmoid_does_not_overflow() -> None:
    for z in (-1e4, -800.0, 0.0, 800.0, 1e4):
        value, slope = jax.jvp(sigmoid, (jnp.asarray(z),), (jnp.asarray(1.0),))
        assert float(value) == pytest.approx(1 / (1 + np.exp(min(-z, 700.0))), abs=1e-300)
        assert np.isfinite(slope)


def test_euler_is_the_published_scheme() -> None:
    r, dt, threshold, confidence = 2 * UNIT_R, 0.1, 10.0, 1.0
    x, loss = 0.0, 0.0
    for i in range(2000):
        o = 1 / (1 + np.exp(-np.clip(confidence * (x - threshold), -700, 700)))
        loss += dt * (o - (i >= 1000)) ** 2
        x = np.clip(x + dt * (r + x * x), -1e6, 1e6)
    data = _sweep(Ghost("euler"), r0_mean=r, steps=0, threshold=threshold, confidence=confidence, dt=dt)
    assert float(data.loss.squeeze()) == pytest.approx(loss, rel=1e-12)


@pytest.mark.parametrize("corner", CORNERS[:5])
def test_wherever_r_is_thrown_there_is_a_code(corner: tuple[float, float]) -> None:
    rho = np.array([-1e30, -1e13, -1e8, -1e4, -10.0, -1.0, 0.0, 0.2, 1.0, 5.0, 1e4, 1e8, 1e13, 1e30])
    data = _window(Ghost(), rho, corner)
    codes = _names(data.outcome)
    assert codes == ["DIVERGED"] * 2 + ["TRAPPED"] * 6 + ["LEARNED"] + ["NOT_FINISHED"] * 3 + ["DIVERGED"] * 2
    inside = slice(2, -2)
    assert np.isfinite(data.gradient[inside]).all()
    assert np.isinf(data.activation_time[2:8]).all()


def test_bad_rates_do_not_hurt_their_neighbours() -> None:
    settings = {**SHARP, "r0_mean": 1.5 * UNIT_R, "steps": 20}
    rates = [1e-10, 1e-3, 1e300]
    mixed = _sweep(Ghost(), learning_rate=rates, **settings)
    alone = _sweep(Ghost(), learning_rate=rates[:1], **settings)
    np.testing.assert_allclose(mixed.r[0], alone.r[0], rtol=1e-12)
    assert _names(mixed.outcome) == ["LEARNED", "TRAPPED", "DIVERGED"]
    assert np.isfinite(mixed.r).all()


def test_a_window_that_ran_out_of_substeps_is_not_finished() -> None:
    data = _sweep(Ghost(substeps=20), r0_mean=2 * UNIT_R, steps=3, learning_rate=1e-10)
    assert _names(data.outcome) == ["NOT_FINISHED"]
    assert float(data.r.squeeze()[-1]) == pytest.approx(2 * UNIT_R)


def test_estimated_substeps_suffice() -> None:
    rng = np.random.default_rng(0)
    corners = 10 ** rng.uniform([1, -1], [6, 2.5], (30, 2))
    for far, offset in corners:
        values = {"T": np.array(T), "threshold": np.array(far / T), "confidence": np.array(offset * T / far)}
        task = Task(*(jnp.asarray(values[name]) for name in ("T", "confidence", "threshold")))
        r = jnp.asarray(np.concatenate([-np.geomspace(1e-3, 1e6, 30), np.geomspace(1e-3, 1e6, 60)]) * UNIT_R)
        count = int(substeps_for(values, 1))
        windows = jax.vmap(functools.partial(integrate_rescaled, task=task, substeps=count))(r)
        assert windows.complete.all(), (far, offset)


@pytest.mark.parametrize("scheme", ["rescaled", "euler", "euler_maruyama"])
def test_runs_do_not_depend_on_the_rounding_of_lengths(scheme: str) -> None:
    model = Ghost(scheme)
    values = {p.name: 0.0 for p in model.parameters} | {"T": 20.0, "threshold": 10.0, "confidence": 1.0, "dt": 0.1}
    values |= {"learning_rate": 1e-7, "r0_mean": 0.01, "steps": 5}
    values |= {"noise": 1e-5 if scheme == "euler_maruyama" else 0.0}
    params = {name: jnp.asarray(value) for name, value in values.items()}
    inner = int(model.scan_lengths({k: np.array([v]) for k, v in values.items()})[0, 1])
    records = [
        model.simulate(params, jax.random.key(0), lengths=lengths, stride=stride)["r"][::every]
        for lengths, stride, every in (((5, inner), 1, 1), ((8, inner + 70), 1, 1), ((10, inner), 5, 1))
    ]
    np.testing.assert_allclose(records[0], records[1][:6], rtol=1e-12)
    assert np.isnan(records[1][6:]).all()
    np.testing.assert_allclose(records[0][::5], records[2][:2], rtol=1e-12)


def test_noise_is_new_in_every_step_and_belongs_to_the_seed() -> None:
    settings = {"threshold": 10.0, "r0_mean": 2 * UNIT_R, "steps": 2, "learning_rate": 0.0, "noise": 1e-7}
    first, again = (_sweep(Ghost("euler_maruyama"), seeds=3, **settings) for _ in range(2))
    xr.testing.assert_identical(first, again)
    assert len(np.unique(first.loss)) == first.loss.size


@pytest.mark.parametrize(
    ("model", "parameters", "hint"),
    [
        ({"scheme": "rk4"}, {}, "rescaled"),
        ({"r0_law": "uniforn"}, {}, "uniform"),
        ({"refine": 0}, {}, "at least 1"),
        ({}, {"dt": 0.1}, "leave dt out"),
        ({}, {"noise": 1e-6}, "euler_maruyama"),
        ({"scheme": "euler"}, {"noise": 1e-6}, "euler_maruyama"),
        ({"scheme": "euler"}, {"dt": 200.0}, "exceeds T"),
        ({}, {"confidence": 0.0}, "domain"),
    ],
)
def test_mistakes_are_answered_with_the_remedy(model: dict, parameters: dict, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        Sweep(Ghost(**model), parameters)


def test_one_step_is_the_map() -> None:
    rho = np.array([0.3, 0.5, 0.8, 0.95, 1.05, 1.5, 3.0, 10.0])
    kappa = 0.2
    data = _sweep(Ghost(record_every=1), r0_mean=rho * UNIT_R, learning_rate=kappa * UNIT_RATE, steps=1, **SHARP)
    landed = data.r.isel(seed=0, step=1).values / UNIT_R
    np.testing.assert_allclose(
        landed, rho - kappa * np.sign(rho - 1) * rho**-1.5, rtol=0, atol=2e-4 * kappa * 0.3**-1.5
    )


def test_scaled_runs_are_the_same_run() -> None:
    """With threshold T, confidence/T and kappa fixed, T only sets the unit of time."""
    times = np.array([20.0, 100.0, 500.0])
    r = np.pi**2 / (4 * times**2)
    scaled = {"T": times, "threshold": ("T", 2000 / times), "confidence": ("T", times / 100)}
    start = {"r0_mean": ("T", 1.7 * r), "learning_rate": ("T", 0.05 * np.pi**4 / (8 * times**5))}
    data = run(Sweep(Ghost(), {**scaled, **start, "r0_spread": 0.0, "steps": 20}, seeds=1), progress=False)
    rho = data.r.isel(seed=0) / data.r.isel(seed=0, step=0)
    np.testing.assert_allclose(rho.isel(T=0), rho.isel(T=1), rtol=1e-7)
    np.testing.assert_allclose(rho.isel(T=2), rho.isel(T=1), rtol=1e-7)


@pytest.mark.parametrize("output", [{"threshold": 400.0, "confidence": 0.25}, {"threshold": 1.0, "confidence": 20.0}])
def test_both_sides_of_the_onset(output: dict[str, float]) -> None:
    times = np.array([20.0, 60.0, 200.0])
    unit = np.pi**2 / (4 * times**2)
    onset = get_claim("ghost.critical_learning_rate_finite").predict(T=times, **output)
    starts = {"r0_mean": ("T", 1.3 * unit), "r0_spread": ("T", 0.4 * unit)}
    for factor, trapped in ((0.995, False), (1.02, True)):
        rate = {"learning_rate": ("T", factor * onset)}
        data = run(Sweep(Ghost(), {"T": times, **output, **starts, **rate, "steps": 2}, seeds=3000), progress=False)
        share = (data.outcome == Outcome.TRAPPED).mean("seed")
        assert bool((share > 0).all() if trapped else (share == 0).all()), (factor, share.values)


@pytest.mark.slow
def test_the_onset_does_not_depend_on_how_long_runs_are_followed() -> None:
    parameters = {**SHARP, "r0_mean": 1.375 * UNIT_R, "r0_spread": 0.375 * UNIT_R, "steps": 64}
    found = bisect_onset(
        Sweep(Ghost(record_every=64), parameters, seeds=400), "learning_rate", Outcome.TRAPPED,
        low=0.5 * UNIT_RATE, high=0.9 * UNIT_RATE, rel_tol=2e-3, progress=False,
    )  # fmt: skip
    assert float(found.upper) / get_claim("ghost.critical_learning_rate").predict(T=T) == pytest.approx(1, abs=0.005)


@pytest.mark.slow
def test_beyond_the_period_three_orbit_every_run_is_trapped() -> None:
    kappa = get_claim("ghost.certain_trapping").predict()
    assert kappa == pytest.approx(0.7717826, abs=1e-6)
    rates = np.array([0.99, 1.02]) * kappa * UNIT_RATE
    settings = {**SHARP, "r0_mean": UNIT_R, "r0_spread": 0.3 * UNIT_R, "steps": 3000}
    data = _sweep(Ghost(record_every=3000), seeds=100, learning_rate=rates, **settings)
    share = (data.outcome == Outcome.TRAPPED).mean("seed").values
    assert share[0] < 0.99
    assert share[1] == 1.0


def test_the_mean_loss_of_an_oscillation_obeys_its_identity() -> None:
    kappa = np.array([0.05, 0.3, 0.6])
    settings = {**SHARP, "r0_mean": 1.2 * UNIT_R, "steps": 2000}
    data = _sweep(Ghost(record_every=1), learning_rate=kappa * UNIT_RATE, **settings).isel(
        seed=0, step=slice(200, None)
    )
    # The simulated optimum, where the switch falls on T, lies 1/(threshold T) below the sharp one.
    rho = data.r / UNIT_R
    predicted = get_claim("ghost.oscillation_identity").predict(
        T=T,
        learning_rate=kappa * UNIT_RATE,
        mean_sign=np.sign(data.gradient).mean("step").values,
        mean_inverse_cube=(rho**-3).mean("step").values,
    )
    np.testing.assert_allclose(data.loss.mean("step"), predicted, rtol=0, atol=0.002 * T)


def test_the_finite_law_tends_to_the_sharp_one() -> None:
    sharp, finite = (get_claim(f"ghost.critical_learning_rate{kind}") for kind in ("", "_finite"))
    far = finite.predict(T=T, threshold=1e4, confidence=0.02)
    assert far / sharp.predict(T=T) == pytest.approx(1, abs=3e-5)
    times = np.array([20.0, 200.0])
    near = finite.predict(T=times, threshold=1.0, confidence=20.0)
    np.testing.assert_allclose(near / sharp.predict(T=times), [0.82426, 0.98229], atol=2e-5)
    assert np.log(near[1] / near[0]) / np.log(10) == pytest.approx(-4.93, abs=0.01)


def test_sharp_laws_mark_what_lies_outside_their_domain() -> None:
    claim = get_claim("ghost.critical_learning_rate")
    evaluated = claim.evaluate({"T": [20.0, 200.0], "threshold": 20.0, "confidence": 5.0})
    assert list(evaluated.in_domain.values) == [False, True]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_is_kept(dtype: str) -> None:
    sweep = Sweep(Ghost(), {"T": 20.0, "threshold": 10.0, "confidence": 1.0, "steps": 2}, seeds=2, dtype=dtype)
    data = run(sweep, progress=False)
    assert {data[name].dtype.name for name in ("r", "loss", "gradient", "landing_r", "initial_r")} == {dtype}
    assert data.outcome.dtype == "int8"


def test_single_precision_agrees_where_the_crossing_is_resolved() -> None:
    parameters = {
        "T": T,
        "threshold": 1.0,
        "confidence": 20.0,
        "r0_mean": np.linspace(0.4, 3, 9) * UNIT_R,
        "r0_spread": 0.0,
    }
    single, double = (
        run(Sweep(Ghost(), {**parameters, "steps": 0}, seeds=1, dtype=dtype), progress=False).gradient
        for dtype in ("float32", "float64")
    )
    np.testing.assert_allclose(single, double, rtol=2e-3)


@pytest.mark.parametrize(
    "module", ["toymodels.models.ghost", "toymodels.models.ghost_flow", "toymodels.models.ghost_window"]
)
def test_examples_run(module: str) -> None:
    assert doctest.testmod(importlib.import_module(module)).failed == 0


@pytest.mark.parametrize(("law", "second", "fourth"), [("uniform", 1 / 3, 1 / 5), ("normal", 1.0, 3.0)])
def test_starts_have_the_declared_moments(law: str, second: float, fourth: float) -> None:
    starts = run(
        Sweep(Ghost(r0_law=law), {"T": T, "r0_mean": 5 * UNIT_R, "r0_spread": 0.5 * UNIT_R, "steps": 0}, seeds=20_000),
        progress=False,
    ).initial_r
    offsets = (starts / UNIT_R - 5) / 0.5
    error = np.sqrt((fourth - second**2) / 20_000)
    np.testing.assert_allclose(float((offsets**2).mean()), second, atol=5 * error)
    np.testing.assert_allclose(float(offsets.mean()), 0.0, atol=5 * np.sqrt(second / 20_000))
