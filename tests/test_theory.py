"""The theory room: vocabulary, statements, claims, mutants, checks, verification, registry."""

from __future__ import annotations

import doctest
import pathlib
import re
import xml.etree.ElementTree

import mpmath
import numpy as np
import pytest
import sympy as sp
import xarray as xr
from example_claims import BETA1, SHARP, TIMES, N, T, V, X, make

import theory
from theory import claim as claim_module
from theory import references
from theory.certificate import certified, high_precision, numerical, symbolic
from theory.claim import (
    Assumption,
    Claim,
    Correction,
    Derived,
    Minimum,
    Root,
    Source,
    Vocabulary,
)
from theory.compiled import numeric, precise
from theory.errors import ClaimUsageError, UnknownClaim
from theory.mutants import sample_points
from theory.registry import CLAIMS, citation, get_claim, list_claims, load_claims, register
from theory.statement import Formula

pytestmark = pytest.mark.usefixtures("forget_user_claims")

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
    own = re.findall(
        r"^@\w+\{(\w+),", (pathlib.Path(str(theory.__file__)).parent / "references.bib").read_text(), flags=re.M
    )
    assert set(own) <= set(references.bibliography())  # which also holds what other tests have loaded
    for key in own:
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
