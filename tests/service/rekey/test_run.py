"""Replacing the secret of a workspace in a folder: log, keys and snapshots all go over to the new one."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from adjudge.log.sqlite import SqliteLog
from adjudge.service import snapshot
from adjudge.service.activation import fingerprint
from adjudge.service.home import KEYS_FILE, LOG_FILE
from adjudge.service.personal.keys import KeysError, Wrap
from adjudge.service.personal.sqlite import SqliteKeys
from adjudge.service.rekey.run import replace_secret
from adjudge.service.settings import Settings
from tests.service.personal.bank import Bank, bank, payment, random_life

OLD, NEW = bytes([1]) * 16, bytes([2]) * 16
MASTER = bytes(range(32))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return where a workspace is in which some things have happened."""
    monkeypatch.setenv("ADJUDGE_MASTER_KEY", MASTER.hex())
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log, closing(store(tmp_path)) as keys:
        random_life(Bank(bank(secret=OLD), log, keys), 1, 60, erased=("ada",))
    return Settings(workspace=str(tmp_path))


def store(folder: Path) -> SqliteKeys:
    """Return the keys of a workspace."""
    return SqliteKeys(folder / KEYS_FILE, Wrap(MASTER))


def test_everything_goes_over(settings: Settings, tmp_path: Path) -> None:
    """The next start begins with a snapshot by the new secret and has nothing left to do."""
    done = replace_secret([bank(secret=OLD)], [bank(secret=NEW)], settings, who="officer", why="yearly")
    assert (done.earlier, done.new) == ([fingerprint(OLD)], fingerprint(NEW))
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log, closing(store(tmp_path)) as keys:
        assert keys.secret_used() == fingerprint(NEW)
        (made,) = snapshot.found(tmp_path / "snapshots")
        assert snapshot.position_of(made) == len(log)
        known = keys.persons()
        desk = Bank(bank(secret=NEW), log, keys)
        loaded, _ = snapshot.load([desk.plan], log, made, keys)
        assert loaded.digest() == desk.decider.workspace.digest()
        desk.send(payment("new", "bob", 60 * 24 * 30))
        assert set(keys.persons()) == set(known)  # bob was there before and has no second key


def test_a_crash_after_the_entry_is_mended_by_the_next_start(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The entry decides: keys that were not named anew yet are, before anything is sealed."""
    with monkeypatch.context() as patch:
        patch.setattr(SqliteKeys, "rename", fails)
        with pytest.raises(KeysError, match="no space"):
            replace_secret([bank(secret=OLD)], [bank(secret=NEW)], settings, who="officer", why="yearly")
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log, closing(store(tmp_path)) as keys:
        before = {key.id for key in keys.find(keys.persons()).values()}
        assert keys.secret_used() == ""
        Bank(bank(secret=NEW), log, keys)
        assert keys.secret_used() == fingerprint(NEW)
        assert {key.id for key in keys.find(keys.persons()).values()} == before


def fails(*given: object) -> None:
    """Fail as a store on a full disk does."""
    message = "the keys of persons cannot be read or written: no space"
    raise KeysError(message)
