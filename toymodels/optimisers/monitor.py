"""The largest update, recorded in the state of an optimiser."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from toymodels.errors import UsageError


class MaxUpdate(NamedTuple):
    """`latest`: largest |u| over all coordinates in the last update; `largest`: over all updates so far, first reached
    in update number `step` (counting from 1; 0 before the first). NaN as soon as an update held one."""

    latest: jax.Array
    largest: jax.Array
    step: jax.Array
    count: jax.Array  # type: ignore[assignment]  # as optax names it


def monitor_max_update() -> optax.GradientTransformation:
    """Pass updates through and record the largest |u| among them; read it with `max_update`.

    Chained after `scale_by_k_adam` it sees u^k; after a whole optimiser it sees changes of the parameters.

    >>> import jax.numpy as jnp, optax
    >>> optimiser = optax.chain(optax.sgd(0.5), monitor_max_update())
    >>> step, state = optimiser.update(jnp.array([3.0, -8.0]), optimiser.init(jnp.zeros(2)))
    >>> float(max_update(state).largest)
    4.0
    """

    def init(params: Any) -> MaxUpdate:
        zero = _largest(jax.tree.map(jnp.zeros_like, params))
        return MaxUpdate(zero, zero, jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))

    def update(updates: Any, state: MaxUpdate, params: Any = None) -> tuple[Any, MaxUpdate]:
        del params
        count = optax.safe_increment(state.count)
        latest = _largest(updates).astype(state.largest.dtype)
        grown = ~(latest <= state.largest) & ~jnp.isnan(state.largest)
        return updates, MaxUpdate(
            latest, jnp.maximum(state.largest, latest), jnp.where(grown, count, state.step), count
        )

    return optax.GradientTransformation(init, update)


def max_update(state: Any) -> MaxUpdate:
    """What the monitors in a state (of chains, masks, multi_transform, MultiSteps, ...) have recorded.

    Where there are several, the largest of what they saw. Raises `UsageError` if there is none.
    """
    leaves = jax.tree.leaves(state, is_leaf=lambda node: isinstance(node, MaxUpdate))
    found = [node for node in leaves if isinstance(node, MaxUpdate)]
    if not found:
        raise UsageError(
            "The state holds no record of the largest update; use k_adam(..., monitor=True) or chain "
            "monitor_max_update()."
        )
    best = found[0]
    for other in found[1:]:
        larger = ~(other.largest <= best.largest)
        best = MaxUpdate(
            jnp.maximum(best.latest, other.latest),
            jnp.maximum(best.largest, other.largest),
            jnp.where(larger, other.step, best.step),
            jnp.maximum(best.count, other.count),
        )
    return best


def _largest(tree: Any) -> jax.Array:
    sizes = [jnp.max(jnp.abs(leaf), initial=0) for leaf in jax.tree.leaves(tree)]
    return jnp.max(jnp.stack(sizes)) if sizes else jnp.zeros(())
