"""From many dimensions to one: passage times of any smooth flow or leaky map through a ghost.

A ghost of dx/dt = F(x), x in R^d, is a local minimum x_g of |F|^2/2 with F != 0. There J^T F = 0: J is singular and F
its left null vector. With J v = 0, l J = 0, l.v = 1 and u = l.(x - x_g) the flow through it is

    du/dt = A + B u^2 + (C u^3 + g1 A u) + (E u^4 + g2 A u^2 + g3 A^2) + ...,    A = l.F, B = l.D2F(v, v)/2

ordered by u ~ sqrt(A): C and E are the coefficients on the slow (centre) manifold, the g those of its shift with A.
"""

from __future__ import annotations

from sympy import (
    Abs,
    Expr,
    Function,
    Integer,
    Integral,
    Interval,
    Matrix,
    Rational,
    Symbol,
    atan,
    diff,
    integrate,
    log,
    oo,
    pi,
    series,
    simplify,
    solve,
    sqrt,
    symbols,
)  # fmt: skip

from theory.claim import Assumption, Claim, Quantity, Source, Step, Vocabulary, symbolic
from theory.ghost_slow_manifold import by_derivatives, by_undetermined_coefficients

V = Vocabulary()
POSITIVE = Interval.open(0, oo)
A = V.symbol(
    "A", "l.F, speed at the ghost along the slow direction", unit="1/time", domain=POSITIVE, typical=(1e-5, 1e-2)
)
B = V.symbol("B", "l.D2F(v, v)/2", unit="1/time", domain=POSITIVE, typical=(0.3, 2))
before = V.symbol("before", "distance ahead of the ghost at which the clock starts", domain=POSITIVE, typical=(0.3, 1))
after = V.symbol("after", "distance behind it at which the clock stops", domain=POSITIVE, typical=(0.3, 1))
C = V.symbol("C", "coefficient of u^3 on the slow manifold", unit="1/time", typical=(-0.5, 0.5))
E = V.symbol("E", "coefficient of u^4", unit="1/time", typical=(-0.5, 0.5))
g1 = V.symbol("g1", "coefficient of A u", typical=(-0.5, 0.5))
g2 = V.symbol("g2", "coefficient of A u^2", typical=(-0.5, 0.5))
g3 = V.symbol("g3", "coefficient of A^2", unit="time", typical=(-0.5, 0.5))
leak = V.symbol(
    "leak", "a of the step x + a F(x)", unit="time", domain=Interval.Lopen(0, 1), latex="a", typical=(0.1, 1)
)

u, s, w, eps = symbols("u s w epsilon", positive=True)
LEADING = pi / sqrt(A * B)
WINDOW = LEADING - 1 / (B * before) - 1 / (B * after)
DELTA = A * (
    (-15 * C**2 / 8 + 3 * C * g1 * B / 4 + g1**2 * B**2 / 8) / B**3 + (3 * E - g2 * B - g3 * B**2) / (2 * B**2)
)
"""Relative correction of the passage time."""
STEPS = (LEADING * (1 + leak**2 * A * B / 3) - 1 / (B * before) - 1 / (B * after)) / leak + log(after / before)
WIDTH = sqrt(A / B)
THIRD, SHIFT = C / B, g1
"""Coefficients of s^3 and s in f/A = 1 + s^2 + width (THIRD s^3 + SHIFT s) + ..., u = width s."""


def _next_order() -> Expr:
    """The time of 1/f to second order beyond A + B u^2 between s = -before/width and s = after/width."""
    s1, s2 = before / WIDTH, after / WIDTH
    linear = THIRD**2 - E / B
    rational = (9 * THIRD**2 - 10 * THIRD * SHIFT + SHIFT**2) / 8 - (E / B - g2 + g3 * B) / 2
    square = -((THIRD - SHIFT) ** 2) / 4
    arctangents = (1 + DELTA) * (atan(s1) + atan(s2)) / sqrt(A * B)
    edges = linear * (s1 + s2) + rational * (s1 / (1 + s1**2) + s2 / (1 + s2**2))
    edges += square * (s1 / (1 + s1**2) ** 2 + s2 / (1 + s2**2) ** 2)
    odd = THIRD * log((1 + s1**2) / (1 + s2**2)) + (THIRD - SHIFT) * (1 / (1 + s1**2) - 1 / (1 + s2**2))
    return arctangents + WIDTH / B * edges + odd / (2 * B)


NEXT = _next_order()


def _cut(expression: Expr, small: Symbol, order: int) -> Expr:
    return series(expression, small, 0, order).removeO()


def _finite_part(power: int, order: int) -> Expr:
    """Integral of s^power/(1 + s^2)^order over the line, less what grows with the window."""
    integrand = s**power / (1 + s**2) ** order
    tail = 1 if power == 2 * order else 0
    return 2 * integrate(simplify(integrand - tail), (s, 0, oo))


