"""Examining a log: whether it can be trusted, and what somebody who looks after it should know.

Everything is read and nothing is changed. The result is plain data, for a command line or a monitor to show.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec
import numpy as np

from adjudge.log.audit import Audit, Told, audit
from adjudge.log.codec import Again, Block, Changes, CodecError, Events, Note, Table, blocks_of
from adjudge.log.protocol import Commit, End, Kind, Log, LogError
from adjudge.log.sqlite import SqliteLog
from adjudge.log.wal import read_wal
from adjudge.typing import IntArray

Level = Literal["good", "notice", "fault"]
"""``good`` is as it should be, ``notice`` worth knowing, ``fault`` means that the log is not what was appended."""


class Finding(msgspec.Struct, frozen=True):
    """One thing that was looked at.

    Parameters
    ----------
    name
        What: ``file``, ``pages``, ``tail``, ``chain``, ``entries``, ``ids``, ``holder`` or ``storage``.
    level
        How it is.
    says
        One sentence.
    """

    name: str
    level: Level
    says: str


def examine(log: Log, *, known: Iterable[End] = (), told: Told = lambda position, stop: None) -> list[Finding]:
    """Return what is found about a log: its chain, its entries, its ids, who may append, and what it takes up.

    Parameters
    ----------
    log
        The log; it may be appended to meanwhile.
    known
        Ends of this log that were noted elsewhere; see `audit`.
    told
        Told of progress: the position that has been reached, and the one where it ends.

    Raises
    ------
    LogUnavailableError
        If it cannot be read now.

    Examples
    --------
    >>> from adjudge.log import MemoryLog
    >>> [(finding.name, finding.level) for finding in examine(MemoryLog())]
    [('chain', 'good'), ('entries', 'good'), ('ids', 'good'), ('holder', 'good'), ('storage', 'good')]
    """
    entries, ids = _Entries(), _Ids()

    def look(commit: Commit) -> None:
        entries.look(commit)
        ids.look(commit)

    audited = audit(log, known=known, told=told, proven=look)
    return [_chain(audited), entries.finding(), ids.finding(log), _holder(log), _storage(log)]


def examine_file(path: Path, *, known: Iterable[End] = (), told: Told = lambda position, stop: None) -> list[Finding]:
    """Return what is found about a log in a SQLite file, from its pages up.

    Parameters
    ----------
    path
        The file. A process that decides on it may go on.
    known, told
        See `examine`.
    """
    if not path.is_file():
        return [Finding("file", "fault", f"{path} is not there")]
    if not path.stat().st_size:  # opening it would make a log of it, which then is as good as new
        return [Finding("file", "fault", f"there is no log here: {path} is empty")]
    findings = [_tail(path), _pages(path)]
    try:
        with contextlib.closing(SqliteLog(path)) as log:
            return [*findings, *examine(log, known=known, told=told)]
    except (LogError, CodecError) as error:
        return [*findings, Finding("file", "fault", f"the log cannot be read: {error}")]


def _tail(path: Path) -> Finding:
    """Look at the end of the write-ahead file before SQLite ignores what is torn."""
    wal = read_wal(path.with_name(path.name + "-wal"))
    if wal.torn_bytes:
        says = f"{wal.torn_bytes:,} bytes follow the last whole commit: torn by a crash, or just being written"
        return Finding("tail", "notice", says)
    return Finding("tail", "good", f"the write-ahead file holds {wal.frames:,} whole pages")


def _pages(path: Path) -> Finding:
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as file:
            said = [row[0] for row in file.execute("PRAGMA integrity_check(20)")]
    except sqlite3.DatabaseError as error:
        return Finding("pages", "fault", f"SQLite cannot read the file: {error}")
    if said != ["ok"]:
        return Finding("pages", "fault", f"SQLite finds the file damaged: {'; '.join(said)}")
    return Finding("pages", "good", "SQLite finds every page as it should be")


def _chain(audited: Audit) -> Finding:
    if audited.broken is not None:
        return Finding("chain", "fault", f"broken at position {audited.broken.position}: {audited.broken.reason}")
    (begin, _), (end, link) = audited.begin, audited.end
    return Finding(
        "chain", "good", f"whole from position {begin:,} to {end:,} in {audited.commits:,} commits; link {link}"
    )


def _holder(log: Log) -> Finding:
    lease = log.lease()
    if lease is None:
        return Finding("holder", "good", "nobody holds the right to append")
    until = datetime.fromtimestamp(lease.until_us / 1e6, UTC).isoformat(timespec="seconds")
    return Finding("holder", "good", f"{lease.holder} holds the right to append until {until} (token {lease.token})")


def _storage(log: Log) -> Finding:
    storage, entries = log.storage(), len(log) - log.begin().position
    each = f", {storage.size_bytes / entries:,.0f} an entry" if entries else ""
    parts = f"{storage.segments:,} segments and {storage.commits:,} commits that are not in one"
    return Finding("storage", "good", f"{storage.size_bytes:,} bytes{each}, in {parts}")


class _Entries:
    """Unpacks every payload and counts what is in it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._unreadable: list[str] = []

    def look(self, commit: Commit) -> None:
        try:
            for _, block in blocks_of(commit):
                self._counts[_name_of(block)] += len(block)
        except CodecError as error:
            self._unreadable.append(f"position {commit.first}: {error}")

    def finding(self) -> Finding:
        if self._unreadable:
            more = f", and {len(self._unreadable) - 1} more commits" if len(self._unreadable) > 1 else ""
            return Finding("entries", "fault", f"cannot be unpacked at {self._unreadable[0]}{more}")
        told = ", ".join(f"{count:,} {name}" for name, count in sorted(self._counts.items()))
        return Finding("entries", "good", told or "there are none")


