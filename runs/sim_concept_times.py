"""From when on the unseen combination is shown, plainly or by a push in a hidden layer: measured from records.

A share is a concept coordinate of the output at x_hat over its goal mu_p. The combination is shown if every share lies
in [1/2, 3/2] (of a network on sampled data: and the rest of the error is below mu_1/2, mu_1 of the concept not pushed).
The margin of a record is how far inside it is; a time is the last one at which the margin rises through zero, by linear
interpolation between records. So a combination that is lost again does not count. NaN: not shown at the end, or shown
at all records.
"""

from __future__ import annotations

import numpy as np
import xarray as xr

LEAST, MOST = 0.5, 1.5
"""Shares that count as shown."""


def margin_of_map(w: xr.DataArray, mu: xr.DataArray, limit: float) -> xr.DataArray:
    """Of a linear map on two concepts, the stronger one first, pushed along the second by any gain from 1 to `limit`.

    The gains that show each share are an interval. The margin is (highest - lowest)/(highest + lowest) gain of both
    intervals' overlap with [1, limit], between -1 and 1; at limit = 1 it is the least distance of a share from a bound.
    """
    w11, w12, w22 = (w.sel(row=i, column=j, drop=True) for i, j in ((1, 1), (1, 2), (2, 2)))
    mu_1, mu_2 = (mu.sel(concept=p, drop=True) for p in (1, 2))
    if limit == 1.0:
        shares = (w11 + w12 * mu_2 / mu_1, w12 * mu_1 / mu_2 + w22)
        return xr.concat([_inside(share) for share in shares], dim="share").min("share")
    lowest, highest = xr.ones_like(w11), xr.full_like(w11, limit)
    for fixed, slope in ((w11, w12 * mu_2 / mu_1), (w12 * mu_1 / mu_2, w22)):
        ends = xr.concat([(LEAST - fixed) / slope, (MOST - fixed) / slope], dim="end")
        lowest = xr.where(ends.min("end") > lowest, ends.min("end"), lowest)
        highest = xr.where(ends.max("end") < highest, ends.max("end"), highest)
    return ((highest - lowest) / (highest + lowest)).where(highest > 0, -1.0)


def margins_of_pushes(runs: xr.Dataset, pushed: int, other: int) -> xr.DataArray:
    """Of any network, for every gain limit among the `gain` of records of `sim_net`: the best gain up to the limit.

    The gains must begin at 1 and be dense enough: a share passes from 1/2 to 3/2 while the gain trebles.
    """
    goal, rest_goal = (runs.mu.sel(concept=p, drop=True) for p in (pushed, other))
    output = runs.intervened_output.sel(concept=pushed, drop=True)
    square = 2 * runs.intervened_loss.sel(concept=pushed, drop=True) - (output - goal) ** 2
    rest = np.sqrt(np.maximum(square, 0.0)) / rest_goal
    margin = np.minimum(_inside(output / goal), LEAST - rest)
    found = [margin.isel(gain=slice(0, k + 1)).max("gain") for k in range(margin.sizes["gain"])]
    return xr.concat(found, dim=margin.gain)


def _inside(share: xr.DataArray) -> xr.DataArray:
    return (MOST - LEAST) / 2 - abs(share - (LEAST + MOST) / 2)


def onset(margin: xr.DataArray, time: xr.DataArray) -> xr.DataArray:
    """Last time at which the margin rises through zero, over all dims but `step`."""
    m = margin.transpose(..., "step")
    below = ~(m.values >= 0)
    last = m.sizes["step"] - 1 - np.argmax(below[..., ::-1], axis=-1)
    valid = below.any(-1) & (last < m.sizes["step"] - 1)
    before = np.where(valid, last, 0)
    low, high = (np.take_along_axis(m.values, (before + k)[..., None], -1)[..., 0] for k in (0, 1))
    when = time.transpose("step").values
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(valid, -low / (high - low), np.nan)
    found = when[before] + share * (when[before + 1] - when[before])
    return xr.DataArray(found, dims=m.dims[:-1], coords={k: v for k, v in m.coords.items() if "step" not in v.dims})
