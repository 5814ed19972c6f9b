"""The keeper: what it does takes as little as can be from deciding."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from adjudge.log import MemoryLog
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.keeper import LAST, Keeper
from tests.service.shop import shop
from tests.service.test_decider import history


class Untidy(MemoryLog):
    """A log that has five portions of housekeeping to do."""

    portions = 5

    def maintain(self) -> bool:
        self.portions -= 1
        return self.portions > 0


def test_settling_does_all_the_housekeeping_there_is() -> None:
    log = Untidy()
    Keeper(Decider([shop()], log)).settle(threading.Event())
    assert log.portions == 0


def test_settling_ends_when_the_service_is_told_to() -> None:
    log, stop = Untidy(), threading.Event()
    stop.set()
    Keeper(Decider([shop()], log)).settle(stop)
    assert log.portions == 5


def test_settling_writes_a_snapshot_that_a_service_goes_on_from(tmp_path: Path) -> None:
    plan, log = shop(), MemoryLog()
    decider = Decider([plan], log)
    decider.import_table("purchase", history(50))
    keeper = Keeper(decider, command=["false"], every=40)
    keeper.settle(threading.Event(), tmp_path)
    follower = Follower([plan], log, tmp_path, say=pytest.fail)
    assert follower.restored == len(log) > 50
    assert follower.workspace.digest() == decider.workspace.digest()


def test_a_folder_that_takes_no_snapshot_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "snapshots").touch()
    Keeper(Decider([shop()], MemoryLog())).settle(threading.Event(), tmp_path / "snapshots")
    assert "no snapshot could be written" in caplog.text


def test_a_snapshot_is_made_by_a_process_that_everything_else_goes_before() -> None:
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    keeper = Keeper(Decider([shop()], MemoryLog()), command=waiting, every=0)
    keeper.keep()
    assert keeper._child is not None
    try:
        assert os.getpriority(os.PRIO_PROCESS, keeper._child.pid) == LAST
    finally:
        keeper._child.kill()
        keeper._child.wait()
