"""Scanning: the same entries as reading, from as few blocks as they are stored in, and no more than was asked for."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Container, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, get_args
from uuid import uuid4

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from adjudge.log import Commit, Log, MemoryLog, chunks
from adjudge.log.codec import Block, CodecError, Events, blocks_of, pack
from adjudge.log.postgres import PostgresLog
from adjudge.log.scan import scan
from adjudge.log.segment import ALL, Part, Segment
from adjudge.log.sqlite import SqliteLog
from tests.log.payloads import blocks
from tests.log.test_segment import alike

SEGMENT = 8


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def opener(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Log]:
    """Return what opens a fresh log of each kind whose segments are short."""
    monkeypatch.setattr(chunks, "SEGMENT", SEGMENT)
    match request.param:
        case "memory":
            return MemoryLog
        case "sqlite":
            return lambda: SqliteLog(tmp_path / f"{uuid4().hex}.sqlite")
        case _:
            url = request.getfixturevalue("postgres_url")
            return lambda: PostgresLog(url, schema=uuid4().hex)


def filled(log: Log, batches: list[list[Block]], keep: int = 2) -> None:
    """Append a commit for each batch, and put what is older than the newest few positions into segments."""
    for i, batch in enumerate(batches):
        end = log.end()
        count = sum(map(len, batch))
        log.append(Commit.after(end.link, end.position, count=count, received_at=i, payload=pack(batch)))
    while isinstance(log, SqliteLog | PostgresLog) and log.maintain(keep=keep):
        pass


def entries(found: Iterator[tuple[int, Block]], parts: Container[Part] = ALL) -> Iterator[Any]:
    """Yield what was asked for, entry by entry, however the entries lie in blocks."""
    for first, block in found:
        if not isinstance(block, Events):
            yield first, block
            continue
        n = len(block)
        bodies = block.bodies.all() if "bodies" in parts else [b""] * n
        fields = block.matrix() if "fields" in parts else np.empty((0, n))
        for i, (id_, body) in enumerate(zip(block.ids.all(), bodies, strict=True)):
            made = []
            for m in block.made if "records" in parts or "features" in parts else ():
                size = len(m.records) // n
                record = m.records[i * size : (i + 1) * size] if "records" in parts else b""
                values = np.frombuffer(m.features, "<f8").reshape(-1, n) if "features" in parts else np.empty((0, n))
                made.append((m.card, record, values[:, i].tobytes()))
            yield first + i, block.stream, block.schema, id_, body, fields[:, i].tobytes(), made


def by_reading(log: Log, start: int, stop: int | None, parts: Container[Part]) -> list[Any]:
    """Return what a scan must yield, by the slow way."""
    last = len(log) if stop is None else stop
    found = (pair for commit in log.read(start, stop) if commit.stop <= last for pair in blocks_of(commit))
    return list(entries(found, parts))


ranges = st.tuples(st.integers(0, 60), st.none() | st.integers(0, 60))
wanted = st.frozensets(st.sampled_from(get_args(Part))) | st.just(ALL)


@given(batches=st.lists(st.lists(blocks, min_size=1, max_size=3), min_size=1, max_size=14), asked=ranges, parts=wanted)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_scan_yields_what_reading_does(
    opener: Callable[[], Log],
    batches: list[list[Block]],
    asked: tuple[int, int | None],
    parts: frozenset[Part],
) -> None:
    """Whatever the log holds, wherever it is stored, from wherever to wherever, and whatever is left out of it."""
    start, stop = asked
    with closing(opener()) as log:
        filled(log, batches)
        stretches = list(scan(log, start, stop, parts))
        assert list(entries(((s.first, s.block) for s in stretches), parts)) == by_reading(log, start, stop, parts)
        ends = [s.end for s in stretches if s.end is not None]
        assert set(ends) <= {commit.end for commit in log.read()}
        assert not stretches or ends[-1] == stretches[-1].end
        for stretch in stretches:
            if not isinstance(stretch.block, Events):
                (commit,) = log.read(stretch.first, stretch.first + 1)
                assert stretch.received_at == commit.received_at


def test_what_is_alike_comes_in_one_stretch(opener: Callable[[], Log]) -> None:
    """That is what makes it fast: a stretch is as long as the segment allows."""
    with closing(opener()) as log:
        for commit in alike(30, 2):
            log.append(commit)
        while isinstance(log, SqliteLog | PostgresLog) and log.maintain(keep=4):
            pass
        lengths = [len(stretch.block) for stretch in scan(log)]
    assert lengths == ([2] * 30 if isinstance(log, MemoryLog) else [SEGMENT] * 7 + [2, 2])


def test_features_are_not_unpacked_unless_they_are_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They are most of what a log holds."""
    monkeypatch.setattr(chunks, "SEGMENT", SEGMENT)
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        filled(log, [[block] for commit in alike(9, 2) for _, block in blocks_of(commit)], keep=0)
        found = log.find(0)
        assert isinstance(found, Segment)
        monkeypatch.setattr(
            type(found._group(0)), "_features", property(lambda self: pytest.fail("features were unpacked"))
        )
        assert sum(len(stretch.block) for stretch in scan(log, parts={"fields", "records"})) == 18


def test_a_scan_begins_where_the_log_does(opener: Callable[[], Log]) -> None:
    """After the older part of a segment was dropped, the rest of it is scanned."""
    with closing(opener()) as log:
        for commit in alike(12, 2):
            log.append(commit)
        while isinstance(log, SqliteLog | PostgresLog) and log.maintain(keep=2):
            pass
        log.drop(5)
        assert [p for stretch in scan(log) for p in range(stretch.first, stretch.first + len(stretch.block))] == list(
            range(4, 24)
        )
        log.drop(24)
        assert list(scan(log)) == []


def test_a_damaged_segment_is_said_where_it_is_reached(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What stands before it was yielded by then, with where the log ended that held it."""
    monkeypatch.setattr(chunks, "SEGMENT", SEGMENT)
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        filled(log, [[block] for commit in alike(20, 2) for _, block in blocks_of(commit)])
        commits = list(log.read())
    with closing(sqlite3.connect(path)) as file, file:
        ((packed,),) = file.execute("SELECT packed FROM segments WHERE first = ?", (SEGMENT,)).fetchall()
        file.execute("UPDATE segments SET packed = ? WHERE first = ?", (packed[:-1], SEGMENT))
    with closing(SqliteLog(path)) as log:
        found = scan(log)
        assert next(found).end == commits[SEGMENT // 2 - 1].end
        with pytest.raises(CodecError, match=f"position {SEGMENT} cannot be read"):
            next(found)
