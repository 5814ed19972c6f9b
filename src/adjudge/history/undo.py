"""The undo log: what folding is about to change goes into a journal, from which it is put back in reverse order.

Every change replaces the rows of one key between its first few and its last few by others, and the facts of the key
with them. So a record is the rows that were replaced (none for an event that is new), and which key they were of.
"""

from __future__ import annotations

import numpy as np

from adjudge.history import block, codes, memory
from adjudge.history.inline import inlined
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import IntArray

# The last words of every record: the key, its facts and newest time before, how many first and last rows stayed.
RECORD_KEY, RECORD_FACTS, RECORD_NEWEST, RECORD_STAYED = 0, 1, 2, 3
RECORD = 4


@inlined
def is_short(plan: Plan, table: IntArray, place: int, state: IntArray, journal: IntArray) -> bool:
    """Tell whether the journal might be too short for one more entry of a key."""
    count = memory.count_of(table[place, codes.ENTRY_FACTS]) if place >= 0 else 0
    # At most an event drops the rows that are dead, is put in, and has all rows merged.
    words = 2 * (count + 1) * plan.limits[codes.LIMIT_WIDE] + 3 * RECORD
    return bool(state[codes.STATE_JOURNAL] + words > journal.shape[0])


@inlined
def end_record(
    state: IntArray, journal: IntArray, top: int, key: int, facts: int, newest: int, head: int, tail: int
) -> None:
    """End a record whose rows, if there are any, were written up to `top`."""
    journal[top + RECORD_KEY] = key
    journal[top + RECORD_FACTS] = facts
    journal[top + RECORD_NEWEST] = newest
    journal[top + RECORD_STAYED] = head | (tail << memory.COUNT_BITS)
    state[codes.STATE_JOURNAL] = top + RECORD


@inlined
def note_key(state: IntArray, journal: IntArray, key: int) -> None:
    """Note that a key is new: it had no facts."""
    if state[codes.STATE_JOURNAL] >= 0:
        none = int(np.int64(0))  # a literal would compile its callees once more
        end_record(state, journal, state[codes.STATE_JOURNAL], key, none, none, none, none)


@inlined
def note_row(entry: IntArray, state: IntArray, journal: IntArray, facts: int, row: int) -> None:
    """Note that one row is put in; `facts` are those of the key before."""
    if state[codes.STATE_JOURNAL] >= 0:
        key, newest, tail = entry[codes.ENTRY_KEY], entry[codes.ENTRY_NEWEST], memory.count_of(facts) - row
        end_record(state, journal, state[codes.STATE_JOURNAL], key, facts, newest, row, tail)


@lean_kernel
def note_rows(
    plan: Plan, entry: IntArray, rows: IntArray, state: IntArray, journal: IntArray, head: int, tail: int
) -> None:
    """Copy the rows that are about to be changed: all but the first `head` and the last `tail` of a key."""
    top = state[codes.STATE_JOURNAL]
    if top < 0:
        return
    facts, offset = entry[codes.ENTRY_FACTS], entry[codes.ENTRY_OFFSET]
    count, size_class = memory.count_of(facts), memory.class_of(facts)
    for column in range(block.columns_of(plan, size_class)):
        first = offset + column * plan.sizes[size_class]
        for row in range(head, count - tail):
            journal[top] = rows[first + row]
            top += 1
    end_record(state, journal, top, entry[codes.ENTRY_KEY], facts, entry[codes.ENTRY_NEWEST], head, tail)


@lean_kernel
def roll_back(plan: Plan, table: IntArray, rows: IntArray, state: IntArray, journal: IntArray) -> None:
    """Undo every change in the journal, the last one first.

    Blocks are taken and given back in reverse, so that each one that is needed again lies on its free list by then.
    """
    top = state[codes.STATE_JOURNAL]
    while top > 0:
        top -= RECORD
        place = memory.find(table, journal[top + RECORD_KEY])
        entry = table[place]
        facts, stayed = journal[top + RECORD_FACTS], journal[top + RECORD_STAYED]
        if facts == 0:
            memory.release(rows, state, memory.class_of(entry[codes.ENTRY_FACTS]), entry[codes.ENTRY_OFFSET])
            memory.leave(table, state, place)
            continue
        newest = journal[top + RECORD_NEWEST]
        head, tail = stayed & memory.COUNT_MASK, stayed >> memory.COUNT_BITS
        reopen(plan, entry, rows, state, facts, head, tail)
        top = put_back(plan, entry, rows, journal, top, head, tail)
        entry[codes.ENTRY_NEWEST] = newest


@lean_kernel
def reopen(plan: Plan, entry: IntArray, rows: IntArray, state: IntArray, facts: int, head: int, tail: int) -> None:
    """Give a key back its facts, with the rows that stayed where they were and room for the others between."""
    offset, now = entry[codes.ENTRY_OFFSET], entry[codes.ENTRY_FACTS]
    count, size_class = memory.count_of(now), memory.class_of(now)
    old_count, old_class = memory.count_of(facts), memory.class_of(facts)
    size, old_size = plan.sizes[size_class], plan.sizes[old_class]
    columns = block.columns_of(plan, old_class)
    if size_class != old_class:
        old = memory.allocate(rows, state, old_class, columns * old_size)
        shared = min(columns, block.columns_of(plan, size_class))
        block.move(rows, offset, size, old, old_size, shared, head)
        block.move(rows, offset + count - tail, size, old + old_count - tail, old_size, shared, tail)
        memory.release(rows, state, size_class, offset)
        entry[codes.ENTRY_OFFSET] = old
    elif old_count > count:
        block.open_gap(rows, offset, size, columns, count, head, old_count - count)
    elif old_count < count:
        block.close_gap(rows, offset, size, columns, count, head, count - old_count)
    entry[codes.ENTRY_FACTS] = facts


@lean_kernel
def put_back(plan: Plan, entry: IntArray, rows: IntArray, journal: IntArray, top: int, head: int, tail: int) -> int:
    """Copy the rows of a record back to where they were; return where the record begins."""
    facts, offset = entry[codes.ENTRY_FACTS], entry[codes.ENTRY_OFFSET]
    count, size_class = memory.count_of(facts), memory.class_of(facts)
    columns = block.columns_of(plan, size_class)
    begin = top - columns * (count - head - tail)
    word = begin
    for column in range(columns):
        first = offset + column * plan.sizes[size_class]
        for row in range(head, count - tail):
            rows[first + row] = journal[word]
            word += 1
    return int(begin)
