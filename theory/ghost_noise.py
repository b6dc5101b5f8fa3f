"""The ghost in noise: dx = (r + x^2) dt + sqrt(2D) dW, r of either sign. Setting: theory/ghost.py.

The passage from minus infinity to infinity joins the ghost, pi/sqrt(r), to escape over a barrier, r < 0. In units of
D^(1/3) for x and D^(-1/3) for time it depends on z = r D^(-2/3) alone. Distribution: theory/ghost_backward.py.
"""

from __future__ import annotations

import mpmath
from sympy import (
    Expr,
    Function,
    Integral,
    Rational,
    Symbol,
    airyai,
    airybi,
    erf,
    exp,
    gamma,
    limit,
    oo,
    pi,
    sqrt,
    symbols,
)

from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, high_precision, numerical, symbolic
from theory.compiled import numeric
from theory.ghost_backward import Z_RANGE, MeanFromRest, PassageQuantile, mean_from, mean_passage, passage_share
from theory.ghost_passage import EULER, PASSAGE, growth_with_threshold
from theory.ghost_vocabulary import V, noise, r, signed_r, threshold
from theory.ghost_vocabulary import level as share

THIRD = Rational(1, 3)
Z = signed_r / noise ** (2 * THIRD)
KNOWN = Source("Lindner2003", "mean passage time of the quadratic integrate-and-fire model, from Sigeti1989")
x, y, s, t, u, D = symbols("x y s t u D", positive=True)
c, z, a = symbols("c z a", real=True)


def _airy(point: Expr) -> Expr:
    return pi**2 * (airyai(-point) ** 2 + airybi(-point) ** 2)


def _third_order(function: Expr) -> Expr:
    """w''' + 4 z w' + 2 w, which vanishes for every product of two Airy functions of -z."""
    return function.diff(z, 3) + 4 * z * function.diff(z) + 2 * function


def _moment(power: int) -> Integral:
    """The derivative of order `power` of the integral at z = 0."""
    return Integral(sqrt(pi) * (-t) ** power * t ** -Rational(1, 2) * exp(-(t**3) / 12), (t, 0, oo))


def _by_reflection(value: Expr) -> Expr:
    """gamma(1/6), gamma(1/3) and gamma(5/6) by gamma(2/3)."""
    third = 2 * pi / (sqrt(3) * gamma(2 * THIRD))
    sixth = 2 ** (2 * THIRD) * sqrt(pi) * third / gamma(2 * THIRD)
    return value.doit().subs({gamma(Rational(5, 6)): 2 * pi / sixth, gamma(THIRD / 2): sixth, gamma(THIRD): third})


def _backward_residual(inner: Expr) -> Expr:
    """(r + x^2) m' + D m'' for m' = -exp(U/D) inner/D, inner' = exp(-U/D)."""
    slope = -exp(POTENTIAL / D) * inner / D
    residual = (signed_r + x**2) * slope + D * slope.diff(x)
    return residual.subs(inner.diff(x), exp(-POTENTIAL / D))


def _scaled(law: Expr) -> Expr:
    """The law at D = 1 as a function of z."""
    return law.subs(noise, 1).subs(signed_r, z)


POTENTIAL = -(signed_r * x + x**3 / 3)
BEYOND = Assumption("there is no fixed point", signed_r > 0)
WELL = POTENTIAL.subs(signed_r, -(u**2))
BACKWARD = Step(
    "the mean time m from x obeys (r + x^2) m' + D m'' = -1; m' = -1/D times the integral of exp((U(x) - U(v))/D) over "
    "v < x, U = -(r x + x^3/3), solves it",
    symbolic(lambda: _backward_residual(Function("I")(x)), lambda: -1),
)
EXPONENT = Step(
    "with s = x - v and c = (x + v)/2 the exponent is -(r s + s c^2 + s^3/12)/D",
    symbolic(
        lambda: POTENTIAL.subs(x, c + s / 2) - POTENTIAL.subs(x, c - s / 2),
        lambda: -(signed_r * s + s * c**2 + s**3 / 12),
    ),
)

