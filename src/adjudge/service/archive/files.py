"""Archive files: the beginning of a log in files of their own, which prove what they hold and that the log follows.

A file holds whole commits in segments, as the log itself keeps old ones, with every link of the chain. It names the
link before its first commit and the hash of the file before it; its first line is the hash of what it says of itself,
which has that of the rest: a file that was changed, left out or put in is noticed. Files at the beginning may be
deleted; what is left is proven.
"""

from __future__ import annotations

import hashlib
import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from adjudge.log import Commit, End, Log, LogError
from adjudge.log.chunks import BYTES, SEGMENT, Reader, read_chunks
from adjudge.log.segment import Segment, segment_of

FORMAT = 1
"""Version of the form of a file; raised when an older reader could not read it."""

SUFFIX = ".archive"

FILE_BYTES = 64 * 2**20
"""Bytes of segments after which a file ends: the most that is in memory while one is written."""

Told = Callable[[int, int], None]
"""Told of progress: the position that has been reached, and the one where it ends."""


class ArchiveError(LogError):
    """An archive is damaged, has a gap, or is that of another log."""


class Header(msgspec.Struct, frozen=True):
    """What a file says of itself.

    Parameters
    ----------
    format
        Version of the form.
    first, stop
        Position of its first entry, and after its last.
    before, link
        Link before its first commit, and of its last, in hexadecimal.
    previous
        Hash of the file before; empty in the first one.
    received
        When its first and its last commit were admitted, in microseconds since 1970 UTC.
    segments
        Position of the first entry, and bytes, of each segment.
    body
        Hash of all of them.
    """

    format: int
    first: int
    stop: int
    before: str
    link: str
    previous: str
    received: tuple[int, int]
    segments: list[tuple[int, int]]
    body: str

    @property
    def begin(self) -> End:
        """Where a log ends that this file continues."""
        return End(self.first, bytes.fromhex(self.before))

    @property
    def end(self) -> End:
        """Where a log ends that this file is the last of."""
        return End(self.stop, bytes.fromhex(self.link))


