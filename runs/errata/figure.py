"""Both forms over the same data: the printed one as a line, the corrected one dashed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from runs.errata.collect import Erratum, Refutation
from runs.errata.witness import code
from theory.registry import get_claim
from toymodels.comparator import overlay, save_figure


def draw_all(errata: Iterable[Erratum], directory: Path, folder: str) -> dict[str, str]:
    """Draw every overlay below `directory`/`folder`; the stem of each, relative to `directory`, by comparison.

    What an earlier call has drawn there is removed.
    """
    for old in (directory / folder).glob("*.p[nd][gf]"):
        old.unlink()
    stems = {}
    for refutation in (refutation for erratum in errata for refutation in erratum.refutations):
        figure = draw(refutation)
        if figure is not None:
            stems[refutation.comparison.id] = f"{folder}/{refutation.comparison.id}"
            save_figure(figure, directory / folder / refutation.comparison.id)
    return stems


def draw(refutation: Refutation) -> Figure | None:
    """The overlay of the comparison, or of the line through its witness where it declares no axis.

    The lower panel is the discrepancy from the printed form, in which the corrected one passes through the marks. None
    where the compared points have no axis at all.
    """
    comparison, data = refutation.comparison, refutation.data
    printed, law = get_claim(comparison.claim), refutation.law
    status = refutation.points.status
    arrays = {
        "printed": refutation.predicted(printed),
        "inside": status.copy(data=status.values != code(status, "outside")).reset_coords(drop=True),
        **({"corrected": refutation.predicted(law)} if law else {}),
    }
    x = comparison.x or axis(refutation)
    if comparison.x is None:
        if x is None or refutation.witness is None:
            return None
        fixed = {dim: i for dim, i in refutation.witness.index.items() if dim != x}
        data = data.isel({d: i for d, i in fixed.items() if d in data.dims})
        arrays = {name: a.isel({d: i for d, i in fixed.items() if d in a.dims}) for name, a in arrays.items()}
    assert x is not None
    own = {
        "margin": comparison.margin,
        "label": printed.id,
        "title": "as printed and corrected" if law else "as printed",
    }
    figure = overlay(
        data,
        arrays["printed"],
        observable=comparison.observable,
        kind=comparison.kind,
        x=x,
        hue=comparison.hue,
        rivals={law.id: arrays["corrected"]} if law else {},
        in_domain=arrays["inside"],
        **{**comparison.overlay, **own},
    )
    for legend in figure.legends:
        for text in legend.get_texts():
            text.set_text(text.get_text().replace("theory:", "printed:").replace("rival:", "corrected:"))
    return figure


def axis(refutation: Refutation) -> str | None:
    """The longest numeric axis of the compared points; seeds are no axis."""
    status = refutation.points.status
    lengths = {
        str(dim): status.sizes[dim]
        for dim in status.dims
        if dim != "seed" and dim in status.coords and status[dim].dtype.kind in "fiu"
    }
    return max(lengths, key=lambda dim: lengths[dim], default=None)
