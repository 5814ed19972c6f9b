"""The log as Parquet and SQL over it, from the command line."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.commands import analyse
from adjudge.errors import InputError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.home import LOG_FILE
from tests.commands.test_inspect import run
from tests.service.shop import many_purchases, shop


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Return a workspace in which 20 purchases were decided."""
    with closing(SqliteLog(tmp_path / LOG_FILE)) as log:
        decider = Decider([shop()], log)
        decider.decide("purchase", decider.workspace.door("purchase").rows(many_purchases(20)).events)
    return tmp_path


def test_a_log_is_exported_and_only_what_is_new_after_that(workspace: Path, tmp_path: Path) -> None:
    """Into the workspace's own folder, or into another one."""
    first = json.loads(run("export", "-w", str(workspace), "--json"))
    assert first["positions"] == [0, 21]
    assert first["rows"] == {"notes": 1, "events": 20, "decisions": 20, "features": 20}
    assert Path(first["folder"]) == workspace / "export"
    assert json.loads(run("export", "-w", str(workspace), "--json"))["files"] == 0
    assert "20" in run("export", "-w", str(workspace), "--to", str(tmp_path / "lake"))
    assert (tmp_path / "lake" / "events" / "stream=purchase").is_dir()


def test_a_question_is_answered_from_what_the_log_holds_now(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For people as a table, for programs as JSON."""
    question = "SELECT decision, count(*) AS n FROM decisions GROUP BY 1 ORDER BY 1"
    answered = json.loads(run("query", question, "-w", str(workspace), "--json"))
    assert sum(row["n"] for row in answered) == 20
    text = run("query", question, "-w", str(workspace))
    assert text.split()[:2] == ["decision", "n"]
    monkeypatch.setattr(analyse, "SHOWN", 5)
    assert "15 rows more" in run("query", "SELECT seq FROM decisions", "-w", str(workspace))


def test_what_is_too_wide_is_shown_row_by_row(workspace: Path) -> None:
    """In 80 columns, whatever is asked and whatever a value looks like."""
    text = run("query", "SELECT * FROM decisions LIMIT 2", "-w", str(workspace))
    assert max(map(len, text.splitlines())) <= 80
    assert [line for line in text.splitlines() if line.startswith("row ")] == ["row 1", "row 2"]
    assert len([line for line in text.splitlines() if line.startswith("decision ")]) == 2
    assert "[bold]not markup[/]" in run("query", "SELECT '[bold]not markup[/]' AS said", "-w", str(workspace))
    assert json.loads(run("query", "SELECT 0.5 AS a, NULL AS b, {'c': 1} AS d", "-w", str(workspace), "--json")) == [
        {"a": "0.5", "b": None, "d": {"c": 1}}
    ]


def test_what_is_wrong_is_one_sentence(workspace: Path, tmp_path: Path) -> None:
    """And nothing is made by looking."""
    found = CliRunner().invoke(app, ["query", "SELEC", "-w", str(workspace)]).exception
    assert isinstance(found, InputError)
    assert "syntax error" in str(found)
    missing = tmp_path / "typo"
    for verb in (["export"], ["query", "SELECT 1"]):
        found = CliRunner().invoke(app, [*verb, "-w", str(missing)]).exception
        assert isinstance(found, InputError)
        assert "there is no workspace in" in str(found)
    assert not missing.exists()


def test_no_rows_are_said_to_be_none(workspace: Path) -> None:
    told = run("query", "SELECT id, kind FROM labels WHERE false", "-w", str(workspace))
    assert told.splitlines()[-2:] == ["id  kind", "0 rows"]
    found = CliRunner().invoke(app, ["query", "SELECT nothing FROM labels", "-w", str(workspace)]).exception
    assert "nothing" in str(found)
    assert "Error:" not in str(found)
