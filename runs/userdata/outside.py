"""Why numbers lie outside a claim's domain, in words."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import xarray as xr

from theory.binding import bind
from theory.claim import Claim
from theory.compiled import numeric
from theory.vocabulary import domain_text


def reasons(claim: Claim, bound: Mapping[str, xr.DataArray]) -> list[str]:
    """What is broken and where, most frequent first: "r outside (0, oo)", "not sharp (T*threshold > 100)"."""
    names = [s.name for s in claim.symbols]
    values = bind(claim.id, claim.vocabulary, bound, names, claim.optional, strict=False, name_axes=True).arrays
    found: list[tuple[int, str]] = []
    for name, array in values.items():
        entry = claim.vocabulary[name]
        given = bound.get(name, array)
        bad = int((~entry.contains(np.asarray(given.values, float))).sum())
        if bad:
            missing = int(np.isnan(np.asarray(given.values, float)).sum())
            text = f"{name} outside {domain_text(entry.domain)}" if missing < bad else f"{name} missing"
            found.append((bad, f"{text} ({bad} of {given.size})"))
    for assumption in claim.assumptions:
        symbols = tuple(sorted(assumption.relation.free_symbols, key=str))
        if all(s.name in values for s in symbols):
            arrays = [values[s.name] for s in symbols]
            holds = xr.apply_ufunc(numeric(assumption.relation, symbols), *arrays, join="exact").astype(bool)
            known = np.isfinite(sum(xr.broadcast(*arrays), start=xr.DataArray(0.0)))
            bad = int((~holds & known).sum())
            if bad:
                found.append((bad, f"not {assumption.text}: {assumption.relation} ({bad} of {holds.size})"))
    return [text for _, text in sorted(found, key=lambda item: -item[0])]
