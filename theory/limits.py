"""A wall-clock limit on a block of code."""

from __future__ import annotations

import contextlib
import gc
import signal
import threading
import time
from collections.abc import Iterator

REPEAT = 0.25
"""Seconds between further attempts to interrupt."""
SOON = 1e-3
"""Seconds until the next attempt where garbage was being collected."""


class OutOfTime(BaseException):
    """The block ran past its limit. Not an Exception: libraries that swallow those must not swallow this."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `OutOfTime` in the block after `seconds`, again and again until the block is left.

    Once is not enough: python drops an exception that is raised while it finalises an object, and a library may swallow
    it. Never while garbage is collected: it would be lost, with a warning. Only the main thread can be interrupted;
    elsewhere there is no limit.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    inside, collecting = True, False

    def stop(signum: int, frame: object) -> None:
        if inside and collecting:
            signal.setitimer(signal.ITIMER_REAL, SOON, REPEAT)
        elif inside:
            raise OutOfTime

    def before_others(phase: str, info: object) -> None:
        nonlocal collecting
        if phase == "start":
            collecting = True

    def after_others(phase: str, info: object) -> None:
        nonlocal collecting
        if phase == "stop":
            collecting = False

    gc.callbacks.insert(0, before_others)
    gc.callbacks.append(after_others)
    before = signal.signal(signal.SIGALRM, stop)
    start = time.monotonic()
    outer, again = signal.setitimer(signal.ITIMER_REAL, seconds, REPEAT)
    if outer and outer < seconds:  # an enclosing limit that is due sooner counts here as well
        signal.setitimer(signal.ITIMER_REAL, outer, REPEAT)
    try:
        try:
            yield
        finally:
            inside = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.callbacks.remove(before_others)
        gc.callbacks.remove(after_others)
        if outer:  # an enclosing limit goes on, or fires at once if it has passed meanwhile
            signal.setitimer(signal.ITIMER_REAL, max(outer - (time.monotonic() - start), 1e-3), again)


def can_limit() -> bool:
    """Does `time_limit` work in this thread?"""
    return threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
