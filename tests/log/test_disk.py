"""A disk that is full, read-only or broken: what was acknowledged is there, and the log recovers by itself."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adjudge.log import LogError, LogUnavailableError
from adjudge.log.sqlite import FORMAT, SqliteLog
from tests.log.chains import after, extend
from tests.log.permitted import mounting


@pytest.mark.mounts
@pytest.mark.parametrize("what", ["full", "full_and_killed", "read_only"])
def test_a_small_disk(tmp_path: Path, what: str) -> None:
    """On a real file system of three megabytes: see the functions of `small_disk`."""
    mount = 'mount -t tmpfs -o size=3m none "$1" && exec "$2" -m tests.log.small_disk "$1" "$3"'
    namespace = mounting()
    if namespace is None:
        pytest.skip("unshare and mount are not installed")
    command = [*namespace, "sh", "-c", mount, "sh", str(tmp_path), sys.executable, what]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.strace
@pytest.mark.parametrize(
    ("file", "call", "error", "when"),
    [
        ("log.sqlite-wal", "pwrite64", "ENOSPC", "60..80"),
        ("log.sqlite-wal", "pwrite64", "EROFS", "60..80"),
        ("log.sqlite-wal", "pwrite64", "EIO", "60..80"),
        ("log.sqlite-wal", "fdatasync", "EIO", "20..24"),
        ("log.sqlite", "pwrite64", "ENOSPC", "8..20"),
        ("log.sqlite", "fdatasync", "EIO", "3..5"),
    ],
)
def test_calls_of_the_system_that_fail_for_a_while(tmp_path: Path, file: str, call: str, error: str, when: str) -> None:
    """Some appends or rounds of housekeeping are refused, later ones not, and all that was acknowledged is there."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    fail = ["-P", str(tmp_path / file), "-e", f"trace={call}", "-e", f"inject={call}:error={error}:when={when}"]
    fill = [sys.executable, "-m", "tests.log.filling", str(tmp_path), "fsync", "60"]
    trace = tmp_path / "trace"
    done = subprocess.run(["strace", "-f", "-o", str(trace), *fail, *fill], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "(INJECTED)" in trace.read_text()
    _, *told = done.stdout.splitlines()
    refused = [i for i, line in enumerate(told) if line.startswith("refused: log.sqlite cannot be used now")]
    assert refused
    assert all(line.isdigit() for i, line in enumerate(told) if i not in refused)
    assert 0 < refused[0] <= refused[-1] < len(told) - 1


def test_a_connection_that_may_only_read_refuses_for_as_long_as_that_is_so(tmp_path: Path) -> None:
    with closing(SqliteLog(tmp_path / "log.sqlite")) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        made = extend(log, [1])
        log._writer.execute("PRAGMA query_only = ON")
        with pytest.raises(LogUnavailableError, match="readonly"):
            log.append(after(log.end()))
        with pytest.raises(LogUnavailableError, match="readonly"):
            log.renew(now_us=1, ttl_us=1)
        assert list(log.read()) == made
        log._writer.execute("PRAGMA query_only = OFF")
        made += extend(log, [1])
        assert list(log.read()) == made


def test_a_file_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    """A text, and a database of another program."""
    text, other = tmp_path / "notes.txt", tmp_path / "other.sqlite"
    text.write_text("not a database, but longer than the head of one" * 10)
    with closing(sqlite3.connect(other)) as made:
        made.execute("CREATE TABLE people (name TEXT)")
    before = text.read_bytes()
    with pytest.raises(LogError, match=r"notes\.txt is damaged or no log"):
        SqliteLog(text)
    with pytest.raises(LogError, match="a database of something else, and no log"):
        SqliteLog(other)
    assert text.read_bytes() == before
    with closing(sqlite3.connect(other)) as made:
        assert [row[0] for row in made.execute("SELECT name FROM sqlite_master")] == ["people"]


def test_a_log_of_a_later_version_is_refused(tmp_path: Path) -> None:
    """An older program does not guess what it reads."""
    path = tmp_path / "log.sqlite"
    with closing(SqliteLog(path)) as log:
        log.acquire("test", now_us=0, ttl_us=1)
        extend(log, [1])
    with closing(sqlite3.connect(path)) as file:
        file.execute(f"PRAGMA user_version = {FORMAT + 1}")
    with pytest.raises(LogError, match=f"later version: its format is {FORMAT + 1}, this one reads {FORMAT}"):
        SqliteLog(path)


def test_a_folder_in_the_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "log.sqlite").mkdir()
    with pytest.raises(LogUnavailableError, match="cannot be used now"):
        SqliteLog(tmp_path / "log.sqlite")
