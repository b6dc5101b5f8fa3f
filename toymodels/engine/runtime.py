"""How jax is set up: precision, host devices, compile cache, mesh, compiler options."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
from jax.sharding import AxisType, Mesh

RUN_AXIS = "run"
VECTOR_WIDTH = {"xla_cpu_prefer_vector_width": 512}


def configure() -> None:
    """Enable float64, one host device per core, and the persistent compile cache. Called once, on import.

    What the user has set beforehand (XLA_FLAGS, JAX_NUM_CPU_DEVICES, JAX_COMPILATION_CACHE_DIR) stays.
    """
    jax.config.update("jax_enable_x64", True)
    flags = os.environ.get("XLA_FLAGS", "")
    unset = jax.config.jax_num_cpu_devices < 1  # type: ignore[attr-defined]
    if unset and "xla_force_host_platform_device_count" not in flags:
        # If jax has already started, it keeps the devices it has.
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", cores())
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    unset = jax.config.jax_compilation_cache_dir is None  # type: ignore[attr-defined]
    if unset and "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        directory = _cache_directory()
        if directory is not None:
            jax.config.update("jax_compilation_cache_dir", str(directory))


def cores() -> int:
    """Processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _cache_directory() -> Path | None:
    """A user cache directory, one per kind of processor: compiled code does not travel. None if not
    writable."""
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        root = Path(base) if base else Path.home() / ".cache"
    except RuntimeError:
        return None
    existing = root
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    if not os.access(existing, os.W_OK):
        return None
    return root / "toymodels" / "jax" / hashlib.sha256(_cpu_features().encode()).hexdigest()[:12]


@functools.cache
def _cpu_features() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith(("flags", "Features"))), platform.machine())


@functools.cache
def compiler_options() -> dict[str, int]:
    """Wide vectors where the processor has them and this version of XLA knows the option."""
    if jax.default_backend() != "cpu" or "avx512f" not in _cpu_features():
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=VECTOR_WIDTH)(np.float32(0)).block_until_ready()
    except jax.errors.JaxRuntimeError:
        return {}
    return VECTOR_WIDTH


def run_mesh(devices: Sequence[jax.Device]) -> Mesh:
    """All devices along one axis, over which the runs are dealt out."""
    return Mesh(np.array(devices), (RUN_AXIS,), axis_types=(AxisType.Auto,))
