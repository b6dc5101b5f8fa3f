"""Locking of the oscillation and shares of trapped runs: the laws against the map, and the map against training."""

from __future__ import annotations

import numpy as np
import pytest

from runs.ghost_locking import WINDOWS, _bracket, _locked_share
from runs.ghost_onset import SHARP, unit_r, unit_rate
from theory.ghost_collapse import collapsed_step, plateau_phase, trapped_share
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.models import get_model

T = 100.0


def iterate(rho: np.ndarray, kappa: float, steps: int) -> np.ndarray:
    """Points of the map after each step, shape (steps + 1, starts)."""
    points = [rho]
    for _ in range(steps):
        points.append(collapsed_step(points[-1], kappa))
    return np.array(points)


def period(kappa: float) -> int | None:
    """Least period of the untrapped orbits from all over the oscillation, if there is one up to 30."""
    late = iterate(np.linspace(0.6, 1.0, 81), kappa, 900)[-120:]
    late = late[:, late[-1] > 0.25]
    if late.size == 0:
        return None
    fitting = (n for n in range(1, 31) if np.abs(late[n:] - late[:-n]).max(axis=0).min() < 1e-6)
    return next(fitting, None)


@pytest.mark.parametrize("name", WINDOWS)
def test_a_window_ends_where_the_law_says(name: str) -> None:
    odd, side = name.split("_")
    end = float(get_claim(WINDOWS[name]).predict())
    inside, outside = (1.002, 0.998) if side == "lower" else (0.998, 1.002)
    assert period(end * inside) == int(odd)
    assert period(end * outside) != int(odd)


def test_no_orbit_has_period_two() -> None:
    assert all(period(kappa) not in (1, 2) for kappa in np.linspace(0.05, 0.76, 40))


def test_the_floor_of_period_three_is_the_mean_loss_of_the_map() -> None:
    for kappa in (0.32, 0.5, 0.75):
        late = iterate(np.linspace(0.8, 1.0, 9), kappa, 900)[-300:]
        loss = np.abs(1 - late**-0.5).mean()
        law = get_claim("ghost.locked_floor").predict(T=T, learning_rate=kappa * unit_rate(T)) / T
        assert law == pytest.approx(loss, rel=1e-6)


def test_the_floor_has_no_term_of_second_order() -> None:
    """L/T - kappa/4 is of order kappa^3: 0.6 % of kappa/4 at 0.1, apart from the scatter that locking brings."""
    for kappa in np.linspace(0.02, 0.1, 9):
        late = iterate(np.linspace(0.95, 1.0, 50), kappa, 6000)[-4000:]
        assert np.abs(1 - late**-0.5).mean() == pytest.approx(kappa / 4, rel=0.011)


def test_the_phase_falls_by_one_in_a_step() -> None:
    u = np.linspace(1.0, 20.0, 200)
    np.testing.assert_allclose(plateau_phase(u) - plateau_phase(u - u**-1.5), 1.0, rtol=1e-9)


def test_the_linear_share_is_the_slope_of_the_full_one() -> None:
    full, linear = (get_claim(f"ghost.first_pass_share{end}") for end in ("", "_linear"))
    assert full.predict(kappa=0.7501) == pytest.approx(linear.predict(kappa=0.7501), rel=2e-4)
    assert full.predict(kappa=1.0) < 0.8 * linear.predict(kappa=1.0)


def test_trapped_share_begins_at_three_quarters_and_is_one_beyond_the_last_orbit() -> None:
    assert trapped_share(0.749, 500) == 0
    assert 0 < trapped_share(0.752, 500) < 0.2
    assert trapped_share(0.79, 3000) > 0.995


def test_training_is_locked_inside_the_window_and_not_beyond() -> None:
    low, high = (float(get_claim(WINDOWS[f"3_{side}"]).predict()) for side in ("lower", "upper"))
    kappa = np.array([0.99 * low, 1.01 * low, 0.99 * high, 1.01 * high])
    sweep = Sweep(
        get_model("ghost", record_every=1),
        {
            "T": T,
            **SHARP,
            "learning_rate": kappa * unit_rate(T),
            "r0_mean": ("learning_rate", np.array([0.7, 0.7, 0.98, 0.98]) * unit_r(T)),
            "r0_spread": 0.02 * unit_r(T),
            "steps": 90,
        },
        seeds=4,
    )
    raw = run(sweep, progress=False).rename(learning_rate="kappa").assign_coords(kappa=kappa)
    share = _locked_share(raw, 3).values
    assert (share > 0).tolist() == [False, True, True, False]
    bracket = _bracket(raw.isel(kappa=slice(0, 2)), "3_lower")
    assert float(bracket.lower[0]) == kappa[0]
    assert float(bracket.upper[0]) == kappa[1]
