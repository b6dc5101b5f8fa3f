"""How differential equations for Adam follow from its update, and how well: symbolic checks shared by claims.

An average of period h, M(t) = beta M(t-h) + (1-beta) g(t), answers g = e^(x t/h) by (1-beta)/(1 - beta e^(-x)). A
differential equation of rate r per update answers by 1/(1 + x/r), and half an update later by e^(x/2) times that.
"""

from __future__ import annotations

from sympy import (
    Derivative,
    Expr,
    Function,
    Limit,
    Rational,
    diff,
    exp,
    factorial,
    limit,
    log,
    series,
    simplify,
    solve,
    symbols,
)

from theory.adam_flow_vocabulary import beta1, lr, wd
from theory.claim import Step, symbolic

t, h, s, r, p, x, e, c = symbols("t h s r p x epsilon c", positive=True)
m, theta, g, u = (Function(name, real=True) for name in ("m", "theta", "g", "u"))
slope, g0, g1, value, pull = symbols("slope g_0 g_1 value pull", real=True)

BACKWARD = (1 - beta1) / beta1
DECAY = -log(beta1)
CENTRED = 2 * (1 - beta1) / (1 + beta1)
DISCRETE = (1 - beta1) / (1 - beta1 * exp(-x))


def answer(rate: Expr, half: Expr | int = 0) -> Expr:
    """Response of an average with that rate per update, read `half` updates later."""
    return exp(half * x) / (1 + x / rate)


def _slow(formula: Expr, order: int) -> Expr:
    """Coefficient of x^order at fixed beta: memory of a fixed number of updates."""
    return simplify(diff(formula, x, order).subs(x, 0) / factorial(order))


def _scaled(formula: Expr, order: int) -> Expr:
    """Coefficient of epsilon^order at beta = 1 - c epsilon, x epsilon: memory of a fixed time."""
    small = formula.subs(x, e * x).subs(beta1, 1 - c * e)
    return simplify(series(small, e, 0, order + 1).removeO().coeff(e, order))


def _backward_rate() -> Expr:
    """Rate per update of m' from m(t) = beta m(t-h) + (1-beta) g, m(t-h) to first order."""
    found = solve(value - beta1 * (value - h * slope) - (1 - beta1) * pull, slope)[0]
    return simplify(found * h / (pull - value))


def _centred_rate() -> Expr:
    """The same from m(t+h/2) = beta m(t-h/2) + (1-beta) g(t), both sides to first order about t."""
    found = solve((value + h / 2 * slope) - beta1 * (value - h / 2 * slope) - (1 - beta1) * pull, slope)[0]
    return simplify(found * h / (pull - value))


def _second_order() -> Expr:
    """theta(t+h) - theta(t) + lr (wd theta + u) to second order in h, h = lr^p."""
    ahead = sum(h**k * diff(theta(t), t, k) / factorial(k) for k in range(3))
    return (ahead - theta(t) + lr * (wd * theta(t) + u(t))).subs(h, lr**p)


def _printed() -> Expr:
    return lr ** (2 * p) / 2 * diff(theta(t), t, 2) + lr**p * diff(theta(t), t) + lr * (wd * theta(t) + u(t))


def _midpoint_pace() -> Expr:
    """theta' at t + h/2 from theta(t+h) - theta(t) = -lr (wd theta(t) + u(t+h/2)), both ends to first order."""
    found = solve(h * slope + lr * (wd * (value - h / 2 * slope) + pull), slope)[0]
    return simplify(found / (-(lr / h) * (wd * value + pull)))


def _corrected_rate() -> list[Expr]:
    """(m/(1 - e^(-r s)))' minus r (g - m/(1 - e^(-r s)))/(1 - e^(-r s)), where m' = r (g - m)."""
    part = 1 - exp(-r * s)
    moved = diff(m(s) / part, s).subs(Derivative(m(s), s), r * (g(s) - m(s)))
    return [simplify(moved - r * (g(s) - m(s) / part) / part)]


def _start() -> list[Expr]:
    """Limit of the corrected average of g_0 + g_1 s as s vanishes, and its slope."""
    z = symbols("z", positive=True)
    average = (r * exp(-r * s) * (g0 + g1 * z) * exp(r * z)).integrate((z, 0, s)) / (1 - exp(-r * s))
    return [limit(average, s, 0), limit(diff(average, s), s, 0)]


