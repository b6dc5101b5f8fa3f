"""One comparison: claim, mutants and rivals evaluated on labelled data, judged, ranked and drawn.

Experiments and a user's own data go through here, so that both get the same verdict.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from runs.experiment import Comparison
from runs.fitting import Fitted, fitted
from runs.maps import Map, draw_maps
from theory.claim import Claim
from theory.free import brackets
from theory.registry import get_claim
from theory.variants import predict_variants
from toymodels.comparator import (
    AgreementDomain,
    Measurement,
    Ranking,
    Split,
    Verdict,
    Widened,
    agreement_domain,
    claim_only,
    compare,
    overlay,
    rank_rivals,
    save_figure,
    split,
)
from toymodels.comparator.kinds.slopes import Slope
from toymodels.comparator.layout import VARIANT
from toymodels.errors import UsageError


@dataclasses.dataclass(frozen=True)
class Judged:
    """A comparison, its verdict, the ranking of its rivals and the stem of its overlay (without suffix).

    `fit` holds the free constants, `domain` the set within which the claim agrees, `winner` says which rival is nearest
    and where; `maps` are further figures, {"figure": stem, "caption": sentence}. All are JSON-ready.
    """

    comparison: Comparison
    verdict: Verdict
    ranking: tuple[dict[str, Any], ...] = ()
    figure: str | None = None
    fit: dict[str, Any] | None = None
    domain: dict[str, Any] | None = None
    winner: str = ""
    maps: tuple[dict[str, str], ...] = ()

    def record(self) -> dict[str, Any]:
        """Everything beside the verdict, for JSON; `from_record` restores it."""
        return {
            "rivals": list(self.ranking),
            "figure": self.figure,
            "fit": self.fit,
            "domain": self.domain,
            "winner": self.winner,
            "maps": list(self.maps),
        }

    @classmethod
    def from_record(cls, comparison: Comparison, verdict: Verdict, record: Mapping[str, Any]) -> Judged:
        """Inverse of `record`."""
        fields = {name: record[name] for name in ("figure", "fit", "domain", "winner")}
        return cls(comparison, verdict, tuple(record["rivals"]), maps=tuple(record["maps"]), **fields)

    @property
    def remarks(self) -> list[str]:
        """One line each: the domain, the constants, the winner among rivals."""
        lines = [self.domain["sentence"]] if self.domain else []
        lines += [self.fit["sentence"]] if self.fit else []
        return lines + ([self.winner] if self.winner else [])


def judge(
    comparison: Comparison,
    data: xr.Dataset,
    directory: Path | None,
    rival_bind: Mapping[str, Mapping[str, str]] | None = None,
    second: xr.Dataset | None = None,
) -> tuple[Judged, xr.DataArray]:
    """The verdict on `comparison` and the predictions (claim, then mutants) behind it.

    Figures are drawn below `directory`, if there is one. `rival_bind` gives the binding of rivals that need another one
    than the claim. `second` is the measurement that confirms a domain (`comparison.confirm`).
    """
    return _Case(comparison, data, directory, rival_bind or {}, second).judged()


class _Case:
    """One comparison on its data."""

    def __init__(
        self,
        comparison: Comparison,
        data: xr.Dataset,
        directory: Path | None,
        rival_bind: Mapping[str, Mapping[str, str]],
        second: xr.Dataset | None,
    ) -> None:
        self.comparison, self.data, self.directory = comparison, data, directory
        self.rival_bind, self.second = rival_bind, second
        self.claim = get_claim(comparison.claim)
        self.convert: Callable[[xr.DataArray, xr.Dataset], xr.DataArray] = comparison.convert or (lambda p, d: p)
        self.bound = {symbol: data[source] for symbol, source in comparison.bind.items()}
        self.kind = comparison.kind
        self.asked: dict[str, Any] = {
            "observable": comparison.observable,
            "margin": comparison.margin,
            "id": comparison.id,
            "claim": comparison.claim,
            "expect": comparison.expect,
            "reason": comparison.reason,
        }
        if self.claim.free and comparison.domain_search:
            raise UsageError(f"{comparison.id}: a domain is searched for laws without free constants.")

    def judged(self) -> tuple[Judged, xr.DataArray]:
        comparison = self.comparison
        domain: AgreementDomain | None = None
        fit: Fitted | None = None
        everywhere = comparison.beyond_domain or bool(comparison.domain_search)
        in_domain = None if everywhere else self.claim.evaluate(self.bound | _middle(self.claim))["in_domain"]
        if self.claim.free:
            fit = self._fitted(self.claim, self.bound, in_domain, comparison.mutants)
            verdict, predictions = self._judge_fitted(fit, in_domain)
        else:
            predictions = self._predicted(self.bound, self.data)
            if comparison.domain_search:
                domain = self._search(predictions)
                verdict = self._within(domain, predictions)
            else:
                verdict = compare(
                    self.data,
                    predictions,
                    kind=self.kind,
                    in_domain=in_domain,
                    domain=comparison.domain,
                    **self.asked,
                )
        rivals, fits = self._rivals(in_domain)
        contenders = {comparison.claim: predictions.isel({VARIANT: 0}, drop=True), **rivals}
        if fit is not None and rivals:
            contenders[comparison.claim] = self._held_out(self.claim, self.bound, fit, in_domain)
        ranking = self._rank(contenders, in_domain, fitted=fit is not None or any(fits.values()))
        figure = self._overlay(verdict, predictions, rivals, in_domain)
        maps: tuple[Map, ...] = ()
        remark = ""
        if self.directory is not None:
            maps, remark = draw_maps(comparison, verdict.status, self.directory, ranking, domain, contenders)
        winner = f"{ranking.sentence}{remark}" if ranking else ""
        for name, one in fits.items():
            if one is not None:
                winner += f" {name}: {one.fit.sentence}."
        record = Judged(
            comparison,
            verdict,
            tuple(ranking.as_records()) if ranking else (),
            figure,
            fit.as_record() if fit else None,
            domain.as_record() if domain else None,
            winner,
            maps,
        )
        return record, predictions

    # --- the claim ---

    def _predicted(self, bound: Mapping[str, xr.DataArray], data: xr.Dataset) -> xr.DataArray:
        return self.convert(predict_variants(self.claim, bound, mutants=self.comparison.mutants), data)

    def _halves(self) -> Split:
        base = self.kind.points if isinstance(self.kind, Slope) else self.kind
        return split(self.data, base, self.comparison.observable)

    def _fitted(
        self, claim: Claim, bound: Mapping[str, xr.DataArray], in_domain: xr.DataArray | None, mutants: bool
    ) -> Fitted:
        return fitted(claim, bound, self.comparison, self.data, self._halves(), in_domain, mutants)

    def _judge_fitted(self, fit: Fitted, in_domain: xr.DataArray | None) -> tuple[Verdict, xr.DataArray]:
        halves = self._halves()
        judged = halves.take_second(self.data)
        if fit.predictions is None or fit.uncertainty is None:
            first = next(iter(self.kind.columns(self.comparison.observable).values()))
            nothing = xr.full_like(self.data[first], np.nan, dtype=float)
            silent = claim_only(nothing)
            verdict = compare(
                judged,
                halves.take_second(silent),
                kind=self.kind,
                in_domain=xr.DataArray(False),
                **self.asked,
            )
            return dataclasses.replace(verdict, reason=fit.fit.problem, n_outside=0), silent
        inside = halves.second if in_domain is None else in_domain & halves.second
        verdict = compare(
            judged,
            halves.take_second(fit.predictions),
            kind=Widened(self.kind, fit.uncertainty),
            in_domain=halves.take_second(inside),
            domain=self.comparison.domain,
            **self.asked,
        )
        if fit.absorbed and not any(m.relevant for m in verdict.mutants) and verdict.reason.startswith("no mutant"):
            verdict = dataclasses.replace(
                verdict, reason="the fit absorbs every wrong version of this law, so these data cannot contradict it"
            )
        # Points of the other half were left out, but not because the law does not hold there.
        used = int(halves.first.sum()) if not self.kind.run_dims else 0
        return dataclasses.replace(verdict, note=fit.sentence, n_outside=max(verdict.n_outside - used, 0)), (
            fit.predictions
        )

    # --- its domain ---

    def _search(self, predictions: xr.DataArray) -> AgreementDomain:
        confirm = None
        if self.second is not None:
            bound = {symbol: self.second[source] for symbol, source in self.comparison.bind.items()}
            confirm = Measurement(self.second, self._predicted(bound, self.second), self._validity(bound, self.second))
        return agreement_domain(
            self.data,
            predictions,
            validity=self._validity(self.bound, self.data),
            kind=self.kind,
            confirm=confirm,
            domain=self.comparison.domain,
            **self.asked,
        )

    def _validity(self, bound: Mapping[str, xr.DataArray], data: xr.Dataset) -> dict[str, xr.DataArray]:
        """The coordinates that are searched, one value a point: where they differ between runs, their median."""
        wanted = self.comparison.domain_search
        names = tuple(self.claim.validity) if wanted is True else tuple(wanted or ())
        evaluated = self.claim.evaluate(bound)
        found = {}
        for name in names:
            if name not in evaluated.variables and name not in data.variables:
                known = ", ".join([*self.claim.validity, *map(str, data.coords)])
                raise UsageError(f"{self.comparison.id}: no coordinate {name!r} to search; there are {known}.")
            values = evaluated[name] if name in evaluated.variables else data[name]
            found[name] = values.median([d for d in values.dims if d in self.kind.run_dims])
        return found

    def _within(self, domain: AgreementDomain, predictions: xr.DataArray) -> Verdict:
        verdict = domain.confirmed or domain.chosen
        if verdict is None:
            verdict = compare(self.data, predictions, kind=self.kind, domain=self.comparison.domain, **self.asked)
        words = "; ".join(w for w in (self.comparison.domain, f"D: {domain.limits}" if domain.thresholds else "") if w)
        reason = verdict.reason if domain.status == "agrees" else domain.sentence.rstrip(".")
        return dataclasses.replace(verdict, status=domain.status, domain=words or verdict.domain, reason=reason)

    # --- its rivals ---

    def _rivals(self, in_domain: xr.DataArray | None) -> tuple[dict[str, xr.DataArray], dict[str, Fitted | None]]:
        """Predictions of the rivals, and the fits of those with free constants. Rivals whose constants the data do not
        determine predict nothing and are left out."""
        found, fits = {}, {}
        for name in self.comparison.rivals:
            claim = get_claim(name)
            own = self.rival_bind.get(name, self.comparison.bind)
            accepted = {given.name for given in claim.inputs}
            bound = {symbol: self.data[source] for symbol, source in own.items() if symbol in accepted}
            fits[name] = self._fitted(claim, bound, in_domain, mutants=False) if claim.free else None
            fit = fits[name]
            if fit is None:
                predicted = self.convert(predict_variants(claim, bound, mutants=False), self.data)
                found[name] = predicted.isel({VARIANT: 0}, drop=True)
            elif fit.predictions is not None:
                found[name] = self._held_out(claim, bound, fit, in_domain)
        return found, fits

    def _held_out(
        self, claim: Claim, bound: Mapping[str, xr.DataArray], fit: Fitted, in_domain: xr.DataArray | None
    ) -> xr.DataArray:
        """The prediction that is ranked. Without runs: at each point with constants fitted on the other half, so that
        every point is held out."""
        assert fit.predictions is not None
        predicted = fit.predictions.isel({VARIANT: 0}, drop=True)
        halves = self._halves()
        if self.kind.run_dims:
            return predicted
        other = fitted(claim, bound, self.comparison, self.data, halves.exchanged, in_domain, mutants=False)
        if other.predictions is None:
            return predicted.where(halves.second)
        return predicted.where(halves.second, other.predictions.isel({VARIANT: 0}, drop=True))

    def _rank(
        self, contenders: Mapping[str, xr.DataArray], in_domain: xr.DataArray | None, fitted: bool
    ) -> Ranking | None:
        if len(contenders) < 2 or not all(np.isfinite(p).any() for p in contenders.values()):
            return None
        return rank_rivals(
            self.data,
            contenders,
            observable=self.comparison.observable,
            kind=self.kind,
            in_domain=in_domain,
            fitted=fitted,
        )

    # --- figures ---

    def _overlay(
        self,
        verdict: Verdict,
        predictions: xr.DataArray,
        rivals: Mapping[str, xr.DataArray],
        in_domain: xr.DataArray | None,
    ) -> str | None:
        comparison = self.comparison
        claimed = predictions.isel({VARIANT: 0}, drop=True)
        if comparison.x is None or self.directory is None or not np.isfinite(claimed).any():
            return None
        drawn = overlay(
            self.data,
            claimed,
            verdict=verdict,
            observable=comparison.observable,
            kind=self.kind,
            x=comparison.x,
            hue=comparison.hue,
            rivals=rivals,
            in_domain=in_domain,
            **comparison.overlay,
        )
        save_figure(drawn, self.directory / "figures" / comparison.id, verdict.points)
        return f"figures/{comparison.id}"


def _middle(claim: Claim) -> dict[str, xr.DataArray]:
    """Some value for each free constant, for what does not depend on it."""
    return {
        name: xr.DataArray((low * high) ** 0.5 if low > 0 else (low + high) / 2)
        for name, (low, high) in (brackets(claim) if claim.free else {}).items()
    }
