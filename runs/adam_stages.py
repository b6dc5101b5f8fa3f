"""k-Adam: how large the outputs of its stages are, in white noise, for constant gradients, and at most."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Bound, Exact, Statistical, styled
from toymodels.engine import Sweep
from toymodels.model import ToyModel
from toymodels.models import get_model

STAGES = 10
MOMENTA = [0.3, 0.6, 0.8, 0.9]
REST_RATIO = 0.003
"""(1 - beta2)/(1 - beta1) where v is nearly constant."""
RATIOS = [0.003, 0.01, 0.03, 0.1, 0.3]
NOISE = ("normal", "signs", "heavy")
STEPS = 8000
SHORT = 200
LONG = 1000
BOUNDED = ("heavy", "adversarial")
SEVERAL = (2, 3)
"""Numbers of stages whose last one is laid beside its bound (one stage is Adam: adam.stability)."""
SCALES = [1e-6, 1.0, 1e6]
ROUNDING = 1e-10
"""Relative error of an output of a stage in float64."""
BEFORE = {"beta1_before": ("before", [0.8, 0.9, 0.5]), "beta2_before": ("before", [0.9, 0.999, 0.5])}
"""Constants of the stages before the last: 0.8^2 < 0.9 and 0.9^2 < 0.999 stable, 0.5 = 0.5 without overshoot."""
TIGHT = {"beta1_before": ("before", [0.9, 0.8]), "beta2_before": ("before", [0.95, 0.9])}
BIND = {"beta1": "beta1", "beta2": "beta2", "stage": "stage"}


def _model(gradients: str, stages: int, every: int, size: int = 32) -> ToyModel:
    return get_model("k_adam", gradients=gradients, stages=stages, size=size, record_every=every)


def _slow(momenta: list[float], ratio: float = REST_RATIO) -> dict[str, object]:
    return {"beta1": momenta, "beta2": ("beta1", 1 - ratio * (1 - np.array(momenta)))}


def _away() -> dict[str, object]:
    """beta2 leaving 1, for two momenta; the ratio of 1 - beta2 to 1 - beta1 on an axis of its own."""
    momenta = np.array([0.6, 0.9])
    rest2 = np.array(RATIOS)[:, None] * (1 - momenta)
    coords = {"ratio": RATIOS, "beta1": momenta}
    return {"beta1": momenta, "beta2": xr.DataArray(1 - rest2, dims=("ratio", "beta1"), coords=coords)}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """White noise by stage and momentum, its shapes, unequal stages, beta2 away from 1; bounds."""
    seeds = 24 if scale == "quick" else 100
    betas = np.linspace(0.5, 0.98, 7 if scale == "quick" else 15)
    powers = np.array([0.6, 0.8, 1.0, 1.5, 3.0])
    beta2 = np.array([0.8, 0.9, 0.95, 0.98])
    planned = {
        "noise": Sweep(_model("normal", STAGES, STEPS), {**_slow(MOMENTA), "steps": STEPS}, seeds=seeds),
        "unequal": Sweep(
            _model("normal", 2, STEPS),
            {"beta1_before": [0.0, 0.5, 0.8], "beta1": [0.0, 0.5, 0.9], "beta2": 0.9997, "steps": STEPS},
            seeds=seeds,
        ),
        "away": Sweep(_model("normal", 3, STEPS // 2), {**_away(), "steps": STEPS // 2}, seeds=2 * seeds),
        "scaled": Sweep(
            _model("normal", 3, SHORT), {"beta1": [0.5, 0.9], "beta2": 0.99, "scale": SCALES, "steps": SHORT}, seeds=1
        ),
        "constant": Sweep(
            _model("constant", 5, SHORT, 1), {"beta1": betas[::2], "beta2": betas[::2], "steps": SHORT}, seeds=1
        ),
    }
    for shape in NOISE[1:]:
        planned[shape] = Sweep(_model(shape, 3, STEPS), {**_slow([0.6, 0.9]), "steps": STEPS}, seeds=seeds)
    for stages in SEVERAL:
        for gradients in BOUNDED:
            planned[f"bound {gradients} {stages}"] = Sweep(
                _model(gradients, stages, 10, 4), {"beta1": betas, "beta2": betas, **BEFORE, "steps": SHORT}, seeds=1
            )
        planned[f"attained {stages}"] = Sweep(
            _model("adversarial", stages, LONG, 1),
            {
                "beta2": beta2,
                "beta1": xr.DataArray(
                    beta2[:, None] ** powers, dims=("beta2", "power"), coords={"beta2": beta2, "power": powers}
                ),
                **TIGHT,
                "steps": LONG,
            },
            seeds=1,
        )
    return planned


def _last_stage(raw: xr.Dataset) -> xr.Dataset:
    """The largest output of the last stage, with its rounding; the constants of that stage are coordinates."""
    largest = raw.max_update.isel(stage=-1, seed=0, drop=True).sel(step=slice(1, None))
    largest.attrs = {"long_name": "largest |u| of the last stage", "units": "1"}
    return largest.drop_vars(["beta1_before", "beta2_before"], errors="ignore").to_dataset(name="max_update")


def _with_rounding(data: xr.Dataset) -> xr.Dataset:
    name = next(iter(data.data_vars))
    return data.assign(error=ROUNDING * abs(data[name]))


def measure(raw: Data) -> Data:
    """Root mean squares by stage, their products, the largest outputs of the last stage."""
    rms = {name: raw[name][["rms_update"]] for name in ("noise", "away", *NOISE[1:])}
    power = (raw["noise"].rms_update ** 2).cumprod("stage")
    power.attrs = {"long_name": "product of mean squares of u^1, ..., u^k", "units": "1"}
    shapes = xr.concat([rms[name] for name in NOISE[1:]], dim=xr.Variable("gradients", list(NOISE[1:])))
    scaled = raw["scaled"].rms_update.isel(seed=0, drop=True)
    ratio = (scaled / scaled.sel(scale=1.0, drop=True)).rename("update_ratio")
    ratio.attrs = {"long_name": "root mean square of u over that at scale 1", "units": "1"}
    tags = [(gradients, stages) for gradients in BOUNDED for stages in SEVERAL]
    bounds = xr.concat(
        [_last_stage(raw[f"bound {gradients} {stages}"]) for gradients, stages in tags],
        dim=xr.Variable("case", [f"{gradients}, stage {stages}" for gradients, stages in tags]),
    )
    attained = xr.concat(
        [_last_stage(raw[f"attained {stages}"]) for stages in SEVERAL], dim=xr.Variable("stages", list(SEVERAL))
    ).isel(step=-1)
    return {
        "noise": rms["noise"],
        "power": power.to_dataset(name="power"),
        "shapes": shapes,
        "unequal": raw["unequal"][["rms_update"]].sel(stage=2, drop=True),
        "away": rms["away"],
        "scaled": _with_rounding(ratio.to_dataset()),
        "constant": _with_rounding(raw["constant"][["rms_update"]].isel(seed=0, drop=True)),
        "bounds": _with_rounding(bounds),
        "attained": _with_rounding(attained),
    }


MEDIAN = Statistical(estimator="median", scale="relative")
COMPARISONS = (
    Comparison(
        id="adam.k_update_rms",
        claim="adam.k_update_rms",
        data="noise",
        observable="rms_update",
        kind=MEDIAN,
        margin=0.03,
        bind=BIND,
        x="stage",
        hue="beta1",
        overlay={"xlabel": "stage k", "ylabel": "root mean square of u^k"},
    ),
    Comparison(
        id="adam.k_white_noise_power",
        claim="adam.k_white_noise_power",
        data="power",
        observable="power",
        kind=MEDIAN,
        margin=0.1,
        bind=BIND,
        x="stage",
        hue="beta1",
        overlay={"xlabel": "k", "ylabel": "R_k", "yscale": "log"},
    ),
    Comparison(
        id="adam.k_update_rms_shapes",
        claim="adam.k_update_rms",
        data="shapes",
        observable="rms_update",
        kind=MEDIAN,
        margin=0.05,
        bind=BIND,
        domain="gradients of random sign, and ones with heavy tails (z |z|, z normal)",
    ),
    Comparison(
        id="adam.k_update_rms_two",
        claim="adam.k_update_rms_two",
        data="unequal",
        observable="rms_update",
        kind=MEDIAN,
        margin=0.03,
        bind={"beta1": "beta1", "beta1_before": "beta1_before", "beta2": "beta2"},
    ),
    Comparison(
        id="adam.k_update_rms_domain",
        claim="adam.k_update_rms",
        data="away",
        observable="rms_update",
        kind=MEDIAN,
        margin=0.05,
        bind=BIND,
        domain="(1 - beta2)/(1 - beta1) from 0.003 to 0.3",
        domain_search=("ratio",),
    ),
    Comparison(
        id="adam.k_constant_gradient",
        claim="adam.k_constant_gradient",
        data="constant",
        observable="rms_update",
        kind=Exact(scale="relative"),
        margin=1e-6,
        bind={},
    ),
    Comparison(
        id="adam.k_scale_invariance",
        claim="adam.k_scale_invariance",
        data="scaled",
        observable="update_ratio",
        kind=Exact(scale="relative"),
        margin=1e-6,
        bind={},
    ),
    Comparison(
        id="adam.stage_bound_holds",
        claim="adam.update_bound_discrete",
        data="bounds",
        observable="max_update",
        kind=Bound(scale="log"),
        margin=1e-9,
        bind={"beta1": "beta1", "beta2": "beta2", "step": "step"},
        domain="the last of two and of three stages, by its own constants; stages before it have three other pairs",
    ),
    Comparison(
        id="adam.stage_bound_attained",
        claim="adam.update_bound_discrete",
        data="attained",
        observable="max_update",
        kind=Exact(scale="log"),
        margin=1e-3,
        bind={"beta1": "beta1", "beta2": "beta2", "step": "step"},
        domain=f"adversarial gradients found by inverting the stages before the last, {LONG} steps",
    ),
)


def white_noise(data: Data) -> Figure:
    """R_k and the root mean square of u^k by stage and momentum."""
    stage, momenta = np.arange(1, STAGES + 1), data["noise"].beta1.values
    shown = (("power", "power", "adam.k_white_noise_power"), ("noise", "rms_update", "adam.k_update_rms"))
    with styled():
        figure = Figure(figsize=(8.5, 3.6), layout="constrained")
        for axis, (dataset, name, claim) in zip(figure.subplots(1, 2), shown, strict=True):
            for position, beta1 in enumerate(momenta):
                color = f"C{position}"
                values = data[dataset][name].sel(beta1=beta1)
                axis.plot(stage, get_claim(claim).predict(stage=stage, beta1=beta1), "-", color=color)
                axis.plot(stage, values.mean("seed"), "o", color=color, label=f"beta1 = {beta1:g}")
            axis.set(xlabel="number of stages k", xticks=stage)
        figure.axes[0].set(yscale="log", ylabel="R_k: power of white noise after k averages")
        figure.axes[1].set(ylim=(0, 1), ylabel="root mean square of u^k")
        figure.axes[1].legend(title="lines: theory")
    return figure


STAGES_OF_K_ADAM = Experiment(
    name="adam.stages",
    title="How large the stages of k-Adam are",
    caption=(
        "k-Adam (eps = 0) on gradients that do not depend on the weights. In white noise, with v nearly constant, the "
        "root mean square of u^k is sqrt(R_k/R_{k-1}) for k = 1 to 10, whatever the shape of the noise: with more "
        "stages it rises towards 1, by a factor of three from k = 1 to 2 at beta1 = 0.9. The law fails as (1 - beta2) "
        "nears (1 - beta1). Constant gradients give signs; a factor on all gradients changes nothing. No output of a "
        "stage exceeds Adam's bound for the constants of that stage, and gradients that attain it exist for the last "
        "of several stages too."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"adam.k_white_noise": white_noise(data)},
)
