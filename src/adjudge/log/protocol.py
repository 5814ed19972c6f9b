"""The log: an ordered, append-only list of entries, the only truth; all state is a fold over it.

An entry's position is its ``seq``. Whoever appends states the position that it believes to be next, so that
two writers cannot interleave unseen. The log stores opaque bytes: it knows positions, kinds and ids, never
definitions.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from typing import Protocol

import msgspec

from adjudge.errors import AdjudgeError


class LogError(AdjudgeError):
    """The log refused an append, or was used after it was closed."""


class Kind(enum.IntEnum):
    """What an entry is; the numbers are part of the format and never change."""

    EVENT = 1
    """One event of a stream; decided if a system decides that stream."""
    LABEL = 2
    """The truth about an event, learned later."""
    RETRACTION = 3
    """An event is taken back: its row is dead to every aggregation from here on."""
    OUTCOME = 4
    """What a review or a verification came to; features may use it like a label."""
    LISTS = 5
    """The named lists that rules ask changed."""
    ACTIVATION = 6
    """A bundle, a rule set or a policy became the deciding one."""
    TABLE = 7
    """Many events of a stream at once: history from before the first decision, itself not decided."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One entry of the log.

    Parameters
    ----------
    seq
        Position, from 0, without gaps.
    received_at
        Microseconds since 1970 UTC at which the entry was admitted.
    kind
        What the entry is.
    stream
        The stream of the event that is meant; empty where there is none.
    id
        The event's id, or the id of the event that a label, outcome or retraction names.
    body
        The canonical bytes of what was accepted.
    decided
        The record of the decision that was made when the entry was appended; empty if none was.
    features
        The feature values behind `decided`, little-endian doubles in the order the plan names them.
    count
        Positions that the entry takes, one for each event in it; above 1 only for tables.

    Examples
    --------
    >>> Entry(seq=0, received_at=1, kind=Kind.EVENT, stream="payment", id="p1", body=b"{}").id
    'p1'
    """

    seq: int
    received_at: int
    kind: Kind
    stream: str
    id: str
    body: bytes
    decided: bytes = b""
    features: bytes = b""
    count: int = 1


class Log(Protocol):
    """What every log can do; one process appends, any number of threads read."""

    def append(self, entries: Sequence[Entry]) -> int:
        """Append entries in order, all or none, and return the position of the first.

        Parameters
        ----------
        entries
            Entries whose positions follow the last one in the log without a gap.

        Raises
        ------
        LogError
            If the positions do not follow, or the log is closed. Nothing is appended then.
        """
        ...

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Entry]:
        """Yield the entries that hold positions from `start` up to, not including, `stop`.

        The range is fixed when reading begins: entries appended meanwhile are not seen. A table is yielded
        whole if any of its positions is asked for.

        Parameters
        ----------
        start
            First position, from 0.
        stop
            Position after the last one; the end of the log where absent or beyond it.
        """
        ...

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        ...

    def close(self) -> None:
        """Release what the log holds; closing twice is allowed."""
        ...


def check_follows(entries: Sequence[Entry], position: int) -> int:
    """Return the position after the last of some entries, which must run on from `position` without a gap.

    Every implementation calls this before it writes.

    Parameters
    ----------
    entries
        The entries that are about to be appended.
    position
        The position that the first of them must have.

    Raises
    ------
    LogError
        If a position differs, which means that somebody else has appended.

    Examples
    --------
    >>> table = Entry(seq=3, received_at=1, kind=Kind.TABLE, stream="payment", id="", body=b"", count=10)
    >>> check_follows([table], 3)
    13
    """
    for entry in entries:
        if entry.seq != position:
            message = f"entry {entry.id!r} claims position {entry.seq}, but the log continues at {position}"
            raise LogError(message)
        position += entry.count
    return position
