"""The demo leaves a desk with something on every page; what it lives through is decided and logged like the rest."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adjudge.cli import app
from adjudge.discover import find
from adjudge.log import Kind
from adjudge.log.codec import Note, blocks_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.access.ledger import Act
from adjudge.service.home import LOG_FILE
from adjudge.systems.payments import demo, lived


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> demo.Result:
    """Return what a small demo leaves."""
    folder = tmp_path_factory.mktemp("demo")
    return demo.run(events=40_000, folder=folder, rate=300.0, requests=300, seed=7, told=lambda what, at, of: None)


def run(folder: Path, *words: str) -> str:
    done = CliRunner().invoke(app, [*words, "-w", str(folder / "workspace")], env={"COLUMNS": "120"})
    assert done.exit_code in (0, 1), done.output
    return done.stdout


def acts(folder: Path) -> list[Act]:
    """Return everything that people did."""
    with closing(SqliteLog(folder / "workspace" / LOG_FILE)) as log:
        blocks = [(first, commit, block) for commit in log.read(0) for first, block in blocks_of(commit)]
    return [
        Act.read(first, commit.received_at, block)
        for first, commit, block in blocks
        if isinstance(block, Note) and block.kind == Kind.MANAGEMENT
    ]


@pytest.mark.slow
def test_weeks_are_decided_and_worked_before_somebody_opens_the_desk(left: demo.Result) -> None:
    assert left.verification.passed
    told = json.loads(run(left.folder, "report", "--json", "--since", "2000-01-01"))
    assert told["decisions"] > 4_000
    assert len(told["weeks"]) >= 3
    assert told["savings"]["known"] > 0.01
    done = acts(left.folder)
    verdicts = Counter(act.who for act in done if act.action == "case_decided")
    assert set(lived.ANALYSTS) <= set(verdicts)
    assert min(verdicts[who] for who in lived.ANALYSTS) > 5
    assert {"cases_worked", "case_assigned"} <= {act.action for act in done}
    assert any(act.action.startswith("challenger") for act in done)


def test_a_world_that_is_moved_keeps_its_hours_and_weekdays() -> None:
    found = find("payments")
    assert found.simulate is not None
    source = found.simulate(20_000, seed=3)
    system, now = found.build(source.lists), datetime(2031, 5, 6, 7, tzinfo=UTC)
    moved, by = lived.brought(source, system, now)
    name, at = system.decides.schema().name, system.decides.schema().time_field
    before, after = source.frames[name][at], moved.frames[name][at]
    assert (after - before).unique().to_list() == [by]
    assert (before.dt.weekday() == after.dt.weekday()).all()
    assert (before.dt.time() == after.dt.time()).all()
    last = after.max()
    assert isinstance(last, datetime)
    assert timedelta(0) <= now - last.replace(tzinfo=UTC) < timedelta(weeks=1)
    for label, known in moved.labels.items():
        assert (known["known_at"] - source.labels[label]["known_at"]).unique().to_list() == [by]