class _Ids:
    """Looks for ids that a stream holds twice; by their hashes first, because there may be very many."""

    def __init__(self) -> None:
        self._hashes: list[IntArray] = []
        self._positions: list[IntArray] = []

    def look(self, commit: Commit) -> None:
        with contextlib.suppress(CodecError):  # which `_Entries` tells
            for first, block in blocks_of(commit):
                if isinstance(block, Events):
                    named = [hash((block.stream, id_)) for id_ in block.ids.all()]
                    self._hashes.append(np.array(named, np.int64))
                    self._positions.append(np.arange(first, first + len(named)))

    def finding(self, log: Log) -> Finding:
        hashes = np.concatenate(self._hashes) if self._hashes else np.empty(0, np.int64)
        order = np.argsort(hashes, kind="stable")
        again = np.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        for before, after in zip(order[again], order[again + 1], strict=True):
            positions = np.concatenate(self._positions)
            one, two = int(positions[before]), int(positions[after])
            if _event(log, one) == _event(log, two):
                stream, id_ = _event(log, one)
                return Finding("ids", "fault", f"{id_!r} of stream {stream!r} is at position {one} and at {two}")
        return Finding("ids", "good", f"{len(hashes):,} events, each with an id of its own")


def _event(log: Log, position: int) -> tuple[str, str]:
    """Return stream and id of the event at a position."""
    (commit,) = log.read(position, position + 1)
    for first, block in blocks_of(commit):
        if isinstance(block, Events) and first <= position < first + len(block):
            return block.stream, block.ids[position - first].decode(errors="replace")
    message = f"there is no event at position {position}"
    raise CodecError(message)


def _name_of(block: Block) -> str:
    match block:
        case Events(stream=stream):
            return f"events of {stream}"
        case Changes(kind=kind, stream=stream):
            return f"{Kind(kind).name.lower()}s of {stream}"
        case Table(stream=stream):
            return f"imported events of {stream}"
        case Again(stream=stream):
            return f"second decisions of {stream}"
        case Note(kind=kind):
            return f"{Kind(kind).name.lower()} notes"
