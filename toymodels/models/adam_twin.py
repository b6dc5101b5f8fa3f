"""A scale-invariant weight under AdamW, and beside it the direction alone under 2-Adam, in the same noise.

With g_n the gradient of step n = 1, 2, ... at W_{n-1}, always orthogonal to W_{n-1} (toymodels/tasks/sphere.py), and
u = u^k the output of k-Adam (k = 1 is Adam; toymodels/optimisers/k_adam.py),

    W <- W - learning_rate (weight_decay W + u(g))

The twin w has the length 1 and no weight decay; its own g' is the gradient at w with the same noise. Its second
stage has no momentum, and one average q for the whole weight (twin_beta2, bias-corrected):

    q <- twin_beta2 q + (1 - twin_beta2) |u(g')|^2,    w <- w - twin_rate u(g') / sqrt(q),    w <- w/|w|
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError
from toymodels.model import Observable, ToyModel
from toymodels.optimisers import scale_by_k_adam
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, UNIT_HALF_OPEN, Interval, Parameter
from toymodels.tasks import sphere

Array = jax.Array
Params = Mapping[str, Array]

MEANS = {
    "mean_square_norm": "mean of |W_n|^2",
    "mean_square_update": "mean of |u_n|^2 of W",
    "mean_overlap": "mean cosine of the angle between W and its twin",
}
LOSSES = {
    "loss": "noiseless loss at W, with signal 1",
    "twin_loss": "noiseless loss at the twin, with signal 1",
}


class _State(NamedTuple):
    weights: Array
    memory: Any
    twin: Array
    twin_memory: Any
    square: Array


@dataclasses.dataclass(frozen=True)
class AdamTwin(ToyModel):
    """`dim` weights on L_n(W) = signal w.A.w/2 + noise s_n xi_n.w, w = W/|W|, under k-Adam with `stages` stages (eps =
    0, all with the same constants), and the twin. Both start in the same direction.

    `record_every`: stride of the records in steps (None: about 64 records a run).

    The eigenvalues of A are log-spaced from 1/`condition` to 1, in a random basis. `tail` makes the size of the noise
    vary from step to step, as exp(tail z - tail^2) with z standard normal; its mean square stays 1.

    Outcome: FINISHED, or DIVERGED when |W| ends as 0, infinite or NaN.

    Raises `UsageError` for fewer than one stage, a `dim` below 2, and noise = signal = 0.

    Source: Gould and Tanaka, arXiv:2411.05746 (the equivalence, whose constants are parameters here).

    >>> import jax, jax.numpy as jnp
    >>> model = AdamTwin(dim=8)
    >>> values = {p.name: p.default for p in model.parameters} | {"steps": 4, "twin_rate": 0.0, "learning_rate": 0.0}
    >>> params = {name: jnp.asarray(value) for name, value in values.items()}
    >>> record = model.simulate(params, jax.random.key(0), lengths=(4,), stride=4)
    >>> round(float(record["mean_overlap"][-1]), 4)  # nothing moves
    1.0
    """

    stages: int = 1
    dim: int = 32
    record_every: int | None = None

    name: ClassVar[str] = "adam_twin"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("beta1", "decay of the average of gradients", 0.9, domain=UNIT_HALF_OPEN),
        Parameter("beta2", "decay of the average of squares", 0.999, domain=UNIT_HALF_OPEN),
        Parameter("learning_rate", "step size of W", 1e-3, domain=NON_NEGATIVE),
        Parameter("weight_decay", "decoupled weight decay of W", 0.1, domain=NON_NEGATIVE),
        Parameter("twin_rate", "step size of the twin, radian per step", 1e-2, domain=NON_NEGATIVE),
        Parameter("twin_beta2", "decay of the average of |u|^2 in the twin", 0.9999, domain=UNIT_HALF_OPEN),
        Parameter("signal", "factor of the loss w.A.w/2", 0.0, domain=NON_NEGATIVE),
        Parameter("noise", "factor of the gradient noise", 1.0, domain=NON_NEGATIVE),
        Parameter("tail", "spread of the logarithm of the size of the noise", 0.0, domain=NON_NEGATIVE),
        Parameter("condition", "largest over smallest eigenvalue of A", 100.0, domain=Interval(1.0)),
        Parameter("initial_norm", "|W| at the start", 1.0, domain=POSITIVE),
        Parameter("steps", "number of updates", 5000, unit="step", domain=POSITIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if self.stages < 1:
            raise UsageError(f"adam_twin: stages must be a whole number of at least 1, got {self.stages}.")
        if self.dim < 2:
            raise UsageError(f"adam_twin: dim must be a whole number of at least 2, got {self.dim}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        return {
            **{
                name: Observable(f"{text}, over the steps since the last record", ("step",))
                for name, text in MEANS.items()
            },
            **{name: Observable(text, ("step",)) for name, text in LOSSES.items()},
            "outcome": Observable("finished or diverged", (), dtype="int8"),
        }

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        if np.any((values["noise"] == 0) & (values["signal"] == 0)):
            raise UsageError("adam_twin: noise = signal = 0 leaves no gradient; give one of them a value above 0.")

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(values["steps"], dtype=np.int64)[:, None]

    def simulate(self, params: Params, key: Array, *, lengths: tuple[int, ...], stride: int) -> dict[str, Array]:
        dtype, steps = params["beta1"].dtype, params["steps"]
        optimiser = scale_by_k_adam([params["beta1"]] * self.stages, [params["beta2"]] * self.stages, eps=0.0)
        keep = params["twin_beta2"]
        form_key, start_key, noise_key = jax.random.split(key, 3)
        eigenvalues = sphere.log_spectrum(self.dim, params["condition"]).astype(dtype)
        form = sphere.quadratic_form(form_key, eigenvalues)

        def update(i: Array, carry: tuple[_State, Array]) -> tuple[_State, Array]:
            old, sums = carry
            n = (i + 1).astype(dtype)
            step_key = jax.random.fold_in(noise_key, i.astype(jnp.int32))
            drawn = sphere.step_noise(step_key, self.dim, params["tail"], dtype)

            def gradient(weights: Array) -> Array:
                return sphere.step_gradient(weights, form, params["signal"], params["noise"], drawn)

            u, memory = optimiser.update(gradient(old.weights), old.memory)
            weights = old.weights - params["learning_rate"] * (params["weight_decay"] * old.weights + u)
            v, twin_memory = optimiser.update(gradient(old.twin), old.twin_memory)
            square = keep * old.square + (1 - keep) * jnp.sum(v**2)
            moved = old.twin - params["twin_rate"] * v / jnp.sqrt(square / (1 - keep**n))
            new = _State(weights, memory, sphere.direction(moved), twin_memory, square)
            seen = (weights @ weights, u @ u, new.twin @ sphere.direction(weights))
            going = i < steps
            kept = jax.tree.map(lambda a, b: jnp.where(going, a, b), new, old)
            return kept, sums + jnp.where(going, jnp.stack(seen), 0)

        def record(state: _State, block: Array) -> tuple[_State, Array]:
            zero = jnp.zeros((len(MEANS),), dtype)
            state, sums = jax.lax.fori_loop(block * stride, (block + 1) * stride, update, (state, zero))
            losses = jnp.stack([sphere.loss(state.weights, form), sphere.loss(state.twin, form)])
            seen = jnp.concatenate([sums / stride, losses])
            return state, jnp.where((block + 1) * stride <= steps, seen, jnp.nan)

        twin = sphere.start(start_key, self.dim, 1.0, dtype)
        begin = _State(
            params["initial_norm"] * twin, optimiser.init(twin), twin, optimiser.init(twin), jnp.zeros((), dtype)
        )
        state, means = jax.lax.scan(record, begin, jnp.arange(lengths[0] // stride, dtype=steps.dtype))
        square = state.weights @ state.weights
        sound = jnp.isfinite(square) & (square > 0) & jnp.all(jnp.isfinite(state.twin))
        names = (*MEANS, *LOSSES)
        means = jnp.concatenate([jnp.full((1, len(names)), jnp.nan, dtype), means])
        return {
            **{name: means[:, position] for position, name in enumerate(names)},
            "outcome": jnp.where(sound, Outcome.FINISHED, Outcome.DIVERGED).astype(jnp.int8),
        }
