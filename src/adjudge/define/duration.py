"""Durations: spelled as typed calls in definitions, printed as short stable text in names."""

from __future__ import annotations

from datetime import timedelta

from adjudge.errors import DefinitionError

MICROSECOND = timedelta(microseconds=1)
"""The resolution of event time."""

_UNITS = ((86_400_000_000, "d"), (3_600_000_000, "h"), (60_000_000, "m"), (1_000_000, "s"), (1_000, "ms"), (1, "us"))


def seconds(value: float) -> timedelta:
    """Return a duration of so many seconds.

    Examples
    --------
    >>> seconds(90)
    datetime.timedelta(seconds=90)
    """
    return timedelta(seconds=value)


def minutes(value: float) -> timedelta:
    """Return a duration of so many minutes.

    Examples
    --------
    >>> minutes(5)
    datetime.timedelta(seconds=300)
    """
    return timedelta(minutes=value)


def hours(value: float) -> timedelta:
    """Return a duration of so many hours.

    Examples
    --------
    >>> hours(1)
    datetime.timedelta(seconds=3600)
    """
    return timedelta(hours=value)


def days(value: float) -> timedelta:
    """Return a duration of so many days of 24 hours.

    Examples
    --------
    >>> days(30)
    datetime.timedelta(days=30)
    """
    return timedelta(days=value)


def micros(duration: timedelta) -> int:
    """Return a duration in whole microseconds, the unit of event time inside.

    Examples
    --------
    >>> micros(seconds(1))
    1000000
    """
    return duration // MICROSECOND


def duration_text(duration: timedelta) -> str:
    """Return the short text of a duration, as it stands in feature names.

    The largest unit that divides it exactly is used, so 24 hours are one day.

    Raises
    ------
    DefinitionError
        If it is no duration or not positive.

    Examples
    --------
    >>> duration_text(minutes(15)), duration_text(hours(24)), duration_text(hours(36))
    ('15m', '1d', '36h')
    """
    if not isinstance(duration, timedelta):
        msg = f"a window is a duration such as hours(1), not {duration!r}"
        raise DefinitionError(msg)
    length = micros(duration)
    if length <= 0:
        msg = f"a window must be longer than zero, not {duration}"
        raise DefinitionError(msg)
    for size, unit in _UNITS:
        if length % size == 0:
            return f"{length // size}{unit}"
    raise AssertionError(length)  # a microsecond divides every length
