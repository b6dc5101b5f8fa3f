"""From what a user gives (numbers, numpy, xarray; symbols or the inputs they follow from) to labelled symbol values."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import xarray as xr

from theory.errors import ClaimUsageError, nearest
from theory.vocabulary import Entry, Vocabulary, domain_text

AXIS = "_axis"


@dataclasses.dataclass(frozen=True)
class Binding:
    """Values of symbols as DataArrays that broadcast by dim, with what is needed to undo the labelling.

    `given` holds what was given, with labels, before symbols were computed from it.
    """

    given: dict[str, xr.DataArray]
    arrays: dict[str, xr.DataArray]
    inside: xr.DataArray
    own_dims: tuple[str, ...]
    numpy_shape: tuple[int, ...] | None
    scalar: bool

    def unlabel(self, result: xr.DataArray) -> Any:
        """float for scalars, ndarray for numpy input, DataArray otherwise."""
        own = [d for d in self.own_dims if d in result.dims]
        if self.numpy_shape is None:
            return result.transpose(*[d for d in result.dims if d not in own], *own)
        rank = len(self.numpy_shape)
        lead = [f"{AXIS}{rank - 1 - k}" for k in range(rank)]
        shape = {d: n for d, n in zip(lead, self.numpy_shape, strict=True)}
        result = result.expand_dims({d: n for d, n in shape.items() if d not in result.dims}).transpose(*lead, *own)
        return float(result.values) if self.scalar and result.ndim == 0 else np.array(result.values)


def bind(
    owner: str,
    vocabulary: Vocabulary,
    values: Mapping[str, Any],
    required: Iterable[str],
    optional: Iterable[str] = (),
    *,
    strict: bool,
    name_axes: bool = False,
) -> Binding:
    """Resolve the `required` symbols (and the `optional` ones that can be) from `values`.

    `strict` raises for any value outside its domain; otherwise such points are marked in `inside`, and only an
    input without a single valid value raises. With `name_axes` a plain sequence becomes an axis named after its symbol
    (distinct symbols multiply), otherwise plain arrays broadcast as in numpy.
    """
    required, optional = list(required), list(optional)
    accepted = acceptable(vocabulary, [*required, *optional])
    for name in values:
        if name not in accepted:
            why = f"{owner} does not use {name!r}" if name in vocabulary else f"{owner} has no symbol {name!r}"
            raise ClaimUsageError(f"{why}; {nearest(name, accepted)}")
    given = {name: _labelled(owner, vocabulary[name], value, name_axes) for name, value in values.items()}
    _check_sizes(owner, given)
    resolver = _Resolver(owner, vocabulary, given, strict)
    arrays = {name: resolver.value(name) for name in required}
    arrays |= {name: resolver.value(name) for name in optional if name not in arrays and resolver.available(name)}
    for name in given:
        if name not in resolver.used and name not in arrays:
            users = [n for n in given if n != name and name in accepted_by(vocabulary, n)]
            were = "was" if len(users) < 2 else "were"
            raise ClaimUsageError(
                f"{owner}: {name} is not used, because {' and '.join(users) or 'the symbol'} {were} given directly; "
                f"leave one of them out."
            )
    inside = xr.DataArray(True)
    for mask in resolver.masks:
        inside = inside & mask
    labelled = any(isinstance(v, xr.DataArray | tuple) for v in values.values()) or name_axes
    shape = None if labelled else np.broadcast_shapes(*(_lead_shape(vocabulary[n], v) for n, v in values.items()))
    own = tuple(dict.fromkeys(d for name in arrays for d in vocabulary[name].dims))
    scalar = not labelled and all(np.ndim(v) == 0 and not isinstance(v, np.ndarray) for v in values.values())
    scalar = scalar or (shape == () and not any(d in a.dims for a in arrays.values() for d in own))
    return Binding(given, arrays, inside, own, shape, scalar)


def accepted_by(vocabulary: Vocabulary, name: str) -> list[str]:
    """The names from which `name` can be computed, itself first."""
    found = [name]
    derived = vocabulary[name].derived
    for source in derived.inputs if derived else ():
        found += [n for n in accepted_by(vocabulary, source) if n not in found]
    return found


def acceptable(vocabulary: Vocabulary, names: Iterable[str]) -> list[str]:
    """All names that may be given where the symbols `names` are needed."""
    return list(dict.fromkeys(n for name in names for n in accepted_by(vocabulary, name)))


class _Resolver:
    """Looks up or computes values by name, once each, and remembers what was used."""

    def __init__(self, owner: str, vocabulary: Vocabulary, given: dict[str, xr.DataArray], strict: bool) -> None:
        self.owner, self.vocabulary, self.strict = owner, vocabulary, strict
        self.known: dict[str, xr.DataArray] = {}
        self.used: set[str] = set()
        self.masks: list[xr.DataArray] = []
        self.given = {name: self._checked(vocabulary[name], array, None) for name, array in given.items()}

    def available(self, name: str) -> bool:
        derived = self.vocabulary[name].derived
        return name in self.given or (derived is not None and all(map(self.available, derived.inputs)))

    def value(self, name: str) -> xr.DataArray:
        if name in self.given:
            self.used.add(name)
            return self.given[name]
        if name not in self.known:
            self.known[name] = self._compute(self.vocabulary[name])
        return self.known[name]

    def _compute(self, entry: Entry) -> xr.DataArray:
        if not self.available(entry.name):
            ways = entry.name
            if entry.derived:
                ways += f" (or {' and '.join(entry.derived.inputs)})"
            raise ClaimUsageError(
                f"{self.owner} needs a value for {entry.name}: {entry.meaning} (unit {entry.unit}, domain "
                f"{domain_text(entry.domain)}); give {ways}."
            )
        assert entry.derived is not None
        sources = [self.value(name) for name in entry.derived.inputs]
        own = [list(self.vocabulary[name].dims) for name in entry.derived.inputs]
        for name, array, dims in zip(entry.derived.inputs, sources, own, strict=True):
            missing = [d for d in dims if d not in array.dims]
            if missing:
                raise ClaimUsageError(
                    f"{self.owner}: {name} must be an array over {', '.join(dims)} to compute {entry.name}, but has no "
                    f"axis {missing[0]}; give for example {name}={'[1, 2]' if len(dims) == 1 else '[[1, 0], [0, 1]]'}."
                )
        with np.errstate(all="ignore"):
            result = xr.apply_ufunc(
                entry.derived.function, *sources, input_core_dims=own, output_core_dims=[list(entry.dims)], join="exact"
            )
        return self._checked(entry, result.astype(float), entry.derived.inputs)

    def _checked(self, entry: Entry, array: xr.DataArray, sources: tuple[str, ...] | None) -> xr.DataArray:
        mask = entry.contains(array.values)
        if not mask.all() and (self.strict or (sources is None and not mask.any())):
            bad = array.values[~mask].flat[0]
            how = f" (computed from {', '.join(sources)})" if sources else ""
            raise ClaimUsageError(
                f"{self.owner}: {entry.name}{how} = {bad:g} is outside its domain {domain_text(entry.domain)} "
                f"(unit {entry.unit}); {entry.name} is the {_article_free(entry.meaning)}."
            )
        if entry.symbol is not None:
            # Points outside become NaN, so that no formula is evaluated where it was not declared.
            self.masks.append(array.copy(data=mask))
            array = array.where(array.copy(data=mask))
        return array


def _article_free(meaning: str) -> str:
    return meaning[4:] if meaning.startswith("the ") else meaning


def _lead_shape(entry: Entry, value: Any) -> tuple[int, ...]:
    shape = np.shape(value)
    return shape[: len(shape) - len(entry.dims)] if shape else ()


def _labelled(owner: str, entry: Entry, value: Any, name_axes: bool) -> xr.DataArray:
    """`value` as a float DataArray whose dims are sweep axes followed by the entry's own dims."""
    kind = f"{owner}: {entry.name} ({entry.meaning}, unit {entry.unit})"
    try:
        if isinstance(value, xr.DataArray):
            return value.astype(float)
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str | tuple):
            dims, data = value
            return xr.DataArray(np.asarray(data, dtype=float), dims=dims)
        array = np.asarray(value, dtype=float)
    except (TypeError, ValueError) as error:
        raise ClaimUsageError(f"{kind} must be a number, an array or a DataArray; got {value!r}.") from error
    if array.ndim == 0:
        return xr.DataArray(array)
    lead = array.ndim - len(entry.dims)
    if lead < 0:
        raise ClaimUsageError(
            f"{kind} has the axes {', '.join(entry.dims)}; got an array with {array.ndim} axis, of shape {array.shape}."
        )
    if name_axes:
        if lead > 1:
            raise ClaimUsageError(
                f'{kind} has {lead} unnamed axes; name them: (("first", "second"), array) or a DataArray.'
            )
        dims = [entry.name] * lead + list(entry.dims)
        coords = {entry.name: array} if lead == 1 and not entry.dims else {}
        return xr.DataArray(array, dims=dims, coords=coords)
    # Axis numbers count from the right and axes of length one are dropped, as numpy broadcasts.
    dims = [f"{AXIS}{lead - 1 - k}" for k in range(lead)] + list(entry.dims)
    single = [d for d, n in zip(dims[:lead], array.shape[:lead], strict=True) if n == 1]
    return xr.DataArray(array, dims=dims).isel(dict.fromkeys(single, 0))


def _check_sizes(owner: str, given: dict[str, xr.DataArray]) -> None:
    seen: dict[str, tuple[str, int, Any]] = {}
    for name, array in given.items():
        for dim, size in array.sizes.items():
            axis = f"axis {int(str(dim)[len(AXIS) :]) + 1} from the right" if str(dim).startswith(AXIS) else str(dim)
            index = array.indexes.get(dim)
            other, length, labels = seen.setdefault(str(dim), (name, size, index))
            if length != size:
                raise ClaimUsageError(
                    f"{owner}: {name} has {size} entries along {axis}, but {other} has {length}; make them equal."
                )
            if index is not None and labels is not None and not index.equals(labels):
                raise ClaimUsageError(
                    f"{owner}: the labels of {name} and {other} along {axis} differ; select the same ones first."
                )
