"""Entries of the registry, and the fold over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import msgspec

from adjudge.errors import InputError, NotFoundError
from adjudge.service.access.ledger import Act

REGISTERED, APPROVED, STAGED = "release_registered", "release_approved", "release_staged"
"""The actions: something is there, somebody has approved it, it decides here."""

NAMED = "environment_named"
"""The action that says which environment a workspace is, where no approval or promotion has said so."""

KEPT = 500
"""How many that nobody has approved and that never decided are shown, beside each system's newest full retrain."""

ENVIRONMENTS = ("development", "staging", "production")
"""Where something can decide; a workspace is one of them."""

LATEST = "latest"
"""In place of an id: what was registered last, in a workspace of one system or of the system that is named."""

What = Literal["bundle", "rules"]


class Approval(msgspec.Struct, frozen=True):
    """Somebody has approved something.

    Parameters
    ----------
    who, why
        Their name, and the reason.
    at_us
        When.
    holders
        Everybody who has the credential that it was approved with.
    environment
        For where.
    """

    who: str
    why: str
    at_us: int
    holders: list[str]
    environment: str


class Stage(msgspec.Struct, frozen=True):
    """Something was put in force.

    Parameters
    ----------
    environment
        Where.
    who, why, at_us
        Who did it, the reason, and when.
    """

    environment: str
    who: str
    why: str
    at_us: int


class _Registered(msgspec.Struct, frozen=True, kw_only=True):
    """What the entry of something new says."""

    id: str
    what: What
    system: str
    how: str
    holders: list[str] = []
    parents: list[str] = []
    evidence: dict[str, Any] = {}
    origin: str = ENVIRONMENTS[0]
    package: str = ""
    rules: dict[str, Any] | None = None
    approvals: list[Approval] = []
    history: list[Approval] = []
    stages: list[Stage] = []


class Release(_Registered, frozen=True, kw_only=True):
    """One bundle or rule set.

    Parameters
    ----------
    id
        Hash of its content.
    what
        Which of the two.
    system
        Whose.
    how
        How it came to be: ``full`` or ``incremental`` for a retrain, ``given`` by somebody, ``imported``.
    seq, at_us, who, why
        Its entry: position, time, who made it and for what reason.
    holders
        Everybody who has a credential that it was registered with, however often.
    parents
        Ids of what it was made from or held against.
    evidence
        What it was judged by, as JSON: of a bundle a duel, of rules a back-test; empty where there is none.
    origin
        Environment it came from.
    package
        Hash of the package it came in; empty where it was made here.
    rules
        The document of a rule set.
    approvals
        Who approved it, by entries of this log and no other.
    history
        Who approved it before it came here, as its package says. Nothing is allowed by it.
    stages
        Where it was put in force; those of before it came here are among them.
    """

    seq: int
    at_us: int
    who: str
    why: str

    @property
    def verdict(self) -> str:
        """What the evidence says in a word; empty where it says none."""
        return str(self.evidence.get("verdict", ""))


class _Said(msgspec.Struct):
    """What an entry about something, or about the workspace, says."""

    id: str = ""
    environment: str = ENVIRONMENTS[0]
    holders: list[str] = []


