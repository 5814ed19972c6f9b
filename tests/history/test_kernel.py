"""The kernels equal the plain definition in bits, on every aggregation, and leave the same rows behind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.history import Histories, Layout
from adjudge.history.layout import NEEDS, RELATIVE
from adjudge.history.naive import Naive
from adjudge.history.naive_rows import Row
from tests.history.scenarios import (
    DAY,
    HOUR,
    MEASURES,
    MINUTE,
    Entries,
    asked_of,
    bits,
    entries,
    everything,
    layouts,
)

EVERYTHING = everything((MINUTE, HOUR, None), 2 * HOUR)


def names(layout: Layout) -> list[str]:
    """Return what each output is, for the message of a failure."""
    return [f"{a}[{k}]" for a in layout.aggregations for k in range(a.width)]


def compare(layout: Layout, drawn: Entries) -> tuple[Histories, Naive]:
    kernel, naive = Histories(layout), Naive(layout)
    got, expected = drawn.fold(kernel, layout.width), drawn.fold(naive, layout.width)
    differing = np.argwhere(bits(got) != bits(expected))
    if len(differing):
        row, column = differing[np.argmin(differing[:, 1])]
        message = f"entry {column}, {names(layout)[row]}: {got[row, column]} is not {expected[row, column]}"
        pytest.fail(message)
    return kernel, naive


@given(layouts(EVERYTHING), entries())
def test_every_aggregation_equals_its_definition(layout: Layout, drawn: Entries) -> None:
    compare(layout, drawn)


@pytest.mark.parametrize("op", NEEDS)
def test_one_aggregation_alone_equals_its_definition(op: str) -> None:
    """A layout that asks for little lays its rows out otherwise than one that asks for everything."""
    asked = asked_of(op, HOUR, 0, False) + asked_of(op, None, MINUTE, False)
    if op not in RELATIVE:
        asked += asked_of(op, HOUR, 0, True)

    @given(layouts(asked), entries(most=25))
    def check(layout: Layout, drawn: Entries) -> None:
        compare(layout, drawn)

    check()


def seen(row: Row) -> tuple[int, int, int, int]:
    return row.ts, row.seq, row.oldest, row.n


@given(layouts(EVERYTHING), entries(), st.sampled_from([1, 2, 2**63 + 5]))
def test_the_rows_left_behind_are_the_same(layout: Layout, drawn: Entries, key: int) -> None:
    kernel, naive = compare(layout, drawn)
    held = naive.keys.get(key)
    left = [] if held is None else [r for r in held.rows if r.ts > held.newest - layout.horizon_us]
    assert [(r.ts, r.seq, r.oldest, r.events) for r in kernel.rows(key)] == [seen(r) for r in left]


def random_entries(count: int, keys: int, seed: int) -> Entries:
    """Return many entries of a few keys, faster than hypothesis draws them."""
    random = np.random.default_rng(seed)
    named = random.integers(-(2**62), 2**62, 40)
    named[::2] = np.arange(1, 21)  # which are keys as well
    hashes = named[random.integers(0, 40, count)]
    values = np.empty((6, count))
    values[:2] = np.round(random.lognormal(8, 2, (2, count)))
    values[0, random.random(count) < 0.1] = np.nan
    values[2] = np.where(random.random(count) < 0.2, 0, hashes).view(np.float64)
    values[3:5] = random.uniform(-60, 60, (2, count))
    values[5] = random.integers(0, 2, count)
    ts = 400 * DAY + np.sort(random.integers(0, 20 * DAY, count)) - random.integers(0, 2 * MINUTE, count)
    return Entries(
        random.choice(np.array([0, 1, 1, 1, 2], dtype=np.int8), count),
        random.integers(1, keys + 1, count).astype(np.uint64),
        ts,
        np.arange(count),
        values,
    )


@pytest.mark.parametrize("capacity", [16, 64])
def test_keys_that_merge_again_and_again_equal_their_definition(capacity: int) -> None:
    asked = [a for op in NEEDS for a in asked_of(op, DAY, 0, False)]
    layout = Layout(MEASURES, asked, capacity=capacity, eps=0.05, memory_us=10 * DAY, lateness_us=DAY)
    kernel, naive = compare(layout, random_entries(1500, 2, capacity))
    assert kernel.stats().merged_keys == 2
    for key, held in naive.keys.items():
        assert max(len(kernel.rows(key)), len(held.rows)) < 400
