"""All histories of one entity: a table of keys, an arena of rows, and the fold over them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adjudge.errors import ShapeError
from adjudge.history import codes, fold, memory
from adjudge.history.layout import Layout
from adjudge.history.plan import compile_layout
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


class Histories:
    """The rows of every key of an entity, and what they say about the next event.

    Parameters
    ----------
    layout
        What rows carry and what is asked of them.
    reads
        For each input column, the row of `values` that holds it; the same order when None.
    writes
        For each output, the row of `out` it fills; the same order when None.
    """

    def __init__(
        self, layout: Layout, *, reads: Sequence[int] | None = None, writes: Sequence[int] | None = None
    ) -> None:
        self.layout = layout
        self._plan = compile_layout(layout, reads, writes)
        self._table: IntArray = np.zeros((16, 4), dtype=np.int64)
        self._rows: IntArray = np.zeros(4096, dtype=np.int64)
        self._state: IntArray = np.full(codes.STATE_FREE + len(self._plan.sizes), -1, dtype=np.int64)
        self._state[: codes.STATE_FREE] = 0
        self._bounds: IntArray = np.zeros(len(self._plan.ages), dtype=np.int64)
        self._scratch_for(256)
        self._cells: FloatArray = self._rows.view(np.float64)

    def _scratch_for(self, words: int) -> None:
        self._seen: IntArray = np.zeros(words, dtype=np.int64)
        self._scratch: FloatArray = np.zeros(words // 4, dtype=np.float64)

    def fold(
        self,
        kind: AnyArray,
        keys: HashArray,
        ts: IntArray,
        seq: IntArray,
        values: FloatArray,
        out: FloatArray,
        *,
        start: int = 0,
        stop: int | None = None,
    ) -> None:
        """Fold entries in order, writing the features of each one that asks for them into its column of `out`.

        Parameters
        ----------
        kind
            What each entry does: SCAN, ADVANCE, INSERT, LABEL or RETRACT.
        keys
            Hash of each entry's key; 0 is a missing key, which has missing features and no history.
        ts
            Event times, microseconds.
        seq
            Positions in the log, ascending.
        values
            The measures' columns, one row each; for a label its measure, its old and its new value.
        out
            Where features go, one row each.
        start
            First column to fold.
        stop
            Column to stop before; all of them when None.
        """
        end = len(keys) if stop is None else stop
        done = start
        while True:
            done = fold.fold_entries(
                kind, keys, ts, seq, values, out, done, end, self._plan, self._table, self._rows, self._cells,
                self._state, self._bounds, self._seen, self._scratch,
            )  # fmt: skip
            if done >= end:
                return
            self._grow()

    def _grow(self) -> None:
        needed = int(self._state[codes.STATE_NEED])
        if needed == codes.NEED_TABLE:
            table = np.zeros((2 * len(self._table), 4), dtype=np.int64)
            memory.rehash(self._table, table)
            self._table = table
        elif needed == codes.NEED_SCRATCH:
            self._scratch_for(2 * len(self._seen))
        elif needed == codes.NEED_VALUES:
            msg = "a label needs three rows of values: measure, old, new"
            raise ShapeError(msg)
        else:
            length = max(2 * len(self._rows), len(self._rows) + needed - codes.NEED_WORDS)
            rows = np.empty(length, dtype=np.int64)
            rows[: len(self._rows)] = self._rows
            self._rows = rows
            self._cells = rows.view(np.float64)
