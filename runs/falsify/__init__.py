"""The search for a counterexample of a claim: registry of trials, search, confirmation, shrinking, archive."""

from runs.falsify.judging import Judgement, Search
from runs.falsify.ledger import Ledger
from runs.falsify.registry import searchable, select
from runs.falsify.search import Result, Witness, falsify

__all__ = ["Judgement", "Ledger", "Result", "Search", "Witness", "falsify", "searchable", "select"]
