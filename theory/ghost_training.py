"""The ghost, many windows: when training is trapped. Setting: theory/ghost.py.

In units of r*, rho = r/r*, sharp training is one map with one parameter kappa = 8 learning_rate T^5/pi^4:

    rho <- rho - kappa sgn(rho - 1) rho^(-3/2)   above the no-learning zone rho <= 1/4.
"""

from __future__ import annotations

import mpmath
from sympy import Expr, Float, Integral, Rational, atan, exp, limit, pi, solve, sqrt, symbols, tan

from theory.balls import Proof, certified_unique_root
from theory.claim import (
    Assumption,
    Claim,
    Correction,
    Minimum,
    Quantity,
    Root,
    Source,
    Step,
    certified,
    high_precision,
    numerical,
    symbolic,
)
from theory.ghost_passage import ATAN, BLOW_UP, PASSAGE
from theory.ghost_slope import OUTPUT, SHARP, SLOPE
from theory.ghost_slope import x as position
from theory.ghost_vocabulary import (
    KAPPA,
    OPTIMUM,
    SILENT,
    T,
    V,
    confidence,
    kappa,
    learning_rate,
    r,
    rho,
    threshold,
)

HALF3, HALF5 = Rational(3, 2), Rational(5, 2)
x, s, o, k, b = symbols("x s o k b", positive=True)
CRITICAL = 3 * pi**4 / (32 * T**5)


def _down(point: Expr) -> Expr:
    return point - k * point**-HALF3


def _edge_delay(law: Minimum) -> Expr:
    """Passage time at the lower end of the bracket, r_z, minus 2T and minus the remainder, over 1/threshold."""
    root = sqrt(law.bracket[0])
    u = root / threshold
    return threshold * (PASSAGE.subs(r, root**2) - 2 * T) - (1 - atan(u) / u)


def _distance_residual(law: Minimum) -> Expr:
    """Result times slope, minus the distance to r_z; the slope from the solution x(t) and the output."""
    state = sqrt(r) * tan(sqrt(r) * T)
    output, rest = OUTPUT.subs(position, state), OUTPUT.subs(position, 0)
    edge = solve(BLOW_UP - 2 * T - 1 / threshold, r)[0]
    assert law.result is not None
    return -law.result * BLOW_UP.diff(r) * (2 * output - 1 - rest**2) - (r - edge)


def _one_minimum(law: Minimum, far: int, sharp: Expr) -> Proof:
    """One sign change of the objective's slope where x(T) is about between half the threshold and five times it."""
    slope = law.objective.subs({threshold: far, confidence: sharp, T: 1}).diff(r)
    low, high = ((pi / 2 * (1 - 1 / (share * far))) ** 2 for share in (Rational(1, 2), 5))
    return certified_unique_root(slope, r, (low, high))


def _density_above_optimum(steps: int = 2000) -> Float:
    """Density of runs just above rho = 1 at kappa = 3/4: one per step far above, carried down the map."""
    k, point, spread = mpmath.mpf(3) / 4, mpmath.mpf(1), mpmath.mpf(1)
    for _ in range(steps):
        # The point whose landing is the present one.
        guess = point + k * point ** mpmath.mpf(-1.5)
        point = mpmath.findroot(lambda y, at=point: y - k * y ** mpmath.mpf(-1.5) - at, guess)
        spread *= 1 + 3 * k / 2 * point ** mpmath.mpf(-2.5)
    return Float((point ** mpmath.mpf(1.5) / k + 3 / (4 * point)) / spread)


