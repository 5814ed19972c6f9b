"""The ledger: where management actions are written, with who did them and why, and what is made of them.

Whatever a person changes about a workspace is one entry. What is true now is a fold over these entries, so that nobody
can change it without leaving their name.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from adjudge.errors import InputError
from adjudge.log import Kind
from adjudge.log.codec import CodecError, Note

MAX_NAME = 200
"""Longest name of somebody."""

MAX_REASON = 1_000
"""Longest reason."""


@dataclass(frozen=True, slots=True)
class By:
    """Who does something, and why.

    Parameters
    ----------
    who, why
        Their name and their reason, for the log.
    holders
        Everybody who could have done it in their name, because they had the credential as well.
    """

    who: str
    why: str
    holders: frozenset[str] = frozenset()


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One management action as the log has it.

    Parameters
    ----------
    seq
        Position of its entry.
    at_us
        When it was admitted, in microseconds since 1970 UTC.
    action
        What was done, such as ``key_created``.
    who, why
        Who did it, and the reason they gave.
    content
        The rest, by name: plain JSON.
    """

    seq: int
    at_us: int
    action: str
    who: str
    why: str
    content: dict[str, Any]

    @classmethod
    def read(cls, seq: int, at_us: int, note: Note) -> Act:
        """Return the action of an entry that `note_of` has made.

        Raises
        ------
        CodecError
            If it is none.
        """
        try:
            content = msgspec.json.decode(note.content, type=dict[str, Any])
            action = msgspec.convert(content.pop("action", None), str)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            message = f"the management entry at {seq} cannot be read: {error}"
            raise CodecError(message) from None
        return cls(seq=seq, at_us=at_us, action=action, who=note.who, why=note.why, content=content)


def note_of(action: str, who: str, why: str, content: Mapping[str, Any]) -> Note:
    """Return the entry of a management action.

    Parameters
    ----------
    action, who, why, content
        See `Act`.

    Raises
    ------
    InputError
        If nobody is named, no reason is given, or either is too long.

    Examples
    --------
    >>> note = note_of("key_revoked", "ada", "the laptop was stolen", {"id": "k1"})
    >>> Act.read(7, 0, note).content
    {'id': 'k1'}
    """
    check_signed(who, why)
    return Note(Kind.MANAGEMENT, msgspec.json.encode({"action": action, **content}), who, why)


def check_signed(who: str, why: str) -> None:
    """Raise `InputError` unless somebody is named and gives a reason, in words that people can read."""
    for name, text, most in (("who", who, MAX_NAME), ("why", why, MAX_REASON)):
        if not text.strip() or not text.isprintable():
            message = f"every management action needs {name} in readable words"
            raise InputError(message, field=name, code="missing_field")
        if len(text) > most:
            message = f"{name} may have {most} characters"
            raise InputError(message, field=name, code="too_long")


class Ledger(Protocol):
    """Where management actions are written."""

    @property
    def clock(self) -> Callable[[], int]:
        """What stamps them: returns microseconds since 1970 UTC."""
        ...

    def record(self, action: str, who: str, why: str, content: dict[str, Any]) -> int:
        """Append an action, have every projection fold it, and return its position.

        Parameters
        ----------
        action, who, why, content
            See `Act`.

        Raises
        ------
        InputError
            If it is not signed with who and why.
        UnavailableError
            If it cannot be written; then nothing has happened.
        """
        ...


class Projection(Protocol):
    """What is made of management actions; those it does not know are not its own, and change nothing."""

    def apply(self, act: Act) -> None:
        """Fold the next action."""
        ...


class MemoryLedger:
    """A ledger that is gone with its process.

    Parameters
    ----------
    clock
        Returns microseconds since 1970 UTC.
    projections
        What folds each action.
    """

    def __init__(self, clock: Callable[[], int], *projections: Projection) -> None:
        self.acts: list[Act] = []
        self.clock = clock
        self._projections = projections

    def record(self, action: str, who: str, why: str, content: dict[str, Any]) -> int:
        """Append an action and fold it."""
        act = Act.read(len(self.acts), self.clock(), note_of(action, who, why, content))
        self.acts.append(act)
        for projection in self._projections:
            projection.apply(act)
        return act.seq
