"""Certificates: wrong steps are rejected by every kind of check, true ones accepted; verification and its cache."""

from __future__ import annotations

import dataclasses
import functools
import gc
import itertools
import json
import pathlib
import subprocess
import sys
import textwrap
import time
from typing import Any

import example_claims
import mpmath
import numpy as np
import pytest
import sympy as sp
from example_claims import FILE
from flint import arb

from theory import balls
from theory.ballfunctions import ball_function
from theory.certificate import Check, certified, high_precision, numerical, symbolic
from theory.claim import Claim, Step, Vocabulary
from theory.errors import ClaimUsageError
from theory.limits import OutOfTime, time_limit
from theory.registry import CLAIMS, load_claims
from theory.sampling import random_point
from theory.verify import verify
from theory.worker import run_step

pytestmark = pytest.mark.usefixtures("forget_user_claims")

POSITIVE = sp.Interval.open(0, sp.oo)
V = Vocabulary()
N = V.symbol("n", "a whole number", domain=sp.S.Naturals)
X = V.symbol("x", "a real number")


make = functools.partial(example_claims.make, vocabulary=V)


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


# --- wrong steps that are hard to see -----------------------------------------------------------------------------

HALF = sp.Rational(1, 2)
BOX = {Y: (HALF, 2), Z: (sp.Rational(1, 3), 1)}
SMALL = sp.Rational(1, 10**6)


def _subtle() -> list[tuple[sp.Expr, sp.Expr]]:
    """Pairs that differ by a part in a million, in a sign or branch, on a part of the box, or at non-integers only."""
    pairs = []
    for left, right in IDENTITIES:
        pairs += [(left, right * (1 + SMALL)), (left, right + SMALL * Y), (left, -right), (left, sp.Abs(right) + SMALL)]
        pairs += [(left, right + sp.Max(0, Y - sp.Rational(3, 2))), (left, right * sp.sqrt((Y - 1) ** 2) / (Y - 1))]
        pairs += [(left, right + sp.sin(sp.pi * 8 * Y) / 100), (left, right + sp.prod(Y - k for k in range(1, 13)))]
    return pairs


def test_subtly_wrong_steps_are_rejected_by_every_kind_that_compares_two_sides() -> None:
    rejected = 0
    for left, right in _subtle():
        for kind in ("symbolic", "high precision", "numerical"):
            assert not KINDS[kind](left, right).run(20).passed, (kind, left, right)
            rejected += 1
    assert rejected >= 190


def _narrow_violations() -> list[sp.Basic]:
    """Inequalities that are false, often only in a small part of the box [1/2, 2] x [1/3, 1]."""
    found: list[sp.Basic] = []
    for k in range(1, 61):
        place = HALF + sp.Rational(3 * k, 2 * 61)
        width = sp.Rational(1, 200 * k)
        found.append((Y - place) ** 2 > width**2)  # false within `width` of `place`
        found.append((Y - place) ** 2 + (Z - sp.Rational(1, 2)) ** 2 >= width**4)
        found.append(sp.Rational(1, 6) * (1 + sp.Rational(1, 10**k)) < Y * Z)  # false in one corner
        found.append(sp.exp(Y) < sp.exp(2) * (1 - sp.Rational(1, 10**k)))  # false at one edge
    return found


def test_inequalities_that_fail_in_a_small_part_of_the_box_are_rejected() -> None:
    wrong = _narrow_violations()
    assert len(wrong) >= 200
    accepted = [w for w in wrong if certified(w, over=BOX, max_boxes=300).run(20).passed]
    assert not accepted
    assert certified(Y**2 > 2 * Y - 1 - SMALL, over=BOX).run().passed
    assert certified(sp.Rational(1, 6) * (1 - SMALL) < Y * Z, over=BOX).run().passed


