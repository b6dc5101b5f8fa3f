"""Numbers and formulas as the page and the report print them: rounded so that a rerun gives the same text."""

from __future__ import annotations

import math
from typing import Any

from runs.errata.witness import Witness
from theory.claim import Claim
from theory.verify import Verification

BELOW = 100
"""What is below this part of the margin is shown as 0: it is rounding, and differs between machines."""


def short(value: float | str, figures: int = 2) -> str:
    """Two significant figures, without an exponent from 0.0001 to a million."""
    value = float(value)
    if not math.isfinite(value) or value == 0:
        return f"{abs(value) if value == 0 else value:g}"
    rounded = float(f"{value:.{figures}g}")
    if 1e-4 <= abs(rounded) < 1e6:
        return f"{rounded:.{max(0, figures - 1 - math.floor(math.log10(abs(rounded))))}f}"
    return f"{rounded:.{figures}g}"


def interval(verdict: dict[str, Any]) -> str:
    """ "0.81 [0.81, 0.81]" of a verdict's worst point."""
    floor = verdict["margin"] / BELOW

    def rounded(value: float | str) -> str:
        return "0" if abs(float(value)) < floor else short(value)

    low, high = verdict["interval"]
    return f"{rounded(verdict['discrepancy'])} [{rounded(low)}, {rounded(high)}]"


def formula(claim: Claim) -> str:
    """The law in LaTeX; a bound is an inequality."""
    text = claim.statement_latex
    return text.replace(" = ", r" \le ", 1) if claim.kind == "bound" else text


def certificate(result: Verification) -> str:
    """ "holds, 3 steps, weakest check symbolic"."""
    count = len(result.steps)
    if not count:
        return result.status
    digits = "" if result.digits is None else f", at least {math.floor(result.digits)} digits"
    return f"{result.status}, {count} step{'s' if count > 1 else ''}, weakest check {result.kind}{digits}"


def point(witness: Witness) -> str:
    """ "beta1 = 0.9, step = 500"."""
    shown = {k: f"{v:.4g}" if isinstance(v, int | float) else str(v) for k, v in witness.point.items()}
    return ", ".join(f"{name} = {value}" for name, value in shown.items())
