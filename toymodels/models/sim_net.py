"""Structured identity mapping by networks of any depth, on the population or on sampled data, by any optimiser."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from toymodels.errors import UsageError, unknown
from toymodels.model import Observable, ToyModel, Values
from toymodels.models import networks
from toymodels.models.sim_concepts import intervene
from toymodels.models.watch import Crossing, Descents, Swing, outcome
from toymodels.optimisers import optimiser_by_name
from toymodels.parameters import NON_NEGATIVE, POSITIVE, Parameter
from toymodels.tasks import sim as task

Array = jax.Array
MU = (1.0, 2.0)
DATA = ("population", "sample", "minibatch")
SMALL = 8
"""The end-to-end map of a linear network is recorded up to this many dimensions, unless told otherwise."""
MOST_CONCEPTS = 10
"""There are 2^s test points."""


def _default_sigma(values: Mapping[str, np.ndarray]) -> np.ndarray:
    return np.full_like(values["mu"], 0.05)


class _Task(NamedTuple):
    """What one run learns. `rows` (s, d): the concepts' unit vectors as the network sees them; `turn` the rotation."""

    mu: Array
    rows: Array
    turn: Array | None
    data: task.Sample | None
    moment: Array


@dataclasses.dataclass(frozen=True)
class SimNet(ToyModel):
    """Networks that learn to copy concepts of different strength, from clusters that show one concept each.

    Setting (Yang, Park, Lubana, Okawa, Hu, Tanaka, ICLR 2025, arXiv:2410.08309), data as in `toymodels.tasks.sim`:
    s clusters x ~ N(mu_p e_p, diag(sigma^2)) in R^d, target x, test points x_hat(v) = sum_p v_p mu_p e_p for all v in
    {0, 1}^s (dim `vertex`, in the order of `toymodels.tasks.sim.vertices`: the last one is the full test point x_hat).

        train_loss = E|f(x) - x|^2 / 2,    test_loss[v] = |f(x_hat(v)) - x_hat(v)|^2 / 2

    The network sees rotated data if `rotation`; everything recorded is in unrotated coordinates. Times are
    learning_rate * step, whatever the optimiser.

    Static fields:
        network: "tied" (f = (U U^T)^(depth/2) x), "linear" (untied), or an activation of jax.nn ("relu", "tanh",
            "gelu", ...) between Dense layers of flax.
        d (default: number of concepts), width (default d), depth (number of weight matrices), bias (not for linear).
        data: "population" (exact second moment; linear networks only), "sample" (full batch) or "minibatch" (`batch`
            points a step, in an order reshuffled every epoch). `samples`: points of each cluster. Linear networks see
            data through the second moment of the points at hand: their loss depends on nothing else.
        origin: weight of one more cluster around 0, relative to the others (round(origin * samples) points).
        rotation: a random rotation of R^d, the same for all data, one per seed. The start is rotated with it: plain
            gradient descent then gives the same run with and without rotation, other optimisers may not.
        optimiser: as called in optax, for example "sgd", "sgd(momentum=0.9)", "adam(b1=0.8)".
        init: "gaussian", "lecun", "orthogonal" or "balanced", see `toymodels.models.networks.start`; biases are 0.
        gains, hidden_layer: interventions at these gains in that hidden layer, see `toymodels.models.sim_concepts`.
        smallest_turn: share of the initial test loss by which it must turn for another descent to count.
        keep_map: record W (default: linear networks with d <= 8, or d left to its default).
        record_every: stride of the records (default: about 64 records).

    One seed gives the same start, rotation and draws at all other settings of the data; a tied network starts as the
    model `sim` does. With "population" and "sgd" it also goes the same way.

    Outcomes: LEARNED, all coordinates of f(x_hat) at least mu_p/2 at the end; DIVERGED, the final train loss is not
    finite or above its initial value (also where truncation leaves no data); TRAPPED, neither, and the gradient on all
    training data has vanished to rounding; NOT_FINISHED otherwise.

    Raises `UsageError` for unknown names, sizes below 1, and combinations that make no sense.

    Example:
        >>> import jax
        >>> model = SimNet(network="relu", d=4, width=16, data="sample", samples=20)
        >>> params = {"mu": jax.numpy.array([1.0, 2.0]), "sigma": jax.numpy.array([0.05, 0.05])}
        >>> params |= {"learning_rate": 0.1, "init_scale": 0.2, "truncation": 0.0, "steps": 300}
        >>> record = model.simulate(params, jax.random.key(0), lengths=(300,), stride=10)
        >>> record["outputs"].shape, int(record["outcome"])
        ((31, 4, 2), 2)
    """

    network: str = "tied"
    d: int | None = None
    width: int | None = None
    depth: int = 2
    bias: bool = False
    data: str = "population"
    samples: int = 5000
    batch: int = 128
    origin: float | int = 0
    rotation: bool = False
    optimiser: str = "sgd"
    init: str = "gaussian"
    gains: tuple = ()
    hidden_layer: int = 1
    smallest_turn: float = 1e-3
    keep_map: bool | None = None
    record_every: int | None = None

    name: ClassVar[str] = "sim_net"
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("mu", "distance of each cluster from the origin", MU, "length", POSITIVE, ("concept",)),
        Parameter("sigma", "spread along each concept", _default_sigma, "length", NON_NEGATIVE, ("concept",)),
        Parameter("learning_rate", "step size of the optimiser", 0.02, "time/step", POSITIVE),
        Parameter("init_scale", "factor on the start", 0.1, "1", NON_NEGATIVE),
        Parameter("truncation", "points nearer than this to x_hat are dropped", 0.0, "length", NON_NEGATIVE),
        Parameter("steps", "training steps", 1000, "step", NON_NEGATIVE, integer=True),
    )

    def __post_init__(self) -> None:
        for field, known in (("network", networks.NETWORKS), ("data", DATA), ("init", networks.INITS)):
            if getattr(self, field) not in known:
                raise unknown(f"{field} of sim_net", str(getattr(self, field)), known)
        for field in ("d", "width", "record_every", "depth", "samples", "batch", "hidden_layer"):
            value = getattr(self, field)
            optional = field in ("d", "width", "record_every")
            if not (optional and value is None) and (not isinstance(value, int) or value < 1):
                raise UsageError(f"sim_net: {field} must be a whole number >= 1, got {value!r}.")
        if not self.origin >= 0:
            raise UsageError(f"sim_net: origin is the weight of a cluster, a number >= 0, got {self.origin!r}.")
        if not 0 <= self.smallest_turn < 1:
            raise UsageError(f"sim_net: smallest_turn must lie in [0, 1), got {self.smallest_turn!r}.")
        self._check_network()
        optimiser_by_name(self.optimiser)

    def _check_network(self) -> None:
        linear = self.network in networks.LINEAR
        if self.network == "tied" and self.depth % 2:
            raise UsageError(f"sim_net: tied layers come in pairs U, U^T; give an even depth, got {self.depth}.")
        if not linear and self.depth < 2:
            raise UsageError(f"sim_net: {self.network} acts between layers; give depth >= 2, got {self.depth}.")
        if not linear and self.data == "population":
            raise UsageError(
                f"sim_net: the population loss of a {self.network} network has no closed form; give data='sample' or "
                "data='minibatch'."
            )
        if linear and self.bias:
            raise UsageError(f"sim_net: {self.network} networks have no bias; give bias=False or network='relu'.")
        if self.init == "balanced" and self.network != "linear":
            raise UsageError(f"sim_net: init='balanced' is for network='linear', not {self.network!r}.")
        if not linear and self.keep_map:
            raise UsageError(f"sim_net: a {self.network} network has no linear map; give keep_map=False.")
        if not all(isinstance(gain, int | float) and np.isfinite(gain) for gain in self.gains):
            raise UsageError(f"sim_net: gains must be a tuple of numbers such as (1, 2, 4), got {self.gains!r}.")
        if self.gains and self.hidden_layer >= self.depth:
            raise UsageError(
                f"sim_net: depth {self.depth} has the hidden layers 1 to {self.depth - 1}; there is no hidden_layer "
                f"{self.hidden_layer} to intervene in."
            )

    @property
    def _maps(self) -> bool:
        linear = self.network in networks.LINEAR
        return linear and (self.keep_map if self.keep_map is not None else (self.d or 0) <= SMALL)

    @property
    def observables(self) -> Mapping[str, Observable]:
        """Everything that `simulate` returns."""
        step, vertex, concept, pair = ("step",), ("step", "vertex"), ("concept",), ("row", "column")
        found = {
            "outputs": Observable("concept coordinates of f(x_hat(v))", (*vertex, "concept"), "length"),
            "outside": Observable("size of f(x_hat(v)) outside the span of the concepts", vertex, "length"),
            "test_loss": Observable("loss at x_hat(v)", vertex, "length^2"),
            "train_loss": Observable("loss on the population, or on all training data", step, "length^2"),
            "learning_time": Observable(
                "time at which coordinate p of f(x_hat) first reaches mu_p/2, interpolated; inf: not within the run",
                concept,
                "time",
            ),
            "swing_depth": Observable(
                "largest rise of the loss at x_hat above an earlier minimum (step > 0), over the initial loss"
            ),
            "swing_min_time": Observable("time of the minimum before that rise; NaN without a rise", (), "time"),
            "swing_bump_time": Observable("time of the top of that rise; NaN without a rise", (), "time"),
            "descents": Observable("number of separate falls of the loss at x_hat", dtype="int32"),
            "sample_moment": Observable(
                "second moment of the training data over concepts, uncentred", ("concept", "other_concept"), "length^2"
            ),
            "sample_kept": Observable("share of the training data that truncation kept"),
            "outcome": Observable("result code", dtype="int8"),
        }
        if self._maps:
            found["W"] = Observable("linear map from input to output", ("step", *pair))
            found["initial_W"] = Observable("realised start of the linear map", pair)
        if self.gains:
            dims = ("step", "concept", "gain")
            found["intervened_loss"] = Observable("loss at x_hat with the concept's hidden push", dims, "length^2")
            found["intervened_output"] = Observable("that output's coordinate of the concept", dims, "length")
        return found

    def sizes(self, values: Values) -> dict[str, int]:
        """Number of concepts: the length of mu, else of sigma."""
        given = values.get("mu", values.get("sigma", MU))
        return {"concept": np.shape(given)[-1] if np.ndim(given) else len(MU)}

    def check(self, values: Mapping[str, np.ndarray], given: frozenset[str]) -> None:
        """Sizes that do not fit the number of concepts, and settings that need sampled data, are errors."""
        concepts = values["mu"].shape[-1]
        d = self.d or concepts
        if concepts > d:
            raise UsageError(f"sim_net: {concepts} concepts do not fit in d = {d} dimensions; give d >= {concepts}.")
        if concepts > MOST_CONCEPTS:
            raise UsageError(
                f"sim_net: {concepts} concepts have 2^{concepts} test points; give {MOST_CONCEPTS} at most."
            )
        if self.init == "balanced" and (self.width or d) < d:
            raise UsageError(f"sim_net: a balanced start needs width >= d = {d}, got {self.width}.")
        points = concepts * self.samples + round(self.origin * self.samples)
        if self.data == "minibatch" and self.batch > points:
            raise UsageError(f"sim_net: a batch of {self.batch} exceeds the {points} points; give a smaller batch.")
        if self.data == "population" and np.any(values["truncation"] > 0):
            raise UsageError("sim_net: truncation drops sampled points; give data='sample' or data='minibatch'.")

    def scan_lengths(self, values: Mapping[str, np.ndarray]) -> np.ndarray:
        """One scan: the training steps. Shape (runs, 1)."""
        return np.asarray(values["steps"])[:, None]

    def coordinates(self, sizes: Mapping[str, int]) -> dict[str, np.ndarray]:
        """Concepts, rows and columns are counted from 1, vertices from 0 (see `toymodels.tasks.sim.vertices`)."""
        count = np.arange(1, (self.d or sizes["concept"]) + 1)
        concept = count[: sizes["concept"]]
        labels = {"concept": concept, "other_concept": concept, "row": count, "column": count}
        return labels | {"gain": np.asarray(self.gains, float)}

    def simulate(
        self, params: Mapping[str, Array], key: Array, *, lengths: tuple[int, ...], stride: int
    ) -> dict[str, Array]:
        """One run; see the class for what it does and `observables` for what it returns."""
        rate, steps, dtype = params["learning_rate"], params["steps"], params["mu"].dtype
        given = self._task(params, jax.random.fold_in(key, 1))
        d = given.rows.shape[1]
        width = self.width or d
        module = networks.network(self.network, d, width, self.depth, self.bias, dtype)
        x_hat = given.mu @ given.rows
        shuffle_key = jax.random.fold_in(key, 2)
        epoch = len(given.data.z) // self.batch if given.data is not None and self.data == "minibatch" else 1

        def train_loss(weights: Any, z: Array, kept: Array, moment: Array) -> Array:
            if self.network in networks.LINEAR:
                error = networks.apply(module, weights, given.rows) - given.rows
                return 0.5 * jnp.sum((moment @ error) * error)
            x = z @ given.rows
            loss = 0.5 * jnp.sum((networks.apply(module, weights, x) - x) ** 2, axis=1)
            return jnp.sum(loss * kept) / jnp.sum(kept)

        def whole(weights: Any) -> Array:
            z, kept = given.data if given.data is not None else (given.rows, given.mu)
            return train_loss(weights, z, kept, given.moment)

        def on_batch(weights: Any, order: Array, n: Array) -> Array:
            assert given.data is not None
            z = given.data.z[task.minibatch(order, given.data.kept, n % epoch, self.batch)]
            return train_loss(weights, z, jnp.ones(self.batch, dtype), z.T @ z / self.batch)

        def shuffle(order: Array, n: Array) -> Array:
            """A new order at the start of an epoch. The steps are the same in all runs, so this stays a branch."""
            assert given.data is not None
            kept = given.data.kept
            again = lambda: task.shuffled(jax.random.fold_in(shuffle_key, n // epoch), kept)  # noqa: E731
            return jax.lax.cond(n % epoch == 0, again, lambda: order)

        def output(weights: Any) -> Array:
            return networks.apply(module, weights, x_hat[None, :])[0]

        def watch(y: Array) -> tuple[Array, Array]:
            return given.rows @ y / given.mu, 0.5 * jnp.sum((y - x_hat) ** 2)

        optimiser = optimiser_by_name(self.optimiser)(rate)

        def train_step(i: Array, state: tuple) -> tuple:
            n, weights, memory, order, crossing, swing, descents = state
            if self.data == "minibatch":
                order = shuffle(order, n)
                gradient = jax.grad(on_batch)(weights, order, n)
            else:
                gradient = jax.grad(whole)(weights)
            change, remembered = optimiser.update(gradient, memory, weights)
            # Only what the next step starts from is masked: what is watched stays the same when it does.
            go_on = n < steps
            weights, memory = jax.tree.map(
                lambda new, old: jnp.where(go_on, new, old).astype(old.dtype),
                (optax.apply_updates(weights, change), remembered),
                (weights, memory),
            )
            progress, loss = watch(output(weights))
            step = (n + 1).astype(dtype)
            seen = crossing.observe(progress, step), swing.observe(loss, step), descents.observe(loss)
            return n + 1, weights, memory, order, *seen

        def record(weights: Any, n: Array) -> dict[str, Array]:
            values = self._record(module, weights, given) | {"train_loss": whole(weights)}
            return {name: jnp.where(n <= steps, value, jnp.nan).astype(dtype) for name, value in values.items()}

        def block(state: tuple, index: Array) -> tuple[tuple, dict[str, Array]]:
            final = jax.lax.fori_loop(0, stride, train_step, state)
            return final, record(final[1], final[0])

        scale = jnp.asarray(params["init_scale"], dtype)
        first = networks.start(key, self.network, d, width, self.depth, self.bias, self.init, scale, given.turn)
        progress, first_loss = watch(output(first))
        watched = (
            Crossing.begin(progress),
            Swing.begin(first_loss),
            Descents.begin(first_loss, self.smallest_turn * first_loss),
        )
        zero = jnp.asarray(0, jnp.int32)
        order = jnp.zeros(len(given.data.z) if given.data is not None else 0, jnp.int32)
        begin = (zero, first, optimiser.init(first), order, *watched)
        final, later = jax.lax.scan(block, begin, jnp.arange(lengths[0] // stride))
        _, weights, _, _, crossing, swing, descents = final
        records = jax.tree.map(lambda x0, x: jnp.concatenate([x0[None], x]), record(first, zero), later)

        size = optax.tree.norm(weights)
        rounding = 100 * jnp.finfo(dtype).eps * jnp.max(jnp.diagonal(given.moment)) * size
        vanished = optax.tree.norm(jax.grad(whole)(weights)) <= rounding
        learned = jnp.all(watch(output(weights))[0] >= 0.5)
        kept = jnp.ones((), dtype) if given.data is None else jnp.mean(given.data.kept.astype(dtype))
        if self._maps:
            records["initial_W"] = records["W"][0]
        return records | {
            "learning_time": rate * crossing.step,
            **swing.observables(first_loss, rate),
            "descents": descents.falls,
            "sample_moment": given.moment,
            "sample_kept": kept,
            "outcome": outcome(learned, vanished, whole(weights), whole(first)),
        }

    def _task(self, params: Mapping[str, Array], key: Array) -> _Task:
        """Data of one run, drawn from its key."""
        mu, sigma = params["mu"], params["sigma"]
        concepts = mu.shape[0]
        d = self.d or concepts
        turn_key, data_key = jax.random.split(key)
        turn = task.rotation(turn_key, d, mu.dtype) if self.rotation else None
        rows = jnp.eye(concepts, d, dtype=mu.dtype) if turn is None else turn[:concepts]
        if self.data == "population":
            return _Task(mu, rows, turn, None, task.population_moment(mu, sigma, float(self.origin)))
        extra = round(self.origin * self.samples)
        data = task.sample(data_key, mu, sigma, self.samples, extra, params["truncation"])
        return _Task(mu, rows, turn, data, task.sample_moment(data))

    def _record(self, module: networks.Layered | networks.Tied, weights: Any, given: _Task) -> dict[str, Array]:
        """What is kept of one step, in unrotated coordinates."""
        concepts, d = given.rows.shape
        points = jnp.asarray(task.vertices(concepts), given.mu.dtype) * given.mu[None, :] @ given.rows
        y = networks.apply(module, weights, points)
        inside = y @ given.rows.T
        values = {
            "outputs": inside,
            "outside": jnp.linalg.norm(y - inside @ given.rows, axis=1),
            "test_loss": 0.5 * jnp.sum((y - points) ** 2, axis=1),
        }
        if self._maps:
            turn = jnp.eye(d, dtype=given.mu.dtype) if given.turn is None else given.turn
            values["W"] = turn @ networks.apply(module, weights, turn).T
        if self.gains:
            pushed = intervene(module, weights, self.hidden_layer, given.mu, given.rows, self.gains)
            values |= {"intervened_loss": pushed.loss, "intervened_output": pushed.output}
        return values
