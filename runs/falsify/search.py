"""The search itself: fill the space, refine around the worst, confirm with fresh runs, simplify."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import differential_evolution
from scipy.stats import qmc

from runs.falsify.judging import TRIES, Judgement, Search, cost
from runs.falsify.ledger import BudgetSpent, Entry, Ledger
from runs.falsify.shrink import shrink
from runs.falsify.space import Point, Space
from toymodels.comparator import FALSE_ALARM
from toymodels.errors import UsageError

LEAST_POINTS = 16
USUAL_SHRINKING = 48
"""Confirmations' worth of runs that the default budget sets aside for making a witness simple."""
RESERVE = 0.35
"""Share of the budget that is kept for confirming and simplifying."""
EXPLORED = 0.6
"""Share of the searched points that fill the space; the rest refine."""
BLOCK = 1_000_000
"""Distance between blocks of seeds that are used for different purposes."""
MOST_SEEDS = 400
LEAST_RUNS, CLEARLY = 12, 1.5
"""Fewest runs of a witness, and the score from which on fewer runs than a confirmation's are tried."""
POOR = 1e9
"""Energy of a point where nothing could be compared."""


@dataclasses.dataclass(frozen=True)
class Witness:
    """A point at which the claim disagrees with fresh runs of `seeds`; `found` is the point before shrinking."""

    point: Point
    judgement: Judgement
    seeds: tuple[int, ...]
    found: Point


@dataclasses.dataclass(frozen=True)
class Result:
    """Outcome of a search: a witness or none, and the largest discrepancy of the points that were searched."""

    search: Search
    space: Space
    budget: int
    seed: int
    witness: Witness | None
    worst: Entry | None
    spent: int
    points: int
    outside: int
    unconfirmed: int
    interrupted: bool = False


def check_seed(seed: int) -> int:
    """The seed of a search, if blocks of seeds exist for it."""
    if not 0 <= seed < MOST_SEEDS:
        raise UsageError(f"--seed {seed} is not allowed; give a whole number from 0 to {MOST_SEEDS - 1}.")
    return seed


def block(seed: int, number: int, count: int) -> range:
    """Seeds of the search number `seed`; number 0 is for searching, the others are for confirming and shrinking."""
    first = (seed * 10 + number) * BLOCK
    return range(first, first + count)


def confirm_seeds(search: Search) -> int:
    """Runs at a point that is put to the test."""
    return search.trial.confirm_seeds or search.trial.seeds


def usual_budget(search: Search, space: Space) -> int:
    """Runs for some hundred points and for simplifying a witness."""
    one, test = prices(search, space)
    points = search.trial.points
    return max(math.ceil(points * one / (1 - RESERVE)), points * one + USUAL_SHRINKING * test)


def prices(search: Search, space: Space) -> tuple[int, int]:
    """Training runs of a searched point and of a confirmation."""
    middle = [space.point([0.5] * len(space.free))]
    return (
        cost(search, space, middle, range(search.trial.seeds)),
        cost(search, space, middle, range(confirm_seeds(search))),
    )


def look(search: Search, space: Space, seeds: Sequence[int]) -> tuple[Point, Judgement]:
    """The one point of a space without free variables, judged as a confirmation is: finer steps, these seeds."""
    point = space.point([])
    ledger = Ledger(search, budget=np.iinfo(np.int64).max)
    return point, ledger(space, [point], seeds, "judge", fine=2)[0]


