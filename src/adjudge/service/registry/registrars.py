"""Where entries of the registry are written: into the log of a workspace at rest, or by the service that runs on it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

from adjudge.errors import InputError
from adjudge.log import Log
from adjudge.service.access.offline import OfflineLedger
from adjudge.service.home import holder, open_log, snapshots_of
from adjudge.service.registry.entries import Releases
from adjudge.service.settings import Settings

if TYPE_CHECKING:
    from adjudge.service.decider import Decider


class AtRest:
    """Writes into a log directly.

    Parameters
    ----------
    ledger
        Of the workspace.
    who
        Who does it.
    log
        What it writes into.
    """

    def __init__(self, ledger: OfflineLedger, who: str, log: Log) -> None:
        self._ledger = ledger
        self.who = who
        self.log = log

    @property
    def releases(self) -> Releases:
        """What is registered."""
        return self._ledger.management.releases

    def record(self, action: str, why: str, content: dict[str, Any]) -> int:
        """Append an entry, and return its position."""
        return self._ledger.record(action, self.who, why, {**content, "holders": [self.who]})


class Running:
    """Has a decider write.

    Parameters
    ----------
    decider
        Of the workspace; it goes on meanwhile.
    who
        Who does it.
    holders
        Everybody who has the credential that it is done with.
    """

    def __init__(self, decider: Decider, who: str, holders: frozenset[str] = frozenset()) -> None:
        self._decider = decider
        self.who = who
        self._holders = sorted({who} | holders)

    @property
    def releases(self) -> Releases:
        """What is registered."""
        return self._decider.workspace.management.releases

    def record(self, action: str, why: str, content: dict[str, Any]) -> int:
        """Append an entry, and return its position."""
        return self._decider.record(action, self.who, why, {**content, "holders": self._holders})


@contextmanager
def at_rest(settings: Settings, who: str) -> Iterator[AtRest]:
    """Open the registry of a workspace that no service runs on.

    Parameters
    ----------
    settings
        Where it is.
    who
        Who does what is done.

    Raises
    ------
    InputError
        If there is no such workspace, or its log does not outlive a process.
    UnavailableError
        From the first entry, if a process decides on the log.
    """
    if settings.log == "memory":
        message = "a log in memory ends with its process; ask the service that has it, with --url"
        raise InputError(message, field="log")
    with closing(open_log(settings)) as log:
        yield AtRest(OfflineLedger(log, snapshots_of(settings), holder=holder()), who, log)
