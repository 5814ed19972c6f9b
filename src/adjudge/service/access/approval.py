"""Approvals: what one person proposes happens only once another has approved it.

A proposal is an entry of the log, and so is every answer to it. What became of it is a fold over these entries, and the
fold is the judge: of two answers at once the first in the log counts, and an answer that may not be given counts for
nothing, whoever wrote it. Two credentials are two people only if nobody has both of them in hand: not two keys of one
owner, nor a key and another one that was made with it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from adjudge.errors import ConflictError, InputError, NotFoundError, did_you_mean
from adjudge.log.codec import Note
from adjudge.service.access.keys import DAY_US
from adjudge.service.access.ledger import Act, By, Ledger, note_of
from adjudge.service.access.refusal import SecondPersonError

PROPOSED, APPROVED, REFUSED, USED = "proposal_made", "proposal_approved", "proposal_refused", "proposal_used"
"""The actions that make proposals and answer them."""

OPEN_US = 7 * DAY_US
"""How long a proposal may be approved and used unless said otherwise."""

MOST_OPEN_US = 90 * DAY_US
"""Longest that it may be."""

KEPT_US = 30 * DAY_US
"""How long a proposal that came to its end is shown; the log has it for good."""

PARTS = ("bundle", "rules", "policy", "lists", "definitions")
"""What the settings may have two people activate."""

State = Literal["open", "approved", "refused", "used", "expired"]


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Something that waits for a second person.

    Parameters
    ----------
    id
        Position of its entry.
    action, content
        What would be done, and with what: plain JSON.
    who, why
        Who proposed it, and the reason they gave.
    holders
        Everybody who has the credential that it was proposed with.
    made_us, until_us
        When it was proposed, and when that ends.
    approved_by, approved_us
        Who approved it, and when.
    refused_by, refused_us
        Who refused it or took it back, and when.
    used_us
        When it was done.
    """

    id: int
    action: str
    content: dict[str, Any]
    who: str
    why: str
    holders: list[str]
    made_us: int
    until_us: int
    approved_by: str = ""
    approved_us: int | None = None
    refused_by: str = ""
    refused_us: int | None = None
    used_us: int | None = None

    def state(self, now_us: int) -> State:
        """Return what became of it."""
        if self.used_us is not None:
            return "used"
        if self.refused_us is not None:
            return "refused"
        if now_us >= self.until_us:
            return "expired"
        return "open" if self.approved_us is None else "approved"

    @property
    def ended_us(self) -> int:
        """When it came to its end, or will."""
        if self.used_us is not None:
            return self.used_us
        return self.until_us if self.refused_us is None else self.refused_us


class _Proposed(msgspec.Struct):
    """What the entry of a proposal says."""

    proposed: str
    with_: dict[str, Any] = msgspec.field(name="with")
    lasts_us: int
    holders: list[str]


class _Answered(msgspec.Struct):
    """What the entry of an answer says."""

    proposal: int
    holders: list[str] = []


class Approvals:
    """Every proposal that waits, and those that came to their end lately.

    Parameters
    ----------
    proposals
        Those of a snapshot.

    Examples
    --------
    >>> from adjudge.service.access.ledger import MemoryLedger
    >>> approvals = Approvals()
    >>> ledger = MemoryLedger(lambda: 0, approvals)
    >>> ada, bob = By("ada", "fewer false alarms"), By("bob", "seen in the back-test")
    >>> proposal = propose(approvals, ledger, "activate", {"rules": "v2"}, ada)
    >>> approve(approvals, ledger, proposal.id, bob).state(now_us=1)
    'approved'
    """

    def __init__(self, proposals: Iterable[Proposal] = ()) -> None:
        self._proposals = {proposal.id: proposal for proposal in proposals}

    def __len__(self) -> int:
        return len(self._proposals)

    def __iter__(self) -> Iterator[Proposal]:
        return iter([*self._proposals.values()])  # somebody may answer one meanwhile, on another thread

    def __getitem__(self, id_: int) -> Proposal:
        if id_ not in self._proposals:
            message = f"there is no proposal {id_}, or it has long ended; the log has it at that position"
            raise NotFoundError(message)
        return self._proposals[id_]

    def ready(self, id_: int, now_us: int) -> Proposal:
        """Return a proposal that may be done now.

        Whoever does it puts `used_note` into the very commit that does it: so it is done once, and by nobody half.

        Raises
        ------
        NotFoundError
            If there is none.
        ConflictError
            If it is not approved, or not any more.
        """
        proposal = self[id_]
        _check_state(proposal, now_us, "approved")
        return proposal

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action == PROPOSED:
            self._forget(act.at_us)
            asked = msgspec.convert(act.content, _Proposed)
            self._proposals[act.seq] = Proposal(
                id=act.seq,
                action=asked.proposed,
                content=asked.with_,
                who=act.who,
                why=act.why,
                holders=asked.holders,
                made_us=act.at_us,
                until_us=act.at_us + asked.lasts_us,
            )
        elif act.action in (APPROVED, REFUSED, USED):
            answer = msgspec.convert(act.content, _Answered)
            proposal = self._proposals.get(answer.proposal)
            if proposal is not None:
                self._proposals[proposal.id] = _answered(proposal, act, answer)

    def _forget(self, now_us: int) -> None:
        """Forget what ended long ago, so that a snapshot does not grow with the past."""
        gone = [id_ for id_, proposal in self._proposals.items() if now_us >= proposal.ended_us + KEPT_US]
        for id_ in gone:
            del self._proposals[id_]


