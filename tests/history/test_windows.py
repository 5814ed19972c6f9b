"""Edges of windows, drawn: time runs to the right, | is an edge, o a row that is in, . one that is out, E the event."""

from __future__ import annotations

import math

import numpy as np
import pytest

from adjudge.history import ADVANCE, INSERT, LABEL, RETRACT, SCAN, Aggregation, Histories, Layout, Measure
from tests.history.scenarios import DAY, HOUR, MINUTE, SECOND


def ask(
    op: str,
    rows: list[tuple[int, float]],
    at: int,
    *,
    value: float = math.nan,
    measure: int | None = 0,
    kind: str = "number",
    **settings: object,
) -> float:
    """Return one feature of an event at `at`, after rows of (time, value) in the order of the log."""
    window = settings.pop("window_us", 10)
    layout_settings = {k: settings.pop(k) for k in ("memory_us", "lateness_us") if k in settings}
    aggregation = Aggregation(op, measure, window_us=window, **settings)  # type: ignore[arg-type]
    layout = Layout([Measure("x", kind)], [aggregation], **layout_settings)  # type: ignore[arg-type]
    n = len(rows) + 1
    kinds = np.full(n, INSERT, dtype=np.int8)
    kinds[-1] = SCAN
    values = np.array([[*(v for _, v in rows), value]])
    times = np.array([*(t for t, _ in rows), at])
    out = np.empty((layout.width, n))
    Histories(layout).fold(kinds, np.ones(n, dtype=np.uint64), times, np.arange(n), values, out)
    return float(out[0, -1])


def at(*times: int) -> list[tuple[int, float]]:
    return [(time, 1.0) for time in times]


def test_a_row_exactly_the_window_old_is_out() -> None:
    #   90  91        100
    #   .|  o          E
    assert ask("count", at(90, 91), 100) == 1


def test_a_row_of_the_same_time_logged_before_is_in() -> None:
    #             100
    #              o
    #              E
    assert ask("count", at(100), 100) == 1


def test_a_row_after_the_event_in_time_is_out_for_a_late_event() -> None:
    #         99  100 101
    #         o    E   .
    assert ask("count", at(101, 99), 100) == 1


def test_a_delayed_window_ends_the_delay_before_the_event_and_keeps_its_length() -> None:
    #   85 | 86   95 | 96   100      window 10, delay 5: (85, 95]
    #   .    o    o    .     E
    assert ask("count", at(85, 86, 95, 96), 100, delay_us=5) == 2


def test_the_event_itself_is_out_unless_included() -> None:
    assert ask("sum", [(95, 2.0)], 100, value=5.0) == 2.0
    assert ask("sum", [(95, 2.0)], 100, value=5.0, including=True) == 7.0


def test_an_included_event_is_newer_than_a_row_of_its_time() -> None:
    assert ask("last", [(100, 2.0)], 100, value=5.0, including=True) == 5.0
    assert ask("first", [(100, 2.0)], 100, value=5.0, including=True) == 2.0


def test_an_included_event_without_a_value_adds_nothing() -> None:
    assert ask("count", [(95, 2.0)], 100, including=True) == 1
    assert ask("count", [(95, 2.0)], 100, including=True, measure=None) == 2


def test_memory_hides_what_is_stored() -> None:
    #   -1 | 0          10
    #   .    o           E           memory 10, lateness 100: both rows are stored
    rows = at(-1, 0)
    assert ask("count", rows, 9, window_us=None, memory_us=10, lateness_us=100) == 1
    assert ask("since_first", rows, 9, window_us=None, memory_us=10, lateness_us=100) == 9 / SECOND


def test_rows_that_only_a_too_late_event_could_see_are_invisible_to_it() -> None:
    #   0         ...        1000     window 10, lateness 100: 0 is beyond any event from 900 on
    #   .   E(5)
    assert ask("count", at(0, 1000), 5, lateness_us=100) == 0
    assert ask("count", at(0, 100), 5, lateness_us=100) == 1


def test_the_later_of_two_rows_of_one_time_is_the_last() -> None:
    rows = [(95, 1.0), (95, 2.0)]
    assert ask("last", rows, 100) == 2.0
    assert ask("first", rows, 100) == 1.0


def test_a_late_row_takes_its_place_in_time() -> None:
    rows = [(98, 3.0), (95, 1.0)]
    assert ask("last", rows, 100) == 3.0
    assert ask("first", rows, 100) == 1.0


@pytest.mark.parametrize(
    ("op", "least"),
    [("mean", 1), ("std", 2), ("min", 1), ("max", 1), ("first", 1), ("last", 1), ("trend", 2)],
)
def test_what_an_aggregation_says_of_too_few_rows_is_missing(op: str, least: int) -> None:
    rows = [(95 + k, float(k)) for k in range(least)]
    assert math.isnan(ask(op, rows[:-1], 100))
    assert not math.isnan(ask(op, rows, 100))


def test_an_empty_window_counts_and_sums_to_nothing() -> None:
    assert ask("count", [], 100) == 0
    assert ask("sum", [], 100) == 0
    assert ask("is_new", [], 100, measure=None) == 1
    assert ask("decayed_sum", [], 100, parameter=5.0) == 0
    assert ask("decayed_count", [], 100, measure=None, parameter=5.0) == 0
    assert ask("distinct", [], 100, kind="hash") == 0
    assert math.isnan(ask("rate", [], 100, kind="label"))


def test_the_deviation_of_large_equal_values_is_exactly_nothing() -> None:
    assert ask("std", [(91 + k, 123456789.1) for k in range(9)], 100) == 0.0


