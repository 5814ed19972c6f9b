"""What is asked of the desk about cases."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from adjudge.service.cases.entries import Routine

MOST = 1_000
"""Most cases of one request or answer."""

Ids = Annotated[list[str], msgspec.Meta(min_length=1, max_length=MOST)]

Which = Literal["queue", "waiting", "mine", "late", "deferred", "escalated", "second", "drawn", "closed", "all"]
"""What may be listed: what nobody has in hand, everything that waits, one's own, and so on; all as they were opened."""


class Next(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody asks for a case; who has one in hand gets that one again.

    Parameters
    ----------
    why
        The reason, for the log.
    system
        Whose; absent where there is only one.
    """

    why: str = "next in the queue"
    system: str | None = None


class Assign(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases are given to somebody.

    Parameters
    ----------
    ids
        Their events.
    why
        The reason, for the log.
    to
        Who gets them; empty for whoever asks.
    system
        Whose cases; absent where there is only one system.
    """

    ids: Ids
    why: str
    to: str = ""
    system: str | None = None


class HandBack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases are given back; see `Assign`."""

    ids: Ids
    why: str
    system: str | None = None


class Write(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Something is noted about cases.

    Parameters
    ----------
    ids, system
        See `Assign`.
    text
        What; a log is for good, so personal values do not belong here.
    """

    ids: Ids
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=4_000)]
    system: str | None = None


class Limit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases get another deadline, or none where `due` is null; see `Assign`."""

    ids: Ids
    why: str
    due: datetime | None = None
    system: str | None = None


class Decide(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict about cases: it becomes the label of their events.

    Parameters
    ----------
    ids, why, system
        See `Assign`.
    value
        What is true of them.
    minutes
        How long it took, for all of them together; absent, it is counted from when they were assigned.
    ring
        Whether it holds for everything that hangs together with them and waits.
    by
        Key fields that tie a ring; empty for all.
    """

    ids: Ids
    value: bool
    why: str
    minutes: Annotated[float, msgspec.Meta(gt=0, le=100_000)] | None = None
    ring: bool = False
    by: list[str] = []
    system: str | None = None


class Undo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody takes their last verdict back; see `Assign`."""

    ids: Ids
    why: str
    system: str | None = None


class Defer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody needs to know more before they can decide; see `Assign`.

    Parameters
    ----------
    until
        When they look again, unless they do before; a day from now unless given.
    """

    ids: Ids
    why: str
    until: datetime | None = None
    system: str | None = None


class Escalate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Cases are for somebody who knows more; see `Assign`."""

    ids: Ids
    why: str
    system: str | None = None


class Work(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a system's cases are worked from here on."""

    routine: Routine
    why: str
    system: str | None = None
