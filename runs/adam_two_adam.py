"""2-Adam on the direction of a scale-invariant weight: printed constants against corrected ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Statistical, styled
from toymodels.engine import Sweep
from toymodels.models import get_model

DIM = 32
MOMENTA = [0.0, 0.3, 0.6, 0.9]
WITH_SIGNAL = [0.3, 0.6, 0.8]
TWINS = {"halved": 0.5, "corrected": 1.0, "printed": None}
"""Step size of the twin over the corrected one; None is the printed step size."""
TURN = 0.03
"""learning_rate weight_decay (1 + beta1)/(1 - beta1)^2: squared angle of a printed twin within the memory of momentum,
by two."""
FASTEST = 2e-3
"""Largest learning_rate weight_decay."""
PACE = 0.004
"""k-Adam: k learning_rate weight_decay over 1 - beta1."""
RATE = 0.01
"""Learning rate; products with the weight decay are what matters."""
BETA2 = 0.999
LIVES = 4.0
"""Length of a run in times over which the direction is forgotten, 1/(learning_rate weight_decay)."""
PIECES = 16
SIGNAL = {"signal": 1.0, "condition": 10.0}
BIND = {"beta1": "beta1", "beta2": "beta2", "learning_rate": "learning_rate", "weight_decay": "weight_decay"}


def _constants(momenta: list[float]) -> dict[str, Any]:
    """Decay so slow that directions turn little within the memory of momentum; twins with three step sizes.

    Weights start with the length that they keep, where |u|^2 is DIM (1 - beta1)/(1 + beta1)."""
    beta1 = xr.DataArray(momenta, dims="beta1", coords={"beta1": momenta})
    decay = np.minimum(TURN * (1 - beta1) ** 2 / (1 + beta1), FASTEST)
    given = {"beta1": beta1, "learning_rate": RATE, "weight_decay": decay / RATE}
    corrected = get_claim("adam.two_adam_rate").predict(**given)
    printed = get_claim("adam.two_adam_rate_printed").predict(learning_rate=RATE, weight_decay=decay / RATE)
    twins = xr.Variable("twin", np.arange(len(TWINS)))
    step_sizes: list[Any] = [printed if share is None else share * corrected for share in TWINS.values()]
    decays: list[Any] = [1 / (1 + 2 * decay) if share is None else (1 - decay) ** 2 for share in TWINS.values()]
    rates = xr.concat(step_sizes, dim=twins, coords="minimal")
    averages = xr.concat(decays, dim=twins, coords="minimal")
    steps = (np.ceil(LIVES / decay / PIECES) * PIECES).astype(int)
    return {
        "beta1": beta1,
        "beta2": BETA2,
        "learning_rate": RATE,
        "weight_decay": decay / RATE,
        "twin_rate": rates,
        "twin_beta2": averages,
        "initial_norm": RATE * np.sqrt(DIM) / printed,
        "steps": steps,
    }


def _sweep(beta1: float, seeds: int, **more: float) -> Sweep:
    """One momentum: runs of one length."""
    numbers = {
        name: value.sel(beta1=beta1, drop=True) if isinstance(value, xr.DataArray) else value
        for name, value in _constants([beta1]).items()
    }
    steps = int(numbers["steps"])
    model = get_model("adam_twin", dim=DIM, record_every=steps // PIECES)
    values = {n: v.item() if isinstance(v, xr.DataArray) and not v.dims else v for n, v in numbers.items()}
    return Sweep(model, {**values, **more}, seeds=seeds)


def _stages(stages: int, momenta: list[float], seeds: int) -> Sweep:
    """k-Adam on scale-invariant weights, started with the predicted length."""
    beta1 = np.array(momenta)
    decay = PACE * (1 - beta1) / stages
    power = get_claim("adam.k_white_noise_power")
    earlier = power.predict(beta1=beta1, stage=stages - 1) if stages > 1 else 1.0
    steps = int(np.ceil(LIVES / decay.min() / PIECES) * PIECES)
    return Sweep(
        get_model("adam_twin", stages=stages, dim=DIM, record_every=steps // PIECES),
        {
            "beta1": beta1,
            "beta2": BETA2,
            "learning_rate": RATE,
            "weight_decay": ("beta1", decay / RATE),
            "initial_norm": ("beta1", RATE * np.sqrt(DIM / earlier / (2 * decay))),
            "twin_rate": 0.0,
            "steps": steps,
        },
        seeds=seeds,
    )


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Twins in white noise and with a signal, over momentum; k-Adam on scale-invariant weights."""
    seeds = 20 if scale == "quick" else 96
    planned = {f"noise {beta1:g}": _sweep(beta1, 2 * seeds) for beta1 in MOMENTA}
    planned |= {f"signal {beta1:g}": _sweep(beta1, seeds, **SIGNAL) for beta1 in WITH_SIGNAL}
    planned |= {f"stages {k}": _stages(k, [0.5, 0.8], seeds) for k in (1, 2, 3)}
    return planned


