"""Keeping keys bounded: rows that no window reaches go, neighbours among too many rows merge, corrections follow.

A row is merged only by its own key's append, and only when the key then holds more rows than its limit that a
window can still reach; so what is merged is a function of that key's entries and of nothing else.
"""

from __future__ import annotations

import numpy as np

from adjudge.history import block, codes, memory, merge, scan, undo
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@lean_kernel
def roomy(limit: int) -> int:
    """Return a size that leaves a quarter more room than the limit, so that dead rows are dropped in bulk."""
    return limit + (limit >> 2) + 1


@lean_kernel
def wide_class_for(plan: Plan, count: int) -> int:
    """Return the smallest wide size class that holds `count` rows."""
    size_class = plan.limits[codes.LIMIT_FIRST_WIDE]
    while plan.sizes[size_class] < count:
        size_class += 1
    return int(size_class)


@lean_kernel
def dead_rows(plan: Plan, entry: IntArray, rows: IntArray) -> int:
    """Return how many rows of a key are so old that no event can see them."""
    count = memory.count_of(entry[codes.ENTRY_FACTS])
    floor = entry[codes.ENTRY_NEWEST] - plan.limits[codes.LIMIT_HORIZON]
    return scan.upto(rows, entry[codes.ENTRY_OFFSET], count, floor)


@lean_kernel
def drop(plan: Plan, entry: IntArray, rows: IntArray, width: int) -> None:
    """Forget the oldest rows of a key."""
    facts = entry[codes.ENTRY_FACTS]
    count, size_class = memory.count_of(facts), memory.class_of(facts)
    columns = block.columns_of(plan, size_class)
    block.close_gap(rows, entry[codes.ENTRY_OFFSET], plan.sizes[size_class], columns, count, int(np.int64(0)), width)
    entry[codes.ENTRY_FACTS] = memory.pack(count - width, memory.limit_of(facts), size_class, memory.flags_of(facts))


@lean_kernel
def resize(plan: Plan, entry: IntArray, rows: IntArray, state: IntArray, size_class: int) -> None:
    """Move the rows of a key to a block of another class, as many columns as both have."""
    facts = entry[codes.ENTRY_FACTS]
    count, old_class, old = memory.count_of(facts), memory.class_of(facts), entry[codes.ENTRY_OFFSET]
    columns = block.columns_of(plan, size_class)
    new = memory.allocate(rows, state, size_class, columns * plan.sizes[size_class])
    shared = min(columns, block.columns_of(plan, old_class))
    block.move(rows, old, plan.sizes[old_class], new, plan.sizes[size_class], shared, count)
    memory.release(rows, state, old_class, old)
    entry[codes.ENTRY_OFFSET] = new
    entry[codes.ENTRY_FACTS] = memory.pack(count, memory.limit_of(facts), size_class, memory.flags_of(facts))


@lean_kernel
def make_room(plan: Plan, entry: IntArray, rows: IntArray, state: IntArray, journal: IntArray) -> None:
    """Make room for one more row in a full block: drop dead rows if they are many, else take the next class."""
    facts = entry[codes.ENTRY_FACTS]
    dead = dead_rows(plan, entry, rows)
    if 8 * dead >= memory.count_of(facts):
        undo.note_rows(plan, entry, rows, state, journal, int(np.int64(0)), memory.count_of(facts) - dead)
        drop(plan, entry, rows, dead)
    else:
        resize(plan, entry, rows, state, memory.class_of(facts) + 1)


@lean_kernel
def settle(plan: Plan, entry: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, journal: IntArray) -> None:
    """Merge old neighbours if the rows that an event can still see are more than the limit."""
    facts = entry[codes.ENTRY_FACTS]
    dead = dead_rows(plan, entry, rows)
    live = memory.count_of(facts) - dead
    if live <= memory.limit_of(facts):
        return
    none = int(np.int64(0))  # a literal would compile its callees once more
    undo.note_rows(plan, entry, rows, state, journal, none, none)
    drop(plan, entry, rows, dead)
    if memory.class_of(facts) < plan.limits[codes.LIMIT_FIRST_WIDE]:
        resize(plan, entry, rows, state, wide_class_for(plan, roomy(live)))
        size = plan.sizes[memory.class_of(entry[codes.ENTRY_FACTS])]
        for row in range(live):
            block.widen(
                rows, cells, entry[codes.ENTRY_OFFSET], size, row, plan.limits[codes.LIMIT_PLAIN],
                plan.measures, plan.pairs,
            )  # fmt: skip
    left = merge.merge_neighbours(plan, entry, rows, cells, live)
    facts = entry[codes.ENTRY_FACTS]
    limit = max(plan.limits[codes.LIMIT_CAPACITY], 2 * left)
    flags = memory.flags_of(facts)
    if left < live:
        flags |= codes.MERGED
    entry[codes.ENTRY_FACTS] = memory.pack(left, limit, memory.class_of(facts), flags)
    if plan.sizes[memory.class_of(facts)] < roomy(limit):
        resize(plan, entry, rows, state, wide_class_for(plan, roomy(limit)))