noisy_passage = Claim(
    id="ghost.noisy_passage",
    title="Mean passage through the ghost in noise",
    statement=pi**2 / noise**THIRD * (airyai(-Z) ** 2 + airybi(-Z) ** 2),
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="closed form",
    validity={"scaled_r": Z},
    source=KNOWN,
    notation="from minus infinity to infinity",
    derivation=(
        BACKWARD,
        EXPONENT,
        Step(
            "c runs over the whole line: a Gaussian integral",
            symbolic(lambda: Integral(exp(-s * c**2 / D), (c, -oo, oo)), lambda: sqrt(pi * D / s)),
        ),
        Step(
            "with s = D^(1/3) t the mean is D^(-1/3) sqrt(pi) times the integral of t^(-1/2) exp(-z t - t^3/12)",
            symbolic(
                lambda: (sqrt(pi * D / s) / D * exp(-(signed_r * s + s**3 / 12) / D)).subs(s, D**THIRD * t) * D**THIRD,
                lambda: (
                    D**-THIRD * sqrt(pi) * t ** -Rational(1, 2) * exp(-signed_r * D ** (-2 * THIRD) * t - t**3 / 12)
                ),
            ),
        ),
        Step(
            "which solves w''' + 4 z w' + 2 w = 0: the integrand of the left side is a total derivative in t that "
            "vanishes at both ends",
            symbolic(
                lambda: _third_order(t ** -Rational(1, 2) * exp(-z * t - t**3 / 12)),
                lambda: (4 * sqrt(t) * exp(-z * t - t**3 / 12)).diff(t),
            ),
        ),
        Step("so does the statement", symbolic(lambda law: _third_order(_scaled(law)))),
        Step(
            "both have the same value and first two derivatives at z = 0",
            symbolic(
                lambda law: [_by_reflection(_scaled(law).diff(z, power).subs(z, 0)) for power in range(3)],
                lambda: [_by_reflection(_moment(power)) for power in range(3)],
            ),
        ),
        Step(
            "where the values of gamma are related by duplication and reflection",
            high_precision(
                lambda: [gamma(THIRD / 2), gamma(THIRD), gamma(Rational(5, 6))],
                lambda: [_by_reflection(gamma(n * THIRD / 2)) for n in (1, 2, 5)],
            ),
        ),
        Step(
            "the statement is D^(-1/3) times a function of z",
            symbolic(lambda law: law, lambda law: noise**-THIRD * _scaled(law).subs(z, Z)),
        ),
        Step(
            "quadrature of the integral",
            high_precision(
                lambda z: (
                    mpmath.sqrt(mpmath.pi)
                    * mpmath.quad(lambda u: 2 * mpmath.exp(-z * u**2 - u**6 / 12), [0, 1, 2, 3, 4.5, 6])
                ),
                lambda law, z: mpmath.pi**2 * (mpmath.airyai(-z) ** 2 + mpmath.airybi(-z) ** 2),
                over={z: (-3, 10)},
                samples=6,
            ),
        ),
    ),
)

ghost_passage = Claim(
    id="ghost.full_passage",
    title="Passage through the ghost without noise",
    statement=pi / sqrt(signed_r),
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="closed form",
    assumptions=(
        BEYOND,
        Assumption("there is no noise", noise / signed_r ** Rational(3, 2) < 0.1, "within 0.2 %"),
    ),
    validity={"noise_strength": noise / signed_r ** Rational(3, 2)},
    source=Source("Dinc2025", "passage time of the ghost", printed=r"\frac{\pi}{\sqrt{r}}", assuming="no noise"),
    derivation=(
        Step(
            "the integral of dx/(r + x^2) over the line",
            symbolic(lambda law: law.subs(signed_r, r), lambda: Integral(1 / (r + x**2), (x, -oo, oo))),
        ),
    ),
)

weak_noise_passage = Claim(
    id="ghost.weak_noise_passage",
    title="Passage through the ghost in weak noise",
    statement=pi / sqrt(signed_r) * (1 - Rational(5, 32) * noise**2 / signed_r**3),
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="asymptotic",
    small_parameter=noise / signed_r ** Rational(3, 2),
    order=3,
    assumptions=(
        BEYOND,
        Assumption("the noise is weak", noise / signed_r ** Rational(3, 2) <= 0.4, "next order 1.3 %"),
    ),
    validity={"noise_strength": noise / signed_r ** Rational(3, 2)},
    source=Source.own("second order in D; the first vanishes by symmetry, noise then shortens the passage"),
    corrects=Correction("ghost.full_passage", classed="assumption fails", note="there is noise"),
    derivation=(
        Step(
            "first order: D times the integral of 2x/(r + x^2)^3, odd in x",
            symbolic(
                lambda law: law.subs(signed_r, r).diff(noise).subs(noise, 0),
                lambda: Integral(2 * a / (r + a**2) ** 3, (a, -oo, oo)),
            ),
        ),
        Step(
            "second order: m2' = -m1''/(r + x^2), m1' = -m0''/(r + x^2), m0' = -1/(r + x^2)",
            symbolic(
                lambda law: law.subs(signed_r, r).diff(noise, 2) / 2,
                lambda: Integral(_next_order(_next_order(1 / (r + a**2))), (a, -oo, oo)),
            ),
        ),
        Step(
            "without noise it is the ghost's passage",
            symbolic(lambda law: law.subs({noise: 0, signed_r: r}), lambda: pi / sqrt(r)),
        ),
    ),
)


def _next_order(minus_slope: Expr) -> Expr:
    """-m' of the next order in D from that of one order."""
    return -minus_slope.diff(a) / (r + a**2)


