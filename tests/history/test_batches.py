"""How entries are cut into batches, where they lie in memory, and which thread folds them changes no bit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.errors import ShapeError
from adjudge.history import LABEL, SCAN, Aggregation, Histories, Layout, Measure
from adjudge.typing import FloatArray
from tests.history.scenarios import (
    COLUMNS,
    DAY,
    FRAUD,
    HOUR,
    MEASURES,
    MINUTE,
    Entries,
    bits,
    entries,
    everything,
)
from tests.history.test_kernel import random_entries

LAYOUT = Layout(MEASURES, everything((MINUTE, HOUR, None), 2 * HOUR), capacity=8, memory_us=3 * DAY)


def in_batches(layout: Layout, drawn: Entries, size: int) -> tuple[FloatArray, str]:
    histories = Histories(layout)
    out = np.full((layout.width, len(drawn)), -7.0)
    for first in range(0, len(drawn), size):
        part = slice(first, first + size)
        values = np.ascontiguousarray(drawn.values[:, part])
        piece = np.full((layout.width, values.shape[1]), -7.0)
        histories.fold(drawn.kind[part], drawn.keys[part], drawn.ts[part], drawn.seq[part], values, piece)
        out[:, part] = piece
    return out, histories.digest()


@given(entries(), st.integers(1, 10))
def test_batch_size_changes_nothing(drawn: Entries, size: int) -> None:
    whole, state = in_batches(LAYOUT, drawn, len(drawn))
    cut, state_cut = in_batches(LAYOUT, drawn, size)
    assert (bits(whole) == bits(cut)).all()
    assert state == state_cut


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_batch_size_changes_nothing_when_tables_and_arenas_grow(size: int) -> None:
    drawn = random_entries(4000, 1500, 1)
    whole, state = in_batches(LAYOUT, drawn, len(drawn))
    cut, state_cut = in_batches(LAYOUT, drawn, size)
    assert (bits(whole) == bits(cut)).all()
    assert state == state_cut


def test_columns_may_lie_among_others_and_be_folded_in_ranges() -> None:
    """The engine's matrix holds more than one entity's columns; a range of it is folded in place."""
    drawn = random_entries(500, 20, 2)
    expected, state = in_batches(LAYOUT, drawn, len(drawn))
    reads = [3, 0, 7, 5, 6, 1]
    writes = [10 + k for k in range(LAYOUT.width)]
    matrix = np.full((10 + LAYOUT.width, len(drawn)), -7.0)
    matrix[reads] = drawn.values
    histories = Histories(LAYOUT, reads=reads, writes=writes)
    for first in range(0, 500, 130):
        histories.fold(
            drawn.kind, drawn.keys, drawn.ts, drawn.seq, matrix, matrix, start=first, stop=min(500, first + 130)
        )
    assert (bits(matrix[10:]) == bits(expected)).all()
    assert histories.digest() == state


def test_entities_fold_on_threads_at_once() -> None:
    drawn = [random_entries(3000, 50, seed) for seed in range(4)]
    alone = [in_batches(LAYOUT, part, len(part)) for part in drawn]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda part: in_batches(LAYOUT, part, 100), drawn))
    for (out, state), (out_threaded, state_threaded) in zip(alone, together, strict=True):
        assert (bits(out) == bits(out_threaded)).all()
        assert state == state_threaded


def test_asking_changes_nothing() -> None:
    drawn = random_entries(300, 5, 3)
    histories = Histories(LAYOUT)
    drawn.fold(histories, LAYOUT.width)
    before = histories.digest()
    asking = Entries(np.full(300, SCAN, dtype=np.int8), drawn.keys, drawn.ts, drawn.seq, drawn.values)
    asking.fold(histories, LAYOUT.width)
    assert histories.digest() == before


@pytest.mark.parametrize(("measure", "rows"), [(0, COLUMNS), (9, COLUMNS), (-1, COLUMNS), (FRAUD, 2)])
def test_a_label_of_nothing_is_refused(measure: int, rows: int) -> None:
    histories = Histories(LAYOUT)
    values = np.zeros((rows, 1))
    values[0] = measure
    one = np.ones(1, dtype=np.int64)
    with pytest.raises(ShapeError, match="entry 0: a label takes"):
        histories.fold(np.array([LABEL], np.int8), one.view(np.uint64), one, one, values, np.empty((LAYOUT.width, 1)))


def test_a_fold_of_nothing_does_nothing() -> None:
    layout = Layout([Measure("x")], [Aggregation("sum", 0)])
    none = np.empty(0, dtype=np.int64)
    Histories(layout).fold(none.astype(np.int8), none.view(np.uint64), none, none, np.empty((1, 0)), np.empty((1, 0)))