critical_learning_rate = Claim(
    id="ghost.critical_learning_rate",
    title="Learning rate above which training can be trapped",
    statement=CRITICAL,
    vocabulary=V,
    predicts=Quantity("learning_rate", unit="1/time^5"),
    kind="threshold",
    assumptions=SHARP,
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("constant of the inverse power law that the paper reports"),
    notation="onset: below it no start above r* is ever trapped; for descent on L (on L/T the power is -4)",
    derivation=(
        Step(
            "one step in units of r* has the single parameter kappa",
            symbolic(lambda: learning_rate * SLOPE.subs(r, rho * OPTIMUM) / OPTIMUM, lambda: KAPPA * rho**-HALF3),
        ),
        Step(
            "the landing rho - kappa rho^(-3/2) rises with rho: the lowest is 1 - kappa, from rho = 1",
            symbolic(lambda: (rho - k * rho**-HALF3).diff(rho), lambda: 1 + HALF3 * k * rho**-HALF5),
        ),
        Step(
            "no landing from above the optimum is lower",
            certified(lambda: _down((1 + x) ** 2) >= 1 - k, over={x: (0, 10), k: (Rational(1, 1000), 10)}, factor=x),
        ),
        Step(
            "it falls into the zone, 1 - kappa = 1/4, at the stated rate",
            symbolic(lambda law: (1 - KAPPA).subs(learning_rate, law), lambda: Rational(1, 4)),
        ),
        Step(
            "the zone begins where the blow-up takes the whole window, 2T",
            symbolic(lambda: BLOW_UP.subs(r, OPTIMUM / 4), lambda: 2 * T),
        ),
    ),
)

shifted_critical_learning_rate = Claim(
    id="ghost.critical_learning_rate_shifted",
    title="The same with T lengthened by the time beyond the threshold",
    statement=3 * pi**4 / (32 * (T + 1 / threshold) ** 5),
    vocabulary=V,
    predicts=Quantity("learning_rate", unit="1/time^5"),
    kind="threshold",
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("rival: the threshold is reached 1/threshold before the blow-up"),
    derivation=(
        Step(
            "from the threshold to the blow-up takes atan(sqrt(r)/threshold)/sqrt(r), near the bifurcation 1/threshold",
            symbolic(lambda: limit(atan(sqrt(r) / threshold) / sqrt(r), r, 0), lambda: 1 / threshold),
        ),
        Step(
            "1 - kappa = 1/4 at T + 1/threshold",
            symbolic(
                lambda law: (1 - KAPPA).subs(T, T + 1 / threshold).subs(learning_rate, law), lambda: Rational(1, 4)
            ),
        ),
    ),
    notation="wrong at first order: the edge of the zone is delayed by half as much, and the output is not sharp",
)

o_at_T = 1 / (1 + exp(confidence * threshold - confidence * sqrt(r) * tan(sqrt(r) * T)))
EDGE = pi**2 / (4 * (2 * T + 1 / threshold) ** 2)
STEEPNESS = SLOPE * (2 * o_at_T - 1 - SILENT**2)

