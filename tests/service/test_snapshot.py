"""Snapshots and following: whatever of the log is in a snapshot, the state comes out the same."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from adjudge.log import MemoryLog
from adjudge.log.holder import HolderLock
from adjudge.service import snapshot
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.snapshot import SnapshotError
from tests.service.shop import Shop, purchase, shop
from tests.service.test_decider import busy_day, label


@pytest.fixture(scope="module")
def plan() -> Any:
    """Compile the shop once."""
    return shop()


@pytest.fixture
def desk(plan: Any) -> Shop:
    """Return a decider after a busy day, with labels that wait for their events."""
    made = Shop(plan)
    busy_day(made)
    made.decider.change([label("early"), label("earlier", False), label("early", False)])
    return made


def quiet(text: str) -> None:
    """Take a message that is not expected."""
    pytest.fail(text)


def same(follower: Follower, desk: Shop) -> None:
    """Check that a follower has come to a desk's state, and goes on like it."""
    mine, theirs = follower.workspace, desk.decider.workspace
    assert mine.digest() == theirs.digest()
    assert (mine.newest_us, mine.decided, mine.waiting) == (theirs.newest_us, theirs.decided, theirs.waiting)
    assert mine.waiting_changes == theirs.waiting_changes
    assert mine.active == theirs.active
    for name in theirs.doors:
        for a, b in ((mine.ids, theirs.ids), (mine.retracted, theirs.retracted)):
            left, right = a[name].arrays(), b[name].arrays()
            assert {k: v.tolist() for k, v in left.items()} == {k: v.tolist() for k, v in right.items()}


@pytest.mark.parametrize("share", [0.0, 0.3, 0.7, 1.0])
def test_a_snapshot_and_the_rest_of_the_log_give_the_same_state(
    desk: Shop, plan: Any, tmp_path: Path, share: float
) -> None:
    """At whatever commit the snapshot was made; and the next decisions are the same, byte for byte."""
    commits = list(desk.decider.log.read())
    cut = int(share * len(commits))
    part = MemoryLog()
    for commit in commits[:cut]:
        part.append(commit)
    early = Follower([plan], part, say=quiet)
    early.catch_up()
    made = early.snapshot(tmp_path)
    assert snapshot.facts_of(made).end == part.end()
    follower = Follower([plan], desk.decider.log, tmp_path, say=quiet)
    assert follower.restored == len(part)
    assert follower.catch_up() == len(desk.decider.log) - len(part)
    same(follower, desk)
    copy = MemoryLog()
    for commit in commits:
        copy.append(commit)
    other = Shop(plan)
    other.clock.at = desk.clock.at
    other.decider = Decider([plan], copy, clock=other.clock, follower=Follower([plan], copy, tmp_path, say=quiet))
    rows = [purchase("early", desk.clock.at), purchase("later", desk.clock.at)]
    assert [v | {"latency_ms": 0} for v in other.decide(*rows)] == [v | {"latency_ms": 0} for v in desk.decide(*rows)]
    assert other.decider.workspace.digest() == desk.decider.workspace.digest()


