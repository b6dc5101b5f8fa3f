"""Collect verdicts, figures, certificates and citations of a results directory into one HTML page."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import jinja2

from runs.coverage import coverage, rate_line
from runs.errata import collect, wording
from runs.errata.figure import draw_all
from runs.execute import SUMMARY, execute
from runs.registry import experiments, select
from theory.claim import Claim
from theory.references import entry, short_citation
from theory.registry import CLAIMS, cited
from theory.verify import verify
from toymodels.comparator import Verdict
from toymodels.errors import EnvironmentProblem

PAGE = "index.html"


def build_report(directory: Path) -> Path:
    """Write `directory`/index.html from every experiment's summary below it, and return its path.

    Derivation checks are run for the claims that were compared (cached, so only the first report pays). Raises
    `EnvironmentProblem` if there are no results or the page cannot be written.
    """
    summaries = load(directory)
    used = _claims_of(summaries)
    certificates = verify(used, jobs=2, cache=directory / ".certificates")
    errata = collect(directory, summaries, certificates)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("runs.report"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    keys = sorted({key for claim in used for key in cited(claim)} | {"toymodels"})
    page = environment.get_template("report.html.j2").render(
        summaries=summaries,
        claims={claim.id: claim for claim in used},
        counts=Counter(row["verdict"]["status"] for summary in summaries for row in summary["verdicts"]),
        surprises=[
            row["verdict"] for summary in summaries for row in summary["verdicts"] if not row["verdict"]["as_expected"]
        ],
        errata=errata,
        overlays=draw_all(errata, directory, "errata"),
        **{name: getattr(wording, name) for name in ("certificate", "interval", "point", "values")},
        rates=_rates(summaries),
        coverage=coverage(row["parsed"] for summary in summaries for row in summary["verdicts"]),
        certificates=certificates,
        citations=[(key, short_citation(key), entry(key)) for key in keys],
        number=lambda value: value if isinstance(value, str) else "" if value is None else f"{value:.3g}",
        anchor=lambda text: re.sub(r"[^a-z0-9]+", "-", text.lower()),
    )
    path = directory / PAGE
    try:
        temporary = directory / f".{PAGE}-{os.getpid()}"
        temporary.write_text(page, encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        raise EnvironmentProblem(f"Cannot write {path}: {error.strerror or error}.") from error
    return path


def load(directory: Path) -> list[dict[str, Any]]:
    """Summaries of all finished experiments below `directory`, in the order of the registry."""
    found = []
    order = list(experiments())
    for path in directory.glob(f"*/*/{SUMMARY}"):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise EnvironmentProblem(f"{path} is damaged; run the experiment again with --fresh.") from error
        known = summary["experiment"] in order
        summary["path"] = path.parent.relative_to(directory).as_posix()
        summary["position"] = order.index(summary["experiment"]) if known else len(order)
        for row in summary["verdicts"]:
            row["parsed"] = Verdict.from_json(json.dumps(row["verdict"]))
            row["classes"] = Counter(mutant["verdict_class"] for mutant in row["verdict"]["mutants"])
        summary["drawn"] = [
            figure
            for row in summary["verdicts"]
            for figure in (row["figure"], *(drawn["figure"] for drawn in row.get("maps", ())))
        ]
        found.append(summary)
    if not found:
        raise EnvironmentProblem(
            f"No finished experiment in {directory}; make one: toymodels run core --out {directory}"
        )
    return sorted(found, key=lambda summary: (summary["position"], summary["scale"]))


def redraw(directory: Path) -> None:
    """Judge and draw every experiment below `directory` again, from its stored runs."""
    for summary in load(directory):
        (directory / summary["path"] / SUMMARY).unlink()
        for experiment in select(summary["experiment"]):
            execute(experiment, summary["scale"], directory)


def _rates(summaries: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """(experiment, line) for every experiment with mutants, then all together by scale."""
    verdicts = {
        (summary["experiment"], summary["scale"]): [row["parsed"] for row in summary["verdicts"]]
        for summary in summaries
    }
    rows = [(f"{name}, {scale}", rate_line(found, scale)) for (name, scale), found in verdicts.items()]
    for scale in dict.fromkeys(scale for _, scale in verdicts):
        together = [verdict for (_, other), found in verdicts.items() if other == scale for verdict in found]
        rows.append((f"all, {scale}", rate_line(together, scale)))
    return [row for row in rows if row[1]]


def _claims_of(summaries: list[dict[str, Any]]) -> list[Claim]:
    names: dict[str, None] = {}
    for summary in summaries:
        for row in summary["verdicts"]:
            for name in (row["verdict"]["claim"], *(rival["claim"] for rival in row["rivals"])):
                names[name] = None
    return [CLAIMS[name] for name in names if name in CLAIMS]
