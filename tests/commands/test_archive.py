"""Archiving from the command line, as the guide says it; and the verbs that read an archive."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.engine import SECRET
from adjudge.errors import InputError, NotFoundError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.run import plan_of
from tests.documents import ROOT
from tests.service.shop import ManualClock

OLD, YOUNG = datetime(2020, 1, 2, 12, tzinfo=UTC), datetime(2120, 1, 2, 12, tzinfo=UTC)
"""Either side of whatever the command line takes for now."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace in which payments were decided long ago, and some more much later."""
    folder = tmp_path_factory.mktemp("filled") / "payments"
    clock = ManualClock(OLD + timedelta(hours=1))
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        decider = Decider([plan_of("payments")], log, clock=clock)
        for day in (OLD, YOUNG):
            clock.at = day + timedelta(hours=1)
            rows = [
                {"payment_id": f"{day.year}-{i}", "at": (day + timedelta(minutes=i)).isoformat(), "user": "ada"}
                | {"merchant": "m1", "amount": "12.50"}
                for i in range(3)
            ]
            decider.decide("payment", decider.workspace.door("payment").rows(rows).events)
    return folder


@pytest.fixture
def workspace(filled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of it in the present folder."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(filled, "payments"))


def run(*arguments: str, code: int = 0) -> str:
    """Run a verb and return what it printed."""
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments, catch_exceptions=False)
    assert done.exit_code == code, done.output
    assert max(map(len, done.stdout.splitlines()), default=0) <= 110 or "--json" in arguments
    return done.stdout


ARCHIVE = ("archive", "-w", "payments", "--older-than", "24h", "--who", "ops", "--why", "retention")


def test_the_guide_archives_and_proves(workspace: Path) -> None:
    """Every command of its section works in the order in which it stands there."""
    guide = (ROOT / "docs" / "guides" / "operate.md").read_text(encoding="utf-8")
    section = guide.split("## Archive\n")[1].split("\n## ")[0].replace("shop", "payments").replace("TX-1", "2020-1")
    steps = [shlex.split(line)[1:] for line in re.findall(r"^\$ (adjudge .*)$", section, re.MULTILINE)]
    assert len(steps) >= 5
    for step in steps:
        assert run(*step)


def test_a_dry_run_changes_nothing(workspace: Path) -> None:
    told = json.loads(run(*ARCHIVE, "--dry-run", "--json"))
    assert (told["entries"], told["positions"], told["files"], told["dropped"]) == (4, [0, 4], [], False)
    assert all(path.name.startswith(LOG_FILE) for path in workspace.iterdir())
    text = run(*ARCHIVE, "--dry-run")
    assert "entries" in text


def test_what_was_archived_is_read_where_it_is_given(workspace: Path) -> None:
    """Audit, replay, explain, export and snapshot read both as one log."""
    told = json.loads(run(*ARCHIVE, "--json"))
    assert (told["entries"], told["dropped"], len(told["files"])) == (4, True, 1)
    assert json.loads(run(*ARCHIVE, "--json"))["entries"] == 0
    both = ("-w", "payments", "--archive", "payments/archive", "--json")
    found = json.loads(run("audit", *both))
    assert (found["whole"], found["begin"][0], found["archived_to"]) == (True, 0, 4)
    alone = json.loads(run("audit", "-w", "payments", "--json"))
    assert (alone["whole"], alone["begin"][0]) == (True, 4)
    assert "what came before was archived" in run("audit", "-w", "payments")
    assert json.loads(run("replay", *both))["events"] == 6
    alone = json.loads(run("replay", "-w", "payments", "--json"))
    assert (alone["events"], alone["equal"]) == (3, True)
    with pytest.raises(NotFoundError, match="before position 4 was archived, and is looked at with --archive"):
        run("explain", "2020-0", "-w", "payments")
    assert json.loads(run("explain", "2020-0", *both))["agrees"]
    assert json.loads(run("explain", "2120-0", "-w", "payments", "--json"))["agrees"]
    assert json.loads(run("export", "-w", "payments", "--json"))["rows"]["decisions"] == 3
    assert json.loads(run("export", *both, "--to", "whole"))["rows"]["decisions"] == 6
    shutil.rmtree(workspace / "snapshots")
    assert "made snapshot" in run("snapshot", "-w", "payments", "--archive", "payments/archive")
    assert json.loads(run("explain", "2120-2", *both))["agrees"]


def test_an_age_is_days_or_hours(workspace: Path) -> None:
    arguments = list(ARCHIVE)
    arguments[4] = "a year"
    with pytest.raises(InputError, match="such as 400d or 12h, not 'a year'"):
        run(*arguments)
    with pytest.raises(InputError, match="in memory"):
        run(*ARCHIVE, "--log", "memory")


def test_the_secret_of_an_archived_log_is_replaced(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every hash there has ever been has to move, so the archive is read; it is never written to."""
    old, new = bytes(range(16)).hex(), bytes(range(16, 32)).hex()
    assert SECRET.hex() == old
    run(*ARCHIVE)
    files = {path: path.read_bytes() for path in (workspace / "archive").iterdir()}
    monkeypatch.setenv("ADJUDGE_NEW_SECRET", new)
    rekey = ("rekey", "-w", "payments", "--who", "officer", "--why", "once a year")
    with pytest.raises(InputError, match="give the archive"):
        run(*rekey)
    run(*rekey, "--archive", "payments/archive")
    assert {path: path.read_bytes() for path in (workspace / "archive").iterdir()} == files
    monkeypatch.setenv("ADJUDGE_SECRET", new)
    monkeypatch.setenv("ADJUDGE_EARLIER_SECRETS", old)
    both = ("-w", "payments", "--archive", "payments/archive", "--json")
    assert json.loads(run("audit", *both))["whole"]
    whole = json.loads(run("replay", *both))
    assert (whole["events"], whole["equal"]) == (6, True)
    assert json.loads(run("explain", "2120-0", "-w", "payments", "--json"))["labels"] == {}
