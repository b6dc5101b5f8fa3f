"""Both forms over the same data: the corrected law as a line, the printed one dashed."""

from __future__ import annotations

from matplotlib.figure import Figure

from runs.errata.collect import Refutation
from theory.registry import get_claim
from toymodels.comparator import overlay

PRINTED = "as printed"


def figure_name(refutation: Refutation) -> str:
    """Stem of the file."""
    return f"errata/{refutation.comparison.id}"


def draw(refutation: Refutation) -> Figure | None:
    """The overlay of the comparison, or of the line through its witness where it declares no axis.

    None where the compared points have no axis at all.
    """
    comparison, data = refutation.comparison, refutation.data
    printed = get_claim(comparison.claim)
    solid = refutation.law or printed
    kept = refutation.points.status.copy(data=refutation.points.status.values != _outside(refutation))
    arrays = [refutation.predicted(solid), refutation.predicted(printed), kept.reset_coords(drop=True)]
    x, hue = comparison.x, comparison.hue
    if x is None:
        x = axis(refutation)
        if x is None or refutation.witness is None:
            return None
        fixed = {dim: i for dim, i in refutation.witness.index.items() if dim != x}
        data = data.isel({d: i for d, i in fixed.items() if d in data.dims})
        arrays = [a.isel({d: i for d, i in fixed.items() if d in a.dims}) for a in arrays]
    law, rival, inside = arrays
    return overlay(
        data,
        law,
        observable=comparison.observable,
        kind=comparison.kind,
        x=x,
        hue=hue,
        rivals={PRINTED: rival} if refutation.law else {},
        margin=comparison.margin,
        in_domain=inside,
        **{
            **comparison.overlay,
            "label": solid.id if refutation.law else PRINTED,
            "title": f"{printed.id}, as printed and corrected" if refutation.law else f"{printed.id}, as printed",
        },
    )


def axis(refutation: Refutation) -> str | None:
    """The longest numeric axis of the compared points; seeds are no axis."""
    status = refutation.points.status
    lengths = {
        str(dim): status.sizes[dim]
        for dim in status.dims
        if dim != "seed" and dim in status.coords and status[dim].dtype.kind in "fiu"
    }
    return max(lengths, key=lambda dim: lengths[dim], default=None)


def _outside(refutation: Refutation) -> int:
    attrs = refutation.points.status.attrs
    return attrs["flag_values"][attrs["flag_meanings"].split().index("outside")]
