"""All known claims by id: those of the library, loaded on first use, and those that a user registers."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pathlib
import sys
from collections.abc import Iterator, Mapping
from types import ModuleType

from theory import references
from theory.claim import Claim
from theory.errors import ClaimUsageError, UnknownClaim, nearest

SYSTEMS = ("ghost", "sim", "adam")
"""Modules of this package that define CLAIMS."""


class Registry(Mapping[str, Claim]):
    """Mapping from id to claim. The library's own modules are imported when it is first read."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim] = {}
        self._loaded = False

    def __getitem__(self, claim_id: str) -> Claim:
        claims = self._all()
        if claim_id not in claims:
            raise UnknownClaim(f"There is no claim named {claim_id!r}; {nearest(claim_id, claims)}")
        return claims[claim_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __contains__(self, claim_id: object) -> bool:
        return claim_id in self._all()

    def add(self, claim: Claim) -> Claim:
        """Register one claim. The same id from another file is refused; from the same file it replaces."""
        if not isinstance(claim, Claim):
            raise ClaimUsageError(f"CLAIMS must hold Claim objects, got {claim!r}.")
        known = self._all().get(claim.id)
        if known is not None and known.origin != claim.origin:
            raise ClaimUsageError(f"{claim.origin} defines {claim.id}, which {known.origin} has already; rename it.")
        self._claims[claim.id] = claim
        return claim

    def _all(self) -> dict[str, Claim]:
        if not self._loaded:
            self._loaded = True  # before the imports, which may themselves look at the registry
            try:
                for system in SYSTEMS:
                    if importlib.util.find_spec(f"theory.{system}") is not None:
                        for claim in importlib.import_module(f"theory.{system}").CLAIMS:
                            self.add(claim)
            except BaseException:
                self._loaded = False
                raise
        return self._claims


CLAIMS = Registry()


def get_claim(claim_id: str) -> Claim:
    """The claim with this id, or `UnknownClaim` with the nearest ids."""
    return CLAIMS[claim_id]


def list_claims(prefix: str = "") -> tuple[Claim, ...]:
    """Claims whose id starts with `prefix`, in the order of their ids."""
    return tuple(CLAIMS[name] for name in sorted(CLAIMS) if name.startswith(prefix))


def register(claim: Claim) -> Claim:
    """Make a user's claim known by its id."""
    return CLAIMS.add(claim)


def load_claims(path: str | pathlib.Path) -> tuple[Claim, ...]:
    """Import a file by its path and register the claims in its tuple CLAIMS."""
    module = import_file(path)
    claims = getattr(module, "CLAIMS", None)
    if not isinstance(claims, tuple | list) or not claims:
        raise ClaimUsageError(f"{path} defines no claims; end it with CLAIMS = (my_claim,).")
    return tuple(register(claim) for claim in claims)


def import_file(path: str | pathlib.Path) -> ModuleType:
    """The module at `path`; its folder can be imported from while it loads, and its claims may
    cite what BibTeX files in that folder hold."""
    place = pathlib.Path(path).resolve()
    if not place.is_file():
        raise ClaimUsageError(f"There is no file {place}; give the path of a Python file that ends with CLAIMS.")
    name = f"{place.stem}_{hashlib.sha256(str(place).encode()).hexdigest()[:12]}"
    spec = importlib.util.spec_from_file_location(name, place)
    if spec is None or spec.loader is None:
        raise ClaimUsageError(f"{place} is not a Python file; give a path that ends in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    for bibliography in sorted(place.parent.glob("*.bib")):
        references.add_bibliography(bibliography)
    sys.path.append(str(place.parent))
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        sys.path.remove(str(place.parent))
    return module


def citation(claim: Claim | str) -> str:
    """BibTeX of the work that a claim comes from, of the one it corrects, and of the paper of its model."""
    return "\n\n".join(references.entry(key) for key in cited(claim))


def cited(claim: Claim | str) -> tuple[str, ...]:
    """Bibliography keys of `citation`."""
    claim = get_claim(claim) if isinstance(claim, str) else claim
    keys = [claim.source.key]
    keys += [get_claim(c.claim).source.key for c in claim.corrections if c.claim in CLAIMS]
    keys.append(references.SYSTEMS.get(claim.id.partition(".")[0]))
    return tuple(key for key in dict.fromkeys(keys) if key is not None)
