"""The fold: one entry after another, each found by its key, answered from the rows before it, then put among them."""

from __future__ import annotations

import math

import numpy as np

from adjudge.history import answer, block, codes, compact, correct, memory, undo
from adjudge.history.inline import inlined
from adjudge.history.plan import Plan
from adjudge.history.prefetch import look_ahead
from adjudge.kernel import lean_kernel
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


@inlined
def blank(blanks: IntArray, out: FloatArray, i: int) -> None:
    """Write missing into every output of an event that has no key."""
    for k in range(blanks.shape[0]):
        out[blanks[k, 0], i] = math.nan if blanks[k, 1] == 0 else 0.0


@inlined
def words_needed(plan: Plan, facts: int) -> int:
    """Return the most words that appending to a key can take from the arena."""
    count = memory.count_of(facts) + 1
    size_class = memory.class_of(facts)
    words = 0
    if count > memory.limit_of(facts):
        wide = plan.limits[codes.LIMIT_WIDE]
        words += 2 * wide * plan.sizes[compact.wide_class_for(plan, compact.roomy(2 * count))]
    if count > plan.sizes[size_class]:
        words += plan.sizes[size_class + 1] * plan.limits[codes.LIMIT_WIDE]
    return words


@inlined
def need(plan: Plan, table: IntArray, rows: IntArray, state: IntArray, seen: IntArray, place: int) -> int:
    """Return what the arrays lack before the key at `place` can be scanned and appended to; 0 when nothing."""
    if place < 0:
        if memory.is_crowded(table, state):
            return codes.NEED_TABLE
        words = plan.sizes[0] * plan.limits[codes.LIMIT_PLAIN]
    else:
        facts = table[place, codes.ENTRY_FACTS]
        if 8 * (memory.count_of(facts) + 2) > seen.shape[0]:
            return codes.NEED_SCRATCH
        words = words_needed(plan, facts)
    if state[codes.STATE_TOP] + words > rows.shape[0]:
        return int(codes.NEED_WORDS + words)
    return 0


@inlined
def append(
    plan: Plan, table: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, journal: IntArray, place: int,
    ts: int, seq: int, values: FloatArray, i: int,
) -> None:  # fmt: skip
    """Put the row of an event among those of its key, and merge old ones if that makes them too many."""
    entry = table[place]
    newest = entry[codes.ENTRY_NEWEST]
    facts = before = entry[codes.ENTRY_FACTS]
    if memory.count_of(facts) > 0 and ts <= newest - plan.limits[codes.LIMIT_HORIZON]:
        return
    if memory.count_of(facts) == plan.sizes[memory.class_of(facts)]:
        compact.make_room(plan, entry, rows, state, journal)
        facts = entry[codes.ENTRY_FACTS]
        if memory.count_of(facts) < memory.count_of(before):
            before = facts
    count, size_class, flags = memory.count_of(facts), memory.class_of(facts), memory.flags_of(facts)
    size, offset = plan.sizes[size_class], entry[codes.ENTRY_OFFSET]
    wide = size_class >= plan.limits[codes.LIMIT_FIRST_WIDE]
    columns = plan.limits[codes.LIMIT_WIDE] if wide else plan.limits[codes.LIMIT_PLAIN]
    row = block.place_for(rows, offset, count, ts)
    undo.note_row(entry, state, journal, before, row)
    if row < count:
        block.open_gap(rows, offset, size, columns, count, row, int(np.int64(1)))
    block.write(rows, cells, offset, size, row, ts, seq, plan.measures, values, i)
    if wide:
        block.widen(rows, cells, offset, size, row, plan.limits[codes.LIMIT_PLAIN], plan.measures, plan.pairs)
    if flags & codes.MERGED and ts < newest:
        flags |= codes.FLAGGED
    if count == 0 or ts > newest:
        entry[codes.ENTRY_NEWEST] = ts
    entry[codes.ENTRY_FACTS] = memory.pack(count + 1, memory.limit_of(facts), size_class, flags)
    if count + 1 > memory.limit_of(facts):
        compact.settle(plan, entry, rows, cells, state, journal)


@lean_kernel
def fold_entries(
    kind: AnyArray, keys: HashArray, ts: IntArray, seq: IntArray, values: FloatArray, out: FloatArray,
    start: int, stop: int, plan: Plan, table: IntArray, rows: IntArray, cells: FloatArray, state: IntArray,
    journal: IntArray, bounds: IntArray, seen: IntArray, scratch: FloatArray,
) -> int:  # fmt: skip
    """Fold entries until `stop`, or until an array is too small; return how far it came.

    An entry is begun only when everything it may need is there, so stopping never leaves one half done.
    """
    for i in range(start, stop):
        look_ahead(plan, table, rows, keys, i, stop)
        key = int(np.int64(keys[i]))
        what = kind[i]
        if key == 0:
            if what <= codes.ADVANCE:
                blank(plan.blanks, out, i)
            continue
        place = memory.find(table, key)
        if what != codes.SCAN and state[codes.STATE_JOURNAL] >= 0 and undo.is_short(plan, table, place, state, journal):
            state[codes.STATE_NEED] = codes.NEED_JOURNAL
            return i
        appends = what == codes.ADVANCE or what == codes.INSERT
        if appends:
            lacking = need(plan, table, rows, state, seen, place)
            if lacking > 0:
                state[codes.STATE_NEED] = lacking
                return i
        if what <= codes.ADVANCE:
            if place >= 0 and 8 * (memory.count_of(table[place, codes.ENTRY_FACTS]) + 2) > seen.shape[0]:
                state[codes.STATE_NEED] = codes.NEED_SCRATCH
                return i
            answer.answer(plan, table, rows, cells, state, place, ts[i], values, out, i, bounds, seen, scratch)
        if appends:
            if place < 0:
                place = -1 - place
                words = plan.sizes[0] * plan.limits[codes.LIMIT_PLAIN]
                undo.note_key(state, journal, key)
                memory.enter(table, rows, state, place, key, plan.limits[codes.LIMIT_CAPACITY], words)
            append(plan, table, rows, cells, state, journal, place, ts[i], seq[i], values, i)
        elif what == codes.LABEL:
            if values.shape[0] < 3 or not correct.is_label(plan.measures, int(values[0, i])):
                state[codes.STATE_NEED] = codes.NEED_VALUES
                return i
            if place < 0:
                continue
            correct.relabel(plan, table[place], rows, cells, state, journal, ts[i], seq[i], values, i)
        elif what == codes.RETRACT and place >= 0:
            correct.retract(plan, table[place], rows, cells, state, journal, ts[i], seq[i], values, i)
    return stop
