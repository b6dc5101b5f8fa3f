"""Slow points: told apart, located, followed; errors in words. Theory of the reduction against independent numbers."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize
from documented import run_page

from toymodels.engine import Sweep, explain, run
from toymodels.errors import UsageError
from toymodels.models.ghost_flow import GhostFlow
from toymodels.outcome import Outcome
from toymodels.slow_points import (
    Kind,
    continue_fixed_point,
    continue_ghost,
    find_saddle_node,
    find_slow_points,
)

D = 20
RATES = jnp.linspace(1.0, 3.0, D - 2)


def saddle_node(z, r):
    return jnp.stack([r + z[0] ** 2, -z[1]])


def transcritical(z, r):
    return jnp.stack([r * z[0] - z[0] ** 2, -z[1]])


def pitchfork(z, r):
    return jnp.stack([r * z[0] - z[0] ** 3, -z[1]])


def hopf(z, r):
    return jnp.stack([r * z[0] - z[1], z[0] + r * z[1]]) - z * jnp.sum(z**2)


FORMS = (saddle_node, transcritical, pitchfork, hopf)


def tilted(x, matrix, inverse, r, chosen):
    """The chosen normal form (weights, so that one program serves all) and D - 2 decaying directions, x = M z."""
    z = inverse @ x
    slow = sum(weight * form(z[:2], r) for weight, form in zip(chosen, FORMS, strict=True))
    return matrix @ jnp.concatenate([slow, -RATES * z[2:]])


def random_tilt(seed: int, d: int = D) -> tuple[np.ndarray, np.ndarray, np.random.Generator]:
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    matrix = rotation @ (np.eye(d) + 0.5 * rng.normal(size=(d, d)) / np.sqrt(d))
    return matrix, np.linalg.inv(matrix), rng


def find(form: str, seed: int, r: float, noise: float = 0.0):
    matrix, inverse, rng = random_tilt(seed)
    starts = 0.7 * rng.normal(size=(8, D)) @ matrix.T
    starts += noise * rng.normal(size=starts.shape)
    # Both sides of the slow direction.
    starts[:4] = starts[:4] - 2 * np.minimum(starts[:4] @ inverse[0], 0)[:, None] * matrix[:, 0]
    starts[4:] = starts[4:] - 2 * np.maximum(starts[4:] @ inverse[0], 0)[:, None] * matrix[:, 0]
    chosen = np.array([each.__name__ == form for each in FORMS], dtype=float)
    return find_slow_points(tilted, starts, args=(matrix, inverse, r, chosen)), matrix, inverse


TILTS = pytest.mark.parametrize("seeds", [2, pytest.param(20, marks=pytest.mark.slow)])


@TILTS
@pytest.mark.parametrize("size", [1e-8, 1e-6, 1e-4, 1e-2])
def test_a_weakly_stable_fixed_point_is_no_ghost_and_a_ghost_no_fixed_point(size: float, seeds: int) -> None:
    for seed in range(seeds):
        (ghost,), matrix, _ = find("saddle_node", seed, size)
        assert ghost.kind is Kind.GHOST
        assert ghost.attracting
        np.testing.assert_allclose(ghost.r, size, rtol=1e-6)
        np.testing.assert_allclose(ghost.passage_time, np.pi / np.sqrt(size), rtol=1e-6)
        # Where J^T F = 0 in straight coordinates: u = 0, and the fast coordinates balance the tilt.
        metric = matrix.T @ matrix
        rates = np.concatenate([[1.0], RATES])
        y = np.linalg.solve(metric[1:, 1:], metric[1:, 0]) * size / rates
        assert np.linalg.norm(ghost.location - matrix @ np.append(0.0, y)) < 1e-9

        found, matrix, inverse = find("saddle_node", seed, -size)
        assert sorted(point.kind for point in found) == [Kind.SADDLE, Kind.STABLE]
        for point in found:
            sign = -1 if point.kind is Kind.STABLE else 1
            np.testing.assert_allclose((inverse @ point.location)[0], sign * np.sqrt(size), rtol=1e-5)
            np.testing.assert_allclose(point.r, -size, rtol=1e-5)


def test_noisy_starts_lead_to_the_same_ghost() -> None:
    (quiet,), *_ = find("saddle_node", 3, 1e-4)
    (noisy,), *_ = find("saddle_node", 3, 1e-4, noise=0.2)
    assert np.linalg.norm(quiet.location - noisy.location) < 1e-9
    assert noisy.starts == 8


def test_at_the_saddle_node_itself_the_point_is_marginal() -> None:
    found, *_ = find("saddle_node", 0, 0.0)
    assert [point.kind for point in found] == [Kind.MARGINAL]


@TILTS
@pytest.mark.parametrize("r", [-1e-2, -1e-5, 1e-5, 1e-2])
@pytest.mark.parametrize("form", ["transcritical", "pitchfork", "hopf"])
def test_other_normal_forms_have_fixed_points_only(form: str, r: float, seeds: int) -> None:
    for seed in range(seeds):
        found, _, inverse = find(form, seed, r)
        assert all(point.fixed for point in found)
        places = sorted((inverse @ point.location)[0] for point in found)
        roots = {
            "transcritical": sorted([0.0, r]),
            "pitchfork": [-np.sqrt(r), 0.0, np.sqrt(r)] if r > 0 else [0.0],
            "hopf": [0.0],
        }[form]
        np.testing.assert_allclose(places, roots, atol=1e-8)
        stable = sum(point.kind is Kind.STABLE for point in found)
        assert stable == {"transcritical": 1, "pitchfork": 2 if r > 0 else 1, "hopf": int(r < 0)}[form]


def wavy(x, swing):
    return jnp.stack([2 + swing * jnp.sin(x[0]), -x[1]])


@pytest.mark.parametrize("swing", [0.0, 1.0])
def test_a_field_without_slow_point_has_none(swing: float) -> None:
    found = find_slow_points(wavy, np.random.default_rng(0).normal(size=(8, 2)), args=(swing,))
    assert len(found) == 0
    assert found.unresolved == {"led to no slow point": 8}
    assert "no slow point" in str(found)


def test_a_tail_that_never_ends_is_a_slow_region() -> None:
    found = find_slow_points(lambda x: jnp.stack([jnp.exp(x[0]), -x[1]]), np.array([[0.0, 1.0], [1.0, -1.0]]), slow=0.1)
    assert {point.kind for point in found} == {Kind.SLOW_REGION}


def leaky(x, bias):
    """A step of a network with leak 0.4 whose field is the saddle-node r = bias along (1, 1)."""
    slow = (x[0] + x[1]) / 2
    return x + 0.4 * (jnp.stack([1.0, 1.0]) * (bias + slow**2) - jnp.stack([1.0, -1.0]) * (x[0] - x[1]) / 2)


def test_a_leaky_map_counts_steps() -> None:
    (ghost,) = find_slow_points(leaky, np.array([[0.3, 0.2], [-0.3, 0.1]]), args=(1e-4,), leak=0.4)
    np.testing.assert_allclose(ghost.passage_time, np.pi / (0.4 * 1e-2), rtol=1e-4)
    x, steps = np.array([-0.5, -0.5]), 0
    while x.mean() < 0.5:
        x, steps = np.asarray(x + 0.4 * (1e-4 + x.mean() ** 2) * np.ones(2)), steps + 1
    # l.x is the mean times the length of (1, 1).
    assert abs(ghost.passage_time_in_window(np.sqrt(0.5), np.sqrt(0.5)) - steps) < 1


def test_the_next_order_is_what_the_passage_time_misses() -> None:
    """On the circle dx/dt = a - cos x the period is 2 pi/sqrt(a^2 - 1) exactly, without edges."""
    a = 1.01
    # A start may be thrown to another copy of the ghost, a multiple of 2 pi away.
    ghost = find_slow_points(lambda x: a - jnp.cos(x), np.array([[0.3], [-0.5]])).ghosts[0]
    exact = 2 * np.pi / np.sqrt(a**2 - 1)
    missing = exact / ghost.passage_time - 1
    np.testing.assert_allclose(missing, ghost.relative_correction, rtol=0.02)
    assert abs(exact - ghost.passage_time) < 1.1 * ghost.passage_time_error


def bent(x, r):
    return jnp.stack([r + x[0] ** 2 + 0.4 * x[0] * x[1], -x[1] + 0.5 * x[0] ** 2 + 0.3 * r])


def test_branch_passes_through_the_saddle_node() -> None:
    (ghost,) = find_slow_points(bent, np.array([[0.2, 0.1], [-0.2, 0.0]]), args=(0.01,))
    branch = continue_ghost(bent, ghost.location, np.linspace(0.01, -0.01, 21))
    assert branch.r[0] > 0 > branch.r[-1]
    assert np.all(np.diff(branch.r) < 0)
    assert branch.errors.max() < 1e-9
    fold = find_saddle_node(bent, ghost.location, 0.01)
    assert abs(fold.parameter) < 1e-10
    assert np.linalg.norm(fold.location) < 1e-8
    middle = np.gradient(branch.r, branch.parameters)[10]
    np.testing.assert_allclose(fold.slope, middle, rtol=1e-3)


def test_pseudo_arclength_goes_around_the_fold() -> None:
    path = continue_fixed_point(saddle_node, np.array([-0.2, 0.0]), -0.04, arc=0.02, steps=22)
    assert len(path.folds) == 1
    assert abs(path.parameters[path.folds[0]]) < 1e-3
    np.testing.assert_allclose(path.parameters, -(path.locations[:, 0] ** 2), atol=1e-10)
    assert path.locations[-1, 0] > 0.1


@pytest.mark.parametrize(
    ("field", "starts", "words"),
    [
        (3.0, np.ones((2, 2)), "must be a function"),
        (lambda x: x[:1], np.ones((2, 2)), "returns the shape"),
        (lambda x: x + 1j, np.ones((2, 2)), "complex"),
        (lambda x: x * jnp.nan, np.ones((2, 2)), "NaN or infinite at all 2 starts"),
        (lambda x, y: x, np.ones((2, 2)), "could not be traced"),
        (lambda x: -x, np.ones(2), "two axes"),
        (lambda x: -x, np.ones((0, 2)), "neither empty"),
        (lambda x: -x, np.full((2, 2), np.nan), "hold NaN"),
        (lambda x: -x, np.ones((2, 2)) * 1j, "complex"),
        (lambda x: -x, [["a", "b"]], "must be numbers"),
        (lambda x: (x, x), np.ones((2, 2)), "one array"),
    ],
)
def test_errors_are_sentences(field, starts, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        find_slow_points(field, starts)


def test_a_start_at_which_the_field_is_nan_does_not_hurt_the_others_and_a_narrow_window_is_refused() -> None:
    found = find_slow_points(lambda x: 1e-4 + x**2 + 0 * jnp.sqrt(x + 1), np.array([[0.2], [-3.0]]))
    assert [point.kind for point in found] == [Kind.GHOST]
    assert found.unresolved == {"the field is not finite there": 1}
    with pytest.raises(UsageError, match="beyond the bottleneck"):
        found[0].passage_time_in_window(0.005, 1.0)


UNITS = 30


def latent(x, m, n, b):
    """A rank-one network; k = n.x follows dk/dt = -k + n.tanh(m k + b) exactly."""
    return -x + jnp.tanh(m * (n @ x) + b)


def network_with_a_ghost(r: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """(m, n, b, k): random weights and the bias at which the latent flow has a ghost of strength r at k."""
    rng = np.random.default_rng(seed)
    m, n = 1 + 0.3 * rng.normal(size=UNITS), 2 / UNITS * (1 + 0.5 * rng.normal(size=UNITS))
    bias = 1 + 0.3 * rng.normal(size=UNITS)

    def conditions(at):
        out = np.tanh(m * at[0] + at[1] * bias)
        slope, curvature = n * m @ (1 - out**2) - 1, n * m**2 @ (-2 * out * (1 - out**2))
        return slope, ((n @ out - at[0]) * curvature / 2 - r) * 1e3

    (k, scale), _, solved, message = scipy.optimize.fsolve(conditions, (1.4, -0.55), full_output=True, xtol=1e-13)
    assert solved == 1, message
    return m, n, scale * bias, k


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("r", [1e-5, 1e-4, 1e-3])
def test_steps_of_a_leaky_tanh_network_through_its_ghost(r: float, seed: int) -> None:
    m, n, b, k = network_with_a_ghost(r, seed)
    states = [np.tanh(m * (k + 1) + b)]
    for _ in range(10000):
        states.append(0.5 * states[-1] + 0.5 * np.tanh(m * (n @ states[-1]) + b))
        if n @ states[-1] < k - 0.8:
            break
    path = np.array(states)
    # A start may also lead to the stable fixed point beyond the passage.
    (ghost,) = find_slow_points(latent, path[:: len(path) // 4][1:4], args=(m, n, b)).ghosts
    np.testing.assert_allclose(ghost.r, r, rtol=10 * r)
    assert abs(n @ ghost.location - k) < 10 * r
    along = (path - ghost.location) @ ghost.left
    steps = np.argmax(along > 0.8) - np.argmax(along > -0.8)
    np.testing.assert_allclose(ghost.passage_time_in_window(0.8, 0.8) / 0.5, steps, rtol=0.01)
    # The whole line needs more than the window, the less so the slower the ghost is.
    assert 0 < ghost.passage_time / 0.5 / steps - 1 < 5 * np.sqrt(r)


def test_ghosts_planted_in_a_hundred_dimensions() -> None:
    values = {"planted_r": [1e-3, 1e-4], "before": 0.5, "after": 0.5}
    found = run(Sweep(GhostFlow(100), values, seeds=2), progress=False)
    assert (found.outcome == Outcome.FINISHED).all()
    assert (found.location_error < 1e-6).all()
    predicted = np.pi / np.sqrt(found.sample_A * found.sample_B) - 4 / found.sample_B
    np.testing.assert_allclose(predicted, found.passage_time, rtol=0.01)


def test_models_say_on_how_many_devices_they_run() -> None:
    assert explain(Sweep(GhostFlow(3), {}), trial=False).devices == "1 cpu device"


def test_the_documented_example_runs() -> None:
    space = run_page("slow_points.md")
    assert abs(space["predicted"] / space["counted"] - 1) < 0.01
    assert abs(space["fold"].parameter) < 1e-10
