"""What lies inside the claim's domain, and how many numbers were compared."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from runs.experiment import Comparison
from runs.userdata.assemble import Assembled, entries
from runs.userdata.observables import Measured
from runs.userdata.outside import reasons
from runs.userdata.source import Source
from theory.claim import Claim
from theory.free import brackets
from toymodels.errors import UsageError


def inside_domain(
    claim: Claim, data: xr.Dataset, ready: Assembled, comparison: Comparison
) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Where the claim's domain is, and the assumptions that could not be checked. Refuses data all outside."""
    bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
    law = claim.evaluate(_middle(claim, bound))
    inside = law["in_domain"].reset_coords(drop=True)
    if not comparison.beyond_domain and not bool(inside.any()):
        why = "; ".join(reasons(claim, _middle(claim, bound))[:3]) or "the claim gives no finite number"
        raise UsageError(
            f"None of the data lies inside the domain of {claim.id}: {why}. Check units and mapping "
            "(--unit, --map), or judge it outside its domain with --beyond-domain."
        )
    return inside, tuple(law.attrs["not_checked"])


def domain_words(claim: Claim, data: xr.Dataset, ready: Assembled, comparison: Comparison) -> str:
    """Ranges of the inputs that are plain numbers, over the compared points."""
    bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
    inside = claim.evaluate(_middle(claim, bound))["in_domain"].reset_coords(drop=True)
    words = []
    for symbol, array in bound.items():
        if claim.vocabulary[symbol].dims:
            continue
        array = array.reset_coords(drop=True)
        values = array.where(True if comparison.beyond_domain else inside).values
        values = values[np.isfinite(values)]
        if values.size:
            low, high = float(values.min()), float(values.max())
            words.append(f"{symbol} {low:.4g} to {high:.4g}" if low < high else f"{symbol} = {low:.4g}")
    return ", ".join(words) + (" (assumptions of the claim set aside)" if comparison.beyond_domain else "")


def counted(
    claim: Claim,
    source: Source,
    data: xr.Dataset,
    ready: Assembled,
    comparison: Comparison,
    inside: xr.DataArray,
    seen: Measured | None,
) -> tuple[dict[str, int], list[str]]:
    """How many numbers were read and compared, and sentences on those that were not."""
    name = comparison.observable if comparison.observable in data else ready.roles["lower"]
    real = entries(data, name, ready.present)
    within = (real & inside).transpose(*real.dims) if not comparison.beyond_domain else real
    notes = []
    outside = int((real & ~within).sum())
    if outside:
        bound = {symbol: data[variable] for symbol, variable in comparison.bind.items()}
        why = "; ".join(reasons(claim, _middle(claim, bound))[:3])
        place = ""
        if ready.rows is not None and source.lines is not None:
            rows = ready.rows.where(real & ~within, -1).values.ravel()
            place = f" ({source.where(np.unique(rows[rows >= 0]))})"
        notes.append(f"{outside} values outside the domain of {claim.id} left out{place}" + (f": {why}" if why else ""))
    if seen is not None and seen.infinite:
        notes.append(f"{seen.infinite} infinite values count as not finished")
    missing = int((~np.isfinite(data[name]) & within).sum()) if seen is not None else 0
    if missing and not comparison.kind.run_dims:
        notes.append(f"{missing} values are missing; --censored drop leaves them out")
    return {"read": int(real.sum()), "compared": int(within.sum()), "outside": outside}, notes


def _middle(claim: Claim, bound: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """`bound` with some value for each free constant: the domain does not depend on them."""
    ends = brackets(claim) if claim.free else {}
    middle = {n: xr.DataArray((a * b) ** 0.5 if a > 0 else (a + b) / 2) for n, (a, b) in ends.items()}
    return middle | dict(bound)