def propose(
    approvals: Approvals, ledger: Ledger, action: str, content: dict[str, Any], by: By, *, lasts_us: int = OPEN_US
) -> Proposal:
    """Propose something; who proposes again what still waits for an answer gets the proposal there is.

    Parameters
    ----------
    approvals
        The projection, which the ledger feeds.
    ledger
        Where it is written.
    action, content
        What would be done, and with what: plain JSON.
    by
        Who proposes it, and the reason.
    lasts_us
        How long it may be approved and used, in microseconds.

    Raises
    ------
    InputError
        If it is not signed, or would last too long or not at all.
    """
    if not 0 < lasts_us <= MOST_OPEN_US:
        message = f"a proposal lasts up to {MOST_OPEN_US // DAY_US} days"
        raise InputError(message, field="lasts", code="out_of_range")
    now_us = ledger.clock()
    for there in approvals:
        if (there.action, there.content, there.who) == (action, content, by.who) and there.state(now_us) == "open":
            return there
    asked = {"proposed": action, "with": content, "lasts_us": lasts_us, "holders": _holders(by)}
    return approvals[ledger.record(PROPOSED, by.who, by.why, asked)]


def approve(approvals: Approvals, ledger: Ledger, id_: int, by: By) -> Proposal:
    """Approve a proposal as a second person; whoever has approved it may ask again, and nothing more is written.

    Parameters
    ----------
    approvals, ledger
        As in `propose`.
    id_
        The proposal.
    by
        Who approves it, and the reason.

    Raises
    ------
    NotFoundError
        If there is none.
    SecondPersonError
        If the same person has proposed it, or somebody with the same credential could have.
    ConflictError
        If it is not open any more.
    """
    proposal, now_us = approvals[id_], ledger.clock()
    if proposal.approved_by == by.who and proposal.state(now_us) == "approved":
        return proposal
    if not apart(proposal.holders, _holders(by)):
        raise SecondPersonError(proposal.who)
    _check_state(proposal, now_us, "open")
    ledger.record(APPROVED, by.who, by.why, {"proposal": id_, "holders": _holders(by)})
    decided = approvals[id_]
    if decided.approved_by != by.who:  # somebody else came first
        _check_state(decided, ledger.clock(), "open")
    return decided


def refuse(approvals: Approvals, ledger: Ledger, id_: int, by: By) -> Proposal:
    """Refuse a proposal, or take it back, also one that is approved and was not used yet.

    Parameters
    ----------
    approvals, ledger, id_, by
        As in `approve`; whoever proposed it may.

    Raises
    ------
    NotFoundError
        If there is none.
    ConflictError
        If it came to its end.
    """
    proposal = approvals[id_]
    if proposal.refused_by == by.who:
        return proposal
    _check_state(proposal, ledger.clock(), "open", "approved")
    ledger.record(REFUSED, by.who, by.why, {"proposal": id_, "holders": _holders(by)})
    return approvals[id_]


def used_note(proposal: Proposal, by: By) -> Note:
    """Return the entry that says that a proposal is done, for the commit that does it.

    Parameters
    ----------
    proposal
        One that `Approvals.ready` has given.
    by
        Who does it, and the reason.
    """
    return note_of(USED, by.who, by.why, {"proposal": proposal.id})


def use(ledger: Ledger, proposal: Proposal, by: By) -> None:
    """Write down that a proposal is done where there was nothing left to do.

    Parameters
    ----------
    ledger
        Where it is written.
    proposal, by
        As for `used_note`.
    """
    ledger.record(USED, by.who, by.why, {"proposal": proposal.id})


def parts_of(words: str) -> frozenset[str]:
    """Return what takes a second person.

    Parameters
    ----------
    words
        Words of `PARTS`, with commas between.

    Raises
    ------
    InputError
        If there is no such word.

    Examples
    --------
    >>> sorted(parts_of("rules, bundle"))
    ['bundle', 'rules']
    """
    found = frozenset(filter(None, (word.strip() for word in words.split(","))))
    for word in sorted(found.difference(PARTS)):
        message = f"second_person may name {', '.join(PARTS)}, not {word[:40]!r}{did_you_mean(word[:40], PARTS)}"
        raise InputError(message, field="second_person")
    return found


def apart(one: Iterable[str], other: Iterable[str]) -> bool:
    """Return whether the holders of two credentials are other people, however their names are written.

    Examples
    --------
    >>> apart(["ada"], ["bob"]), apart(["ada", "bob"], ["Bob "]), apart(["ada"], [])
    (True, False, False)
    """
    first, second = _people(one), _people(other)
    return bool(first) and bool(second) and not first & second


def _answered(proposal: Proposal, act: Act, answer: _Answered) -> Proposal:
    """Return what an answer makes of a proposal: nothing else, if it came too late or from the same person."""
    state = proposal.state(act.at_us)
    if act.action == APPROVED and state == "open" and apart(proposal.holders, answer.holders):
        return msgspec.structs.replace(proposal, approved_by=act.who, approved_us=act.at_us)
    if act.action == REFUSED and state in ("open", "approved"):
        return msgspec.structs.replace(proposal, refused_by=act.who, refused_us=act.at_us)
    if act.action == USED and state == "approved":
        return msgspec.structs.replace(proposal, used_us=act.at_us)
    return proposal


def _check_state(proposal: Proposal, now_us: int, *wanted: State) -> None:
    state = proposal.state(now_us)
    if state not in wanted:
        said = {
            "open": "waits for a second person",
            "approved": f"was approved by {proposal.approved_by}",
            "refused": f"was refused by {proposal.refused_by}",
            "used": "is done",
            "expired": "was left too long, and must be made again",
        }
        message = f"proposal {proposal.id} {said[state]}"
        raise ConflictError(message, field="id", code=f"proposal_{state}")


def _people(names: Iterable[str]) -> set[str]:
    return {unicodedata.normalize("NFKC", name).casefold().strip() for name in names}


def _holders(by: By) -> list[str]:
    return sorted({by.who} | by.holders)
