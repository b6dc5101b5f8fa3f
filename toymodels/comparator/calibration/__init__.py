"""How often does the rule reject a true law, or accept a wrong one? Measured on synthetic data of known truth.

Design rate: `rule.FALSE_ALARM` per comparison. The margin is taken as next to nothing, the harshest case: an alarm is
any interval that misses the truth.
"""

from toymodels.comparator.calibration.end_to_end import CASES, measure_case
from toymodels.comparator.calibration.scenario import Row, Scenario, measure
from toymodels.comparator.calibration.table import ALLOWED, REPETITIONS, calibration_table, scenarios

__all__ = [
    "ALLOWED",
    "CASES",
    "REPETITIONS",
    "Row",
    "Scenario",
    "calibration_table",
    "measure",
    "measure_case",
    "scenarios",
]
