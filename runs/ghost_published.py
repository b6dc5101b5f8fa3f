"""The published Euler scheme: where sampling resolves the crossing, where it does not, and what that does to training.

The target is y_i = 1[i dt >= T], the loss dt (o_i - y_i)^2 summed over 0 <= i dt < 2T. T = 100, threshold 10,
dt = 0.1, confidences 0.01 to 2. All slopes are derivatives of that sum.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Onset, Scale
from runs.ghost_onset import over_windows, unit_r, unit_rate
from runs.trial import POINT, Range, Trial
from theory.registry import get_claim
from toymodels.comparator import Boundary, Exact, Statistical, styled
from toymodels.comparator.figures import colours
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

LENGTH, THRESHOLD, DT = 100.0, 10.0, 0.1
PUBLISHED = {"T": LENGTH, "threshold": THRESHOLD, "dt": DT}
CONFIDENCES = np.array([0.01, 0.1, 0.2, 0.5, 1.0, 2.0])
"""The published ones, and 0.2."""
RESOLVED = 0.1
"""Confidence whose crossing the published steps resolve best: 1/(4 threshold) long, a quarter of a step."""
EPOCHS = (1000, 2000, 3000, 5000, 10_000)
START, SPREAD = 10.0, 0.1
"""Published starts: normal, in units of r*."""
PHASES, PER_PHASE = 2, 1024
"""r spread evenly over whole phases of the samples."""
RHO, STEPS = np.array([2.0, 10.0]), np.array([0.1, 0.4])
SOFT, FAR = 400.0, 4e6
"""Thresholds of runs in exact dynamics. The orbit that locks touches the kink at r*, which must be sharp: its rounding,
confidence/T of the slope at a distance of order 1, holds the orbit beyond the window by 2 % at threshold 4e4."""
LOCKING_ENDS, LOCKING_STEP = ("start", "end"), 0.005
SLOW = np.array([0.03, 0.06])
"""kappa of floors."""
BURN = 500
WIDTH = 0.03
"""Starts of the onset lie within this above r*, in units of r*: the optimum is delayed by half of it."""
SLACK = 0.01
"""How far the onset may lie below the lowest rate with a hit, for starts that were not drawn. A phase is 2 dt/T r* wide
and the distance to the zone grows by 3 dt/T in each: a relative distance d beyond the onset is reached from d T/(3 dt)
phases, and in each from a share (4/3) sqrt(d/50) for the sharpest output: 0.4 % of all starts at d = 0.01, so that none
of 1500 has a probability of 0.2 %."""


def phased(dt: float, rho: float) -> np.ndarray:
    """r over PHASES phases from rho r* on, evenly in phase: the passage takes pi/(2 sqrt(r)) - (dt/2) log(r) + ..."""
    r = rho * float(unit_r(LENGTH)) * np.linspace(1, 1.5, 20_001)
    phase = (np.pi / (2 * np.sqrt(r)) - dt / 2 * np.log(r)) / dt
    wanted = phase[0] - np.arange(PHASES * PER_PHASE) / PER_PHASE
    return np.interp(-wanted, -phase, r)


def sweeps(scale: Scale) -> dict[str, Sweep | Onset]:
    """Slopes over whole phases; onset of trapping in a first step; floors; one confidence resolved, others not."""
    quick = scale == "quick"
    euler = get_model("ghost", scheme="euler")
    r = np.array([[phased(dt, rho) for dt in STEPS] for rho in RHO])
    starts = xr.DataArray(r, dims=("rho", "dt", "phase"), coords={"rho": RHO})
    planned: dict[str, Sweep | Onset] = {
        "slope": Sweep(
            euler,
            {
                "T": LENGTH,
                "threshold": THRESHOLD,
                "confidence": CONFIDENCES,
                "dt": STEPS,
                "r0_mean": starts,
                "r0_spread": 0.0,
                "steps": 0,
            },
            seeds=1,
        )
    }
    # dt varies with T, not in proportion.
    lengths, coarse = np.array([60.0, 100.0]), np.array([0.05, 0.1])
    planned["onset"] = Onset(
        Sweep(
            get_model("ghost", scheme="euler", record_every=1),
            {
                "T": lengths,
                "threshold": THRESHOLD,
                "confidence": CONFIDENCES,
                "dt": ("T", coarse),
                "r0_mean": ("T", (1 + WIDTH / 2) * unit_r(lengths)),
                "r0_spread": ("T", WIDTH / 2 * unit_r(lengths)),
                "steps": 1,
            },
            seeds=1500 if quick else 20_000,
        ),
        axis="learning_rate",
        outcome=Outcome.TRAPPED,
        low=over_windows(lengths, 0.1 * unit_rate(lengths)),
        high=over_windows(lengths, 1.5 * unit_rate(lengths)),
        rel_tol=0.01 if quick else 0.003,
    )
    rates = SLOW * unit_rate(LENGTH)
    oscillating = {"learning_rate": rates, "r0_mean": 1.02 * unit_r(LENGTH), "r0_spread": 0.02 * unit_r(LENGTH)}
    planned["floor"] = Sweep(
        get_model("ghost", scheme="euler", record_every=BURN),
        {**PUBLISHED, "confidence": CONFIDENCES, **oscillating, "steps": 2 * BURN},
        seeds=32 if quick else 128,
    )
    planned["soft"] = Sweep(
        get_model("ghost", record_every=BURN),
        {
            "T": LENGTH,
            "threshold": SOFT,
            "confidence": np.array([0.5, 1.0, 2.0, 6.0]) / SOFT,
            **oscillating,
            "steps": 2 * BURN,
        },
        seeds=32 if quick else 128,
    )
    planned["locking"] = _locking_sweep()
    return planned


def _locking_sweep() -> Sweep:
    """Rates in steps of 0.5 % across both ends of the window that locks to two steps."""
    lengths, offsets = np.array([50.0, 100.0]), np.array([1.5, 2.5])
    T = xr.DataArray(lengths, dims="T", coords={"T": lengths})
    confidence = xr.DataArray(offsets / FAR, dims="offset", coords={"offset": offsets})
    ends = [
        get_claim(f"ghost.period_two_{end}").predict(T=T, threshold=FAR, confidence=confidence) for end in LOCKING_ENDS
    ]
    across = np.exp(LOCKING_STEP * (np.arange(16) - 7.7))
    rates = xr.concat(ends, dim="end").expand_dims(rung=len(across)) * xr.DataArray(across, dims="rung")
    return Sweep(
        get_model("ghost", refine=2, record_every=1),
        {
            "T": lengths,
            "threshold": FAR,
            "confidence": ("offset", confidence.values),
            "learning_rate": rates.drop_vars(["T", "offset"], errors="ignore").transpose("T", "offset", "end", "rung"),
            "r0_mean": ("T", 1.05 * unit_r(lengths)),
            "r0_spread": 0.0,
            "steps": 1200,
        },
        seeds=1,
    )


def locking(runs: xr.Dataset) -> dict[str, xr.Dataset]:
    """Rates between the last rung that does not lock and the first that does, at each end of the window."""
    last = runs.r.isel(step=slice(-3, None), seed=0)
    back, once = (abs(last.isel(step=-1) / last.isel(step=k) - 1) for k in (0, 1))
    locked = (back < 1e-6) & (once > 1e-3)
    found = {}
    for at, end in enumerate(LOCKING_ENDS):
        hits, rates = (v.isel(end=at, drop=True) for v in (locked, runs.learning_rate))
        count = hits.sum("rung")
        # Locked rungs are the upper ones at the start, the lower ones at the end; anything else has no boundary.
        wanted = hits.rung_index >= hits.sizes["rung"] - count if end == "start" else hits.rung_index < count
        clean = (hits == wanted).all("rung") & (count > 0) & (count < hits.sizes["rung"])
        first = (hits.sizes["rung"] - count if end == "start" else count).clip(1, hits.sizes["rung"] - 1)
        rates = rates.transpose("rung", ...)
        low, high = rates.isel(rung=first - 1), rates.isel(rung=first)
        middle = ((low + high) / 2).where(clean)
        data = xr.Dataset({"learning_rate": middle, "error": (high - low) / 2}).drop_vars("rung", errors="ignore")
        found[f"period_two_{end}"] = data.assign_coords({n: runs[n] for n in ("T", "threshold", "confidence")})
    return found


def mean_slope(slopes: xr.Dataset) -> xr.Dataset:
    """Mean over the phases at the r of their middle, slopes carried there as r^(-3/2); error: every second phase."""
    middle = slopes.r.median("phase")
    carried = slopes.gradient * (slopes.r / middle) ** 1.5
    mean, half = carried.mean("phase"), carried.isel(phase=slice(None, None, 2)).mean("phase")
    data = xr.Dataset({"gradient": mean, "r": middle, "error": abs(mean - half)})
    return data.assign_coords({name: slopes[name] for name in ("T", "threshold")})


def steepest(slopes: xr.Dataset) -> xr.Dataset:
    """The largest slope relative to r^(-3/2), and its r."""
    found = slopes.isel(phase=(slopes.gradient * slopes.r**1.5).argmax("phase"))
    # Between neighbouring phases a peak may rise by a part of the inverse squared count of phases.
    return found.drop_vars("phase", errors="ignore").assign(error=1e-4 * found.gradient)


def measure(raw: Data) -> Data:
    """Slopes by phase; their mean and maximum; some single ones at the published step; brackets; floors."""
    slopes = raw["slope"][["gradient", "initial_r"]].isel(step=0, seed=0, drop=True).rename(initial_r="r")
    slopes = slopes.drop_vars("r0_mean")
    single = slopes.sel(dt=DT).isel(phase=slice(None, None, 32))
    single = single.assign(error=1e-9 * abs(single.gradient))
    onset, floor = raw["onset"], raw["floor"][["mean_loss"]].isel(step=-1)
    return {
        "slopes": slopes,
        "mean": mean_slope(slopes),
        "steepest": steepest(slopes),
        **{f"single_{c:g}": single.sel(confidence=c) for c in CONFIDENCES},
        "onset": onset.assign(slack=xr.full_like(onset.lower, SLACK)),
        "floor": floor.sel(confidence=CONFIDENCES[:4]),
        "floor_coarse": floor.sel(confidence=[1.0]),
        "floor_stuck": floor.sel(confidence=[2.0]),
        **locking(raw["locking"].assign_coords(rung_index=("rung", np.arange(raw["locking"].sizes["rung"])))),
        "soft": raw["soft"][["mean_loss"]].isel(step=-1),
    }


OUTPUT = {"threshold": "threshold", "confidence": "confidence"}
EULER = {**OUTPUT, "dt": "dt"}
TRAIN = {**EULER, "T": "T", "learning_rate": "learning_rate"}
MEAN = Statistical(estimator="mean", scale="relative")


def _onsets(points: xr.Dataset, seeds: Sequence[int], fine: int) -> dict[str, Onset]:
    T = points["T"].values
    return {
        "onset": Onset(
            Sweep(
                get_model("ghost", scheme="euler", record_every=1),
                {
                    "T": (POINT, T),
                    "threshold": THRESHOLD,
                    "confidence": (POINT, points.confidence.values),
                    "dt": (POINT, points.dt.values),
                    "r0_mean": (POINT, (1 + WIDTH / 2) * unit_r(T)),
                    "r0_spread": (POINT, WIDTH / 2 * unit_r(T)),
                    "steps": 1,
                },
                seeds=seeds,
            ),
            axis="learning_rate",
            outcome=Outcome.TRAPPED,
            low=xr.DataArray(0.1 * unit_rate(T), dims=POINT),
            high=xr.DataArray(1.3 * unit_rate(T), dims=POINT),
            rel_tol=0.01,
        )
    }


ONSETS = Trial(
    {
        "T": Range(60.0, 200.0, "length of the silent half of the window", log=True, default=100.0),
        "confidence": Range(0.01, 1.5, "steepness of the output", log=True, default=0.1),
        "dt": Range(0.05, 0.1, "step of the Euler scheme", log=True, default=0.1),
    },
    _onsets,
    lambda raw, points: raw["onset"].assign(slack=xr.full_like(raw["onset"].lower, SLACK)),
    seeds=4000,
    points=12,
)


def _single(confidence: float) -> Comparison:
    resolved = 0.1 <= confidence <= 0.2
    why = {
        0.01: "the output rises over x from 10 to 500, which the scheme crosses in three steps: slopes within 35 %",
        0.5: "confidence threshold^2 dt = 5 of the output's scale per step: slopes scatter by 20 %",
        1.0: "ten output scales per step: slopes from 0.29 to 1.9 of the law",
        2.0: "twenty output scales per step: slopes from 0.01 to 3.6 of the law",
    }
    return Comparison(
        id=f"ghost.published_slope_{confidence:g}".replace("0.", "0_"),
        claim="ghost.slope_euler",
        data=f"single_{confidence:g}",
        observable="gradient",
        kind=Exact(scale="relative"),
        margin=0.1,
        bind={**EULER, "T": "T", "r": "r"},
        domain=f"single slopes, confidence {confidence:g}, T = 100, Euler steps of 0.1",
        mutants=resolved,
        expect="agrees" if resolved else "disagrees",
        reason=why.get(confidence, ""),
    )


COMPARISONS = (
    Comparison(
        id="ghost.slope_euler",
        claim="ghost.slope_euler",
        data="mean",
        observable="gradient",
        kind=Exact(scale="relative"),
        margin=0.002,
        bind={**EULER, "T": "T", "r": "r"},
        domain="mean over two phases, r = 2 and 10 r*, dt = 0.1 and 0.4, threshold 10",
        rivals=("ghost.slope_above",),
        map_axes=("confidence", "dt"),
    ),
    Comparison(
        id="ghost.steepest_slope_euler",
        claim="ghost.steepest_slope_euler",
        data="steepest",
        observable="gradient",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={**EULER, "T": "T", "r": "r"},
        domain="steepest of two phases, r = 2 and 10 r*, dt = 0.1 and 0.4, threshold 10",
        rivals=("ghost.slope_euler",),
        map_axes=("confidence", "dt"),
    ),
    *(_single(float(c)) for c in CONFIDENCES),
    Comparison(
        id="ghost.critical_learning_rate_euler_law",
        claim="ghost.critical_learning_rate_euler",
        data="onset",
        observable="learning_rate",
        kind=Boundary(),
        margin=0.03,
        bind={**EULER, "T": "T"},
        domain="first step, starts within 0.03 r* above r*; T = 60 with dt = 0.05, T = 100 with dt = 0.1",
        rivals=("ghost.critical_learning_rate_finite",),
        map_axes=("confidence", "T"),
        trial=ONSETS,
    ),
    Comparison(
        id="ghost.floor_soft",
        claim="ghost.floor_soft",
        data="soft",
        observable="mean_loss",
        kind=MEAN,
        margin=0.01,
        bind={**OUTPUT, "T": "T", "learning_rate": "learning_rate"},
        domain="threshold 400, confidence threshold from 0.5 to 6, kappa = 0.03 and 0.06",
        rivals=("ghost.floor",),
        x="confidence",
        hue="learning_rate",
    ),
    Comparison(
        id="ghost.floor_euler",
        claim="ghost.floor_euler",
        data="floor",
        observable="mean_loss",
        kind=MEAN,
        margin=0.05,
        bind=TRAIN,
        domain="published scheme, confidence 0.01 to 0.5, kappa = 0.03 and 0.06, mean over steps 500 to 1000",
        rivals=("ghost.floor_soft", "ghost.floor"),
        x="confidence",
        hue="learning_rate",
    ),
    Comparison(
        id="ghost.floor_euler_coarse",
        claim="ghost.floor_euler",
        data="floor_coarse",
        observable="mean_loss",
        kind=MEAN,
        margin=0.1,
        bind=TRAIN,
        domain="published scheme, confidence 1, kappa = 0.03 and 0.06: runs differ from each other by some per cent",
        rivals=("ghost.floor_soft",),
    ),
    Comparison(
        id="ghost.floor_euler_dead",
        claim="ghost.floor_euler",
        data="floor_stuck",
        observable="mean_loss",
        kind=MEAN,
        margin=0.05,
        bind=TRAIN,
        domain="published scheme, confidence 2, kappa = 0.03 and 0.06",
        beyond_domain=True,
        mutants=False,
        expect="disagrees",
        reason="descent stops at phases where no sample falls on the rise, and the oscillation ends",
    ),
    *(
        Comparison(
            id=f"ghost.period_two_{end}",
            claim=f"ghost.period_two_{end}",
            data=f"period_two_{end}",
            observable="learning_rate",
            kind=Exact(scale="relative"),
            margin=0.01,
            bind={**OUTPUT, "T": "T"},
            domain="threshold 4e6, T = 50 and 100, confidence threshold 1.5 and 2.5",
        )
        for end in LOCKING_ENDS
    ),
)


@styled()
def slope_figure(data: Data) -> Figure:
    """Slopes over the phase of the samples, for each confidence; onset over confidence."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    slopes = data["slopes"].sel(dt=DT).isel(rho=0)
    for confidence, color in zip(CONFIDENCES, colours(len(CONFIDENCES)), strict=True):
        one = slopes.sel(confidence=confidence)
        mean = get_claim("ghost.slope_euler").predict(r=one.r, threshold=THRESHOLD, confidence=confidence, dt=DT)
        phase = np.arange(one.sizes["phase"]) / PER_PHASE
        left.plot(phase, one.gradient / mean, color=color, label=f"confidence {confidence:g}")
    left.axhline(1, color="k", lw=1)
    left.set(
        xlabel="passage time in samples, from that of 2 r* down",
        ylabel="slope over its mean",
        yscale="log",
        ylim=(5e-3, 20),
    )
    left.set_title("Slope in the Euler scheme")
    left.legend(fontsize="small", loc="upper center", ncols=3)
    confidence = np.geomspace(0.008, 2.5, 80)
    for T, mark, color in zip(data["onset"]["T"].values, "os", colours(2), strict=True):
        some = data["onset"].sel(T=T)
        dt = float(some.dt)
        law = get_claim("ghost.critical_learning_rate_euler").predict(
            T=T, threshold=THRESHOLD, confidence=confidence, dt=dt
        )
        right.plot(confidence, law / unit_rate(T), color=color, label=f"law, T = {T:g}, dt = {dt:g}")
        middle = np.sqrt(some.lower * some.upper) / unit_rate(T)
        right.plot(CONFIDENCES, middle, mark, color=color, ms=4, label=f"bisected, T = {T:g}, dt = {dt:g}")
    exact = 0.75 / (1 - 1 / (1 + np.exp(confidence * THRESHOLD)) ** 2)
    right.plot(confidence, exact, "k--", lw=1, label="exact dynamics, 3/4/(1 - S$^2$)")
    right.set(xscale="log", xlabel="confidence (time)", ylabel="kappa at the onset of trapping", ylim=(0, 1.1))
    right.set_title("Onset of trapping")
    right.legend(fontsize="small", loc="lower left")
    return figure


