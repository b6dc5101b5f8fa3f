"""k-Adam on handwritten digits: is a second stage an advantage once the learning rate of each k is tuned?"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import xarray as xr

from runs.adam_k_training_figures import accuracies, curves
from runs.experiment import Comparison, Data, Experiment, Scale
from toymodels.comparator import Bound, Exact
from toymodels.comparator.intervals import mean
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.optimisers import CHOICES, stage_constants

BETA1, BETA2 = 0.9, 0.999
TUNING = 10
"""Seeds that choose the learning rate, by the loss on the validation images; the others are judged at it."""


@dataclasses.dataclass(frozen=True)
class Preset:
    """What is trained. `quick` and `full`: the largest k, and the exponents of 2 between which learning rates lie.
    `fresh`: seeds that are judged; a mean has an interval from 26 on."""

    static: Mapping[str, Any]
    steps: int
    fresh: int
    quick: tuple[int, int, int]
    full: tuple[int, int, int]


LINEAR = Preset({"schedule": "linear", "batch": 16}, 600, 96, (2, -9, -3), (10, -13, -3))
CONSTANT = Preset({"schedule": "constant", "batch": 16}, 600, 46, (2, -11, -4), (10, -15, -4))
BOOTSTRAPS = 300
FALSE_ALARM = 0.003
STANDARD_ERRORS = 3.0
"""Half-width of the budget of a ratio of tuned rates."""
GAIN_MARGIN = 0.002
"""An accuracy of the 600 test images that much lower is no matter: about one image."""
LOSS_MARGIN = 0.05
"""In the log of the test loss."""
RATIO_MARGIN = 0.35
"""In the log of a ratio of rates: half a step of the grid."""


def _sweeps(preset: Preset, scale: Scale) -> dict[str, Sweep]:
    """One sweep over learning rates and seeds for each k and choice. All seeds are trained at all rates, so that the
    sweeps need not wait for the tuning."""
    most, low, high = preset.quick if scale == "quick" else preset.full
    static = {"record_every": preset.steps // 6, **preset.static}
    # With one stage all choices are the same.
    planned = [(1, CHOICES[0]), *((k, choice) for k in range(2, most + 1) for choice in CHOICES)]
    return {
        f"{k}_{choice}": Sweep(
            get_model("training", k=k, choice=choice, **static),
            {"learning_rate": 2.0 ** np.arange(low, high), "steps": preset.steps, "beta1": BETA1, "beta2": BETA2},
            seeds=TUNING + preset.fresh,
            dtype="float32",
            root=1,  # Root 0 served to find grids and margins.
        )
        for k, choice in planned
    }


def _tuned(runs: xr.Dataset) -> xr.Dataset:
    """The fresh seeds at the rate of the grid that has the least validation loss on the tuning seeds."""
    loss = runs.validation_loss.isel(step=-1, seed=slice(TUNING)).mean("seed", skipna=False)
    best = int(loss.fillna(np.inf).argmin("learning_rate"))
    kept = runs.isel(learning_rate=best, seed=slice(TUNING, None)).reset_coords(drop=True)
    found = kept[["train_loss", "test_loss", "test_accuracy"]]
    found["tuned_rate"] = float(runs.learning_rate[best])
    found["at_the_edge"] = best in (0, runs.sizes["learning_rate"] - 1)
    return found


def best_rates(losses: np.ndarray, log_rates: np.ndarray) -> np.ndarray:
    """log of the best rate for each row of losses (..., rates) on an even grid: the vertex of the parabola through the
    lowest log loss and its neighbours; the end of the grid where the lowest one is there."""
    y = np.log(np.where(np.isfinite(losses), losses, 1e6))
    i = np.clip(y.argmin(-1), 1, len(log_rates) - 2)
    left, middle, right = (np.take_along_axis(y, (i + d)[..., None], -1)[..., 0] for d in (-1, 0, 1))
    bend = left - 2 * middle + right
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.where(bend > 0, (left - right) / (2 * bend), np.sign(left - right))
    return log_rates[i] + np.clip(shift, -1, 1) * (log_rates[1] - log_rates[0])


def _rate_ratio(one: xr.Dataset, two: xr.Dataset) -> xr.Dataset:
    """Best rate of k = 1 over that of k = 2 by the validation loss over all seeds; `error` from resampled seeds."""
    losses = [x.validation_loss.isel(step=-1).transpose("seed", "learning_rate").values for x in (one, two)]
    log_rates = np.log(one.learning_rate.values)
    seeds = losses[0].shape[0]
    drawn = np.random.default_rng(0).integers(seeds, size=(BOOTSTRAPS, seeds))
    drawn = np.concatenate([np.arange(seeds)[None], drawn])
    first, second = (best_rates(loss[drawn].mean(1), log_rates) for loss in losses)
    log_ratio = first - second
    # The budget cannot be finer than a tenth of the grid: a parabola is a guess between its points.
    spread = max(STANDARD_ERRORS * log_ratio[1:].std(), 0.1 * (log_rates[1] - log_rates[0]))
    ratio = np.exp(log_ratio[0])
    return xr.Dataset({"rate_ratio": ratio, "error": ratio * np.expm1(spread)})


def _gains(tuned: xr.Dataset) -> xr.Dataset:
    """Gains of k = 2 over k = 1 on the same seed: in test accuracy, and in the log of test loss, for each choice. With
    simultaneous intervals of their means."""
    last = tuned.isel(step=-1)
    scores = {"accuracy_gain": last.test_accuracy, "loss_gain": -np.log(last.test_loss)}
    found: dict[str, np.ndarray] = {}
    for name, score in scores.items():
        rows = (score.sel(k=2) - score.sel(k=1)).transpose("choice", "seed").values
        interval = mean(rows, np.ones(rows.shape, bool), FALSE_ALARM / len(rows), "unknown")
        found |= {name: interval.value, f"{name}_low": interval.low, f"{name}_high": interval.high}
    return xr.Dataset({name: ("choice", values) for name, values in found.items()}, {"choice": tuned.choice})


def _most(gains: xr.Dataset) -> xr.Dataset:
    """The gain that three of the four choices reach, that is, the third largest. Its interval lies between the third
    largest ends of the simultaneous intervals; the value given is its middle."""
    found: dict[str, float] = {}
    for name in ("accuracy_gain", "loss_gain"):
        low, high = (np.sort(gains[name + end].values)[1] for end in ("_low", "_high"))
        found |= {name: (low + high) / 2, f"{name}_error": (high - low) / 2}
    return xr.Dataset(found).expand_dims(k=[2])


def measure(raw: Data) -> Data:
    """Tuned accuracies and rates over (k, choice), gains of k = 2, ratios of tuned rates."""
    numbers = sorted({int(name.split("_")[0]) for name in raw})
    found = {name: _tuned(runs) for name, runs in raw.items()}
    by_choice = [
        xr.concat([found[f"{k}_{choice if k > 1 else CHOICES[0]}"] for k in numbers], dim=xr.Variable("k", numbers))
        for choice in CHOICES
    ]
    tuned = xr.concat(by_choice, dim=xr.Variable("choice", list(CHOICES)))
    gains = _gains(tuned)
    ratios = [_rate_ratio(raw[f"1_{CHOICES[0]}"], raw[f"2_{choice}"]) for choice in CHOICES]
    constants = np.array([stage_constants(BETA1, 2, choice) for choice in CHOICES])
    rates = xr.concat(ratios, dim=xr.Variable("choice", list(CHOICES))).assign_coords(
        beta1_before=("choice", constants[:, 0]), beta1=("choice", constants[:, 1]), beta1_single=BETA1
    )
    every = xr.concat([x.test_loss.isel(step=-1).mean("seed") for x in raw.values()], dim=xr.Variable("run", list(raw)))
    return {"tuned": tuned, "gains": gains, "most": _most(gains), "rates": rates, "by_rate": every.to_dataset()}


Expected = tuple[Literal["agrees", "disagrees", "inconclusive"], str]
"""The expected status, and its reason where that is not "agrees"."""


def _comparisons(name: str, domain: str, **expected: Expected) -> tuple[Comparison, ...]:
    """Four of them, of which `expected` gives accuracy, loss, ratio and drift."""
    domain = f"digits, {domain}; beta1 = {BETA1}, beta2 = {BETA2}; rates tuned on validation images"
    most = domain + "; the gain that three of the four choices of stage constants reach"
    shared = {"claim": "adam.k_two_ahead", "data": "most", "bind": {}, "domain": most, "mutants": False}
    rates = {"data": "rates", "observable": "rate_ratio", "kind": Exact(scale="log"), "margin": RATIO_MARGIN}
    rates |= {"domain": domain, "x": "choice"}
    bound = {
        gain: Bound(error=f"{gain}_error", scale="linear", side="lower") for gain in ("accuracy_gain", "loss_gain")
    }
    kinds: dict[str, dict[str, Any]] = {
        "accuracy": {**shared, "observable": "accuracy_gain", "kind": bound["accuracy_gain"], "margin": GAIN_MARGIN},
        "loss": {**shared, "observable": "loss_gain", "kind": bound["loss_gain"], "margin": LOSS_MARGIN},
        "ratio": {
            **rates,
            "claim": "adam.k_rate_ratio",
            "bind": {symbol: symbol for symbol in ("beta1_before", "beta1", "beta1_single")},
            "rivals": ("adam.k_rate_ratio_drift",),
        },
        "drift": {**rates, "claim": "adam.k_rate_ratio_drift", "bind": {"beta1_before": "beta1_before"}},
    }
    ids = {
        "accuracy": "k_two_ahead",
        "loss": "k_two_ahead_loss",
        "ratio": "k_rate_ratio",
        "drift": "k_rate_ratio_drift",
    }
    return tuple(
        Comparison(id=f"adam.{ids[key]}_{name}", **kinds[key], expect=status, reason=reason)
        for key, (status, reason) in expected.items()
    )


def _experiment(name: str, preset: Preset, title: str, caption: str, comparisons: tuple[Comparison, ...]) -> Experiment:
    return Experiment(
        name=name,
        title=title,
        caption=caption,
        sweeps=functools.partial(_sweeps, preset),
        measure=measure,
        comparisons=comparisons,
        figures=lambda data: {f"{name}_accuracy": accuracies(data), f"{name}_curves": curves(data)},
    )


K_TRAINING = _experiment(
    "adam.k_training",
    LINEAR,
    "k-Adam on digits with tuned learning rates",
    "A perceptron (64-32-10) on handwritten digits, 600 minibatches of 16, a learning rate that falls to 0, tuned for "
    "each k and each choice of the stage constants. Two stages are ahead of one where both have a shorter memory "
    "(split), level where the second has none (first), and behind where both keep beta1 or a longer memory (uniform, "
    "root): ahead for most choices is not what comes out. Rates tuned for two stages are three to six times smaller, "
    "in the proportion in which two stages follow a slow signal faster, not in that of the sizes of steps.",
    _comparisons(
        "linear",
        "perceptron, learning rate falling to 0",
        accuracy=("inconclusive", "behind by 0.4 % with an interval of the same size; the loss decides"),
        loss=("disagrees", "ahead for one choice, level for another, clearly behind for two of four"),
        ratio=("disagrees", "with the longer memory of root, rates differ by twice the ratio of the sizes of steps"),
        drift=("agrees", ""),
    ),
)
K_TRAINING_CONSTANT = _experiment(
    "adam.k_training_constant",
    CONSTANT,
    "k-Adam on digits with tuned constant learning rates",
    "As adam.k_training, with learning rates that stay constant. The noise of the last steps then weighs more: two "
    "stages are level with one for split and behind for the other choices.",
    _comparisons(
        "constant",
        "perceptron, constant learning rate",
        loss=("disagrees", "level for one choice, behind for three of four"),
    ),
)
EXPERIMENTS = (K_TRAINING, K_TRAINING_CONSTANT)
