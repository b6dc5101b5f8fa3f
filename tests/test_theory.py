"""The theory room: vocabulary, statements, claims, mutants, checks, verification, registry."""

from __future__ import annotations

import doctest
import itertools
import json
import pathlib
import subprocess
import sys
import textwrap
import time
import xml.etree.ElementTree

import mpmath
import numpy as np
import pytest
import sympy as sp
import xarray as xr
from flint import arb

import theory
from theory import balls, references
from theory import claim as claim_module
from theory.ballfunctions import ball_function
from theory.certificate import Check, certified, high_precision, numerical, symbolic
from theory.claim import (
    Assumption,
    Claim,
    Correction,
    Derived,
    Minimum,
    Quantity,
    Root,
    Source,
    Step,
    Vocabulary,
)
from theory.compiled import numeric, precise
from theory.errors import ClaimUsageError, UnknownClaim
from theory.limits import OutOfTime, time_limit
from theory.mutants import sample_points
from theory.registry import CLAIMS, citation, get_claim, list_claims, load_claims, register
from theory.sampling import random_point
from theory.statement import Formula
from theory.verify import verify

POSITIVE = sp.Interval.open(0, sp.oo)

V = Vocabulary()
T = V.symbol("T", "length of the silent period", unit="time", domain=POSITIVE)
THRESHOLD = V.symbol("threshold", "output threshold", unit="1/time", domain=POSITIVE, typical=(0.5, 3))
BETA1 = V.symbol("beta1", "decay of the average", domain=sp.Interval.open(0, 1))
BETA2 = V.symbol("beta2", "decay of squares", domain=sp.Interval.open(0, 1))
N = V.symbol("n", "updates made", unit="step", domain=sp.S.Naturals)
X = V.symbol("x", "a real number")
V.input("mu", "means", dims=("concept",))
V.input("sigma", "spreads", domain=sp.Interval(0, sp.oo), dims=("concept",))
A = V.symbol(
    "a",
    "second moments",
    domain=POSITIVE,
    dims=("concept",),
    derived=Derived(lambda mu, sigma: mu**2 / mu.shape[-1] + sigma**2, ("mu", "sigma")),
)
V.input("initial_W", "start", dims=("row", "column"))
S = V.symbol(
    "s",
    "relative start of the concept",
    domain=sp.Interval.open(0, 1),
    dims=("concept",),
    derived=Derived(lambda w, a: np.diagonal(w, axis1=-2, axis2=-1) + 0 * a, ("initial_W", "a")),
)


def make(statement: object, id: str = "test.law", **fields: object) -> Claim:
    """A claim with everything else filled in."""
    settings = {
        "title": "A law", "vocabulary": V, "predicts": Quantity("rate"), "kind": "closed form", "source": Source.own()
    }  # fmt: skip
    return Claim(id=id, statement=statement, **(settings | fields))


SHARP = make(
    3 * sp.pi**4 / (32 * T**5),
    kind="threshold",
    assumptions=(Assumption("sharp threshold", T * THRESHOLD >= 2000),),
    validity={"sharpness": T * THRESHOLD},
)
TIMES = make(sp.log((1 - S) / S) / (4 * A))
DECAY = make((1 - BETA1**N) / (1 - BETA1))


# --- declaring -------------------------------------------------------------------------------------------------------


