"""The slow manifold of a general tilted field, reduced in two ways that must give the same coefficients.

Two dimensions, l = (1, p), v = (1, 0), all coefficients free symbols up to the order that enters: by derivatives of F
along v and its slaved directions (as a search would compute them), and by undetermined coefficients of the manifold.
"""

from __future__ import annotations

from sympy import Expr, Matrix, Symbol, diff, solve, symbols

u, eps = symbols("u epsilon", positive=True)
x, y, p, k = symbols("x y p k")
QUADRATIC = symbols("f_xx f_xy f_yy g_xx g_xy g_yy")
CUBIC = symbols("f_xxx f_xxy g_xxx g_xxy")
QUARTIC = symbols("f_xxxx g_xxxx")
LEFT, NULL, ACROSS = Matrix([[1, p]]), Matrix([1, 0]), Matrix([-p, 1])
"""l, v, and the direction across: l v = 1, l ACROSS = 0."""


def tilted_field(A: Symbol) -> Matrix:
    """F(x, y) with J v = 0, l J = 0 and F = A l/(l.l) at the origin, up to the terms that reach the order eps^4."""
    a, b, c, d, e, f = QUADRATIC
    third, fourth = CUBIC, QUARTIC
    return Matrix([
        A / (1 + p**2) + p * k * y + a * x**2 + b * x * y + c * y**2 + third[0] * x**3 + third[1] * x**2 * y
        + fourth[0] * x**4,
        A * p / (1 + p**2) - k * y + d * x**2 + e * x * y + f * y**2 + third[2] * x**3 + third[3] * x**2 * y
        + fourth[1] * x**4,
    ])  # fmt: skip


def by_derivatives(A: Symbol) -> dict[str, Expr]:
    """Coefficients of the reduced flow from directional derivatives of F at the ghost."""
    field = tilted_field(A)

    def along(*directions: Matrix) -> Matrix:
        result = field
        for direction in directions:
            result = diff(result, x) * direction[0] + diff(result, y) * direction[1]
        return result.subs({x: 0, y: 0})

    def slaved(right: Matrix) -> Matrix:
        # J ACROSS = -(k + 0) times the part across: J is -k(1 - v l) here.
        return -(right - NULL * (LEFT * right)[0]) / k

    def left(vector: Matrix) -> Expr:
        return (LEFT * vector)[0]

    v, here = NULL, field.subs({x: 0, y: 0})
    second, third, fourth = along(v, v), along(v, v, v), along(v, v, v, v)
    B = left(second) / 2
    h20, h01 = slaved(-second / 2), slaved(-here / A)
    h30, h11 = slaved(2 * B * h20 - along(v, h20) - third / 6), slaved(2 * h20 - along(v, h01))
    return {
        "B": B,
        "C": left(along(v, h20) + third / 6),
        "g1": left(along(v, h01)),
        "E": left(along(v, h30) + along(h20, h20) / 2 + along(v, v, h20) / 2 + fourth / 24),
        "g2": left(along(v, h11) + along(h20, h01) + along(v, v, h01) / 2),
        "g3": left(along(h01, h01)) / 2,
    }


def by_undetermined_coefficients(A: Symbol) -> dict[str, Expr]:
    """The same from the invariance equation h'(u) f(u) = (1 - v l) F(u v + h(u)), order by order in u ~ sqrt(A)."""
    h20, h01, h30, h11 = unknown = symbols("h20 h01 h30 h11")
    height = eps**2 * (h20 * u**2 + h01 * A) + eps**3 * (h30 * u**3 + h11 * A * u)
    place = eps * u * NULL + height * ACROSS
    field = tilted_field(A * eps**2).subs({x: place[0], y: place[1]}, simultaneous=True)
    flow = (LEFT * field)[0].expand()
    residual = (diff(height, u) * flow / eps - field[1]).expand()
    conditions = [
        residual.coeff(eps, order).coeff(u, power).coeff(A, degree)
        for order, power, degree in ((2, 2, 0), (2, 0, 1), (3, 3, 0), (3, 1, 1))
    ]
    (solved,) = solve(conditions, unknown, dict=True)
    found = {"B": (2, 2, 0), "C": (3, 3, 0), "g1": (3, 1, 1), "E": (4, 4, 0), "g2": (4, 2, 1), "g3": (4, 0, 2)}
    return {
        name: flow.coeff(eps, order).coeff(u, power).coeff(A, degree).subs(solved)
        for name, (order, power, degree) in found.items()
    }
