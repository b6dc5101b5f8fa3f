"""Trials of the claims about the ghost, by the comparison that they serve. Those of noise: runs/ghost_noise.py."""

from __future__ import annotations

from runs import trials_ghost_euler, trials_ghost_locking, trials_ghost_training, trials_ghost_window

TRIALS = {
    **trials_ghost_window.TRIALS,
    **trials_ghost_training.TRIALS,
    **trials_ghost_locking.TRIALS,
    **trials_ghost_euler.TRIALS,
}
