"""Telling a dead holder from a slow one: a file lock that the system gives back when a process ends."""

from __future__ import annotations

from io import BufferedRandom
from pathlib import Path

try:
    import fcntl
except ImportError:  # not made for every operating system
    fcntl = None  # type: ignore[assignment]


class HolderLock:
    """A lock on a file of its own, held from `take` until `give_back` or the end of the process.

    Parameters
    ----------
    path
        The file; made when it is first taken.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BufferedRandom | None = None

    def take(self) -> bool:
        """Take the lock, and return whether it is ours: False while another process lives that has it.

        Where the system knows no such locks nobody can be seen to have died, and it is never ours.
        """
        if self._file is not None:
            return True
        if fcntl is None:
            return False
        self._path.touch(mode=0o600)
        file = self._path.open("r+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._file = file
        return True

    def give_back(self) -> None:
        """Let others take it."""
        if self._file is not None:
            self._file.close()
            self._file = None
