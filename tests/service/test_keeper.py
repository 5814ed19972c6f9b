"""The keeper: what it does takes as little as can be from deciding."""

from __future__ import annotations

import os
import sys
import threading

from adjudge.log import MemoryLog
from adjudge.service.decider import Decider
from adjudge.service.keeper import LAST, Keeper
from tests.service.shop import shop


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


def test_a_snapshot_is_made_by_a_process_that_everything_else_goes_before() -> None:
    waiting = [sys.executable, "-c", "import time; time.sleep(60)"]
    keeper = Keeper(Decider([shop()], MemoryLog()), snapshot=waiting, every=0)
    keeper.keep()
    assert keeper._child is not None
    try:
        assert os.getpriority(os.PRIO_PROCESS, keeper._child.pid) == LAST
    finally:
        keeper._child.kill()
        keeper._child.wait()
