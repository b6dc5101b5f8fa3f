"""Figures of concept space: paths of the output at x_hat, and leads over the gain."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from theory.registry import get_claim
from toymodels.comparator.figures import styled

Bind = Mapping[str, str]
MARKS = {"disentanglement_time": ("s", "a push of any gain can"), "swing_bump_time": ("^", "bump of the test loss")}


def figures(
    data: Mapping[str, xr.Dataset], bind: Bind, paths: tuple[float, ...], nets: tuple[str, ...]
) -> dict[str, Figure]:
    """All figures, by file name."""
    return {"sim.concept_space": concept_space(data, bind, paths), "sim.capability_leads": leads(data, nets)}


def _shares(w: Mapping[str, xr.DataArray] | Mapping[str, np.ndarray], ratio: float) -> tuple:
    """Both coordinates of f(x_hat) over their goals."""
    return w["strong"] + w["cross"] * ratio, w["cross"] / ratio + w["weak"]


def concept_space(data: Mapping[str, xr.Dataset], bind: Bind, paths: tuple[float, ...]) -> Figure:
    """One start at several ratios of signals: training, the composite trajectory, and two moments on the way."""
    with styled():
        figure = Figure(figsize=(5.6, 4.8), layout="constrained")
        axis = figure.subplots()
        for k, ratio in enumerate(paths):
            one, colour = data[f"path {ratio:g}"], f"C{k}"
            entries = {"strong": (1, 1), "cross": (1, 2), "weak": (2, 2)}
            trained = {name: one.W.sel(row=i, column=j) for name, (i, j) in entries.items()}
            given = {name: one[source] for name, source in bind.items()} | {"time": one.time}
            found = {name: get_claim(f"sim.trajectory_{name}").evaluate(given) for name in entries}
            law = {name: one_law.prediction for name, one_law in found.items()}
            inside = bool(found["weak"].in_domain.all())
            x, y = _shares(trained, ratio)
            axis.plot(x[::8], y[::8], "o", ms=3, color=colour, alpha=0.7, label=f"mu_2/mu_1 = {ratio:g}")
            axis.plot(*_shares(law, ratio), "-" if inside else "--", color=colour, lw=1.2)
            for name, (mark, _) in MARKS.items():
                when = float(one[name])
                place = [np.interp(when, one.time.values, share.values) for share in (x, y)]
                axis.plot(*place, mark, ms=8, mfc="white", mec=colour, mew=1.6, zorder=5)
        axis.plot([], [], "-", color="gray", label="composite trajectory (dashed: beyond its domain)")
        for mark, label in MARKS.values():
            axis.plot([], [], mark, ms=8, mfc="white", mec="gray", label=label)
        axis.axvline(0.5, color="0.6", ls=":", lw=1)
        axis.axhline(0.5, color="0.6", ls=":", lw=1)
        axis.set(
            xlabel="f_1(x_hat)/mu_1 (strong concept)",
            ylabel="f_2(x_hat)/mu_2 (weak concept)",
            title="Paths in concept space; dotted: half of each goal",
        )
        axis.legend(fontsize=8, loc="upper left")
    return figure


def leads(data: Mapping[str, xr.Dataset], nets: tuple[str, ...]) -> Figure:
    """Leads over the linear law of each kind of network, against the gain: medians and quartiles over seeds."""
    with styled():
        figure = Figure(figsize=(6.4, 4.0), layout="constrained")
        axis = figure.subplots()
        tied = data["pushes"].sel(pair="2:1").isel(init_scale=-1)
        a = float(tied.mu.sel(concept=2) ** 2 / 2 + tied.sigma.sel(concept=2) ** 2)
        shown = {"tied linear": 4 * tied.capability_lead * a}
        shown |= {name: 2 * data[name].capability_lead * data[name].a for name in nets}
        for k, (name, lead) in enumerate(shown.items()):
            lead = lead / np.log(2 * lead.gain - 1)
            low, middle, high = (lead.quantile(q, "seed").transpose("gain").values for q in (0.25, 0.5, 0.75))
            place = lead.gain.values * 1.04 ** (k - (len(shown) - 1) / 2)
            axis.errorbar(place, middle, [middle - low, high - middle], fmt="o", ms=4, capsize=2, label=name)
        axis.axhline(1.0, color="black", lw=1.2, label="log(2g - 1)/(4 a_2) tied, /(2 a_2) two layers")
        axis.set(
            xscale="log",
            xlabel="largest gain g (points of one gain side by side)",
            ylabel="measured lead over the linear law\n(median and quartiles over seeds)",
            ylim=(0.97, 1.26),
        )
        axis.set_xticks(tied.gain.values, [f"{g:g}" for g in tied.gain.values])
        axis.minorticks_off()
        axis.legend(fontsize=8)
    return figure
