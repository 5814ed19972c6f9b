"""The home of a workspace: where its log and its snapshots are."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import cast

from adjudge.log import Log, MemoryLog
from adjudge.log.protocol import Durability
from adjudge.log.sqlite import SqliteLog
from adjudge.service.settings import Settings

LOG_FILE = "log.sqlite"
"""Name of the log in the workspace's folder."""


def open_log(settings: Settings) -> Log:
    """Return the log that the settings name, made if it is not there.

    Raises
    ------
    LogError
        If it cannot be opened.
    """
    if settings.log == "memory":
        return MemoryLog()
    durability = cast(Durability, settings.durability)
    if settings.log == "sqlite":
        return SqliteLog(Path(settings.workspace) / LOG_FILE, durability=durability)
    from adjudge.log.postgres import PostgresLog

    return PostgresLog(settings.log, durability=durability)


def snapshots_of(settings: Settings) -> Path | None:
    """Return the folder of the snapshots; None where the log does not outlive the process."""
    return None if settings.log == "memory" else Path(settings.workspace) / "snapshots"


def holder() -> str:
    """Return what tells people which process holds the right to append."""
    return f"process {os.getpid()} on {socket.gethostname()}"