def test_an_eigenvalue_that_changes_sign_in_a_corner_is_found() -> None:
    matrix = sp.Matrix([[2 + Y, 2 * Z], [2 * Z, 1]])
    edge = sp.Rational(1, 1000)
    assert balls.certified_definite(matrix, {Y: (HALF, 2), Z: (sp.Rational(1, 3), sp.Rational(79, 100))})
    corner = balls.certified_definite(matrix, {Y: (HALF, 2), Z: (sp.Rational(1, 3), sp.sqrt(sp.Rational(5, 8)) + edge)})
    assert not corner
    assert "minor of size 2" in corner.detail
    assert not balls.certified_definite(-matrix, {Y: (HALF, 2), Z: (sp.Rational(1, 3), sp.Rational(79, 100))})
    assert not balls.certified_definite(sp.Matrix([[1, Y], [Z, 5]]), BOX), "not symmetric"


def test_roots_are_counted() -> None:
    cubic = (Y - 1) * (Y - 2) * (Y - 3)
    assert balls.certified_unique_root(cubic, Y, (HALF, sp.Rational(3, 2)))
    assert "3 sign changes" in balls.certified_unique_root(cubic, Y, (HALF, 4)).detail
    assert not balls.certified_unique_root(cubic, Y, (HALF, sp.Rational(5, 2)))
    assert not balls.certified_unique_root((Y - 1) * (Y - 2) ** 2, Y, (HALF, 3)), "a double root is not one sign change"
    assert not balls.certified_unique_root(1 / (X - 1), X, (0, 2)), "a pole is no root"
    assert balls.certified_unique_root(Y**2 - Z, Y, (sp.Rational(1, 10), 4), {Z: (1, 2)})
    assert not balls.certified_unique_root(Y**2 - Z, Y, (sp.Rational(11, 10), 4), {Z: (1, 2)})


def test_inequalities_that_touch() -> None:
    assert certified(lambda: (Y + Z) ** 2 >= 4 * Y * Z, over=BOX, factor=(Y - Z) ** 2).run().passed
    assert certified(lambda: Y**3 + 2 * Z**3 >= 3 * Y * Z**2, over=BOX, factor=(Y - Z) ** 2).run().passed
    assert certified(lambda: sp.exp(Y) >= sp.E * Y, over={Y: (0, 3)}, touching={Y: 1}).run().passed
    assert certified(lambda: N * (N - 2) >= -1, over={N: (1, 10)}, factor=(N - 1) ** 2).run().passed
    wrong = [
        certified(lambda: (Y + Z) ** 2 > 4 * Y * Z, over=BOX, factor=(Y - Z) ** 2),
        certified(lambda: (Y + Z) ** 2 >= 4 * Y * Z + SMALL, over=BOX, factor=(Y - Z) ** 2),
        certified(lambda: Y**3 >= Z**3, over=BOX, factor=Y - Z),
        certified(lambda: sp.exp(Y) >= sp.E * Y * (1 + SMALL), over={Y: (0, 3)}, touching={Y: 1}),
        certified(lambda: sp.exp(Y) > sp.E * Y, over={Y: (0, 3)}, touching={Y: 1}),
        certified(lambda: (Y - 1) ** 2 * (2 - Y) >= 0, over={Y: (0, 3)}, touching={Y: 1}),
        certified(lambda: 1 / (HALF - X) > 0, over={X: (0, 1)}),
    ]
    assert not any(check.run(20).passed for check in wrong)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: symbolic(lambda: Y, lambda: Y), "same as written"),
        (lambda: symbolic(lambda: Y - Y), "same as written"),
        (lambda: symbolic(lambda: 0), "same as written"),
        (lambda: symbolic(Y, Y), "cannot fail"),
        (lambda: numerical(lambda: 0.0, tolerance=0.1, reason="nothing"), "same as written"),
        (lambda: numerical(lambda: Y, Z, tolerance=1, reason="loose"), "less than 1"),
        (lambda: numerical(lambda: Y, tolerance=np.inf, reason="loose"), "finite"),
        (lambda: numerical(lambda: Y, tolerance=np.nan, reason="loose"), "finite"),
        (lambda: numerical(lambda: Y.diff(Y), tolerance=0.1, reason="none", samples=0), "one sample"),
        (lambda: high_precision(lambda: Y.diff(Y), digits=12), "50 digits"),
        (lambda: certified(lambda: True), "computes nothing"),
        (lambda: certified(Y > -1, over=BOX), "not a bool"),
        (lambda: certified(sp.Gt(2, 1, evaluate=False)), "no symbol"),
        (lambda: certified(Y > Z, over={Y: (2, 1), Z: (0, 1)}), "lo < hi"),
        (lambda: certified(Y > Z, over={Y: (1, 1), Z: (0, 1)}), "lo < hi"),
        (lambda: certified(Y > Z, over={Y: (1, sp.oo), Z: (0, 1)}), "finite"),
        (lambda: certified(Y > Z, over={Y: (-1, 1), Z: (0, 1)}), "declared positive"),
        (lambda: high_precision(lambda: Y.diff(Y), over={N: (sp.Rational(1, 3), HALF)}), "whole number"),
    ],
)
def test_checks_that_cannot_fail_are_refused(wrong: object, words: str) -> None:
    with pytest.raises(ClaimUsageError, match=words):
        wrong()


