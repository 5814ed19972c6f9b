"""A log in Postgres: for deciders that must outlive their machine, with the same meaning as the one in a file.

One commit is one row, written by one statement in one round trip. The statement also checks that this very connection
may append, under a lock on the row of the lease, so that neither a process whose lease has passed on nor an earlier
connection of this process, with a statement still under way, can append behind anybody's back.
"""

from __future__ import annotations

import contextlib
import functools
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, LiteralString, TypeGuard, TypeVar

import psycopg
from psycopg import conninfo, errors, sql

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

FORMAT = 1
"""Version of the tables, in the table ``begin``; raised when an older reader could not read them."""

CONNECTION: Mapping[str, Any] = {
    "connect_timeout": 2,  # whoever waits for an answer would rather hear soon that there is none
    "tcp_user_timeout": 5000,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "application_name": "adjudge",
}
"""How a lost server is noticed, unless the address says otherwise."""

_SESSION = """
SELECT set_config('search_path', quote_ident(%s), false), set_config('synchronous_commit', %s, false),
       set_config('lock_timeout', '5s', false), set_config('statement_timeout', '30s', false)
"""

_TABLES = """
CREATE TABLE commits (
    first bigint PRIMARY KEY, count bigint NOT NULL, received_at bigint NOT NULL, payload bytea NOT NULL,
    link bytea NOT NULL);
ALTER TABLE commits ALTER payload SET STORAGE EXTERNAL;
CREATE TABLE segments (first bigint PRIMARY KEY, stop bigint NOT NULL, packed bytea NOT NULL);
ALTER TABLE segments ALTER packed SET STORAGE EXTERNAL;
CREATE TABLE begin (
    one integer PRIMARY KEY CHECK (one = 1), format integer NOT NULL, position bigint NOT NULL, link bytea NOT NULL);
CREATE TABLE lease (
    one integer PRIMARY KEY CHECK (one = 1), token bigint NOT NULL, holder text NOT NULL, until_us bigint NOT NULL,
    pid integer NOT NULL);
INSERT INTO lease VALUES (1, 0, '', 0, 0);
"""
# Payloads and segments stay as they are: the one is read back soon, the other is packed already.

_APPEND = """
INSERT INTO commits SELECT %s, %s, %s, %s, %s FROM lease
WHERE token = %s AND (token = 0 OR pid = pg_backend_pid()) FOR SHARE
"""

_FETCH = """
WITH packed AS (SELECT stop, packed FROM segments WHERE first <= %(start)s ORDER BY first DESC LIMIT 1),
loose AS (
    SELECT first, count, received_at, payload, link,
           sum(length(payload)) OVER (ORDER BY first) - length(payload) AS before
    FROM (
        SELECT * FROM commits
        WHERE first >= coalesce((SELECT max(first) FROM commits WHERE first <= %(start)s), %(start)s)
          AND first < %(stop)s AND first + count > %(start)s
          AND NOT EXISTS (SELECT 1 FROM packed WHERE stop > %(start)s)
        ORDER BY first LIMIT %(most)s) AS near)
SELECT 0, 0, 0, packed, '' FROM packed WHERE stop > %(start)s
UNION ALL (SELECT first, count, received_at, payload, link FROM loose WHERE before < %(bytes)s ORDER BY first)
"""
# One statement sees one moment: commits that are being repacked are found in one place or in the other.

_STORAGE = """
SELECT pg_total_relation_size('commits') + pg_total_relation_size('segments'),
       (SELECT count(*) FROM commits), (SELECT count(*) FROM segments)
"""

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")


