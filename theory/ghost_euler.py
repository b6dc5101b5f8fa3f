"""The ghost in the published Euler scheme: slope, onset of trapping, plateau and floor. Setting: theory/ghost.py.

x_{i+1} = x_i + dt (r + x_i^2), loss = sum of dt (o_i - y_i)^2 over 0 <= i dt < 2T with y_i = 1[i dt >= T]. Two things
differ from exact dynamics. The passage takes (dt/2) log(1 + threshold^2/r) longer, which all times inherit. And the
output is sampled: it rises within confidence/(1 + confidence threshold)^2, at most 1/(4 threshold), whatever the
confidence. Unless that is many dt, the slope depends on where between two samples the threshold is passed, and
scatters about its mean by a factor, the gain (`theory.ghost_sampling`). The onset of trapping depends on the largest
gain, slow descent on the mean of its inverse, the floor on the mean of its square.
"""

from __future__ import annotations

import numpy as np
from sympy import (
    Abs,
    Expr,
    Integral,
    Interval,
    Min,
    Rational,
    atanh,
    cancel,
    diff,
    exp,
    integrate,
    limit,
    log,
    oo,
    pi,
    series,
    sinh,
    sqrt,
    symbols,
)

from theory import ghost_sampling
from theory.claim import Assumption, Claim, Correction, Derived, Quantity, Root, Source, Step, numerical, symbolic
from theory.ghost_passage import BLOW_UP, EULER, PASSAGE
from theory.ghost_slope import SLOPE
from theory.ghost_vocabulary import (
    KAPPA,
    POSITIVE,
    SILENT,
    T,
    V,
    confidence,
    dt,
    initial_r,
    learning_rate,
    r,
    step,
    threshold,
)

SAMPLED = ("confidence", "threshold", "dt")
largest_gain = V.symbol(
    "largest_gain", "largest slope over its mean, over the phase of the samples", domain=POSITIVE, typical=(1.0, 4.0),
    latex=r"\Gamma_{\max}", derived=Derived(ghost_sampling.largest_gain, SAMPLED),
)  # fmt: skip
mean_inverse_gain = V.symbol(
    "mean_inverse_gain", "mean over the phase of mean slope over slope", domain=POSITIVE, typical=(1.0, 2.0),
    latex=r"\langle\Gamma^{-1}\rangle", derived=Derived(ghost_sampling.mean_inverse_gain, SAMPLED),
)  # fmt: skip
mean_square_gain = V.symbol(
    "mean_square_gain", "mean over the phase of the squared slope over the squared mean", domain=Interval(1, oo),
    typical=(1.0, 2.0), latex=r"\langle\Gamma^2\rangle", derived=Derived(ghost_sampling.mean_square_gain, SAMPLED),
)  # fmt: skip

switch_lag = V.symbol(
    "switch_lag", "mean time at which o^2 rises minus that at which (1 - o)^2 falls", unit="time", domain=POSITIVE,
    typical=(0.05, 0.5), latex=r"\ell", derived=Derived(ghost_sampling.switch_lag, (*SAMPLED, "T")),
)  # fmt: skip

x, s, u, a, b, h = symbols("x s u a b h", positive=True)
AT_T = T + 1 / threshold - dt * log(2 * threshold * T / pi)
"""Blow-up time of exact dynamics at the r whose Euler run reaches the threshold at T."""
AT_2T = 2 * T + 1 / threshold - dt * log(4 * threshold * T / pi)
OPTIMUM_E = pi**2 / (4 * AT_T**2)
ZONE_E = pi**2 / (4 * AT_2T**2)
SLOPE_E = SLOPE + dt / (2 * r)
SLOPE_AT_T = SLOPE_E.subs(r, OPTIMUM_E)
ABOVE, BELOW = 1 - SILENT**2, (1 - SILENT) ** 2
HALF5 = Rational(5, 2)
COARSENESS = dt * threshold
SAMPLES = confidence / (1 + confidence * threshold) ** 2 / dt
"""Samples within the rise of the output."""

FAR = Assumption("the threshold is far on the scale of the ghost", threshold * T >= 500.0, "terms of r/threshold^2")
MILD = Assumption("an escape takes many steps of dt", dt / T <= 0.01, "second order of the delay below 0.5 %")

