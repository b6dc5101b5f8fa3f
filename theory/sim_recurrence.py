"""Structured identity mapping: descent on U against the recurrence on W = U U^T that the paper analyses.

Setting and notation: theory/sim.py. One step of descent on U moves W to (1 - lr M) W (1 - lr M) with
M = A(W - 1) + (W - 1)A, positive like W. The recurrence, W + lr F, lacks the last term of that, lr^2 M W M.
"""

from __future__ import annotations

from sympy import Expr, Integer, Matrix, Rational, expand, eye, factor, sqrt, symbols

from theory.claim import Claim, Quantity, Source, Step, symbolic
from theory.sim_linear import A2, PAPER, SECOND_12, W2, field
from theory.sim_stage_start import ALL
from theory.sim_vocabulary import V, a_1, a_2, lr, w_11, w_12, w_22

M = A2 * (W2 - eye(2)) + (W2 - eye(2)) * A2
RECURRENCE = W2 + lr * field(W2, A2)
SHRINKAGE = ((1 - 2 * lr * a_1 * (w_11 - 1)) * (1 - 2 * lr * a_2 * (w_22 - 1)) - (lr * (a_1 + a_2) * w_12) ** 2) ** 2
RANK_ONE = -w_11 * w_22 * (lr * (a_1 - a_2) * (2 - w_11 - w_22)) ** 2

x, y = symbols("x y", positive=True)


def _descended() -> Matrix:
    """W after one step of descent on U, for a 2 x 2 matrix U of symbols, and U itself."""
    u = Matrix(2, 2, symbols("u:4"))
    w = u * u.T
    m = A2 * (w - eye(2)) + (w - eye(2)) * A2
    moved = u - lr * m * u
    return moved * moved.T


def _gradient() -> Matrix:
    """Gradient of the loss in U, minus M U."""
    u = Matrix(2, 2, symbols("u:4"))
    w = u * u.T
    loss = sum(entry**2 for entry in (w - eye(2)) * A2.applyfunc(sqrt)) / 2
    m = A2 * (w - eye(2)) + (w - eye(2)) * A2
    return (Matrix(2, 2, [loss.diff(entry) for entry in u]) - m * u).expand()


def _rank_one(at: Matrix) -> Expr:
    """Determinant of the recurrence's next W where w_12^2 = w_11 w_22."""
    return factor(expand(at.det()).subs(w_12**4, w_11**2 * w_22**2).subs(w_12**2, w_11 * w_22).expand())


EXAMPLE = {w_11: Rational(1, 100), w_22: Rational(1, 100), w_12: Rational(1, 100), a_1: 2, a_2: Rational(1, 2)}
EXAMPLE_RATE = Rational(1, 720)
"""eta = 2 lr = 1/(9 K gamma alpha) with K = 20 and gamma alpha = a_1 = 2."""


def _example() -> list[Expr]:
    """Determinants after one step from the start of the example: by the recurrence, and by descent on U."""
    start = {**EXAMPLE, lr: EXAMPLE_RATE}
    descended = (eye(2) - lr * M) * W2 * (eye(2) - lr * M)
    return [RECURRENCE.subs(start).det(), descended.subs(start).det()]


second_order_term = Claim(
    id="sim.second_order_term",
    title="What descent on U adds to the recurrence on W",
    statement=lr**2 * SECOND_12,
    vocabulary=V,
    predicts=Quantity("increment of w_12 beyond the recurrence", unit="1/step"),
    kind="identity",
    source=Source.own("lr^2 M W M, exact: there is no term of third order"),
    derivation=(
        Step("the gradient of the loss is M U", symbolic(_gradient)),
        Step(
            "so W moves to (1 - lr M) W (1 - lr M), which is W + lr F + lr^2 M W M",
            symbolic(lambda: ((eye(2) - lr * M) * W2 * (eye(2) - lr * M) - RECURRENCE - lr**2 * M * W2 * M).expand()),
        ),
        Step("the statement is entry 12 of the last term", symbolic(lambda law: (lr**2 * M * W2 * M)[0, 1] - law)),
    ),
)

recurrence_positive = Claim(
    id="sim.recurrence_positive",
    title="Diagonal entries stay positive under the printed recurrence",
    statement=Integer(0),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source(
        PAPER,
        "Lemma D.5, with W(t) of Eqs. (D.1)-(D.2)",
        printed=r"0 \le w_{ii}(t)",
        assuming="the assumptions of Appendix D.1",
    ),
    assumptions=ALL,
    notation="eta = 2 learning_rate: the convention of the field is not counted against the recurrence",
    derivation=(
        Step(
            "holds for W = U U^T, whose diagonal entries are sums of squares",
            symbolic(lambda law: x**2 + y**2 - law > 0),
        ),
    ),
)

recurrence_determinant = Claim(
    id="sim.recurrence_determinant",
    title="One step of the recurrence from a matrix of rank one",
    statement=RANK_ONE,
    vocabulary=V,
    predicts=Quantity("determinant of W"),
    kind="identity",
    source=Source.own("the recurrence leaves the positive matrices at once, at any step size, if a_1 and a_2 differ"),
    notation="two concepts, w_12(0)^2 = w_11(0) w_22(0); descent on U keeps the determinant at zero",
    derivation=(
        Step("the determinant of W + lr F", symbolic(lambda law: _rank_one(RECURRENCE) - law)),
        Step(
            "negative at any step size",
            symbolic(lambda law: (law / (2 - w_11 - w_22) ** 2).subs(a_1, a_2 + x) < 0),
        ),
        Step(
            "at w_ij = 1/100, a = (2, 1/2) and the paper's step size it is -(33/800000)^2 in exact fractions, and 0 "
            "for descent on U",
            symbolic(
                lambda law: [*_example(), law.subs({**EXAMPLE, lr: EXAMPLE_RATE})],
                lambda: [-(Rational(33, 800_000) ** 2), 0, -(Rational(33, 800_000) ** 2)],
            ),
        ),
    ),
)

tied_determinant = Claim(
    id="sim.tied_determinant",
    title="By how much one step of descent on U changes the determinant of W",
    statement=SHRINKAGE,
    vocabulary=V,
    predicts=Quantity("determinant of W after a step over that before"),
    kind="identity",
    source=Source.own("W moves to (1 - lr M) W (1 - lr M): the determinant is multiplied by a square"),
    notation="positive like the determinant before: what the paper's proof needs, and the recurrence lacks",
    derivation=(
        Step("the gradient of the loss is M U", symbolic(_gradient)),
        Step(
            "the statement is det(1 - lr M)^2",
            symbolic(lambda law: (eye(2) - lr * M).det() ** 2 - law),
        ),
        Step(
            "and the determinant after the step is that multiple of the one before",
            symbolic(lambda law: ((eye(2) - lr * M) * W2 * (eye(2) - lr * M)).det() - law * W2.det()),
        ),
    ),
)

CLAIMS = (second_order_term, recurrence_positive, recurrence_determinant, tied_determinant)
