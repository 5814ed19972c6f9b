"""The meaning of an expression, said slowly: one event, plain Python, None for missing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from adjudge.define import nodes
from adjudge.define.nodes import Node

Value = float | bool | str | tuple[float, float] | None


def evaluate(node: Node, event: Mapping[str, Value], lists: Mapping[str, Sequence[str | float]]) -> Value:
    """Return the value of an expression for one event; times and places are pairs."""

    def value(inner: Node) -> Value:
        return evaluate(inner, event, lists)

    match node:
        case nodes.Number() | nodes.Text() | nodes.Boolean():
            return node.value
        case nodes.Name():
            return event[node.name]
        case nodes.Unary(operator="-"):
            return _known(lambda x: -x, value(node.operand))
        case nodes.Unary():
            return _known(lambda x: not x, value(node.operand))
        case nodes.Binary():
            return _known(lambda x, y: _arithmetic(node.operator, x, y), value(node.left), value(node.right))
        case nodes.Logic():
            return _logic(node.operator, [value(each) for each in node.operands])
        case nodes.Compare():
            values = [value(each) for each in node.operands]
            pairs = zip(node.operators, values, values[1:], strict=False)
            return _logic("and", [_known(lambda x, y, o=o: _compare(o, x, y), x, y) for o, x, y in pairs])
        case nodes.Member():
            return _known(lambda x: (x in node.values) != node.negated, value(node.operand))
        case nodes.Listed():
            return _known(lambda x: (x in lists[node.name]) != node.negated, value(node.operand))
        case nodes.Missing():
            return (value(node.operand) is None) != node.negated
        case nodes.Call():
            return _call(node.function, [value(each) for each in node.arguments])


def _known(function: Callable[..., Value], *values: Value) -> Value:
    return None if any(value is None for value in values) else function(*values)


def _finite(function: Callable[[], float]) -> float | None:
    try:
        result = function()
    except (ArithmeticError, ValueError):
        return None
    return result if isinstance(result, float) and math.isfinite(result) else None


def _arithmetic(operator: str, x: object, y: object) -> float | None:
    if isinstance(x, tuple) and isinstance(y, tuple):
        return _finite(lambda: (x[0] - y[0]) / 1e6)
    assert isinstance(x, float)
    assert isinstance(y, float)
    operations: dict[str, Callable[[], float]] = {
        "+": lambda: x + y,
        "-": lambda: x - y,
        "*": lambda: x * y,
        "/": lambda: x / y,
        "//": lambda: x // y + 0.0,
        "%": lambda: x % y + 0.0,
        "**": lambda: math.pow(x, y),
    }
    return _finite(operations[operator])


def _compare(operator: str, x: object, y: object) -> bool:
    if isinstance(x, tuple) and isinstance(y, tuple):
        x, y = x[0], y[0]
    if operator in ("==", "!="):
        return (x == y) == (operator == "==")
    assert isinstance(x, float)
    assert isinstance(y, float)
    return {"<": x < y, "<=": x <= y, ">": x > y, ">=": x >= y}[operator]


def _logic(operator: str, values: Sequence[Value]) -> bool | None:
    decisive = operator == "or"
    if decisive in values:
        return decisive
    return None if None in values else not decisive


def _call(function: str, values: Sequence[Value]) -> Value:
    if function == "where":
        return None if values[0] is None else values[1] if values[0] else values[2]
    if function == "coalesce":
        return next((value for value in values if value is not None), None)
    return _known(lambda *known: _function(function, known), *values)


def _function(function: str, values: Sequence[object]) -> float | None:
    if function in ("hour", "weekday", "date", "monthday"):
        return _calendar(function, values[0])
    if function == "distance":
        return _distance(values[0], values[1])
    x, *rest = [float(value) for value in values if isinstance(value, float)]
    match function:
        case "min":
            return min(x, *rest)
        case "max":
            return max(x, *rest)
        case "clip":
            return min(max(x, rest[0]), rest[1])
        case "abs":
            return abs(x)
        case "floor":
            return _finite(lambda: float(math.floor(x)))
        case "round":
            return _finite(lambda: float(round(x)))
        case _:
            named: dict[str, Callable[[float], float]] = {
                "log": math.log,
                "log1p": math.log1p,
                "exp": math.exp,
                "sqrt": math.sqrt,
            }
            return _finite(lambda: named[function](x))


def _calendar(function: str, time: object) -> float:
    assert isinstance(time, tuple)
    local = datetime(1970, 1, 1) + timedelta(microseconds=time[0], seconds=time[1])  # noqa: DTZ001
    parts = {
        "hour": local.hour,
        "weekday": local.weekday(),
        "date": local.year * 10_000 + local.month * 100 + local.day,
        "monthday": local.day,
    }
    return float(parts[function])


def _distance(here: object, there: object) -> float:
    assert isinstance(here, tuple)
    assert isinstance(there, tuple)
    a, b = math.radians(here[0]), math.radians(there[0])
    north, east = math.sin((b - a) / 2.0), math.sin(math.radians(there[1] - here[1]) / 2.0)
    h = north * north + math.cos(a) * math.cos(b) * east * east
    return 2.0 * 6371.0088 * math.asin(math.sqrt(min(1.0, h)))
