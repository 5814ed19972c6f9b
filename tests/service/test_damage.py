"""A log that somebody has edited: nobody decides on it, and whoever starts is told where it is damaged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from adjudge.log import LogError
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from tests.service.shop import Shop, many_purchases, shop

ROWS = many_purchases(30, seed=5, step_s=1.0)
PLAN = shop()


def kept(folder: Path, *, snapshot: bool) -> None:
    """Leave a log of some commits, and a snapshot at its end."""
    with closing(SqliteLog(folder / "log.sqlite")) as log:
        desk = Shop(PLAN)
        desk.decider = Decider([PLAN], log, clock=desk.clock)
        for row in ROWS:
            desk.decide(row)
        if snapshot:
            follower = Follower([PLAN], log, say=pytest.fail)
            follower.catch_up()
            follower.snapshot(folder / "snapshots")


def edit(folder: Path, first: int) -> None:
    """Change one byte of the commit at a position: the amount of a purchase."""
    with closing(sqlite3.connect(folder / "log.sqlite")) as file:
        (payload,) = file.execute("SELECT payload FROM commits WHERE first = ?", (first,)).fetchone()
        at = payload.index(b'"amount":"') + len(b'"amount":"')
        changed = payload[:at] + (b"1" if payload[at : at + 1] != b"1" else b"2") + payload[at + 1 :]
        file.execute("UPDATE commits SET payload = ? WHERE first = ?", (changed, first))
        file.commit()


@pytest.mark.parametrize("snapshot", [False, True])
@pytest.mark.parametrize("first", [1, 17, 30])
def test_nobody_decides_on_a_log_that_was_edited(tmp_path: Path, first: int, snapshot: bool) -> None:
    """Before a snapshot it is no longer read, save for its last commit; `adjudge audit` reads everything."""
    kept(tmp_path, snapshot=snapshot)
    edit(tmp_path, first)
    said: list[str] = []
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        if snapshot and first < 30:
            assert Follower([PLAN], log, tmp_path / "snapshots", say=said.append).catch_up() == 0
            return
        with pytest.raises(LogError, match=f"the log is damaged: the commit at {first} is not what was written"):
            Follower([PLAN], log, tmp_path / "snapshots", say=said.append).catch_up()
    assert len(said) == snapshot
