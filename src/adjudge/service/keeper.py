"""The keeper: what has to be done every few seconds while a service decides, on a thread of its own.

It extends the right to append, has the log do its housekeeping, and starts a process that makes a snapshot when one is
due. None of it holds up a decision, and none of it failing stops one.
"""

from __future__ import annotations

import logging
import os
import subprocess
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from adjudge.errors import UnavailableError
from adjudge.log import LogError
from adjudge.service import snapshot
from adjudge.service.decider import Decider
from adjudge.service.gauges import Gauges

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""How often there is something to do."""

SOON_S = 0.1
"""How soon housekeeping goes on that is not done: in small portions, because it takes time from deciding."""

LAST = 19
"""The niceness of a process that makes a snapshot: it takes what time is left by everything else."""


class Keeper(threading.Thread):
    """Keeps a decider's log in order until it is told to stop.

    Parameters
    ----------
    decider
        Whose log.
    gauges
        What is to be measured now and then; None for what nobody reads.
    command
        The command that makes a snapshot and ends; None makes none.
    every
        Entries of the log after which a snapshot is due.
    since
        Position of the newest snapshot.
    """

    def __init__(
        self,
        decider: Decider,
        gauges: Gauges | None = None,
        *,
        command: Sequence[str] | None = None,
        every: int = 1_000_000,
        since: int = 0,
    ) -> None:
        super().__init__(name="keeper", daemon=True)
        self._decider = decider
        self._gauges = gauges or Gauges(decider)
        self._command = command
        self._every = every
        self._since = since
        self._child: subprocess.Popen[bytes] | None = None
        self._disorder = False
        self._done = threading.Event()

    def run(self) -> None:
        """Do what is due, every second, and housekeeping more often while there is much of it."""
        began, more = time.monotonic(), False
        while not self._done.wait(SOON_S if more else EVERY_S):
            if time.monotonic() - began >= EVERY_S:
                began = time.monotonic()
                more = self.keep()
            else:
                more = self._maintain()

    def settle(self, stop: threading.Event, snapshots: Path | None = None) -> None:
        """Do all the housekeeping that the log has now, and write a snapshot, before anybody waits for a decision.

        Parameters
        ----------
        stop
            Ends it early when it is set.
        snapshots
            Folder of the snapshots; None writes none.
        """
        while not stop.is_set() and self._maintain():
            pass
        if snapshots is None or stop.is_set():
            return
        try:
            end = self._decider.log.end()
            snapshot.save(self._decider.workspace, end, snapshots)
        except (LogError, OSError) as error:
            log.warning("no snapshot could be written: %s", error, extra={"event": "snapshot_failed"})
        else:
            self._since = end.position

    def keep(self) -> bool:
        """Do what is due once, and return whether the log has more housekeeping to do."""
        self._decider.writer.renew()
        more = self._maintain()
        self._decide_again()
        self._gauges.refresh()
        self._snapshot()
        return more

    def _maintain(self) -> bool:
        """Have the log do some of its housekeeping, and return whether there is more.

        That it begins to fail is told, and that it goes well again.
        """
        try:
            more = self._decider.log.maintain()
        except LogError as error:
            if not self._disorder:
                log.warning("the log cannot be put in order: %s", error, extra={"event": "maintenance_failed"})
            self._disorder = True
            return False
        else:
            if self._disorder:
                log.info("the log can be put in order again", extra={"event": "maintenance_recovered"})
            self._disorder = False
            return more

    def _decide_again(self) -> None:
        """Make decisions again that lacked a part of the system, for as long as there are some and it goes well."""
        try:
            while self._decider.decide_again() and not self._done.is_set():
                pass
        except (LogError, UnavailableError) as error:
            log.warning("no decision could be made again: %s", error, extra={"event": "deciding_again_failed"})

    def stop(self) -> None:
        """Stop, and wait until what is going on is done."""
        self._done.set()
        self.join()
        if self._child is not None:
            self._child.terminate()
            self._child.wait()

    def _snapshot(self) -> None:
        if self._child is not None:
            if self._child.poll() is None:
                return
            if self._child.returncode:
                log.warning(
                    "making a snapshot ended with exit code %d",
                    self._child.returncode,
                    extra={"event": "snapshot_failed"},
                )
            self._child = None
        position = self._decider.writer.position
        if self._command is not None and position - self._since >= self._every:
            self._since = position
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            os.setpriority(os.PRIO_PROCESS, self._child.pid, LAST)  # it has time, and who waits for a decision has none
