"""Adam against its differential equations: whole trajectories, and how their distance falls with the learning rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from runs.adam_trajectories_figures import figures
from runs.experiment import Comparison, Data, Experiment, Scale
from theory.adam_flow_paths import SYSTEMS, least_gradient
from theory.registry import get_claim
from toymodels.comparator import Asymptotic, Exact, Exponent
from toymodels.engine import Sweep
from toymodels.model import ToyModel
from toymodels.models import get_model

COUNTS = np.array([40, 200, 1000, 4000])
"""Updates until the end: two decades of learning rates at a fixed time."""
NET_COUNTS = np.array([40, 200, 1000])
LONG_COUNTS = np.array([1000, 3000, 10_000])
"""Averages of up to twenty updates must be short against the time."""
END = {"time": 1.0, "steps": 0.1}
MEMORIES = ((0.1, 0.5), (0.3, 0.1), (0.1, 10.0))
"""(tau1, tau2): 1 - beta = learning_rate/tau. The last is (0.95, 0.9995) at the learning rate 0.005."""
SHORT = ((0.1, 0.6), (0.2, 0.7))
LONG = ((0.5, 0.9), (0.8, 0.5), (0.9, 0.95))
"""(beta1, beta2) where they stay fixed."""
DECAYS = [0.0, 0.5]
STRONG_DECAYS = [0.0, 1.0]
"""In the short time before a gradient changes its sign."""
QUARTERS = np.array([0.25, 0.5, 0.75, 1.0])
BUDGET = {"time": 3e-11, "steps": 3e-12, "net": 3e-8}
"""Error of the integrator over the time compared (seen between two methods, of nets between tolerances); rounding
of the updates is smaller."""
CLEAR = 0.2
"""Least g/g(0) of the runs compared at fixed betas, as the claims assume."""
NET_SYSTEMS = ("first", "second", "midpoint")
Pairs = Sequence[tuple[float, float]]
RATES = ("memory", "learning_rate")
BIND = {name: name for name in ("initial_theta", "beta1", "beta2", "learning_rate", "weight_decay", "step")}
QUADRATIC = BIND | {"hessian": "sample_hessian"}
NET = BIND | {"inputs": "sample_inputs", "targets": "sample_targets"}


def sweeps(scale: Scale) -> dict[str, Sweep]:
    """Quadratics and a net with memory of a fixed time; quadratics with memory of fixed numbers of updates."""
    more = 1 if scale == "quick" else 8
    quadratic = {"problem": "quadratic", "size": 4, "watch": "theta"}
    net = {"problem": "full_batch", "size": 2, "watch": "theta"}
    return {
        "time": _fixed_time(get_model("adam", **quadratic, record_every=10), MEMORIES, COUNTS, DECAYS, 2 * more),
        "net": _fixed_time(get_model("adam", **net, record_every=10), MEMORIES[::2], NET_COUNTS, [0.5], 2 * more),
        "steps": _fixed_steps(get_model("adam", **quadratic, record_every=10), SHORT, COUNTS, 2 * more),
        "long": _fixed_steps(get_model("adam", **quadratic, record_every=250), LONG, LONG_COUNTS, 2 * more),
        "overlay": Sweep(
            get_model("adam", problem="quadratic", size=2, watch="theta", record_every=1),
            {"beta1": 0.9, "beta2": 0.99, "learning_rate": 0.05, "weight_decay": [0.0, 0.5], "steps": 120},
            seeds=[1],
        ),
    }


def _fixed_time(model: ToyModel, memories: Pairs, counts: np.ndarray, decays: list[float], seeds: int) -> Sweep:
    rate = END["time"] / counts
    coords = {"memory": np.arange(len(memories)), "learning_rate": rate}
    beta1, beta2 = (
        xr.DataArray(1 - rate / np.array([pair[k] for pair in memories])[:, None], dims=RATES, coords=coords)
        for k in (0, 1)
    )
    return _sweep(model, beta1, beta2, counts, rate, decays, seeds)


def _fixed_steps(model: ToyModel, betas: Pairs, counts: np.ndarray, seeds: int) -> Sweep:
    beta1, beta2 = (("memory", np.array([pair[k] for pair in betas])) for k in (0, 1))
    return _sweep(model, beta1, beta2, counts, END["steps"] / counts, STRONG_DECAYS, seeds)


def _sweep(
    model: ToyModel, beta1: Any, beta2: Any, counts: np.ndarray, rate: np.ndarray, decays: list[float], seeds: int
) -> Sweep:
    steps = ("learning_rate", counts)
    values = {"beta1": beta1, "beta2": beta2, "learning_rate": rate, "steps": steps, "weight_decay": decays}
    return Sweep(model, values, seeds=seeds)


def at_quarters(raw: xr.Dataset, limit: str) -> xr.Dataset:
    """theta after quarters of the time, which are other steps at every learning rate."""
    step = xr.DataArray(
        np.round(raw.steps.values[:, None] * QUARTERS).astype(int), dims=("learning_rate", "quarter"),
        coords={"learning_rate": raw.learning_rate, "quarter": QUARTERS},
    )  # fmt: skip
    found = raw.drop_vars(["theta", "log_max_update", "outcome"]).drop_dims("step")
    found["theta"] = raw.theta.sel(learning_rate=step.learning_rate, step=step).drop_vars("step")
    found["error"] = xr.full_like(found.theta, BUDGET[limit])
    return found.assign_coords(step=step)


def told(data: xr.Dataset, system: str, bind: dict[str, str]) -> xr.DataArray:
    """theta of one of the systems on the same axes."""
    claim = get_claim(f"adam.{'net' if 'inputs' in bind else 'flow'}_{system}")
    return claim.predict(**{symbol: data[name] for symbol, name in bind.items()})


def distances(data: xr.Dataset, systems: Sequence[str], bind: dict[str, str]) -> xr.Dataset:
    """Largest Euclidean distance to each system at the quarters of the time."""
    apart = [np.sqrt(((data.theta - told(data, s, bind)) ** 2).sum("coordinate", skipna=False)) for s in systems]
    found = xr.concat([a.max("quarter") for a in apart], dim=xr.Variable("system", list(systems)))
    found.attrs = {"long_name": "distance to the system", "units": "1"}
    out = found.to_dataset(name="distance").assign(error=data.error.max(["quarter", "coordinate"]))
    return out.drop_vars("step", errors="ignore")


def unturned(data: xr.Dataset) -> xr.DataArray:
    """Least g/g(0) of any coordinate until the end, on the path of sign descent."""
    end = float((data.learning_rate * data.step).max())
    return xr.apply_ufunc(
        lambda start, hessian, decay: least_gradient("quadratic", start, hessian, decay, np.asarray(end)),
        data.initial_theta, data.sample_hessian, data.weight_decay,
        input_core_dims=[["coordinate"], ["coordinate", "other"], []],
    )  # fmt: skip


def kept(data: xr.Dataset) -> xr.Dataset:
    """Only runs whose gradient keeps its signs: others chatter, which no integrator follows at a reasonable cost."""
    data = data.assign(least_gradient=unturned(data))
    return data.assign(initial_theta=data.initial_theta.where(data.least_gradient > CLEAR))


def measure(raw: Data) -> Data:
    """theta at quarters of the time, and distances to the systems."""
    time, net = (at_quarters(raw[name], name) for name in ("time", "net"))
    steps, long = (kept(at_quarters(raw[name], "steps")) for name in ("steps", "long"))
    far = {"time": distances(time, list(SYSTEMS), QUADRATIC), "net": distances(net, NET_SYSTEMS, NET)}
    for name, data, systems in (("steps", steps, list(SYSTEMS)), ("long", long, ["second"])):
        far[name] = distances(data, systems, QUADRATIC).assign(least_gradient=data.least_gradient)
    decayed, plain = far["steps"].isel(weight_decay=[1]), far["steps"].isel(weight_decay=[0])
    shown = np.isclose(time.learning_rate.values[:, None], (0.005, 0.001)).any(1)
    return {
        "theta": time.isel(learning_rate=shown, seed=[0]),
        "net_theta": net.isel(learning_rate=net.learning_rate.values <= 0.006, seed=[0]),
        # Stiff where the learning rate is small: one of them, since every mutant is integrated.
        "net_theta_coarse": net.isel(learning_rate=np.isclose(net.learning_rate.values, 0.005), seed=[0]),
        "pace": steps.isel(weight_decay=0, learning_rate=slice(1, None)),
        "time": far["time"],
        "net": far["net"],
        "steps": far["steps"],
        "time_linear": far["time"].sel(system=["first", "second", "first_decay", "second_decay"]),
        "time_quadratic": far["time"].sel(system=["midpoint", "midpoint_decay"]),
        "time_second": far["time"].sel(system=["second"]),
        "net_linear": far["net"].sel(system=["first", "second"]),
        "net_quadratic": far["net"].sel(system=["midpoint"]),
        "steps_linear": decayed.isel(learning_rate=slice(1, None)).sel(
            system=["first", "first_decay", "second_decay", "midpoint_decay"]
        ),
        "steps_quadratic": far["steps"].sel(system=["second", "midpoint"]),
        "steps_undecayed": plain.sel(system=["first"]),
        "steps_decay_rates": far["steps"].sel(system=["second_decay"]),
        "steps_long": far["long"],
        "overlay": raw["overlay"],
    }


def _order(data: str, limit: str, word: str, **more: object) -> Comparison:
    bind = {"learning_rate": "learning_rate"} | ({"least_gradient": "least_gradient"} if limit == "steps" else {})
    return Comparison(
        id=f"adam.distance_{data}" if "expect" not in more else f"adam.distance_{data}_as_{word}",
        claim=f"adam.flow_distance_{limit}_{word}", data=data, observable="distance",
        kind=Exponent(along="learning_rate", points=Exact(scale="log")), margin=0.15, bind=bind, **more,  # type: ignore[arg-type]
    )  # fmt: skip


FIXED_TIME = "1 - beta = learning_rate/tau, time 1, learning rates from 2.5e-4 to 0.025"
FIXED_STEPS = "fixed betas, time 0.1, no gradient changes its sign, two decades of learning rates"


FINER = (
    "fixed betas, time 0.1, no gradient changes its sign, weight decay 1, learning rates up to 5e-4: rates -log(beta) "
    "are off by a tenth of an update only, which the second order hides at larger ones"
)


FINE = "1 - beta = learning_rate/tau, learning rates 0.001 and 0.005, time 1"
COARSE = "1 - beta = learning_rate/tau, learning rate 0.005, time 1"


def _path(data: str, claim: str, margin: float, bind: dict[str, str], domain: str = FINE, **more: object) -> Comparison:
    return Comparison(
        id=f"adam.trajectory_{claim.removeprefix('adam.')}", claim=claim, data=data, observable="theta",
        kind=Exact(scale="linear"), margin=margin, bind=bind,
        domain=domain, **more,  # type: ignore[arg-type]
    )  # fmt: skip


PACE = {name: name for name in ("initial_theta", "beta1", "beta2", "learning_rate", "step", "weight_decay")} | {
    "hessian": "sample_hessian"
}

COMPARISONS = (
    _path(
        "theta", "adam.flow_midpoint", 1e-3, QUADRATIC,
        rivals=tuple(f"adam.flow_{s}" for s in SYSTEMS if s != "midpoint"),
    ),
    _path("theta", "adam.flow_first", 0.02, QUADRATIC),
    _path("theta", "adam.flow_second", 0.02, QUADRATIC),
    _path("net_theta", "adam.net_midpoint", 1e-3, NET, rivals=("adam.net_first", "adam.net_second")),
    _path("net_theta", "adam.net_first", 0.02, NET),
    _path("net_theta_coarse", "adam.net_second", 0.02, NET, domain=COARSE),
    _order("time_linear", "time", "linear", domain=FIXED_TIME),
    _order("time_quadratic", "time", "quadratic", domain=FIXED_TIME),
    _order(
        "time_second", "time", "quadratic", domain=FIXED_TIME, mutants=False, expect="disagrees",
        reason="theta is expanded to second order but the averages to first only",
    ),
    _order("net_linear", "time", "linear", domain=FIXED_TIME),
    _order("net_quadratic", "time", "quadratic", domain=FIXED_TIME),
    _order("steps_linear", "steps", "linear", domain=FINER),
    _order("steps_quadratic", "steps", "quadratic", domain=FIXED_STEPS),
    _order("steps_undecayed", "steps", "quadratic", domain=FIXED_STEPS + ", no weight decay: theta'' vanishes"),
    _order(
        "steps_decay_rates", "steps", "quadratic", domain=FIXED_STEPS, mutants=False, expect="disagrees",
        reason="averages that fade exactly are of another age than those of the update",
    ),
    _order("steps_long", "steps", "quadratic", domain="fixed betas up to (0.9, 0.95), one decade of learning rates"),
    Comparison(
        id="adam.pace", claim="adam.pace", data="pace", observable="theta", kind=Exact(scale="linear"), margin=1e-4,
        bind=PACE, rivals=("adam.sign_descent", "adam.pace_decay"), domain=FIXED_STEPS + ", no weight decay",
    ),
    Comparison(
        id="adam.pace_order", claim="adam.pace", data="pace", observable="theta",
        kind=Asymptotic("learning_rate", points=Exact(scale="linear"), order=2), margin=0.3, bind=PACE,
        domain=FIXED_STEPS + ", no weight decay",
    ),
    Comparison(
        id="adam.pace_decay_order", claim="adam.pace_decay", data="pace", observable="theta",
        kind=Asymptotic("learning_rate", points=Exact(scale="linear"), order=2), margin=0.3, bind=PACE,
        domain=FIXED_STEPS + ", no weight decay", mutants=False, expect="disagrees",
        reason="-1/log(beta) is not the mean age of the gradients: an error of first order remains",
    ),
)  # fmt: skip

TRAJECTORIES = Experiment(
    name="adam.trajectories",
    title="Adam as a differential equation: how far from the updates, in which limit",
    caption=(
        "theta of Adam and AdamW (eps = 0, no noise) on quadratics and a small net against differential equations of "
        "first and second order. Where the memory of the averages is a fixed time (1 - beta proportional to the "
        "learning rate) every printed form is off by the first order of the learning rate, also the one of second "
        "order, whatever the rates; averages that run half an update ahead of theta leave the second order only. Where "
        "betas are fixed, this holds until a gradient changes its sign; rates (1-beta)/beta then have the right mean "
        "age and the printed form of second order is one, rates -log(beta) are not. The unit of time learning_rate^p "
        "has no influence."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=figures,
)
