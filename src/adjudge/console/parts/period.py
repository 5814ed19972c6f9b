"""The period that a page looks back over: what its address says, its first and last day, and links to the others."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from adjudge.console.markup import Markup, tag
from adjudge.console.page import Query, whole

PERIODS = (7, 30, 90)
"""Days that can be looked at."""


def days_of(query: Query, otherwise: int) -> int:
    """Return the days that an address asks for, or otherwise so many.

    Examples
    --------
    >>> days_of({"days": "90"}, 7), days_of({"days": "8"}, 7), days_of({}, 7)
    (90, 7, 7)
    """
    days = whole(query, "days")
    return days if days in PERIODS else otherwise


def span(newest_us: int, days: int) -> tuple[str, str]:
    """Return the first of the last days up to a time, and the day after the last, as dates.

    Examples
    --------
    >>> span(1_767_225_600_000_000, 7)
    ('2025-12-26', '2026-01-02')
    """
    last = datetime.fromtimestamp(newest_us / 1e6, UTC).date()
    return str(last - timedelta(days=days - 1)), str(last + timedelta(days=1))


def short(dates: Sequence[str]) -> list[str]:
    """Return dates without their year, as they fit below a chart.

    Examples
    --------
    >>> short(["2026-05-03"])
    ['05-03']
    """
    return [date[5:] for date in dates]


def periods(path: str, days: int, system: str) -> Markup:
    """Return links to the periods of a page."""
    links = [
        tag(
            "a",
            f"{one} days",
            href=f"{path}?{urlencode({'days': one, 'system': system})}",
            aria_current="true" if one == days else None,
        )
        for one in PERIODS
    ]
    return tag("nav", links, class_="lists", aria_label="Period")
