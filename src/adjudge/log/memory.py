"""A log in memory: ordered and replayable, gone with the process."""

from __future__ import annotations

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
        self._closed = False

    def append(self, entries: Sequence[Entry]) -> int:
        """Append entries in order, all or none, and return the position of the first."""
        first = len(self)
        check_follows(entries, first)
        self._entries.extend(entries)
        return first

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Yield the entries from position `start` up to, not including, `stop`."""
        end = len(self)
        return iter(self._entries[max(start, 0) : end if stop is None else min(stop, end)])

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        if self._closed:
            message = "the log is closed"
            raise LogError(message)
        return len(self._entries)

    def close(self) -> None:
        """Refuse every further use; closing twice is allowed."""
        self._closed = True
