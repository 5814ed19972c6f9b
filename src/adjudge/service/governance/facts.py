"""The facts of a report, as one document for a person, a page or a program."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from adjudge.learn.slices import Slicing
from adjudge.monitor.business import Business


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """What decided for a while.

    Parameters
    ----------
    seq, since, who, why
        Its activation.
    versions
        Short hashes of everything that can change a decision.
    bundle
        Id of its bundle; empty for rules alone.
    decisions
        Decisions of the period that it made.
    by_action
        Of these, how many of each action.
    degraded
        How many of them lacked a part.
    """

    seq: int
    since: datetime
    who: str
    why: str
    versions: dict[str, str]
    bundle: str
    decisions: int
    by_action: dict[str, int]
    degraded: int


class Override(msgspec.Struct, frozen=True, kw_only=True):
    """What was told of decisions with one action.

    Parameters
    ----------
    action
        What was decided.
    decisions
        How many.
    said
        What was told of them, by answer: of the label ``fraud`` and ``honest``, of outcomes their values.
    against
        Of how many the label says otherwise: passed and fraud, or acted on and honest.
    """

    action: str
    decisions: int
    said: dict[str, int]
    against: int


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was the matter.

    Parameters
    ----------
    kind
        ``degraded`` for a span of incomplete decisions, ``alert``, or ``roll-back``.
    start, end
        When; the end is absent where it lasts, or is a moment.
    words
        One sentence.
    severity
        Of an alert.
    """

    kind: str
    start: datetime
    end: datetime | None
    words: str
    severity: str = ""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody did.

    Parameters
    ----------
    seq, at, action, who, why
        Its entry.
    """

    seq: int
    at: datetime
    action: str
    who: str
    why: str


class FieldFacts(msgspec.Struct, frozen=True, kw_only=True):
    """One field of the decided events.

    Parameters
    ----------
    name, role, meaning
        As it is declared.
    personal
        Whether it is sealed.
    missing
        Share of the period's events without it; None where it is hidden.
    """

    name: str
    role: str
    meaning: str
    personal: bool
    missing: float | None


class DataSheet(msgspec.Struct, frozen=True, kw_only=True):
    """What the decisions rest on.

    Parameters
    ----------
    stream, meaning
        The decided events.
    events, retracted
        How many there were, and how many were taken back since.
    fields
        Their fields.
    label
        What a positive event is.
    labelled, positive
        How many of the events somebody has said it of, and of how many that they are.
    delay_days
        Days from an event to its label: median, and what nine in ten stay below; empty without labels.
    lists
        How much each named list holds.
    """

    stream: str
    meaning: str
    events: int
    retracted: int
    fields: list[FieldFacts]
    label: str
    labelled: int
    positive: int
    delay_days: dict[str, float]
    lists: dict[str, int]


class Savings(msgspec.Struct, frozen=True, kw_only=True):
    """What the period was worth.

    Parameters
    ----------
    currency_costs
        What each error costs, as the policy states it.
    prevented, lost, false_declines, reviews
        Money: loss that was stopped, and that was not; what false declines and reviews cost.
    running
        What running the system has cost in the period, as stated.
    net
        What is left: prevented less false declines, reviews and running.
    set_up
        What setting it up has cost, as stated.
    pay_back_months
        Months of the same net until it is earned; None where it never is.
    known
        Share of the events whose label is known; where it is not, the probability stands in for it.
    """

    currency_costs: dict[str, Any]
    prevented: float
    lost: float
    false_declines: float
    reviews: float
    running: float
    net: float
    set_up: float
    pay_back_months: float | None
    known: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is told of one system and one period.

    Parameters
    ----------
    system, meaning
        Which.
    start, end
        The period; the end is not in it.
    position
        Where the log ended that it was made from.
    decisions, by_action
        How many, and of each action.
    card
        Model card of the bundle that decided last, as JSON; empty where it has none.
    card_text
        The same in words.
    data
        The data sheet.
    versions
        What decided, in order.
    overrides
        What was told of decisions, by action.
    judges
        How many labels and outcomes each of those who are named with them has told.
    slices
        Figures for parts of the events.
    incidents
        In order.
    approvals
        Proposals, approvals and what was put in force.
    acts
        Everything else that people did to the workspace, counted.
    weeks
        Money by week.
    savings
        All of it.
    limits
        What should be known before relying on these figures.
    """

    system: str
    meaning: str
    start: datetime
    end: datetime
    position: int
    decisions: int
    by_action: dict[str, int]
    card: dict[str, Any]
    card_text: str
    data: DataSheet
    versions: list[Version]
    overrides: list[Override]
    judges: dict[str, int]
    slices: tuple[Slicing, ...]
    incidents: list[Incident]
    approvals: list[Act]
    acts: dict[str, int]
    weeks: list[Business]
    savings: Savings
    limits: list[str]
