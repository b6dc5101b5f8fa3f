"""Structured identity mapping: what the paper's stage bounds assume, and how small a start it takes.

Setting and notation: theory/sim.py. The paper's time is eta * step with eta = 2 learning_rate, because its field is
half of the gradient flow. Its assumptions (Appendix D.1) hold constants that may be chosen: K >= 20, kappa > 1.1,
P >= 2. For given omega (smallest |w_ij(0)|), spread beta, contrast gamma = a_max/a_min and d rows the largest P that is
allowed has

    P beta omega = Y,   Y = (1 - kappa^(-1/2))/(K gamma d beta),

and with it the separation assumption, for the pair of concepts whose strengths are closest, bounds omega from above.
"""

from __future__ import annotations

import numpy as np
from sympy import Expr, Integer, Interval, Rational, log, oo, sqrt, symbols

from theory import sim_coordinates as coordinates
from theory.claim import Assumption, Claim, Derived, Quantity, Source, Step, certified, high_precision
from theory.sim_vocabulary import PAIR, POSITIVE, V, a_max, lr

Array = np.ndarray


def _extreme(of: str) -> Derived:
    def entry(w: Array) -> Array:
        size = np.abs(w)
        least, most = size.min((-2, -1)), size.max((-2, -1))
        return least if of == "least" else most / least

    return Derived(entry, ("initial_W",))


def _closest(mu: Array, sigma: Array) -> Array:
    """Largest ratio of a strength to the next stronger one."""
    ordered = -np.sort(-coordinates.strengths(mu, sigma), axis=-1)
    return (ordered[..., 1:] / ordered[..., :-1]).max(-1) if ordered.shape[-1] > 1 else 0 * ordered[..., 0]


def _contrast(mu: Array, sigma: Array) -> Array:
    a = coordinates.strengths(mu, sigma)
    return a.max(-1) / a.min(-1)


def _pair_rates(w: Array, mu: Array, sigma: Array) -> Array:
    """a_i + a_j of every entry, shape (..., d, d)."""
    a = coordinates.strengths(mu, sigma)
    full = np.concatenate([a, np.zeros((*a.shape[:-1], w.shape[-1] - a.shape[-1]))], axis=-1)
    return full[..., :, None] + full[..., None, :] + 0 * w


STRENGTHS = ("mu", "sigma")
omega = V.symbol(
    "omega", "smallest entry of |W(0)|", domain=POSITIVE, typical=(1e-9, 1e-3), derived=_extreme("least"),
)  # fmt: skip
spread = V.symbol(
    "spread", "largest over smallest entry of |W(0)|", domain=Interval(1, oo), typical=(1.5, 30.0),
    derived=_extreme("spread"), latex=r"\beta",
)  # fmt: skip
contrast = V.symbol(
    "contrast", "strongest over weakest second moment", domain=Interval(1, oo), typical=(3.0, 20.0),
    derived=Derived(_contrast, STRENGTHS), latex=r"\gamma",
)  # fmt: skip
closest = V.symbol(
    "closest", "largest ratio of a second moment to the next larger one", domain=Interval.Ropen(0, 1),
    typical=(0.05, 0.3), derived=Derived(_closest, STRENGTHS),
)  # fmt: skip
rows = V.symbol(
    "rows", "rows of W", domain=POSITIVE, typical=(2, 8), latex="d",
    derived=Derived(lambda w: np.full(w.shape[:-2], float(w.shape[-1])) + 0 * w[..., 0, 0], ("initial_W",)),
)  # fmt: skip
pair_rate = V.symbol(
    "pair_rate", "a_i + a_j of an entry", unit="1/time", domain=Interval(0, oo), dims=("row", "column"),
    derived=Derived(_pair_rates, PAIR), typical=(0.2, 5.0),
)  # fmt: skip
K = V.symbol("K", "the paper's constant of the step size", domain=Interval(20, oo), typical=(20, 60))
kappa = V.symbol("kappa", "the paper's factor between rates", domain=Interval(1, oo), typical=(1.1, 1.5))
w_before = V.symbol("w_before", "entry of |W| at the beginning of the stretch", domain=Interval(0, oo))

