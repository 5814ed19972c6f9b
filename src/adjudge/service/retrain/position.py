"""Where a log was at a time: found by halving, without reading what lies between."""

from __future__ import annotations

from adjudge.log import End, Log
from adjudge.log.codec import Note, blocks_of


def position_at(log: Log, moment_us: int) -> int:
    """Return the position of the first entry that was received at or after a moment; where the log ends if none was.

    Parameters
    ----------
    log
        Only read.
    moment_us
        Microseconds UTC.

    Notes
    -----
    The clock of a service may be set back by a moment; what lies so close to the edge is of no matter to whoever reads
    weeks of it.

    Examples
    --------
    >>> from adjudge.log import Commit, Kind, MemoryLog
    >>> from adjudge.log.codec import Note, pack
    >>> log = MemoryLog()
    >>> for at in (10, 20, 30):
    ...     payload = pack([Note(Kind.LISTS, b"{}"), Note(Kind.LISTS, b"{}")])
    ...     end = log.end()
    ...     log.append(Commit.after(end.link, end.position, count=2, received_at=at, payload=payload))
    >>> [position_at(log, at) for at in (5, 20, 21, 31)]
    [0, 2, 4, 6]
    """
    low, high = log.begin().position, log.end().position
    while low < high:
        commit = next(iter(log.read((low + high) // 2, (low + high) // 2 + 1)))
        if commit.received_at >= moment_us:
            high = commit.first
        else:
            low = commit.stop
    return low


def end_of_news(log: Log) -> End:
    """Return where a log ends but for entries of management behind it: they say nothing that could be learnt.

    Parameters
    ----------
    log
        Only read.
    """
    end = log.end()
    while end.position > log.begin().position:
        commit = next(iter(log.read(end.position - 1, end.position)))
        if not all(isinstance(block, Note) for _, block in blocks_of(commit)):
            return commit.end
        before = next(iter(log.read(commit.first - 1, commit.first)), None) if commit.first else None
        end = log.begin() if before is None else before.end
    return end
