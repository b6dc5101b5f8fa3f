"""Structured identity mapping: the stage bounds that the paper proves for the tied network, and sharper ones.

Setting and notation: theory/sim.py; the paper's assumptions: theory/sim_stage_start.py.
"""

from __future__ import annotations

from sympy import Abs, Expr, Integer, Max, Rational, exp, symbols

from theory.claim import Assumption, Claim, Quantity, Source, Step, certified, symbolic
from theory.sim_linear import A2, FIELD_12, PAPER, W2, field
from theory.sim_stage_start import (
    ALL,
    PHASE,
    SMALL,
    STEP_SIZE,
    K,
    Y,
    contrast,
    kappa,
    omega,
    pair_rate,
    spread,
    w_before,
)
from theory.sim_vocabulary import V, a_1, a_2, a_max, t, w_0, w_11, w_12, w_22

# --- checks that several claims share; two concepts, so that no noise term enters ---

x, y, z, q = symbols("x y z q", positive=True)
RATE_12 = (FIELD_12 / w_12).expand()
"""d log w_12/dt of the flow."""
BOX = {a_1: (1, 3), a_2: (Rational(1, 20), 1)}
SMALL_ENTRIES = {w_11: (Rational(1, 10**6), Rational(1, 100)), w_22: (Rational(1, 10**6), Rational(1, 100))}


def _starts(law: Expr) -> Expr:
    return law.subs(t, 0) - Abs(w_0)


def _noise_share() -> Expr:
    """The bound on the noise term at the largest omega, over the spare growth (kappa - 1) 2 alpha omega, less 1/K.

    Paper's field: |N| <= 2 P gamma alpha d beta^2 omega^2, with P gamma d beta^2 omega = (kappa - 1)/K at the latest.
    """
    big_p, alpha, d = symbols("P alpha d", positive=True)
    least = (kappa - 1) / (big_p * K * contrast * d * spread**2)
    noise = 2 * big_p * contrast * alpha * d * spread**2 * least**2
    return noise / ((kappa - 1) * 2 * alpha * least) - 1 / K


growth_upper = Claim(
    id="sim.stage_growth_upper",
    title="No entry grows faster than its signals allow",
    statement=Abs(w_0) * exp(2 * kappa * pair_rate * t),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source(
        PAPER, "Lemma D.1", printed=r"|w_{ij}(t)| \le |w_{ij}(0)| \exp(\eta t (a_i + a_j) \kappa)",
        assuming="the assumptions of Appendix D.1",
    ),
    assumptions=ALL,
    notation="eta times the paper's t is 2 learning_rate * step",
    derivation=(
        Step("it starts at |w_ij(0)|", symbolic(_starts)),
        Step("and grows at the rate 2 kappa (a_i + a_j)", 
             symbolic(lambda law: law.diff(t) - 2 * kappa * pair_rate * law)),
        Step(
            "an entry between two concepts grows more slowly than 2 (a_1 + a_2), for all positive diagonals",
            symbolic(lambda: 2 * (a_1 + a_2) > RATE_12),
        ),
        Step("further rows add at most (kappa - 1)/K of the growth, by the small start", symbolic(_noise_share)),
    ),
)  # fmt: skip

growth_lower = Claim(
    id="sim.stage_growth_lower",
    title="Every entry grows in the initial phase",
    statement=Abs(w_0) * exp(2 * pair_rate * t / kappa),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source(
        PAPER, "Lemma D.2", printed=r"|w_{ij}(t)| \ge |w_{ij}(0)| \exp(\eta t (a_i + a_j) \kappa^{-1})",
        assuming=r"the assumptions of Appendix D.1 and $t \le \log P/(2 \eta \gamma \alpha \kappa)$",
    ),
    assumptions=(
        STEP_SIZE,
        SMALL,
        Assumption("in the initial phase, for the largest P", t <= PHASE),
    ),
    notation="eta times the paper's t is 2 learning_rate * step; P = Y/(beta omega)",
    derivation=(
        Step("it starts at |w_ij(0)|", symbolic(_starts)),
        Step("and grows at the rate 2 (a_i + a_j)/kappa", 
             symbolic(lambda law: law.diff(t) - 2 * pair_rate * law / kappa)),
        Step(
            "by the upper bound no diagonal exceeds Y before the phase ends",
            symbolic(lambda: spread * omega * exp(2 * kappa * 2 * a_max * PHASE) - Y),
        ),
        Step(
            "Y is below 1/800 for kappa = 1.1 and three times stronger signals; below 1/100 an entry grows faster than "
            "2 (a_1 + a_2)/1.1",
            certified(lambda: 20 * (a_1 + a_2) < 11 * RATE_12, over=BOX | SMALL_ENTRIES),
        ),
    ),
)  # fmt: skip

