"""Single steps and curves of linear networks on the identity task."""

from __future__ import annotations

import numpy as np
import xarray as xr

from runs.experiment import Comparison, Data, Experiment, Onset, Scale
from toymodels.comparator import Boundary, Exact, Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

MU, SIGMA = (2.0, 1.0), (0.05, 0.05)
A = np.array(MU) ** 2 / 2 + np.array(SIGMA) ** 2
ROUNDING = 1e-14
RATIOS = (0.1, 0.25, 0.5)
"""a_2/a_1 for the rise and fall of w_12."""

PAIR = {"initial_W": "initial_W", "mu": "mu", "sigma": "sigma"}


def _halved(rate: float, steps: int) -> dict[str, object]:
    """The same stretch of time at a step size and at half of it."""
    return {"learning_rate": ("halving", [rate, rate / 2]), "steps": ("halving", [steps, 2 * steps])}


def sweeps(scale: Scale) -> dict[str, Sweep | Onset]:
    """One layer; its stability; single tied steps; one concept alone; small starts; rise and fall of w_12."""
    seeds = 20 if scale == "quick" else 200
    pair = {"mu": MU, "sigma": SIGMA}
    strengths = np.array([0.5, 1.0, 2.0])
    critical = 1 / (strengths**2 / 2 + 0.05**2)
    return {
        "one layer": Sweep(
            get_model("sim", layers=1, d=3, record_every=40),
            pair | {"init_scale": 0.3} | _halved(0.002, 800),
            seeds=seeds,
        ),
        "stability": Onset(
            Sweep(
                get_model("sim", layers=1),
                {
                    "mu": xr.DataArray(
                        np.stack([strengths / 2, strengths], -1),
                        dims=("strength", "concept"),
                        coords={"strength": strengths},
                    ),
                    "sigma": SIGMA,
                    "steps": 20_000,
                },
                seeds=4,
            ),
            axis="learning_rate",
            outcome=Outcome.DIVERGED,
            low=xr.DataArray(critical, dims="strength", coords={"strength": strengths}),
            high=xr.DataArray(4 * critical, dims="strength", coords={"strength": strengths}),
            rel_tol=1e-3,
        ),
        "tied steps": Sweep(
            get_model("sim", record_every=1),
            pair | {"init_scale": 0.2, "learning_rate": 0.05, "steps": 60},
            seeds=seeds,
        ),
        "fine steps": Sweep(
            get_model("sim", record_every=1),
            pair | {"init_scale": 0.2, "learning_rate": 0.001, "steps": 60},
            seeds=seeds,
        ),
        "one concept": Sweep(
            get_model("sim", width=2, record_every=400),
            {"mu": [2.0], "sigma": [0.05], "init_scale": 0.1} | _halved(2.5e-4, 8000),
            seeds=seeds,
        ),
        "small start": Sweep(
            get_model("sim", record_every=2),
            pair | {"init_scale": 1e-3, "learning_rate": 0.02, "steps": 60},
            seeds=seeds,
        ),
        "peak": Sweep(
            get_model("sim"),
            {
                "mu": xr.DataArray(
                    [[2.0, 2.0 * np.sqrt(ratio)] for ratio in RATIOS],
                    dims=("ratio", "concept"),
                    coords={"ratio": list(RATIOS)},
                ),
                "sigma": [0.0, 0.0],
                "init_scale": [0.001, 0.003, 0.01],
                "learning_rate": 0.001,
                "steps": 6000,
            },
            seeds=10 * seeds,
        ),
    }


def _same_times(raw: xr.Dataset) -> xr.Dataset:
    """W at the finer step size, at times that both have; its error budget is twice the difference of both.

    Descent is a first-order scheme of the flow, so the finer error is about one difference.
    """
    rate = float(raw.learning_rate[0])
    steps = raw.step.values[(raw.step.values > 0) & (2 * raw.step.values <= raw.step.values[-1])]
    coarse, fine = (raw.W.isel(halving=k, drop=True).reset_coords(drop=True) for k in (0, 1))
    fine = fine.sel(step=2 * steps).assign_coords(step=steps)
    return xr.Dataset(
        {
            "W": fine,
            "error": 2 * abs(fine - coarse.sel(step=steps)) + ROUNDING,
            "initial_W": raw.initial_W.isel(halving=0, drop=True).reset_coords(drop=True),
            "time": ("step", steps * rate),
        }
    )


def _off_diagonal(w: xr.DataArray) -> xr.DataArray:
    return w.sel(row=1, column=2, drop=True)


def _increments(raw: xr.Dataset) -> xr.Dataset:
    """What each single step adds to w_12, with W before it as the start.

    In units of `growth`, what the step would add if nothing held w_12 back: the increment itself passes through zero,
    where every relative error is infinite.
    """
    steps = raw.isel(step=slice(None, -1))
    growth = 2 * steps.learning_rate * (A[0] + A[1]) * abs(_off_diagonal(steps.W))
    increment = _off_diagonal(raw.W.diff("step", label="lower")) / growth
    increment.attrs = {"long_name": "increment of w_12 per unhindered growth", "units": "1"}
    return steps.assign(relative_increment=increment, error=ROUNDING / growth, growth=growth, initial_W=steps.W)


def _per_growth(prediction: xr.DataArray, steps: xr.Dataset) -> xr.DataArray:
    return prediction / steps.growth


