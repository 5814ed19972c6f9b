"""What is wrong with a workspace is said before anything that takes long."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.errors import InputError
from adjudge.service.home import KEYS_FILE, open_keys
from adjudge.service.personal.keys import KeysError, MemoryKeys, Person
from adjudge.service.settings import Settings
from tests.service.personal.bank import bank
from tests.service.shop import shop

MASTER = bytes(range(32)).hex()


def test_a_master_key_is_asked_for_where_persons_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a system without personal fields, and not for keys that end with the process."""
    lasting = Settings(workspace=str(tmp_path))
    plans = [bank()]
    monkeypatch.delenv("ADJUDGE_MASTER_KEY", raising=False)
    for settings in (lasting, Settings(workspace=str(tmp_path), log="memory", person_keys="sqlite")):
        with pytest.raises(InputError, match="ADJUDGE_MASTER_KEY"), open_keys(plans, settings):
            pass
    with open_keys([shop()], lasting) as none:
        assert none is None
    with open_keys(plans, Settings(workspace=str(tmp_path), log="memory")) as passing:
        assert isinstance(passing, MemoryKeys)


def test_keys_are_closed_when_they_are_no_longer_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What SQLite keeps beside an open file is gone, whatever else still holds on to the keys."""
    monkeypatch.setenv("ADJUDGE_MASTER_KEY", MASTER)
    with open_keys([bank()], Settings(workspace=str(tmp_path))) as keys:
        assert keys is not None
        keys.make([Person("user", 1)])
        assert len(list(tmp_path.iterdir())) > 1
    assert [path.name for path in tmp_path.iterdir()] == [KEYS_FILE]
    with pytest.raises(KeysError):
        keys.persons()
