"""Keys of persons in one SQLite file, beside the log and never in it."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from adjudge.service.personal.keys import CHECK, Key, KeysError, Person, Wrap, missing, signed, unsigned

_SCHEMA = """
CREATE TABLE IF NOT EXISTS keys (
    id BLOB PRIMARY KEY,
    field TEXT,
    token INTEGER,
    wrapped BLOB,
    UNIQUE (field, token)
) WITHOUT ROWID
"""
"""A destroyed key keeps its id alone, so that it is not taken for one that was lost."""

_FACTS = "CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID"
"""What is true of all keys: the fingerprint of the secret that tokens are hashed with, once that was replaced."""


class SqliteKeys:
    """Keys in a file that only its owner may read.

    Every key is on the disk, not only with the operating system, before anything that was sealed with it is logged: an
    event that outlived its key would be lost. A destroyed key is overwritten in the file and its journal is emptied.

    Parameters
    ----------
    path
        The file, made if it is not there.
    wrap
        Wraps the keys.

    Raises
    ------
    KeysError
        If it cannot be opened, or was made with another master key.
    """

    def __init__(self, path: Path, wrap: Wrap) -> None:
        self._wrap = wrap
        self._lock = threading.Lock()
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=10.0)
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
                self._db.execute(f"PRAGMA {pragma}")
            self._db.execute(_SCHEMA)
            self._db.execute(_FACTS)
            self._db.execute("INSERT OR IGNORE INTO keys (id, wrapped) VALUES (?, ?)", (CHECK, wrap.check()))
        self.secret(CHECK)

    def find(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of those persons that have one."""
        with self._told():
            return self._find(persons)

    def make(self, persons: Sequence[Person]) -> dict[Person, Key]:
        """Return the keys of all of these persons, made where there was none; on the disk when this returns."""
        with self._told(), self._transaction():
            known = self._find(persons)
            made = {person: Key.new() for person in persons if person not in known}
            self._db.executemany(
                "INSERT INTO keys (id, field, token, wrapped) VALUES (?, ?, ?, ?)",
                [(key.id, p.field, signed(p.token), self._wrap.close(key)) for p, key in made.items()],
            )
            return known | made

    def secret(self, id_: bytes) -> bytes | None:
        """Return a key by its id, None if it was destroyed."""
        with self._told():
            row = self._db.execute("SELECT wrapped FROM keys WHERE id = ?", (id_,)).fetchone()
        if row is None:
            raise missing(id_)
        return None if row[0] is None else self._wrap.open(id_, row[0])

    def destroy(self, id_: bytes) -> None:
        """Destroy a key for good: it is overwritten, in the file and in its journal."""
        with self._told():
            clear = "UPDATE keys SET field = NULL, token = NULL, wrapped = NULL WHERE id = ? AND wrapped IS NOT NULL"
            if self._db.execute(clear, (id_,)).rowcount:
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def secret_used(self) -> str:
        """Return the fingerprint of the secret that persons' tokens are hashed with, empty before the first rekey."""
        with self._told():
            row = self._db.execute("SELECT value FROM facts WHERE name = 'secret'").fetchone()
        return "" if row is None else str(row[0])

    def rename(self, secret_used: str, names: Mapping[Person, Person]) -> None:
        """Note that tokens are hashed with another secret now, all at once."""
        called = [(new.field, signed(new.token), old.field, signed(old.token)) for old, new in names.items()]
        with self._told(), self._transaction():
            self._db.execute("CREATE TEMP TABLE called (field TEXT, token INTEGER, id BLOB)")
            self._db.executemany(
                "INSERT INTO called SELECT ?, ?, id FROM keys WHERE field = ? AND token = ?",
                called,
            )
            self._db.execute("UPDATE keys SET field = NULL, token = NULL")
            self._db.execute(
                "UPDATE keys SET field = called.field, token = called.token FROM called WHERE keys.id = called.id"
            )
            self._db.execute("DROP TABLE called")
            self._db.execute("INSERT OR REPLACE INTO facts VALUES ('secret', ?)", (secret_used,))

    def persons(self) -> list[Person]:
        """Return everybody who has a key."""
        with self._told():
            rows = self._db.execute("SELECT field, token FROM keys WHERE token IS NOT NULL").fetchall()
        return [Person(field, unsigned(token)) for field, token in rows]

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _find(self, persons: Sequence[Person]) -> dict[Person, Key]:
        found = {}
        for person in persons:
            row = self._db.execute(
                "SELECT id, wrapped FROM keys WHERE field = ? AND token = ?", (person.field, signed(person.token))
            ).fetchone()
            if row is not None:
                found[person] = Key(row[0], self._wrap.open(row[0], row[1]))
        return found

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Let one thread in at a time, and say in a sentence what the database could not do."""
        with self._lock:
            try:
                yield
            except (sqlite3.Error, OSError) as error:
                message = f"the keys of persons cannot be read or written: {error}"
                raise KeysError(message) from error
