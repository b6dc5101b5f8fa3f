"""`make calibration`: the tables and the figure of the documentation's page on calibration, from fixed seeds."""

from __future__ import annotations

import argparse
import csv
import functools
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import groupby
from pathlib import Path

from toymodels.comparator import save_figure
from toymodels.comparator.calibration import (
    ALLOWED,
    CASES,
    REPETITIONS,
    Row,
    calibration_table,
    measure_case,
    scenarios,
)
from toymodels.comparator.power import PARTS, Curve, power_curves
from toymodels.comparator.power_figure import needed_text, power_figure

PLACE = Path("docs/_static")
ROW_HEAD = ("kind", "data", "runs", "points", "false alarms", "wrong laws accepted", "of", "half-width")
POWER_HEAD = ("kind", "estimate", "spread", "error", "needed")


def row_cells(row: Row) -> tuple[str, ...]:
    """One line of the calibration table."""
    runs = "-" if row.runs is None else str(row.runs)
    counts = (str(row.alarms), str(row.missed), str(row.repetitions))
    return (row.kind, row.setting, runs, str(row.points), *counts, f"{row.width:.3g}")


def power_cells(curve: Curve) -> tuple[str, ...]:
    """One line of the table of runs needed."""
    spread = "-" if curve.spread is None else f"{curve.spread:.0%}"
    absolute = curve.kind in ("Exponent", "Asymptotic")
    error = f"{curve.error:g}" if absolute else f"{curve.error:.0%}"
    return (curve.kind, curve.setting, spread, error, needed_text(curve))


def summary(rows: Iterable[Row]) -> list[tuple[str, ...]]:
    """Per kind: how many rows, and the largest counts."""
    ordered = sorted(rows, key=lambda r: r.kind.split(":")[0])
    lines = []
    for kind, group in groupby(ordered, key=lambda r: r.kind.split(":")[0]):
        mine = list(group)
        total = sum(r.repetitions for r in mine)
        counts = (max(r.alarms for r in mine), sum(r.alarms for r in mine), max(r.missed for r in mine))
        lines.append((kind, str(len(mine)), *map(str, counts), str(total)))
    return lines


def _row(number: int, repetitions: int) -> Row:
    """Row number `number` of scenarios and whole-way cases together: what a worker process is told."""
    every = list(scenarios())
    if number < len(every):
        return calibration_table(repetitions, [every[number]])[0]
    return measure_case(CASES[number - len(every)], repetitions)


def write(path: Path, head: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """A CSV file."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(head)
        writer.writerows(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything and write the files; 1 if a covered row has more false alarms than allowed."""
    parser = argparse.ArgumentParser(prog="python -m runs.calibration", description=__doc__)
    parser.add_argument("--out", type=Path, default=PLACE, help=f"folder of the files (default {PLACE})")
    parser.add_argument("--repetitions", type=int, default=REPETITIONS)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(argv)
    given.out.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(given.workers) as pool:
        parts = pool.map(_part, PARTS)
        count = len(list(scenarios())) + len(CASES)
        rows = []
        for row in pool.map(functools.partial(_row, repetitions=given.repetitions), range(count)):
            rows.append(row)
            print(f"{len(rows):4} of {count}  {row.kind}, {row.setting}: {row.alarms} alarms", flush=True)
        curves = tuple(curve for part in parts for curve in part)
    covered = [r for r in rows if r.covered]
    write(given.out / "calibration.csv", ROW_HEAD, map(row_cells, covered))
    write(given.out / "calibration_limits.csv", ROW_HEAD, (row_cells(r) for r in rows if not r.covered))
    head = ("kind", "rows", "most false alarms in a row", "false alarms", "most wrong laws accepted in a row", "of")
    write(given.out / "calibration_summary.csv", head, summary(covered))
    write(given.out / "power.csv", POWER_HEAD, map(power_cells, curves))
    points = (
        (*power_cells(c)[:4], f"{a:g}", f"{p:g}") for c in curves for a, p in zip(c.amounts, c.rejected, strict=True)
    )
    write(given.out / "power_curves.csv", (*POWER_HEAD[:4], "runs or numerical error", "rejected"), points)
    save_figure(power_figure(curves), given.out / "power")
    beyond = [r for r in covered if max(r.alarms, r.missed) > ALLOWED * given.repetitions / REPETITIONS]
    for row in beyond:
        print(f"too many errors: {', '.join(row_cells(row))}", file=sys.stderr)
    return 1 if beyond else 0


def _part(name: str) -> tuple[Curve, ...]:
    return power_curves([name])


if __name__ == "__main__":
    sys.exit(main())
