"""Keeping keys bounded: rows that no window reaches go, neighbours among too many rows merge, corrections follow.

A row is merged only by its own key's append, and only when the key holds its limit of rows that a window can still
reach; so what is merged is a function of that key's entries and of nothing else.
"""

from __future__ import annotations

from adjudge.history import block, codes, memory, scan
from adjudge.history.plan import Plan
from adjudge.kernel import kernel
from adjudge.typing import FloatArray, IntArray


@kernel
def roomy(limit: int) -> int:
    """Return a size that leaves a quarter more room than the limit, so that dead rows are dropped in bulk."""
    return limit + (limit >> 2) + 1


@kernel
def wide_class_for(plan: Plan, count: int) -> int:
    """Return the smallest wide size class that holds `count` rows."""
    size_class = plan.limits[codes.LIMIT_FIRST_WIDE]
    while plan.sizes[size_class] < count:
        size_class += 1
    return size_class


@kernel
def columns_of(plan: Plan, size_class: int) -> int:
    """Return how many columns the blocks of a size class have."""
    wide = size_class >= plan.limits[codes.LIMIT_FIRST_WIDE]
    return plan.limits[codes.LIMIT_WIDE] if wide else plan.limits[codes.LIMIT_PLAIN]


@kernel
def dead_rows(plan: Plan, entry: IntArray, rows: IntArray) -> int:
    """Return how many rows of a key are so old that no event can see them."""
    count = memory.count_of(entry[codes.ENTRY_FACTS])
    floor = entry[codes.ENTRY_NEWEST] - plan.limits[codes.LIMIT_HORIZON]
    return scan.upto(rows, entry[codes.ENTRY_OFFSET], count, floor)


@kernel
def drop(plan: Plan, entry: IntArray, rows: IntArray, width: int) -> None:
    """Forget the oldest rows of a key."""
    facts = entry[codes.ENTRY_FACTS]
    count, size_class = memory.count_of(facts), memory.class_of(facts)
    columns = columns_of(plan, size_class)
    block.close_gap(rows, entry[codes.ENTRY_OFFSET], plan.sizes[size_class], columns, count, 0, width)
    entry[codes.ENTRY_FACTS] = memory.pack(
        count - width, memory.limit_of(facts), size_class, memory.flags_of(facts)
    )


@kernel
def resize(plan: Plan, entry: IntArray, rows: IntArray, state: IntArray, size_class: int) -> None:
    """Move the rows of a key to a block of another class, as many columns as both have."""
    facts = entry[codes.ENTRY_FACTS]
    count, old_class, old = memory.count_of(facts), memory.class_of(facts), entry[codes.ENTRY_OFFSET]
    columns = columns_of(plan, size_class)
    new = memory.allocate(rows, state, size_class, columns * plan.sizes[size_class])
    shared = min(columns, columns_of(plan, old_class))
    block.move(rows, old, plan.sizes[old_class], new, plan.sizes[size_class], shared, count)
    memory.release(rows, state, old_class, old)
    entry[codes.ENTRY_OFFSET] = new
    entry[codes.ENTRY_FACTS] = memory.pack(count, memory.limit_of(facts), size_class, memory.flags_of(facts))


@kernel
def make_room(plan: Plan, entry: IntArray, rows: IntArray, state: IntArray) -> None:
    """Make room for one more row in a full block: drop dead rows if they are many, else take the next class."""
    facts = entry[codes.ENTRY_FACTS]
    dead = dead_rows(plan, entry, rows)
    if 4 * dead >= memory.count_of(facts):
        drop(plan, entry, rows, dead)
    else:
        resize(plan, entry, rows, state, memory.class_of(facts) + 1)


@kernel
def settle(plan: Plan, entry: IntArray, rows: IntArray, cells: FloatArray, state: IntArray) -> None:
    """Merge old neighbours if the rows that a window can reach have come to the limit."""
    facts = entry[codes.ENTRY_FACTS]
    dead = dead_rows(plan, entry, rows)
    if memory.count_of(facts) - dead < memory.limit_of(facts):
        return


@kernel
def relabel(
    plan: Plan,
    entry: IntArray,
    rows: IntArray,
    cells: FloatArray,
    ts: int,
    seq: int,
    values: FloatArray,
    i: int,
) -> None:
    """Set the label of an event's row."""


@kernel
def retract(
    plan: Plan,
    entry: IntArray,
    rows: IntArray,
    cells: FloatArray,
    ts: int,
    seq: int,
    values: FloatArray,
    i: int,
) -> None:
    """Take an event out of its row."""
