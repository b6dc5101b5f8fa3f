"""Learning times over random starts: the whole distribution, many concepts, narrow starts, and rows without data."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison, Data, Experiment, Scale
from theory.registry import get_claim
from toymodels.comparator import Statistical, styled
from toymodels.comparator.figures import colours
from toymodels.engine import Sweep
from toymodels.models import get_model

STRONG = 2.0
STEP = 0.02
"""learning_rate times the largest second moment."""
LONG = 28.0
"""4 a time at the end of a run, for the weakest concept."""
COUNTS = (3, 4, 5, 6)
"""Numbers of concepts; each is 0.6 times as strong as the one before."""
FADE = 0.6
WAITS = (3.0, 4.0, 5.0, 6.5, 8.0)
"""Lengths of training: at some of them most runs look as if they had failed."""
QUANTILES = (5, 50, 95)
PAIR = np.array([2.0, 1.0])
SIZE, CORRELATIONS, WIDTHS = 0.003, (0.0, 0.5), (2, 4)
RANDOM = {n: n for n in ("mu", "sigma", "learning_rate", "init_scale", "init_correlation", "width")}
BIND = {n: n for n in ("initial_W", "mu", "sigma", "learning_rate")}


def _concepts(count: int, ratio: float = FADE, strong: float = STRONG) -> dict[str, object]:
    """mu of concepts that fade by `ratio`; no spread. The strongest has the second moment `strong`."""
    a = strong * ratio ** np.arange(count)
    return {"mu": np.sqrt(count * a), "sigma": np.zeros(count), "learning_rate": STEP / strong}


def _steps(weakest: float, strong: float = STRONG, step: float = STEP) -> int:
    return int(np.ceil(LONG * strong / (4 * weakest * step)))


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Many starts of a pair; three to six concepts; rows without data; one column or few; a coarse step."""
    seeds = 400 if scale == "quick" else 2000
    planned = {
        f"starts_{width}": Sweep(
            get_model("sim", width=width),
            {
                "mu": PAIR,
                "sigma": np.zeros(2),
                "learning_rate": STEP / 2,
                "steps": _steps(0.5),
                "init_scale": SIZE,
                "init_correlation": list(CORRELATIONS),
            },
            seeds=25 * seeds,
        )
        for width in WIDTHS
    }
    for count in COUNTS:
        planned[f"concepts_{count}"] = Sweep(
            get_model("sim", width=8),
            _concepts(count) | {"init_scale": 0.01, "steps": _steps(STRONG * FADE ** (count - 1))},
            seeds=seeds,
        )
    planned["bare rows"] = Sweep(
        get_model("sim", d=8, width=4),
        _concepts(2, 0.4) | {"init_scale": [0.03, 0.08], "steps": _steps(0.4 * STRONG)},
        seeds=seeds,
    )
    for width in (1, 2):
        planned[f"narrow_{width}"] = Sweep(
            get_model("sim", width=width),
            _concepts(3, 0.5) | {"init_scale": 0.01, "steps": 8 * _steps(0.25 * STRONG)},
            seeds=seeds,
        )
    planned["exchange"] = Sweep(
        get_model("sim", width=1),
        _concepts(2, 0.97) | {"init_scale": [0.01, 0.03, 0.1], "steps": 20_000},
        seeds=seeds,
    )
    planned["coarse"] = Sweep(
        get_model("sim", width=4),
        {"mu": [1.0], "sigma": [0.0], "learning_rate": [0.03, 0.048], "init_scale": 0.03, "steps": 200},
        seeds=seeds,
    )
    return planned


def _final(raw: xr.Dataset) -> xr.DataArray:
    """1 for each concept that is learned at the end of the run, else 0."""
    last = raw.W.isel(step=-1, drop=True)
    entries = [last.sel(row=p, column=p, drop=True) for p in raw.concept.values]
    return (xr.concat(entries, dim=raw.concept) >= 0.5).astype(float)


def measure(raw: Data) -> Data:
    """Learning times with what the laws are bound to; shares learned after each wait, and in the end."""
    widths = xr.Variable("width", list(WIDTHS))
    starts = xr.concat([raw[f"starts_{width}"][["learning_time"]] for width in WIDTHS], dim=widths)
    given = raw[f"starts_{WIDTHS[0]}"]
    starts = starts.assign_coords({name: given[name] for name in ("mu", "sigma", "learning_rate")})
    waits = xr.DataArray(list(WAITS), dims="time", coords={"time": list(WAITS)})
    late = starts.isel(seed=slice(4000))
    late = late.assign(learned=(late.learning_time <= waits).astype(float)).drop_vars("learning_time")
    narrow = xr.concat(
        [_final(raw[f"narrow_{width}"]).to_dataset(name="learned") for width in (1, 2)],
        dim=xr.Variable("width", [1, 2]),
    ).assign_coords({name: raw["narrow_1"][name] for name in ("mu", "sigma")})
    exchange = raw["exchange"]
    plain = ("learning_time", "initial_W", "mu", "sigma", "learning_rate")
    quantiles = {f"starts q{q}": starts.assign_coords(probability=q / 100) for q in QUANTILES}
    return {
        **quantiles,
        "late": late,
        **{f"concepts {count}": raw[f"concepts_{count}"][list(plain)] for count in COUNTS},
        "bare rows": raw["bare rows"][list(plain)],
        "narrow": narrow,
        "exchange": exchange[list(plain)].assign(learning_time=exchange.learning_time.sel(concept=1, drop=True)),
        "coarse": raw["coarse"][list(plain)],
    }


