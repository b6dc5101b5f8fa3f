"""Reductions over the steps of a run that learns concepts: when each is half learned, how the test loss turns.

Every `observe` may be repeated on the same state: it changes nothing the second time. So a model that freezes its
weights after the last step need not mask what it watches. Steps are floats here: they get multiplied by a rate.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp

from toymodels.outcome import Outcome

Array = jax.Array


class Crossing(NamedTuple):
    """First step, interpolated, at which each entry of `progress` reached 1/2; inf: not yet."""

    progress: Array
    step: Array

    @classmethod
    def begin(cls, progress: Array) -> Crossing:
        """Before the first step; `progress` has shape (concepts,)."""
        return cls(progress, jnp.where(progress >= 0.5, 0.0, jnp.inf).astype(progress.dtype))

    def observe(self, progress: Array, step: Array) -> Crossing:
        """After step number `step` has led to `progress`."""
        crossed = jnp.isinf(self.step) & (progress >= 0.5)
        share = (0.5 - self.progress) / jnp.where(crossed, progress - self.progress, 1.0)
        return Crossing(progress, jnp.where(crossed, step - 1.0 + share, self.step))


class Swing(NamedTuple):
    """The largest rise of a loss above an earlier minimum that is not the start."""

    lowest: Array
    lowest_step: Array
    rise: Array
    rise_from: Array
    rise_to: Array

    @classmethod
    def begin(cls, loss: Array) -> Swing:
        """Before the first step."""
        return cls(loss, *(jnp.zeros_like(loss) for _ in range(4)))

    def observe(self, loss: Array, step: Array) -> Swing:
        """After step number `step` has led to `loss`."""
        # A loss that grows from the start has not swung by anything: the minimum must be an interior one.
        deeper = (loss - self.lowest > self.rise) & (self.lowest_step > 0)
        lower = loss < self.lowest
        return Swing(
            jnp.where(lower, loss, self.lowest),
            jnp.where(lower, step, self.lowest_step),
            jnp.where(deeper, loss - self.lowest, self.rise),
            jnp.where(deeper, self.lowest_step, self.rise_from),
            jnp.where(deeper, step, self.rise_to),
        )

    def observables(self, first_loss: Array, rate: Array) -> dict[str, Array]:
        """`swing_depth` (over the first loss), `swing_min_time` and `swing_bump_time` (NaN without a rise)."""
        swung = self.rise > 0.0
        return {
            "swing_depth": self.rise / first_loss,
            "swing_min_time": jnp.where(swung, rate * self.rise_from, jnp.nan),
            "swing_bump_time": jnp.where(swung, rate * self.rise_to, jnp.nan),
        }


class Descents(NamedTuple):
    """Number of descents of a loss; fall and rise end where the loss has turned by more than `margin`."""

    margin: Array
    falling: Array
    extreme: Array
    """Lowest loss of the present fall, or highest of the present rise."""
    falls: Array

    @classmethod
    def begin(cls, loss: Array, margin: Array) -> Descents:
        """Before the first step."""
        return cls(margin, jnp.asarray(False), loss, jnp.asarray(0, jnp.int32))

    def observe(self, loss: Array) -> Descents:
        """After a step has led to `loss`."""
        turned = jnp.where(self.falling, loss - self.extreme, self.extreme - loss) > self.margin
        further = jnp.where(self.falling, jnp.minimum(self.extreme, loss), jnp.maximum(self.extreme, loss))
        return Descents(
            self.margin,
            self.falling ^ turned,
            jnp.where(turned, loss, further),
            self.falls + (turned & ~self.falling).astype(jnp.int32),
        )


def outcome(learned: Array, vanished: Array, final_loss: Array, first_loss: Array) -> Array:
    """DIVERGED where the train loss has become infinite, NaN or higher than at the start; else LEARNED; else TRAPPED
    where the gradient has `vanished`; else NOT_FINISHED."""
    # Not "final > first": that is false for NaN. A start at the solution has both zero up to rounding.
    diverged = ~(final_loss <= first_loss * 1.000001 + jnp.finfo(final_loss.dtype).eps)
    code = jnp.where(learned, Outcome.LEARNED, jnp.where(vanished, Outcome.TRAPPED, Outcome.NOT_FINISHED))
    return jnp.where(diverged, Outcome.DIVERGED, code).astype(jnp.int8)
