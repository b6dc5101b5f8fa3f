"""Numbers for theory/adam_flow.py: Adam as a differential equation, integrated with scipy; plain numpy functions.

With the bias-corrected averages M = m/(1 - e^(-r s)) and V of the squares, s the time since the averages began,

    M' = r_1 (g - M)/(1 - e^(-r_1 s)),   V' = r_2 (g^2 - V)/(1 - e^(-r_2 s)),   u = M/sqrt(V),   g = dL/dtheta,

which start as M = g and V = g^2, hence u = sign(g): no 0/0 arises, except in the rates, which are g'/2 at s = 0.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

Array = np.ndarray
Gradient = Callable[[Array], Array]

KERNELS: dict[str, Callable[[float], float]] = {
    "backward": lambda beta: (1 - beta) / beta,
    "decay": lambda beta: -np.log(beta),
    "centred": lambda beta: 2 * (1 - beta) / (1 + beta),
}
"""Rates per update of an average: first-order Taylor expansion backward in time, exact decay, centred difference."""


@dataclasses.dataclass(frozen=True)
class System:
    """`kernel` of the averages; `order` of the equation of theta; `half`: updates by which the averages are ahead."""

    kernel: str
    order: int
    half: float = 0.0


SYSTEMS = {
    "first": System("backward", 1),
    "second": System("backward", 2),
    "first_decay": System("decay", 1),
    "second_decay": System("decay", 2),
    "midpoint": System("centred", 1, 0.5),
    "midpoint_decay": System("decay", 1, 0.5),
}
BEGIN = 1e-7
"""Where integration starts, in updates after the averages have begun."""
RTOL, ATOL = 1e-11, 1e-13


def quadratic(hessian: Array) -> Gradient:
    """Gradient of theta.H.theta/2."""
    return lambda theta: hessian @ theta


def net(inputs: Array, targets: Array) -> Gradient:
    """Gradient of mean(sqrt(1 + e^2) - 1), e = sum_j c_j tanh(x.A_j + b_j) - y; theta = (A by rows, b, c)."""
    samples, features = inputs.shape

    def gradient(theta: Array) -> Array:
        hidden = theta.size // (features + 2)
        first, bias, second = np.split(theta, [features * hidden, (features + 1) * hidden])
        layer = np.tanh(inputs @ first.reshape(features, hidden) + bias)
        error = layer @ second - targets
        pull = error / np.sqrt(1 + error**2) / samples
        back = pull[:, None] * second * (1 - layer**2)
        return np.concatenate([(inputs.T @ back).ravel(), back.sum(0), layer.T @ pull])

    return gradient


class Settings(NamedTuple):
    """Adam's numbers."""

    beta1: float
    beta2: float
    rate: float
    decay: float


def path(system: System, gradient: Gradient, start: Array, given: Settings, steps: Array) -> Array:
    """theta (steps, coordinates) of the system that starts at `start`, at the times learning_rate * steps."""
    from scipy.integrate import solve_ivp

    size, (beta1, beta2, rate, decay) = start.size, given
    rate1, rate2 = (KERNELS[system.kernel](beta) / rate for beta in (beta1, beta2))
    pace = 1 / (1 - system.half * rate * decay)
    ahead = system.half * rate

    def field(s: float, state: Array) -> Array:
        theta, mean, square = state[:size], state[size : 2 * size], state[2 * size : 3 * size]
        g = gradient(theta)
        drift = -pace * (decay * theta + mean / np.sqrt(np.maximum(square, 1e-300)))
        averages = [
            rate1 * (g - mean) / -np.expm1(-rate1 * s),
            rate2 * (g * g - square) / -np.expm1(-rate2 * s),
        ]
        if system.order == 1:
            return np.concatenate([drift, *averages])
        return np.concatenate([state[3 * size :], *averages, 2 / rate * (drift - state[3 * size :])])

    first = -pace * (decay * start + np.sign(gradient(start)))
    theta = start - ahead * first
    g = gradient(theta)
    state = [theta, g, g * g] + ([first] if system.order == 2 else [])
    times = np.maximum(rate * steps + ahead, BEGIN * rate)
    found = solve_ivp(
        field, (BEGIN * rate, times.max()), np.concatenate(state), "LSODA", t_eval=np.unique(times), rtol=RTOL,
        atol=ATOL,
    )  # fmt: skip
    if found.y.shape[1] < len(np.unique(times)):
        return np.full((steps.size, size), np.nan)
    return found.y[:size].T[np.searchsorted(np.unique(times), times)]