class PostgresLog:
    """Keep the commits in a schema of a Postgres database.

    A connection that was lost is made again by the next call. The append that notices the loss fails at once.

    Parameters
    ----------
    url
        The database: ``postgresql://user:password@host/database``, or anything else that libpq understands.
    schema
        Where in the database the log lies; made if it is not there.
    durability
        What an appended commit survives. ``process`` does not wait for the server's disk: should the server itself
        lose power, the last fraction of a second may be gone.

    Raises
    ------
    LogError
        If the schema holds no log, or one written by a later version.
    LogUnavailableError
        If the database cannot be reached.
    """

    def __init__(self, url: str, *, schema: str = "adjudge", durability: Durability = "process") -> None:
        self.schema = schema
        self.durability = durability
        with _plain_errors():
            self._conninfo = conninfo.make_conninfo(**{**CONNECTION, **conninfo.conninfo_to_dict(url)})
        self._writing = threading.Lock()
        self._reading = threading.Lock()
        self._maintaining = threading.Lock()
        self._closed = False
        self._token = 0
        self._end = End()
        self._writer: Connection | None = None
        self._reader: Connection | None = None
        self._chunks = Reader(lambda start, stop: self._ask(functools.partial(_fetch, start=start, stop=stop)))
        try:
            with _plain_errors():
                self._prepare(self._ready_to_write())
        except BaseException:
            self.close()
            raise

    def append(self, commit: Commit) -> None:
        """Append a commit, all or nothing; when this returns, it survives what `durability` promises."""
        with self._writing, _plain_errors():
            writer = self._ready_to_write()
            if not self._token:  # nobody keeps others from appending
                self._end = _ask_end(writer)
            if not is_new(commit, self._end):
                return
            row = (commit.first, commit.count, commit.received_at, commit.payload, commit.link, self._token)
            try:
                appended = writer.execute(_APPEND, row, prepare=True, binary=True)
            except errors.UniqueViolation:
                message = f"the commit claims position {commit.first}, but another process has just appended there"
                raise LogError(message) from None
            if appended.rowcount != 1:
                held = _ask_lease(writer)
                message = f"{held.holder if held else 'nobody'} decides now; this process may not append"
                raise FencedError(message)
            self._end = End(commit.stop, commit.link)

    def read(self, start: int = 0, stop: int | None = None) -> Iterator[Commit]:
        """Yield the commits that hold positions from `start` up to, not including, `stop`."""
        begin, end = self._ask(lambda connection: (_ask_begin(connection), _ask_end(connection)))
        start, stop = max(start, begin.position), min(end.position, end.position if stop is None else stop)
        return read_chunks(self._chunks.chunk, start, stop)

    def find(self, position: int) -> Segment | Commit | None:
        """Return the segment or else the commit that holds a position, None if nothing does any more."""
        return self._chunks.find(position) if self.begin().position <= position else None

    def end(self) -> End:
        """Return where the log ends now, whoever appended last."""
        return self._ask(_ask_end)

    def begin(self) -> End:
        """Return the first position that is still held, and the link before it."""
        return self._ask(_ask_begin)

    def __len__(self) -> int:
        """Return the position that the next entry will have."""
        self._check_open()
        return self._end.position if self._token and _is_live(self._writer) else self.end().position

    def acquire(self, holder: str, *, now_us: int, ttl_us: int) -> Lease | None:
        """Take the right to append, or return None while another process holds it."""
        with self._writing, _plain_errors():
            writer = self._ready_to_write()
            if not self._may_take(writer, now_us):  # asked without keeping the holder from appending
                return None
            with writer.transaction():
                writer.execute("SELECT 1 FROM lease FOR UPDATE")
                if not self._may_take(writer, now_us):  # another process was faster
                    return None
                token: int = 1 + _one(writer, "SELECT token FROM lease")[0]
                while not self._lock(writer, token):  # kept by an attempt that failed half way
                    token += 1
                taken = Lease(token, holder, now_us + ttl_us)
                writer.execute(
                    "UPDATE lease SET token = %s, holder = %s, until_us = %s, pid = pg_backend_pid()",
                    (taken.token, taken.holder, taken.until_us),
                )
                end = _ask_end(writer)
            self._token, self._end = taken.token, end
            return taken

    def _may_take(self, writer: Connection, now_us: int) -> bool:
        """Whether the right to append is free, ours, has run out, or is held by a process whose session has ended."""
        token, until_us = _one(writer, "SELECT token, until_us FROM lease")
        return bool(token == self._token or until_us <= now_us or self._lock(writer, token))

    def renew(self, *, now_us: int, ttl_us: int) -> None:
        """Extend the right to append."""
        with self._writing, _plain_errors():
            extend = "UPDATE lease SET until_us = %s WHERE token = %s AND token > 0"
            if self._ready_to_write().execute(extend, (now_us + ttl_us, self._token)).rowcount != 1:
                message = "the right to append has passed to another process"
                raise FencedError(message)

    def lease(self) -> Lease | None:
        """Return who holds the right to append, None if nobody does."""
        return self._ask(_ask_lease)

    def drop(self, before: int) -> int:
        """Forget the commits that end at or before a position, and return the first position that is still held."""
        return drop_slices(self._drop, self.begin().position, before)

    def storage(self) -> Storage:
        """Return what the tables take up."""
        return self._ask(lambda connection: Storage(*map(int, _one(connection, _STORAGE))))

    def maintain(self, *, keep: int = KEEP) -> bool:
        """Put some old commits into segments, and return whether there are more of them.

        Parameters
        ----------
        keep
            Newest positions whose commits stay as they are.
        """
        with self._maintaining:
            if not self._ask(lambda reader: is_due(_ask_end(reader).position - _ask_loose(reader), keep)):
                return False
            with _plain_errors(), self._connect() as own:
                return all(_repack(own, keep) for _ in range(ROUND))

    def close(self) -> None:
        """Give up the right to append and the connections; closing twice is allowed."""
        with self._writing, self._reading, self._maintaining:
            if self._closed:
                return
            self._closed = True
            if self._token and self._writer is not None:
                with contextlib.suppress(psycopg.Error):  # a lost database must not keep a process from ending
                    self._writer.execute("UPDATE lease SET until_us = 0 WHERE token = %s", (self._token,))
            for connection in filter(None, (self._writer, self._reader)):
                connection.close()

    def _connect(self, *, instead_of: Connection | None = None) -> Connection:
        if instead_of is not None:
            instead_of.close()
        connection = psycopg.connect(self._conninfo, autocommit=True)
        try:
            connection.execute(_SESSION, (self.schema, "on" if self.durability == "fsync" else "off"))
        except BaseException:
            connection.close()
            raise
        return connection

    def _ready_to_write(self) -> Connection:
        """Return the writing connection, made again if it was lost."""
        self._check_open()
        if not _is_live(self._writer):
            self._writer = self._connect(instead_of=self._writer)
            try:
                self._resume(self._writer)
            except BaseException:
                self._writer.close()
                raise
        return self._writer

    def _resume(self, connection: Connection) -> None:
        """Take up the right to append where an earlier connection left it, unless it has passed on meanwhile."""
        if not self._token or _one(connection, "SELECT token FROM lease")[0] != self._token:
            return
        if not self._lock(connection, self._token):  # the server still keeps the session that was lost
            end_it = "SELECT pg_terminate_backend(pid, 1000) FROM lease WHERE token = %s AND pid <> pg_backend_pid()"
            connection.execute(end_it, (self._token,))
            if not self._lock(connection, self._token):
                message = "the session of the lost connection has not ended yet"
                raise LogUnavailableError(message)
        # This waits for an append of that session, should one still be under way: after it, the end is certain.
        mine = "UPDATE lease SET pid = pg_backend_pid() WHERE token = %s"
        if connection.execute(mine, (self._token,)).rowcount == 1:
            self._end = _ask_end(connection)

    def _ask(self, question: Callable[[Connection], T]) -> T:
        """Ask the reading connection, one thread at a time."""
        if self._token and not _is_live(self._writer):  # what became of its last append is settled first
            with self._writing, _plain_errors():
                self._ready_to_write()
        with self._reading, _plain_errors():
            self._check_open()
            if _is_live(self._reader):
                try:
                    return question(self._reader)
                except psycopg.OperationalError:
                    if _is_live(self._reader):
                        raise
                    # The connection was lost, perhaps long ago: a question can be put again.
            self._reader = self._connect(instead_of=self._reader)
            return question(self._reader)

    def _drop(self, before: int) -> int:
        with self._writing, _plain_errors():
            writer = self._ready_to_write()
            with writer.transaction():
                last = last_before(Reader(functools.partial(_fetch, writer)).chunk, before)
                if last is not None:
                    writer.execute("UPDATE begin SET position = %s, link = %s", (last.stop, last.link))
                    writer.execute("DELETE FROM commits WHERE first < %s", (last.stop,))
                    writer.execute("DELETE FROM segments WHERE stop <= %s", (last.stop,))
                return _ask_begin(writer).position

    def _lock(self, connection: Connection, token: int) -> bool:
        """Take the lock that shows, for as long as the session lasts, that the holder of a token lives."""
        key = zlib.crc32(self.schema.encode()) - 2**31  # the server wants two signed 32-bit numbers
        return bool(_one(connection, "SELECT pg_try_advisory_lock(%s::int, %s::int)", (key, token))[0])

    def _prepare(self, connection: Connection) -> None:
        """Make the tables in a new schema, and refuse a schema that holds something else."""
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (zlib.crc32(b"adjudge tables"),))
            query = "SELECT tablename FROM pg_tables WHERE schemaname = %s"
            tables = {row[0] for row in connection.execute(query, (self.schema,))}
            if not tables:
                if not _one(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = %s", (self.schema,))[0]:
                    connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self.schema)))
                connection.execute(_TABLES)
                connection.execute("INSERT INTO begin VALUES (1, %s, %s, %s)", (FORMAT, *End()))
            elif not tables >= {"commits", "segments", "begin", "lease"}:
                message = f"the schema {self.schema} holds something else, and no log"
                raise LogError(message)
        version = _one(connection, "SELECT format FROM begin")[0]
        if version > FORMAT:
            message = f"the log was written by a later version: its format is {version}, this one reads {FORMAT}"
            raise LogError(message)

    def _check_open(self) -> None:
        if self._closed:
            message = "the log is closed"
            raise LogError(message)