DELAY = Step(
    "as the threshold recedes the Euler time to reach it falls with r as pi/(4 r^(3/2)) + dt/(2 r)",
    symbolic(
        lambda: [limit(-(EULER - PASSAGE).diff(r), threshold, oo), -BLOW_UP.diff(r)], lambda: [dt / (2 * r), SLOPE]
    ),
)
AVERAGED = Step(
    "averaged over the phase, the sum over samples is the integral: its gain is 1",
    numerical(
        lambda steepness, height: float(ghost_sampling.gain(steepness, height).silent.mean()),
        lambda steepness, height: 1.0,
        tolerance=1e-6,
        reason="4096 phases of an orbit that starts at xi = 0.01 with five terms of the flow's series",
        over={"steepness": (0.1, 20), "height": (0.1, 4)},
        samples=8,
    ),
)
OPTIMUM_STEP = Step(
    "the Euler time to the threshold is T at r = pi^2/(4 (T + 1/threshold - dt log(2 threshold T/pi))^2), and 2T "
    "with 2T in place of T",
    numerical(
        lambda: [EULER.subs(r, OPTIMUM_E) / T, EULER.subs(r, ZONE_E) / T],
        lambda: [Rational(1), Rational(2)],
        tolerance=2e-4,
        reason="left out: (dt/T)^2 log(2 threshold T/pi), here up to 1.3e-4, and 1/(threshold T)^3",
        over={T: (50, 200), threshold: (10, 100), dt: (0.01, 0.2)},
    ),
)

slope_euler = Claim(
    id="ghost.slope_euler",
    title="Slope of the loss above the optimum in the Euler scheme, mean over the phase of the samples",
    statement=ABOVE * SLOPE_E,
    vocabulary=V,
    predicts=Quantity("gradient", unit="time^3"),
    kind="asymptotic",
    small_parameter=dt * sqrt(r),
    order=1,
    assumptions=(FAR,),
    validity={"distance": sqrt(r) / threshold, "step": dt * sqrt(r)},
    source=Source.own("delay of the Euler scheme, differentiated with respect to r"),
    notation="mean over r spread over whole phases, each 4 dt r^(3/2)/pi wide",
    derivation=(
        DELAY,
        AVERAGED,
        Step(
            "the loss S^2 t + (T - t) of a switch at t has that slope times 1 - S^2",
            symbolic(lambda law: law, lambda: SLOPE_E * -diff(SILENT**2 * u + T - u, u)),
        ),
    ),
)

steepest_slope_euler = Claim(
    id="ghost.steepest_slope_euler",
    title="Largest slope of the loss above the optimum in the Euler scheme",
    statement=largest_gain * ABOVE * SLOPE_E,
    vocabulary=V,
    predicts=Quantity("gradient", unit="time^3"),
    kind="closed form",
    assumptions=(FAR,),
    validity={"distance": sqrt(r) / threshold, "step": dt * sqrt(r), "samples": SAMPLES},
    source=Source.own("sum over the orbit of xi <- xi + xi^2 through the threshold, largest over its phase"),
    notation="largest_gain depends on confidence/dt and threshold dt alone",
    derivation=(
        DELAY,
        AVERAGED,
        Step(
            "the statement is the gain times the slope of S^2 t + (T - t)",
            symbolic(lambda law: law / largest_gain, lambda: SLOPE_E * -diff(SILENT**2 * u + T - u, u)),
        ),
        Step(
            "for an output that jumps within a step the largest gain is the maximum 8/27 of 2 o^2 (1 - o) times the "
            "change of confidence (x - threshold) in a step",
            symbolic(lambda: (2 * u**2 * (1 - u)).subs(u, Rational(2, 3)), lambda: Rational(8, 27)),
        ),
    ),
)

critical_learning_rate_euler = Claim(
    id="ghost.critical_learning_rate_euler",
    title="Learning rate above which training can be trapped in the Euler scheme",
    statement=(OPTIMUM_E - ZONE_E) / (largest_gain * ABOVE * SLOPE_AT_T),
    vocabulary=V,
    predicts=Quantity("learning_rate", unit="1/time^5"),
    kind="threshold",
    assumptions=(FAR, MILD),
    validity={"distance": 1 / (threshold * T), "step": dt / T, "samples": SAMPLES},
    source=Source.own("distance to the zone over the steepest sampled slope, both delayed by the Euler scheme"),
    corrects=Correction(
        "ghost.critical_learning_rate_finite",
        classed="assumption fails",
        note="coarse samples: the delay raises the onset, the largest gain lowers it",
    ),
    notation="first step into the zone; a phase is 2 dt/T r* wide, which the onset ignores",
    derivation=(
        DELAY,
        AVERAGED,
        OPTIMUM_STEP,
        Step(
            "a step of the statement's rate at the steepest phase leads from the optimum to the edge of the zone",
            symbolic(lambda law: OPTIMUM_E - law * largest_gain * ABOVE * SLOPE_E.subs(r, OPTIMUM_E), lambda: ZONE_E),
        ),
        Step(
            "without steps and at a far threshold it is the sharp law",
            symbolic(
                lambda law: limit((law * largest_gain * ABOVE).subs(dt, 0).subs(threshold, 1 / s), s, 0),
                lambda: 3 * pi**4 / (32 * T**5),
            ),
        ),
    ),
)


