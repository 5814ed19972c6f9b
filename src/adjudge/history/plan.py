"""A layout compiled into arrays: aggregations that share a loop become one group, with windows that nest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from adjudge.errors import ShapeError
from adjudge.history import codes
from adjudge.history.layout import KINDS, Aggregation, Layout, Measure
from adjudge.typing import FloatArray, IntArray

OPERATIONS: dict[str, tuple[int, int]] = {
    "sum": (codes.OP_SUM, codes.MOMENTS),
    "mean": (codes.OP_MEAN, codes.MOMENTS),
    "std": (codes.OP_STD, codes.MOMENTS),
    "min": (codes.OP_MIN, codes.EXTREMES),
    "max": (codes.OP_MAX, codes.EXTREMES),
    "first": (codes.OP_FIRST, codes.EDGES),
    "last": (codes.OP_LAST, codes.EDGES),
    "distinct": (codes.OP_DISTINCT, codes.DISTINCTS),
    "rate": (codes.OP_RATE, codes.SHARES),
    "trend": (codes.OP_TREND, codes.TREND),
    "correlation": (codes.OP_CORRELATION, codes.CORRELATION),
    "decayed_sum": (codes.OP_DECAYED_SUM, codes.DECAY),
    "decayed_count": (codes.OP_DECAYED_COUNT, codes.DECAY),
    "speed": (codes.OP_SPEED, codes.MOVES),
    "distance": (codes.OP_DISTANCE, codes.MOVES),
    "distance_typical": (codes.OP_TYPICAL, codes.TYPICAL),
    "last_n": (codes.OP_LAST_N, codes.LATEST),
    "since_last_n": (codes.OP_SINCE_LAST_N, codes.LATEST),
    "linked_count": (codes.OP_LINKED_COUNT, codes.LINKED),
    "linked_known": (codes.OP_LINKED_KNOWN, codes.LINKED),
    "linked_events": (codes.OP_LINKED_EVENTS, codes.LINKED),
}
"""Code and family of the operations whose family does not depend on what they are asked of."""

UNSCALED = frozenset(
    {
        "count",
        "distinct",
        "is_new",
        "since_last",
        "since_last_n",
        "since_first",
        "rate",
        "correlation",
        "decayed_count",
    }
)
"""Operations whose result does not carry the unit of the measure."""

MAX_ROWS = 1 << 22
"""Rows of the largest block; merging keeps every key far below it."""

_WIDTH = {"number": 7, "label": 1, "hash": 2, "place": 1}
_WIDTH_PAIR = 6


class Plan(NamedTuple):
    """The compiled layout: one array for each kind of fact, columns as named in `codes`."""

    measures: IntArray
    pairs: IntArray
    ages: IntArray
    groups: IntArray
    tasks: IntArray
    numbers: FloatArray
    blanks: IntArray
    sizes: IntArray
    limits: IntArray
    eps: float


def compile_layout(layout: Layout, reads: Sequence[int] | None = None, writes: Sequence[int] | None = None) -> Plan:
    """Compile a layout into the arrays that the kernels read.

    Parameters
    ----------
    layout
        What to compile.
    reads
        For each input column its row in the input matrix; the same order when None.
    writes
        For each output its row in the output matrix; the same order when None.

    Examples
    --------
    Two windows over one measure share a group, the shorter one first:

    >>> day = 86_400_000_000
    >>> asked = [Aggregation("mean", 0, window_us=7 * day), Aggregation("sum", 0, window_us=day)]
    >>> plan = compile_layout(Layout([Measure("amount")], asked))
    >>> len(plan.groups), plan.tasks[:, codes.TASK_OUTPUT].tolist()
    (1, [1, 0])
    """
    reads = list(range(layout.columns)) if reads is None else list(reads)
    writes = list(range(layout.width)) if writes is None else list(writes)
    pairs = _pairs(layout)
    measures, plain, wide = _measures(layout, reads)
    pair_rows = [[x, y, wide + _WIDTH_PAIR * k] for k, (x, y) in enumerate(pairs)]
    wide += _WIDTH_PAIR * len(pairs)
    ages = sorted({0} | {age for a in layout.aggregations for age in (a.delay_us, layout.span_us(a))})
    groups, tasks, numbers = _groups(layout, pairs, ages, writes)
    sizes, first_wide = _sizes(layout.capacity)
    limits = [layout.capacity, layout.horizon_us, layout.shortest_us, plain, wide, first_wide]
    return Plan(
        measures=_table(measures, 5),
        pairs=_table(pair_rows, 3),
        ages=np.array(ages, dtype=np.int64),
        groups=_table(groups, 8),
        tasks=_table(tasks, 3),
        numbers=np.array(numbers, dtype=np.float64).reshape(-1, 2),
        blanks=_table(_blanks(layout, writes), 2),
        sizes=np.array(sizes, dtype=np.int64),
        limits=np.array(limits, dtype=np.int64),
        eps=layout.eps,
    )


def _table(rows: Sequence[Sequence[int]], columns: int) -> IntArray:
    return np.array(rows, dtype=np.int64).reshape(-1, columns)


def _pairs(layout: Layout) -> list[tuple[int, int]]:
    found = {(a.measure, a.other) for a in layout.aggregations if a.op == "correlation"}
    return sorted((x, y) for x, y in found if x is not None and y is not None)


def _measures(layout: Layout, reads: Sequence[int]) -> tuple[list[list[int]], int, int]:
    """Return the table of measures, the number of plain columns, and of all columns of a wide block."""
    column = codes.COLUMN_MEASURES
    starts = []
    for measure in layout.measures:
        starts.append(column)
        column += 2 if measure.kind == "place" else 1
    plain, wide = column, column + codes.WIDE_MEASURES
    sketched = {a.measure for a in layout.aggregations if a.op == "distinct"}
    table = []
    for position, (measure, start) in enumerate(zip(layout.measures, starts, strict=True)):
        first = start - codes.COLUMN_MEASURES
        if measure.kind == "place" and reads[first + 1] != reads[first] + 1:
            msg = f"the two columns of place {measure.name!r} must be neighbours"
            raise ShapeError(msg)
        row = [KINDS[measure.kind], reads[first], start, wide, -1]
        wide += _WIDTH[measure.kind]
        if position in sketched:
            row[codes.MEASURE_SKETCH] = wide
            wide += codes.SKETCH_WORDS
        table.append(row)
    return table, plain, wide


def _operation(aggregation: Aggregation, measures: Sequence[Measure]) -> tuple[int, int]:
    """Return code and family of an operation over its measure."""
    kind = "" if aggregation.measure is None else measures[aggregation.measure].kind
    match aggregation.op:
        case "count":
            family = codes.ROWS if not kind else codes.COUNTS if kind in ("hash", "place") else codes.MOMENTS
            return codes.OP_COUNT, family
        case "is_new":
            return codes.OP_IS_NEW, codes.COUNTS if kind else codes.ROWS
        case "since_last":
            return codes.OP_SINCE_LAST, codes.EDGES if kind else codes.ROWS
        case "since_first":
            return codes.OP_SINCE_FIRST, codes.EDGES if kind else codes.ROWS
        case _:
            return OPERATIONS[aggregation.op]


def _groups(
    layout: Layout, pairs: Sequence[tuple[int, int]], ages: Sequence[int], writes: Sequence[int]
) -> tuple[list[list[int]], list[list[int]], list[list[float]]]:
    """Return the groups, and the tasks and numbers they point to."""
    members: dict[tuple[int, int, int, int, int, bool, float], list[tuple[int, int, int, float, float]]] = {}
    output = 0
    for a in layout.aggregations:
        code, family = _operation(a, layout.measures)
        x, y = -1 if a.measure is None else a.measure, -1 if a.other is None else a.other
        pair = pairs.index((x, y)) if a.op == "correlation" else -1
        # What one loop has but one of: a half-life, or how many neighbours are looked at.
        shared = a.parameter if family in (codes.DECAY, codes.LINKED) else 0.0
        scale = 1.0 if a.measure is None or a.op in UNSCALED else layout.measures[a.measure].scale
        if a.measure is not None and layout.measures[a.measure].kind in ("hash", "place"):
            scale = 1.0
        key = (family, x, y, pair, ages.index(a.delay_us), a.including, shared)
        if writes[output : output + a.width] != list(range(writes[output], writes[output] + a.width)):
            msg = f"the {a.width} outputs of {a.op} must be neighbours"
            raise ShapeError(msg)
        members.setdefault(key, []).append((ages.index(layout.span_us(a)), code, writes[output], scale, a.parameter))
        output += a.width
    groups: list[list[int]] = []
    tasks: list[list[int]] = []
    numbers: list[list[float]] = []
    for (family, x, y, pair, end, including, _), wanted in sorted(members.items()):
        first = len(tasks)
        for age, code, row, scale, parameter in sorted(wanted):
            tasks.append([code, age, row])
            numbers.append([scale, parameter])
        groups.append([family, x, y, pair, end, first, len(tasks), int(including)])
    return groups, tasks, numbers


def _blanks(layout: Layout, writes: Sequence[int]) -> list[list[int]]:
    """Return each output row, and whether it holds hashes."""
    rows: list[list[int]] = []
    output = 0
    for a in layout.aggregations:
        hashed = a.op in ("first", "last", "last_n") and a.measure is not None
        hashed = hashed and layout.measures[a.measure or 0].kind == "hash"
        rows += [[writes[output + k], int(hashed)] for k in range(a.width)]
        output += a.width
    return rows


def _sizes(capacity: int) -> tuple[list[int], int]:
    """Return the rows of each size class, plain ones first, and the first wide class.

    Plain classes end half above the capacity, so that rows that no window can reach are dropped in bulk.
    """
    steps = [2]
    while steps[-1] < MAX_ROWS:
        last = steps[-1]
        steps.append(last + (last & -last if last & (last - 1) else last // 2) if last > 2 else 4)
    plain = [s for s in steps if s < capacity + capacity // 2]
    plain.append(next(s for s in steps if s >= capacity + capacity // 2))
    return plain + [s for s in steps if s >= capacity], len(plain)