def test_docstring_example_runs() -> None:
    result = doctest.testmod(claim_module, optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    assert result.attempted > 5
    assert result.failed == 0


def test_symbols_take_their_assumptions_from_the_domain() -> None:
    assert T.is_positive
    assert N.is_integer
    assert N.is_positive
    assert X.is_real
    assert X.is_positive is None
    words = Vocabulary()
    assert words.symbol("z", "z", domain=sp.Interval(0, 1)).is_nonnegative
    assert words.symbol("m", "m", domain=sp.Interval.open(-sp.oo, 0)).is_negative


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (sp.Interval.Lopen(0, 1), [0.5, 1.0], [0.0, 1.1, np.nan, np.inf]),
        (sp.S.Naturals, [1, 7], [0, 2.5, -1]),
        (sp.S.Naturals0, [0, 7], [-1, 0.5]),
        (sp.S.Integers, [-3, 0], [0.5]),
        (sp.Range(2, 6), [2, 5], [1, 6, 2.5]),
        (sp.FiniteSet(1, 2), [1, 2], [3]),
        (sp.Union(sp.Interval(0, 1), sp.Interval(3, 4)), [0.5, 3.5], [2]),
        (sp.Interval(0, 1) - sp.FiniteSet(sp.Rational(1, 2)), [0.2], [0.5]),
    ],
)
def test_domains(domain: sp.Set, inside: list[float], outside: list[float]) -> None:
    words = Vocabulary()
    words.symbol("z", "z", domain=domain)
    assert words["z"].contains(np.array(inside, float)).all()
    assert not words["z"].contains(np.array(outside, float)).any()
    rng = np.random.default_rng(0)
    assert all(words["z"].contains(np.array(float(words["z"].sample(rng)))) for _ in range(20))


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: V.symbol("T", "again"), "already has"),
        (lambda: V.symbol("a b", "no identifier"), "keyword argument"),
        (lambda: V.symbol("q1", "q", domain=(0, 1)), "Interval.open"),
        (lambda: V.symbol("q2", "q", derived=Derived(len, ("thresh0ld",))), "did you mean threshold"),
        (lambda: make(T, id="Law"), "ghost.critical_learning_rate"),
        (lambda: make(T, kind="guess"), "one of: identity"),
        (lambda: make(T, validity=dict.fromkeys("abcd", T)), "at most three"),
        (lambda: make(T, kind="asymptotic"), "small_parameter"),
        (lambda: make(T, kind="law with free constants"), "free="),
        (lambda: make(sp.Symbol("T")), "not a symbol of the vocabulary"),
        (lambda: make(sp.Eq(T, 1)), "Root"),
        (lambda: make(T, source=Source("Dinc2024", "")), "did you mean Dinc2025"),
        (lambda: Assumption("follows from the domain", T > 0), "no assumption"),
        (lambda: Root(T - 1, X, (0, 1)), "does not appear"),
        (lambda: Root(X - 1, X, (0, sp.oo)), "two finite ends"),
        (lambda: numerical(X, tolerance=1, reason=" "), "reason"),
        (lambda: numerical(X, tolerance=0, reason="why"), "positive tolerance"),
        (lambda: symbolic(X - X), "cannot fail"),
        (lambda: high_precision(0), "cannot fail"),
        (lambda: certified(True), "not a bool"),
    ],
)
def test_wrong_declarations_are_refused_with_a_remedy(wrong: object, words: str) -> None:
    with pytest.raises(ClaimUsageError, match=words):
        wrong()


# --- predicting ------------------------------------------------------------------------------------------------------


def test_the_type_of_a_prediction_follows_the_input() -> None:
    value = 3 * np.pi**4 / 32
    assert isinstance(SHARP.predict(T=1), float)
    assert SHARP.predict(T=1) == pytest.approx(value, rel=1e-15)
    array = SHARP.predict(T=np.array([[1.0, 2.0]]))
    assert isinstance(array, np.ndarray)
    np.testing.assert_allclose(array, [[value, value / 32]], rtol=1e-15)
    labelled = SHARP.predict(T=xr.DataArray([1.0, 2.0], dims="T", coords={"T": [1.0, 2.0]}))
    assert isinstance(labelled, xr.DataArray)
    assert labelled.dims == ("T",)
    assert SHARP.predict(T=np.float32(2)).__class__ is float


