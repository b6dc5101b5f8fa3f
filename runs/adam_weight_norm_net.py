"""AdamW on real nets whose first layer is normalised: does the law of |W|^2 carry over from the sphere?"""

from __future__ import annotations

import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Statistical, styled
from toymodels.engine import Sweep
from toymodels.models import get_model

MOMENTA = [0.0, 0.5, 0.9, 0.97]
RATE = 0.01
DECAY = 0.15
STEPS, STRIDE = 4000, 200
"""The start fades by e^(-6) before the second half."""
BETA2 = 0.999
NETS = {
    "perceptron": {"problem": "perceptron", "normalise": "rms"},
    "conv": {"problem": "conv", "normalise": "layer"},
    "free": {"problem": "perceptron", "normalise": "none"},
}
"""The last one is not normalised: a control."""
SEEDS = {"perceptron": 24, "conv": 64, "free": 24}
"""Filters are few: their length scatters more."""
WEIGHTS = {"perceptron": 64 * 32, "conv": 9 * 8, "free": 64 * 32}
"""Entries of the first kernel."""
BIND = {
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "beta1": "beta1",
    "beta2": "beta2",
    "step": "steps",
    "dim": "dim",
    "mean_square_update": "mean_square_update",
    "mean_fresh_overlap": "mean_fresh_overlap",
    "initial_square_norm": "initial_square_norm",
}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Digits learned by a perceptron and a convolutional net with normalised first layers, and by one without."""
    values = {"beta1": MOMENTA, "beta2": BETA2, "learning_rate": RATE, "weight_decay": DECAY, "eps": 0.0}
    more = 1 if scale == "quick" else 4
    return {
        net: Sweep(
            get_model("training", watch="norm", batch=16, record_every=STRIDE, **static),
            {**values, "steps": STEPS},
            seeds=more * SEEDS[net],
            dtype="float32",
            root=1,  # Root 0 served to find margins.
        )
        for net, static in NETS.items()
    }


def time_means(raw: xr.Dataset, weights: int) -> xr.Dataset:
    """Means over the second half of the steps."""
    found = raw[["mean_square_norm", "mean_square_update", "mean_fresh_overlap"]]
    found = found.where(raw.step > raw.steps / 2).mean("step")
    found["initial_square_norm"] = raw.square_norm.isel(step=0, drop=True)
    found["mean_square_norm"].attrs = {"long_name": "|W|^2, time mean", "units": "1"}
    return found.assign_coords(dim=weights)


def measure(raw: Data) -> Data:
    """Time means of each net."""
    return {net: time_means(raw[net], WEIGHTS[net]) for net in NETS}


MEDIAN = Statistical(estimator="median", scale="relative")


def _comparison(name: str, claim: str, net: str, margin: float, **more: object) -> Comparison:
    return Comparison(
        id=f"adam.weight_norm_{name}", claim=f"adam.{claim}", data=net, observable="mean_square_norm", kind=MEDIAN,
        margin=margin, bind=BIND, x="beta1", **more,  # type: ignore[arg-type]
    )  # fmt: skip


PERCEPTRON = "perceptron 64-32-10 on digits, root mean square normalised, learning_rate 0.01, weight_decay 0.15"
CONV = "filters of 3 x 3 pixels on digits, layer normalised, learning_rate 0.01, weight_decay 0.15"
COMPARISONS = (
    _comparison(
        "net", "weight_norm_misfit", "perceptron", 0.1, overlay={"yscale": "log"}, domain=PERCEPTRON,
        rivals=("adam.weight_norm", "adam.weight_norm_continuous"),
    ),
    _comparison("net_uniform", "weight_norm", "perceptron", 0.2, beyond_domain=True, domain=PERCEPTRON),
    _comparison(
        "net_continuous", "weight_norm_continuous", "perceptron", 0.2, beyond_domain=True, mutants=False,
        expect="disagrees", domain=PERCEPTRON,
        reason="updates are not orthogonal to the weights: momentum carries gradients of earlier ones",
    ),
    _comparison("conv", "weight_norm_misfit", "conv", 0.1, domain=CONV),
    _comparison("conv_uniform", "weight_norm", "conv", 0.2, beyond_domain=True, domain=CONV),
    _comparison(
        "free", "weight_norm", "free", 0.2, beyond_domain=True, mutants=False, expect="disagrees",
        reason="without normalisation the loss pulls at the length of the weights as well",
        domain="the perceptron without normalisation",
    ),
)  # fmt: skip


def picture(data: Data) -> Figure:
    """|W|^2 over momentum for the three nets, and over each of the three laws."""
    laws = {
        "printed": "weight_norm_continuous",
        "corrected": "weight_norm",
        "with measured overlap": "weight_norm_misfit",
    }
    titles = {"perceptron": "perceptron, RMS normalised", "conv": "filters, layer normalised", "free": "not normalised"}
    with styled():
        figure = Figure(figsize=(9.6, 3.6), layout="constrained")
        axes = figure.subplots(1, len(NETS), sharey=True)
        for axis, (net, title) in zip(axes, titles.items(), strict=True):
            one = data[net]
            bound = {symbol: one[name] for symbol, name in BIND.items()}
            for colour, (label, claim) in enumerate(laws.items()):
                law = get_claim(f"adam.{claim}")
                told = law.predict(**{name: v for name, v in bound.items() if name in {i.name for i in law.inputs}})
                ratio = one.mean_square_norm / told
                middle = ratio.median("seed")
                ends = ratio.quantile([0.1, 0.9], "seed")
                axis.errorbar(
                    one.beta1, middle, abs(ends - middle), fmt="os^"[colour] + "-", ms=4, lw=1, color=f"C{colour}",
                    label=label,
                )  # fmt: skip
            axis.axhline(1, color="0.2", lw=0.8)
            axis.set(title=title, xlabel="beta1", yscale="log")
        axes[0].set_ylabel("measured |W|^2 / law")
        axes[0].legend(title="bars: 80 % of seeds")
    return figure


WEIGHT_NORM_NET = Experiment(
    name="adam.weight_norm_net",
    title="Length of normalised weights in nets that learn digits",
    caption=(
        "AdamW trains nets on digits; W is the kernel before the first normalisation, on whose length the loss does "
        "not depend. The printed law is off by the factor (1 + beta1)/(1 - beta1), 66 at beta1 = 0.97. The corrected "
        "one is off by what sqrt(v) varies along W; measuring that overlap leaves a few percent. Without normalisation "
        "the loss itself sets the length too."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"adam.weight_norm_net": picture(data)},
)
