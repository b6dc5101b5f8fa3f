"""Where claims come from: a small reader of references.bib, and the source of a claim."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import re

from theory.errors import ClaimUsageError, nearest

BIBLIOGRAPHY = pathlib.Path(__file__).with_name("references.bib")

SYSTEMS = {"ghost": "Dinc2025", "sim": "Yang2025", "adam": "Gould2024"}
"""The paper that a system's model comes from: cited also where the law itself was derived here."""


@dataclasses.dataclass(frozen=True)
class Source:
    """Bibliography key and place ("Eq. 7", "Thm 2"), or an own derivation (key None).

    `printed` is the statement in the source's own letters (LaTeX, without dollar signs), `assuming` what the source
    states it for: both matter where the statement is found not to hold.
    """

    key: str | None
    place: str
    printed: str = ""
    assuming: str = ""

    def __post_init__(self) -> None:
        if self.key is not None:
            entry(self.key)

    @classmethod
    def own(cls, place: str = "") -> Source:
        """A law derived here; `place` says how in half a sentence."""
        return cls(None, place)

    def __str__(self) -> str:
        if self.key is None:
            return f"own: {self.place}" if self.place else "own"
        return f"[{self.key}, {self.place}]" if self.place else f"[{self.key}]"


def entry(key: str) -> str:
    """The BibTeX entry with this key, as it stands in references.bib."""
    entries = bibliography()
    if key not in entries:
        raise ClaimUsageError(f"references.bib has no entry {key!r}; {nearest(key, entries)}")
    return entries[key]


_own_files: list[pathlib.Path] = []


def add_bibliography(file: pathlib.Path) -> None:
    """Let claims cite the entries of a user's BibTeX file. Keys that references.bib has keep its entries."""
    if file not in _own_files:
        _own_files.append(file)
        bibliography.cache_clear()


@functools.cache
def bibliography() -> dict[str, str]:
    """All entries by key. An entry starts with @kind{key, in the first column and ends with } in the first column."""
    text = "\n".join(file.read_text(encoding="utf-8") for file in (*_own_files, BIBLIOGRAPHY))
    return {m.group(1): m.group(0) for m in re.finditer(r"^@\w+\{([^,]+),.*?^\}", text, re.M | re.S)}


def fields(key: str) -> dict[str, str]:
    """Author, title, year, eprint ... of an entry, without braces."""
    found = re.findall(r"^\s*(\w+)\s*=\s*\{(.*)\},?\s*$", entry(key), re.M)
    return {name.lower(): value.replace("{", "").replace("}", "") for name, value in found}


def short_citation(key: str) -> str:
    """One line: authors (year), title, arXiv number."""
    known = fields(key)
    names = [name.split(",")[0] for name in known.get("author", key).split(" and ")]
    authors = names[0] if len(names) == 1 else " and ".join(names) if len(names) == 2 else f"{names[0]} et al."
    number = f", arXiv:{known['eprint']}" if "eprint" in known else ""
    return f"{authors} ({known.get('year', 'n.d.')}), {known.get('title', '')}{number}"