growth_sharp = Claim(
    id="sim.stage_growth_sharp",
    title="The entry between two concepts grows at most as if alone",
    statement=Abs(w_12) * exp(2 * (a_1 + a_2) * t),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source.own("kappa = 1: the suppression of w_12 has its sign as long as diagonals are not negative"),
    notation="two concepts, no further row; attained in the beginning",
    derivation=(
        Step(
            "d log|w_12|/dt is below 2 (a_1 + a_2) for all positive diagonals",
            symbolic(lambda: 2 * (a_1 + a_2) > RATE_12),
        ),
        Step(
            "at which the statement grows, from |w_12(0)|",
            symbolic(
                lambda law: [law.diff(t) / law, law.subs(t, 0)],
                lambda: [RATE_12.subs({w_11: 0, w_22: 0}), Abs(w_12)],
            ),
        ),
    ),
)  # fmt: skip

# --- diagonals ---


def _eigenvalue_drift(size: Expr) -> Expr:
    """v^T F v for a unit eigenvector v of W with eigenvalue `size`; the other eigenvalue is q."""
    v, across = W2.zeros(2, 1), W2.zeros(2, 1)
    cosine, sine = (1 - z**2) / (1 + z**2), 2 * z / (1 + z**2)
    v[0], v[1], across[0], across[1] = cosine, sine, -sine, cosine
    w = size * v * v.T + q * across * across.T
    return (v.T * field(w, A2) * v)[0, 0]


def _on_a_diagonal(at: Expr) -> Expr:
    """d w_11/dt where w_11 = `at`."""
    return field(W2, A2)[0, 0].subs(w_11, at)


NEAR = {K: (20, 200), w_12: (Rational(-1, 100), Rational(1, 100))}

diagonal_upper = Claim(
    id="sim.stage_diagonal_upper",
    title="No diagonal entry overshoots",
    statement=1 + 2 / K,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source(
        PAPER, "Lemma D.5", printed=r"w_{ii}(t) \le 1 + 2 K^{-1}", assuming="the assumptions of Appendix D.1",
    ),
    assumptions=ALL,
    derivation=(
        Step("w_11 falls from there, whatever w_12", certified(lambda law: _on_a_diagonal(law) < 0, over=BOX | NEAR)),
    ),
)  # fmt: skip

diagonal_stays = Claim(
    id="sim.stage_diagonal_stays",
    title="A concept once learned stays learned",
    statement=1 - 2 / K,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source(
        PAPER, "Lemma D.6", printed=r"w_{ii}(t) \ge 1 - 2 K^{-1} \text{ for } t \ge t_0",
        assuming=r"the assumptions of Appendix D.1 and $w_{ii}(t_0) \ge 1 - 2 K^{-1}$",
    ),
    assumptions=ALL,
    derivation=(
        Step(
            "w_11 rises from there while |w_12| <= 0.01",
            certified(lambda law: _on_a_diagonal(law) > 0, over=BOX | NEAR),
        ),
    ),
)  # fmt: skip

spectrum = Claim(
    id="sim.stage_spectrum",
    title="From a start below the identity no diagonal entry ever exceeds one",
    statement=Integer(1),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source.own("v^T F v = 4 x (1 - x) v^T A v for an eigenvector v of W with eigenvalue x"),
    notation="gradient flow of any number of concepts; W(0) has no eigenvalue above one. No assumption on signals",
    derivation=(
        Step(
            "v^T F v for two concepts, whatever the other eigenvalue",
            symbolic(
                lambda: _eigenvalue_drift(x)
                - 4 * x * (1 - x) * (a_1 * (1 - z**2) ** 2 + a_2 * 4 * z**2) / (1 + z**2) ** 2
            ),
        ),
        Step("no eigenvalue passes the stated one", symbolic(lambda law: _eigenvalue_drift(law))),
        Step("and larger ones fall", symbolic(lambda law: ((law + x) * (1 - law - x)).expand() < 0)),
    ),
)  # fmt: skip

strongest_rises = Claim(
    id="sim.stage_strongest_rises",
    title="The strongest concept is never unlearned",
    statement=w_before,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source.own("w_12^2 <= w_11 (1 - w_11) while no eigenvalue of W leaves [0, 1]"),
    notation="w_11(t) >= w_11(t_0) at all t >= t_0, from W(0) with eigenvalues in [0, 1]; any a_2 < a_1",
    derivation=(
        Step(
            "w_12^2 is below w_11 w_22 and (1 - w_11)(1 - w_22), weighed with 1 - w_11 and w_11: w_11 (1 - w_11)",
            symbolic(lambda: (1 - w_11) * (w_11 * w_22) + w_11 * (1 - w_11) * (1 - w_22) - w_11 * (1 - w_11)),
        ),
        Step(
            "with that value w_11 still rises, at 2 (a_1 - a_2) w_11 (1 - w_11)",
            symbolic(
                lambda law: (
                    field(W2, A2)[0, 0].expand().subs(w_12**2, w_11 * (1 - w_11)).subs(w_11, law)
                    - 2 * (a_1 - a_2) * w_before * (1 - w_before)
                )
            ),
        ),
    ),
)