AVERAGE = Step(
    "m(t) = beta m(t-h) + (1-beta) g, expanded backward to first order, has the rate (1-beta)/(beta h)",
    symbolic(_backward_rate, lambda: BACKWARD),
)
DECAYS = Step(
    "without gradients an average fades by beta a step, which the rate -log(beta)/h gives exactly",
    symbolic(lambda: exp(-DECAY), lambda: beta1),
)
CENTRED_RATE = Step(
    "expanded about the middle of both averages, where the gradient is taken, it has 2(1-beta)/((1+beta) h)",
    symbolic(_centred_rate, lambda: CENTRED),
)
UPDATE_FIRST = Step(
    "theta(t+h) to first order: h theta' + lr (wd theta + u) = 0, h = lr^p",
    symbolic(lambda: _second_order() - lr ** (2 * p) / 2 * diff(theta(t), t, 2),
             lambda: lr**p * diff(theta(t), t) + lr * (wd * theta(t) + u(t))),
)  # fmt: skip
UPDATE_SECOND = Step(
    "theta(t+h) to second order: (lr^(2p)/2) theta'' + lr^p theta' + lr (wd theta + u) = 0",
    symbolic(_second_order, _printed),
)
UPDATE_MIDPOINT = Step(
    "theta(t+h) - theta(t) about t + h/2: h theta' (1 - lr wd/2) + lr (wd theta + u) = 0",
    symbolic(lambda: _midpoint_pace() * (1 - lr * wd / 2) - 1),
)


def _without_p() -> list[Expr]:
    """Derivatives by n = t/lr^p times powers of lr^p are free of p: chain rule on theta(n(t))."""
    n = symbols("n")
    f = Function("f")
    inner = f(t / lr**p)
    return [
        simplify((lr**p * diff(inner, t)).doit().subs(t, n * lr**p).doit() - diff(f(n), n)),
        simplify((lr ** (2 * p) * diff(inner, t, 2)).doit().subs(t, n * lr**p).doit() - diff(f(n), n, 2)),
    ]


EXPONENT = Step(
    "in updates n = t/lr^p the equations hold no p: the exponent only sets the unit of time", symbolic(_without_p)
)
CORRECTED = Step("the corrected average M = m/(1 - e^(-r s)) has the rate r/(1 - e^(-r s))", symbolic(_corrected_rate))
BEGINS = Step(
    "and starts at the gradient, with half its slope: u = sign(g) at n = 0, no 0/0",
    symbolic(_start, lambda: [g0, g1 / 2]),
)

AGES = Step(
    "memory of a fixed number of updates: both (1-beta)/beta and the centred average have the age of the discrete one",
    symbolic(
        lambda: [_slow(answer(BACKWARD), 1), _slow(answer(CENTRED, Rational(1, 2)), 1)],
        lambda: [_slow(DISCRETE, 1)] * 2,
    ),
)
AGE_OF_DECAY = Step(
    "the rate -log(beta) has another age, by -1/log(beta) - beta/(1-beta) updates",
    symbolic(lambda: _slow(DISCRETE, 1) - _slow(answer(DECAY), 1), lambda: 1 / DECAY - beta1 / (1 - beta1)),
)
AGE_OF_DECAY_LATER = Step(
    "half an update later still by 1/log(1/beta) - (1+beta)/(2(1-beta)), which vanishes as beta -> 1 only",
    symbolic(
        lambda: [
            _slow(DISCRETE, 1) - _slow(answer(DECAY, Rational(1, 2)), 1),
            Limit(1 / DECAY - 1 / CENTRED, beta1, 1, "-").doit(),
        ],
        lambda: [1 / DECAY - 1 / CENTRED, 0],
    ),
)
SCALED_BACKWARD = Step(
    "memory of a fixed time, 1 - beta = c h: (1-beta)/beta misses h c x^2/(2 (c + x)^2) of the answer to e^(x t)",
    symbolic(lambda: _scaled(DISCRETE - answer(BACKWARD), 1), lambda: c * x**2 / (2 * (c + x) ** 2)),
)
SCALED_DECAY = Step(
    "memory of a fixed time: -log(beta), read at the same time, misses h c x/(2 (c + x))",
    symbolic(lambda: _scaled(DISCRETE - answer(DECAY), 1), lambda: c * x / (2 * (c + x))),
)
SCALED_HALF = Step(
    "read half an update later, neither -log(beta) nor the centred rate misses anything of the order h",
    symbolic(
        lambda: [_scaled(DISCRETE - answer(rate, Rational(1, 2)), k) for rate in (DECAY, CENTRED) for k in (0, 1)],
        lambda: [0] * 4,
    ),
)
