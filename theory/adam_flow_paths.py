"""Numbers for theory/adam_flow.py: Adam as a differential equation, integrated with scipy; plain numpy functions.

With the bias-corrected averages M = m/(1 - e^(-r s)) and V of the squares, s the time since the averages began,

    M' = r_1 (g - M)/(1 - e^(-r_1 s)),   V' = r_2 (g^2 - V)/(1 - e^(-r_2 s)),   u = M/sqrt(V),   g = dL/dtheta,

which start as M = g and V = g^2, hence u = sign(g): no 0/0 arises, except in the rates, which are g'/2 at s = 0.
"""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray
Gradient = Callable[[Array], Array]

KERNELS: dict[str, Callable[[Any], Any]] = {
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
TOLERANCE = {"quadratic": 1e-11, "net": 1e-9}
"""Relative tolerance of the integrator; the absolute one is a hundredth of it. Of nets, gradients of single weights
pass through zero, where u turns within the memory of the averages: digits are dear there."""


def quadratic(hessian: Array) -> Gradient:
    """Gradient of theta.H.theta/2."""
    return lambda theta: (hessian @ theta[..., None])[..., 0]


def net(inputs: Array, targets: Array) -> Gradient:
    """Gradient of mean(sqrt(1 + e^2) - 1), e = sum_j c_j tanh(x.A_j + b_j) - y; theta = (A by rows, b, c)."""
    samples, features = inputs.shape[-2:]

    def gradient(theta: Array) -> Array:
        lead, hidden = theta.shape[:-1], theta.shape[-1] // (features + 2)
        first = theta[..., : features * hidden].reshape(*lead, features, hidden)
        bias, second = theta[..., None, -2 * hidden : -hidden], theta[..., -hidden:, None]
        layer = np.tanh(inputs @ first + bias)
        error = (layer @ second)[..., 0] - targets
        pull = (error / np.sqrt(1 + error**2) / samples)[..., None]
        back = pull * second.swapaxes(-1, -2) * (1 - layer**2)
        weights = inputs.swapaxes(-1, -2) @ back
        return np.concatenate(
            [weights.reshape(*lead, -1), back.sum(-2), (layer * pull).sum(-2)],
            axis=-1,
        )

    return gradient


class Settings(NamedTuple):
    """Adam's numbers, or arrays of them."""

    beta1: Any
    beta2: Any
    rate: Any
    decay: Any


def paths(
    system: System, gradient: Gradient, start: Array, given: Settings, steps: Array, tolerance: float = 1e-11
) -> Array:
    """theta (runs, looks, coordinates) of the system, at the times learning_rate * steps.

    `start` (runs, coordinates), `given` arrays of shape (runs,), `steps` (runs, looks). All runs are one system of
    equations in the share of its own time that each has covered, which spares most of the cost of calling Python; its
    Jacobian is banded, since runs do not know of each other.
    """
    from scipy.integrate import solve_ivp

    runs, size = start.shape
    beta1, beta2, rate, decay = (np.broadcast_to(np.asarray(x, dtype=float), runs)[:, None] for x in given)
    rate1, rate2 = (KERNELS[system.kernel](beta) / rate for beta in (beta1, beta2))
    pace = 1 / (1 - system.half * rate * decay)
    ahead = system.half * rate

    def field(share: Any, state: Array) -> Array:
        s = begin + share * whole
        theta, mean, square, *slope = state.reshape(runs, parts, size).swapaxes(0, 1)
        g = gradient(theta)
        drift = -pace * (decay * theta + mean / np.sqrt(np.maximum(square, 1e-300)))
        moved = np.empty((runs, parts, size))
        moved[:, 0] = slope[0] if slope else drift
        moved[:, 1] = rate1 * (g - mean) / -np.expm1(-rate1 * s)
        moved[:, 2] = rate2 * (g * g - square) / -np.expm1(-rate2 * s)
        if slope:
            moved[:, 3] = 2 / rate * (drift - slope[0])
        return (whole[..., None] * moved).ravel()

    first = -pace * (decay * start + np.sign(gradient(start)))
    theta = start - ahead * first
    g = gradient(theta)
    state = np.stack([theta, g, g * g] + ([first] if system.order == 2 else []), axis=1)
    parts = state.shape[1]
    begin = BEGIN * rate
    times = np.maximum(rate * steps + ahead, begin)
    whole = times.max(1, keepdims=True) - begin
    shares = np.divide(times - begin, whole, out=np.zeros_like(times), where=whole > 0)
    looks, which = np.unique(shares, return_inverse=True)
    band = parts * size - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of the integrator, which says the same by `success`
        found = solve_ivp(
            field, (0.0, 1.0), state.ravel(), "LSODA", t_eval=looks, rtol=tolerance, atol=tolerance / 100, lband=band,
            uband=band,
        )  # fmt: skip
    if not found.success:
        return np.full((*steps.shape, size), np.nan)
    theta = found.y.reshape(runs, parts, size, -1)[:, 0]
    return np.take_along_axis(theta, which.reshape(steps.shape)[:, None], axis=-1).swapaxes(1, 2)


def path(system: System, gradient: Gradient, start: Array, given: Settings, steps: Array) -> Array:
    """theta (steps, coordinates) of one run: see `paths`."""
    return paths(system, gradient, start[None], given, steps[None])[0]


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


TASKS: dict[str, Callable[..., Gradient]] = {"quadratic": quadratic, "net": net}
RANKS = {"quadratic": (2,), "net": (2, 1)}
"""Own axes of what fixes the gradient."""


def travelled(system: str, task: str, start: Array, *given: Array) -> Array:
    """theta(t) - theta(0) of one of SYSTEMS, over the broadcast leading axes and (coordinate).

    `given`: what fixes the gradient (see RANKS), then beta1, beta2, learning_rate, weight_decay, step. Runs that differ
    in the step only are integrated once, and the last results are kept.
    """
    owns = [1, *RANKS[task], *([0] * 5)]
    arrays = [np.asarray(a, dtype=float) for a in (start, *given)]
    lead = np.broadcast_shapes(*(a.shape[: a.ndim - own] for a, own in zip(arrays, owns, strict=True)))
    rows = [
        np.broadcast_to(a, lead + a.shape[a.ndim - own :]).reshape(-1, *a.shape[a.ndim - own :])
        for a, own in zip(arrays, owns, strict=True)
    ]
    shapes = tuple(a.shape for a in rows)
    found = _travelled(system, task, tuple(np.ascontiguousarray(a).tobytes() for a in rows), shapes)
    return found.reshape(*lead, rows[0].shape[-1])


@functools.lru_cache(maxsize=64)
def _travelled(system: str, task: str, data: tuple[bytes, ...], shapes: tuple[tuple[int, ...], ...]) -> Array:
    *rows, step = (np.frombuffer(bits).reshape(shape) for bits, shape in zip(data, shapes, strict=True))
    out = np.full(rows[0].shape, np.nan)
    table = np.concatenate([a.reshape(len(out), -1) for a in rows], axis=1)
    sound = np.flatnonzero(np.isfinite(table).all(1) & np.isfinite(step))
    if sound.size:
        _, one, run = np.unique(table[sound], axis=0, return_index=True, return_inverse=True)
        run = run.ravel()
        of_run = [np.flatnonzero(run == r) for r in range(len(one))]
        steps = np.zeros((len(one), max(map(len, of_run))))
        for r, members in enumerate(of_run):
            steps[r, : len(members)] = step[sound[members]]
        start, *fixed = (a[sound[one]] for a in rows)
        moved = _together(SYSTEMS[system], task, start, fixed, steps)
        for r, members in enumerate(of_run):
            out[sound[members]] = moved[r, : len(members)] - start[r]
    return out


def _together(system: System, task: str, start: Array, given: Sequence[Array], steps: Array) -> Array:
    """All runs at once, or each by itself where one of them keeps the integrator from its end."""
    *fixed, beta1, beta2, rate, decay = given
    with np.errstate(all="ignore"):
        settings = Settings(beta1, beta2, rate, decay)
        found = paths(system, TASKS[task](*fixed), start, settings, steps, TOLERANCE[task])
        if len(start) == 1 or np.isfinite(found).all():
            return found
        return np.concatenate(
            [_together(system, task, start[[r]], [a[[r]] for a in given], steps[[r]]) for r in range(len(start))]
        )


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
