"""Laws with free constants in a comparison: fitted on one half of the evidence, mutants with constants of their own."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from runs.experiment import Comparison
from theory.claim import Claim
from theory.free import CLAIM, FreeLaw, brackets
from toymodels.comparator import Fit, Kind, Split, fit, spread
from toymodels.comparator.kinds.slopes import Slope
from toymodels.comparator.layout import VARIANT

ABSORBED = 0.01
"""A mutant whose own best constants bring it within this share of the margin of the claim is the same law."""


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A fitted claim: its constants, predictions of it and of the mutants that are not absorbed, and by how much the
    constants' uncertainty moves it at the judged points (both None where the data do not determine the constants)."""

    fit: Fit
    predictions: xr.DataArray | None = None
    uncertainty: xr.DataArray | None = None
    absorbed: tuple[str, ...] = ()
    escaped: tuple[str, ...] = ()
    """Mutants that the brackets of the constants keep from fitting: not judged."""

    @property
    def sentence(self) -> str:
        """The constants, and how many wrong versions of the law they make up for."""
        count = len(self.absorbed)
        words = f"; {count} mutants absorbed by the fit" if count else ""
        return self.fit.sentence + words + (f", {len(self.escaped)} beyond its brackets" if self.escaped else "")

    def as_record(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **self.fit.as_record(),
            "absorbed": list(self.absorbed),
            "escaped": list(self.escaped),
            "sentence": self.sentence,
        }


def fitted(
    claim: Claim,
    bound: Mapping[str, xr.DataArray],
    comparison: Comparison,
    data: xr.Dataset,
    halves: Split,
    in_domain: xr.DataArray | None,
    mutants: bool,
) -> Fitted:
    """Fit the free constants of `claim` on the first half, for each mutant again, and predict everywhere."""
    law = FreeLaw(claim, bound, mutants)
    limits = brackets(claim) | {n: b for n, b in comparison.constants.items() if n in law.free}
    convert = comparison.convert or (lambda prediction, dataset: prediction)
    kind: Kind = comparison.kind
    common: dict[str, Any] = {
        "data": data,
        "observable": comparison.observable,
        "kind": kind,
        "margin": comparison.margin,
        "halves": halves,
        "in_domain": in_domain,
    }

    def converted(variant: str) -> Any:
        return lambda constants: convert(law.law(variant)(constants), data)

    own = fit(converted(CLAIM), limits, **common)
    if own.problem:
        return Fitted(own)
    constants, escaped = {CLAIM: own.values}, []
    for name in law.variants[1:]:
        refitted = fit(converted(name), limits, **common, guess=own.values, uncertainty=False)
        if "bracket" in refitted.problem:
            escaped.append(name)  # with constants beyond the brackets it might fit: this says nothing about it
        else:
            constants[name] = refitted.values or own.values
    predictions = convert(law.assemble(constants), data)
    alike = _alike(predictions, comparison, kind)
    descriptions = predictions["description"].values
    absorbed = tuple(str(d) for d, same in zip(descriptions[1:], alike[1:], strict=True) if same)
    judged = halves.take_second(data)
    reach = spread(
        lambda values: halves.take_second(converted(CLAIM)(values)),
        own,
        limits,
        data=judged,
        observable=comparison.observable,
        kind=kind,
    )
    left = np.flatnonzero(~alike | (np.arange(alike.size) == 0))
    return Fitted(own, predictions.isel({VARIANT: left}), reach, absorbed, tuple(escaped))


def _alike(predictions: xr.DataArray, comparison: Comparison, kind: Kind) -> np.ndarray:
    """Per variant: is it the claim, to a small part of the margin, wherever the claim has a number?"""
    base = kind.points if isinstance(kind, Slope) else kind
    claim = predictions.isel({VARIANT: 0})
    scale = getattr(base, "scale", "log")
    with np.errstate(all="ignore"):
        size = abs(claim) if scale == "relative" else xr.ones_like(claim)
        apart = xr.apply_ufunc(np.log, predictions / claim) if scale == "log" else (predictions - claim) / size
    close: xr.DataArray = (abs(apart) <= ABSORBED * comparison.margin) | ~np.isfinite(claim)
    return np.asarray(close.all([d for d in close.dims if d != VARIANT]).values)
