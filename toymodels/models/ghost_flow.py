"""Passages through a ghost planted in many dimensions: the simulated side of the reduction to one dimension.

The planted flow is du/dt = r + u^2 + cubic u^3 + quartic u^4, dy/dt = -rates y (d - 1 of them from 1 to 3), seen in
other coordinates:

    x = M (U, Y),   U = u + mixing (p.y) u,   Y = y + bend c u^2

M is a random rotation times 1 + tilt G/sqrt(d), G Gaussian, p and c are random unit vectors, orthogonal to each other
so that the inverse is explicit (in two dimensions c is 0): eigenvectors are not orthogonal, and the slow manifold is
bent. All draws come from the key. The slow-point search sees x and F(x) only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, Interval, Parameter
from toymodels.slow_points import search
from toymodels.slow_points.reduction import Field, NormalForm, normal_form, relative_correction

Array = jax.Array
SCHEMES = ("flow", "map")
APPROACH = 2.0
"""The passage is entered at this multiple of the distance `before`."""
NEWTON_STEPS = 20
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
    p = p / jnp.linalg.norm(p)
    c = c - p * (p @ c) if size > 2 else jnp.zeros_like(c)
    c = c / jnp.maximum(jnp.linalg.norm(c), jnp.finfo(dtype).tiny)
    rates = jnp.linspace(1.0, 3.0, size - 1, dtype=dtype)
    return Plant(matrix, jnp.linalg.inv(matrix), p, c, rates)


def _field(plant: Plant, value: Mapping[str, Array]) -> Field:
    def slow(u: Array) -> Array:
        return value["planted_r"] + u**2 + value["cubic"] * u**3 + value["quartic"] * u**4

    return planted_field(plant, slow, value["bend"], value["mixing"])


def planted_field(plant: Plant, slow: Callable[[Array], Array], bend: Array, mixing: Array) -> Field:
    """F(x) of the planted flow du/dt = slow(u) in the coordinates x."""

    def field(x: Array) -> Array:
        w = plant.inverse @ x
        slope = 1 + mixing * (plant.p @ w[1:])
        u = w[0] / slope
        speed, fall = slow(u), -plant.rates * (w[1:] - bend * plant.c * u**2)
        first = slope * speed + mixing * u * (plant.p @ fall)
        return plant.matrix @ jnp.concatenate([first[None], fall + 2 * bend * plant.c * u * speed])

    return field


@dataclasses.dataclass(frozen=True)
class GhostFlow(ToyModel):
    """One passage of a planted ghost, and what the slow-point search says about it from a start nearby.

    `scheme`: "flow" integrates dx/dt = F (Runge-Kutta of order four), "map" iterates x + leak F(x). The clock
    runs from distance `before` ahead of the ghost to `after` behind it, along l.(x - x_g), both found by the search.
    A `passage_time` of the map counts steps, with fractions (linear within a step). Outcome: FINISHED, or NOT_FINISHED
    where the passage did not end within `steps` steps, or DIVERGED where the search failed.

    Raises `UsageError` for an unknown scheme or fewer than 2 dimensions. Source: own.

    >>> from toymodels.engine import simulate_one
    >>> one = simulate_one(GhostFlow(3, "map"), {"planted_r": 1e-3, "leak": 0.5}, 0)
    >>> float(abs(one["sample_A"] * one["sample_B"] / 1e-3 - 1)) < 1e-3  # A B is the planted r
    True
    """

    dimension: int = 20
    scheme: str = "flow"

    name: ClassVar[str] = "ghost_flow"
    # XLA's linear algebra of large matrices waits for itself inside programs on several host devices.
    most_devices: ClassVar[int | None] = 1
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("planted_r", "r of the planted flow", 1e-3, unit="1/time^2", domain=POSITIVE),
        Parameter("tilt", "strength of the random shear", 0.5, domain=Interval(0, 0.9)),
        Parameter("cubic", "coefficient of u^3 in the planted flow", 0.0, unit="1/time"),
        Parameter("quartic", "coefficient of u^4", 0.0, unit="1/time"),
        Parameter("bend", "curvature of the slow manifold", 0.0),
        Parameter("mixing", "coupling of fast coordinates into the slow one", 0.0),
        Parameter("before", "where the clock starts, ahead of the ghost", 0.5, domain=POSITIVE),
        Parameter("after", "where it stops, behind the ghost", 0.5, domain=POSITIVE),
        Parameter("leak", "a of the map x + a F(x)", 0.5, domain=Interval(0, 0.66, open_lo=True)),
        Parameter(
            "time_step", "step of the flow's integrator", 0.1, unit="time", domain=Interval(0, 0.5, open_lo=True)
        ),
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
        plant, ghost, step, form = self._survey(value, key)
        field = _field(plant, value)
        # On the planted slow manifold, y = 0; the flow enters where u < 0 whatever the direction of v.
        inside = -APPROACH * value["before"] * jnp.abs(plant.inverse[0] @ form.null)
        entry = plant.matrix @ jnp.concatenate([inside[None], value["bend"] * plant.c * inside**2])

        def distance(x: Array) -> Array:
            return form.left @ (x - ghost)

        count = passage_steps(
            lambda x: self._advance(field, x, value["leak"] if self.scheme == "map" else value["time_step"]),
            distance, entry, value["before"], value["after"], value["steps"],
        )  # fmt: skip
        through = jnp.isfinite(count)
        passage = count if self.scheme == "map" else count * value["time_step"]
        found = (step < jnp.finfo(step.dtype).eps ** 0.4) & (form.A * form.B > 0)
        outcome = jnp.where(found, jnp.where(through, Outcome.FINISHED, Outcome.NOT_FINISHED), Outcome.DIVERGED)
        leak = value["leak"] if self.scheme == "map" else 0.0
        return {
            **{f"sample_{name}": getattr(form, name) for name in COEFFICIENTS},
            "passage_time": jnp.where(through & found, passage, jnp.nan),
            "location_error": jnp.linalg.norm(ghost - _planted_location(plant, value["planted_r"])),
            "correction": relative_correction(form, leak),
            "outcome": outcome.astype(jnp.int8),
        }

    def _survey(self, value: dict[str, Array], key: Array) -> tuple[Plant, Array, Array, NormalForm]:
        """The coordinates, and what the search finds. One run after the other: XLA's batched linear algebra takes
        five times as long to compile."""

        @jax.custom_batching.sequential_vmap
        def survey(value: dict[str, Array], bits: Array) -> tuple[Plant, Array, Array, NormalForm]:
            plant_key, start_key = jax.random.split(jax.random.wrap_key_data(bits))
            plant = draw(plant_key, self.dimension, value["tilt"])
            field = _field(plant, value)
            shift = jax.random.normal(start_key, (self.dimension,), value["tilt"].dtype)
            ghost, step = locate(field, value["offset"] * shift / jnp.linalg.norm(shift))
            return plant, ghost, step, normal_form(field, ghost)

        return survey(value, jax.random.key_data(key))

    def _advance(self, field: Field, x: Array, dt: Array) -> Array:
        if self.scheme == "map":
            return x + dt * field(x)
        k1 = field(x)
        k2 = field(x + dt / 2 * k1)
        k3 = field(x + dt / 2 * k2)
        k4 = field(x + dt * k3)
        return x + dt / 6 * (k1 + 2 * (k2 + k3) + k4)


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
    """(x, step): the bottleneck near `start` by Newton's method on the bordered equations, with new borders every
    time; the starts are near, and the library's root finders do not run inside the engine's sharded programs."""

    def improve(_: Any, state: tuple[Array, Array, Array]) -> tuple[Array, Array, Array]:
        x, _, _ = state
        border, coborder = search.borders(field, x)
        left = search.bordered(field, border, coborder, x)[2]
        strength = left @ field(x)
        change, length = _newton(search.bottleneck_equations(field, border, coborder), x, strength)
        return x - change, length, strength

    zero = start[0] * 0
    x, step, _ = jax.lax.fori_loop(0, NEWTON_STEPS, improve, (start, zero, zero))
    return x, step


def _newton(equations: Callable[[tuple[Array, Array]], Any], x: Array, strength: Array) -> tuple[Array, Array]:
    flat = jnp.append(x, strength)

    def vector(values: Array) -> Array:
        first, last = equations((values[:-1], values[-1]))
        return jnp.append(first, last)

    change = jnp.linalg.solve(jax.jacfwd(vector)(flat), vector(flat))[:-1]
    return change, jnp.linalg.norm(change)


def _planted_location(plant: Plant, r: Array) -> Array:
    """The minimum of |F|^2/2 for straight coordinates: u = 0, rates y = N_yy^-1 N_yu r with N = M^T M."""
    N = plant.matrix.T @ plant.matrix
    y = jnp.linalg.solve(N[1:, 1:], N[1:, 0]) * r / plant.rates
    return plant.matrix @ jnp.concatenate([jnp.zeros((1,), r.dtype), y])
