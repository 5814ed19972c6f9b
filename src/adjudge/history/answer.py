"""What a key's rows say about an event: the edges of every window first, then one loop for each group of questions."""

from __future__ import annotations

import math

import numpy as np

from adjudge.history import codes, linked, memory, scan
from adjudge.history import wide as scan_wide
from adjudge.history.inline import inlined
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@inlined
def own_value(measures: IntArray, measure: int, values: FloatArray, i: int) -> float:
    """Return the event's own value of a measure."""
    return float(values[measures[measure, codes.MEASURE_INPUT], i])


@inlined
def is_own_known(measures: IntArray, measure: int, values: FloatArray, i: int) -> bool:
    """Tell whether the event itself has a value of a measure; every event counts when no measure is meant."""
    if measure < 0:
        return True
    x = own_value(measures, measure, values, i)
    if measures[measure, codes.MEASURE_KIND] == codes.HASH:
        return bool(values.view(np.int64)[measures[measure, codes.MEASURE_INPUT], i] != 0)
    return bool(x == x)


@inlined
def answer(
    plan: Plan, table: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, place: int, now: int,
    values: FloatArray, out: FloatArray, i: int, bounds: IntArray, seen: IntArray, scratch: FloatArray,
) -> None:  # fmt: skip
    """Write every output of one event from the rows of its key."""
    offset, size, count, floor = 0, 0, 0, 0
    merged = False
    if place >= 0:
        facts = table[place, codes.ENTRY_FACTS]
        offset, count = table[place, codes.ENTRY_OFFSET], memory.count_of(facts)
        size = plan.sizes[memory.class_of(facts)]
        floor = table[place, codes.ENTRY_NEWEST] - plan.limits[codes.LIMIT_HORIZON]
        merged = memory.flags_of(facts) & codes.MERGED != 0
    scan.find_bounds(rows, offset, count, now, floor, plan.ages, bounds)
    for g in range(plan.groups.shape[0]):
        group = plan.groups[g]
        if group[codes.GROUP_FAMILY] == codes.LINKED:
            linked.answer_linked(
                plan, group, table, rows, cells, state, place, now, values, out, i, bounds, seen, scratch
            )
        elif merged:
            answer_wide(plan, group, rows, cells, state, offset, size, now, values, out, i, bounds, seen, scratch)
        else:
            answer_plain(plan, group, rows, cells, state, offset, size, now, values, out, i, bounds, seen, scratch)


