"""A state as plain arrays in the order of keys, and back: the same arrays for the same entries, however they lay."""

from __future__ import annotations

from adjudge.history import block, codes, compact, memory
from adjudge.history.plan import Plan
from adjudge.kernel import lean_kernel
from adjudge.typing import FloatArray, IntArray


@lean_kernel
def measure(plan: Plan, table: IntArray, rows: IntArray, places: IntArray, facts: IntArray) -> None:
    """Write for each key: newest time, limit, flags, rows that can be seen."""
    for k in range(places.shape[0]):
        entry = table[places[k]]
        packed = entry[codes.ENTRY_FACTS]
        facts[0, k] = entry[codes.ENTRY_NEWEST]
        facts[1, k] = memory.limit_of(packed)
        facts[2, k] = memory.flags_of(packed)
        facts[3, k] = memory.count_of(packed) - compact.dead_rows(plan, entry, rows)


@lean_kernel
def export(
    plan: Plan, table: IntArray, rows: IntArray, places: IntArray, facts: IntArray, plain: IntArray, wide: IntArray
) -> None:
    """Copy the rows of every key, one key after another; wide columns only of keys that have merged rows."""
    at, wide_at = 0, 0
    for k in range(places.shape[0]):
        entry = table[places[k]]
        size = plan.sizes[memory.class_of(entry[codes.ENTRY_FACTS])]
        dead = memory.count_of(entry[codes.ENTRY_FACTS]) - facts[3, k]
        for column in range(plain.shape[0]):
            first = entry[codes.ENTRY_OFFSET] + column * size + dead
            for row in range(facts[3, k]):
                plain[column, at + row] = rows[first + row]
        at += facts[3, k]
        if facts[2, k] & codes.MERGED:
            for column in range(wide.shape[0]):
                first = entry[codes.ENTRY_OFFSET] + (plain.shape[0] + column) * size + dead
                for row in range(facts[3, k]):
                    wide[column, wide_at + row] = rows[first + row]
            wide_at += facts[3, k]


@lean_kernel
def class_for(plan: Plan, count: int, limit: int, flags: int) -> int:
    """Return the size class that a key is restored to."""
    if flags & codes.MERGED or limit > plan.limits[codes.LIMIT_CAPACITY]:
        return compact.wide_class_for(plan, compact.roomy(limit))
    size_class = 0
    while plan.sizes[size_class] < count:
        size_class += 1
    return size_class


@lean_kernel
def words_for(plan: Plan, facts: IntArray) -> int:
    """Return how many words the restored blocks take."""
    words = 0
    for k in range(facts.shape[1]):
        size_class = class_for(plan, facts[3, k], facts[1, k], facts[2, k])
        words += plan.sizes[size_class] * block.columns_of(plan, size_class)
    return words


@lean_kernel
def restore(
    plan: Plan, table: IntArray, rows: IntArray, cells: FloatArray, state: IntArray, keys: IntArray, facts: IntArray,
    plain: IntArray, wide: IntArray,
) -> None:  # fmt: skip
    """Enter every key with its rows; the table and the arena are large enough."""
    at, wide_at = 0, 0
    for k in range(keys.shape[0]):
        count, limit, flags = facts[3, k], facts[1, k], facts[2, k]
        size_class = class_for(plan, count, limit, flags)
        size, columns = plan.sizes[size_class], block.columns_of(plan, size_class)
        entry = table[-1 - memory.find(table, keys[k])]
        offset = memory.allocate(rows, state, size_class, size * columns)
        entry[codes.ENTRY_KEY], entry[codes.ENTRY_OFFSET] = keys[k], offset
        entry[codes.ENTRY_FACTS] = memory.pack(count, limit, size_class, flags)
        entry[codes.ENTRY_NEWEST] = facts[0, k]
        state[codes.STATE_KEYS] += 1
        for column in range(plain.shape[0]):
            for row in range(count):
                rows[offset + column * size + row] = plain[column, at + row]
        at += count
        if flags & codes.MERGED:
            for column in range(wide.shape[0]):
                for row in range(count):
                    rows[offset + (plain.shape[0] + column) * size + row] = wide[column, wide_at + row]
            wide_at += count
        elif size_class >= plan.limits[codes.LIMIT_FIRST_WIDE]:
            for row in range(count):
                block.widen(rows, cells, offset, size, row, plain.shape[0], plan.measures, plan.pairs)
