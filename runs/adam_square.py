"""Adam over the (beta1, beta2) square at three learning rates: largest updates, and what lies on both boundaries."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib import patheffects
from matplotlib.figure import Figure

from runs.adam_slopes import ROUNDING, slopes
from runs.experiment import Comparison, Data, Experiment, Onset, Scale
from theory.registry import get_claim
from toymodels.comparator import Bound, Boundary, Exact, styled
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

PROBLEMS = ("adversarial", "embedding", "dense")
LEARNING_RATES = [1e-4, 1e-3, 1e-2]
STEPS = 500
COMPARED = [50, 500]
"""Steps at which updates are laid beside their bounds: few, since every mutant is evaluated at every point."""
SIDE = {"quick": 24, "full": 106}
"""Points along one side of the square: 5184 and 101 124 runs."""
LONG = 2000
"""Both bounds have come to within 1e-10 of their plateaus where C > 0.02, as e^(-C LONG), and 1 - beta2 >= 0.01."""
CLEAR_INDEX = 0.02
ONSET_STEPS = 100_000
BIND = {"beta1": "beta1", "beta2": "beta2", "step": "step"}
MEANS = {
    "harmonic": "adam.stability_boundary_continuous",
    "geometric": "adam.stability_boundary",
    "arithmetic": "adam.stability_boundary_arithmetic",
}
"""Boundaries for kernels of rate (1-beta)/beta, -log(beta) and 1-beta, as means of 1 and beta2."""


def _adversarial(betas: dict[str, object], steps: int) -> Sweep:
    return Sweep(get_model("adam", problem="adversarial", record_every=steps // 10), {**betas, "steps": steps}, seeds=1)


def sweeps(scale: Scale) -> dict[str, Sweep | Onset]:
    """The square, three learning rates and problems; both boundaries; many steps inside; bisected onsets."""
    betas = np.linspace(0.1, 0.99, SIDE[scale])
    planned: dict[str, Sweep | Onset] = {
        problem: Sweep(
            get_model("adam", problem=problem, record_every=STEPS // 10),
            {"beta1": betas, "beta2": betas, "learning_rate": LEARNING_RATES, "steps": STEPS},
            seeds=1,
        )
        for problem in PROBLEMS
    }
    edge = 1 - np.geomspace(0.5, 0.005, 40)
    planned["marginal"] = _adversarial({"beta1": edge, "beta2": ("beta1", edge**2)}, LONG)
    planned["balanced"] = _adversarial({"beta1": edge, "beta2": ("beta1", edge / (2 - edge))}, LONG)
    planned["inside"] = _adversarial({"beta1": betas, "beta2": betas}, LONG)
    over = np.array([0.1, 0.3, 0.5, 0.7, 0.9])
    bracket = xr.DataArray(np.sqrt(over), dims="beta2", coords={"beta2": over})
    planned["onset"] = Onset(
        Sweep(
            get_model("adam", problem="adversarial", record_every=ONSET_STEPS),
            {"beta2": over, "learning_rate": LEARNING_RATES, "steps": ONSET_STEPS},
            seeds=1,
        ),
        axis="beta1",
        outcome=Outcome.DIVERGED,
        low=0.5 * bracket,
        high=(1.2 * bracket).clip(max=0.999),
        rel_tol=1e-3,
    )
    return planned


def _updates(raw: xr.Dataset) -> xr.Dataset:
    """Largest updates with their rounding, for the one seed there is."""
    update = np.exp(raw.log_max_update.isel(seed=0).sel(step=slice(1, None)))
    return _with_rounding(update)


def _with_rounding(update: xr.DataArray) -> xr.Dataset:
    update.attrs = {"long_name": "largest |u|", "units": "1"}
    return xr.Dataset({"max_update": update, "error": ROUNDING * update})


def squared_ratio(raw: xr.Dataset) -> xr.Dataset:
    """(continuous bound / largest update of adversarial gradients)^2 after all steps."""
    last = _updates(raw).isel(step=-1)
    bound = get_claim("adam.update_bound_continuous").predict(**{name: last[name] for name in BIND})
    ratio = (bound / last.max_update) ** 2
    ratio.attrs = {"long_name": "squared ratio of bounds", "units": "1"}
    return xr.Dataset({"squared_bound_ratio": ratio, "error": 4 * ROUNDING * ratio})


def _settled(raw: xr.Dataset) -> xr.Dataset:
    """The points inside the stable region where both bounds have come to their plateaus, in one row."""
    row = raw.stack(point=("beta1", "beta2")).reset_index("point")
    index = get_claim("adam.stability_index").predict(beta1=row.beta1, beta2=row.beta2)
    return row.isel(point=(index > CLEAR_INDEX).values)


def measure(raw: Data) -> Data:
    """Largest updates over the square (of all learning rates, where they need only be bounded), on its two boundaries
    and inside; growth rates; bracketed onsets."""
    every = xr.concat(
        [_updates(raw[problem]).max_update.sel(step=COMPARED) for problem in PROBLEMS],
        dim=xr.Variable("problem", list(PROBLEMS)),
    )
    return {
        "every": every.to_dataset(name="max_update"),
        "square": _with_rounding(every.max("learning_rate")),
        "attained": _with_rounding(every.sel(problem="adversarial")),
        "marginal": _updates(raw["marginal"]),
        "balanced": _updates(raw["balanced"]),
        "ratio": squared_ratio(_settled(raw["inside"])),
        "growth_adversarial": slopes(raw["adversarial"].isel(seed=0)),
        "onset": raw["onset"],
    }


def _bound(name: str, claim: str, data: str, bind: tuple[str, ...]) -> Comparison:
    return Comparison(
        id=f"adam.square_{name}",
        claim=f"adam.{claim}",
        data=data,
        observable="max_update",
        kind=Bound(scale="log"),
        margin=1e-9,
        bind={symbol: symbol for symbol in bind},
    )


COMPARISONS = (
    _bound("discrete_bound", "update_bound_discrete", "square", ("beta1", "beta2", "step")),
    _bound("continuous_bound", "update_bound_continuous", "square", ("beta1", "beta2", "step")),
    _bound("supremum", "update_supremum", "square", ("beta1", "beta2")),
    _bound("plateau", "plateau_continuous", "square", ("beta1", "beta2")),
    Comparison(
        id="adam.square_attained",
        claim="adam.update_bound_discrete",
        data="attained",
        observable="max_update",
        kind=Exact(scale="log"),
        margin=1e-3,
        bind=BIND,
    ),
    Comparison(
        id="adam.square_growth_rate",
        claim="adam.growth_rate",
        data="growth_adversarial",
        observable="growth_rate",
        kind=Exact(scale="relative"),
        margin=0.01,
        bind=BIND,
        rivals=("adam.growth_rate_continuous",),
    ),
    Comparison(
        id="adam.marginal_update",
        claim="adam.marginal_update",
        data="marginal",
        observable="max_update",
        kind=Exact(scale="log"),
        margin=1e-3,
        bind={"beta1": "beta1", "step": "step"},
    ),
    Comparison(
        id="adam.balanced_update",
        claim="adam.marginal_update_continuous",
        data="balanced",
        observable="max_update",
        kind=Exact(scale="log"),
        margin=1e-3,
        bind={"beta1": "beta1", "step": "step"},
        mutants=False,
        expect="disagrees",
        reason="C = 0 lies inside the stable region: updates come to a plateau and do not grow as sqrt(n)",
    ),
    Comparison(
        id="adam.bound_ratio",
        claim="adam.bound_ratio",
        data="ratio",
        observable="squared_bound_ratio",
        kind=Exact(scale="log"),
        margin=1e-3,
        bind={"beta1": "beta1", "beta2": "beta2"},
    ),
    *(
        Comparison(
            id=f"adam.boundary_{mean}",
            claim=claim,
            data="onset",
            observable="beta1",
            kind=Boundary(slack=0.0),
            margin=0.005,
            bind={"beta2": "beta2"},
            mutants=mean == "geometric",
            expect="agrees" if mean == "geometric" else "disagrees",
            reason="" if mean == "geometric" else f"the {mean} mean of 1 and beta2 is not the geometric one",
        )
        for mean, claim in MEANS.items()
    ),
)


def phase_diagram(data: Data) -> Figure:
    """Largest update over (beta2, beta1) for each problem and learning rate, with the predicted boundaries."""
    rim = [patheffects.Stroke(linewidth=2.6, foreground="black"), patheffects.Normal()]
    line = np.linspace(0.1, 0.99, 400)
    last = np.log10(data["every"].max_update.sel(step=STEPS))
    with styled():
        figure = Figure(figsize=(9.6, 9.2), layout="constrained")
        axes = figure.subplots(len(LEARNING_RATES), len(PROBLEMS), sharex=True, sharey=True)
        for row, rate in zip(axes, LEARNING_RATES, strict=True):
            for axis, problem in zip(row, PROBLEMS, strict=True):
                values = last.sel(problem=problem, learning_rate=rate).transpose("beta1", "beta2")
                image = axis.pcolormesh(
                    values.beta2, values.beta1, values, vmin=-1, vmax=10, cmap="viridis", rasterized=True
                )
                for (mean, claim), dashes in zip(MEANS.items(), ("--", "-", ":"), strict=True):
                    boundary = get_claim(claim).predict(beta2=line)
                    label = {"harmonic": "C = 0 (harmonic mean)", "geometric": "beta1 = sqrt(beta2)"}.get(
                        mean, "arithmetic mean"
                    )
                    axis.plot(line, boundary, dashes, color="white", lw=1.3, path_effects=rim, label=label)
                axis.grid(False)
                axis.set(title=f"{problem}, learning_rate = {rate:g}", xlim=(0.1, 0.99), ylim=(0.1, 0.99))
            onset = data["onset"].sel(learning_rate=rate)
            row[0].plot(onset.beta2, onset.upper, "o", color="#f0803c", mec="black", label="bisected onset")
            row[0].set_ylabel("beta1")
        for axis in axes[-1]:
            axis.set_xlabel("beta2")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
        figure.colorbar(image, ax=axes, label=f"log10 of the largest |u| at step {STEPS}", extend="both", shrink=0.6)
    return figure


SQUARE = Experiment(
    name="adam.square",
    title="Adam's largest updates over the (beta1, beta2) square",
    caption=(
        "Largest update after up to 500 steps for adversarial gradients, a long-tailed embedding and a dense net, at "
        "three learning rates. No update exceeds the exact bound; adversarial gradients attain it at every learning "
        "rate. They grow beyond beta1 = sqrt(beta2), the geometric mean of 1 and beta2, not beyond C = 0, the harmonic "
        "one: on C = 0 updates come to a plateau, on beta1 = sqrt(beta2) they grow as sqrt(n)."
    ),
    sweeps=sweeps,
    measure=measure,
    comparisons=COMPARISONS,
    figures=lambda data: {"adam.square": phase_diagram(data)},
)
