"""A log in one SQLite file: the embedded default, durable, readable by any number of processes while it is written.

One commit is one row, written by one statement that also checks the fencing token, so a process whose lease has passed
on cannot append however late it wakes. The file is in WAL mode: readers never wait for the writer nor it for them.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from adjudge.log.chunks import (
    BYTES,
    COMMITS,
    KEEP,
    ROUND,
    Reader,
    drop_slices,
    is_due,
    last_before,
    oldest_run,
    read_chunks,
)
from adjudge.log.codec import CodecError
from adjudge.log.holder import HolderLock
from adjudge.log.protocol import (
    Commit,
    Durability,
    End,
    FencedError,
    Lease,
    LogError,
    LogUnavailableError,
    Storage,
    is_new,
)
from adjudge.log.segment import Segment, segment_of
from adjudge.log.wal import read_wal

FORMAT = 1
"""Version of the tables, in the file's ``user_version``; raised when an older reader could not read them."""

PAGE = 8192
"""Bytes of a page: a commit writes whole ones, and each costs a call to write it, so that larger ones make batches of
hundreds cheaper and single decisions dearer."""

WAL_PAGES = 16_384
"""Pages after which appending itself empties the write-ahead file, should nobody call `maintain`."""

WAL_LIMIT = 1_024
"""Pages of the write-ahead file beyond which `maintain` makes it start over."""

WAL_REST, PASSES = 128, 3
"""Pages that may be left for when it starts over and appending waits, and how often they are made fewer before."""

RESTART_MS = 50
"""How long that waits for readers in other processes; appending waits with it."""

DELETED_ROWS, DELETED_BYTES = 256, 2**19
"""Most rows and bytes that repacking deletes at a time; appending waits for it."""

BUSY_S = 5.0
"""How long a statement waits for another process's lock before it fails."""

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

_FETCH = """
WITH packed AS (SELECT stop, packed FROM segments WHERE first <= :start ORDER BY first DESC LIMIT 1)
SELECT 0, 0, 0, packed, NULL FROM packed WHERE stop > :start
UNION ALL SELECT * FROM (
    SELECT first, count, received_at, payload, link FROM commits
    WHERE first >= coalesce((SELECT max(first) FROM commits WHERE first <= :start), :start)
      AND first < :stop AND first + count > :start AND NOT EXISTS (SELECT 1 FROM packed WHERE stop > :start)
    ORDER BY first LIMIT :most)
"""
# One statement sees one moment: commits that are being repacked are found in one place or in the other.

_KINDS = (int, int, int, bytes, bytes)

T = TypeVar("T")


