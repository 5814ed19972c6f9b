"""The reference of aggregations is tried: each is there, and its least number of rows is right."""

from __future__ import annotations

import math
import re
import typing

import numpy as np
import pytest

from adjudge.define.feature import AggregationName
from adjudge.history import ADVANCE, SCAN, Aggregation, Layout, Measure
from adjudge.history.naive import Naive
from tests.documents import ROOT

PAGE = (ROOT / "docs" / "reference" / "aggregations.md").read_text(encoding="utf-8")

LEAST = re.findall(r"^\| `(\w+)` \| (\d) \|", PAGE, re.MULTILINE)
"""Name of each aggregation and the number of rows below which it is missing, as the page says."""

HOUR = 3_600_000_000

KINDS = {
    "rate": "label",
    **dict.fromkeys(("distinct", "linked_count", "linked_known", "linked_events"), "hash"),
    **dict.fromkeys(("speed", "distance", "distance_typical"), "place"),
}
"""Kind of measure of the aggregations that do not take a number."""

OF_ROWS = {"count", "is_new", "since_last", "since_last_n", "since_first", "decayed_count"}
"""Aggregations that are asked of the rows themselves."""


def test_rule_13_every_aggregation_is_described() -> None:
    assert sorted(name for name, _ in LEAST) == sorted(typing.get_args(AggregationName))


@pytest.mark.parametrize(("name", "least"), LEAST)
def test_rule_13_aggregation_is_missing_below_its_least_number_of_rows(name: str, least: str) -> None:
    """Rows an hour apart, with values that differ and places that are known; the last entry only asks."""
    known = [not math.isnan(_asked(name, rows)) for rows in range(4)]
    assert known == [rows >= int(least) for rows in range(4)]


def _asked(name: str, rows: int) -> float:
    asked = Aggregation(
        name,
        None if name in OF_ROWS else 0,
        1 if name in ("correlation", "linked_known") else None,
        window_us=10 * HOUR,
        parameter=1.0 if name.endswith("last_n") or name.startswith("linked") else float(HOUR),
    )
    other = Measure("y", "label" if name == "linked_known" else "number")
    layout = Layout([Measure("x", KINDS.get(name, "number")), other], [asked])
    n = rows + 1
    values = np.zeros((layout.columns, n))
    values[0] = [1.0, 0.0, 1.0, 0.0][:n]
    values[1:] = values[0] + 1.0
    out = np.empty((layout.width, n))
    kind = np.array([ADVANCE] * rows + [SCAN], np.int8)
    at = np.arange(n, dtype=np.int64)
    Naive(layout).fold(kind, np.ones(n, np.uint64), at * HOUR, at, values, out)
    return float(out[0, -1])
