"""The time line of whom an event is about: the newest decisions about them, with what became known of each."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from adjudge.service.decider import Decider
from adjudge.service.find import Finder, Hits
from adjudge.service.verdict import Stored

EARLIER = 8
"""Decisions of a time line."""


@dataclass(frozen=True)
class Line:
    """One time line.

    Parameters
    ----------
    field, value
        Whose: a key field and what it holds; empty where the event names nobody.
    hits
        The newest decisions up to the event in hand; None where there is nobody.
    said
        What became known of each, by the id of its event.
    """

    field: str = ""
    value: str = ""
    hits: Hits | None = None
    said: dict[str, dict[str, bool | str]] = dataclasses.field(default_factory=dict)

    @property
    def title(self) -> str:
        """Its title."""
        return f"Time line of {self.field} {self.value}" if self.field else "Time line"


def line_of(decider: Decider, finder: Finder, stored: Stored, seq: int) -> Line:
    """Return the time line of the first key field that an event has, up to the event, which stands at a position."""
    for name in finder.keys:
        value = stored.event.get(name)
        if value:
            found = finder.newest(name, str(value), seq + 1, EARLIER)
            ids = [hit.id for hit in found.hits]
            return Line(name, str(value), found, dict(zip(ids, decider.said(ids, finder.system), strict=True)))
    return Line()
