"""Are the mutants that could be seen rejected, and which places of a claim does no comparison test?"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from toymodels.comparator import Tally, Verdict

LEVELS: Mapping[str, float] = {"quick": 0.95, "full": 0.99}
"""Share of the relevant mutants that must be rejected, by scale."""


def supporting(verdict: Verdict) -> bool:
    """Whether the verdict says that its claim is right, so that its mutants ought to be rejected.

    The mutants of a law that is declared wrong may well be right: those that survive there are candidates for its
    correction, and no sign of a weak test.
    """
    return verdict.expect == "agrees"


def tally(verdicts: Iterable[Verdict]) -> Tally:
    """Mutants of the supporting verdicts, counted together."""
    return sum((v.tally for v in verdicts if supporting(v)), Tally())


def rate_line(verdicts: Iterable[Verdict], scale: str) -> str:
    """One line: relevant mutants rejected, the declared level, and whether it was reached. Empty without mutants."""
    found = tally(verdicts)
    if found.rate is None:
        return "no relevant mutant" if found != Tally() else ""
    level = LEVELS[scale]
    text = f"{found.killed} of {found.relevant} relevant mutants rejected ({100 * found.rate:.4g} %; "
    text += f"declared: {100 * level:g} % at scale {scale})"
    text += "" if found.rate >= level else ": BELOW the declared level"
    return f"{text}; {found.irrelevant} too close to the claim to be seen, {found.inadmissible} without a number"


def summary(verdicts: Iterable[Verdict], scale: str) -> dict[str, Any]:
    """The same for programs."""
    found = tally(verdicts)
    reached = None if found.rate is None else found.rate >= LEVELS[scale]
    return {
        **dataclasses.asdict(found),
        "relevant": found.relevant,
        "rate": found.rate,
        "level": LEVELS[scale],
        "reached": reached,
    }


@dataclasses.dataclass(frozen=True)
class Place:
    """A coefficient, exponent, swap or input of a claim, over all comparisons that support the claim."""

    site: str
    comparison: str | None
    """The comparison that resolves it best; None if none tests it."""
    resolution: str
    """Smallest change that this comparison would have seen; empty where changes have no size."""
    why_not: str
    """Why no comparison tests it: the reason of the one that comes closest."""


@dataclasses.dataclass(frozen=True)
class Coverage:
    """The places of one claim: tested by at least one comparison with the verdict "agrees", or by none."""

    claim: str
    comparisons: tuple[str, ...]
    tested: tuple[Place, ...]
    untested: tuple[Place, ...]

    @property
    def total(self) -> int:
        """Number of places."""
        return len(self.tested) + len(self.untested)


def coverage(verdicts: Iterable[Verdict]) -> list[Coverage]:
    """One entry per claim that is supported by a comparison with mutants, in the order of the verdicts."""
    groups: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        if verdict.status == "agrees" and verdict.mutants:
            groups.setdefault(verdict.claim, []).append(verdict)
    return [_cover(claim, group) for claim, group in groups.items()]


def _cover(claim: str, verdicts: list[Verdict]) -> Coverage:
    best: dict[str, tuple[tuple[bool, float], Place]] = {}
    for verdict in verdicts:
        for found in verdict.resolutions:
            # Tested first, then by how far the place can move the prediction.
            rank = (found.tested, -1.0 if found.reach is None else found.reach)
            if found.site not in best or rank > best[found.site][0]:
                name = verdict.id if found.tested else None
                best[found.site] = (rank, Place(found.site, name, found.text if found.tested else "", found.why_not))
    places = [place for _, place in best.values()]
    tested, untested = ([p for p in places if (p.comparison is None) == none] for none in (False, True))
    return Coverage(claim, tuple(dict.fromkeys(v.id for v in verdicts)), tuple(tested), tuple(untested))
