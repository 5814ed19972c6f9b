"""Erasing keys: their rows go back to the arena, and nothing tells afterwards that they were ever there."""

from __future__ import annotations

import numpy as np

from adjudge.history import codes, memory
from adjudge.kernel import lean_kernel
from adjudge.typing import HashArray, IntArray


@lean_kernel
def erase_keys(table: IntArray, rows: IntArray, state: IntArray, keys: HashArray) -> None:
    """Take keys and their blocks out; one that is not there, or is missing (0), is passed over."""
    for i in range(keys.shape[0]):
        key = int(np.int64(keys[i]))
        place = memory.find(table, key) if key != 0 else -1
        if place >= 0:
            memory.release(
                rows, state, memory.class_of(table[place, codes.ENTRY_FACTS]), table[place, codes.ENTRY_OFFSET]
            )
            memory.leave(table, state, place)


@lean_kernel
def erase_rows(table: IntArray, state: IntArray, keys: HashArray) -> None:
    """Take keys out of a table that holds its rows itself."""
    for i in range(keys.shape[0]):
        key = int(np.int64(keys[i]))
        place = memory.find(table, key) if key != 0 else -1
        if place >= 0:
            memory.leave(table, state, place)
