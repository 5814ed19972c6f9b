"""Keys in Postgres: connections are lost, two processes meet, and what was destroyed is in no file of the tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest

from adjudge.errors import InputError
from adjudge.service.home import open_keys
from adjudge.service.personal.keys import Keys, KeysError, Person, Wrap
from adjudge.service.personal.postgres import PostgresKeys
from adjudge.service.personal.sqlite import SqliteKeys
from adjudge.service.settings import Settings
from tests.service.personal.bank import bank

MASTER = bytes(range(32))
ADA, BOB = Person("user", 7), Person("user", 8)


@pytest.fixture
def schema() -> str:
    """Return the name of a schema that is not there yet."""
    return uuid4().hex


@pytest.fixture
def opener(postgres_url: str, schema: str) -> Callable[[], PostgresKeys]:
    """Return what opens the same keys each time."""
    return lambda: PostgresKeys(postgres_url, Wrap(MASTER), schema=schema)


@pytest.fixture
def keys(opener: Callable[[], PostgresKeys]) -> Iterator[PostgresKeys]:
    """Return keys that nobody has used."""
    with closing(opener()) as made:
        yield made


@pytest.fixture
def admin(postgres_url: str, schema: str) -> Iterator[psycopg.Connection]:
    """Return a connection that sees the same tables."""
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("SELECT set_config('search_path', quote_ident(%s), false)", (schema,))
        yield connection


def files(admin: psycopg.Connection) -> bytes:
    """Return what the files of the table and its indexes hold on the disk."""
    admin.execute("CHECKPOINT")
    query = """
    SELECT pg_read_binary_file(pg_relation_filepath(oid)) FROM pg_class
    WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'i')
    """
    return b"".join(bytes(row[0]) for row in admin.execute(query))


def test_two_processes_give_a_person_one_key(opener: Callable[[], PostgresKeys]) -> None:
    """Whoever comes second takes the key of the first, also one that was told at the same time that there is none."""
    with closing(opener()) as one, closing(opener()) as two:
        first = one.make([ADA])
        assert two.make([ADA, BOB])[ADA] == first[ADA]
        assert one.find([ADA, BOB]) == two.find([ADA, BOB])
        two.destroy(first[ADA].id)
        assert one.secret(first[ADA].id) is None


def test_a_lost_connection_is_made_again(keys: PostgresKeys, admin: psycopg.Connection) -> None:
    """By the call that notices; everything that a store does may be done twice."""
    made = keys.make([ADA, BOB])
    calls: list[Callable[[Keys], object]] = [
        lambda k: k.find([ADA]),
        lambda k: k.make([Person("user", 9)]),
        lambda k: k.secret(made[ADA].id),
        lambda k: k.destroy(made[BOB].id),
        lambda k: k.rename("abc", {ADA: ADA}),
        lambda k: k.persons(),
    ]
    for call in calls:
        assert keys._connection is not None
        pid = keys._connection.info.backend_pid
        assert admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)
        call(keys)
    assert keys.find([ADA, BOB]) == {ADA: made[ADA]}
    keys.rename("abc", {})  # as when the answer to the first one was lost
    assert keys.persons() == [ADA]


def test_a_server_that_is_not_there_is_told_in_a_sentence() -> None:
    """Without the password."""
    with pytest.raises(KeysError, match="cannot be read or written") as refused:
        PostgresKeys("postgresql://adjudge:zanzibar@127.0.0.1:1/none", Wrap(MASTER))
    assert "zanzibar" not in str(refused.value)
    with pytest.raises(KeysError, match="cannot be read or written"):
        PostgresKeys("postgresql://?nonsense=1", Wrap(MASTER))


def test_another_master_key_opens_nothing(keys: PostgresKeys, postgres_url: str, schema: str) -> None:
    """It is refused at once, not when the first person comes."""
    with pytest.raises(KeysError, match="another master key"):
        PostgresKeys(postgres_url, Wrap(bytes(32)), schema=schema)


def test_nothing_of_a_destroyed_key_is_left_in_the_tables(keys: PostgresKeys, admin: psycopg.Connection) -> None:
    """Neither the wrapped key nor an older version of its row."""
    key = keys.make([ADA, BOB])[ADA]
    row = admin.execute("SELECT wrapped FROM keys WHERE id = %s", (key.id,)).fetchone()
    assert row is not None
    assert row[0] in files(admin)
    keys.destroy(key.id)
    assert row[0] not in files(admin)
    assert key.id in files(admin)


def test_sweeping_that_was_cut_short_is_done_the_next_time(
    keys: PostgresKeys, admin: psycopg.Connection, opener: Callable[[], PostgresKeys], schema: str
) -> None:
    """The table remembers that something is left in its files."""
    key = keys.make([ADA])[ADA]
    row = admin.execute("SELECT wrapped FROM keys WHERE id = %s", (key.id,)).fetchone()
    with psycopg.connect(admin.info.dsn) as reader:
        reader.execute(b'SELECT 1 FROM "%s".keys' % schema.encode())  # a transaction that reads keeps it from sweeping
        assert keys._connection is not None
        keys._connection.execute("SET lock_timeout = '10ms'")
        with pytest.raises(KeysError, match="lock timeout"):
            keys.destroy(key.id)
    assert row is not None
    assert keys.secret(key.id) is None
    assert row[0] in files(admin)
    with closing(opener()) as again:
        again.destroy(key.id)
    assert row[0] not in files(admin)


@pytest.mark.parametrize(
    ("log", "person_keys", "kind"),
    [
        ("sqlite", "", SqliteKeys),
        ("{}", "", PostgresKeys),
        ("{}", "sqlite", SqliteKeys),
        ("sqlite", "{}", PostgresKeys),
    ],
)
def test_keys_are_where_the_log_is_unless_said_otherwise(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, log: str, person_keys: str, kind: type[Keys]
) -> None:
    """In a file of the folder or in the database; never in the schema of the log."""
    monkeypatch.setenv("ADJUDGE_MASTER_KEY", MASTER.hex())
    where = Settings(
        workspace=str(tmp_path), log=log.format(postgres_url), person_keys=person_keys.format(postgres_url)
    )
    with open_keys([bank()], where) as keys:
        assert isinstance(keys, kind)


def test_keys_of_persons_are_nowhere_else() -> None:
    """What is given is not repeated: an address may hold a password."""
    with pytest.raises(InputError, match="person_keys must be sqlite or an address") as refused:
        Settings(person_keys="mysql://zanzibar")
    assert "zanzibar" not in str(refused.value)
