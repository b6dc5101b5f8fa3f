"""The ghost: how many runs are trapped, on their first pass of the optimum and in the end.

In units of r* training is the map of theory/ghost_collapse.py, with the single parameter kappa. Runs from far above
reach the optimum with an evenly spread phase. On the first pass those are trapped whose step leads from above the
optimum into the no-learning zone; later ones as the oscillation brings them back to that step, until they lock.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc
from sympy import Expr, Rational, log, series, simplify, symbols

from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, numerical, symbolic
from theory.compiled import numeric
from theory.ghost_collapse import SERIES, SPREAD, START, ZONE, PlateauPhase, TrappedShare, plateau_phase
from theory.ghost_locking import down
from theory.ghost_slope import SHARP, SLOPE
from theory.ghost_vocabulary import KAPPA, OPTIMUM, V, kappa, learning_rate, r, step

k, e, p = symbols("k e p", positive=True)

SHARE = 1 - PlateauPhase(kappa ** -Rational(2, 5)) + PlateauPhase(kappa ** -Rational(2, 5) / 4)


def _series_phase(w: Expr) -> Expr:
    return 2 * w / 5 + 3 * log(w) / 10 + sum(c / w ** (power + 1) for power, c in enumerate(SERIES))


def _series_step() -> Expr:
    """Phase at w less that after a step, w (1 - 1/w)^(5/2), to order w^-4, w = 1/e."""
    after = (1 - e) ** Rational(5, 2) / e
    logs = Rational(3, 10) * (-log(e) - (Rational(5, 2) * log(1 - e) - log(e)))
    rest = lambda w: _series_phase(w) - 3 * log(w) / 10  # noqa: E731
    return series(simplify(rest(1 / e) - rest(after)) + logs, e, 0, 5).removeO()


def _abel(u: float) -> float:
    return float(plateau_phase(u) - plateau_phase(u - u**-1.5))


first_pass_share = Claim(
    id="ghost.first_pass_share",
    title="Share of runs trapped when they first pass the optimum",
    statement=SHARE,
    vocabulary=V,
    predicts=Quantity("trapped"),
    kind="closed form",
    assumptions=(Assumption("above the onset", kappa > 0.75),),
    source=Source.own("phase of the plateau between the edge of the zone and the optimum"),
    corrects=Correction("ghost.first_pass_share_linear", classed="assumption fails", note="not only near the onset"),
    notation="from far above, with starts spread smoothly over steps; the phase is the Abel function of u - u^(-3/2)",
    derivation=(
        Step(
            "in u = rho kappa^(-2/5) descent has no parameter",
            symbolic(lambda: down(k ** Rational(2, 5) * p, k), lambda: k ** Rational(2, 5) * down(p, 1)),
        ),
        Step("the series of its phase falls by one in a step, up to w^-5", symbolic(_series_step, lambda: 1)),
        Step(
            "so does the phase everywhere",
            numerical(_abel, lambda u: 1.0, over={"u": (0.8, 30)}, tolerance=1e-10, reason="float64; series to w^-5"),
        ),
        Step(
            "runs with an even phase are trapped if they jump from above 1 to below 1/4: all but the share of phases "
            "between 1/4 and 1, of which each run visits one",
            numerical(
                lambda law, kappa: float(numeric(law, tuple(law.free_symbols))(kappa)),
                lambda kappa: _landed(kappa),
                over={"kappa": (0.8, 3)},
                tolerance=4e-3,
                samples=6,
                reason="share among 40 001 iterated starts",
            ),
        ),
    ),
)


def _landed(rate: float) -> float:
    """Share of iterated starts, normal about rho = 6, whose first point below 1 lies in the zone."""
    rho = 6 + 0.4 * ndtri((np.arange(40_001) + 0.5) / 40_001)
    while (above := rho > 1).any():
        rho = np.where(above, rho - rate * np.abs(rho) ** -1.5, rho)
    return float((rho < ZONE).mean())


def _trapped_by_slope(rate: float, steps: float) -> float:
    """Share of runs in the zone after `steps` steps r -> r - learning_rate dL/dr with the sharp slope, at T = 1."""
    best = float(np.pi**2 / 4)
    draws = qmc.Sobol(1, seed=0).random(2**14)[:, 0]
    points = best * (START + SPREAD * ndtri(draws))
    for _ in range(round(steps)):
        slope = np.pi / 4 * np.abs(points) ** -1.5 * np.sign(points - best)
        points = np.where(points > best / 4, points - rate * np.pi**4 / 8 * slope, points)
    return float((points <= best / 4).mean())


def _value(law: Expr, rate: float, steps: float) -> float:
    return float(numeric(law, (kappa, step))(rate, steps))


trapped_share = Claim(
    id="ghost.trapped_share",
    title="Share of runs trapped after a number of steps",
    statement=TrappedShare(kappa, step),
    vocabulary=V,
    predicts=Quantity("trapped"),
    kind="closed form",
    assumptions=(
        *SHARP,
        Assumption("far enough above the onset for a share to exist", kappa > 0.752),
        Assumption(
            "steps enough to come down from the start", kappa * step >= 25.0, "(2/5) 5.5^(5/2) = 28 for the last"
        ),
    ),
    validity={"relative_rate": kappa},
    source=Source.own("the map of sharp training, iterated from the quantiles of the starts"),
    notation=f"starts are normal, {START:g} +- {SPREAD:g} r*; in the end it rises from 0 at 3/4 to 1 at kappa_1",
    derivation=(
        Step(
            "a step of training in units of r* is the map that is iterated",
            symbolic(lambda: p - learning_rate * SLOPE.subs(r, p * OPTIMUM) / OPTIMUM, lambda: down(p, KAPPA)),
        ),
        Step(
            "its share in the zone is that of other starts of the same law, descending the sharp loss at T = 1",
            numerical(
                lambda law, kappa, step: _value(law, kappa, step) - _trapped_by_slope(kappa, step),
                over={"kappa": (0.752, 0.85), "step": (60, 400)},
                tolerance=1.5e-2,
                samples=8,
                reason="10 001 quantiles against 16 384 starts of a Sobol sequence",
            ),
        ),
    ),
)

CLAIMS = (first_pass_share, trapped_share)