def test_the_deviation_beside_a_huge_value_is_right() -> None:
    values = [1e9, 1.0, 2.0, 3.0, 1e9 + 1]
    got = ask("std", [(91 + k, v) for k, v in enumerate(values)], 100)
    assert got == pytest.approx(np.std(values, ddof=1), rel=1e-12)


def test_a_half_life_halves() -> None:
    assert ask("decayed_sum", [(95, 8.0), (100, 1.0)], 100, parameter=5.0) == 5.0


def test_the_trend_is_a_day() -> None:
    rows = [(DAY, 3.0), (2 * DAY, 5.0), (3 * DAY, 7.0)]
    assert ask("trend", rows, 3 * DAY, window_us=3 * DAY) == 2.0
    assert math.isnan(ask("trend", [(DAY, 3.0), (DAY, 5.0)], 3 * DAY, window_us=3 * DAY))


def test_a_missing_key_has_missing_features_and_no_history() -> None:
    layout = Layout([Measure("x")], [Aggregation("count"), Aggregation("sum", 0)])
    histories = Histories(layout)
    out = np.zeros((2, 2))
    kind, keys = np.full(2, ADVANCE, dtype=np.int8), np.zeros(2, dtype=np.uint64)
    histories.fold(kind, keys, np.array([1, 2]), np.array([1, 2]), np.ones((1, 2)), out)
    assert np.isnan(out).all()
    assert histories.stats().keys == 0


def travel(rows: list[tuple[int, float, float]], event: tuple[int, float, float]) -> list[float]:
    """Return speed, distance and distance from the typical place of an event, after rows of (time, place)."""
    layout = Layout(
        [Measure("place", "place")],
        [Aggregation("speed", 0), Aggregation("distance", 0), Aggregation("distance_typical", 0)],
    )
    all_rows = np.array([*rows, event])
    n = len(all_rows)
    kind = np.array([INSERT] * (n - 1) + [SCAN], dtype=np.int8)
    out = np.empty((3, n))
    places = np.ascontiguousarray(all_rows[:, 1:].T)
    times = all_rows[:, 0].astype(np.int64)
    Histories(layout).fold(kind, np.ones(n, dtype=np.uint64), times, np.arange(n), places, out)
    return [float(x) for x in out[:, -1]]


def test_speed_is_from_the_row_before_in_time_not_in_the_log() -> None:
    degree = 6371.0088 * math.pi / 180
    speed, distance, _ = travel([(2 * HOUR, 0.0, 1.0), (HOUR, 0.0, 50.0)], (3 * HOUR, 0.0, 2.0))
    assert distance == pytest.approx(degree, rel=1e-12)
    assert speed == pytest.approx(degree, rel=1e-12)


def test_speed_without_time_is_infinite_elsewhere_and_nothing_at_the_same_place() -> None:
    assert travel([(HOUR, 0.0, 1.0)], (HOUR, 0.0, 2.0))[0] == math.inf
    assert travel([(HOUR, 0.0, 1.0)], (HOUR, 0.0, 1.0))[0] == 0.0


def test_the_typical_place_crosses_the_date_line() -> None:
    rows = [(1, 10.0, 179.0), (2, 10.0, -179.0), (3, 10.0, 180.0)]
    assert travel(rows, (4, 10.0, 180.0))[2] == pytest.approx(0.0, abs=1e-9)


def test_the_typical_place_ignores_one_far_journey() -> None:
    home = [(k, 48.2, 16.4) for k in range(4)]
    assert travel([*home, (5, 0.0, 0.0)], (6, 48.2, 16.4))[2] == pytest.approx(0.0, abs=1e-9)


def fold_labels(entries: list[tuple[int, int, list[float]]]) -> list[float]:
    """Fold entries of (kind, time, values) of one key; the position of an event is its time. Return all rates."""
    layout = Layout([Measure("fraud", "label")], [Aggregation("rate", 0, window_us=DAY)])
    kind = np.array([k for k, _, _ in entries], dtype=np.int8)
    times = np.array([t for _, t, _ in entries])
    values = np.array([(v + [math.nan] * 3)[:3] for _, _, v in entries]).T.copy()
    out = np.full((1, len(entries)), -1.0)
    Histories(layout).fold(kind, np.ones(len(entries), dtype=np.uint64), times, times, values, out)
    return [float(x) for x in out[0]]


def test_a_label_counts_from_the_moment_it_is_logged() -> None:
    rates = fold_labels(
        [
            (INSERT, 1, [math.nan]),
            (INSERT, 2, [math.nan]),
            (SCAN, MINUTE, [math.nan]),
            (LABEL, 1, [0.0, math.nan, 1.0]),
            (SCAN, MINUTE, [math.nan]),
            (LABEL, 1, [0.0, 1.0, 0.0]),
            (SCAN, MINUTE, [math.nan]),
        ]
    )
    assert [rates[2], rates[4], rates[6]] == [0.0, 0.5, 0.0]


def test_a_retracted_row_is_dead_to_every_later_event() -> None:
    rates = fold_labels(
        [
            (INSERT, 1, [1.0]),
            (INSERT, 2, [0.0]),
            (SCAN, MINUTE, [math.nan]),
            (RETRACT, 2, [0.0]),
            (SCAN, MINUTE, [math.nan]),
            (RETRACT, 2, [0.0]),
            (SCAN, MINUTE, [math.nan]),
        ]
    )
    assert [rates[2], rates[4], rates[6]] == [0.5, 1.0, 1.0]
