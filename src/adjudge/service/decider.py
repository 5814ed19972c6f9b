"""The decider: the one place where a log, the state that it has built, and a clock meet.

It admits or refuses, gives every accepted entry its position, folds it, and appends it to the log before
anybody gets an answer. What cannot be appended is taken back: it has never been. Apart from `received_at`, which is
logged, all it does is a function of the log and the request.
"""

from __future__ import annotations

import functools
import logging
import threading
import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np

from adjudge.engine.batch import Batch
from adjudge.engine.encode import micros_of
from adjudge.engine.layers import FAILED, lacking
from adjudge.engine.plan import Plan
from adjudge.engine.policy import METHODS
from adjudge.errors import ConflictError, DefinitionError, InputError, NotFoundError, UnavailableError
from adjudge.log import Kind, Log, LogError, MemoryLog
from adjudge.log.codec import Block, Changes, Events, Note, Table, Texts
from adjudge.service import table
from adjudge.service.access.ledger import Act, check_signed, note_of
from adjudge.service.activation import Activation
from adjudge.service.admission import Admission, Ticket, conflict, refusal
from adjudge.service.again import First, Tries, again_of
from adjudge.service.blocks import blocks_of_runs, sealed_table
from adjudge.service.challengers.seated import Seated
from adjudge.service.challengers.seating import Sitting, following, resumed
from adjudge.service.challengers.shadow import Shadows
from adjudge.service.challengers.sheet import Run, Sheet
from adjudge.service.decode import EventStruct
from adjudge.service.fold import Folder
from adjudge.service.follow import Follower, Told, nobody
from adjudge.service.logs import INSTANCE, incident
from adjudge.service.marks import unsayable
from adjudge.service.personal.erased import erased_error
from adjudge.service.personal.erasure import Search
from adjudge.service.record import Recorded
from adjudge.service.rekey.collect import note_of_rekey
from adjudge.service.rekey.entry import Rekey
from adjudge.service.rekey.persons import rename_persons
from adjudge.service.resolver import Resolver
from adjudge.service.stages import Stages
from adjudge.service.verdict import Clock, Status, Stored, UndecidedError, Verdict, wall_clock
from adjudge.service.watches import Watches
from adjudge.service.workspace import Change, Prepared, Running, Said
from adjudge.service.writer import Writer
from adjudge.typing import IntArray

logger = logging.getLogger(__name__)

AHEAD = 2
"""Batches that are admitted ahead of their turn."""

AGAIN = 256
"""Events that are decided again at a time: a few milliseconds for which the others wait."""


