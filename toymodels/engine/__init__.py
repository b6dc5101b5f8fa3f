"""The engine room: a sweep becomes compiled programs, chunks, a store, and one labelled result."""

from toymodels.engine.runtime import configure

configure()

from toymodels.engine.bisect import OnsetStatus, bisect_onset  # noqa: E402
from toymodels.engine.executors import EXECUTORS, Executor, open_executor  # noqa: E402
from toymodels.engine.explain import Explanation, explain  # noqa: E402
from toymodels.engine.finalise import open_result, save_netcdf  # noqa: E402
from toymodels.engine.run import run, simulate_one  # noqa: E402
from toymodels.engine.sweep import Sweep  # noqa: E402

__all__ = [
    "EXECUTORS",
    "Executor",
    "Explanation",
    "OnsetStatus",
    "Sweep",
    "bisect_onset",
    "explain",
    "open_executor",
    "open_result",
    "run",
    "save_netcdf",
    "simulate_one",
]
