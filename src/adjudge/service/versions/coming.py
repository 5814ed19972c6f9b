"""What is coming: definitions that were accepted, whose state is folded beside the one that decides.

That they were accepted is an entry, and so is what became of them: a service that is started again in between begins to
fold again, and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from adjudge.log.codec import Note
from adjudge.service.access.ledger import Act, note_of

ACCEPTED, FULFILLED, DROPPED = "revision_accepted", "revision_fulfilled", "revision_dropped"
"""The actions that make and end what is coming."""


class Accepted(msgspec.Struct, frozen=True):
    """A revision that decides as soon as its state is folded.

    Parameters
    ----------
    seq
        Position of its entry.
    system
        Whose.
    who, why
        Who wants it, and the reason they gave.
    revision
        What is to be different, as it was asked for.
    """

    seq: int
    system: str
    who: str
    why: str
    revision: dict[str, Any]

    def fulfilled(self) -> Note:
        """Return the entry that stands beside the activation which puts it in force."""
        return note_of(FULFILLED, self.who, self.why, {"accepted": self.seq})


class Coming:
    """The revisions that are coming, at most one a system.

    Parameters
    ----------
    accepted
        Those of a snapshot.

    Examples
    --------
    >>> from adjudge.service.access.ledger import MemoryLedger
    >>> coming = Coming()
    >>> ledger = MemoryLedger(lambda: 0, coming)
    >>> seq = ledger.record(ACCEPTED, "ada", "a new feature", {"system": "shop", "revision": {}})
    >>> [one.system for one in coming]
    ['shop']
    >>> seq = ledger.record(DROPPED, "ada", "not any more", {"accepted": seq})
    >>> len(coming)
    0
    """

    def __init__(self, accepted: Iterable[Accepted] = ()) -> None:
        self._accepted = {one.system: one for one in accepted}

    def __len__(self) -> int:
        return len(self._accepted)

    def __iter__(self) -> Iterator[Accepted]:
        return iter(list(self._accepted.values()))

    def get(self, system: str) -> Accepted | None:
        """Return what is coming in a system, None if nothing is."""
        return self._accepted.get(system)

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action == ACCEPTED:
            system = act.content["system"]
            self._accepted[system] = Accepted(act.seq, system, act.who, act.why, act.content["revision"])
        elif act.action in (FULFILLED, DROPPED):
            ended = act.content["accepted"]
            self._accepted = {name: one for name, one in self._accepted.items() if one.seq != ended}