def _ask_begin(connection: Connection) -> End:
    return End(*_one(connection, "SELECT position, link FROM begin"))


def _ask_end(connection: Connection) -> End:
    newest = "SELECT first + count, link FROM commits ORDER BY first DESC LIMIT 1"
    row = connection.execute(newest, prepare=True).fetchone()
    return End(*row) if row else _ask_begin(connection)


def _ask_lease(connection: Connection) -> Lease | None:
    row = connection.execute("SELECT token, holder, until_us FROM lease WHERE until_us > 0").fetchone()
    return Lease(*row) if row else None


def _fetch(connection: Connection, start: int, stop: int) -> bytes | list[Commit]:
    """Return the segment that holds the first position of a range, or the next commits that are in none."""
    values = {"start": start, "stop": stop, "most": COMMITS, "bytes": BYTES}
    rows = connection.execute(_FETCH, values, prepare=True, binary=True).fetchall()
    if rows and rows[0][1] == 0:
        return bytes(rows[0][3])
    return [Commit(*row) for row in rows]


def _ask_loose(connection: Connection) -> int:
    """Return the position of the oldest commit that is in no segment."""
    return int(_one(connection, "SELECT coalesce(min(first), 0) FROM commits")[0])


def _repack(own: Connection, keep: int) -> bool:
    """Put the oldest loose commits into a segment, and return whether there may be more to repack."""
    first, end = _ask_loose(own), _ask_end(own).position
    if not is_due(end - first, keep):
        return False
    run = oldest_run(Reader(functools.partial(_fetch, own)).chunk, first, end - max(keep, 1))
    if not run:
        return False
    segment = (run[0].first, run[-1].stop, segment_of(run))
    with own.transaction():
        own.execute("INSERT INTO segments VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", segment)
        moved = own.execute("DELETE FROM commits WHERE first < %s", (run[-1].stop,)).rowcount
        if moved != len(run):
            raise psycopg.Rollback  # another process has just packed or dropped some of them
    return True


def _is_live(connection: Connection | None) -> TypeGuard[Connection]:
    return connection is not None and not connection.closed


def _one(connection: Connection, query: LiteralString, values: Sequence[Any] = ()) -> tuple[Any, ...]:
    row = connection.execute(query, values).fetchone()
    assert row is not None  # every question that is put here has exactly one answer
    return row


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Say what Postgres says in the words of the log."""
    try:
        yield
    except (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction) as error:
        message = f"the database cannot be used now: {_first_line(error)}"
        raise LogUnavailableError(message) from error
    except psycopg.Error as error:
        message = f"the database refuses: {_first_line(error)}"
        raise LogError(message) from error


def _first_line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
