"""The names that the claims about the trajectory of Adam use. A vocabulary of its own: beta1 = 0 has no flow."""

from __future__ import annotations

import functools

import numpy as np
from sympy import Interval, S, Symbol, oo

from theory import adam_flow_paths as paths
from theory.claim import Derived, Vocabulary

V = Vocabulary()
UNIT = Interval.open(0, 1)
POSITIVE = Interval.open(0, oo)
beta1 = V.symbol("beta1", "decay of the average of gradients", domain=UNIT, latex=r"\beta_1", typical=(0.1, 0.95))
beta2 = V.symbol("beta2", "decay of the average of squares", domain=UNIT, latex=r"\beta_2", typical=(0.1, 0.99))
lr = V.symbol("learning_rate", "step size", domain=POSITIVE, latex=r"\eta", typical=(1e-3, 0.1))
wd = V.symbol(
    "weight_decay", "decoupled weight decay, multiplied by the learning rate", domain=Interval(0, oo),
    latex=r"\lambda", typical=(0.05, 1.0),
)  # fmt: skip
step = V.symbol("step", "number of updates made", unit="step", domain=S.Naturals, latex="n", typical=(2, 60))
theta_0 = V.symbol(
    "initial_theta", "parameters at the start", dims=("coordinate",), latex=r"\theta_0", typical=(-2.0, 2.0)
)
V.input("hessian", "second derivatives of a quadratic loss", dims=("coordinate", "other"))
V.input("inputs", "inputs of the net, one sample a row", dims=("sample", "feature"))
V.input("targets", "targets of the net", dims=("sample",))

TASKS = {"quadratic": ("hessian",), "net": ("inputs", "targets")}
NUMBERS = ("beta1", "beta2", "learning_rate", "weight_decay", "step")


def travelled(system: str, task: str) -> Symbol:
    """theta(t) - theta(0) of a system of theory/adam_flow_paths.py."""
    name = f"travelled_{system}" + ("" if task == "quadratic" else f"_{task}")
    return V.symbol(
        name, f"theta(t) - theta(0) of the system {system} on a {task}", dims=("coordinate",), typical=(-1.0, 1.0),
        derived=Derived(functools.partial(paths.travelled, system, task), ("initial_theta", *TASKS[task], *NUMBERS)),
    )  # fmt: skip


def _sign(theta: np.ndarray, hessian: np.ndarray) -> np.ndarray:
    return np.sign(np.einsum("...ij,...j->...i", hessian, theta))


def _log_growth(theta: np.ndarray, hessian: np.ndarray, rate: np.ndarray, step: np.ndarray) -> np.ndarray:
    ratio = paths.gradients_along_signs("quadratic", theta, hessian, np.zeros(()), rate * step)
    return np.log(np.where(ratio > 0, ratio, np.nan))


def _least(theta: np.ndarray, hessian: np.ndarray, decay: np.ndarray, rate: np.ndarray, step: np.ndarray) -> np.ndarray:
    return paths.least_gradient("quadratic", theta, hessian, decay, rate * step)


sign = V.symbol(
    "initial_sign", "sign of the gradient at the start", dims=("coordinate",), latex="s", typical=(-1.0, 1.0),
    derived=Derived(_sign, ("initial_theta", "hessian")),
)  # fmt: skip
log_growth = V.symbol(
    "log_growth", "log of g(t)/g(0) on the path theta_0 - sign(g(0)) t of sign descent", dims=("coordinate",),
    latex=r"\log\frac{g(t)}{g(0)}", typical=(-1.0, 0.5),
    derived=Derived(_log_growth, ("initial_theta", "hessian", "learning_rate", "step")),
)  # fmt: skip
least_gradient = V.symbol(
    "least_gradient", "least g/g(0) of any coordinate up to time t, on the path of sign descent with weight decay",
    typical=(0.1, 1.0),
    derived=Derived(_least, ("initial_theta", "hessian", "weight_decay", "learning_rate", "step")),
)  # fmt: skip
