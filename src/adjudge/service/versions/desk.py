"""The desk at which a running service is changed: a revision becomes a plan while decisions go on, then one entry."""

from __future__ import annotations

import threading

import msgspec

from adjudge.engine.compile import lists_of
from adjudge.engine.plan import Plan
from adjudge.service.access.ledger import check_signed
from adjudge.service.card import Card
from adjudge.service.decider import Decider
from adjudge.service.versions.revision import Revision, revised
from adjudge.service.warm import warm


class Activated(msgspec.Struct, frozen=True):
    """What came of a revision.

    Parameters
    ----------
    system
        Whose.
    status
        ``active`` from `seq` on, or ``unchanged`` where nothing would be different.
    seq
        Position of the activation that decides.
    versions
        Short hashes of everything that can change a decision.
    """

    system: str
    status: str
    seq: int
    versions: dict[str, str]


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

    def revise(self, revision: Revision, who: str) -> Activated:
        """Make a plan of a revision, and decide with it from the next position on.

        Parameters
        ----------
        revision
            What is to be different.
        who
            Who wants it, for the log.

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
            running = decider.workspace.system(revision.system)
            plan = revised(running.plan, revision, decider.resolver.bundles)
            card = Card.of(plan)
            if card == running.card:
                seq = decider.workspace.activated[card.digest]
                return Activated(running.name, "unchanged", seq, card.versions)
            warm([plan], _quiet)  # a model of another kind brings kernels of its own
            return Activated(running.name, "active", decider.activate(plan, who, revision.why), card.versions)


def _quiet(text: str) -> None:
    """Say nothing: nobody waits for it but whoever asked."""
