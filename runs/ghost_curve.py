"""The plateau of the ghost and its abrupt end, the floor of the oscillation, the collapse in kappa."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.ghost_onset import SHARP, unit_r, unit_rate
from theory.registry import get_claim
from toymodels.comparator import Exact, Statistical, styled
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

START, SPREAD = 4.0, 0.3
"""Starts in units of r*, spread over several steps of descent."""
SLOW = (0.02, 0.04)
"""kappa of the plateau."""
SMALL = (0.01, 0.02, 0.05, 0.1)
"""kappa of the floor; larger ones lock into windows."""
INTEGRATOR = 1e-3
"""Allowance for the loss, relative."""


def _training(T: np.ndarray, kappa: tuple[float, ...], mean: float, spread: float) -> dict[str, object]:
    """Rates for each kappa and T; starts around mean in units of r*."""
    rates = np.asarray(kappa)[:, None] * unit_rate(T)
    return {
        "T": T,
        **SHARP,
        "learning_rate": xr.DataArray(rates, dims=("kappa", "T"), coords={"kappa": list(kappa), "T": T}),
        "r0_mean": ("T", mean * unit_r(T)),
        "r0_spread": ("T", spread * unit_r(T)),
    }


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """From far above down the plateau; long oscillations."""
    quick = scale == "quick"
    T = np.array([50.0, 100.0])
    one = np.array([100.0])
    steps = [int(np.ceil(0.4 * (START + SPREAD) ** 2.5 / kappa)) + 50 for kappa in SLOW]
    burn = 1000
    return {
        "plateau": Sweep(
            # Errors of single gradients, 1e-4, add up over hundreds of steps: half the step size has 5e-6.
            get_model("ghost", refine=2, record_every=20),
            {**_training(T, SLOW, START, SPREAD), "steps": ("kappa", steps)},
            seeds=64 if quick else 400,
        ),
        "floor": Sweep(
            get_model("ghost", record_every=burn),
            {**_training(one, SMALL, 1.0, 0.05), "steps": 2 * burn},
            seeds=64 if quick else 400,
        ),
    }


def measure(raw: Data) -> Data:
    """Losses and learning steps with the integrator's error; means after the start."""
    plateau = raw["plateau"]
    curve = plateau[["loss", "initial_r"]].isel(step=slice(1, None), seed=slice(8))
    floor = raw["floor"][["mean_loss"]].isel(step=-1)
    return {
        "curve": curve.assign(error=INTEGRATOR * curve.loss),
        "collapse": _paired(curve),
        "learning": plateau[["learning_step", "initial_r"]],
        "floor": floor,
        "outcomes": (plateau.outcome == Outcome.LEARNED).to_dataset(name="learned"),
    }


def _paired(curve: xr.Dataset) -> xr.Dataset:
    """Plateau losses at the shorter T beside those of the same kappa, seed and step at the longest one."""
    on_plateau = curve.loss.where(curve.loss > 0.2 * curve["T"])
    longest = on_plateau.isel(T=-1, drop=True)
    paired = on_plateau.isel(T=slice(-1)).to_dataset(name="loss")
    paired = paired.assign(sample_loss=longest, sample_T=float(curve["T"][-1]))
    return paired.assign(error=INTEGRATOR * paired.loss)


TRAIN = {
    "T": "T",
    "learning_rate": "learning_rate",
    "initial_r": "initial_r",
    "threshold": "threshold",
    "confidence": "confidence",
}

COMPARISONS = (
    Comparison(
        id="ghost.collapse",
        claim="ghost.collapse",
        data="collapse",
        observable="loss",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={name: name for name in ("T", "sample_T", "sample_loss", "kappa", "threshold", "confidence")},
        domain="kappa = 0.02 and 0.04, while the loss is above T/5; threshold and confidence fixed, T = 50 against 100",
    ),
    Comparison(
        id="ghost.learning_step",
        claim="ghost.learning_step",
        data="learning",
        observable="learning_step",
        kind=Statistical(estimator="mean", scale="relative"),
        margin=0.001,
        bind=TRAIN,
        domain="starts at 3.7 to 4.3 r*, kappa = 0.02 and 0.04",
        rivals=("ghost.learning_step_continuous",),
    ),
    Comparison(
        id="ghost.learning_step_continuous",
        claim="ghost.learning_step_continuous",
        data="learning",
        observable="learning_step",
        kind=Statistical(estimator="mean", scale="relative"),
        margin=0.001,
        bind=TRAIN,
        domain="starts at 3.7 to 4.3 r*, kappa = 0.02 and 0.04",
        expect="disagrees",
        reason="finite steps add 1.5 steps, 0.5 % at kappa = 0.04",
        x="kappa",
        hue="T",
    ),
    Comparison(
        id="ghost.plateau_loss",
        claim="ghost.plateau_loss",
        data="curve",
        observable="loss",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={**TRAIN, "step": "step"},
        domain="until r^(5/2) is down to 1.5 of its value at r*",
        rivals=("ghost.plateau_loss_continuous",),
    ),
    Comparison(
        id="ghost.plateau_loss_continuous",
        claim="ghost.plateau_loss_continuous",
        data="curve",
        observable="loss",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={**TRAIN, "step": "step"},
        domain="until r^(5/2) is down to 1.5 of its value at r*",
        mutants=False,
        expect="disagrees",
        reason="finite steps delay the fall by (3/4) log(r0/r) of them, which shows where the loss is steep",
    ),
    Comparison(
        id="ghost.floor",
        claim="ghost.floor",
        data="floor",
        observable="mean_loss",
        kind=Statistical(estimator="mean"),
        margin=0.02,
        bind={name: name for name in ("T", "learning_rate", "threshold", "confidence")},
        domain="kappa up to 0.1, mean over steps 1000 to 2000",
        x="learning_rate",
    ),
)


@styled()
def curve_figure(data: Data) -> Figure:
    """Loss over steps: runs as dots, both laws as lines."""
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    curve = data["curve"].sel(T=100.0).isel(seed=0)
    for kappa in curve.kappa.values:
        one = curve.sel(kappa=kappa).dropna("step")
        values = {"T": 100.0, "learning_rate": float(one.learning_rate), "initial_r": float(one.initial_r)}
        step = np.linspace(0, float(one.step[-1]), 400)
        (line,) = axes.plot(step, get_claim("ghost.plateau_loss").predict(step=step, **values) / 100)
        axes.plot(one.step, one.loss / 100, "o", ms=3, color=line.get_color(), label=f"kappa = {kappa:g}")
    axes.set(xlabel="step", ylabel="L/T", title="The plateau and its abrupt end")
    axes.legend(title="dots: one run; line: law")
    return figure


EXPERIMENTS = (
    Experiment(
        name="ghost.learning_curve",
        title="Plateau, abrupt learning, oscillation",
        caption=(
            "Training from far above the optimum, threshold 400 and confidence 0.25. The loss stays on a plateau and "
            "falls at a predicted step; finite steps delay it by (3/4) log(r0/r*) + 1/2. Afterwards r "
            "oscillates about the optimum with the mean loss T kappa/4."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
        figures=lambda data: {"ghost.loss_curve": curve_figure(data)},
        core=True,
    ),
)
