"""A table from 64-bit keys to 64-bit numbers, for tens of millions of entries: the ids of a log and their positions."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adjudge.history import memory
from adjudge.history.inline import inlined
from adjudge.kernel import lean_kernel
from adjudge.typing import AnyArray, HashArray, IntArray

KEY, VALUE = 0, 1

ZERO = 1 << 62
"""Stands for key 0, which marks an empty place; a key of this value would be taken for it."""

SMALLEST = 16
"""Places of an empty table."""


@inlined
def _key(key: np.uint64) -> np.int64:
    """Return a key as the table holds it."""
    return np.int64(key) if key != 0 else np.int64(ZERO)


@lean_kernel
def find_keys(table: IntArray, keys: HashArray, found: IntArray) -> None:
    """Write the value of each key, -1 where it is not there."""
    for i in range(keys.shape[0]):
        place = memory.find(table, int(_key(keys[i])))
        found[i] = table[place, VALUE] if place >= 0 else -1


@lean_kernel
def put_keys(table: IntArray, keys: HashArray, values: IntArray) -> int:
    """Enter or replace; the table is large enough. Return how many keys are new."""
    new = 0
    for i in range(keys.shape[0]):
        key = int(_key(keys[i]))
        place = memory.find(table, key)
        if place < 0:
            place = -1 - place
            table[place, KEY] = key
            new += 1
        table[place, VALUE] = values[i]
    return new


@lean_kernel
def remove_keys(table: IntArray, keys: HashArray) -> int:
    """Take keys out, moving back what was pushed on by them. Return how many were there."""
    gone = 0
    mask = table.shape[0] - 1
    for i in range(keys.shape[0]):
        hole = memory.find(table, int(_key(keys[i])))
        if hole < 0:
            continue
        gone += 1
        place = (hole + 1) & mask
        while table[place, KEY] != 0:
            home = memory.home(table, table[place, KEY])
            if ((place - home) & mask) >= ((place - hole) & mask):
                table[hole, KEY], table[hole, VALUE] = table[place, KEY], table[place, VALUE]
                hole = place
            place = (place + 1) & mask
        table[hole, KEY] = 0
    return gone


class Table:
    """Keys and their values.

    Examples
    --------
    >>> table = Table()
    >>> table.put_many(np.array([5, 0], np.uint64), np.array([50, 1]))
    >>> table.find_many(np.array([0, 5, 6], np.uint64)).tolist(), len(table)
    ([1, 50, -1], 2)
    """

    def __init__(self) -> None:
        self._table: IntArray = np.zeros((SMALLEST, 2), np.int64)
        self._keys = 0

    def __len__(self) -> int:
        return self._keys

    @property
    def nbytes(self) -> int:
        """Memory in use."""
        return int(self._table.nbytes)

    def find_many(self, keys: HashArray) -> IntArray:
        """Return the value of each key, -1 where it is not there."""
        found = np.empty(len(keys), np.int64)
        find_keys(self._table, keys, found)
        return found

    def put_many(self, keys: HashArray, values: IntArray) -> None:
        """Set the values of keys; values are 0 and more."""
        if 4 * (self._keys + len(keys)) > 3 * len(self._table):
            places = len(self._table)
            while 4 * (self._keys + len(keys)) > 3 * places:
                places *= 2
            wider = np.zeros((places, 2), np.int64)
            memory.rehash(self._table, wider)
            self._table = wider
        self._keys += put_keys(self._table, keys, values)

    def remove_many(self, keys: HashArray) -> None:
        """Forget keys; those that are not there are passed over."""
        self._keys -= remove_keys(self._table, keys)

    def arrays(self) -> dict[str, AnyArray]:
        """Return keys and values as arrays, in the order of keys."""
        held = self._table[self._table[:, KEY] != 0]
        keys = np.where(held[:, KEY] == ZERO, 0, held[:, KEY]).view(np.uint64)
        order = np.argsort(keys)
        return {"keys": keys[order], "values": held[order, VALUE]}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Table:
        """Return the table that `arrays` described."""
        self = cls()
        self.put_many(np.ascontiguousarray(arrays["keys"], np.uint64), np.ascontiguousarray(arrays["values"], np.int64))
        return self
