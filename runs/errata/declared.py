"""Which comparisons can refute a printed statement, and which of them are declared to: from the registries alone."""

from __future__ import annotations

from collections.abc import Mapping

from runs.experiment import Comparison, Experiment
from runs.registry import experiments
from theory.claim import Claim, Correction
from theory.registry import CLAIMS, get_claim
from toymodels.comparator import Bound

UNCORRECTED: Mapping[str, str] = {}
"""Claims that fail as printed and for which no corrected law is known: id and why."""


def corrections_of(claim_id: str) -> tuple[tuple[Claim, Correction], ...]:
    """The laws that replace a printed claim, each with its declaration."""
    return tuple((law, c) for law in CLAIMS.values() for c in law.corrections if c.claim == claim_id)


def bears_on(comparison: Comparison) -> bool:
    """Whether a verdict of `comparison` is about a statement that some paper prints.

    How tight a bound is, its comparison with an equality, is no part of what the bound states. Points beyond the stated
    assumptions count only where the correction says that it is the assumption which fails.
    """
    claim = get_claim(comparison.claim)
    if claim.source.key is None:
        return False
    if claim.kind == "bound" and not isinstance(comparison.kind, Bound):
        return False
    if comparison.beyond_domain:
        return any(correction.classed == "assumption fails" for _, correction in corrections_of(claim.id))
    return True


def declared() -> dict[str, tuple[tuple[Experiment, Comparison], ...]]:
    """Printed claims that the experiments declare refuted, in the order of the registry of claims."""
    found: dict[str, list[tuple[Experiment, Comparison]]] = {}
    for experiment in experiments().values():
        for comparison in experiment.comparisons:
            if comparison.expect == "disagrees" and bears_on(comparison):
                found.setdefault(comparison.claim, []).append((experiment, comparison))
    return {claim_id: tuple(found[claim_id]) for claim_id in CLAIMS if claim_id in found}
