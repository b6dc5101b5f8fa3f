"""k-Adam on handwritten digits: is a second stage an advantage once the learning rate of each k is tuned?"""

from __future__ import annotations

import functools

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
TUNING = 6
"""Seeds that choose the learning rate, by the loss on the validation images; the others are judged at it."""
FRESH = 26
"""The least number for which a mean has an interval at a quarter of the rate of false alarms."""
BOOTSTRAPS = 300
FALSE_ALARM = 0.003
STANDARD_ERRORS = 3.0
"""Half-width of the budget of a ratio of tuned rates."""
GAIN_MARGIN = 0.002
"""An accuracy of the 600 test images that much lower is no matter: about one image."""
RATIO_MARGIN = 0.35
"""In the log of a ratio of rates: half a step of the grid."""


def _sweeps(problem: str, scale: Scale) -> dict[str, Sweep]:
    """One sweep over learning rates and seeds for each k and choice. All seeds are trained at all rates, so that the
    sweeps need not wait for the tuning."""
    most, rates = {
        ("perceptron", "quick"): (3, 2.0 ** np.arange(-11, -4)),
        ("perceptron", "full"): (10, 2.0 ** np.arange(-14, -3)),
        ("conv", "quick"): (2, 2.0 ** np.arange(-9, -4)),
        ("conv", "full"): (4, 2.0 ** np.arange(-12, -3)),
    }[problem, scale]
    steps = 600 if problem == "perceptron" else 300
    static = {"problem": problem, "batch": 16, "record_every": steps // 6}
    if problem == "conv":
        static |= {"normalise": "layer", "width": 4}
    # With one stage all choices are the same.
    planned = [(1, CHOICES[0]), *((k, choice) for k in range(2, most + 1) for choice in CHOICES)]
    return {
        f"{k}_{choice}": Sweep(
            get_model("training", k=k, choice=choice, **static),
            {"learning_rate": rates, "steps": steps, "beta1": BETA1, "beta2": BETA2},
            seeds=TUNING + FRESH,
            dtype="float32",
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
    """Accuracy of k = 2 less that of k = 1 on the same seed, for each choice; simultaneous intervals of its mean."""
    gain = (tuned.test_accuracy.isel(step=-1).sel(k=2) - tuned.test_accuracy.isel(step=-1).sel(k=1)).reset_coords(
        drop=True
    )
    rows = gain.transpose("choice", "seed").values
    interval = mean(rows, np.ones(rows.shape, bool), FALSE_ALARM / len(rows), "unknown", None)
    dims = "choice"
    found = xr.Dataset(
        {"accuracy_gain": (dims, interval.value), "low": (dims, interval.low), "high": (dims, interval.high)}
    )
    return found.assign_coords(choice=gain.choice)


def _most(gains: xr.Dataset) -> xr.Dataset:
    """The gain that three of the four choices reach, that is, the third largest. Its interval lies between the third
    largest ends of simultaneous intervals."""
    value, low, high = (np.sort(gains[name].values)[1] for name in ("accuracy_gain", "low", "high"))
    return xr.Dataset({"accuracy_gain": value, "error": max(high - value, value - low)})


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


def _comparisons(problem: str) -> tuple[Comparison, ...]:
    domain = f"digits, {problem}, beta1 = {BETA1}, beta2 = {BETA2}; rates tuned on validation images"
    ratio = {
        "data": "rates",
        "observable": "rate_ratio",
        "kind": Exact(scale="log"),
        "margin": RATIO_MARGIN,
        "domain": domain,
        "x": "choice",
    }
    return (
        Comparison(
            id=f"adam.k_two_ahead_{problem}",
            claim="adam.k_two_ahead",
            data="most",
            observable="accuracy_gain",
            kind=Bound(scale="linear", side="lower"),
            margin=GAIN_MARGIN,
            bind={},
            domain=domain + "; the gain that three of the four choices of stage constants reach",
            mutants=False,
            expect="disagrees",
            reason="on digits two stages are behind one at tuned rates, for every choice",
        ),
        Comparison(
            id=f"adam.k_rate_ratio_{problem}",
            claim="adam.k_rate_ratio",
            bind={name: name for name in ("beta1_before", "beta1", "beta1_single")},
            rivals=("adam.k_rate_ratio_drift",),
            **ratio,
        ),
    )


def _experiment(problem: str, title: str, caption: str) -> Experiment:
    name = "adam.k_training" if problem == "perceptron" else f"adam.k_training_{problem}"
    return Experiment(
        name=name,
        title=title,
        caption=caption,
        sweeps=functools.partial(_sweeps, problem),
        measure=measure,
        comparisons=_comparisons(problem),
        figures=lambda data: {f"{name}_accuracy": accuracies(data), f"{name}_curves": curves(data)},
    )