def _steps(end: Expr) -> Expr:
    """Steps from initial_r down to `end`, first order in dt."""
    leading = 2 * (initial_r**HALF5 - end**HALF5) / 5 - 2 * dt * (initial_r**3 - end**3) / (3 * pi)
    return 4 * mean_inverse_gain / (pi * ABOVE * learning_rate) * leading + Rational(3, 4) * log(initial_r / end)


def _without_gain(law: Expr) -> Expr:
    return law.subs(mean_inverse_gain, 1)


def _first_order(formula: Expr) -> Expr:
    return series(formula, dt, 0, 2).removeO()


GROWTH = Step(
    "one step more for every learning_rate slope of r, to first order in dt, and 3/(4 r) for its finite size",
    symbolic(
        lambda law: cancel(
            _without_gain(law.diff(initial_r)) - _first_order(1 / (learning_rate * ABOVE * SLOPE_E.subs(r, initial_r)))
        ),
        lambda: Rational(3, 4) / initial_r,
    ),
)
DWELL = Assumption(
    "a step is small beside a phase, or the gain hardly matters",
    (mean_inverse_gain - 1) * learning_rate * SLOPE.subs(r, initial_r) ** 2 / dt <= 0.01,
    "4 % at the bound; larger steps average over the phase, which takes the gain away",
)
MANY = Assumption(
    "learning takes many steps", learning_rate * SLOPE.subs(r, initial_r) / initial_r <= 0.002, "more than 150"
)
NOT_YET = Assumption(
    "the end of the plateau is not near",
    step <= Rational(7, 10) * 8 * mean_inverse_gain * initial_r**HALF5 / (5 * pi * ABOVE * learning_rate),
    "from there on 0.3 % of the steps change the loss by 1 %",
)
START = Assumption("the start lies above the optimum", initial_r * T**2 > 1.5 * float(np.pi**2 / 4))

learning_step_euler = Claim(
    id="ghost.learning_step_euler",
    title="Steps until the plateau ends in the Euler scheme",
    statement=_steps(OPTIMUM_E) + Rational(1, 2),
    vocabulary=V,
    predicts=Quantity("learning_step", unit="step"),
    kind="closed form",
    assumptions=(FAR, MILD, START, DWELL, MANY),
    validity={
        "distance": 1 / (threshold * T),
        "step": dt / T,
        "phase_step": learning_rate * SLOPE.subs(r, initial_r) ** 2 / dt,
    },
    source=Source.own("descent along the Euler slope down to the Euler optimum"),
    notation="slow descent spends 1/gain of its steps at each phase, so the mean of 1/gain lengthens it",
    derivation=(
        DELAY,
        AVERAGED,
        OPTIMUM_STEP,
        GROWTH,
        Step(
            "it counts from the optimum, where rounding up adds 1/2",
            symbolic(lambda law: law.subs(initial_r, OPTIMUM_E), lambda: Integral(x, (x, 0, 1))),
        ),
    ),
)

plateau_loss_euler = Claim(
    id="ghost.plateau_loss_euler",
    title="Loss along the plateau in the Euler scheme",
    statement=Root(
        _steps(r) - step,
        unknown=r,
        bracket=(OPTIMUM_E, initial_r),
        result=T - ABOVE * (EULER + dt / 2),
    ),
    vocabulary=V,
    predicts=Quantity("loss", unit="time"),
    kind="asymptotic",
    small_parameter=dt / T,
    order=1,
    assumptions=(FAR, MILD, START, DWELL, MANY, NOT_YET),
    validity={
        "distance": 1 / (threshold * T),
        "step": dt / T,
        "phase_step": learning_rate * SLOPE.subs(r, initial_r) ** 2 / dt,
    },
    source=Source.own("steps down to r along the Euler slope; the loss there is that of a switch at the Euler time"),
    notation="a sum over samples from 0 on is smaller than the integral by (dt/2) (1 - S^2)",
    derivation=(
        DELAY,
        AVERAGED,
        Step(
            "the steps to r grow with the start as for the learning step, and are zero at it",
            symbolic(
                lambda law: [
                    cancel(
                        _without_gain(law.residual.diff(initial_r))
                        - _first_order(1 / (learning_rate * ABOVE * SLOPE_E.subs(r, initial_r)))
                    ),
                    law.residual.subs({r: initial_r, step: 0}),
                    law.residual.diff(step),
                ],
                lambda: [Rational(3, 4) / initial_r, 0, -1],
            ),
        ),
        Step(
            "the loss is S^2 until the switch and 1 from there to T, half a step early",
            symbolic(lambda law: law.result, lambda: SILENT**2 * (EULER + dt / 2) + T - (EULER + dt / 2)),
        ),
    ),
)

