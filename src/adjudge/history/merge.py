"""Merging of neighbouring rows: counts and sums add, moments combine by Chan's formula, least and most compare."""

from __future__ import annotations

import numpy as np

from adjudge.history import codes, sketch
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@lean_kernel
def merge_neighbours(plan: Plan, entry: IntArray, rows: IntArray, cells: FloatArray, count: int) -> int:
    """Merge the rows of a key from the oldest on while they stay narrow for their age; return how many are left."""
    facts_class = (entry[codes.ENTRY_FACTS] >> 48) & 255
    size, offset = plan.sizes[facts_class], entry[codes.ENTRY_OFFSET]
    oldest_at = offset + (plan.limits[codes.LIMIT_PLAIN] + codes.WIDE_OLDEST) * size
    newest = entry[codes.ENTRY_NEWEST]
    narrow = plan.eps * plan.limits[codes.LIMIT_SHORTEST]
    last = int(np.int64(0))  # a literal would compile its callees once more
    for row in range(1, count):
        ts = rows[offset + row]
        oldest = min(rows[oldest_at + last], rows[oldest_at + row])
        if ts - oldest <= max(plan.eps * (newest - ts), narrow):
            merge_rows(plan, rows, cells, offset, size, last, row)
        else:
            last += 1
            if last != row:
                for column in range(plan.limits[codes.LIMIT_WIDE]):
                    rows[offset + column * size + last] = rows[offset + column * size + row]
    return int(last + 1)


@lean_kernel
def merge_rows(plan: Plan, rows: IntArray, cells: FloatArray, offset: int, size: int, a: int, b: int) -> None:
    """Merge row b into the older row a."""
    rows[offset + codes.COLUMN_TS * size + a] = rows[offset + codes.COLUMN_TS * size + b]
    rows[offset + codes.COLUMN_SEQ * size + a] = rows[offset + codes.COLUMN_SEQ * size + b]
    wide = offset + plan.limits[codes.LIMIT_PLAIN] * size
    cells[wide + codes.WIDE_ROWS * size + a] += cells[wide + codes.WIDE_ROWS * size + b]
    oldest = wide + codes.WIDE_OLDEST * size
    rows[oldest + a] = min(rows[oldest + a], rows[oldest + b])
    for p in range(plan.pairs.shape[0]):
        merge_pairs(cells, offset + plan.pairs[p, codes.PAIR_WIDE] * size, size, a, b)
    for m in range(plan.measures.shape[0]):
        at = offset + plan.measures[m, codes.MEASURE_COLUMN] * size
        first = offset + plan.measures[m, codes.MEASURE_WIDE] * size
        kind = plan.measures[m, codes.MEASURE_KIND]
        if plan.measures[m, codes.MEASURE_SKETCH] >= 0:
            sketch_at = offset + plan.measures[m, codes.MEASURE_SKETCH] * size
            sketch.merge(rows, cells, at, first, sketch_at, size, a, b)
        if kind == codes.NUMBER:
            merge_numbers(cells, at, first, size, a, b)
        else:
            merge_others(rows, cells, at, first, size, kind, a, b)


@lean_kernel
def merge_numbers(cells: FloatArray, at: int, first: int, size: int, a: int, b: int) -> None:
    """Merge the columns of a number."""
    known_a, known_b = cells[first + a], cells[first + b]
    if known_b == 0.0 and known_a > 0.0:
        return
    cells[at + a] = cells[at + b]
    if known_a == 0.0:
        for column in range(7):
            cells[first + column * size + a] = cells[first + column * size + b]
        return
    n = known_a + known_b
    total, mean, m2 = first + codes.TOTAL * size, first + codes.MEAN * size, first + codes.M2 * size
    least, most = first + codes.LEAST * size, first + codes.MOST * size
    delta = cells[mean + b] - cells[mean + a]
    cells[first + a] = n
    cells[total + a] += cells[total + b]
    cells[mean + a] += delta * known_b / n
    cells[m2 + a] = cells[m2 + a] + cells[m2 + b] + delta * delta * known_a * known_b / n
    if cells[least + b] < cells[least + a]:
        cells[least + a] = cells[least + b]
    if cells[most + b] > cells[most + a]:
        cells[most + a] = cells[most + b]


@lean_kernel
def merge_others(rows: IntArray, cells: FloatArray, at: int, first: int, size: int, kind: int, a: int, b: int) -> None:
    """Merge the columns of a hash, place or label."""
    known_a, known_b = cells[first + a], cells[first + b]
    if known_b == 0.0 and known_a > 0.0:
        return
    if kind == codes.LABELS and known_a > 0.0:
        cells[at + a] += cells[at + b]
    else:
        rows[at + a] = rows[at + b]
    if kind == codes.PLACE:
        rows[at + size + a] = rows[at + size + b]
    if kind == codes.HASH and known_a == 0.0:
        rows[first + codes.HASH_EARLIEST * size + a] = rows[first + codes.HASH_EARLIEST * size + b]
    cells[first + a] = known_a + known_b


@lean_kernel
def merge_pairs(cells: FloatArray, first: int, size: int, a: int, b: int) -> None:
    """Merge what two rows know of two numbers together."""
    known_a, known_b = cells[first + a], cells[first + b]
    if known_b == 0.0 and known_a > 0.0:
        return
    if known_a == 0.0:
        for column in range(6):
            cells[first + column * size + a] = cells[first + column * size + b]
        return
    n = known_a + known_b
    mean_x, mean_y = first + codes.PAIR_MEAN_X * size, first + codes.PAIR_MEAN_Y * size
    m2_x, m2_y = first + codes.PAIR_M2_X * size, first + codes.PAIR_M2_Y * size
    c = first + codes.PAIR_C * size
    dx, dy = cells[mean_x + b] - cells[mean_x + a], cells[mean_y + b] - cells[mean_y + a]
    cells[first + a] = n
    cells[mean_x + a] += dx * known_b / n
    cells[mean_y + a] += dy * known_b / n
    cells[m2_x + a] = cells[m2_x + a] + cells[m2_x + b] + dx * dx * known_a * known_b / n
    cells[m2_y + a] = cells[m2_y + a] + cells[m2_y + b] + dy * dy * known_a * known_b / n
    cells[c + a] = cells[c + a] + cells[c + b] + dx * dy * known_a * known_b / n
