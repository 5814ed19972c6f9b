"""Changing what decides in a running service: the same desk as offline, over HTTP."""

from __future__ import annotations

from typing import Protocol

from adjudge.service.access.remote import RemoteDesk
from adjudge.service.versions.desk import Activated, ActiveSystems
from adjudge.service.versions.revision import Revision


class Desk(Protocol):
    """Changes what decides."""

    def active(self) -> ActiveSystems:
        """Return what decides now."""
        ...

    def revise(self, revision: Revision) -> Activated:
        """Have something else decide from here on."""
        ...


class RemoteVersions(RemoteDesk):
    """Changes what decides in a service; see `RemoteDesk`."""

    def active(self) -> ActiveSystems:
        """Return what decides now."""
        return self._ask("GET", "/v1/activations", ActiveSystems)

    def revise(self, revision: Revision) -> Activated:
        """Have something else decide from here on."""
        return self._ask("POST", "/v1/activations", Activated, revision)
