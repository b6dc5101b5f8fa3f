"""Adam with fixed betas and a small learning rate: sign descent, with a pace that depends on the growth of gradients.

Setting: theory/adam.py; eps = 0, no noise, no weight decay, and no coordinate of the gradient changes its sign. Over
the memory of finitely many updates the gradient is linear in time: M = g - a_1 h g', V = g^2 - 2 a_2 h g g', where
a = beta/(1-beta) is the mean age of the gradients in an average. Hence u = sign(g) (1 + h (a_2 - a_1) g'/g).
Cattaneo, Klusowski and Shigida (arXiv:2309.00079) have this equation for eps > 0.
"""

from __future__ import annotations

import numpy as np
from sympy import Derivative, Expr, Function, diff, exp, log, oo, simplify, sqrt, symbols

from theory import adam_flow_paths as paths
from theory.adam_flow_vocabulary import V, beta1, beta2, least_gradient, log_growth, lr, sign, step, theta_0
from theory.claim import Assumption, Claim, Quantity, Source, Step, numerical, symbolic
from theory.compiled import numeric

AGE_1, AGE_2 = beta1 / (1 - beta1), beta2 / (1 - beta2)
DESCENT = theta_0 - sign * lr * step
PACED = DESCENT - sign * lr * (AGE_2 - AGE_1) * log_growth
PACED_DECAY = DESCENT - sign * lr * (1 / log(beta1) - 1 / log(beta2)) * log_growth

h, t, a1, a2, b = symbols("h t a_1 a_2 b", positive=True)
g = Function("g", positive=True)

UNTURNED = Assumption(
    "no coordinate of the gradient has changed its sign, or come near to it",
    least_gradient > 0.2,
    "u jumps there, within the memory of the averages",
)
SLOW = Assumption(
    "gradients change little within the memory of the averages",
    lr * (AGE_1 + AGE_2) < 0.02,
    "terms of the second order in memory times learning rate are left out; curvatures over gradients up to 10",
)
HESSIAN = np.array([[3.0, 0.8], [0.8, 1.0]])
START = np.array([0.7, -0.9])
EXAMPLE = paths.Settings(0.8, 0.9, 5e-5, 0.0)
COUNT = 4000


def _update() -> Expr:
    """u to first order in h, with g and g^2 as they were a_1 h and a_2 h ago."""
    mean = g(t) - a1 * h * diff(g(t), t)
    square = g(t) ** 2 - a2 * h * diff(g(t) ** 2, t)
    return simplify(diff(mean / sqrt(square), h).subs(h, 0).doit())


def _age() -> Expr:
    """Mean of k with weights (1-b) b^k, from the sum of the geometric series."""
    z = symbols("z", positive=True)
    return simplify((1 - b) * z * diff(1 / (1 - z), z)).subs(z, b)


def _age_of_decay() -> Expr:
    """Mean of t with weights a_1 e^(-a_1 t)."""
    return (a1 * t * exp(-a1 * t)).integrate((t, 0, oo))


def _faded_age(beta: Expr) -> Expr:
    """That mean, in updates, for the rate at which an average fades."""
    return _age_of_decay().subs(a1, -log(beta))


def _told(law: Expr) -> np.ndarray:
    """Distance of the law from sign descent in the example."""
    time = EXAMPLE.rate * COUNT
    begin = np.sign(HESSIAN @ START)
    grown = np.log(paths.gradients_along_signs("quadratic", START, HESSIAN, np.zeros(()), np.asarray(time)))
    names = (theta_0, sign, log_growth, beta1, beta2, lr, step)
    values = (START, begin, grown, EXAMPLE.beta1, EXAMPLE.beta2, EXAMPLE.rate, float(COUNT))
    return np.asarray(numeric(law, names)(*values) - numeric(DESCENT, names)(*values))


def _seen() -> np.ndarray:
    run = paths.descent(paths.quadratic(HESSIAN), START, EXAMPLE, COUNT)[-1]
    return run - (START - np.sign(HESSIAN @ START) * EXAMPLE.rate * COUNT)


AGE = Step(
    "the mean age of the gradients in an average is beta/(1-beta) updates",
    symbolic(_age, lambda: b / (1 - b)),
)
PACE = Step(
    "u = sign(g) (1 + h (a_2 - a_1) g'/g) to first order",
    symbolic(_update, lambda: (a2 - a1) * diff(g(t), t) / g(t)),
)
INTEGRAL = Step(
    "g'/g integrates to log(g(t)/g(0))",
    symbolic(lambda: diff(log(g(t) / g(0)), t), lambda: Derivative(g(t), t) / g(t)),
)
FLAT = Step(
    "nothing comes from the step itself: theta'' of sign descent vanishes",
    symbolic(lambda law: diff(law.subs(log_growth, 0), step, 2)),
)

pace = Claim(
    id="adam.pace",
    title="The path of Adam at small learning rates",
    statement=PACED,
    vocabulary=V,
    predicts=Quantity("theta"),
    kind="asymptotic",
    small_parameter=lr,
    order=2,
    assumptions=(UNTURNED, SLOW),
    validity={"memory1": lr * AGE_1, "memory2": lr * AGE_2},
    source=Source.own("backward error analysis at eps = 0, integrated; for eps > 0 see Cattaneo et al. 2023"),
    notation="betas fixed as learning_rate -> 0, fixed time learning_rate * step; no weight decay",
    derivation=(
        AGE,
        PACE,
        INTEGRAL,
        FLAT,
        Step(
            "the integral of the pace over h: the difference of the mean ages times the growth",
            symbolic(lambda law: diff(law, log_growth) + sign * lr * (_age().subs(b, beta2) - _age().subs(b, beta1))),
        ),
        Step(
            "what it adds to sign descent is what the discrete update adds, on an example",
            numerical(_told, _seen, tolerance=0.01, reason="the second order in the learning rate"),
        ),
    ),
)

sign_descent = Claim(
    id="adam.sign_descent",
    title="Sign descent, the limit of Adam for small learning rates",
    statement=DESCENT,
    vocabulary=V,
    predicts=Quantity("theta"),
    kind="asymptotic",
    small_parameter=lr,
    order=1,
    assumptions=(UNTURNED, SLOW),
    validity={"memory1": lr * AGE_1, "memory2": lr * AGE_2},
    source=Source.own("averages of finitely many updates are those of the present gradient"),
    notation="betas fixed as learning_rate -> 0, fixed time learning_rate * step; no weight decay",
    derivation=(
        Step(
            "u of a gradient that does not change is its sign",
            symbolic(lambda: (h * g(t)) / sqrt(h**2 * g(t) ** 2), lambda: 1),
        ),
        FLAT,
    ),
)

pace_decay = Claim(
    id="adam.pace_decay",
    title="The path of Adam at small learning rates, averages as exponentials of rate -log(beta)",
    statement=PACED_DECAY,
    vocabulary=V,
    predicts=Quantity("theta"),
    kind="asymptotic",
    small_parameter=lr,
    order=1,
    assumptions=(UNTURNED, SLOW),
    source=Source.own("the same with the mean ages -1/log(beta) of continuous time: to be refuted"),
    derivation=(
        Step(
            "the mean age of an exponential of rate r is 1/r",
            symbolic(_age_of_decay, lambda: 1 / a1),
        ),
        PACE,
        INTEGRAL,
        Step(
            "with these ages, rates -log(beta), the update grows by that much over sign descent",
            symbolic(lambda law: law - DESCENT + sign * lr * (_faded_age(beta2) - _faded_age(beta1)) * log_growth),
        ),
    ),
)

CLAIMS = (pace, sign_descent, pace_decay)
