"""Structured identity mapping: every minimum and bump of the test loss, from the composite trajectory.

Setting and notation: theory/sim.py; the trajectory: theory/sim_trajectory.py. L = |W x_hat - x_hat|^2/2 along it is an
explicit function of time, and its turning points are the roots of an explicit function. The claims below take them from
the corrected composite: times in units of 1/(4 a_max), heights in units of |x_hat|^2/2, so that what is looked up
depends on ratios of strengths and on the start alone. The closed forms for two concepts near the solution are in
theory/sim_swing_by.py.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sympy import Expr, Interval, Piecewise, Rational, Symbol, log, oo, sqrt

from theory import sim_coordinates as coordinates
from theory import sim_extrema_points as points
from theory.claim import Assumption, Claim, Derived, Quantity, Source, Step, numerical
from theory.compiled import numeric
from theory.sim_trajectory import COMPOSITE, coupling, flow
from theory.sim_trajectory_factor import test_loss
from theory.sim_vocabulary import PAIR, POSITIVE, V, a_1, a_max, lr, scale, w_11

V.input(
    "rise", "share of the initial test loss by which it must rise to count", domain=Interval.open(0, 1),
    typical=(1e-9, 1e-3),
)  # fmt: skip
GIVEN = (*PAIR, "rise")


def _looked_up(name: str, meaning: str, column: Any, typical: tuple[float, float], *, dims: tuple[str, ...] = (),
               domain: Any = POSITIVE) -> Symbol:  # fmt: skip
    return V.symbol(name, meaning, dims=dims, domain=domain, typical=typical, derived=Derived(column, GIVEN))


def _per_start(name: str) -> Any:
    """A column of the turns times 4 a_max (times) or over |x_hat|^2/2 (heights and depths)."""
    column = points.of_turns(name)

    def values(w: np.ndarray, mu: np.ndarray, sigma: np.ndarray, rise: np.ndarray) -> np.ndarray:
        unit = 4 * coordinates.strengths(mu, sigma).max(-1) if name == "time" else 2 / (mu**2).sum(-1)
        found = column(w, mu, sigma, rise)
        return found * (unit[..., None] if name in ("time", "height") else unit)

    return values


phase = _looked_up("phase", "4 a_max time of each turning point", _per_start("time"), (5.0, 60.0), dims=("turn",))
level = _looked_up(
    "level", "test loss at each turning point over |x_hat|^2/2", _per_start("height"), (0.01, 0.5), dims=("turn",)
)
lift = _looked_up("lift", "largest rise over |x_hat|^2/2", _per_start("deepest"), (1e-3, 0.1), domain=Interval(0, oo))
initial = _looked_up("initial", "initial test loss over |x_hat|^2/2", _per_start("initial"), (0.5, 1.5))
rises = _looked_up(
    "rises", "number of rises of the test loss", points.of_turns("rises"), (0, 3), domain=Interval(0, oo)
)
rises_before = _looked_up(
    "rises_before", "number of rises one order before the last", points.of_turns("rises_before"), (0, 3),
    domain=Interval(0, oo),
)  # fmt: skip
energy = V.symbol(
    "energy", "|x_hat|^2", unit="length^2", domain=POSITIVE, derived=Derived(lambda mu: (mu**2).sum(-1), ("mu",))
)
stretch = _looked_up(
    "stretch", "largest factor on W(0) at which the test loss still rises on its way", points.edge, (0.1, 1e4)
)

# --- checks against the integrated flow ---

EXAMPLES = (
    (np.array([2.0, 1.0]), np.array([0.05, 0.05]), 1e-5 * np.array([[2.0, 0.8], [0.8, 1.5]])),
    (
        np.array([3.0, 2.0, 1.2]),
        np.array([0.05, 0.05, 0.05]),
        1e-8 * np.array([[2.0, 0.8, 0.3], [0.8, 1.5, 0.5], [0.3, 0.5, 1.0]]),
    ),
)
RISE = 1e-6
SAMPLES = 20_001


def _integrated(mu: np.ndarray, sigma: np.ndarray, w: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Times and heights of the turning points of the integrated flow, and the initial loss."""
    a = coordinates.strengths(mu, sigma)
    times = np.linspace(0.0, 25 / (4 * a.min()), SAMPLES)
    loss = test_loss(flow(w, a, times), mu)
    found = points.turning_points(loss, RISE * loss[0])
    return found[:, 0] * times[1], found[:, 1], float(loss[0])


