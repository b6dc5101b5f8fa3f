"""Passages through a ghost planted in many dimensions: the simulated side of the reduction to one dimension.

The planted flow is du/dt = r + u^2, dy/dt = -rates y (d - 1 of them from 1 to 3), seen in other coordinates:

    x = M (U, Y),   U = u + mixing (p.y) u,   Y = y + bend c u^2

M is a random rotation times 1 + tilt G/sqrt(d), G Gaussian, p and c are random unit vectors: eigenvectors are not
orthogonal, and the slow manifold is bent. All draws come from the key. The slow-point search sees x and F(x) only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, Interval, Parameter
from toymodels.slow_points import search
from toymodels.slow_points.reduction import Field, normal_form, relative_correction

Array = jax.Array
SCHEMES = ("flow", "map")
APPROACH = 1.5
"""The passage is entered at this multiple of the distance `before`."""
STEP = 0.05
"""Step of the Runge-Kutta scheme of order four; the fastest rate is 3."""
NEWTON_STEPS = 40
COEFFICIENTS = ("A", "B", "C", "E", "g1", "g2", "g3")


class Plant(NamedTuple):
    """The random coordinates: M and its inverse (d, d), p and c (d - 1,), rates (d - 1,)."""

    matrix: Array
    inverse: Array
    p: Array
    c: Array
    rates: Array


def draw(key: Array, size: int, tilt: Array) -> Plant:
    """Random coordinates in `size` dimensions."""
    keys = jax.random.split(key, 4)
    dtype = tilt.dtype
    rotation = jnp.linalg.qr(jax.random.normal(keys[0], (size, size), dtype))[0]
    gauss = jax.random.normal(keys[1], (size, size), dtype) / size**0.5
    matrix = rotation @ (jnp.eye(size, dtype=dtype) + tilt * gauss)
    p, c = (jax.random.normal(k, (size - 1,), dtype) for k in keys[2:])
    rates = jnp.linspace(1.0, 3.0, size - 1, dtype=dtype)
    return Plant(matrix, jnp.linalg.inv(matrix), p / jnp.linalg.norm(p), c / jnp.linalg.norm(c), rates)


def embed(plant: Plant, z: Array, bend: Array, mixing: Array) -> Array:
    """x of z = (u, y)."""
    u, y = z[0], z[1:]
    return plant.matrix @ jnp.concatenate([(u + mixing * (plant.p @ y) * u)[None], y + bend * plant.c * u**2])


def planted_field(plant: Plant, r: Array, bend: Array, mixing: Array) -> Field:
    """F(x) of the planted flow in the coordinates x. The inverse of `embed` is a cubic, solved by Newton's method."""

    def back(x: Array) -> Array:
        w = plant.inverse @ x
        slope, cubic = 1 + mixing * (plant.p @ w[1:]), mixing * bend * (plant.p @ plant.c)
        # U = slope u - cubic u^3; a fixed number of steps, so that all derivatives are exact to rounding.
        u = w[0] / slope
        for _ in range(6):
            u = u - (slope * u - cubic * u**3 - w[0]) / (slope - 3 * cubic * u**2)
        return jnp.concatenate([u[None], w[1:] - bend * plant.c * u**2])

    def field(x: Array) -> Array:
        z = back(x)
        flow = jnp.concatenate([(r + z[0] ** 2)[None], -plant.rates * z[1:]])
        return jax.jvp(lambda z: embed(plant, z, bend, mixing), (z,), (flow,))[1]

    return field


