"""Adam: training and generalisation along the level sets of C and across them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.adam_level_shares import shares
from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Exact, styled
from toymodels.comparator.figures import colours, readable_log_axis
from toymodels.engine import Sweep
from toymodels.models import get_model

INDEX = np.array([0.02, 0.05, 0.1, 0.2, 0.4])
"""Level sets inside the stable region. On C = 0 itself 1 - beta1 is 5e-4 at beta2 = 0.999: nothing is learned there."""
BETA2 = 1 - np.geomspace(0.1, 0.001, 5)
STEPS = 300
LEARNING_RATES = [1e-3, 1e-2]
"""The usual one, at which 300 steps do not suffice, and one at which the training loss comes to 0.04."""
NORMAL_BETA1 = np.linspace(0.9, 0.972, 6)
"""On the normal curve through (0.9, 0.999), down to C = 0.02."""
QUANTITIES = {"train_loss": "log of the training loss", "test_loss": "log of the test loss", "test_error": "test error"}
COORDINATES = {
    "index": "C",
    "rate": "exact rate",
    "rest1": "log(1 - beta1)",
    "rest2": "log(1 - beta2)",
}


def points() -> xr.Dataset:
    """beta1, beta2 and the coordinates of the crossing points of level sets of C and lines of beta2."""
    index, beta2 = (grid.ravel() for grid in np.meshgrid(INDEX, BETA2, indexing="ij"))
    beta1 = get_claim("adam.level_set").predict(index=index, beta2=beta2)
    rate = get_claim("adam.growth_rate").predict(beta1=beta1, beta2=beta2)
    columns = {
        "beta1": beta1,
        "beta2": beta2,
        "index": index,
        "rate": rate,
        "rest1": np.log(1 - beta1),
        "rest2": np.log(1 - beta2),
    }
    return xr.Dataset({name: ("point", column) for name, column in columns.items()})


def _sweep(beta1: np.ndarray, beta2: np.ndarray, seeds: int) -> Sweep:
    return Sweep(
        get_model("training", problem="perceptron", record_every=STEPS // 6),
        {"beta1": ("point", beta1), "beta2": ("point", beta2), "learning_rate": LEARNING_RATES, "steps": STEPS},
        seeds=seeds,
    )


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """A perceptron on digits at the crossing points, and along the normal curve."""
    seeds = 20 if scale == "quick" else 200
    at = points()
    normal = get_claim("adam.normal_curve").predict(beta1=NORMAL_BETA1, beta1_start=0.9, beta2_start=0.999)
    return {
        "levels": _sweep(at.beta1.values, at.beta2.values, seeds),
        "normal": _sweep(NORMAL_BETA1, normal, seeds),
    }


def results(raw: xr.Dataset) -> xr.DataArray:
    """What is compared, after the last step: (quantity, point, learning_rate, seed)."""
    last = raw.isel(step=-1)
    found = {"train_loss": np.log(last.train_loss), "test_loss": np.log(last.test_loss)}
    found["test_error"] = 1 - last.test_accuracy
    array = xr.Dataset(found)[list(QUANTITIES)].to_dataarray("quantity").reset_coords(drop=True)
    return array.assign_coords(index=get_claim("adam.stability_index").predict(beta1=raw.beta1, beta2=raw.beta2))


def measure(raw: Data) -> Data:
    """Results, and the share of their variance over points that each coordinate accounts for."""
    at = points()
    levels, normal = results(raw["levels"]), results(raw["normal"])
    coordinates = at[list(COORDINATES)]
    found = shares(levels.drop_vars("index"), coordinates, degree=len(INDEX) - 1)
    by_index = found.sel(coordinate="index").drop_vars("coordinate")
    return {
        **{f"shares_{quantity}": by_index.sel(quantity=quantity).drop_vars("quantity") for quantity in QUANTITIES},
        "rivals": found,
        "levels": levels.to_dataset(name="result").assign(at),
        "normal": normal.to_dataset(name="result"),
    }


COMPARISONS = tuple(
    Comparison(
        id=f"adam.level_set_share_{quantity}",
        claim="adam.level_set_share",
        data=f"shares_{quantity}",
        observable="share",
        kind=Exact(scale="linear"),
        margin=0.1,
        bind={},
        mutants=False,
        expect="disagrees",
        reason="along a level set of C beta2 still sets how long averages of squares are, and with it the first steps",
    )
    for quantity in QUANTITIES
)


def level_figure(data: Data) -> Figure:
    """Test loss against C for every beta2, and the shares of four coordinates."""
    levels, normal, found = data["levels"], data["normal"].result, data["rivals"]
    with styled():
        figure = Figure(figsize=(9.6, 6.4), layout="constrained")
        axes = figure.subplots(len(LEARNING_RATES), 2)
        for row, rate in zip(axes, LEARNING_RATES, strict=True):
            for colour, beta2 in zip(colours(len(BETA2)), BETA2, strict=True):
                on = np.isclose(levels.beta2, beta2)
                loss = np.exp(levels.result.sel(quantity="test_loss", learning_rate=rate).isel(point=on))
                spread = loss.std("seed") / np.sqrt(loss.sizes["seed"])
                label = f"beta2 = {beta2:.4g}"
                row[0].errorbar(
                    loss["index"], loss.mean("seed"), 2 * spread, fmt="o-", ms=4, lw=1, color=colour, label=label
                )
            across = np.exp(normal.sel(quantity="test_loss", learning_rate=rate)).mean("seed")
            row[0].plot(across["index"], across, "k--", marker="x", lw=1, label="normal curve through (0.9, 0.999)")
            row[0].set(xscale="log", xlabel="stability index C (1/step)", ylabel=f"test loss after {STEPS} steps (nat)")
            row[0].set_title(f"learning_rate = {rate:g}")
            readable_log_axis(row[0].xaxis)
            place = np.arange(len(COORDINATES))
            for shift, (quantity, label) in enumerate(QUANTITIES.items()):
                one = found.sel(quantity=quantity, learning_rate=rate)
                row[1].errorbar(
                    place + 0.2 * (shift - 1),
                    one.share,
                    one.error,
                    fmt="os^"[shift],
                    ms=5,
                    color=f"C{shift}",
                    label=label,
                )
            row[1].set_xticks(place, COORDINATES.values())
            row[1].set(ylim=(-0.15, 1.45), ylabel="share of the variance over points")
            row[1].axhline(1, color="black", lw=0.8, ls=":")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower left", ncols=3)
        axes[0, 1].legend(loc="upper left", ncols=2)
    return figure


LEVEL_SETS = Experiment(
    name="adam.level_sets",
    title="Training along the level sets of C and across them",
    caption=(
        "A perceptron learns scikit-learn's digits for 300 steps of Adam at 25 points of the (beta1, beta2) square, "
        "where five level sets of C cross five lines of beta2, and along the normal curve. Were results determined by "
        "C, it would account for all their variance over points. Every coordinate is given a polynomial of degree "
        "four; bars are 3.5 standard deviations of a bootstrap over seeds (left: two standard errors)."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"adam.level_sets": level_figure(data)},
)