def test_a_follower_keeps_up(desk: Shop, plan: Any) -> None:
    """As often as there is something new."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    same(follower, desk)
    desk.decide(purchase("more"))
    desk.decider.change([label("more")])
    assert follower.catch_up() == 2
    assert follower.catch_up() == 0
    same(follower, desk)


def test_every_flipped_byte_of_a_snapshot_is_noticed(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """It is passed over for the one before, with a sentence that names what is damaged."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    follower.snapshot(tmp_path)
    desk.decide(purchase("more"))
    follower.catch_up()
    newest = follower.snapshot(tmp_path)
    for path in sorted(newest.iterdir()):
        content = path.read_bytes()
        for at in {0, len(content) // 2, len(content) - 1}:
            path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
            told: list[str] = []
            again = Follower([plan], desk.decider.log, tmp_path, say=told.append)
            assert len(told) == 1, path
            assert newest.name in told[0]
            assert again.restored == follower.end.position - 1
            again.catch_up()
            same(again, desk)
        path.write_bytes(content)
    (newest / snapshot.MANIFEST).unlink()
    shutil.rmtree(tmp_path / f"{follower.end.position - 1:016d}")
    told = []
    again = Follower([plan], desk.decider.log, tmp_path, say=told.append)
    assert (again.restored, len(told)) == (0, 1)
    again.catch_up()
    same(again, desk)


def test_a_snapshot_of_another_log_or_other_definitions_is_passed_over(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """What it holds would be true of nothing here."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    made = follower.snapshot(tmp_path)
    other = Shop(plan)
    busy_day(other)
    other.decide(*(purchase(f"more {i}") for i in range(5)))
    with pytest.raises(SnapshotError, match="does not belong to this log"):
        snapshot.load([plan], other.decider.log, made)
    with pytest.raises(SnapshotError, match="other definitions"):
        snapshot.load([shop("boutique")], desk.decider.log, made)
    without_model = shop(model=False, rules=False)  # decides otherwise, and keeps the same histories
    assert snapshot.load([without_model], desk.decider.log, made)[1] == follower.end


def test_a_log_that_has_lost_its_end_is_an_error_of_operation(
    desk: Shop, plan: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What was acknowledged is missing: that is told apart from a snapshot of another log."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    follower.snapshot(tmp_path)
    *kept, _ = desk.decider.log.read()
    short = MemoryLog()
    for commit in kept:
        short.append(commit)
    told: list[str] = []
    assert Follower([plan], short, tmp_path, say=told.append).restored == 0
    (record,) = (r for r in caplog.records if getattr(r, "event", "") == "log_shorter_than_snapshot")
    assert record.levelname == "ERROR"
    assert f"the log ends at position {len(short)}, but snapshot" in record.getMessage()
    assert f"was made at {len(desk.decider.log)}: entries that were acknowledged are missing" in record.getMessage()


def test_only_the_newest_snapshots_are_kept(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """Made twice at one position it is one; nothing half written is left behind."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    assert follower.snapshot(tmp_path) == follower.snapshot(tmp_path)
    for i in range(snapshot.KEEP + 1):
        desk.decide(purchase(f"more{i}"))
        follower.catch_up()
        follower.snapshot(tmp_path)
    ends = [int(path.name) for path in snapshot.found(tmp_path)]
    assert ends == sorted(ends, reverse=True)
    assert (len(ends), ends[0]) == (snapshot.KEEP, follower.end.position)
    assert {path.name for path in tmp_path.iterdir()} == {path.name for path in snapshot.found(tmp_path)}


def test_an_archived_beginning_needs_a_snapshot(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """With one that reaches back to where the log begins now all goes on; without one that is an error."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    follower.snapshot(tmp_path)
    desk.decide(purchase("more"))
    desk.decider.log.drop(follower.end.position)
    with pytest.raises(SnapshotError, match="archived"):
        Follower([plan], desk.decider.log, say=quiet)
    again = Follower([plan], desk.decider.log, tmp_path, say=quiet)
    assert again.catch_up() == 1
    same(again, desk)


def test_a_follower_knows_when_the_next_snapshot_is_due(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """A standby makes one after so many entries, and not whenever it looks."""
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    assert (follower.restored, follower.saved) == (0, 0)
    follower.snapshot(tmp_path)
    assert (follower.restored, follower.saved) == (0, follower.end.position)
    again = Follower([plan], desk.decider.log, tmp_path, say=quiet)
    assert (again.restored, again.saved) == (follower.end.position,) * 2


def test_what_a_killed_process_has_left_half_written_is_removed(desk: Shop, plan: Any, tmp_path: Path) -> None:
    """And what another one is writing right now is left alone."""
    left, busy = tmp_path / ".building-left", tmp_path / ".building-busy"
    for folder in (left, busy):
        folder.mkdir()
        (folder / snapshot.LOCK).touch()
    writing = HolderLock(busy / snapshot.LOCK)
    assert writing.take()
    follower = Follower([plan], desk.decider.log, say=quiet)
    follower.catch_up()
    made = follower.snapshot(tmp_path)
    writing.give_back()
    assert {path.name for path in tmp_path.iterdir()} == {made.name, busy.name}
    assert not (made / snapshot.LOCK).exists()
