"""A small world on a timeline: events by the minute go in by the usual door, features come out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from adjudge.define import (
    Boolean,
    Event,
    Id,
    Key,
    Label,
    Money,
    Number,
    Outcome,
    Place,
    Profile,
    Rules,
    System,
    Time,
    days,
    micros,
)
from adjudge.define.feature import Features
from adjudge.engine import LATENESS, Plan, compile
from adjudge.errors import InputError
from adjudge.log import Kind, Log
from adjudge.service.decider import Decider
from adjudge.service.decode import EventDecoder
from adjudge.service.verdict import Stored, Verdict
from adjudge.service.workspace import Change

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""Minute 0 of every timeline, a Monday."""


class Payment(Event):
    """A payment."""

    payment_id: Id
    at: Time
    user: Key | None
    device: Key | None
    amount: Money | None
    x: Number | None
    place: Place | None


class Account(Profile):
    """What is known of a user."""

    change_id: Id
    at: Time
    user: Key
    level: Number
    closed: Boolean | None


user, device, pair = Payment.by("user"), Payment.by("device"), Payment.by("user", "device")


class Timeline:
    """One system with a log in memory and a clock that stands where it is put.

    Parameters
    ----------
    features
        What the system computes.
    rules
        Its rules as YAML; none if empty.
    outcomes
        Its outcomes.
    threads, lateness
        As for `compile`.
    log
        A log to go on from.
    """

    def __init__(
        self,
        *features: Features,
        rules: str = "",
        outcomes: Sequence[Outcome] = (),
        threads: int = 1,
        lateness: timedelta = LATENESS,
        log: Log | None = None,
    ) -> None:
        system = System(
            name="timeline",
            decides=Payment,
            label=Label("fraud", delay=days(7)),
            features=features,
            rules=Rules.load(rules) if rules else Rules(),
            outcomes=outcomes,
            streams=[Account],
            amount="amount",
            leave_out=["amount", "x"],
        )
        self.plan: Plan = compile(system, threads=threads, lateness=lateness)
        self.clock = NOON + days(365)
        self.decider = Decider([self.plan], log, clock=lambda: micros(self.clock - datetime(1970, 1, 1, tzinfo=UTC)))

    def send(self, id_: str, minute: float, user: str | None = "u", **fields: Any) -> dict[str, float | None]:
        """Decide one payment, which must be accepted, and return its features."""
        verdict = self.offer(id_, minute, user=user, **fields)
        assert verdict.error is None, verdict.error
        return self.stored(id_).features

    def offer(self, id_: str, minute: float, **fields: Any) -> Verdict:
        """Offer one payment, which may be refused."""
        return self.offer_all([{"payment_id": id_, "at": at(minute), **fields}])[0]

    def offer_all(self, rows: Sequence[Mapping[str, Any]], stream: str = "payment") -> list[Verdict]:
        """Offer several events of one stream as one batch."""
        decoded = EventDecoder(self.plan.schema(stream)).rows(rows, strict=False)
        assert decoded.errors == []
        return self.decider.decide(stream, decoded.events)

    def account(self, id_: str, minute: float, level: float) -> None:
        """Write a new row of the profile of the user u."""
        self.offer_all([{"change_id": id_, "at": at(minute), "user": "u", "level": level}], "account")

    def score(self, minute: float, user: str | None = "u", **fields: Any) -> dict[str, float | None]:
        """Return the features of a payment that is only asked about."""
        row = {"payment_id": "asked", "at": at(minute), "user": user, **fields}
        decoded = EventDecoder(self.plan.schema("payment")).rows([row], strict=False)
        (verdict,) = self.decider.score(decoded.events)
        assert verdict.error is None
        return verdict.features(self.plan.system.name)

    def label(self, id_: str, value: bool = True, name: str = "fraud") -> str | InputError:
        """Set a label of a payment and return what became of it."""
        kind = Kind.LABEL if name == "fraud" else Kind.OUTCOME
        return self.decider.change([Change(kind, "payment", id_, name, float(value))])[0]

    def say(self, id_: str, outcome: str, value: str) -> str | InputError:
        """Say which value an outcome of a payment has, and return what became of it."""
        return self.decider.change([Change(Kind.OUTCOME, "payment", id_, outcome, 1.0, value)])[0]

    def retract(self, id_: str) -> str | InputError:
        """Take a payment back and return what became of it."""
        return self.decider.change([Change(Kind.RETRACTION, "payment", id_)])[0]

    def stored(self, id_: str) -> Stored:
        """Return an earlier decision."""
        return self.decider.decision(id_)


def at(minute: float) -> datetime:
    """Return the time of a minute of the timeline."""
    return NOON + timedelta(minutes=minute)
