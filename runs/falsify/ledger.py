"""Every point that a search has looked at: what it cost, and how it came out. Kept on disk, so that a search that was
interrupted looks it up instead of training again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from runs.execute import source_digest
from runs.falsify.judging import ALARM, Judgement, Search, cost, judge
from runs.falsify.space import Point, Space

BATCH = 256
"""Most points of one sweep."""
MISSING = {"score": -math.inf, "value": math.nan, "low": -math.inf, "high": math.inf}


class BudgetSpent(Exception):
    """The training runs that were allowed are used up."""


@dataclasses.dataclass(frozen=True)
class Entry:
    """One judged point. `stage` says what it was looked at for."""

    stage: str
    point: Point
    judgement: Judgement


class Ledger:
    """Judges points within a budget of training runs.

    `path` is a file of JSON lines, or None to keep nothing. What it holds is used again while no source file, nor the
    search itself, has changed; such runs count as spent, so that a resumed search is the search it would have been.
    """

    def __init__(
        self,
        search: Search,
        budget: int,
        path: Path | None = None,
        advance: Callable[[int, str], None] = lambda runs, stage: None,
    ) -> None:
        self.search, self.budget, self.path, self.advance = search, budget, path, advance
        self.spent = 0
        self.entries: list[Entry] = []
        self._known: dict[str, Judgement] = {}
        self._counted: set[str] = set()
        if path is not None:
            self._open(path)

    def __call__(
        self,
        space: Space,
        points: Sequence[Point],
        seeds: Sequence[int],
        stage: str,
        *,
        fine: int = 1,
        alarm: float = ALARM,
    ) -> list[Judgement]:
        """Judgements of `points`. Raises `BudgetSpent`, before training, where they cost more than is left."""
        key = [_key(point, seeds, fine, alarm) for point in points]
        asked = {k: p for k, p in zip(key, points, strict=True)}
        counted = {k: p for k, p in asked.items() if k not in self._counted}
        price = cost(self.search, space, list(counted.values()), seeds) if counted else 0
        if self.spent + price > self.budget:
            raise BudgetSpent
        new = [k for k in counted if k not in self._known]
        trained = 0
        for start in range(0, len(new), BATCH):
            batch = new[start : start + BATCH]
            chosen = [asked[k] for k in batch]
            judged = judge(self.search, space, chosen, seeds, fine=fine, alarm=alarm)
            for k, judgement in zip(batch, judged, strict=True):
                self._known[k] = judgement
                self._append(k, judgement)
            runs = cost(self.search, space, chosen, seeds)
            self.advance(runs, stage)
            trained += runs
        self.advance(price - trained, stage)
        self.spent += price
        self._counted |= set(counted)
        found = [self._known[k] for k in key]
        self.entries += [Entry(stage, asked[k], self._known[k]) for k in counted]
        return found

    def _open(self, path: Path) -> None:
        head = {"fingerprint": fingerprint(self.search)}
        lines = path.read_text().splitlines() if path.exists() else []
        try:
            if lines and json.loads(lines[0]) == head:
                for line in lines[1:]:
                    row: dict[str, Any] = json.loads(line)
                    row |= {name: missing for name, missing in MISSING.items() if row[name] is None}
                    key = row.pop("key")
                    self._known[key] = Judgement(**row)
                return
        except (ValueError, TypeError, KeyError):
            self._known.clear()  # a torn line: start over
        path.write_text(json.dumps(head) + "\n")

    def _append(self, key: str, judgement: Judgement) -> None:
        if self.path is None:
            return
        row = {"key": key, **dataclasses.asdict(judgement)}
        with self.path.open("a") as file:
            file.write(json.dumps(strict(row), allow_nan=False) + "\n")


def fingerprint(search: Search) -> str:
    """Digest of all that decides how a point is judged."""
    claim, comparison = search.claim, search.comparison
    parts = [
        source_digest(),
        claim.statement_text,
        *(str(assumption.relation) for assumption in claim.assumptions),
        repr((comparison.id, comparison.observable, dict(comparison.bind), comparison.margin, search.kind)),
        repr((search.trial.seeds, search.trial.confirm_seeds, search.beyond_assumptions)),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def strict(value: Any) -> Any:
    """Numbers that JSON does not have become null."""
    if isinstance(value, dict):
        return {k: strict(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [strict(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _key(point: Point, seeds: Sequence[int], fine: int, alarm: float) -> str:
    plain = [int(seed) for seed in seeds]
    contiguous = plain == list(range(plain[0], plain[0] + len(plain)))
    return json.dumps([point, [plain[0], len(plain)] if contiguous else plain, fine, alarm], sort_keys=True)
