"""What comes in, hour by hour, where a simulated world is lived through: events, and what becomes known of them."""

from __future__ import annotations

from dataclasses import dataclass

from adjudge.engine import Plan
from adjudge.errors import InputError
from adjudge.learn.source import Source
from adjudge.service.decode import EventDecoder, EventStruct
from adjudge.service.past import told_of
from adjudge.service.table import value
from adjudge.service.workspace import Change

SLOT_US = 3_600_000_000
"""Labels and payments of an hour come together: first what was reported by then."""


@dataclass
class Past:
    """What comes in, in the order in which it does: encoded once, decided as often as it is lived.

    Parameters
    ----------
    source
        The simulated world as streams and labels.
    events
        Of each stream its events by the hour of their time.
    changes
        What becomes known by the hour in which it does.
    hours
        All hours, in order.
    """

    source: Source
    events: dict[str, dict[int, list[EventStruct]]]
    changes: dict[int, list[Change]]
    hours: list[int]

    @classmethod
    def of(cls, source: Source, plan: Plan) -> Past:
        """Return it of a source."""
        events = {name: _by_hour(source, plan, name) for name in sorted(source.frames, key=plan.decides.__eq__)}
        changes: dict[int, list[Change]] = {}
        for name, frame in source.labels.items():
            known = frame.sort("known_at", maintain_order=True)
            hours = (known["known_at"].dt.epoch("us") // SLOT_US).to_list()
            for hour, change in zip(hours, told_of(plan, plan.truth(name), known), strict=True):
                changes.setdefault(hour, []).append(change)
        last = max(events[plan.decides])
        hours = sorted({*changes, *(hour for by in events.values() for hour in by)})
        return cls(source, events, changes, [hour for hour in hours if hour <= last])


def _by_hour(source: Source, plan: Plan, stream: str) -> dict[int, list[EventStruct]]:
    schema = plan.schema(stream)
    frame = source.frames[stream].sort(schema.time_field, maintain_order=True)
    hours = (frame[schema.time_field].dt.epoch("us") // SLOT_US).to_list()
    rows = ({f.name: value(f, row) for f in schema} for row in frame.iter_rows(named=True))
    decoded = EventDecoder(schema).rows(rows)
    if decoded.errors:
        raise InputError(decoded.errors[0].message, field=decoded.errors[0].field)
    found: dict[int, list[EventStruct]] = {}
    for hour, event in zip(hours, decoded.events, strict=True):
        found.setdefault(hour, []).append(event)
    return found


class Clock:
    """Shows the hour that is being lived."""

    def __init__(self) -> None:
        self.now_us = 0

    def __call__(self) -> int:
        """Return microseconds since 1970 UTC."""
        return self.now_us
