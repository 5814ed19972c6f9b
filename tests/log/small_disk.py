"""What happens on a disk of a few megabytes, as a process of its own: ``python -m tests.log.small_disk FOLDER WHAT``.

The folder is a file system that the caller has mounted for this process alone.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from pathlib import Path

from adjudge.log import Commit, LogUnavailableError
from adjudge.log.sqlite import SqliteLog
from tests.log.chains import after, extend


def full(folder: Path) -> None:
    """Append until the disk is full, and go on when there is room again."""
    path, filler = folder / "log.sqlite", folder / "filler"
    filler.write_bytes(bytes(2**20))
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        made = fill(log)
        for _ in range(3):
            refused(lambda: log.append(after(made[-1].end)))
            assert list(log.read()) == made
            assert log.end() == made[-1].end
        refused(lambda: extend(SqliteLog(folder / "other.sqlite"), [1]))
        refused(log.maintain)
        filler.unlink()
        made += extend(log, [600, 1])
        log.maintain()
        made += extend(log, [1])
        assert list(log.read()) == made
    with closing(SqliteLog(path)) as log:
        assert list(log.read()) == made


def full_and_killed(folder: Path) -> None:
    """Leave a log behind as it is when its process dies on a full disk, and open it when there is room again."""
    path, filler = folder / "log.sqlite", folder / "filler"
    filler.write_bytes(bytes(2**20))
    log = SqliteLog(path)
    log.acquire("test", now_us=0, ttl_us=1)
    made = fill(log)
    copies = {name: (folder / name).read_bytes() for name in ("log.sqlite", "log.sqlite-wal")}
    log.close()
    for one in folder.iterdir():
        one.unlink()
    for name, data in copies.items():
        (folder / name).write_bytes(data)
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        assert list(log.read()) == made
        extend(log, [1])


def read_only(folder: Path) -> None:
    """Refuse a log that cannot be written, and take it when it can."""
    path = folder / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        made = extend(log, [1, 2])
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    refused(lambda: SqliteLog(path))
    refused(lambda: SqliteLog(folder / "new" / "log.sqlite"))
    subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        made += extend(log, [1])
        assert list(log.read()) == made


def fill(log: SqliteLog) -> list[Commit]:
    """Append until it is refused, and return what was acknowledged."""
    made: list[Commit] = []
    for _ in range(1000):
        commit = after(log.end(), 600)
        try:
            log.append(commit)
        except LogUnavailableError:
            return made
        made.append(commit)
    message = "the disk never fills up"
    raise AssertionError(message)


def refused(call: object) -> None:
    """See that a call is refused for now."""
    assert callable(call)
    try:
        call()
    except LogUnavailableError:
        return
    message = "it was not refused"
    raise AssertionError(message)


if __name__ == "__main__":
    {"full": full, "full_and_killed": full_and_killed, "read_only": read_only}[sys.argv[2]](Path(sys.argv[1]))