class Releases:
    """Everything that is registered.

    Parameters
    ----------
    releases, environment
        Those of a snapshot.

    Attributes
    ----------
    environment
        Which environment the workspace is: the first that an entry of its log has named; empty until then.

    Examples
    --------
    >>> from adjudge.service.access.ledger import MemoryLedger
    >>> releases = Releases()
    >>> ledger = MemoryLedger(lambda: 0, releases)
    >>> content = {"id": "ab12", "what": "bundle", "system": "shop", "how": "full", "evidence": {"verdict": "better"}}
    >>> seq = ledger.record(REGISTERED, "ada", "labels of May", content)
    >>> seq = ledger.record(STAGED, "bob", "better", {"id": "ab12", "environment": "production"})
    >>> [(one.id, one.verdict, one.stages[0].environment) for one in releases]
    [('ab12', 'better', 'production')]
    >>> releases.environment
    'production'
    """

    def __init__(self, releases: Iterable[Release] = (), environment: str = "") -> None:
        self._releases = {one.id: one for one in releases}
        self.environment = environment

    def __len__(self) -> int:
        return len(self._releases)

    def __iter__(self) -> Iterator[Release]:
        return iter([*self._releases.values()])  # somebody may register one meanwhile, on another thread

    def get(self, id_: str) -> Release | None:
        """Return what has that id, None if nothing has."""
        return self._releases.get(id_)

    def find(self, beginning: str, system: str | None = None) -> Release:
        """Return what has an id that begins so; ``latest`` is what was registered last.

        Parameters
        ----------
        beginning
            How the id begins, or ``latest``.
        system
            Whose; None for any.

        Raises
        ------
        NotFoundError
            If nothing has.
        InputError
            If several have, or it is the latest of several systems and none is named.
        """
        mine = [one for one in self if system in (None, one.system)]
        if beginning == LATEST and mine:
            names = {one.system for one in mine}
            if len(names) > 1:
                message = f"the latest of which system? Name it, or an id: {', '.join(sorted(names))}"
                raise InputError(message, field="system", code="ambiguous")
            return mine[-1]
        found = [one for one in mine if beginning and one.id.startswith(beginning)]
        if not found:
            message = f"nothing is registered here whose id begins with {beginning[:64]!r}"
            raise NotFoundError(message)
        if len(found) > 1:
            message = f"{len(found)} ids begin with {beginning[:64]!r}: give more of it"
            raise InputError(message, field="id", code="ambiguous")
        return found[0]

    def apply(self, act: Act) -> None:
        """Fold the next management action."""
        if act.action == REGISTERED:
            said = msgspec.convert(act.content, _Registered)
            before = self._releases.pop(said.id, None)  # what is registered again stands last
            content = msgspec.structs.asdict(said)
            content["history"] = _merged(said.history, said.approvals)  # what somebody brings approves nothing here
            content["approvals"] = []
            if before is not None:
                content |= _again(before, said, content["history"])
            self._releases[said.id] = Release(seq=act.seq, at_us=act.at_us, who=act.who, why=act.why, **content)
            self._forget()
        elif act.action in (APPROVED, STAGED, NAMED):
            about = msgspec.convert(act.content, _Said)
            self.environment = self.environment or about.environment
            one = self._releases.get(about.id)
            if one is not None and act.action != NAMED:
                self._releases[one.id] = _noted(one, act, about)

    def _forget(self) -> None:
        """Forget the oldest that nobody approved and that decided nowhere, so that a snapshot stays small."""
        full = {one.system: one.id for one in self._releases.values() if one.what == "bundle" and one.how == "full"}
        kept = {*full.values()}  # the next one is due by its time
        idle = [id_ for id_, one in self._releases.items() if not one.approvals and not one.stages and id_ not in kept]
        for id_ in idle[: max(len(idle) - KEPT, 0)]:
            del self._releases[id_]


def _noted(one: Release, act: Act, about: _Said) -> Release:
    if act.action == APPROVED:
        made = Approval(act.who, act.why, act.at_us, about.holders, about.environment)
        return msgspec.structs.replace(one, approvals=[*one.approvals, made])
    stage = Stage(about.environment, act.who, act.why, act.at_us)
    return msgspec.structs.replace(one, stages=[*one.stages, stage])


def _again(before: Release, said: _Registered, history: list[Approval]) -> dict[str, Any]:
    """Return what stays of something that is registered again: where it came from, and who had a hand in it."""
    own = said.system == before.system
    evidence = said.evidence or (before.evidence if own else {})
    same = own and evidence == before.evidence
    return {
        "how": before.how,
        "origin": before.origin,
        "parents": before.parents,
        "package": said.package or before.package,
        "holders": sorted({*before.holders, before.who, *said.holders}),
        "evidence": evidence,
        "approvals": before.approvals if same else [],  # nobody has approved what it is judged by now
        "history": _merged(before.history, history),
        "stages": _merged(before.stages, said.stages),
    }


def _merged(before: list[Any], more: list[Any]) -> list[Any]:
    return [*before, *(one for one in more if one not in before)]