def test_arrays_broadcast_as_in_numpy_and_by_dim() -> None:
    assert DECAY.predict(beta1=np.full((3, 1), 0.5), n=[1, 2, 3, 4]).shape == (3, 4)
    assert DECAY.predict(beta1=np.full((1, 1), 0.5), n=2).shape == (1, 1)
    beta = xr.DataArray([0.5, 0.9], dims="beta1")
    n = xr.DataArray([1, 2, 3], dims="n")
    assert dict(DECAY.predict(beta1=beta, n=n).sizes) == {"beta1": 2, "n": 3}
    with pytest.raises(ClaimUsageError, match=r"3 entries .* has 2"):
        DECAY.predict(beta1=[0.5, 0.6], n=[1, 2, 3])
    with pytest.raises(ClaimUsageError, match="labels"):
        DECAY.predict(beta1=beta.assign_coords(beta1=[0, 1]), n=beta.assign_coords(beta1=[1, 2]) * 0 + 1)


def test_a_symbol_or_the_inputs_it_follows_from() -> None:
    start = np.array([[0.01, 0.0], [0.0, 0.02]])
    a = np.array([0.5 + 0.01, 2 + 0.04])
    given = TIMES.predict(a=a, s=[0.01, 0.02])
    derived = TIMES.predict(mu=[1.0, 2.0], sigma=[0.1, 0.2], initial_W=start)
    np.testing.assert_allclose(derived, given, rtol=1e-15)
    np.testing.assert_allclose(given, np.log(1 / np.array([0.01, 0.02]) - 1) / (4 * a), rtol=1e-14)
    many = TIMES.predict(mu=np.ones((5, 1, 2)), sigma=[0.1, 0.1], initial_W=np.broadcast_to(start, (3, 2, 2)))
    assert many.shape == (5, 3, 2)
    seeds = xr.DataArray(np.broadcast_to(start, (4, 2, 2)), dims=("seed", "row", "column"))
    assert TIMES.predict(mu=[1, 2], sigma=[0.1, 0.1], initial_W=seeds).dims == ("seed", "concept")
    assert isinstance(TIMES.predict(a=1, s=0.1), float)


@pytest.mark.parametrize(
    ("claim", "values", "words"),
    [
        (SHARP, {}, r"needs a value for T: length of the silent period \(unit time, domain \(0, oo\)\); give T"),
        (SHARP, {"t": 1}, "no symbol 't'; did you mean T"),
        (SHARP, {"T": 1, "beta1": 0.5}, "does not use 'beta1'"),
        (SHARP, {"T": -1}, r"T = -1 is outside its domain \(0, oo\) \(unit time\)"),
        (SHARP, {"T": [1, np.nan]}, "T = nan is outside"),
        (SHARP, {"T": np.inf}, "T = inf is outside"),
        (SHARP, {"T": "long"}, "must be a number"),
        (DECAY, {"beta1": 1, "n": 1}, r"beta1 = 1 is outside its domain \(0, 1\)"),
        (DECAY, {"beta1": 0.5, "n": 1.5}, "n = 1.5 is outside its domain 1, 2, 3"),
        (TIMES, {"s": 0.1}, r"give a \(or mu and sigma\)"),
        (TIMES, {"s": 0.1, "mu": [1, 2], "sigma": [1, 2, 3]}, "sigma has 3 entries along concept, but mu has 2"),
        (TIMES, {"s": 0.1, "mu": 1, "sigma": 1}, "must be an array over concept"),
        (TIMES, {"s": 0.1, "a": 1, "mu": [1, 2]}, "mu is not used, because s and a were given"),
        (TIMES, {"a": [1, 1], "initial_W": [1, 2]}, "row, column"),
        (TIMES, {"a": [1, 1], "initial_W": np.eye(2)}, r"s \(computed from initial_W, a\) = 1 is outside"),
    ],
)
def test_wrong_values_are_refused_with_a_remedy(claim: Claim, values: dict, words: str) -> None:
    with pytest.raises(ClaimUsageError, match=words):
        claim.predict(**values)


