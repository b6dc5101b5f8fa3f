"""When the unseen combination is shown: the measurement on known maps, and both ways of measuring on one network."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from runs.sim_concept_times import margin_of_map, margins_of_pushes, onset
from theory.registry import get_claim
from toymodels.engine import Sweep, run
from toymodels.models import get_model

MU = xr.DataArray([2.0, 1.0], dims="concept", coords={"concept": [1, 2]})


def _map(w11: float, w12: float, w22: float) -> xr.DataArray:
    return xr.DataArray([[w11, w12], [w12, w22]], dims=("row", "column"), coords={"row": [1, 2], "column": [1, 2]})


@pytest.mark.parametrize(
    ("w", "limit", "shown"),
    [
        (_map(1, 0, 0.51), 1.0, True),
        (_map(1, 0, 0.49), 1.0, False),
        (_map(1, 0, 0.126), 4.0, True),
        (_map(1, 0, 0.124), 4.0, False),
        (_map(0.4, 0, 1.0), np.inf, False),
        (_map(1, 0.0019, 0.001), np.inf, True),  # w_12/w_22 just below mu_1/mu_2
        (_map(1, 0.0021, 0.001), np.inf, False),
        (_map(1, -0.0021, 0.001), np.inf, False),
        (_map(1, -0.0019, 0.001), np.inf, True),
    ],
)
def test_margin_of_a_known_map(w: xr.DataArray, limit: float, shown: bool) -> None:
    assert (float(margin_of_map(w, MU, limit)) > 0) is shown


def test_onset_is_the_last_rise_and_nothing_without_one() -> None:
    margin = xr.DataArray([[-1.0, 1.0, -1.0, 3.0], [1.0, 1.0, 1.0, 1.0], [-1.0, 1.0, 1.0, -1.0]], dims=("seed", "step"))
    time = xr.DataArray([0.0, 1.0, 2.0, 3.0], dims="step")
    np.testing.assert_allclose(onset(margin, time), [2.25, np.nan, np.nan])


def test_pushes_in_a_hidden_layer_are_those_of_the_map() -> None:
    gains = (1.0, 2.0, 4.0, 8.0)
    settings = {"mu": (2.0, 1.0), "sigma": (0.05, 0.05), "learning_rate": 0.001, "init_scale": 0.01, "steps": 12000}
    runs = run(Sweep(get_model("sim_net", gains=gains, record_every=30), settings, seeds=4), progress=False)
    time = runs.step * runs.learning_rate.reset_coords(drop=True)
    by_push = onset(margins_of_pushes(runs, pushed=2, other=1), time)
    by_map = xr.concat([onset(margin_of_map(runs.W, runs.mu, g), time) for g in gains], dim="gain")
    np.testing.assert_allclose(by_push.transpose("gain", "seed"), by_map.transpose("gain", "seed"), atol=0.01)
    lead = by_push.isel(gain=0) - by_push.isel(gain=slice(1, None))
    law = get_claim("sim.capability_lead").evaluate(
        {name: runs[name] for name in ("initial_W", "mu", "sigma", "learning_rate")}
        | {"gain": xr.DataArray(list(gains[1:]), dims="gain")}
    )
    ratio = (lead / law.prediction).where(law.in_domain)
    assert int(ratio.count()) >= 6
    np.testing.assert_allclose(ratio.values[np.isfinite(ratio.values)], 1.0, atol=0.02)


def test_the_capability_comes_before_the_bump_only_for_unequal_signals() -> None:
    claim = get_claim("sim.turn_after_disentanglement")
    start = {"w_11": 1e-8, "w_12": 3e-9, "s_2": 1e-9, "learning_rate": 1e-4}
    gaps = [claim.predict(mu_1=m, mu_2=1.0, a_1=m**2 / 2, a_2=0.5, **start) for m in (1.5, 2.0)]
    assert gaps[0] < 0 < gaps[1]
