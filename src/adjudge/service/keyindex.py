"""Where each value of a key field stands among rows that only grow."""

from __future__ import annotations

import numpy as np

from adjudge.typing import AnyArray, HashArray, IntArray

LEAST = 20_000
"""Rows that are looked through one by one before any are sorted."""

SHARE = 16
"""Sorted anew once there are more unsorted rows than one in so many of the sorted ones."""


class KeyIndex:
    """Finds the rows of a value: those up to some place are sorted by it, the newest are looked through.

    Examples
    --------
    >>> column = np.array([7, 9, 7, 8], np.uint64)
    >>> KeyIndex().rows(column, 7).tolist()
    [0, 2]
    """

    def __init__(self) -> None:
        self._order: IntArray = np.empty(0, np.int64)
        self._sorted: HashArray = np.empty(0, np.uint64)

    def rows(self, column: HashArray, token: int) -> IntArray:
        """Return the places of a value, rising.

        Parameters
        ----------
        column
            The hashes of all rows, those of earlier calls first, shape (n,).
        token
            The hash of the value.
        """
        known = len(self._order)
        if len(column) - known > max(LEAST, known // SHARE):
            self._order = np.argsort(column, kind="stable")
            self._sorted = column[self._order]
            known = len(column)
        value = np.uint64(token)
        first, end = np.searchsorted(self._sorted, value, "left"), np.searchsorted(self._sorted, value, "right")
        newest: AnyArray = np.flatnonzero(column[known:] == value) + known
        return np.concatenate([self._order[first:end], newest])
