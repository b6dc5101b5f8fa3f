"""The ghost after learning: the oscillation about the optimum, where it locks, and who is trapped in the end.

In units of r* training is rho <- rho - kappa sgn(rho - 1) rho^(-3/2). A step down from above 1 is written D, one up U.
With rho = kappa^(2/5) u the steps D and U have no parameter: a word of them has one orbit u, the same for all kappa,
and kappa only decides where the optimum 1 = kappa^(2/5) u lies between its points. An orbit exists as long as all its
points with D lie above the optimum and those with U below, so that windows end where a point meets the optimum.
"""

from __future__ import annotations

import numpy as np
from sympy import Expr, Rational, log, pi, series, simplify, symbols

from theory.ballfunctions import ball_function
from theory.balls import certified_root, certified_unique_root
from theory.claim import Assumption, Claim, Correction, Quantity, Root, Source, Step, certified, numerical, symbolic
from theory.compiled import numeric
from theory.ghost_collapse import (
    SERIES,
    ZONE,
    PlateauPhase,
    plateau_phase,
)
from theory.ghost_passage import BLOW_UP
from theory.ghost_slope import SHARP
from theory.ghost_vocabulary import KAPPA, OPTIMUM, T, V, kappa, learning_rate, orbit_u, r, sample_rho, threshold

HALF3 = Rational(3, 2)
k, e, p, q, xi = symbols("k e p q xi", positive=True)
KAPPA_RATE = {learning_rate: k * pi**4 / (8 * T**5)}


def down(point: Expr, rate: Expr) -> Expr:
    """A step from above the optimum."""
    return point - rate * point**-HALF3


def up(point: Expr, rate: Expr) -> Expr:
    """A step from below the optimum."""
    return point + rate * point**-HALF3


def follow(word: str, point: Expr, rate: Expr) -> list[Expr]:
    """The points of a word, its start first; one more than it has letters."""
    points = [point]
    for letter in word:
        points.append((up if letter == "U" else down)(points[-1], rate))
    return points


def _balance(word: str, start: Expr, rate: Expr) -> Expr:
    """What the steps of a word add up to, in units of -kappa: zero on its orbit."""
    points = follow(word, start, rate)[:-1]
    return sum(point**-HALF3 * (1 if letter == "D" else -1) for letter, point in zip(word, points, strict=True))


def _end_word(half: int, upper: bool) -> str:
    """The orbit of period 2 half + 1 from the point that meets the optimum: the highest U (upper end of the window) or
    the lowest D (lower end)."""
    return "UD" + "DU" * (half - 1) + "D" if upper else "D" + "UD" * half


def _window_end(half: int, upper: bool, bracket: tuple[Rational, Rational]) -> Claim:
    period, side = 2 * half + 1, "upper" if upper else "lower"
    word = _end_word(half, upper)

    def orbit(law: Root) -> list[Expr]:
        points = follow(word, 1, k)
        return [-law.residual.subs(kappa, k), (points[-1] - 1) / k]

    return Claim(
        id=f"ghost.window_{period}_{side}",
        title=f"{side.capitalize()} end of the window that is locked with period {period}",
        statement=Root(_balance(word, Rational(1), kappa), unknown=kappa, bracket=bracket),
        vocabulary=V,
        predicts=Quantity("kappa"),
        kind="threshold",
        source=Source.own("orbit equation at the border collision"),
        notation=f"steps {word} from the optimum rho = 1 back to it",
        derivation=(
            Step(
                f"the points after {word} from rho = 1 return to it",
                symbolic(lambda law: orbit(law)[0], lambda law: orbit(law)[1]),
            ),
            Step(
                "there is one such kappa in the bracket",
                certified(lambda law: certified_unique_root(law.residual, law.unknown, law.bracket)),
            ),
            Step(
                "there every other D starts above the optimum and every other U below it",
                certified(lambda law: _on_their_sides(law, word)),
            ),
            Step(
                "the orbit is stable all over its window: the product of the slopes 1 +- (3/2) u^(-5/2) lies within 1",
                certified(lambda law: _stable(law, word)),
            ),
        ),
    )  # fmt: skip


def _root_ball(law: Root):
    return certified_root(law.residual, law.bracket, law.unknown)


def _on_their_sides(law: Root, word: str) -> list[bool]:
    root = _root_ball(law)
    inner = [ball_function(point, [k])(root) for point in follow(word, Rational(1), k)[1:-1]]
    return [
        bool(point > 1) if letter == "D" else bool(point < 1) for letter, point in zip(word[1:], inner, strict=True)
    ]


def _stable(law: Root, word: str) -> bool:
    root = _root_ball(law)
    product = 1
    for letter, point in zip(word, follow(word, Rational(1), k)[:-1], strict=True):
        product *= 1 + (1 if letter == "D" else -1) * HALF3 * k * point ** -Rational(5, 2)
    slope = ball_function(product, [k])(root)
    return bool(slope < 1) and bool(slope > -1)


WINDOWS = tuple(
    _window_end(half, upper, bracket)
    for half, upper, bracket in (
        (1, False, (Rational(1, 5), Rational(1, 2))),
        (2, False, (Rational(1, 5), Rational(1, 4))),
        (2, True, (Rational(1, 4), Rational(3, 10))),
        (3, False, (Rational(3, 20), Rational(19, 100))),
        (3, True, (Rational(18, 100), Rational(11, 50))),
    )
)
"""Ends of the windows of period 3, 5 and 7; the upper end of period 3 is ghost.certain_trapping."""

WORD = "UDD"
U0, U1, U2 = follow(WORD, orbit_u, 1)[:3]
H = (U1 ** -Rational(1, 2) + U2 ** -Rational(1, 2) - U0 ** -Rational(1, 2)) / 3