class SqliteLog:
    """Keep the commits in a file.

    Parameters
    ----------
    path
        The file; made with its folder if it is not there.
    durability
        What an appended commit survives.

    Attributes
    ----------
    cut_bytes
        What was cut off when the file was opened: the rest of a commit that a crash had torn, never acknowledged, or
        what was damaged since.

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
            self.cut_bytes = self._torn()
            self._writer = self._connect()
            try:
                self._prepare()
                self._reader = self._connect()
            except BaseException:
                self._writer.close()
                raise
        self._chunks = Reader(lambda start, stop: self._ask(functools.partial(_fetch, start=start, stop=stop)))
        self._end = self.end()

    def append(self, commit: Commit) -> None:
        """Append a commit, all or nothing; when this returns, it survives what `durability` promises."""
        with self._writing, _plain_errors(self.path):
            self._check_open()
            if not self._token:  # nobody keeps others from appending
                self._end = self._ask_end(self._writer)
            if not is_new(commit, self._end):
                return
            row = (commit.first, commit.count, commit.received_at, commit.payload, commit.link, self._token)
            if self._writer.execute(_APPEND, row).rowcount != 1:
                held = self._ask_lease(self._writer)
                message = f"{held.holder if held else 'nobody'} decides now; this process may not append"
                raise FencedError(message)
            self._end = End(commit.stop, commit.link)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`."""
        begin, end = self._ask(lambda connection: (self._ask_begin(connection), self._ask_end(connection)))
        start, stop = max(start, begin.position), min(end.position, end.position if stop is None else stop)
        return read_chunks(self._chunks.chunk, start, stop)

    def find(self, position: int) -> Segment | Commit | None:
        """Return the segment or else the commit that holds a position, None if nothing does any more."""
        return self._chunks.find(position) if self.begin().position <= position else None

    def end(self) -> End:
        """Return where the log ends now, whoever appended last."""
        return self._ask(self._ask_end)

    def begin(self) -> End:
        """Return the first position that is still held, and the link before it."""
        return self._ask(self._ask_begin)

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
        return drop_slices(self._drop, self.begin().position, before)

    def _drop(self, before: int) -> int:
        with self._writing, _plain_errors(self.path), self._wiping(), self._transaction():
            last = last_before(Reader(functools.partial(_fetch, self._writer)).chunk, before)
            if last is not None:
                self._writer.execute("UPDATE begin SET position = ?, link = ?", (last.stop, last.link))
                self._writer.execute("DELETE FROM commits WHERE first < ?", (last.stop,))
                self._writer.execute("DELETE FROM segments WHERE stop <= ?", (last.stop,))
            return self._ask_begin(self._writer).position

    def storage(self) -> Storage:
        """Return what the file and its write-ahead file take up."""
        count = "SELECT (SELECT count(*) FROM commits), (SELECT count(*) FROM segments)"
        commits, segments = self._ask(lambda connection: connection.execute(count).fetchone())
        files = (self.path, self.path.with_name(self.path.name + "-wal"))
        return Storage(sum(file.stat().st_size for file in files if file.exists()), commits, segments)

    def maintain(self, *, keep: int = KEEP) -> bool:
        """Empty the write-ahead file, put some old commits into segments, and return whether there are more of them.

        Parameters
        ----------
        keep
            Newest positions whose commits stay as they are.
        """
        with self._maintaining, _plain_errors(self.path), contextlib.closing(self._connect()) as own:
            self._check_open()
            self._checkpoint(own)
            self._delete_packed(own)
            for _ in range(ROUND):
                if not self._repack(own, keep):
                    return False
                self._delete_packed(own)
                self._checkpoint(own)
            return True

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

    def _torn(self) -> int:
        """Return how many bytes of the write-ahead file SQLite is about to ignore."""
        torn = read_wal(self.path.with_name(self.path.name + "-wal")).torn_bytes
        if torn and self._holder.take():  # else a process that lives is just writing it
            self._holder.give_back()
            return torn
        return 0

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA page_size = {PAGE}")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {'FULL' if self.durability == 'fsync' else 'NORMAL'}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.execute(f"PRAGMA journal_size_limit = {WAL_LIMIT * PAGE}")
        connection.execute("PRAGMA secure_delete = OFF")  # what repacking deletes is in the segment
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
    def _ask_begin(connection: sqlite3.Connection) -> End:
        return End(*connection.execute("SELECT position, link FROM begin").fetchone())

    @classmethod
    def _ask_end(cls, connection: sqlite3.Connection) -> End:
        newest = "SELECT first + count, link FROM commits ORDER BY first DESC LIMIT 1"
        row = connection.execute(newest).fetchone()
        return End(*row) if row else cls._ask_begin(connection)

    @staticmethod
    def _ask_lease(connection: sqlite3.Connection) -> Lease | None:
        row = connection.execute("SELECT token, holder, until_us FROM lease WHERE until_us > 0").fetchone()
        return Lease(*row) if row else None

    def _last_token(self) -> int:
        row = self._writer.execute("SELECT token FROM lease").fetchone()
        return int(row[0]) if row else 0

    def _checkpoint(self, own: sqlite3.Connection) -> None:
        """Bring what was appended from the write-ahead file into the main one, and let the former start over."""
        before, pages = 0, _checkpoint(own)
        for _ in range(PASSES if pages > WAL_LIMIT else 0):
            if pages - before <= WAL_REST:
                break
            before, pages = pages, _checkpoint(own)
        if pages > WAL_LIMIT:
            own.execute(f"PRAGMA busy_timeout = {RESTART_MS}")
            with self._writing:
                own.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
            own.execute(f"PRAGMA busy_timeout = {int(1000 * BUSY_S)}")

    def _repack(self, own: sqlite3.Connection, keep: int) -> bool:
        """Put the oldest loose commits into a segment, and return whether there may be more to repack."""
        begin = self._ask_begin(own).position
        first = max(begin, own.execute("SELECT coalesce(max(stop), 0) FROM segments").fetchone()[0])
        end = self._ask_end(own).position
        if not is_due(end - first, keep):
            return False
        run = oldest_run(Reader(functools.partial(_fetch, own)).chunk, first, end - max(keep, 1))
        if not run:
            return False
        segment = (run[0].first, run[-1].stop, segment_of(run))
        with self._writing, _transaction(own):
            if self._ask_begin(own).position <= run[0].first:  # else they have just been dropped
                own.execute("INSERT OR IGNORE INTO segments VALUES (?, ?, ?)", segment)
        return True

    def _delete_packed(self, own: sqlite3.Connection) -> None:
        """Delete the commits that are in a segment, little by little; readers find them in either place."""
        there = "SELECT first, length(payload) FROM commits WHERE first < (SELECT max(stop) FROM segments) LIMIT ?"
        while rows := own.execute(there, (DELETED_ROWS,)).fetchall():
            sizes = itertools.accumulate(size for _, size in rows)
            last = max(
                (first for (first, _), size in zip(rows, sizes, strict=True) if size <= DELETED_BYTES),
                default=rows[0][0],
            )
            with self._writing:
                own.execute("DELETE FROM commits WHERE first <= ?", (last,))

    @contextlib.contextmanager
    def _wiping(self) -> Iterator[None]:
        """Overwrite what is deleted: it is meant to be gone."""
        self._check_open()
        self._writer.execute("PRAGMA secure_delete = ON")
        try:
            yield
        finally:
            self._writer.execute("PRAGMA secure_delete = OFF")

    def _transaction(self) -> contextlib.AbstractContextManager[None]:
        self._check_open()
        return _transaction(self._writer)

    def _check_open(self) -> None:
        if self._closed:
            message = "the log is closed"
            raise LogError(message)