def test_sides_that_do_not_fit_have_failed() -> None:
    assert not symbolic(lambda: sp.true, lambda: Y).run().passed
    assert not symbolic(lambda: Y, lambda: sp.true).run().passed
    assert not symbolic(lambda: Y).run().passed
    assert not symbolic(lambda: sp.Eq(Y, Z), lambda: Z).run().passed
    assert not symbolic(lambda: sp.Matrix([Y, Y]), lambda: Y).run().passed
    assert not symbolic(lambda: Y.diff(Y), lambda: [1, 1]).run().passed
    assert "not defined" in symbolic(lambda: sp.zoo * Y).run().detail
    assert not symbolic(lambda: sp.nan).run().passed
    assert not high_precision(lambda: Y.diff(Y) - 1 + 0 * Z, over=BOX).run().passed, "no side depends on the box"
    product = high_precision(lambda: sp.Rational(1, 10**80) * (Y - 2 * Z), over=BOX)
    assert not product.run().passed, "a small unit does not make a residual vanish"


def test_a_limit_holds_where_the_first_interruption_is_swallowed() -> None:
    def swallow() -> None:
        while True:
            try:
                time.sleep(0.01)
            except OutOfTime:
                break
        time.sleep(20)

    start = time.monotonic()
    with pytest.raises(OutOfTime), time_limit(0.1):
        swallow()
    assert time.monotonic() - start < 10
    with time_limit(100):
        gc.collect()


# --- steps and the statement --------------------------------------------------------------------------------------


def test_a_step_receives_the_statement_of_its_claim() -> None:
    tied = make(Y**2, derivation=(Step("its slope", symbolic(lambda law: law.diff(Y), lambda: 2 * Y)),))
    assert run_step(tied, 0, 20).passed
    assert not run_step(dataclasses.replace(tied, statement=Y**2 + Y), 0, 20).passed
    assert "needs the statement" in tied.derivation[0].check.run().detail
    loose = make(Y**2, derivation=(Step("of something else", symbolic(lambda: (Y**2).diff(Y), lambda: 2 * Y)),))
    (result,) = verify(loose)
    assert result.status == "not tied"
    assert not result.passed
    assert "function of `law`" in str(result)
    (printed,) = verify(make(Y, underived="printed without derivation"))
    assert printed.acceptable
    assert not printed.passed
    with pytest.raises(ClaimUsageError, match="underived"):
        make(Y, derivation=tied.derivation, underived="reason")


@pytest.mark.parametrize("id", list(CLAIMS))
def test_every_derivation_reaches_its_statement(id: str) -> None:
    claim = CLAIMS[id]
    assert claim.underived or any(step.check.tied for step in claim.derivation)


def _same_prediction(claim: Claim, other: Any) -> bool:
    """Do both agree at random points? A change without effect, such as a factor inside a sign, is no error."""
    rng = np.random.default_rng(0)
    points = [[float(claim.vocabulary[s.name].sample(rng)) for s in claim.symbols] for _ in range(40)]
    columns = [np.array(column) for column in zip(*points, strict=True)]
    one, two = (np.broadcast_to(law.values(claim.symbols, columns), 40) for law in (claim.statement, other))
    return bool(np.allclose(one, two, rtol=1e-9, atol=0, equal_nan=True)) and bool(np.isfinite(one).any())


