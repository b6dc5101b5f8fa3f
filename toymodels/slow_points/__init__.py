"""Slow points of any vector field or map: fixed points, ghosts, plain slow regions. See docs/slow_points.md."""

from toymodels.slow_points.find import find_slow_points
from toymodels.slow_points.points import Kind, SlowPoint, SlowPoints

__all__ = ["Kind", "SlowPoint", "SlowPoints", "find_slow_points"]
