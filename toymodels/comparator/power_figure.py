"""The power curves as a figure: one panel a kind."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from toymodels.comparator.figures import colours, styled
from toymodels.comparator.power import SPREADS, WANTED, Curve

SHOWN = {
    "Statistical": "median, lognormal",
    "Boundary": "share 0+",
    "Exponent": "median, lognormal",
    "Asymptotic": "order of a mean",
    "Exact": "honest budget",
    "Bound": "honest budget",
}
DASHES = dict(zip((*SPREADS, None), (":", "--", "-", "-"), strict=True))
TITLES = {
    "Statistical": "Statistical: median of lognormal runs",
    "Boundary": "Boundary: onset of a share of hits",
    "Exponent": "Exponent: medians at 6 points, one decade",
    "Asymptotic": "Asymptotic: order from means, one decade",
    "Exact": "Exact",
    "Bound": "Bound",
}


def power_figure(curves: tuple[Curve, ...]) -> Figure:
    """Probability of "disagrees" against the number of runs (for Exact and Bound: the numerical error)."""
    with styled():
        figure = Figure(figsize=(10.5, 6.6), layout="constrained")
        panels = figure.subplots(2, 3, sharey=True)
        for axes, (kind, setting) in zip(panels.flat, SHOWN.items(), strict=True):
            mine = [c for c in curves if c.kind == kind and c.setting.startswith(setting)]
            errors = sorted({c.error for c in mine})
            hue = dict(zip(errors, colours(len(errors)), strict=True))
            for curve in mine:
                axes.plot(curve.amounts, curve.rejected, ls=DASHES[curve.spread], color=hue[curve.error])
            axes.axhline(WANTED, color="0.6", lw=0.8, zorder=1)
            axes.set_xscale("log")
            axes.set_ylim(-0.03, 1.03)
            axes.set_title(TITLES[kind])
            runs = mine[0].unit == "runs"
            axes.set_xlabel("runs per point" if runs else "numerical error / error of the law")
            if runs:
                axes.set_xlim(16, max(c.amounts[-1] for c in mine))
            unit = "" if kind in ("Exponent", "Asymptotic") else " %"
            scale = 1 if kind in ("Exponent", "Asymptotic") else 100
            handles = [Line2D([], [], color=hue[e], label=f"off by {scale * e:g}{unit}") for e in errors]
            plain: dict[str, Any] = {
                "frameon": True,
                "facecolor": "white",
                "edgecolor": "none",
                "framealpha": 0.9,
                "fontsize": "small",
            }
            axes.legend(handles=handles, loc="center left" if not runs else "lower right", **plain)
        for axes in panels[:, 0]:
            axes.set_ylabel("probability of rejection")
        spreads = [Line2D([], [], color="0.3", ls=DASHES[s], label=f"spread of a run {s:.0%}") for s in SPREADS]
        figure.legend(handles=spreads, loc="outside lower center", ncols=len(spreads), handlelength=3)
    return figure


def needed_text(curve: Curve) -> str:
    """The number of runs (rounded to two digits), or the largest numerical error, that suffices."""
    needed = curve.needed
    if not np.isfinite(needed):
        return f"more than {curve.amounts[-1]:,.0f}".replace(",", " ")
    if curve.unit != "runs":
        return f"{needed:.2g} of the error"
    if needed <= curve.amounts[0]:
        return f"{curve.amounts[0]:.0f} or fewer"
    return f"{float(f'{needed:.1e}'):,.0f}".replace(",", " ")
