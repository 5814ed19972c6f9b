"""Revisions that wait for a second person: the same desk, with what the settings name going by two people."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from adjudge.log.codec import Note
from adjudge.service.access import approval
from adjudge.service.access.approval import Proposal
from adjudge.service.access.ledger import By
from adjudge.service.decider import Decider
from adjudge.service.versions.desk import Activated, LiveDesk
from adjudge.service.versions.revision import Revision

ACTION = "activate"
"""What a proposal of a revision would do."""


class ProposalView(msgspec.Struct, frozen=True, omit_defaults=True):
    """What waits for a second person, or has.

    Parameters
    ----------
    id
        Its position in the log.
    state
        ``open``, ``approved``, ``refused``, ``used`` once it is done, or ``expired``.
    action, content
        What would be done, and with what.
    who, why
        Who proposed it, and the reason.
    made_at, until
        When it was proposed, and when that ends.
    approved_by, refused_by
        Who answered it, if somebody has.
    """

    id: int
    state: str
    action: str
    content: dict[str, Any]
    who: str
    why: str
    made_at: datetime
    until: datetime
    approved_by: str = ""
    refused_by: str = ""

    @classmethod
    def of(cls, proposal: Proposal, now_us: int) -> ProposalView:
        """Return a proposal as it is shown at a time."""
        return cls(
            id=proposal.id,
            state=proposal.state(now_us),
            action=proposal.action,
            content=proposal.content,
            who=proposal.who,
            why=proposal.why,
            made_at=_time(proposal.made_us),
            until=_time(proposal.until_us),
            approved_by=proposal.approved_by,
            refused_by=proposal.refused_by,
        )


class ProposalList(msgspec.Struct, frozen=True):
    """What waits for a second person, and what came to its end lately."""

    proposals: list[ProposalView]


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a proposal is approved or refused, for the log."""

    why: str


class SecondPerson:
    """Changes what a decider decides with, where the settings say so only once a second person approves.

    Parameters
    ----------
    decider
        Decides, and writes down who wanted what.
    parts
        What takes a second person, of `adjudge.service.access.approval.PARTS`.
    """

    def __init__(self, decider: Decider, parts: frozenset[str] = frozenset()) -> None:
        self.desk = LiveDesk(decider)
        self._decider = decider
        self.parts = parts
        self._turn = threading.Lock()  # what is approved is done once, whoever says so how often
        self.others: dict[str, Callable[[Proposal, By, Note], Activated]] = {}  # what else is proposed, by its action

    def views(self) -> ProposalList:
        """Return what waits, and what came to its end lately."""
        now_us = self._decider.clock()
        return ProposalList([ProposalView.of(p, now_us) for p in self._decider.workspace.management.approvals])

    def revise(self, revision: Revision, by: By) -> Activated:
        """Have something else decide from here on, or propose it; either way it is compiled and checked first.

        Parameters
        ----------
        revision
            What is to be different.
        by
            Who wants it; the reason is that of the revision.
        """
        if self.parts.isdisjoint(revision.touched):
            return self.desk.revise(revision, by.who)
        foreseen = self.desk.foresee(revision)
        if foreseen.status == "unchanged":
            return foreseen
        pinned = msgspec.structs.replace(revision, system=foreseen.system, bundle=self._pinned(revision.bundle))
        content = msgspec.to_builtins(pinned)
        del content["why"]
        approvals = self._decider.workspace.management.approvals
        made = approval.propose(approvals, self._decider, ACTION, content, by)
        return msgspec.structs.replace(foreseen, proposal=made.id)

    def approve(self, id_: int, by: By) -> Activated:
        """Approve a proposal and do it; whoever has approved one that could not be done then says so again.

        It is compiled against what decides by now. The log names who proposed it as who wanted it, and who approved it
        in entries of their own.

        Parameters
        ----------
        id_
            The proposal.
        by
            Who approves it, and the reason.
        """
        approvals = self._decider.workspace.management.approvals
        approval.approve(approvals, self._decider, id_, by)
        with self._turn:
            proposal = approvals.ready(id_, self._decider.clock())
            if proposal.action in self.others:
                return self.others[proposal.action](proposal, by, approval.used_note(proposal, by))
            revision = msgspec.convert({**proposal.content, "why": proposal.why}, Revision)
            done = self.desk.revise(revision, proposal.who, [approval.used_note(proposal, by)])
            if done.status == "unchanged":  # somebody else came first with the same
                approval.use(self._decider, proposal, by)
            return done

    def refuse(self, id_: int, by: By) -> ProposalView:
        """Refuse a proposal, or take it back.

        Parameters
        ----------
        id_, by
            As for `approve`.
        """
        refused = approval.refuse(self._decider.workspace.management.approvals, self._decider, id_, by)
        return ProposalView.of(refused, self._decider.clock())

    def _pinned(self, bundle: str) -> str:
        """Return a bundle by its id: what lies at a path may be another one by the time it is approved."""
        return self._decider.resolver.bundles.find(bundle).id if bundle else ""


def _time(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