def protocol_sweeps(scale: Scale) -> dict[str, Sweep]:
    """The published protocol, for the confidence whose crossing is resolved best and one whose is not."""
    quick = scale == "quick"
    rates = np.logspace(-11, -8, 16 if quick else 100)
    return {
        "protocol": Sweep(
            get_model("ghost", scheme="euler", r0_law="normal", record_every=1000),
            {
                **PUBLISHED,
                "confidence": np.array([RESOLVED, 1.0]),
                "learning_rate": rates,
                "r0_mean": START * unit_r(LENGTH),
                "r0_spread": SPREAD * unit_r(LENGTH),
                "steps": EPOCHS[-1],
            },
            seeds=3 if quick else 10,
        )
    }


def protocol_measure(raw: Data) -> Data:
    """Losses at the published epochs, steps to learn, and floors of runs that had time to reach it."""
    runs = raw["protocol"]
    curve = runs[["loss", "initial_r"]].sel(step=list(EPOCHS))
    reached = runs.learning_step <= EPOCHS[-1] - 2000
    resolved = {"confidence": [RESOLVED]}
    learning = runs[["learning_step", "initial_r"]].where(np.isfinite(runs.learning_step))
    # Rates at which some run is still on the plateau have no floor yet.
    settled = reached.sel(confidence=RESOLVED).all("seed").values
    floor = runs[["mean_loss"]].sel(step=EPOCHS[-1]).sel(resolved).isel(learning_rate=settled)
    return {
        "curve": curve,
        "plateau": curve.sel(resolved).assign(error=2e-3 * abs(curve.loss.sel(resolved))),
        "learning": learning.sel(resolved),
        "learning_coarse": learning.sel(confidence=[1.0]),
        "floor": floor.assign(error=1e-3 * floor.mean_loss),
        "outcome": (runs.outcome == Outcome.TRAPPED).to_dataset(name="trapped"),
    }


