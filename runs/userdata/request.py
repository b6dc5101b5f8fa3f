"""What a user asks for: the claim, the data, and how the names of one belong to those of the other."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any


@dataclasses.dataclass(frozen=True)
class Request:
    """One comparison of a claim with a file. Fields are the flags of `toymodels compare`; None means: choose.

    `mapping`, `units`: {name: column or expression}; `constants`: {symbol: number or vector}; `select`: {column or dim:
    values to keep}; `rename`: {dim of the file: dim of the claim}. `error`, `lower`, `upper`, `slack`: a column, an
    expression or a number as text.
    """

    claim: str
    data: Path
    observable: str | None = None
    mapping: Mapping[str, str] = dataclasses.field(default_factory=dict)
    constants: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    units: Mapping[str, str] = dataclasses.field(default_factory=dict)
    select: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    rename: Mapping[str, str] = dataclasses.field(default_factory=dict)
    group: str | None = None
    kind: str | None = None
    estimator: str | None = None
    scale: str | None = None
    margin: float | None = None
    error: str | None = None
    lower: str | None = None
    upper: str | None = None
    slack: str | None = None
    side: str | None = None
    along: str | None = None
    order: float | None = None
    censored: str | None = None
    runs: tuple[str, ...] = ()
    per_run: tuple[str, ...] = ()
    points_by: tuple[str, ...] = ()
    x: str | None = None
    hue: str | None = None
    beyond_domain: bool = False
    rivals: tuple[str, ...] = ()
    expect: str = "agrees"
    out: Path | None = None