kramers_escape = Claim(
    id="ghost.kramers_escape",
    title="Escape over the barrier left of the bifurcation",
    statement=pi / sqrt(-signed_r) * exp(4 * (-signed_r) ** Rational(3, 2) / (3 * noise)),
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="asymptotic",
    small_parameter=noise / (-signed_r) ** Rational(3, 2),
    order=1,
    assumptions=(
        Assumption("there is a barrier", signed_r < 0),
        Assumption(
            "it is high", noise < 0.14 * (-signed_r) ** Rational(3, 2), "next order 5 noise/(24 |r|^(3/2)), 3 % there"
        ),
    ),
    validity={"scaled_r": Z},
    source=Source.own("Kramers' rate for the potential -(r x + x^3/3)"),
    notation="the limit of the Airy law for z -> -infinity",
    derivation=(
        Step(
            "the barrier between the fixed points -sqrt(-r) and sqrt(-r) is 4 (-r)^(3/2)/3",
            symbolic(
                lambda law: law.subs(signed_r, -(u**2)) * u / pi,
                lambda: exp(
                    (POTENTIAL.subs(signed_r, -(u**2)).subs(x, u) - POTENTIAL.subs(signed_r, -(u**2)).subs(x, -u))
                    / noise
                ),
            ),
        ),
        Step(
            "the prefactor is 2 pi over the geometric mean of both curvatures, 2 sqrt(-r) at the bottom and on top",
            symbolic(
                lambda law: law.subs(signed_r, -(u**2)) * exp(-4 * u**3 / (3 * noise)),
                lambda: 2 * pi / sqrt(-WELL.diff(x, 2).subs(x, u) * WELL.diff(x, 2).subs(x, -u)),
            ),
        ),
        Step(
            "the Airy law over it tends to 1 as 1 + 5/(48 zeta), zeta = |z|^(3/2)",
            symbolic(
                lambda: limit(_kramers_ratio(), x, oo),
                lambda: 1,
            ),
        ),
    ),
)


def _kramers_ratio() -> Expr:
    """Leading term of pi^2 Bi^2 over the statement, from Bi(x) ~ exp(2 x^(3/2)/3)/(sqrt(pi) x^(1/4)) (1 + ...)."""
    growth = exp(2 * x ** Rational(3, 2) / 3) / (sqrt(pi) * x ** Rational(1, 4))
    ahead = 1 + Rational(5, 48) / x ** Rational(3, 2)
    return pi**2 * growth**2 * ahead**2 / (pi / sqrt(x) * exp(4 * x ** Rational(3, 2) / 3))


noisy_quantile = Claim(
    id="ghost.noisy_passage_quantile",
    title="Quantiles of the passage time in noise",
    statement=PassageQuantile(Z, share) / noise**THIRD,
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="closed form",
    assumptions=(
        Assumption("tabulated from below", Rational(str(Z_RANGE[0])) <= Z),
        Assumption("tabulated up to", Rational(str(Z_RANGE[1])) >= Z),
    ),
    validity={"scaled_r": Z},
    source=Source.own("survival from the backward equation, by spectral collocation"),
    notation="the time by which a share `level` of the passages from minus infinity to infinity is over",
    derivation=(
        Step(
            "in units of D^(1/3) and D^(-1/3) only z is left: the drift, and the noise, of y = x D^(-1/3)",
            symbolic(
                lambda: [
                    (signed_r + x**2).subs(x, D**THIRD * y) * D**-THIRD * D**-THIRD,
                    2 * D * D ** (-2 * THIRD) * D**-THIRD,
                ],
                lambda: [signed_r * D ** (-2 * THIRD) + y**2, 2],
            ),
        ),
        Step(
            "the share passed by the time stated is the level: distribution with twice the collocation points",
            numerical(
                lambda law, z, level: float(passage_share(z, _value(law, {noise: 1, signed_r: z, share: level}), 128)),
                lambda level: level,
                over={"z": (-2.4, 11.9), "level": (0.02, 0.98)},
                tolerance=2e-4,
                samples=8,
                reason="interpolated in a table of 88 x 141 quantiles; collocation alone is good to 3e-6",
            ),
        ),
        Step(
            "the mean of the collocation is that of the Airy law",
            numerical(
                lambda z: float(mean_from(z, 128)[1][-1]),
                lambda z: float(mean_passage(z)),
                over={"z": (-2, 12)},
                tolerance=1e-7,
                samples=8,
                reason="float64 solution of a system with condition number 1e6",
            ),
        ),
    ),
)


def _value(law: Expr, numbers: dict[Symbol, float]) -> float:
    return float(numeric(law, tuple(numbers))(*numbers.values()))


