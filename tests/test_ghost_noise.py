"""Passage times in noise: the laws against each other and against quadrature, and the simulator's own accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.sparse import diags_array

from theory.errors import ClaimUsageError
from theory.ghost_backward import mean_from, mean_from_rest, mean_passage, passage_quantile, passage_share, quantiles
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.errors import UsageError
from toymodels.models import get_model
from toymodels.outcome import Outcome

D = 1e-6


@pytest.mark.parametrize("z", [-2.0, 0.0, 3.0, 10.0])
def test_the_collocation_has_the_mean_of_the_airy_law(z: float) -> None:
    assert mean_from(z, 128)[1][-1] == pytest.approx(float(mean_passage(z)), rel=1e-8)


@pytest.mark.parametrize("z", [-1.0, 0.5, 4.0])
def test_mean_and_distribution_belong_together(z: float) -> None:
    mean = float(mean_passage(z))
    survival = quad(lambda tau: 1 - passage_share(z, tau), 0, 6.9 * mean, limit=200)[0]
    # What is left beyond 6.9 means.
    assert survival == pytest.approx(mean, rel=2.5e-3)


def test_the_distribution_agrees_with_a_finite_volume_solution() -> None:
    """The same equation on a finite grid with absorption far out: another method altogether."""
    z, edges = 1.0, np.tan(np.linspace(-1.53, 1.53, 801))
    y = (edges[1:] + edges[:-1]) / 2
    width = np.diff(edges)
    gap = np.diff(y)

    def change(_: float, p: np.ndarray) -> np.ndarray:
        drift = z + edges[1:-1] ** 2
        # Upwind beyond a cell Peclet number of 2, central inside.
        upwind = np.abs(drift) * gap > 2
        flux = drift * np.where(upwind, p[:-1], (p[:-1] + p[1:]) / 2) - np.diff(p) / gap
        full = np.concatenate([[0.0], flux, [(z + edges[-1] ** 2) * p[-1]]])
        return -np.diff(full) / width

    first = np.zeros(len(y))
    first[0] = 1 / width[0]
    tails = 2 * (np.pi / 2 - 1.53)
    levels = np.array([0.2, 0.5, 0.8])
    times = passage_quantile(z, levels) - tails
    pattern = diags_array([np.ones(len(y) - abs(k)) for k in (-1, 0, 1)], offsets=(-1, 0, 1))
    options = {"method": "BDF", "t_eval": times, "rtol": 1e-5, "atol": 1e-8, "jac_sparsity": pattern}
    solution = solve_ivp(change, (0, times[-1]), first, **options)
    passed = 1 - (solution.y * width[:, None]).sum(axis=0)
    np.testing.assert_allclose(passed, levels, atol=0.012)


def test_tabulated_quantiles_are_those_of_the_distribution() -> None:
    levels = np.array([0.1, 0.5, 0.9])
    for z in (-2.13, 0.07, 6.6):
        np.testing.assert_allclose(passage_share(z, quantiles(z, levels)), levels, atol=2e-5)
    assert np.isnan(quantiles(100.0, 0.5))
    assert np.isnan(quantiles(0.0, 0.9999))


def test_from_rest_is_part_of_the_whole_passage() -> None:
    for z in (-1.0, 2.0):
        theta, mean = mean_from(z, 128)
        middle = int(np.argmin(np.abs(theta)))
        assert mean_from_rest(z, 1e9) == pytest.approx(mean[middle], rel=1e-8)
    assert np.isnan(mean_from_rest(0.0, -1.0))


def test_limits_of_the_airy_law() -> None:
    law = get_claim("ghost.noisy_passage")
    for r in (30.0, 100.0):
        weak = get_claim("ghost.weak_noise_passage").predict(signed_r=r, noise=1.0)
        assert law.predict(signed_r=r, noise=1.0) == pytest.approx(weak, rel=2 / r**6)
    barrier = get_claim("ghost.kramers_escape").predict(signed_r=-20.0, noise=1.0)
    assert law.predict(signed_r=-20.0, noise=1.0) == pytest.approx(barrier, rel=0.003)
    with pytest.raises(ClaimUsageError):
        law.predict(signed_r=1.0, noise=-1.0)


@pytest.mark.parametrize("z", [-0.5, 2.0])
def test_simulated_passages_have_the_predicted_mean_and_median(z: float) -> None:
    values = {"r": z * D ** (2 / 3), "noise": D}
    times = run(Sweep(get_model("ghost_passage"), values, seeds=4000), progress=False).passage_time.values
    mean = get_claim("ghost.noisy_passage").predict(signed_r=values["r"], noise=D)
    assert times.mean() == pytest.approx(mean, abs=4.5 * times.std() / np.sqrt(times.size))
    median = get_claim("ghost.noisy_passage_quantile").predict(signed_r=values["r"], noise=D, level=0.5)
    assert (times < median).mean() == pytest.approx(0.5, abs=4.5 * 0.5 / np.sqrt(times.size))


def test_without_noise_steps_of_half_the_size_err_a_quarter() -> None:
    """Weak order 2, seen where nothing scatters."""
    exact = np.pi / 0.01
    errors = []
    for refine in (1, 2):
        values = {"r": 1e-4, "noise": 0.0, "start": -100.0, "end": 100.0}
        result = run(Sweep(get_model("ghost_passage", refine=refine), values, seeds=1), progress=False)
        errors.append(abs(float(result.passage_time[0]) - exact) / exact)
    assert errors[0] < 1e-3
    assert errors[1] < 0.4 * errors[0]


def test_passages_that_take_too_long_are_not_finished() -> None:
    record = run(Sweep(get_model("ghost_passage"), {"r": -1e-3, "noise": D, "steps": 200}, seeds=2), progress=False)
    assert (record.outcome == Outcome.NOT_FINISHED).all()
    assert np.isnan(record.passage_time).all()


def test_ends_that_make_no_sense_are_refused() -> None:
    with pytest.raises(UsageError, match="end must exceed start"):
        Sweep(get_model("ghost_passage", tails=False), {"start": 1.0, "end": 0.5})
    with pytest.raises(UsageError, match="start must be negative"):
        Sweep(get_model("ghost_passage"), {"start": 0.0, "end": 1.0})
    with pytest.raises(UsageError, match="refine"):
        get_model("ghost_passage", refine=0)