def test_evaluate_marks_points_instead_of_raising() -> None:
    found = SHARP.evaluate({"T": [100.0, 3000.0], "threshold": [1.0, 30.0]})
    assert found.prediction.dims == ("T",)
    assert dict(found.in_domain.sizes) == {"T": 2, "threshold": 2}
    assert found.in_domain.transpose("T", "threshold").values.tolist() == [[False, True], [True, True]]
    assert found.sharpness.sel(T=100, threshold=30) == 3000
    assert found.attrs["not_checked"] == []
    alone = SHARP.evaluate({"T": 100.0})
    assert alone.attrs["not_checked"]
    assert "sharpness" not in alone
    runs = SHARP.evaluate({"T": ("seed", [100.0, np.nan, -1.0])})
    assert runs.in_domain.values.tolist() == [True, False, False]
    assert np.isnan(runs.prediction.values).tolist() == [False, True, True]
    with pytest.raises(ClaimUsageError, match="outside"):
        SHARP.evaluate({"T": -1.0})
    with pytest.raises(ClaimUsageError, match="name them"):
        SHARP.evaluate({"T": np.ones((2, 2))})


def test_inputs_say_what_is_needed() -> None:
    names = {i.name: i for i in TIMES.inputs}
    assert set(names) == {"a", "mu", "sigma", "s", "initial_W"}
    assert names["a"].required
    assert names["mu"].instead_of == "a"
    assert {i.name: i.required for i in SHARP.inputs} == {"T": True, "threshold": False}


def test_predictions_do_not_lose_digits() -> None:
    n, beta, t = np.array([1.0, 3.0, 50.0]), 1 - 2.0**-40, 2.0**-45
    with mpmath.workdps(50):
        exact = [(1 - mpmath.mpf(beta) ** k) / (1 - mpmath.mpf(beta)) for k in n]
        small = (mpmath.exp(t) - 1) * mpmath.log(1 + mpmath.mpf(t) / 3)
    np.testing.assert_allclose(DECAY.predict(beta1=beta, n=n), [float(e) for e in exact], rtol=1e-14)
    law = make((sp.exp(X) - 1) * sp.log(1 + X / 3))
    assert law.predict(x=t) == pytest.approx(float(small), rel=1e-14)


@pytest.mark.parametrize("id", list(CLAIMS))
def test_predictions_agree_with_sixty_digits(id: str) -> None:
    claim = get_claim(id)
    points = sample_points(claim, 100, 30)
    assert points, "no random point of the domain has a finite prediction; declare typical=(lo, hi)"
    columns = [np.array([float(p[k]) for p in points]) for k in range(len(claim.symbols))]
    values = np.broadcast_to(claim.statement.values(claim.symbols, columns), len(points))
    assert np.isfinite(values).all()
    if isinstance(claim.statement, Formula):
        with mpmath.workdps(60):
            formula = precise(claim.statement.expression, claim.symbols)
            exact = [float(formula(*(mpmath.mpf(x.p) / x.q for x in p))) for p in points]
        np.testing.assert_allclose(values, exact, rtol=1e-10)


# --- roots, minima, cases --------------------------------------------------------------------------------------------


def test_roots() -> None:
    claim = make(Root(sp.Eq(X * sp.tan(X), T), X, (0, sp.pi / 2)), vocabulary=V)
    times = np.logspace(-8, 8, 50)
    roots = claim.predict(T=times)
    for moment, root in zip(times, roots, strict=True):
        exact = mpmath.findroot(lambda x, t=moment: x * mpmath.sin(x) - t * mpmath.cos(x), root)
        assert root == pytest.approx(float(exact), rel=1e-13)
    assert isinstance(claim.predict(T=1), float)
    assert np.isnan(make(Root(X**2 + T, X, (0, 1))).predict(T=1))
    assert make(Root(X**2 - T, X, (0, T + 1), result=1 / X)).predict(T=4) == pytest.approx(0.5, rel=1e-14)


