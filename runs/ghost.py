"""Experiments on the ghost mechanism."""

from __future__ import annotations

from runs import (
    ghost_confidence,
    ghost_curve,
    ghost_locking,
    ghost_noise,
    ghost_onset,
    ghost_published,
    ghost_reduction,
    ghost_window,
)

EXPERIMENTS = (
    *ghost_onset.EXPERIMENTS,
    *ghost_window.EXPERIMENTS,
    *ghost_curve.EXPERIMENTS,
    *ghost_confidence.EXPERIMENTS,
    *ghost_published.EXPERIMENTS,
    *ghost_locking.EXPERIMENTS,
    *ghost_noise.EXPERIMENTS,
    *ghost_reduction.EXPERIMENTS,
)
