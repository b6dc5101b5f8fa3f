"""Columns and small formulas of columns: `exp(log_max_update)`, `learning_rate * step`, 0.01."""

from __future__ import annotations

import ast
import math
import operator
import re
from collections.abc import Callable
from typing import Any

import numpy as np

from toymodels.errors import UsageError, unknown

FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "exp": np.exp,
    "log": np.log,
    "log10": np.log10,
    "log2": np.log2,
    "sqrt": np.sqrt,
    "square": np.square,
    "abs": np.abs,
}
OPERATORS: dict[type[ast.AST], Callable[..., Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
}
CONSTANTS = {"pi": math.pi, "e": math.e}
QUOTED = re.compile(r"`([^`]*)`")


def evaluate(text: str, column: Callable[[str], Any], has: Callable[[str], bool], flag: str) -> Any:
    """The value of `text`: a column as it is called, or a formula of columns and numbers.

    A name with spaces or other signs stands in backticks inside a formula. `column` gives the numbers of a name, `has`
    says whether there are any; `flag` names the option in errors. Raises `UsageError`.
    """
    text = text.strip()
    if has(text):
        return column(text)
    quoted: list[str] = []

    def stand_in(match: re.Match[str]) -> str:
        quoted.append(match.group(1))
        return f"_quoted_{len(quoted) - 1}"

    try:
        tree = ast.parse(QUOTED.sub(stand_in, text), mode="eval").body
    except (SyntaxError, ValueError):
        if re.fullmatch(r"[\w .\[\]()-]+", text):
            return column(text)  # which says what columns there are
        raise UsageError(
            f"{flag} {text!r} is neither a column nor a formula of columns; allowed are numbers, + - * / **, "
            f"{', '.join(FUNCTIONS)}, and names with other signs in `backticks`."
        ) from None

    def value(node: ast.AST) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return float(node.value)
        if isinstance(node, ast.Name):
            name = quoted[int(node.id[8:])] if re.fullmatch(r"_quoted_\d+", node.id) else node.id
            return CONSTANTS[name] if name in CONSTANTS and not has(name) else column(name)
        if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.left), value(node.right))
        if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
            return OPERATORS[type(node.op)](value(node.operand))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) == 1 and not node.keywords:
            if node.func.id not in FUNCTIONS:
                raise unknown("function for columns", node.func.id, FUNCTIONS)
            return FUNCTIONS[node.func.id](value(node.args[0]))
        raise UsageError(
            f"{flag} {text!r} holds more than a formula of columns; allowed are numbers, column names, + - * / ** and "
            f"{', '.join(FUNCTIONS)}."
        )

    try:
        with np.errstate(all="ignore"):
            return value(tree)
    except (ZeroDivisionError, OverflowError) as error:
        raise UsageError(f"{flag} {text!r} has no finite value: {error}.") from error
