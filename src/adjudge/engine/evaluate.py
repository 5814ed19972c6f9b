"""One expression for one event, as written: to try a rule, for tests and documents; not for deciding."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

import numpy as np

from adjudge.define.check import check
from adjudge.define.expression import parse
from adjudge.define.functions import Type
from adjudge.engine.vm import Slot, compile_program, list_type
from adjudge.errors import DefinitionError

Value: TypeAlias = float | bool | str | datetime | tuple[float, float] | None
"""A value as people write it: a time is an aware datetime, a place (latitude, longitude), None is missing."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def evaluate(
    text: str,
    event: Mapping[str, Value],
    *,
    types: Mapping[str, Type] | None = None,
    lists: Mapping[str, Collection[str | float]] | None = None,
) -> float | bool | str | None:
    """Return what an expression gives for one event, through the kernel that decisions go through.

    Parameters
    ----------
    text
        The expression.
    event
        The value of each name; the type is that of the value, a missing one being a number.
    types
        Types that differ from this, such as that of a missing text.
    lists
        The elements of named lists.

    Returns
    -------
    float, bool, str or None
        The value; None where it is missing.

    Raises
    ------
    DefinitionError
        If the expression is wrong, or a value is of no type of the language.

    Examples
    --------
    >>> evaluate("amount > 3 * mean", {"amount": 100.0, "mean": 20.0})
    True
    >>> evaluate("amount > 3 * mean", {"amount": 100.0, "mean": None}) is None
    True
    """
    texts: list[str] = [""]

    def number(value: str) -> int:
        if value not in texts:
            texts.append(value)
        return texts.index(value)

    columns: list[list[float]] = []
    scope: dict[str, Slot] = {}
    for name, value in event.items():
        kind = (types or {}).get(name) or _type(name, value)
        scope[name] = Slot(kind, sum(map(len, columns)))
        columns.append(_column(kind, value, number))
    expression = parse(text)
    kind = check(
        expression,
        {name: slot.type for name, slot in scope.items()},
        {name: list_type(values) for name, values in (lists or {}).items()},
    )
    row = sum(map(len, columns))
    X = np.array([*(part for column in columns for part in column), math.nan]).reshape(-1, 1)
    compile_program([(expression, row)], scope, hash_text=number, lists=lists).run(X)
    if kind == "text":
        found = int(X.view(np.int64)[row, 0])
        return texts[found] if found else None
    result = float(X[row, 0])
    if math.isnan(result):
        return None
    return bool(result) if kind == "boolean" else result


def _type(name: str, value: Value) -> Type:
    if isinstance(value, bool):
        return "boolean"
    if value is None or isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "time"
    if isinstance(value, tuple) and len(value) == 2:
        return "place"
    message = f"{name!r} is a {type(value).__name__}, which is no type of the language"
    raise DefinitionError(message)


def _column(kind: Type, value: Value, number: Callable[[str], int]) -> list[float]:
    """Return the one or two rows of X that hold a value; texts stand as the bits of their number."""
    if kind == "text":
        return [float(np.int64(number(value) if isinstance(value, str) else 0).view(np.float64))]
    if kind == "time":
        if not isinstance(value, datetime):
            return [math.nan, math.nan]
        offset = value.utcoffset()
        if offset is None:
            message = f"{value} has no time zone"
            raise DefinitionError(message)
        return [float((value - _EPOCH) // timedelta(microseconds=1)), offset.total_seconds()]
    if kind == "place":
        return [float(part) for part in value] if isinstance(value, tuple) else [math.nan, math.nan]
    return [float(value) if isinstance(value, int | float) else math.nan]
