"""Housekeeping while the log is read and written: repacking moves commits, and nobody may notice."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjudge.log import chunks, sqlite
from adjudge.log.postgres import PostgresLog
from adjudge.log.segment import Segment
from adjudge.log.sqlite import SqliteLog
from tests.log.chains import after, extend

KEPT = 3

Maintained = SqliteLog | PostgresLog
Opener = Callable[[], Maintained]


@pytest.fixture(params=["sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opener:
    """Return what opens handles on one fresh log whose segments are short."""
    monkeypatch.setattr(chunks, "SEGMENT", 10)
    monkeypatch.setattr(chunks, "SLICE", 20)
    monkeypatch.setattr(sqlite, "DELETED_ROWS", 2)
    if request.param == "sqlite":
        return lambda: SqliteLog(tmp_path / "log.sqlite")
    url, schema = request.getfixturevalue("postgres_url"), uuid4().hex
    return lambda: PostgresLog(url, schema=schema)


@pytest.fixture
def log(opener: Opener) -> Iterator[Maintained]:
    """Return a fresh log of each kind, whose right to append is held."""
    with closing(opener()) as made:
        assert made.acquire("test", now_us=0, ttl_us=1) is not None
        yield made


def put_in_order(log: Maintained, keep: int = KEPT) -> None:
    """Do all the housekeeping that is due."""
    while log.maintain(keep=keep):
        pass


def packed_until(log: Maintained) -> int:
    """Return the position up to which commits are in segments."""
    position = log.begin().position
    while isinstance(found := log.find(position), Segment):
        position = found.stop
    return position


def test_repacking_changes_nothing_that_is_read(log: Maintained, opener: Opener) -> None:
    """Ranges, end and begin are as before, in this handle and in a new one; the log goes on."""
    made = extend(log, [1, 4, 7, 2, 9, 1, 1, 30, 2, 2, 2])
    put_in_order(log)
    assert packed_until(log) == 55
    with closing(opener()) as other:
        for reader in (log, other):
            assert list(reader.read()) == made
            assert reader.end() == made[-1].end
            for start in range(0, 62):
                assert list(reader.read(start, start + 3)) == [
                    c for c in made if c.first < start + 3 and c.stop > start
                ]
    made += extend(log, [1])
    assert list(log.read()) == made


def test_the_last_commit_stays_where_the_end_is_read(log: Maintained, opener: Opener) -> None:
    """However long it is, and however little is to be kept loose."""
    made = extend(log, [2, 50])
    put_in_order(log, 0)
    assert packed_until(log) == 0
    made += extend(log, [1])
    put_in_order(log, 0)
    assert packed_until(log) == 52
    with closing(opener()) as other:
        assert other.end() == made[-1].end
        assert list(other.read()) == made


def test_dropping_goes_through_segments(log: Maintained, opener: Opener) -> None:
    """A segment that is dropped in part is read from where the log begins; slices leave nothing behind."""
    made = extend(log, [3] * 40)
    put_in_order(log)
    assert log.drop(7) == 6
    assert list(log.read()) == made[2:]
    assert log.drop(100) == 99
    with closing(opener()) as other:
        assert other.begin() == made[32].end
        assert list(other.read()) == list(other.read(5)) == made[33:]
        assert other.find(98) is None
    put_in_order(log)
    made += extend(log, [1])
    assert list(log.read()) == made[33:]


def test_one_round_of_housekeeping_is_short(log: Maintained, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever does it has a right to renew in between."""
    extend(log, [5] * 100)
    assert log.maintain(keep=KEPT)
    assert packed_until(log) == 10 * chunks.ROUND
    put_in_order(log)
    assert packed_until(log) == 490
    assert not log.maintain(keep=KEPT)


def test_two_may_do_the_housekeeping_at_once(log: Maintained, opener: Opener) -> None:
    """The decider and its standby, say: whoever comes second leaves things as they are."""
    made = extend(log, [3] * 60)
    with closing(opener()) as other:
        threads = [threading.Thread(target=put_in_order, args=(one,)) for one in (log, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert packed_until(log) >= 160
    assert list(log.read()) == made


def test_nobody_notices_the_housekeeping(log: Maintained, opener: Opener) -> None:
    """One thread appends, one repacks, others read the whole log again and again, each seeing a whole prefix."""
    made, end = [], log.end()
    for count in [1, 2] * 150:
        made.append(after(end, count))
        end = made[-1].end
    done = threading.Event()
    appended = 0
    wrong: list[str] = []

    def read(reader: Maintained) -> None:
        while not done.is_set():
            least = appended
            seen = list(reader.read())
            if len(seen) < least or seen != made[: len(seen)]:
                wrong.append(f"{len(seen)} of at least {least}")

    def maintain() -> None:
        while not done.is_set():
            put_in_order(log)

    with closing(opener()) as other:
        threads = [threading.Thread(target=read, args=(reader,)) for reader in (log, other)]
        threads.append(threading.Thread(target=maintain))
        for thread in threads:
            thread.start()
        for commit in made:
            log.append(commit)
            appended += 1
        done.set()
        for thread in threads:
            thread.join()
    assert not wrong
    put_in_order(log)
    assert packed_until(log) > 430
    assert list(log.read()) == made


@given(sizes=st.lists(st.integers(1, 25), min_size=1, max_size=15), keep=st.integers(0, 30), before=st.integers(0, 99))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
def test_any_log_reads_the_same_after_any_housekeeping(
    opener: Opener, sizes: list[int], keep: int, before: int
) -> None:
    """Repacked, then cut at its beginning, then repacked again."""
    with closing(opener()) as log:
        assert log.acquire("test", now_us=0, ttl_us=1) is not None
        start = len(log)
        made = extend(log, sizes)
        put_in_order(log, keep)
        assert list(log.read(start)) == made
        begin = log.drop(start + before)
        put_in_order(log, keep)
        assert list(log.read(start)) == [c for c in made if c.stop > begin]
        assert log.end() == made[-1].end


def test_the_write_ahead_file_stays_small_under_constant_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts over as soon as it is long enough, although there is always something new in it."""
    monkeypatch.setattr(sqlite, "WAL_LIMIT", 64)
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        written, largest = 0, 0
        for _ in range(100):
            written += sum(len(c.payload) for c in extend(log, [600, 1, 600]))
            log.maintain()
            largest = max(largest, path.with_name("log.sqlite-wal").stat().st_size)
        assert written > 8 * largest


def test_housekeeping_that_was_cut_short_is_finished_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits that are in a segment and loose as well are read once, and the next round deletes them."""
    monkeypatch.setattr(chunks, "SEGMENT", 10)
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        made = extend(log, [3] * 10)
        with monkeypatch.context() as patch:
            patch.setattr(SqliteLog, "_delete_packed", lambda self, own: None)  # killed before it came to that
            put_in_order(log)
        assert rows(path) == (10, 2)
        assert list(log.read()) == made
        put_in_order(log)
        assert rows(path) == (2, 2)
        assert list(log.read()) == made


def rows(path: Path) -> tuple[int, int]:
    """Return how many commits are loose, and how many segments there are."""
    with closing(sqlite3.connect(path)) as own:
        row: tuple[int, int] = own.execute(
            "SELECT (SELECT count(*) FROM commits), (SELECT count(*) FROM segments)"
        ).fetchone()
        return row
