"""docs/errata.md and its figures, from a results directory."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import jinja2

from runs.errata import wording
from runs.errata.collect import Erratum, collect
from runs.errata.declared import declared, not_counted
from runs.errata.figure import draw_all
from runs.report.build import load
from theory.claim import Claim
from theory.verify import verify
from toymodels.errors import EnvironmentProblem

PAGE = "errata.md"
FIGURES = "_static/errata"


def write_page(results: Path, docs: Path) -> Path:
    """Write `docs`/errata.md and `docs`/_static/errata/*.png from the results in `results`, and return the page's path.

    Raises `EnvironmentProblem` where results lack a comparison that is declared to refute a printed statement, or where
    the page cannot be written.
    """
    errata = collect(results, load(results))
    found = {refutation.comparison.id for erratum in errata for refutation in erratum.refutations}
    wanted = {comparison.id: experiment.name for pairs in declared().values() for experiment, comparison in pairs}
    missing = sorted({name for comparison, name in wanted.items() if comparison not in found})
    if missing:
        raise EnvironmentProblem(
            f"{results} lacks refutations that are declared in {', '.join(missing)}; "
            f"make them: toymodels run core --out {results}"
        )
    laws = [corrected.claim for erratum in errata for corrected in erratum.corrected]
    errata = collect(results, load(results), verify(list(dict.fromkeys(laws)), cache=results / ".certificates"))
    stems = draw_all(errata, docs, FIGURES)
    for vector in (docs / FIGURES).glob("*.pdf"):
        vector.unlink()  # pages show the bitmaps
    text = render(errata, {comparison: f"{stem}.png" for comparison, stem in stems.items()})
    path = docs / PAGE
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise EnvironmentProblem(f"Cannot write {path}: {error.strerror or error}.") from error
    return path


def render(errata: tuple[Erratum, ...], drawn: Mapping[str, str]) -> str:
    """The page in Markdown; `drawn` maps comparisons to figures."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("runs.errata"),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    text = environment.get_template("errata.md.j2").render(
        errata=errata,
        pictures=drawn,
        not_counted=not_counted(),
        anchor=anchor,
        **{name: getattr(wording, name) for name in wording.NAMES},
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def anchor(claim_id: str) -> str:
    """Name of the section about a printed claim."""
    return "printed-" + re.sub(r"[^a-z0-9]+", "-", claim_id)


def listed(text: str) -> list[str]:
    """Anchors of the sections of a page, in order."""
    return re.findall(r"^\((printed-[a-z0-9-]+)\)=$", text, re.M)


def section(text: str, claim: Claim) -> str:
    """The part of a page about a printed claim; empty where there is none."""
    parts = re.split(r"^\((printed-[a-z0-9-]+)\)=$", text, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True)).get(anchor(claim.id), "")
