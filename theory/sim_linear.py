"""Structured identity mapping: one linear layer, and the field that drives the tied network W = U U^T.

Setting and notation: theory/sim.py.
"""

from __future__ import annotations

from sympy import Abs, Expr, Matrix, Piecewise, Rational, diag, exp, eye, log, sqrt, symbols

from theory.claim import Assumption, Claim, Correction, Quantity, Source, Step, certified, high_precision, symbolic
from theory.sim_vocabulary import (
    V,
    a,
    a_1,
    a_2,
    a_column,
    a_max,
    lr,
    s_2,
    step,
    t,
    target,
    w_0,
    w_11,
    w_12,
    w_22,
    w_pp,
)

PAPER = "Yang2025"


# --- one layer ---

x, y, z = symbols("x y z", positive=True)

ONE_LAYER = target + (w_0 - target) * exp(-a_column * t)
ONE_LAYER_STEPS = target + (w_0 - target) * (1 - lr * a_column) ** step

one_layer_printed = Claim(
    id="sim.one_layer_printed",
    title="Gradient flow of one linear layer, as printed for any probe",
    statement=Piecewise((target * (1 - exp(-a_column * t)) + w_0 * exp(-a_column * t), a_column > 0), (0, True)),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="closed form",
    source=Source(
        PAPER,
        "Theorem 4.1, Eq. (4.2)",
        printed=(
            r"f(W(t); z)_k = \mathbf{1}_{\{k \le s\}} (1 - e^{-a_k t}) z_k + \sum_{i=1}^{s} e^{-a_i t} w_{k,i}(0) z_i"
        ),
        assuming="any probe z in R^d",
    ),
    notation="the coefficient of z_i: columns i > s, which the sum leaves out, would be 0",
    derivation=(
        Step(
            "for columns with data it is the solution of dw/dt = a (target - w)",
            symbolic(lambda law: (law - ONE_LAYER).subs(a_column, x)),
        ),
        Step("columns without data are left out", symbolic(lambda law: law.subs(a_column, 0))),
    ),
)

one_layer = Claim(
    id="sim.one_layer",
    title="Gradient flow of one linear layer",
    statement=ONE_LAYER,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="closed form",
    source=Source.own("the matrix solution; for probes along the concepts it is Eq. (4.2) of the paper"),
    corrects=Correction(
        "sim.one_layer_printed",
        "misprint",
        "the sum over i runs to d: columns without data (a_i = 0) keep their start. For probes along the concepts, "
        "which are those that the paper uses, both forms are the same",
    ),
    notation="entrywise W(t) = 1 + (W(0) - 1) e^(-A t); a column without data never moves",
    derivation=(
        Step(
            "solves dw/dt = a (target - w), entrywise minus the gradient of L",
            symbolic(lambda law: law.diff(t), lambda law: a_column * (target - law)),
        ),
        Step("starts at w_0", symbolic(lambda law: law.subs(t, 0) - w_0)),
    ),
)

one_layer_discrete = Claim(
    id="sim.one_layer_discrete",
    title="Gradient descent on one linear layer",
    statement=ONE_LAYER_STEPS,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="identity",
    source=Source.own("the error in a column shrinks by 1 - learning_rate a in every step"),
    derivation=(
        Step(
            "follows w <- w + learning_rate a (target - w)",
            symbolic(lambda law: law.subs(step, step + 1) - law, lambda law: lr * a_column * (target - law)),
        ),
        Step("starts at w_0", symbolic(lambda law: law.subs(step, 0) - w_0)),
    ),
)

one_layer_critical_learning_rate = Claim(
    id="sim.one_layer_critical_learning_rate",
    title="Largest stable learning rate of one linear layer",
    statement=2 / a_max,
    vocabulary=V,
    predicts=Quantity("learning_rate", unit="time/step"),
    kind="threshold",
    source=Source.own("the factor 1 - learning_rate a has modulus one"),
    derivation=(
        Step("the factor has modulus one", symbolic(lambda law: (1 - lr * a_max).subs(lr, law) ** 2 - 1)),
        Step(
            "and its modulus grows with the learning rate there",
            symbolic(lambda law: ((1 - lr * a_max) ** 2).diff(lr).subs(lr, law) - 2 * a_max),
        ),
        Step(
            "the modulus is below one at all smaller rates, and for all smaller a",
            certified(
                lambda law: (1 - x * y * lr * a_max).subs(lr, law) ** 2 < 1,
                over={x: (Rational(1, 10**4), Rational(9999, 10**4)), y: (Rational(1, 10**3), 1)},
            ),
        ),
    ),
)


# --- two tied layers: the field ---

W2 = Matrix([[w_11, w_12], [w_12, w_22]])
A2 = diag(a_1, a_2)


