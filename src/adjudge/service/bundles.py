"""Bundles that decide or have decided, kept in the workspace under the hash of their content.

A log says which bundle decided only by that hash. So a bundle is copied before the first decision that it makes, and
what is read later is held to the hash: it is the very bundle, or it is none.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path

from adjudge.errors import BundleError
from adjudge.learn import bundle
from adjudge.learn.bundle import Bundle

_ID = re.compile(r"[0-9a-f]{64}")

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
    home
        The workspace's folder, in which new ones may be found by their path; None if they may not.
    """

    def __init__(self, folder: Path | None, secret: bytes, home: Path | None = None) -> None:
        self.folder = folder
        self.secret = secret
        self.home = home

    def find(self, reference: str) -> Bundle:
        """Return the bundle that an id means, or a path inside the workspace; keep it if it is new.

        Parameters
        ----------
        reference
            The id of a bundle that is kept, or the path of a directory from the workspace's folder on.

        Raises
        ------
        BundleError
            If there is none, it is damaged, or lies elsewhere.
        """
        if _ID.fullmatch(reference):
            return self.read(reference)
        if self.home is None:
            message = "a bundle is named by its id here"
            raise BundleError(message)
        home = self.home.resolve()
        path = (home / reference).resolve()
        if not path.is_relative_to(home):
            message = "the bundle does not lie in the workspace"
            raise BundleError(message)
        return self.keep(path)

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
        found = bundle.read(path, self.secret)
        if self.folder is not None and not (self.folder / found.id).is_dir():
            self._copy(path, self.folder, found.id)
        return found

    def under(self, secret: bytes) -> Bundles:
        """Return the same bundles for another secret: models that read texts are loaded for one."""
        return Bundles(self.folder, secret, self.home)

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
        found = bundle.read(self.folder / id_, self.secret)
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
            if bundle.read(draft, self.secret).id != id_:
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