def _checkpoint(connection: sqlite3.Connection) -> int:
    """Empty the write-ahead file without anybody having to wait, and return how many pages were in it."""
    pages: int = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    return pages


def _fetch(connection: sqlite3.Connection, start: int, stop: int) -> bytes | list[Commit]:
    """Return the segment that holds the first position of a range, or the next commits that are in none."""
    commits: list[Commit] = []
    size = 0
    with contextlib.closing(connection.execute(_FETCH, {"start": start, "stop": stop, "most": COMMITS})) as rows:
        for row in rows:
            if row[1] == 0:
                return bytes(row[3])
            if tuple(map(type, row)) != _KINDS:  # SQLite keeps whatever somebody puts in
                message = f"the commit at {row[0]} holds values of another kind"
                raise CodecError(message)
            commits.append(Commit(*row))
            size += len(row[3])
            if size >= BYTES:
                break
    return commits


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


class _plain_errors:
    """Say what SQLite and the file system say in the words of the log."""

    def __init__(self, path: Path) -> None:
        self._name = path.name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.OperationalError):
            message = f"{self._name} cannot be used now: {error}"
            raise LogUnavailableError(message) from error
        if isinstance(error, sqlite3.DatabaseError):
            message = f"{self._name} is damaged or no log: {error}"
            raise LogError(message) from error
        if isinstance(error, OSError):
            message = f"{self._name} cannot be used now: {error.strerror or error}"
            raise LogUnavailableError(message) from error
