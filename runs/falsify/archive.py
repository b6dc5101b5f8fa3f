"""What a search leaves behind: its outcome, all points, the witness with its runs."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path
from typing import Any

import theory
from runs.execute import source_digest
from runs.falsify.judging import Judgement, Search, train
from runs.falsify.ledger import Ledger, strict
from runs.falsify.search import Result, Witness
from runs.falsify.space import Point, Space, describe, text
from toymodels.engine import save_netcdf
from toymodels.engine.provenance import commit, versions
from toymodels.errors import EnvironmentProblem

LEDGER, SEARCH, WITNESS, POINTS = "ledger.jsonl", "search.json", "witness.json", "points.csv"


def make(directory: Path) -> Path:
    """`directory`, ready to be written to; `EnvironmentProblem` otherwise."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".probe").touch()
        (directory / ".probe").unlink()
    except OSError as error:
        raise EnvironmentProblem(
            f"Cannot write to {directory}: {error.strerror or error}. Choose another place with --out."
        ) from error
    return directory


def save(directory: Path, result: Result, ledger: Ledger) -> None:
    """Write the outcome of a search; a witness of an earlier one is removed."""
    for old in (directory / WITNESS, *directory.glob("witness-*.nc")):
        old.unlink(missing_ok=True)
    with (directory / POINTS).open("w", newline="") as file:
        names = list(result.space.variables)
        writer = csv.writer(file)
        writer.writerow(["stage", *names, "score", "discrepancy", "low", "high"])
        for entry in ledger.entries:
            j = entry.judgement
            writer.writerow([entry.stage, *(entry.point[name] for name in names), j.score, j.value, j.low, j.high])
    _write(directory / SEARCH, summary(result))
    if result.witness is None or result.interrupted:
        return
    witness = result.witness
    _write(directory / WITNESS, witness_record(result.search, result.space, witness))
    raw = train(result.search, result.space, [witness.point], witness.seeds, 2)
    for name, dataset in raw.items():
        save_netcdf(dataset, directory / f"witness-{name.replace(' ', '_')}.nc")


def command(search: Search, point: Point, seeds: tuple[int, ...]) -> str:
    """The command that judges the claim at `point` with these seeds."""
    words = ["toymodels", "falsify", search.claim.id, "--comparison", search.comparison.id]
    home = Path(search.claim.origin).parent
    if home != Path(str(theory.__file__)).parent:
        words += ["--load", str(home)]
    for name, value in point.items():
        words += ["--set", f"{name}={text(value)}"]
    words += ["--seeds", str(len(seeds)), "--first-seed", str(seeds[0])]
    words += ["--beyond-assumptions"] if search.beyond_assumptions else []
    return shlex.join(words)


def judgement_record(judgement: Judgement) -> dict[str, Any]:
    """Numbers of a judgement for JSON."""
    return {
        "discrepancy": judgement.value,
        "interval": [judgement.low, judgement.high],
        "score": judgement.score,
        "where": dict(judgement.where),
    }


def witness_record(search: Search, space: Space, witness: Witness) -> dict[str, Any]:
    """All that is needed to look at a witness again."""
    return {
        "claim": search.claim.id,
        "statement": search.claim.statement_text,
        "comparison": search.comparison.id,
        "point": witness.point,
        "found_at": witness.found,
        "outside_search_ranges": space.outside(witness.point),
        "seeds": list(witness.seeds),
        "margin": search.comparison.margin,
        "sentence": f"{describe(witness.point)}: {witness.judgement.sentence(search)}",
        "command": command(search, witness.point, witness.seeds),
        "beyond_assumptions": search.beyond_assumptions,
        "versions": versions(),
        "commit": commit(),
        "sources": source_digest(),
        **judgement_record(witness.judgement),
    }


def summary(result: Result) -> dict[str, Any]:
    """The outcome of a search for JSON."""
    search, worst = result.search, result.worst
    status = "interrupted" if result.interrupted else "witness" if result.witness else "none found"
    return {
        "claim": search.claim.id,
        "comparison": search.comparison.id,
        "expect": search.comparison.expect,
        "status": status,
        "budget": result.budget,
        "runs": result.spent,
        "seed": result.seed,
        "points": result.points,
        "points_outside_domain": result.outside,
        "not_confirmed": result.unconfirmed,
        "margin": search.comparison.margin,
        "space": {name: str(variable) for name, variable in result.space.variables.items()},
        "fixed": dict(result.space.fixed),
        "worst": None if worst is None else {"point": worst.point, **judgement_record(worst.judgement)},
        "witness": None if result.witness is None else witness_record(search, result.space, result.witness),
    }


def _write(path: Path, record: dict[str, Any]) -> None:
    temporary = path.with_name(f".{path.name}")
    temporary.write_text(json.dumps(strict(record), indent=2, allow_nan=False))
    temporary.replace(path)
