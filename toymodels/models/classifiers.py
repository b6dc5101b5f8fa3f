"""Small classifiers in flax: a perceptron and a convolutional net on images, a transformer on characters.

Each of them can normalise its activations ("layer": flax's LayerNorm, "rms": its RMSNorm, both over features, never
over the batch). The weights before a normalisation have no bias: their size then does not matter for the output.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

from toymodels.tasks.digits import SIDE

Array = jax.Array

NORMS: dict[str, Callable[..., nn.Module] | None] = {"none": None, "layer": nn.LayerNorm, "rms": nn.RMSNorm}
HEADS = 2


class _Normal(nn.Module):
    """The normalisation called `kind`."""

    kind: str
    param_dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        norm = NORMS[self.kind]
        return x if norm is None else norm(param_dtype=self.param_dtype)(x)


class Perceptron(nn.Module):
    """Pixels -> `width` ReLU units -> classes."""

    classes: int
    width: int
    normalise: str
    param_dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """(n, pixels) -> logits (n, classes)."""
        x = nn.Dense(self.width, use_bias=self.normalise == "none", param_dtype=self.param_dtype)(x)
        x = nn.relu(_Normal(self.normalise, self.param_dtype)(x))
        return nn.Dense(self.classes, param_dtype=self.param_dtype)(x)


def patches(x: Array, side: int = 3) -> Array:
    """All squares of `side` pixels inside each image: (n, h, w, c) -> (n, h - side + 1, w - side + 1, side^2 c)."""
    high, wide = x.shape[1] - side + 1, x.shape[2] - side + 1
    cuts = [x[:, i : i + high, j : j + wide] for i in range(side) for j in range(side)]
    return jnp.concatenate(cuts, axis=-1)


class Conv(nn.Module):
    """Images -> two layers of 3 x 3 filters, `width` and 2 `width` of them -> mean over positions -> classes.

    A filter is a dense layer on patches. Convolutions of many nets at once, each with its own filters, would be
    grouped ones, which are slow on CPUs.
    """

    classes: int
    width: int
    normalise: str
    param_dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """(n, pixels) -> logits (n, classes)."""
        x = x.reshape(-1, SIDE, SIDE, 1)
        for filters in (self.width, 2 * self.width):
            x = nn.Dense(filters, use_bias=self.normalise == "none", param_dtype=self.param_dtype)(patches(x))
            x = nn.relu(_Normal(self.normalise, self.param_dtype)(x))
        return nn.Dense(self.classes, param_dtype=self.param_dtype)(x.mean((1, 2)))


class Transformer(nn.Module):
    """Characters -> embedding of `width` -> causal attention and a perceptron, each added on -> next characters."""

    classes: int
    width: int
    normalise: str
    param_dtype: Any

    @nn.compact
    def __call__(self, x: Array) -> Array:
        """Windows (n, length) -> logits (n, length, classes)."""
        kind = {"param_dtype": self.param_dtype}
        places = self.param("places", nn.initializers.zeros, (x.shape[1], self.width), self.param_dtype)
        h = nn.Embed(self.classes, self.width, **kind)(x) + places[None]
        qkv = nn.Dense(3 * self.width, use_bias=False, **kind)(_Normal(self.normalise, self.param_dtype)(h))
        query, key, value = jnp.split(qkv.reshape(*x.shape, HEADS, -1), 3, axis=-1)
        read = nn.dot_product_attention(query, key, value, mask=nn.make_causal_mask(x)).reshape(h.shape)
        h = h + nn.Dense(self.width, use_bias=False, **kind)(read)
        up = nn.relu(nn.Dense(2 * self.width, **kind)(_Normal(self.normalise, self.param_dtype)(h)))
        h = h + nn.Dense(self.width, **kind)(up)
        return nn.Dense(self.classes, **kind)(_Normal(self.normalise, self.param_dtype)(h))


def start(key: Array, module: nn.Module, x: Array, dtype: Any) -> Any:
    """Weights before the first step, in the structure that flax gives them for inputs like `x`.

    Kernels are uniform with variance 1 / (number of inputs), tables of characters and places with 1 / width; factors of
    normalisations are 1, biases 0. All of them come from one draw: flax's own draw for each array takes ten times as
    long to compile.
    """
    shapes = jax.eval_shape(module.init, key, x)
    leaves, structure = jax.tree_util.tree_flatten_with_path(shapes)
    draws = jax.random.uniform(key, (sum(leaf.size for _, leaf in leaves),), dtype, -1.0, 1.0)
    made, used = [], 0
    for path, leaf in leaves:
        kind = path[-1].key
        if kind in ("bias", "scale"):
            made.append(jnp.full(leaf.shape, float(kind == "scale"), dtype))
        else:
            inputs = leaf.shape[0] if kind == "kernel" else leaf.shape[-1]
            made.append((3 / inputs) ** 0.5 * draws[used : used + leaf.size].reshape(leaf.shape))
        used += leaf.size
    return jax.tree.unflatten(structure, made)
