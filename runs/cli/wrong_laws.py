"""The mutants of a claim as a table: how far each moves the prediction at the given points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click
import numpy as np
import xarray as xr

from runs.cli.output import print_json, print_table
from theory.claim import Claim
from theory.variants import predict_variants


def show(claim: Claim, values: Mapping[str, xr.DataArray], as_json: bool) -> None:
    """Print the claim's mutants, and those that are set aside because they equal it."""
    variants = predict_variants(claim, values)
    rows = [_row(variants, index) for index in range(1, variants.sizes["variant"])]
    aside = [mutant.description for mutant in claim.set_aside()]
    if as_json:
        points = {str(d): variants[d].values for d in variants.dims if d != "variant" and d in variants.coords}
        print_json({
            "claim": claim.id,
            "points": points,
            "prediction": variants.values[0],
            "mutants": rows,
            "equal_to_the_claim": aside,
        })  # fmt: skip
        return
    click.echo(f"{claim.statement_text}   (unit: {claim.predicts.unit})")
    print_table(
        ["mutant", "kind", "place", "mutant/claim from", "to"],
        [[row["description"], row["kind"], row["site"], *_ends(row["ratio"])] for row in rows],
    )
    for text in aside:
        click.echo(f"set aside, since it equals the claim: {text}")


def _row(variants: xr.DataArray, index: int) -> dict[str, Any]:
    one, claimed = variants.isel(variant=index), variants.values[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = one.values / claimed
    known = ratio[np.isfinite(ratio)]
    return {
        "mutant": str(one["variant"].item()),
        "description": str(one["description"].item()),
        "kind": str(one["mutation"].item()),
        "site": str(one["site"].item()),
        "change": float(one["change"]),
        "admissible": bool(one["admissible"]),
        "ratio": [float(known.min()), float(known.max())] if known.size else None,
        "prediction": one.values,
    }


def _ends(ratio: list[float] | None) -> list[Any]:
    return ["no admissible number", ""] if ratio is None else list(ratio)
