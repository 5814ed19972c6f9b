"""Rows of one key inside its block: put in at their place in (time, position), taken out, moved to a larger block.

A block holds one column after another, so that a loop over a column reads consecutive words.
"""

from __future__ import annotations

from adjudge.history.codes import (
    COLUMN_SEQ,
    COLUMN_TS,
    EARLIEST,
    HASH,
    HASH_EARLIEST,
    KNOWN,
    LEAST,
    LIMIT_FIRST_WIDE,
    LIMIT_PLAIN,
    LIMIT_WIDE,
    M2,
    MEAN,
    MEASURE_COLUMN,
    MEASURE_INPUT,
    MEASURE_KIND,
    MEASURE_SKETCH,
    MEASURE_WIDE,
    MOST,
    NUMBER,
    PAIR_C,
    PAIR_KNOWN,
    PAIR_M2_X,
    PAIR_M2_Y,
    PAIR_MEAN_X,
    PAIR_MEAN_Y,
    PAIR_WIDE,
    PAIR_X,
    PAIR_Y,
    PLACE,
    SKETCH_WORDS,
    TOTAL,
    WIDE_OLDEST,
    WIDE_ROWS,
)
from adjudge.history.inline import inlined
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@lean_kernel
def columns_of(plan: Plan, size_class: int) -> int:
    """Return how many columns the blocks of a size class have."""
    return int(plan.limits[LIMIT_WIDE] if size_class >= plan.limits[LIMIT_FIRST_WIDE] else plan.limits[LIMIT_PLAIN])


@inlined
def place_for(rows: IntArray, times: int, count: int, ts: int) -> int:
    """Return where a row of time `ts` goes: after every row of that time or before."""
    row = count
    while row > 0 and rows[times + row - 1] > ts:
        row -= 1
    return row


@inlined
def open_gap(rows: IntArray, offset: int, size: int, columns: int, count: int, row: int, width: int) -> None:
    """Move the rows from `row` on up by `width`."""
    for column in range(columns):
        start = offset + column * size
        for k in range(start + count - 1, start + row - 1, -1):
            rows[k + width] = rows[k]


@inlined
def close_gap(rows: IntArray, offset: int, size: int, columns: int, count: int, row: int, width: int) -> None:
    """Move the rows after `row` down by `width`, over the rows that go."""
    for column in range(columns):
        start = offset + column * size
        for k in range(start + row, start + count - width):
            rows[k] = rows[k + width]


@inlined
def move(
    rows: IntArray, source: int, source_size: int, target: int, target_size: int, columns: int, count: int
) -> None:
    """Copy the rows of a block into another one, column by column."""
    for column in range(columns):
        a = source + column * source_size
        b = target + column * target_size
        for k in range(count):
            rows[b + k] = rows[a + k]


@inlined
def write(
    rows: IntArray, cells: FloatArray, offset: int, size: int, row: int, ts: int, seq: int,
    measures: IntArray, values: FloatArray, i: int,
) -> None:  # fmt: skip
    """Write the plain columns of one row."""
    rows[offset + COLUMN_TS * size + row] = ts
    rows[offset + COLUMN_SEQ * size + row] = seq
    for m in range(measures.shape[0]):
        at = offset + measures[m, MEASURE_COLUMN] * size + row
        cells[at] = values[measures[m, MEASURE_INPUT], i]
        if measures[m, MEASURE_KIND] == PLACE:
            cells[at + size] = values[measures[m, MEASURE_INPUT] + 1, i]


@inlined
def widen(
    rows: IntArray, cells: FloatArray, offset: int, size: int, row: int, plain: int,
    measures: IntArray, pairs: IntArray,
) -> None:  # fmt: skip
    """Write the wide columns of a row that is not merged, from its plain ones."""
    cells[offset + (plain + WIDE_ROWS) * size + row] = 1.0
    rows[offset + (plain + WIDE_OLDEST) * size + row] = rows[offset + COLUMN_TS * size + row]
    for m in range(measures.shape[0]):
        at = offset + measures[m, MEASURE_COLUMN] * size + row
        wide = offset + measures[m, MEASURE_WIDE] * size + row
        kind = measures[m, MEASURE_KIND]
        x = cells[at]
        if kind == HASH:
            cells[wide + KNOWN * size] = 1.0 if rows[at] != 0 else 0.0
            rows[wide + HASH_EARLIEST * size] = rows[at]
        else:
            cells[wide + KNOWN * size] = 1.0 if x == x else 0.0
        if kind == NUMBER:
            known = x == x
            cells[wide + TOTAL * size] = x if known else 0.0
            cells[wide + MEAN * size] = x if known else 0.0
            cells[wide + M2 * size] = 0.0
            cells[wide + LEAST * size] = x
            cells[wide + MOST * size] = x
            cells[wide + EARLIEST * size] = x
        if measures[m, MEASURE_SKETCH] >= 0:
            for word in range(SKETCH_WORDS):
                rows[offset + (measures[m, MEASURE_SKETCH] + word) * size + row] = 0
    for p in range(pairs.shape[0]):
        x = cells[offset + measures[pairs[p, PAIR_X], MEASURE_COLUMN] * size + row]
        y = cells[offset + measures[pairs[p, PAIR_Y], MEASURE_COLUMN] * size + row]
        both = x == x and y == y
        wide = offset + pairs[p, PAIR_WIDE] * size + row
        cells[wide + PAIR_KNOWN * size] = 1.0 if both else 0.0
        cells[wide + PAIR_MEAN_X * size] = x if both else 0.0
        cells[wide + PAIR_MEAN_Y * size] = y if both else 0.0
        cells[wide + PAIR_M2_X * size] = 0.0
        cells[wide + PAIR_M2_Y * size] = 0.0
        cells[wide + PAIR_C * size] = 0.0
