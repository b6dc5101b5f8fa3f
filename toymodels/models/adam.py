"""Adam by its discrete update, its states kept as logarithms so that they neither overflow nor underflow.

With g_n the gradient of step n = 1, 2, ... (n counts the updates made):

    m <- beta1 m + (1 - beta1) g,    v <- beta2 v + (1 - beta2) g^2
    u_n = [m / (1 - beta1^n)] / (sqrt(v / (1 - beta2^n)) + eps)
    theta <- theta - learning_rate (weight_decay theta + u_n)

Where a gradient has become exactly zero, m and v fade as beta1^n and beta2^n while their ratio u may grow:
all three leave the range of floating point within some hundred steps. Hence m is kept as its sign and log|m|,
v as log v; theta itself saturates (see `ceiling`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, UNIT_HALF_OPEN, Interval, Parameter

Array = jax.Array
Params = Mapping[str, Array]

LOG_ZERO = -1e30
"""Stands for log 0 in m: finite, so that differences are never NaN."""
LOG_ZERO_V = -1e20
"""The same in v; higher, so that a coordinate that never saw a gradient has the update 0."""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {"tanh": jnp.tanh, "asinh": jnp.arcsinh}


class Gradient(NamedTuple):
    """Sign and log of the size of the gradient at `rows`; elsewhere it is exactly zero (saves logarithms)."""

    rows: slice | Array
    sign: Array
    log_size: Array


class Problem(NamedTuple):
    """What Adam descends: `init(key, size, dtype)` gives theta (coordinates,) and
    `gradient(theta, n, key, params)` the gradient of step n; `size` is the default of the model's static.
    `inputs(theta, key, params)` are the realised inputs that fix the gradient of a problem without noise, with the dims
    `input_dims`: what a law of the whole trajectory is evaluated on."""

    size: int
    init: Callable[[Array, int, jnp.dtype], Array]
    gradient: Callable[[Array, Array, Array, Params], Gradient]
    inputs: Callable[[Array, Array, Params], dict[str, Array]] = lambda theta, key, params: {}
    input_dims: Mapping[str, tuple[str, ...]] = MappingProxyType({})


def ceiling(dtype: jnp.dtype) -> float:
    """Where |theta| saturates: the fourth root of the largest number, so that losses stay finite."""
    return float(jnp.finfo(dtype).max) ** 0.25


def _everywhere(gradient: Array) -> Gradient:
    return Gradient(slice(None), jnp.sign(gradient), jnp.log(jnp.abs(gradient)))


def _pseudo_huber(error: Array) -> Array:
    """Quadratic near 0, slope at most 1: parameters may grow without bound while gradients stay below 1."""
    return jnp.sqrt(1 + error**2) - 1


# adversarial: the gradients (beta2/beta1)^n, one sequence that maximises |u_n| at every n.


def _adversarial_gradient(theta: Array, n: Array, key: Array, params: Params) -> Gradient:
    log_size = n * (jnp.log(params["beta2"]) - jnp.log(params["beta1"]))
    return Gradient(slice(None), jnp.ones_like(theta), jnp.full_like(theta, log_size))


# embedding: one token a step, drawn by Zipf's law p(rank) ~ 1/rank; its entry is fitted to noise.


def _embedding_gradient(theta: Array, n: Array, key: Array, params: Params) -> Gradient:
    weights = 1 / np.arange(1, theta.size + 1)
    edges = jnp.asarray(np.cumsum(weights / weights.sum())[:-1], theta.dtype)
    draw, noise = jax.random.split(jax.random.fold_in(key, n.astype(jnp.int32)))
    token = jnp.searchsorted(edges, jax.random.uniform(draw, (1,), theta.dtype), method="compare_all")
    target = jax.random.normal(noise, (1,), theta.dtype)
    # The loss reads this row only: the gradient of every other row is exactly zero.
    gradient = jax.grad(lambda entry: _pseudo_huber(entry - target).sum())(theta[token])
    return Gradient(token, jnp.sign(gradient), jnp.log(jnp.abs(gradient)))


# dense: a net of one hidden layer on fresh minibatches, regression on sin(x_0) x_1; full_batch: always the first one.

INPUTS, MINIBATCH = 4, 8


def _dense_init(key: Array, hidden: int, dtype: jnp.dtype) -> Array:
    scales = np.repeat([INPUTS**-0.5, 0.0, hidden**-0.5], [INPUTS * hidden, hidden, hidden])
    return jax.random.normal(key, scales.shape, dtype) * jnp.asarray(scales, dtype)


def _minibatch(n: Array | int, key: Array, dtype: jnp.dtype) -> tuple[Array, Array]:
    x = jax.random.normal(jax.random.fold_in(key, n), (MINIBATCH, INPUTS), dtype)
    return x, jnp.sin(x[:, 0]) * x[:, 1]


def _dense_gradient(activation: str, fresh: bool) -> Callable[[Array, Array, Array, Params], Gradient]:
    def gradient(theta: Array, n: Array, key: Array, params: Params) -> Gradient:
        hidden = theta.size // (INPUTS + 2)
        x, target = _minibatch(n.astype(jnp.int32) if fresh else 0, key, theta.dtype)

        def loss(theta: Array) -> Array:
            first, bias, second = jnp.split(theta, [INPUTS * hidden, (INPUTS + 1) * hidden])
            layer = ACTIVATIONS[activation](x @ first.reshape(INPUTS, hidden) + bias[None, :])
            return _pseudo_huber(layer @ second - target).mean()

        return _everywhere(jax.grad(loss)(theta))

    return gradient


def _batch_inputs(theta: Array, key: Array, params: Params) -> dict[str, Array]:
    x, target = _minibatch(0, key, theta.dtype)
    return {"sample_inputs": x, "sample_targets": target}


def hessian(size: int, lowest: Array | float = 0.1, highest: Array | float = 10.0) -> Array:
    """Symmetric (size, size) matrix with log-spaced eigenvalues; no eigenvector is a coordinate axis (size > 1)."""
    axis = np.linspace(1.0, 2.0, size)
    reflection = np.eye(size) - 2 * np.outer(axis, axis) / (axis @ axis)
    low, high = jnp.asarray(lowest), jnp.asarray(highest)
    share = jnp.asarray(np.linspace(0.0, 1.0, size), jnp.result_type(low, high))
    eigenvalues = jnp.exp((1 - share) * jnp.log(low) + share * jnp.log(high))
    return (jnp.asarray(reflection, eigenvalues.dtype) * eigenvalues[None, :]) @ jnp.asarray(
        reflection, eigenvalues.dtype
    )


def quadratic_loss(theta: Array, lowest: Array | float = 0.1, highest: Array | float = 10.0) -> Array:
    """theta.H.theta / 2 with the Hessian above."""
    return theta @ hessian(theta.size, lowest, highest).astype(theta.dtype) @ theta / 2


def _quadratic_gradient(theta: Array, n: Array, key: Array, params: Params) -> Gradient:
    return _everywhere(jax.grad(quadratic_loss)(theta, params["curvature_min"], params["curvature_max"]))


def _quadratic_inputs(theta: Array, key: Array, params: Params) -> dict[str, Array]:
    return {"sample_hessian": hessian(theta.size, params["curvature_min"], params["curvature_max"])}


def _normal(key: Array, size: int, dtype: jnp.dtype) -> Array:
    return jax.random.normal(key, (size,), dtype)


def _zeros(key: Array, size: int, dtype: jnp.dtype) -> Array:
    return jnp.zeros((size,), dtype)


PROBLEMS: dict[str, Callable[[str], Problem]] = {
    "adversarial": lambda activation: Problem(1, _zeros, _adversarial_gradient),
    "embedding": lambda activation: Problem(512, _normal, _embedding_gradient),
    "dense": lambda activation: Problem(8, _dense_init, _dense_gradient(activation, fresh=True)),
    "full_batch": lambda activation: Problem(
        3,
        _dense_init,
        _dense_gradient(activation, fresh=False),
        _batch_inputs,
        {"sample_inputs": ("sample", "feature"), "sample_targets": ("sample",)},
    ),
    "quadratic": lambda activation: Problem(
        8, _normal, _quadratic_gradient, _quadratic_inputs, {"sample_hessian": ("coordinate", "other")}
    ),
}
WATCHED = ("update", "theta")


class _State(NamedTuple):
    theta: Array
    sign_m: Array
    log_m: Array
    log_v: Array


def _add(sign_x: Array, log_x: Array, sign_y: Array, log_y: Array) -> tuple[Array, Array]:
    """Sign and log of x + y, where x and y are given so; x is not exactly zero (see LOG_ZERO)."""
    larger = jnp.maximum(log_x, log_y)
    ratio = sign_x * sign_y * jnp.exp(-jnp.abs(log_x - log_y))
    return jnp.where(log_y > log_x, sign_y, sign_x), larger + jnp.log1p(ratio)


@dataclasses.dataclass(frozen=True)
class Adam(ToyModel):
    """Adam (decoupled weight decay) on one of five small problems; what is recorded is its largest update.

    `problem`:
        "adversarial": one coordinate, the gradients that maximise |u_n| whatever theta is;
        "embedding": `size` tokens of a Zipf law, one drawn a step, gradients below 1;
        "dense": a net of `size` hidden units on fresh minibatches, with `activation` "tanh" (saturates until
        its slope is exactly zero) or "asinh" (never does);
        "full_batch": the same net on the same minibatch at every step, no noise;
        "quadratic": `size` coordinates, no noise, Hessian with log-spaced eigenvalues between curvature_min and
        curvature_max.

    `watch`: "update" records the largest update; "theta" also the trajectory, with the realised inputs that fix the
    gradient where the problem has no noise.

    `record_every`: stride of the records in steps (None: about 64 records a run).

    Outcome: FINISHED, or DIVERGED when theta ends as NaN or at its `ceiling`. The recorded updates of a run
    at the ceiling are still those of the gradients that it saw.

    float32 rounds beta2 = 0.999 to 1e-5 of 1 - beta2: use float64 (the default) to check laws.

    Raises `UsageError` for an unknown problem or activation, a size below 1, and beta1 = 0 in "adversarial".

    Source: Kingma and Ba, arXiv:1412.6980 (update); Loshchilov and Hutter, arXiv:1711.05101 (weight decay).

    >>> import jax, jax.numpy as jnp
    >>> model = Adam("adversarial", record_every=1)
    >>> values = {p.name: p.default for p in model.parameters} | {"beta1": 0.9, "beta2": 0.9}
    >>> params = {name: jnp.asarray(value) for name, value in values.items()}
    >>> record = model.simulate(params, jax.random.key(0), lengths=(4,), stride=1)
    >>> [round(abs(float(value)), 5) for value in record["log_max_update"][1:]]  # beta1 = beta2: |u_n| <= 1
    [0.0, 0.0, 0.0, 0.0]
    """

    problem: str = "embedding"
    size: int | None = None
    activation: str = "tanh"
    record_every: int | None = None
    watch: str = "update"

    name: ClassVar[str] = "adam"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("beta1", "decay of the average of gradients", 0.9, domain=UNIT_HALF_OPEN),
        Parameter(
            "beta2",
            "decay of the average of squares",
            0.999,
            domain=Interval(0, 1, open_lo=True, open_hi=True),
        ),
        Parameter("learning_rate", "step size", 1e-3, domain=NON_NEGATIVE),
        Parameter("weight_decay", "decoupled weight decay", 0.0, domain=NON_NEGATIVE),
        Parameter("eps", "added to sqrt(v); 0 leaves growing updates unchecked", 0.0, domain=NON_NEGATIVE),
        Parameter("curvature_min", "least eigenvalue of the quadratic", 0.1, domain=POSITIVE),
        Parameter("curvature_max", "largest eigenvalue of the quadratic", 10.0, domain=POSITIVE),
        Parameter("steps", "number of updates", 500, unit="step", domain=POSITIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if self.problem not in PROBLEMS:
            raise unknown("problem of adam", self.problem, PROBLEMS)
        if self.activation not in ACTIVATIONS:
            raise unknown("activation of adam", self.activation, ACTIVATIONS)
        if self.watch not in WATCHED:
            raise unknown("watch of adam", self.watch, WATCHED)
        if self.size is not None and self.size < 1:
            raise UsageError(f"adam: size must be a whole number of at least 1, got {self.size}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        return {
            "log_max_update": Observable("log of the largest |u_n|; NaN at step 0", ("step",)),
            "outcome": Observable("finished or diverged", (), dtype="int8"),
        } | (self._watched() if self.watch == "theta" else {})

    def _watched(self) -> dict[str, Observable]:
        dims = PROBLEMS[self.problem](self.activation).input_dims
        return {
            "theta": Observable("parameters after `step` updates", ("step", "coordinate")),
            "initial_theta": Observable("parameters at the start", ("coordinate",)),
            **{name: Observable("fixes the gradient of this problem", dims[name]) for name in dims},
        }

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        if self.problem == "adversarial" and np.any(values["beta1"] == 0):
            raise UsageError(
                "adam: the adversarial gradients (beta2/beta1)^n need beta1 > 0; take another problem for beta1 = 0."
            )

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        return np.asarray(values["steps"], dtype=np.int64)[:, None]

    def simulate(self, params: Params, key: Array, *, lengths: tuple[int, ...], stride: int) -> dict[str, Array]:
        problem = PROBLEMS[self.problem](self.activation)
        dtype = params["beta1"].dtype
        steps = params["steps"]
        top, largest = ceiling(dtype), float(np.log(jnp.finfo(dtype).max)) - 1
        log_beta1, log_beta2 = jnp.log(params["beta1"]), jnp.log(params["beta2"])
        log_rest1, log_rest2 = jnp.log1p(-params["beta1"]), jnp.log1p(-params["beta2"])
        log_eps = jnp.log(params["eps"])
        init_key, step_key = jax.random.split(key)

        def corrected(state: _State, n: Array) -> tuple[Array, Array]:
            """log of |m| / (1 - beta1^n) and of sqrt(v / (1 - beta2^n))."""
            return (
                state.log_m - jnp.log(-jnp.expm1(n * log_beta1)),
                (state.log_v - jnp.log(-jnp.expm1(n * log_beta2))) / 2,
            )

        def update(i: Array, state: _State) -> _State:
            n = (i + 1).astype(dtype)
            rows, sign, log_size = problem.gradient(state.theta, n, step_key, params)
            # The clamp keeps LOG_ZERO for beta1 = 0, where log beta1 = -inf.
            log_m = jnp.maximum(state.log_m + log_beta1, LOG_ZERO)
            log_v = state.log_v + log_beta2
            sign_hit, log_m_hit = _add(state.sign_m[rows], log_m[rows], sign, log_size + log_rest1)
            log_v_hit = jnp.logaddexp(log_v[rows], 2 * log_size + log_rest2)
            state = _State(
                state.theta,
                state.sign_m.at[rows].set(sign_hit),
                log_m.at[rows].set(log_m_hit),
                log_v.at[rows].set(log_v_hit),
            )
            log_mean, log_root = corrected(state, n)
            u = jnp.exp(jnp.minimum(log_mean - log_root, largest)) / (1 + jnp.exp(log_eps - log_root))
            theta = state.theta - params["learning_rate"] * (params["weight_decay"] * state.theta + state.sign_m * u)
            # Only theta is masked: nothing else of the steps beyond the run's own last one is ever read.
            return state._replace(theta=jnp.where(i < steps, jnp.clip(theta, -top, top), state.theta))

        def record(state: _State, block: Array) -> tuple[_State, dict[str, Array]]:
            state = jax.lax.fori_loop(block * stride, (block + 1) * stride, update, state)
            last = (block + 1) * stride
            log_mean, log_root = corrected(state, last.astype(dtype))
            log_max = jnp.max(log_mean - jnp.logaddexp(log_root, log_eps))
            log_max = jnp.where(log_max < LOG_ZERO / 2, -jnp.inf, log_max)
            seen = {"log_max_update": log_max} | ({"theta": state.theta} if self.watch == "theta" else {})
            return state, {name: jnp.where(last <= steps, value, jnp.nan) for name, value in seen.items()}

        theta = problem.init(init_key, self.size or problem.size, dtype)
        start = _State(theta, jnp.ones_like(theta), jnp.full_like(theta, LOG_ZERO), jnp.full_like(theta, LOG_ZERO_V))
        state, seen = jax.lax.scan(record, start, jnp.arange(lengths[0] // stride, dtype=steps.dtype))
        saturated = ~jnp.all(jnp.abs(state.theta) < top)  # true for NaN too
        found = {
            "log_max_update": jnp.concatenate([jnp.full((1,), jnp.nan, dtype), seen["log_max_update"]]),
            "outcome": jnp.where(saturated, Outcome.DIVERGED, Outcome.FINISHED).astype(jnp.int8),
        }
        if self.watch == "theta":
            found |= {"theta": jnp.concatenate([theta[None, :], seen["theta"]]), "initial_theta": theta}
            found |= problem.inputs(theta, step_key, params)
        return found