def _second_order() -> Expr:
    """The relative correction from 1/f to second order beyond A + B u^2, u = width s, of an unbounded window."""
    third, fourth = (C, g1 * B), (E, g2 * B, g3 * B**2)
    squared = {6: third[0] ** 2, 4: 2 * third[0] * third[1], 2: third[1] ** 2}
    odd = sum(value * _finite_part(power, 3) for power, value in squared.items()) / B**3
    even = sum(value * _finite_part(power, 2) for power, value in zip((4, 2, 0), fourth, strict=True)) / B**2
    return A * (odd - even) / pi


def _growth(u_at: Expr) -> Expr:
    """du/dt at u = `u_at` as far as the order kept goes: 1/f to second order in the width eps at fixed s = u/eps."""
    scaled = {A: B * eps**2}
    flow = A + B * u**2 + C * u**3 + g1 * A * u + E * u**4 + g2 * A * u**2 + g3 * A**2
    inverse = 1 / (flow.subs(u, eps * s).subs(scaled) / (B * eps**2)).expand()
    return _cut(inverse, eps, 3).subs({eps: WIDTH, s: u_at / WIDTH}, simultaneous=True) / A


def _per_arctangent(law: Expr) -> Expr:
    """The factor of the arctangents, which are pi/2 each in an unbounded window."""
    return law.expand().coeff(atan(after / WIDTH))


def _square_of_flow() -> list[Expr]:
    """d/dx_j of |F|^2/2 less (J^T F)_j, for a general F in three dimensions."""
    x = symbols("x1:4")
    F = Matrix([Function(f"F{i}")(*x) for i in range(3)])
    return list(Matrix([diff((F.T * F)[0] / 2, name) for name in x]) - F.jacobian(x).T * F)


def _curvature_along_null() -> Expr:
    """v.H v less 2 A B/(l.l), H the Hessian of |F|^2/2 where F = A l/(l.l) and J v = 0; two dimensions, l = (1, p)."""
    x, y, a, b, c, d, p, rate = symbols("x y a b c d p rate")
    # J v = 0 with v = (1, 0), l J = 0 with l = (1, p), l.v = 1.
    field = Matrix([
        A / (1 + p**2) + a * x**2 + b * x * y + rate * p * y,
        A * p / (1 + p**2) + c * x**2 + d * x * y - rate * y,
    ])  # fmt: skip
    speed = (field.T * field)[0] / 2
    quadratic = a + p * c
    return diff(speed, x, 2).subs({x: 0, y: 0}) - 2 * A * quadratic / (1 + p**2)


def _slaved_in_time() -> list[Expr]:
    """The flow of a tilted example reduced order by order has the coefficients that its invariance equation gives."""
    m, c, k, h20, h01, h30, h11 = symbols("m c k h20 h01 h30 h11")
    # u' = A + B u^2 + m u y,  y' = -k y + c u^2 + w A: coupled back with the strength m; w from the tilt.
    y = eps**2 * (h20 * u**2 + h01 * A) + eps**3 * (h30 * u**3 + h11 * A * u)
    flow = eps**2 * (A + B * u**2) + eps * u * m * y
    invariance = diff(y, u) / eps * flow - (-k * y + eps**2 * (c * u**2 + w * A))
    conditions = []
    for power in (2, 3):
        conditions += _coefficients(invariance.expand().coeff(eps, power))
    solved = solve(conditions, [h20, h01, h30, h11], dict=True)[0]
    reduced = flow.subs(solved).expand()
    expected = {C: m * c / k, g1: m * w / k, E: -2 * B * m * c / k**2, g2: -2 * m * c / k**2}
    found = (C * u**3 + g1 * A * u).subs(expected) - reduced.coeff(eps, 3)
    return [found, ((E * u**4 + g2 * A * u**2).subs(expected) - reduced.coeff(eps, 4)).expand()]


def _coefficients(expression: Expr) -> list[Expr]:
    expression = expression.expand()
    return [expression.coeff(u, power).coeff(A, degree) for power in range(4) for degree in range(2)]


def _slow_manifold() -> list[Expr]:
    """Every coefficient from the derivatives at the ghost, less the one that the invariance equation gives."""
    found = by_undetermined_coefficients(A)
    return [simplify(value - found[name]) for name, value in by_derivatives(A).items()]


def _after_exact(law: Expr) -> list[Expr]:
    """The law less the exact time of A + B u^2, to the orders A^(-1/2) and A^0; atan(x) = pi/2 - atan(1/x)."""
    exact = (pi - atan(w / before) - atan(w / after)) / (B * w)
    error = law.subs(A, B * w**2) - exact
    return [simplify(_cut(error, w, 2)), simplify(_cut(error, w, 3) / w**2 + (before**-3 + after**-3) / (3 * B))]