@dataclasses.dataclass(frozen=True)
class GhostFlow(ToyModel):
    """One passage of a planted ghost, and what the slow-point search says about it from a start nearby.

    `scheme`: "flow" integrates dx/dt = F (Runge-Kutta of order four), "map" iterates x + leak F(x). The clock
    runs from distance `before` ahead of the ghost to `after` behind it, along l.(x - x_g), both found by the search.
    A `passage_time` of the map counts steps, with fractions (linear within a step). Outcome: FINISHED, or NOT_FINISHED
    where the passage did not end within `steps` steps, or DIVERGED where the search failed.

    Raises `UsageError` for an unknown scheme or fewer than 2 dimensions. Source: own.
    """

    dimension: int = 20
    scheme: str = "flow"

    name: ClassVar[str] = "ghost_flow"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("planted_r", "r of the planted flow", 1e-3, unit="1/time^2", domain=POSITIVE),
        Parameter("tilt", "strength of the random shear", 0.5, domain=Interval(0, 0.9)),
        Parameter("bend", "curvature of the slow manifold", 0.0),
        Parameter("mixing", "coupling of fast coordinates into the slow one", 0.0),
        Parameter("before", "where the clock starts, ahead of the ghost", 0.5, domain=POSITIVE),
        Parameter("after", "where it stops, behind the ghost", 0.5, domain=POSITIVE),
        Parameter("leak", "a of the map x + a F(x)", 0.5, domain=Interval(0, 0.66, open_lo=True)),
        Parameter("offset", "distance of the search's start from the ghost", 0.2, domain=NON_NEGATIVE),
        Parameter("steps", "steps at most", 200_000, unit="step", domain=POSITIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise unknown("scheme of ghost_flow", self.scheme, SCHEMES)
        if self.dimension < 2:
            raise UsageError(f"ghost_flow: dimension must be at least 2, got {self.dimension}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        found = {f"sample_{name}": Observable(f"{name} found at the ghost") for name in COEFFICIENTS}
        return found | {
            "passage_time": Observable("time (or steps) through the window", unit="time"),
            "location_error": Observable("distance of the found ghost from the planted one (bend = mixing = 0)"),
            "correction": Observable("relative correction of the passage time, predicted by the search"),
            "outcome": Observable("finished, not finished, diverged", (), dtype="int8"),
        }

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.zeros((len(values["steps"]), 1), dtype=np.int64)

    @property
    def record_every(self) -> int | None:
        return 1

    def simulate(
        self, params: Mapping[str, Array], key: Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, Array]:
        value = dict(params)
        plant_key, start_key = jax.random.split(key)
        plant = draw(plant_key, self.dimension, value["tilt"])
        field = planted_field(plant, value["planted_r"], value["bend"], value["mixing"])
        shift = jax.random.normal(start_key, (self.dimension,), value["tilt"].dtype)
        start = value["offset"] * shift / jnp.linalg.norm(shift)
        ghost, step = locate(field, start)
        form = normal_form(field, ghost)
        # The flow enters where u < 0 whatever the direction of v.
        entry = embed(
            plant, jnp.zeros_like(ghost).at[0].set(-APPROACH * value["before"]), value["bend"], value["mixing"]
        )

        def distance(x: Array) -> Array:
            return form.left @ (x - ghost)

        scale = 1 / jnp.abs(plant.inverse[0] @ form.null)
        entry = ghost + (entry - ghost) * scale
        count = passage_steps(
            lambda x: self._advance(field, x, value["leak"]),
            distance, entry, value["before"], value["after"], value["steps"],
        )  # fmt: skip
        through = jnp.isfinite(count)
        passage = count if self.scheme == "map" else count * STEP
        found = (step < 1e-6) & (form.A * form.B > 0)
        outcome = jnp.where(found, jnp.where(through, Outcome.FINISHED, Outcome.NOT_FINISHED), Outcome.DIVERGED)
        leak = value["leak"] if self.scheme == "map" else 0.0
        return {
            **{f"sample_{name}": getattr(form, name) for name in COEFFICIENTS},
            "passage_time": jnp.where(through & found, passage, jnp.nan),
            "location_error": jnp.linalg.norm(ghost - _planted_location(plant, value["planted_r"])),
            "correction": relative_correction(form, leak),
            "outcome": outcome.astype(jnp.int8),
        }

    def _advance(self, field: Field, x: Array, leak: Array) -> Array:
        if self.scheme == "map":
            return x + leak * field(x)
        k1 = field(x)
        k2 = field(x + STEP / 2 * k1)
        k3 = field(x + STEP / 2 * k2)
        k4 = field(x + STEP * k3)
        return x + STEP / 6 * (k1 + 2 * (k2 + k3) + k4)


def passage_steps(
    advance: Callable[[Array], Array], distance: Callable[[Array], Array], entry: Array, before: Array, after: Array,
    most: Array,
) -> Array:  # fmt: skip
    """Steps from distance -before to after, with fractions; NaN where there are more than `most` in all."""

    def body(state: tuple) -> tuple:
        count, x, start, end = state
        moved = advance(x)
        here, there = distance(x), distance(moved)

        def crossing(level: Array, known: Array) -> Array:
            hit = (here < level) & (there >= level) & jnp.isnan(known)
            # The slow coordinate moves by about B u^2 in unit time: 1/u is linear in time, u is not.
            share = (1 / here - 1 / level) / (1 / here - 1 / there)
            return jnp.where(hit, count + share, known)

        return count + 1, moved, crossing(-before, start), crossing(after, end)

    def running(state: tuple) -> Array:
        return (state[0] < most) & jnp.isnan(state[3]) & (jnp.abs(distance(state[1])) < 10 * (before + after))

    zero = entry[0] * 0
    _, _, start, end = jax.lax.while_loop(running, body, (zero, entry, zero + jnp.nan, zero + jnp.nan))
    return end - start


def locate(field: Field, start: Array) -> tuple[Array, Array]:
    """(x, step): the bottleneck near `start`, by Newton's method alone: the starts are near, and the library's root
    finders do not run inside the engine's sharded programs."""

    def gradient(x: Array) -> Array:
        return jax.grad(lambda x: jnp.sum(field(x) ** 2) / 2)(x)

    x = jax.lax.fori_loop(
        0, NEWTON_STEPS, lambda _, x: x - jnp.linalg.solve(jax.jacfwd(gradient)(x), gradient(x)), start
    )
    border, coborder = search.borders(field, x)
    equations = search.bottleneck_equations(field, border, coborder)
    left = search.bordered(field, border, coborder, x)[2]
    return x, search.newton_step(equations, (x, left @ field(x)))


def _planted_location(plant: Plant, r: Array) -> Array:
    """The minimum of |F|^2/2 for straight coordinates: u = 0, rates y = N_yy^-1 N_yu r with N = M^T M."""
    N = plant.matrix.T @ plant.matrix
    y = jnp.linalg.solve(N[1:, 1:], N[1:, 0]) * r / plant.rates
    return plant.matrix @ jnp.concatenate([jnp.zeros((1,), r.dtype), y])
