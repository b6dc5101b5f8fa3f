"""The names that the claims about structured identity mapping use."""

from __future__ import annotations

from sympy import Interval, Rational, S, Symbol, oo

from theory import sim_coordinates as coordinates
from theory.claim import Derived, Vocabulary

V = Vocabulary()
POSITIVE = Interval.open(0, oo)
HALF = Interval.open(0, Rational(1, 2))
SMALL = (1e-6, 1e-2)
START = ("initial_W", "a")
PAIR = ("initial_W", "mu", "sigma")

V.input("mu", "distance of each cluster from the origin", unit="length", domain=POSITIVE, dims=("concept",))
V.input("sigma", "spread along each concept", unit="length", domain=Interval(0, oo), dims=("concept",))
V.input("initial_W", "linear map at the start", dims=("row", "column"))
a = V.symbol(
    "a", "second moment of the data along a concept", unit="1/time", domain=POSITIVE, dims=("concept",),
    derived=Derived(coordinates.strengths, ("mu", "sigma")),
)  # fmt: skip
rank = V.symbol(
    "rank", "place of a concept by descending strength", domain=S.Naturals, dims=("concept",), typical=(1, 4),
    derived=Derived(coordinates.ranks, ("a",)),
)  # fmt: skip
a_max = V.symbol(
    "a_max", "largest second moment", unit="1/time", domain=POSITIVE,
    derived=Derived(lambda mu, sigma: coordinates.strengths(mu, sigma).max(-1), ("mu", "sigma")),
)  # fmt: skip
s = V.symbol(
    "s", "what is left of w_pp(0) after the stronger concepts (squared Cholesky diagonal)", dims=("concept",),
    domain=HALF, typical=SMALL, derived=Derived(coordinates.pivots, START),
)  # fmt: skip
shift = V.symbol(
    "shift", "leading correction to the logarithm from the other rows of the start", dims=("concept",),
    typical=(-0.1, 0.1), derived=Derived(coordinates.shifts, START),
)  # fmt: skip
w_pp = V.symbol(
    "w_pp", "diagonal entry of the start", dims=("concept",), domain=HALF, typical=SMALL,
    derived=Derived(coordinates.diagonal, START),
)  # fmt: skip


def _of_pair(
    name: str,
    meaning: str,
    column: int,
    unit: str = "1",
    domain: object = POSITIVE,
    typical: tuple = (0.2, 5.0),
) -> Symbol:
    derived = Derived(lambda *given: coordinates.strongest_two(*given)[..., column], PAIR)
    return V.symbol(name, meaning, unit=unit, domain=domain, typical=typical, derived=derived)


mu_1 = _of_pair("mu_1", "distance of the strongest cluster", 0, "length")
mu_2 = _of_pair("mu_2", "distance of the next cluster", 1, "length")
a_1 = _of_pair("a_1", "second moment of the strongest concept", 2, "1/time", typical=(1.0, 3.0))
a_2 = _of_pair("a_2", "second moment of the next concept", 3, "1/time", typical=(0.1, 0.8))
w_11 = _of_pair("w_11", "diagonal entry of the strongest concept at the start", 4, typical=SMALL)
w_12 = _of_pair("w_12", "off-diagonal entry of both concepts at the start", 5, domain=S.Reals, typical=SMALL)
w_22 = _of_pair("w_22", "diagonal entry of the next concept at the start", 6, typical=SMALL)
s_2 = _of_pair("s_2", "w_22 - w_12^2/w_11 at the start", 7, typical=SMALL)

lr = V.symbol("learning_rate", "step size", unit="time/step", domain=POSITIVE, latex=r"\eta", typical=(1e-3, 0.1))
step = V.symbol("step", "number of updates made", unit="step", domain=S.Naturals0, latex="n", typical=(1, 60))
t = V.symbol("time", "learning_rate * step", unit="time", domain=Interval(0, oo), latex="t")
width = V.symbol("width", "columns of U", domain=S.Naturals, typical=(4, 16))
depth = V.symbol("depth", "number of weight matrices", domain=S.Naturals, latex="L", typical=(3, 6))
scale = V.symbol("init_scale", "standard deviation of the entries of U(0)", domain=POSITIVE, typical=(1e-3, 0.1))
correlation = V.symbol(
    "init_correlation", "correlation between rows of U(0)", domain=Interval.open(-1, 1), typical=(0.0, 0.8)
)
w_0 = V.symbol("w_0", "entry of W at the start", dims=("row", "column"))
target = V.symbol("target", "entry of the identity", dims=("row", "column"), domain=Interval(0, 1))
a_column = V.symbol(
    "a_column",
    "second moment of the input that a column reads",
    unit="1/time",
    domain=Interval(0, oo),
    dims=("column",),
)
