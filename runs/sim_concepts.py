"""Concept space: when a push in a hidden layer makes the unseen combination, before the output shows it."""

from __future__ import annotations

import numpy as np
import xarray as xr

from runs.experiment import Comparison, Data, Experiment, Scale
from runs.sim_concept_figures import figures
from runs.sim_concept_times import margin_of_map, margins_of_pushes, onset
from toymodels.comparator import Exponent, Statistical
from toymodels.engine import Sweep
from toymodels.models import get_model

SIGMA = (0.05, 0.05)
STEP = 0.002
"""learning_rate times the larger second moment, tied network: descent is later than the flow by about this share."""
LONG = 34.0
"""4 a_2 time at the end of a run."""
RECORDS = 1500
"""Within 34/1500 of 1/(4 a_2) an exponential bends by 7e-5: the error of interpolating a crossing."""
PAIRS = {"2:1": (2.0, 1.0), "3:1": (3.0, 1.0), "1.5:1": (1.5, 1.0)}
SCALES = (1e-3, 3e-3, 1e-2)
GAINS = (2.0, 4.0, 8.0, 16.0)
NET_STEP = 0.04
"""learning_rate of the other networks."""
NETS = {
    "linear, d = 8, small start": ("linear", 8, 0.02, 24.0, 32),
    "relu, d = 8": ("relu", 8, 0.1, 40.0, 64),
    "relu, d = 32": ("relu", 32, 0.1, 18.0, 32),
    "relu, d = 64": ("relu", 64, 0.1, 16.0, 24),
    "relu, d = 16, small start": ("relu", 16, 0.02, 26.0, 96),
}
"""Network, d = width, init_scale, end of the run in time, seeds at quick scale."""
SIGNALS = (0.8, 1.0, 1.25, 1.6, 2.0)
"""mu of the weaker concept; the other has 2."""
PATHS = (0.3, 0.5, 0.65, 0.8)
"""mu_2/mu_1 of the trajectories that are drawn."""
BIND = {name: name for name in ("initial_W", "mu", "sigma", "learning_rate")}


def _tied(mu: tuple[float, float], seeds: int, scales: object = SCALES, **more: object) -> Sweep:
    a = np.array(mu) ** 2 / 2 + np.array(SIGMA) ** 2
    rate = STEP / a.max()
    stride = int(np.ceil(LONG / (4 * a.min() * rate * RECORDS)))
    settings = {"mu": mu, "sigma": SIGMA, "learning_rate": rate, "steps": stride * RECORDS, "init_scale": scales}
    return Sweep(get_model("sim", record_every=stride), settings | more, seeds=seeds)


def _net(network: str, d: int, scale: float, end: float, seeds: int, factor: int) -> Sweep:
    """Linear networks on the population, others on 25 points of each cluster."""
    stride = 1 if end < 20 else 2
    model = get_model(
        "sim_net",
        network=network,
        d=d,
        init="lecun",
        gains=(1.0, *GAINS),
        record_every=stride,
        data="population" if network == "linear" else "sample",
        samples=25,
    )
    settings = {"mu": PAIRS["2:1"], "sigma": SIGMA, "learning_rate": NET_STEP, "init_scale": scale}
    return Sweep(model, settings | {"steps": int(end / NET_STEP)}, seeds=seeds * factor)


