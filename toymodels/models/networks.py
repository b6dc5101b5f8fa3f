"""Networks from R^d to R^d, as flax modules that can be cut at a hidden layer, and their starts.

`depth` counts weight matrices. A layered network (flax Dense layers) has `depth - 1` hidden layers of `width` units;
"linear" has no activation between them. The tied network of even depth 2k is x -> x (U U^T)^k, U of shape (d, width).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from toymodels.tasks.sim import rotation as orthogonal

Array = jax.Array
Weights = Mapping[str, Any]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    name: getattr(jax.nn, name)
    for name in ("relu", "tanh", "gelu", "silu", "elu", "selu", "leaky_relu", "sigmoid", "softplus", "swish")
}
LINEAR = ("tied", "linear")
NETWORKS = (*LINEAR, *ACTIVATIONS)
INITS = ("gaussian", "lecun", "orthogonal", "balanced")


class Layered(nn.Module):
    """Dense layers; `activation` after all but the last."""

    features: tuple[int, ...]
    activation: Callable[[Array], Array]
    use_bias: bool
    param_dtype: Any

    def setup(self) -> None:
        self.layers = [nn.Dense(n, use_bias=self.use_bias, param_dtype=self.param_dtype) for n in self.features]

    def __call__(self, x: Array) -> Array:
        """(n, d) -> (n, d)."""
        return self.head(x, 0)

    def hidden(self, x: Array, layer: int) -> Array:
        """Activations of hidden layer 1, 2, ..., shape (n, width)."""
        for dense in self.layers[:layer]:
            x = self.activation(dense(x))
        return x

    def head(self, h: Array, layer: int) -> Array:
        """Output of the network, given the activations of hidden layer `layer` (0: the input)."""
        for dense in self.layers[layer:-1]:
            h = self.activation(dense(h))
        return self.layers[-1](h)


class Tied(nn.Module):
    """x -> x (U U^T)^(depth/2)."""

    shape: tuple[int, int]
    depth: int
    param_dtype: Any

    def setup(self) -> None:
        self.u = self.param("u", nn.initializers.zeros, self.shape, self.param_dtype)

    def __call__(self, x: Array) -> Array:
        """(n, d) -> (n, d)."""
        return self.head(x, 0)

    def hidden(self, x: Array, layer: int) -> Array:
        """Odd layers have `width` units, even ones d."""
        for n in range(layer):
            x = x @ (self.u.T if n % 2 else self.u)
        return x

    def head(self, h: Array, layer: int) -> Array:
        """Output of the network, given the activations of hidden layer `layer` (0: the input)."""
        for n in range(layer, self.depth):
            h = h @ (self.u.T if n % 2 else self.u)
        return h


def network(kind: str, d: int, width: int, depth: int, bias: bool, dtype: Any) -> Layered | Tied:
    """The module of one of NETWORKS."""
    if kind == "tied":
        return Tied((d, width), depth, dtype)
    activation = ACTIVATIONS.get(kind, lambda x: x)
    return Layered((width,) * (depth - 1) + (d,), activation, bias, dtype)


def apply(module: nn.Module, weights: Weights, x: Array, *layer: int, method: str = "__call__") -> Array:
    """One array out: flax may return more, these modules do not."""
    return jnp.asarray(module.apply(weights, x, *layer, method=method))


def start(
    key: Array, kind: str, d: int, width: int, depth: int, bias: bool, init: str, scale: Array, turn: Array | None
) -> Weights:
    """Weights before the first step, `scale` times

    "gaussian": independent standard normal entries; "lecun": these over the square root of the number of inputs of the
    layer; "orthogonal": random matrices with orthonormal rows or columns; "balanced" (linear only): `scale^2` times
    W(0) = G G^T, G standard normal of shape (d, width), every layer its depth-th root in the eigenbasis, so that
    W_(l+1)^T W_(l+1) = W_l W_l^T. Biases start at zero.

    `turn` (d, d): the start is rotated along with the data. The law of each init is invariant, so this only pairs runs
    with and without a rotation. A tied start is that of the model `sim` from the same key.
    """
    if kind == "tied":
        u = scale * _draw(key, (d, width), init, scale.dtype)
        return {"params": {"u": u if turn is None else turn.T @ u}}
    shapes = list(zip((d, *(width,) * (depth - 1)), (*(width,) * (depth - 1), d), strict=True))
    if init == "balanced":
        kernels = _balanced(key, d, width, depth, scale)
    else:
        keys = jax.random.split(key, depth)
        kernels = [scale * _draw(k, shape, init, scale.dtype) for k, shape in zip(keys, shapes, strict=True)]
    if turn is not None:
        kernels[0] = turn.T @ kernels[0]
        kernels[-1] = kernels[-1] @ turn
    layers: dict[str, dict[str, Array]] = {f"layers_{n}": {"kernel": kernel} for n, kernel in enumerate(kernels)}
    if bias:
        for layer in layers.values():
            layer["bias"] = jnp.zeros(layer["kernel"].shape[1], scale.dtype)
    return {"params": layers}


def _draw(key: Array, shape: tuple[int, int], init: str, dtype: Any) -> Array:
    if init == "orthogonal":
        return orthogonal(key, max(shape), dtype)[: shape[0], : shape[1]]
    draws = jax.random.normal(key, shape, dtype)
    return draws / shape[0] ** 0.5 if init == "lecun" else draws


@jax.custom_batching.sequential_vmap
def _eigh(matrix: Array) -> tuple[Array, Array]:
    """One after the other: LAPACK's batched solver deadlocks on two host devices."""
    values, vectors = jnp.linalg.eigh(matrix)
    return values, vectors


def _balanced(key: Array, d: int, width: int, depth: int, scale: Array) -> list[Array]:
    factor = jax.random.normal(key, (d, width), scale.dtype)
    values, vectors = _eigh(factor @ factor.T)
    root = (scale**2 * jnp.maximum(values, 0.0)) ** (1.0 / depth)
    if depth == 1:
        return [(vectors * root[None, :]) @ vectors.T]
    wide = jnp.eye(d, width, dtype=scale.dtype)
    first = (vectors * root[None, :]) @ wide
    return [first, *([wide.T @ jnp.diag(root) @ wide] * (depth - 2)), first.T]
