"""Where keys and blocks lie: an open-addressing table of keys, and an arena of blocks in size classes.

The kernels never allocate: they take from these arrays, and say what they need when the arrays are too small.
"""

from __future__ import annotations

import numpy as np

from adjudge.history.codes import (
    ENTRY_FACTS,
    ENTRY_KEY,
    ENTRY_OFFSET,
    STATE_FREE,
    STATE_KEYS,
    STATE_TOP,
)
from adjudge.history.inline import inlined
from adjudge.kernel import lean_kernel
from adjudge.typing import IntArray

SPREAD = -7046029254386353131
"""2 to the 64 over the golden ratio, as a signed number: spreads keys that are not hashes (Knuth's multiplication)."""

COUNT_BITS = 24
COUNT_MASK = (1 << COUNT_BITS) - 1


@inlined
def home(table: IntArray, key: int) -> int:
    """Return where in the table the search for a key begins."""
    spread = key * SPREAD
    return int((spread ^ (spread >> 32)) & (table.shape[0] - 1))


@inlined
def find(table: IntArray, key: int) -> int:
    """Return the place of a key in the table, or -1 - place where it would go."""
    mask = table.shape[0] - 1
    place = home(table, key)
    while True:
        held = table[place, ENTRY_KEY]
        if held == key:
            return int(place)
        if held == 0:
            return -1 - int(place)
        place = (place + 1) & mask


@lean_kernel
def rehash(old: IntArray, new: IntArray) -> None:
    """Move every entry of a table into a larger, empty one."""
    for place in range(old.shape[0]):
        if old[place, ENTRY_KEY] != 0:
            target = -1 - find(new, old[place, ENTRY_KEY])
            for field in range(old.shape[1]):
                new[target, field] = old[place, field]


@inlined
def is_crowded(table: IntArray, state: IntArray) -> bool:
    """Tell whether one more key would fill the table beyond three quarters."""
    return bool(4 * (state[STATE_KEYS] + 1) > 3 * table.shape[0])


@inlined
def pack(count: int, limit: int, size_class: int, flags: int) -> int:
    """Pack the facts of a key into one number: its rows, the count that merges next, its size class, its flags."""
    return count | (limit << COUNT_BITS) | (size_class << (2 * COUNT_BITS)) | (flags << (2 * COUNT_BITS + 8))


@inlined
def count_of(facts: int) -> int:
    """Return the number of rows in packed facts."""
    return facts & COUNT_MASK


@inlined
def limit_of(facts: int) -> int:
    """Return the number of rows at which the key merges next."""
    return (facts >> COUNT_BITS) & COUNT_MASK


@inlined
def class_of(facts: int) -> int:
    """Return the size class of the block."""
    return (facts >> (2 * COUNT_BITS)) & 255


@inlined
def flags_of(facts: int) -> int:
    """Return the flags of the key."""
    return facts >> (2 * COUNT_BITS + 8)


@inlined
def allocate(rows: IntArray, state: IntArray, size_class: int, words: int) -> int:
    """Return the offset of a block, from the free list of its class or from the end of the arena."""
    free = state[STATE_FREE + size_class]
    if free >= 0:
        state[STATE_FREE + size_class] = rows[free]
        return int(free)
    top = state[STATE_TOP]
    state[STATE_TOP] = top + words
    return int(top)


@inlined
def release(rows: IntArray, state: IntArray, size_class: int, offset: int) -> None:
    """Put a block on the free list of its class; its first word links to the next."""
    rows[offset] = state[STATE_FREE + size_class]
    state[STATE_FREE + size_class] = offset


@inlined
def enter(table: IntArray, rows: IntArray, state: IntArray, place: int, key: int, limit: int, words: int) -> None:
    """Enter a new key with an empty block of the smallest class."""
    none = int(np.int64(0))  # a literal would compile its callees once more
    table[place, ENTRY_KEY] = key
    table[place, ENTRY_OFFSET] = allocate(rows, state, none, words)
    table[place, ENTRY_FACTS] = pack(none, limit, none, none)
    state[STATE_KEYS] += 1


@inlined
def leave(table: IntArray, state: IntArray, place: int) -> None:
    """Take the key at a place out of the table, and pull back those that it had pushed on."""
    mask = table.shape[0] - 1
    hole, after = place, (place + 1) & mask
    while table[after, ENTRY_KEY] != 0:
        pushed = (after - home(table, table[after, ENTRY_KEY])) & mask
        if pushed >= (after - hole) & mask:
            for field in range(table.shape[1]):
                table[hole, field] = table[after, field]
            hole = after
        after = (after + 1) & mask
    for field in range(table.shape[1]):
        table[hole, field] = 0
    state[STATE_KEYS] -= 1
