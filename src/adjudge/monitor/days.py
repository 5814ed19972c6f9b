"""The days of a span, and what is usual when: a day is compared with the hours and weekdays that it consists of.

Every row belongs to a UTC day and to a *cell*: the kind of its day (working day, Saturday, Sunday) and the part of
three hours, by local time where the rows have it. What is usual is learned for each cell, so a Saturday is held against
Saturdays, and half a day against mornings.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from adjudge.errors import InputError
from adjudge.typing import BoolArray, IntArray

DAY_US = 86_400_000_000
"""Microseconds of a day."""

HOUR_US = DAY_US // 24

PARTS = 8
"""Parts of a day."""

CELLS = 3 * PARTS
"""Kinds of days times parts of a day."""


@dataclass(frozen=True)
class Days:
    """Rows put into days and cells.

    Parameters
    ----------
    at
        Time of each row, microseconds UTC, shape (n,).
    local
        The same by the clock of the place, where known.
    first
        First day, counted from 1970.
    count
        How many days.
    watched
        Number of the first day that is watched; the days before it are the reference.
    """

    at: IntArray
    local: IntArray
    first: int
    count: int
    watched: int

    @property
    def day(self) -> IntArray:
        """Day of each row, from 0."""
        day: IntArray = self.at // DAY_US - self.first
        return day

    @property
    def hour(self) -> IntArray:
        """Local hour of each row."""
        hour: IntArray = self.local // HOUR_US % 24
        return hour

    @property
    def cell(self) -> IntArray:
        """Cell of each row."""
        weekday = (self.local // DAY_US + 3) % 7
        cell: IntArray = np.maximum(weekday - 4, 0) * PARTS + self.hour * PARTS // 24
        return cell

    @property
    def reference(self) -> BoolArray:
        """Which days are the reference, shape (days,)."""
        reference: BoolArray = np.arange(self.count) < self.watched
        return reference

    def start_us(self, day: int) -> int:
        """Return the midnight at which a day begins."""
        return (self.first + day) * DAY_US

    def date(self, day: int) -> str:
        """Return the date of a day."""
        return date_of(self.start_us(day))


def days_of(
    at: IntArray, watch_us: int | None, *, end_us: int | None = None, offset_min: IntArray | None = None
) -> Days:
    """Return the days of some rows.

    Parameters
    ----------
    at
        Time of each row, microseconds UTC.
    watch_us
        Rows from here on are watched, rows before it are the reference; rounded up to a midnight. None: all rows are
        the reference.
    end_us
        End of what is watched; the end of the last row's day unless given.
    offset_min
        Minutes by which the local clock is ahead.

    Raises
    ------
    InputError
        If there is no reference or nothing to watch.

    Examples
    --------
    >>> days = days_of(np.array([0, 30 * HOUR_US, 60 * HOUR_US]), 2 * DAY_US)
    >>> days.count, days.watched, days.day.tolist(), days.hour.tolist(), days.date(2)
    (3, 2, [0, 1, 2], [0, 6, 12], '1970-01-03')
    """
    if not len(at):
        message = "there are no events to look at"
        raise InputError(message, field="reference", code="nothing_to_compare")
    first = int(at.min()) // DAY_US
    end = int(at.max()) + 1 if end_us is None else end_us
    count = -(-end // DAY_US) - first
    watched = count if watch_us is None else -(-watch_us // DAY_US) - first
    if watch_us is not None and (watched < 1 or count <= watched):
        message = f"events run from {date_of(int(at.min()))} to {date_of(end - 1)}: nothing lies on one side of "
        message += date_of(watch_us)
        raise InputError(message, field="reference", code="nothing_to_compare")
    local = at if offset_min is None else at + offset_min.astype(np.int64) * 60_000_000
    return Days(at, local, first, count, watched)


def date_of(moment_us: int) -> str:
    """Return the UTC date of a moment.

    Examples
    --------
    >>> date_of(0)
    '1970-01-01'
    """
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=moment_us)).date().isoformat()
