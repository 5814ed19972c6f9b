"""Labels and retractions: an entry names an event by its key, time and position, and changes that event's row."""

from __future__ import annotations

import math

import numpy as np

from adjudge.history import block, codes, memory, undo
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@lean_kernel
def is_merged(plan: Plan, rows: IntArray, cells: FloatArray, offset: int, size: int, row: int) -> bool:
    """Tell whether a row of a wide block stands for more than one event, or once did."""
    wide = offset + plan.limits[codes.LIMIT_PLAIN] * size
    oldest = rows[wide + codes.WIDE_OLDEST * size + row]
    return bool(cells[wide + codes.WIDE_ROWS * size + row] > 1.0 or oldest < rows[offset + row])


@lean_kernel
def find_row(plan: Plan, entry: IntArray, rows: IntArray, cells: FloatArray, ts: int, seq: int) -> int:
    """Return the row of an event: its own, or the first merged one at or after it that reaches back to it, or -1."""
    facts, offset = entry[codes.ENTRY_FACTS], entry[codes.ENTRY_OFFSET]
    count, size = memory.count_of(facts), plan.sizes[memory.class_of(facts)]
    merges = memory.flags_of(facts) & codes.MERGED != 0
    row = block.place_for(rows, offset, count, ts)
    while row > 0 and rows[offset + row - 1] == ts and rows[offset + size + row - 1] >= seq:
        row -= 1
    oldest_at = offset + (plan.limits[codes.LIMIT_PLAIN] + codes.WIDE_OLDEST) * size
    while row < count:
        if merges and is_merged(plan, rows, cells, offset, size, row):
            if rows[oldest_at + row] <= ts:
                return row
        elif rows[offset + row] == ts and rows[offset + size + row] == seq:
            return row
        elif not merges:
            return -1
        row += 1
    return -1


@lean_kernel
def is_label(measures: IntArray, measure: int) -> bool:
    """Tell whether there is a label at a position."""
    return bool(0 <= measure < measures.shape[0] and measures[measure, codes.MEASURE_KIND] == codes.LABELS)


@lean_kernel
def relabel(
    plan: Plan, entry: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, journal: IntArray,
    ts: int, seq: int, values: FloatArray, i: int,
) -> None:  # fmt: skip
    """Set a label of an event; a merged row keeps their number and sum."""
    row = find_row(plan, entry, rows, cells, ts, seq)
    if row < 0:
        return
    undo.note_rows(plan, entry, rows, state, journal, row, memory.count_of(entry[codes.ENTRY_FACTS]) - row - 1)
    measure, old, new = int(values[0, i]), values[1, i], values[2, i]
    facts, offset = entry[codes.ENTRY_FACTS], entry[codes.ENTRY_OFFSET]
    size = plan.sizes[memory.class_of(facts)]
    at = offset + plan.measures[measure, codes.MEASURE_COLUMN] * size + row
    known = offset + plan.measures[measure, codes.MEASURE_WIDE] * size + row
    wide = memory.class_of(facts) >= plan.limits[codes.LIMIT_FIRST_WIDE]
    if wide and is_merged(plan, rows, cells, offset, size, row):
        total = cells[at] if cells[at] == cells[at] else 0.0
        cells[at] = total + ((new if new == new else 0.0) - (old if old == old else 0.0))
        cells[known] = max(0.0, cells[known] + (1.0 if new == new else 0.0) - (1.0 if old == old else 0.0))
        return
    cells[at] = new
    if wide:
        cells[known] = 1.0 if new == new else 0.0