def falsify(search: Search, space: Space, ledger: Ledger, seed: int) -> Result:
    """Look for a point of `space` at which the claim disagrees, within the ledger's budget. Deterministic."""
    one, test = prices(search, space)
    least = LEAST_POINTS * one + 2 * test
    if ledger.budget < least:
        raise UsageError(
            f"A budget of {ledger.budget} training runs is too small for {search.comparison.id}: {LEAST_POINTS} points "
            f"of {one} runs and two confirmations of {test} take {least}; give --budget {least} or more."
        )
    points = int((ledger.budget - max(2 * test, RESERVE * ledger.budget)) // one)
    points = max(points, LEAST_POINTS)
    witness, failed, interrupted = None, 0, False
    try:
        _explore(search, space, ledger, seed, points)
        witness, failed = _confirm(search, space, ledger, seed)
    except KeyboardInterrupt:
        interrupted = True
    looked = [entry for entry in ledger.entries if entry.stage in ("fill", "refine")]
    outside = sum(entry.judgement.compared == 0 for entry in looked)
    return Result(
        search,
        space,
        ledger.budget,
        seed,
        witness,
        _best(looked),
        ledger.spent,
        len(looked),
        outside,
        failed,
        interrupted,
    )


def _best(entries: list[Entry]) -> Entry | None:
    known = [entry for entry in entries if math.isfinite(entry.judgement.score)]
    return max(known, key=lambda entry: entry.judgement.score, default=None)


def _explore(search: Search, space: Space, ledger: Ledger, seed: int, points: int) -> None:
    """Fill the space with a Sobol sequence, then let generations evolve around the worst points.

    If nothing suspicious has turned up, what was kept for confirming is spent on further generations.
    """
    dims, seeds = len(space.free), block(seed, 0, search.trial.seeds)
    first = 1 << int(math.log2(max(8.0, EXPLORED * points)))
    one, test = prices(search, space)

    def energy(cubes: np.ndarray, stage: str) -> np.ndarray:
        judged = ledger(space, [space.point(cube) for cube in cubes], seeds, stage, alarm=FALSE_ALARM)
        scores = np.array([judgement.score for judgement in judged])
        return np.where(np.isfinite(scores), -scores, POOR)

    def refined(members: np.ndarray) -> np.ndarray | float:
        # scipy hands over whole generations, of shape (variables, members), but for the first look at one member.
        found = energy(np.atleast_2d(members.T), "refine")
        return found if members.ndim == 2 else float(found[0])

    cubes = qmc.Sobol(dims, rng=np.random.default_rng([seed, 1])).random_base2(int(math.log2(first)))
    energies = energy(cubes, "fill")
    size = min(first, 1 << int(math.log2(max(8.0, (points - first) / 6))))
    best = cubes[np.argsort(energies, kind="stable")[:size]]
    left = points - first
    for attempt in range(2):
        if left < size:
            break
        try:
            found = differential_evolution(
                refined,
                [(0.0, 1.0)] * dims,
                init=best,
                maxiter=left // size,
                vectorized=True,
                updating="deferred",
                polish=False,
                tol=0.0,
                rng=np.random.default_rng([seed, 2 + attempt]),
            )
        except BudgetSpent:
            break
        if any(entry.judgement.disagrees for entry in ledger.entries):
            break
        best, left = found.population, int((ledger.budget - ledger.spent - 2 * test) // one)


def _confirm(search: Search, space: Space, ledger: Ledger, seed: int) -> tuple[Witness | None, int]:
    """The first of the worst points that fresh runs confirm, made simple; and how many were not confirmed."""
    suspects = sorted((e for e in ledger.entries if e.judgement.disagrees), key=lambda e: -e.judgement.score)
    tried: list[Point] = []
    for entry in suspects:
        if len(tried) == TRIES:
            break
        if any(_near(space, entry.point, other) for other in tried):
            continue
        number = 3 * len(tried)
        tried.append(entry.point)
        try:
            seeds = _seeds(search, entry.judgement, seed, number + 1)
            judgement = ledger(space, [entry.point], seeds, "confirm", fine=2)[0]
        except BudgetSpent:
            break
        if judgement.disagrees:
            witness = Witness(entry.point, judgement, tuple(seeds), entry.point)
            return _simplified(search, space, ledger, seed, number, witness), len(tried) - 1
    return None, len(tried)


def _simplified(search: Search, space: Space, ledger: Ledger, seed: int, number: int, witness: Witness) -> Witness:
    count = confirm_seeds(search)
    test = cost(search, space, [witness.point], range(count))
    others = block(seed, number + 2, count) if search.random else witness.seeds
    keep = test if search.random else 0

    def judged(points: Sequence[Point]) -> list[Judgement]:
        if ledger.spent + cost(search, space, points, others) + keep > ledger.budget:
            raise BudgetSpent  # the last test must still be paid for
        return ledger(space, points, others, "shrink", fine=2)

    simple = shrink(space, witness.point, judged)
    if not search.random:
        return (
            witness
            if simple == witness.point
            else dataclasses.replace(witness, point=simple, judgement=judged([simple])[0])
        )
    for runs in dict.fromkeys([_fewer(ledger, space, simple, others), count]):
        if (simple, runs) == (witness.point, count):
            break
        fresh = block(seed, number + 3, runs)
        try:
            judgement = ledger(space, [simple], fresh, "confirm", fine=2)[0]
        except BudgetSpent:
            break
        if judgement.disagrees:
            return dataclasses.replace(witness, point=simple, judgement=judgement, seeds=tuple(fresh))
    return witness


def _fewer(ledger: Ledger, space: Space, point: Point, seeds: Sequence[int]) -> int:
    """A smaller number of runs that still shows the disagreement clearly."""
    for part in (16, 4):
        if len(seeds) // part >= LEAST_RUNS:
            try:
                judgement = ledger(space, [point], seeds[: len(seeds) // part], "shrink", fine=2)[0]
            except BudgetSpent:
                break
            if judgement.score > CLEARLY:
                return len(seeds) // part
    return len(seeds)


def _seeds(search: Search, judgement: Judgement, seed: int, number: int) -> Sequence[int]:
    """Fresh seeds where chance plays a part; where every run is compared by itself, the one that is off."""
    if search.random:
        return block(seed, number, confirm_seeds(search))
    if "seed" in judgement.where:
        return [int(judgement.where["seed"])]
    return block(seed, 0, search.trial.seeds)


def _near(space: Space, one: Point, other: Point) -> bool:
    """Within a tenth of every range: a candidate next to one that failed is the same candidate."""
    return all(
        one[name] == other[name]
        if isinstance(one[name], str)
        else abs(float(one[name]) - float(other[name])) <= 0.1 * abs(float(other[name]))
        for name in space.free
    )
