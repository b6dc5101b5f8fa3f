"""Ghosts planted in many dimensions: found from the field alone, their passage times against the reduced law."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Asymptotic, Exact, styled
from toymodels.engine import Sweep
from toymodels.models.ghost_flow import COEFFICIENTS, GhostFlow

DIMENSION = 20
TIME_STEPS = (0.1, 0.05)
MAP_TOLERANCE = 0.1
"""Steps: crossings are interpolated within their steps."""
SHAPES = {"cubic": ("form", [0.0, 0.3]), "quartic": ("form", [0.0, 0.2])}
"""r + u^2, to which every planted r refers, and a flow that has every coefficient of the next order."""
COMMON = {"tilt": 0.5, "bend": 0.3, "mixing": 0.3}
FIXED_WINDOW = {"before": 0.4, "after": 0.6}
WIDTHS = {"before": 6.0, "after": 9.0}
"""Ends of the inner window in units of sqrt(r): a fixed window has an error of its own at every r."""
SAMPLES = {name: f"sample_{name}" for name in COEFFICIENTS}
WINDOW = {"A": "sample_A", "B": "sample_B", "before": "before", "after": "after"}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Passages of the flow, also through a window of a fixed number of widths, and of the leaky map; each seed is a
    random rotation and tilt."""
    size, seeds = DIMENSION, 2 if scale == "quick" else 20
    r = np.geomspace(1e-4, 1e-3, 4) if scale == "quick" else np.geomspace(1e-5, 1e-3, 7)
    common = {**COMMON, **SHAPES, "planted_r": r}
    inner = {name: ("planted_r", widths * np.sqrt(r)) for name, widths in WIDTHS.items()}
    flow, steps = GhostFlow(size, "flow"), {"time_step": list(TIME_STEPS)}
    return {
        "flow": Sweep(flow, {**common, **FIXED_WINDOW, **steps}, seeds=seeds),
        "inner": Sweep(flow, {**common, **inner, **steps}, seeds=seeds),
        "map": Sweep(GhostFlow(size, "map"), {**common, **FIXED_WINDOW, "leak": [0.1, 0.5]}, seeds=seeds),
    }


def _passage(raw: xr.Dataset) -> xr.Dataset:
    """The passage at the finer step; its error budget is the difference to the coarser one."""
    coarse, fine = (raw.sel(time_step=step, drop=True) for step in TIME_STEPS)
    return fine.assign(error=abs(coarse.passage_time - fine.passage_time) + 1e-12 * fine.passage_time)


def measure(raw: Data) -> Data:
    """Error budgets of the integrator (its two step sizes), of the counting, and of the search."""
    flow, inner = _passage(raw["flow"]), _passage(raw["inner"])
    strength = flow[[name for name in flow.data_vars if str(name).startswith("sample_")]].isel(form=0)
    strength["planted_strength"] = (flow.planted_r * xr.ones_like(strength.sample_A)).assign_attrs(units="1/time^2")
    strength["error"] = 1e-9 * strength.planted_strength
    steps = raw["map"].rename(passage_time="passage_steps")
    return {
        "flow": flow,
        "bent": flow.isel(form=1, drop=True),
        "inner": inner,
        "inner_bent": inner.isel(form=1, drop=True),
        "strength": strength,
        "map": steps.assign(error=xr.full_like(steps.passage_steps, MAP_TOLERANCE)),
    }


def _order(claim: str, data: str, observable: str, order: float, bind: dict[str, str]) -> Comparison:
    """How fast the law's relative error falls with r: what it leaves out is of the next order."""
    return Comparison(
        id=f"{claim}.order", claim=claim, data=data, observable=observable,
        kind=Asymptotic("planted_r", points=Exact(scale="relative"), order=order), margin=0.2, bind=bind,
        domain="one decade of r and more, orders in r",
    )  # fmt: skip


def _flow(claim: str, margin: float, bind: dict[str, str], **more: object) -> Comparison:
    return Comparison(
        id=claim, claim=claim, data="flow", observable="passage_time", kind=Exact(scale="relative"), margin=margin,
        bind=bind, domain="random tilts, bent slow manifold, window 0.4 + 0.6, r up to 1e-3", x="planted_r",
        **more,  # type: ignore[arg-type]
    )  # fmt: skip


