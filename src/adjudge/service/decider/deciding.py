"""Deciding events: they are admitted, folded, decided and logged as one commit, or have never been."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import msgspec
import numpy as np

from adjudge.engine.batch import Batch
from adjudge.engine.encode import micros_of
from adjudge.engine.policy import METHODS
from adjudge.errors import ConflictError, UnavailableError
from adjudge.log import LogError
from adjudge.service.admission import Ticket, conflict, refusal
from adjudge.service.blocks import blocks_of_runs
from adjudge.service.challengers.seated import Seated
from adjudge.service.challengers.shadow import Shadows
from adjudge.service.challengers.sheet import Run, Sheet
from adjudge.service.decider.reading import Reading
from adjudge.service.decode import EventStruct
from adjudge.service.logs import INSTANCE, incident
from adjudge.service.record import Recorded
from adjudge.service.verdict import UndecidedError, Verdict
from adjudge.service.workspace import Prepared, Running, Said
from adjudge.typing import IntArray

logger = logging.getLogger(__name__)

AHEAD = 2
"""Batches that are admitted ahead of their turn."""


class Deciding(Reading):
    """Decides events as they come.

    Attributes
    ----------
    made, methods
        How many decisions had each action, and were made in which way, by system.
    challenged
        How many decisions each challenger made, by system.
    degraded
        How many lacked a layer, by system, layer and why.
    repeated, failures
        How many events had come before, and how many batches could not be decided as they came.
    shadows
        Has challengers decide without effect what is decided here.
    """

    made: Counter[tuple[str, str]]
    methods: Counter[tuple[str, str]]
    challenged: Counter[tuple[str, str]]
    degraded: Counter[tuple[str, str, str]]
    repeated: int
    failures: int
    shadows: Shadows | None

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
