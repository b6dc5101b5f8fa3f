"""What training really does in skeleton. Replace the loss, the parameters and the observables by your own.

The dynamics is differentiated by jax. No closed form that a claim predicts may be used here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.model import Observable, ToyModel
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, Parameter

LEARNED_BELOW = 1e-6
"""A run has learned when its loss has fallen to this share of the first one."""


@dataclasses.dataclass(frozen=True)
class Skeleton(ToyModel):
    """Gradient descent on L(w) = curvature w^2 / 2 from w ~ N(0, 1).

    Outcomes, after the last step: DIVERGED, the loss is above the first one, or no number; LEARNED, it has fallen below
    a millionth of it; NOT_FINISHED, neither.
    """

    # Static structure (sizes, schemes, what to record) goes here, as hashable fields with defaults. A change of it is
    # compiled anew. Everything that is swept is a parameter below.
    record_every: int | None = None

    name: ClassVar[str] = "skeleton"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("curvature", "second derivative of the loss", 1.0, "1", POSITIVE),
        Parameter("learning_rate", "step size", 0.1, "1", POSITIVE),
        Parameter("steps", "updates", 50, "step", NON_NEGATIVE, integer=True),
    )

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Everything that `simulate` returns. `initial_*` are realised inputs: claims are evaluated on them."""
        return {
            "w": Observable("the trained parameter", ("step",)),
            "loss": Observable("L(w)", ("step",)),
            "initial_w": Observable("realised start of w"),
            "outcome": Observable("result code", dtype="int8"),
        }

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """Training steps of each run. Shape (runs, 1)."""
        return np.asarray(values["steps"], dtype=np.int64)[:, None]

    def simulate(
        self, params: Mapping[str, jax.Array], key: jax.Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, jax.Array]:
        """One run. The engine vectorises it, so: no `if` on values, no exceptions, a result code instead."""
        steps, learning_rate = params["steps"], params["learning_rate"]

        def loss(w: jax.Array) -> jax.Array:
            return params["curvature"] * w**2 / 2

        def update(n: jax.Array, w: jax.Array) -> jax.Array:
            # The scan may be longer than this run: steps after its own last one do nothing.
            return jnp.where(n < steps, w - learning_rate * jax.grad(loss)(w), w)

        def block(w: jax.Array, first: jax.Array) -> tuple[jax.Array, dict[str, jax.Array]]:
            """The updates from one record to the next."""
            w = jax.lax.fori_loop(first, first + stride, update, w)
            over = first + stride > steps
            return w, {"w": jnp.where(over, jnp.nan, w), "loss": jnp.where(over, jnp.nan, loss(w))}

        start = jax.random.normal(key, (), learning_rate.dtype)
        end, records = jax.lax.scan(block, start, jnp.arange(0, lengths[0], stride, dtype=jnp.int32))
        first = {"w": start, "loss": loss(start)}
        records = {name: jnp.concatenate([first[name][None], seen]) for name, seen in records.items()}
        share = loss(end) / loss(start)
        code = jnp.where(share < LEARNED_BELOW, Outcome.LEARNED, Outcome.NOT_FINISHED)
        code = jnp.where(share <= 1, code, Outcome.DIVERGED)  # false for NaN too
        return {**records, "initial_w": start, "outcome": code.astype(jnp.int8)}


MODELS = (Skeleton,)
