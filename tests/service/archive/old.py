"""A shop with a past: what the tests of archiving cut off, and everything that the rest of its log says about that."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from adjudge.engine.plan import Plan
from adjudge.log import Kind, Log
from adjudge.service.archive.run import Archiver, Place
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.workspace import Change
from tests.service.shop import START, ManualClock, Shop, many_purchases, purchase
from tests.service.test_decider import busy_day, label

CUT_US = round((START + timedelta(days=10)).timestamp() * 1e6)
"""A time between the two days that a shop was open."""

LATER = START + timedelta(days=20)
"""The second of these days."""

Opener = Callable[[], Log]
"""Opens the log once more."""


def place_in(folder: Path) -> Place:
    """Return where the parts of a workspace in a folder are."""
    return Place(folder, folder / "snapshots", folder / "archive")


def decider_on(plan: Plan, log: Log, folder: Path, at: ManualClock) -> Shop:
    """Return a shop that goes on with a log."""
    desk = Shop(plan)
    desk.clock = at
    follower = Follower([plan], log, folder / "snapshots", say=lambda said: None)
    desk.decider = Decider([plan], log, clock=at, follower=follower)
    return desk


def fill(plan: Plan, opener: Opener, folder: Path) -> str:
    """Fill a log with two days, the second of which says much about the first, and return the digest of its state."""
    clock = ManualClock()
    with closing(opener()) as log:
        desk = decider_on(plan, log, folder, clock)
        busy_day(desk)
        snapshot_of(plan, log, folder)
        clock.at = LATER + timedelta(hours=1)
        first, rows = many_purchases(120), many_purchases(60, seed=2, at=LATER)
        for i in range(0, 60, 10):
            desk.decide(*rows[i : i + 10])
            said = [label(first[k]["purchase_id"], k % 3 == 0) for k in range(3 * i, 3 * i + 9, 4) if k < 120]
            desk.decider.change(said)
            desk.decider.change([Change(Kind.RETRACTION, "purchase", first[i + 5]["purchase_id"])])
        desk.decider.change([label("not there yet")])
        snapshot_of(plan, log, folder)
        desk.decide(purchase("last", LATER, user="u3"))
        desk.decider.change([label(first[7]["purchase_id"])])
        return desk.decider.workspace.digest()


def snapshot_of(plan: Plan, log: Log, folder: Path) -> None:
    """Make a snapshot where a log ends."""
    follower = Follower([plan], log, folder / "snapshots", say=lambda said: None)
    follower.catch_up()
    follower.snapshot(folder / "snapshots")


def archive(plan: Plan, opener: Opener, folder: Path, before_us: int = CUT_US) -> int:
    """Archive what was admitted before a time, and return how many entries that is."""
    with closing(opener()) as log:
        archiver = Archiver([plan], log, place_in(folder), clock=ManualClock(LATER + timedelta(days=1)))
        cut = archiver.cut(before_us)
        archiver.write(cut)
        archiver.drop(cut, who="ops", why="retention")
        return cut.entries