PROTOCOL_COMPARISONS = (
    Comparison(
        id="ghost.plateau_loss_euler",
        claim="ghost.plateau_loss_euler",
        data="plateau",
        observable="loss",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind={**TRAIN, "initial_r": "initial_r", "step": "step"},
        domain="published protocol, confidence 0.1, at the published epochs while the plateau lasts",
        rivals=("ghost.plateau_loss",),
    ),
    Comparison(
        id="ghost.learning_step_euler",
        claim="ghost.learning_step_euler",
        data="learning",
        observable="learning_step",
        kind=Exact(error=0.5, scale="relative"),
        margin=0.01,
        bind={**TRAIN, "initial_r": "initial_r"},
        domain="published protocol, confidence 0.1",
        rivals=("ghost.learning_step",),
    ),
    Comparison(
        id="ghost.learning_step_euler_coarse",
        claim="ghost.learning_step_euler",
        data="learning_coarse",
        observable="learning_step",
        kind=Exact(error=0.5, scale="relative"),
        margin=0.05,
        bind={**TRAIN, "initial_r": "initial_r"},
        domain="published protocol, confidence 1, rates whose steps are smaller than a phase",
        rivals=("ghost.learning_step",),
    ),
    Comparison(
        id="ghost.floor_euler_protocol",
        claim="ghost.floor_euler",
        data="floor",
        observable="mean_loss",
        kind=Exact(scale="relative"),
        margin=0.05,
        bind=TRAIN,
        domain="published protocol, confidence 0.1, mean over the last 1000 epochs, all rates that learned by 8000",
    ),
)


