"""`--set name=values`: commas separate the values of an axis, brackets make a vector."""

from __future__ import annotations

import ast
import typing
from collections.abc import Iterable, Mapping
from typing import Any

from toymodels.errors import UsageError

Value = float | str | list[Any]


def settings(items: Iterable[str]) -> dict[str, Value]:
    """Parse repeated `name=values`: one value stays a scalar (or one vector), several become a list.

    >>> settings(["T=100,200", "mu=[1,2],[1,3]", "scheme=euler"])
    {'T': [100.0, 200.0], 'mu': [[1.0, 2.0], [1.0, 3.0]], 'scheme': 'euler'}
    """
    parsed: dict[str, Value] = {}
    for item in items:
        name, separator, text = item.partition("=")
        name = name.strip()
        if not separator or not name or not text.strip():
            raise UsageError(f"--set {item!r} is not of the form name=values, for example --set T=100,200.")
        if name in parsed:
            raise UsageError(f"--set {name} was given twice; separate several values by commas: {name}=1,2.")
        values = [_value(piece, item) for piece in _split(text, item)]
        parsed[name] = values[0] if len(values) == 1 else values
    return parsed


def static_settings(values: dict[str, Value], types: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Value]]:
    """Split settings into static ones and sweepable ones. `types`: annotations of the static ones, by name."""
    static = {name: _static(name, value, types[name]) for name, value in values.items() if name in types}
    return static, {name: value for name, value in values.items() if name not in types}


def _static(name: str, value: Value, annotation: Any) -> Any:
    """The value as its annotation wants it: numbers of a tuple, true or false, whole numbers as int."""
    accepted = typing.get_args(annotation) or (annotation,)
    if tuple in accepted and not isinstance(value, str):
        return tuple(value) if isinstance(value, list) else (value,)
    if isinstance(value, list):
        raise UsageError(f"{name} is a static setting and takes one value; run once per value instead.")
    if bool in accepted and str(value).lower() in ("true", "false"):
        return str(value).lower() == "true"
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _split(text: str, item: str) -> list[str]:
    """Split at the commas outside brackets."""
    pieces, depth, start = [], 0, 0
    for position, character in enumerate(text):
        depth += (character in "[(") - (character in "])")
        if depth < 0:
            break
        if character == "," and depth == 0:
            pieces.append(text[start:position])
            start = position + 1
    if depth != 0:
        raise UsageError(f"--set {item!r} has unbalanced brackets.")
    return [*pieces, text[start:]]


def _value(piece: str, item: str) -> Value:
    piece = piece.strip()
    if not piece:
        raise UsageError(f"--set {item!r} has an empty value between commas.")
    if piece.startswith("["):
        try:
            return _floats(ast.literal_eval(piece))
        except (ValueError, SyntaxError, TypeError) as error:
            raise UsageError(f"--set {item!r}: {piece} is not a vector of numbers such as [1,2].") from error
    try:
        return float(piece)
    except ValueError:
        return piece


def _floats(nested: Any) -> Any:
    return [_floats(entry) for entry in nested] if isinstance(nested, list) else float(nested)
