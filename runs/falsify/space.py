"""The space that is searched: a unit cube whose points become short decimal numbers and names."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from runs.trial import POINT, Choice, Range
from toymodels.errors import UsageError, unknown

Value = float | int | str
Point = dict[str, Value]
DIGITS = 4
"""Significant digits of searched numbers: enough for any law, few enough to be printed and typed in."""
EDGE = 0.05
"""Share of the unit interval, at each end, that is mapped to the end of a range: laws fail first at edges."""


@dataclasses.dataclass(frozen=True)
class Space:
    """Search variables with their ranges, and those that are fixed."""

    owner: str
    variables: Mapping[str, Range | Choice]
    fixed: Mapping[str, Value] = dataclasses.field(default_factory=dict)

    @property
    def free(self) -> list[str]:
        """Names of the variables that are searched over."""
        return [name for name in self.variables if name not in self.fixed]

    def widened(self, items: Iterable[str]) -> Space:
        """With the ranges of `NAME=LOW,HIGH` (or names, for a choice) in place of the declared ones."""
        variables = dict(self.variables)
        for item in items:
            name, _, text = item.partition("=")
            old = self._variable(name.strip())
            parts = [part.strip() for part in text.split(",") if part.strip()]
            if isinstance(old, Choice):
                for part in parts:
                    _known(old, name, part)
                if not parts:
                    raise UsageError(f"--widen {item!r} names no value; allowed: {', '.join(old.known or old.values)}.")
                variables[name.strip()] = dataclasses.replace(old, values=tuple(parts))
                continue
            if len(parts) != 2:
                raise UsageError(
                    f"--widen {item!r} is not of the form NAME=LOW,HIGH, for example {name}={old.low:g},{old.high:g}."
                )
            low, high = (_number(part, f"--widen {item}") for part in parts)
            if not low < high or (old.log and low <= 0):
                above = "0 < LOW < HIGH" if old.log else "LOW < HIGH"
                raise UsageError(f"--widen {item!r} needs {above}; the declared range is {old.low:g} to {old.high:g}.")
            variables[name.strip()] = dataclasses.replace(old, low=low, high=high)
        return dataclasses.replace(self, variables=variables)

    def fixing(self, values: Mapping[str, object]) -> Space:
        """With some variables fixed. Numbers may lie outside the range: the claim's domain decides then."""
        fixed = dict(self.fixed)
        for name, value in values.items():
            variable = self._variable(name)
            if isinstance(value, list):
                raise UsageError(f"--set {name} has several values; one fixes it, --widen {name}=LOW,HIGH searches.")
            if isinstance(variable, Choice):
                fixed[name] = _known(variable, name, value if isinstance(value, str) else text(float(str(value))))
            elif isinstance(value, str) or not isinstance(value, int | float) or not math.isfinite(value):
                raise UsageError(f"--set {name}={value} is not a number.")
            elif variable.integer and value != round(value):
                raise UsageError(f"--set {name}={value:g} must be a whole number.")
            else:
                fixed[name] = int(value) if variable.integer else float(value)
        return dataclasses.replace(self, fixed=fixed)

    def point(self, cube: Sequence[float] | np.ndarray) -> Point:
        """The point at coordinates of the unit cube, one for each free variable."""
        found = dict(self.fixed)
        for name, u in zip(self.free, cube, strict=True):
            found[name] = _value(self.variables[name], float(u))
        return {name: found[name] for name in self.variables}

    def outside(self, point: Mapping[str, Value]) -> list[str]:
        """Names of the numbers of `point` that lie outside their ranges."""
        return [
            name
            for name, variable in self.variables.items()
            if isinstance(variable, Range) and not variable.low <= float(point[name]) <= variable.high
        ]

    def dataset(self, points: Sequence[Point]) -> xr.Dataset:
        """Points that agree in all choices, as the dataset that a trial is given."""
        variables = {
            name: (
                ((), points[0][name])
                if isinstance(variable, Choice)
                else (POINT, np.array([point[name] for point in points], dtype=int if variable.integer else float))
            )
            for name, variable in self.variables.items()
        }
        return xr.Dataset(variables)

    def groups(self, points: Sequence[Point]) -> list[list[int]]:
        """Indexes of points that agree in all choices."""
        names = [name for name, variable in self.variables.items() if isinstance(variable, Choice)]
        found: dict[tuple[Value, ...], list[int]] = {}
        for index, point in enumerate(points):
            found.setdefault(tuple(point[name] for name in names), []).append(index)
        return list(found.values())

    def _variable(self, name: str) -> Range | Choice:
        if name not in self.variables:
            raise unknown(f"search variable of {self.owner}", name, self.variables)
        return self.variables[name]


def describe(point: Mapping[str, Value]) -> str:
    """The point as `name = value, ...`."""
    return ", ".join(f"{name} = {text(value)}" for name, value in point.items())


def text(value: Value) -> str:
    """A value as it is typed: the shortest text that is read as the same number."""
    return value if isinstance(value, str) else f"{value:.12g}"


def significant(x: float, digits: int) -> float:
    """`x` to some significant digits."""
    return float(f"{x:.{digits - 1}e}")


def _value(variable: Range | Choice, u: float) -> Value:
    if isinstance(variable, Choice):
        return variable.values[min(int(u * len(variable.values)), len(variable.values) - 1)]
    share = min(max((u - EDGE) / (1 - 2 * EDGE), 0.0), 1.0)
    if share in (0.0, 1.0):
        x = variable.high if share else variable.low
    elif variable.log:
        x = variable.low * (variable.high / variable.low) ** share
    else:
        x = variable.low + (variable.high - variable.low) * share
    x = float(min(max(significant(x, DIGITS), variable.low), variable.high))
    return round(x) if variable.integer else x


def _known(choice: Choice, name: str, value: str) -> str:
    allowed = choice.known or choice.values
    if value not in allowed:
        raise unknown(f"value of {name}", value, allowed)
    return value


def _number(part: str, where: str) -> float:
    try:
        number = float(part)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"{where}: {part!r} is not a finite number.")
    return number
