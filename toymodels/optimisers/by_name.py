"""Optimisers written as they are called: "sgd", "sgd(momentum=0.9)", "adam(b1=0.8, b2=0.99)", "k_adam(k=3)"."""

from __future__ import annotations

import ast
import functools
import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optax.contrib

from toymodels.errors import UsageError, unknown
from toymodels.optimisers.k_adam import k_adam

DECAYS = ("b1", "b2", "b3", "beta1", "beta2", "momentum", "decay")
NOT_NEGATIVE = ("eps", "weight_decay")

Optimiser = Callable[[Any], optax.GradientTransformationExtraArgs]


def optimiser_by_name(text: str) -> Optimiser:
    """A function from the learning rate (a number or a traced scalar) to an optax transformation.

    `text`: the name of an optimiser of optax, optax.contrib or this package that has a `learning_rate`, and its other
    options in parentheses. Raises `UsageError` for an unknown one, for options that it does not take, and for one that
    needs more than the gradient (a line search, the loss).

    >>> jax.tree.leaves(optimiser_by_name("sgd(momentum=0.9)")(0.1).init(jnp.zeros(2)))[0].shape
    (2,)
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
        name, options = _read(call)
    except (SyntaxError, ValueError) as error:
        raise UsageError(f"optimiser = {text!r} is not of the form 'adam' or 'adam(b1=0.8, b2=0.99)'.") from error
    factory = _known().get(name)
    if factory is None:
        raise unknown("optimiser", name, _known())
    accepted = set(inspect.signature(factory).parameters) - {"learning_rate"}
    for option in options:
        if option not in accepted:
            raise unknown(f"option of {name}", option, accepted)
        _check(name, option, options[option])
    build = functools.partial(factory, **options)
    weights = {"kernel": jax.ShapeDtypeStruct((2, 2), np.dtype("float32"))}
    try:
        jax.eval_shape(lambda w: build(jnp.float32(0.1)).update(w, build(jnp.float32(0.1)).init(w), w), weights)
    except UsageError:
        raise  # says itself what to do
    except Exception as error:  # whatever a library raises on what a user wrote
        raise UsageError(
            f"optimiser = {text!r} cannot make a step from gradients alone ({type(error).__name__}: "
            f"{str(error).splitlines()[0][:120]}); take another one, for example 'adam'."
        ) from error
    return build


def _read(call: ast.expr) -> tuple[str, dict[str, Any]]:
    if isinstance(call, ast.Name):
        return call.id, {}
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError
    return call.func.id, {str(option.arg): ast.literal_eval(option.value) for option in call.keywords}


def _check(name: str, option: str, value: Any) -> None:
    """Refuse averages that do not decay and negative decay: libraries take them and diverge."""
    numbers = value if isinstance(value, list | tuple) else [value]
    real = [x for x in numbers if isinstance(x, int | float) and not isinstance(x, bool)]
    if option in DECAYS and not all(0 <= x < 1 for x in real):
        raise UsageError(f"{name}: {option} must be in [0, 1), got {value!r}.")
    if option in NOT_NEGATIVE and not all(0 <= x < float("inf") for x in real):
        raise UsageError(f"{name}: {option} must be a finite number of at least 0, got {value!r}.")


@functools.cache
def _known() -> dict[str, Callable[..., Any]]:
    """Functions with a learning rate and no other argument that must be given."""
    found: dict[str, Callable[..., Any]] = {"k_adam": k_adam}
    for module in (optax.contrib, optax):
        for name, function in inspect.getmembers(module, inspect.isfunction):
            parameters = inspect.signature(function).parameters
            required = {p.name for p in parameters.values() if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
            if "learning_rate" in parameters and required <= {"learning_rate"} and not name.startswith(("_", "scale")):
                found[name] = function
    return found
