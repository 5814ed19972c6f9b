"""A log that is read beside deciding is the log, and whoever reads it rests."""

from __future__ import annotations

from pathlib import Path

import pytest

from adjudge.log import Commit, Kind, Log, MemoryLog
from adjudge.log.codec import Note, pack
from adjudge.log.scan import scan
from adjudge.log.sqlite import SqliteLog
from adjudge.service.paced import RESTS, STRETCH_S, Paced
from adjudge.service.versions.beside import MOST_S, Pace


class Watch:
    """A time that passes by half a stretch with each look, and by what is rested."""

    def __init__(self) -> None:
        self.now, self.rested = 0.0, list[float]()

    def __call__(self) -> float:
        self.now += STRETCH_S / 2
        return self.now

    def rest(self, seconds: float) -> None:
        """Rest."""
        self.rested.append(seconds)
        self.now += seconds


def filled(log: Log, commits: int = 40) -> Log:
    """Return a log with some notes in it."""
    for i in range(commits):
        end = log.end()
        payload = pack([Note(Kind.LISTS, b"%d" % i), Note(Kind.MANAGEMENT, b"{}")])
        log.append(Commit.after(end.link, end.position, count=2, received_at=i, payload=payload))
    return log


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_what_is_read_is_the_log_and_most_of_the_time_is_rest(kind: str, tmp_path: Path) -> None:
    log = filled(MemoryLog() if kind == "memory" else SqliteLog(tmp_path / "log"))
    watch = Watch()
    paced = Paced(log, Pace(watch, watch.rest, stretch_s=STRETCH_S, times=RESTS))
    assert [(s.first, s.block) for s in scan(paced)] == [(s.first, s.block) for s in scan(log)]
    assert (len(paced), paced.begin(), paced.end()) == (len(log), log.begin(), log.end())
    assert paced.storage() == log.storage()
    assert watch.rested
    assert all(one >= STRETCH_S * RESTS for one in watch.rested)
    assert sum(watch.rested) >= 0.7 * watch.now


def test_it_is_appended_to_as_ever() -> None:
    paced = Paced(MemoryLog())
    filled(paced, 3)
    assert len(paced) == 6
    lease = paced.acquire("me", now_us=0, ttl_us=10)
    assert lease is not None
    paced.renew(now_us=1, ttl_us=10)
    assert paced.lease() == paced.acquire("me", now_us=2, ttl_us=10) or paced.lease() is not None
    assert paced.drop(2) == 2
    assert not paced.maintain()
    paced.close()


def test_nobody_rests_for_having_waited() -> None:
    now, rested = [0.0], list[float]()
    pace = Pace(lambda: now[0], rested.append, stretch_s=STRETCH_S, times=RESTS)
    now[0] = 3_600.0
    pace.step()
    assert rested == [MOST_S * RESTS]