Y = (1 - 1 / sqrt(kappa)) / (K * contrast * rows * spread)
"""P beta omega for the largest P that the assumption on small starts allows."""
CLOSENESS = (1 + closest) / (1 - closest)
LARGEST = Y ** (1 + 10 * kappa**2 * CLOSENESS) * spread ** (-2 / (1 - closest))
PHASE = log(Y / (spread * omega)) / (4 * a_max * kappa)
"""log P/(2 eta gamma alpha kappa), in steps, times the learning rate: length of the initial phase."""

STEP_SIZE = Assumption("the paper's step size: eta <= 1/(9 K gamma alpha)", 2 * lr * a_max * 9 * K <= 1)
SMALL = Assumption(
    "the paper's small start leaves room for P >= 2", 2 * spread * omega <= Y, "Y is P beta omega at the largest P"
)
ALL = (
    STEP_SIZE,
    Assumption("the paper's separation: a_i - 3 a_j >= alpha/C, kappa <= 1 + K/(2 C)", 3 * closest < 0.999),
    Assumption(
        "the paper's assumptions on the start, all together",
        omega <= LARGEST,
        "some P satisfies both the bound on omega and the separation of all pairs; see sim.stage_largest_start",
    ),
)


x, y, q = symbols("x y q", positive=True)

FAVOURABLE = {kappa: Rational(11, 10), K: 20, rows: 2}


def _room(law: Expr) -> Expr:
    """The separation assumption at the law's omega and the largest P: both sides, over the larger one."""
    log_p = log(Y) - log(spread) - log(law)
    ratio = (1 + closest) / 2
    return log_p / (10 * kappa**2 * log(1 / Y) + log_p + log(spread)) / ratio - 1


largest_start = Claim(
    id="sim.stage_largest_start",
    title="Largest start that all of the paper's assumptions admit",
    statement=LARGEST,
    vocabulary=V,
    predicts=Quantity("omega"),
    kind="threshold",
    source=Source.own("the assumptions on small starts and separated signals, solved together for the largest omega"),
    assumptions=(Assumption("the paper's separation", 3 * closest < 0.999),),
    notation="a supremum: kappa -> 1.1 and K = 20 admit the largest start. For a_1 = 4 a_2 it is below 1e-74",
    derivation=(
        Step(
            "there, with the largest P, the separation assumption is an equality",
            high_precision(
                _room,
                over={
                    kappa: (1.1, 2), K: (20, 60), contrast: (3.1, 30), rows: (2, 10), spread: (1, 30),
                    closest: (0.05, 0.33),
                },
            ),
        ),
        Step(
            "of kappa - 1 and 1 - kappa^(-1/2) the second is the smaller one",
            certified(lambda: x**2 - 1 > 1 - 1 / x, over={x: (Rational(101, 100), 10)}),
        ),
        Step(
            "kappa^2 log(M/(1 - kappa^(-1/2))) rises with kappa > 1.1, where M = K gamma d beta >= 20 * 3 * 2",
            certified(
                lambda: (x**4 * (log(q) - log(1 - 1 / x))).diff(x) > 0,
                over={x: (Rational(10488, 10000), 10), q: (120, 10**6)},
            ),
        ),
        Step(
            "for a_1 = 4 a_2, d = 2, beta = 1, K = 20 and kappa = 1.1 it is below 1e-74",
            certified(
                lambda law: log(
                    law.subs(FAVOURABLE | {contrast: 4, closest: Rational(1, 4)}).subs(spread, x)
                ) < -74 * log(Integer(10)),
                over={x: (1, 2)},
            ),
        ),
        Step(
            "and below 1e-60 for every ratio of strengths, two rows, beta = 1, contrast = 1/closest",
            certified(
                lambda law: log(
                    law.subs(FAVOURABLE | {spread: 1, contrast: 1 / closest}).subs(closest, x)
                ) < -60 * log(Integer(10)),
                over={x: (Rational(1, 10**4), Rational(333, 1000))},
            ),
        ),
    ),
)  # fmt: skip

CLAIMS = (largest_start,)
