"""A vocabulary, claims and a file of claims that several test modules share."""

from __future__ import annotations

import numpy as np
import sympy as sp

from theory.claim import Assumption, Claim, Derived, Quantity, Source, Vocabulary

POSITIVE = sp.Interval.open(0, sp.oo)

V = Vocabulary()
T = V.symbol("T", "length of the silent period", unit="time", domain=POSITIVE)
THRESHOLD = V.symbol("threshold", "output threshold", unit="1/time", domain=POSITIVE, typical=(0.5, 3))
BETA1 = V.symbol("beta1", "decay of the average", domain=sp.Interval.open(0, 1))
BETA2 = V.symbol("beta2", "decay of squares", domain=sp.Interval.open(0, 1))
N = V.symbol("n", "updates made", unit="step", domain=sp.S.Naturals)
X = V.symbol("x", "a real number")
Y = V.symbol("y", "another real number")
P = V.symbol("p", "a positive number", domain=POSITIVE)
Q = V.symbol("q", "another positive number", domain=POSITIVE)
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


right = symbolic(lambda law: (law + 1)**2, lambda: y**2 + 2*y + 1)
good = make("user.good", right, numerical(lambda: print("noise") or 0.0, tolerance=1, reason="chatter is harmless"))
bad = make("user.bad", right, symbolic(lambda: y), numerical(lambda: 1/0, tolerance=1, reason="raises"))
deaf_claim = make("user.deaf", numerical(deaf, tolerance=1, reason="cannot be interrupted"), right)
crash = make("user.crash", numerical(lambda: os._exit(3), tolerance=1, reason="crashes"), right)
CLAIMS = (good, bad, deaf_claim, crash)
"""