# --- off-diagonal entries ---

TURNING = 2 * (a_1 + a_2) / (3 * a_1 + a_2)

suppression = Claim(
    id="sim.stage_suppression",
    title="Once a concept is learned to four fifths, its off-diagonal entries no longer grow",
    statement=Max(w_before, omega),
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source(
        PAPER, "Lemma D.7", printed=r"|w_{ij}(t)| \le \max\{|w_{ij}(t_0)|, \omega\}",
        assuming=r"the assumptions of Appendix D.1, $w_{ii}(t_0) > 0.8$ and $i$ the stronger concept",
    ),
    assumptions=ALL,
    derivation=(
        Step(
            "at w_11 = 4/5 the entry changes at the rate -(2/5)(a_1 - 3 a_2), so that 4/5 needs a_1 >= 3 a_2",
            symbolic(lambda: RATE_12.subs({w_11: Rational(4, 5), w_22: 0}) + Rational(2, 5) * (a_1 - 3 * a_2)),
        ),
        Step("and more slowly for larger diagonals", symbolic(lambda: RATE_12.diff(w_11) < -a_1)),
        Step(
            "the bound is the larger one of where the entry was and the floor",
            symbolic(
                lambda law: [law.subs(w_before, omega * (1 + x)), law.subs(w_before, omega / (1 + x))],
                lambda: [omega * (1 + x), omega],
            ),
        ),
    ),
)  # fmt: skip

turning_value = Claim(
    id="sim.stage_turning_value",
    title="How far the strong concept is learned when the off-diagonal entry turns",
    statement=TURNING,
    vocabulary=V,
    predicts=Quantity("w_11 at the peak of w_12"),
    kind="closed form",
    source=Source.own(
        "the suppression of w_12 by w_11 balances its growth; the paper's 4/5 is the value at a_1 = 3 a_2"
    ),
    assumptions=(Assumption("the strongest concept has a rival", a_2 / a_1 < 0.9),),
    notation="the weak concept is still small at the turn",
    derivation=(
        Step("there d w_12/dt vanishes for w_22 = 0", symbolic(lambda law: RATE_12.subs(w_22, 0).subs(w_11, law))),
        Step("it is 4/5 at a_1 = 3 a_2", symbolic(lambda law: law.subs(a_1, 3 * a_2) - Rational(4, 5))),
        Step(
            "and below 4/5 for all weaker rivals, above it for all stronger ones",
            certified(
                lambda law: [
                    law.subs({a_1: 1, a_2: x}) < Rational(4, 5),
                    law.subs({a_1: 1, a_2: y}) > Rational(4, 5),
                ],
                over={x: (0, Rational(333, 1000)), y: (Rational(334, 1000), 1)},
            ),
        ),
    ),
)

suppression_sharp = Claim(
    id="sim.stage_suppression_sharp",
    title="Once a concept has passed the turning value, the entry with a weaker one only falls",
    statement=w_before,
    vocabulary=V,
    predicts=Quantity("W"),
    kind="bound",
    source=Source.own("the turning value in place of 4/5, and w_11 rises for good: no separation of signals is needed"),
    notation="two concepts, a_2 < a_1; W(0) with eigenvalues in [0, 1]; from w_11 = 2 (a_1 + a_2)/(3 a_1 + a_2) on",
    derivation=(
        Step(
            "d log|w_12|/dt at w_11 = turning value + x is -(3 a_1 + a_2) x - (a_1 + 3 a_2) w_22",
            symbolic(lambda: RATE_12.subs(w_11, TURNING + x) + (3 * a_1 + a_2) * x + (a_1 + 3 * a_2) * w_22),
        ),
        Step(
            "so it has fallen by the factor e^(-x) after any stretch with integral x, and is below the statement",
            certified(lambda law: law.subs(w_before, 1) * exp(-x) < 1, over={x: (Rational(1, 10**6), 50)}),
        ),
    ),
)

CLAIMS = (
    growth_upper,
    growth_lower,
    growth_sharp,
    diagonal_upper,
    diagonal_stays,
    spectrum,
    strongest_rises,
    suppression,
    suppression_sharp,
    turning_value,
)