@styled()
def protocol_figure(data: Data) -> Figure:
    """Loss against learning rate at the five epochs: mean and standard error, with both laws."""
    figure = Figure(figsize=(8.4, 3.8), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    curve = data["curve"]
    rates = np.geomspace(1e-11, 1e-8, 300)
    start = START * float(unit_r(LENGTH))
    for axes, confidence in zip(panels, curve.confidence.values, strict=True):
        some = curve.sel(confidence=confidence).loss
        mean, error = some.mean("seed"), some.std("seed", ddof=1) / np.sqrt(some.sizes["seed"])
        fixed = {**PUBLISHED, "confidence": float(confidence)}
        ends = get_claim("ghost.learning_step_euler").predict(learning_rate=rates, initial_r=start, **fixed)
        for epoch, color in zip(EPOCHS, colours(len(EPOCHS)), strict=True):
            at = {"step": epoch}
            axes.errorbar(
                curve.learning_rate, mean.sel(at), error.sel(at), fmt="o", ms=3, lw=1, color=color, label=f"{epoch}"
            )
            law = get_claim("ghost.plateau_loss_euler").predict(
                learning_rate=rates[ends > epoch], initial_r=start, step=epoch, **fixed
            )
            axes.plot(rates[ends > epoch], law, color=color, lw=1)
            axes.axvline(rates[ends > epoch][-1], color=color, ls=":", lw=0.8)
        critical = get_claim("ghost.critical_learning_rate_euler").predict(**fixed)
        axes.axvline(critical, color="crimson", lw=1)
        axes.annotate("onset of trapping", (critical, 104), color="crimson", ha="center", fontsize="small")
        axes.set(xscale="log", xlabel="learning rate (1/time$^5$)", title=f"confidence {confidence:g}")
    panels[0].set_ylabel("loss L (time)")
    panels[0].set_ylim(-4, 110)
    figure.legend(*panels[0].get_legend_handles_labels(), title="epoch", loc="outside right center")
    figure.supxlabel(
        "marks: mean and standard error over runs; lines: law; dotted: predicted end of the plateau", size=8
    )
    return figure


EXPERIMENTS = (
    Experiment(
        name="ghost.published_scheme",
        title="What the published Euler scheme resolves",
        caption=(
            "Slopes, onset of trapping and floor in the Euler scheme with dt = 0.1 at T = 100 and threshold 10. The "
            "output rises within confidence/(1 + confidence threshold)^2, at most a quarter of a step. Single slopes "
            "lie within 7 % of the law at confidence 0.1 and 0.2, within 35 % at 0.01, and scatter by factors at 1 "
            "and 2. Their mean, their maximum, the onset that the maximum decides, and the floor follow from one "
            "sum over an orbit of the scheme. In exact dynamics at finite confidence, a floor of its own, and a "
            "window of learning rates that locks to two steps, which a sharp output does not have."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
        figures=lambda data: {"ghost.published_scheme": slope_figure(data)},
    ),
    Experiment(
        name="ghost.published_protocol",
        title="Loss against learning rate in the published protocol",
        caption=(
            "Starts normal around 10 r*, Euler steps of 0.1, 10 000 epochs; mean and standard error of the loss at "
            "epochs 1000, 2000, 3000, 5000 and 10 000. Lines: the plateau's law for the Euler scheme; dotted: where "
            "it predicts the plateau's end; red: the onset of trapping. At confidence 1 slow descent is held up at "
            "phases where no sample falls on the rise, which the mean of the inverse gain predicts."
        ),
        sweeps=protocol_sweeps,
        measure=protocol_measure,
        comparisons=PROTOCOL_COMPARISONS,
        figures=lambda data: {"ghost.published_protocol": protocol_figure(data)},
    ),
)
