"""Which comparisons can refute a printed statement, and which of them are declared to: from the registries alone."""

from __future__ import annotations

from collections.abc import Mapping

from runs.experiment import Comparison, Experiment
from runs.registry import experiments
from theory.claim import Claim, Correction
from theory.registry import CLAIMS, get_claim
from toymodels.comparator import Bound

UNCORRECTED: Mapping[str, str] = {
    "sim.recurrence_positive": "descent on U keeps W = U U^T and with it the statement (see sim.tied_determinant for "
    "what the recurrence lacks); for the recurrence itself no bound from below holds",
}
"""Claims that fail as printed and for which no corrected law is known: id and why."""
LIMIT = "the paper states a limit, and the comparison measures how far finite settings are from it"
ELSEWHERE = "the paper reports it of its own networks and data; that it fails for a perceptron on digits says no more"
SET_ASIDE: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "ghost.blow_up_time",
            "ghost.sharp_slope_above",
            "ghost.sharp_slope_below",
            "ghost.learning_step_continuous",
            "ghost.plateau_loss_continuous",
            "ghost.full_passage_in_noise",
        ),
        LIMIT,
    ),
    **dict.fromkeys(
        (
            *(f"adam.level_set_share_{quantity}" for quantity in ("train_loss", "test_loss", "test_error")),
            *(f"adam.k_two_ahead_{schedule}" for schedule in ("loss_linear", "loss_constant")),
        ),
        ELSEWHERE,
    ),
    "adam.curve_half_index_dense": "no gradient of a dense net becomes zero, so that no law of growth applies to it",
    "ghost.critical_learning_rate_power_law": "the paper reports a scaling, with a threshold far away; the comparison "
    "asks for half a percent at threshold T = 20 to 200, where the onset bends on log axes",
}
"""Comparisons with a printed law whose disagreement is not about what is printed: id and why."""
TIGHTNESS = "how tight a bound is, its comparison with an equality, is no part of what it states"
BEYOND = "made beyond the stated assumptions"


def corrections_of(claim_id: str) -> tuple[tuple[Claim, Correction], ...]:
    """The laws that replace a printed claim, each with its declaration."""
    return tuple((law, c) for law in CLAIMS.values() for c in law.corrections if c.claim == claim_id)


def bears_on(comparison: Comparison) -> bool:
    """Whether a verdict of `comparison` is about a statement that some paper prints."""
    return get_claim(comparison.claim).source.key is not None and not why_not(comparison)


def why_not(comparison: Comparison) -> str:
    """Why a disagreement with the claim would not refute what it states; empty where it would.

    Points beyond the stated assumptions count only where the correction says that it is the assumption which fails.
    """
    claim = get_claim(comparison.claim)
    if comparison.id in SET_ASIDE:
        return SET_ASIDE[comparison.id]
    if claim.kind == "bound" and not isinstance(comparison.kind, Bound):
        return TIGHTNESS
    laws = corrections_of(claim.id)
    if comparison.beyond_domain and not any(correction.classed == "assumption fails" for _, correction in laws):
        return BEYOND
    return ""


def declared() -> dict[str, tuple[tuple[Experiment, Comparison], ...]]:
    """Printed claims that the experiments declare refuted, in the order of the registry of claims."""
    found: dict[str, list[tuple[Experiment, Comparison]]] = {}
    for experiment in experiments().values():
        for comparison in experiment.comparisons:
            if comparison.expect == "disagrees" and bears_on(comparison):
                found.setdefault(comparison.claim, []).append((experiment, comparison))
    return {claim_id: tuple(found[claim_id]) for claim_id in CLAIMS if claim_id in found}


def not_counted() -> tuple[tuple[Comparison, str], ...]:
    """Comparisons that disagree, as declared, with a claim that some paper prints, and why they refute no statement."""
    return tuple(
        (comparison, why_not(comparison))
        for experiment in experiments().values()
        for comparison in experiment.comparisons
        if comparison.expect == "disagrees" and get_claim(comparison.claim).source.key and why_not(comparison)
    )
