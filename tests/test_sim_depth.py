"""Laws of untied, sampled and ReLU networks, against training, direct integration and direct drawing."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from theory.registry import get_claim
from theory.sim_minibatch import square_variances
from toymodels.engine import Sweep, run
from toymodels.models import get_model


@pytest.mark.parametrize("depth", [3, 4, 7])
def test_the_deep_law_is_the_integral_of_the_flow(depth: int) -> None:
    rate, a, s = 1e-9, 0.7, 3e-3
    law = get_claim("sim.learning_time_deep").predict(s=s, a=a, learning_rate=rate, depth=depth)
    time, _ = quad(lambda w: 1 / (depth * a * w ** (2 - 2 / depth) * (1 - w)), s, 0.5, epsabs=0, epsrel=1e-11)
    np.testing.assert_allclose(law, time, rtol=1e-6)


def test_deeper_networks_wait_longer_at_small_starts_and_shorter_at_large_ones() -> None:
    times = [
        [float(get_claim("sim.learning_time_deep").predict(s=s, a=1.0, learning_rate=1e-6, depth=n)) for n in (3, 4, 5)]
        for s in (1e-6, 0.3)
    ]
    assert times[0] == sorted(times[0])
    assert times[1] == sorted(times[1], reverse=True)


def test_one_concept_takes_the_predicted_steps_in_two_and_three_layers() -> None:
    for depth, name in ((2, "untied"), (3, "deep")):
        model = get_model("sim_net", network="linear", depth=depth, init="balanced", record_every=4000)
        found = run(
            Sweep(
                model,
                {"mu": [1.0], "sigma": [0.0], "learning_rate": 0.02, "init_scale": [0.03, 0.06], "steps": 4000},
                seeds=5,
            )
        )
        given = {"s": found.initial_W.sel(row=1, column=1, drop=True), "a": 1.0, "learning_rate": 0.02}
        given |= {"depth": depth} if depth > 2 else {}
        law = get_claim(f"sim.learning_time_{name}").predict(**given)
        measured = found.learning_time.isel(concept=0, drop=True)
        np.testing.assert_allclose(measured, law.transpose(*measured.dims), rtol=1e-3)


def test_variances_of_squares_are_those_of_drawn_numbers() -> None:
    mu, sigma = np.array([1.0, 2.0]), np.array([0.3, 0.5])
    rng = np.random.default_rng(0)
    centres = np.repeat(np.diag(mu), 200_000, axis=0)
    drawn = (centres + sigma * rng.normal(size=centres.shape)) ** 2
    np.testing.assert_allclose(square_variances(mu, sigma), drawn.var(axis=0), rtol=0.01)


def test_the_scatter_of_batches_is_that_of_shuffled_numbers() -> None:
    """Sums over the steps of shuffled minibatches, with numbers in place of a network."""
    rng = np.random.default_rng(1)
    points, batch, epochs = 50, 15, 4
    batches = points // batch
    sums = []
    for _ in range(4000):
        x = rng.normal(size=points)
        x -= x.mean()
        steps = epochs * batches + rng.integers(batches)
        orders = [rng.permutation(x)[: batches * batch].reshape(batches, batch).mean(axis=1) for _ in range(epochs + 1)]
        sums.append(np.concatenate(orders)[:steps].sum())
    law = get_claim("sim.minibatch_variance").predict(
        learning_rate=1.0, quiet_time=epochs * batches + (batches - 1) / 2, a=1.0, square_variance=1.0,
        batch=batch, batches=batches, points=points,
    )  # fmt: skip
    np.testing.assert_allclose(np.var(sums), float(law), rtol=0.1)


def test_the_units_that_stay_on_hold_the_predicted_share() -> None:
    """Integrates the two weights of many units until the others are off."""
    rng = np.random.default_rng(2)
    u, v = rng.normal(size=(2, 400_000))
    on, step = np.ones(u.shape, bool), 0.01
    for _ in range(600):
        on = v > 0
        u, v = u + step * np.where(on, v, 0.0), v + step * np.where(on, u, 0.0)
    grown = (u * np.maximum(v, 0.0)).sum() / (1 + step) ** 1200
    s = grown / len(u)  # mean of u v, entries of variance one: scale^2 times this is the start
    law = get_claim("sim.learning_time_relu")
    stated = float(law.predict(learning_rate=1e-6, a=1.0, init_scale=0.01, rank=1, width=64))
    np.testing.assert_allclose(stated, np.log((1 - s * 1e-4) / (s * 1e-4)) / 2, rtol=2e-3)
