"""Moments: points in time as people write them in files, and the one way in which they are written back."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

from adjudge.errors import DefinitionError

Moment = datetime | date | str
"""A point in time as it may be given: a day means its beginning, UTC."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def moment(given: Moment, what: str) -> datetime:
    """Return a point in time, in UTC.

    Parameters
    ----------
    given
        An aware datetime, a day, or either as ISO 8601.
    what
        What it is, for errors.

    Raises
    ------
    DefinitionError
        If it is none, or has no offset.

    Examples
    --------
    >>> moment("2026-12-31", "expires").isoformat(), moment("2026-12-31T10:00:00+01:00", "expires").isoformat()
    ('2026-12-31T00:00:00+00:00', '2026-12-31T09:00:00+00:00')
    """
    found: object = given
    if isinstance(given, str):
        try:
            found = date.fromisoformat(given) if len(given) == 10 else datetime.fromisoformat(given)
        except ValueError:
            found = None
    if isinstance(found, datetime) and found.tzinfo is None:
        message = f"{what} needs an offset from UTC, such as {found.isoformat(timespec='seconds')}Z, or a day alone"
        raise DefinitionError(message)
    if isinstance(found, datetime):
        return found.astimezone(UTC)
    if isinstance(found, date):
        return datetime.combine(found, time(), UTC)
    message = f"{what} is a day such as 2026-12-31 or a time such as 2026-12-31T18:00:00+01:00, not {given!r}"
    raise DefinitionError(message)


def moment_text(given: datetime) -> str:
    """Return a point in time as it is written: the day alone where it is its beginning.

    Examples
    --------
    >>> moment_text(moment("2026-12-31", "")), moment_text(moment("2026-12-31T10:00:00+01:00", ""))
    ('2026-12-31', '2026-12-31T09:00:00Z')
    """
    utc = given.astimezone(UTC)
    if utc.time() == time():
        return utc.date().isoformat()
    return utc.replace(tzinfo=None).isoformat() + "Z"


def moment_us(given: datetime) -> int:
    """Return a point in time as microseconds since 1970 UTC, the unit of event time inside.

    Examples
    --------
    >>> moment_us(moment("1970-01-02", ""))
    86400000000
    """
    since = given - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
