"""Cases as people and programs are shown them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from adjudge.service.alerts.words import time_of
from adjudge.service.cases.agree import Agreement
from adjudge.service.cases.case import Case, Lot, State
from adjudge.service.cases.entries import Routine


class NoteView(msgspec.Struct, frozen=True):
    """What somebody has written."""

    who: str
    at: datetime
    text: str


class VerdictView(msgspec.Struct, frozen=True):
    """What somebody has found, why, and in how many minutes where that is known."""

    who: str
    at: datetime
    value: bool
    why: str
    minutes: float | None


class CaseView(msgspec.Struct, frozen=True, kw_only=True):
    """One case.

    Parameters
    ----------
    id, seq, at
        The event, its position and its time.
    state, kind, action, score, probability, amount, lot, chance
        See `adjudge.service.cases.case.Case`.
    expected_loss, minutes
        What reviewing it is likely to save, in the currency of the system, and how long it is likely to take.
    due, late
        When it should be done, and whether that has passed.
    assigned
        Who has it in hand; empty for nobody.
    until
        Until when whoever has it waits to hear more; None where they do not.
    escalated
        Who has passed it on to somebody who knows more.
    notes, verdicts, truth
        What was written and found, which is told of one case and not in lists; verdicts and the truth are withheld
        while a second opinion is asked for.
    linked
        How many other cases share a key with it.
    """

    id: str
    seq: int
    at: datetime
    state: State
    kind: str
    action: str
    score: int
    probability: float
    amount: float | None
    lot: Lot
    chance: float
    expected_loss: float
    minutes: float
    due: datetime | None
    late: bool
    assigned: str
    until: datetime | None
    escalated: list[str]
    notes: list[NoteView]
    verdicts: list[VerdictView]
    truth: bool | None
    linked: int

    @classmethod
    def of(cls, case: Case, worth: tuple[float, float], linked: int, now_us: int, *, words: bool = False) -> CaseView:
        """Return a case as it is at a moment.

        Parameters
        ----------
        case, linked, now_us
            The case, how many others share a key with it, and the moment.
        worth
            Its worth a minute, and its minutes.
        words
            Whether notes and verdicts are shown: whoever asks has seen to it that the person was not erased.
        """
        blind = case.state == "second"
        return cls(
            id=case.id,
            seq=case.seq,
            at=time_of(case.ts_us),
            state=case.state,
            kind=case.kind,
            action=case.action,
            score=case.score,
            probability=case.probability,
            amount=None if case.amount != case.amount else case.amount,
            lot=case.lot,
            chance=case.chance,
            expected_loss=round(worth[0] * worth[1], 4),
            minutes=round(worth[1], 3),
            due=None if case.due_us is None else time_of(case.due_us),
            late=case.waits and case.due_us is not None and now_us > case.due_us,
            assigned=case.assigned,
            until=time_of(case.until_us) if case.until_us is not None and case.rests(now_us) else None,
            escalated=case.escalated,
            notes=[NoteView(n.who, time_of(n.at_us), n.text) for n in case.notes] if words else [],
            verdicts=[]
            if blind or not words
            else [VerdictView(v.who, time_of(v.at_us), v.value, v.why, v.minutes) for v in case.verdicts],
            truth=None if blind or (case.waits and not case.verdicts) else case.truth,  # what was undone is not known
            linked=linked,
        )


class CasePage(msgspec.Struct, frozen=True):
    """The queue, or a part of it.

    Parameters
    ----------
    cases
        In the order in which they should be looked at.
    total
        How many there are with those that are not returned.
    within
        How many from the top fit into a day's review.
    """

    cases: list[CaseView]
    total: int
    within: int


class Link(msgspec.Struct, frozen=True):
    """Cases that share the value of a key field: its name, their ids, how many, and how many turned out true."""

    field: str
    cases: list[str]
    total: int
    true: int


class CaseDetail(msgspec.Struct, frozen=True):
    """A case with everything about it.

    Parameters
    ----------
    case
        The case.
    decision
        The decision, its event, features and reasons in words; None where the person was erased.
    links
        Other cases of the same user, card or device.
    ring
        Ids of all cases that hang together with it over such keys, its own among them.
    """

    case: CaseView
    decision: Any
    links: list[Link]
    ring: list[str]


class Estimate(msgspec.Struct, frozen=True):
    """What the randomly drawn cases say of all decisions since the routine in force: the share of positives.

    Parameters
    ----------
    cases, known, positive
        How many were drawn, how many of them are known, and how many of those are positive.
    rate, low, high
        Share of positives among all decisions, with its 95 % Wilson interval; None where nothing is known.
    """

    cases: int
    known: int
    positive: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


class Reviewed(msgspec.Struct, frozen=True):
    """What review came to in the last days.

    Parameters
    ----------
    days
        How many.
    cases, verdicts
        Cases that somebody gave a verdict on, and how many were given, second opinions among them.
    hours
        How long these took, as far as it is known.
    cost
        Money that they cost: verdicts times `costs.review`.
    true, found
        How many of the cases are known to be true, and the loss in them that was found, in the currency of the system.
    cost_per_case, found_per_hour
        Money; None without cases, or where less than a minute of work is known.
    """

    days: float
    cases: int
    verdicts: int
    hours: float
    cost: float
    true: int
    found: float
    cost_per_case: float | None
    found_per_hour: float | None


class Summary(msgspec.Struct, frozen=True):
    """How review goes.

    Parameters
    ----------
    system, routine
        Whose, and how its cases are worked.
    waiting, assigned, late, closed
        How many cases there are.
    minutes, per_day
        How long those that wait are likely to take, and how long people review on a day; None if nobody said.
    by_kind
        Minutes that a case of each kind is likely to take.
    agreement
        Of first and second opinions.
    estimate
        What the randomly drawn cases say.
    reviewed
        What review came to lately.
    """

    system: str
    routine: Routine
    waiting: int
    assigned: int
    late: int
    closed: int
    minutes: float
    per_day: float | None
    by_kind: dict[str, float]
    agreement: Agreement
    estimate: Estimate
    reviewed: Reviewed


class Done(msgspec.Struct, frozen=True):
    """What became of one case: its id, and a word."""

    id: str
    status: str


class DoneList(msgspec.Struct, frozen=True):
    """What became of each case, in order."""

    results: list[Done]


CASE_SHAPES: tuple[type, ...] = (CasePage, CaseDetail, Summary, DoneList, CaseView)
"""What the routes answer."""
