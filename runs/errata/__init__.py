"""Printed statements that a comparison refuted, and what replaces them: for the report and for docs/errata.md."""

from runs.errata.collect import Erratum, collect
from runs.errata.declared import UNCORRECTED, bears_on, corrections_of, declared

__all__ = ["UNCORRECTED", "Erratum", "bears_on", "collect", "corrections_of", "declared"]
