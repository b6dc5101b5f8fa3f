"""One comparison: claim, mutants and rivals evaluated on labelled data, judged, ranked and drawn.

Experiments and a user's own data go through here, so that both get the same verdict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import xarray as xr

from runs.experiment import Comparison
from theory.registry import get_claim
from theory.variants import predict_variants
from toymodels.comparator import Verdict, compare, overlay, rank_rivals, save_figure


@dataclasses.dataclass(frozen=True)
class Judged:
    """A comparison, its verdict, the ranking of its rivals and the stem of its overlay (without suffix)."""

    comparison: Comparison
    verdict: Verdict
    ranking: tuple[dict[str, Any], ...] = ()
    figure: str | None = None


def judge(
    comparison: Comparison,
    data: xr.Dataset,
    directory: Path | None,
    rival_bind: Mapping[str, Mapping[str, str]] | None = None,
) -> tuple[Judged, xr.DataArray]:
    """The verdict on `comparison` and the predictions (claim, then mutants) behind it.

    The overlay is drawn below `directory`, if there is one. `rival_bind` gives the binding of rivals that need another
    one than the claim.
    """
    bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
    claim = get_claim(comparison.claim)
    convert = comparison.convert or (lambda prediction, dataset: prediction)
    predictions = convert(predict_variants(claim, bound, mutants=comparison.mutants), data)
    in_domain = None if comparison.beyond_domain else claim.evaluate(bound)["in_domain"]
    verdict = compare(
        data,
        predictions,
        observable=comparison.observable,
        kind=comparison.kind,
        margin=comparison.margin,
        id=comparison.id,
        claim=comparison.claim,
        in_domain=in_domain,
        domain=comparison.domain,
        expect=comparison.expect,
        reason=comparison.reason,
    )
    rivals = {}
    for name in comparison.rivals:
        own = (rival_bind or {}).get(name, comparison.bind)
        given = {symbol: data[source] for symbol, source in own.items()}
        rivals[name] = convert(predict_variants(get_claim(name), given, mutants=False), data).isel(variant=0, drop=True)
    ranking: tuple[dict[str, Any], ...] = ()
    if rivals:
        contenders = {comparison.claim: predictions.isel(variant=0, drop=True), **rivals}
        ranking = tuple(
            rank_rivals(
                data, contenders, observable=comparison.observable, kind=comparison.kind, in_domain=in_domain
            ).as_records()
        )
    figure = None
    if comparison.x is not None and directory is not None:
        drawn = overlay(
            data,
            predictions.isel(variant=0, drop=True),
            verdict=verdict,
            observable=comparison.observable,
            kind=comparison.kind,
            x=comparison.x,
            hue=comparison.hue,
            rivals=rivals,
            in_domain=in_domain,
            **comparison.overlay,
        )
        save_figure(drawn, directory / "figures" / comparison.id, verdict.points)
        figure = f"figures/{comparison.id}"
    return Judged(comparison, verdict, ranking, figure), predictions