@inlined
def answer_plain(
    plan: Plan, group: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, offset: int, size: int,
    now: int, values: FloatArray, out: FloatArray, i: int, bounds: IntArray, seen: IntArray, scratch: FloatArray,
) -> None:  # fmt: skip
    """Answer one group of questions about a key that has no merged rows."""
    family, x, y = group[codes.GROUP_FAMILY], group[codes.GROUP_MEASURE], group[codes.GROUP_OTHER]
    start, stop = scan.unsigned(group[codes.GROUP_FIRST]), scan.unsigned(group[codes.GROUP_LAST])
    including = group[codes.GROUP_INCLUDING] != 0
    high = bounds[group[codes.GROUP_END]]
    tasks, numbers, measures = plan.tasks, plan.numbers, plan.measures
    kind, at, own = 0, -1, math.nan
    if x >= 0:
        kind = measures[x, codes.MEASURE_KIND]
        at = offset + measures[x, codes.MEASURE_COLUMN] * size
        own = own_value(measures, x, values, i)
    shown = own if including else (0.0 if kind == codes.HASH else math.nan)
    with_own = including and is_own_known(measures, x, values, i)
    if family == codes.ROWS:
        scan.all_rows(rows, offset, now, high, bounds, tasks, start, stop, including, out, i)
    elif family == codes.MOMENTS:
        scan.moments(cells, at, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.EXTREMES:
        scan.extremes(cells, at, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.COUNTS:
        scan.counts(rows, cells, at, kind, high, bounds, tasks, start, stop, with_own, out, i)
    elif family == codes.SHARES:
        other = -1 if y < 0 else offset + measures[y, codes.MEASURE_COLUMN] * size
        other_kind = 0 if y < 0 else measures[y, codes.MEASURE_KIND]
        with_other = including and is_own_known(measures, y, values, i)
        scan.shares(rows, cells, at, other, other_kind, high, bounds, tasks, start, stop, with_other, shown, out, i)
    elif family == codes.EDGES:
        scan.edges(
            rows, cells, offset, at, kind, now, high, bounds, tasks, start, stop, numbers, shown, with_own, out, i
        )
    elif family == codes.LATEST:
        scan.latest(
            rows, cells, offset, at, kind, now, high, bounds, tasks, start, stop, numbers, shown, with_own, out, i
        )
    elif family == codes.DISTINCTS:
        own_hash = values.view(np.int64)[measures[x, codes.MEASURE_INPUT], i] if including else 0
        state[codes.STATE_EPOCH] += 1
        epoch = state[codes.STATE_EPOCH]
        scan.distincts(rows, at, high, bounds, tasks, start, stop, own_hash, seen, epoch, out, i)
    elif family == codes.TREND:
        scan.trend(rows, cells, offset, at, now, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.CORRELATION:
        other = offset + measures[y, codes.MEASURE_COLUMN] * size
        own_y = own_value(measures, y, values, i) if including else math.nan
        scan.correlation(cells, at, other, high, bounds, tasks, start, stop, shown, own_y, out, i)
    elif family == codes.DECAY:
        scan.decay(
            rows,
            cells,
            offset,
            at,
            kind,
            now,
            high,
            bounds,
            tasks,
            start,
            stop,
            numbers,
            with_own,
            shown,
            out,
            i,
        )
    else:
        own_lon = values[measures[x, codes.MEASURE_INPUT] + 1, i]
        if family == codes.MOVES:
            scan.moves(rows, cells, offset, at, size, now, high, bounds, tasks, start, stop, own, own_lon, out, i)
        else:
            scan.typical(cells, at, size, high, bounds, tasks, start, stop, including, own, own_lon, scratch, out, i)


@lean_kernel
def answer_wide(
    plan: Plan, group: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, offset: int, size: int,
    now: int, values: FloatArray, out: FloatArray, i: int, bounds: IntArray, seen: IntArray, scratch: FloatArray,
) -> None:  # fmt: skip
    """Answer one group of questions about a key that has merged rows."""
    family, x, y = group[codes.GROUP_FAMILY], group[codes.GROUP_MEASURE], group[codes.GROUP_OTHER]
    start, stop = scan.unsigned(group[codes.GROUP_FIRST]), scan.unsigned(group[codes.GROUP_LAST])
    including = group[codes.GROUP_INCLUDING] != 0
    high = bounds[group[codes.GROUP_END]]
    tasks, numbers, measures = plan.tasks, plan.numbers, plan.measures
    events = offset + (plan.limits[codes.LIMIT_PLAIN] + codes.WIDE_ROWS) * size
    oldest = offset + (plan.limits[codes.LIMIT_PLAIN] + codes.WIDE_OLDEST) * size
    kind, at, wide, own = 0, -1, events, math.nan
    if x >= 0:
        kind = measures[x, codes.MEASURE_KIND]
        at = offset + measures[x, codes.MEASURE_COLUMN] * size
        wide = offset + measures[x, codes.MEASURE_WIDE] * size
        own = own_value(measures, x, values, i)
    shown = own if including else (0.0 if kind == codes.HASH else math.nan)
    with_own = including and is_own_known(measures, x, values, i)
    if family == codes.ROWS:
        scan_wide.all_rows(
            rows, cells, offset, events, oldest, now, high, bounds, tasks, start, stop, including, out, i
        )
    elif family == codes.MOMENTS and kind == codes.LABELS:
        scan_wide.labels(cells, at, wide, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.MOMENTS:
        scan_wide.moments(cells, wide, size, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.EXTREMES:
        scan_wide.extremes(cells, wide, size, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.COUNTS:
        scan_wide.counts(cells, wide, high, bounds, tasks, start, stop, with_own, out, i)
    elif family == codes.SHARES:
        other = events if y < 0 else offset + measures[y, codes.MEASURE_WIDE] * size
        with_other = including and is_own_known(measures, y, values, i)
        scan_wide.shares(cells, at, wide, other, high, bounds, tasks, start, stop, with_other, shown, out, i)
    elif family == codes.EDGES:
        earliest = wide + (codes.HASH_EARLIEST if kind == codes.HASH else codes.EARLIEST) * size
        scan_wide.edges(
            rows, cells, offset, at, wide, earliest, oldest, kind, now, high, bounds, tasks, start, stop,
            numbers, shown, with_own, out, i,
        )  # fmt: skip
    elif family == codes.LATEST:
        scan_wide.latest(
            rows, cells, offset, at, wide, kind, now, high, bounds, tasks, start, stop, numbers, shown, with_own,
            out, i,
        )  # fmt: skip
    elif family == codes.DISTINCTS:
        own_hash = values.view(np.int64)[measures[x, codes.MEASURE_INPUT], i] if including else 0
        state[codes.STATE_EPOCH] += 1
        epoch = state[codes.STATE_EPOCH]
        sketches = offset + measures[x, codes.MEASURE_SKETCH] * size
        scan_wide.distincts(
            rows, cells, offset, events, oldest, at, wide, sketches, size, high, bounds, tasks, start, stop,
            own_hash, seen, epoch, scratch.view(np.int64), out, i,
        )  # fmt: skip
    elif family == codes.TREND:
        scan_wide.trend(rows, cells, offset, wide, size, now, high, bounds, tasks, start, stop, numbers, shown, out, i)
    elif family == codes.CORRELATION:
        pair = offset + plan.pairs[group[codes.GROUP_PAIR], codes.PAIR_WIDE] * size
        own_y = own_value(measures, y, values, i) if including else math.nan
        scan_wide.correlation(cells, pair, size, high, bounds, tasks, start, stop, shown, own_y, out, i)
    elif family == codes.DECAY:
        total_at = wide + codes.TOTAL * size if kind == codes.NUMBER else -1
        scan_wide.decay(
            rows, cells, offset, wide, total_at, now, high, bounds, tasks, start, stop, numbers, with_own, shown,
            out, i,
        )  # fmt: skip
    else:
        own_lon = values[measures[x, codes.MEASURE_INPUT] + 1, i]
        if family == codes.MOVES:
            scan.moves(rows, cells, offset, at, size, now, high, bounds, tasks, start, stop, own, own_lon, out, i)
        else:
            scan.typical(cells, at, size, high, bounds, tasks, start, stop, including, own, own_lon, scratch, out, i)
