"""Stores of keys: one contract for all of them, and what a file of keys promises besides."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from adjudge.errors import InputError
from adjudge.service.personal.keys import CHECK, Keys, KeysError, MemoryKeys, Person, Wrap, master_key
from adjudge.service.personal.postgres import PostgresKeys
from adjudge.service.personal.sqlite import SqliteKeys

MASTER = bytes(range(32))
ADA, BOB, DOCTOR = Person("user", 2**64 - 1), Person("user", 1), Person("doctor", 1)


def open_store(kind: str, request: pytest.FixtureRequest, folder: Path) -> Keys:
    """Return an empty store of a kind."""
    if kind == "memory":
        return MemoryKeys()
    if kind == "sqlite":
        return SqliteKeys(folder / "keys.sqlite", Wrap(MASTER))
    return PostgresKeys(request.getfixturevalue("postgres_url"), Wrap(MASTER), schema=uuid4().hex)


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def keys(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Keys]:
    """Return an empty store of each kind: all keep the same contract."""
    made = open_store(request.param, request, tmp_path)
    yield made
    made.close()


def test_a_person_has_one_key_and_keeps_it(keys: Keys) -> None:
    """Keys are made once, all of a call together, and found by person and by id; a field's name is part of a person."""
    assert keys.find([ADA, BOB]) == {}
    made = keys.make([ADA, DOCTOR])
    again = keys.make([ADA, BOB])
    assert again[ADA] == made[ADA]
    assert len({key.secret for key in (made | again).values()}) == 3
    assert keys.find([ADA, BOB, Person("user", 3)]) == {ADA: made[ADA], BOB: again[BOB]}
    assert keys.secret(made[ADA].id) == made[ADA].secret


def test_a_destroyed_key_is_known_as_destroyed(keys: Keys) -> None:
    """It is not taken for one that was lost; the person may get another one."""
    old = keys.make([ADA, BOB])
    keys.destroy(old[ADA].id)
    keys.destroy(old[ADA].id)
    keys.destroy(b"never been here.")
    assert keys.secret(old[ADA].id) is None
    assert keys.find([ADA, BOB]) == {BOB: old[BOB]}
    with pytest.raises(KeysError, match="not the keys of this log"):
        keys.secret(b"never been here.")
    new = keys.make([ADA])[ADA]
    assert new.id != old[ADA].id
    assert keys.secret(old[ADA].id) is None
    assert keys.secret(new.id) == new.secret


def test_persons_are_named_anew_all_at_once(keys: Keys) -> None:
    """Names may change places; whoever is left out has a key that opens and is nobody's; the store knows the secret."""
    assert (keys.secret_used(), keys.persons()) == ("", [])
    old = keys.make([ADA, BOB, DOCTOR])
    destroyed = keys.make([Person("user", 5)])[Person("user", 5)]
    keys.destroy(destroyed.id)
    assert set(keys.persons()) == {ADA, BOB, DOCTOR}
    keys.rename("abc", {ADA: BOB, BOB: ADA, Person("user", 99): Person("user", 98)})
    assert keys.secret_used() == "abc"
    assert keys.find([ADA, BOB, DOCTOR, Person("user", 98)]) == {ADA: old[BOB], BOB: old[ADA]}
    assert keys.secret(old[DOCTOR].id) == old[DOCTOR].secret
    assert keys.secret(destroyed.id) is None
    assert keys.make([DOCTOR])[DOCTOR].id != old[DOCTOR].id
    keys.rename("def", {})
    assert (keys.secret_used(), keys.persons()) == ("def", [])


def test_a_file_of_keys_is_its_owners_and_outlives_the_process(tmp_path: Path) -> None:
    """Nobody else may read it, and without the master key it is of no use."""
    path = tmp_path / "home" / "keys.sqlite"
    store = SqliteKeys(path, Wrap(MASTER))
    made = store.make([ADA, BOB])
    store.destroy(made[BOB].id)
    assert {stat.S_IMODE(p.stat().st_mode) for p in path.parent.iterdir()} == {0o600}
    store.close()
    again = SqliteKeys(path, Wrap(MASTER))
    assert again.find([ADA, BOB]) == {ADA: made[ADA]}
    assert again.secret(CHECK) == bytes(32)
    again.close()
    with pytest.raises(KeysError, match="another master key") as wrong:
        SqliteKeys(path, Wrap(bytes(32)))
    assert MASTER.hex() not in str(wrong.value)


def test_nothing_of_a_destroyed_key_is_left_in_the_file(tmp_path: Path) -> None:
    """Neither the wrapped key nor whom it belonged to, in the file or in its journal."""
    path, wrap = tmp_path / "keys.sqlite", Wrap(MASTER)
    store = SqliteKeys(path, wrap)
    key = store.make([ADA, BOB])[ADA]
    (wrapped,) = store._db.execute("SELECT wrapped FROM keys WHERE id = ?", (key.id,)).fetchone()
    assert any(wrapped in p.read_bytes() for p in tmp_path.iterdir())
    store.destroy(key.id)
    assert not any(wrapped in p.read_bytes() for p in tmp_path.iterdir())
    assert key.secret not in b"".join(p.read_bytes() for p in tmp_path.iterdir())
    store.close()


def test_a_store_that_cannot_be_used_says_so(tmp_path: Path) -> None:
    """In a sentence, and nothing half done is left behind."""
    (tmp_path / "keys.sqlite").write_bytes(b"this is no database, only some text" * 100)
    with pytest.raises(KeysError, match="cannot be read or written"):
        SqliteKeys(tmp_path / "keys.sqlite", Wrap(MASTER))
    store = SqliteKeys(tmp_path / "other.sqlite", Wrap(MASTER))
    store._db.execute("PRAGMA query_only=ON")
    with pytest.raises(KeysError, match="cannot be read or written"):
        store.make([ADA])
    store._db.execute("PRAGMA query_only=OFF")
    assert store.find([ADA]) == {}
    assert store.make([ADA])[ADA]
    store.close()


def test_a_master_key_is_64_digits() -> None:
    """A wrong one is refused without being repeated."""
    assert master_key({"ADJUDGE_MASTER_KEY": MASTER.hex()}) == MASTER
    for wrong in ({}, {"ADJUDGE_MASTER_KEY": "secret"}, {"ADJUDGE_MASTER_KEY": MASTER.hex()[:-2]}):
        with pytest.raises(InputError, match="64 hexadecimal digits") as refused:
            master_key(wrong)
        assert not any(value in str(refused.value) for value in wrong.values())
