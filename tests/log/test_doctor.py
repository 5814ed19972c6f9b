"""Examining a log: what is wrong is said, with what it is about."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from adjudge.log import Commit, Kind, Log, MemoryLog, sqlite
from adjudge.log.codec import Block, Changes, Events, Note, Texts, pack
from adjudge.log.doctor import examine, examine_file
from adjudge.log.postgres import PostgresLog
from adjudge.log.sqlite import SqliteLog

NAMES = ["chain", "entries", "ids", "holder", "storage"]


def events(stream: str, *ids: str) -> Events:
    """Return a block of events."""
    n = len(ids)
    return Events(stream, "s", Texts.pack([i.encode() for i in ids]), Texts.pack([b"{}"] * n), np.ones(n).tobytes())


def append(log: Log, blocks: Sequence[Block]) -> None:
    """Append a commit that holds some blocks."""
    end = log.end()
    count = sum(map(len, blocks))
    log.append(Commit.after(end.link, end.position, count=count, received_at=5, payload=pack(blocks)))


def fill(log: Log) -> None:
    """Append what a healthy log holds."""
    log.acquire("process 7 on rome", now_us=0, ttl_us=1_000_000)
    append(log, [events("payment", "p1", "p2"), events("login", "p1")])
    append(log, [Changes(Kind.LABEL, "payment", Texts.pack([b"p1"]), ["fraud"], np.ones(1).tobytes())])
    append(log, [Note(Kind.LISTS, b"{}", "bo", "asked for")])


def said(log: Log, name: str) -> tuple[str, str]:
    """Return how something is that was looked at, and what is said of it."""
    (finding,) = (f for f in examine(log) if f.name == name)
    return finding.level, finding.says


@pytest.mark.parametrize("kind", ["memory", "sqlite", "postgres"])
def test_a_healthy_log(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    """Everything is good, whatever the log is made of."""
    log: Log
    if kind == "postgres":
        log = PostgresLog(request.getfixturevalue("postgres_url"), schema=uuid4().hex)
    else:
        log = MemoryLog() if kind == "memory" else SqliteLog(tmp_path / "log.sqlite")
    with closing(log):
        fill(log)
        found = examine(log)
        assert [f.name for f in found] == NAMES
        assert {f.level for f in found} == {"good"}
        says = {f.name: f.says for f in found}
        assert says["chain"].startswith("whole from position 0 to 5 in 3 commits; link ")
        assert says["entries"] == "1 events of login, 2 events of payment, 1 labels of payment, 1 lists notes"
        assert says["ids"] == "3 events, each with an id of its own"
        assert says["holder"].startswith("process 7 on rome holds the right to append until 1970-01-01T00:00:01+00:00")
        assert "an entry, in 0 segments and 3 commits" in says["storage"]


def test_a_healthy_file(tmp_path: Path) -> None:
    """Its pages and the end of its write-ahead file are looked at first; the decider need not stop."""
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        fill(log)
        assert [f.name for f in examine_file(path)] == ["tail", "pages", *NAMES]
        assert {f.level for f in examine_file(path)} == {"good"}


def test_a_payload_that_cannot_be_unpacked_is_named() -> None:
    """The chain is whole: it was appended like that."""
    log = MemoryLog()
    append(log, [events("payment", "p1")])
    for _ in range(2):
        end = log.end()
        log.append(Commit.after(end.link, end.position, count=1, received_at=5, payload=b"\x07later"))
    assert said(log, "chain")[0] == "good"
    assert said(log, "entries") == (
        "fault",
        "cannot be unpacked at position 1: a commit has format 7; this version reads 1, and 1 more commits",
    )


def test_an_id_that_comes_twice_is_named() -> None:
    """In one stream; another stream may use it too."""
    log = MemoryLog()
    fill(log)
    append(log, [events("payment", "p3", "p2")])
    assert said(log, "ids") == ("fault", "'p2' of stream 'payment' is at position 1 and at 6")


def test_a_torn_end_and_a_damaged_page_are_told_apart(tmp_path: Path) -> None:
    """The one is what a crash leaves, the other what a disk does."""
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        fill(log)
        while len(log) < 300:
            append(log, [events("payment", f"q{len(log)}-{i}") for i in range(40)])
    path.with_name("log.sqlite-wal").write_bytes(b"torn")
    levels = {f.name: f.level for f in examine_file(path)}
    assert levels["tail"] == "notice"
    assert levels["pages"] == levels["chain"] == "good"
    data = bytearray(path.read_bytes())
    data[sqlite.PAGE * 3 : sqlite.PAGE * 3 + 200] = bytes(200)
    path.write_bytes(data)
    found = {f.name: f for f in examine_file(path)}
    assert found["pages"].level == "fault"
    assert "malformed" in found["pages"].says or "damaged" in found["pages"].says


def test_a_file_that_is_no_log_or_not_there(tmp_path: Path) -> None:
    (missing,) = examine_file(tmp_path / "nowhere.sqlite")
    assert (missing.name, missing.level) == ("file", "fault")
    other = tmp_path / "other.sqlite"
    with closing(sqlite3.connect(other)) as made:
        made.execute("CREATE TABLE people (name TEXT)")
    *_, last = examine_file(other)
    assert (last.name, last.level) == ("file", "fault")
    assert "no log" in last.says
