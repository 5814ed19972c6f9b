"""A log as it is read beside deciding: a little at a time, with rests that are longer than the reading.

Whoever reads a million decisions on a thread of the service keeps the interpreter from the thread that decides, and
every lock that a decision gives up in between is one that it has to wait for. Reading in short stretches leaves most
of the time to decisions; what is read takes longer, and nobody waits for it but whoever has asked.
"""

from __future__ import annotations

from collections.abc import Iterator

from adjudge.log import Commit, End, Log
from adjudge.log.protocol import Lease, Storage
from adjudge.log.scan import Segmented
from adjudge.log.segment import Segment
from adjudge.service.versions.beside import Pace

STRETCH_S, RESTS = 0.001, 9.0
"""Seconds of reading in one go, and how many times as long it rests: what decides loses a tenth of its time at most,
and waits a millisecond for it where it does."""


class Paced:
    """A log that rests while it is read; everything else is the log itself.

    Parameters
    ----------
    log
        The log.
    pace
        Lets it rest.
    """

    def __init__(self, log: Log, pace: Pace | None = None) -> None:
        self._log = log
        self._pace = pace or Pace(stretch_s=STRETCH_S, times=RESTS)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield commits, with rests."""
        for commit in self._log.read(start, stop):
            yield commit
            self._pace.step()

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        return len(self._log)

    def end(self) -> End:
        """Return where the log ends."""
        return self._log.end()

    def begin(self) -> End:
        """Return where the log begins."""
        return self._log.begin()

    def find(self, position: int) -> Segment | Commit | None:
        """Return the segment or else the commit that holds a position, after a rest if it is time for one."""
        self._pace.step()
        if isinstance(self._log, Segmented):
            return self._log.find(position)
        return next(iter(self._log.read(position, position + 1)), None)

    def append(self, commit: Commit) -> None:
        """Append a commit."""
        self._log.append(commit)

    def acquire(self, holder: str, *, now_us: int, ttl_us: int) -> Lease | None:
        """Take the right to append."""
        return self._log.acquire(holder, now_us=now_us, ttl_us=ttl_us)

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append."""
        self._log.renew(now_us=now_us, ttl_us=ttl_us)

    def lease(self) -> Lease | None:
        """Return who holds the right to append."""
        return self._log.lease()

    def drop(self, before: int) -> int:
        """Forget commits."""
        return self._log.drop(before)

    def storage(self) -> Storage:
        """Return what the log takes up."""
        return self._log.storage()

    def maintain(self) -> bool:
        """Do some of the log's housekeeping."""
        return self._log.maintain()

    def close(self) -> None:
        """Close the log."""
        self._log.close()