def _survivors(claim: Claim, most: int | None) -> list[str]:
    """Mutants of the statement that pass every step that receives it, and predict something else."""
    tied = [k for k, step in enumerate(claim.derivation) if step.check.tied]
    mutants = sorted(claim.mutants(), key=lambda m: m.id)
    stride = 1 if most is None else max(1, len(mutants) // most)
    return [
        mutant.id
        for mutant in mutants[::stride]
        if not _same_prediction(claim, mutant.statement)
        and all(run_step(dataclasses.replace(claim, statement=mutant.statement), k, 20).passed for k in tied)
    ]


QUICK = ("ghost.blow_up_time", "ghost.floor", "sim.one_layer_discrete", "adam.stability_boundary", "adam.growth_rate")


@pytest.mark.parametrize("id", QUICK)
def test_an_error_planted_in_a_statement_fails_a_step(id: str) -> None:
    assert not _survivors(CLAIMS[id], 8)


@pytest.mark.slow
@pytest.mark.parametrize("id", list(CLAIMS))
def test_every_error_planted_in_a_statement_fails_a_step(id: str) -> None:
    assert not _survivors(CLAIMS[id], None)


# --- verification ----------------------------------------------------------------------------------------------------


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
    again = verify(good, cache=cache)[0].steps
    assert [step.certificate for step in again] == [step.certificate for step in first[0].steps]
    assert [step.cached for step in again] == [True, True]
    user_file.write_text(FILE.replace("2*y + 1", "2*y + 2"))
    (changed,) = verify(load_claims(user_file)[:1], cache=cache)
    assert not changed.passed


def test_a_change_in_an_imported_module_forgets_certificates(tmp_path: pathlib.Path) -> None:
    folder, cache = tmp_path / "claims", tmp_path / "cache"
    (folder / "parts").mkdir(parents=True)
    (folder / "parts" / "__init__.py").write_text("")
    (folder / "parts" / "numbers.py").write_text("from parts.deep import TWO\n")
    (folder / "parts" / "deep.py").write_text("TWO = 2\n")
    text = FILE.replace("2*y + 1", "TWO*y + 1").replace("import os", "from parts.numbers import TWO\nimport os")
    (folder / "law.py").write_text(text)

    def run(*options: str) -> dict:
        code = (
            "import json, sys; from theory.registry import load_claims; from theory.verify import verify\n"
            f"c = load_claims({str(folder / 'law.py')!r})[0]\n"
            f"print(json.dumps(verify(c, cache={str(cache)!r}, fresh='fresh' in sys.argv)[0].as_dict()))"
        )
        done = subprocess.run([sys.executable, "-c", code, *options], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)

    assert [s["cached"] for s in run()["steps"]] == [False, False]
    assert [s["cached"] for s in run()["steps"]] == [True, True]
    assert [s["cached"] for s in run("fresh")["steps"]] == [False, False]
    (folder / "parts" / "deep.py").write_text("TWO = 3\n")
    changed = run()
    assert [s["cached"] for s in changed["steps"]] == [False, False]
    assert changed["status"] == "fails"


def test_a_changed_statement_and_a_damaged_entry_are_not_found(tmp_path: pathlib.Path) -> None:
    claim = make(Y**2, derivation=(Step("its slope", symbolic(lambda law: law.diff(Y), lambda: 2 * Y)),))
    assert verify(claim, cache=tmp_path)[0].passed
    assert verify(claim, cache=tmp_path)[0].steps[0].cached
    wrong = dataclasses.replace(claim, statement=Y**2 + Y)
    assert verify(wrong, cache=tmp_path)[0].status == "fails"
    (entry,) = tmp_path.glob("*.json")
    entry.write_text(entry.read_text()[:-10])
    assert not verify(claim, cache=tmp_path)[0].steps[0].cached


def test_claims_that_no_worker_finds_are_checked_here() -> None:
    steps = (
        Step("wrong", symbolic(lambda: Y, lambda: Z)),
        Step("right", symbolic(lambda law: (law**2).diff(Y), lambda: 2 * Y)),
    )
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
