"""A log in memory: ordered and replayable, gone with the process."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from adjudge.log.protocol import Entry, LogError, check_follows


class MemoryLog:
    """Keep the entries in a list; for tests, demonstrations and work that ends with the process.

    Examples
    --------
    >>> from adjudge.log import Entry, Kind
    >>> log = MemoryLog()
    >>> log.append([Entry(seq=0, received_at=1, kind=Kind.EVENT, stream="payment", id="p1", body=b"{}")])
    0
    >>> [entry.id for entry in log.read()], len(log)
    (['p1'], 1)
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._next = 0
        self._closed = False

    def append(self, entries: Sequence[Entry]) -> int:
        """Append entries in order, all or none, and return the position of the first."""
        first = len(self)
        self._next = check_follows(entries, first)
        self._entries.extend(entries)
        return first

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Yield the entries that hold positions from `start` up to, not including, `stop`."""
        end = len(self)
        stop = end if stop is None else min(stop, end)
        return iter(self._entries[self._after(start) : self._index(stop)] if start < stop else ())

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        if self._closed:
            message = "the log is closed"
            raise LogError(message)
        return self._next

    def close(self) -> None:
        """Refuse every further use; closing twice is allowed."""
        self._closed = True

    def _after(self, position: int) -> int:
        """Return the index of the first entry that ends after a position."""
        return bisect_right(self._entries, position, key=lambda entry: entry.seq + entry.count)

    def _index(self, position: int) -> int:
        """Return the index of the first entry that begins at or after a position."""
        return bisect_left(self._entries, position, key=lambda entry: entry.seq)
