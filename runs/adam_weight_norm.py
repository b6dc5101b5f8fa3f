"""AdamW on scale-invariant losses: length and turning of the weights, printed law against corrected one."""

from __future__ import annotations

import numpy as np
import xarray as xr

from runs.adam_weight_norm_comparisons import COMPARISONS
from runs.adam_weight_norm_figures import figures
from runs.experiment import Data, Experiment, Scale
from toymodels.engine import Sweep
from toymodels.model import ToyModel
from toymodels.models import get_model

DIM = 32
STEPS = 3000
"""The slowest runs decay by 2e-3 a step: the start fades by e^(-6) before the second half."""
STRIDE = 100
MOMENTA = [0.0, 0.5, 0.8, 0.9, 0.95, 0.99]
NOISE = [0.1, 1.0]
LOOKS = [400, 1000, 2000, 3000]
"""Steps at which |W|^2 in time is compared; 2 learning_rate weight_decay is 1/500 there."""
MEMORY_STEPS = 2400
LAGS = np.arange(0, 1001, 200)


def model(**static: object) -> ToyModel:
    """The model with records enough for time means of the second half."""
    return get_model("scale_invariant", **{"dim": DIM, "record_every": STRIDE, **static})


def _pairs(decays: list[float]) -> dict[str, object]:
    """Learning rates and weight decays with these products, the learning rates spread over a factor of 6."""
    rate = np.resize([0.01, 0.03, 0.005], len(decays))
    return {
        "learning_rate": xr.DataArray(rate, dims="decay", coords={"decay": decays}),
        "weight_decay": xr.DataArray(np.array(decays) / rate, dims="decay", coords={"decay": decays}),
    }


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Steady states over momentum, decay, noise, beta2 and tails; single steps; relaxation; memory."""
    seeds = 16 if scale == "quick" else 64
    return {
        "momentum": Sweep(
            model(),
            {"beta1": MOMENTA, "noise": NOISE, **_pairs([5e-3, 2e-2]), "beta2": 0.99, "steps": STEPS},
            seeds=seeds,
        ),
        "slow": Sweep(
            model(),
            {"beta1": [0.5, 0.9, 0.97], "noise": NOISE, **_pairs([2e-3, 1e-2, 3e-2, 0.1, 0.2]), "steps": STEPS},
            seeds=seeds,
        ),
        "beta2": Sweep(
            model(),
            {
                "beta1": [0.5, 0.9, 0.99],
                "beta2": [0.5, 0.8, 0.9, 0.96, 0.9999],
                "noise": NOISE,
                "steps": STEPS,
                "weight_decay": 2.0,
            },
            seeds=seeds,
        ),
        "tail": Sweep(
            model(),
            {
                "beta1": [0.9, 0.99],
                "beta2": [0.96, 0.999],
                "tail": [0.0, 0.25, 2.0],
                "steps": STEPS,
                "weight_decay": 2.0,
            },
            seeds=2 * seeds,
        ),
        "aligned": Sweep(
            model(aligned=True),
            {"beta1": [0.5, 0.9], "noise": [0.01, 0.03, 0.1, 0.3, 1.0], "steps": STEPS, "weight_decay": 0.25},
            seeds=2 * seeds,
        ),
        "steps": Sweep(
            model(second_moment="scalar", record_every=1),
            {
                "beta1": [0.1, 0.5, 0.9, 0.99],
                "beta2": [0.5, 0.999],
                "noise": [0.0, 1.0],
                "tail": [0.0, 1.5],
                "steps": 60,
            },
            seeds=2,
        ),
        "time": Sweep(
            model(),
            {"beta1": [0.5, 0.9], "initial_norm": [0.5, 3.0], "steps": STEPS},
            seeds=2 * seeds,
        ),
        "relaxing": Sweep(
            model(),
            {
                "beta1": [0.0, 0.5, 0.9],
                "initial_norm": [4.0, 8.0],
                "beta2": 0.95,
                "signal": 0.0,
                "steps": STEPS,
            },
            seeds=seeds,
        ),
        "memory": Sweep(
            model(record_every=int(LAGS[1])),
            {"beta1": [0.0, 0.9], "steps": MEMORY_STEPS, "weight_decay": 0.25, "signal": 0.0},
            seeds=25 * seeds,
        ),
    }


def time_means(raw: xr.Dataset, dim: int = DIM) -> xr.Dataset:
    """Means over the second half of the steps, and what the assumptions of the laws ask for."""
    means = raw[[name for name in raw.data_vars if str(name).startswith("mean_")]]
    half = means.where(raw.step > raw.steps / 2).mean("step")
    half["initial_square_norm"] = raw.square_norm.isel(step=0, drop=True)
    half["rms_turn"] = np.sqrt(half.mean_square_turn)
    half["rms_turn"].attrs = {"long_name": "angle per step, root mean square", "units": "radian"}
    half["mean_square_norm"].attrs = {"long_name": "|W|^2, time mean", "units": "1"}
    memory = (1 + half.beta1) / (1 - half.beta1)
    quasi_steady = half.learning_rate * half.mean_square_update * memory / (2 * half.weight_decay)
    half["quasi_steady_excess"] = quasi_steady / half.mean_square_norm - 1
    return half.assign_coords(dim=dim)


def discounted_update(raw: xr.Dataset) -> xr.DataArray:
    """Mean of |u_k|^2 over all updates so far with weights exp(-2 learning_rate weight_decay (n - k))."""
    length = float(raw.step[1] - raw.step[0])
    fade = np.exp(-2 * raw.learning_rate * raw.weight_decay * length)
    total, weight = 0.0, 0.0
    found = [xr.full_like(raw.mean_square_update.isel(step=0), np.nan)]
    for position in range(1, raw.sizes["step"]):
        total = total * fade + raw.mean_square_update.isel(step=position, drop=True)
        weight = weight * fade + 1.0
        found.append((total / weight).assign_coords(step=raw.step[position]))
    return xr.concat(found, dim="step", coords="minimal", compat="override", join="override")


def relaxation_rate(raw: xr.Dataset) -> xr.Dataset:
    """Rate per step at which |W|^2 nears its mean over the last tenth, from a quarter to one and a quarter times of
    1/(2 learning_rate weight_decay) steps."""
    span = 1 / (2 * float(raw.learning_rate) * float(raw.weight_decay))
    end = raw.square_norm.where(raw.step > 0.9 * float(raw.steps)).mean("step")
    distance = abs(raw.square_norm - end)
    early, late = (distance.sel(step=place * span, method="nearest") for place in (0.25, 1.25))
    rate = np.log(early / late) / float(late.step - early.step)
    rate.attrs = {"long_name": "rate at which |W|^2 relaxes", "units": "1/step"}
    return xr.Dataset({"relaxation_rate": rate.drop_vars("step", errors="ignore")}).assign_coords(dim=DIM)


def single_steps(raw: xr.Dataset) -> xr.Dataset:
    """What is known of every sixth step, from the second on; errors of rounding, which |W|^2 sets."""
    known = raw.sel(step=slice(2, None, 6))
    size = np.sqrt(known.square_norm * known.sample_square_update)
    return known.assign(error=2e-15 * known.square_norm, overlap_error=2e-15 * size)


def measure(raw: Data) -> Data:
    """Time means; |W|^2 at some steps; relaxation rates; memory by lag; single steps."""
    steady = ("momentum", "slow", "beta2", "tail", "aligned")
    measured = {name: time_means(raw[name]) for name in steady}
    history = raw["time"][["square_norm"]].assign(discounted_square_update=discounted_update(raw["time"]))
    history["initial_square_norm"] = raw["time"].square_norm.isel(step=0, drop=True)
    measured["history"] = history.assign_coords(dim=DIM)
    measured["time"] = measured["history"].sel(step=LOOKS)
    measured["relaxing"] = relaxation_rate(raw["relaxing"])
    turned = (
        raw["memory"].direction_memory.sel(step=MEMORY_STEPS // 2 + LAGS).rename(step="lag").assign_coords(lag=LAGS)
    )
    measured["memory"] = time_means(raw["memory"])[["mean_square_update", "initial_square_norm", "mean_fresh_overlap"]]
    measured["memory"]["direction_memory"] = turned
    measured["steps"] = single_steps(raw["steps"])
    return measured


WEIGHT_NORM = Experiment(
    name="adam.weight_norm",
    title="How long scale-invariant weights become under AdamW",
    caption=(
        "AdamW on losses of the direction of 32 weights, with gradient noise. The equation d|W|^2/dt = -2 weight_decay "
        "|W|^2 + learning_rate |u|^2 misses a factor (1 + beta1)/(1 - beta1): a gradient is orthogonal to the weights "
        "of its own step only. With the factor, norm and angle per step follow over beta1, decay, noise and beta2. The "
        "law stops where sqrt(v) is not uniform along W (eigenvectors on the axes, little noise) and where the size of "
        "the noise jumps within the memory of momentum."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=figures,
)

EXPERIMENTS = (WEIGHT_NORM,)