locked_floor = Claim(
    id="ghost.locked_floor",
    title="Mean loss while the oscillation is locked with period 3",
    statement=Root(
        _balance(WORD, orbit_u, 1), unknown=orbit_u, bracket=(1, Rational(6, 5)),
        result=T * (Rational(1, 3) - H * KAPPA ** -Rational(1, 5)),
    ),
    vocabulary=V,
    predicts=Quantity("mean_loss", unit="time"),
    kind="closed form",
    assumptions=(
        *SHARP,
        Assumption("above the lower end of the window", KAPPA > 0.3078, "ghost.window_3_lower"),
        Assumption("below its upper end", KAPPA < 0.7717, "ghost.certain_trapping"),
    ),
    validity={"relative_rate": KAPPA, "distance": 1 / (threshold * T)},
    source=Source.own("orbit of one step up and two down"),
    notation="L/T = 1/3 - h kappa^(-1/5), h = 0.18461; u is the lowest point of the orbit over kappa^(2/5)",
    derivation=(
        Step(
            "a step of rho = kappa^(2/5) u is a step of u without kappa",
            symbolic(
                lambda: [f(k ** Rational(2, 5) * orbit_u, k) for f in (down, up)],
                lambda: [k ** Rational(2, 5) * f(orbit_u, 1) for f in (down, up)],
            ),
        ),
        Step(
            "one step up and two down return to u",
            symbolic(lambda law: -law.residual, lambda: follow(WORD, orbit_u, 1)[-1] - orbit_u),
        ),
        Step(
            "there is one such u",
            certified(lambda law: certified_unique_root(law.residual, law.unknown, law.bracket)),
        ),
        Step(
            "the statement is the mean of the loss T sgn (1 - rho^(-1/2)) over the three points",
            symbolic(
                lambda law: law.result.subs(KAPPA_RATE),
                lambda: _mean_loss(k),
            ),
        ),
        Step(
            "which is that loss",
            symbolic(lambda: _loss(p), lambda: T * (1 - p ** -Rational(1, 2))),
        ),
    ),
)  # fmt: skip


def _loss(point: Expr) -> Expr:
    """T - t* at r = point r*."""
    return simplify((T - BLOW_UP).subs(r, point * OPTIMUM))


def _mean_loss(rate: Expr) -> Expr:
    signs = [-1, 1, 1]
    points = follow(WORD, orbit_u, 1)[:3]
    return (
        sum(
            sign * T * (1 - (rate ** Rational(2, 5) * point) ** -Rational(1, 2))
            for sign, point in zip(signs, points, strict=True)
        )
        / 3
    )


GAIN = kappa * ((sample_rho - kappa * sample_rho**-HALF3) ** -HALF3 - sample_rho**-HALF3)

two_step_gain = Claim(
    id="ghost.two_step_gain",
    title="A step down across the optimum and one up never return: no orbit of period 2",
    statement=GAIN,
    vocabulary=V,
    predicts=Quantity("gain"),
    kind="identity",
    source=Source.own("rho^(-3/2) is monotone"),
    notation="change of r/r* in two steps, from above the optimum to below and up again; positive",
    derivation=(
        Step(
            "down and up again",
            symbolic(
                lambda law: law.subs({sample_rho: p, kappa: k}), lambda: up(down(p, k), k) - p,
            ),
        ),
        Step(
            "from p = (1 + xi)^2 > 1 to q = 1/(1 + e)^2 < 1 the gain is kappa (q^(-3/2) - p^(-3/2))",
            symbolic(
                lambda law: law.subs({sample_rho: p, kappa: (p - q) * p**HALF3}).subs(
                    {p: (1 + xi) ** 2, q: (1 + e) ** -2}
                ),
                lambda: ((1 + xi) ** 2 - (1 + e) ** -2) * (1 + xi) ** 3 * ((1 + e) ** 3 - (1 + xi) ** -3),
            ),
        ),
        Step(
            "which is positive but at the optimum itself (q down to the zone, 1/4)",
            certified(lambda: (1 + e) ** 3 - (1 + xi) ** -3 >= 0, over={e: (0, 1), xi: (0, 10)}),
        ),
    ),
)  # fmt: skip

mean_sign_law = Claim(
    id="ghost.mean_sign",
    title="Mean sign of the oscillation: one step down more in every beat",
    statement=3 * kappa / 4,
    vocabulary=V,
    predicts=Quantity("mean_sign"),
    kind="asymptotic",
    small_parameter=kappa,
    order=2,
    assumptions=(Assumption("the oscillation is small", kappa <= 0.1, "beyond, windows lock"),),
    source=Source.own("gain of two steps"),
    notation="the beat period is 4/(3 kappa) = pi^4/(6 learning_rate T^5) steps, each with one step down more than up",
    derivation=(
        Step(
            "two steps gain (3/2) kappa^2 near the optimum",
            symbolic(
                lambda: series(GAIN.subs({sample_rho: 1 + e * xi, kappa: e * k}), e, 0, 3).removeO(),
                lambda: HALF3 * (e * k) ** 2,
            ),
        ),
        Step(
            "after kappa/(3 kappa^2/2) pairs the phase has moved by kappa, a second step down follows: the beat, the "
            "inverse of the mean sign",
            symbolic(lambda law: 1 / law, lambda: 2 * kappa / (HALF3 * kappa**2)),
        ),
    ),
)  # fmt: skip

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
    from scipy.special import ndtri

    rho = 6 + 0.4 * ndtri((np.arange(40_001) + 0.5) / 40_001)
    while (above := rho > 1).any():
        rho = np.where(above, rho - rate * np.abs(rho) ** -1.5, rho)
    return float((rho < ZONE).mean())


CLAIMS = (*WINDOWS, locked_floor, two_step_gain, mean_sign_law, first_pass_share)
