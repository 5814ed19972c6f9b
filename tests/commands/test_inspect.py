"""Looking at what was decided, from the command line: what is true is shown, what is wrong is one sentence."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.errors import InputError, NotFoundError
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from adjudge.service.run import plan_of
from adjudge.service.workspace import Change

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a workspace in which three payments were decided, the last of them by itself, and one labelled."""
    folder = tmp_path_factory.mktemp("workspace")
    plan = plan_of("payments")
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        decider = Decider([plan], log)
        rows = [
            {"payment_id": f"p{i}", "at": (NOON + timedelta(minutes=i)).isoformat(), "user": "ada", "merchant": "m1"}
            | {"amount": "12.50"}
            for i in range(3)
        ]
        events = decider.workspace.door("payment").rows(rows).events
        decider.decide("payment", events[:2])
        decider.decide("payment", events[2:])
        decider.change([Change(Kind.LABEL, "payment", "p2", "fraud", 1.0)])
    return folder


def run(*arguments: str, code: int = 0) -> str:
    """Run a verb and return what it printed."""
    done = CliRunner(env={"COLUMNS": "80"}).invoke(app, arguments)
    assert done.exit_code == code, done.output
    return done.stdout


def test_a_log_replays_to_the_same_bits(workspace: Path) -> None:
    """All of it, or from a position on."""
    whole = json.loads(run("replay", "-w", str(workspace), "--json"))
    assert (whole["events"], whole["features_differing"], whole["scores_differing"]) == (3, 0, 0)
    assert whole["equal"] is True
    assert whole["features_compared"] > 600
    part = json.loads(run("replay", "-w", str(workspace), "--from", "3", "--json"))
    assert part["events"] == 1
    text = run("replay", "-w", str(workspace))
    assert "all agree" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_snapshot_is_made_once(workspace: Path) -> None:
    """And is what a later replay begins with."""
    assert "made snapshot" in run("snapshot", "-w", str(workspace))
    assert "nothing is new" in run("snapshot", "-w", str(workspace))
    assert json.loads(run("replay", "-w", str(workspace), "--from", "5", "--json"))["events"] == 0


def test_a_decision_is_explained(workspace: Path) -> None:
    """With the rows behind its features and the labels since."""
    told = json.loads(run("explain", "p2", "-w", str(workspace), "--json"))
    assert told["agrees"] is True
    assert told["labels"] == {"fraud": True}
    assert {f["name"]: f["rows"] for f in told["features"]}["user_count_1h"] == [1, 2]
    text = run("explain", "p2", "-w", str(workspace))
    assert "every bit is the same" in text
    assert "user_count_1h" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_whole_log_is_proven(workspace: Path) -> None:
    """And the end that is printed proves later that nothing up to it was rewritten."""
    found = json.loads(run("audit", "-w", str(workspace), "--json"))
    assert (found["whole"], found["end"][0]) == (True, 5)
    noted = f"{found['end'][0]}:{found['end'][1]}"
    assert "whole" in run("audit", "-w", str(workspace), "--known", noted)
    assert noted in run("audit", "-w", str(workspace))
    wrong = run("audit", "-w", str(workspace), "--known", "5:" + "00" * 32, code=1)
    assert "broken at position 5" in wrong
    health = json.loads(run("doctor", "-w", str(workspace), "--json"))
    assert health["healthy"] is True
    assert {"chain", "ids", "holder"} <= {f["name"] for f in health["findings"]}


def test_what_was_changed_behind_its_back_is_named(workspace: Path, tmp_path: Path) -> None:
    """The log by its position, a snapshot by its file."""
    run("snapshot", "-w", str(workspace))
    copy = tmp_path / "copy"
    shutil.copytree(workspace, copy)
    with closing(sqlite3.connect(copy / LOG_FILE)) as file:
        (payload,) = file.execute("SELECT payload FROM commits WHERE first = 1").fetchone()
        file.execute("UPDATE commits SET payload = ? WHERE first = 1", (payload.replace(b"12.50", b"92.50"),))
        file.commit()
    assert json.loads(run("audit", "-w", str(copy), "--json", code=1))["broken"]["position"] == 1
    array = next((copy / "snapshots").glob("*/*.npy"))
    array.write_bytes(array.read_bytes()[:-1] + b"x")
    health = json.loads(run("doctor", "-w", str(copy), "--json", code=1))
    faults = {f["name"]: f["says"] for f in health["findings"] if f["level"] == "fault"}
    assert "position 1" in faults["chain"]
    assert array.name in faults[f"snapshot {array.parent.name}"]
    text = run("doctor", "-w", str(copy), code=1)
    assert max(map(len, text.splitlines())) <= 80


def test_what_is_not_there_is_one_sentence(workspace: Path, tmp_path: Path) -> None:
    """And nothing is made by looking."""
    runner = CliRunner()
    found = runner.invoke(app, ["explain", "nobody", "-w", str(workspace)]).exception
    assert isinstance(found, NotFoundError)
    found = runner.invoke(app, ["audit", "-w", str(workspace), "--known", "5-00"]).exception
    assert isinstance(found, InputError)
    assert "--known takes a position and a link" in str(found)
    missing = tmp_path / "typo"
    for verb in (["replay"], ["explain", "p1"], ["snapshot"], ["audit"]):
        found = runner.invoke(app, [*verb, "-w", str(missing)]).exception
        assert isinstance(found, InputError)
        assert "there is no workspace in" in str(found)
    assert not missing.exists()


@pytest.mark.parametrize("left", [None, b""])
def test_where_there_is_no_log_looking_makes_none(left: bytes | None, tmp_path: Path) -> None:
    """A file that is missing or empty is a log that was lost, and no new one."""
    folder = tmp_path / "lost"
    folder.mkdir()
    (folder / "outbox.yaml").write_text("endpoints: []\n")
    if left is not None:
        (folder / LOG_FILE).write_bytes(left)
    before = [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]
    for verb in (
        "replay",
        "explain p1",
        "snapshot",
        "audit",
        "export",
        "query FROM",
        f"backup {tmp_path / 'copy'}",
        "outbox run",
    ):
        found = CliRunner().invoke(app, [*verb.split(), "-w", str(folder)]).exception
        assert isinstance(found, InputError), verb
        assert "there is no log here" in str(found)
    run("doctor", "-w", str(folder), code=1)
    assert [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())] == before
    assert not (tmp_path / "copy").exists()


def test_a_log_that_has_lost_its_end_is_told_by_whoever_looks(workspace: Path, tmp_path: Path) -> None:
    """Somebody has deleted the newest commits: the snapshot that was made of them says so."""
    folder = tmp_path / "short"
    shutil.copytree(workspace, folder)
    run("snapshot", "-w", str(folder))
    with closing(sqlite3.connect(folder / LOG_FILE)) as log:
        log.execute("DELETE FROM commits WHERE first = (SELECT max(first) FROM commits)")
        log.commit()
    for verb in ("audit", "doctor"):
        done = CliRunner(env={"COLUMNS": "500"}).invoke(app, [verb, "-w", str(folder)])
        assert done.exit_code == 1
        assert "entries that were acknowledged are missing" in done.output
