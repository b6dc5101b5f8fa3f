"""The ghost after learning: the oscillation about the optimum, where it locks, and who is trapped in the end.

In units of r* training is rho <- rho - kappa sgn(rho - 1) rho^(-3/2). A step down from above 1 is written D, one up U.
With rho = kappa^(2/5) u the steps D and U have no parameter: a word of them has one orbit u, the same for all kappa,
and kappa only decides where the optimum 1 = kappa^(2/5) u lies between its points. An orbit exists as long as all its
points with D lie above the optimum and those with U below, so that windows end where a point meets the optimum.
"""

from __future__ import annotations

from sympy import Expr, Rational, pi, series, simplify, symbols

from theory.ballfunctions import ball_function
from theory.balls import certified_root, certified_unique_root
from theory.claim import Assumption, Claim, Quantity, Root, Source, Step, certified, symbolic
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
        Assumption(
            "inside the window, and nothing else is stable",
            KAPPA > 0.3105,
            "from its lower end, 0.3078, up to 0.3101 an orbit of period 8 is stable too, and takes half of the starts",
        ),
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

CLAIMS = (*WINDOWS, locked_floor, two_step_gain, mean_sign_law)
