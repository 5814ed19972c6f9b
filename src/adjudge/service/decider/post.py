"""The post: the log, the state that it has built, and the clock, with the locks that keep all but one thread out.

Whatever is logged is folded at once; what has been logged and cannot be folded stops the post, for its state would be
none that the log has.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from adjudge.engine.plan import Plan
from adjudge.errors import UnavailableError
from adjudge.log import Log
from adjudge.log.codec import Note
from adjudge.service.access.ledger import Act, check_signed, note_of
from adjudge.service.activation import Activation
from adjudge.service.admission import Admission
from adjudge.service.challengers.seated import Seated
from adjudge.service.challengers.seating import Sitting, following, resumed
from adjudge.service.fold import Folder
from adjudge.service.follow import Follower, Told
from adjudge.service.rekey.persons import rename_persons
from adjudge.service.resolver import Resolver
from adjudge.service.stages import Stages
from adjudge.service.verdict import Clock
from adjudge.service.watches import Watches
from adjudge.service.writer import Writer

logger = logging.getLogger(__name__)


class Post:
    """Appends to one log and keeps the state that the log has built.

    One thread at a time is inside; others wait. The state belongs to this object alone.

    Parameters
    ----------
    log
        Where everything goes; what is in it already is folded first.
    clock
        Stamps `received_at`.
    holder
        Who decides, for people.
    follower
        What has folded the log already, as far as it went.
    told
        Is told how far folding has come.
    watches
        Watch over the systems' layers.
    resolver
        Makes the plans that were activated while an earlier process decided.

    Raises
    ------
    UnavailableError
        If another process decides on the log.
    """

    def __init__(
        self,
        log: Log,
        *,
        clock: Clock,
        holder: str,
        follower: Follower,
        told: Told,
        watches: Watches,
        resolver: Resolver,
    ) -> None:
        self.log = log
        self.clock = clock
        self.broken = ""
        self._beside: Follower | None = None  # whose state decides as soon as the log has the activation
        self._front = threading.Lock()  # of admission; whoever takes both takes it first
        self._lock = threading.Lock()  # of the state
        self.watches = watches
        self.stages = Stages()
        self.writer = Writer(self.log, clock=clock, timer=time.monotonic, holder=holder)
        self.resolver = resolver
        follower.catch_up(told)  # nobody else appends from here on
        follower.become(self.resolver.starting(follower.workspace.active), told)
        self.workspace = follower.workspace
        for s in self.workspace.systems.values():
            s.state.lap = self.stages.lap
        rename_persons(self.workspace.vault.keys, self.workspace.moved, self.workspace.secret)
        self.workspace.vault.finish()
        self._admission = Admission(self.workspace, lambda: self.writer.position)
        self._activate()

    @property
    def failed(self) -> str:
        """Why nothing can be decided now; empty if it can."""
        return self.broken or self.writer.failed

    def _activate(self) -> None:
        """Say in the log who decides from here on, if that has changed."""
        workspace = self.workspace
        plans = [s.plan for s in workspace.systems.values()]
        sitting = resumed(workspace.seats, workspace.active, plans, self.resolver)
        activation = Activation.of(plans, self.resolver.given, sitting.seats)
        position = self.writer.position
        if workspace.active != activation.systems or workspace.seats != activation.challengers:
            received = self.clock()
            self.writer.append([activation.note(), *sitting.notes], received)
            workspace.activate(position, activation)
            self._manage(position + 1, received, sitting.notes)
        workspace.sit(sitting.at(position))

    def _manage(self, first: int, received: int, notes: Sequence[Note]) -> None:
        """Fold management entries that were logged from a position on."""
        for seq, note in enumerate(notes, first):
            self.workspace.management.apply(Act.read(seq, received, note))

    def activate(
        self,
        plan: Plan,
        who: str,
        why: str,
        *,
        beside: Follower | None = None,
        notes: Sequence[Note] = (),
        seated: Sequence[Seated] | None = None,
    ) -> int:
        """Decide with another plan of one system from the next position on, and with it as it was before that.

        Parameters
        ----------
        plan
            The system as it is to be.
        who, why
            Who wants it and for what reason, for the log.
        beside
            What has folded the log with this plan, nearly to its end; None if the present state fits the plan.
        notes
            Management entries of the same commit: what is true with it or not at all.
        seated
            The challengers of all systems from here on; None keeps those that go with the plan.

        Returns
        -------
        int
            The position.

        Raises
        ------
        InputError
            If it is not signed with who and why.
        UnavailableError
            If it cannot be logged; then nothing is different, or will be as soon as the log can tell.
        """
        check_signed(who, why)
        name = plan.system.name
        others = [s.plan for s in self.workspace.systems.values() if s.name != name]
        sitting = Sitting(list(seated or ()), [])
        if seated is None:
            running = self.workspace.systems[name]
            now = [one for s in self.workspace.systems.values() for one in s.seated]
            sitting = following(now, running.plan, plan, self.resolver.bundles, who)
        activation = Activation.of([*others, plan], self.resolver.given, sitting.seats)
        notes = [*notes, *sitting.notes]
        for known in (plan, *(one.plan for one in sitting.seated)):
            self.resolver.know(known)
        with self._alone():
            self._settle()
            if beside is not None:
                beside.catch_up()
            position, received = self.writer.position, self.clock()
            self._beside = beside
            self.writer.append([activation.note(who, why), *notes], received)
            with self._folding("going on with another plan"):
                self.workspace.activate(position, activation)
                self._manage(position + 1, received, notes)
                if beside is None:
                    self.workspace.go_on_with([plan])
                else:
                    self.workspace.adopt(beside.workspace, plan)
                self.workspace.sit(sitting.at(position))
            return position

    def record(self, action: str, who: str, why: str, content: dict[str, Any]) -> int:
        """Log a management action and fold it, as `adjudge.service.access.ledger.Ledger` says."""
        return self.record_all([note_of(action, who, why, content)])

    def write_down(self, notes: Sequence[Note]) -> None:
        """Log what nothing follows from, such as what shadows decided."""
        with self._alone():
            self._settle()
            self.writer.append(list(notes), self.clock())

    def record_all(self, notes: Sequence[Note]) -> int:
        """Log management entries that are true together or not at all, and return the position of the first."""
        with self._alone():
            self._settle()
            first, received = self.writer.position, self.clock()
            self.writer.append(list(notes), received)
            with self._folding("folding a management action"):
                self._manage(first, received, notes)
            return first

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the state as it is for a moment, to look at it from another thread."""
        with self._lock:
            yield

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep everybody else out, and have no batch admitted ahead of its turn."""
        with self._front, self._lock:
            self._admission.withdraw()
            yield

    @contextmanager
    def _folding(self, what: str) -> Iterator[None]:
        """Decide nothing more if folding what the log has already fails: the state may have half of it."""
        try:
            yield
        except BaseException as error:
            self.broken = f"{what} has failed: {type(error).__name__}"
            raise

    @contextmanager
    def _undone_on_failure(self) -> Iterator[None]:
        """Take everything back that is done inside if any of it fails; appending to the log comes last in it."""
        self.workspace.hold()
        try:
            yield
        except BaseException:
            try:
                self.workspace.restore()
            except BaseException as error:
                self.broken = f"the state could not be taken back after a failure: {type(error).__name__}"
                raise
            raise
        self.workspace.release()

    def _settle(self) -> None:
        """Refuse if nothing can be decided now, and fold what was logged although the answer to its append was lost."""
        self._check_running()
        stored = self.writer.settle()
        if stored is None:
            self._beside = None
            return
        logger.warning("positions %d to %d were logged although the answer was lost", stored.first, stored.stop - 1)
        with self._folding("folding a commit whose answer was lost"):
            folder = Folder(self.workspace)
            folder.fold(stored)
            folder.finish()
            for plan in self.resolver.plans_of(self.workspace.active):
                if self._beside is not None and not self.workspace.fits([plan]):
                    self.workspace.adopt(self._beside.workspace, plan)
                else:
                    self.workspace.go_on_with([plan])
            self.workspace.sit(self.resolver.seated(self.workspace.seats))

    def _check_running(self) -> None:
        if self.broken:
            raise UnavailableError(self.broken)
        self.writer.check()
