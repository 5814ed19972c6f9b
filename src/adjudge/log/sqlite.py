"""A log in one SQLite file: the embedded default, durable, readable by any number of processes while it is written.

One commit is one row, written by one statement that also checks the fencing token, so a process whose lease has passed
on cannot append however late it wakes. The file is in WAL mode: readers never wait for the writer nor it for them.
"""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, TypeVar

from adjudge.log.holder import HolderLock
from adjudge.log.protocol import (
    Commit,
    End,
    FencedError,
    Lease,
    LogError,
    LogUnavailableError,
    check_follows,
)
from adjudge.log.segment import segment_of, unpack_segment

Durability = Literal["fsync", "process"]
"""What an appended commit survives: ``fsync`` the loss of power, ``process`` the end of the process (kill -9)."""

FORMAT = 1
"""Version of the tables, in the file's ``user_version``; raised when an older reader could not read them."""

PAGE = 4096
"""Bytes of a page: small, because a commit writes whole ones."""

WAL_PAGES = 16_384
"""Pages after which appending itself empties the write-ahead file, should nobody call `maintain`."""

WAL_LIMIT = 32 * 2**20
"""Bytes of the write-ahead file at which `maintain` makes it start over."""

BUSY_S = 5.0
"""How long a statement waits for another process's lock before it fails."""

CHUNK = 64
"""Commits that are read at a time: a reader never holds the file for longer."""

SEGMENT = 4096
"""Positions after which a segment ends: small enough that one event can be read back within milliseconds."""

KEEP = 65_536
"""Newest positions that stay loose: most of what is read back by id is young."""

_TABLES = """
CREATE TABLE IF NOT EXISTS commits (
    first INTEGER PRIMARY KEY, count INTEGER NOT NULL, received_at INTEGER NOT NULL, payload BLOB NOT NULL,
    link BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS segments (
    first INTEGER PRIMARY KEY, stop INTEGER NOT NULL, packed BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS begin (
    one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, link BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS lease (
    one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL, holder TEXT NOT NULL, until_us INTEGER NOT NULL);
"""

_APPEND = """
INSERT INTO commits SELECT ?, ?, ?, ?, ? WHERE coalesce((SELECT token FROM lease), 0) = ?
"""

T = TypeVar("T")


