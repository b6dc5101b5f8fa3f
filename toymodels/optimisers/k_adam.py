"""k-Adam: Adam's normalisation applied k times, each stage to the output of the one before.

With u^0 = g, for i = 1, ..., k and bias-corrected averages of decay beta1_i and beta2_i,

    m_i = average of u^{i-1},    v_i = average of (u^{i-1})^2,    u^i = m_i / (sqrt(v_i) + eps)
    theta <- theta - learning_rate (weight_decay theta + u^k)

k = 1 is AdamW. With eps = 0, u^k does not change when all gradients are multiplied by one positive number, and is
sign(g) for a constant g. No |u^k| exceeds Adam's bound with the constants of stage k, whatever the other stages do. In
white noise the stages after the first enlarge the step (about three times for k = 2 at the usual constants), so
learning rates must be tuned before values of k are compared.

Everything here follows the conventions of optax, so that k-Adam can be chained, masked, put under `MultiSteps` or
`multi_transform`, and given schedules. All numbers but k may be traced: `jax.vmap` trains many settings at once.

Source: Gould and Tanaka, arXiv:2411.05746 (the idea; the update as reconstructed here).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from toymodels.errors import UsageError
from toymodels.optimisers.monitor import monitor_max_update
from toymodels.optimisers.stages import (
    Constants,
    Number,
    check_not_negative,
    stage_count,
    stage_rests,
)

Tree = Any


class KAdamState(NamedTuple):
    """Number of updates made; for each stage the averages of its input and of the input's square (not corrected)."""

    count: jax.Array  # type: ignore[assignment]  # as optax names it
    m: tuple[Tree, ...]
    v: tuple[Tree, ...]


def scale_by_k_adam(
    beta1: Sequence[Number] | jax.Array | None = None,
    beta2: Sequence[Number] | jax.Array | None = None,
    eps: Number = 1e-8,
    *,
    rest1: Sequence[Number] | jax.Array | None = None,
    rest2: Sequence[Number] | jax.Array | None = None,
) -> optax.GradientTransformation:
    """Replace gradients by u^k; stage i uses beta1[i] and beta2[i], so k is their common length.

    `rest1`, `rest2` give 1 - beta1, 1 - beta2 instead (see `stages` for when that matters). With eps = 0 a coordinate
    whose v is 0, because it never saw a gradient or only gradients whose squares underflow, has u = 0. Leaves keep
    their dtype, whatever the dtype of the constants.
    Raises `UsageError` for lists that are empty or of different lengths, and for constants that are known to lie
    outside [0, 1).
    """
    given = [rest1 if beta1 is None else beta1, rest2 if beta2 is None else beta2]
    counts = [stage_count(constants) for constants in given]
    if counts[0] != counts[1] or not counts[0]:
        said = " and ".join("a single number" if count is None else str(count) for count in counts)
        raise UsageError(f"k-Adam: give one beta1 and one beta2 for each stage, got {said} of them.")
    check_not_negative("eps", eps)
    rests1 = stage_rests("beta1", beta1, rest1, None, "uniform")
    rests2 = stage_rests("beta2", beta2, rest2, None, "uniform")

    def init(params: Tree) -> KAdamState:
        m = tuple(jax.tree.map(jnp.zeros_like, params) for _ in rests1)
        v = tuple(jax.tree.map(lambda x: jnp.zeros_like(jnp.abs(x)), params) for _ in rests1)
        return KAdamState(jnp.zeros((), jnp.int32), m, v)

    def update(updates: Tree, state: KAdamState, params: Tree = None) -> tuple[Tree, KAdamState]:
        del params
        count = optax.safe_increment(state.count)
        means, squares = [], []
        for rest1, rest2, m, v in zip(rests1, rests2, state.m, state.v, strict=True):
            m = jax.tree.map(lambda u, m, rest=rest1: _average(m, u, rest), updates, m)
            v = jax.tree.map(lambda u, v, rest=rest2: _average(v, jnp.square(jnp.abs(u)), rest), updates, v)
            updates = jax.tree.map(
                lambda m, v, rest1=rest1, rest2=rest2: _ratio(
                    _corrected(m, rest1, count), _corrected(v, rest2, count), eps
                ),
                m,
                v,
            )
            means.append(m)
            squares.append(v)
        return updates, KAdamState(count, tuple(means), tuple(squares))

    return optax.GradientTransformation(init, update)


