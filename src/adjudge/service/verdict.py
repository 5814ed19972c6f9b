"""What the decider says: of one event, of one change, and of a decision that was made earlier."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from adjudge.errors import InputError
from adjudge.service.record import Recorded

Clock = Callable[[], int]
"""Returns the time in microseconds since 1970 UTC."""

Status = Literal["set", "unchanged", "waiting"]
"""What became of a label, outcome or retraction."""


def wall_clock() -> int:
    """Return the time of this machine in microseconds since 1970 UTC."""
    return time.time_ns() // 1000


class UndecidedError(InputError):
    """An event could not be decided, through no fault of whoever sent it; nothing of it is kept.

    Parameters
    ----------
    instance
        Names this very failure, as the log of the service does.
    """

    def __init__(self, instance: str) -> None:
        super().__init__("the event could not be decided", code="failed")
        self.instance = instance


class Verdict(msgspec.Struct, gc=False):
    """What became of one event.

    Parameters
    ----------
    error
        Why it was refused; None if it was not.
    repeated
        True if the event was accepted before, and this is what came of it then.
    seq
        Its position in the log; -1 if it is not there.
    decided
        What each system decided about the events it was decided with, by name; empty if the event was refused or its
        stream is not decided.
    at
        Which of those events it is.
    """

    error: InputError | None = None
    repeated: bool = False
    seq: int = -1
    decided: Mapping[str, Recorded] = {}
    at: int = 0

    def answer(self, system: str) -> bytes:
        """Return a system's decision as JSON."""
        return self.decided[system].answers[self.at]

    def features(self, system: str) -> dict[str, float | None]:
        """Return the feature values behind a system's decision, by name."""
        recorded = self.decided[system]
        return recorded.card.named(recorded.features[:, self.at])

    def bits(self, system: str) -> bytes:
        """Return the doubles behind a system's decision, in the order of its card's names."""
        return self.decided[system].features[:, self.at].tobytes()

    @property
    def record(self) -> bytes:
        """Every system's decision as JSON, one a line."""
        return b"\n".join(recorded.answers[self.at] for recorded in self.decided.values())


@dataclass(frozen=True)
class Stored:
    """A decision that was made earlier, with all that belongs to it.

    Parameters
    ----------
    record
        The decision as JSON.
    features
        The values that it was made from.
    event
        The event, by field.
    words
        The reasons in sentences.
    received_at
        When the event was admitted, in microseconds.
    said
        Labels and outcomes since, by name.
    retracted
        Whether the event was taken back since.
    again
        The second decision as JSON, where the first lacked a part of the system and was made again.
    """

    record: bytes
    features: dict[str, float | None]
    event: dict[str, Any]
    words: list[str]
    received_at: int
    said: dict[str, bool | str]
    retracted: bool
    again: bytes | None = None