def _generator(f: Expr) -> Expr:
    """The field whose flow over the time leak is u -> u + leak f(u), to the order leak^2."""
    slope, curvature = diff(f, u), diff(f, u, 2)
    return f - leak / 2 * f * slope + leak**2 * (4 * f * slope**2 + f**2 * curvature) / 12


def _flow_over_a_step() -> Expr:
    """Time-leak flow of the generator, less the step, up to leak^3."""
    f = Function("f")(u)
    field = _generator(f)
    once = field * diff(field, u)
    flow = u + leak * field + leak**2 / 2 * once + leak**3 / 6 * field * diff(once, u)
    return sum((flow - u - leak * f).expand().coeff(leak, power) for power in range(4)).doit()


def _inverse_generator() -> Expr:
    """1/generator less 1/f + leak f'/(2 f) - leak^2 (f'^2/f + f'')/12, up to leak^2."""
    f = Function("f")(u)
    expanded = 1 / f + leak / 2 * diff(f, u) / f - leak**2 / 12 * (diff(f, u) ** 2 / f + diff(f, u, 2))
    product = (expanded * _generator(f)).expand()
    return sum(product.coeff(leak, power) for power in (0, 1, 2)) - 1


def _slow_steps() -> Expr:
    """What the term in leak^2 gives over the line, less what grows with the window."""
    # f = A + B u^2: f'^2/f = 4 B - 4 A B/f, so that its bounded part is -4 A B times the passage time.
    f = A + B * u**2
    bounded = simplify(diff(f, u) ** 2 / f - 4 * B)
    return -leak / 12 * 2 * integrate(bounded, (u, 0, oo))


GENERAL = Step(
    "the slow manifold of a general tilted field of the plane: the coefficients by derivatives solve its invariance "
    "equation to this order",
    symbolic(_slow_manifold),
)
OWN = Source.own("invariance equation of the slow manifold at a minimum of |F|^2/2")
NARROW = Assumption(
    "the window reaches well beyond the bottleneck", before**2 / 25 > A / B, "the next term is below 0.1 % of the time"
)
NARROW_AFTER = Assumption("on both sides", after**2 / 25 > A / B, NARROW.reason)
WEAK = Assumption("the next order is small", Rational(1, 20) > A * (C**2 / B**3 + E**2 / B**3), "a ghost at all")
INNER = Assumption(
    "the window ends where the higher terms are still small",
    Rational(1, 25) > before**2 * (C**2 / B**2 + g1**2 * A / B + Abs(E) / B),
    "1/f is expanded in them",
)
INNER_AFTER = Assumption(
    "on both sides", Rational(1, 25) > after**2 * (C**2 / B**2 + g1**2 * A / B + Abs(E) / B), INNER.reason
)
SINGULAR = Step(
    "in any dimension the gradient of |F|^2/2 is J^T F: at a minimum with F != 0 J is singular, F its left null vector",
    symbolic(_square_of_flow),
)
CURVED = Step(
    "along the right null vector v the Hessian of |F|^2/2 is 2 A B/(l.l): a minimum needs A B > 0",
    symbolic(_curvature_along_null),
)
VALIDITY_NEXT = {"third_before": C * before / B, "third_after": C * after / B}
VALIDITY = {"width_before": sqrt(A / B) / before, "width_after": sqrt(A / B) / after}

full_passage_time = Claim(
    id="ghost.full_passage_time",
    title="Passage time of a ghost in any dimension, no window",
    statement=LEADING,
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="asymptotic",
    small_parameter=sqrt(A / B),
    order=1,
    validity=VALIDITY,
    source=OWN,
    derivation=(
        SINGULAR,
        CURVED,
        Step(
            "integral of du/(A + B u^2)", symbolic(lambda law: law, lambda: Integral(1 / (A + B * u**2), (u, -oo, oo)))
        ),
    ),
)

reduced_passage_time = Claim(
    id="ghost.reduced_passage_time",
    title="Passage time of a ghost through a window, in any dimension",
    statement=WINDOW,
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="asymptotic",
    small_parameter=sqrt(A / B),
    order=1,
    assumptions=(NARROW, NARROW_AFTER),
    validity=VALIDITY,
    source=OWN,
    derivation=(
        SINGULAR,
        CURVED,
        Step(
            "the time of A + B u^2 is an arctangent",
            symbolic(lambda: diff(atan(u / WIDTH) / sqrt(A * B), u), lambda: 1 / (A + B * u**2)),
        ),
        Step("for it the law misses A (1/before^3 + 1/after^3)/(3 B^2)", symbolic(_after_exact)),
        Step(
            "the slow manifold of a tilted example: coefficients beyond A and B enter one order later",
            symbolic(_slaved_in_time),
        ),
    ),
)

