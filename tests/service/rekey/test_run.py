"""Replacing the secret of a workspace: log, keys and snapshots all go over to the new one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest

from adjudge.service import snapshot
from adjudge.service.activation import fingerprint
from adjudge.service.home import open_keys, open_log
from adjudge.service.personal.keys import KeysError
from adjudge.service.personal.postgres import PostgresKeys
from adjudge.service.personal.sqlite import SqliteKeys
from adjudge.service.rekey.entry import Rekey
from adjudge.service.rekey.run import replace_secret
from adjudge.service.settings import Settings
from tests.service.personal.bank import Bank, bank, payment, random_life

OLD, NEW = bytes([1]) * 16, bytes([2]) * 16
MASTER = bytes(range(32))


@pytest.fixture(params=["sqlite", "postgres"])
def settings(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Return where a workspace is in which some things have happened: in a folder, or in a database of its own."""
    monkeypatch.setenv("ADJUDGE_MASTER_KEY", MASTER.hex())
    with ExitStack() as stack:
        where = "sqlite" if request.param == "sqlite" else stack.enter_context(database(request))
        made = Settings(workspace=str(tmp_path), log=where)
        with opened(made, OLD) as desk:
            random_life(desk, 1, 60, erased=("ada",))
        yield made


@contextmanager
def database(request: pytest.FixtureRequest) -> Iterator[str]:
    """Give the address of a database that is gone afterwards."""
    url, name = request.getfixturevalue("postgres_url"), f"rekey_{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute(b"CREATE DATABASE %s" % name.encode())
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        admin.execute(b"DROP DATABASE %s WITH (FORCE)" % name.encode())


@contextmanager
def opened(settings: Settings, secret: bytes) -> Iterator[Bank]:
    """Give a bank on the log and the keys of a workspace."""
    plan = bank(secret=secret)
    with closing(open_log(settings, new=True)) as log, open_keys([plan], settings) as keys:
        assert keys is not None
        yield Bank(plan, log, keys)


def replaced(settings: Settings) -> Rekey:
    """Replace the secret."""
    return replace_secret([bank(secret=OLD)], [bank(secret=NEW)], settings, who="officer", why="yearly")


def test_everything_goes_over(settings: Settings, tmp_path: Path) -> None:
    """The next start begins with a snapshot by the new secret and has nothing left to do."""
    done = replaced(settings)
    assert (done.earlier, done.new) == ([fingerprint(OLD)], fingerprint(NEW))
    with opened(settings, NEW) as desk:
        assert desk.keys.secret_used() == fingerprint(NEW)
        (made,) = snapshot.found(tmp_path / "snapshots")
        assert snapshot.position_of(made) == len(desk.log)
        known = set(desk.keys.persons())
        loaded, _ = snapshot.load([desk.plan], desk.log, made, desk.keys)
        assert loaded.digest() == desk.decider.workspace.digest()
        desk.send(payment("new", "bob", 60 * 24 * 30))
        assert set(desk.keys.persons()) == known  # bob was there before and has no second key


def test_a_crash_after_the_entry_is_mended_by_the_next_start(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry decides: keys that were not named anew yet are, before anything is sealed."""
    with monkeypatch.context() as patch:
        for kind in (SqliteKeys, PostgresKeys):
            patch.setattr(kind, "rename", fails)
        with pytest.raises(KeysError, match="no space"):
            replaced(settings)
    with open_keys([bank()], settings) as keys:
        assert keys is not None
        before = {key.id for key in keys.find(keys.persons()).values()}
        assert keys.secret_used() == ""
    with opened(settings, NEW) as desk:
        assert desk.keys.secret_used() == fingerprint(NEW)
        assert {key.id for key in desk.keys.find(desk.keys.persons()).values()} == before


def fails(*given: object) -> None:
    """Fail as a store on a full disk does."""
    message = "the keys of persons cannot be read or written: no space"
    raise KeysError(message)
