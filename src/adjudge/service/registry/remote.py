"""The registry of a running service: the same desk as at rest, over HTTP."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, urlencode

from adjudge.errors import InputError
from adjudge.service.access.ledger import By
from adjudge.service.access.remote import RemoteDesk
from adjudge.service.registry import package
from adjudge.service.registry.api import FILE, MEDIA
from adjudge.service.registry.asked import Assent, Registration, ReleaseList
from adjudge.service.registry.entries import Release
from adjudge.service.versions.desk import Activated


class Desk(Protocol):
    """Registers, approves, promotes and moves releases."""

    def releases(self, system: str | None = None) -> ReleaseList:
        """Return what is registered."""
        ...

    def release(self, id_: str, system: str | None = None) -> Release:
        """Return what has an id that begins so, or is the latest."""
        ...

    def card(self, id_: str, system: str | None = None) -> str:
        """Return the model card of a release."""
        ...

    def register(self, asked: Registration, by: By) -> Release:
        """Register a bundle or a rule set that was made here."""
        ...

    def approve(self, id_: str, asked: Assent, by: By, system: str | None = None) -> Release:
        """Approve a release for an environment."""
        ...

    def promote(self, id_: str, asked: Assent, by: By, system: str | None = None) -> Activated:
        """Have a release decide from the next position on."""
        ...

    def export(
        self, id_: str, to: Path, asked: Assent, by: By, system: str | None = None, key: Path | None = None
    ) -> str:
        """Write a package of a release, and return the hash of its content."""
        ...

    def take_in(self, path: Path, by: By, system: str | None = None, trusted: Path | None = None) -> Release:
        """Take a package in."""
        ...


class RemoteReleases(RemoteDesk):
    """Registers releases in a service; see `RemoteDesk`. Who does it the service knows from the key."""

    def releases(self, system: str | None = None) -> ReleaseList:
        """Return what is registered."""
        return self._ask("GET", _path("", system), ReleaseList)

    def release(self, id_: str, system: str | None = None) -> Release:
        """Return what has an id that begins so, or is the latest."""
        return self._ask("GET", _path(f"/{_part(id_)}", system), Release)

    def card(self, id_: str, system: str | None = None) -> str:
        """Return the model card of a release."""
        return self._sent("GET", _path(f"/{_part(id_)}/card", system)).decode()

    def register(self, asked: Registration, by: By) -> Release:
        """Register a bundle that lies in the service's workspace, or a rule set."""
        return self._ask("POST", _path("", None), Release, asked)

    def approve(self, id_: str, asked: Assent, by: By, system: str | None = None) -> Release:
        """Approve a release for an environment."""
        return self._ask("POST", _path(f"/{_part(id_)}/approve", system), Release, asked)

    def promote(self, id_: str, asked: Assent, by: By, system: str | None = None) -> Activated:
        """Have a release decide from the next position on."""
        return self._ask("POST", _path(f"/{_part(id_)}/promote", system), Activated, asked)

    def export(
        self, id_: str, to: Path, asked: Assent, by: By, system: str | None = None, key: Path | None = None
    ) -> str:
        """Fetch a package of a release, check it, sign it with a key that stays here, and write it to a file."""
        content = self._sent("POST", _path(f"/{_part(id_)}/package", system), body=asked)
        with tempfile.TemporaryDirectory(prefix=".fetched-", dir=to.resolve().parent) as scratch:
            path = Path(scratch) / FILE
            path.write_bytes(content)
            found = package.read(path)
            if key is not None:
                package.sign(path, key)
            path.replace(to)
        return found.sha256

    def take_in(self, path: Path, by: By, system: str | None = None, trusted: Path | None = None) -> Release:
        """Send a package, after checking it here, too."""
        package.read(path, trusted)
        given = urlencode({"why": by.why} | ({"system": system} if system else {}))
        return self._ask("POST", f"/v1/packages?{given}", Release, path.read_bytes(), media=MEDIA)


def _part(id_: str) -> str:
    if not id_:
        message = "give the id of a release, or how it begins, or latest"
        raise InputError(message, field="id")
    return quote(id_, safe="")


def _path(rest: str, system: str | None) -> str:
    return f"/v1/releases{rest}" + (f"?{urlencode({'system': system})}" if system else "")