def _measured(what: str) -> np.ndarray:
    """The quantity of a claim, from the integrated flow of every example."""
    out = []
    for example in EXAMPLES:
        times, heights, first = _integrated(*example)
        depth = max(top - low for low, top in zip(heights[::2], heights[1::2], strict=True)) / first
        out += {"time": list(times), "height": list(heights), "depth": [depth], "descents": [1 + len(times) // 2]}[what]
    return np.array(out)


def _predicted(law: Expr) -> np.ndarray:
    """The law on every example."""
    symbols = tuple(sorted(law.free_symbols, key=lambda one: one.name))
    out: list[float] = []
    for mu, sigma, w in EXAMPLES:
        given = {"initial_W": w, "mu": mu, "sigma": sigma, "rise": np.asarray(RISE)}
        arrays = []
        for symbol in symbols:
            derived = V[symbol.name].derived
            assert derived is not None
            arrays.append(np.asarray(derived.function(*(given[name] for name in derived.inputs))))
        value = np.atleast_1d(numeric(law, symbols)(*arrays))
        out += list(value[np.isfinite(value)])
    return np.array(out)


def _against_flow(what: str, tolerance: float) -> Step:
    return Step(
        "as the integrated flow of starts of two and three concepts has it",
        numerical(
            _predicted,
            lambda: _measured(what),
            tolerance=tolerance,
            reason="terms of order coupling^2 are left out, below 1e-3 for these starts",
        ),
    )


def _edge_of_flow(law: Expr) -> np.ndarray:
    """Whether the integrated flow rises at 0.98 and 1.02 times the scale of the law."""
    mu, sigma, w = EXAMPLES[0]
    given = tuple(map(np.asarray, (w, mu, sigma, RISE)))
    factor = float(law.subs({scale: 1.0, stretch: float(points.edge(*given))})) ** 2
    return np.array([len(_integrated(mu, sigma, w * factor * k**2)[0]) for k in (0.98, 1.02)], float)


DOMAIN = (
    Assumption("the next order shifts no logarithm much", coupling < 0.3, "the error is of order coupling^2"),
    Assumption("close to gradient flow", lr * a_1 * log(1 / w_11) < 0.05, "descent is later by half a step size or so"),
)
VALIDITY = {"coupling": coupling, "step_size": lr * a_1 * log(1 / w_11)}
SOURCE = Source.own("turning points of the test loss along the corrected composite trajectory")


def _any(count: Symbol) -> Expr:
    return Piecewise((1, count > Rational(1, 2)), (0, True))


def _of_loss(id: str, title: str, statement: Expr, quantity: Quantity, *steps: Step, **more: Any) -> Claim:
    fields = {"kind": "closed form", "assumptions": DOMAIN, "validity": VALIDITY} | more
    return Claim(
        id=f"sim.{id}",
        title=title,
        statement=statement,
        vocabulary=V,
        predicts=quantity,
        source=SOURCE,
        derivation=(*COMPOSITE, *steps),
        **fields,
    )


turning_time = _of_loss(
    "turning_time",
    "When the test loss turns, for any number of concepts",
    phase / (4 * a_max),
    Quantity("turning_time", unit="time"),
    _against_flow("time", 5e-3),
)
turning_height = _of_loss(
    "turning_height",
    "Test loss at its minima and bumps",
    level * energy / 2,
    Quantity("turning_height", unit="length^2"),
    _against_flow("height", 5e-3),
)
swing_depth = _of_loss(
    "swing_depth",
    "Largest rise of the test loss",
    lift / initial,
    Quantity("swing_depth"),
    _against_flow("depth", 5e-3),
)
descents = _of_loss(
    "descents",
    "How often the test loss descends",
    1 + rises,
    Quantity("descents"),
    _against_flow("descents", 1e-12),
    notation="double descent: 2; a rise counts from the share `rise` of the initial loss on",
)
swings_by = _of_loss(
    "swings_by",
    "Whether the test loss swings by",
    _any(rises),
    Quantity("swings"),
    Step(
        "whenever it descends more than once",
        numerical(
            lambda law: _predicted(law) + 1,
            lambda: np.minimum(_measured("descents"), 2),
            tolerance=1e-12,
            reason="whole numbers, from the integrated flow",
        ),
    ),
    assumptions=(
        *DOMAIN,
        Assumption(
            "sure: the last two orders of the trajectory answer alike",
            abs(_any(rises) - _any(rises_before)) < Rational(1, 2),
            "where they do not, the start is nearer to the edge than these orders can tell",
        ),
    ),
)
edge = _of_loss(
    "swing_by_edge",
    "Largest start that still swings by, along the composite trajectory",
    scale * sqrt(stretch),
    Quantity("init_scale"),
    Step(
        "the integrated flow rises just below that scale and not just above",
        numerical(_edge_of_flow, lambda: np.array([2.0, 0.0]), tolerance=1e-12, reason="whole numbers, from the flow"),
    ),
    kind="threshold",
    assumptions=DOMAIN[1:],
    validity={"step_size": lr * a_1 * log(1 / w_11)},
    notation="W(0) may be taken at any scale: only its shape matters",
)

CLAIMS = (turning_time, turning_height, swing_depth, descents, swings_by, edge)
