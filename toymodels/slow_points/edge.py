"""What a user's field and starts must be; errors in words, before anything is compiled."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError


def checked_starts(starts: Any) -> np.ndarray:
    """Starts as a float64 array of shape (n, d)."""
    try:
        array = np.asarray(starts)
    except ValueError as error:
        raise UsageError(f"The starts must form an array of shape (number of starts, d): {error}.") from error
    if np.iscomplexobj(array):
        raise UsageError(
            "The starts are complex; slow points are searched for in real space. Split each number in two."
        )
    if array.dtype.kind not in "fiub":
        raise UsageError(f"The starts must be numbers, got an array of {array.dtype}.")
    if array.ndim != 2 or 0 in array.shape:
        raise UsageError(
            f"The starts have the shape {array.shape}; they need two axes (number of starts, d), neither empty. "
            "One start x is given as x[None, :], a scalar field as starts[:, None]."
        )
    if not np.all(np.isfinite(array)):
        raise UsageError(f"{np.sum(~np.isfinite(array).all(axis=1))} of {len(array)} starts hold NaN or infinity.")
    return array.astype(np.float64)


def checked_field(field: Any, d: int, args: tuple) -> None:
    """Refuse what is no real function from shape (d,) to shape (d,)."""
    name = getattr(field, "__name__", type(field).__name__)
    if not callable(field):
        raise UsageError(f"The field must be a function x -> F(x) of an array of shape (d,), got {field!r}.")
    try:
        out = jax.eval_shape(lambda x: field(x, *args), jax.ShapeDtypeStruct((d,), jnp.float64))
    except Exception as error:
        raise UsageError(
            f"The field {name} could not be traced by JAX on an array of shape ({d},) and {len(args)} args: "
            f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''} "
            f"It must be written with jax.numpy and accept {inspect_text(field)}."
        ) from error
    if not hasattr(out, "shape"):
        raise UsageError(f"The field {name} must return one array of shape ({d},), got {type(out).__name__}.")
    if out.shape != (d,):
        raise UsageError(
            f"The field {name} returns the shape {out.shape} for a state of shape ({d},); it must map R^d to R^d."
        )
    if jnp.issubdtype(out.dtype, jnp.complexfloating):
        raise UsageError(f"The field {name} returns complex numbers; split the state into real and imaginary parts.")
    if not jnp.issubdtype(out.dtype, jnp.floating):
        raise UsageError(f"The field {name} returns {out.dtype}; it must return floating-point numbers.")


def inspect_text(field: Callable[..., Any]) -> str:
    """How the field is to be called, for a message."""
    try:
        return f"(x, *args); it is declared as {inspect.signature(field)}"
    except (TypeError, ValueError):
        return "(x, *args)"


def checked_number(name: str, value: Any, low: float, high: float) -> float:
    """`value` as a float strictly between the ends."""
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float, np.floating, np.integer))
        or not low < value < high
    ):
        raise UsageError(f"{name} must be a number between {low:g} and {high:g} (exclusive), got {value!r}.")
    return float(value)


def checked_vector_field(field: Any, starts: Any, args: tuple, leak: float | None) -> tuple[Any, np.ndarray, tuple]:
    """(F, starts, args): F a hashable vector field (of a map: (step(x) - x)/leak), args as arrays."""
    array = checked_starts(starts)
    if not isinstance(args, tuple):
        raise UsageError(f"args must be a tuple of what the field takes after x, got {type(args).__name__}: (args,).")
    traced = jax.tree.map(jnp.asarray, args)
    checked_field(field, array.shape[1], traced)
    if leak is None:
        return field, array, traced
    checked_number("leak", leak, 0.0, 1.0 + 1e-12)

    def per_time(x: jax.Array, *rest: Any) -> jax.Array:
        return (field(x, *rest) - x) / leak

    return per_time, array, traced
