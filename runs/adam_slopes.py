"""How fast the log of the largest update of Adam grows, and how well a run of finite length tells."""

from __future__ import annotations

import numpy as np
import xarray as xr

ROUNDING = 1e-10
"""Relative error of an update after 500 steps in float64; the bound is attained to 2e-11."""
BLOCKS = 3
"""Successive slopes from which the rest is extrapolated; the last two make the last fifth of ten records."""
SAFETY = 3.0
"""What is left of a sum of fading exponentials may be up to 2.3 times its geometric extrapolation (of 1/n, from tenths
of the steps)."""


def ratio_of_averages(raw: xr.Dataset) -> xr.DataArray:
    """log of the largest |m|/sqrt(v): the recorded log_max_update without its corrections of the bias.

    These are one known number for all coordinates and tend to 1; where 1 - beta1 is small they would hide the growth.
    """
    step = raw.step.where(raw.step > 0)
    mean, square = (-np.expm1(step * np.log(raw[beta])) for beta in ("beta1", "beta2"))
    return raw.log_max_update + np.log(mean) - np.log(square) / 2


def slopes(raw: xr.Dataset) -> xr.Dataset:
    """Slope of the log of the largest |m|/sqrt(v) over the last fifth of the steps, which ten records share.

    `error` bounds how far the slope is from its limit after infinitely many steps. Where the slopes of the last three
    tenths approach it as e^(-s n), or a sum of these with weights of one sign, what is left is between 1 and 2.3 times
    the geometric extrapolation of their differences. Where the differences do not shrink nothing is known of the
    limit, and the error is infinite.
    """
    records = ratio_of_averages(raw).isel(step=slice(-BLOCKS - 1, None))
    length = float(records.step[1] - records.step[0])
    slope = (records.diff("step") / length).drop_vars("step").transpose("step", ...)
    tiny = 4 * ROUNDING * (float(records.step[-1]) / 500) ** 1.5 / length  # sums of n logs, each as large as n
    earlier, later = (slope[i + 1] - slope[i] for i in range(BLOCKS - 1))
    shrinking = (earlier * later > 0) | (abs(later) <= tiny)
    earlier, later = abs(earlier).clip(min=2 * tiny), abs(later).clip(min=tiny)
    ratio = later / earlier
    left = later * ratio / (1 - ratio)
    error = (later / 2 + SAFETY * left).where(shrinking & (ratio < 1), np.inf)
    growth = xr.Dataset({"growth_rate": slope[-2:].mean("step"), "error": error})
    growth.growth_rate.attrs = {"long_name": "growth rate of log max |m|/sqrt(v)", "units": "1/step"}
    return growth.assign_coords(step=int(records.step[-1]))
