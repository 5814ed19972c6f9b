"""Running a schedule: one process that waits, and one for each job, so that none can hurt another."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from adjudge.errors import AdjudgeError, NotFoundError, UnavailableError, did_you_mean
from adjudge.log.holder import HolderLock
from adjudge.monitor.alerts import Hysteresis, Signal
from adjudge.service.alerts.desks import Desk, RemoteAlerts, at_rest
from adjudge.service.alerts.looks import NewLook
from adjudge.service.logs import configure, say
from adjudge.service.schedule.jobs import (
    TELLING,
    Job,
    Schedule,
    last_begun,
    missed,
    note_begun,
    read_schedule,
    trigger,
)
from adjudge.service.server import python
from adjudge.service.settings import Settings

SOURCE = "schedule"
"""Source of the alerts about jobs that fail."""

MINUTE = timedelta(minutes=1)
"""What times of crontab are rounded to."""

LOCK = "schedule.lock"
"""File that is locked while a schedule runs."""

CUT_SHORT = 130
"""Exit code of what is not begun any more, as that of what is interrupted."""

Start = Callable[[list[str]], int]
"""Runs the words of a command line, and returns its exit code."""


class Runner:
    """Runs jobs, one at a time, and says how they went.

    Parameters
    ----------
    settings
        Where the workspace is.
    schedule
        Its jobs.
    start
        Runs a command line.
    url, key
        The service that runs on the workspace, and a key that may manage, for alerts; empty for one at rest.
    now
        Returns the time.
    stopping
        Returns whether the schedule was told to stop: what that cut short counts as missed, and not as failed.
    """

    def __init__(
        self,
        settings: Settings,
        schedule: Schedule,
        start: Start,
        *,
        url: str = "",
        key: str = "",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings, self._schedule, self._start = settings, schedule, start
        self._url, self._key, self._now, self._stopping = url, key, now, stopping
        self._turn = threading.Lock()
        self._failing: dict[str, str] = {}

    @property
    def folder(self) -> Path:
        """The workspace's folder."""
        return Path(self._settings.workspace)

    def run(self, job: Job, due: datetime | None = None) -> int:
        """Run a job to its end, and return its exit code.

        Parameters
        ----------
        job
            Which.
        due
            When it was due; now where absent.
        """
        with self._turn:
            begun = self._now()
            note_begun(self.folder, job, begun)
            words = job.words((due or begun).astimezone(self._schedule.zone))
            log = [] if self._settings.log == "sqlite" else ["--log", self._settings.log]
            code = self._start([*words, "--workspace", self._settings.workspace, *log])
            if code and self._stopping():
                note_begun(self.folder, job, (due or begun) - MINUTE)
                say(f"job {job.id} was cut short, and is run at the next start", "job_cut_short", job=job.id)
                return code
            failed = code not in ((0, 1) if job.verb in TELLING else (0,))
            seconds = (self._now() - begun).total_seconds()
            facts = {"job": job.id, "code": code, "seconds": round(seconds, 3), "failed": failed}
            say(f"job {job.id} ended with exit code {code} after {seconds:,.0f} s", "job_ended", **facts)
            self._tell(job, code, failed)
            return code

    def catch_up(self) -> None:
        """Run what was due while nobody was here, each job once."""
        begun = last_begun(self.folder)
        for job in self._schedule.jobs:
            due = missed(job, self._schedule.zone, begun.get(job.id), self._now())
            if due is not None:
                self.run(job, due)

    def _tell(self, job: Job, code: int, failed: bool) -> None:
        """Log which jobs fail now, where that has changed: whoever must know of alerts is told."""
        before = dict(self._failing)
        if failed:
            self._failing[job.id] = f"job {job.id} has failed with exit code {code}"
        else:
            self._failing.pop(job.id, None)
        if self._failing == before and not failed:
            return
        signals = [Signal(f"job:{id_}", words, SOURCE, True, "critical") for id_, words in self._failing.items()]
        look = NewLook(f"job {job.id} has ended", SOURCE, signals, None, Hysteresis(1, 1))
        try:
            if self._url:
                with RemoteAlerts(self._url, self._key) as remote:
                    remote.take(look)
            else:
                with at_rest(self._settings, SOURCE) as desk:
                    _take(desk, look)
        except AdjudgeError as error:
            say(f"that job {job.id} ended could not be logged: {error}", "job_not_logged", job=job.id)


def _take(desk: Desk, look: NewLook) -> None:
    desk.take(look)


def job_of(schedule: Schedule, id_: str) -> Job:
    """Return a job by its id; `NotFoundError` if there is none."""
    known = {job.id: job for job in schedule.jobs}
    if id_ not in known:
        message = f"there is no job {id_[:40]!r}{did_you_mean(id_[:40], known)}; there are {', '.join(known)}"
        raise NotFoundError(message)
    return known[id_]


def run(settings: Settings, *, url: str = "", key: str = "") -> None:
    """Run the jobs of a workspace at their times until the process is told to stop.

    Parameters
    ----------
    settings
        Where the workspace is.
    url, key
        See `Runner`.

    Raises
    ------
    InputError
        If there is no schedule, or it cannot be meant.
    UnavailableError
        If APScheduler is not installed, or another process runs the schedule.
    """
    folder = Path(settings.workspace)
    schedule = read_schedule(folder)
    configure(settings.log_format, settings.log_level)
    from apscheduler.executors.pool import ThreadPoolExecutor
    from apscheduler.schedulers.background import BackgroundScheduler

    lock, stop, children = HolderLock(folder / LOCK), threading.Event(), list[subprocess.Popen[bytes]]()
    if not lock.take():
        message = f"another process runs the schedule of the workspace in {settings.workspace!r}"
        raise UnavailableError(message)

    def start(words: list[str]) -> int:
        if stop.is_set():
            return CUT_SHORT
        children.clear()
        children.append(subprocess.Popen(python("adjudge", *words)))
        return children[-1].wait()

    def end(number: int, _: object) -> None:
        stop.set()
        for child in children:
            if child.poll() is None:
                child.terminate()

    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, end)
    runner = Runner(settings, schedule, start, url=url, key=key, stopping=stop.is_set)
    scheduler = BackgroundScheduler(
        timezone=schedule.zone,
        executors={"default": ThreadPoolExecutor(1)},  # one after another: a log has one writer
        job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
    )
    for job in schedule.jobs:
        scheduler.add_job(runner.run, trigger(job, schedule.zone), args=[job], id=job.id, name=job.id)
    began = time.monotonic()
    try:
        scheduler.add_job(runner.catch_up, id="what was missed")
        scheduler.start()
        say(f"{len(schedule.jobs)} jobs are scheduled", "schedule_started", jobs=[job.id for job in schedule.jobs])
        stop.wait()
    finally:
        scheduler.shutdown(wait=True)
        lock.give_back()
        seconds = time.monotonic() - began
        say(f"the schedule ended after {seconds:,.0f} s", "schedule_ended", seconds=round(seconds, 3))
