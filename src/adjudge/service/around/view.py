"""What is around a decision, as people and programs are shown it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from adjudge.service.around.linked import Linked

When = Literal["earlier", "this", "later"]
"""Where an event stands beside the one in hand, by the order of the log: only what is earlier was known to it."""


class Spot(msgspec.Struct, frozen=True):
    """A place, in degrees."""

    lat: float
    lon: float


class Nearby(msgspec.Struct, frozen=True, kw_only=True):
    """One event of the same entity.

    Parameters
    ----------
    id, seq, at
        The event, its position in the log and its time.
    when
        Where it stands beside the event in hand.
    action, score, amount
        What was decided, and about how much; the amount is None where there is none.
    truth_then, truth
        The label as it was known when the event in hand was decided, and as it is known now; None for unknown.
    retracted
        Whether it was taken back since.
    hour
        The hour of the day, of the clocks where it happened.
    values
        Its other keys and categories, by field; nothing of a person who was erased.
    place, km, kmh
        Where it was, how far that is from the place before it, and how fast one had to travel; None where that is not
        known, and no speed where no time has passed.
    """

    id: str
    seq: int
    at: datetime
    when: When
    action: str
    score: int
    amount: float | None = None
    truth_then: bool | None = None
    truth: bool | None = None
    retracted: bool = False
    hour: int = 0
    values: dict[str, str] = {}
    place: Spot | None = None
    km: float | None = None
    kmh: float | None = None


class Bin(msgspec.Struct, frozen=True):
    """How many amounts are at least `low` and less than `high`."""

    low: float
    high: float
    count: int


class Count(msgspec.Struct, frozen=True):
    """How often a value was seen, and whether the event in hand has it."""

    value: str
    count: int
    here: bool


class Normal(msgspec.Struct, frozen=True):
    """What was usual when the event in hand was decided.

    Parameters
    ----------
    events
        Over how many earlier events; those that had been taken back are left out.
    amounts
        How many had which amount, in bins that reach to the amount in hand.
    below
        Share of them whose amount is less than the one in hand; None where that cannot be told.
    hours
        How many were in each hour of the day, 24 numbers.
    values
        The values of each key and category that were seen most, and that of the event in hand.
    """

    events: int
    amounts: list[Bin]
    below: float | None
    hours: list[int]
    values: dict[str, list[Count]]


class Around(msgspec.Struct, frozen=True):
    """What is around a decision.

    Parameters
    ----------
    id, seq, system
        The event in hand, its position and who decided it.
    field, value
        Whose events these are; empty where the event names nobody.
    currency
        Of the amounts; empty where there are none.
    earlier, later
        How many events there are before and after, with those that are not returned.
    events
        The events, in the order of their time.
    normal
        What was usual.
    """

    id: str
    seq: int
    system: str
    field: str
    value: str
    currency: str
    earlier: int
    later: int
    events: list[Nearby]
    normal: Normal

    @property
    def this(self) -> Nearby | None:
        """The event in hand; None where it names nobody."""
        return next((one for one in self.events if one.when == "this"), None)


AROUND_SHAPES: tuple[type, ...] = (Around, Linked)
"""What the routes answer."""
