"""Stage bounds, the recurrence on W, narrow starts and the spread of learning times: both sides of each edge."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from runs.sim_recurrence import printed_field
from theory import sim_coordinates as coordinates
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.models.sim import Sim

A = np.array([2.0, 0.5])
CONSTANTS = {"K": 20.0, "kappa": 1.1, "rows": 2.0}


def _descend(u: np.ndarray, a: np.ndarray, rate: float, steps: int) -> np.ndarray:
    """U after steps of descent on L; plain numpy."""
    for _ in range(steps):
        rest = u @ u.T - np.eye(len(a))
        u = u - rate * (a[:, None] * rest + rest * a) @ u
    return u


def test_the_printed_field_is_half_of_the_gradient_flow() -> None:
    u = np.random.default_rng(0).normal(size=(3, 3)) / 3
    a = np.array([2.0, 0.7, 0.1])
    rate = 1e-7
    moved = _descend(u, a, rate, 1)
    np.testing.assert_allclose((moved @ moved.T - u @ u.T) / (2 * rate), printed_field(u @ u.T, a), rtol=1e-5)


def test_the_recurrence_leaves_the_positive_matrices_and_descent_does_not() -> None:
    """From a start inside every printed assumption; the step is the largest that the paper allows."""
    rate = 1 / (360 * A[0])
    start = 1e-75 * np.array([[1.0], [1.0]])
    w = start @ start.T
    law = get_claim("sim.recurrence_positive").evaluate(
        {"initial_W": (("row", "column"), w), "mu": ("concept", np.sqrt(2 * A)), "sigma": ("concept", np.zeros(2)),
         "learning_rate": rate, "K": 20.0, "kappa": 1.1}
    )  # fmt: skip
    assert bool(law.in_domain.all())
    assert not law.attrs["not_checked"]
    once = w + 2 * rate * printed_field(w, A)
    assert once[0, 0] * once[1, 1] < once[0, 1] ** 2
    for _ in range(400_000):
        w = w + 2 * rate * printed_field(w, A)
        if w[1, 1] < -0.1:
            break
    assert w[1, 1] < -0.1
    assert np.diag(_descend(start, A, rate, 20_000) @ _descend(start, A, rate, 20_000).T).min() > 0


def test_no_start_above_1e_60_satisfies_all_assumptions_and_1e_130_does() -> None:
    law = get_claim("sim.stage_largest_start")
    ratio = np.linspace(0.01, 0.33, 200)
    largest = law.predict(contrast=1 / ratio, closest=ratio, spread=1.0, **CONSTANTS)
    assert 1e-62 < largest.max() < 1e-60
    assert law.predict(contrast=4.0, closest=0.25, spread=30.0, **CONSTANTS) > 1e-130


def test_an_entry_near_zero_is_fed_by_two_others_beyond_the_bound() -> None:
    """Three rows, w_12(0) = 0: the bound on growth is zero, the entry is not."""
    u = 0.1 * np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.6, 0.6, 0.5]])
    a = np.array([2.0, 1.0, 0.5])
    assert (u @ u.T)[0, 1] == 0
    moved = _descend(u, a, 0.002, 700)
    assert abs((moved @ moved.T)[0, 1]) > 1e-3


def test_the_strongest_concept_only_rises_from_a_start_below_the_identity_and_can_fall_from_above() -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        u = rng.normal(size=(2, 2))
        u *= rng.uniform(0.2, 0.99) / np.linalg.norm(u, 2)
        before = np.square(u[0]).sum()
        for _ in range(200):
            u = _descend(u, A, 0.002, 5)
            assert np.square(u[0]).sum() > before - 1e-12
            before = np.square(u[0]).sum()
    above = np.array([[0.8, 0.0], [1.5, 0.1]])
    assert np.square(_descend(above, A, 0.002, 5)[0]).sum() < np.square(above[0]).sum()


@pytest.mark.parametrize(("ratio", "grows"), [(0.25, False), (0.6, True)])
def test_at_four_fifths_the_off_diagonal_entry_still_grows_for_similar_concepts(ratio: float, grows: bool) -> None:
    a, rate = np.array([2.0, 2.0 * ratio]), 0.0005
    u = 1e-4 * np.array([[1.0, 0.3], [0.5, 0.8]])
    while np.square(u[0]).sum() < 0.8:
        u = _descend(u, a, rate, 1)
    after = _descend(u, a, rate, 1)
    assert (abs(after[0] @ after[1]) > abs(u[0] @ u[1])) == grows


def test_a_concept_without_a_start_of_its_own_is_learned_in_the_end_if_a_weaker_row_leaves_the_span() -> None:
    """Row 2 is a multiple of row 1: s_2 = 0. Row 3 brings a second column, which concept 2 takes over, late."""
    a = np.array([2.0, 1.0, 0.7])
    rows = 0.05 * np.array([[1.0, 0.0], [0.7, 0.0], [0.3, 0.5]])
    assert coordinates.pivots(rows @ rows.T, a)[1] == pytest.approx(0.0, abs=1e-15)
    early = np.square(_descend(rows, a, 0.01, 400)).sum(1)
    assert early[1] < 0.5 < min(early[0], early[2])
    late = np.square(_descend(rows, a, 0.01, 6000)).sum(1)
    assert late[2] < 0.5 < min(late[0], late[1])
    # With no such row the concept never comes, however long the wait.
    rows[2, 1] = 0.0
    never = np.square(_descend(rows, a, 0.01, 30_000)).sum(1)
    assert never[0] > 0.99
    assert never[1:].max() < 1e-6


def test_rows_without_data_hold_a_concept_back_by_the_limit_of_the_law() -> None:
    s = np.array([1e-3, 1e-6])
    limit = 0.5 * (np.log(1 / s) + 2 * (np.sqrt(2) - 1) - 2 * np.log((1 + np.sqrt(2)) / 2))
    np.testing.assert_allclose(coordinates.held(np.zeros(2), s), limit, rtol=2e-3)


def test_the_share_learned_is_the_distribution_whose_quantiles_are_stated() -> None:
    given = {"a": A, "width": 3.0, "init_scale": 0.003, "init_correlation": 0.3, "learning_rate": 0.01}
    for q in (0.1, 0.5, 0.9):
        times = get_claim("sim.learning_time_quantile").predict(probability=q, **given)
        for concept, time in enumerate(times):
            share = get_claim("sim.learned_share").predict(time=time, **given)[concept]
            assert share == pytest.approx(q, abs=1e-9)


def test_the_mean_and_variance_of_learning_times_are_those_of_the_distribution() -> None:
    given = {"a": A, "width": 4.0, "init_scale": 0.001, "init_correlation": 0.0, "learning_rate": 0.01}
    late = get_claim("sim.learned_share")

    def unlearned(time: float, concept: int) -> float:
        return 1.0 - float(late.predict(time=time, **given)[concept])

    mean = integrate.quad(unlearned, 0, 40, args=(1,), limit=200)[0]
    np.testing.assert_allclose(mean, get_claim("sim.learning_time_mean").predict(**given)[1], rtol=1e-3)


def test_times_of_random_starts_have_the_stated_distribution() -> None:
    """Kolmogorov's distance of 400 learning times; a width off by one is told apart."""
    rate, width = 0.01, 3
    sweep = Sweep(
        Sim(width=width),
        {"mu": np.sqrt(2 * A), "sigma": np.zeros(2), "init_scale": 0.003, "learning_rate": rate, "steps": 2000},
        seeds=400,
    )
    times = run(sweep, progress=False).learning_time.sel(concept=2).values

    def distance(columns: float) -> float:
        def law(time: np.ndarray) -> np.ndarray:
            return get_claim("sim.learned_share").predict(
                a=A, width=columns, init_scale=0.003, init_correlation=0.0, learning_rate=rate, time=np.asarray(time)
            )[..., 1]

        return float(stats.kstest(times, law).pvalue)

    assert distance(width) > 1e-3
    assert distance(width + 1) < 1e-6
