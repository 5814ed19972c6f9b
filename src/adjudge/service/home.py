"""The home of a workspace: where its log, its snapshots, its bundles and the keys of persons are."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import cast

from adjudge.engine.plan import Plan
from adjudge.errors import InputError
from adjudge.log import Log, MemoryLog
from adjudge.log.protocol import Durability
from adjudge.log.sqlite import SqliteLog
from adjudge.service.bundles import Bundles
from adjudge.service.personal.keys import Keys, MemoryKeys, Wrap, master_key
from adjudge.service.personal.sqlite import SqliteKeys
from adjudge.service.settings import Settings

LOG_FILE = "log.sqlite"
"""Name of the log in the workspace's folder."""

KEYS_FILE = "keys.sqlite"
"""Name of the file with the keys of persons in the workspace's folder."""


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
        if not new:
            check_log(settings)
        return SqliteLog(Path(settings.workspace) / LOG_FILE, durability=durability)
    from adjudge.log.postgres import PostgresLog

    return PostgresLog(settings.log, durability=durability)


def check_log(settings: Settings) -> None:
    """Raise `InputError` where the settings name a log in a file and it is not there, or is empty."""
    if settings.log != "sqlite":
        return
    path = Path(settings.workspace) / LOG_FILE
    if not path.parent.is_dir():
        message = f"there is no workspace in {settings.workspace!r}; say where it is with --workspace"
        raise InputError(message, field="workspace")
    if not path.is_file() or not path.stat().st_size:  # opening either would make a log of it
        what = "is empty" if path.exists() else "is missing"
        message = f"there is no log here: {LOG_FILE} in {settings.workspace!r} {what}"
        raise InputError(message, field="workspace")


@contextmanager
def open_keys(plans: Sequence[Plan], settings: Settings) -> Iterator[Keys | None]:
    """Give the keys of the persons whose data is in a log, and close them after; None without personal fields.

    They are beside the log and never in it: in a file of the workspace's folder, or, where the log is in a database,
    in a schema of their own there, unless the settings name another one.

    Raises
    ------
    InputError
        If `ADJUDGE_MASTER_KEY` is not as it should be.
    KeysError
        If they cannot be opened, or were wrapped with another master key.
    """
    if not any(stream.schema.person_field for plan in plans for stream in plan.streams.values()):
        yield None
        return
    passing = settings.log == "memory" and not settings.person_keys
    with closing(MemoryKeys() if passing else _keys_of(settings)) as keys:
        yield keys


def find_keys(settings: Settings) -> Keys:
    """Return the keys of persons that there are, for reading what they have sealed; none are made.

    Raises
    ------
    InputError
        If there are none, or `ADJUDGE_MASTER_KEY` is not as it should be.
    KeysError
        If they cannot be opened, or were wrapped with another master key.
    """
    in_file = (settings.person_keys or settings.log) == "sqlite"
    if settings.log == "memory" or (in_file and not (Path(settings.workspace) / KEYS_FILE).is_file()):
        message = f"there are no keys of persons in {settings.workspace!r}"
        raise InputError(message, field="workspace")
    return _keys_of(settings)


def _keys_of(settings: Settings) -> Keys:
    wrap = Wrap(master_key(os.environ))
    where = settings.person_keys or settings.log
    if where == "sqlite":
        return SqliteKeys(Path(settings.workspace) / KEYS_FILE, wrap)
    from adjudge.service.personal.postgres import PostgresKeys

    return PostgresKeys(where, wrap)


def snapshots_of(settings: Settings) -> Path | None:
    """Return the folder of the snapshots; None where the log does not outlive the process."""
    return None if settings.log == "memory" else Path(settings.workspace) / "snapshots"


def bundles_of(settings: Settings, secret: bytes) -> Bundles:
    """Return the bundles that are kept in a workspace: none where the log does not outlive the process."""
    home = Path(settings.workspace)
    return Bundles(None if settings.log == "memory" else home / "bundles", secret, home)


def holder() -> str:
    """Return what tells people which process holds the right to append."""
    return f"process {os.getpid()} on {socket.gethostname()}"
