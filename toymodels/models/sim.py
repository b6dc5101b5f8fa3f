"""Structured identity mapping: linear networks that learn to copy concepts of different strength."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError
from toymodels.model import Observable, ToyModel, Values
from toymodels.models.watch import Crossing, Swing, outcome
from toymodels.parameters import NON_NEGATIVE, POSITIVE, Interval, Parameter

MU = (1.0, 2.0)


def _default_sigma(values: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.full_like(values["mu"], 0.05)


@dataclasses.dataclass(frozen=True)
class Sim(ToyModel):
    """Gradient descent on the population loss of the structured identity mapping task.

    Setting (Yang, Park, Lubana, Okawa, Hu, Tanaka, ICLR 2025, arXiv:2410.08309). There are s concepts in
    R^d, s <= d. Inputs are drawn from s clusters x ~ N(mu_p e_p, diag(sigma_1^2, ..., sigma_s^2, 0, ..., 0))
    with equal weights; the target is x itself. With A = E[x x^T] = diag(a), a_p = mu_p^2/s + sigma_p^2
    (0 for p > s), a linear map W has

        train_loss = E|W x - x|^2 / 2 = |(W - 1) A^(1/2)|_F^2 / 2
        test_loss  = |W x_hat - x_hat|^2 / 2,  x_hat = sum_p mu_p e_p,  a combination never trained on.

    `layers=1` trains W itself, `layers=2` the tied network W = U U^T with U of shape (d, width); the update
    is theta <- theta - learning_rate * grad train_loss, gradient by autodiff; time = learning_rate * step.

    Start: the entries of U (of W for one layer) are Gaussian with standard deviation `init_scale`; entries in
    one column and two different rows have correlation `init_correlation`, columns are independent. Starts are
    paired: one seed gives the same Gaussian draws for every scale, correlation, strength and learning rate.

    Static fields: `d` (default: number of concepts), `width` (columns of U, default d; one layer ignores it),
    `layers` (1 or 2), `record_every` (stride of the records along `step`, default about 64 records).

    Outcomes: LEARNED, all w_pp >= 1/2 at the end; DIVERGED, the final train loss is not finite or above its
    initial value; TRAPPED, neither, and the gradient has vanished to rounding; NOT_FINISHED otherwise.

    Example:
        >>> import jax
        >>> model = Sim()
        >>> params = {"mu": jax.numpy.array([1.0, 2.0]), "sigma": jax.numpy.array([0.05, 0.05])}
        >>> params |= {"learning_rate": 0.02, "init_scale": 0.1, "init_correlation": 0.0, "steps": 1000}
        >>> record = model.simulate(params, jax.random.key(0), lengths=(1000,), stride=20)
        >>> record["W"].shape, int(record["outcome"])
        ((51, 2, 2), 2)
    """

    d: int | None = None
    width: int | None = None
    layers: int = 2
    record_every: int | None = None

    name: ClassVar[str] = "sim"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("mu", "distance of each cluster from the origin", MU, "length", POSITIVE, ("concept",)),
        Parameter("sigma", "spread along each concept", _default_sigma, "length", NON_NEGATIVE, ("concept",)),
        Parameter("learning_rate", "step size of gradient descent", 0.02, "time/step", POSITIVE),
        Parameter("init_scale", "standard deviation of the entries of the start", 0.1, "1", NON_NEGATIVE),
        Parameter("init_correlation", "correlation between rows of the start", 0.0, "1", Interval(-1.0, 1.0)),
        Parameter("steps", "training steps", 1000, "step", NON_NEGATIVE, integer=True),
    )

    def __post_init__(self) -> None:
        if self.layers not in (1, 2):
            raise UsageError(f"sim: layers must be 1 (W) or 2 (tied, W = U U^T), got {self.layers!r}.")
        for field in ("d", "width", "record_every"):
            value = getattr(self, field)
            if value is not None and (not isinstance(value, int) or value < 1):
                raise UsageError(f"sim: {field} must be a whole number >= 1 (or None), got {value!r}.")

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Everything that `simulate` returns."""
        pair, step, concept = ("row", "column"), ("step",), ("concept",)
        return {
            "W": Observable("linear map from input to output", ("step", *pair)),
            "train_loss": Observable("population loss", step, "length^2"),
            "test_loss": Observable("loss on the combination of all concepts", step, "length^2"),
            "learning_time": Observable(
                "time at which w_pp first reaches 1/2, interpolated; inf: not within the run", concept, "time"
            ),
            "peak_height": Observable("largest |w_ij| over all steps", pair),
            "peak_time": Observable("time of the largest |w_ij|", pair, "time"),
            "swing_depth": Observable(
                "largest rise of the test loss above an earlier minimum (step > 0), over the initial loss"
            ),
            "swing_min_time": Observable("time of the minimum before that rise; NaN without a rise", (), "time"),
            "swing_bump_time": Observable("time of the top of that rise; NaN without a rise", (), "time"),
            "initial_W": Observable("realised start", pair),
            "outcome": Observable("result code", dtype="int8"),
        }

    def sizes(self, values: Values) -> dict[str, int]:
        """Number of concepts: the length of mu, else of sigma."""
        given = values.get("mu", values.get("sigma", MU))
        return {"concept": np.shape(given)[-1] if np.ndim(given) else len(MU)}

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        """More concepts than dimensions, and correlations that no d rows can have, are errors."""
        concepts = values["mu"].shape[-1]
        d = self.d or concepts
        if concepts > d:
            raise UsageError(f"sim: {concepts} concepts do not fit in d = {d} dimensions; give d >= {concepts}.")
        lowest = -1.0 / max(d - 1, 1)
        if np.any(values["init_correlation"] < lowest):
            worst = np.min(values["init_correlation"])
            raise UsageError(f"sim: init_correlation = {worst:g}, but {d} rows allow only [{lowest:g}, 1].")

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """One scan: the training steps. Shape (runs, 1)."""
        return np.asarray(values["steps"])[:, None]

    def coordinates(self, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Concepts, rows and columns are counted from 1, as e_1, e_2, ... in the formulas."""
        count = np.arange(1, (self.d or sizes["concept"]) + 1)
        return {"concept": count[: sizes["concept"]], "row": count, "column": count}

    def simulate(
        self, params: Mapping[str, jax.Array], key: jax.Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, jax.Array]:
        """One run; see the class for what it does and `observables` for what it returns."""
        mu, rate, steps = params["mu"], params["learning_rate"], params["steps"]
        concepts = mu.shape[0]
        d = self.d or concepts
        second_moment = jnp.pad(mu**2 / concepts + params["sigma"] ** 2, (0, d - concepts))
        probe = jnp.pad(mu, (0, d - concepts))
        identity = jnp.eye(d, dtype=mu.dtype)

        def linear_map(theta: jax.Array) -> jax.Array:
            return theta if self.layers == 1 else theta @ theta.T

        def train_loss(w: jax.Array) -> jax.Array:
            return 0.5 * jnp.sum((w - identity) ** 2 * second_moment[None, :])

        def test_loss(w: jax.Array) -> jax.Array:
            return 0.5 * jnp.sum((w @ probe - probe) ** 2)

        def gradient(theta: jax.Array, w: jax.Array) -> jax.Array:
            # `w` is the linear map of `theta`, at hand from the step before: the chain rule spares its product.
            return jax.vjp(linear_map, theta)[1](jax.grad(train_loss)(w))[0]

        def train_step(n: jax.Array, state: tuple) -> tuple:
            theta, w, crossing, swing, peak = state
            # Only the weights are masked: what is watched stays the same when they do.
            theta = jnp.where(n < steps, theta - rate * gradient(theta, w), theta)
            w, step = linear_map(theta), (n + 1).astype(mu.dtype)
            progress = jnp.diagonal(w)[:concepts]
            return (
                theta,
                w,
                crossing.observe(progress, step),
                swing.observe(test_loss(w), step),
                peak.observe(jnp.abs(w), step),
            )

        def record(w: jax.Array, n: jax.Array) -> tuple[jax.Array, ...]:
            return tuple(jnp.where(n <= steps, x, jnp.nan).astype(mu.dtype) for x in (w, train_loss(w), test_loss(w)))

        def block(state: tuple, index: jax.Array) -> tuple[tuple, tuple[jax.Array, ...]]:
            n = index * stride
            final = jax.lax.fori_loop(n, n + stride, train_step, state)
            return final, record(final[1], n + stride)

        start = _start(key, d, d if self.layers == 1 else self.width or d, params)
        w_start = linear_map(start)
        progress = jnp.diagonal(w_start)[:concepts]
        watched = Crossing.begin(progress), Swing.begin(test_loss(w_start)), _Peak.begin(jnp.abs(w_start))
        final, records = jax.lax.scan(block, (start, w_start, *watched), jnp.arange(lengths[0] // stride))
        theta, w, crossing, swing, peak = final
        w_records, train, test = jax.tree.map(
            lambda x0, x: jnp.concatenate([x0[None], x]), record(w_start, jnp.asarray(0)), records
        )

        rounding = 100 * jnp.finfo(mu.dtype).eps * jnp.max(second_moment) * jnp.linalg.norm(theta)
        vanished = jnp.linalg.norm(gradient(theta, w)) <= rounding
        learned = jnp.all(jnp.diagonal(w)[:concepts] >= 0.5)
        return {
            "W": w_records,
            "train_loss": train,
            "test_loss": test,
            "learning_time": rate * crossing.step,
            "peak_height": peak.height,
            "peak_time": rate * peak.step,
            **swing.observables(test_loss(w_start), rate),
            "initial_W": w_start,
            "outcome": outcome(learned, vanished, train_loss(w), train_loss(w_start)),
        }


def _start(key: jax.Array, d: int, columns: int, params: Mapping[str, jax.Array]) -> jax.Array:
    """Gaussian (d, columns): entry std init_scale, equally correlated rows.

    Symmetric root of the correlation matrix: unlike its Cholesky factor it exists at both end points.
    """
    correlation = params["init_correlation"]
    across = jnp.sqrt(jnp.maximum(1.0 - correlation, 0.0))
    along = jnp.sqrt(jnp.maximum(1.0 + (d - 1) * correlation, 0.0))
    draws = jax.random.normal(key, (d, columns), dtype=params["mu"].dtype)
    shared = jnp.mean(draws, axis=0, keepdims=True)
    return params["init_scale"] * (across * draws + (along - across) * jnp.broadcast_to(shared, draws.shape))


class _Peak(NamedTuple):
    """Largest size of each entry so far, and the step of it."""

    height: jax.Array
    step: jax.Array

    @classmethod
    def begin(cls, height: jax.Array) -> _Peak:
        return cls(height, jnp.zeros_like(height))

    def observe(self, height: jax.Array, step: jax.Array) -> _Peak:
        higher = height > self.height
        return _Peak(jnp.where(higher, height, self.height), jnp.where(higher, step, self.step))