def test_minima() -> None:
    objective = X**2 + T / X
    where = (np.array([0.1, 2.0, 300.0]) / 2) ** (1 / 3)
    bracket = (0, 100)
    least = make(Minimum(objective, X, bracket)).predict(T=[0.1, 2.0, 300.0])
    np.testing.assert_allclose(least, where**2 + 2 * where**2, rtol=1e-14)
    place = make(Minimum(objective, X, bracket, result=X)).predict(T=[0.1, 2.0, 300.0])
    np.testing.assert_allclose(place, where, rtol=1e-13)
    assert np.isnan(make(Minimum(X * T, X, (1, 2))).predict(T=1)), "a minimum on the edge is none"
    undefined = make(Minimum(sp.Piecewise((objective, X > 1), (sp.oo, True)), X, (0, 100)))
    assert undefined.predict(T=16.0) == pytest.approx(12, rel=1e-14)


def test_piecewise_laws() -> None:
    law = make(sp.Piecewise((T, T < 2), (2 + sp.log(T / 2), True)))
    np.testing.assert_allclose(law.predict(T=[1.0, 4.0]), [1, 2 + np.log(2)])
    assert law.predict(T=1) == 1.0


def test_special_functions() -> None:
    cases = [sp.airyai(X), sp.polygamma(1, T), sp.beta(T, T), sp.LambertW(T), sp.loggamma(T), sp.erf(X)]
    for case in [*cases, sp.hyper((T, 1), (2,), -1)]:
        value = float(case.subs({X: sp.Rational(3, 10), T: sp.Rational(7, 10)}).evalf(20))
        symbols = tuple(sorted(case.free_symbols, key=str))
        numbers = [0.3 if s == X else 0.7 for s in symbols]
        assert float(numeric(case, symbols)(*numbers)) == pytest.approx(value, rel=1e-12)


# --- checks ----------------------------------------------------------------------------------------------------------

Y = V.symbol("y", "a positive number", domain=POSITIVE)
Z = V.symbol("z", "another", domain=POSITIVE)
RANGES = {Y: (sp.Rational(1, 2), 2), Z: (sp.Rational(1, 3), 1)}
NARROW = {Y: (sp.Rational(6, 5), sp.Rational(13, 10)), Z: (sp.Rational(1, 2), sp.Rational(11, 20))}
IDENTITIES = [
    (sp.sin(Y + Z), sp.sin(Y) * sp.cos(Z) + sp.cos(Y) * sp.sin(Z)),
    (sp.cosh(Y) ** 2, 1 + sp.sinh(Y) ** 2),
    ((Y + Z) ** 3, Y**3 + 3 * Y**2 * Z + 3 * Y * Z**2 + Z**3),
    (sp.log(Y * Z**2), sp.log(Y) + 2 * sp.log(Z)),
    (1 / Y - 1 / (Y + Z), Z / (Y * (Y + Z))),
    (sp.exp(2 * Y) - 1, 2 * sp.exp(Y) * sp.sinh(Y)),
    (sp.sqrt(Y**2 + 2 * Y + 1), Y + 1),
    (sp.gamma(Y + 2), Y * (Y + 1) * sp.gamma(Y)),
]


def _wrong_steps() -> list[tuple[sp.Expr, sp.Expr]]:
    """True identities with one number, exponent, sign, term or symbol of their right side changed."""
    return [(left, m.statement.expression) for left, right in IDENTITIES for m in make(right).mutants()]


def _enclosed(left: sp.Expr, right: sp.Expr) -> Check:
    """Certified: the residual at three points is enclosed close to 0."""

    def residuals() -> list[arb]:
        points = [random_point(RANGES, seed=k) for k in range(3)]
        at = [[arb(str(v.p)) / arb(str(v.q)) for v in p.values()] for p in points]
        return [ball_function(left - right, list(RANGES))(*numbers) for numbers in at]

    return certified(residuals)


def _function(side: sp.Expr) -> object:
    function = sp.lambdify((Y, Z), side, "scipy")
    return lambda y, z: function(y, z)