def measure(raw: Data) -> Data:
    """W with time and error budget, increments of single steps, heights and times of the peak."""
    flow = _same_times(raw["one layer"])
    descent = raw["one layer"][["W", "initial_W"]].isel(halving=0)
    descent = descent.isel(step=slice(None, len(descent.step) // 2 + 1))
    size = flow.sizes["row"]
    shared = {
        "target": (("row", "column"), np.eye(size)),
        "a_column": ("column", np.pad(A, (0, size - len(A)))),
    }
    flow, descent = flow.assign(shared), descent.assign(shared)

    alone = _same_times(raw["one concept"])
    alone = alone.assign(w_pp=alone.initial_W.isel(row=0, column=0), W=alone.W.isel(row=0, column=0),
                         error=alone.error.isel(row=0, column=0)).drop_vars("initial_W")  # fmt: skip
    alone["a"] = (raw["one concept"].mu ** 2 + raw["one concept"].sigma ** 2).isel(concept=0)

    small = raw["small start"]
    small = small.assign(W=_off_diagonal(small.W))
    peak = raw["peak"]
    peak = peak.assign(peak_height=_off_diagonal(peak.peak_height), peak_time=_off_diagonal(peak.peak_time))
    return {
        "flow": flow,
        "descent": descent,
        "stability": raw["stability"],
        "steps": _increments(raw["tied steps"]),
        "fine steps": _increments(raw["fine steps"]),
        "alone": alone,
        "small": small,
        "peak": peak,
    }


COMPARISONS = (
    Comparison(
        id="sim.one_layer",
        claim="sim.one_layer",
        data="flow",
        observable="W",
        kind=Exact(scale="linear"),
        margin=0.005,
        bind={"w_0": "initial_W", "target": "target", "a_column": "a_column", "time": "time"},
    ),
    Comparison(
        id="sim.one_layer_printed",
        claim="sim.one_layer_printed",
        data="flow",
        observable="W",
        kind=Exact(scale="linear"),
        margin=0.005,
        bind={"w_0": "initial_W", "target": "target", "a_column": "a_column", "time": "time"},
        domain="every entry of W, also in the column without data: s = 2 concepts in d = 3",
        mutants=False,
        expect="disagrees",
        reason="a column without data keeps its start; the printed sum leaves it out",
    ),
    Comparison(
        id="sim.one_layer_discrete",
        claim="sim.one_layer_discrete",
        data="descent",
        observable="W",
        kind=Exact(error=1e-12, scale="linear"),
        margin=1e-9,
        bind={
            "w_0": "initial_W",
            "target": "target",
            "a_column": "a_column",
            "learning_rate": "learning_rate",
            "step": "step",
        },
    ),
    Comparison(
        id="sim.one_layer_critical_learning_rate",
        claim="sim.one_layer_critical_learning_rate",
        data="stability",
        observable="learning_rate",
        kind=Boundary(slack=0.0),
        margin=0.005,
        bind={"mu": "mu", "sigma": "sigma"},
        x="strength",
    ),
    Comparison(
        id="sim.tied_step_printed",
        claim="sim.tied_step_printed",
        data="steps",
        observable="relative_increment",
        kind=Exact(scale="linear"),
        margin=0.01,
        bind=PAIR | {"learning_rate": "learning_rate"},
        convert=_per_growth,
        expect="disagrees",
        reason="the printed field is half of the gradient flow of the loss",
    ),
    Comparison(
        id="sim.tied_step",
        claim="sim.tied_step",
        data="steps",
        observable="relative_increment",
        kind=Exact(scale="linear"),
        margin=1e-6,
        bind=PAIR | {"learning_rate": "learning_rate"},
        convert=_per_growth,
    ),
    Comparison(
        id="sim.tied_recurrence",
        claim="sim.tied_recurrence",
        data="fine steps",
        observable="relative_increment",
        kind=Exact(scale="linear"),
        margin=1e-4,
        bind=PAIR | {"learning_rate": "learning_rate"},
        convert=_per_growth,
        domain="learning_rate 0.001, inside the step size that the paper assumes",
        mutants=False,
        expect="disagrees",
        reason="descent on U adds a term of second order in the step, some 1e-3 of the increment",
    ),
    Comparison(
        id="sim.diagonal_logistic",
        claim="sim.diagonal_logistic",
        data="alone",
        observable="W",
        kind=Exact(),
        margin=0.02,
        bind={"w_pp": "w_pp", "a": "a", "time": "time"},
    ),
    Comparison(
        id="sim.early_growth",
        claim="sim.early_growth",
        data="small",
        observable="W",
        kind=Exact(error=ROUNDING),
        margin=0.02,
        bind=PAIR | {"learning_rate": "learning_rate", "step": "step"},
    ),
    *(
        Comparison(
            id=f"sim.off_diagonal_peak_{what}",
            claim=f"sim.off_diagonal_peak_{what}",
            data="peak",
            observable=f"peak_{what}",
            kind=Statistical(),
            margin={"time": 0.01, "height": 0.03}[what],
            bind=PAIR | {"learning_rate": "learning_rate"},
            x="ratio",
            hue="init_scale",
        )
        for what in ("time", "height")
    ),
)

DYNAMICS = Experiment(
    name="sim.dynamics",
    title="Linear networks on the identity task, step by step",
    caption=(
        "One linear layer follows e^(-A t) under gradient flow and (1 - learning_rate A)^n under descent, and "
        "is stable up to learning_rate = 2/max a. A step of the tied network W = U U^T is the gradient-flow "
        "field plus a term of second order that keeps W positive; the printed field is half of it. The "
        "off-diagonal entry grows, turns when the strong concept is about half learned, and falls."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    core=True,
)
