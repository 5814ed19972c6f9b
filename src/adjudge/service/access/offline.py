"""The ledger of a workspace that no service runs on: how the first key comes into being.

Whoever may write the log may do anything to it; asking them for a key as well would protect nothing. Their name and
reason are logged like everybody's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from adjudge.errors import InputError
from adjudge.log import Kind, Log
from adjudge.log.codec import Note, blocks_of
from adjudge.service import snapshot
from adjudge.service.access import keys
from adjudge.service.access.keys import Grant
from adjudge.service.access.ledger import Act, By, note_of
from adjudge.service.access.view import Issued, KeyView
from adjudge.service.home import holder, open_log, snapshots_of
from adjudge.service.settings import Settings
from adjudge.service.verdict import wall_clock
from adjudge.service.writer import Writer


class OfflineLedger:
    """Writes management actions into a log directly.

    Parameters
    ----------
    log
        The log; the right to append to it is taken with the first action.
    snapshots
        Folder of its snapshots, None if there are none: only what came after the newest has to be read.
    holder
        Who acts, shown to others that would like to append.
    clock
        Returns microseconds since 1970 UTC.
    """

    def __init__(
        self, log: Log, snapshots: Path | None = None, *, holder: str, clock: Callable[[], int] = wall_clock
    ) -> None:
        self._log = log
        self._holder = holder
        self.clock = clock
        self._writer: Writer | None = None
        self.management, end = snapshot.management_of(log, snapshots)
        self._position = end.position
        self.catch_up()

    def record(self, action: str, who: str, why: str, content: dict[str, Any]) -> int:
        """Append an action and fold it; see `Ledger`."""
        note = note_of(action, who, why, content)
        if self._writer is None:
            self._writer = Writer(self._log, clock=self.clock, timer=time.monotonic, holder=self._holder)
            self.catch_up()
        seq = self._writer.position
        self._writer.append([note], self.clock())
        self.catch_up()
        return seq

    def catch_up(self) -> None:
        """Fold what the log has more by now."""
        for commit in self._log.read(self._position):
            for first, block in blocks_of(commit):
                if isinstance(block, Note) and block.kind == Kind.MANAGEMENT:
                    self.management.apply(Act.read(first, commit.received_at, block))
            self._position = commit.stop


class OfflineDesk:
    """Makes, lists, rotates and revokes the keys of a workspace that no service runs on.

    Parameters
    ----------
    ledger
        Of the workspace.
    who
        Who does it.
    clock
        Returns microseconds since 1970 UTC.
    """

    def __init__(self, ledger: OfflineLedger, who: str, clock: Callable[[], int] = wall_clock) -> None:
        self._ledger = ledger
        self._keys = ledger.management.keys
        self._who = who
        self._clock = clock

    def views(self) -> list[KeyView]:
        """Return every key."""
        return [KeyView.of(key, self._clock()) for key in self._keys]

    def create(self, grant: Grant, why: str) -> Issued:
        """Make a key."""
        made = keys.create(self._keys, self._ledger, grant, By(self._who, why))
        return Issued.of(made, self._clock())

    def rotate(self, id_: str, grace_us: int, why: str) -> Issued:
        """Give a key a new secret."""
        made = keys.rotate(self._keys, self._ledger, id_, By(self._who, why), grace_us=grace_us)
        return Issued.of(made, self._clock())

    def revoke(self, id_: str, why: str) -> KeyView:
        """End a key."""
        return KeyView.of(keys.revoke(self._keys, self._ledger, id_, By(self._who, why)), self._clock())


@contextmanager
def open_desk(settings: Settings, who: str, *, new: bool = False) -> Iterator[OfflineDesk]:
    """Open the log of a workspace for managing its keys.

    Parameters
    ----------
    settings
        Where the log is.
    who
        Who does it.
    new
        Whether the workspace is made if it is not there.

    Raises
    ------
    InputError
        If there is no such workspace, or its log does not outlive a process.
    UnavailableError
        From the first change, if a process decides on the log.
    """
    if settings.log == "memory":
        message = "a log in memory keeps no keys; serve it with --auth off, on this machine only"
        raise InputError(message, field="log")
    with closing(open_log(settings, new=new)) as log:
        yield OfflineDesk(OfflineLedger(log, snapshots_of(settings), holder=holder()), who)
