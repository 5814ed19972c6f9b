"""The loss of power: a log that promises to survive it does, and one that does not is seen to lose."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adjudge.log import End
from adjudge.log.chain import link_of
from adjudge.log.protocol import Durability
from adjudge.log.sqlite import SqliteLog
from tests.log.unsynced import lose, sizes, traced


def write_and_kill(folder: Path, durability: Durability, acknowledged: int) -> tuple[int, Path]:
    """Have a process append and kill it once so many commits are acknowledged; return how many were, and its trace."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    trace = folder.with_suffix(".trace")
    command = [sys.executable, "-m", "tests.log.filling", str(folder), durability, "100000"]
    with subprocess.Popen(traced(command, trace), stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        told = [int(process.stdout.readline()) for _ in range(acknowledged)]
        os.kill(pid, signal.SIGKILL)
        told += [int(line) for line in process.stdout if line.strip().isdigit() and line.endswith("\n")]
    assert told == list(range(len(told)))
    return len(told), trace


def commits_of(path: Path) -> int:
    """Return how many commits a log holds, each of which continues the chain."""
    with closing(SqliteLog(path)) as log:
        commits, end = list(log.read()), End()
        for c in commits:
            assert c.first == end.position
            assert c.link == link_of(end.link, c.first, c.count, c.received_at, c.payload)
            end = c.end
        assert log.end() == end
        return len(commits)


@pytest.mark.strace
@pytest.mark.parametrize("acknowledged", [1, 60])
def test_what_was_acknowledged_with_fsync_survives_the_loss_of_power(tmp_path: Path, acknowledged: int) -> None:
    """Whatever of the rest reached the disk, and in whatever state: at least what was acknowledged is there, whole."""
    folder = tmp_path / "log"
    folder.mkdir()
    before = sizes(folder)
    told, trace = write_and_kill(folder, "fsync", acknowledged)
    for seed in (None, *range(8)):
        copy = tmp_path / f"copy{seed}"
        shutil.copytree(folder, copy)
        lose(trace, folder, before, copy=copy, rng=None if seed is None else random.Random(seed))
        assert commits_of(copy / "log.sqlite") >= told


@pytest.mark.strace
def test_without_fsync_the_loss_of_power_is_seen_to_lose(tmp_path: Path) -> None:
    """The harness bites: what only promises to survive the end of the process has lost commits, and is whole still."""
    folder = tmp_path / "log"
    folder.mkdir()
    before = sizes(folder)
    told, trace = write_and_kill(folder, "process", 60)
    kept = tmp_path / "killed"
    shutil.copytree(folder, kept)
    assert commits_of(kept / "log.sqlite") >= told  # the end of the process alone loses nothing
    assert lose(trace, folder, before, copy=folder) > 0
    assert commits_of(folder / "log.sqlite") < told