COMPARISONS = (
    _flow("ghost.reduced_passage_time", 0.01, WINDOW, rivals=("ghost.full_passage_time",)),
    Comparison(
        id="ghost.reduced_passage_time_next",
        claim="ghost.reduced_passage_time_next",
        data="inner",
        observable="passage_time",
        kind=Exact(scale="relative"),
        margin=1e-4,
        bind={**WINDOW, **SAMPLES},
        domain="random tilts, bent slow manifold, window of 6 and 9 widths, r up to 1e-3",
        x="planted_r",
        rivals=("ghost.reduced_passage_time",),
    ),
    _flow(
        "ghost.full_passage_time",
        0.01,
        {"A": "sample_A", "B": "sample_B"},
        mutants=False,
        expect="disagrees",
        reason="the window ends at a finite distance",
    ),
    Comparison(
        id="ghost.reduced_strength",
        claim="ghost.reduced_strength",
        data="strength",
        observable="planted_strength",
        kind=Exact(scale="relative"),
        margin=1e-3,
        bind={"A": "sample_A", "B": "sample_B"},
    ),
    Comparison(
        id="ghost.reduced_strength_next",
        claim="ghost.reduced_strength_next",
        data="strength",
        observable="planted_strength",
        kind=Exact(scale="relative"),
        margin=1e-5,
        bind=SAMPLES,
        rivals=("ghost.reduced_strength",),
        domain="the corrections are of the order r itself: mutants of single terms may be smaller than the margin",
    ),
    Comparison(
        id="ghost.leaky_passage_steps",
        claim="ghost.leaky_passage_steps",
        data="map",
        observable="passage_steps",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={**WINDOW, "leak": "leak"},
        x="planted_r",
        hue="leak",
    ),
    _order("ghost.reduced_passage_time", "bent", "passage_time", 0.5, WINDOW),
    _order("ghost.reduced_passage_time_next", "inner_bent", "passage_time", 1.5, {**WINDOW, **SAMPLES}),
    _order("ghost.reduced_strength", "strength", "planted_strength", 1.0, {"A": "sample_A", "B": "sample_B"}),
)


@styled()
def error_figure(data: Data) -> Figure:
    """Relative error of the laws over r: each order removes a power of r."""
    figure = Figure(figsize=(8.4, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    strength = data["strength"]
    for mark, claim, label, used, window in (
        ("o", "ghost.full_passage_time", "pi/sqrt(AB), window 0.4 and 0.6", ("A", "B"), "bent"),
        ("s", "ghost.reduced_passage_time", "less the ends, same window", ("A", "B"), "bent"),
        ("^", "ghost.reduced_passage_time_next", "next order, same window", COEFFICIENTS, "bent"),
        ("v", "ghost.reduced_passage_time_next", "next order, 6 and 9 widths", COEFFICIENTS, "inner_bent"),
    ):
        flow = data[window].stack(run=("planted_r", "seed"))
        values = {name: flow[f"sample_{name}"].values for name in used}
        if claim != "ghost.full_passage_time":
            values |= {name: flow[name].values for name in ("before", "after")}
        law = get_claim(claim).predict(**values)
        left.loglog(flow.planted_r, abs(law / flow.passage_time - 1), mark, ms=4, label=label)
    left.set(xlabel="planted r (1/time²)", ylabel="|law/simulation - 1|", title="Passage time")
    strength = strength.stack(run=("planted_r", "seed"))
    for mark, claim, label, used in (
        ("o", "ghost.reduced_strength", "A B", ("A", "B")),
        ("^", "ghost.reduced_strength_next", "A B (1 - 2 delta)", COEFFICIENTS),
    ):
        law = get_claim(claim).predict(**{name: strength[f"sample_{name}"].values for name in used})
        right.loglog(strength.planted_r, abs(law / strength.planted_strength - 1), mark, ms=4, label=label)
    right.set(xlabel="planted r (1/time²)", ylabel="|law/planted - 1|", title="Distance to the saddle-node")
    for axes in (left, right):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return figure


EXPERIMENTS = (
    Experiment(
        name="ghost.reduction",
        title="From many dimensions to one",
        caption=(
            "Ghosts planted in 20 dimensions behind random rotations, tilts and bent slow manifolds. The "
            "search sees the field only. Its A and B predict the passage time through a window, and the planted r; the "
            "coefficients of the slow manifold enter one order later. A leaky map takes 1/leak times as many steps."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
        figures=lambda data: {"ghost.reduction": error_figure(data)},
    ),
)
