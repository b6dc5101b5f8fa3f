"""Does a hidden layer know a concept already that the output does not show yet? A linear intervention asks.

At the full test point x_hat the activations of a hidden layer are pushed along the direction in which they answer to
concept p, with a gain g (g = 1: no intervention):

    h -> h(x_hat) + (g - 1) mu_p dh/dz_p

and the rest of the network runs from there. dh/dz_p is the derivative of the activations along the unit vector of
concept p, taken at x_hat. In a linear network this equals a larger input, x_hat + (g - 1) mu_p e_p; with f = W x, one
concept alone and W = w, the loss vanishes at g = 1/w, long before it does at g = 1.
Source: the idea of Park, Okawa, Lee, Lubana, Tanaka, arXiv:2406.19370 (linear interventions elicit a capability before
the output shows it); this definition is our own.
"""

from __future__ import annotations

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

from toymodels.models.networks import Weights, apply

Array = jax.Array


class Intervened(NamedTuple):
    """Shapes (concepts, gains): test loss of the output, and its coordinate along the concept pushed."""

    loss: Array
    output: Array


def intervene(
    module: nn.Module, weights: Weights, layer: int, mu: Array, directions: Array, gains: tuple[float, ...]
) -> Intervened:
    """Interventions on hidden layer `layer`, one concept at a time.

    `directions` (concepts, d): the unit vectors of the concepts; `mu` (concepts,), so that x_hat = mu @ directions.
    """
    x_hat = mu @ directions
    scales = jnp.asarray(gains, mu.dtype) - 1.0

    def activations(x: Array) -> Array:
        return apply(module, weights, x[None, :], layer, method="hidden")[0]

    def one(size: Array, direction: Array) -> tuple[Array, Array]:
        h, push = jax.jvp(activations, (x_hat,), (size * direction,))
        pushed = h[None, :] + scales[:, None] * push[None, :]
        y = apply(module, weights, pushed, layer, method="head")
        return 0.5 * jnp.sum((y - x_hat[None, :]) ** 2, axis=1), y @ direction

    return Intervened(*jax.vmap(one)(mu, directions))
