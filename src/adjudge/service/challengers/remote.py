"""Challengers of a running service: the same desk as offline, over HTTP."""

from __future__ import annotations

from typing import Protocol
from urllib.parse import quote, urlencode

from adjudge.service.access.ledger import By
from adjudge.service.access.remote import RemoteDesk
from adjudge.service.challengers.asked import Challenge, ChallengerList, ChallengerView, Ending, Sharing
from adjudge.service.challengers.judge import Standings


class Desk(Protocol):
    """Seats challengers, gives them a share, promotes and retires them."""

    def challengers(self, system: str | None = None, *, everything: bool = False) -> ChallengerList:
        """Return the challengers."""
        ...

    def view(self, system: str | None, name: str) -> ChallengerView:
        """Return one of them."""
        ...

    def standings(self, system: str | None = None) -> Standings:
        """Return what is known of each, and what follows by its terms."""
        ...

    def seat(self, asked: Challenge, by: By) -> ChallengerView:
        """Have a challenger run."""
        ...

    def share(self, system: str | None, name: str, asked: Sharing, by: By) -> ChallengerView:
        """Have a challenger decide another share of the events."""
        ...

    def promote(self, system: str | None, name: str, asked: Ending, by: By) -> ChallengerView:
        """Have a challenger decide alone."""
        ...

    def retire(self, system: str | None, name: str, by: By) -> ChallengerView:
        """Have a challenger run no more."""
        ...


class RemoteChallengers(RemoteDesk):
    """Seats challengers in a service; see `RemoteDesk`. Who does it the service knows from the key."""

    def challengers(self, system: str | None = None, *, everything: bool = False) -> ChallengerList:
        """Return the challengers."""
        asked = {"everything": "true"} if everything else {}
        return self._ask("GET", _path("", system, asked), ChallengerList)

    def view(self, system: str | None, name: str) -> ChallengerView:
        """Return one of them."""
        return self._ask("GET", _path(f"/{_part(name)}", system), ChallengerView)

    def standings(self, system: str | None = None) -> Standings:
        """Return what is known of each, and what follows by its terms."""
        given = f"?{urlencode({'system': system})}" if system else ""
        return self._ask("GET", f"/v1/standings{given}", Standings)

    def seat(self, asked: Challenge, by: By) -> ChallengerView:
        """Have a challenger run."""
        return self._ask("POST", "/v1/challengers", ChallengerView, asked)

    def share(self, system: str | None, name: str, asked: Sharing, by: By) -> ChallengerView:
        """Have a challenger decide another share of the events."""
        return self._ask("POST", _path(f"/{_part(name)}/share", system), ChallengerView, asked)

    def promote(self, system: str | None, name: str, asked: Ending, by: By) -> ChallengerView:
        """Have a challenger decide alone."""
        return self._ask("POST", _path(f"/{_part(name)}/promote", system), ChallengerView, asked)

    def retire(self, system: str | None, name: str, by: By) -> ChallengerView:
        """Have a challenger run no more."""
        return self._ask("POST", _path(f"/{_part(name)}/retire", system), ChallengerView, Ending(by.why))


def _part(name: str) -> str:
    return quote(name, safe="")


def _path(rest: str, system: str | None, asked: dict[str, str] | None = None) -> str:
    given = ({"system": system} if system else {}) | (asked or {})
    return f"/v1/challengers{rest}" + (f"?{urlencode(given)}" if given else "")
