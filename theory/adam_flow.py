"""Adam and AdamW as differential equations: systems of order 1 and 2 from the discrete update.

Setting: theory/adam.py; eps = 0, no noise. With h = learning_rate^p the time t = n h, n updates made, and averages as
in theory/adam_flow_paths.py, the systems are

    first     theta' = -(wd theta + u),                                rates (1-beta)/beta per update   [Gould2024]
    second    (h/2) theta'' + theta' + wd theta + u = 0,               the same rates                   [Gould2024]
    first_decay, second_decay: the same two with rates -log(beta), at which averages of nothing fade exactly
    midpoint  theta' = -(wd theta + u)/(1 - learning_rate wd/2),       rates 2(1-beta)/(1+beta), averages begin half an
              update before theta: u is that of the update which is under way
    midpoint_decay: the same with rates -log(beta)

for p = 1 (any other p only changes the unit of time). theta'(0) of a system of order 2 is -(wd theta + u).
How far each is from the discrete update, and in which limit: theory/adam_flow_orders.py.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sympy import Expr

from theory import adam_flow_expansion as expansion
from theory import adam_flow_paths as paths
from theory.adam_flow_vocabulary import V, theta_0, travelled
from theory.claim import Claim, Quantity, Source, Step, numerical
from theory.compiled import numeric

PAPER = "Gould2024"
SETTINGS = paths.Settings(0.8, 0.95, 0.002, 0.5)
"""An example for derivations."""
STEPS = np.array([50.0, 100.0, 200.0])
QUADRATIC = (np.array([[3.0, 0.8], [0.8, 1.0]]),)
NET = (np.array([[0.5, -1.0], [1.2, 0.3], [-0.7, 0.4]]), np.array([0.4, -0.3, 0.8]))
STARTS = {"quadratic": np.array([0.7, -0.9]), "net": np.array([0.3, -0.5, 0.8, 0.2, 0.1, -0.2, 0.6, -0.4])}

CLOSENESS = dict.fromkeys(("first", "second", "first_decay", "second_decay"), 1e-2) | {
    "midpoint": 2e-4,
    "midpoint_decay": 1e-3,
}
"""Relative distance to the discrete update that each system may have in the example."""

DERIVED = {
    "first": (expansion.AVERAGE, expansion.UPDATE_FIRST),
    "second": (expansion.AVERAGE, expansion.UPDATE_SECOND),
    "first_decay": (expansion.DECAYS, expansion.UPDATE_FIRST),
    "second_decay": (expansion.DECAYS, expansion.UPDATE_SECOND),
    "midpoint": (expansion.CENTRED_RATE, expansion.UPDATE_MIDPOINT),
    "midpoint_decay": (expansion.DECAYS, expansion.UPDATE_MIDPOINT),
}
TITLES = {
    "first": "The path of Adam as a system of first order",
    "second": "The path of Adam as a system of second order",
    "first_decay": "The path of Adam as a system of first order whose averages fade exactly",
    "second_decay": "The path of Adam as a system of second order whose averages fade exactly",
    "midpoint": "The path of Adam, averages half an update ahead",
    "midpoint_decay": "The path of Adam, averages half an update ahead that fade exactly",
}
PLACES = {
    "first": "continuous-time Adam, first order",
    "second": "continuous-time Adam, second order",
}
OWN = {
    "first_decay": "first order with rates -log(beta)",
    "second_decay": "second order with rates -log(beta)",
    "midpoint": "both averages and theta expanded about the middle of their steps: nothing of first order is left out",
    "midpoint_decay": "the same with rates -log(beta)",
}
FIXED = {"quadratic": QUADRATIC, "net": NET}


def discrete(task: str) -> np.ndarray:
    """theta of the discrete update in the example, (steps, coordinates)."""
    gradient = paths.TASKS[task](*FIXED[task])
    return paths.descent(gradient, STARTS[task], SETTINGS, int(STEPS[-1]))[STEPS.astype(int)]


def _told(system: str, task: str) -> Callable[[Expr], np.ndarray]:
    """The law on the example."""

    def values(law: Expr) -> np.ndarray:
        moved = paths.travelled(system, task, STARTS[task], *FIXED[task], *map(np.asarray, SETTINGS), STEPS)
        (symbol,) = law.free_symbols - {theta_0}
        return np.asarray(numeric(law, (theta_0, symbol))(STARTS[task], moved))

    return values


def _claim(system: str, task: str) -> Claim:
    told = _told(system, task)
    printed = system in PLACES
    return Claim(
        id=f"adam.{'net' if task == 'net' else 'flow'}_{system}",
        title=TITLES[system] + (" (small net)" if task == "net" else ""),
        statement=theta_0 + travelled(system, task),
        vocabulary=V,
        predicts=Quantity("theta"),
        kind="closed form",
        source=Source(PAPER, PLACES[system]) if printed else Source.own(OWN[system]),
        notation="paper: gamma is beta1, beta is beta2; t = n learning_rate^p" if printed else "",
        derivation=(
            *DERIVED[system],
            expansion.EXPONENT,
            expansion.CORRECTED,
            expansion.BEGINS,
            Step(
                "near the discrete update on an example",
                numerical(
                    lambda law: told(law),
                    lambda: discrete(task),
                    tolerance=CLOSENESS[system],
                    reason="what the system leaves out at this learning rate",
                ),
            ),
        ),
    )


flows = {system: _claim(system, "quadratic") for system in paths.SYSTEMS}
nets = {system: _claim(system, "net") for system in ("first", "second", "midpoint")}

CLAIMS = (*flows.values(), *nets.values())