@lean_kernel
def retract(
    plan: Plan, entry: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, journal: IntArray,
    ts: int, seq: int, values: FloatArray, i: int,
) -> None:  # fmt: skip
    """Take an event away: its row, or what it gave to the sums of a merged row."""
    row = find_row(plan, entry, rows, cells, ts, seq)
    if row < 0:
        return
    undo.note_rows(plan, entry, rows, state, journal, row, memory.count_of(entry[codes.ENTRY_FACTS]) - row - 1)
    facts, offset = entry[codes.ENTRY_FACTS], entry[codes.ENTRY_OFFSET]
    count, size_class, flags = memory.count_of(facts), memory.class_of(facts), memory.flags_of(facts)
    size = plan.sizes[size_class]
    events = offset + (plan.limits[codes.LIMIT_PLAIN] + codes.WIDE_ROWS) * size + row
    if size_class < plan.limits[codes.LIMIT_FIRST_WIDE] or cells[events] == 1.0:
        block.close_gap(rows, offset, size, block.columns_of(plan, size_class), count, row, int(np.int64(1)))
        entry[codes.ENTRY_FACTS] = memory.pack(count - 1, memory.limit_of(facts), size_class, flags)
        return
    cells[events] -= 1.0
    entry[codes.ENTRY_FACTS] = memory.pack(count, memory.limit_of(facts), size_class, flags | codes.FLAGGED)
    subtract(plan, rows, cells, offset, size, row, values, i)


@lean_kernel
def subtract(
    plan: Plan, rows: IntArray, cells: FloatArray, offset: int, size: int, row: int, values: FloatArray, i: int
) -> None:
    """Take one event out of the counts, sums and moments of a merged row."""
    for m in range(plan.measures.shape[0]):
        kind, given = plan.measures[m, codes.MEASURE_KIND], plan.measures[m, codes.MEASURE_INPUT]
        first = offset + plan.measures[m, codes.MEASURE_WIDE] * size + row
        x = values[given, i]
        known = values.view(np.int64)[given, i] != 0 if kind == codes.HASH else x == x
        if known and cells[first] > 0.0:
            cells[first] -= 1.0
            if kind == codes.NUMBER:
                subtract_number(cells, first, size, x)
            elif kind == codes.LABELS:
                cells[offset + plan.measures[m, codes.MEASURE_COLUMN] * size + row] -= x
            elif kind == codes.PLACE and cells[first] == 0.0:
                cells[offset + plan.measures[m, codes.MEASURE_COLUMN] * size + row] = math.nan
    for p in range(plan.pairs.shape[0]):
        x = values[plan.measures[plan.pairs[p, codes.PAIR_X], codes.MEASURE_INPUT], i]
        y = values[plan.measures[plan.pairs[p, codes.PAIR_Y], codes.MEASURE_INPUT], i]
        first = offset + plan.pairs[p, codes.PAIR_WIDE] * size + row
        if x == x and y == y and cells[first] > 0.0:
            cells[first] -= 1.0
            subtract_pair(cells, first, size, x, y)


@lean_kernel
def subtract_number(cells: FloatArray, first: int, size: int, x: float) -> None:
    """Take one value out of a sum and its moments; how many are left is already counted."""
    left = cells[first]
    cells[first + codes.TOTAL * size] -= x
    if left > 0.0:
        old = cells[first + codes.MEAN * size]
        mean = old - (x - old) / left
        m2 = cells[first + codes.M2 * size] - (x - old) * (x - mean)
        cells[first + codes.M2 * size] = m2 if m2 > 0.0 else 0.0
        cells[first + codes.MEAN * size] = mean


@lean_kernel
def subtract_pair(cells: FloatArray, first: int, size: int, x: float, y: float) -> None:
    """Take one event out of the moments of two numbers; how many are left is already counted."""
    left = cells[first]
    if left == 0.0:
        return
    dx = x - cells[first + codes.PAIR_MEAN_X * size]
    dy = y - cells[first + codes.PAIR_MEAN_Y * size]
    mean_x = cells[first + codes.PAIR_MEAN_X * size] - dx / left
    mean_y = cells[first + codes.PAIR_MEAN_Y * size] - dy / left
    m2_x = cells[first + codes.PAIR_M2_X * size] - dx * (x - mean_x)
    m2_y = cells[first + codes.PAIR_M2_Y * size] - dy * (y - mean_y)
    cells[first + codes.PAIR_M2_X * size] = m2_x if m2_x > 0.0 else 0.0
    cells[first + codes.PAIR_M2_Y * size] = m2_y if m2_y > 0.0 else 0.0
    cells[first + codes.PAIR_C * size] -= dx * (y - mean_y)
    cells[first + codes.PAIR_MEAN_X * size] = mean_x
    cells[first + codes.PAIR_MEAN_Y * size] = mean_y
