"""Profiles: for each key the latest row in the order of the log, read by every event that comes after it."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection, Mapping

import numpy as np

from adjudge.history import codes, erase, memory
from adjudge.history.inline import inlined
from adjudge.history.journal import Undoable
from adjudge.kernel import lean_kernel
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

RECORD = 2
"""Words of a record in the journal after the row that was replaced: its key, and whether there was a row."""


@inlined
def note(table: IntArray, state: IntArray, journal: IntArray, key: int, place: int) -> None:
    """Note the row of a key, or that there was none, before it is replaced."""
    top = state[codes.STATE_JOURNAL]
    if top < 0:
        return
    columns = table.shape[1] - 1
    for c in range(columns if place >= 0 else 0):
        journal[top + c] = table[place, 1 + c]
    journal[top + columns] = key
    journal[top + columns + 1] = place >= 0
    state[codes.STATE_JOURNAL] = top + columns + RECORD


@lean_kernel
def roll_back(table: IntArray, state: IntArray, journal: IntArray) -> None:
    """Put back every row in the journal, the last one first."""
    columns = table.shape[1] - 1
    top = state[codes.STATE_JOURNAL]
    while top > 0:
        top -= columns + RECORD
        place = memory.find(table, journal[top + columns])
        if journal[top + columns + 1] == 0:
            memory.leave(table, state, place)
            continue
        for c in range(columns):
            table[place, 1 + c] = journal[top + c]


@lean_kernel
def fold_profiles(
    kind: AnyArray, keys: HashArray, values: FloatArray, out: FloatArray, start: int, stop: int,
    table: IntArray, state: IntArray, journal: IntArray, hashed: AnyArray,
) -> int:  # fmt: skip
    """Fold entries until `stop`, or until the table or the journal is too small; return how far it came."""
    columns = table.shape[1] - 1
    bits = values.view(np.int64)
    told = out.view(np.int64)
    for i in range(start, stop):
        key = int(np.int64(keys[i]))
        place = memory.find(table, key) if key != 0 else -1
        inserts = key != 0 and (kind[i] == codes.INSERT or kind[i] == codes.ADVANCE)
        if inserts and place < 0 and memory.is_crowded(table, state):
            state[codes.STATE_NEED] = codes.NEED_TABLE
            return i
        if inserts and state[codes.STATE_JOURNAL] + columns + RECORD > journal.shape[0]:
            state[codes.STATE_NEED] = codes.NEED_JOURNAL
            return i
        if kind[i] <= codes.ADVANCE:
            for c in range(columns):
                if place >= 0:
                    told[c, i] = table[place, 1 + c]
                else:
                    out[c, i] = 0.0 if hashed[c] else math.nan
        if inserts:
            note(table, state, journal, key, place)
            if place < 0:
                place = -1 - place
                table[place, 0] = key
                state[codes.STATE_KEYS] += 1
            for c in range(columns):
                table[place, 1 + c] = bits[c, i]
    return stop


class Profiles(Undoable):
    """The latest row of every key.

    Parameters
    ----------
    columns
        How many columns a row has.
    hashed
        Which of them hold hashes, whose missing value is 0 and not NaN.

    Examples
    --------
    >>> from adjudge.history import INSERT, SCAN
    >>> profiles = Profiles(1)
    >>> out = np.empty((1, 2))
    >>> profiles.fold(
    ...     np.array([INSERT, SCAN], dtype=np.int8),
    ...     np.array([7, 7], dtype=np.uint64),
    ...     np.array([[3.0, 0.0]]),
    ...     out,
    ... )
    >>> out[0, 1].item()
    3.0
    """

    def __init__(self, columns: int, *, hashed: Collection[int] = ()) -> None:
        super().__init__(np.zeros(codes.STATE_FREE, dtype=np.int64))
        self.columns = columns
        self._hashed = np.array([c in hashed for c in range(columns)], dtype=np.bool_)
        self._table: IntArray = np.zeros((16, 1 + columns), dtype=np.int64)

    def fold(
        self,
        kind: AnyArray,
        keys: HashArray,
        values: FloatArray,
        out: FloatArray,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Fold entries in order: read the latest row, replace it, or both.

        Parameters
        ----------
        kind
            What each entry does: SCAN reads, INSERT replaces, ADVANCE reads and then replaces.
        keys
            Hash of each entry's key; 0 is a missing key, which has no profile.
        values
            The row's columns, one row each.
        out
            Where the columns go, one row each; missing where a key has no profile.
        start
            First column to fold.
        stop
            Column to stop before; all of them when None.
        """
        end = len(keys) if stop is None else stop
        done = start
        while True:
            done = fold_profiles(
                kind, keys, values, out, done, end, self._table, self._state, self._journal, self._hashed
            )
            if done >= end:
                return
            if self._state[codes.STATE_NEED] == codes.NEED_JOURNAL:
                self._lengthen_journal()
            else:
                self._widen_table(2 * len(self._table))

    def _widen_table(self, places: int) -> None:
        table = np.zeros((places, 1 + self.columns), dtype=np.int64)
        memory.rehash(self._table, table)
        self._table = table

    def _roll_back(self) -> None:
        roll_back(self._table, self._state, self._journal)

    def _erase(self, keys: HashArray) -> None:
        erase.erase_rows(self._table, self._state, keys)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the state as plain arrays in the order of keys."""
        held = self._table[self._table[:, 0] != 0]
        keys = np.ascontiguousarray(held[:, 0]).view(np.uint64)
        order = np.argsort(keys)
        return {"keys": keys[order], "rows": held[order, 1:]}

    @classmethod
    def from_arrays(cls, columns: int, arrays: Mapping[str, AnyArray], *, hashed: Collection[int] = ()) -> Profiles:
        """Return profiles in the state that `arrays` described.

        Parameters
        ----------
        columns
            As for the class.
        arrays
            What `arrays` returned.
        hashed
            As for the class.
        """
        self = cls(columns, hashed=hashed)
        values = np.ascontiguousarray(arrays["rows"].T).view(np.float64)
        kind = np.full(len(arrays["keys"]), codes.INSERT, dtype=np.int8)
        self.fold(kind, arrays["keys"], values, values)
        return self

    def digest(self) -> str:
        """Return a hash of the state in the order of keys."""
        digest = hashlib.sha256()
        for array in self.arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()
