"""How the comparison is made: kind, estimator, scale and margin, from the flags or as the experiments declare them."""

from __future__ import annotations

import dataclasses
from typing import Any

import sympy as sp

from runs.experiment import Comparison
from runs.registry import experiments
from runs.userdata.request import Request
from theory.claim import Claim
from toymodels.comparator import KINDS, Asymptotic, Bound, Boundary, Exact, Exponent, Kind, Statistical
from toymodels.comparator.kinds.slopes import Slope
from toymodels.errors import UsageError, unknown

NEAR = ("log", "relative")
"""Scales on which a small margin means the same."""
ESTIMATORS = ("median", "mean", "geometric_mean", "share")


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A kind with its margin, and where they come from. `model` is the declared comparison that was followed."""

    kind: Kind
    margin: float
    said: tuple[str, ...]
    model: Comparison | None


def declared(claim: Claim) -> tuple[Comparison, ...]:
    """The experiments' comparisons of this claim, those that should agree first. Searches for a domain are left out:
    they agree wherever some set of points does. So are further experiments where a core one finds agreement: their
    margins belong to special conditions.
    """
    found = [
        (c, e.core)
        for e in experiments().values()
        for c in e.comparisons
        if c.claim == claim.id and not c.domain_search
    ]
    core = any(is_core and c.expect == "agrees" for c, is_core in found)
    return tuple(sorted((c for c, is_core in found if is_core or not core), key=lambda c: c.expect != "agrees"))


def kind_name(
    request: Request, claim: Claim, comparisons: tuple[Comparison, ...], *, bracketed: bool, repeated: bool
) -> str:
    """The kind as a word. `bracketed`: the data have both ends of a bracket; `repeated`: several runs per point."""
    if request.kind is not None:
        if request.kind not in KINDS:
            raise unknown("kind of comparison", request.kind, KINDS)
        return request.kind
    if request.along is not None:
        return "exponent"
    model = next((c for c in comparisons if not isinstance(c.kind, Slope)), None)
    if bracketed and (claim.kind == "threshold" or (model and isinstance(model.kind, Boundary))):
        return "boundary"
    if request.estimator is not None or request.runs:
        return "statistical"
    if model is not None and not isinstance(model.kind, Boundary):
        return model.kind.name
    if claim.kind == "bound":
        return "bound"
    return "statistical" if repeated else "exact"


def choose(
    request: Request,
    claim: Claim,
    comparisons: tuple[Comparison, ...],
    name: str,
    over: tuple[str, ...],
    columns: dict[str, Any],
) -> Chosen:
    """Kind and margin. `columns` are the names or numbers of error, lower, upper, slack and along in the data.

    Raises `UsageError` where neither a flag nor an experiment gives a margin.
    """
    model = model_for(request, comparisons, name)
    pattern = model.kind if model else None
    said: list[str] = []
    if isinstance(pattern, Slope):
        pattern = pattern.points if name not in ("exponent", "asymptotic") else pattern
    kind = _kind(request, claim, pattern, name, over, columns, said)
    if request.margin is not None:
        margin = request.margin
        said.append(f"margin {margin:g} as given")
    elif model is not None and _comparable(kind, model.kind):
        margin = model.margin
        said.append(f"margin {margin:g}, that of the experiments' comparison {model.id}")
    else:
        why = (
            f"the experiments compare {claim.id} on another scale or kind ({model.kind.name})"
            if model
            else f"no experiment compares {claim.id}"
        )
        raise UsageError(
            f"There is no margin: {why}. Say before you look how far off the law may be, for example --margin 0.02 "
            f"({_unit_of_margin(kind)})."
        )
    others = [c for c in comparisons if c is not model and c.expect == "agrees" and _same_family(c.kind, kind)]
    if isinstance(kind, Statistical) and others and request.estimator is None:
        flags = ", ".join(f"--estimator {c.kind.estimator} (margin {c.margin:g})" for c in others)
        said.append(f"the experiments also ask for {flags}")
    return Chosen(kind, margin, tuple(said), model)


def model_for(request: Request, comparisons: tuple[Comparison, ...], name: str) -> Comparison | None:
    """The declared comparison to follow: of the same kind, then with the same estimator; else any on a like scale."""

    def rank(c: Comparison) -> tuple[bool, bool, int]:
        estimator = getattr(c.kind, "estimator", None)
        same = c.kind.name == name
        wanted = request.estimator is not None and estimator != request.estimator
        return not same, wanted, ESTIMATORS.index(estimator) if estimator in ESTIMATORS else len(ESTIMATORS)

    slope = name in ("exponent", "asymptotic")
    fit = [c for c in comparisons if isinstance(c.kind, Slope) == slope]
    fit = [c for c in fit if name == "bound" or not isinstance(c.kind, Bound) or name == c.kind.name]
    return min(fit, key=rank, default=None)


def _kind(
    request: Request,
    claim: Claim,
    pattern: Any,
    name: str,
    over: tuple[str, ...],
    columns: dict[str, Any],
    said: list[str],
) -> Kind:
    if name == "statistical":
        like = pattern if isinstance(pattern, Statistical) else None
        estimator = request.estimator or (like.estimator if like else "median")
        scale = request.scale or (like.scale if like else "linear" if estimator == "share" else "log")
        censored = request.censored or (like.censored if like else "unknown")
        within = like.within if like and estimator == like.estimator else None
        return Statistical(over=over, estimator=estimator, scale=scale, censored=censored, within=within)
    if name in ("exact", "bound"):
        scale = (
            request.scale or getattr(pattern, "scale", None) or ("log" if isinstance(pattern, Boundary) else "relative")
        )
        error = columns.get("error")
        if error is None:
            error = 0.0
            said.append("no numerical error given: the data are taken at their word (--error COLUMN or NUMBER)")
        if name == "exact":
            return Exact(error=error, scale=scale)
        return Bound(error=error, scale=scale, side=request.side or str(getattr(pattern, "side", "upper")))
    if name == "boundary":
        slack = columns.get("slack")
        if slack is None:
            slack = 0.0
            said.append("no slack below the bracket: outcomes are taken as deterministic (--slack COLUMN or NUMBER)")
        return Boundary(lower=columns["lower"], upper=columns["upper"], slack=slack)
    base = "boundary" if "lower" in columns else "statistical" if over else "exact"
    inner = pattern.points if isinstance(pattern, Slope) else None
    scale = "log" if name == "exponent" else "linear"
    points = _kind(dataclasses.replace(request, scale=request.scale or scale), claim, inner, base, over, columns, said)
    along = columns["along"]
    if name == "exponent":
        return Exponent(along=along, points=points)
    return Asymptotic(along=along, points=points, order=_order(request, claim))


def _order(request: Request, claim: Claim) -> float:
    if request.order is not None:
        return request.order
    order = sp.sympify(claim.order) if claim.order is not None else None
    if order is None or not order.is_number:
        raise UsageError(f"--kind asymptotic needs --order NUMBER: {claim.id} states no order of its remainder.")
    return float(order)


def _comparable(kind: Kind, other: Kind) -> bool:
    if isinstance(kind, Slope) or isinstance(other, Slope):
        return type(kind) is type(other)
    if getattr(kind, "within", None) != getattr(other, "within", None):
        return False
    mine, theirs = (getattr(k, "scale", "log") for k in (kind, other))
    return mine == theirs or (mine in NEAR and theirs in NEAR)


def _same_family(other: Kind, kind: Kind) -> bool:
    return type(other) is type(kind) and getattr(other, "estimator", None) != getattr(kind, "estimator", None)


def _unit_of_margin(kind: Kind) -> str:
    if isinstance(kind, Slope):
        return "a difference of exponents"
    if getattr(kind, "within", None) is not None:
        return "a share of runs"
    scale = getattr(kind, "scale", "log")
    return {"linear": "in the unit of the observable"}.get(scale, "0.02 is 2 %")