ASYMMETRY = (ABOVE / BELOW) ** Rational(2, 3) - 1
# The same without the loss of digits where S is far below 1: e^u - 1 = 2 e^(u/2) sinh(u/2) with u = (4/3) atanh(S).
HALF_LOG = Rational(2, 3) * atanh(SILENT)
STEADY_ASYMMETRY = 2 * exp(HALF_LOG) * sinh(HALF_LOG)
MIXED = Assumption(
    "not locked to two steps",
    Abs(log(KAPPA / ASYMMETRY)) >= log(2),
    "locking begins where kappa (1 - S^2) comes near ((1 + S)/(1 - S))^(2/3) - 1",
)
SOFT_FLOOR = SILENT**2 * T + 2 * learning_rate * T**6 / pi**4 * ABOVE * BELOW
SQUARE = Step(
    "slopes a above and -b below are met in shares b/(a + b) and a/(a + b), since r does not drift: <slope^2> = a b",
    symbolic(lambda: cancel(a**2 * b / (a + b) + b**2 * a / (a + b)), lambda: a * b),
)
BALANCE = Step(
    "the mean of the squared distance does not change: 2 learning_rate <excess loss> = learning_rate^2 <slope^2>",
    symbolic(
        lambda: [
            integrate(a * u, (u, 0, h * b)) / (h * (a + b)) + integrate(b * u, (u, 0, h * a)) / (h * (a + b)),
        ],
        lambda: [h * a * b / 2],
    ),
)

floor_soft = Claim(
    id="ghost.floor_soft",
    title="Mean loss of the oscillation about the optimum at finite confidence",
    statement=SOFT_FLOOR,
    vocabulary=V,
    predicts=Quantity("mean_loss", unit="time"),
    kind="asymptotic",
    small_parameter=learning_rate * T**5,
    order=1,
    assumptions=(
        Assumption("the threshold is far on the scale of the ghost", threshold * T >= 2000.0),
        Assumption("the oscillation is small", KAPPA <= 0.1),
        MIXED,
        Assumption(
            "a step is wide against the rounded kink",
            KAPPA * confidence * threshold**2 * T >= Min(4000 * KAPPA / ASYMMETRY, 7000),
            "runs settle on the kink unless it is narrow or the slopes differ: of 75 points those within were at most "
            "0.9 % off, those beyond up to 8 %",
        ),
    ),
    validity={"relative_rate": KAPPA, "distance": 1 / (threshold * T), "softness": SILENT},
    source=Source.own("two slopes that differ, (1 - S^2) and (1 - S)^2 times the sharp one"),
    corrects=Correction("ghost.floor", classed="assumption fails", note="the output at rest is not 0"),
    notation="S^2 T is the least loss; the oscillation adds (kappa/4) T (1 - S^2) (1 - S)^2",
    derivation=(
        BALANCE,
        SQUARE,
        Step(
            "the statement is S^2 T + learning_rate a b/2, a and b the slopes at r* = pi^2/(4 T^2)",
            symbolic(
                lambda law: law - SILENT**2 * T,
                lambda: learning_rate / 2 * ABOVE * BELOW * SLOPE.subs(r, pi**2 / (4 * T**2)) ** 2,
            ),
        ),
    ),
)

