"""All histories of one entity: a table of keys, an arena of rows, and the fold over them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adjudge.errors import BundleError, ShapeError
from adjudge.history import codes, erase, fold, memory, snapshot, undo
from adjudge.history.arena import Arena
from adjudge.history.journal import Undoable
from adjudge.history.layout import Layout
from adjudge.history.plan import compile_layout
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a key, as a person looks at it.

    Parameters
    ----------
    ts
        Event time in microseconds, the newest one if several events were merged.
    seq
        Position in the log of that event.
    oldest
        Time of the oldest event in the row.
    events
        How many events it stands for.
    values
        The columns of the measures, as they went in; of merged events the newest ones, and the positives of a label.
    """

    ts: int
    seq: int
    oldest: int
    events: int
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Stats:
    """How much one Histories holds.

    Parameters
    ----------
    keys
        Keys that were ever seen.
    rows
        Rows that an event can still see.
    merged_keys
        Keys with merged rows, whose windows are exact to within the stated bound.
    flagged_keys
        Merged keys that were corrected or saw late events since, whose extremes may be off.
    bytes
        Memory in use by table and blocks.
    """

    keys: int
    rows: int
    merged_keys: int
    flagged_keys: int
    bytes: int


class Histories(Undoable):
    """The rows of every key of an entity, and what they say about the next event.

    One object is folded by one thread at a time; different objects may be folded at once.

    Parameters
    ----------
    layout
        What rows carry and what is asked of them.
    reads
        For each input column, the row of `values` that holds it; the same order when None.
    writes
        For each output, the row of `out` it fills; the same order when None.

    Examples
    --------
    Two payments of one customer, 10 and 20, a second apart; the second one sees the first:

    >>> from adjudge.history import ADVANCE, Aggregation, Measure
    >>> hour = 3_600_000_000
    >>> asked = [Aggregation("count", window_us=hour), Aggregation("sum", 0, window_us=hour)]
    >>> histories = Histories(Layout([Measure("amount")], asked))
    >>> out = np.empty((2, 2))
    >>> histories.fold(
    ...     np.array([ADVANCE, ADVANCE], dtype=np.int8),
    ...     np.array([7, 7], dtype=np.uint64),
    ...     np.array([1_000_000, 2_000_000]),
    ...     np.array([1, 2]),
    ...     np.array([[10.0, 20.0]]),
    ...     out,
    ... )
    >>> out[:, 1].tolist()
    [1.0, 10.0]
    """

    def __init__(
        self, layout: Layout, *, reads: Sequence[int] | None = None, writes: Sequence[int] | None = None
    ) -> None:
        self.layout = layout
        self._plan = compile_layout(layout, reads, writes)
        state = np.full(codes.STATE_FREE + len(self._plan.sizes), -1, dtype=np.int64)
        state[: codes.STATE_FREE] = 0
        super().__init__(state)
        self._table: IntArray = np.zeros((16, 4), dtype=np.int64)
        self._arena = Arena(4096)
        self._bounds: IntArray = np.zeros(len(self._plan.ages), dtype=np.int64)
        self._scratch_for(512)

    def _scratch_for(self, words: int) -> None:
        self._seen: IntArray = np.zeros(words, dtype=np.int64)
        self._scratch: FloatArray = np.zeros(words // 2, dtype=np.float64)

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
            Positions in the log, ascending; a label or retraction bears those of the event it names.
        values
            The measures' columns, one row each; for a label its measure, its old and its new value.
        out
            Where features go, one row each.
        start
            First column to fold.
        stop
            Column to stop before; all of them when None.

        Raises
        ------
        ShapeError
            If a label names a measure that is no label, or `values` has too few rows for it.
        """
        end = len(keys) if stop is None else stop
        done = start
        while True:
            arena = self._arena
            done = fold.fold_entries(
                kind, keys, ts, seq, values, out, done, end, self._plan, self._table, arena.rows, arena.cells,
                self._state, self._journal, self._bounds, self._seen, self._scratch,
            )  # fmt: skip
            if done >= end:
                return
            del arena
            self._make_room(done)

    def _make_room(self, entry: int) -> None:
        """Give the kernel what it stopped for."""
        needed = int(self._state[codes.STATE_NEED])
        if needed == codes.NEED_TABLE:
            self._widen_table(2 * len(self._table))
        elif needed == codes.NEED_SCRATCH:
            self._scratch_for(2 * len(self._seen))
        elif needed == codes.NEED_JOURNAL:
            self._lengthen_journal()
        elif needed == codes.NEED_VALUES:
            msg = f"entry {entry}: a label takes three rows of values: the position of a label, its old and new value"
            raise ShapeError(msg)
        else:
            self._arena.grow(needed - codes.NEED_WORDS)

    def _widen_table(self, places: int) -> None:
        table = np.zeros((places, 4), dtype=np.int64)
        memory.rehash(self._table, table)
        self._table = table

    def _roll_back(self) -> None:
        undo.roll_back(self._plan, self._table, self._arena.rows, self._state, self._journal)

    def _erase(self, keys: HashArray) -> None:
        erase.erase_keys(self._table, self._arena.rows, self._state, keys)

    def rows(self, key: int) -> list[Row]:
        """Return the rows of a key that an event can still see, oldest first.

        Parameters
        ----------
        key
            Hash of the key.
        """
        place = memory.find(self._table, int(np.uint64(key).astype(np.int64)))
        if key == 0 or place < 0:
            return []
        facts, plain, wide = self._exported(np.array([place]))
        columns = plain[codes.COLUMN_MEASURES :].view(np.float64)
        merged = bool(facts[2, 0] & codes.MERGED)
        events = wide[codes.WIDE_ROWS].view(np.float64) if merged else np.ones(plain.shape[1])
        oldest = wide[codes.WIDE_OLDEST] if merged else plain[codes.COLUMN_TS]
        return [
            Row(int(ts), int(seq), int(old), int(n), tuple(map(float, column)))
            for ts, seq, old, n, column in zip(plain[0], plain[1], oldest, events, columns.T, strict=True)
        ]

    def _exported(self, places: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Return facts, plain columns and wide columns of keys."""
        rows = self._arena.rows
        facts = np.zeros((4, len(places)), dtype=np.int64)
        snapshot.measure(self._plan, self._table, rows, places, facts)
        columns, all_columns = self._plan.limits[[codes.LIMIT_PLAIN, codes.LIMIT_WIDE]]
        merged = facts[2] & codes.MERGED != 0
        plain = np.empty((columns, facts[3].sum()), dtype=np.int64)
        wide = np.empty((all_columns - columns, facts[3][merged].sum()), dtype=np.int64)
        snapshot.export(self._plan, self._table, rows, places, facts, plain, wide)
        return facts, plain, wide

    @property
    def places(self) -> int:
        """Places of the table of keys, filled or not."""
        return len(self._table)

    def stats(self, part: slice = slice(None)) -> Stats:
        """Return how much is held.

        Parameters
        ----------
        part
            Places of the table whose keys are counted; all of them where absent. Bytes are those of the whole.
        """
        places = np.arange(len(self._table))[part]
        places = places[self._table[places, codes.ENTRY_KEY] != 0]
        facts = np.zeros((4, len(places)), dtype=np.int64)
        snapshot.measure(self._plan, self._table, self._arena.rows, places, facts)
        return Stats(
            keys=len(places),
            rows=int(facts[3].sum()),
            merged_keys=int((facts[2] & codes.MERGED != 0).sum()),
            flagged_keys=int((facts[2] & codes.FLAGGED != 0).sum()),
            bytes=int(self._table.nbytes + 8 * self._state[codes.STATE_TOP]),
        )

    def arrays(self) -> dict[str, AnyArray]:
        """Return the state as plain arrays in the order of keys; equal entries give equal arrays."""
        places = np.flatnonzero(self._table[:, codes.ENTRY_KEY])
        keys = self._table[places, codes.ENTRY_KEY].view(np.uint64)
        order = np.argsort(keys)
        facts, plain, wide = self._exported(places[order])
        return {"keys": keys[order], "facts": facts, "plain": plain, "wide": wide}

    @classmethod
    def from_arrays(
        cls,
        layout: Layout,
        arrays: Mapping[str, AnyArray],
        *,
        reads: Sequence[int] | None = None,
        writes: Sequence[int] | None = None,
    ) -> Histories:
        """Return histories in the state that `arrays` described, under the same layout.

        Parameters
        ----------
        layout
            The layout of the state.
        arrays
            What `arrays` returned.
        reads
            As for the class.
        writes
            As for the class.

        Raises
        ------
        BundleError
            If the arrays have not the columns of this layout.
        """
        self = cls(layout, reads=reads, writes=writes)
        keys, facts = arrays["keys"].view(np.int64), arrays["facts"]
        columns, all_columns = self._plan.limits[[codes.LIMIT_PLAIN, codes.LIMIT_WIDE]]
        if arrays["plain"].shape[0] != columns or arrays["wide"].shape[0] != all_columns - columns:
            msg = "the arrays of this state were made for another layout"
            raise BundleError(msg)
        places = 16
        while 3 * places < 4 * (len(keys) + 1):
            places *= 2
        self._widen_table(places)
        self._arena.grow(snapshot.words_for(self._plan, facts))
        arena = self._arena
        snapshot.restore(
            self._plan, self._table, arena.rows, arena.cells, self._state, keys, facts, arrays["plain"], arrays["wide"]
        )
        return self

    def digest(self) -> str:
        """Return a hash of the state in (key, ts, seq) order: equal entries, equal hash, however the rows lie."""
        digest = hashlib.sha256(self.layout.digest.encode())
        for array in self.arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()
