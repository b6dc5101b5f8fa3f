"""The maps of a comparison: where each rival wins, and the domain within which the claim agrees."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import xarray as xr
from matplotlib.figure import Figure

from runs.experiment import Comparison
from theory.registry import get_claim
from toymodels.comparator import AgreementDomain, Ranking, domain_map, save_figure, winner_regions
from toymodels.errors import UsageError

Map = dict[str, str]


def draw_maps(
    comparison: Comparison,
    status: str,
    directory: Path,
    ranking: Ranking | None,
    domain: AgreementDomain | None,
    contenders: Mapping[str, xr.DataArray],
) -> tuple[tuple[Map, ...], str]:
    """Save the maps below `directory`; {"figure": stem, "caption": sentence} of each, and why the map of winners is
    missing if it cannot be drawn (too many panels)."""
    maps: list[Map] = []
    x, y = comparison.map_axes or (None, None)
    remark = ""

    def save(drawn: Figure, what: str, points: xr.Dataset, caption: str) -> None:
        stem = f"figures/{comparison.id}.{what}"
        save_figure(drawn, directory / stem, points)
        maps.append({"figure": stem, "caption": caption})

    if ranking is not None and _tells_something(ranking):
        try:
            drawn = winner_regions(ranking, x=x or comparison.x, y=y, ties=_ties(ranking, contenders))
        except UsageError as error:
            remark = f" Not drawn: {error}"
        else:
            save(drawn, "regions", ranking.points, _winners(ranking))
    if domain is not None and any(size > 1 for size in domain.points["value"].shape):
        drawn = domain_map(domain, x=x, y=y, title=f"{comparison.id}: {status}")
        save(drawn, "domain", domain.points, f"Distance from the law in margins. {domain.sentence}")
    return tuple(maps), remark


def _tells_something(ranking: Ranking) -> bool:
    """Whether a map says more than the ranking's sentence: not where one law wins a whole plane beyond doubt."""
    nearest = ranking.points["nearest"]
    axes = sum(size > 1 for size in nearest.shape)
    everywhere = len(set(nearest.values.ravel())) == 1 and bool(ranking.points["decided"].all())
    return axes == 1 or (axes > 1 and not everywhere)


def _winners(ranking: Ranking) -> str:
    """The caption of a map of winners."""
    shares = ", ".join(f"{c.claim} at {c.share_won:.0%}" for c in ranking.contenders)
    decided = float(ranking.points["decided"].where(ranking.points["nearest"] != "").mean())
    return (
        f"The law nearest to the data at each point ({ranking.held_out}): {shares}. Beyond doubt at {decided:.0%} "
        "of the points, hatched elsewhere."
    )


def _ties(ranking: Ranking, claims: Mapping[str, xr.DataArray]) -> dict[str, xr.DataArray]:
    """Differences of predictions that change their sign: where another law says the same as the nearest one. Known
    from theory alone; the winner changes hands there."""
    best, *others = (c.claim for c in ranking.contenders)
    found = {}
    for name in others:
        # A fitted law has other constants from point to point, hence no line of its own.
        if get_claim(name).free or get_claim(best).free:
            continue
        apart = claims[name] - claims[best]
        apart = apart.median([d for d in apart.dims if d not in ranking.points.dims])
        kept = apart.where(ranking.points["nearest"] != "")
        if bool((kept > 0).any()) and bool((kept < 0).any()):
            own = {d: ranking.points[d] for d in apart.dims if d in ranking.points.coords}
            found[f"{name} = {best}"] = apart.drop_vars(list(apart.coords)).assign_coords(own)
    return found
