"""What is wrong with a workspace is said before anything that takes long."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.errors import InputError
from adjudge.service.home import check_master_key
from adjudge.service.settings import Settings
from tests.service.personal.bank import bank
from tests.service.shop import shop

MASTER = bytes(range(32)).hex()


def test_a_master_key_is_asked_for_where_persons_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a system without personal fields, and not for keys that end with the process."""
    lasting = Settings(workspace=str(tmp_path))
    plans = [bank()]
    monkeypatch.delenv("ADJUDGE_MASTER_KEY", raising=False)
    with pytest.raises(InputError, match="ADJUDGE_MASTER_KEY"):
        check_master_key(plans, lasting)
    check_master_key([shop()], lasting)
    check_master_key(plans, Settings(workspace=str(tmp_path), log="memory"))
    with pytest.raises(InputError, match="ADJUDGE_MASTER_KEY"):
        check_master_key(plans, Settings(workspace=str(tmp_path), log="memory", person_keys="sqlite"))
    monkeypatch.setenv("ADJUDGE_MASTER_KEY", MASTER)
    check_master_key(plans, lasting)
