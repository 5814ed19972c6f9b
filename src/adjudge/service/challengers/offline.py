"""Challengers of a workspace that no service runs on: the next start goes on with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from adjudge.service.access.approval import parts_of
from adjudge.service.access.ledger import By
from adjudge.service.challengers.asked import Challenge, ChallengerList, ChallengerView, Ending, Sharing
from adjudge.service.challengers.desk import ChallengersDesk
from adjudge.service.challengers.judge import Standings
from adjudge.service.challengers.second import ProposedChallenges
from adjudge.service.challengers.site import RestSite, open_site
from adjudge.service.settings import Settings


class OfflineChallengers:
    """Seats challengers by writing into a log directly.

    Parameters
    ----------
    site
        The log.
    second_person
        What takes a second person: it is proposed here, and approved at the service that runs on the workspace next.
    """

    def __init__(self, site: RestSite, second_person: frozenset[str] = frozenset()) -> None:
        self._desk = ChallengersDesk(site, second_person)
        self._proposed = ProposedChallenges(self._desk)

    def challengers(self, system: str | None = None, *, everything: bool = False) -> ChallengerList:
        """Return the challengers."""
        return self._desk.challengers(system, everything=everything)

    def view(self, system: str | None, name: str) -> ChallengerView:
        """Return one of them."""
        return self._desk.view(system, name)

    def standings(self, system: str | None = None) -> Standings:
        """Return what is known of each, and what follows by its terms."""
        return self._proposed.judge.standings(system)

    def seat(self, asked: Challenge, by: By) -> ChallengerView:
        """Have a challenger run."""
        return self._proposed.seat(asked, by)

    def share(self, system: str | None, name: str, asked: Sharing, by: By) -> ChallengerView:
        """Have a challenger decide another share of the events."""
        return self._proposed.share(system, name, asked, by)

    def promote(self, system: str | None, name: str, asked: Ending, by: By) -> ChallengerView:
        """Have a challenger decide alone."""
        return self._proposed.promote(system, name, asked, by)

    def retire(self, system: str | None, name: str, by: By) -> ChallengerView:
        """Have a challenger run no more."""
        return self._proposed.retire(system, name, by)


@contextmanager
def open_desk(settings: Settings, secret: bytes) -> Iterator[OfflineChallengers]:
    """Open a workspace for seating challengers in it; see `open_site`."""
    with open_site(settings, secret) as site:
        yield OfflineChallengers(site, parts_of(settings.second_person))