floor_euler = Claim(
    id="ghost.floor_euler",
    title="Mean loss of the oscillation about the optimum in the Euler scheme",
    statement=SILENT**2 * T
    - ABOVE * BELOW / (ABOVE + BELOW) * switch_lag
    + learning_rate / 2 * mean_square_gain * ABOVE * BELOW * SLOPE_AT_T**2,
    vocabulary=V,
    predicts=Quantity("mean_loss", unit="time"),
    kind="asymptotic",
    small_parameter=learning_rate * T**5,
    order=1,
    assumptions=(
        FAR,
        MILD,
        Assumption("the oscillation is small", KAPPA <= 0.1),
        MIXED,
        Assumption("a step at the optimum crosses many phases", learning_rate * T**6 / dt >= 100.0, "two or more"),
        Assumption("no phase is dead", mean_inverse_gain <= 2.0, "where the slope nearly vanishes descent gets stuck"),
    ),
    validity={
        "relative_rate": KAPPA,
        "step": dt / T,
        "samples": SAMPLES,
    },
    source=Source.own("the balance of squared steps, with a gain of random phase in each"),
    notation="the mean square of the gain multiplies what the oscillation costs",
    derivation=(
        BALANCE,
        SQUARE,
        OPTIMUM_STEP,
        Step(
            "the lines a (T - t) and b (t - lag - T), t the mean time of o^2, meet below S^2 T by a b lag/(a + b)",
            symbolic(
                lambda law: law.subs(learning_rate, 0) - SILENT**2 * T,
                lambda: (a * s).subs(s, -b * switch_lag / (a + b)).subs({a: ABOVE, b: BELOW}),
            ),
        ),
        Step(
            "the rest is learning_rate a b/2 with the Euler slopes at the Euler optimum, times the mean square gain",
            symbolic(
                lambda law: law.diff(learning_rate),
                lambda: (
                    mean_square_gain / 2 * (ABOVE * SLOPE_E.subs(r, OPTIMUM_E)) * (BELOW * SLOPE_E.subs(r, OPTIMUM_E))
                ),
            ),
        ),
    ),
)

q, k = symbols("q k", positive=True)
PAIR = Step(
    "down from rho (1 + q) by k (rho (1 + q))^(-3/2) and up from rho by k (1 + q)^(-3/2) rho^(-3/2) are equal "
    "if (1 + q)^(3/2) is the ratio of the slopes",
    symbolic(
        lambda: k * (x * (1 + q)) ** Rational(-3, 2) / (k / (1 + q) ** Rational(3, 2) * x ** Rational(-3, 2)),
        lambda: Rational(1),
    ),
)
RETURNS = Step(
    "the step down leads from rho (1 + q) to rho if k = q (1 + q)^(3/2) rho^(5/2)",
    symbolic(
        lambda: (x * (1 + q) - k * (x * (1 + q)) ** Rational(-3, 2)).subs(k, q * (1 + q) ** Rational(3, 2) * x**HALF5),
        lambda: x,
    ),
)


def _as_logarithms(expression: Expr) -> Expr:
    """atanh and sinh by their definitions."""
    logarithm = expression.replace(atanh, lambda x: log((1 + x) / (1 - x)) / 2)
    return logarithm.replace(sinh, lambda x: (exp(x) - exp(-x)) / 2)


def _locking(end: str, scaled: Expr, rho: Expr, words: str) -> Claim:
    """The rate, kappa (1 - S^2) = `scaled`, at which the lower point of the orbit is `rho`."""
    return Claim(
        id=f"ghost.period_two_{end}",
        title=f"Learning rate at which locking to two steps {'begins' if end == 'start' else 'ends'}",
        statement=pi**4 / (8 * T**5) * scaled / ABOVE,
        vocabulary=V,
        predicts=Quantity("learning_rate", unit="1/time^5"),
        kind="threshold",
        assumptions=(
            Assumption("the threshold is far on the scale of the ghost", threshold * T >= 2000.0),
            Assumption(
                "the kink is sharp", confidence / T <= 1e-7, "a rounded one holds the orbit, 2 % longer at 1e-6"
            ),
        ),
        validity={"distance": 1 / (threshold * T), "softness": SILENT},
        source=Source.own("one step down and one up of equal length; for S = 0 no such orbit exists"),
        notation="q = ((1 + S)/(1 - S))^(2/3) - 1; kappa (1 - S^2) from q/(1 + q) to q (1 + q)^(3/2)",
        derivation=(
            PAIR,
            RETURNS,
            Step(
                f"at the {end} {words} lies at r*",
                symbolic(
                    lambda law: (
                        _as_logarithms(law) * 8 * T**5 / pi**4 * ABOVE
                        - ASYMMETRY * (1 + ASYMMETRY) ** Rational(3, 2) * rho**HALF5
                    )
                ),
            ),
        ),
    )


period_two_start = _locking("start", STEADY_ASYMMETRY / (1 + STEADY_ASYMMETRY), 1 / (1 + ASYMMETRY), "its upper point")
period_two_end = _locking(
    "end", STEADY_ASYMMETRY * (1 + STEADY_ASYMMETRY) ** Rational(3, 2), Rational(1), "its lower point"
)

CLAIMS = (
    period_two_start,
    period_two_end,
    slope_euler,
    steepest_slope_euler,
    critical_learning_rate_euler,
    learning_step_euler,
    plateau_loss_euler,
    floor_soft,
    floor_euler,
)
