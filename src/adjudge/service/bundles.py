"""Bundles that decide or have decided, kept in the workspace under the hash of their content.

A log says which bundle decided only by that hash. So a bundle is copied before the first decision that it makes, and
what is read later is held to the hash: it is the very bundle, or it is none.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from adjudge.errors import BundleError
from adjudge.learn import bundle
from adjudge.learn.bundle import Bundle

MADE_WITH = ".copying-"
"""How the name of a directory begins into which a bundle is copied."""


class Bundles:
    """The bundles of a workspace.

    Parameters
    ----------
    folder
        Where they are kept; None keeps none.
    secret
        The workspace's 16 bytes.
    """

    def __init__(self, folder: Path | None, secret: bytes) -> None:
        self.folder = folder
        self._secret = secret

    def keep(self, path: Path) -> Bundle:
        """Read a bundle, and copy it if it is not kept yet.

        Parameters
        ----------
        path
            Its directory, anywhere.

        Raises
        ------
        BundleError
            If it is damaged.
        """
        found = bundle.read(path, self._secret)
        if self.folder is not None and not (self.folder / found.id).is_dir():
            self._copy(path, self.folder, found.id)
        return found

    def under(self, secret: bytes) -> Bundles:
        """Return the same bundles for another secret: models that read texts are loaded for one."""
        return Bundles(self.folder, secret)

    def read(self, id_: str) -> Bundle:
        """Return a bundle by its id.

        Parameters
        ----------
        id_
            Hash of its content.

        Raises
        ------
        BundleError
            If it is not kept, or is not what it was.
        """
        if self.folder is None or not (self.folder / id_).is_dir():
            message = f"the bundle {id_[:12]} is not in the workspace"
            raise BundleError(message)
        found = bundle.read(self.folder / id_, self._secret)
        if found.id != id_:
            message = f"what is kept as bundle {id_[:12]} is another one"
            raise BundleError(message)
        return found

    def _copy(self, path: Path, folder: Path, id_: str) -> None:
        """Copy a bundle beside its place, check the copy, and move it there."""
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=MADE_WITH) as scratch:
            draft = Path(scratch) / id_
            shutil.copytree(path, draft)
            if bundle.read(draft, self._secret).id != id_:
                message = f"the bundle in {path} has changed while it was copied"
                raise BundleError(message)
            _flush(draft)
            try:
                os.replace(draft, folder / id_)
            except OSError:
                if not (folder / id_).is_dir():  # else somebody else has just put it there
                    raise
        _flush_folder(folder)


def _flush(folder: Path) -> None:
    """Make what a folder holds survive a loss of power."""
    for file in folder.rglob("*"):
        if file.is_file():
            with file.open("rb") as handle:
                os.fsync(handle.fileno())


def _flush_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
