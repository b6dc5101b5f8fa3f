"""float64 inside a function of the public interface, whatever the caller's default is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import jax


@contextmanager
def double() -> Iterator[None]:
    """Compute in float64: a ghost with r = 1e-8 is beyond float32."""
    with jax.enable_x64(True):
        yield