class File(NamedTuple):
    """One file of an archive.

    Parameters
    ----------
    path
        Where it is.
    digest
        Hash of what it says of itself, and so of all of it.
    header
        What it says of itself.
    start
        Where its segments begin.
    """

    path: Path
    digest: str
    header: Header
    start: int

    @classmethod
    def open(cls, path: Path) -> File:
        """Return a file after reading no more than what it says of itself."""
        try:
            with path.open("rb") as file:
                digest, line = file.readline().strip().decode(), file.readline()
                start = file.tell()
            header = None if _hash(line) != digest else msgspec.json.decode(line, type=Header)
        except (OSError, UnicodeDecodeError, msgspec.DecodeError) as error:
            message = f"{path.name} of the archive cannot be read: {error}"
            raise ArchiveError(message) from None
        if header is None:
            message = f"{path.name} of the archive is not what was written"
            raise ArchiveError(message)
        if header.format != FORMAT:
            message = f"{path.name} of the archive has format {header.format}; this version reads {FORMAT}"
            raise ArchiveError(message)
        return cls(path, digest, header, start)

    def check(self) -> None:
        """Raise `ArchiveError` unless the file is as it was written."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            if hashlib.file_digest(file, "sha256").hexdigest() != self.header.body:
                message = f"{self.path.name} of the archive is not what was written"
                raise ArchiveError(message)

    def segment(self, position: int) -> bytes:
        """Return the segment that holds a position."""
        sizes = self.header.segments
        which = bisect_right(sizes, position, key=lambda s: s[0]) - 1
        with self.path.open("rb") as file:
            file.seek(self.start + sum(size for _, size in sizes[:which]))
            return file.read(sizes[which][1])


class Archive:
    """An archive for reading; every file is held against its hash before anything of it is used.

    Parameters
    ----------
    folder
        Where the files are.

    Raises
    ------
    ArchiveError
        If a file cannot be read, or they do not follow each other.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = [File.open(path) for path in sorted(folder.glob(f"*{SUFFIX}"))]
        for before, file in zip(self.files, self.files[1:], strict=False):
            if file.header.begin != before.header.end or file.header.previous != before.digest:
                message = f"{file.path.name} of the archive does not follow {before.path.name}"
                raise ArchiveError(message)
        self._checked: set[Path] = set()
        self._chunks = Reader(self._fetch)

    def begin(self) -> End | None:
        """Return where it begins, and the link before; None if it is empty."""
        return self.files[0].header.begin if self.files else None

    def end(self) -> End | None:
        """Return where it ends; None if it is empty."""
        return self.files[-1].header.end if self.files else None

    def read(self, start: int, stop: int) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`."""
        begin, end = self.begin(), self.end()
        if begin is not None and end is not None:
            yield from read_chunks(self._chunks.chunk, max(start, begin.position), min(stop, end.position))

    def find(self, position: int) -> Segment | None:
        """Return the segment that holds a position, None if none does."""
        begin, end = self.begin(), self.end()
        if begin is None or end is None or not begin.position <= position < end.position:
            return None
        found = self._chunks.find(position)
        assert isinstance(found, Segment)  # an archive holds nothing else
        return found

    def _fetch(self, start: int, stop: int) -> bytes:
        file = self.files[bisect_right(self.files, start, key=lambda f: f.header.first) - 1]
        if file.path not in self._checked:
            file.check()
            self._checked.add(file.path)
        return file.segment(start)


def write(log: Log, folder: Path, stop: int, *, told: Told = lambda position, stop: None) -> list[Path]:
    """Bring an archive up to a position of a log, and return the files that are new.

    Files are written beside their place and renamed: a crash leaves whole ones, and the next call goes on behind them.

    Parameters
    ----------
    log
        The log; every commit that is archived is held against the chain.
    folder
        Where the files are, or are to be.
    stop
        Commits that end after it are left out.
    told
        Told of progress.

    Raises
    ------
    ArchiveError
        If the archive there is damaged or of another log, or the chain of the log is broken.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for unfinished in folder.glob(f".*{SUFFIX}"):
        unfinished.unlink()
    archive = Archive(folder)
    at = _continued(archive, log)
    previous = archive.files[-1].digest if archive.files else ""
    made = []
    for run in _files(_runs(_checked(log.read(at.position, stop), at, stop))):
        path, previous = _write(folder, run, at, previous)
        at = run[-1][-1].end
        made.append(path)
        told(at.position, stop)
    return made


def _continued(archive: Archive, log: Log) -> End:
    """Return where an archive of a log ends and is to go on."""
    begin, end = log.begin(), archive.end()
    if end is None:
        return begin
    if end.position < begin.position:
        message = f"{archive.folder} ends at position {end.position}, but the log begins at {begin.position}"
        raise ArchiveError(message)
    last = next(iter(log.read(end.position - 1, end.position)), None) if end.position > begin.position else None
    if end != (begin if last is None else last.end):
        message = f"{archive.folder} is the archive of another log"
        raise ArchiveError(message)
    for file in archive.files:
        file.check()
    return end


def _checked(commits: Iterable[Commit], at: End, stop: int) -> Iterator[Commit]:
    """Yield the commits that end before a position, each held against the chain."""
    for commit in commits:
        if commit.stop > stop:
            return
        if commit.first != at.position or not commit.follows(at.link):
            message = f"the chain of the log is broken at position {at.position}: adjudge audit says how"
            raise ArchiveError(message)
        at = commit.end
        yield commit


def _runs(commits: Iterable[Commit]) -> Iterator[list[Commit]]:
    """Yield the commits of one segment after another."""
    run: list[Commit] = []
    size = 0
    for commit in commits:
        run.append(commit)
        size += len(commit.payload)
        if commit.stop - run[0].first >= SEGMENT or size >= BYTES:
            yield run
            run, size = [], 0
    if run:
        yield run


def _files(runs: Iterable[list[Commit]]) -> Iterator[list[list[Commit]]]:
    """Yield the segments' commits of one file after another."""
    some: list[list[Commit]] = []
    size = 0
    for run in runs:
        some.append(run)
        size += sum(len(commit.payload) for commit in run)
        if size >= FILE_BYTES:
            yield some
            some, size = [], 0
    if some:
        yield some


def _write(folder: Path, runs: Sequence[list[Commit]], at: End, previous: str) -> tuple[Path, str]:
    """Write one file, and return it with its hash."""
    segments = [segment_of(run) for run in runs]
    first, last = runs[0][0], runs[-1][-1]
    header = Header(
        format=FORMAT,
        first=first.first,
        stop=last.stop,
        before=at.link.hex(),
        link=last.link.hex(),
        previous=previous,
        received=(first.received_at, last.received_at),
        segments=[(run[0].first, len(segment)) for run, segment in zip(runs, segments, strict=True)],
        body=_hash(*segments),
    )
    line = msgspec.json.encode(header) + b"\n"
    digest = _hash(line)
    path = folder / f"{first.first:016d}-{last.stop:016d}{SUFFIX}"
    beside = path.with_name(f".{path.name}")
    with beside.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.writelines((digest.encode(), b"\n", line, *segments))
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    _sync(folder)
    return path, digest


def _hash(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _sync(folder: Path) -> None:
    """Make a rename in a folder survive a loss of power."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
