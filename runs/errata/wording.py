"""Numbers and formulas as the page and the report print them: rounded so that a rerun gives the same text."""

from __future__ import annotations

import math
from typing import Any

from runs.errata.witness import Witness
from runs.experiment import Comparison
from runs.registry import experiments
from theory.claim import Claim
from theory.verify import Verification
from toymodels.comparator import Bound

NAMES = ("cell", "certificate", "formula", "interval", "number", "point", "prose", "values")
BELOW = 10
"""What is below the margin divided by this is shown as 0: it may be rounding, which differs between machines."""


def number(value: float | str, figures: int = 2) -> str:
    """So many significant figures, without an exponent from 0.0001 to a million."""
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
        return "0" if abs(float(value)) < floor else number(value)

    low, high = verdict["interval"]
    return f"{rounded(verdict['discrepancy'])} [{rounded(low)}, {rounded(high)}]"


def values(witness: Witness) -> str:
    """ "measured 0.3167, printed 0.1818, corrected 0.3162": with enough figures to tell measured and printed apart."""
    apart = abs(witness.measured - witness.printed)
    size = max(abs(witness.measured), abs(witness.printed))
    figures = min(12, max(4, 2 + math.ceil(-math.log10(apart / size)))) if apart else 4
    said = {"measured": witness.measured, "printed": witness.printed, "corrected": witness.corrected}
    return ", ".join(f"{word} {number(value, figures)}" for word, value in said.items() if value is not None)


def prose(text: str) -> str:
    """Plain text for Markdown: no asterisk is an emphasis; formulas between dollar signs stay."""
    parts = text.split("$")
    return "$".join(part if i % 2 else part.replace("*", r"\*").replace("<", r"\<") for i, part in enumerate(parts))


def cell(text: str) -> str:
    """`prose` for a table."""
    return prose(text).replace("|", r"\|")


def formula(claim: Claim) -> str:
    """The law in LaTeX; a bound is an inequality."""
    text = claim.statement_latex
    if claim.kind != "bound":
        return text
    comparisons = (comparison for experiment in experiments().values() for comparison in experiment.comparisons)
    sides = {comparison.kind.side for comparison in comparisons if comparison.claim == claim.id and _bounds(comparison)}
    return text.replace(" = ", r" \ge " if "lower" in sides else r" \le ", 1)


def _bounds(comparison: Comparison) -> bool:
    return isinstance(comparison.kind, Bound)


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
