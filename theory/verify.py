"""Run the checks of claims' derivations, in worker processes that are stopped by force when they hang."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

from theory.certificate import STRENGTHS, Certificate
from theory.certificate_cache import CertificateCache
from theory.claim import Claim
from theory.worker import fingerprint, run_step

PACKAGE = pathlib.Path(__file__).parent
GRACE = 3.0  # seconds between the polite limit inside a worker and the kill
START_UP = 60.0  # seconds for a worker to import the file of claims


@dataclasses.dataclass(frozen=True)
class StepResult:
    """One step of a derivation and its certificate."""

    text: str
    certificate: Certificate
    tied: bool
    """Was the claim's statement itself in the check?"""
    cached: bool = False
    """Did it pass in an earlier call, with nothing changed since?"""


@dataclasses.dataclass(frozen=True)
class Verification:
    """The derivation of one claim, checked."""

    claim: str
    title: str
    statement: str
    steps: tuple[StepResult, ...]
    underived: str = ""
    """The claim's reason for having no derivation."""

    @property
    def passed(self) -> bool:
        """Every step holds, and one of them at least checks the statement itself."""
        return self.status == "holds"

    @property
    def acceptable(self) -> bool:
        """The derivation holds, or the claim says why it has none (a printed statement, say)."""
        return self.passed or self.status == "stated only"

    @property
    def status(self) -> str:
        """ "holds", "fails", "no derivation", "stated only" (without one on purpose) or "not tied".

        "not tied": the steps hold, but none of them receives the statement, so that a wrong one would pass as well.
        """
        if not self.steps:
            return "stated only" if self.underived else "no derivation"
        if not all(step.certificate.passed for step in self.steps):
            return "fails"
        return "holds" if any(step.tied for step in self.steps) else "not tied"

    @property
    def kind(self) -> str | None:
        """The weakest kind of check in the chain."""
        kinds = [step.certificate.kind for step in self.steps]
        return max(kinds, key=STRENGTHS.index, default=None)

    @property
    def digits(self) -> float | None:
        """The least number of digits attained (None: all steps exact)."""
        return min((s.certificate.digits for s in self.steps if s.certificate.digits is not None), default=None)

    @property
    def seconds(self) -> float:
        """Time spent in the checks."""
        return sum(step.certificate.seconds for step in self.steps)

    def __str__(self) -> str:
        lines = [f"{self.claim}: {self.status}", f"  {self.statement}"]
        for step in self.steps:
            mark, found = "holds" if step.certificate.passed else "FAILS", step.certificate
            digits = "exact" if found.digits is None else f"{found.digits:.0f} digits"
            if found.digits is None and found.kind == "numerical":
                digits = "to tolerance"
            words = [found.kind, digits, "cached" if step.cached else f"{found.seconds:.2g} s"]
            lines.append(f"  {mark}  {step.text}  [{', '.join(words)}] {'statement; ' * step.tied}{found.detail}")
        notes = {
            "not tied": "no step checks the statement itself; write a side as a function of `law`",
            "no derivation": "give derivation=(Step(...), ...), or say why there is none: underived=...",
            "stated only": f"no derivation: {self.underived}",
        }
        lines.append(f"  {notes.get(self.status) or f'weakest kind: {self.kind}'}")
        return "\n".join(lines)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        steps = [
            {"text": step.text, "tied": step.tied, "cached": step.cached, **step.certificate.as_dict()}
            for step in self.steps
        ]
        names = ("passed", "status", "kind", "digits", "seconds", "underived")
        summary = {name: getattr(self, name) for name in names}
        return {"claim": self.claim, "title": self.title, "statement": self.statement, **summary, "steps": steps}


