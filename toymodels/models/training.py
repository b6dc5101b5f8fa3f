"""Training of small classifiers on real images or characters by k-Adam, every constant of it traced."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel
from toymodels.models import classifiers
from toymodels.optimisers import CHOICES, scale_by_k_adam, stage_constants
from toymodels.outcome import Outcome
from toymodels.parameters import NON_NEGATIVE, UNIT_HALF_OPEN, Parameter
from toymodels.tasks.characters import characters
from toymodels.tasks.digits import digits
from toymodels.tasks.supervised import Dataset, Examples

Array = jax.Array


class Problem(NamedTuple):
    """A network, the data that it learns, and the width that it has unless told otherwise."""

    network: type[nn.Module]
    data: Callable[[], Dataset]
    width: int


SCHEDULES = ("constant", "linear")
WATCHED = {
    "mean_square_norm": "mean of |W_n|^2 over the steps since the last record, W the first kernel; NaN at step 0",
    "mean_square_update": "the same of |u_n|^2",
    "mean_fresh_overlap": "the same of what the gradient of step n alone adds to <W_{n-1}, u_n>",
}
"""What is recorded of the first kernel."""

PROBLEMS = {
    "perceptron": Problem(classifiers.Perceptron, digits, 32),
    "conv": Problem(classifiers.Conv, digits, 8),
    "characters": Problem(classifiers.Transformer, characters, 16),
}


@dataclasses.dataclass(frozen=True)
class Training(ToyModel):
    """A small classifier trained by k-Adam (decoupled weight decay) on the mean cross-entropy of minibatches.

        theta <- theta - learning_rate (weight_decay theta + u_n),    u_n the update of `toymodels.optimisers.k_adam`

    Static fields:
        problem: "perceptron", digits (8 x 8 pixels, ten classes), one hidden layer of `width` ReLU units; "conv",
            digits, two layers of 3 x 3 filters, `width` and 2 `width` of them; or "characters", text of a Markov
            chain, a transformer of one block, embedding of even `width`.
        normalise: "none", or "layer" or "rms" for a normalisation over features before each ReLU (in the
            transformer: before each of its parts).
        k, choice: stages of the optimiser, and how their constants are made from beta1 and beta2, see
            `toymodels.optimisers.stage_constants`. k = 1 is AdamW.
        schedule: "constant", or "linear" for a learning rate that falls to 0 over the run.
        batch: examples of a minibatch, drawn independently, with repetition, at every step.
        watch: "norm" records the length of the first layer's kernel and of its updates (images, k = 1). With
            `normalise` the loss does not depend on that length.
        record_every: stride of the records in steps. A record costs about as much as ten steps: test data are
            evaluated.

    One seed gives the same start and the same minibatches at all other settings of the optimiser.

    Outcome: FINISHED, or DIVERGED if a weight ends as infinite or NaN.

    At float32, 1 - beta2 has a relative error of 1e-5 at beta2 = 0.999: use float64 (the default) to check laws.

    Raises `UsageError` for unknown names, sizes below 1, and an odd width of the transformer.

    Source: Gould and Tanaka, arXiv:2411.05746 (k-Adam, and training across the (beta1, beta2) square).

    Example:
        >>> import jax, jax.numpy as jnp
        >>> model = Training("perceptron", k=2, record_every=20)
        >>> params = {p.name: jnp.asarray(p.default) for p in model.parameters} | {"steps": jnp.int32(40)}
        >>> record = model.simulate(params, jax.random.key(0), lengths=(40,), stride=20)
        >>> record["test_loss"].shape, bool(record["test_loss"][-1] < record["test_loss"][0])
        ((3,), True)
    """

    problem: str = "perceptron"
    normalise: str = "none"
    k: int = 1
    choice: str = "uniform"
    schedule: str = "constant"
    width: int | None = None
    batch: int = 32
    watch: str = ""
    record_every: int | None = 50

    name: ClassVar[str] = "training"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("beta1", "decay of the average of gradients", 0.9, domain=UNIT_HALF_OPEN),
        Parameter("beta2", "decay of the average of squares", 0.999, domain=UNIT_HALF_OPEN),
        Parameter("learning_rate", "step size", 1e-3, domain=NON_NEGATIVE),
        Parameter("weight_decay", "decoupled weight decay", 0.0, domain=NON_NEGATIVE),
        Parameter("eps", "added to sqrt(v) in every stage", 1e-8, domain=NON_NEGATIVE),
        Parameter("steps", "number of updates", 300, unit="step", domain=NON_NEGATIVE, integer=True),
    )

    def __post_init__(self) -> None:
        for field, known in (
            ("problem", PROBLEMS),
            ("normalise", classifiers.NORMS),
            ("choice", CHOICES),
            ("schedule", SCHEDULES),
            ("watch", ("", "norm")),
        ):
            if getattr(self, field) not in known:
                raise unknown(f"{field} of training", str(getattr(self, field)), known)
        for field in ("k", "batch", "width", "record_every"):
            value = getattr(self, field)
            optional = field in ("width", "record_every") and value is None
            if not optional and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise UsageError(f"training: {field} must be a whole number >= 1, got {value!r}.")
        if self.watch and (self.problem == "characters" or self.k > 1):
            raise UsageError(f"training: watch={self.watch!r} is for perceptron and conv with k = 1.")
        if self.problem == "characters" and self._width % classifiers.HEADS:
            raise UsageError(
                f"training: the transformer has {classifiers.HEADS} heads; give an even width, got {self.width}."
            )

    @property
    def _width(self) -> int:
        return self.width or PROBLEMS[self.problem].width

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Everything that `simulate` returns."""
        step = ("step",)
        watched = {name: Observable(text, step) for name, text in WATCHED.items()} if self.watch else {}
        if self.watch:
            watched["square_norm"] = Observable("|W_n|^2 of the first kernel", step)
        return watched | {
            "train_loss": Observable(
                "loss on minibatches before their update, mean since the last record; NaN at step 0", step, "nat"
            ),
            "validation_loss": Observable("loss on the validation part", step, "nat"),
            "validation_accuracy": Observable("share of the validation part that is classified rightly", step),
            "test_loss": Observable("loss on the test part", step, "nat"),
            "test_accuracy": Observable("share of the test part that is classified rightly", step),
            "log_max_update": Observable("log of the largest |u_n| over all weights; NaN at step 0", step),
            "log_peak_update": Observable("log of the largest |u_n| of all steps so far; NaN at step 0", step),
            "outcome": Observable("finished or diverged", dtype="int8"),
        }

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """One scan: the training steps. Shape (runs, 1)."""
        return np.asarray(values["steps"], dtype=np.int64)[:, None]

    def simulate(
        self, params: Mapping[str, Array], key: Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, Array]:
        """One run; see the class for what it does and `observables` for what it returns."""
        dtype, steps = params["beta1"].dtype, params["steps"]
        network, data, _ = PROBLEMS[self.problem]
        train, validation, test, classes = data()
        module = network(classes=classes, width=self._width, normalise=self.normalise, param_dtype=dtype)
        optimiser = scale_by_k_adam(
            stage_constants(params["beta1"], self.k, self.choice),
            stage_constants(params["beta2"], self.k, self.choice),
            params["eps"],
        )
        init_key, batch_key = jax.random.split(key)

        def arrays(examples: Examples) -> tuple[Array, Array]:
            """Inputs and one-hot classes; in NumPy, so that no compiler folds them."""
            x = examples.x.astype(dtype) if np.issubdtype(examples.x.dtype, np.floating) else examples.x
            return jnp.asarray(x), jnp.asarray(np.eye(classes, dtype=dtype)[examples.y])

        x_train, y_train = arrays(train)

        def loss(weights: Any, x: Array, y: Array) -> Array:
            logits = jnp.asarray(module.apply(weights, x))
            return -jnp.mean(jnp.sum(y * jax.nn.log_softmax(logits), axis=-1))

        def minibatch(n: Array) -> tuple[Array, Array]:
            drawn = jax.random.randint(jax.random.fold_in(batch_key, n), (self.batch,), 0, len(x_train), jnp.int32)
            return x_train[drawn], y_train[drawn]

        def kernel(tree: Any) -> Array:
            return jnp.asarray(tree["params"]["Dense_0"]["kernel"])

        def seen(before: Any, after: Any, update: Any, gradient: Any, memory: Any) -> Array:
            """WATCHED, of one step."""
            done = memory.count.astype(dtype)
            root = jnp.sqrt(kernel(memory.v[0]) / (1 - params["beta2"] ** done)) + params["eps"]
            fresh = kernel(before) * kernel(gradient) / jnp.where(root > 0, root, 1)
            share = (1 - params["beta1"]) / (1 - params["beta1"] ** done)
            return jnp.stack([jnp.sum(kernel(after) ** 2), jnp.sum(kernel(update) ** 2), share * jnp.sum(fresh)])

        def train_step(n: Array, state: tuple) -> tuple:
            weights, memory, total, watched, peak, _ = state
            value, gradient = jax.value_and_grad(loss)(weights, *minibatch(n))
            update, memory = optimiser.update(gradient, memory, weights)
            rate, decay = params["learning_rate"], params["weight_decay"]
            if self.schedule == "linear":
                rate = rate * (1 - n.astype(dtype) / jnp.maximum(steps, 1).astype(dtype))
            # Only the weights are masked: nothing else of the steps beyond the run's own last one is ever read.
            before = weights
            weights = jax.tree.map(
                lambda w, u: jnp.where(n < steps, w - rate * (decay * w + u), w).astype(dtype), weights, update
            )
            if self.watch:
                watched = (watched + seen(before, weights, update, gradient, memory)).astype(dtype)
            largest = jnp.max(jnp.stack([jnp.max(jnp.abs(u)) for u in jax.tree.leaves(update)])).astype(dtype)
            # maximum keeps NaN: from then on there is no peak.
            return weights, memory, total + value, watched, jnp.maximum(peak, largest), largest

        held_out = [np.concatenate(both) for both in zip(validation, test, strict=True)]
        x_held, y_held = arrays(Examples(*held_out))

        def evaluate(weights: Any) -> dict[str, Array]:
            logits = jnp.asarray(module.apply(weights, x_held))
            losses = -jnp.sum(y_held * jax.nn.log_softmax(logits), axis=-1)
            # argmax takes NaN for the largest.
            right = (jnp.argmax(logits, axis=-1) == jnp.asarray(held_out[1])) & jnp.all(jnp.isfinite(logits), axis=-1)
            found = {}
            for part, where in (("validation", slice(len(validation.x))), ("test", slice(len(validation.x), None))):
                found[f"{part}_loss"] = jnp.mean(losses[where])
                found[f"{part}_accuracy"] = jnp.mean(right[where], dtype=dtype)
            return found

        def record(state: tuple, block: Array) -> tuple[tuple, dict[str, Array]]:
            """`stride` steps, then a record; block 0 has no steps. One program of a step and one of a record then do
            for all, which halves the time to compile."""
            weights, memory, _, watched, peak, largest = state
            begin = (weights, memory, jnp.zeros((), dtype), jnp.zeros_like(watched), peak, largest)
            last = block * stride
            state = jax.lax.fori_loop(jnp.maximum(last - stride, 0), last, train_step, begin)
            weights, _, total, watched, peak, largest = state
            trained = jnp.where(block > 0, 1.0, jnp.nan)
            values = evaluate(weights) | {
                "train_loss": trained * total / stride,
                "log_max_update": trained * jnp.log(largest),
                "log_peak_update": trained * jnp.log(peak),
            }
            if self.watch:
                values |= {"square_norm": jnp.sum(kernel(weights) ** 2)}
                values |= {name: trained * sums / stride for name, sums in zip(WATCHED, watched, strict=True)}
            return state, {
                name: jnp.where(last <= steps, value, jnp.nan).astype(dtype) for name, value in values.items()
            }

        first = classifiers.start(init_key, module, x_train[:1], dtype)
        zero = jnp.zeros((), dtype)
        begin = (first, optimiser.init(first), zero, jnp.zeros((len(WATCHED),), dtype), zero, zero)
        final, records = jax.lax.scan(record, begin, jnp.arange(lengths[0] // stride + 1, dtype=jnp.int32))
        finite = jnp.all(jnp.stack([jnp.all(jnp.isfinite(w)) for w in jax.tree.leaves(final[0])]))
        return records | {"outcome": jnp.where(finite, Outcome.FINISHED, Outcome.DIVERGED).astype(jnp.int8)}
