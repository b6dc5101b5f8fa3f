"""Passage through the remnant of a saddle-node in noise: one trajectory at a time, no task and no training."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from toymodels.errors import UsageError
from toymodels.model import Observable, ToyModel, Values
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, REAL, Parameter

STEP = 0.05
"""Step in units of the local time 1/(sqrt|r| + D^(1/3) + |x|): mean times within 0.1 % (2.6 % at 0.3, of order two)."""
BLOCK = 64
"""Steps between two looks at whether the passage is over; a draw of normal numbers serves a whole block."""


def _scale(values: Values) -> np.ndarray:
    """x beyond which the drift dominates noise and r."""
    return np.cbrt(values["noise"]) + np.sqrt(np.abs(values["r"]))


class _State(NamedTuple):
    x: jax.Array
    time: jax.Array
    steps: jax.Array
    done: jax.Array


@dataclasses.dataclass(frozen=True)
class GhostPassage(ToyModel):
    """dx = (r + x^2) dt + sqrt(2 noise) dW from x = start until x = end; r of either sign.

    The scheme is the stochastic Runge-Kutta method of Heun, of weak order 2 for additive noise, with steps that depend
    on the present state only, `STEP`/(sqrt|r| + noise^(1/3) + |x|) divided by `refine`; the crossing of `end` is
    interpolated linearly within a step.

    `tails` adds the times from minus infinity to `start` and from `end` to infinity, 1/|start| and 1/end: at
    distances of 100 (noise^(1/3) + sqrt|r|) the drift is x^2 to 1e-4, and the error is below 1e-6 of the passage.
    With `tails=False` the time is that from start to end; `end` should then lie where the drift dominates, since a
    trajectory may touch it within a step unseen.

    Outcomes: FINISHED; NOT_FINISHED, `end` was not reached within `steps` steps (the time is NaN); DIVERGED.

    Raises `UsageError` for end <= start, and with tails for ends that are not on both sides of 0.

    >>> import jax
    >>> model = GhostPassage()
    >>> values = {"r": 1.0, "noise": 1e-12, "start": -100.0, "end": 100.0, "steps": 4096}
    >>> record = model.simulate(values, jax.random.key(0), lengths=(1,), stride=1)
    >>> round(float(record["passage_time"]), 2)  # pi
    3.14
    """

    refine: int = 1
    tails: bool = True

    name: ClassVar[str] = "ghost_passage"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("r", "distance to the bifurcation, of either sign", 1e-4, "1/time^2", REAL),
        Parameter("noise", "D of dx += sqrt(2 D) dW", 1e-6, "1/time^3", NON_NEGATIVE),
        Parameter("start", "x at first", lambda values: -100 * _scale(values), "1/time", REAL),
        Parameter("end", "x at which the passage is over", lambda values: 100 * _scale(values), "1/time", POSITIVE),
        Parameter("steps", "largest number of steps in time", 100_000, "step", NON_NEGATIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if isinstance(self.refine, bool) or self.refine < 1:
            raise UsageError(f"ghost_passage: refine must be a whole number of at least 1, got {self.refine!r}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Everything that `simulate` returns."""
        return {
            "passage_time": Observable("passage time", (), "time"),
            "time_steps": Observable("steps in time that it took", (), "step"),
            "outcome": Observable("result code", dtype="int8"),
        }

    @property
    def record_every(self) -> int | None:
        """No records along steps."""
        return 1

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        """Ends in order; with tails on both sides of 0."""
        if np.any(values["end"] <= values["start"]):
            raise UsageError("ghost_passage: end must exceed start; x moves upwards.")
        if self.tails and np.any(values["start"] >= 0):
            raise UsageError(
                f"ghost_passage: tails add the time from minus infinity to start, so start must be negative, got "
                f"{np.max(values['start']):g}; give a start far below 0 or tails=False."
            )

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """There is no scan of fixed length. Shape (runs, 1)."""
        return np.ones((len(values["r"]), 1), dtype=np.int64)

    def simulate(
        self, params: Mapping[str, jax.Array], key: jax.Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, jax.Array]:
        """One passage; see the class for what it does and `observables` for what it returns."""
        r, noise, start, end = (jnp.asarray(params[name]) for name in ("r", "noise", "start", "end"))
        dtype = r.dtype
        speed = (jnp.sqrt(jnp.abs(r)) + jnp.cbrt(noise)) * (self.refine / STEP)

        def step(state: _State, draw: jax.Array) -> tuple[_State, None]:
            x = state.x
            moving = ~state.done & (state.steps < params["steps"])
            h = 1 / (speed + jnp.abs(x) * (self.refine / STEP))
            kick = jnp.sqrt(2 * noise * h) * draw
            drift = r + x * x
            ahead = x + h * drift + kick
            x_next = x + h / 2 * (drift + r + ahead * ahead) + kick
            crosses = x_next >= end
            # Of the last step only the part before the crossing counts.
            part = jnp.where(crosses, (end - x) / jnp.where(crosses, x_next - x, 1.0), 1.0)
            return _State(
                jnp.where(moving, x_next, x),
                jnp.where(moving, state.time + part * h, state.time),
                state.steps + moving,
                state.done | (moving & (crosses | ~jnp.isfinite(x_next))),
            ), None

        def block(carried: tuple[_State, jax.Array]) -> tuple[_State, jax.Array]:
            state, count = carried
            draws = jax.random.normal(jax.random.fold_in(key, count), (BLOCK,), dtype)
            return lax.scan(step, state, draws)[0], count + 1

        zero = jnp.zeros((), dtype)
        first = _State(jnp.asarray(start, dtype), zero, jnp.zeros((), jnp.int32), jnp.zeros((), bool))
        last, _ = lax.while_loop(
            lambda carried: ~carried[0].done & (carried[0].steps < params["steps"]), block, (first, jnp.int32(0))
        )
        healthy = jnp.isfinite(last.x) & jnp.isfinite(last.time)
        passed = last.done & healthy
        time = last.time + (1 / end - 1 / start if self.tails else zero)
        code = jnp.where(passed, Outcome.FINISHED, jnp.where(healthy, Outcome.NOT_FINISHED, Outcome.DIVERGED))
        return {
            "passage_time": jnp.where(passed, time, jnp.nan),
            "time_steps": last.steps.astype(dtype),
            "outcome": code.astype(jnp.int8),
        }
