"""A table from 64-bit keys to numbers, for tens of millions of entries: the ids of a log and the positions they have.

Open addressing with the entries in order, so that a search ends at the first larger one (Amble and Knuth, Ordered hash
tables, 1974). Each key is held as its product with an odd number, which loses nothing and orders keys at random; where
a search begins is a monotone function of that product, so a larger table has the same order. Hence the table grows in
place, a few entries with every new one: no entry waits for all others, and there is never a second table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from adjudge.errors import InputError, ShapeError
from adjudge.history.arena import Arena
from adjudge.history.inline import inlined
from adjudge.history.memory import SPREAD
from adjudge.history.prefetch import touch
from adjudge.kernel import lean_kernel
from adjudge.typing import AnyArray, BoolArray, HashArray, IntArray

UNSPREAD = pow(SPREAD, -1, 1 << 64)
"""Turns a spread key back."""

ABSENT = -1
"""The value of a key that is not there."""

LEAST = -(1 << 63)
"""The smallest spread key."""

FEWEST = 16
"""Places of an empty table."""

SLACK = 1024
"""Places beyond those where searches begin, for the entries that the last of them push on."""

STEPS = 8
"""Places that a growing table moves for each new key; five would do to be through before it must grow again."""

AHEAD = 12
"""How many keys ahead a place is asked for."""

# State of a table: how many entries it has, but for key 0, and the value of key 0; over how many places searches begin;
# while it grows, the largest spread key that was not moved yet, its place or one after it, and the places before.
COUNT, ZERO, PLACES, FRONTIER, CURSOR, PLACES_BEFORE = 0, 1, 2, 3, 4, 5


@inlined
def spread(key: int) -> int:
    """Return a key as the table holds it."""
    return int(key * SPREAD)


@inlined
def home(state: IntArray, held: int) -> int:
    """Return the word where the search for a spread key begins; never before that of a smaller one."""
    share = (held >> 32) + (1 << 31)
    places = state[PLACES_BEFORE] if held <= state[FRONTIER] else state[PLACES]
    return int(2 * ((share * places) >> 32))


@inlined
def find(words: IntArray, state: IntArray, held: int) -> int:
    """Return the word of a spread key, or -1 - word where it would go."""
    at = home(state, held)
    while True:
        other = words[at]
        if other == held:
            return at
        if other == 0 or other > held:
            return -1 - at
        at += 2


@inlined
def put_in(words: IntArray, at: int, held: int, value: int) -> int:
    """Put an entry at a word, push on those from there to the next empty place, and return the word of that place."""
    end = at
    while words[end] != 0:
        end += 2
    for word in range(end + 1, at + 1, -1):
        words[word] = words[word - 2]
    words[at], words[at + 1] = held, value
    return end


@inlined
def take_out(words: IntArray, state: IntArray, at: int) -> None:
    """Take an entry out, and pull back those after it that it had pushed on."""
    after = at + 2
    while words[after] != 0 and home(state, words[after]) < after:
        words[after - 2], words[after - 1] = words[after], words[after + 1]
        after += 2
    words[after - 2] = 0


@inlined
def grow(words: IntArray, state: IntArray) -> bool:
    """Begin to grow by a quarter; false when there are too few words."""
    before = state[PLACES]
    places = before + before // 4
    if 2 * (places + SLACK) > words.shape[0]:
        return False
    at = 2 * before
    while words[at] != 0:
        at += 2
    state[PLACES_BEFORE], state[PLACES], state[CURSOR] = before, places, at
    state[FRONTIER] = -1 - LEAST
    return True


@inlined
def move_on(words: IntArray, state: IntArray) -> None:
    """Move some entries of a growing table, the largest first, to where the larger table has them."""
    for _ in range(STEPS):
        at = state[CURSOR]
        if at < 0:
            state[FRONTIER] = LEAST  # whose search begins at word 0 in every table
            return
        held, value = words[at], words[at + 1]
        if held != 0 and held <= state[FRONTIER]:
            take_out(words, state, at)
            state[FRONTIER] = max(held, LEAST + 1) - 1
            put_in(words, -1 - find(words, state, held), held, value)
        state[CURSOR] = at - 2


@lean_kernel
def find_keys(words: IntArray, state: IntArray, keys: HashArray, found: IntArray) -> None:
    """Write the value of every key."""
    n = len(keys)
    for i in range(n):
        if i + AHEAD < n:
            touch(words, home(state, spread(int(np.int64(keys[i + AHEAD])))))
        found[i] = find_key(words, state, int(np.int64(keys[i])))


@inlined
def find_key(words: IntArray, state: IntArray, key: int) -> int:
    """Return the value of a key."""
    if key == 0:
        return int(state[ZERO])
    at = find(words, state, spread(key))
    return int(words[at + 1]) if at >= 0 else -1


@lean_kernel
def put_keys(words: IntArray, state: IntArray, keys: HashArray, values: IntArray, start: int, kept: BoolArray) -> int:
    """Set the values of keys from `start` on, until there are too few words; return how far it came.

    Where there is a `kept` for each key, a key that is there keeps its value and is marked.
    """
    keep = len(kept) > 0
    n = len(keys)
    # One key may push on as many entries and itself, and the last place stays empty: there every search ends.
    last = words.shape[0] - 2 * (STEPS + 2)
    for i in range(start, n):
        if i + AHEAD < n:
            touch(words, home(state, spread(int(np.int64(keys[i + AHEAD])))))
        key = int(np.int64(keys[i]))
        if key == 0:
            if keep and state[ZERO] != ABSENT:
                kept[i] = True
            else:
                state[ZERO] = values[i]
            continue
        held = spread(key)
        at = find(words, state, held)
        if at >= 0:
            if keep:
                kept[i] = True
            else:
                words[at + 1] = values[i]
            continue
        if words[last] != 0:
            return i
        growing = state[FRONTIER] != LEAST
        if not growing and 5 * (state[COUNT] + 1) > 4 * state[PLACES]:
            growing = grow(words, state)
            if not growing:
                return i
        if growing:
            move_on(words, state)
            at = find(words, state, held)
        end = put_in(words, -1 - at, held, values[i])
        state[COUNT] += 1
        if held <= state[FRONTIER]:
            state[CURSOR] = max(state[CURSOR], end)
    return n


@lean_kernel
def first_negative(values: IntArray) -> int:
    """Return where the first negative value is, or -1."""
    for i in range(values.shape[0]):
        if values[i] < 0:
            return i
    return -1


@lean_kernel
def remove_keys(words: IntArray, state: IntArray, keys: HashArray) -> None:
    """Take keys out."""
    for i in range(keys.shape[0]):
        key = int(np.int64(keys[i]))
        if key == 0:
            state[ZERO] = ABSENT
            continue
        at = find(words, state, spread(key))
        if at >= 0:
            take_out(words, state, at)
            state[COUNT] -= 1


_NONE = np.empty(0, np.bool_)


class Table:
    """Keys and their values, numbers of 0 and more.

    An entry takes 20 to 25 bytes. One thread at a time uses a table.

    Examples
    --------
    >>> table = Table()
    >>> table.put_many(np.array([5, 0], dtype=np.uint64), np.array([50, 1]))
    >>> table.find_many(np.array([0, 5, 6], dtype=np.uint64)).tolist()
    [1, 50, -1]
    >>> table.remove_many(np.array([0, 6], dtype=np.uint64))
    >>> table.get(0), table.get(5), len(table)
    (-1, 50, 1)
    """

    def __init__(self) -> None:
        self._arena = Arena(2 * (FEWEST + SLACK))
        self._state: IntArray = np.array([0, ABSENT, FEWEST, LEAST, ABSENT, FEWEST], dtype=np.int64)

    def __len__(self) -> int:
        return int(self._state[COUNT]) + bool(self._state[ZERO] != ABSENT)

    @property
    def nbytes(self) -> int:
        """Memory in use, in bytes."""
        return 16 * int(self._state[PLACES])

    def find_many(self, keys: HashArray) -> IntArray:
        """Return the value of each key, -1 where it is not there.

        Parameters
        ----------
        keys
            Any 64-bit numbers; 0 is a key like any other.
        """
        keys = np.ascontiguousarray(keys, dtype=np.uint64)
        found = np.empty(len(keys), dtype=np.int64)
        find_keys(self._arena.rows, self._state, keys, found)
        return found

    def get(self, key: int) -> int:
        """Return the value of one key, -1 when it is not there.

        Parameters
        ----------
        key
            From 0 to 2 to the 64 less 1.
        """
        return int(find_key(self._arena.rows, self._state, key if key < 1 << 63 else key - (1 << 64)))

    def put_many(self, keys: HashArray, values: IntArray) -> None:
        """Set the values of keys, whether they were there or not; of a key that comes twice the last value counts.

        Parameters
        ----------
        keys
            As for `find_many`.
        values
            One for each key.

        Raises
        ------
        ShapeError
            If there are not as many values as keys.
        InputError
            If a value is negative; nothing has changed then.
        """
        keys = np.ascontiguousarray(keys, dtype=np.uint64)
        values = np.ascontiguousarray(values, dtype=np.int64)
        if len(keys) != len(values):
            msg = f"{len(keys)} keys cannot have {len(values)} values"
            raise ShapeError(msg)
        row = first_negative(values)
        if row >= 0:
            msg = f"the value of a key cannot be {values[row]}: {ABSENT} says that it is absent"
            raise InputError(msg, field="values", row=row)
        self._put(keys, values, _NONE)

    def enter_many(self, keys: HashArray, values: IntArray) -> BoolArray:
        """Set the values of keys that were not there, and return which were: those keep the value they had.

        Of a key that comes twice the first value counts.

        Parameters
        ----------
        keys
            As for `find_many`.
        values
            One for each key, not negative.

        Examples
        --------
        >>> table = Table()
        >>> table.put_many(np.array([5], dtype=np.uint64), np.array([50]))
        >>> table.enter_many(np.array([5, 6], dtype=np.uint64), np.array([51, 60])).tolist()
        [True, False]
        >>> table.get(5), table.get(6)
        (50, 60)
        """
        kept = np.zeros(len(keys), np.bool_)
        self._put(np.ascontiguousarray(keys, dtype=np.uint64), values, kept)
        return kept

    def _put(self, keys: HashArray, values: IntArray, kept: BoolArray) -> None:
        done = 0
        while True:
            done = put_keys(self._arena.rows, self._state, keys, values, done, kept)
            if done == len(keys):
                return
            self._arena.grow(2 * SLACK)

    def remove_many(self, keys: HashArray) -> None:
        """Forget keys; those that are not there are passed over.

        Parameters
        ----------
        keys
            As for `find_many`.
        """
        remove_keys(self._arena.rows, self._state, np.ascontiguousarray(keys, dtype=np.uint64))

    def arrays(self) -> dict[str, AnyArray]:
        """Return keys and values as plain arrays in the order of keys; equal entries give equal arrays."""
        pairs = self._arena.rows.reshape(-1, 2)
        used = np.flatnonzero(pairs[:, 0])
        keys, values = pairs[used, 0].view(np.uint64) * np.uint64(UNSPREAD), pairs[used, 1]
        if self._state[ZERO] != ABSENT:
            keys, values = np.append(keys, np.uint64(0)), np.append(values, self._state[ZERO])
        order = np.argsort(keys)
        return {"keys": keys[order], "values": values[order]}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Table:
        """Return the table that `arrays` described.

        Parameters
        ----------
        arrays
            What `arrays` returned.
        """
        self = cls()
        places = max(FEWEST, len(arrays["keys"]) * 3 // 2)
        if 2 * (places + SLACK) > len(self._arena.rows):
            self._arena.grow(2 * (places + SLACK))
        self._state[[PLACES, PLACES_BEFORE]] = places
        self.put_many(arrays["keys"], arrays["values"])
        return self
