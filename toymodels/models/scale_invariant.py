"""AdamW on a loss that depends on the direction of the weights alone: how long they are and how fast they turn.

With g_n the gradient of step n = 1, 2, ... at W_{n-1}, always orthogonal to W_{n-1} (see toymodels/tasks/sphere.py):

    m <- beta1 m + (1 - beta1) g,    v <- beta2 v + (1 - beta2) g^2
    u_n = [m / (1 - beta1^n)] / (sqrt(v / (1 - beta2^n)) + eps)
    W_n = W_{n-1} - learning_rate (weight_decay W_{n-1} + u_n)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, UNIT_HALF_OPEN, Interval, Parameter
from toymodels.tasks import sphere

Array = jax.Array
Params = Mapping[str, Array]

SECOND_MOMENTS = ("coordinate", "scalar")

MEANS = {
    "mean_square_norm": "mean of |W_n|^2 over the steps since the last record",
    "mean_square_update": "mean of |u_n|^2 over the steps since the last record",
    "mean_square_turn": "mean of |w_n - w_{n-1}|^2, w = W/|W|, over the steps since the last record (radian^2)",
    "mean_fresh_overlap": "mean of what the gradient of step n alone adds to <W_{n-1}, u_n>, since the last record",
}
AT_STEP = {
    "square_norm": "|W_n|^2",
    "square_norm_gain": "|W_n|^2 - (1 - learning_rate weight_decay)^2 |W_{n-1}|^2",
    "overlap": "<W_{n-1}, u_n>",
    "sample_square_update": "|u_n|^2",
    "sample_previous_square_update": "|u_{n-1}|^2",
    "sample_previous_overlap": "<W_{n-2}, u_{n-1}>",
    "direction_memory": "cosine of the angle between W_n and the weights after half of the steps; NaN before",
}
SCALE_RATIO = "sqrt(v) with its bias correction at n - 1 over that at n, times (1 - beta1^(n-1))/(1 - beta1^n)"


class _State(NamedTuple):
    weights: Array
    reference: Array
    m: Array
    v: Array
    update: Array
    root: Array
    overlap: Array


@dataclasses.dataclass(frozen=True)
class ScaleInvariant(ToyModel):
    """AdamW on L_n(W) = signal w.A.w/2 + noise s_n xi_n.w, w = W/|W|, with `dim` weights.

    Static fields:
        second_moment: "coordinate", v of each weight from its own gradient (Adam); or "scalar", one v, of the mean of
            g^2 over all weights, so that every update keeps the gradient's direction.
        aligned: the eigenvectors of A are the coordinate axes; else a random rotation of them, drawn from the seed.
        record_every: stride of the records in steps (None: about 64 records a run).

    The eigenvalues of A are log-spaced from 1/`condition` to 1. `tail` makes the size of the noise vary from step to
    step, as exp(tail z - tail^2) with z standard normal; its mean square stays 1.

    Outcome: FINISHED, or DIVERGED when |W| ends as 0, infinite or NaN.

    Raises `UsageError` for an unknown `second_moment`, a `dim` below 2, and noise = signal = 0.

    Source: Loshchilov and Hutter, arXiv:1711.05101 (update).

    >>> import jax, jax.numpy as jnp
    >>> model = ScaleInvariant(dim=8, second_moment="scalar")
    >>> values = {p.name: p.default for p in model.parameters} | {"steps": 4, "beta1": 0.0}
    >>> params = {name: jnp.asarray(value) for name, value in values.items()}
    >>> record = model.simulate(params, jax.random.key(0), lengths=(4,), stride=4)
    >>> abs(float(record["overlap"][-1])) < 1e-5  # without momentum an update is orthogonal to the weights
    True
    """

    dim: int = 64
    second_moment: str = "coordinate"
    aligned: bool = False
    record_every: int | None = None

    name: ClassVar[str] = "scale_invariant"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("beta1", "decay of the average of gradients", 0.9, domain=UNIT_HALF_OPEN),
        Parameter("beta2", "decay of the average of squares", 0.999, domain=UNIT_HALF_OPEN),
        Parameter("learning_rate", "step size", 1e-2, domain=NON_NEGATIVE),
        Parameter("weight_decay", "decoupled weight decay", 0.1, domain=NON_NEGATIVE),
        Parameter("eps", "added to sqrt(v)", 0.0, domain=NON_NEGATIVE),
        Parameter("signal", "factor of the loss w.A.w/2", 1.0, domain=NON_NEGATIVE),
        Parameter("noise", "factor of the gradient noise", 1.0, domain=NON_NEGATIVE),
        Parameter("tail", "spread of the logarithm of the size of the noise", 0.0, domain=NON_NEGATIVE),
        Parameter("condition", "largest over smallest eigenvalue of A", 100.0, domain=Interval(1.0)),
        Parameter("initial_norm", "|W| at the start", 1.0, domain=POSITIVE),
        Parameter("steps", "number of updates", 5000, unit="step", domain=POSITIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if self.second_moment not in SECOND_MOMENTS:
            raise unknown("second_moment of scale_invariant", self.second_moment, SECOND_MOMENTS)
        if self.dim < 2:
            raise UsageError(f"scale_invariant: dim must be a whole number of at least 2, got {self.dim}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        texts = AT_STEP | MEANS | ({"sample_scale_ratio": SCALE_RATIO} if self.second_moment == "scalar" else {})
        return {
            **{name: Observable(text, ("step",)) for name, text in texts.items()},
            "outcome": Observable("finished or diverged", (), dtype="int8"),
        }

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        if np.any((values["noise"] == 0) & (values["signal"] == 0)):
            raise UsageError(
                "scale_invariant: noise = signal = 0 leaves no gradient; give one of them a value above 0."
            )

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(values["steps"], dtype=np.int64)[:, None]

    def simulate(self, params: Params, key: Array, *, lengths: tuple[int, ...], stride: int) -> dict[str, Array]:
        dtype = params["beta1"].dtype
        steps, learning_rate = params["steps"], params["learning_rate"]
        beta1, beta2 = params["beta1"], params["beta2"]
        shrink = 1 - learning_rate * params["weight_decay"]
        form_key, start_key, noise_key = jax.random.split(key, 3)
        eigenvalues = sphere.log_spectrum(self.dim, params["condition"]).astype(dtype)
        form = sphere.quadratic_form(form_key, eigenvalues, self.aligned)

        def update(i: Array, carry: tuple[_State, dict[str, Array]]) -> tuple[_State, dict[str, Array]]:
            old, _ = carry
            n = (i + 1).astype(dtype)
            rest1, rest2 = 1 - beta1**n, 1 - beta2**n
            drawn = sphere.step_noise(
                jax.random.fold_in(noise_key, i.astype(jnp.int32)), self.dim, params["tail"], dtype
            )
            g = sphere.step_gradient(old.weights, form, params["signal"], params["noise"], drawn)
            squares = g**2 if self.second_moment == "coordinate" else jnp.mean(g**2)
            m, v = beta1 * old.m + (1 - beta1) * g, beta2 * old.v + (1 - beta2) * squares
            root = jnp.sqrt(v / rest2) + params["eps"]
            u = jnp.where(m == 0, 0, m / rest1 / root)
            fresh = jnp.where(g == 0, 0, (1 - beta1) * g / rest1 / root)
            weights = shrink * old.weights - learning_rate * u
            turn = sphere.direction(weights) - sphere.direction(old.weights)
            overlap, squared, gain = (
                old.weights @ u,
                weights @ weights,
                weights @ weights - shrink**2 * (old.weights @ old.weights),
            )
            seen = {
                "square_norm": squared,
                "square_norm_gain": gain,
                "overlap": overlap,
                "sample_square_update": u @ u,
                "sample_previous_square_update": old.update @ old.update,
                "sample_previous_overlap": old.overlap,
                "mean_square_norm": squared,
                "mean_square_update": u @ u,
                "mean_square_turn": turn @ turn,
                "mean_fresh_overlap": old.weights @ fresh,
            }
            if self.second_moment == "scalar":
                seen["sample_scale_ratio"] = old.root / root * (1 - beta1 ** (n - 1)) / rest1
            total = {name: carry[1][name] + value if name in MEANS else value for name, value in seen.items()}
            reference = jnp.where(i + 1 == steps // 2, weights, old.reference)
            return _State(weights, reference, m, v, u, root, overlap), total

        def record(state: _State, block: Array) -> tuple[_State, dict[str, Array]]:
            state, total = jax.lax.fori_loop(block * stride, (block + 1) * stride, update, (state, nothing))
            last = (block + 1) * stride
            values = {name: value / stride if name in MEANS else value for name, value in total.items()}
            cosine = sphere.direction(state.reference) @ sphere.direction(state.weights)
            values["direction_memory"] = jnp.where(last >= steps // 2, cosine, jnp.nan)
            return state, {name: jnp.where(last <= steps, value, jnp.nan) for name, value in values.items()}

        weights = sphere.start(start_key, self.dim, params["initial_norm"], dtype)
        zeros, zero = jnp.zeros_like(weights), jnp.zeros((), dtype)
        v = zeros if self.second_moment == "coordinate" else zero
        nothing = {name: zero for name in self.observables if name not in ("outcome", "direction_memory")}
        start = _State(weights, weights, zeros, v, zeros, v, zero)
        _, records = jax.lax.scan(record, start, jnp.arange(lengths[0] // stride, dtype=steps.dtype))
        records = {
            name: jnp.concatenate([jnp.full((1,), jnp.nan, dtype), values]).astype(dtype)
            for name, values in records.items()
        }
        first = weights @ weights
        records["square_norm"] = records["square_norm"].at[0].set(first)
        final = records["square_norm"][steps // stride]
        # 0 and infinity leave a direction of NaN behind.
        sound = jnp.isfinite(final) & (final > 0)
        return {**records, "outcome": jnp.where(sound, Outcome.FINISHED, Outcome.DIVERGED).astype(jnp.int8)}
