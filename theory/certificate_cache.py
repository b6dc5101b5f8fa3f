"""Certificates of earlier runs, on disk, found again only while nothing has changed that they depend on.

The name of an entry is a digest of: this package's sources; the Python files beside the claim's file and all that it
imports, directly or not, outside installed packages; the versions of python, of the libraries below and of every
installed package that is imported; the claim's file, id and statement, and the step's place, kind and text. What a
check reads by other means (a data file, an import by a computed name) is not seen: verify afresh then.
"""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import pathlib
import sys
import sysconfig
from collections.abc import Iterator

from theory.certificate import Certificate
from theory.claim import Claim
from theory.worker import fingerprint

PACKAGE = pathlib.Path(__file__).parent
LIBRARIES = ("sympy", "mpmath", "python-flint", "scipy", "numpy")
INSTALLED = tuple(pathlib.Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib", "stdlib"))


class CertificateCache:
    """Passed certificates on disk, one file each, named after everything that they depend on."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.sources: dict[str, str] = {}
        versions = [f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES]
        self.base = "\n".join([sys.version, *versions, _digest(PACKAGE.glob("*.py"))])

    def read(self, claim: Claim, index: int) -> Certificate | None:
        """The certificate of a step that passed before, if nothing has changed since."""
        try:
            known = Certificate(**json.loads(self._place(claim, index).read_text()))
        except (OSError, ValueError, TypeError):  # absent, or not what was written
            return None
        return known if known.passed is True and known.kind == claim.derivation[index].check.kind else None

    def write(self, claim: Claim, index: int, certificate: Certificate) -> None:
        """Keep a certificate; failures are not kept, since time limits and machines differ.

        Where the folder cannot be written, nothing is kept: the next call then runs the checks again.
        """
        place = self._place(claim, index)
        if not certificate.passed:
            return
        temporary = place.with_suffix(f".{os.getpid()}")
        with contextlib.suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(certificate.as_dict()))
            temporary.replace(place)

    def _place(self, claim: Claim, index: int) -> pathlib.Path:
        if claim.origin not in self.sources:
            self.sources[claim.origin] = _sources(pathlib.Path(claim.origin))
        text = "\n".join([self.base, self.sources[claim.origin], claim.origin, *fingerprint(claim), str(index)])
        return self.folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"


def _sources(origin: pathlib.Path) -> str:
    """Digest of the file, its neighbours and all that it imports, and the versions of installed packages."""
    if origin.parent == PACKAGE:
        return ""
    files = {place.resolve() for place in origin.parent.glob("*.py")}
    packages: set[str] = set()
    waiting = {origin.resolve()} if origin.is_file() else set()
    seen: set[pathlib.Path] = set()
    while waiting:
        place = waiting.pop()
        seen.add(place)
        for found in _imported(place, origin.parent):
            if found.is_relative_to(PACKAGE) or any(found.is_relative_to(root) for root in INSTALLED):
                packages |= {name for root in INSTALLED[:2] if (name := _top(found, root))}
            elif found not in seen:
                waiting.add(found)
    return "\n".join([_digest(sorted(files | seen)), *sorted(map(_version, packages))])


def _imported(place: pathlib.Path, folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Files that a file imports by name, anywhere in it: beside it, in `folder`, or where python looks."""
    try:
        tree = ast.parse(place.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return
    for node in ast.walk(tree):
        names: list[str] = []
        start = [place.parent, folder]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                start = [place.parents[node.level - 1]]
            module = node.module or ""
            names = [module, *(f"{module}.{alias.name}".strip(".") for alias in node.names)]
        for name in filter(None, names):
            yield from _files_of(name, start)


def _files_of(name: str, start: list[pathlib.Path]) -> Iterator[pathlib.Path]:
    """The files that `import name` runs: of the packages on the way, and of the module itself."""
    parts = name.split(".")
    for root in start:
        found = False
        for depth in range(1, len(parts) + 1):
            stem = root.joinpath(*parts[:depth])
            for file in (stem.with_suffix(".py"), stem / "__init__.py"):
                if file.is_file():
                    found = True
                    yield file.resolve()
        if found:
            return
    spec = None
    with contextlib.suppress(ImportError, ValueError, AttributeError):
        spec = importlib.util.find_spec(parts[0])
    if spec is None:
        return
    for place in spec.submodule_search_locations or ():
        if len(parts) > 1:
            inner = pathlib.Path(place).joinpath(*parts[1:])
            yield from (f.resolve() for f in (inner.with_suffix(".py"), inner / "__init__.py") if f.is_file())
    if spec.origin is not None and pathlib.Path(spec.origin).is_file():
        yield pathlib.Path(spec.origin).resolve()


def _top(place: pathlib.Path, root: pathlib.Path) -> str:
    return place.relative_to(root).parts[0].removesuffix(".py") if place.is_relative_to(root) else ""


@functools.cache
def _distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _version(package: str) -> str:
    names = sorted(set(_distributions().get(package, [])))
    return " ".join([package, *(f"{name} {importlib.metadata.version(name)}" for name in names)])


def _digest(places: Iterator[pathlib.Path] | list[pathlib.Path]) -> str:
    """Digest of names and contents of files."""
    digest = hashlib.sha256()
    for place in sorted(places):
        content = place.read_bytes() if place.is_file() else b""
        digest.update(str(place).encode() + b"\0" + content + b"\0")
    return digest.hexdigest()
