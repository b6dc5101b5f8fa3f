"""Shared set-up: two host devices, float64, strict rank promotion, types checked at run time."""

from __future__ import annotations

import os
import pathlib

# Must be set before jax starts its backends.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2".strip()
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("MPLBACKEND", "agg")

import example_claims
import jax
import pytest
from jaxtyping import install_import_hook

from theory.registry import CLAIMS

# Annotations are checked at run time, in tests only, where the tests do not pass wrong types on purpose to see the
# sentence that a user gets.
install_import_hook("toymodels.comparator", "beartype.beartype")

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def user_file(tmp_path: pathlib.Path) -> pathlib.Path:
    """A user's file of claims."""
    path = tmp_path / "user_claims.py"
    path.write_text(example_claims.FILE)
    return path


@pytest.fixture
def forget_user_claims():
    """What a test registers is gone after it."""
    known = dict(CLAIMS)
    yield
    for name in set(CLAIMS) - set(known):
        del CLAIMS._claims[name]
