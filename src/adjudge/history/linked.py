"""The second hop: what the rows of a key's neighbours say, where its own rows name them by their hash.

A neighbour is a key of the same histories. Its rows are read in the middle of a fold, when exactly what was logged
before the event has been folded, so the second hop knows neither more nor less than the first.
"""

from __future__ import annotations

import numpy as np

from adjudge.history import codes, memory, scan
from adjudge.history.inline import inlined
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@lean_kernel
def answer_linked(
    plan: Plan, group: IntArray, table: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, place: int,
    now: int, values: FloatArray, out: FloatArray, i: int, bounds: IntArray, seen: IntArray, scratch: FloatArray,
) -> None:  # fmt: skip
    """Answer one group of questions about the newest different hashes of a key's rows, but the event's own.

    Windows nest, so the neighbours of a longer one are those of the shorter one and older ones after them.
    """
    x, start, stop = group[codes.GROUP_MEASURE], group[codes.GROUP_FIRST], group[codes.GROUP_LAST]
    offset, at, wide, merged = 0, 0, 0, False
    if place >= 0:
        facts = table[place, codes.ENTRY_FACTS]
        offset, size = table[place, codes.ENTRY_OFFSET], plan.sizes[memory.class_of(facts)]
        at = offset + plan.measures[x, codes.MEASURE_COLUMN] * size
        wide = offset + plan.measures[x, codes.MEASURE_WIDE] * size
        merged = memory.flags_of(facts) & codes.MERGED != 0
    row = bounds[group[codes.GROUP_END]]
    most = int(plan.numbers[start, codes.NUMBER_PARAMETER])
    state[codes.STATE_EPOCH] += 1
    epoch, mask = state[codes.STATE_EPOCH], scan.mask_for(row)
    own = values.view(np.int64)[plan.measures[x, codes.MEASURE_INPUT], i]
    if own != 0:
        scan.is_fresh(seen, mask, epoch, own)
    others = scratch.view(np.int64)
    found = 0
    for t in range(start, stop):
        low = bounds[plan.tasks[t, codes.TASK_AGE]]
        while row > low and found < most:
            row -= 1
            known = cells[wide + row] > 0.0 if merged else rows[at + row] != 0
            if known and scan.is_fresh(seen, mask, epoch, rows[at + row]):
                others[found] = rows[at + row]
                found += 1
        result = float(found)
        if plan.tasks[t, codes.TASK_OP] != codes.OP_LINKED_COUNT:
            until, since = now - plan.ages[group[codes.GROUP_END]], now - plan.ages[plan.tasks[t, codes.TASK_AGE]]
            only_known = plan.tasks[t, codes.TASK_OP] == codes.OP_LINKED_KNOWN
            result = 0.0
            for k in range(found):
                n = neighbour(plan, table, rows, cells, others[k], since, until, group[codes.GROUP_OTHER])
                if only_known:
                    n = 1.0 if n > 0.0 else 0.0
                result += n
        out[plan.tasks[t, codes.TASK_OUTPUT], i] = result


@inlined
def neighbour(
    plan: Plan, table: IntArray, rows: IntArray, cells: FloatArray, key: int, since: int, until: int, label: int
) -> float:
    """Return how many events of a key lie in a window, or how many of them a label says yes about."""
    place = memory.find(table, key)
    if place < 0:
        return 0.0
    facts, offset = table[place, codes.ENTRY_FACTS], table[place, codes.ENTRY_OFFSET]
    size, merged = plan.sizes[memory.class_of(facts)], memory.flags_of(facts) & codes.MERGED != 0
    floor = table[place, codes.ENTRY_NEWEST] - plan.limits[codes.LIMIT_HORIZON]
    high = scan.upto(rows, offset, memory.count_of(facts), max(until, floor))
    low = scan.upto(rows, offset, high, max(since, floor))
    if label < 0:
        if not merged:
            return float(high - low)
        events = offset + (plan.limits[codes.LIMIT_PLAIN] + codes.WIDE_ROWS) * size
        n = 0.0
        for row in range(low, high):
            n += cells[events + row]
        return n
    at = offset + plan.measures[label, codes.MEASURE_COLUMN] * size
    wide = offset + plan.measures[label, codes.MEASURE_WIDE] * size
    positive = 0.0
    for row in range(low, high):
        known = cells[wide + row] > 0.0 if merged else cells[at + row] == cells[at + row]
        if known:
            positive += cells[at + row]
    return positive
