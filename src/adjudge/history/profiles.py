"""Profiles: of some streams only the latest row of a key is read, and latest means last in the log."""

from __future__ import annotations

import hashlib

import numpy as np

from adjudge.history.codes import INSERT
from adjudge.kernel import lean_kernel
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


class Profiles:
    """The latest row of every key.

    Parameters
    ----------
    columns
        Numbers in a row.

    Examples
    --------
    >>> profiles = Profiles(1)
    >>> keys, values, out = np.array([7, 7, 7, 8], np.uint64), np.array([[1.0, 2.0, 0.0, 0.0]]), np.empty((1, 4))
    >>> profiles.fold(np.array([INSERT, INSERT, 0, 0], np.int8), keys, values, out)
    >>> out[0, 2:].tolist()
    [2.0, nan]
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._keys: HashArray = np.zeros(64, np.uint64)
        self._rows: FloatArray = np.full((64, columns), np.nan)
        self._used: IntArray = np.zeros(1, np.int64)

    def __len__(self) -> int:
        """Return how many keys have a row."""
        return int(self._used[0])

    def fold(self, kind: AnyArray, keys: HashArray, values: FloatArray, out: FloatArray) -> None:
        """Write or read rows, in order.

        Parameters
        ----------
        kind
            INSERT writes; anything else reads.
        keys
            Hash of each entry's key; 0 is a missing key: nothing is written and missing is read.
        values
            Rows to write, one column of this array each, shape (columns, n).
        out
            Where rows are read to, shape (columns, n).
        """
        done = 0
        while True:
            done = _fold(kind, keys, values, out, self._keys, self._rows, self._used, done)
            if done == len(keys):
                return
            self._grow()

    def _grow(self) -> None:
        keys = np.zeros(2 * len(self._keys), np.uint64)
        rows = np.full((len(keys), self.columns), np.nan)
        _move(self._keys, self._rows, keys, rows)
        self._keys, self._rows = keys, rows

    def digest(self) -> str:
        """Return a hash of all rows in the order of their keys."""
        order = np.argsort(self._keys, kind="stable")[np.count_nonzero(self._keys == 0) :]
        digest = hashlib.sha256(self._keys[order].tobytes())
        digest.update(np.ascontiguousarray(self._rows[order]).tobytes())
        return digest.hexdigest()[:16]


@lean_kernel
def _slot(table: HashArray, key: np.uint64) -> int:
    """Return where a key stands, or the empty place where it would."""
    mask = table.shape[0] - 1
    at = np.int64(key) & mask  # keys are hashes: any bits will do
    while table[at] != np.uint64(0) and table[at] != key:
        at = (at + 1) & mask
    return at


@lean_kernel
def _fold(
    kind: AnyArray,
    keys: HashArray,
    values: FloatArray,
    out: FloatArray,
    table: HashArray,
    rows: FloatArray,
    used: IntArray,
    start: int,
) -> int:
    """Fold entries from `start` on; return where it stopped for want of room, or the number of entries."""
    for i in range(start, keys.shape[0]):
        writes = kind[i] == INSERT
        if keys[i] == np.uint64(0):
            if not writes:
                for c in range(out.shape[0]):
                    out[c, i] = np.nan
            continue
        at = _slot(table, keys[i])
        known = table[at] != np.uint64(0)
        if writes:
            if not known:
                if 2 * (used[0] + 1) > table.shape[0]:
                    return i
                table[at] = keys[i]
                used[0] += 1
            for c in range(values.shape[0]):
                rows[at, c] = values[c, i]
        else:
            for c in range(out.shape[0]):
                out[c, i] = rows[at, c] if known else np.nan
    return keys.shape[0]


@lean_kernel
def _move(old: HashArray, old_rows: FloatArray, table: HashArray, rows: FloatArray) -> None:
    for k in range(old.shape[0]):
        if old[k] != np.uint64(0):
            at = _slot(table, old[k])
            table[at] = old[k]
            for c in range(rows.shape[1]):
                rows[at, c] = old_rows[k, c]