def field(w: Matrix, second_moment: Matrix) -> Matrix:
    """F(W) of the module's docstring."""
    growth = second_moment * w + w * second_moment
    return 2 * growth - (second_moment * w * w + w * w * second_moment + 2 * w * second_moment * w)


FIELD_12 = w_12 * (2 * (a_1 + a_2) - (3 * a_1 + a_2) * w_11 - (a_1 + 3 * a_2) * w_22)
SECOND_12 = w_12 * (
    2 * a_1 * (w_11 - 1) * ((a_1 + a_2) * w_11 + 2 * a_2 * (w_22 - 1))
    + (a_1 + a_2) * ((a_1 + a_2) * w_12**2 + 2 * a_2 * (w_22 - 1) * w_22)
)


def _descent_on_u() -> Matrix:
    """W after one step of descent on U, minus W + lr F + lr^2 M W M, for a 2 x 2 matrix U of symbols."""
    u = Matrix(2, 2, symbols("u:4"))
    w = u * u.T
    loss = sum(entry**2 for entry in (w - eye(2)) * diag(sqrt(a_1), sqrt(a_2))) / 2
    moved = u - lr * Matrix(2, 2, [loss.diff(entry) for entry in u])
    m = A2 * (w - eye(2)) + (w - eye(2)) * A2
    return (moved * moved.T - (w + lr * field(w, A2) + lr**2 * m * w * m)).expand()


def _second_order() -> Expr:
    m = A2 * (W2 - eye(2)) + (W2 - eye(2)) * A2
    return (m * W2 * m)[0, 1] - SECOND_12


def _step_12() -> Expr:
    """Entry 12 of lr F + lr^2 M W M."""
    m = A2 * (W2 - eye(2)) + (W2 - eye(2)) * A2
    return lr * field(W2, A2)[0, 1] + lr**2 * (m * W2 * m)[0, 1]


def _printed_12() -> Expr:
    """G - S - N of the paper for i = 1, j = 2 among two concepts."""
    growth = w_12 * (a_1 + a_2)
    suppression = w_12 / 2 * (w_11 * (3 * a_1 + a_2) + w_22 * (3 * a_2 + a_1))
    return growth - suppression


tied_step_printed = Claim(
    id="sim.tied_step_printed",
    title="One step of the tied network, as printed",
    statement=lr * (w_12 * (a_1 + a_2) - w_12 / 2 * ((3 * a_1 + a_2) * w_11 + (a_1 + 3 * a_2) * w_22)),
    vocabulary=V,
    predicts=Quantity("increment of w_12", unit="1/step"),
    kind="identity",
    source=Source(
        PAPER,
        "Sec. 4.2, Eq. (4.3), growth minus suppression minus noise",
        printed=(
            r"\dot w_{ij} = \underbrace{w_{ij}(a_i + a_j)}_{G_{ij}} - \underbrace{\tfrac12 w_{ij}"
            r"\left[w_{ii}(3a_i + a_j) + \mathbf{1}_{\{i \ne j\}} w_{jj}(3a_j + a_i)\right]}_{S_{ij}} "
            r"- \underbrace{\tfrac12 \sum_{k \notin \{i,j\}} w_{ki}w_{kj}(a_i + a_j + 2a_k)}_{N_{ij}}"
        ),
    ),
    notation="G - S - N with i = 1, j = 2; the noise term needs a third concept",
    derivation=(
        Step(
            "the printed field is half of the gradient flow of L",
            symbolic(lambda: field(W2, A2)[0, 1] / 2 - _printed_12()),
        ),
        Step("the statement is one step along it", symbolic(lambda law: law - lr * field(W2, A2)[0, 1] / 2)),
    ),
)

tied_recurrence = Claim(
    id="sim.tied_recurrence",
    title="One step of the tied network by the printed recurrence on W",
    statement=lr * FIELD_12,
    vocabulary=V,
    predicts=Quantity("increment of w_12", unit="1/step"),
    kind="identity",
    assumptions=(
        Assumption(
            "the paper's step size, with the largest second moment: eta <= 1/(9 K gamma alpha), K = 20",
            2 * lr * a_1 <= Rational(1, 180),
            "eta = 2 learning_rate, since the printed field is half of the gradient flow",
        ),
    ),
    source=Source(
        PAPER,
        "Appendix D, Eqs. (D.1)-(D.2)",
        printed=r"\frac{W(t+1) - W(t)}{\eta} = WA + AW - \tfrac12\left(AW^2 + W^2A + 2WAW\right)",
        assuming=r"$\eta \le 1/(9 K \gamma \alpha)$ with $K \ge 20$ and $\gamma \alpha \ge \max_k a_k$",
    ),
    notation="eta = 2 learning_rate: the convention of the field is not counted against the recurrence",
    derivation=(
        Step(
            "eta times the printed field is learning_rate F",
            symbolic(lambda law: [2 * lr * _printed_12() - law, lr * field(W2, A2)[0, 1] - law]),
        ),
    ),
)

