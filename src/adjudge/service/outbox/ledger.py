"""The ledger: how far each endpoint has come in the log, and what it still owes, in a small SQLite file.

It holds positions and never what was decided: that stays in the log, where it can be erased. A message is owed from the
moment the cursor passes it, in the same transaction, until its receiver has confirmed it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

FILE = "outbox.sqlite"
"""Name of the ledger in the workspace's folder."""

_TABLES = """
CREATE TABLE IF NOT EXISTS cursors (endpoint TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS owed (
    endpoint TEXT, seq INTEGER, system TEXT, key BLOB NOT NULL, attempts INTEGER NOT NULL DEFAULT 0,
    due_us INTEGER NOT NULL DEFAULT 0, dead INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (endpoint, seq, system)) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS living ON owed (endpoint, seq) WHERE dead = 0;
CREATE TABLE IF NOT EXISTS cards (digest TEXT PRIMARY KEY, content BLOB NOT NULL) WITHOUT ROWID;
"""


class Owed(NamedTuple):
    """A decision that an endpoint has not confirmed.

    Parameters
    ----------
    endpoint
        Id of the endpoint.
    seq, system
        Which decision.
    key
        Digest of what it is ordered by.
    attempts
        How often it was tried in vain.
    due_us
        When it may be tried next, in microseconds since 1970 UTC.
    dead
        Whether it was given up.
    error
        What the last attempt came to.
    """

    endpoint: str
    seq: int
    system: str
    key: bytes
    attempts: int = 0
    due_us: int = 0
    dead: bool = False
    error: str = ""


class Ledger:
    """What every endpoint is owed.

    Parameters
    ----------
    path
        The file; made if it is not there.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")  # the log may be durable to the same degree
        self._connection.executescript(_TABLES)

    def position(self, endpoint: str) -> int | None:
        """Return how far an endpoint has come; None if it is new."""
        row = self._connection.execute("SELECT position FROM cursors WHERE endpoint = ?", (endpoint,)).fetchone()
        return None if row is None else int(row[0])

    def advance(self, endpoint: str, position: int, owed: Iterable[Owed] = ()) -> None:
        """Move an endpoint's cursor, and enter what it has passed: both or neither."""
        with self._transaction():
            rows = [(o.endpoint, o.seq, o.system, o.key) for o in owed]
            insert = "INSERT OR IGNORE INTO owed (endpoint, seq, system, key) VALUES (?, ?, ?, ?)"
            self._connection.executemany(insert, rows)
            self._connection.execute("INSERT OR REPLACE INTO cursors VALUES (?, ?)", (endpoint, position))

    def living(self, endpoint: str, most: int) -> list[Owed]:
        """Return the oldest decisions that an endpoint is owed and that were not given up, in the order of the log."""
        return self._owed("WHERE endpoint = ? AND dead = 0 ORDER BY seq, system LIMIT ?", (endpoint, most))

    def dead(self, endpoint: str | None = None) -> list[Owed]:
        """Return the decisions that were given up, of one endpoint or of all."""
        if endpoint is None:
            return self._owed("WHERE dead = 1 ORDER BY endpoint, seq, system", ())
        return self._owed("WHERE dead = 1 AND endpoint = ? ORDER BY seq, system", (endpoint,))

    def owed(self, endpoint: str) -> list[Owed]:
        """Return everything that an endpoint is owed, given up or not, in the order of the log."""
        return self._owed("WHERE endpoint = ? ORDER BY seq, system", (endpoint,))

    def counts(self, endpoint: str) -> tuple[int, int]:
        """Return how many decisions an endpoint is owed, and how many of it were given up."""
        ask = "SELECT count(*) FILTER (WHERE dead = 0), count(*) FILTER (WHERE dead = 1) FROM owed WHERE endpoint = ?"
        living, dead = self._connection.execute(ask, (endpoint,)).fetchone()
        return int(living), int(dead)

    def endpoints(self) -> list[str]:
        """Return the ids of the endpoints that have begun."""
        return [id_ for (id_,) in self._connection.execute("SELECT endpoint FROM cursors ORDER BY endpoint")]

    def strike_out(self, done: Sequence[Owed]) -> None:
        """Owe no more what a receiver has confirmed, or must not get any more."""
        with self._transaction():
            delete = "DELETE FROM owed WHERE endpoint = ? AND seq = ? AND system = ?"
            self._connection.executemany(delete, [o[:3] for o in done])

    def failed(self, tried: Sequence[Owed]) -> None:
        """Keep what attempts that failed came to, as the given decisions say it."""
        with self._transaction():
            update = (
                "UPDATE owed SET attempts = ?, due_us = ?, dead = ?, error = ? "
                "WHERE endpoint = ? AND seq = ? AND system = ?"
            )
            self._connection.executemany(update, [(o.attempts, o.due_us, o.dead, o.error, *o[:3]) for o in tried])

    def revive(self, endpoint: str | None = None, seq: int | None = None) -> int:
        """Owe again what was given up, and return how many decisions that is.

        Parameters
        ----------
        endpoint
            Of this endpoint; of all where absent.
        seq
            The one at this position; all where absent.
        """
        update = (
            "UPDATE owed SET dead = 0, attempts = 0, due_us = 0 "
            "WHERE dead = 1 AND endpoint = coalesce(?, endpoint) AND seq = coalesce(?, seq)"
        )
        return self._connection.execute(update, (endpoint, seq)).rowcount

    def cards(self) -> dict[str, bytes]:
        """Return the cards that are known, as JSON, by digest."""
        return dict(self._connection.execute("SELECT digest, content FROM cards"))

    def keep_card(self, digest: str, content: bytes) -> None:
        """Remember how to read the decisions that name a card."""
        self._connection.execute("INSERT OR IGNORE INTO cards VALUES (?, ?)", (digest, content))

    def close(self) -> None:
        """Release the file."""
        self._connection.close()

    def _owed(self, where: str, parameters: tuple[object, ...]) -> list[Owed]:
        ask = f"SELECT endpoint, seq, system, key, attempts, due_us, dead, error FROM owed {where}"
        rows = self._connection.execute(ask, parameters)
        return [Owed(*known, bool(dead), error) for *known, dead, error in rows]  # type: ignore[call-arg]

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")
