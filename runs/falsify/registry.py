"""Which claims can be searched for a counterexample, and by which comparison."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from runs import (
    trials_adam,
    trials_adam_flow,
    trials_adam_norm,
    trials_adam_stages,
    trials_ghost,
    trials_reduction,
    trials_sim,
    trials_sim_concepts,
    trials_sim_extrema,
    trials_sim_nets,
    trials_sim_stages,
)
from runs.experiment import Comparison
from runs.falsify.judging import Search
from runs.registry import experiments
from runs.trial import Trial
from theory.claim import Claim
from theory.registry import get_claim
from toymodels.errors import UsageError, unknown

TRIALS: Mapping[str, Trial] = {
    **trials_ghost.TRIALS,
    **trials_reduction.TRIALS,
    **trials_sim.TRIALS,
    **trials_sim_stages.TRIALS,
    **trials_sim_concepts.TRIALS,
    **trials_sim_extrema.TRIALS,
    **trials_sim_nets.TRIALS,
    **trials_adam.TRIALS,
    **trials_adam_flow.TRIALS,
    **trials_adam_norm.TRIALS,
    **trials_adam_stages.TRIALS,
}
"""Trials by the id of the comparison that they serve."""


def searches(claim: Claim) -> list[Search]:
    """All ways to search for a counterexample of `claim`, the one to take by default first.

    Comparisons that the claim should pass come first, then those where it is known to fail, then those in which it is a
    rival (bound and judged like the claim that it rivals).
    """
    declared, rivals = [], []
    if claim.free:
        return []  # its constants are fitted to an experiment: no single point can refute it
    for comparison in comparisons():
        trial = comparison.trial or TRIALS.get(comparison.id)
        if trial is None:
            continue
        if comparison.claim == claim.id:
            declared.append(Search(claim, comparison, trial))
        elif claim.id in comparison.rivals:
            rivals.append(Search(claim, dataclasses.replace(comparison, claim=claim.id), trial))
    declared.sort(key=lambda search: search.comparison.expect != "agrees")
    return declared + rivals


def select(claim_id: str, comparison_id: str | None = None) -> Search:
    """The search for `claim_id`, by the comparison called `comparison_id` or by the first that there is.

    Raises `UnknownClaim` or `UsageError` that says what can be searched instead.
    """
    claim = get_claim(claim_id)
    found = searches(claim)
    if not found:
        why = f"no training run is declared that measures what it states ({claim.predicts.name})"
        if claim.free:
            why = f"its constants ({', '.join(map(str, claim.free))}) are fitted to an experiment, not to a point"
        raise UsageError(
            f"{claim_id} cannot be searched: {why}. "
            f"Check its derivation with: toymodels verify {claim_id}. Claims that can be searched: "
            f"{', '.join(searchable())}."
        )
    if comparison_id is None:
        return found[0]
    for search in found:
        if search.comparison.id == comparison_id:
            return search
    raise unknown(f"comparison of {claim_id}", comparison_id, [search.comparison.id for search in found])


def searchable() -> list[str]:
    """Ids of the claims that can be searched."""
    names = set()
    for comparison in comparisons():
        if comparison.trial is not None or comparison.id in TRIALS:
            names |= {comparison.claim, *comparison.rivals}
    return sorted(name for name in names if not get_claim(name).free)


def comparisons() -> list[Comparison]:
    """Comparisons of all experiments."""
    return [comparison for experiment in experiments().values() for comparison in experiment.comparisons]
