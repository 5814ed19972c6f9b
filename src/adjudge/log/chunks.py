"""What the logs in databases share: all of it goes through reading one chunk of commits, seen at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from adjudge.log.codec import CodecError
from adjudge.log.protocol import Commit
from adjudge.log.segment import Segment

Fetch = Callable[[int, int], "bytes | list[Commit]"]
"""From a first position and one past the last to the segment that holds the first, or the next commits in none."""

Chunk = Callable[[int, int], list[Commit]]
"""From a first position and one past the last to the next commits in between, not always all; none at the end."""

COMMITS = 64
"""Most commits of a chunk that are not in a segment: nobody holds a lock or memory for longer."""

BYTES = 8 * 2**20
"""Most bytes of a chunk, as far as whole commits allow."""

SEGMENT = 4096
"""Positions after which a segment ends: small enough that one event can be read back within milliseconds."""

KEEP = 65_536
"""Newest positions that stay loose: most of what is read back by id is young."""

ROUND = 2
"""Most segments that are made in one go: they are made beside deciding, which must not wait long for its processor."""

SLICE = 64 * SEGMENT
"""Positions that are dropped in one transaction, so that appending never waits long."""


class Reader:
    """Reads chunks, and keeps the last segment open: who reads one entry of it often reads another.

    Parameters
    ----------
    fetch
        Asks the database.
    """

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._last: Segment | None = None

    def chunk(self, start: int, stop: int) -> list[Commit]:
        """Return the next commits of a range."""
        found = self._find(start, stop)
        return found.commits(start, stop) if isinstance(found, Segment) else found

    def find(self, position: int) -> Segment | Commit | None:
        """Return what holds a position, None if nothing does any more."""
        found = self._find(position, position + 1)
        return found if isinstance(found, Segment) else next(iter(found), None)

    def _find(self, start: int, stop: int) -> Segment | list[Commit]:
        last = self._last
        if last is not None and last.first <= start < last.stop:
            return last
        found = self._fetch(start, stop)
        if not isinstance(found, bytes):
            return found
        try:
            self._last = Segment(found)
        except CodecError as error:
            message = f"position {start} cannot be read: {error}"
            raise CodecError(message) from None
        return self._last


def read_chunks(chunk: Chunk, start: int, stop: int) -> Iterator[Commit]:
    """Yield the commits of a range, chunk by chunk."""
    while start < stop:
        commits = chunk(start, stop)
        if not commits:
            return
        yield from commits
        start = commits[-1].stop


def last_before(chunk: Chunk, before: int) -> Commit | None:
    """Return the last commit that ends at or before a position, None if there is none."""
    found = chunk(before - 1, before) if before > 0 else []
    if found and found[-1].stop > before:  # it reaches beyond: the one before it
        first = found[-1].first
        found = chunk(first - 1, first) if first > 0 else []
    return found[-1] if found else None


def is_due(loose: int, keep: int) -> bool:
    """Return whether so many loose positions make another segment."""
    return loose >= max(keep, 1) + SEGMENT


def oldest_run(chunk: Chunk, first: int, stop: int) -> list[Commit]:
    """Return the commits that the next segment takes, none if there are too few.

    Parameters
    ----------
    chunk
        Reads commits that are in no segment yet.
    first
        Position of the oldest of them.
    stop
        Position before which a commit must end to be taken. The log's last commit ends behind it: it says where the
        log ends.
    """
    run: list[Commit] = []
    size = 0
    for commit in read_chunks(chunk, first, stop):
        if commit.stop > stop:
            break
        run.append(commit)
        size += len(commit.payload)
        if commit.stop - first >= SEGMENT or size >= BYTES:
            return run
    return []


def drop_slices(drop: Callable[[int], int], begin: int, before: int) -> int:
    """Drop what lies before a position slice by slice, and return the first position that is still held.

    Parameters
    ----------
    drop
        Drops in one transaction what ends at or before a position, and returns where the log begins then.
    begin
        Where the log begins now.
    before
        Positions below it may go.
    """
    reach = SLICE
    while begin < before:
        target = min(before, begin + reach)
        now = drop(target)
        if now == begin:
            if target == before:
                break
            reach *= 2  # one commit is longer than a slice
        begin = now
    return begin
