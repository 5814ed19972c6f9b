"""The entries that people make about cases, and how a system's cases are worked."""

from __future__ import annotations

import math
from typing import Annotated

import msgspec

from adjudge.errors import InputError

ASSIGNED, RELEASED, NOTED, DECIDED, UNDONE, DEFERRED, ESCALATED, DUE, WORKED = (
    "case_assigned",
    "case_released",
    "case_noted",
    "case_decided",
    "case_undone",
    "case_deferred",
    "case_escalated",
    "case_due",
    "cases_worked",
)
"""The actions, as the log names them."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Routine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a system's cases are worked from an entry on.

    Parameters
    ----------
    random
        Chance with which any decision becomes a case, whatever it was: what such cases say of all is unbiased.
    learn
        The same for a decision that the model was least sure of, p = 0.5; it falls to 0 with p (1 - p).
    random_work, learn_work
        Share of the cases given out that come from either draw, while there are such; together at most 1.
    second
        Share of the cases that a second person looks at as well.
    due_hours
        When a case should be done, counted from the time of its event; None leaves it open.
    minutes_per_day
        How long people review on a day; None has the policy's alerts a day.
    """

    random: Share = 0.0
    learn: Share = 0.0
    random_work: Share = 0.05
    learn_work: Share = 0.1
    second: Share = 0.0
    due_hours: Annotated[float, msgspec.Meta(gt=0, le=87_600)] | None = None
    minutes_per_day: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None

    def check(self) -> None:
        """Raise `InputError` if the shares of the work exceed all of it, or a number is none."""
        for name in ("random", "learn", "random_work", "learn_work", "second"):
            if not 0 <= getattr(self, name) <= 1:
                message = f"{name} is a share from 0 to 1, not {getattr(self, name)}"
                raise InputError(message, field=name, code="out_of_range")
        for name in ("due_hours", "minutes_per_day"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                message = f"{name} is a number above 0, not {value}"
                raise InputError(message, field=name, code="out_of_range")
        if self.random_work + self.learn_work > 1:
            message = "random_work and learn_work are shares of the same work, at most 1 together"
            raise InputError(message, field="learn_work", code="out_of_range")


class Worked(msgspec.Struct, frozen=True):
    """What the entry of a routine says: the salt decides which events are drawn, and nobody can guess it before."""

    system: str
    routine: Routine
    salt: str


class About(msgspec.Struct, frozen=True):
    """What an entry about one case says.

    Parameters
    ----------
    system, id
        The case.
    to
        Who gets it.
    text
        What is noted.
    value, minutes, holders
        A verdict, how long it took, and who has the credential of whoever gave it.
    due_us
        When it should be done.
    until_us
        Until when more is waited for.
    """

    system: str
    id: str
    to: str = ""
    text: str = ""
    value: bool = False
    minutes: float | None = None
    holders: list[str] = []
    due_us: int | None = None
    until_us: int | None = None