tied_step = Claim(
    id="sim.tied_step",
    title="One step of the tied network",
    statement=lr * FIELD_12 + lr**2 * SECOND_12,
    vocabulary=V,
    predicts=Quantity("increment of w_12", unit="1/step"),
    kind="identity",
    source=Source.own("W <- W + lr F + lr^2 M W M, M = A (W - 1) + (W - 1) A, exact for descent on U"),
    corrects=(
        Correction(
            "sim.tied_step_printed",
            "convention",
            "the printed field is F/2: the orbits are the same, run through in the time 2 t",
        ),
        Correction(
            "sim.tied_recurrence",
            "assumption fails",
            "descent on U is no recurrence of first order in the step: it adds learning_rate^2 M W M, without which W "
            "can lose its positivity",
        ),
    ),
    derivation=(
        Step("descent on U moves W by lr F + lr^2 M W M", symbolic(_descent_on_u)),
        Step("entry 12 of F for two concepts", symbolic(lambda: field(W2, A2)[0, 1] - FIELD_12)),
        Step("entry 12 of M W M for two concepts", symbolic(_second_order)),
        Step("the statement is entry 12 of that step", symbolic(lambda law: law - _step_12())),
    ),
)


# --- two tied layers: growth, and the rise and fall of the off-diagonal entry ---

W11_FLOW = w_11 * exp(4 * a_1 * t) / (1 + w_11 * (exp(4 * a_1 * t) - 1))
KAPPA = (3 * a_1 + a_2) / (4 * a_1)
W12_FLOW = w_12 * exp(2 * (a_1 + a_2) * t) * (1 + w_11 * (exp(4 * a_1 * t) - 1)) ** (-KAPPA)
ALPHA = a_2 / a_1
PEAK = 2 * (1 + ALPHA) / (1 - ALPHA)
PEAK_HEIGHT = Abs(w_12) * (PEAK / w_11) ** ((1 + ALPHA) / 2) * ((1 - ALPHA) / (3 + ALPHA)) ** ((3 + ALPHA) / 4)
PEAK_W22 = s_2 * (PEAK / w_11) ** ALPHA + PEAK_HEIGHT**2 / (2 * (1 + ALPHA) / (3 + ALPHA))

diagonal_logistic = Claim(
    id="sim.diagonal_logistic",
    title="A concept alone",
    statement=w_pp * exp(4 * a * t) / (1 + w_pp * (exp(4 * a * t) - 1)),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="closed form",
    source=Source.own("the diagonal of F without off-diagonal entries is 4 a w (1 - w)"),
    derivation=(
        Step(
            "the diagonal of F without off-diagonal entries",
            symbolic(lambda: field(W2.subs(w_12, 0), A2)[0, 0] - 4 * a_1 * w_11 * (1 - w_11)),
        ),
        Step(
            "the logistic curve solves it",
            symbolic(lambda law: law.diff(t), lambda law: 4 * a * law * (1 - law)),
        ),
        Step("and starts at w_pp", symbolic(lambda law: law.subs(t, 0) - w_pp)),
    ),
)

early_growth = Claim(
    id="sim.early_growth",
    title="Early growth keeps the sign of every entry",
    statement=w_12 * ((1 + 2 * lr * a_1) * (1 + 2 * lr * a_2)) ** step,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="closed form",
    source=Source.own("the linear part of descent on U; as learning_rate -> 0, e^(2 (a_1 + a_2) t)"),
    assumptions=(
        Assumption(
            "all entries still small",
            (w_11 * (1 + 2 * lr * a_1) ** (2 * step) + w_22 * (1 + 2 * lr * a_2) ** (2 * step)) < 0.01,
            "the neglected terms are at most 3/2 of it, relative to growth, in the last time constant",
        ),
    ),
    derivation=(
        Step(
            "W <- (1 + 2 lr A) W (1 + 2 lr A) up to terms of second order in W",
            symbolic(
                lambda: (
                    Matrix([_step_12() + w_12]).jacobian([w_11, w_12, w_22]).subs({w_11: 0, w_12: 0, w_22: 0})
                    - Matrix([[0, (1 + 2 * lr * a_1) * (1 + 2 * lr * a_2), 0]])
                )
            ),
        ),
        Step(
            "the statement grows by that factor in every step, from w_12",
            symbolic(
                lambda law: [law.subs(step, 0), law.subs(step, step + 1) / law],
                lambda: [w_12, 1 + _step_12().diff(w_12).subs({w_11: 0, w_12: 0, w_22: 0})],
            ),
        ),
    ),
)  # fmt: skip

