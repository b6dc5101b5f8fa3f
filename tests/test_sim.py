"""Structured identity mapping: the simulator against independent arithmetic, its laws on both sides of each edge."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy as sp

from theory import sim_coordinates as coordinates
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.errors import UsageError
from toymodels.models.sim import Sim
from toymodels.outcome import Outcome

MU, SIGMA = np.array([2.0, 1.0]), np.array([0.05, 0.1])
A = MU**2 / 2 + SIGMA**2


@functools.cache
def _compiled(model: Sim, length: int, stride: int) -> Callable:
    return jax.jit(lambda params, key: model.simulate(params, key, lengths=(length,), stride=stride))


def _record(model: Sim | None = None, seed: int = 0, stride: int = 1, extra: int = 0, **values: object) -> dict:
    """One run; `extra` lengthens the scan beyond the run's own steps."""
    given = {"mu": MU, "sigma": SIGMA, "learning_rate": 0.05, "init_scale": 0.1, "init_correlation": 0.0, "steps": 100}
    given |= values
    steps = int(given.pop("steps"))
    params = {name: jnp.asarray(value, "float64") for name, value in given.items()} | {"steps": jnp.int32(steps)}
    simulate = _compiled(model or Sim(), -(-(steps + extra) // stride) * stride, stride)
    return {name: np.asarray(value) for name, value in simulate(params, jax.random.key(seed)).items()}


@pytest.mark.parametrize("layers", [1, 2])
def test_a_step_follows_the_gradient_that_sympy_finds(layers: int) -> None:
    entries = sp.Matrix(2, 2, sp.symbols("u:4"))
    w = entries if layers == 1 else entries * entries.T
    loss = sum(e**2 for e in (w - sp.eye(2)) * sp.diag(*np.sqrt(A).tolist())) / 2
    gradient = sp.lambdify(list(entries), sp.Matrix(2, 2, [loss.diff(e) for e in entries]))
    theta = 0.3 * np.asarray(jax.random.normal(jax.random.key(4), (2, 2)))
    record = _record(Sim(layers=layers), 4, init_scale=0.3, steps=30)
    for n in range(31):
        expected = theta if layers == 1 else theta @ theta.T
        np.testing.assert_allclose(record["W"][n], expected, atol=1e-13)
        np.testing.assert_allclose(record["train_loss"][n], ((expected - np.eye(2)) ** 2 * A).sum() / 2, rtol=1e-12)
        np.testing.assert_allclose(record["test_loss"][n], ((expected @ MU - MU) ** 2).sum() / 2, rtol=1e-12)
        theta = theta - 0.05 * gradient(*theta.ravel())


@pytest.mark.parametrize(
    ("settings", "model", "outcome"),
    [
        ({"steps": 400}, Sim(), Outcome.LEARNED),
        ({"steps": 10}, Sim(), Outcome.NOT_FINISHED),
        ({"steps": 3000}, Sim(width=1), Outcome.TRAPPED),
        ({"learning_rate": 1e6, "steps": 20}, Sim(), Outcome.DIVERGED),
        ({"learning_rate": 0.99 * 2 / A.max(), "steps": 3000}, Sim(layers=1), Outcome.LEARNED),
        ({"learning_rate": 1.01 * 2 / A.max(), "steps": 3000}, Sim(layers=1), Outcome.DIVERGED),
    ],
)
def test_outcomes(settings: dict, model: Sim, outcome: Outcome) -> None:
    assert _record(model, stride=10, **settings)["outcome"] == outcome


def test_as_many_concepts_are_learned_as_the_start_has_columns() -> None:
    mu = np.array([1.0, 3.0, 2.0])
    for width in (1, 2):
        record = _record(Sim(width=width), mu=mu, sigma=0.1 * np.ones(3), learning_rate=0.02, steps=3000, stride=100)
        learned = np.isfinite(record["learning_time"])
        assert list(np.flatnonzero(learned)) == sorted(np.argsort(-mu)[:width])


def test_a_longer_scan_changes_nothing_and_leaves_nan_behind() -> None:
    short, long = (_record(stride=4, extra=extra) for extra in (0, 48))
    assert np.isnan(long["W"][26:]).all()
    for name, values in short.items():
        np.testing.assert_array_equal(long[name][: len(values)] if values.ndim and "loss" in name else
                                      long[name][:26] if name == "W" else long[name], values)  # fmt: skip


def test_reductions_over_steps_agree_with_the_records() -> None:
    record = _record(seed=1, init_scale=0.03, learning_rate=0.02, steps=400)
    diagonal = np.diagonal(record["W"], axis1=1, axis2=2)
    for p in range(2):
        n = int(np.argmax(diagonal[:, p] >= 0.5))
        share = (0.5 - diagonal[n - 1, p]) / (diagonal[n, p] - diagonal[n - 1, p])
        np.testing.assert_allclose(record["learning_time"][p], 0.02 * (n - 1 + share), rtol=1e-12)
    height = np.abs(record["W"])
    np.testing.assert_array_equal(record["peak_height"], height.max(0))
    np.testing.assert_allclose(record["peak_time"], 0.02 * height.argmax(0), rtol=1e-12)


def test_a_swing_is_the_largest_rise_above_an_interior_minimum() -> None:
    small = {"init_scale": 0.01, "learning_rate": 0.02, "steps": 600}
    record = max((_record(seed=seed, **small) for seed in range(20)), key=lambda one: one["swing_depth"])
    assert record["swing_depth"] > 0.01
    loss = record["test_loss"]
    lowest = np.minimum.accumulate(loss)
    top = int((loss - lowest).argmax())
    np.testing.assert_allclose(record["swing_depth"], (loss - lowest).max() / loss[0], rtol=1e-12)
    np.testing.assert_allclose(record["swing_bump_time"], 0.02 * top, rtol=1e-12)
    np.testing.assert_allclose(record["swing_min_time"], 0.02 * loss[: top + 1].argmin(), rtol=1e-12)


def test_a_loss_that_only_grows_has_no_swing() -> None:
    record = _record(Sim(layers=1), learning_rate=3 * 2 / A.max(), init_scale=0.1, steps=5)
    assert record["swing_depth"] == 0
    assert np.isnan(record["swing_min_time"])


def test_starts_are_paired_and_have_the_declared_scale_and_correlation() -> None:
    model, settings = Sim(width=50), {"steps": 0}
    plain = run(Sweep(model, settings | {"init_scale": [0.1, 0.2]}, seeds=200), progress=False).initial_W
    np.testing.assert_allclose(plain.sel(init_scale=0.2), 4 * plain.sel(init_scale=0.1), rtol=1e-12)
    tied = run(Sweep(model, settings | {"init_correlation": [-0.4, 0.0, 0.7, 1.0]}, seeds=200), progress=False)
    mean = tied.initial_W.mean("seed") / (50 * 0.1**2)
    np.testing.assert_allclose(mean.sel(row=1, column=1), 1.0, atol=0.06)
    np.testing.assert_allclose(mean.sel(row=1, column=2), mean.init_correlation, atol=0.06)
    np.testing.assert_allclose(*(tied.initial_W.sel(init_correlation=1.0, row=1, column=k) for k in (1, 2)), rtol=1e-12)


@pytest.mark.parametrize(
    ("static", "parameters", "words"),
    [
        ({"layers": 3}, {}, "layers must be 1"),
        ({"width": 0}, {}, "width must be"),
        ({"d": 2}, {"mu": [1.0, 2.0, 3.0]}, "do not fit in d = 2"),
        ({"d": 4}, {"init_correlation": -0.5}, "4 rows allow only"),
        ({}, {"mu": [1.0, -2.0]}, "outside its domain"),
        ({}, {"sigma": [0.1, 0.1, 0.1]}, "needs 2 entries along concept"),
    ],
)
def test_impossible_settings_are_refused(static: dict, parameters: dict, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Sweep(Sim(**static), parameters)


# --- derived inputs of the laws ---


def test_pivots_are_the_squared_cholesky_diagonal_in_order_of_strength() -> None:
    u = np.random.default_rng(0).normal(size=(4, 6))
    w, a = u @ u.T, np.array([0.5, 2.0, 1.0])
    order = [1, 2, 0, 3]
    expected = np.diag(np.linalg.cholesky(w[np.ix_(order, order)])) ** 2
    np.testing.assert_allclose(coordinates.pivots(w, a)[[1, 2, 0]], expected[:3], rtol=1e-12)
    stacked = coordinates.pivots(np.stack([w, 2 * w]), a)
    np.testing.assert_allclose(stacked[1], 2 * stacked[0], rtol=1e-12)
    np.testing.assert_array_equal(coordinates.ranks(a), [3, 1, 2])


def test_shifts_vanish_without_off_diagonal_entries_and_have_the_sign_of_the_proof() -> None:
    a = np.array([2.0, 0.5])
    np.testing.assert_array_equal(coordinates.shifts(np.diag([0.01, 0.02, 0.03]), a), 0)
    strong, weak = coordinates.shifts(np.array([[0.01, 0.003], [0.003, 0.01]]), a)
    assert strong > 0 > weak
    assert np.isnan(coordinates.shifts(np.full((2, 2), np.nan), a)).all()


# --- laws ---


def _errors(claim: str, scale: float, mu: list[float], width: int = 2) -> np.ndarray:
    """log(measured/predicted) learning times of 200 starts, close to gradient flow."""
    a = np.array(mu) ** 2 / len(mu) + 0.05**2
    rate = 0.01 / a.max()
    steps = int(22 / (4 * a.min() * rate))
    sweep = Sweep(Sim(width=width), {"mu": mu, "learning_rate": rate, "init_scale": scale, "steps": steps}, seeds=200)
    result = run(sweep, progress=False)
    law = get_claim(claim).evaluate(
        {
            "initial_W": result.initial_W,
            "mu": ("concept", mu),
            "sigma": ("concept", np.full(len(mu), 0.05)),
            "learning_rate": rate,
        }
    )
    return np.log(result.learning_time / law.prediction).where(law.in_domain).transpose("seed", "concept").values


def test_the_weak_concept_is_never_late_and_the_strong_one_never_early() -> None:
    errors = _errors("sim.learning_time", 0.1, [2.0, 1.2])
    assert np.nanmin(errors[:, 0]) > -2e-3
    assert np.nanmax(errors[:, 1]) < 2e-3


def test_the_correction_improves_the_law_of_learning_times_by_its_own_order() -> None:
    bare, corrected = (
        np.nanmedian(np.abs(_errors(claim, 0.1, [2.0, 1.0])[:, 1]))
        for claim in ("sim.learning_time", "sim.learning_time_corrected")
    )
    assert corrected < bare / 4


def test_three_concepts_obey_the_same_law() -> None:
    errors = np.abs(_errors("sim.learning_time_corrected", 0.05, [1.0, 4.0, 2.0], width=3))
    assert np.nanmedian(errors) < 2e-3
    assert np.nanquantile(errors, 0.9) < 0.01


def test_the_loss_swings_by_below_the_critical_scale_and_not_above() -> None:
    mu, sigma, rate = np.array([2.0, 1.0]), np.full(2, 0.05), 0.001
    values = {"mu": ("concept", mu), "sigma": ("concept", sigma), "learning_rate": rate}
    starts = run(Sweep(Sim(), {"steps": 0, "init_scale": 1e-3}, seeds=100), progress=False).initial_W
    law = get_claim("sim.swing_by_critical_scale").evaluate(values | {"initial_W": starts, "init_scale": 1e-3})
    chosen = np.flatnonzero(law.in_domain & (law.prediction > 1e-3) & (law.prediction < 0.05))[:3]
    assert len(chosen) == 3
    for seed in chosen:
        edge = float(law.prediction[seed])
        common = {"mu": mu, "learning_rate": rate, "steps": 12_000}
        sweep = Sweep(Sim(), common | {"init_scale": [0.8 * edge, 1.25 * edge]}, seeds=[int(seed)])
        depth = run(sweep, progress=False).swing_depth.values.ravel()
        assert depth[0] > 1e-9 > depth[1]


def test_the_off_diagonal_peak_has_the_predicted_scaling_with_the_start() -> None:
    rate, scales = 0.001, np.array([1e-4, 1e-3])
    sweep = Sweep(
        Sim(), {"mu": MU, "sigma": SIGMA, "learning_rate": rate, "init_scale": scales, "steps": 7000}, seeds=20
    )
    result = run(sweep, progress=False)
    height = result.peak_height.sel(row=1, column=2)
    slope = np.log(height.isel(init_scale=1) / height.isel(init_scale=0)) / np.log(scales[1] / scales[0])
    np.testing.assert_allclose(slope.median(), 1 - A[1] / A[0], atol=0.02)


def test_starts_have_the_declared_second_moments() -> None:
    """Mean of W(0) over 40 000 starts, 8 columns each: entries of U have the standard deviation init_scale."""
    scale, correlation, width, seeds = 0.3, 0.4, 8, 40_000
    settings = {"mu": MU, "sigma": SIGMA, "steps": 0, "init_scale": scale, "init_correlation": correlation}
    starts = run(Sweep(Sim(width=width), settings, seeds=seeds), progress=False).initial_W / (width * scale**2)
    mean = starts.mean("seed")
    error = np.sqrt(2 / (width * seeds))  # of the mean of a chi^2 variable over its mean
    np.testing.assert_allclose(np.diagonal(mean), 1.0, atol=5 * error)
    np.testing.assert_allclose(mean.sel(row=1, column=2), correlation, atol=5 * error)
    assert 5 * error < 0.015  # 3 % in the scale would show
