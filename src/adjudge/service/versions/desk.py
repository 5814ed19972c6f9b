"""The desk at which a running service is changed: a revision becomes a plan while decisions go on, then one entry."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import msgspec

from adjudge.engine.compile import lists_of
from adjudge.engine.plan import Plan
from adjudge.log.codec import Note
from adjudge.service.access.ledger import check_signed
from adjudge.service.card import Card
from adjudge.service.decider import Decider
from adjudge.service.versions.revision import Revision, revised
from adjudge.service.warm import warm
from adjudge.service.workspace import Running


class Activated(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a revision.

    Parameters
    ----------
    system
        Whose.
    status
        ``active`` from `seq` on, ``unchanged`` where nothing would be different, or ``waiting`` for a second person.
    seq
        Position of the activation that decides.
    versions
        Short hashes of everything that can change a decision, with the revision.
    proposal
        What waits, for whoever approves it; absent where nothing does.
    """

    system: str
    status: str
    seq: int
    versions: dict[str, str]
    proposal: int | None = None


class ActiveSystem(msgspec.Struct, frozen=True):
    """What decides in one system.

    Parameters
    ----------
    system
        Its name.
    seq
        Position of the activation.
    versions
        Short hashes of everything that can change a decision.
    bundle
        Id of its bundle; empty where it has none.
    lists
        How much each named list holds.
    """

    system: str
    seq: int
    versions: dict[str, str]
    bundle: str
    lists: dict[str, int]

    @classmethod
    def of(cls, plan: Plan, seq: int) -> ActiveSystem:
        """Return it of a plan that was activated at a position."""
        lists = {name: len(values) for name, values in lists_of(plan.system).items()}
        return cls(plan.system.name, seq, dict(plan.versions), plan.bundle, lists)


class ActiveSystems(msgspec.Struct, frozen=True):
    """What decides in each system."""

    systems: list[ActiveSystem]


class LiveDesk:
    """Changes what a decider decides with.

    Parameters
    ----------
    decider
        Decides, and goes on meanwhile.
    """

    def __init__(self, decider: Decider) -> None:
        self._decider = decider
        self._turn = threading.Lock()  # one revision after the other: each begins from what the one before has made

    def active(self) -> ActiveSystems:
        """Return what decides now."""
        workspace = self._decider.workspace
        return ActiveSystems(
            [ActiveSystem.of(s.plan, workspace.activated[s.card.digest]) for s in workspace.systems.values()]
        )

    def foresee(self, revision: Revision) -> Activated:
        """Return what would come of a revision now; raises as `revise` does."""
        running, plan = self._planned(revision)
        card, seq = Card.of(plan), self._decider.workspace.activated[running.card.digest]
        return Activated(running.name, "unchanged" if card == running.card else "waiting", seq, card.versions)

    def revise(self, revision: Revision, who: str, beside: Sequence[Note] = ()) -> Activated:
        """Make a plan of a revision, and decide with it from the next position on.

        Parameters
        ----------
        revision
            What is to be different.
        who
            Who wants it, for the log.
        beside
            Management entries of the same commit; where nothing would be different they are not written either.

        Raises
        ------
        InputError
            If anything about it is wrong; then nothing is different.
        UnavailableError
            If it cannot be logged now.
        """
        check_signed(who, revision.why)
        with self._turn:
            decider = self._decider
            running, plan = self._planned(revision)
            card = Card.of(plan)
            if card == running.card:
                seq = decider.workspace.activated[card.digest]
                return Activated(running.name, "unchanged", seq, card.versions)
            warm([plan], _quiet)  # a model of another kind brings kernels of its own
            return Activated(running.name, "active", decider.activate(plan, who, revision.why, beside), card.versions)

    def _planned(self, revision: Revision) -> tuple[Running, Plan]:
        """Return a system as it decides, and its plan as it would."""
        running = self._decider.workspace.system(revision.system)
        return running, revised(running.plan, revision, self._decider.resolver.bundles)


def _quiet(text: str) -> None:
    """Say nothing: nobody waits for it but whoever asked."""
