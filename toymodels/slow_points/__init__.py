"""Slow points of any vector field or map: fixed points, ghosts, plain slow regions. See docs/slow_points.md."""

from toymodels.slow_points.continuation import (
    FixedPointBranch,
    GhostBranch,
    SaddleNode,
    continue_fixed_point,
    continue_ghost,
    find_saddle_node,
)
from toymodels.slow_points.find import find_slow_points
from toymodels.slow_points.points import Kind, SlowPoint, SlowPoints

__all__ = [
    "FixedPointBranch",
    "GhostBranch",
    "Kind",
    "SaddleNode",
    "SlowPoint",
    "SlowPoints",
    "continue_fixed_point",
    "continue_ghost",
    "find_saddle_node",
    "find_slow_points",
]