finite_critical_learning_rate = Claim(
    id="ghost.critical_learning_rate_finite",
    title="Learning rate above which training can be trapped, at finite threshold and confidence",
    statement=Minimum(-STEEPNESS / (r - EDGE), unknown=r, bracket=(EDGE, OPTIMUM), result=(r - EDGE) / STEEPNESS),
    vocabulary=V,
    predicts=Quantity("learning_rate", unit="1/time^5"),
    kind="threshold",
    assumptions=(
        Assumption("the threshold is beyond the ghost", threshold * T >= 20.0, "within 0.1 % from there on"),
        Assumption("the silent output is near 0", confidence * threshold >= 5.0, "within 0.1 % from there on"),
    ),
    validity={"distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("distance to the zone over the slope, minimised over r > r*"),
    corrects=Correction(
        "ghost.critical_learning_rate", classed="assumption fails", note="first order in 1/(threshold T)"
    ),
    notation="the slope is (pi/4) r^(-3/2) (2 o(T) - 1 - S^2); r_z = pi^2/(4 (2T + 1/threshold)^2) is the edge",
    derivation=(
        Step(
            "near the crossing x depends on t - t*(r) only: do/dr = -(dt*/dr) do/dt, dt*/dr = -pi/(4 r^(3/2))",
            symbolic(lambda: BLOW_UP.diff(r), lambda: -SLOPE),
        ),
        Step(
            "2 (o - y) do/dt integrated from S to o(T) and from o(T) to 1 is 2 o(T) - 1 - S^2",
            symbolic(lambda: Integral(2 * x, (x, s, o)) + Integral(2 * (x - 1), (x, o, 1)), lambda: 2 * o - 1 - s**2),
        ),
        Step(
            "x passes the threshold at 2T for r = r_z, up to (1 - atan(u)/u)/threshold, u = sqrt(r_z)/threshold",
            high_precision(_edge_delay, over={T: (20, 200), threshold: (0.5, 1000)}),
        ),
        ATAN,
        Step("the result is the distance to r_z over the slope at this confidence", symbolic(_distance_residual)),
        Step("the objective is minus its inverse", symbolic(lambda law: law.objective * law.result + 1)),
        Step(
            "its slope changes sign once inside the bracket (T = 1; threshold and confidence in units of T)",
            certified(lambda law: [_one_minimum(law, *point) for point in ((40, 1), (200, Rational(1, 5)), (1000, 1))]),
        ),
        Step(
            "for a far threshold and a sharp output the objective at r* gives the sharp law",
            symbolic(lambda: (OPTIMUM - OPTIMUM / 4) / SLOPE.subs(r, OPTIMUM), lambda: CRITICAL),
        ),
    ),
)

SHARE_SLOPE = Rational(88565, 100000)

first_pass_share_linear = Claim(
    id="ghost.first_pass_share_linear",
    title="Share of runs trapped when they first pass the optimum, near the onset",
    statement=SHARE_SLOPE * (kappa - Rational(3, 4)),
    vocabulary=V,
    predicts=Quantity("trapped"),
    kind="asymptotic",
    small_parameter=kappa - Rational(3, 4),
    order=1,
    assumptions=(
        Assumption("above the onset", kappa > 0.75),
        Assumption("near the onset", kappa < 0.81, "the next order takes 5 % there"),
    ),
    source=Source.own("landing points of runs that come from far above"),
    notation="starts many steps above r*, spread over at least one step",
    derivation=(
        Step(
            "landing points lie 1 + 3 kappa/2 = 17/8 times as far apart as the points just above rho = 1",
            symbolic(
                lambda: (rho - k * rho**-HALF3).diff(rho).subs({rho: 1, k: Rational(3, 4)}), lambda: Rational(17, 8)
            ),
        ),
        Step(
            "runs from afar visit rho = 1 with the density 17/8 times the stated constant, transported through the map",
            numerical(
                lambda: _density_above_optimum() * 8 / 17,
                lambda law: Float(law.diff(kappa)),
                tolerance=6e-6,
                reason="the constant is rounded to five digits; the starting density is asymptotic",
            ),
        ),
        Step(
            "the share is linear in kappa, and zero at the onset",
            symbolic(lambda law: [law.diff(kappa, 2), law.subs(kappa, Rational(3, 4))]),
        ),
    ),
)

certain_trapping = Claim(
    id="ghost.certain_trapping",
    title="kappa from which on every run is trapped in the end",
    statement=Root(
        (1 + kappa) ** -HALF3 + (1 + kappa - kappa * (1 + kappa) ** -HALF3) ** -HALF3 - 1,
        unknown=kappa,
        bracket=(Rational(1, 2), 2),
    ),
    vocabulary=V,
    predicts=Quantity("kappa"),
    kind="threshold",
    source=Source.own("end of the last period-3 orbit: one step up from rho = 1, two down to rho = 1"),
    derivation=(
        Step(
            "up from 1 to 1 + kappa, down twice, and back at 1: the ups and downs cancel",
            symbolic(lambda law: -law.residual.subs(kappa, k), lambda: (_down(_down(1 + k)) - 1) / k),
        ),
        Step(
            "there is one such kappa",
            certified(lambda law: certified_unique_root(law.residual, law.unknown, law.bracket)),
        ),
    ),
)


CLAIMS = (
    critical_learning_rate,
    finite_critical_learning_rate,
    shifted_critical_learning_rate,
    first_pass_share_linear,
    certain_trapping,
)
