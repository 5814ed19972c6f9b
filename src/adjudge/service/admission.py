"""Admission: which events are new and acceptable, the positions they get, and their encoded form.

A ticket is a batch that was admitted and not yet decided. Its ids are entered at once, so that the next batch can be
admitted while this one is decided. Nothing else of it is in the state: a ticket can be withdrawn, as if it had never
been, and admitted again later.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from adjudge.define import Schema, micros, minutes
from adjudge.engine.encode import micros_of, micros_of_each
from adjudge.errors import ConflictError, InputError
from adjudge.log.codec import Events
from adjudge.service.checks import Found
from adjudge.service.decode import EventStruct
from adjudge.service.verdict import Verdict
from adjudge.service.workspace import Prepared, Workspace

logger = logging.getLogger(__name__)

FUTURE_US = micros(minutes(5))
"""How far after its `received_at` an event may be dated."""


@dataclass(eq=False)
class Ticket:
    """A batch on its way: offered, not yet decided.

    Parameters
    ----------
    stream, events
        What was offered.
    since
        For each event the `time.perf_counter()` at which its request arrived.
    received
        When the batch was offered, in microseconds since 1970 UTC.
    verdicts
        What became of each; those of accepted ones are filled in when they are decided.
    accepted
        Which ones are new.
    known
        Which ones came before, with the position of each.
    twice
        Which ones came before in this very batch, with the place of the first.
    prepared
        The accepted ones, encoded; None if there are none.
    bodies
        The accepted ones, as the log keeps them.
    undo
        Takes back what admitting has changed; None while the ticket is not admitted, or was withdrawn.
    """

    stream: str
    events: Sequence[EventStruct]
    since: Sequence[float]
    received: int
    verdicts: list[Verdict] = field(default_factory=list)
    accepted: list[int] = field(default_factory=list)
    known: list[tuple[int, int]] = field(default_factory=list)
    twice: dict[int, int] = field(default_factory=dict)
    prepared: Prepared | None = None
    bodies: list[bytes] = field(default_factory=list)
    undo: Callable[[], None] | None = None

    def withdraw(self) -> None:
        """Take back what admitting has changed; the ticket may be admitted again."""
        if self.undo is not None:
            self.undo()
            self.undo = None


class Admission:
    """Admits batches in the order in which they are to be decided, some of them ahead of their turn.

    Parameters
    ----------
    workspace
        Knows ids, times and how to encode.
    logged
        Returns the position where the log ends.
    """

    def __init__(self, workspace: Workspace, logged: Callable[[], int]) -> None:
        self._workspace = workspace
        self._logged = logged
        self._ahead: deque[Ticket] = deque()

    def admit(self, ticket: Ticket, position: int, *, logged: int | None = None) -> None:
        """Tell what of a batch is new, give it positions, encode it, and enter its ids.

        Parameters
        ----------
        ticket
            Filled in.
        position
            The position of its first event, if that is new.
        logged
            Where the log ends, if batches are waiting between; the same position where absent.

        Raises
        ------
        InputError
            If there is no such stream.
        """
        ticket.verdicts = [Verdict() for _ in ticket.events]
        ticket.accepted, ticket.known, ticket.twice, ticket.prepared = [], [], {}, None
        self._sort(ticket, position if logged is None else logged)
        if ticket.accepted:
            self._prepare(ticket, position)
        if ticket.prepared is None:
            ticket.undo = nothing
            return
        ticket.bodies = self._workspace.seal(ticket.prepared, [ticket.events[i] for i in ticket.accepted])
        ticket.undo = self._workspace.enter(ticket.prepared)

    def admit_ahead(self, ticket: Ticket | None = None) -> None:
        """Admit again whatever was withdrawn of the batches that wait for their turn, and one more after them.

        Parameters
        ----------
        ticket
            The new one; None for none.
        """
        if ticket is not None:
            self._ahead.append(ticket)
        waiting = list(self._ahead)  # the first of them may be logged and forgotten meanwhile, so this is asked first
        position = logged = self._logged()
        for ahead in waiting:
            if ahead.undo is None:
                self.admit(ahead, position, logged=logged)
            if ahead.prepared is not None:
                position = max(position, ahead.prepared.first + len(ahead.accepted))

    def withdraw(self) -> None:
        """Withdraw every batch that waits for its turn, the last one first; each keeps its place."""
        for ticket in reversed(self._ahead):
            ticket.withdraw()

    def forget(self, ticket: Ticket) -> None:
        """Forget a batch that waited for its turn: it was decided, has failed, or nobody asks for it any more."""
        self._ahead.remove(ticket)

    def _sort(self, ticket: Ticket, logged: int) -> None:
        """Tell new events from those that came before and those that are refused."""
        workspace, events = self._workspace, ticket.events
        schema = workspace.door(ticket.stream).schema
        id_field, time_field = schema.id_field, schema.time_field
        ids = workspace.ids[ticket.stream]
        names: list[str] = [getattr(e, id_field) for e in events]
        times = micros_of_each([getattr(e, time_field) for e in events])
        known: list[int] = ids.find(names).tolist()
        newest = None if schema.profile else workspace.newest_us
        new: dict[str, int] = {}
        if max(known, default=0) < 0 and len(set(names)) == len(names) and self._are_timely(schema, times, ticket):
            ticket.accepted = list(range(len(events)))  # as nearly every batch is: the loop would come to the same
            return
        for i, (event, id_, ts) in enumerate(zip(events, names, times, strict=True)):
            there = known[i] >= 0 and not passed(ids.until(id_), newest)
            archived = there and workspace.is_archived(known[i])
            if there and not archived and (known[i] >= logged or self._is_at(known[i], id_)):
                ticket.known.append((i, known[i]))
            elif id_ in new and not passed(self._until(schema, events[new[id_]]), newest):
                if events[new[id_]] == event:
                    ticket.twice[i] = new[id_]
                else:
                    ticket.verdicts[i] = Verdict(error=conflict(id_field))
            else:
                found = self.refuse_time(ts, ticket.received, newest)
                if found is not None:
                    ticket.verdicts[i] = Verdict(error=refusal(found, time_field))
                    continue
                if archived:  # whatever was archived is too late by now, so this is another event
                    ticket.verdicts[i] = Verdict(error=conflict(id_field))
                    continue
                if not schema.profile:
                    newest = ts if newest is None else max(newest, ts)
                new[id_] = i
                ticket.accepted.append(i)

    def _are_timely(self, schema: Schema, times: Sequence[int], ticket: Ticket) -> bool:
        """Whether no event of a batch can be too early or too late, in whatever order they come."""
        oldest, newest = min(times), max(times)
        if newest > ticket.received + FUTURE_US:
            return False
        accepted = self._workspace.newest_us
        if accepted is not None:
            newest = max(newest, accepted)
        return schema.profile or oldest >= newest - self._workspace.lateness_us

    def _until(self, schema: Schema, event: EventStruct) -> int | None:
        """Return the newest accepted time from which on an event is forgotten; None if it never is."""
        span = self._workspace.span_of(schema.name)
        return None if span is None else span.until(micros_of(getattr(event, schema.time_field)))

    def refuse_time(self, ts: int, received: int, newest: int | None) -> Found | None:
        """Return code and words if an event time is not acceptable, else None.

        Parameters
        ----------
        ts
            The time.
        received
            When the event arrived.
        newest
            The newest time accepted; None where lateness plays no part.
        """
        if ts > received + FUTURE_US:
            return ("in_future", "is more than 5 minutes after the event's arrival")
        if newest is not None and ts < newest - self._workspace.lateness_us:
            lateness = timedelta(microseconds=self._workspace.lateness_us)
            return ("too_late", f"is more than {lateness} before the newest accepted event")
        return None

    def _is_at(self, position: int, id_: str) -> bool:
        """Whether an id is that of a position, and does not only share its hash."""
        first, block = self._workspace.lookup.block(position)
        return not isinstance(block, Events) or block.ids[position - first] == id_.encode()

    def _prepare(self, ticket: Ticket, first: int) -> None:
        """Encode the accepted events; those that passed the door and still cannot be encoded are refused."""
        events, accepted = ticket.events, ticket.accepted
        prepare = self._workspace.prepare
        try:
            ticket.prepared = prepare(ticket.stream, [events[i] for i in accepted], first)
        except Exception:
            logger.exception("events of stream %r cannot be encoded", ticket.stream)
            self.refuse_unencodable(ticket.stream, events, accepted, ticket.verdicts)
            ticket.prepared = prepare(ticket.stream, [events[i] for i in accepted], first) if accepted else None

    def refuse_unencodable(
        self, stream: str, events: Sequence[EventStruct], accepted: list[int], verdicts: list[Verdict]
    ) -> None:
        """Take out of the accepted events, one by one, those that cannot be encoded."""
        for i in accepted.copy():
            try:
                self._workspace.prepare(stream, [events[i]], 0)
            except Exception as error:
                name = error.field if isinstance(error, InputError) else ""
                refused = InputError("the event cannot be encoded", field=name, code="not_encodable")
                verdicts[i] = Verdict(error=refused)
                accepted.remove(i)


def passed(until: int | None, newest: int | None) -> bool:
    """Whether the newest accepted time has come to where something is forgotten."""
    return until is not None and newest is not None and until <= newest


def nothing() -> None:
    """Take back nothing."""


def refusal(found: Found, name: str) -> InputError:
    """Return the error of a field that was found to be wrong."""
    return InputError(f"{name} {found[1]}", field=name, code=found[0])


def conflict(id_field: str) -> ConflictError:
    """Return the error of an id that was used before for something else."""
    message = "the same id was used before for an event with other content"
    return ConflictError(message, field=id_field, code="conflict")