def verify(
    claims: Claim | Iterable[Claim],
    jobs: int = 2,
    time_limit: float = 60.0,
    cache: str | pathlib.Path | None = None,
    progress: Callable[[str, Certificate], None] | None = None,
    fresh: bool = False,
) -> list[Verification]:
    """Check every step of the claims, `jobs` at a time, each within `time_limit` seconds.

    With a folder `cache`, steps that passed before are not run again while nothing that they depend on has changed
    (`theory.certificate_cache`); `fresh` runs them all and renews what is kept there.
    `progress` is called with (claim id, certificate).
    A claim that no worker can find (typed at a prompt, say) is checked in this process.
    """
    claims = [claims] if isinstance(claims, Claim) else list(claims)
    tasks = [(claim, index) for claim in claims for index in range(len(claim.derivation))]
    store = CertificateCache(pathlib.Path(cache)) if cache is not None else None
    results: dict[tuple[int, int], Certificate] = {}
    remembered: set[tuple[int, int]] = set()

    def finish(claim: Claim, index: int, certificate: Certificate) -> None:
        results[id(claim), index] = certificate
        if store is not None and (id(claim), index) not in remembered:
            store.write(claim, index, certificate)
        if progress is not None:
            progress(claim.id, certificate)

    waiting = []
    for claim, index in tasks:
        known = store.read(claim, index) if store is not None and not fresh else None
        if known is not None:
            remembered.add((id(claim), index))
            finish(claim, index, known)
        else:
            waiting.append((claim, index))
    here = [task for task in waiting if not _reachable(task[0])]
    away = [task for task in waiting if _reachable(task[0])]
    here += _run_in_workers(away, jobs, time_limit, finish)
    for claim, index in here:
        finish(claim, index, run_step(claim, index, time_limit))
    return [
        Verification(
            c.id, c.title, c.statement_text,
            tuple(
                StepResult(step.text, results[id(c), k], step.check.tied, (id(c), k) in remembered)
                for k, step in enumerate(c.derivation)
            ),
            c.underived,
        )
        for c in claims
    ]  # fmt: skip


def _reachable(claim: Claim) -> bool:
    """Can another process import the file? Not the running script, which would start all over again."""
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    same = script is not None and pathlib.Path(claim.origin).resolve() == pathlib.Path(script).resolve()
    return not same and pathlib.Path(claim.origin).is_file()


def _run_in_workers(
    tasks: list[tuple[Claim, int]], jobs: int, limit: float, finish: Callable[[Claim, int, Certificate], None]
) -> list[tuple[Claim, int]]:
    """Run tasks; return those whose claim no worker could find."""
    workers: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
    crew = [_Worker() for _ in range(max(1, min(jobs, len(tasks))))]
    for worker in crew:
        workers.put(worker)

    def run(task: tuple[Claim, int]) -> Certificate | None:
        worker = workers.get()
        try:
            return worker.run(*task, limit)
        finally:
            workers.put(worker)

    homeless = []
    with concurrent.futures.ThreadPoolExecutor(len(crew)) as pool:
        futures = {pool.submit(run, task): task for task in tasks}
        try:
            for future in concurrent.futures.as_completed(futures):
                certificate = future.result()
                if certificate is None:
                    homeless.append(futures[future])
                else:
                    finish(*futures[future], certificate)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in crew:
                worker.stop()
    return homeless


class _Worker:
    """One worker process, started when needed and again after it had to be killed."""

    def __init__(self) -> None:
        self.process: subprocess.Popen[str] | None = None

    def run(self, claim: Claim, index: int, limit: float) -> Certificate | None:
        """The certificate of one step; None if the worker does not find the claim."""
        kind = claim.derivation[index].check.kind
        request = {"origin": claim.origin, "fingerprint": fingerprint(claim), "step": index, "time_limit": limit}
        process = self._running()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except OSError:
            self.stop()
            return Certificate(kind, False, None, 0.0, "the worker process could not be reached")
        first = self._answer(START_UP)
        if first is None:
            return Certificate(kind, False, None, START_UP, f"{claim.origin} did not load within {START_UP:g} s")
        if "unavailable" in first:
            return Certificate(kind, False, None, 0.0, first["unavailable"]) if first["unavailable"] else None
        last = self._answer(limit + GRACE)
        if last is None:
            words = f"stopped by force: not decided within {limit:g} s, or it crashed"
            return Certificate(kind, False, None, limit, words)
        return Certificate(**last)

    def stop(self) -> None:
        """Kill the process, if any."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            for pipe in (self.process.stdin, self.process.stdout):
                assert pipe is not None
                with contextlib.suppress(OSError):  # unsent bytes of a dead process
                    pipe.close()
            self.process = None

    def _answer(self, limit: float) -> dict[str, Any] | None:
        """The next answer, or None (and a dead process) after `limit` seconds."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        alarm = threading.Timer(limit, process.kill)
        alarm.start()
        try:
            line = process.stdout.readline()
        finally:
            alarm.cancel()
        if not line:
            self.stop()
            return None
        return json.loads(line)

    def _running(self) -> subprocess.Popen[str]:
        if self.process is None:
            path = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
            # One thread each: the workers are the parallelism.
            threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
            self.process = subprocess.Popen(
                [sys.executable, "-m", "theory.worker"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                env={**os.environ, **threads, "PYTHONPATH": path},
            )  # fmt: skip
        return self.process
