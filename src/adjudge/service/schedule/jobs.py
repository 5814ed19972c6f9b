"""Jobs: which verb is run when; read from ``schedule.yaml`` in the workspace's folder."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from adjudge.errors import InputError, UnavailableError, did_you_mean

if TYPE_CHECKING:
    from apscheduler.triggers.cron import CronTrigger

FILE, STATE = "schedule.yaml", "schedule.json"
"""Names of the files in the workspace's folder: the jobs, and when each was last begun."""

VERBS = {
    "retrain": ("retrain",),
    "refresh": ("refresh",),
    "monitor": ("monitor", "watch"),
    "hotspots": ("hotspots", "find"),
    "snapshot": ("snapshot",),
    "export": ("export",),
    "nightly": ("nightly",),
    "report": ("report",),
    "outbox": ("outbox", "run"),
}
"""What can be scheduled, by its first word."""

TELLING = ("monitor", "hotspots")
"""Verbs whose exit code 1 says that something is the matter with the world, and not with the verb."""


class Job(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One verb at its times.

    Parameters
    ----------
    id
        Stable name.
    cron
        When, as five fields of crontab: minute, hour, day, month, weekday.
    run
        The words behind ``adjudge``; ``{date}`` in them is the day on which it was due, in the schedule's time zone.
    """

    id: str
    cron: str
    run: str

    def words(self, due: datetime) -> list[str]:
        """Return the words of the command line.

        Examples
        --------
        >>> Job("n", "0 2 * * *", "nightly in.csv --to nights/{date}").words(datetime(2026, 5, 1))
        ['nightly', 'in.csv', '--to', 'nights/2026-05-01']
        """
        return [word.replace("{date}", due.date().isoformat()) for word in shlex.split(self.run)]

    @property
    def verb(self) -> str:
        """Its first word."""
        return (shlex.split(self.run) or [""])[0]


class Schedule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What ``schedule.yaml`` says.

    Parameters
    ----------
    jobs
        The jobs; those that are due at once are run in this order.
    timezone
        By which clock, such as ``Europe/Berlin``.
    """

    jobs: list[Job]
    timezone: str = "UTC"

    @property
    def zone(self) -> tzinfo:
        """The time zone."""
        try:
            return ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError):
            message = f"{FILE}: there is no time zone {self.timezone!r}"
            raise InputError(message, field="timezone") from None


def read_schedule(workspace: Path) -> Schedule:
    """Return the schedule of a workspace.

    Parameters
    ----------
    workspace
        Its folder.

    Raises
    ------
    InputError
        If the file is missing, or says something that cannot be meant.
    UnavailableError
        If APScheduler is not installed.
    """
    path = workspace / FILE
    try:
        found = msgspec.yaml.decode(path.read_bytes(), type=Schedule)
    except FileNotFoundError:
        message = f"there is no {FILE} in {str(workspace)!r}; it says which verb is run when"
        raise InputError(message, field="workspace") from None
    except msgspec.DecodeError as error:
        message = f"{FILE}: {error}"
        raise InputError(message, field=FILE) from None
    for job in found.jobs:
        _check(job)
        trigger(job, found.zone)
    if len({job.id for job in found.jobs}) < len(found.jobs):
        message = f"{FILE}: two jobs have the same id"
        raise InputError(message, field="id")
    return found


def trigger(job: Job, zone: tzinfo) -> CronTrigger:
    """Return what says when a job is due.

    Raises
    ------
    InputError
        If its five fields cannot be meant.
    UnavailableError
        If APScheduler is not installed.
    """
    try:
        from apscheduler.triggers.cron import CronTrigger
    except ImportError:
        message = "schedules need APScheduler: pip install 'adjudge[schedule]'; or give the verbs to a cron of your own"
        raise UnavailableError(message) from None
    try:
        return CronTrigger.from_crontab(job.cron, timezone=zone)
    except ValueError as error:
        message = f"{FILE}: job {job.id!r}: {job.cron!r} is no time: {error}"
        raise InputError(message, field="cron") from None


def next_due(job: Job, zone: tzinfo, after: datetime) -> datetime | None:
    """Return when a job is due next, None if never.

    Examples
    --------
    >>> from datetime import UTC
    >>> next_due(Job("a", "30 2 * * *", "export"), UTC, datetime(2026, 5, 1, 3, tzinfo=UTC)).isoformat()
    '2026-05-02T02:30:00+00:00'
    """
    found: datetime | None = trigger(job, zone).get_next_fire_time(None, after)
    return found


def missed(job: Job, zone: tzinfo, last: datetime | None, now: datetime) -> datetime | None:
    """Return when a job was due for the first time since it was last begun, None if it was not.

    Parameters
    ----------
    job, zone
        Which, and by which clock.
    last
        When it was last begun; a job that was never begun has missed nothing.
    now
        The time.
    """
    if last is None:
        return None
    due = next_due(job, zone, last + timedelta(microseconds=1))
    return due if due is not None and due <= now else None


def last_begun(workspace: Path) -> dict[str, datetime]:
    """Return when each job was last begun."""
    path = workspace / STATE
    try:
        found: dict[str, datetime] = msgspec.json.decode(path.read_bytes(), type=dict[str, datetime])
    except FileNotFoundError:
        return {}
    except msgspec.DecodeError as error:
        message = f"{STATE} cannot be read: {error}; without it, nothing counts as missed"
        raise InputError(message, field=STATE) from None
    return found


def note_begun(workspace: Path, job: Job, at: datetime) -> None:
    """Write down that a job is begun."""
    path = workspace / STATE
    draft = path.with_name(path.name + ".part")
    draft.write_bytes(msgspec.json.encode({**last_begun(workspace), job.id: at}))
    draft.replace(path)


def _check(job: Job) -> None:
    try:
        words: list[Any] = shlex.split(job.run)
    except ValueError as error:
        message = f"{FILE}: job {job.id!r}: {error}"
        raise InputError(message, field="run") from None
    if not job.id.strip() or not job.id.isprintable():
        message = f"{FILE}: a job needs an id"
        raise InputError(message, field="id")
    first = words[0] if words else ""
    if first not in VERBS:
        message = f"{FILE}: job {job.id!r}: {first!r} cannot be scheduled{did_you_mean(first, VERBS)}; "
        message += f"there are {', '.join(VERBS)}"
        raise InputError(message, field="run")
    if tuple(words[: len(VERBS[first])]) != VERBS[first]:
        message = f"{FILE}: job {job.id!r}: of {first} only {' '.join(VERBS[first])!r} can be scheduled"
        raise InputError(message, field="run")
    given = {word.split("=")[0] for word in words}
    for option in ("--workspace", "-w", "--log"):
        if option in given:
            message = f"{FILE}: job {job.id!r}: the workspace is that of the schedule; leave out {option}"
            raise InputError(message, field="run")
