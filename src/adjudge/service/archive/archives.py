"""What management entries say about archiving: how far a log was archived, by whom and why."""

from __future__ import annotations

import msgspec

from adjudge.service.access.ledger import Act

ARCHIVED = "log_archived"
"""The action: everything before its position is archived, and nothing new counts for it."""


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """One archiving.

    Parameters
    ----------
    position, link
        Where the archive ended; the link in hexadecimal.
    digest
        Hash of its last file.
    at_us, who, why
        When it was done, by whom, and the reason they gave.
    """

    position: int
    link: str
    digest: str
    at_us: int
    who: str
    why: str

    @classmethod
    def of(cls, act: Act) -> Archived:
        """Return what an action says."""
        return msgspec.convert({**act.content, "at_us": act.at_us, "who": act.who, "why": act.why}, cls)


class Archives:
    """How far a log was archived.

    Parameters
    ----------
    last
        The last archiving; None if there was none.
    """

    def __init__(self, last: Archived | None = None) -> None:
        self.last = last

    @property
    def position(self) -> int:
        """Everything before it is archived."""
        return 0 if self.last is None else self.last.position

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action == ARCHIVED:
            self.last = Archived.of(act)
