"""After learning: the locking diagram of the oscillation about the optimum, and the share of runs trapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.ghost_curve import INTEGRATOR
from runs.ghost_onset import SHARP, unit_r, unit_rate
from runs.trial import POINT, Range, Trial
from theory.ghost_collapse import SPREAD, START
from theory.registry import get_claim
from toymodels.comparator import Boundary, Exact, Statistical, styled
from toymodels.engine import Sweep
from toymodels.models import get_model

T = 100.0
BURN = 400
"""Steps until the oscillation is stationary: phase differences of a locked orbit shrink by 0.3 per period."""
SMALL = (0.04, 0.06, 0.08, 0.1)
LOCKED = (0.32, 0.4, 0.5, 0.6, 0.7, 0.74)
SHARES = (0.8, 0.85, 0.9, 1.0, 1.3, 2.0)
SEARCH = 0.04
"""The end of a window is sought within this relative distance of where the law has it."""
WINDOWS = {
    "3_lower": "ghost.window_3_lower",
    "3_upper": "ghost.certain_trapping",
    "5_lower": "ghost.window_5_lower",
    "5_upper": "ghost.window_5_upper",
    "7_lower": "ghost.window_7_lower",
    "7_upper": "ghost.window_7_upper",
}
AT_END = {"3_lower": (0.72, 0.05), "3_upper": (0.985, 0.015)}
"""Mean and half-width of starts, in units of r*, where few starts reach the orbit: about its lowest point."""
SAME = 1e-4
"""Points of one orbit that differ by less, in units of r*, are the same."""


def _descent(kappa: np.ndarray | Sequence[float], mean: float, spread: float) -> dict[str, object]:
    """Training at T = 100 and the rates of kappa; starts in units of r*."""
    kappa, r = np.asarray(kappa, dtype=float), float(unit_r(T))
    rates = xr.DataArray(kappa * unit_rate(T), dims="kappa", coords={"kappa": kappa})
    return {"T": T, **SHARP, "learning_rate": rates, "r0_mean": mean * r, "r0_spread": spread * r}


def _oscillation(
    kappa: np.ndarray | Sequence[float], steps: int, seeds: int, mean: float = 0.85, spread: float = 0.14
) -> Sweep:
    """Every step is recorded, for a few runs that start somewhere on the oscillation, below the optimum."""
    return Sweep(get_model("ghost", record_every=1), {**_descent(kappa, mean, spread), "steps": steps}, seeds=seeds)


def _near(claim: str, points: int) -> np.ndarray:
    return float(get_claim(claim).predict()) * np.exp(np.linspace(-SEARCH, SEARCH, points))


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """A scan over kappa; finer ones at the ends of windows; many first and many later passes."""
    quick = scale == "quick"
    scan = np.geomspace(0.04, 0.76, 48 if quick else 400)
    points, length = (33, 300) if quick else (161, 600)
    first = int(np.ceil(0.4 * (START + 5 * SPREAD) ** 2.5 / min(SHARES))) + 10
    later = np.array([0.74, 0.765, 0.775, 0.8]) if quick else np.append(0.74, np.linspace(0.7525, 0.82, 28))
    normal = {"r0_law": "normal"}
    return {
        "scan": _oscillation(scan, BURN + 300, 2 if quick else 8),
        "small": _oscillation(SMALL, BURN + 1200, 4 if quick else 64),
        "locked": _oscillation(LOCKED, BURN + 300, 8 if quick else 64),
        **{
            f"end_{name}": _oscillation(_near(claim, points), length, 6, *AT_END.get(name, ()))
            for name, claim in WINDOWS.items()
        },
        "first_pass": Sweep(
            get_model("ghost", record_every=first, **normal),
            {**_descent(SHARES, START, SPREAD), "steps": first},
            seeds=20_000 if quick else 170_000,
        ),
        "later": Sweep(
            get_model("ghost", record_every=100, **normal),
            {**_descent(later, START, SPREAD), "steps": 300},
            seeds=4000 if quick else 40_000,
        ),
    }


def _orbit(raw: xr.Dataset) -> xr.DataArray:
    """r/r* over steps."""
    return raw.r / float(unit_r(T))


def stationary(raw: xr.Dataset) -> xr.Dataset:
    """Means over steps from BURN on, up to a step at which r is almost back where it was then: what the ends leave of
    a stationary mean is part of `error`. The sign is that of the gradient."""
    late = raw.isel(step=raw.step.values >= BURN)
    rho, count = _orbit(late), late.sizes["step"]
    index = xr.DataArray(np.arange(count), dims="step")
    back = abs(rho - rho.isel(step=0)).where(index >= count // 2, np.inf).argmin("step")
    seen = index < back
    data = xr.Dataset(
        {
            "mean_sign": xr.where(late.gradient > 0, 1.0, -1.0).where(seen).mean("step"),
            "mean_inverse_cube": (rho**-3).where(seen).mean("step"),
            "mean_loss": late.loss.where(seen).mean("step"),
        }
    ).where((rho > 0.25).all("step"))
    first, last = rho.isel(step=0, drop=True), rho.isel(step=back, drop=True)
    ends = abs(last**2 - first**2) / (2 * rho.kappa * back)
    error = T * ends + INTEGRATOR * data.mean_loss
    return data.drop_vars("step", errors="ignore").assign(error=error, sign_error=xr.ones_like(data.mean_sign) / back)


def gains(raw: xr.Dataset) -> xr.Dataset:
    """Pairs of steps from above the optimum to below it and up again."""
    rho = _orbit(raw)
    size = rho.sizes["step"] - 2
    # Every seventh step is enough.
    before, between, after = (rho.isel(step=slice(k, k + size, 7)).drop_vars("step") for k in range(3))
    crosses = (before > 1.002) & (between < 0.998) & (between > 0.25)
    data = xr.Dataset({"gain": (after - before).where(crosses), "sample_rho": before.where(crosses)})
    return data.assign(error=INTEGRATOR / 10 * data.kappa * xr.ones_like(data.gain))


def _locked_share(raw: xr.Dataset, period: int) -> xr.DataArray:
    """Share of runs that repeat after `period` steps, with one step down more than up, at the end."""
    rho = _orbit(raw)
    last = rho.isel(step=slice(-3 * period, None))
    repeats = (abs(last - rho.isel(step=slice(-4 * period, -period)).values) < SAME).all("step")
    signs = xr.where(last > 1, 1.0, -1.0).mean("step")
    return (repeats & (abs(signs - 1 / period) < 1e-9)).mean("seed")


def _bracket(raw: xr.Dataset, name: str) -> xr.Dataset:
    """Between the outermost kappa at which a run is locked and the next one."""
    period, side = name.split("_")
    locked = _locked_share(raw, int(period)).values > 0
    kappa = raw.kappa.values
    if not locked.any():
        low, high = 0.0, np.inf
    elif side == "upper":
        at = np.flatnonzero(locked)[-1]
        low, high = kappa[at], kappa[at + 1] if at + 1 < len(kappa) else np.inf
    else:
        at = np.flatnonzero(locked)[0]
        low, high = kappa[at - 1] if at > 0 else 0.0, kappa[at]
    # Rounding of the kink over 1/(confidence threshold) of the crossing moves a border by less than 1e-4.
    return xr.Dataset({"lower": ("end", [low]), "upper": ("end", [high]), "slack": ("end", [1e-4])}, {"end": [name]})


def measure(raw: Data) -> Data:
    """Stationary means, pairs of steps, brackets of the windows' ends, who is trapped."""
    zone = float(unit_r(T)) / 4
    first, later = raw["first_pass"], raw["later"]
    landed = (first.landing_r < zone).where(np.isfinite(first.landing_r)).astype(float)
    inside = (later.r.sel(step=[100, 300]) < zone).astype(float)
    landed.attrs = inside.attrs = {"long_name": "share of runs trapped", "units": "1"}
    return {
        "scan": stationary(raw["scan"]),
        "small": stationary(raw["small"]),
        "locked": stationary(raw["locked"]),
        "gains": gains(raw["scan"]),
        **{f"end_{name}": _bracket(raw[f"end_{name}"], name) for name in WINDOWS},
        "first_pass": xr.Dataset({"trapped": landed}),
        "later": xr.Dataset({"trapped": inside}),
    }