class Decider:
    """Decide, label, correct and read, over one log.

    One thread at a time is inside; others wait. The state belongs to this object alone.

    Parameters
    ----------
    plans
        The systems of the workspace.
    log
        Where everything goes; what is in it already is folded first. None makes a new one in memory.
    clock
        Stamps `received_at`.
    holder
        Who decides, for people: shown to others that would like to decide on the same log.
    follower
        What has folded the log already, as far as it went; None folds it from its beginning.
    told
        Is told how far folding has come.
    watches
        Watch over the systems' layers; None lets them take as long as they want.
    resolver
        Makes the plans that were activated while an earlier process decided; None has the models of `plans` alone.

    Raises
    ------
    UnavailableError
        If another process decides on the log.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        log: Log | None = None,
        *,
        clock: Clock = wall_clock,
        holder: str = "adjudge",
        follower: Follower | None = None,
        told: Told = nobody,
        watches: Watches | None = None,
        resolver: Resolver | None = None,
    ) -> None:
        self.log: Log = MemoryLog() if log is None else log
        self.clock = clock
        self.broken = ""
        self.labelled: Callable[[Sequence[Change]], None] = lambda changes: None  # told of labels that have been set
        self.shadows: Shadows | None = None  # has challengers decide without effect what is decided here
        self._beside: Follower | None = None  # whose state decides as soon as the log has the activation
        self._front = threading.Lock()  # of admission; whoever takes both takes it first
        self._lock = threading.Lock()  # of the state
        self.watches = Watches() if watches is None else watches
        self.made: Counter[tuple[str, str]] = Counter()
        self.methods: Counter[tuple[str, str]] = Counter()
        self.challenged: Counter[tuple[str, str]] = Counter()
        self.stages = Stages()
        self.degraded: Counter[tuple[str, str, str]] = Counter()
        self.again: Counter[str] = Counter()
        self._tries: defaultdict[str, Tries] = defaultdict(Tries)
        self.repeated = 0
        self.failures = 0
        self.writer = Writer(self.log, clock=clock, timer=time.monotonic, holder=holder)
        self.resolver = Resolver(plans) if resolver is None else resolver
        follower = follower or Follower(plans, self.log, say=logger.warning)
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
            try:
                self.workspace.activate(position, activation)
                self._manage(position + 1, received, notes)
                if beside is None:
                    self.workspace.go_on_with([plan])
                else:
                    self.workspace.adopt(beside.workspace, plan)
                self.workspace.sit(sitting.at(position))
            except BaseException as error:  # the log has it and the state has not
                self.broken = f"going on with another plan has failed: {type(error).__name__}"
                raise
            return position

    def decide(
        self, stream: str, events: Sequence[EventStruct], *, arrived: Sequence[float] | None = None
    ) -> list[Verdict]:
        """Admit events of one stream in order, decide those that are new, and log them.

        Every system that decides the stream decides each event.

        Parameters
        ----------
        stream
            Their stream, decided or only kept.
        events
            Checked events, as `EventDecoder` makes them.
        arrived
            For each the `time.perf_counter()` at which its request arrived; now where absent.

        Raises
        ------
        UnavailableError
            If the log cannot be written now; nothing is kept of the events, and they may be sent again.
        """
        with self._alone():
            self._settle()
            ticket = self._ticket(stream, events, arrived)
            with self.stages.timed("admit"):
                self._admission.admit(ticket, self.writer.position)
            try:
                return self._finish(ticket)
            except Exception as error:
                return self._failed(ticket, error)

    def decide_all(self, stream: str, batches: Iterable[Sequence[EventStruct]]) -> Iterator[list[Verdict]]:
        """Decide batches as they come; the next ones are admitted and encoded while one is decided and logged.

        Parameters
        ----------
        stream
            Stream of the events.
        batches
            Read on a thread of its own.

        Yields
        ------
        list[Verdict]
            What became of each batch, in order, once it is logged.

        Raises
        ------
        UnavailableError
            If the log cannot be written now; the batches yielded so far are kept, and no other.
        """
        with self._alone():
            self._settle()
        source = iter(batches)
        waiting: deque[Future[Ticket | None]] = deque()

        def admit() -> Ticket | None:
            events = next(source, None)
            if events is None:
                return None
            with self._front:
                ticket = self._ticket(stream, events, None)
                with self.stages.timed("admit"):
                    self._admission.admit_ahead(ticket)
            return ticket

        with ThreadPoolExecutor(1, "admission") as ahead:
            waiting.extend(ahead.submit(admit) for _ in range(AHEAD))
            try:
                while (ticket := waiting.popleft().result()) is not None:
                    waiting.append(ahead.submit(admit))
                    yield self._finish_ahead(ticket)
            finally:
                self._forget(waiting)

    def _finish_ahead(self, ticket: Ticket) -> list[Verdict]:
        """Decide a batch that was admitted ahead of its turn."""
        if ticket.undo is None:  # a label or another batch came between
            with self._front:
                self._admission.admit_ahead()
        try:
            with self._lock:
                verdicts = self._finish(ticket)
                self._admission.forget(ticket)
                return verdicts
        except Exception as error:
            with self._alone():
                self._admission.forget(ticket)
                return self._failed(ticket, error)

    def _forget(self, waiting: Iterable[Future[Ticket | None]]) -> None:
        """Withdraw and forget the batches that nobody will ask for."""
        tickets = [future.result() for future in waiting if not future.cancel() and future.exception() is None]
        with self._alone():
            for ticket in tickets:
                if ticket is not None:
                    self._admission.forget(ticket)

    def score(self, events: Sequence[EventStruct], system: str | None = None) -> list[Verdict]:
        """Decide events as if they came now, without logging them or leaving any trace.

        Parameters
        ----------
        events
            Checked events of the stream that the system decides.
        system
            Its name; None for the only one.
        """
        with self._lock:
            self._check_running()
            running = self.workspace.system(system)
            began, received = self.watches.timer(), self.clock()
            time_field = running.plan.schema(running.plan.decides).time_field
            verdicts, good = [Verdict() for _ in events], []
            for i, event in enumerate(events):
                ts = micros_of(getattr(event, time_field))
                code = self._admission.refuse_time(ts, received, self.workspace.newest_us)
                if code is None:
                    good.append(i)
                else:
                    verdicts[i] = Verdict(error=refusal(code, time_field))
            batch = self._prepare_score(running, events, good, verdicts)
            if batch is not None:
                guards = self.watches.over([running.name], [began] * len(good))
                self.stages.begin()
                decisions = self.workspace.score(running, batch, guards[running.name])
                latency = round((self.watches.timer() - began) * 1e3, 3)
                position = [self.writer.position] * len(good)
                recorded = running.recorder.record(decisions, [latency] * len(good), position)
                for at, i in enumerate(good):
                    verdicts[i] = Verdict(decided={running.name: recorded}, at=at)
            return verdicts

    def change(self, changes: Sequence[Change], *, max_waiting: int | None = None) -> list[Status | InputError]:
        """Log labels, outcomes or retractions of events, and let them count from here on.

        Parameters
        ----------
        changes
            In order. One that says nothing new is not logged.
        max_waiting
            How many changes may wait for events that are not there, in all; what would have to wait beyond it is
            refused with the code ``too_many_waiting``. None sets no bound.

        Returns
        -------
        list[Status | InputError]
            For each what became of it: set, unchanged, or waiting for an event that has not come yet.
        """
        results = self._change(changes, max_waiting)
        said = [c for c, result in zip(changes, results, strict=True) if result == "set" and c.kind == Kind.LABEL]
        if said:
            self.labelled(said)
        return results

    def _change(self, changes: Sequence[Change], max_waiting: int | None) -> list[Status | InputError]:
        with self._alone():
            self._settle()
            received = self.clock()
            results: list[Status | InputError] = []
            run: list[Change] = []
            places: list[int] = []
            named: set[tuple[str, str]] = set()
            early = 0
            for change, position in zip(changes, self.workspace.positions_of(changes), strict=True):
                if (change.stream, change.id) in named:
                    self._commit_changes(run, places, received, results)  # what follows must see what was said
                    named.clear()
                    early = 0
                problem = self._refuse_change(change)
                if problem is not None:
                    results.append(problem)
                elif self._says_nothing_new(change, position):
                    results.append("unchanged")
                elif position is not None and self.workspace.is_archived(position):
                    message = "the event was archived, and nothing new counts for it any more"
                    results.append(InputError(message, field="id", code="archived"))
                elif (unknown := position is None) and (
                    max_waiting is not None and self.workspace.waiting + early >= max_waiting
                ):
                    message = "too much waits for events that have not come; send the event first, or come again later"
                    results.append(InputError(message, field="id", code="too_many_waiting"))
                else:
                    early += unknown
                    run.append(change)
                    named.add((change.stream, change.id))
                    places.append(len(results))
                    results.append("set")
            self._commit_changes(run, places, received, results)
            return results

    def decide_again(self, most: int = AGAIN) -> int:
        """Decide events again whose decision lacks a part of a system that works now, the oldest first.

        While a layer's breaker is not closed one event is tried alone, which is a trial for the breaker too.

        Parameters
        ----------
        most
            Events of each system at a time: others wait meanwhile.

        Returns
        -------
        int
            How many second decisions were logged.

        Raises
        ------
        UnavailableError
            If the log cannot be written now.
        """
        done = 0
        for name, running in self.workspace.systems.items():
            if running.degraded.pending:
                with self._alone():
                    self._settle()
                    done += self._decide_again(name, running, most)
        return done

    def _decide_again(self, name: str, running: Running, most: int) -> int:
        tries, well = self._tries[name], self.watches.well(name)
        positions = running.degraded.owed(most if well else 1, tries.aside)
        archived = positions[positions < self.log.begin().position]
        if len(archived):  # there is nothing left to decide from
            tries.give_up(archived)
            positions = running.degraded.owed(most if well else 1, tries.aside)
        if not len(positions):
            return 0
        owed = First.read(self.workspace, running, positions)
        (guard,) = self.watches.over([name], [self.watches.timer()] * len(positions)).values()
        try:
            decisions = owed.decide(running, guard)
        except DefinitionError as error:  # the system reads more by now than what was kept then
            logger.warning("%d decisions cannot be made again: %s", len(positions), error)
            tries.give_up(positions)
            return 0
        if well:
            tries.failed(positions[(decisions.layers == FAILED).any(axis=0)])
        received = self.clock()
        waited_ms = ((received - owed.received_at) / 1e3).tolist()
        recorded = running.recorder.record(decisions, waited_ms, positions.tolist())
        recorded = recorded.some(np.flatnonzero(~lacking(decisions.layers).any(axis=0)))
        if len(recorded.records):
            with self._undone_on_failure():
                block = again_of(running.plan.decides, recorded)
                self.workspace.decided_again(self.writer.position, block)
                self.writer.append([block], received)
            self.again[name] += len(block)
        return len(recorded.records)

    def decision(self, id_: str, system: str | None = None) -> Stored:
        """Return a decision that was made earlier.

        Parameters
        ----------
        id_
            The event's id.
        system
            The system that decided; None for the only one.

        Raises
        ------
        NotFoundError
            If there is no decision for that id.
        ErasedError
            If the person whom it is about was erased.
        """
        with self._front, self._lock:
            running = self.workspace.system(system)
            stream = running.plan.decides
            position = self.workspace.ids[stream].get(id_)
            recorded = None if position is None else self._recorded(position, id_).get(running.name)
            if position is None or recorded is None:
                message = f"there is no decision of system {running.name!r} for this id"
                raise NotFoundError(message)
            first, block = self.workspace.lookup.block(position)
            assert isinstance(block, Events)
            second = running.degraded.second(position)
            read = self.workspace.vault.read(stream, id_, block.bodies[position - first])
            if read.erased:
                raise erased_error()
            event = msgspec.json.decode(read.body)
            features = recorded.features[:, 0]
            return Stored(
                record=recorded.answers[0],
                features=recorded.card.named(features),
                event=event,
                words=recorded.card.words(recorded.records, features, event),
                received_at=self.workspace.lookup.received_at(position),
                said=running.said_of(position),
                retracted=self.workspace.is_retracted(stream, id_),
                again=None if second is None else self.workspace.second(second).answers[0],
            )

    def features(
        self, entity: str, key: Mapping[str, str], as_of: int | None = None, system: str | None = None
    ) -> dict[str, float | None]:
        """Return the features of one entity as of a time, without deciding anything.

        Parameters
        ----------
        entity
            Its name, such as ``user``.
        key
            The value of each of its fields.
        as_of
            Time in microseconds; None for the present moment.
        system
            The system whose features are meant; None for the only one.
        """
        with self._lock:
            self._check_running()
            running = self.workspace.system(system)
            return running.plan.read(running.state, entity, key, self.clock() if as_of is None else as_of)

    def import_table(self, stream: str, frame: Any) -> int:
        """Bring in history from before the first decision: logged and folded, not decided, never too late.

        A table is kept as it is, in pieces; where its stream has personal fields it is kept event by event, and they
        are sealed. It is checked as a whole before any of it comes in.

        Parameters
        ----------
        stream
            Its stream.
        frame
            A Polars table in the order in which the events were known, as `Plan.encode_frame` reads it.

        Returns
        -------
        int
            How many events came in.

        Raises
        ------
        InputError
            If something has been decided already, an id comes twice, or the table does not fit the stream.
        """
        with self._alone():
            self._settle()
            if self.workspace.decided:
                message = "history can only be imported before the first decision"
                raise InputError(message, code="too_late")
            schema = self.workspace.door(stream).schema
            ids = table.check(schema, frame, self.workspace.ids[stream])
            if not ids:
                return 0
            first = self.writer.position
            batches = self.workspace.prepare_table(first, stream, frame)
            if schema.person_field is not None:
                for blocks in sealed_table(self.workspace, stream, first, frame, batches):
                    self._import(blocks, functools.partial(Folder(self.workspace).all, self.writer.position, blocks))
                return len(ids)
            for start in range(0, len(ids), table.ROWS):
                stop = min(start + table.ROWS, len(ids))
                rows, known = frame[start:stop], ids[start:stop]
                encoded = [(running, batch.part(start, stop)) for running, batch in batches]
                insert = functools.partial(self.workspace.insert, first + start, stream, rows, known, encoded)
                self._import([Table(stream, len(known), table.encode(rows))], insert)
            return len(ids)

    def _import(self, blocks: Sequence[Block], fold: Callable[[], None]) -> None:
        """Log history and fold it."""
        self.writer.append(blocks, self.clock())
        try:
            fold()
        except BaseException as error:  # the log has it and the state may have half of it
            self.broken = f"folding an imported table has failed: {type(error).__name__}"
            raise

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
            try:
                self._manage(first, received, notes)
            except BaseException as error:  # the log has it and the state has not
                self.broken = f"folding a management action has failed: {type(error).__name__}"
                raise
            return first

    def erase(self, stream: str, person: str, *, who: str, why: str) -> bool:
        """Erase a person: destroy the key, and drop the histories of the person's own entities.

        The log says who was meant only as a keyed hash. Looking through the log comes first and holds nobody up.

        Parameters
        ----------
        stream
            A stream that has personal fields.
        person
            The value of its person field; never repeated.
        who, why
            Who asks for it and for what reason, for the log.

        Returns
        -------
        bool
            False if there is nothing left to erase.

        Raises
        ------
        InputError
            If the stream has no personal fields, or nobody is named or gives a reason; or if what stood beside the
            person has to be known and was archived.
        UnavailableError
            If the log cannot be written, or the key cannot be destroyed now: then it is as soon as this is called
            again or the next decider starts; until then it is not used.
        """
        check_signed(who, why)
        target = self.workspace.person(stream, person)
        before = self.workspace.erased.get(target)
        search = Search(self.workspace, target, 0 if before is None else before.position)
        search.go_on()
        with self._alone():
            self._settle()
            search.go_on()
            erasure = search.erasure()
            if erasure is None:
                self.workspace.vault.finish()
                return False
            position = self.writer.position
            self.writer.append([erasure.note(who, why)], self.clock())
            try:
                self.workspace.erase(position, erasure)
            except BaseException as error:  # the log has it and the state may have half of it
                self.broken = f"folding an erasure has failed: {type(error).__name__}"
                raise
            self.workspace.vault.finish()
            return True

    def rekey(self, secret: bytes, *, who: str, why: str) -> Rekey:
        """Replace the secret that keys, ids and texts are hashed with; nothing can be decided here afterwards.

        Whoever starts with plans for the new secret folds the log with it and goes on.

        Parameters
        ----------
        secret
            The new one, 16 bytes.
        who, why
            Who replaces it and for what reason, for the log.

        Raises
        ------
        InputError
            If the log was hashed with it before, or its beginning was archived.
        UnavailableError
            If the log cannot be written, or values cannot be read that nobody has erased.
        """
        check_signed(who, why)
        with self._alone():
            self._settle()
            note = note_of_rekey(self.workspace, secret, who, why)
            self.writer.append([note], self.clock())
            rekey = Rekey.read(note)
            self.broken = f"the secret was replaced: start again with the one whose fingerprint is {rekey.new}"
            return rekey

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

    def _ticket(self, stream: str, events: Sequence[EventStruct], arrived: Sequence[float] | None) -> Ticket:
        self._check_running()
        since = [self.watches.timer()] * len(events) if arrived is None else arrived
        return Ticket(stream, events, since, self.clock())

    def _finish(self, ticket: Ticket) -> list[Verdict]:
        """Decide and log an admitted batch, filling in its verdicts."""
        self._check_running()
        for i, position in ticket.known:
            ticket.verdicts[i] = self._again(ticket.stream, position, ticket.events[i])
        if ticket.prepared is not None:
            first = ticket.prepared.first
            for start, stop, decided in self._commit(ticket.prepared, ticket):
                for at, i in enumerate(ticket.accepted[start:stop]):
                    ticket.verdicts[i] = Verdict(seq=first + start + at, decided=decided, at=at)
        for i, first in ticket.twice.items():  # came twice in this batch: as its first coming
            then = ticket.verdicts[first]
            ticket.verdicts[i] = msgspec.structs.replace(then, repeated=then.error is None)
        return ticket.verdicts

    def _failed(self, ticket: Ticket, error: Exception) -> list[Verdict]:
        """Take a batch back that could not be decided or logged; what nobody expected is looked at event by event."""
        ticket.withdraw()
        if isinstance(error, (UnavailableError, LogError)):
            raise error
        self.failures += 1
        count, id_ = len(ticket.events), incident()
        logger.error(
            "%d events of stream %r could not be decided",
            count,
            ticket.stream,
            exc_info=error,
            extra={"event": "batch_failed", "facts": {"incident": id_}},
        )
        if count == 1:
            return [Verdict(error=UndecidedError(INSTANCE + id_))]
        verdicts = []
        for event, since in zip(ticket.events, ticket.since, strict=True):
            one = Ticket(ticket.stream, [event], [since], ticket.received)
            self._admission.admit(one, self.writer.position)
            try:
                verdicts += self._finish(one)
            except Exception as alone:
                verdicts += self._failed(one, alone)
        return verdicts

    def _again(self, stream: str, position: int, event: EventStruct) -> Verdict:
        """Return what came of an event that the log holds already."""
        self.repeated += 1
        id_field = self.workspace.doors[stream].schema.id_field
        if not self.workspace.is_at(position, stream, event):
            return Verdict(error=conflict(id_field))
        decided = self._recorded(position, getattr(event, id_field))
        if not decided and self.workspace.deciding(stream):
            message = "the event was imported as history and never decided"
            return Verdict(error=ConflictError(message, field=id_field, code="not_decided"))
        return Verdict(repeated=True, seq=position, decided=decided)

    def _recorded(self, position: int, id_: str) -> dict[str, Recorded]:
        """Return what each system decided about the event at a position."""
        first, block = self.workspace.lookup.block(position)
        if not isinstance(block, Events):
            return {}
        i = position - first
        made = self.workspace.made_of(first, block, [id_] * len(block))
        return {name: recorded.one(i) for name, recorded in made.items()}

    def _prepare_score(
        self, running: Running, events: Sequence[EventStruct], good: list[int], verdicts: list[Verdict]
    ) -> Batch | None:
        """Encode events that are only scored, like `_prepare`; None if nothing is left of them."""
        stream, position, encode = running.plan.decides, self.writer.position, self.workspace.encode_score
        if not good:
            return None
        try:
            return encode(running, [events[i] for i in good], position)
        except Exception:
            logger.exception("events of stream %r cannot be encoded", stream)
            self._admission.refuse_unencodable(stream, events, good, verdicts)
            return encode(running, [events[i] for i in good], position) if good else None

    def _commit(self, prepared: Prepared, ticket: Ticket) -> list[Run]:
        """Fold new events, decide them where a system does, and append them to the log."""
        door = self.workspace.doors[prepared.stream]
        since = [ticket.since[i] for i in ticket.accepted]
        sheet, stages = Sheet(), self.stages
        shown: list[tuple[list[Seated], IntArray, Said]] = []
        stages.begin()
        with self._undone_on_failure():
            deciding = self.workspace.deciding(prepared.stream)
            guards = self.watches.over([name for s in deciding for name in s.guarded], since)
            for start, stop, made in self.workspace.decide(prepared, guards):
                stages.lap("decide")
                now = self.watches.timer()
                latencies = [round((now - s) * 1e6) / 1e3 for s in since[start:stop]]
                positions = range(prepared.first + start, prepared.first + stop)
                for name, said in made.items():
                    for one in said:
                        recorded = one.recorder.record(one.decisions, one.of(latencies), one.of(positions))
                        sheet.add(name, start + one.events, recorded)
                        if self.shadows is not None and (shadowing := self.workspace.systems[name].shadowing):
                            shown.append((shadowing, prepared.first + start + one.events, one))
                stages.lap("record")
            runs = sheet.runs(len(prepared.ids))
            blocks = blocks_of_runs(door, prepared, ticket.bodies, runs)
            stages.lap("record")
            notes = [] if self.shadows is None else self.shadows.ripe()
            self.writer.append([*blocks, *notes], ticket.received)
            stages.lap("append")
        stages.end()
        if self.shadows is not None:
            self.shadows.written(notes)
            for shadowing, at, one in shown:
                self.shadows.offer(shadowing, at, one)
        for recorded in sheet.by_version():
            self._count(recorded.card.system, recorded)
        return runs

    def _count(self, name: str, recorded: Recorded) -> None:
        for counter, column, names in (
            (self.made, "action", recorded.card.actions),
            (self.methods, "method", METHODS),
        ):
            counts = np.bincount(recorded.records[column], minlength=len(names)).tolist()
            counter.update({(name, what): n for what, n in zip(names, counts, strict=True) if n})
        self.degraded.update({(name, layer, how): n for layer, how, n in recorded.degraded()})
        if recorded.card.variant:
            self.challenged[name, recorded.card.variant] += len(recorded.records)

    def _commit_changes(
        self, run: list[Change], places: list[int], received: int, results: list[Status | InputError]
    ) -> None:
        """Fold and log a run of changes of different events, then empty it."""
        if not run:
            return
        with self._undone_on_failure():
            there = self.workspace.change(run)
            self.writer.append(list(_blocks(run)), received)
        for place, known in zip(places, there, strict=True):
            if not known:
                results[place] = "waiting"
        run.clear()
        places.clear()

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
        try:
            folder = Folder(self.workspace)
            folder.fold(stored)
            folder.finish()
            for plan in self.resolver.plans_of(self.workspace.active):
                if self._beside is not None and not self.workspace.fits([plan]):
                    self.workspace.adopt(self._beside.workspace, plan)
                else:
                    self.workspace.go_on_with([plan])
            self.workspace.sit(self.resolver.seated(self.workspace.seats))
        except BaseException as error:  # the log has it and the state may have half of it
            self.broken = f"folding a commit whose answer was lost has failed: {type(error).__name__}"
            raise

    def _check_running(self) -> None:
        if self.broken:
            raise UnavailableError(self.broken)
        self.writer.check()

    def _refuse_change(self, change: Change) -> InputError | None:
        try:
            schema = self.workspace.door(change.stream).schema
        except InputError as error:
            return error
        if change.kind == Kind.RETRACTION and schema.profile:
            message = f"stream {change.stream!r} holds profiles: a newer row replaces one, none can be taken back"
            return InputError(message, field="stream", code="not_retractable")
        return None if change.kind == Kind.RETRACTION else unsayable(self.workspace.deciding(change.stream), change)

    def _says_nothing_new(self, change: Change, position: int | None) -> bool:
        if change.kind == Kind.RETRACTION:
            return self.workspace.is_retracted(change.stream, change.id)
        return self.workspace.value(change, position) == change.value


def _blocks(run: Sequence[Change]) -> Iterator[Changes]:
    """Yield changes as the log keeps them: neighbours of one kind and stream together."""
    start = 0
    for i in range(1, len(run) + 1):
        if i < len(run) and (run[i].kind, run[i].stream) == (run[start].kind, run[start].stream):
            continue
        part = run[start:i]
        said = [] if part[0].kind == Kind.RETRACTION else part
        yield Changes(
            part[0].kind,
            part[0].stream,
            Texts.pack([c.id.encode() for c in part]),
            [c.name for c in said],
            np.array([c.value for c in said], "<f8").tobytes(),
            texts=[c.text for c in said] if any(c.text for c in said) else [],
        )
        start = i
