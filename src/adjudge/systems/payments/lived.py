"""The weeks before somebody opens the demo's desk: every payment of the test part decided, and cases worked by day.

Nothing that the report says comes from here. One fault is made up, so that there is a drift to find: for the last days
an app does not send where a payment was made.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import polars as pl

from adjudge.define import System
from adjudge.errors import InputError
from adjudge.learn.source import Source
from adjudge.service.access.ledger import By
from adjudge.service.cases.asked import Decide, Next, Work
from adjudge.service.cases.desk import CaseDesk
from adjudge.service.decider import Decider
from adjudge.service.home import bundles_of, open_log
from adjudge.service.past import import_source
from adjudge.service.resolver import Resolver
from adjudge.service.run import plan_of, secret
from adjudge.service.settings import Settings
from adjudge.systems.payments.past import SLOT_US, Clock, Past

ANALYSTS = ("ada", "bob", "eve")
"""Who works cases, a day each of them in turns."""

CASES_A_DAY = 12
"""Verdicts of a day."""

REVIEWED_AT = 15
"""Hour of the day, UTC, at which they do."""

MINUTES = (2.0, 14.0)
"""How long they look at a case."""

MISTAKEN = 0.06
"""Share of the verdicts that are wrong."""

DRAWN, DUE_HOURS, SECOND = 0.0002, 48.0, 0.15
"""Chance of a payment to become a case whatever it was, hours until a case is due, and share of second opinions."""

FAULT_DAYS = 3
"""Days at the end in which half of the payments do not say where they were made."""


class Span(NamedTuple):
    """The first moment that is decided, and the first that is not, UTC."""

    begin: datetime
    end: datetime


def live(
    system: System, source: Source, bundle: Path, settings: Settings, span: Span, told: Callable[[int, int], None]
) -> None:
    """Decide everything in a span with a bundle, in a workspace that has imported what was before.

    Parameters
    ----------
    system
        The definitions.
    source
        The simulated world.
    bundle
        Directory of the bundle.
    settings
        Where the workspace is.
    span
        What is decided.
    told
        Told how many hours are lived, of how many.
    """
    plan, bundles = plan_of(system.name, bundle), bundles_of(settings, secret())
    bundles.keep(bundle)
    past = Past.of(_faulty(_between(source, system, span), system, span.end), plan)
    with closing(open_log(settings, new=True)) as log:  # of payments no field is a person's, so there are no keys
        clock = Clock()
        clock.now_us = _micros(span.begin)
        decider = Decider([plan], log, clock=clock, resolver=Resolver([plan], bundles))
        import_source(decider, source, system.name, until=span.begin)
        review = Review(CaseDesk(decider), dict(_truth(source, system).iter_rows()))
        review.begin()
        for place, hour in enumerate(past.hours):
            clock.now_us = (hour + 1) * SLOT_US
            for stream, by_hour in past.events.items():
                if hour in by_hour:
                    decider.decide(stream, by_hour[hour])
            for result in decider.change(past.changes.get(hour, ())):
                if isinstance(result, InputError):
                    raise result
            if hour % 24 == REVIEWED_AT:
                review.day(hour // 24)
            told(place + 1, len(past.hours))
        while log.maintain():
            pass


class Review:
    """People who work cases by what is true of them, not always rightly.

    Parameters
    ----------
    desk
        Where the cases are.
    truth
        What is true of each payment, by id.
    """

    def __init__(self, desk: CaseDesk, truth: Mapping[str, bool]) -> None:
        self._desk = desk
        self._truth = truth
        self._rng = np.random.default_rng(3)

    def begin(self) -> None:
        """Say how cases are worked."""
        routine = msgspec.structs.replace(
            self._desk.summary().routine, random=DRAWN, learn=DRAWN, due_hours=DUE_HOURS, second=SECOND
        )
        why = "what do we miss, what would the model learn from, and do we agree?"
        self._desk.work(Work(routine, why), By("manager", why))

    def day(self, day: int) -> None:
        """Have two of the analysts work cases, by turns."""
        for number in range(CASES_A_DAY):
            who = ANALYSTS[(day + number % 2) % len(ANALYSTS)]
            case = self._desk.next(Next(), By(who, "next in the queue"))
            if case is None:
                return
            right = bool(self._rng.random() >= MISTAKEN)
            found = self._truth[case.id] == right
            minutes = float(self._rng.uniform(*MINUTES))
            words = "the customer did not know of it" if found else "the customer knows of it"
            self._desk.decide(Decide([case.id], found, words, minutes=round(minutes, 1)), By(who, words))


def brought(source: Source, system: System, now: datetime) -> tuple[Source, timedelta]:
    """Return a world that ends within the week before a moment, and how far it was moved: whole weeks, to the hour.

    Weekdays and hours stay, and with them every feature; what is said of the last days is said of the last days.

    Parameters
    ----------
    source, system
        The world, and the definitions.
    now
        The moment, UTC.
    """
    last = source.frames[system.decides.schema().name][system.decides.schema().time_field].max()
    assert isinstance(last, datetime)  # there are payments
    by = timedelta(weeks=(now - last.replace(tzinfo=last.tzinfo or UTC)) // timedelta(weeks=1))

    def moved(frame: pl.DataFrame) -> pl.DataFrame:
        return frame.with_columns(pl.col(pl.Datetime) + by)

    frames = {name: moved(frame) for name, frame in source.frames.items()}
    return replace(source, frames=frames, labels={name: moved(frame) for name, frame in source.labels.items()}), by


def _between(source: Source, system: System, span: Span) -> Source:
    """Return what happens and becomes known in a span."""

    def within(frame: pl.DataFrame, column: str) -> pl.DataFrame:
        return frame.filter(pl.col(column).is_between(span.begin, span.end, closed="left"))

    frames = {name: within(frame, system.schemas[name].time_field) for name, frame in source.frames.items()}
    return replace(source, frames=frames, labels={name: within(one, "known_at") for name, one in source.labels.items()})


def _faulty(source: Source, system: System, end: datetime) -> Source:
    """Return the same, with an app that does not send places for the last days."""
    schema = system.decides.schema()
    frame, since = source.frames[schema.name], end - timedelta(days=FAULT_DAYS)
    silent = (pl.col(schema.time_field) >= since) & (pl.col(schema.id_field).hash(7) % 2 == 0)
    columns = [name for name in frame.columns if name == "place" or name.startswith("place_")]
    emptied = frame.with_columns(pl.when(silent).then(None).otherwise(pl.col(name)).alias(name) for name in columns)
    return replace(source, frames={**source.frames, schema.name: emptied})


def _truth(source: Source, system: System) -> pl.DataFrame:
    assert source.truth is not None  # it is simulated
    return source.truth.select(system.decides.schema().id_field, pl.col("fraud").cast(pl.Boolean))


def _micros(at: datetime) -> int:
    return round(at.replace(tzinfo=at.tzinfo or UTC).timestamp() * 1e6)
