"""How much of the differences between points of the (beta1, beta2) square one coordinate accounts for."""

from __future__ import annotations

import numpy as np
import xarray as xr

RESAMPLES = 2000
WIDTH = 3.5
"""Standard deviations of the bootstrap: 0.05 % of a normal distribution lie outside, or 0.3 % for six shares."""


def projection(coordinate: np.ndarray, degree: int) -> np.ndarray:
    """(points, points): projects on polynomials of that degree in the coordinate, less their mean.

    With degree + 1 distinct values that is the mean over the points of equal coordinate.
    """
    low, high = coordinate.min(), coordinate.max()
    basis = np.polynomial.legendre.legvander(2 * (coordinate - low) / (high - low) - 1, degree)
    columns, _ = np.linalg.qr(basis)
    return columns @ columns.T - np.full((len(coordinate), len(coordinate)), 1 / len(coordinate))


def _signal(products: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean of products[s, t] over pairs of different seeds, for each row of weights (resamples, seeds)."""
    off = products - np.diag(np.diag(products))
    pairs = weights.sum(1) ** 2 - (weights**2).sum(1)
    return np.asarray(np.einsum("rs,st,rt->r", weights, off, weights) / pairs)


def share(values: np.ndarray, coordinate: np.ndarray, degree: int) -> tuple[float, float]:
    """Share of the variance over points that the coordinate accounts for, and its error.

    `values` (points, seeds), `coordinate` (points,). Products of different seeds are averaged: noise of the seeds,
    shared by points or not, then adds nothing to any variance. The error is that of a bootstrap over seeds.
    """
    fitted, every = (
        values.T @ (matrix @ values)
        for matrix in (projection(coordinate, degree), np.eye(len(values)) - 1 / len(values))
    )
    seeds = values.shape[1]
    once = np.ones((1, seeds))
    draws = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1 / seeds), RESAMPLES).astype(float)
    estimate = _signal(fitted, once)[0] / _signal(every, once)[0]
    return float(estimate), float(WIDTH * np.std(_signal(fitted, draws) / _signal(every, draws)))


def shares(values: xr.DataArray, coordinates: xr.Dataset, degree: int) -> xr.Dataset:
    """`share` and `error` along `coordinate` and every dim of `values` beside `point` and `seed`."""
    stacked = values.stack(case=[dim for dim in values.dims if dim not in ("point", "seed")])
    names = list(coordinates)
    found = [
        [
            share(stacked.isel(case=i).transpose("point", "seed").values, coordinates[name].values, degree)
            for name in names
        ]
        for i in range(stacked.sizes["case"])
    ]
    array = xr.DataArray(np.array(found), dims=("case", "coordinate", "part"), coords={"case": stacked.case})
    array = array.assign_coords(coordinate=names).unstack("case")
    result = xr.Dataset({"share": array.isel(part=0), "error": array.isel(part=1)})
    result.share.attrs = {"long_name": "share of the variance over points", "units": "1"}
    return result
