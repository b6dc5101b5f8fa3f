"""Decay constants of the stages of k-Adam: how they are chosen, and how they are checked.

Stages are described by what is left of one, rest = 1 - beta, because that is what a running average multiplies new
terms with. Near beta = 1 it does not survive rounding: in float32, 1 - 0.999 is off by 5e-5 and 1 - 0.99999 by 1e-2 or
so. A Python number beta keeps the digits of float64; where beta is traced in float32, give its rest instead.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from toymodels.errors import UsageError, unknown

Number = float | jax.Array
Constants = Number | Sequence[Number]


def _root_of_rest(rest: Any, k: int) -> Any:
    """1 - (1 - rest)^(1/k), of small rests too."""
    library: Any = jnp if isinstance(rest, jax.Array) else np
    with np.errstate(divide="ignore"):  # rest = 1: log 0 = -inf, and every stage has rest 1
        return -library.expm1(library.log1p(-rest) / k)


_RULES: dict[str, tuple[Callable[[Any, int], list[Any]], Callable[[Any, int], list[Any]]]] = {
    "uniform": (lambda beta, k: [beta] * k, lambda rest, k: [rest] * k),
    "root": (lambda beta, k: [beta ** (1 / k)] * k, lambda rest, k: [_root_of_rest(rest, k)] * k),
    "split": (lambda beta, k: [1 - (1 - beta) ** (1 / k)] * k, lambda rest, k: [rest ** (1 / k)] * k),
    "first": (lambda beta, k: [beta, *[0.0] * (k - 1)], lambda rest, k: [rest, *[1.0] * (k - 1)]),
}
"""The constants of k stages made from one beta, and the same for what is left of one."""
CHOICES = tuple(_RULES)


def stage_constants(beta: Number, k: int, choice: str = "uniform") -> tuple[Number, ...]:
    """Decay constants of the k stages made from one `beta` in [0, 1) (a number or a traced scalar).

    "uniform": beta in every stage;  "root": beta^(1/k), so that their product is beta;
    "split": 1 - (1 - beta)^(1/k), so that the product of 1 - beta_i is 1 - beta;
    "first": beta in the first stage, 0 in the others (which then return signs).
    Raises `UsageError` for k < 1, an unknown choice, or a beta outside [0, 1).

    >>> stage_constants(0.75, 2, "split")
    (0.5, 0.5)
    """
    check_beta("beta", beta)
    return tuple(_rule(choice)[0](beta, check_k(k)))


def stage_rests(
    name: str, beta: Constants | None, rest: Constants | None, k: int | None, choice: str
) -> tuple[Number, ...]:
    """1 - beta of every stage, from `beta` or `rest`: one number that `choice` distributes, or one for each stage.

    `name` ("beta1", say) is for errors. Without k, a sequence says how many stages there are and one number makes one.
    """
    if beta is not None and rest is not None:
        raise UsageError(f"k-Adam: give {name} or its rest 1 - {name}, not both (got {beta!r} and {rest!r}).")
    rule = _rule(choice)
    given = beta if rest is None else rest
    called = name if rest is None else f"rest{name[-1]} (1 - {name})"
    check = check_beta if rest is None else check_rest
    count = stage_count(given)
    if count is None:
        check(called, given)
        whole = _minus(given) if rest is None else given
        return tuple(rule[1](whole, check_k(1 if k is None else k)))
    if count == 0 or (k is not None and count != check_k(k)):
        raise UsageError(
            f"k-Adam: {called} has {count} stage constants but k = {k if k is not None else 'at least 1'}; "
            "give one for each stage, or one number and a choice."
        )
    each = [given[i] for i in range(count)]  # type: ignore[index]
    for number in each:
        check(called, number)
    return tuple(_minus(number) if rest is None else number for number in each)


def stage_count(constants: Any) -> int | None:
    """How many stages a sequence (or a vector) is for; None for a single number."""
    if isinstance(constants, jax.Array | np.ndarray):
        if constants.ndim > 1:
            raise UsageError(
                f"k-Adam: stage constants of shape {constants.shape}; give a number or one axis over the stages. "
                "For many runs at once use jax.vmap over k_adam."
            )
        return constants.shape[0] if constants.ndim else None
    return len(constants) if isinstance(constants, list | tuple) else None


def check_k(k: Any) -> int:
    """k as an int. Raises `UsageError` if it is not a whole number of at least 1 known before compilation."""
    if isinstance(k, jax.Array):
        raise UsageError(
            "k-Adam: k is a jax array, but it fixes the shape of the state; give a Python int (under "
            "optax.inject_hyperparams: static_args=('k',))."
        )
    if isinstance(k, bool) or not isinstance(k, numbers.Integral) or k < 1:
        raise UsageError(f"k-Adam: k must be a whole number of at least 1, got {k!r}.")
    return int(k)


def check_beta(name: str, value: Any) -> None:
    """Refuse what is known to lie outside [0, 1)."""
    _check(name, value, lambda x: 0 <= x < 1, "in [0, 1)")


def check_rest(name: str, value: Any) -> None:
    """Refuse what is known to lie outside (0, 1]."""
    _check(name, value, lambda x: 0 < x <= 1, "in (0, 1]")


def check_not_negative(name: str, value: Any) -> None:
    """Refuse what is known to be negative or not finite."""
    _check(name, value, lambda x: 0 <= x < math.inf, "a finite number of at least 0")


def _check(name: str, value: Any, accepted: Any, allowed: str) -> None:
    if isinstance(value, jax.core.Tracer):
        return  # its numbers are not known here
    array = isinstance(value, jax.Array | np.ndarray)
    if isinstance(value, bool) or not (isinstance(value, numbers.Real) or (array and value.dtype.kind in "fiu")):
        raise UsageError(f"k-Adam: {name} must be a number {allowed}, got {value!r}.")
    for number in np.ravel(np.asarray(value)):
        if not accepted(number):
            raise UsageError(f"k-Adam: {name} must be {allowed}, got {number:g}.")


def _minus(beta: Any) -> Number:
    """1 - beta, of a Python number in float64."""
    return 1.0 - (beta if isinstance(beta, jax.Array) else float(beta))


def _rule(choice: str) -> Any:
    if choice not in _RULES:
        raise unknown("choice of stage constants", choice, CHOICES)
    return _RULES[choice]