def _signals(seeds: int) -> Sweep:
    mu = xr.DataArray([[2.0, m] for m in SIGNALS], dims=("signal", "concept"), coords={"signal": list(SIGNALS)})
    model = get_model("sim_net", network="relu", d=8, width=32, init="lecun", data="sample", samples=25,
                      record_every=800)  # fmt: skip
    settings = {"mu": mu, "sigma": SIGMA, "learning_rate": NET_STEP, "init_scale": 0.02, "steps": 800}
    return Sweep(model, settings, seeds=seeds)


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Tied networks on three pairs; layered ones; signals of the weaker concept; starts whose path swings by."""
    factor = 1 if scale == "quick" else 4
    planned = {f"tied {pair}": _tied(mu, (300 if pair == "1.5:1" else 150) * factor) for pair, mu in PAIRS.items()}
    planned |= {name: _net(*net, factor) for name, net in NETS.items()}
    planned |= {f"path {r:g}": _tied((1.0, r), 30, 0.02, init_correlation=0.6) for r in PATHS}
    planned["signals"] = _signals(96 * factor)
    return planned


def times_of(runs: xr.Dataset, gains: tuple[float, ...] = GAINS) -> xr.Dataset:
    """Capability times and leads over `gain`, the disentanglement time and how long the bump comes after it.

    `runs`: tied networks on two concepts, the stronger one first.
    """
    rate = runs.learning_rate.reset_coords(drop=True)

    def when(limit: float) -> xr.DataArray:
        return onset(margin_of_map(runs.W, runs.mu, limit), runs.step) * rate

    capable = xr.concat([when(g) for g in gains], dim=xr.Variable("gain", list(gains)))
    clean = when(np.inf)
    return xr.Dataset(
        {
            "capability_time": capable,
            "capability_lead": when(1.0) - capable,
            "disentanglement_time": clean,
            "turn_after_disentanglement": runs.swing_bump_time - clean,
            "initial_W": runs.initial_W,
        }
    ).assign_coords({name: runs[name] for name in ("mu", "sigma", "learning_rate")})


def leads_of(runs: xr.Dataset) -> xr.Dataset:
    """Leads of any network over the gains beyond 1, in time."""
    rate = runs.learning_rate.reset_coords(drop=True)
    found = onset(margins_of_pushes(runs, pushed=2, other=1), runs.step) * rate
    a = runs.mu.sel(concept=2) ** 2 / 2 + runs.sigma.sel(concept=2) ** 2
    lead = (found.sel(gain=1.0, drop=True) - found).isel(gain=slice(1, None))
    return xr.Dataset({"capability_lead": lead}).assign_coords(a=a.reset_coords(drop=True))


def _pairs(parts: list[xr.Dataset]) -> xr.Dataset:
    found = xr.concat(parts, dim="pair", data_vars="all", coords="different", compat="equals", join="outer")
    return found.assign_coords(ratio=found.mu.sel(concept=2, drop=True) / found.mu.sel(concept=1, drop=True))


def measure(raw: Data) -> Data:
    """Times and leads of all runs; learning times of the weaker concept; one run of each path."""
    tied = [times_of(raw[f"tied {pair}"]).assign_coords(pair=pair) for pair in PAIRS]
    nets = {name: leads_of(raw[name]) for name in NETS}
    signals = raw["signals"].sel(concept=2)
    best = int(np.argmax(np.sum([raw[f"path {r:g}"].swing_depth.values for r in PATHS], axis=0)))
    data = {
        "turns": _pairs(tied),
        "turns apart": _pairs(tied[:2]),
        "turns close": _pairs(tied[2:]),
        "pushes": _pairs(tied[:2]),
        "signals": signals[["learning_time"]].assign_coords(a=signals.mu**2 / 2 + signals.sigma**2),
    }
    for name, found in nets.items():
        data[name] = found
    for r in PATHS:
        runs = raw[f"path {r:g}"].isel(seed=best)
        kept = runs[["W", "swing_bump_time"]].merge(times_of(runs))
        data[f"path {r:g}"] = kept.assign(time=runs.learning_rate * runs.step)
    return data


def _of_push(id: str, observable: str, data: str, margin: float, claim: str = "", **more: object) -> Comparison:
    layered = data in NETS
    settings = {
        "id": f"sim.{id}",
        "claim": f"sim.{claim or id}",
        "data": data,
        "observable": observable,
        "kind": Statistical(),
        "margin": margin,
        "bind": {"a": "a", "gain": "gain"} if layered else BIND | {"gain": "gain"},
        "x": "gain",
        "overlay": {"xlabel": "largest gain g", "ylabel": f"{observable.replace('_', ' ')} [time]", "xscale": "log"},
    }
    if not layered:
        settings["hue"] = "pair"
    return Comparison(**(settings | more))  # type: ignore[arg-type]


def _of_turn(id: str, observable: str, data: str, margin: float, scale: str = "log", **more: object) -> Comparison:
    return Comparison(
        id=f"sim.{id}",
        claim=f"sim.{observable}",
        data=data,
        observable=observable,
        kind=Statistical(over=("seed", "init_scale"), scale=scale, censored="drop"),
        margin=margin,
        bind=BIND,
        x="ratio",
        overlay={"xlabel": "ratio mu_2/mu_1", "ylabel": f"{observable.replace('_', ' ')} [time]"},
        **more,  # type: ignore[arg-type]
    )


SPOILT = (
    "the median lead is a few per cent too long at "
    "this size of the start, and nearly right at 0.02; why is open (units that answer to both concepts?)"
)
COMPARISONS = (
    _of_push("capability_time", "capability_time", "pushes", 0.01),
    _of_push("capability_lead", "capability_lead", "pushes", 0.01),
    _of_push("capability_lead_linear", "capability_lead", "linear, d = 8, small start", 0.03, "capability_lead_layered",
             domain="two untied linear layers of width d = 8, lecun start at 0.02"),
    *(
        _of_push(f"capability_lead_relu_{d}", "capability_lead", f"relu, d = {d}", 0.03, "capability_lead_layered",
                 expect="disagrees", reason=SPOILT, domain=f"ReLU network of width d = {d}, lecun start at 0.1")
        for d in (8, 32, 64)
    ),
    _of_push("capability_lead_relu_small", "capability_lead", "relu, d = 16, small start", 0.03,
             "capability_lead_layered", domain="ReLU network of width d = 16, lecun start at 0.02"),
    _of_turn("disentanglement_time", "disentanglement_time", "turns", 0.03),
    _of_turn("turn_after_disentanglement", "turn_after_disentanglement", "turns apart", 0.02, "linear",
             domain="signals 2:1 and 3:1"),
    _of_turn("turn_after_disentanglement_close", "turn_after_disentanglement", "turns close", 0.01, "linear",
             domain="signals 1.5:1", beyond_domain=True, expect="disagrees",
             reason="with close signals the bump is 0.02 late; probably by terms of the next order in w_22"),
    Comparison(
        id="sim.concept_signal_speed",
        claim="sim.learning_time_inverse_signal",
        data="signals",
        observable="learning_time",
        kind=Exponent(along="signal"),
        margin=0.1,
        bind={"a": "a"},
        domain="ReLU network, d = 8, width 32, lecun start at 0.02",
        x="signal",
        overlay={
            "xlabel": "concept signal mu_2 (mu_1 = 2)",
            "ylabel": "learning time of concept 2 [time]",
            "xscale": "log",
            "yscale": "log",
        },
    ),
)  # fmt: skip

CONCEPTS = Experiment(
    name="sim.concepts",
    title="Concept space: hidden capabilities",
    caption=(
        "Two concepts. A push of the weaker one in the hidden layer makes the unseen combination before the output "
        "shows it. How long before depends on the largest gain allowed and on the signal, not on the start, until "
        "the direction of the push sets the limit; of starts that swing by, the bump of the test loss follows a "
        "constant time later. Two layers of ReLU units follow the law of linear layers if started small. In concept "
        "space paths turn sharply."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: figures(data, BIND, PATHS, tuple(NETS)),
)
