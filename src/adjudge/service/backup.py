"""Backup and restore of a workspace's folder, while the service goes on.

The log is copied as it is at one moment, through SQLite's own online backup. The newest snapshot, and the one where an
archived log begins, are copied before, so that the log reaches at least as far, and everything else after it, so that
whatever the log's entries need is there.
"""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from adjudge.errors import InputError
from adjudge.log import End
from adjudge.log.sqlite import SqliteLog
from adjudge.service import snapshot
from adjudge.service.home import LOG_FILE, open_log, snapshots_of
from adjudge.service.settings import Settings

MANIFEST = "backup.json"
"""Says what a backup holds; written last, so that a backup without it is not whole."""

PASSED_OVER = ("-wal", "-shm", "-journal", ".lock", ".holder")
"""Ends of names of files that mean nothing outside the processes that use them."""


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds.

    Parameters
    ----------
    log
        ``sqlite`` if the log is in it, ``postgres`` if that is backed up by the database's own means.
    position, link
        Where the log ended at that moment; the link in hexadecimal.
    files
        SHA-256 of each file by its path.
    """

    log: str
    position: int
    link: str
    files: dict[str, str]


def backup(settings: Settings, target: Path) -> Manifest:
    """Copy a workspace into a new folder, and return what it holds.

    Parameters
    ----------
    settings
        Where the workspace is; a service may run on it.
    target
        A folder that does not exist yet, or is empty.

    Raises
    ------
    InputError
        If there is no workspace, or the target holds something or is in the workspace.
    """
    source, snapshots = Path(settings.workspace), snapshots_of(settings)
    if snapshots is None:
        message = "a log in memory cannot be backed up"
        raise InputError(message, field="log")
    if target.resolve().is_relative_to(source.resolve()):  # each one would hold all that were made before
        message = f"{str(target)!r} is in the workspace itself; what is lost with it is no backup"
        raise InputError(message, field="folder")
    with closing(open_log(settings)) as log:
        _make(target)
        for i, path in enumerate(snapshot.found(snapshots)):
            if i == 0 or snapshot.is_pinned(path):
                shutil.copytree(path, target / snapshots.name / path.name)
        if settings.log == "sqlite":
            _copy_database(source / LOG_FILE, target / LOG_FILE)
        for path in _others(source, snapshots):
            copy = target / path.relative_to(source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix == ".sqlite":
                _copy_database(path, copy)
            else:
                shutil.copy2(path, copy)
        end = log.end() if settings.log != "sqlite" else _end(target)
    kind = "sqlite" if settings.log == "sqlite" else "postgres"
    manifest = Manifest(
        kind, end.position, end.link.hex(), {str(p.relative_to(target)): _hash(p) for p in _files(target)}
    )
    (target / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    return manifest


def restore(source: Path, workspace: Path) -> Manifest:
    """Make a workspace's folder anew from a backup, and return what the backup holds.

    Parameters
    ----------
    source
        The folder of the backup.
    workspace
        A folder that does not exist yet, or is empty: nothing is ever written over.

    Raises
    ------
    InputError
        If the backup is not whole, or the workspace holds something.
    """
    try:
        manifest = msgspec.json.decode((source / MANIFEST).read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError):
        message = f"{str(source)!r} holds no whole backup: its {MANIFEST} is missing or cannot be read"
        raise InputError(message, field="folder") from None
    for name, digest in manifest.files.items():
        path = source / name
        if Path(name).is_absolute() or ".." in Path(name).parts:
            message = f"the backup in {str(source)!r} names a file outside of it: {name!r}"
            raise InputError(message, field="folder")
        if not path.is_file() or _hash(path) != digest:
            message = f"the backup in {str(source)!r} is damaged: {name} is not what was written"
            raise InputError(message, field="folder")
    _make(workspace)
    for name in manifest.files:
        (workspace / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, workspace / name)
    return manifest


def _end(folder: Path) -> End:
    """Return where the log of a backup ends, and leave nothing beside it."""
    with closing(SqliteLog(folder / LOG_FILE)) as log:
        end = log.end()
    for beside in folder.glob(f"{LOG_FILE}*"):
        if beside.name.endswith(PASSED_OVER):
            beside.unlink()
    return end


def _make(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{str(folder)!r} holds something already"
        raise InputError(message, field="folder")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database as it is at one moment; whoever writes it goes on meanwhile."""
    address = f"{source.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(address, uri=True)) as there, closing(sqlite3.connect(target)) as here:
        there.backup(here)


def _others(source: Path, snapshots: Path) -> Iterator[Path]:
    """Yield every file of a workspace that is neither log nor snapshot nor of passing use."""
    for path in _files(source):
        passing = path.name.endswith(PASSED_OVER) or path.name.startswith(".")
        if path != source / LOG_FILE and snapshots not in path.parents and not passing:
            yield path


def _files(folder: Path) -> list[Path]:
    return sorted(p for p in folder.rglob("*") if p.is_file()) if folder.is_dir() else []


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