def _means(raw: xr.Dataset) -> xr.Dataset:
    """Time means over the second half of the steps."""
    half = raw.isel(step=slice(raw.sizes["step"] // 2 + 1, None)).mean("step")
    means = half[["mean_square_norm", "mean_square_update", "mean_overlap", "loss", "twin_loss"]]
    means = means.rename(mean_overlap="overlap")
    means["direction_rate"] = raw.learning_rate * np.sqrt(means.mean_square_update / means.mean_square_norm)
    means["norm_factor"] = (
        2 * raw.weight_decay * means.mean_square_norm / (raw.learning_rate * means.mean_square_update)
    )
    means.overlap.attrs = {"long_name": "cosine between the weights and their twin", "units": "1"}
    means.direction_rate.attrs = {"long_name": "learning_rate |u|/|W|", "units": "radian/step"}
    means.norm_factor.attrs = {"long_name": "2 weight_decay |W|^2/(learning_rate |u|^2)", "units": "1"}
    return means


def _together(raw: Data, kind: str, momenta: list[float]) -> xr.Dataset:
    """Runs of all momenta along one axis."""
    parts = [_means(raw[f"{kind} {beta1:g}"]).reset_coords(drop=False) for beta1 in momenta]
    kept = ["beta1", "beta2", "learning_rate", "weight_decay", "twin_rate"]
    joined = xr.concat([part.drop_vars(["beta1"]) for part in parts], dim=xr.Variable("beta1", momenta))
    return joined.set_coords(kept[1:]).assign_coords(dim=DIM, twin=list(TWINS))


def measure(raw: Data) -> Data:
    """Overlaps by twin, step sizes of the direction, norms by number of stages."""
    noise, signal = _together(raw, "noise", MOMENTA), _together(raw, "signal", WITH_SIGNAL)
    stages = xr.concat(
        [_means(raw[f"stages {k}"]).reset_coords(["weight_decay", "steps", "initial_norm"]) for k in (1, 2, 3)],
        dim=xr.Variable("stage", [1, 2, 3]),
    ).set_coords(["weight_decay", "steps", "initial_norm"])
    return {
        "noise": noise,
        "rates": noise[["direction_rate"]].isel(twin=0, drop=True),
        "printed": noise[["overlap"]].sel(twin="printed", drop=True),
        "signal": signal.sel(twin="corrected", drop=True),
        "signal_all": signal,
        "stages": stages[["norm_factor"]],
    }


MEDIAN = Statistical(estimator="median", scale="relative")
COMPARISONS = (
    Comparison(
        id="adam.two_adam_rate",
        claim="adam.two_adam_rate",
        data="rates",
        observable="direction_rate",
        kind=MEDIAN,
        margin=0.02,
        bind=BIND,
        rivals=("adam.two_adam_rate_printed",),
        x="beta1",
    ),
    Comparison(
        id="adam.two_adam_rate_printed",
        claim="adam.two_adam_rate_printed",
        data="rates",
        observable="direction_rate",
        kind=MEDIAN,
        margin=0.02,
        bind={name: name for name in ("learning_rate", "weight_decay")},
        mutants=False,
        expect="disagrees",
        reason="momentum lengthens the weights: the direction turns by a factor sqrt((1-beta1)/(1+beta1)) less",
    ),
    Comparison(
        id="adam.two_adam_overlap",
        claim="adam.two_adam_overlap",
        data="noise",
        observable="overlap",
        kind=MEDIAN,
        margin=0.1,
        bind={**BIND, "twin_rate": "twin_rate", "dim": "dim"},
        domain="white noise; twins with half the corrected step size, the corrected and the printed one",
        x="beta1",
        hue="twin",
    ),
    Comparison(
        id="adam.two_adam_printed",
        claim="adam.two_adam_printed",
        data="printed",
        observable="overlap",
        kind=MEDIAN,
        margin=0.03,
        bind={},
        mutants=False,
        expect="disagrees",
        reason="the printed step size is sqrt((1+beta1)/(1-beta1)) times too large; only at beta1 = 0 it is right",
    ),
    Comparison(
        id="adam.two_adam_corrected",
        claim="adam.two_adam_overlap",
        data="signal",
        observable="overlap",
        kind=MEDIAN,
        margin=0.01,
        bind={**BIND, "twin_rate": "twin_rate", "dim": "dim"},
        domain="noise and signal of the same size; the corrected constants, where the law gives 1 with a signal too",
    ),
    Comparison(
        id="adam.k_norm_factor",
        claim="adam.k_norm_factor",
        data="stages",
        observable="norm_factor",
        kind=MEDIAN,
        margin=0.05,
        bind={**BIND, "stage": "stage"},
        x="stage",
        hue="beta1",
    ),
)


def overlay(data: Data) -> Figure:
    """Cosine between weights and twins over momentum, and their losses where there is a signal."""
    line = np.linspace(0, 0.95, 200)
    with styled():
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for position, twin in enumerate(TWINS):
            chosen = data["noise"].overlap.sel(twin=twin)
            given = _constants(list(line))
            law = get_claim("adam.two_adam_overlap").predict(
                **{name: given[name] for name in ("beta1", "learning_rate", "weight_decay")},
                twin_rate=given["twin_rate"].isel(twin=position, drop=True),
                dim=DIM,
            )
            left.plot(line, law, "-", color=f"C{position}")
            ends = chosen.quantile([0.1, 0.9], "seed")
            middle = chosen.median("seed")
            left.errorbar(
                chosen.beta1, middle, abs(ends - middle), fmt="o", color=f"C{position}", label=f"{twin} step size"
            )
            loss = data["signal_all"].twin_loss.sel(twin=twin) / data["signal_all"].loss.sel(twin=twin)
            right.plot(loss.beta1, loss.mean("seed"), "o-", color=f"C{position}", label=f"{twin} step size")
        left.set(xlabel="beta1", ylabel="cosine between W and its twin", ylim=(0, 1.05), title="white noise")
        left.legend(title=f"lines: theory, {DIM} weights;\nbars: 10 % to 90 % of runs")
        right.set(xlabel="beta1", ylabel="loss of the twin / loss of W", title="signal and noise")
    return figure


TWO_ADAM = Experiment(
    name="adam.two_adam",
    title="Scale-invariant weights as 2-Adam on their direction",
    caption=(
        "A scale-invariant weight under AdamW, and beside it a twin of length 1 without weight decay under 2-Adam, in "
        "the same noise. With the printed constants the twin turns too fast by sqrt((1+beta1)/(1-beta1)), 4.4 at "
        "beta1 = 0.9, because momentum lengthens the weights: the cosine between both is sqrt(1 - beta1^2). With the "
        "corrected step size both stay together, with a signal too. Under k-Adam the squared norm is 1/R_k times what "
        "orthogonal updates would give."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"adam.two_adam_twins": overlay(data)},
)
