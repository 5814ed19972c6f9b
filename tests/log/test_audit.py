"""Auditing: whoever edits a log behind its back is found, at the first commit that is not what was appended."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NoReturn

import pytest

from adjudge.log import Commit, End, LogUnavailableError, MemoryLog, chunks
from adjudge.log.audit import Audit, Break, audit
from adjudge.log.segment import Segment, segment_of
from adjudge.log.sqlite import SqliteLog
from tests.log.chains import extend

CHANGED = "the commit, or the link before it, is not the one that was appended"

Edit = Callable[[sqlite3.Connection], object]


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a log with two segments up to position 20 and five loose commits from there on."""
    monkeypatch.setattr(chunks, "SEGMENT", 10)
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        extend(log, [2, 3, 5, 4, 6])
        extend(log, [1, 2, 1, 1, 1])
        while log.maintain(keep=6):
            pass
        assert log.storage().segments == 2
    return path


def audited(path: Path, *edits: Edit) -> Audit:
    """Edit a log behind its back, and audit it."""
    with closing(sqlite3.connect(path)) as file:
        for edit in edits:
            edit(file)
        file.commit()
    with closing(SqliteLog(path)) as log:
        return audit(log)


def sql(statement: str, *values: object) -> Edit:
    """Return the edit that a statement makes."""
    return lambda file: file.execute(statement, values)


def in_segment(first: int, change: Callable[[list[Commit]], list[Commit]]) -> Edit:
    """Return the edit that changes the commits of a segment, with a checksum to match."""

    def edit(file: sqlite3.Connection) -> None:
        (packed,) = file.execute("SELECT packed FROM segments WHERE first = ?", (first,)).fetchone()
        forged = segment_of(change(Segment(packed).commits()))
        file.execute("UPDATE segments SET packed = ? WHERE first = ?", (forged, first))

    return edit


def with_payload(commit: Commit, payload: bytes) -> Commit:
    return Commit(commit.first, commit.count, commit.received_at, payload, commit.link)


def test_a_log_that_nobody_touched_is_whole(path: Path) -> None:
    """Its end is worth noting; progress reaches it."""
    steps: list[tuple[int, int]] = []
    with closing(SqliteLog(path)) as log:
        found = audit(log, told=lambda at, stop: steps.append((at, stop)))
        assert found == Audit((0, bytes(32).hex()), (26, log.end().link.hex()), 10, None)
    assert found.whole
    assert steps[-1] == (26, 26)


@pytest.mark.parametrize(
    ("edit", "position", "reason"),
    [
        (sql("UPDATE commits SET payload = x'00' WHERE first = 21"), 21, CHANGED),
        (sql("UPDATE commits SET payload = 'text' WHERE first = 20"), 20, "values of another kind"),
        (sql("UPDATE commits SET received_at = received_at + 1 WHERE first = 21"), 21, CHANGED),
        (sql("UPDATE commits SET link = zeroblob(32) WHERE first = 23"), 23, CHANGED),
        (sql("UPDATE commits SET count = 1 WHERE first = 21"), 21, CHANGED),
        (sql("DELETE FROM commits WHERE first = 21"), 21, "the next commit begins at 23"),
        (sql("UPDATE commits SET first = 99 WHERE first = 25"), 25, "begins at 99"),
        (sql("DELETE FROM segments WHERE first = 10"), 10, "the next commit begins at 20"),
        (sql("UPDATE begin SET position = 10"), 10, CHANGED),
        (in_segment(0, lambda made: [made[0], with_payload(made[1], b"nothing"), made[2]]), 2, CHANGED),
        (in_segment(10, lambda made: made[1:]), 10, "the next commit begins at 14"),
        (sql("UPDATE segments SET packed = substr(packed, 1, 40) WHERE first = 10"), 10, "checksum"),
        (sql("UPDATE segments SET packed = x'09' WHERE first = 0"), 0, "format 9"),
    ],
)
def test_an_edit_is_found_at_the_first_link_that_it_breaks(path: Path, edit: Edit, position: int, reason: str) -> None:
    """Of commits that are in a segment as of others."""
    broken = audited(path, edit).broken
    assert broken is not None
    assert (broken.position, reason in broken.reason) == (position, True), broken


def test_a_commit_that_was_written_anew_with_its_link_breaks_the_one_after_it(path: Path) -> None:
    """Whoever knows how links are made has to make all of them anew."""
    with closing(SqliteLog(path)) as log:
        before, mine = list(log.read(20, 23))
    forged = Commit.after(before.link, 21, count=2, received_at=mine.received_at, payload=b"forged")
    edit = sql("UPDATE commits SET payload = ?, link = ? WHERE first = 21", forged.payload, forged.link)
    assert audited(path, edit).broken == Break(23, CHANGED)


def test_links_that_were_noted_elsewhere_find_what_the_chain_cannot(path: Path) -> None:
    """A log that was written anew from some commit on, or that lost its newest part, is whole in itself."""
    with closing(SqliteLog(path)) as log:
        noted = [commit.end for commit in log.read()]
        last, before = noted[-1], noted[-2]
    shorter = audited(path, sql("DELETE FROM commits WHERE first = 25"))
    assert shorter.whole
    with closing(SqliteLog(path)) as log:
        assert audit(log, known=noted[:-1]).whole
        assert audit(log, known=[last]).broken == Break(25, "a link was noted for position 26, where no commit ends")
        log.acquire("forger", now_us=0, ttl_us=1)
        log.append(Commit.after(before.link, 25, count=1, received_at=1, payload=b"another end"))
        assert audit(log).whole
        assert audit(log, known=[last]).broken == Break(26, "its link is another than the one that was noted")
        assert audit(log, known=[End(22, b"")]).broken == Break(
            22, "a link was noted for position 22, where no commit ends"
        )


def test_a_log_that_was_archived_is_proven_from_where_it_begins(path: Path) -> None:
    """The link before it is part of the log; what was noted of the part that is gone is of no use here."""
    with closing(SqliteLog(path)) as log:
        first = next(iter(log.read())).end
        log.drop(14)
        found = audit(log, known=[first])
        assert found.whole
        assert found.begin[0] == 14


def test_a_log_that_cannot_be_read_now_is_not_called_broken() -> None:
    class Away(MemoryLog):
        def read(self, start: int = 0, stop: int | None = None) -> NoReturn:
            message = "the database cannot be used now"
            raise LogUnavailableError(message)

    with pytest.raises(LogUnavailableError):
        audit(Away())