TRAIN = {name: name for name in ("T", "learning_rate", "threshold", "confidence")}

# --- trials ---


def _tried_shares(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    r = float(unit_r(T))
    steps = int(np.ceil(0.4 * (START + 5 * SPREAD) ** 2.5 / 0.76)) + 10
    parameters = {
        "T": T, **SHARP, "learning_rate": (POINT, points.kappa.values * unit_rate(T)),
        "r0_mean": START * r, "r0_spread": SPREAD * r, "steps": steps,
    }  # fmt: skip
    return {
        "first": Sweep(get_model("ghost", record_every=steps, r0_law="normal", refine=fine), parameters, seeds=seeds)
    }


def _tried_landings(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    landing = raw["first"].landing_r
    trapped = (landing < unit_r(T) / 4).where(np.isfinite(landing)).astype(float)
    return trapped.to_dataset(name="trapped").assign_coords(kappa=points.kappa)


SHARE_TRIAL = Trial(
    {"kappa": Range(0.8, 5.0, "8 learning_rate T^5/pi^4", log=True)},
    _tried_shares,
    _tried_landings,
    seeds=2000,
    confirm_seeds=20_000,
    points=32,
)


def _tried_orbits(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Sweep]:
    r = float(unit_r(T))
    parameters = {
        "T": T, **SHARP, "learning_rate": (POINT, points.kappa.values * unit_rate(T)),
        "r0_mean": 0.85 * r, "r0_spread": 0.14 * r, "steps": BURN + 300,
    }  # fmt: skip
    return {"orbits": Sweep(get_model("ghost", record_every=1, refine=fine), parameters, seeds=seeds)}


def _tried_means(raw: Mapping[str, xr.Dataset], points: xr.Dataset) -> xr.Dataset:
    return stationary(raw["orbits"].assign_coords(kappa=points.kappa))


def _orbit_trial(low: float, high: float) -> Trial:
    space = {"kappa": Range(low, high, "8 learning_rate T^5/pi^4", log=True)}
    return Trial(space, _tried_orbits, _tried_means, seeds=2, points=48)


COMPARISONS = (
    *(
        Comparison(
            id=claim if name == "3_upper" else f"ghost.window_{name}",
            claim=claim,
            data=f"end_{name}",
            observable="kappa",
            kind=Boundary(),
            margin=0.005,
            bind={},
            domain="T = 100, threshold 400, confidence 0.25; 6 runs at each kappa",
        )
        for name, claim in WINDOWS.items()
    ),
    Comparison(
        id="ghost.locked_floor",
        claim="ghost.locked_floor",
        data="locked",
        observable="mean_loss",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind=TRAIN,
        domain="kappa from 0.32 to 0.74, mean over steps 400 to 700",
        rivals=("ghost.floor",),
        x="kappa",
        trial=_orbit_trial(0.3106, 0.745),
    ),
    Comparison(
        id="ghost.floor_where_locked",
        claim="ghost.floor",
        data="locked",
        observable="mean_loss",
        kind=Exact(scale="relative"),
        margin=0.05,
        bind=TRAIN,
        domain="kappa from 0.32 to 0.74",
        beyond_domain=True,
        expect="disagrees",
        reason="the oscillation is locked with period 3: its loss starts above kappa/4 and grows more slowly",
        x="kappa",
    ),
    Comparison(
        id="ghost.oscillation_identity",
        claim="ghost.oscillation_identity",
        data="scan",
        observable="mean_loss",
        kind=Exact(error="error", scale="relative"),
        margin=0.03,
        bind={**TRAIN, "mean_sign": "mean_sign", "mean_inverse_cube": "mean_inverse_cube"},
        domain="kappa from 0.04 to 0.76, locked or not; means over 150 to 300 steps",
        x="kappa",
        trial=_orbit_trial(0.04, 0.76),
    ),
    Comparison(
        id="ghost.two_step_gain",
        claim="ghost.two_step_gain",
        data="gains",
        observable="gain",
        kind=Exact(scale="relative"),
        margin=0.03,
        bind={"kappa": "kappa", "sample_rho": "sample_rho"},
        domain="kappa from 0.04 to 0.76",
    ),
    Comparison(
        id="ghost.mean_sign",
        claim="ghost.mean_sign",
        data="small",
        observable="mean_sign",
        kind=Exact(error="sign_error", scale="relative"),
        margin=0.08,
        bind={"kappa": "kappa"},
        domain="kappa from 0.04 to 0.1, mean over up to 1200 steps",
        x="kappa",
    ),
    Comparison(
        id="ghost.first_pass_share",
        claim="ghost.first_pass_share",
        data="first_pass",
        observable="trapped",
        kind=Statistical(estimator="share"),
        margin=0.15,
        bind={"kappa": "kappa"},
        domain="kappa from 0.8 to 2, normal starts at 4 +- 0.25 r*",
        rivals=("ghost.first_pass_share_linear",),
        x="kappa",
        trial=SHARE_TRIAL,
    ),
    Comparison(
        id="ghost.first_pass_share_linear",
        claim="ghost.first_pass_share_linear",
        data="first_pass",
        observable="trapped",
        kind=Statistical(estimator="share"),
        margin=0.15,
        bind={"kappa": "kappa"},
        domain="kappa from 0.8 to 2",
        beyond_domain=True,
        expect="disagrees",
        reason="linear near the onset only: 30 % too high at kappa = 1",
        x="kappa",
    ),
    Comparison(
        id="ghost.trapped_share",
        claim="ghost.trapped_share",
        data="later",
        observable="trapped",
        kind=Statistical(estimator="share"),
        margin=0.15,
        bind={name: name for name in ("T", "threshold", "confidence", "kappa", "step")},
        domain="kappa from 0.765 to 0.8, steps 100 and 300, normal starts at 4 +- 0.25 r*",
        x="kappa",
        hue="step",
        overlay={"ylabel": "share of runs trapped"},
    ),
)


def _shade(axes: Axes) -> None:
    for period, color in ((3, "C0"), (5, "C1"), (7, "C2")):
        low, high = (float(get_claim(WINDOWS[f"{period}_{side}"]).predict()) for side in ("lower", "upper"))
        axes.axvspan(low, high, color=color, alpha=0.15, lw=0, label=f"period {period}: predicted window")


@styled()
def locking_figure(data: Data) -> Figure:
    """Mean sign (the rotation number) and mean loss against kappa, with windows and laws."""
    figure = Figure(figsize=(6.4, 5.0), layout="constrained")
    top, bottom = figure.subplots(2, sharex=True)
    scan = data["scan"]
    kappa = np.geomspace(0.04, 0.7717, 300)
    inside = kappa[kappa > 0.3078]
    for axes in (top, bottom):
        _shade(axes)
    top.plot(kappa, 0.75 * kappa, "k--", lw=0.8, label="beat: 3 kappa/4")
    for period in (3, 5, 7, 9):
        top.axhline(1 / period, color="0.8", lw=0.6)
        top.annotate(f"1/{period}", (0.041, 1 / period), va="bottom", fontsize="small", color="0.4")
    rates = kappa * unit_rate(T)
    bottom.plot(kappa, get_claim("ghost.floor").predict(T=T, learning_rate=rates) / T, "k--", lw=0.8, label="kappa/4")
    locked = get_claim("ghost.locked_floor").predict(T=T, learning_rate=inside * unit_rate(T)) / T
    bottom.plot(inside, locked, label="period 3: 1/3 - h kappa^(-1/5)")
    for seed in scan.seed.values:
        one = scan.sel(seed=seed)
        top.plot(scan.kappa, one.mean_sign, "k.", ms=3, label="training" if seed == scan.seed.values[0] else None)
        bottom.plot(scan.kappa, one.mean_loss / T, "k.", ms=3)
    top.set(ylabel="mean sgn(r - r*)", title="Locking of the oscillation about the optimum", xscale="log")
    bottom.set(xlabel="kappa = 8 learning_rate T^5/pi^4", ylabel="mean L/T", yscale="log")
    handles = {label: h for axes in (top, bottom) for h, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3)
    return figure


@styled()
def trapped_figure(data: Data) -> Figure:
    """Share trapped after 300 steps and on the first pass, against kappa."""
    figure = Figure(figsize=(6.8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    first, later = data["first_pass"].trapped.mean("seed"), data["later"].trapped.mean("seed")
    near, kappa = np.linspace(0.7501, 0.82, 51), np.linspace(0.7501, 2.1, 200)
    law = get_claim("ghost.trapped_share")
    for steps, color in ((100, "C1"), (300, "C0")):
        left.plot(near, law.predict(kappa=near, step=steps), color=color, label=f"map, {steps} steps")
        measured = later.sel(step=steps)
        left.plot(later.kappa, measured, "s", ms=4, color=color, mec="k", label=f"training, {steps} steps")
    left.set(title="In the end", xlabel="kappa", ylabel="share of runs trapped", ylim=(-0.03, 1.1))
    upper = float(get_claim("ghost.certain_trapping").predict())
    for at, text, side in ((0.75, "3/4 ", "right"), (upper, " kappa_1", "left")):
        left.axvline(at, color="0.5", ls=":")
        left.annotate(text, (at, 1.0), ha=side, fontsize="small")
    right.plot(kappa, get_claim("ghost.first_pass_share").predict(kappa=kappa), label="law")
    linear = kappa[kappa < 1.2]
    right.plot(
        linear, get_claim("ghost.first_pass_share_linear").predict(kappa=linear), "--", color="0.4", label="linear"
    )
    right.plot(first.kappa, first, "o", ms=4, color="k", label="training")
    right.axvline(0.75, color="0.5", ls=":")
    right.set(title="On the first pass", xlabel="kappa = 8 learning_rate T^5/pi^4", ylim=(-0.02, 0.5))
    left.legend(loc="center right")
    right.legend(loc="lower right")
    return figure


EXPERIMENTS = (
    Experiment(
        name="ghost.locking",
        title="Locking of the oscillation about the optimum, and trapping",
        caption=(
            "Every step of training about the optimum, T = 100, threshold 400. The phase of the oscillation locks in "
            "windows of odd period whose ends are where an orbit meets the optimum; with period 3 the mean loss is "
            "T (1/3 - h kappa^(-1/5)). Above kappa = 3/4 a first pass traps a predicted share; from the end of the "
            "window of period 3 on no orbit is left and every run is trapped in the end."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
        figures=lambda data: {"ghost.locking": locking_figure(data), "ghost.trapped": trapped_figure(data)},
    ),
)
