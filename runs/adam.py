"""Adam: the experiments."""

from __future__ import annotations

from runs.adam_stability import STABILITY

EXPERIMENTS = (STABILITY,)
