"""The contract on values, rules 11 to 18: missing, empty windows, exactness, order, speed, keys."""

from __future__ import annotations

import functools
import math
import operator
from typing import Any

import pytest

from adjudge.define import days, feature, minutes
from adjudge.engine.evaluate import evaluate
from tests.contracts.timeline import Timeline, device, pair, user

TEN = minutes(10)
MISSING = None

KLEENE = [
    # a, b, a and b, a or b, not a
    (True, None, None, True, False),
    (False, None, False, None, True),
    (None, None, None, None, None),
    (True, False, False, True, False),
]


@pytest.mark.parametrize(("a", "b", "both", "either", "opposite"), KLEENE)
def test_rule_11_logic_has_three_values(
    a: bool | None, b: bool | None, both: bool | None, either: bool | None, opposite: bool | None
) -> None:
    event: dict[str, Any] = {"a": a, "b": b}
    types: dict[str, Any] = {"a": "boolean", "b": "boolean"}
    assert evaluate("a and b", event, types=types) is both
    assert evaluate("a or b", event, types=types) is either
    assert evaluate("not a", event, types=types) is opposite


def test_rule_11_a_comparison_with_missing_is_missing() -> None:
    event: dict[str, Any] = {"x": None}
    for text in ("x > 1", "x != 1", "x == 1", "not x > 1"):
        assert evaluate(text, event, types={"x": "number"}) is None
    assert evaluate("x is missing", event, types={"x": "number"}) is True


def test_rule_11_unknown_never_fires_a_rule() -> None:
    line = Timeline(
        rules="""
        version: 1
        rules:
        - {id: above, when: x > 1, action: block}
        - {id: other, when: x != 1, action: block}
        - {id: not_above, when: not x > 1, action: block}
        - {id: absent, when: x is missing, action: block}
        """
    )
    line.send("a", 0)
    assert b'"rules":["absent"]' in line.stored("a").record


def test_rule_12_an_empty_window_counts_and_sums_to_zero() -> None:
    asked = [user.count(TEN), user.sum("x", TEN), user.distinct("x", TEN)]
    others = [
        user.mean("x", TEN),
        user.std("x", TEN),
        user.min("x", TEN),
        user.last("x", TEN),
        user.rate("fraud", TEN),
    ]
    seen = Timeline(*asked, *others, user.since_last()).send("a", 0, x=1)
    zero = {name for name, value in seen.items() if value == 0}
    missing = {name for name, value in seen.items() if value is MISSING}
    assert zero == {"user_count_10m", "user_x_sum_10m", "user_x_distinct_10m"}
    assert len(missing) == 6


def test_rule_14_a_constant_series_of_large_values_has_no_deviation() -> None:
    line = Timeline(
        user.mean("x", days(1)),
        user.std("x", days(1)),
        feature("z", "(x - user_x_mean_1d) / user_x_std_1d"),
    )
    for minute in range(1000):
        line.send(f"p{minute}", minute, x=1234567.89)
    seen = line.score(1000, x=9e9)
    assert seen["user_x_std_1d"] == 0.0
    assert seen["z"] is MISSING, "a z-score over a deviation of 0 is missing, not infinite"


def test_rule_14_the_deviation_is_the_samples() -> None:
    line = Timeline(user.std("x", TEN))
    line.send("a", 0, x=2)
    assert line.send("b", 1, x=4)["user_x_std_10m"] is MISSING, "one row has no deviation"
    assert line.score(2)["user_x_std_10m"] == math.sqrt(2)


def test_rule_15_sums_of_money_are_exact() -> None:
    line = Timeline(user.sum("amount", days(1)), user.mean("amount", days(1)))
    for minute in range(100):
        line.send(f"p{minute}", minute, amount="0.10")
    seen = line.score(100, amount=1)
    assert functools.reduce(operator.add, [0.10] * 100) != 10.0, "what adding floats comes to"
    assert seen["user_amount_sum_1d"] == 10.0
    assert seen["user_amount_mean_1d"] == 0.1


def test_rule_15_hours_are_local_to_the_timestamp() -> None:
    line = Timeline(feature("hour", "hour(at)"))
    rows = [
        {"payment_id": "utc", "at": "2026-03-02T23:30:00Z"},
        {"payment_id": "east", "at": "2026-03-03T01:30:00+02:00"},
    ]
    line.offer_all(rows)
    assert [line.stored(r["payment_id"]).features["hour"] for r in rows] == [23, 1]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_rule_16_rows_are_added_from_the_newest(order: tuple[int, ...]) -> None:
    """1 is lost beside 1e16 unless 1e16 and -1e16 cancel first; that they do is a matter of order.

    minute   0      1      2
             1.0   1e16  -1e16     whatever the order of the log
    """
    line = Timeline(user.sum("x", TEN))
    values = [1.0, 1e16, -1e16]
    for minute in order:
        line.send(f"p{minute}", minute, x=values[minute])
    assert line.score(5)["user_x_sum_10m"] == 1.0


def test_rule_17_speed() -> None:
    line = Timeline(user.speed("place"), user.distance("place"))
    equator, quarter = (0.0, 0.0), (0.0, 90.0)
    assert line.send("a", 0, place=_place(*equator))["user_place_speed_kmh"] is MISSING
    seen = line.score(120, place=_place(*quarter))
    assert seen["user_place_distance_km"] == pytest.approx(math.pi / 2 * 6371.0088, rel=1e-12)
    assert seen["user_place_speed_kmh"] == pytest.approx(math.pi / 4 * 6371.0088, rel=1e-12)
    assert line.score(0, place=_place(*quarter))["user_place_speed_kmh"] == math.inf
    assert line.score(0, place=_place(*equator))["user_place_speed_kmh"] == 0.0


def test_rule_17_rows_without_a_place_are_passed_over() -> None:
    line = Timeline(user.distance("place"))
    line.send("a", 0, place=_place(0, 0))
    line.send("b", 1)
    assert line.score(2, place=_place(0, 0))["user_place_distance_km"] == 0.0


def test_rule_18_keys_of_several_fields_cannot_be_confused() -> None:
    line = Timeline(pair.count(TEN))
    line.send("a", 0, user="ab", device="c")
    assert line.score(1, user="a", device="bc")["user_device_count_10m"] == 0
    assert line.score(1, user="ab", device="c")["user_device_count_10m"] == 1


def test_rule_18_keys_of_different_entities_are_different() -> None:
    line = Timeline(user.count(TEN), device.count(TEN))
    line.send("a", 0, user="17", device="d")
    seen = line.score(1, user="18", device="17")
    assert (seen["user_count_10m"], seen["device_count_10m"]) == (0, 0)


def _place(lat: float, lon: float) -> dict[str, float]:
    return {"lat": lat, "lon": lon}
