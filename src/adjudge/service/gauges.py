"""Gauges: what is too dear to ask on every visit of Prometheus, measured every few seconds by the keeper.

Histories are counted in slices, each under the decider's lock, so that no batch waits for more than one slice.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.log import LogError
from adjudge.service import snapshot
from adjudge.service.health import Health, Since
from adjudge.service.outbox.ledger import FILE, Ledger

if TYPE_CHECKING:
    from adjudge.engine.batch import State
    from adjudge.service.decider import Decider

logger = logging.getLogger(__name__)

EVERY_S = 15.0
"""How often the log is measured and histories are counted; less often where that takes long."""

SHARE = 0.005
"""Most of one thread's time that counting histories may take."""

SLICE = 16_384
"""Places of a table of keys that are counted at a time: well under a millisecond."""

COUNTED = ("keys", "rows", "merged_keys", "flagged_keys", "bytes")
"""What is counted of histories, as `Stats` names it."""


@dataclass
class Gauges:
    """What was measured last.

    Parameters
    ----------
    decider
        Whose log and state.
    snapshots
        Folder of the snapshots; None where there are none.
    timer
        Returns seconds that never run backwards.
    since
        Remembers when the service began to be as it is.

    Attributes
    ----------
    log_bytes
        What the log takes up where it is stored; None while it cannot be asked.
    holder
        Who holds the right to append; empty if nobody does.
    snapshot_position
        Position of the newest snapshot; None if there is none.
    histories
        What each system's histories hold, by system, history and name of the count.
    outbox
        Of each endpoint how far it has come in the log, what it is owed, and what of that was given up.
    """

    decider: Decider
    snapshots: Path | None = None
    timer: Callable[[], float] = time.monotonic
    since: Since = field(default_factory=Since)
    log_bytes: int | None = None
    holder: str = ""
    snapshot_position: int | None = None
    histories: dict[tuple[str, str, str], int] = field(default_factory=dict)
    outbox: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    _next: float = float("-inf")

    def health(self) -> Health:
        """Return how the service is."""
        decider = self.decider
        failed = decider.failed
        systems = list(decider.workspace.systems)
        if failed:
            return Health(False, "failed", decider.writer.position, 0, self.since("failed"), failed, systems)
        return Health(True, "deciding", decider.writer.position, 0, self.since("deciding"), "", systems)

    def refresh(self) -> None:
        """Measure what is cheap, and what is not if it is time to."""
        self.health()
        log = self.decider.log
        began = self.timer()
        try:
            lease = log.lease()
            self.holder = "" if lease is None else lease.holder
            if began >= self._next:
                self.log_bytes = log.storage().size_bytes
        except LogError as error:
            self.log_bytes = None
            logger.debug("the log cannot be measured: %s", error)  # the keeper has said that it cannot be used
        if self.snapshots is not None:
            newest = next(iter(snapshot.found(self.snapshots)), None)
            self.snapshot_position = None if newest is None else int(newest.name)
        if began >= self._next:
            self._ask_outbox()
            self._count()
            now = self.timer()
            self._next = now + max(EVERY_S, (now - began) / SHARE)

    def _ask_outbox(self) -> None:
        """Ask the ledger of the outbox, which another process writes, if there is one."""
        path = None if self.snapshots is None else self.snapshots.with_name(FILE)
        if path is None or not path.exists():
            return
        try:
            with closing(Ledger(path)) as ledger:
                self.outbox = {id_: (ledger.position(id_) or 0, *ledger.counts(id_)) for id_ in ledger.endpoints()}
        except sqlite3.Error as error:
            logger.warning("the ledger of the outbox cannot be read: %s", error)

    def _count(self) -> None:
        for s in self.decider.workspace.systems.values():
            for i, history in enumerate(s.plan.histories):
                counts = self._of(s.state, i)
                self.histories.update({(s.name, history.name, what): counts[what] for what in COUNTED})

    def _of(self, state: State, i: int) -> Counter[str]:
        """Count one of the histories of a state, slice by slice."""
        counts: Counter[str] = Counter()
        first, places = 0, 1
        while first < places:
            with self.decider.held():
                held = state.histories[i]
                places = held.places
                part = held.stats(slice(first, first + SLICE))
            counts.update({what: getattr(part, what) for what in COUNTED if what != "bytes"})
            counts["bytes"] = part.bytes
            first += SLICE
        return counts
