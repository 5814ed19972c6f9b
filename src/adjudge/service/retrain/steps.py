"""Steps: each leaves a folder that appears whole, with a stamp of what is in it and of the step before.

A step is done if its stamp names the stamp before it and every file is as it was written. Whatever else lies there, a
killed process has left behind: the step is made again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from adjudge.errors import UnavailableError
from adjudge.service.retrain.request import MAKING

STAMP = "stamp.json"


class Stamp(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a step has left.

    Parameters
    ----------
    step
        Its name.
    after
        Hash of the stamp before it; of the request for the first.
    files
        Hash of each file, by its path in the folder.
    """

    step: str
    after: str
    files: dict[str, str]


class Steps:
    """The steps of one run, in order.

    Parameters
    ----------
    folder
        Of the run.
    request
        What the run is about: another request begins another chain.

    Attributes
    ----------
    made
        Names of the steps that this process has made; the others had been done before.
    """

    def __init__(self, folder: Path, request: bytes) -> None:
        self.folder = folder
        self.made: list[str] = []
        self._last = hashlib.sha256(request).hexdigest()

    def do(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the folder of the next step, made if it is not there whole.

        Parameters
        ----------
        name
            Of the step.
        make
            Fills the folder it is given.
        """
        place = self.folder / name
        stamp = _read(place / STAMP)
        if stamp is None or stamp != Stamp(name, self._last, _hashes(place)):
            stamp = self._make(name, place, make)
        self._last = hashlib.sha256(msgspec.json.encode(stamp, order="sorted")).hexdigest()
        return place

    def _make(self, name: str, place: Path, make: Callable[[Path], None]) -> Stamp:
        self.folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(place, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=self.folder, prefix=MAKING) as scratch:
            draft = Path(scratch) / name
            draft.mkdir()
            make(draft)
            stamp = Stamp(name, self._last, _hashes(draft))
            (draft / STAMP).write_bytes(msgspec.json.encode(stamp, order="sorted"))
            for file in draft.rglob("*"):
                if file.is_file():
                    with file.open("rb") as handle:
                        os.fsync(handle.fileno())
            os.replace(draft, place)
        self.made.append(name)
        return stamp


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the right to work in a folder; a process that ends, however it does, gives it back.

    Raises
    ------
    UnavailableError
        If another process has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = "another process is retraining in this workspace; wait for it to end"
            raise UnavailableError(message) from None
        yield


def _read(path: Path) -> Stamp | None:
    """Return a stamp, None where there is none that can be read."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Stamp)
    except (OSError, msgspec.DecodeError):
        return None


def _hashes(folder: Path) -> dict[str, str]:
    if not folder.is_dir():
        return {}
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != STAMP)
    return {file.relative_to(folder).as_posix(): _hash(file) for file in files}


def _hash(file: Path) -> str:
    with file.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
