"""What a comparison says: a status with a number, an interval, a domain, and what it could not tell."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import xarray as xr

from toymodels.comparator import mutants as mutation
from toymodels.comparator import strict_json
from toymodels.comparator.mutants import MutantResult
from toymodels.comparator.resolution import Resolution, Tally, resolutions

JSON_POINTS = 2000
POINT_STATUSES = ("agrees", "disagrees", "inconclusive", "outside")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Result of `compare`. `discrepancy` and `interval` belong to the worst point; `points` holds all of
    them."""

    id: str
    claim: str
    observable: str
    kind: str
    quantity: str
    status: str
    discrepancy: float
    interval: tuple[float, float]
    margin: float
    points: xr.Dataset = dataclasses.field(compare=False)
    mutants: tuple[MutantResult, ...]
    worst_point: str
    domain: str
    n_points: int
    n_runs: int | None
    """Runs behind the least supported point; None where runs are not the unit of evidence."""
    n_outside: int
    """Points that were left out because they lie outside the claim's domain."""
    n_runs_outside: int
    """Single runs that were left out at points that were compared."""
    n_censored: int
    needed_runs: int | None
    """Runs per point that would decide; None if decided, or if no number of runs would."""
    false_alarm: float
    expect: str
    expect_reason: str
    reason: str
    """Why the status is what it is."""
    n_copies: int = 0
    """Runs that repeat an earlier run number for number: no evidence of their own."""
    note: str = ""
    """What else belongs to the law that was judged, such as its fitted constants."""

    @property
    def as_expected(self) -> bool:
        return self.status == self.expect

    def mutants_of(self, verdict_class: str) -> tuple[MutantResult, ...]:
        """The mutants of one class: "killed", "survived", "irrelevant" or "inadmissible"."""
        return tuple(m for m in self.mutants if m.verdict_class == verdict_class)

    @property
    def sentence(self) -> str:
        """The verdict as one sentence: number, uncertainty, domain."""
        says = {
            "agrees": "agrees with the simulation",
            "disagrees": "disagrees with the simulation",
            "inconclusive": "is neither confirmed nor refuted",
        }[self.status]
        what = self.quantity.format(observable=self.observable)
        if not self.n_points:
            return f"{self.claim} {says}: {self.reason} ({self.n_outside} points outside)."
        low, high = self.interval
        number = f"{what} {self.discrepancy:+.3g} [{low:+.3g}, {high:+.3g}], margin {self.margin:g}"
        where = f" at the worst of {self.n_points} points ({self.worst_point})" if self.n_points > 1 else ""
        parts = [f"{self.claim} {says}: {number}{where}"]
        parts.append(self.note)
        parts.append(f"domain: {self.domain}" if self.domain else "")
        parts.append(f"{self.n_runs} runs per point" if self.n_runs else "")
        parts.append(f"{self.n_outside} points outside the domain left out" if self.n_outside else "")
        parts.append(f"{self.n_runs_outside} runs outside the domain left out" if self.n_runs_outside else "")
        parts.append(f"{self.n_censored} values censored" if self.n_censored else "")
        # An inconclusive verdict says so in its reason.
        parts.append(copies_phrase(self.n_copies) if self.n_copies and self.status != "inconclusive" else "")
        parts.append(self.mutant_phrase)
        parts.append(self.reason if self.status == "inconclusive" else "")
        if self.expect != "agrees" or not self.as_expected:
            because = f" because {self.expect_reason}" if self.expect_reason else ""
            parts.append(f"expected: {self.expect}{because}")
        return "; ".join(p for p in parts if p) + "."

    @property
    def tally(self) -> Tally:
        """How many mutants were rejected, not rejected, not tested, and inadmissible."""
        return Tally.of(self.mutants)

    @property
    def resolutions(self) -> tuple[Resolution, ...]:
        """Per place of the formula: the smallest change that this comparison would have seen, or why none."""
        return resolutions(self.mutants, self.margin)

    @property
    def mutant_phrase(self) -> str:
        if not self.mutants:
            return ""
        tally, places = self.tally, self.resolutions
        rest = len(self.mutants) - tally.relevant
        phrase = f"{tally.killed} of {tally.relevant} relevant mutants rejected"
        phrase += f" ({rest} not tested here)" if rest else ""
        seen = sum(place.tested for place in places)
        return phrase + (f", {seen} of {len(places)} places of the formula tested" if places else "")

    @property
    def mutant_lines(self) -> tuple[str, ...]:
        """One line per mutant: what it is, what became of it, and what this comparison could not have
        seen."""
        lines = []
        for m in self.mutants:
            line = f"{m.description}: {mutation.WORDS[m.verdict_class]}"
            if m.shift is not None:
                line += f" (moves the prediction by {m.shift:.3g})"
            if m.verdict_class == mutation.IRRELEVANT:
                if m.resolution is not None:
                    line += f"; changes of its coefficient below {m.resolution:.3g} are not resolved"
                elif m.shift:
                    times = mutation.RELEVANCE * self.margin / m.shift
                    line += f"; a change {times:.3g} times as large would be"
            lines.append(line)
        return tuple(lines)

    def as_dataset(self) -> xr.Dataset:
        """The points, with everything else as one JSON attribute: fit for NetCDF and zarr."""
        codes = xr.zeros_like(self.points["status"], dtype="int8")
        for code, name in enumerate(POINT_STATUSES):
            codes = xr.where(self.points["status"] == name, np.int8(code), codes)
        codes.attrs = {
            "flag_values": list(range(len(POINT_STATUSES))),
            "flag_meanings": " ".join(POINT_STATUSES),
        }
        points = self.points.assign(status=codes)
        return points.assign_attrs(verdict=self.to_json(points=False), sentence=self.sentence)

    def to_json(self, *, points: bool | None = None) -> str:
        """Strict JSON; `from_json` restores the verdict. By default the points are included up to
        `JSON_POINTS`; `as_dataset` holds them all."""
        if points is None:
            points = self.points["status"].size <= JSON_POINTS
        fields = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name != "points"}
        fields["mutants"] = [dataclasses.asdict(m) for m in self.mutants]
        fields["sentence"] = self.sentence
        fields["as_expected"] = self.as_expected
        fields["tally"] = dataclasses.asdict(self.tally) | {"relevant": self.tally.relevant, "rate": self.tally.rate}
        fields["resolutions"] = [
            dataclasses.asdict(place) | {"why_not": place.why_not, "text": place.text} for place in self.resolutions
        ]
        if points:
            fields["points"] = {
                "coords": {str(k): _packed(v) for k, v in self.points.coords.items()},
                "variables": {str(k): _packed(v) for k, v in self.points.data_vars.items()},
            }
        return strict_json.dumps(fields)

    @classmethod
    def from_json(cls, text: str) -> Verdict:
        """Inverse of `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        for derived in ("sentence", "as_expected", "tally", "resolutions"):
            fields.pop(derived, None)
        packed = fields.pop("points", {"coords": {}, "variables": {}})
        points = xr.Dataset(
            {k: _unpacked(v) for k, v in packed["variables"].items()},
            coords={k: _unpacked(v) for k, v in packed["coords"].items()},
        )
        numbers = ("shift", "resolution", "change")
        results = tuple(
            MutantResult(**{k: strict_json.number(v) if k in numbers else v for k, v in m.items()})
            for m in fields.pop("mutants")
        )
        low, high = (strict_json.number(end) for end in fields.pop("interval"))
        discrepancy = strict_json.number(fields.pop("discrepancy"))
        return cls(**fields, points=points, mutants=results, interval=(low, high), discrepancy=discrepancy)


def copies_phrase(copies: int) -> str:
    """What is wrong with copied runs, and the remedy."""
    remedy = "check the seeds (a deterministic simulator is compared with the kind Exact)"
    return f"{copies} runs are copies of earlier ones and no evidence; {remedy}"


def _packed(variable: xr.DataArray) -> dict[str, Any]:
    values = variable.values
    kind = values.dtype.kind
    dtype = str(values.dtype) if kind in "fiub" else "str"
    return {
        "dims": list(variable.dims),
        "dtype": dtype,
        "data": values if kind in "fiub" else values.astype(str),
    }


def _unpacked(packed: dict[str, Any]) -> tuple[list[str], np.ndarray]:
    return packed["dims"], strict_json.array(packed["data"], packed["dtype"])
