"""Every line of the reference pages is tried: values of expressions, least rows of aggregations."""

from __future__ import annotations

import json
import math
import re
import typing
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from adjudge.define.expression import parse
from adjudge.define.feature import AggregationName
from adjudge.define.functions import FUNCTIONS, Type
from adjudge.engine.hashing import TEXT_TAG, hash_text
from adjudge.engine.vm import Slot, compile_program
from adjudge.history import ADVANCE, SCAN, Aggregation, Layout, Measure
from adjudge.history.naive import Naive
from tests.documents import ROOT, blocks

EXPRESSIONS = ROOT / "docs" / "reference" / "expressions.md"
AGGREGATIONS = ROOT / "docs" / "reference" / "aggregations.md"

EVENT: dict[str, Any] = json.loads(next(b.text for b in blocks(EXPRESSIONS) if b.language == "json"))
TYPES: dict[str, Type] = {
    **dict.fromkeys(("amount", "usual", "spread", "tries"), "number"),
    **dict.fromkeys(("card", "method", "device"), "text"),
    **dict.fromkeys(("proxy", "vpn"), "boolean"),
    **dict.fromkeys(("at", "opened"), "time"),
    **dict.fromkeys(("place", "home"), "place"),
}
LISTS: dict[str, list[str | float]] = {"blocked": ["c1", "c9"], "round_amounts": [100.0, 120.0]}
SECRET = bytes(range(16))

ROWS = re.findall(r"^\| `([^`]+)` \| (\S+) \|$", EXPRESSIONS.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.mark.parametrize(("text", "shown"), ROWS, ids=[text for text, _ in ROWS])
def test_expression_has_the_value_that_the_page_shows(text: str, shown: str) -> None:
    value = _value(text)
    expected = {"missing": math.nan, "true": 1.0, "false": 0.0}.get(shown)
    expected = float(shown) if expected is None else expected
    assert value == pytest.approx(expected, rel=1e-12, abs=0, nan_ok=True)


def test_every_function_has_an_example() -> None:
    shown = " ".join(text for text, _ in ROWS)
    assert [name for name in FUNCTIONS if f"{name}(" not in shown] == []


def _value(text: str) -> float:
    scope, X = _matrix()
    program = compile_program(
        [(parse(text), len(X) - 1)], scope, hash_text=lambda s: hash_text(SECRET, TEXT_TAG, s), lists=LISTS
    )
    program.run(X)
    return float(X[-1, 0])


def _matrix() -> tuple[dict[str, Slot], Any]:
    """Return where each name of the event stands, and the matrix, with one more row for a result."""
    scope: dict[str, Slot] = {}
    column: list[float] = []
    for name, type_ in TYPES.items():
        scope[name] = Slot(type_, len(column))
        column += _slots(type_, EVENT[name])
    return scope, np.ascontiguousarray(np.array([*column, math.nan]).reshape(-1, 1))


def _slots(type_: Type, value: Any) -> list[float]:
    if type_ == "text":
        bits = 0 if value is None else hash_text(SECRET, TEXT_TAG, value)
        return [float(np.array([bits], np.uint64).view(np.float64)[0])]
    if type_ == "place":
        return [float(degrees) for degrees in value]
    if type_ == "time":
        moment = datetime.fromisoformat(value)
        offset = moment.utcoffset()
        assert offset is not None
        micros = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
        return [float(micros), offset.total_seconds()]
    return [math.nan if value is None else float(value)]


LEAST = re.findall(r"^\| `(\w+)` \| (\d) \|", AGGREGATIONS.read_text(encoding="utf-8"), re.MULTILINE)


def test_every_aggregation_is_described() -> None:
    assert sorted(name for name, _ in LEAST) == sorted(typing.get_args(AggregationName))


@pytest.mark.parametrize(("name", "least"), LEAST)
def test_aggregation_is_missing_below_its_least_number_of_rows(name: str, least: str) -> None:
    """Rows an hour apart, with values that differ and places that are known; the last entry only asks."""
    known = [not math.isnan(_asked(name, rows)) for rows in range(4)]
    assert known == [rows >= int(least) for rows in range(4)]


def _asked(name: str, rows: int) -> float:
    kinds = {
        "rate": "label",
        "distinct": "hash",
        **dict.fromkeys(("speed", "distance", "distance_typical"), "place"),
    }
    plain = name in ("count", "is_new", "since_last", "since_first", "decayed_count")
    measures = [Measure("x", kinds.get(name, "number")), Measure("y")]
    asked = Aggregation(
        name,
        None if plain else 0,
        1 if name == "correlation" else None,
        window_us=10 * 3_600_000_000,
        parameter=1.0 if name == "last_n" else 3_600_000_000.0,
    )
    layout = Layout(measures, [asked])
    n = rows + 1
    values = np.zeros((layout.columns, n))
    values[0] = [1.0, 0.0, 1.0, 0.0][:n]
    values[1:] = values[0] + 1.0
    out = np.empty((layout.width, n))
    kind = np.array([ADVANCE] * rows + [SCAN], np.int8)
    at = np.arange(n, dtype=np.int64)
    Naive(layout).fold(kind, np.ones(n, np.uint64), at * 3_600_000_000, at, values, out)
    return float(out[0, -1])
