"""A log in memory: ordered and replayable, gone with the process."""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import msgspec

from adjudge.log.protocol import Commit, End, FencedError, Lease, LogError, Storage, is_new


class MemoryLog:
    """Keep the commits in a list; for tests, demonstrations and work that ends with the process.

    Several handles may share one list, as several processes share a file: `MemoryLog(other)` is another handle on
    the log of `other`.

    Parameters
    ----------
    shared
        The log to open once more; None for a new one.

    Examples
    --------
    >>> from adjudge.log import Commit
    >>> log = MemoryLog()
    >>> log.append(Commit.after(log.end().link, 0, count=1, received_at=1, payload=b"entries"))
    >>> [commit.payload for commit in log.read()], len(log)
    ([b'entries'], 1)
    """

    def __init__(self, shared: MemoryLog | None = None) -> None:
        self._kept: _Kept = _Kept() if shared is None else shared._kept
        self._token = 0
        self._closed = False

    def append(self, commit: Commit) -> None:
        """Append a commit, all or nothing."""
        kept = self._open()
        with kept.lock:
            if kept.lease is not None and kept.lease.token != self._token:
                message = f"{kept.lease.holder} decides now; this process may not append"
                raise FencedError(message)
            if is_new(commit, kept.end):
                kept.commits.append(commit)
                kept.end = End(commit.stop, commit.link)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`."""
        kept = self._open()
        with kept.lock:  # else `drop` on another thread would move what was found
            end = kept.end.position
            stop = end if stop is None else min(stop, end)
            first = bisect_right(kept.commits, start, key=lambda c: c.stop)
            last = bisect_left(kept.commits, stop, key=lambda c: c.first)
            return iter(kept.commits[first:last] if start < stop else ())

    def end(self) -> End:
        """Return where the log ends now."""
        return self._open().end

    def begin(self) -> End:
        """Return the first position that is still held, and the link before it."""
        return self._open().begin

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        return self._open().end.position

    def acquire(self, holder: str, *, now_us: int, ttl_us: int) -> Lease | None:
        """Take the right to append, or return None while another handle holds it."""
        kept = self._open()
        with kept.lock:
            held = kept.lease
            if held is not None and held.token != self._token and held.until_us > now_us:
                return None
            kept.tokens += 1
            self._token = kept.tokens
            kept.lease = Lease(self._token, holder, now_us + ttl_us)
            return kept.lease

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append."""
        kept = self._open()
        with kept.lock:
            if kept.lease is None or kept.lease.token != self._token:
                message = "the right to append has passed to another process"
                raise FencedError(message)
            kept.lease = msgspec.structs.replace(kept.lease, until_us=now_us + ttl_us)

    def lease(self) -> Lease | None:
        """Return who holds the right to append, None if nobody does."""
        return self._open().lease

    def drop(self, before: int) -> int:
        """Forget the commits that end at or before a position, and return the first position that is still held."""
        kept = self._open()
        with kept.lock:
            gone = bisect_right(kept.commits, before, key=lambda c: c.stop)
            if gone:
                last = kept.commits[gone - 1]
                kept.begin = End(last.stop, last.link)
                del kept.commits[:gone]
            return kept.begin.position

    def storage(self) -> Storage:
        """Return what the commits take up."""
        commits = self._open().commits
        return Storage(sum(len(c.payload) for c in commits), len(commits), 0)

    def maintain(self) -> bool:
        """Return False: there is nothing to put in order."""
        return False

    def close(self) -> None:
        """Give up the right to append and refuse every further use; closing twice is allowed."""
        kept = self._kept
        with kept.lock:
            if kept.lease is not None and kept.lease.token == self._token:
                kept.lease = None
        self._closed = True

    def _open(self) -> _Kept:
        if self._closed:
            message = "the log is closed"
            raise LogError(message)
        return self._kept


class _Kept:
    """What all handles on one log share."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.begin = End()
        self.end = End()
        self.lease: Lease | None = None
        self.tokens = 0
        self.lock = threading.Lock()
