"""Jobs are run with the words of the command line, one at a time; those that fail are told until they do not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import NotFoundError, UnavailableError
from adjudge.log.holder import HolderLock
from adjudge.log.sqlite import SqliteLog
from adjudge.service.alerts.desks import at_rest
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.schedule.jobs import FILE, Schedule, last_begun, read_schedule
from adjudge.service.schedule.run import LOCK, Runner, job_of, run
from adjudge.service.server import python
from adjudge.service.settings import Settings
from tests.service.shop import purchase, shop

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)

JOBS = """
jobs:
- {id: lake, cron: "0 2 * * *", run: "export --to lake/{date}"}
- {id: watch, cron: "0 3 * * *", run: "monitor watch --alert"}
"""


class Desk:
    """A runner whose command lines do nothing but end as they are told to."""

    def __init__(self, folder: Path) -> None:
        self.codes = {"export": 0, "monitor": 0}
        self.started: list[list[str]] = []
        self.now = NOON
        self.schedule: Schedule = read_schedule(folder)
        self.settings = Settings(workspace=str(folder))
        self.runner = Runner(self.settings, self.schedule, self.start, now=lambda: self.now)

    def start(self, words: list[str]) -> int:
        self.started.append(words)
        return self.codes[words[0]]

    def incidents(self) -> list[str]:
        with at_rest(self.settings, "test") as desk:
            return [one.key for one in desk.view().incidents]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        decider = Decider([shop()], log)
        decider.decide("purchase", decider.workspace.door("purchase").rows([purchase(1)]).events)
    (tmp_path / FILE).write_text(JOBS)
    return tmp_path


def test_a_job_is_a_command_line_in_the_workspace(home: Path) -> None:
    desk = Desk(home)
    assert desk.runner.run(job_of(desk.schedule, "lake"), NOON - timedelta(days=1)) == 0
    assert desk.started == [["export", "--to", "lake/2026-04-30", "--workspace", str(home)]]
    assert last_begun(home) == {"lake": NOON}
    with pytest.raises(NotFoundError, match="did you mean 'lake'"):
        job_of(desk.schedule, "lakes")


def test_a_job_that_fails_is_told_until_it_does_not(home: Path) -> None:
    desk = Desk(home)
    lake, watch = desk.schedule.jobs
    desk.codes |= {"export": 2, "monitor": 1}
    assert desk.runner.run(lake) == 2
    assert desk.runner.run(watch) == 1  # something is the matter with the world, and not with the verb
    assert desk.incidents() == ["job:lake"]
    desk.codes["export"] = 0
    desk.runner.run(lake)
    assert desk.incidents() == []
    desk.codes["monitor"] = 2
    desk.runner.run(watch)
    assert desk.incidents() == ["job:watch"]


def test_what_was_missed_is_made_up_for_once(home: Path) -> None:
    desk = Desk(home)
    desk.runner.catch_up()
    assert desk.started == []  # never begun, so nothing was missed
    desk.runner.run(job_of(desk.schedule, "lake"))
    desk.now = NOON + timedelta(days=5)
    desk.runner.catch_up()
    assert [words[2] for words in desk.started] == ["lake/2026-05-01", "lake/2026-05-02"]
    desk.runner.catch_up()
    assert len(desk.started) == 2


def test_a_job_that_cannot_be_logged_is_run_all_the_same(home: Path) -> None:
    desk = Desk(home)
    desk.codes["export"] = 2
    with closing(SqliteLog(home / LOG_FILE)) as log:
        Decider([shop()], log)  # it holds the right to append
        assert desk.runner.run(job_of(desk.schedule, "lake")) == 2
    assert desk.incidents() == []
    desk.runner.run(job_of(desk.schedule, "lake"))
    assert desk.incidents() == ["job:lake"]


def test_what_the_end_of_the_schedule_cuts_short_counts_as_missed_and_not_as_failed(home: Path) -> None:
    desk = Desk(home)
    desk.codes["export"] = -15
    cut = Runner(desk.settings, desk.schedule, desk.start, now=lambda: desk.now, stopping=lambda: True)
    desk.now = datetime(2026, 5, 2, 2, tzinfo=UTC)
    cut.run(job_of(desk.schedule, "lake"))
    assert desk.incidents() == []
    desk.codes["export"] = 0
    desk.runner.catch_up()
    assert [words[2] for words in desk.started] == ["lake/2026-05-02"] * 2
    desk.runner.catch_up()
    assert len(desk.started) == 2


def test_two_schedules_of_one_workspace_are_one_too_many(home: Path) -> None:
    lock = HolderLock(home / LOCK)
    assert lock.take()
    try:
        with pytest.raises(UnavailableError, match="another process runs the schedule"):
            run(Settings(workspace=str(home)))
    finally:
        lock.give_back()


def test_the_command_line_lists_jobs_and_runs_one_now(home: Path) -> None:
    (home / FILE).write_text(JOBS.replace("--to lake/{date}", ""))
    listed = CliRunner().invoke(app, ["schedule", "list", "-w", str(home), "--json"], catch_exceptions=False)
    assert [(one["id"], one["last"]) for one in json.loads(listed.stdout)] == [("lake", None), ("watch", None)]
    done = CliRunner().invoke(app, ["schedule", "now", "lake", "-w", str(home)], catch_exceptions=False)
    assert done.exit_code == 0
    assert (home / "export" / "decisions").is_dir()
    assert [*last_begun(home)] == ["lake"]


@pytest.mark.slow
def test_a_schedule_runs_what_was_missed_and_ends_when_it_is_told_to(home: Path) -> None:
    (home / FILE).write_text(JOBS.replace("--to lake/{date}", ""))
    (home / "schedule.json").write_text(json.dumps({"lake": "2026-01-01T00:00:00Z"}))
    command = python("adjudge", "schedule", "run", "--workspace", str(home))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "job lake ended with exit code 0" in line:
                break
        child.send_signal(signal.SIGTERM)
        rest = child.stderr.read()
    assert child.returncode == 0
    assert "the schedule ended" in rest
    assert (home / "export" / "decisions").is_dir()
