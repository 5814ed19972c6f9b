"""The home of a workspace: where its log and its snapshots are."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import cast

from adjudge.errors import InputError
from adjudge.log import Log, MemoryLog
from adjudge.log.protocol import Durability
from adjudge.log.sqlite import SqliteLog
from adjudge.service.settings import Settings

LOG_FILE = "log.sqlite"
"""Name of the log in the workspace's folder."""


def open_log(settings: Settings, *, new: bool = False) -> Log:
    """Return the log that the settings name.

    Parameters
    ----------
    settings
        Where it is.
    new
        Whether it is made if it is not there.

    Raises
    ------
    InputError
        If there is none and none is to be made.
    LogError
        If it cannot be opened.
    """
    if settings.log == "memory":
        return MemoryLog()
    durability = cast(Durability, settings.durability)
    if settings.log == "sqlite":
        path = Path(settings.workspace) / LOG_FILE
        if not new and not path.exists():
            message = f"there is no workspace in {settings.workspace!r}; say where it is with --workspace"
            raise InputError(message, field="workspace")
        return SqliteLog(path, durability=durability)
    from adjudge.log.postgres import PostgresLog

    return PostgresLog(settings.log, durability=durability)


def snapshots_of(settings: Settings) -> Path | None:
    """Return the folder of the snapshots; None where the log does not outlive the process."""
    return None if settings.log == "memory" else Path(settings.workspace) / "snapshots"


def holder() -> str:
    """Return what tells people which process holds the right to append."""
    return f"process {os.getpid()} on {socket.gethostname()}"
