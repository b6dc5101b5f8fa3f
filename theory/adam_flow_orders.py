"""How the distance between Adam and its differential equations falls with the learning rate, at fixed time t.

Setting and systems: theory/adam_flow.py. Two limits learning_rate -> 0 at fixed t = learning_rate n are meant:

    memory in steps   beta1 and beta2 are fixed: averages of finitely many updates, the limit is sign descent. Holds
                      until a coordinate of the gradient changes its sign: u jumps there, within finitely many updates.
    memory in time    1 - beta1 = learning_rate/tau1, 1 - beta2 = learning_rate/tau2: averages over fixed times, the
                      limit is a system with memory; signs may change.

                     memory in steps                          memory in time
    first            1 (2 without weight decay)               1
    second           2                                        1
    first_decay      1                                        1
    second_decay     1                                        1
    midpoint         2                                        2
    midpoint_decay   1                                        2
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from sympy import Expr

from theory import adam_flow_expansion as expansion
from theory import adam_flow_paths as paths
from theory.adam_flow_vocabulary import V, least_gradient, lr
from theory.claim import Assumption, Claim, Quantity, Source, Step, numerical
from theory.compiled import numeric

HESSIAN = np.array([[3.0, 0.8], [0.8, 1.0]])
START = np.array([0.7, -0.9])
FINE, COARSE = 5e-4, 1e-3
"""Two learning rates; the order is the slope between them."""
DECAY = 0.5
TIMES = {"steps": 0.2, "time": 1.0}
BETAS: dict[str, Callable[[float], tuple[float, float]]] = {
    "steps": lambda rate: (0.1, 0.6),
    "time": lambda rate: (1 - rate / 0.1, 1 - rate / 0.5),
}
"""Adam's betas in the two limits."""


def distance(system: str, limit: str, rate: float) -> float:
    """Largest distance of the system from the discrete update at the end of the example."""
    given = paths.Settings(*BETAS[limit](rate), rate, DECAY)
    count = round(TIMES[limit] / rate)
    gradient = paths.quadratic(HESSIAN)
    told = paths.path(paths.SYSTEMS[system], gradient, START, given, np.array([float(count)]))[-1]
    return float(np.abs(told - paths.descent(gradient, START, given, count)[-1]).max())


def _ratio(limit: str, systems: tuple[str, ...]) -> np.ndarray:
    return np.array([distance(system, limit, COARSE) / distance(system, limit, FINE) for system in systems])


def _law_ratio(law: Expr) -> np.ndarray:
    values = numeric(law, (lr,))
    return np.asarray(values(COARSE) / values(FINE))


SYSTEMS = {
    ("steps", 1): ("first", "first_decay", "second_decay", "midpoint_decay"),
    ("steps", 2): ("second", "midpoint"),
    ("time", 1): ("first", "second", "first_decay", "second_decay"),
    ("time", 2): ("midpoint", "midpoint_decay"),
}
"""Systems by limit and order, with weight decay."""
STEPS = {
    ("steps", 1): (expansion.AGE_OF_DECAY, expansion.AGE_OF_DECAY_LATER),
    ("steps", 2): (expansion.AGES,),
    ("time", 1): (expansion.SCALED_BACKWARD, expansion.SCALED_DECAY),
    ("time", 2): (expansion.SCALED_HALF,),
}
UNTURNED = Assumption(
    "no coordinate of the gradient has changed its sign, or come near to it",
    least_gradient > 0.2,
    "u jumps there: the distance is of the first order then, whatever the system",
)
NAMES = {"steps": "betas are fixed", "time": "1 - beta is proportional to the learning rate"}
WORDS = {1: "linear", 2: "quadratic"}


def _claim(limit: str, order: int) -> Claim:
    systems = SYSTEMS[limit, order]
    return Claim(
        id=f"adam.flow_distance_{limit}_{WORDS[order]}",
        title=f"Distance of Adam from {' and '.join(systems)}, where {NAMES[limit]}",
        statement=lr**order,
        vocabulary=V,
        predicts=Quantity("distance"),
        kind="exponent",
        assumptions=(UNTURNED,) if limit == "steps" else (),
        source=Source.own("what the expansions of averages and of theta leave out"),
        notation=f"up to a factor, at fixed time learning_rate * step, weight decay > 0, "
        f"learning_rate -> 0; {NAMES[limit]}",
        derivation=(
            *STEPS[limit, order],
            Step(
                "halving the learning rate divides the distance of each system by that much, on an example",
                numerical(
                    lambda: _ratio(limit, systems),
                    lambda law: _law_ratio(law) * np.ones(len(systems)),
                    tolerance=0.1,
                    reason="the next order in the learning rate",
                ),
            ),
        ),
    )


CLAIMS = tuple(_claim(*key) for key in SYSTEMS)
