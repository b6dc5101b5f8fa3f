"""Passage through the ghost in noise: mean and quantiles against r D^(-2/3), on both sides of the bifurcation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.trial import POINT, Range, Trial
from theory.registry import get_claim
from toymodels.comparator import Statistical, styled
from toymodels.engine import Sweep
from toymodels.models import get_model

SCALED = np.array([-1.0, -0.6, 0.0, 0.6, 1.2, 2.5, 5.0])
"""r D^(-2/3)."""
NOISE = np.array([1e-6, 1e-8])
"""D; the law must hold at both, not only after scaling."""
LEVELS = {"q10": 0.1, "median": 0.5, "q90": 0.9}
HEIGHT = 6.0
"""Threshold of the passages from rest in units of D^(1/3): the drift there is 36 times the noise's scale."""
MARGIN = 0.03


def _passages(scaled: np.ndarray, noise: np.ndarray, seeds: int | Sequence[int], refine: int = 1) -> Sweep:
    """From minus infinity to infinity; independent draws, so that points do not err together."""
    r = xr.DataArray(np.outer(scaled, noise ** (2 / 3)), dims=("scaled_r", "noise"), coords={"scaled_r": scaled})
    return Sweep(get_model("ghost_passage", refine=refine), {"r": r, "noise": noise}, seeds=seeds, independent=True)


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Passages at both noises; passages from x = 0 to a finite threshold."""
    quick = scale == "quick"
    scaled = SCALED if quick else np.concatenate([[-2.0, -1.5], SCALED, [8.0]])
    seeds = 20_000 if quick else 100_000
    noise = NOISE[:1]
    r = xr.DataArray(np.outer(scaled, noise ** (2 / 3)), dims=("scaled_r", "noise"), coords={"scaled_r": scaled})
    rest = {"r": r, "noise": noise, "start": 0.0, "end": ("noise", HEIGHT * np.cbrt(noise))}
    return {
        "passages": _passages(scaled, NOISE, seeds),
        "rest": Sweep(get_model("ghost_passage", refine=2, tails=False), rest, seeds=seeds, independent=True),
    }


def _named(data: xr.Dataset) -> xr.Dataset:
    data = data.rename(r="signed_r")
    data["signed_r"].attrs["long_name"] = "r"
    return data


def measure(raw: Data) -> Data:
    """Times; a passage that took more steps than allowed is longer than can be told."""
    passages = _named(raw["passages"][["passage_time"]])
    rest = _named(raw["rest"][["passage_time"]]).rename(end="threshold")
    levels = {f"level_{name}": passages.assign_coords(level=level) for name, level in LEVELS.items()}
    left, right = (passages.sel(scaled_r=chosen) for chosen in (passages.scaled_r < 0, passages.scaled_r > 0))
    return {"passages": passages, "left": left, "right": right, "rest": rest, **levels}


SIGNED = {"signed_r": "signed_r", "noise": "noise"}
MEAN = Statistical(estimator="mean", censored="above")
AXES: dict[str, Any] = {"x": "scaled_r", "hue": "noise"}

# --- trials ---


def _tried(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    noise = points.noise.values
    r = points.scaled_r.values * noise ** (2 / 3)
    model = get_model("ghost_passage", refine=fine)
    return {"passages": Sweep(model, {"r": (POINT, r), "noise": (POINT, noise)}, seeds=seeds)}


def _tried_from_rest(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    noise = points.noise.values
    r, end = points.scaled_r.values * noise ** (2 / 3), points.height.values * np.cbrt(noise)
    model = get_model("ghost_passage", refine=2 * fine, tails=False)
    parameters = {"r": (POINT, r), "noise": (POINT, noise), "start": 0.0, "end": (POINT, end)}
    return {"passages": Sweep(model, parameters, seeds=seeds)}


def _times(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    data = _named(raw["passages"][["passage_time", "r", "noise"]])
    return data.rename(end="threshold") if "end" in data.coords else data


STRENGTH = Range(1e-9, 1e-3, "D of dx += sqrt(2 D) dW", log=True, default=1e-6)


def _trial(low: float, high: float, level: float | None = None) -> Trial:
    space = {"scaled_r": Range(low, high, "r D^(-2/3)"), "noise": STRENGTH}

    def measured(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
        data = _times(raw, points)
        return data if level is None else data.assign_coords(level=level)

    return Trial(space, _tried, measured, seeds=500, confirm_seeds=8000, points=32)


FROM_REST = Trial(
    {
        "scaled_r": Range(-1.0, 8.0, "r D^(-2/3)"),
        "height": Range(6.0, 100.0, "threshold in units of D^(1/3)", log=True),
        "noise": STRENGTH,
    },
    _tried_from_rest,
    _times,
    seeds=1000,
    confirm_seeds=20_000,
    points=32,
)

DOMAIN = "r D^(-2/3) from -1 to 5, D = 1e-6 and 1e-8"
COMPARISONS = (
    Comparison(
        id="ghost.noisy_passage",
        claim="ghost.noisy_passage",
        data="passages",
        observable="passage_time",
        kind=MEAN,
        margin=MARGIN + 0.015,
        bind=SIGNED,
        domain=DOMAIN,
        trial=_trial(-1.0, 8.0),
        **AXES,
    ),
    *(
        Comparison(
            id=f"ghost.noisy_passage_{side}",
            claim="ghost.noisy_passage",
            data=side,
            observable="passage_time",
            kind=MEAN,
            margin=MARGIN + 0.015,
            bind=SIGNED,
            domain=domain,
            rivals=rivals,
            beyond_domain=True,
            **AXES,
        )
        for side, domain, rivals in (
            ("left", "r D^(-2/3) below 0", ("ghost.kramers_escape",)),
            ("right", "r D^(-2/3) above 0", ("ghost.full_passage", "ghost.weak_noise_passage")),
        )
    ),
    *(
        Comparison(
            id=f"ghost.noisy_passage_{name}",
            claim="ghost.noisy_passage_quantile",
            data=f"level_{name}",
            observable="passage_time",
            kind=Statistical(estimator=name, censored="above"),
            margin=0.06,
            bind={**SIGNED, "level": "level"},
            domain=DOMAIN,
            trial=_trial(-1.0, 8.0, level),
            **AXES,
        )
        for name, level in LEVELS.items()
    ),
    Comparison(
        id="ghost.noisy_time_from_rest",
        claim="ghost.noisy_time_from_rest",
        data="rest",
        observable="passage_time",
        kind=MEAN,
        margin=0.06,
        bind={**SIGNED, "threshold": "threshold"},
        domain="r D^(-2/3) from -1 to 5, threshold 6 D^(1/3)",
        rivals=("ghost.weak_noise_from_rest",),
        x="scaled_r",
        trial=FROM_REST,
    ),
    Comparison(
        id="ghost.full_passage_in_noise",
        claim="ghost.full_passage",
        data="passages",
        observable="passage_time",
        kind=MEAN,
        margin=MARGIN,
        bind=SIGNED,
        domain="r D^(-2/3) from 0.6 to 5",
        beyond_domain=True,
        trial=_trial(0.5, 12.0),
        expect="disagrees",
        reason="noise shortens the passage, by 15 % at r = 0.6 D^(2/3)",
        **AXES,
    ),
    Comparison(
        id="ghost.weak_noise_passage",
        claim="ghost.weak_noise_passage",
        data="passages",
        observable="passage_time",
        kind=MEAN,
        margin=MARGIN,
        bind=SIGNED,
        domain="D/r^(3/2) up to 0.4",
        rivals=("ghost.full_passage",),
        trial=_trial(1.85, 12.0),
        **AXES,
    ),
    Comparison(
        id="ghost.kramers_escape",
        claim="ghost.kramers_escape",
        data="passages",
        observable="passage_time",
        kind=MEAN,
        margin=MARGIN,
        bind=SIGNED,
        domain="r D^(-2/3) = -1 and -0.6, where the barrier is 1.3 and 0.6 times the noise",
        beyond_domain=True,
        trial=_trial(-1.8, -0.5),
        expect="disagrees",
        reason="the barrier is not high: the escape takes longer by about 5 D/(24 |r|^(3/2)), a fifth",
        **AXES,
    ),
)


@styled()
def airy_figure(data: Data) -> Figure:
    """Mean and quantiles in units of D^(-1/3) against r D^(-2/3), with the laws and both limits."""
    figure = Figure(figsize=(6.4, 3.8), layout="constrained")
    axes = figure.subplots()
    times = data["passages"].passage_time
    z = np.linspace(-2.2, 8.4, 400)
    unit = times.noise ** (1 / 3)
    (line,) = axes.semilogy(z, get_claim("ghost.noisy_passage").predict(signed_r=z, noise=1.0), label="mean: Airy law")
    color = line.get_color()
    axes.semilogy(z[z > 0.15], np.pi / np.sqrt(z[z > 0.15]), ":", color="0.4", label="ghost without noise")
    down = z[z < -0.3]
    axes.semilogy(
        down, get_claim("ghost.kramers_escape").predict(signed_r=down, noise=1.0), "--", color="0.4", label="Kramers"
    )
    quantile = get_claim("ghost.noisy_passage_quantile")
    for number, level in enumerate(LEVELS.values()):
        (curve,) = axes.semilogy(
            z, quantile.predict(signed_r=z, noise=1.0, level=level), lw=0.9, color=f"C{number + 1}",
            label=f"{level:.0%} of passages",
        )  # fmt: skip
        dots = (times * unit).quantile(level, "seed")
        for noise, marker in zip(times.noise.values, "x+", strict=True):
            axes.semilogy(times.scaled_r, dots.sel(noise=noise), marker, ms=4, color=curve.get_color())
    means = (times * unit).mean("seed")
    for noise, marker in zip(times.noise.values, "os", strict=True):
        axes.semilogy(times.scaled_r, means.sel(noise=noise), marker, ms=4, mfc="none", color=color,
                      label=f"mean, D = {noise:g}")  # fmt: skip
    axes.axvline(0, color="0.8", lw=0.8)
    axes.set(
        xlabel=r"$r\,D^{-2/3}$", ylabel=r"passage time $\times\,D^{1/3}$", title="From escape to ghost", ylim=(0.3, 400)
    )
    figure.legend(loc="outside right upper")
    return figure


EXPERIMENTS = (
    Experiment(
        name="ghost.noise",
        title="Passage through the ghost in noise",
        caption=(
            "Time from minus infinity to infinity in dx = (r + x^2) dt + sqrt(2D) dW. In units of D^(-1/3) mean and "
            "quantiles depend on r D^(-2/3) alone: Kramers' escape on the left, the ghost on the right, the Airy law "
            "and the distribution from the backward equation throughout."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
        figures=lambda data: {"ghost.noise": airy_figure(data)},
    ),
)