PEAK_ASSUMPTIONS = (
    Assumption("the strongest concept has a rival", ALPHA < 0.9, "for equal strengths the entry never falls"),
    Assumption("small start", w_11 < 0.01, "w_11(0) is neglected against one"),
    Assumption(
        "the weak concept is still small at the peak",
        PEAK_W22 < 0.02,
        "its suppression (a_1 + 3 a_2) w_22 is neglected against 2 (a_1 + a_2)",
    ),
    Assumption("close to gradient flow", lr * a_1 * log(1 / w_11) < 0.05, "growth per step is taken as exponential"),
)
PEAK_VALIDITY = {"weak_at_peak": PEAK_W22, "start": w_11, "step_size": lr * a_1 * log(1 / w_11)}
PEAK_STEPS = (
    Step(
        "w_12 follows its field with the logistic w_11, w_22 neglected",
        symbolic(lambda: W12_FLOW.diff(t) / W12_FLOW - _growth_12(W11_FLOW)),
    ),
    Step(
        "which solves dw/dt = 4 a w (1 - w)", symbolic(lambda: W11_FLOW.diff(t) - 4 * a_1 * W11_FLOW * (1 - W11_FLOW))
    ),
    Step(
        "both start where they should",
        symbolic(lambda: [W12_FLOW.subs(t, 0), W11_FLOW.subs(t, 0)], lambda: [w_12, w_11]),
    ),
    Step(
        "it turns where w_11/(1 - w_11) = 2 (1 + alpha)/(1 - alpha), w_11 = 2 (1 + alpha)/(3 + alpha)",
        symbolic(lambda: _growth_12(PEAK / (1 + PEAK))),
    ),
    Step(
        "from rising to falling, for a_2 < a_1 = 1",
        certified(
            lambda: [_growth_12(x).subs({a_1: 1, a_2: y}) > 0, _growth_12(z).subs({a_1: 1, a_2: y}) < 0],
            over={x: (0, Rational(66, 100)), z: (Rational(999, 1000), 1), y: (Rational(1, 100), Rational(9, 10))},
        ),
    ),
    Step(
        "-log(1 - w_11(0)), by which the time is longer in units of 1/(4 a_1), is below 1.006 w_11(0)",
        certified(lambda: -log(1 - x) < Rational(1006, 1000) * x, over={x: (Rational(1, 10**9), Rational(1, 100))}),
    ),
)


def _growth_12(strong: Expr) -> Expr:
    """d log w_12/dt of the flow for w_11 = strong, w_22 = 0."""
    return (field(W2, A2)[0, 1] / w_12).expand().subs(w_22, 0).subs(w_11, strong)


def _growth_at(law: Expr) -> Expr:
    """The same at the time of the law, for small w_11(0) where w_11/(1 - w_11) = w_11(0) e^(4 a_1 t)."""
    ratio = w_11 * exp(4 * a_1 * law)
    return _growth_12(ratio / (1 + ratio))


def _peak_height_residual(law: Expr) -> Expr:
    """The flow at the peak over the law, for small w_11(0) where 1 + w_11 (e - 1) = 1 + w_11 e."""
    grown = PEAK / w_11
    exact = w_12 * grown ** ((1 + ALPHA) / 2) * (1 + w_11 * grown) ** (-KAPPA)
    return exact / law.subs(Abs(w_12), w_12) - 1


off_diagonal_peak_time = Claim(
    id="sim.off_diagonal_peak_time",
    title="When the off-diagonal entry turns",
    statement=log(PEAK / w_11) / (4 * a_1),
    vocabulary=V,
    predicts=Quantity("peak_time", unit="time"),
    kind="closed form",
    source=Source.own("Bernoulli equation for w_12 driven by the logistic w_11"),
    assumptions=PEAK_ASSUMPTIONS,
    validity=PEAK_VALIDITY,
    derivation=(*PEAK_STEPS, Step("at the stated time", symbolic(_growth_at))),
)

off_diagonal_peak_height = Claim(
    id="sim.off_diagonal_peak_height",
    title="How high the off-diagonal entry rises",
    statement=PEAK_HEIGHT,
    vocabulary=V,
    predicts=Quantity("peak_height"),
    kind="closed form",
    source=Source.own("Bernoulli equation for w_12 driven by the logistic w_11"),
    assumptions=PEAK_ASSUMPTIONS,
    validity=PEAK_VALIDITY,
    derivation=(
        *PEAK_STEPS,
        Step(
            "height at the turning point",
            high_precision(
                _peak_height_residual,
                over={a_1: (1, 3), a_2: (0.05, 0.9), w_11: (1e-8, 1e-2)},
            ),
        ),
    ),
)

CLAIMS = (
    one_layer_printed,
    one_layer,
    one_layer_discrete,
    one_layer_critical_learning_rate,
    tied_step_printed,
    tied_recurrence,
    tied_step,
    diagonal_logistic,
    early_growth,
    off_diagonal_peak_time,
    off_diagonal_peak_height,
)
