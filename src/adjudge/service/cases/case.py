"""One case: the decision behind it in a few numbers, and what people have done about it."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["open", "second", "disputed", "closed", "retracted"]
"""Waits for a verdict, for a second opinion, or for somebody to settle two that differ; is done; its event is gone."""

Lot = Literal["", "random", "learn"]
"""Whether it was drawn: at random from all decisions, or because a model would learn from it."""

WAITING = ("open", "second", "disputed")
"""States in which a person has something to do."""


class Said(msgspec.Struct, frozen=True):
    """What somebody has written about a case.

    Parameters
    ----------
    who, at_us
        Who, and when, in microseconds since 1970 UTC.
    text
        What.
    """

    who: str
    at_us: int
    text: str


class Given(msgspec.Struct, frozen=True):
    """A verdict.

    Parameters
    ----------
    who, holders, at_us, why
        Who gave it, everybody who has that credential, when, and the reason.
    value
        What the label becomes.
    minutes
        How long it took, where that is known.
    """

    who: str
    holders: list[str]
    at_us: int
    why: str
    value: bool
    minutes: float | None


class Case(msgspec.Struct, kw_only=True):
    """A decision that a person looks at.

    Parameters
    ----------
    id, seq, ts_us
        The event, where it stands in the log, and its own time, in microseconds since 1970 UTC.
    kind
        What opened it, which says how long such a case takes: a rule, or ``score``.
    action, score, p
        What was decided, the risk score and the probability; NaN where no model took part.
    amount
        In the currency of the system; NaN where there is none.
    keys
        Hashes of its key fields, by name, where it has them.
    lot, chance
        Whether it was drawn, and with what probability; 1 where an action has opened it.
    second
        Whether a second person is asked.
    due_us
        When it should be done; None if that was not said.
    assigned, assigned_us
        Who has it in hand, and since when.
    passed
        Who has given it back.
    until_us
        Until when whoever has it in hand waits to hear more; None where they do not.
    escalated
        Who has passed it on to somebody who knows more.
    notes, verdicts
        What was written, and what was found, in order.
    truth
        The label of its event as the log has it; None while nobody has set it.
    state
        What it waits for.
    """

    id: str
    seq: int
    ts_us: int
    kind: str
    action: str
    score: int
    p: float
    amount: float
    keys: dict[str, int]
    lot: Lot = ""
    chance: float = 1.0
    second: bool = False
    due_us: int | None = None
    assigned: str = ""
    assigned_us: int | None = None
    passed: list[str] = []
    until_us: int | None = None
    escalated: list[str] = []
    notes: list[Said] = []
    verdicts: list[Given] = []
    truth: bool | None = None
    state: State = "open"

    @property
    def waits(self) -> bool:
        """Whether a person has something to do about it."""
        return self.state in WAITING

    def rests(self, now_us: int) -> bool:
        """Whether more is waited for at a time."""
        return self.waits and self.until_us is not None and now_us < self.until_us

    @property
    def probability(self) -> float:
        """The probability; by the risk score where no model took part."""
        return self.score / 100 if self.p != self.p else self.p
