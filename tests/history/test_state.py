"""States as arrays: the same for the same entries, restored to the same future, and bounded whatever comes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import BundleError
from adjudge.history import ADVANCE, INSERT, Aggregation, Histories, Layout, Measure
from adjudge.typing import FloatArray
from tests.history.scenarios import (
    DAY,
    HOUR,
    MEASURES,
    MINUTE,
    SECOND,
    Entries,
    bits,
    entries,
    everything,
    layouts,
)
from tests.history.test_kernel import random_entries

EVERYTHING = everything((HOUR, None), 2 * HOUR)


@given(layouts(EVERYTHING), entries(), entries())
def test_a_restored_state_has_the_same_future(layout: Layout, past: Entries, future: Entries) -> None:
    live = Histories(layout)
    past.fold(live, layout.width)
    restored = Histories.from_arrays(layout, live.arrays())
    assert restored.digest() == live.digest()
    assert (bits(future.fold(live, layout.width)) == bits(future.fold(restored, layout.width))).all()
    assert restored.digest() == live.digest()


def test_a_restored_state_of_many_keys_has_the_same_future() -> None:
    layout = Layout(MEASURES, EVERYTHING, capacity=16, memory_us=3 * DAY)
    live = Histories(layout)
    random_entries(5000, 700, 1).fold(live, layout.width)
    random_entries(800, 2, 2).fold(live, layout.width)
    restored = Histories.from_arrays(layout, live.arrays())
    future = random_entries(1000, 900, 3)
    assert (bits(future.fold(live, layout.width)) == bits(future.fold(restored, layout.width))).all()
    assert restored.digest() == live.digest()


def test_a_state_of_another_layout_is_refused() -> None:
    narrow = Layout([Measure("x")], [Aggregation("sum", 0)])
    wide = Layout([Measure("x"), Measure("y")], [Aggregation("sum", 0)])
    with pytest.raises(BundleError, match="another layout"):
        Histories.from_arrays(wide, Histories(narrow).arrays())


@given(st.permutations(list(range(6))))
def test_the_order_of_keys_does_not_show_in_the_digest(order: list[int]) -> None:
    layout = Layout([Measure("x")], [Aggregation("sum", 0)])
    histories = Histories(layout)
    keys = np.array(order, dtype=np.uint64) + np.uint64(1)
    values = keys.astype(np.float64)[None]
    kind, ts = np.full(6, INSERT, dtype=np.int8), np.ones(6, dtype=np.int64)
    histories.fold(kind, keys, ts, keys.astype(np.int64), values, np.empty((1, 6)))
    assert histories.digest() == _digest_in_order(layout)


def _digest_in_order(layout: Layout) -> str:
    histories = Histories(layout)
    keys = np.arange(1, 7, dtype=np.uint64)
    kind, ts = np.full(6, INSERT, dtype=np.int8), np.ones(6, dtype=np.int64)
    histories.fold(kind, keys, ts, keys.astype(np.int64), keys.astype(np.float64)[None], np.empty((1, 6)))
    return histories.digest()


def test_rows_beyond_reach_leave_no_trace() -> None:
    """A key that comes back after the longest window and the lateness is as one that never was, but for its newest."""
    layout = Layout([Measure("x")], [Aggregation("sum", 0, window_us=DAY)], lateness_us=HOUR)
    histories = Histories(layout)
    n = 1000
    ts = np.arange(n) * HOUR
    kind, keys = np.full(n, ADVANCE, dtype=np.int8), np.ones(n, dtype=np.uint64)
    histories.fold(kind, keys, ts, np.arange(n), np.ones((1, n)), np.empty((1, n)))
    assert len(histories.rows(1)) == 25
    assert histories.stats().bytes < 5000


def busy(count: int, gap: int, capacity: int) -> tuple[Histories, FloatArray, Layout]:
    """Fold one key with an event every `gap`, and return counts and sums over three windows as well."""
    windows = (MINUTE, HOUR, 7 * DAY)
    asked = [Aggregation(op, m, window_us=w) for w in windows for op, m in (("count", None), ("sum", 0))]
    layout = Layout([Measure("x")], asked, capacity=capacity, memory_us=7 * DAY)
    histories = Histories(layout)
    out = np.empty((layout.width, count))
    kind, keys = np.full(count, ADVANCE, dtype=np.int8), np.ones(count, dtype=np.uint64)
    histories.fold(kind, keys, 30 * DAY + np.arange(count) * gap, np.arange(count), np.ones((1, count)), out)
    return histories, out, layout


def test_a_busy_key_stays_small_and_close() -> None:
    """Half a million events a second apart: a few hundred rows, counts within the stated 2 % of age at the edge."""
    count = 500_000
    histories, out, layout = busy(count, SECOND, 512)
    rows = histories.rows(1)
    assert len(rows) < 1600
    assert sum(row.events for row in rows) == count
    newest = rows[-1].ts
    narrow = layout.eps * layout.shortest_us
    # A row was merged when it was younger, so it may not be wider now than the rule allows at its age.
    assert all(row.ts - row.oldest <= max(layout.eps * (newest - row.ts), narrow) for row in rows)
    for k, window in enumerate((MINUTE, HOUR, 7 * DAY)):
        exact = np.minimum(np.arange(count), window // SECOND - 1)
        slack = max(layout.eps * window, narrow) / SECOND
        assert np.abs(out[2 * k] - exact).max() <= slack
        assert (out[2 * k] == out[2 * k + 1]).all()


def test_a_key_within_its_capacity_is_exact() -> None:
    histories, out, _ = busy(512, SECOND, 512)
    assert histories.stats().merged_keys == 0
    assert (out[2] == np.arange(512)).all()
    assert busy(513, SECOND, 512)[0].stats().merged_keys == 1
