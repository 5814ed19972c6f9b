"""Changing what decides in a running service: the same desk as offline, over HTTP."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote

from adjudge.service.access.remote import RemoteDesk
from adjudge.service.versions.desk import Activated, ActiveSystems, HeldList
from adjudge.service.versions.revision import Revision
from adjudge.service.versions.second import Answer, ProposalList, ProposalView


class Desk(Protocol):
    """Changes what decides."""

    def active(self) -> ActiveSystems:
        """Return what decides now."""
        ...

    def held(self, name: str, system: str | None = None) -> HeldList:
        """Return what a named list holds now."""
        ...

    def revise(self, revision: Revision) -> Activated:
        """Have something else decide from here on."""
        ...


class RemoteVersions(RemoteDesk):
    """Changes what decides in a service; see `RemoteDesk`."""

    def active(self) -> ActiveSystems:
        """Return what decides now."""
        return self._ask("GET", "/v1/activations", ActiveSystems)

    def held(self, name: str, system: str | None = None) -> HeldList:
        """Return what a named list holds now."""
        of = f"?system={quote(system, safe='')}" if system is not None else ""
        return self._ask("GET", f"/v1/lists/{quote(name, safe='')}{of}", HeldList)

    def revise(self, revision: Revision) -> Activated:
        """Have something else decide from here on."""
        return self._ask("POST", "/v1/activations", Activated, revision)

    def proposals(self) -> ProposalList:
        """Return what waits for a second person, and what came to its end lately."""
        return self._ask("GET", "/v1/proposals", ProposalList)

    def approve(self, id_: int, why: str) -> Activated:
        """Approve a proposal as a second person, and have it decide from here on."""
        return self._ask("POST", f"/v1/proposals/{id_}/approve", Activated, Answer(why))

    def refuse(self, id_: int, why: str) -> ProposalView:
        """Refuse a proposal, or take it back."""
        return self._ask("POST", f"/v1/proposals/{id_}/refuse", ProposalView, Answer(why))
