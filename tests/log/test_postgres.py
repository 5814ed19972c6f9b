"""What Postgres does to a log that a file does not: connections are lost, answers with them, and servers go away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from adjudge.log import End, FencedError, LogError, LogUnavailableError
from adjudge.log.postgres import PostgresLog
from tests.log.chains import after, extend
from tests.log.cluster import Cluster
from tests.log.wire import Cut, Wire

TTL_US = 10_000_000

WAITING = """
SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%INSERT INTO commits%'
"""


@pytest.fixture
def opener(postgres_url: str) -> Callable[[], PostgresLog]:
    """Return what opens handles on one fresh log."""
    schema = uuid4().hex
    return lambda: PostgresLog(postgres_url, schema=schema)


@pytest.fixture
def log(opener: Callable[[], PostgresLog]) -> Iterator[PostgresLog]:
    """Return a fresh log whose right to append is held."""
    with closing(opener()) as made:
        assert made.acquire("test", now_us=0, ttl_us=TTL_US) is not None
        yield made


@pytest.fixture
def admin(postgres_url: str) -> Iterator[psycopg.Connection]:
    """Return a connection that does to the server what tests need."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        yield connection


def end_session(log: PostgresLog, admin: psycopg.Connection) -> None:
    """Have the server end the session that appends, as a restart or an administrator does."""
    query = b'SELECT pg_terminate_backend(pid, 5000) FROM "%s".lease' % log.schema.encode()
    assert admin.execute(query).fetchone() == (True,)


def through(wire: Wire, url: str) -> str:
    """Return an address with the wire in place of the server."""
    parts = urlsplit(url)
    return parts._replace(netloc=f"{parts.username}@127.0.0.1:{wire.port}").geturl()


def test_a_lost_connection_is_said_at_once_and_made_again(log: PostgresLog, admin: psycopg.Connection) -> None:
    """The append that notices fails; the next one finds a new connection and the same right."""
    made = extend(log, [1, 2])
    end_session(log, admin)
    commit = after(log.end())
    with pytest.raises(LogUnavailableError, match="database cannot be used now"):
        log.append(commit)
    log.append(commit)
    assert list(log.read()) == [*made, commit]
    log.renew(now_us=1, ttl_us=TTL_US)


def test_a_dead_holder_loses_the_right_at_once(
    log: PostgresLog, opener: Callable[[], PostgresLog], admin: psycopg.Connection
) -> None:
    """Its session has ended, so nobody waits for its time to pass; should it live after all, it is fenced."""
    made = extend(log, [2])
    with closing(opener()) as other:
        assert other.acquire("other", now_us=1, ttl_us=TTL_US) is None
        end_session(log, admin)
        taken = other.acquire("other", now_us=1, ttl_us=TTL_US)
        assert taken is not None
        assert taken.token == 2
        made += extend(other, [1])
        with pytest.raises(LogUnavailableError):
            log.append(after(End(2, made[0].link)))
        for _ in range(2):
            with pytest.raises(FencedError, match="other decides now"):
                log.append(after(End(2, made[0].link)))
            with pytest.raises(FencedError):
                log.renew(now_us=2, ttl_us=TTL_US)
        assert list(log.read()) == made


def test_who_came_back_shows_that_it_lives(
    log: PostgresLog, opener: Callable[[], PostgresLog], admin: psycopg.Connection
) -> None:
    """After a reconnection the right is as good as before: others see a holder that lives."""
    end_session(log, admin)
    with pytest.raises(LogUnavailableError):
        extend(log, [1])
    extend(log, [1])
    with closing(opener()) as other:
        assert other.acquire("other", now_us=TTL_US - 1, ttl_us=TTL_US) is None


@pytest.mark.parametrize(("lost", "stored"), [("request", 1), ("answer", 2)])
def test_an_append_without_answer_is_settled_by_the_next_call(postgres_url: str, lost: Cut, stored: int) -> None:
    """The end says whether it was stored, and appending it again is right either way."""
    parts = urlsplit(postgres_url)
    with Wire(str(parts.hostname), parts.port or 5432) as wire:
        url = through(wire, postgres_url)
        with closing(PostgresLog(url, schema=uuid4().hex)) as log:
            assert log.acquire("test", now_us=0, ttl_us=TTL_US) is not None
            made = extend(log, [1])
            commit = after(log.end())
            wire.cut(lost)
            with pytest.raises(LogUnavailableError):
                log.append(commit)
            assert log.end().position == stored
            log.append(commit)
            assert list(log.read()) == [*made, commit]
            extend(log, [1])


