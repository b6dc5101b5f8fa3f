"""A process that runs checks: one JSON request a line in, one JSON answer a line out.

A request names a claim by file and id, and a step by its index; nothing is pickled. Started by `theory.verify`.
"""

from __future__ import annotations

import importlib
import json
import pathlib
import sys
from types import ModuleType
from typing import Any

from theory.certificate import Certificate
from theory.claim import Claim
from theory.registry import CLAIMS, import_file
from theory.statement import Formula

PACKAGE = pathlib.Path(__file__).parent
_modules: dict[str, ModuleType] = {}


def fingerprint(claim: Claim) -> list[str]:
    """What must agree for two declarations to be the same claim (another with its id may hide it)."""
    return [claim.id, claim.statement_text, *(f"{step.check.kind}: {step.text}" for step in claim.derivation)]


def run_step(claim: Claim, index: int, time_limit: float) -> Certificate:
    """Run one step here, with the claim's statement for the sides that ask for it."""
    statement = claim.statement
    law = statement.expression if isinstance(statement, Formula) else statement
    return claim.derivation[index].check.run(time_limit, law)


def find_claim(origin: str, wanted: list[str]) -> Claim | None:
    """The claim with this fingerprint of the file `origin` (in its CLAIMS, or any module-level name), or None."""
    if origin not in _modules:
        place = pathlib.Path(origin)
        inside = place.parent == PACKAGE
        _modules[origin] = importlib.import_module(f"theory.{place.stem}") if inside else import_file(place)
    module = _modules[origin]
    candidates = [*getattr(module, "CLAIMS", ()), *vars(module).values()]
    if pathlib.Path(origin).parent == PACKAGE:
        candidates += CLAIMS.values()
    return next((c for c in candidates if isinstance(c, Claim) and fingerprint(c) == wanted), None)


def main() -> None:
    """Serve until the input ends."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a check prints must not disturb the answers

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    for line in sys.stdin:
        request = json.loads(line)
        try:
            claim = find_claim(request["origin"], request["fingerprint"])
        except Exception as error:  # the file does not load here
            answer({"unavailable": f"{request['origin']} cannot be loaded: {type(error).__name__}: {error}"})
            continue
        if claim is None:
            answer({"unavailable": ""})
            continue
        answer({"started": True})
        answer(run_step(claim, request["step"], request["time_limit"]).as_dict())


if __name__ == "__main__":
    main()
