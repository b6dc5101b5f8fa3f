"""Training laid beside the claims about skeleton. Replace sweeps, comparisons and caption by your own.

Margins and expectations are declared here, before anything runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from runs.experiment import Comparison, Data, Experiment, Onset, Scale
from runs.trial import POINT, Range, Trial
from toymodels.comparator import Boundary, Exact
from toymodels.engine import Sweep
from toymodels.models import get_model
from toymodels.outcome import Outcome

ROUNDING = 1e-12
"""Relative error of a loss after some tens of updates in float64."""


def sweeps(scale: Scale) -> dict[str, Sweep | Onset]:
    """What is trained. Distinct axes multiply; all runs become one compiled program."""
    quick = scale == "quick"
    # The model is loaded with this file, under its name.
    curves = Sweep(
        get_model("skeleton", record_every=2),
        {"curvature": [0.5, 2.0], "learning_rate": [0.05, 0.2], "steps": 20},
        seeds=3 if quick else 1000,
    )
    # A phase boundary is bisected: the lowest learning rate at which any run diverges.
    onset = Onset(
        Sweep(
            get_model("skeleton", record_every=20_000),
            {"curvature": np.geomspace(0.1, 10, 5 if quick else 50), "steps": 20_000},
            seeds=4 if quick else 100,
        ),
        axis="learning_rate",
        outcome=Outcome.DIVERGED,
        low=0.05,
        high=50.0,
        rel_tol=1e-3,
    )
    return {"curves": curves, "onset": onset}


def with_error(raw: xr.Dataset) -> xr.Dataset:
    """The loss with its numerical error budget."""
    return raw.assign(error=ROUNDING * raw.loss)


def measure(raw: Data) -> Data:
    """Raw records become compared quantities."""
    return {"curves": with_error(raw["curves"]), "onset": raw["onset"]}


def trial_sweeps(points: xr.Dataset, seeds: Sequence[int], fine: int) -> Mapping[str, Sweep]:
    """Training at chosen points of the claim's domain."""
    settings = {name: (POINT, points[name].values) for name in ("curvature", "learning_rate")}
    return {"curves": Sweep(get_model("skeleton", record_every=2), {**settings, "steps": 20}, seeds=list(seeds))}


COMPARISONS = (
    Comparison(
        id="skeleton.loss",
        claim="skeleton.loss",
        data="curves",
        observable="loss",
        kind=Exact(scale="relative"),
        margin=1e-6,
        # Symbol of the claim: coordinate or observable of the data.
        bind={"curvature": "curvature", "learning_rate": "learning_rate", "initial_w": "initial_w", "step": "step"},
        domain="curvature 0.5 and 2, learning rates 0.05 and 0.2, 20 steps",
        rivals=("skeleton.loss_gradient_flow",),
        x="step",
        hue="learning_rate",
        # For `toymodels falsify skeleton.loss`: the space that is searched, and how to train at points of it.
        trial=Trial(
            space={
                "curvature": Range(0.1, 10, "second derivative of the loss", log=True, default=1.0),
                "learning_rate": Range(0.001, 0.15, "step size", log=True, default=0.1),
            },
            sweeps=trial_sweeps,
            measure=lambda raw, points: with_error(raw["curves"]),
        ),
    ),
    Comparison(
        id="skeleton.critical_learning_rate",
        claim="skeleton.critical_learning_rate",
        data="onset",
        observable="learning_rate",
        kind=Boundary(slack=0.0),
        margin=0.005,
        bind={"curvature": "curvature"},
        domain="curvature from 0.1 to 10",
        x="curvature",
    ),
)

EXPERIMENTS = (
    Experiment(
        name="skeleton.descent",
        title="Descent on a parabola",
        caption=(
            "Loss along gradient descent, and the lowest learning rate at which it diverges, bisected at each "
            "curvature. The law in discrete time holds to rounding; gradient flow loses where steps are not small."
        ),
        sweeps=sweeps,
        measure=measure,
        comparisons=COMPARISONS,
    ),
)
