"""Scanning a log for what it holds: in as few and as long blocks as it is stored in, and only what is asked for.

Whoever folds or trains reads millions of entries, mostly out of segments. There the entries of many commits lie end to
end already, and what is not needed, such as features while a state is built, need not be unpacked.
"""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import Protocol, runtime_checkable

from adjudge.log.codec import blocks_of
from adjudge.log.protocol import Commit, Log, LogError
from adjudge.log.segment import ALL, Part, Segment, Stretch, whole


@runtime_checkable
class Segmented(Protocol):
    """A log that keeps old commits in segments."""

    def find(self, position: int) -> Segment | Commit | None:
        """Return the segment or else the commit that holds a position, None if nothing does any more."""
        ...


def scan(
    log: Log, start: int = 0, stop: int | None = None, parts: Container[Part] = ALL, *, after: bytes | None = None
) -> Iterator[Stretch]:
    """Yield everything that a log holds from a position on, in order.

    Parameters
    ----------
    log
        What to read.
    start
        First position.
    stop
        Commits that end after it are left out; the end of the log where absent or beyond it.
    parts
        What is wanted of events; the rest may be empty.
    after
        Link of the commit before the first: then every commit has to follow the one before it. What lies in segments
        has a checksum and is held to that instead. None reads what is there.

    Raises
    ------
    LogError
        If a commit does not follow the one before it.

    Examples
    --------
    >>> from adjudge.log import Kind, MemoryLog
    >>> from adjudge.log.codec import Note, pack
    >>> log = MemoryLog()
    >>> payload = pack([Note(Kind.LISTS, b"{}"), Note(Kind.MANAGEMENT, b"{}")])
    >>> log.append(Commit.after(log.end().link, 0, count=2, received_at=5, payload=payload))
    >>> [(stretch.first, len(stretch.block), stretch.end == log.end()) for stretch in scan(log)]
    [(0, 1, False), (1, 1, True)]
    """
    end = log.end().position
    stop = end if stop is None else min(stop, end)
    position = max(start, log.begin().position)
    while isinstance(log, Segmented) and position < stop and isinstance(found := log.find(position), Segment):
        for stretch in found.stretches(position, stop, parts):
            if after is not None and stretch.end is not None:
                after = stretch.end.link
            yield stretch
        position = found.stop
    for commit in log.read(position, stop):
        if commit.stop > stop:
            return
        if after is not None:
            if not commit.follows(after):
                message = (
                    f"the log is damaged: the commit at {commit.first} is not what was written; `adjudge audit` tells"
                )
                raise LogError(message)
            after = commit.link
        yield from whole(list(blocks_of(commit)), commit.received_at, commit.end, parts)