reduced_passage_time_next = Claim(
    id="ghost.reduced_passage_time_next",
    title="Passage time of a ghost to the next order",
    statement=NEXT,
    vocabulary=V,
    predicts=Quantity("passage_time", unit="time"),
    kind="asymptotic",
    small_parameter=sqrt(A / B),
    order=3,
    assumptions=(WEAK, INNER, INNER_AFTER),
    validity=VALIDITY_NEXT,
    notation=(
        "The error is of the order (A/B)^(3/2) relative to the time in a window of a fixed number of widths sqrt(A/B). "
        "A window fixed in u has an error of its own that does not vanish with A, of the order u^2 C^3/B^4 and of the "
        "coefficient of u^5: relative to the time it falls as sqrt(A), whatever order the law has."
    ),
    source=OWN,
    derivation=(
        SINGULAR,
        GENERAL,
        Step("the slow manifold of a tilted example", symbolic(_slaved_in_time)),
        Step(
            "the time grows at the end of the window by 1/f, to second order beyond A + B u^2 at fixed u/width",
            symbolic(lambda law: diff(law, after), lambda: _growth(after)),
        ),
        Step("and at its start", symbolic(lambda law: diff(law, before), lambda: _growth(-before))),
        Step(
            "an empty window takes no time", symbolic(lambda law: law.subs({before: 0, after: 0}), lambda: Integer(0))
        ),
        Step(
            "an unbounded one takes pi/sqrt(A B) (1 + delta), and what grows with the window",
            symbolic(lambda law: simplify(_per_arctangent(law) * pi / LEADING - 1), lambda: _second_order()),
        ),
    ),
)

reduced_strength = Claim(
    id="ghost.reduced_strength",
    title="Distance to the saddle-node, from the ghost alone",
    statement=A * B,
    vocabulary=V,
    predicts=Quantity("planted_r", unit="1/time^2"),
    kind="asymptotic",
    small_parameter=A * B,
    order=1,
    source=OWN,
    derivation=(
        SINGULAR,
        CURVED,
        Step("r + x^2 takes pi/sqrt(r), the ghost pi/sqrt(A B)", symbolic(lambda law: pi / sqrt(law), lambda: LEADING)),
    ),
)

reduced_strength_next = Claim(
    id="ghost.reduced_strength_next",
    title="Distance to the saddle-node, to the next order",
    statement=A * B * (1 - 2 * DELTA),
    vocabulary=V,
    predicts=Quantity("planted_r", unit="1/time^2"),
    kind="asymptotic",
    small_parameter=A * B,
    order=2,
    source=OWN,
    derivation=(
        SINGULAR,
        Step(
            "r + x^2 in any coordinates takes the time pi/sqrt(r), whose share of the order sqrt(r) is no edge's",
            symbolic(lambda law: _cut(pi / sqrt(law.subs(A, A * eps)) * sqrt(eps), eps, 2),
                     lambda: LEADING * (1 + eps * _second_order())),
        ),
        GENERAL,
    ),
)  # fmt: skip

leaky_passage_steps = Claim(
    id="ghost.leaky_passage_steps",
    title="Steps of a leaky network through a ghost",
    statement=STEPS,
    vocabulary=V,
    predicts=Quantity("passage_steps", unit="step"),
    kind="asymptotic",
    small_parameter=sqrt(A / B),
    order=1,
    assumptions=(NARROW, NARROW_AFTER),
    validity=VALIDITY,
    notation="x' = (1 - a) x + a phi(x) is the step x + a F(x), F = phi - x; steps are counted with fractions",
    source=Source.own("the flow that interpolates the map, to second order in the leak"),
    derivation=(
        SINGULAR,
        Step(
            "the map u + a f(u) is the flow of f - a f f'/2 + a^2 (4 f f'^2 + f^2 f'')/12", symbolic(_flow_over_a_step)
        ),
        Step("its inverse", symbolic(_inverse_generator)),
        Step(
            "the term in a of the inverse integrates to log(f(after)/f(-before))/2, log(after/before) at A = 0",
            symbolic(
                lambda: diff(log(Function("f")(u)) / 2, u), lambda: diff(Function("f")(u), u) / Function("f")(u) / 2
            ),
        ),
        Step(
            "the term in a^2 to leak^2 A B/3 of the passage",
            symbolic(lambda law: law - WINDOW / leak - log(after / before), lambda: _slow_steps()),
        ),
    ),
)

CLAIMS = (
    full_passage_time,
    reduced_passage_time,
    reduced_passage_time_next,
    reduced_strength,
    reduced_strength_next,
    leaky_passage_steps,
)