def descent(gradient: Gradient, start: Array, given: Settings, count: int) -> Array:
    """theta (count + 1, coordinates) of the discrete update itself: the judge of the systems in derivations."""
    beta1, beta2, rate, decay = given
    theta, mean, square, found = start.copy(), 0.0 * start, 0.0 * start, [start]
    for n in range(1, count + 1):
        g = gradient(theta)
        mean, square = beta1 * mean + (1 - beta1) * g, beta2 * square + (1 - beta2) * g * g
        theta = theta - rate * (decay * theta + mean / (1 - beta1**n) / np.sqrt(square / (1 - beta2**n)))
        found.append(theta)
    return np.array(found)


def signs(start: Array, sign: Array, decay: float, time: Array) -> Array:
    """theta (times, coordinates) of theta' = -(decay theta + sign): the limit of Adam for small learning rates."""
    time = np.asarray(time, dtype=float)[..., None]
    moved = -np.expm1(-decay * time) / decay if decay > 0 else time
    return start - moved * (decay * start + sign)


@functools.lru_cache(maxsize=4096)
def _kept(system: str, task: str, start: bytes, fixed: tuple[tuple[bytes, tuple[int, ...]], ...],
          numbers: tuple[float, ...], steps: bytes) -> Array:  # fmt: skip
    parts = [np.frombuffer(data).reshape(shape) for data, shape in fixed]
    gradient = TASKS[task](*parts)
    return path(SYSTEMS[system], gradient, np.frombuffer(start), Settings(*numbers), np.frombuffer(steps))


TASKS: dict[str, Callable[..., Gradient]] = {"quadratic": quadratic, "net": net}
RANKS = {"quadratic": (2,), "net": (2, 1)}
"""Own axes of what fixes the gradient."""


def travelled(system: str, task: str, start: Array, *given: Array) -> Array:
    """theta(t) - theta(0) of one of SYSTEMS, over the broadcast leading axes and (coordinate).

    `given`: what fixes the gradient (see RANKS), then beta1, beta2, learning_rate, weight_decay, step. Runs that differ
    in the step only are integrated once, and results are kept.
    """
    fixed, (*numbers, step) = given[: len(RANKS[task])], given[len(RANKS[task]) :]
    owns = [1, *RANKS[task], *([0] * 5)]
    arrays = [np.asarray(a, dtype=float) for a in (start, *fixed, *numbers, step)]
    lead = np.broadcast_shapes(*(a.shape[: a.ndim - own] for a, own in zip(arrays, owns, strict=True)))
    arrays = [
        np.ascontiguousarray(np.broadcast_to(a, lead + a.shape[a.ndim - own :])).reshape(-1, *a.shape[a.ndim - own :])
        for a, own in zip(arrays, owns, strict=True)
    ]
    size = arrays[0].shape[-1]
    out = np.full((len(arrays[0]), size), np.nan)
    groups: dict[tuple, list[int]] = {}
    for row in range(len(out)):
        values = [a[row] for a in arrays]
        if all(np.isfinite(v).all() for v in values):
            key = (
                values[0].tobytes(),
                tuple((v.tobytes(), v.shape) for v in values[1 : 1 + len(fixed)]),
                tuple(float(v) for v in values[1 + len(fixed) : -1]),
            )
            groups.setdefault(key, []).append(row)
    for (begin, parts, settings), rows in groups.items():
        wanted = arrays[-1][rows]
        with np.errstate(all="ignore"):
            out[rows] = _kept(system, task, begin, parts, settings, wanted.tobytes()) - np.frombuffer(begin)
    return out.reshape(*lead, size)


def gradients_along_signs(task: str, start: Array, *given: Array) -> Array:
    """g(theta) over g(theta(0)) by coordinates, theta on the path of sign descent at one time.

    `given`: what fixes the gradient, then the weight decay and the time; leading axes broadcast.
    """
    fixed, (decay, time) = given[: len(RANKS[task])], given[len(RANKS[task]) :]

    def one(start: Array, *rest: Array) -> Array:
        *parts, decay, time = rest
        gradient = TASKS[task](*parts)
        begin = gradient(start)
        return gradient(signs(start, np.sign(begin), float(decay), time)) / begin

    own = ["(a)", *("(b,c)", "(d)")[: len(fixed)], "()", "()"]
    return np.vectorize(one, signature=",".join(own) + "->(a)")(start, *fixed, decay, time)


SAMPLES = 30
"""Times at which gradients are looked at for a change of sign."""


def least_gradient(task: str, start: Array, *given: Array) -> Array:
    """The least g/g(0) of any coordinate on the path of sign descent up to a time; negative after a change of sign."""
    *fixed, decay, time = given
    found = [gradients_along_signs(task, start, *fixed, decay, time * share) for share in np.linspace(0, 1, SAMPLES)]
    return np.min(found, axis=(0, -1))