def k_adam(
    learning_rate: optax.ScalarOrSchedule,
    k: int | None = None,
    *,
    beta1: Constants | None = None,
    beta2: Constants | None = None,
    choice: str = "uniform",
    eps: Number = 1e-8,
    weight_decay: optax.ScalarOrSchedule = 0.0,
    mask: Tree | Callable[[Tree], Tree] | None = None,
    rest1: Constants | None = None,
    rest2: Constants | None = None,
    monitor: bool = False,
) -> optax.GradientTransformation:
    """k-Adam with decoupled weight decay.

    Args:
        learning_rate: number, traced scalar or optax schedule.
        k: number of stages; by default as many as stage constants are given, or 2.
        beta1, beta2: one number (default 0.9 and 0.999), which `choice` distributes over the stages (see
            `stage_constants`), or one for each stage. `rest1`, `rest2` give 1 - beta instead.
        choice: how one number becomes one for each stage, see `stage_constants`.
        eps: added to sqrt(v) in every stage; 0 is allowed (see `scale_by_k_adam`).
        weight_decay: multiplied by the learning rate, as in `optax.adamw`; number, traced scalar or schedule.
        mask: which leaves decay, as in `optax.adamw`: a tree of bools, or a function from parameters to one.
        rest1, rest2: 1 - beta1 and 1 - beta2, in place of them.
        monitor: record the largest |u^k| in the state; read it with `max_update`.

    Raises `UsageError`, which names the remedy, for what is known to be wrong before compilation: k not a whole number
    of at least 1, stage constants of the wrong length or outside [0, 1), negative eps or weight decay.

    >>> import jax.numpy as jnp, optax
    >>> optimiser = k_adam(0.5, k=3, eps=0.0)
    >>> theta = jnp.array([1.0, 1.0])
    >>> step, state = optimiser.update(jnp.array([3.0, -7.0]), optimiser.init(theta), theta)
    >>> [round(float(x), 4) for x in optax.apply_updates(theta, step)]
    [0.5, 1.5]
    """
    beta1 = 0.9 if beta1 is None and rest1 is None else beta1
    beta2 = 0.999 if beta2 is None and rest2 is None else beta2
    if k is None:
        counts = [stage_count(x) for x in (beta1, beta2, rest1, rest2) if x is not None]
        k = next((count for count in counts if count is not None), 2)
    rests = [
        stage_rests(name, beta, rest, k, choice)
        for name, beta, rest in (("beta1", beta1, rest1), ("beta2", beta2, rest2))
    ]
    parts = [scale_by_k_adam(rest1=rests[0], rest2=rests[1], eps=eps)]
    if monitor:
        parts.append(monitor_max_update())
    if not callable(weight_decay):
        check_not_negative("weight_decay", weight_decay)
    # Without decay parameters need not be given to `update`.
    if not (isinstance(weight_decay, int | float) and weight_decay == 0):
        parts.append(optax.add_decayed_weights(weight_decay, mask))
    return _keep_dtype(optax.chain(*parts, optax.scale_by_learning_rate(learning_rate)))


def _average(old: jax.Array, new: jax.Array, rest: Number) -> jax.Array:
    rest = jnp.asarray(rest, old.real.dtype)
    return (1 - rest) * old + rest * new


def _corrected(average: jax.Array, rest: Number, count: jax.Array) -> jax.Array:
    """average / (1 - beta^count), for beta near 1 without loss of digits."""
    precise = jnp.promote_types(average.real.dtype, jnp.float32)
    left = jnp.log1p(-jnp.asarray(rest, precise))
    return average / -jnp.expm1(count * left).astype(average.real.dtype)


def _ratio(mean: jax.Array, square: jax.Array, eps: Number) -> jax.Array:
    root = jnp.sqrt(square) + jnp.asarray(eps, square.dtype)
    return jnp.where(root == 0, 0, mean / jnp.where(root == 0, 1, root))


def _keep_dtype(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """Changes of the gradients' dtype, whatever that of the learning rate and the weight decay."""

    def update(updates: Tree, state: Tree, params: Tree = None, **extra: Any) -> tuple[Tree, Tree]:
        changes, state = inner.update(updates, state, params, **extra)
        return jax.tree.map(lambda change, like: change.astype(like.dtype), changes, updates), state

    return optax.GradientTransformation(inner.init, update)
