"""Keys of persons in a schema of a Postgres database, where a standby on another machine finds them too."""

from __future__ import annotations

import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import conninfo, sql

from adjudge.log.postgres import CONNECTION
from adjudge.service.personal.keys import CHECK, Key, KeysError, Person, Wrap, missing, signed, unsigned

SCHEMA = "adjudge_keys"
"""Where in the database they are: never in the schema of a log, so that a dump of one can leave out the other."""

_SESSION = """
SELECT set_config('search_path', quote_ident(%s), false), set_config('synchronous_commit', 'on', false),
       set_config('lock_timeout', '5s', false)
"""

_TABLES = """
CREATE TABLE IF NOT EXISTS keys (
    id bytea PRIMARY KEY, field text, token bigint, wrapped bytea, UNIQUE (field, token));
CREATE TABLE IF NOT EXISTS facts (name text PRIMARY KEY, value text NOT NULL);
"""
"""As in a file: a destroyed key keeps its id alone."""

_FIND = """
SELECT field, token, id, wrapped FROM keys
JOIN unnest(%s::text[], %s::bigint[]) AS asked (field, token) USING (field, token)
"""

_MAKE = """
INSERT INTO keys (id, field, token, wrapped)
SELECT * FROM unnest(%s::bytea[], %s::text[], %s::bigint[], %s::bytea[])
ON CONFLICT (field, token) DO NOTHING
"""

_DESTROY = """
WITH destroyed AS (
    UPDATE keys SET field = NULL, token = NULL, wrapped = NULL WHERE id = %s AND wrapped IS NOT NULL RETURNING id)
INSERT INTO facts SELECT 'unswept', '' FROM destroyed ON CONFLICT DO NOTHING
"""

_RENAME = """
UPDATE keys SET field = called.field, token = called.token
FROM unnest(%s::text[], %s::bigint[], %s::bytea[]) AS called (field, token, id) WHERE keys.id = called.id
"""

Connection = psycopg.Connection[tuple[Any, ...]]
T = TypeVar("T")