def test_an_append_that_is_still_under_way_is_settled_too(postgres_url: str, admin: psycopg.Connection) -> None:
    """The server has not noticed that its client is gone: once the end is told, nothing can come after it."""
    parts = urlsplit(postgres_url)
    with (
        Wire(str(parts.hostname), parts.port or 5432) as wire,
        closing(PostgresLog(through(wire, postgres_url), schema=uuid4().hex)) as log,
        psycopg.connect(postgres_url, autocommit=True) as watching,
        ThreadPoolExecutor(1) as thread,
    ):
        assert log.acquire("test", now_us=0, ttl_us=TTL_US) is not None
        commit = after(log.end())
        with admin.transaction():
            admin.execute(b'SELECT 1 FROM "%s".lease FOR UPDATE' % log.schema.encode())
            appending = thread.submit(log.append, commit)
            while not watching.execute(WAITING).fetchone():
                assert not appending.done()
            wire.sever()
            with pytest.raises(LogUnavailableError):
                appending.result()
        assert log.end() in (End(), End(1, commit.link))
        log.append(commit)
        assert list(log.read()) == [commit]
        extend(log, [1])


@pytest.mark.parametrize("state", ["53100", "25006"], ids=["disk full", "read-only"])
def test_what_the_server_cannot_do_now_can_be_tried_again(
    log: PostgresLog, admin: psycopg.Connection, state: str
) -> None:
    """The connection lives, nothing was stored, and once the cause is gone the same append succeeds."""
    schema = log.schema.encode()
    admin.execute(
        b"""CREATE FUNCTION "%b".fail() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '%b'; END $$"""
        % (schema, state.encode())
    )
    admin.execute(b'CREATE TRIGGER fail BEFORE INSERT ON "%b".commits EXECUTE FUNCTION "%b".fail()' % (schema, schema))
    commit = after(log.end())
    for _ in range(2):
        with pytest.raises(LogUnavailableError, match="not now"):
            log.append(commit)
    assert len(log) == 0
    admin.execute(b'DROP TRIGGER fail ON "%b".commits' % schema)
    log.append(commit)
    assert list(log.read()) == [commit]


def test_a_database_that_goes_away_and_comes_back(postgres_programs: Path) -> None:
    """A crash of the server loses nothing that was acknowledged, every call meanwhile fails, and later none does."""
    cluster = Cluster(postgres_programs, settings=())
    try:
        cluster.start()
        with closing(PostgresLog(cluster.url, durability="fsync")) as log:
            assert log.acquire("test", now_us=0, ttl_us=TTL_US) is not None
            made = extend(log, [1, 2, 3])
            cluster.stop()
            for call in (lambda: extend(log, [1]), log.end, log.lease, lambda: list(log.read())):
                with pytest.raises(LogUnavailableError):
                    call()
            with pytest.raises(LogUnavailableError):
                log.append(after(End(6, made[-1].link)))
            with pytest.raises(LogUnavailableError):
                log.renew(now_us=1, ttl_us=TTL_US)
            with pytest.raises(LogUnavailableError):
                PostgresLog(cluster.url)
            cluster.start()
            made += extend(log, [1, 2])
            assert list(log.read()) == made
            log.renew(now_us=1, ttl_us=TTL_US)
            cluster.stop()
    finally:
        cluster.remove()


def test_closing_without_a_database_is_quiet(log: PostgresLog, admin: psycopg.Connection) -> None:
    """A process must be able to end."""
    end_session(log, admin)
    log.close()


def test_a_schema_of_something_else_is_refused(postgres_url: str, admin: psycopg.Connection) -> None:
    """Nothing is made beside what others keep there."""
    schema = uuid4().hex
    admin.execute(b'CREATE SCHEMA "%b" CREATE TABLE people (name text)' % schema.encode())
    with pytest.raises(LogError, match="holds something else, and no log"):
        PostgresLog(postgres_url, schema=schema)


def test_a_later_version_is_refused(
    log: PostgresLog, opener: Callable[[], PostgresLog], admin: psycopg.Connection
) -> None:
    """An older program does not guess what it reads."""
    admin.execute(b'UPDATE "%b".begin SET format = 99' % log.schema.encode())
    with pytest.raises(LogError, match="later version: its format is 99"):
        opener()


def test_a_wrong_address_is_one_sentence() -> None:
    """It names what is wrong, and no password."""
    with pytest.raises(LogError, match="the database refuses") as refused:
        PostgresLog("postgresql://ada:secret@localhost/log?colour=red")
    assert "secret" not in str(refused.value)
    with pytest.raises(LogUnavailableError) as away:
        PostgresLog("postgresql://ada:secret@127.0.0.1:1/log")
    assert "secret" not in str(away.value)
    assert "\n" not in str(away.value)
