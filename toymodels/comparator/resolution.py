"""What a comparison could tell of each place of a formula: the smallest change it would have seen, and kill rates."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence

from toymodels.comparator.mutants import INADMISSIBLE, IRRELEVANT, KILLED, RELEVANCE, SURVIVED, MutantResult

NAMED = ("sign", "drop")
"""Changes of a coefficient that are far from small: the last resort of an estimate."""


@dataclasses.dataclass(frozen=True)
class Tally:
    """How many mutants came to which end."""

    killed: int = 0
    survived: int = 0
    irrelevant: int = 0
    inadmissible: int = 0

    @classmethod
    def of(cls, mutants: Iterable[MutantResult]) -> Tally:
        """Count mutants by class."""
        classes = [m.verdict_class for m in mutants]
        return cls(*(classes.count(c) for c in (KILLED, SURVIVED, IRRELEVANT, INADMISSIBLE)))

    def __add__(self, other: Tally) -> Tally:
        return Tally(*(a + b for a, b in zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)))

    @property
    def relevant(self) -> int:
        """Mutants that move the prediction far enough to be seen."""
        return self.killed + self.survived

    @property
    def rate(self) -> float | None:
        """Share of the relevant mutants that were rejected; None without relevant ones."""
        return self.killed / self.relevant if self.relevant else None


@dataclasses.dataclass(frozen=True)
class Resolution:
    """What the comparison could tell of one place of the formula (a coefficient, an exponent, a swap)."""

    site: str
    tested: bool
    """Whether some change of this place is relevant."""
    smallest: float | None
    """Smallest change that would have been relevant: relative for coefficients, absolute for exponents. Where
    nothing is tested it is an extrapolation beyond every change that was tried. None where changes have no size or
    move nothing."""
    reach: float | None
    """Largest move of the prediction by any change of this place, in margins; None if none gave an admissible
    number."""
    tally: Tally

    @property
    def why_not(self) -> str:
        """Why this place is not tested here; empty if it is."""
        if self.tested:
            return ""
        if self.reach is None:
            return "no change gives an admissible number"
        if self.reach == 0:
            return "no change moves the prediction here"
        return f"no change moves the prediction by more than {self.reach:.2g} of {RELEVANCE:g} margins"

    @property
    def text(self) -> str:
        """The smallest visible change for a reader: per cent of a coefficient, or how far an exponent."""
        if self.smallest is None:
            return ""
        absolute = self.site.startswith("exponent")
        return f"{self.smallest:.2g}" if absolute else f"{100 * self.smallest:.2g} %"


def resolutions(mutants: Sequence[MutantResult], margin: float) -> tuple[Resolution, ...]:
    """One entry per place, in the order of the mutants; mutants without a named place are left out."""
    sites: dict[str, list[MutantResult]] = {}
    for mutant in mutants:
        if mutant.site:
            sites.setdefault(mutant.site, []).append(mutant)
    return tuple(_resolve(site, group, margin) for site, group in sites.items())


def _resolve(site: str, group: list[MutantResult], margin: float) -> Resolution:
    shifts = [m.shift for m in group if m.shift is not None]
    reach = max(shifts) / margin if shifts else None
    tested = any(m.relevant for m in group)
    return Resolution(site, tested, _smallest(group, margin), reach, Tally.of(group))


def _smallest(group: list[MutantResult], margin: float) -> float | None:
    """From the change whose effect is closest to what can just be seen, taken as linear; a rejected change bounds it
    from above, a change of the same direction that is too small from below."""
    sized = [m for m in group if m.change is not None and math.isfinite(m.change) and m.shift]
    sized = [m for m in sized if m.kind not in NAMED] or sized
    if not sized:
        return None
    visible = RELEVANCE * margin
    nearest = min(sized, key=lambda m: abs(math.log((m.shift or 0.0) / visible)))
    estimate = abs(nearest.change or 0.0) * visible / (nearest.shift or math.inf)
    seen = [abs(m.change or 0.0) for m in sized if m.verdict_class == KILLED]
    return min([estimate, *seen])