KINDS = {
    "symbolic": lambda left, right: symbolic(lambda: left, lambda: right),
    "certified": _enclosed,
    "certified inequality": lambda left, right: certified(
        lambda: [left - right < sp.Rational(1, 1000), right - left < sp.Rational(1, 1000)], over=NARROW,
    ),
    "high precision": lambda left, right: high_precision(lambda: left, right, over=RANGES),
    "numerical": lambda left, right: numerical(
        _function(left), _function(right), tolerance=1e-12, reason="rounding", over=RANGES
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_check_rejects_wrong_steps_and_accepts_true_ones(kind: str) -> None:
    for left, right in IDENTITIES:
        assert KINDS[kind](left, right).run().passed, (left, right)
    wrong = _wrong_steps()
    assert len(wrong) >= 200
    accepted = [(left, right) for left, right in wrong if KINDS[kind](left, right).run(20).passed]
    assert not accepted


def test_symbolic_checks_do_what_is_written() -> None:
    k = sp.Symbol("k", integer=True, positive=True)
    assert symbolic(lambda: sp.Integral(1 / (Y + X**2), (X, 0, sp.oo)), lambda: sp.pi / (2 * sp.sqrt(Y))).run().passed
    assert symbolic(lambda: sp.Sum(k, (k, 1, N)), lambda: N * (N + 1) / 2).run().passed
    assert symbolic(lambda: sp.Matrix([[Y, 1]]).T, lambda: sp.Matrix([Y, 1])).run().passed
    assert symbolic(lambda: sp.Eq((Y + 1) ** 2, Y**2 + 2 * Y + 1)).run().passed
    assert not symbolic(lambda: [Y, Z], lambda: [Y, Y]).run().passed
    assert not symbolic(lambda: []).run().passed
    assert "1 left sides but 2 right sides" in symbolic(lambda: [Y], lambda: [Y, Z]).run().detail
    assert not symbolic(lambda: sp.Function("f")(Y)).run().passed
    failed = symbolic(lambda: Y * 1.5, lambda: Y).run()
    assert "not 0 at y" in failed.detail


def test_checks_that_raise_or_take_too_long_have_failed() -> None:
    raised = symbolic(lambda: 1 / 0).run()
    assert not raised.passed
    assert "ZeroDivisionError" in raised.detail
    slow = numerical(lambda: [None for _ in itertools.count()], tolerance=1, reason="never ends").run(0.2)
    assert not slow.passed
    assert slow.seconds < 5
    assert "0.2 s" in slow.detail
    assert not numerical(lambda: np.array([]), tolerance=1, reason="empty").run().passed
    assert not numerical(lambda: np.nan, tolerance=1, reason="nan").run().passed
    assert not high_precision(lambda y: mpmath.nan, over={Y: (1, 2)}).run().passed
    assert "no range for z" in high_precision(Y + Z, over={Y: (1, 2)}).run().detail
    assert "takes 'q'" in high_precision(lambda q: q, over={Y: (1, 2)}).run().detail


def test_time_limits_nest() -> None:
    def outlast_the_outer_limit() -> None:
        with time_limit(10):
            pass
        time.sleep(5)

    start = time.monotonic()
    with pytest.raises(OutOfTime), time_limit(0.2):
        outlast_the_outer_limit()
    assert time.monotonic() - start < 4


def test_high_precision_reports_digits_and_computes_numbers_at_them() -> None:
    good = high_precision(lambda: mpmath.quad(mpmath.exp, [0, 1]), lambda: mpmath.e - 1, digits=60).run()
    assert good.passed
    assert good.digits is not None
    assert good.digits >= 60
    bad = high_precision(lambda: mpmath.mpf("3.14159265358979"), lambda: +mpmath.pi).run()
    assert not bad.passed
    assert bad.digits == pytest.approx(15, abs=1)
    cancelling = high_precision(lambda: (1 + sp.exp(-40 * Y)) - 1, lambda: sp.exp(-40 * Y), over={Y: (1, 2)})
    assert cancelling.run().passed


def test_ball_proofs() -> None:
    assert balls.certified_sign(lambda x: x.exp() - x, {"x": (0, 1)})
    assert balls.certified_sign(Y**2 - 2 * Y * Z + Z**2 + sp.Rational(1, 100), {Y: (0, 3), Z: (0, 3)})
    assert balls.certified_sign(Y * Z, {Y: (0, 1), Z: (0, 1)}, strict=False), "a zero on a monotone edge"
    wrong = balls.certified_sign(Y**2 - sp.Rational(1, 100), {Y: (0, 3)})
    assert not wrong
    assert "false at y" in wrong.detail
    touching = sp.exp(Y) - sp.exp(1) * Y
    assert "not decided" in balls.certified_sign(touching, {Y: (0, 3)}, max_boxes=50, strict=False).detail
    root = balls.certified_root(sp.cos(Y) - Y, (0, 1), Y)
    assert root.overlaps(arb("0.7390851332151606416553120876738734040134"))
    assert float(root.rad()) < 1e-29
    with pytest.raises(ClaimUsageError, match="sign change"):
        balls.certified_root(sp.cos(Y) - Y, (2, 3), Y)
    assert not certified(lambda: sp.Eq(Y, Y + 1, evaluate=False), over=RANGES).run().passed
    assert "no range" in certified(Y + Z > 1, over={Y: (2, 3)}).run().detail.lower()
    assert not certified(lambda: arb(1) / 10**9).run().passed
    assert not certified(lambda: arb(0, 1)).run().passed


# --- verification ----------------------------------------------------------------------------------------------------

FILE = """
import os, signal
from sympy import Interval, oo
from theory.claim import Claim, Quantity, Source, Step, Vocabulary, numerical, symbolic

V = Vocabulary()
y = V.symbol("y", "a number", domain=Interval.open(0, oo))


def deaf():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
    while True:
        pass


def make(id, *checks):
    steps = tuple(Step(f"step {k}", check) for k, check in enumerate(checks))
    return Claim(id=id, title=id, statement=y, vocabulary=V, predicts=Quantity("q"), kind="closed form",
                 source=Source.own(), derivation=steps)


right = symbolic(lambda: (y + 1)**2, lambda: y**2 + 2*y + 1)
good = make("user.good", right, numerical(lambda: print("noise") or 0.0, tolerance=1, reason="chatter is harmless"))
bad = make("user.bad", right, symbolic(lambda: y), numerical(lambda: 1/0, tolerance=1, reason="raises"))
deaf_claim = make("user.deaf", numerical(deaf, tolerance=1, reason="cannot be interrupted"), right)
crash = make("user.crash", numerical(lambda: os._exit(3), tolerance=1, reason="crashes"), right)
CLAIMS = (good, bad, deaf_claim, crash)
"""


@pytest.fixture
def user_file(tmp_path: pathlib.Path) -> pathlib.Path:
    path = tmp_path / "user_claims.py"
    path.write_text(FILE)
    return path


@pytest.fixture(autouse=True)
def _forget_user_claims():
    known = dict(CLAIMS)
    yield
    for name in set(CLAIMS) - set(known):
        del CLAIMS._claims[name]


def test_verification_in_worker_processes(user_file: pathlib.Path) -> None:
    seen = []
    results = verify(load_claims(user_file), jobs=2, time_limit=1.0, progress=lambda id, c: seen.append(id))
    good, bad, deaf, crash = results
    assert good.passed
    assert good.status == "holds"
    assert good.kind == "numerical"
    assert [s.certificate.passed for s in bad.steps] == [True, False, False]
    assert "ZeroDivisionError" in bad.steps[2].certificate.detail
    assert bad.status == "fails"
    assert [s.certificate.passed for s in deaf.steps] == [False, True]
    assert "by force" in deaf.steps[0].certificate.detail
    assert [s.certificate.passed for s in crash.steps] == [False, True]
    assert len(seen) == 9
    assert json.loads(json.dumps([r.as_dict() for r in results]))[0]["statement"] == "q = y"
    assert "FAILS" in str(bad)


def test_certificates_are_cached_by_content(user_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    cache = tmp_path / "cache"
    good, bad = load_claims(user_file)[:2]
    first = verify([good, bad], cache=cache)
    assert len(list(cache.iterdir())) == 3, "only what passed is kept"
    assert verify(good, cache=cache)[0].steps == first[0].steps
    user_file.write_text(FILE.replace("2*y + 1", "2*y + 2"))
    (changed,) = verify(load_claims(user_file)[:1], cache=cache)
    assert not changed.passed


def test_claims_that_no_worker_finds_are_checked_here() -> None:
    steps = (Step("wrong", symbolic(lambda: Y, lambda: Z)), Step("right", symbolic(lambda: Y / Y - 1)))
    wrong = make(Y, derivation=steps)
    (result,) = verify(wrong, jobs=1, time_limit=5)
    assert [s.certificate.passed for s in result.steps] == [False, True]
    (none,) = verify(make(Y))
    assert not none.passed
    assert none.status == "no derivation"


def test_a_running_script_is_not_started_again(tmp_path: pathlib.Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        FILE
        + textwrap.dedent("""
        from theory.verify import verify
        print("once", verify(good)[0].status)
    """)
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split("\n")[-2] == "once holds"
    assert done.stdout.count("once") == 1


# --- registry, references, printing ----------------------------------------------------------------------------------


def test_registry(user_file: pathlib.Path) -> None:
    with pytest.raises(UnknownClaim, match=r"did you mean .*adam\.update_bound_discrete"):
        get_claim("adam.update_bound_discret")
    assert {c.id.split(".")[0] for c in list_claims()} >= {"adam"}
    assert all(c.id.startswith("adam.") for c in list_claims("adam."))
    loaded = load_claims(user_file)
    assert get_claim("user.good") is loaded[0]
    again = load_claims(user_file)
    assert get_claim("user.good") is again[0], "the same file replaces its claims"
    with pytest.raises(ClaimUsageError, match="rename"):
        register(make(T, id="user.good"))
    with pytest.raises(ClaimUsageError, match="no file"):
        load_claims(user_file.with_name("missing.py"))
    user_file.write_text("x = 1")
    with pytest.raises(ClaimUsageError, match="CLAIMS"):
        load_claims(user_file)
    with pytest.raises(ClaimUsageError, match="must hold Claim"):
        register("claim")
    assert theory.get_claim is get_claim


def test_references() -> None:
    assert set(references.bibliography()) >= {"Dinc2025", "Yang2025", "Gould2024", "Kosson2023", "Kingma2015"}
    for key in references.bibliography():
        assert {"author", "title", "year"} <= set(references.fields(key))
        assert references.fields(key).get("eprint", "") in references.short_citation(key)
    assert references.short_citation("Kingma2015").startswith("Kingma and Ba (2015), Adam: A method")
    printed = register(make(T, id="test.printed", source=Source("Dinc2025", "Eq. 7")))
    mended = make(T, id="test.mended", corrects=Correction("test.printed", "misprint"))
    assert citation(mended) == citation(printed)
    assert "2501.02378" in citation("test.printed")
    assert str(printed.source) == "[Dinc2025, Eq. 7]"
    assert citation(make(T)) == ""


def test_printing() -> None:
    assert SHARP.statement_text == "rate = 3*pi**4/(32*T**5)"
    assert r"\frac{3 \pi^{4}}{32 T^{5}}" in SHARP.statement_latex
    root = make(Root(X**2 - T, X, (0, T), result=1 / X))
    minimum = make(Minimum(X**2 - T * X, X, (0, T)))
    assert "solves Eq(-T + x**2, 0) between 0 and T" in root.statement_text
    assert r"\min" in minimum.statement_latex
    for claim in (SHARP, root, minimum, make(Minimum(X**2 - T * X, X, (0, T), result=X))):
        assert xml.etree.ElementTree.fromstring(claim.statement_mathml).tag.endswith("math")
        assert claim.statement_latex.count("{") == claim.statement_latex.count("}")
