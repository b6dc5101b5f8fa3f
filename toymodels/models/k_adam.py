"""k-Adam on gradients that are chosen, not trained: how large the output of each of its stages becomes.

Gradients of n = 1, 2, ... are drawn afresh every step (noise), constant, or those that bring the output of the last
stage as close to its bound as one knows how; see toymodels/optimisers/k_adam.py for the update.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel
from toymodels.optimisers import KAdamState, scale_by_k_adam
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, UNIT_HALF_OPEN, Parameter

Array = jax.Array
Params = Mapping[str, Array]

SHARE = 0.5
"""How far the adversary drives the outputs of earlier stages, as a share of what one gradient can do."""


def _heavy(key: Array, shape: tuple[int, ...], dtype: jnp.dtype) -> Array:
    """z |z| with z standard normal: its fourth moment is 35/3 of its squared variance (3 for z)."""
    drawn = jax.random.normal(key, shape, dtype)
    return drawn * jnp.abs(drawn)


NOISE: dict[str, Callable[[Array, tuple[int, ...], jnp.dtype], Array]] = {
    "normal": jax.random.normal,
    "signs": jax.random.rademacher,
    "heavy": _heavy,
    "constant": lambda key, shape, dtype: jnp.ones(shape, dtype),
}
GRADIENTS = (*NOISE, "adversarial")


def _reach(beta1: Array, beta2: Array, n: Array) -> Array:
    """|u_n| after a very large input: what one gradient can do."""
    return (1 - beta1) / jnp.sqrt(1 - beta2) * jnp.sqrt(1 - beta2**n) / (1 - beta1**n)


def _input_for(target: Array, state: KAdamState, beta1: Array, beta2: Array, n: Array) -> Array:
    """The input of a stage that makes its output `target`, where that is below `_reach`.

    With U = target^2 (1 - beta1^n)^2/(1 - beta2^n) it solves (beta1 m + rest1 x)^2 = U (beta2 v + rest2 x^2).
    """
    m, v = beta1 * state.m[0], beta2 * state.v[0]
    rest1, rest2 = 1 - beta1, 1 - beta2
    squared = target**2 * (1 - beta1**n) ** 2 / (1 - beta2**n)
    lead = rest1**2 - squared * rest2
    # On the bound itself the root is zero, and rounding may make its square negative.
    root = jnp.sqrt(jnp.maximum(squared * (m**2 * rest2 + lead * v), 0))
    found = (jnp.sign(target) * root - rest1 * m) / lead
    return jnp.where(n == 1, jnp.sign(target), found)  # the first output is a sign, whatever the input


@dataclasses.dataclass(frozen=True)
class KAdam(ToyModel):
    """k-Adam (eps = 0, no weight decay) with `stages` stages, all of which are recorded: stage i of k-Adam does not
    depend on the later ones, so that one run shows i-Adam for every i up to `stages`.

    Static fields:
        gradients: white noise, "normal" (z), "signs" (random) or "heavy" (z |z|); "constant", all ones; or
            "adversarial", one sequence for all coordinates, found by inverting the stages before the last one.
        size: number of independent coordinates.
        record_every: stride of the records in steps (None: about 64 records a run).

    With one stage the adversarial sequence maximises |u_n| at every n. With more, so does what reaches the last stage
    if beta2 <= beta1; else the first outputs, which begin with 1, are too large, and |u_n| comes close to its bound at
    the last step only. Very long runs leave floating point: beta2^steps of every stage must not underflow.

    The last stage has beta1, beta2; those before it have beta1_before, beta2_before, which default to the same.

    Outcome: FINISHED, or DIVERGED if an update is not finite.

    Raises `UsageError` for unknown gradients, stages or size below 1, and beta1 = 0 with adversarial gradients.

    >>> import jax, jax.numpy as jnp
    >>> model = KAdam("constant", stages=2, size=1, record_every=1)
    >>> values = {"beta1": 0.9, "beta2": 0.99, "beta1_before": 0.9, "beta2_before": 0.99, "scale": 7.0, "steps": 3}
    >>> params = {name: jnp.asarray(value) for name, value in values.items()}
    >>> record = model.simulate(params, jax.random.key(0), lengths=(3,), stride=1)
    >>> [round(float(x), 4) for x in record["rms_update"]]  # the sign of a constant gradient
    [1.0, 1.0]
    """

    gradients: str = "normal"
    stages: int = 3
    size: int = 32
    record_every: int | None = None

    name: ClassVar[str] = "k_adam"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("beta1", "decay of the average of inputs in the last stage", 0.9, domain=UNIT_HALF_OPEN),
        Parameter("beta2", "decay of the average of squares in the last stage", 0.999, domain=UNIT_HALF_OPEN),
        Parameter("beta1_before", "beta1 of the stages before", lambda p: p["beta1"], domain=UNIT_HALF_OPEN),
        Parameter("beta2_before", "beta2 of the stages before", lambda p: p["beta2"], domain=UNIT_HALF_OPEN),
        Parameter("scale", "all gradients are multiplied by it", 1.0, domain=NON_NEGATIVE),
        Parameter("steps", "number of updates", 2000, unit="step", domain=POSITIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if self.gradients not in GRADIENTS:
            raise unknown("gradients of k_adam", self.gradients, GRADIENTS)
        for name in ("stages", "size"):
            if getattr(self, name) < 1:
                raise UsageError(f"k_adam: {name} must be a whole number of at least 1, got {getattr(self, name)}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        return {
            "rms_update": Observable("root mean square of u over coordinates and the second half of steps", ("stage",)),
            "max_update": Observable("largest |u| in any step so far; NaN at step 0", ("step", "stage")),
            "outcome": Observable("finished or diverged", (), dtype="int8"),
        }

    def coordinates(self, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        return {"stage": np.arange(1, self.stages + 1)}

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        if self.gradients == "adversarial" and any(np.any(values[n] == 0) for n in ("beta1", "beta2")):
            raise UsageError("k_adam: adversarial gradients need beta1 > 0 and beta2 > 0; take normal ones otherwise.")

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(values["steps"], dtype=np.int64)[:, None]

    def simulate(self, params: Params, key: Array, *, lengths: tuple[int, ...], stride: int) -> dict[str, Array]:
        dtype, steps = params["beta1"].dtype, params["steps"]
        before = [(params["beta1_before"], params["beta2_before"])] * (self.stages - 1)
        constants = [*before, (params["beta1"], params["beta2"])]
        optimisers = [scale_by_k_adam([beta1], [beta2], eps=0.0) for beta1, beta2 in constants]

        def gradient(states: list[KAdamState], n: Array) -> Array:
            if self.gradients != "adversarial":
                drawn = NOISE[self.gradients](jax.random.fold_in(key, n), (self.size,), dtype)
                return params["scale"] * drawn.astype(dtype)
            target = jnp.full((self.size,), self._target(params, constants[:-1], n.astype(dtype)), dtype)
            for (beta1, beta2), state in zip(constants[-2::-1], states[-2::-1], strict=True):
                target = _input_for(target, state, beta1, beta2, n.astype(dtype))
            return params["scale"] * target

        def update(i: Array, carry: tuple[list[KAdamState], Array, Array]) -> tuple[list[KAdamState], Array, Array]:
            old, squares, largest = carry
            n = (i + 1).astype(jnp.int32)
            u, states, outputs = gradient(old, n), [], []
            for optimiser, state in zip(optimisers, old, strict=True):
                u, state = optimiser.update(u, state)
                states.append(state)
                outputs.append(u)
            sizes = jnp.abs(jnp.stack(outputs))
            counts = (i < steps) & (i >= steps // 2)
            squares = squares + jnp.where(counts, jnp.mean(sizes**2, axis=1), 0)
            largest = jnp.where(i < steps, jnp.maximum(largest, sizes.max(axis=1)), largest)
            return states, squares, largest

        def record(carry: Any, block: Array) -> tuple[Any, Array]:
            carry = jax.lax.fori_loop(block * stride, (block + 1) * stride, update, carry)
            return carry, jnp.where((block + 1) * stride <= steps, carry[2], jnp.nan)

        zeros = jnp.zeros((self.stages,), dtype)
        start = ([optimiser.init(jnp.zeros((self.size,), dtype)) for optimiser in optimisers], zeros, zeros)
        (_, squares, largest), seen = jax.lax.scan(record, start, jnp.arange(lengths[0] // stride, dtype=steps.dtype))
        finite = jnp.all(jnp.isfinite(largest))
        return {
            "rms_update": jnp.sqrt(squares / (steps - steps // 2)),
            "max_update": jnp.concatenate([jnp.full((1, self.stages), jnp.nan, dtype), seen]),
            "outcome": jnp.where(finite, Outcome.FINISHED, Outcome.DIVERGED).astype(jnp.int8),
        }

    def _target(self, params: Params, before: list[tuple[Array, Array]], n: Array) -> Array:
        """What the input of the last stage should be at step n: proportional to (beta2/beta1)^n.

        Outputs of the stages before begin with 1. Where they have to rise from there, they first fall as fast as their
        averages forget, then rise to what these stages can reach at the last step.
        """
        rate = jnp.log(params["beta2"]) - jnp.log(params["beta1"])
        last = params["steps"].astype(n.dtype)
        floor = float(jnp.finfo(n.dtype).tiny) ** 0.25  # its square does not underflow
        if not before:
            return jnp.maximum(jnp.exp(rate * (n - jnp.where(rate > 0, last, 1))), floor)
        reach = SHARE * jnp.minimum(1.0, jnp.stack([_reach(*constants, last) for constants in before]).min())
        forget = jnp.stack([jnp.sqrt(beta1) for beta1, _ in before]).max()
        rising = jnp.maximum(reach * jnp.exp(rate * (n - last)), forget ** (n - 1))
        return jnp.maximum(jnp.where(rate > 0, rising, jnp.exp(rate * (n - 1))), floor)
