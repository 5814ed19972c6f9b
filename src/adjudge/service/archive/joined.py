"""A log together with its archive: whatever reads a log reads both as the one that they were."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adjudge.log import Commit, End, Lease, Log
from adjudge.log.protocol import Storage
from adjudge.log.scan import Segmented
from adjudge.log.segment import Segment
from adjudge.service.archive.files import Archive, ArchiveError
from adjudge.service.home import open_log
from adjudge.service.settings import Settings


class Joined:
    """A log whose beginning is read from its archive; it is appended to as ever.

    Parameters
    ----------
    archive
        Files with the beginning.
    log
        The rest.

    Raises
    ------
    ArchiveError
        If something is missing between them.
    """

    def __init__(self, archive: Archive, log: Log) -> None:
        self._archive = archive
        self._log = log
        begin, end = archive.begin(), archive.end()
        if begin is None or end is None:
            message = f"there is no archive in {archive.folder}"
            raise ArchiveError(message)
        if not begin.position <= log.begin().position <= end.position:
            message = (
                f"{archive.folder} holds positions {begin.position} to {end.position}, "
                f"but the log begins at {log.begin().position}"
            )
            raise ArchiveError(message)
        self._begin = begin

    @property
    def join(self) -> int:
        """Position at which the log follows the archive."""
        return self._log.begin().position

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`.

        Raises
        ------
        ArchiveError
            If the log turns out not to follow this archive.
        """
        end, join = self._log.end().position, self._log.begin()
        stop = end if stop is None else min(stop, end)
        last: Commit | None = None
        for last in self._archive.read(start, min(stop, join.position)):
            yield last
        if stop <= join.position:
            return
        if last is not None and last.end != join:
            message = f"the log that begins at position {join.position} does not follow this archive"
            raise ArchiveError(message)
        yield from self._log.read(max(start, join.position), stop)

    def find(self, position: int) -> Segment | Commit | None:
        """Return the segment or else the commit that holds a position, None if nothing does any more."""
        if position < self._log.begin().position:
            return self._archive.find(position)
        if isinstance(self._log, Segmented):
            return self._log.find(position)
        return next(iter(self._log.read(position, position + 1)), None)

    def begin(self) -> End:
        """Return the first position of the archive, and the link before it."""
        return self._begin

    def end(self) -> End:
        """Return where the log ends now."""
        return self._log.end()

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        return len(self._log)

    def append(self, commit: Commit) -> None:
        """Append a commit to the log."""
        self._log.append(commit)

    def acquire(self, holder: str, *, now_us: int, ttl_us: int) -> Lease | None:
        """Take the right to append to the log."""
        return self._log.acquire(holder, now_us=now_us, ttl_us=ttl_us)

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append."""
        self._log.renew(now_us=now_us, ttl_us=ttl_us)

    def lease(self) -> Lease | None:
        """Return who holds the right to append."""
        return self._log.lease()

    def drop(self, before: int) -> int:
        """Forget commits of the log; the archive keeps what it has."""
        return self._log.drop(before)

    def storage(self) -> Storage:
        """Return what the log takes up, without its archive."""
        return self._log.storage()

    def maintain(self) -> bool:
        """Do some of the log's housekeeping."""
        return self._log.maintain()

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def open_with(settings: Settings, archive: Path | None) -> Log:
    """Return the log that the settings name, with the archive in a folder before it; None for the log alone.

    Raises
    ------
    ArchiveError
        If the archive cannot be read, or something is missing between it and the log.
    """
    log = open_log(settings)
    if archive is None:
        return log
    try:
        return Joined(Archive(archive), log)
    except BaseException:
        log.close()
        raise