class SqliteLog:
    """Keep the commits in a file.

    Parameters
    ----------
    path
        The file; made with its folder if it is not there.
    durability
        What an appended commit survives.

    Raises
    ------
    LogError
        If the file is no log, is damaged, or was written by a later version.
    LogUnavailableError
        If it cannot be opened or written.
    """

    def __init__(self, path: Path, *, durability: Durability = "process") -> None:
        self.path = path
        self.durability = durability
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._maintaining = threading.Lock()
        self._token = 0
        self._holder = HolderLock(path.with_name(path.name + ".lock"))
        self._closed = False
        with _plain_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._writer = self._connect()
            self._prepare()
            self._reader = self._connect()
        self._end = self.end()

    def append(self, commit: Commit) -> None:
        """Append a commit, all or nothing; when this returns, it survives what `durability` promises."""
        with self._writing, _plain_errors(self.path):
            self._check_open()
            if not self._token:  # nobody keeps others from appending
                self._end = self._ask_end(self._writer)
            check_follows(commit, self._end)
            row = (commit.first, commit.count, commit.received_at, commit.payload, commit.link, self._token)
            if self._writer.execute(_APPEND, row).rowcount != 1:
                held = self._ask_lease(self._writer)
                message = f"{held.holder if held else 'nobody'} decides now; this process may not append"
                raise FencedError(message)
            self._end = End(commit.stop, commit.link)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`."""
        end = self.end().position
        stop = end if stop is None else min(stop, end)
        return self._read(start, stop)

    def _read(self, start: int, stop: int) -> Iterator[Commit]:
        while start < stop:
            chunk = self._ask(functools.partial(self._chunk, start=start, stop=stop))
            if not chunk:
                return
            yield from chunk
            start = chunk[-1].stop

    def end(self) -> End:
        """Return where the log ends now, whoever appended last."""
        return self._ask(self._ask_end)

    def begin(self) -> End:
        """Return the first position that is still held, and the link before it."""
        return self._ask(lambda connection: End(*connection.execute("SELECT position, link FROM begin").fetchone()))

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        self._check_open()
        return self._end.position if self._token else self.end().position

    def acquire(self, holder: str, *, now_us: int, ttl_us: int) -> Lease | None:
        """Take the right to append, or return None while another process holds it."""
        with self._writing, _plain_errors(self.path), self._transaction():
            held = self._ask_lease(self._writer)
            alone = self._holder.take()
            if held is not None and held.token != self._token and held.until_us > now_us and not alone:
                return None
            token = 1 + (held.token if held else self._last_token())
            taken = Lease(token, holder, now_us + ttl_us)
            self._writer.execute("REPLACE INTO lease VALUES (1, ?, ?, ?)", (token, holder, taken.until_us))
            self._token = token
            self._end = self._ask_end(self._writer)
            return taken

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append."""
        with self._writing, _plain_errors(self.path):
            self._check_open()
            extended = self._writer.execute(
                "UPDATE lease SET until_us = ? WHERE token = ?", (now_us + ttl_us, self._token)
            )
            if extended.rowcount != 1:
                message = "the right to append has passed to another process"
                raise FencedError(message)

    def lease(self) -> Lease | None:
        """Return who holds the right to append, None if nobody does."""
        return self._ask(self._ask_lease)

    def drop(self, before: int) -> int:
        """Forget the commits that end at or before a position, and return the first position that is still held."""
        with self._writing, _plain_errors(self.path), self._transaction():
            last = self._last_before(before)
            if last is not None:
                self._writer.execute("UPDATE begin SET position = ?, link = ?", (last.stop, last.link))
                self._writer.execute("DELETE FROM commits WHERE first + count <= ?", (last.stop,))
                self._writer.execute("DELETE FROM segments WHERE stop <= ?", (last.stop,))
        return self.begin().position

    def maintain(self, *, keep: int = KEEP) -> None:
        """Do the housekeeping that is due: empty the write-ahead file, and repack old commits into segments.

        Meant to be called about every second from a thread of its own; appending goes on meanwhile.

        Parameters
        ----------
        keep
            Newest positions whose commits stay as they are.
        """
        with self._maintaining, _plain_errors(self.path), contextlib.closing(self._connect()) as own:
            self._check_open()
            own.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            wal = self.path.with_name(self.path.name + "-wal")
            if wal.exists() and wal.stat().st_size > WAL_LIMIT:
                own.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            while self._repack(own, keep):
                pass

    def close(self) -> None:
        """Give up the right to append and release the file; closing twice is allowed."""
        with self._writing, self._reading, self._maintaining:
            if self._closed:
                return
            self._closed = True
            if self._token:
                with contextlib.suppress(sqlite3.Error):  # a full disk must not keep a process from ending
                    self._writer.execute("UPDATE lease SET until_us = 0 WHERE token = ?", (self._token,))
            self._holder.give_back()
            self._writer.close()
            self._reader.close()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self.durability == 'fsync' else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        return connection

    def _prepare(self) -> None:
        """Make the tables of a new file, and refuse a file that holds something else."""
        version = self._writer.execute("PRAGMA user_version").fetchone()[0]
        if version > FORMAT:
            message = f"{self.path} was written by a later version: its format is {version}, this one reads {FORMAT}"
            raise LogError(message)
        if version == FORMAT:
            return
        if self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            message = f"{self.path} is a database of something else, and no log"
            raise LogError(message)
        with self._transaction():
            for statement in _TABLES.split(";"):
                self._writer.execute(statement)
            self._writer.execute("INSERT OR IGNORE INTO begin VALUES (1, ?, ?)", End())
            self._writer.execute(f"PRAGMA user_version = {FORMAT}")

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """Ask the reading connection, one thread at a time."""
        with self._reading, _plain_errors(self.path):
            self._check_open()
            return question(self._reader)

    @staticmethod
    def _ask_end(connection: sqlite3.Connection) -> End:
        newest = "SELECT first + count, link FROM commits ORDER BY first DESC LIMIT 1"
        row = connection.execute(newest).fetchone()
        return End(*(row or connection.execute("SELECT position, link FROM begin").fetchone()))

    @staticmethod
    def _ask_lease(connection: sqlite3.Connection) -> Lease | None:
        row = connection.execute("SELECT token, holder, until_us FROM lease WHERE until_us > 0").fetchone()
        return Lease(*row) if row else None

    def _last_token(self) -> int:
        row = self._writer.execute("SELECT token FROM lease").fetchone()
        return int(row[0]) if row else 0

    @staticmethod
    def _chunk(connection: sqlite3.Connection, start: int, stop: int) -> list[Commit]:
        """Return the next commits from `start` on, seen at one moment: a segment's, or some that are not in one yet."""
        packed = connection.execute(
            "SELECT packed FROM segments WHERE first <= ? AND stop > ? ORDER BY first DESC LIMIT 1", (start, start)
        ).fetchone()
        if packed:
            return [c for c in unpack_segment(packed[0]) if c.stop > start and c.first < stop]
        at = connection.execute("SELECT max(first) FROM commits WHERE first <= ?", (start,)).fetchone()[0]
        rows = connection.execute(
            "SELECT first, count, received_at, payload, link FROM commits "
            "WHERE first >= ? AND first < ? AND first + count > ? ORDER BY first LIMIT ?",
            (start if at is None else at, stop, start, CHUNK),
        )
        return [Commit(*row) for row in rows]

    def _last_before(self, before: int) -> Commit | None:
        found = self._chunk(self._writer, before - 1, before) if before > 0 else []
        if found and found[-1].stop > before:  # it reaches beyond: the one before it
            first = found[-1].first
            found = self._chunk(self._writer, first - 1, first) if first > 0 else []
        return found[-1] if found else None

    def _repack(self, connection: sqlite3.Connection, keep: int) -> bool:
        """Move the oldest loose commits into a segment, and return whether there may be more to move."""
        loose = connection.execute("SELECT min(first) FROM commits").fetchone()[0]
        if loose is None or self._ask_end(connection).position - loose < keep + SEGMENT:
            return False
        rows = connection.execute("SELECT first, count, received_at, payload, link FROM commits ORDER BY first")
        commits: list[Commit] = []
        while not commits or commits[-1].stop - loose < SEGMENT:
            commits.append(Commit(*next(rows)))
        rows.close()
        first, stop, packed = commits[0].first, commits[-1].stop, segment_of(commits)
        with _transaction(connection):
            connection.execute("INSERT INTO segments VALUES (?, ?, ?)", (first, stop, packed))
            connection.execute("DELETE FROM commits WHERE first < ?", (stop,))
        return True

    def _transaction(self) -> contextlib.AbstractContextManager[None]:
        self._check_open()
        return _transaction(self._writer)

    def _check_open(self) -> None:
        if self._closed:
            message = "the log is closed"
            raise LogError(message)


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with contextlib.suppress(sqlite3.Error):  # the first failure is the one to tell; it may have rolled back itself
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextlib.contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Say what SQLite and the file system say in the words of the log."""
    try:
        yield
    except sqlite3.OperationalError as error:
        message = f"{path.name} cannot be used now: {error}"
        raise LogUnavailableError(message) from error
    except sqlite3.DatabaseError as error:
        message = f"{path.name} is damaged or no log: {error}"
        raise LogError(message) from error
    except OSError as error:
        message = f"{path.name} cannot be used now: {error.strerror or error}"
        raise LogUnavailableError(message) from error
