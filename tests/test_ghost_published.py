"""The published Euler scheme, and the escape from the no-learning zone: laws against runs and independent sums."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad

from runs.ghost_confidence import escaped, escaping, rest, steepest
from runs.ghost_onset import unit_r, unit_rate
from theory import ghost_sampling
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.models import get_model


def euler_slope(r: np.ndarray, T: float, threshold: float, confidence: float, dt: float) -> np.ndarray:
    """dL/dr of the published sum, by central differences of plain numpy loops."""

    def loss(r: np.ndarray) -> np.ndarray:
        x, total = np.zeros_like(r), np.zeros_like(r)
        for i in range(round(2 * T / dt)):
            output = 1 / (1 + np.exp(np.clip(confidence * (threshold - x), -700, 700)))
            total += dt * (output - (i >= round(T / dt))) ** 2
            x = np.minimum(x + dt * (r + x**2), 1e6)
        return total

    width = 1e-7 * r
    return (loss(r + width) - loss(r - width)) / (2 * width)


@pytest.mark.parametrize("confidence", [0.01, 0.1, 0.5, 1.0])
def test_slope_of_the_scheme_follows_the_gain(confidence: float) -> None:
    T, threshold, dt = 50.0, 10.0, 0.1
    middle = 3 * float(unit_r(T))
    width = dt * 4 * middle**1.5 / np.pi
    r = middle + width * np.linspace(-1, 1, 400, endpoint=False)
    fixed = {"threshold": threshold, "confidence": confidence, "dt": dt}
    slope = euler_slope(r, T=T, **fixed)
    mean = get_claim("ghost.slope_euler").predict(r=r, **fixed)
    steepest_slope = get_claim("ghost.steepest_slope_euler").predict(r=r, **fixed)
    assert np.mean(slope / mean) == pytest.approx(1, abs=0.003)
    assert np.max(slope / steepest_slope) == pytest.approx(1, abs=0.003)
    inverse = ghost_sampling.mean_inverse_gain(confidence, threshold, dt)
    assert np.mean(mean / slope) == pytest.approx(float(inverse), rel=0.005)


def test_gain_has_mean_one_and_grows_with_the_coarseness_of_samples() -> None:
    largest = []
    for steepness in (0.3, 1.0, 3.0, 10.0, 30.0):
        found = ghost_sampling.gain(steepness, 1.0)
        assert found.silent.mean() == pytest.approx(1, abs=1e-6)
        assert found.active.mean() == pytest.approx(1, abs=1e-6)
        largest.append(found.silent.max())
    # Coarse: one sample alone, 8/27 of the change of confidence (x - threshold) per step.
    speed = (ghost_sampling.gain(400.0, 1.0).silent.max()) / 400 / (8 / 27)
    assert ghost_sampling.gain(800.0, 1.0).silent.max() / 800 / (8 / 27) == pytest.approx(speed, rel=0.01)
    assert largest[1:] == sorted(largest[1:])
    # The resolution is best near confidence threshold = 1, that is steepness 1 at height 1.
    assert min(largest) == largest[1]


def test_gain_of_nan_is_nan() -> None:
    values = ghost_sampling.largest_gain(np.array([np.nan, 0.1, -1.0]), 10.0, 0.1)
    assert np.isnan(values[[0, 2]]).all()
    assert np.isfinite(values[1])


def test_soft_floor_of_the_kinked_descent() -> None:
    T, threshold, z = 100.0, 400.0, 1.0
    kappa = 0.02
    silent = rest(np.array(z))
    above, below = 1 - silent**2, (1 - silent) ** 2
    rho, total = 1 + 0.01 * np.linspace(-1, 1, 64), 0.0
    for step in range(4000):
        falls = above * np.sign(rho - 1).clip(0) - below * np.sign(1 - rho).clip(0)
        excess = np.where(rho > 1, above, below) * abs(1 - rho**-0.5)
        total += excess.mean() * (step >= 2000)
        rho = rho - kappa * falls * rho**-1.5
    law = get_claim("ghost.floor_soft").predict(
        T=T, threshold=threshold, confidence=z / threshold, learning_rate=kappa * unit_rate(T)
    )
    assert law == pytest.approx(silent**2 * T + T * total / 2000, rel=0.003)


def test_escape_of_one_run() -> None:
    T, threshold, z, scale = 80.0, 20.0, 2.0, 1e-3
    training = escaping(np.float64(T), np.float64(threshold), np.float64(z), scale)
    runs = run(Sweep(get_model("ghost", record_every=1), {"T": T, "threshold": threshold, **training}, seeds=1),
               progress=False)  # fmt: skip
    values = {"T": T, "threshold": threshold, "confidence": z / threshold, "learning_rate": training["learning_rate"]}
    measured = float(escaped(runs).escape_step)
    assert measured == pytest.approx(get_claim("ghost.escape_step").predict(**values), rel=0.02)
    assert measured < 0.6 * get_claim("ghost.escape_step_constant").predict(**values)


def test_fastest_escape_is_the_minimum_of_the_escape_time() -> None:
    def spent(z: float) -> float:
        silent = float(rest(np.array(z)))
        slope = lambda v: 4 * (1 - silent) * np.tan(v) - 2 * np.tan(v / 2)  # noqa: E731
        return quad(lambda v: v**2 / slope(v), 1e-9, np.pi / 2)[0] / (z * silent * (1 - silent))

    best = float(get_claim("ghost.best_escape_confidence").predict(threshold=1.0))
    assert spent(best) < min(spent(0.99 * best), spent(1.01 * best))
    steep = float(get_claim("ghost.best_confidence").predict(threshold=1.0))
    assert best < steep
    # At threshold 10 confidence 1 costs some 400 times as many steps.
    assert spent(10.0) / spent(best) == pytest.approx(398.3, rel=1e-3)


def test_steepest_finds_a_maximum_between_the_points() -> None:
    import xarray as xr

    offsets = np.geomspace(0.5, 8, 81)
    slope = -np.exp(-((np.log(offsets) - 0.5) ** 2))
    data = xr.Dataset({"gradient": (("threshold", "offset"), [slope, slope])}, coords={"threshold": [1.0, 2.0]})
    best = steepest(data, offsets).best_confidence
    assert best.values == pytest.approx(np.exp(0.5) / np.array([1.0, 2.0]), rel=1e-6)
