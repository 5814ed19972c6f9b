"""The desk at which a running service is changed: a revision becomes a plan while decisions go on, then one entry."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from adjudge.engine.compile import lists_of
from adjudge.engine.plan import Plan
from adjudge.errors import ConflictError, InputError, NotFoundError, UnavailableError, did_you_mean
from adjudge.log.codec import Note
from adjudge.service.access.ledger import MAX_REASON, check_signed, note_of
from adjudge.service.card import Card
from adjudge.service.changed import Change
from adjudge.service.decider import Decider
from adjudge.service.follow import quiet
from adjudge.service.versions.beside import Beside, Progress, StoppedError
from adjudge.service.versions.coming import ACCEPTED, DROPPED, Accepted
from adjudge.service.versions.confirmed import left_over, listing_rules, wanted
from adjudge.service.versions.revision import Entry, Revision, revised
from adjudge.service.warm import warm
from adjudge.service.workspace import Running

logger = logging.getLogger(__name__)

RETRY_S = 0.5
"""How long it waits where what is coming cannot take over yet."""


class Activated(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of a revision.

    Parameters
    ----------
    system
        Whose.
    status
        ``active`` from `seq` on; ``unchanged`` where nothing would be different; ``waiting`` for a second person; or
        ``folding`` where a state of its own is needed, which takes over as soon as it is folded.
    seq
        Position of the activation that decides, or of the entry that says what is coming.
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


class HeldList(msgspec.Struct, frozen=True):
    """What a named list holds.

    Parameters
    ----------
    system, name
        Whose, and its name.
    entries
        Its elements, in order, with what is said of them.
    """

    system: str
    name: str
    entries: list[Entry]

    @classmethod
    def of(cls, plan: Plan, name: str) -> HeldList:
        """Return it of a list of a plan; `NotFoundError` if it has none of that name."""
        known = lists_of(plan.system)
        if name not in known:
            message = f"system {plan.system.name!r}: there is no list {name[:80]!r}{did_you_mean(name[:80], known)}"
            raise NotFoundError(message)
        terms = plan.system.terms.get(name, {})
        return cls(plan.system.name, name, [Entry.of(value, terms.get(value)) for value in known[name]])


class ActiveSystems(msgspec.Struct, frozen=True):
    """What decides in each system, and what is coming."""

    systems: list[ActiveSystem]
    coming: list[Progress] = []


class LiveDesk:
    """Changes what a decider decides with.

    Parameters
    ----------
    decider
        Decides, and goes on meanwhile.
    background
        Whether what has to be folded beside is folded on a thread of its own; else by `fold`.
    """

    def __init__(self, decider: Decider, *, background: bool = True) -> None:
        self._decider = decider
        self.turn = threading.Lock()  # one revision after the other: each begins from what the one before has made
        self._background = background
        self._beside: dict[str, Beside] = {}
        self._threads: list[threading.Thread] = []
        self._stopped = threading.Event()
        self._listing = ThreadPoolExecutor(1, "listing") if background else None
        decider.labelled = self._labelled

    def active(self) -> ActiveSystems:
        """Return what decides now, and what is coming."""
        workspace = self._decider.workspace
        systems = [ActiveSystem.of(s.plan, workspace.activated[s.card.digest]) for s in workspace.systems.values()]
        return ActiveSystems(systems, self.coming())

    def held(self, name: str, system: str | None = None) -> HeldList:
        """Return what a named list holds now; `system` is needed where there are several."""
        return HeldList.of(self._decider.workspace.system(system).plan, name)

    def coming(self) -> list[Progress]:
        """Return what is coming, and how far it has come."""
        return [self._progress(accepted) for accepted in self._decider.workspace.management.coming]

    def foresee(self, revision: Revision) -> Activated:
        """Return what would come of a revision now; raises as `revise` does."""
        running, plan = self._planned(revision)
        card, seq = Card.of(plan), self._decider.workspace.activated[running.card.digest]
        return Activated(running.name, "unchanged" if card == running.card else "waiting", seq, card.versions)

    def revise(self, revision: Revision, who: str, notes: Sequence[Note] = ()) -> Activated:
        """Make a plan of a revision, and decide with it from the next position on, or as soon as its state is folded.

        Parameters
        ----------
        revision
            What is to be different.
        who
            Who wants it, for the log.
        notes
            Management entries of the same commit; where nothing would be different they are not written either.

        Raises
        ------
        InputError
            If anything about it is wrong; then nothing is different.
        UnavailableError
            If it cannot be logged now.
        """
        check_signed(who, revision.why)
        with self.turn:
            decider = self._decider
            running, plan = self._planned(revision)
            card = Card.of(plan)
            if card == running.card:
                seq = decider.workspace.activated[card.digest]
                return Activated(running.name, "unchanged", seq, card.versions)
            if not decider.workspace.fits([plan]):
                return self._accept(plan, revision, who, notes)
            warm([plan], quiet)  # a model of another kind brings kernels of its own
            seq = decider.activate(plan, who, revision.why, notes=notes)
            _tell(plan, who, seq)
            return Activated(running.name, "active", seq, card.versions)

    def resume(self) -> None:
        """Begin again with what was coming when an earlier process ended, and list what it did not come to list."""
        for accepted in self._decider.workspace.management.coming:
            self._begin(accepted)
        for at_us, changes in left_over(self._decider.log, self._decider.workspace).items():
            self._labelled(changes, at_us)

    def stop(self) -> None:
        """End what is being folded; the next process begins with it again."""
        self._stopped.set()
        if self._listing is not None:
            self._listing.shutdown()
        for thread in self._threads:
            thread.join()

    def fold(self, system: str) -> bool:
        """Fold what is coming in a system, and take over; False if that is to be tried again later."""
        accepted = self._decider.workspace.management.coming.get(system)
        if accepted is None:
            return True
        try:
            if system not in self._beside:
                self._beside[system] = self._folding(accepted)
            beside = self._beside[system]
            if not beside.near() or not self._take_over(accepted, beside):
                return False
        except InputError as error:  # it has become wrong by what was changed meanwhile
            self._decider.record(DROPPED, accepted.who, f"dropped: {error}"[:MAX_REASON], {"accepted": accepted.seq})
            logger.warning("what was coming in system %s is dropped: %s", system, error)
        self._beside.pop(system, None)
        return True

    def list_confirmed(self, changes: Sequence[Change], at_us: int | None = None) -> None:
        """List what rules want listed because labels have confirmed fraud; see `Rule.on_fraud`.

        Where the log cannot be written it is tried again until it can. Where this process ends before, the next one
        begins with it.

        Parameters
        ----------
        changes
            Labels that have been set.
        at_us
            When, microseconds UTC; just now if absent.
        """
        decider = self._decider
        with decider.held():
            found = wanted(decider.workspace, changes, decider.clock() if at_us is None else at_us)
        for who, revision in found:
            while True:
                try:
                    self.revise(revision, who)
                    break
                except InputError as error:  # such as a list that was taken away meanwhile
                    logger.warning("what %s wanted listed is not: %s", who, error)
                    break
                except UnavailableError as error:
                    logger.warning("what %s wants listed waits: %s", who, error)
                    if self._listing is None or self._stopped.wait(RETRY_S):
                        return

    def _labelled(self, changes: Sequence[Change], at_us: int | None = None) -> None:
        """Have listed what rules want listed, beside whoever tells labels."""
        if not any(map(listing_rules, self._decider.workspace.systems.values())) or not changes:
            return
        if self._listing is None:
            self.list_confirmed(changes, at_us)
        elif not self._stopped.is_set():
            self._listing.submit(self._list_in_background, changes, at_us)

    def _list_in_background(self, changes: Sequence[Change], at_us: int | None) -> None:
        try:
            self.list_confirmed(changes, at_us)
        except Exception:
            logger.exception("what rules want listed could not be listed")

    def _planned(self, revision: Revision) -> tuple[Running, Plan]:
        """Return a system as it decides, and its plan as it would."""
        running = self._decider.workspace.system(revision.system)
        self._check_coming(running.name, revision)
        plan = self._revised(running.name, revision)
        if not self._decider.workspace.fits([plan]):
            self._check_beside(plan)
        return running, plan

    def _revised(self, name: str, revision: Revision) -> Plan:
        return revised(self._decider.workspace.systems[name].plan, revision, self._decider.resolver.bundles)

    def _accept(self, plan: Plan, revision: Revision, who: str, notes: Sequence[Note]) -> Activated:
        """Write down that a plan is wanted which needs a state of its own, and begin to fold that."""
        decider, name = self._decider, plan.system.name
        if revision.bundle and plan.bundle and decider.resolver.bundles.folder is not None:
            revision = msgspec.structs.replace(revision, bundle=plan.bundle)  # a path may hold another one by then
        content = {"system": name, "revision": msgspec.to_builtins(revision)}
        seq = decider.record_all([note_of(ACCEPTED, who, revision.why, content), *notes])
        accepted = decider.workspace.management.coming.get(name)
        assert accepted is not None  # just recorded
        self._begin(accepted)
        return Activated(name, "folding", seq, Card.of(plan).versions)

    def _check_coming(self, name: str, revision: Revision) -> None:
        """Refuse what would be undone, or undo, when what is coming takes over; lists keep what they hold."""
        if self._decider.workspace.management.coming.get(name) is not None and revision.parts != ["lists"]:
            message = f"something else is coming in system {name!r}; until it decides only lists can be changed"
            raise ConflictError(message, field=next(iter(revision.parts), ""), code="conflict")

    def _check_beside(self, plan: Plan) -> None:
        """Refuse what cannot be folded beside the present state."""
        workspace, name = self._decider.workspace, plan.system.name
        others = [s.plan for s in workspace.systems.values() if s.name != name]
        wanted = {n: s.schema.digest for p in (*others, plan) for n, s in p.streams.items()}
        if wanted != {n: door.schema.digest for n, door in workspace.doors.items()}:
            message = "streams and their fields are changed by a start with other code, not while a service decides"
            raise InputError(message, field="definitions", code="bad_definition")
        if self._decider.log.begin().position:
            message = "the beginning of the log was archived, so no other state can be folded from it here"
            raise InputError(message, field="definitions", code="archived")

    def _begin(self, accepted: Accepted) -> None:
        if self._background:
            thread = threading.Thread(target=self._run, args=(accepted.system,), name="beside", daemon=True)
            self._threads = [*(t for t in self._threads if t.is_alive()), thread]
            thread.start()

    def _run(self, system: str) -> None:
        """Fold what is coming in a system until it decides."""
        try:
            while not self._stopped.is_set() and not self.fold(system):
                self._stopped.wait(RETRY_S)
        except StoppedError:
            return
        except Exception:
            logger.exception("what is coming in system %s could not be folded", system)

    def _folding(self, accepted: Accepted) -> Beside:
        workspace = self._decider.workspace
        plan = self._revised(accepted.system, msgspec.convert(accepted.revision, Revision))
        plans = [plan if s.name == accepted.system else s.plan for s in workspace.systems.values()]
        return Beside(plans, self._decider.log, workspace.vault.keys, self._stopped)

    def _take_over(self, accepted: Accepted, beside: Beside) -> bool:
        """Activate what was folded; False if the log cannot be written, or the state does not fit any more."""
        with self.turn:
            plan = self._revised(accepted.system, msgspec.convert(accepted.revision, Revision))
            folded = beside.follower.workspace
            if not folded.fits([plan]):  # a list has changed by which rows are counted
                del self._beside[accepted.system]
                return False
            folded.go_on_with([plan])
            warm([plan], quiet)
            if not beside.near():  # others have decided meanwhile
                return False
            try:
                seq = self._decider.activate(
                    plan, accepted.who, accepted.why, beside=beside.follower, notes=[accepted.fulfilled()]
                )
            except UnavailableError as error:
                logger.warning("what is coming in system %s cannot take over yet: %s", accepted.system, error)
                return False
            _tell(plan, accepted.who, seq)
            return True

    def _progress(self, accepted: Accepted) -> Progress:
        name, entries = accepted.system, len(self._decider.log)
        beside = self._beside.get(name)
        if beside is None:
            return Progress(name, accepted.seq, [], 0, entries, None)
        now, then = self._decider.workspace.systems[name].plan, beside.follower.workspace.systems[name].plan
        missing = [feature for feature in then.features if feature not in now.features]
        return Progress(name, accepted.seq, missing, beside.follower.end.position, entries, beside.seconds_left())


def _tell(plan: Plan, who: str, seq: int) -> None:
    """Tell operation who has what decide from which position on; the reason is in the log alone."""
    facts = {"system": plan.system.name, "position": seq, "who": who, "bundle": plan.bundle, "versions": plan.versions}
    extra = {"event": "activated", "facts": facts}
    logger.info("%s activated another version of system %s at position %s", who, plan.system.name, seq, extra=extra)