noisy_time_from_rest = Claim(
    id="ghost.noisy_time_from_rest",
    title="Mean time from rest to the threshold in noise of any strength",
    statement=MeanFromRest(Z, threshold / noise**THIRD) / noise**THIRD,
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="closed form",
    validity={"scaled_r": Z},
    source=Source.own("the double integral of the backward equation, one of its two integrals done"),
    notation="from x = 0, through minus infinity if need be, to the first passage of the threshold",
    derivation=(
        BACKWARD,
        EXPONENT,
        Step(
            "x between 0 and the threshold h: c from -s/2 to h - s/2",
            symbolic(
                lambda: Integral(exp(-s * c**2), (c, -s / 2, y - s / 2)),
                lambda: sqrt(pi / s) / 2 * (erf(sqrt(s) * (y - s / 2)) + erf(s ** Rational(3, 2) / 2)),
            ),
        ),
        Step(
            "the double integral, at D = 1",
            numerical(
                lambda law, z, height: _value(law, {noise: 1, signed_r: z, threshold: height}),
                lambda z, height: _double_integral(z, height),
                over={"z": (-2, 8), "height": (1, 6)},
                tolerance=1e-8,
                samples=6,
                reason="nested adaptive quadrature to 1e-10",
            ),
        ),
    ),
)


def _double_integral(z: float, height: float) -> float:
    """The integral over 0 < x < height and v < x of exp(-(z (x - v) + (x^3 - v^3)/3))."""
    from scipy.integrate import quad

    def inner(top: float) -> float:
        def weight(gap: float) -> float:
            return float(mpmath.exp(-(z * gap + gap * (top - gap / 2) ** 2 + gap**3 / 12)))

        return quad(weight, 0, 14, epsabs=1e-13, epsrel=1e-11, limit=200)[0]

    return quad(inner, 0, height, epsabs=1e-12, epsrel=1e-10)[0]


noisy_passage_time = Claim(
    id="ghost.noisy_passage_time",
    title="Mean time to reach the threshold under weak noise",
    statement=EULER + noise / (2 * r**2),
    vocabulary=V,
    predicts=Quantity("activation_time", unit="time"),
    kind="asymptotic",
    small_parameter=noise / r ** Rational(3, 2),
    order=1,
    assumptions=(Assumption("the noise is weak", noise / r ** Rational(3, 2) <= 0.1, "second order below 1 %"),),
    validity={"noise_strength": noise / r ** Rational(3, 2)},
    notation="the first two terms are the time without noise in the Euler scheme; dt -> 0 gives the exact one",
    source=Source.own("first order in D of the backward equation (r + x^2) m' + D m'' = -1"),
    derivation=(
        Step(
            "m = m0 + D m1 with (r + x^2) m0' = -1 and (r + x^2) m1' = -m0''",
            symbolic(lambda: -(-1 / (r + x**2)).diff(x) / (r + x**2), lambda: -2 * x / (r + x**2) ** 3),
        ),
        Step(
            "m1(0) is the integral of 2x/(r + x^2)^3 over x > 0",
            symbolic(lambda law: law.diff(noise), lambda: Integral(2 * x / (r + x**2) ** 3, (x, 0, oo))),
        ),
        Step(
            "without noise it is the time of the Euler scheme",
            symbolic(lambda law: growth_with_threshold(law.subs(noise, 0))),
        ),
    ),
)

weak_noise_from_rest = Claim(
    id="ghost.weak_noise_from_rest",
    title="Mean time from rest to the threshold, first order in the noise",
    statement=(PASSAGE + noise / (2 * r**2)).subs(r, signed_r),
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="asymptotic",
    small_parameter=noise / signed_r ** Rational(3, 2),
    order=1,
    assumptions=(
        BEYOND,
        Assumption("the noise is weak", noise / signed_r ** Rational(3, 2) <= 0.1, "second order below 1 %"),
    ),
    validity={"noise_strength": noise / signed_r ** Rational(3, 2)},
    source=Source.own("as ghost.noisy_passage_time, in exact time"),
    derivation=(
        Step(
            "m1(0) is the integral of 2x/(r + x^2)^3 over x > 0",
            symbolic(
                lambda law: law.subs(signed_r, r).diff(noise), lambda: Integral(2 * x / (r + x**2) ** 3, (x, 0, oo))
            ),
        ),
        Step(
            "without noise it is the passage from 0 to the threshold",
            symbolic(lambda law: law.subs(signed_r, r).subs(noise, 0).diff(threshold), lambda: 1 / (r + threshold**2)),
        ),
        Step("from 0", symbolic(lambda law: law.subs(signed_r, r).subs(noise, 0).subs(threshold, 0))),
    ),
)

CLAIMS = (
    noisy_passage,
    ghost_passage,
    weak_noise_passage,
    kramers_escape,
    noisy_quantile,
    noisy_time_from_rest,
    noisy_passage_time,
    weak_noise_from_rest,
)