class PostgresKeys:
    """Keys in tables of their own.

    Every key is on the server's disk before anything that was sealed with it is logged, whatever the log's durability.
    When a key is destroyed the tables are written anew, so that their files hold it no more; the server's write-ahead
    log and its backups hold it, wrapped, until they expire.

    Parameters
    ----------
    url
        The database, as libpq understands it.
    wrap
        Wraps the keys.
    schema
        Where in the database they are; made if it is not there.

    Raises
    ------
    KeysError
        If they cannot be opened, or were made with another master key.
    """

    def __init__(self, url: str, wrap: Wrap, *, schema: str = SCHEMA) -> None:
        self._wrap = wrap
        self._schema = schema
        self._lock = threading.Lock()
        self._connection: Connection | None = None
        try:
            self._conninfo = conninfo.make_conninfo(**{**CONNECTION, **conninfo.conninfo_to_dict(url)})
        except psycopg.Error as error:
            raise _unavailable(error) from error
        try:
            self._ask(self._prepare)
            self.secret(CHECK)
        except BaseException:
            self.close()
            raise

    def find(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of those persons that have one."""
        return self._ask(lambda connection: self._find(connection, persons))

    def make(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of all of these persons, made where there was none; on the disk when this returns."""
        new = [(person, Key.new()) for person in sorted(set(persons))]
        columns = (
            [key.id for _, key in new],
            [person.field for person, _ in new],
            [signed(person.token) for person, _ in new],
            [self._wrap.close(key) for _, key in new],
        )

        def work(connection: Connection) -> dict[Person, Key]:
            connection.execute(_MAKE, columns)
            return self._find(connection, persons)

        return self._ask(work)

    def secret(self, id_: bytes) -> bytes | None:
        """Return a key by its id, None if it was destroyed."""
        row = self._ask(lambda c: c.execute("SELECT wrapped FROM keys WHERE id = %s", (id_,)).fetchone())
        if row is None:
            raise missing(id_)
        return None if row[0] is None else self._wrap.open(id_, row[0])

    def destroy(self, id_: bytes) -> None:
        """Destroy a key for good."""

        def work(connection: Connection) -> None:
            connection.execute(_DESTROY, (id_,))
            if connection.execute("SELECT 1 FROM facts WHERE name = 'unswept'").fetchone():
                connection.execute("VACUUM FULL keys")  # only this leaves no older version of a row behind
                connection.execute("DELETE FROM facts WHERE name = 'unswept'")

        self._ask(work)

    def secret_used(self) -> str:
        """Return the fingerprint of the secret that persons' tokens are hashed with, empty before the first rekey."""
        return self._ask(_secret_used)

    def rename(self, secret_used: str, names: Mapping[Person, Person]) -> None:
        """Note that tokens are hashed with another secret now, all at once."""

        def work(connection: Connection) -> None:
            with connection.transaction():
                connection.execute("LOCK TABLE keys IN EXCLUSIVE MODE")
                if _secret_used(connection) == secret_used:  # done before, and the answer was lost
                    return
                keys = self._find(connection, list(names))
                called = [(names[person], key.id) for person, key in keys.items()]
                connection.execute("UPDATE keys SET field = NULL, token = NULL WHERE token IS NOT NULL")
                fields, tokens = [p.field for p, _ in called], [signed(p.token) for p, _ in called]
                connection.execute(_RENAME, (fields, tokens, [id_ for _, id_ in called]))
                fact = "INSERT INTO facts VALUES ('secret', %s) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
                connection.execute(fact, (secret_used,))

        self._ask(work)

    def persons(self) -> list[Person]:
        """Return everybody who has a key."""
        query = "SELECT field, token FROM keys WHERE token IS NOT NULL"
        rows = self._ask(lambda connection: connection.execute(query).fetchall())
        return [Person(field, unsigned(token)) for field, token in rows]

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()

    def _find(self, connection: Connection, persons: Sequence[Person]) -> dict[Person, Key]:
        asked = [p.field for p in persons], [signed(p.token) for p in persons]
        rows = connection.execute(_FIND, asked, binary=True).fetchall()
        return {
            Person(field, unsigned(token)): Key(id_, self._wrap.open(id_, wrapped))
            for field, token, id_, wrapped in rows
        }

    def _ask(self, work: Callable[[Connection], T]) -> T:
        """Do some work on the connection; on one that turns out to be lost, once more on a new one."""
        with self._lock:
            try:
                if self._connection is not None and not self._connection.closed:
                    try:
                        return work(self._connection)
                    except psycopg.OperationalError:
                        if not self._connection.closed:  # it is the work that failed
                            raise
                self._connection = self._connect()
                return work(self._connection)
            except psycopg.Error as error:
                raise _unavailable(error) from error

    def _connect(self) -> Connection:
        connection = psycopg.connect(self._conninfo, autocommit=True)
        try:
            connection.execute(_SESSION, (self._schema,))
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: Connection) -> None:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (zlib.crc32(b"adjudge keys"),))
            known = "SELECT 1 FROM pg_namespace WHERE nspname = %s"
            if connection.execute(known, (self._schema,)).fetchone() is None:
                connection.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(self._schema)))
            connection.execute(_TABLES)
            check = "INSERT INTO keys (id, wrapped) VALUES (%s, %s) ON CONFLICT (id) DO NOTHING"
            connection.execute(check, (CHECK, self._wrap.check()))


def _secret_used(connection: Connection) -> str:
    row = connection.execute("SELECT value FROM facts WHERE name = 'secret'").fetchone()
    return "" if row is None else str(row[0])


def _unavailable(error: psycopg.Error) -> KeysError:
    first = (str(error).splitlines() or [type(error).__name__])[0]
    return KeysError(f"the keys of persons cannot be read or written: {first}")
