"""When people pay: hours, weekdays, months, holidays and pay days, as weights over hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np

from adjudge.typing import FloatArray

PAY_DAYS = (1, 15, 25)
"""Days of the month on which wages arrive, one for each customer."""

FIXED_HOLIDAYS = ((1, 1), (1, 6), (5, 1), (8, 15), (11, 1), (12, 25), (12, 26))
"""Month and day of the holidays that do not move; one common calendar for all countries, a simplification."""

BUSY_DAYS = ((2, 14, 1.25), (3, 8, 1.10), (5, 11, 1.10), (11, 28, 1.60), (12, 20, 1.35), (12, 23, 1.40))
"""Month, day and strength of shopping days; the two days before share half of the effect."""

WEEKDAY = (0.93, 0.94, 0.97, 1.02, 1.17, 1.16, 0.81)
"""Payments by weekday, Monday first."""

MONTH = (0.96, 0.95, 0.98, 1.0, 1.01, 1.01, 1.0, 0.97, 1.0, 1.0, 1.04, 1.12)
"""Payments by month."""

_COMMUTER = (1, 1, 0, 0, 0, 1, 4, 9, 10, 5, 4, 6, 11, 10, 6, 5, 7, 13, 15, 12, 9, 6, 4, 2)
_DAYTIME = (1, 0, 0, 0, 0, 1, 2, 4, 8, 12, 14, 13, 11, 10, 11, 12, 11, 9, 7, 5, 4, 3, 2, 1)
_EVENING = (4, 2, 1, 1, 0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 6, 7, 9, 12, 15, 17, 18, 16, 12, 8)
_NIGHT = (12, 10, 7, 5, 3, 2, 1, 1, 2, 2, 3, 5, 6, 6, 7, 7, 8, 9, 10, 12, 13, 14, 15, 14)
_EARLY = (0, 0, 0, 0, 1, 4, 8, 12, 14, 15, 14, 12, 9, 6, 6, 7, 6, 5, 3, 2, 1, 1, 0, 0)
_WEEKEND = (4, 3, 1, 1, 0, 0, 1, 2, 4, 8, 12, 14, 14, 13, 12, 12, 11, 11, 11, 12, 12, 10, 8, 6)

RHYTHMS: FloatArray = np.array([_COMMUTER, _DAYTIME, _EVENING, _NIGHT, _EARLY], dtype=np.float64) + 0.15
"""Weight of each local hour of a working day, one row for each kind of person."""

RHYTHM_SHARE = (0.34, 0.24, 0.25, 0.07, 0.10)
"""How common each rhythm is."""


def easter(year: int) -> date:
    """Return Easter Sunday of a year.

    Parameters
    ----------
    year
        Gregorian year.

    References
    ----------
    Meeus (1991), Astronomical Algorithms, chapter 8.

    Examples
    --------
    >>> easter(2025)
    datetime.date(2025, 4, 20)
    """
    a, (b, c) = year % 19, divmod(year, 100)
    d, e = divmod(b, 4)
    f = (b + 8) // 25
    g = (b - f + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)


def holidays(start: datetime, days: int) -> list[date]:
    """Return the holidays within and up to a week after the simulation.

    Parameters
    ----------
    start
        First moment.
    days
        Length of the simulation.

    Examples
    --------
    >>> holidays(datetime(2025, 1, 1), 10)
    [datetime.date(2025, 1, 1), datetime.date(2025, 1, 6)]
    """
    first, last = start.date(), start.date() + timedelta(days=days + 7)
    found = set()
    for year in range(first.year, last.year + 1):
        found |= {date(year, month, day) for month, day in FIXED_HOLIDAYS}
        found |= {easter(year) + timedelta(days=shift) for shift in (-2, 1)}
    return sorted(day for day in found if first <= day <= last)


def day_weights(rng: np.random.Generator, start: datetime, days: int) -> FloatArray:
    """Return the weight of every day for each pay day, shape (pay days, days).

    Weekday, month, holidays (quiet, with a rush before), shopping days, money just after the pay day and
    thrift before the next, and a slow random swell shared by all.

    Parameters
    ----------
    rng
        Source of randomness.
    start
        First moment.
    days
        Length of the simulation.
    """
    dates = [start.date() + timedelta(days=i) for i in range(days)]
    free = set(holidays(start, days))
    common = np.array([WEEKDAY[day.weekday()] * MONTH[day.month - 1] for day in dates])
    for i, day in enumerate(dates):
        if day in free:
            common[i] *= 0.62
        else:
            common[i] *= _rush(day, free)
    swell = np.zeros(days)
    for i in range(1, days):
        swell[i] = 0.7 * swell[i - 1] + rng.normal(0, 0.025)
    common *= np.exp(swell)
    since = np.array([[_days_since(day, pay) for day in dates] for pay in PAY_DAYS])
    result: FloatArray = common * (0.90 + 0.42 * np.exp(-since / 3.0))
    return result


def _rush(day: date, free: set[date]) -> float:
    factor = 1.0
    for ahead, strength in ((1, 1.28), (2, 1.14), (3, 1.06)):
        if day + timedelta(days=ahead) in free:
            factor = max(factor, strength)
    for month, number, strength in BUSY_DAYS:
        ahead = (date(day.year, month, number) - day).days
        if 0 <= ahead <= 2:
            factor = max(factor, strength if ahead == 0 else 1 + (strength - 1) / 2)
    return factor


def _days_since(day: date, pay: int) -> int:
    if day.day >= pay:
        return day.day - pay
    return day.day - pay + (day.replace(day=1) - timedelta(days=1)).day


def hour_weights(rng: np.random.Generator, start: datetime, days: int) -> FloatArray:
    """Return weights over all local hours for each (rhythm, pay day), shape (rhythms * pay days, 24 * days).

    Parameters
    ----------
    rng
        Source of randomness.
    start
        First moment.
    days
        Length of the simulation.
    """
    by_day = day_weights(rng, start, days)
    free = set(holidays(start, days))
    dates = [start.date() + timedelta(days=i) for i in range(days)]
    rest = np.array([day.weekday() >= 5 or day in free for day in dates])
    weekend = np.array(_WEEKEND, dtype=np.float64) + 0.15
    rows = []
    for rhythm in RHYTHMS:
        work_shape, rest_shape = (
            rhythm / rhythm.sum(),
            (0.3 * rhythm / rhythm.sum() + 0.7 * weekend / weekend.sum()),
        )
        shape = np.where(rest[:, None], rest_shape, work_shape)
        rows += [(weight[:, None] * shape).ravel() for weight in by_day]
    return np.array(rows)
