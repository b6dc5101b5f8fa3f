"""Labelled arrays in, verdicts and overlays out. Knows no model and no claim."""

from toymodels.comparator.compare import compare
from toymodels.comparator.domain import AgreementDomain, Measurement, agreement_domain
from toymodels.comparator.figures import save_figure, styled
from toymodels.comparator.fit import Fit, FittedConstant, fit, spread
from toymodels.comparator.kinds import (
    KINDS,
    Asymptotic,
    Bound,
    Boundary,
    Exact,
    Exponent,
    Kind,
    Statistical,
    zero_hit_share,
    zero_hit_slack,
)
from toymodels.comparator.mutants import MutantResult
from toymodels.comparator.overlay import overlay
from toymodels.comparator.phase import phase_diagram
from toymodels.comparator.regions import domain_map, winner_regions
from toymodels.comparator.request import claim_only
from toymodels.comparator.resolution import Resolution, Tally
from toymodels.comparator.rivals import Contender, Ranking, rank_rivals
from toymodels.comparator.rule import FALSE_ALARM
from toymodels.comparator.split import Split, split
from toymodels.comparator.verdict import Verdict
from toymodels.comparator.widened import Widened

__all__ = [
    "FALSE_ALARM",
    "KINDS",
    "AgreementDomain",
    "Asymptotic",
    "Bound",
    "Boundary",
    "Contender",
    "Exact",
    "Exponent",
    "Fit",
    "FittedConstant",
    "Kind",
    "Measurement",
    "MutantResult",
    "Ranking",
    "Resolution",
    "Split",
    "Statistical",
    "Tally",
    "Verdict",
    "Widened",
    "agreement_domain",
    "claim_only",
    "compare",
    "domain_map",
    "fit",
    "overlay",
    "phase_diagram",
    "rank_rivals",
    "save_figure",
    "split",
    "spread",
    "styled",
    "winner_regions",
    "zero_hit_share",
    "zero_hit_slack",
]