def _quantile(q: int) -> Comparison:
    return Comparison(
        id=f"sim.learning_time_quantile_{q}",
        claim="sim.learning_time_quantile",
        data=f"starts q{q}",
        observable="learning_time",
        kind=Statistical(estimator="median" if q == 50 else f"q{q}"),
        margin=0.03,
        bind=RANDOM | {"probability": "probability"},
    )


COMPARISONS = (
    *(_quantile(q) for q in QUANTILES),
    Comparison(
        id="sim.learned_share",
        claim="sim.learned_share",
        data="late",
        observable="learned",
        kind=Statistical(estimator="share", scale="linear"),
        margin=0.05,
        bind=RANDOM | {"time": "time"},
        x="time",
        hue="width",
        overlay={"xlabel": "time (learning_rate * step)", "ylabel": "share of runs that have learned the concept"},
    ),
    *(
        Comparison(
            id=f"sim.learning_time_concepts_{count}",
            claim="sim.learning_time_corrected",
            data=f"concepts {count}",
            observable="learning_time",
            kind=Statistical(),
            margin=0.01,
            bind=BIND,
            rivals=("sim.learning_time", "sim.learning_time_naive"),
        )
        for count in COUNTS
    ),
    Comparison(
        id="sim.learning_time_bare_rows",
        claim="sim.learning_time_corrected",
        data="bare rows",
        observable="learning_time",
        kind=Statistical(),
        margin=0.01,
        bind=BIND,
        domain="two concepts in eight dimensions, four columns: six rows without data",
        rivals=("sim.learning_time",),
    ),
    Comparison(
        id="sim.learning_time_delay",
        claim="sim.learning_time",
        data="coarse",
        observable="learning_time",
        kind=Statistical(),
        margin=0.002,
        bind=BIND,
        domain="one concept, learned in some twenty steps: the delay is a hundredth of the time and more",
    ),
    Comparison(
        id="sim.learned_concepts",
        claim="sim.learned_concepts",
        data="narrow",
        observable="learned",
        kind=Statistical(estimator="share", scale="linear"),
        margin=0.05,
        bind={"width": "width", "mu": "mu", "sigma": "sigma"},
        domain="three concepts, one and two columns, eight times as long as a typical start needs",
    ),
    Comparison(
        id="sim.exchange_time",
        claim="sim.exchange_time",
        data="exchange",
        observable="learning_time",
        kind=Statistical(),
        margin=0.03,
        bind=BIND,
        x="init_scale",
        domain="one column, nearly equal concepts, starts that favour the weaker one",
    ),
)


def late_runs(data: Data) -> Figure:
    """Share of runs that have not learned the weak concept yet, against the length of training."""
    late = data["late"].sel(concept=2)
    time = np.linspace(1.0, 10.0, 200)
    with styled():
        figure = Figure(figsize=(5.2, 3.4), layout="constrained")
        panel = figure.subplots()
        cases = [(width, correlation) for width in WIDTHS for correlation in CORRELATIONS]
        for (width, correlation), colour in zip(cases, colours(len(cases)), strict=True):
            at = {"width": width, "init_correlation": correlation}
            law = get_claim("sim.learned_share").evaluate(
                {
                    "time": ("time", time),
                    "a": ("concept", PAIR**2 / 2),
                    "learning_rate": STEP / 2,
                    "init_scale": SIZE,
                    **at,
                }
            )
            panel.plot(time, 1 - law.prediction.isel(concept=1), "-", color=colour)
            shown = 1 - late.learned.sel(at).mean("seed")
            panel.plot(late.time, shown, "o", color=colour, label=f"width {width}, correlation {correlation:g}")
        panel.set(xlabel="time (learning_rate * step)", ylabel="share not learned yet", ylim=(-0.03, 1.03))
        panel.legend()
    return figure


STARTS = Experiment(
    name="sim.starts",
    title="Random starts: late, narrow, and with rows to spare",
    caption=(
        "Tied linear network W = U U^T from Gaussian starts. Quantiles of the learning times are logarithms of "
        "quantiles of chi-squared; a run that seems to have failed is late, with a share known beforehand. With fewer "
        "columns than concepts the strongest are learned in the end, after exchanges whose time is predicted. The law "
        "of single runs holds for up to six concepts and for rows without data, and with the delay of descent."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"sim.late_runs": late_runs(data)},
)
