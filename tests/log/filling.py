"""Fills a log as a process of its own, whatever the disk does: ``python -m tests.log.filling FOLDER DURABILITY COUNT``.

It appends one commit after another and tells what became of each on a line of its own: its number once it is
acknowledged, or why it is not. Then it reads the log, and ends well if that holds what was acknowledged.
"""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path

from adjudge.log import Commit, End, LogUnavailableError
from adjudge.log.protocol import Durability
from adjudge.log.sqlite import SqliteLog

ENTRIES, EVERY = 200, 16
"""Entries of a commit, and commits after which the log is put in order: so segments come about within a test."""


def commit_at(end: End) -> Commit:
    """Return the commit that comes next, of one or several pages."""
    n = end.position // ENTRIES
    return Commit.after(
        end.link, end.position, count=ENTRIES, received_at=n, payload=b"commit %d " % n * (1 + n * 37 % 900)
    )


def fill(log: SqliteLog, count: int) -> list[Commit]:
    """Try so many appends, tell what became of them, and return what was acknowledged."""
    acknowledged: list[Commit] = []
    end = log.end()
    for i in range(count):
        commit = commit_at(end)
        try:
            log.append(commit)
            acknowledged.append(commit)
            end = commit.end
            print(commit.received_at, flush=True)
            if i % EVERY == EVERY - 1:
                log.maintain(keep=0)
        except LogUnavailableError as error:
            print(f"refused: {error}", flush=True)
    return acknowledged


def main(folder: Path, durability: Durability, count: int) -> None:
    """Fill a log and see that it holds what was acknowledged, in this process and after it."""
    print(os.getpid(), flush=True)
    with closing(SqliteLog(folder / "log.sqlite", durability=durability)) as log:
        log.acquire("filling", now_us=0, ttl_us=1)
        acknowledged = fill(log, count)
        assert list(log.read()) == acknowledged
    with closing(SqliteLog(folder / "log.sqlite")) as log:
        assert list(log.read()) == acknowledged


if __name__ == "__main__":
    main(Path(sys.argv[1]), "fsync" if sys.argv[2] == "fsync" else "process", int(sys.argv[3]))
