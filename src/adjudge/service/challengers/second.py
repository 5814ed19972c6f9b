"""Challengers that wait for a second person: the same desk, with what would change a decision going by two people.

A shadow changes none, and retiring one takes nothing but a challenger away; so only a share and a promotion wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from adjudge.log.codec import Note
from adjudge.service.access import approval
from adjudge.service.access.approval import Proposal
from adjudge.service.access.ledger import By
from adjudge.service.challengers.asked import Challenge, ChallengerView, Ending, Sharing
from adjudge.service.challengers.desk import ChallengersDesk
from adjudge.service.challengers.judge import Judge
from adjudge.service.challengers.site import LiveSite
from adjudge.service.decider import Decider
from adjudge.service.registry.entries import Approval
from adjudge.service.versions.desk import Activated
from adjudge.service.versions.revision import Revision
from adjudge.service.versions.second import SecondPerson

ACTION = "challenge"
"""What a proposal about a challenger would do."""


class ProposedChallenges:
    """Seats and promotes challengers where the settings say so only once a second person approves.

    Parameters
    ----------
    desk
        Does it.
    """

    def __init__(self, desk: ChallengersDesk) -> None:
        self.desk = desk
        self.judge = Judge(desk)

    def seat(self, asked: Challenge, by: By) -> ChallengerView:
        """Have a challenger run, or propose it; see `ChallengersDesk.seat`."""
        if not asked.share:
            return self.desk.seat(asked, by)
        bench = self.desk.site.bench(asked.system)
        seat, _ = self.desk.planned(asked, bench)
        if not self._waits(seat.revision):
            return self.desk.seat(asked, by)
        pinned = msgspec.structs.replace(
            asked,
            system=bench.name,
            name=seat.name,
            release=seat.release,
            revision={} if seat.release else seat.revision,
        )
        made = self._propose("seat", bench.name, seat.name, pinned, by)
        return msgspec.structs.replace(ChallengerView.of(seat, None), stage="waiting", proposal=made.id)

    def share(self, system: str | None, name: str, asked: Sharing, by: By) -> ChallengerView:
        """Have a challenger decide another share of the events, or propose it; see `ChallengersDesk.share`."""
        return self._change("share", system, name, asked, by, waits=asked.share > 0)

    def promote(self, system: str | None, name: str, asked: Ending, by: By) -> ChallengerView:
        """Have a challenger decide alone, or propose it; see `ChallengersDesk.promote`."""
        return self._change("promote", system, name, asked, by, waits=True)

    def retire(self, system: str | None, name: str, by: By) -> ChallengerView:
        """Have a challenger run no more; see `ChallengersDesk.retire`."""
        return self.desk.retire(system, name, by)

    def done(self, proposal: Proposal, by: By, note: Note) -> Activated:
        """Do what was proposed once a second person has approved it.

        Parameters
        ----------
        proposal
            What waits.
        by
            Who has approved it.
        note
            The entry that says that it is done, for the commit that does it.
        """
        content, wanted = proposal.content, By(proposal.who, proposal.why, frozenset(proposal.holders))
        system, name = content["system"], content["name"]
        if content["verb"] == "seat":
            asked = msgspec.convert({**content["asked"], "why": proposal.why}, Challenge)
            self.desk.seat(asked, wanted, [note])
        elif content["verb"] == "share":
            self.desk.share(
                system, name, msgspec.convert({**content["asked"], "why": proposal.why}, Sharing), wanted, [note]
            )
        else:
            ending = msgspec.convert({**content["asked"], "why": proposal.why}, Ending)
            agreed = Approval(by.who, by.why, self.desk.site.clock(), sorted({by.who} | by.holders), "")
            self._promote(system, name, ending, wanted, [note], agreed)
        bench = self.desk.site.bench(system)
        seat = next((one.seat for one in bench.own if one.seat.name == name), None)
        career = self.desk.site.management.careers.find(system, name)
        versions = dict(bench.champion.versions) if seat is None else seat.active.card.versions
        return Activated(system, "active", career.steps[-1].seq, versions)

    def _change(
        self, verb: str, system: str | None, name: str, asked: Sharing | Ending, by: By, *, waits: bool
    ) -> ChallengerView:
        bench = self.desk.site.bench(system)
        seat = self.desk.running(bench, name).seat
        if waits and self._waits(seat.revision) and not self._approved(verb, seat.release):
            if isinstance(asked, Ending):
                self._evidence(bench.name, name, asked)  # raises where it would not be promoted
            made = self._propose(verb, bench.name, name, asked, by)
            return msgspec.structs.replace(self.desk.view(bench.name, name), proposal=made.id)
        if isinstance(asked, Sharing):
            return self.desk.share(bench.name, name, asked, by)
        return self._promote(bench.name, name, asked, by, [], None)

    def _promote(
        self, system: str, name: str, asked: Ending, by: By, notes: Sequence[Note], agreed: Approval | None
    ) -> ChallengerView:
        figures = self._evidence(system, name, asked)
        return self.desk.promote(system, name, asked, by, notes=notes, figures=figures, approval=agreed)

    def _evidence(self, system: str, name: str, asked: Ending) -> dict[str, Any]:
        """Return what a promotion rests on; raises where the rule of its terms is not met.

        Going back rests on nothing: whoever wants it does not wait until all that was decided since is read.
        """
        if self.desk.running(self.desk.site.bench(system), name).seat.back:
            return {}
        return self.judge.evidence(system, name, asked.anyway)

    def _waits(self, revision: dict[str, Any]) -> bool:
        """Whether what a challenger has different takes a second person."""
        touched = msgspec.convert({**revision, "why": "challenger"}, Revision).touched
        return not self.desk.second_person.isdisjoint(touched)

    def _approved(self, verb: str, release: str) -> bool:
        """Whether somebody has approved a release in the registry; `promotion` tells whether that is enough."""
        found = self.desk.site.management.releases.get(release) if release else None
        return verb == "promote" and found is not None and bool(found.approvals)

    def _propose(self, verb: str, system: str, name: str, asked: Any, by: By) -> Proposal:
        content = msgspec.to_builtins(asked)
        del content["why"]
        proposed = {"verb": verb, "system": system, "name": name, "asked": content}
        return approval.propose(self.desk.site.management.approvals, self.desk.site, ACTION, proposed, by)


def proposed_challenges(decider: Decider, second: SecondPerson) -> ProposedChallenges:
    """Return where challengers of a running service are seated, with what waits for a second person.

    Parameters
    ----------
    decider
        Decides, and goes on meanwhile.
    second
        Where else it is changed, and by whom what is proposed is approved.
    """
    desk = ChallengersDesk(LiveSite(decider, second.desk), second.parts)
    made = ProposedChallenges(desk)
    second.others[ACTION] = made.done
    return made
