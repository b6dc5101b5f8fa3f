"""A user's own runs, from any framework, in the place of the simulation."""

from runs.userdata.compare import Answer, compare_data
from runs.userdata.request import Request

__all__ = ["Answer", "Request", "compare_data"]
