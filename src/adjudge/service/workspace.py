"""A workspace in memory: what folding its log has built up, for all of its systems at once.

Live deciding and replay both go through here and differ only in where the entries come from, so whatever is
true of one is true of the other. Nothing here reads a clock, admits or refuses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from adjudge.define import Schema
from adjudge.engine.batch import Batch, State
from adjudge.engine.decision import Decisions
from adjudge.engine.plan import Plan
from adjudge.errors import DefinitionError, InputError, did_you_mean
from adjudge.log import Entry, Kind, Log
from adjudge.service import table
from adjudge.service.decode import EventDecoder, EventStruct
from adjudge.service.record import Recorder
from adjudge.typing import IntArray


@dataclass
class Running:
    """One system of the workspace: its plan, its state, and what is known about its decided events.

    Parameters
    ----------
    plan
        The compiled system.
    state
        What the log has built up for it.
    recorder
        Writes its decisions down.
    marks
        For each event id the labels and outcomes that were set, by name.
    """

    plan: Plan
    state: State
    recorder: Recorder
    marks: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the system."""
        return self.plan.system.name

    @property
    def mark_names(self) -> tuple[str, ...]:
        """Names of the label and the outcomes that its decided events may get."""
        system = self.plan.system
        label = (system.label.name,) if system.label else ()
        return (*label, *(o.name for o in system.outcomes))


@dataclass(frozen=True)
class Change:
    """Something that became known about an event, or its retraction.

    Parameters
    ----------
    kind
        Label, outcome or retraction.
    stream, id
        The event.
    name
        The label or outcome; empty for a retraction.
    value
        1 for positive, 0 for negative.
    """

    kind: Kind
    stream: str
    id: str
    name: str = ""
    value: float = 0.0


@dataclass(frozen=True)
class Prepared:
    """Events that are ready to be folded.

    Parameters
    ----------
    stream, events, ids
        What they are.
    first
        Position of the first in the log.
    stretches
        First event and one past the last of each stretch that is folded in one go, and the stretch as each system
        reads it.
    """

    stream: str
    events: Sequence[EventStruct]
    ids: list[str]
    first: int
    stretches: list[tuple[int, int, list[tuple[Running, Batch]]]]


Part = tuple[int, int, dict[str, Decisions]]
"""First event and one past the last of a stretch that was folded in one go, and each system's decisions."""


class Workspace:
    """The systems of a workspace and everything that its log has told them so far.

    Parameters
    ----------
    plans
        The compiled systems, which share streams by name.
    log
        Where earlier events are read again when something changes about them; never written to here.

    Attributes
    ----------
    waiting
        How many labels, outcomes and retractions wait for events that are not there.

    Raises
    ------
    DefinitionError
        If two systems have the same name, or give one stream different fields.
    """

    def __init__(self, plans: Sequence[Plan], log: Log) -> None:
        self.systems = {p.system.name: Running(p, p.start(), Recorder(p)) for p in plans}
        if not plans or len(self.systems) != len(plans):
            msg = "a workspace needs at least one system, and no two of the same name"
            raise DefinitionError(msg)
        self.doors = {name: EventDecoder(schema) for name, schema in _streams(plans).items()}
        self.lateness_us = min(p.lateness_us for p in plans)
        self.ids: dict[str, dict[str, int]] = {name: {} for name in self.doors}
        self.newest_us: int | None = None
        self.decided = 0
        self.retracted: set[tuple[str, str]] = set()
        self.waiting = 0
        self._waiting: dict[tuple[str, str], list[Change]] = {}
        self._log = log
        self._tables: dict[int, Any] = {}

    def deciding(self, stream: str) -> list[Running]:
        """Return the systems that decide a stream; none for one that is only kept."""
        return [s for s in self.systems.values() if s.plan.decides == stream]

    def system(self, name: str | None) -> Running:
        """Return a system by name, or the only one where no name is given.

        Raises
        ------
        InputError
            If there is no such system, or several and none is named.
        """
        if name is None and len(self.systems) == 1:
            return next(iter(self.systems.values()))
        if name in self.systems:
            return self.systems[name]
        known = ", ".join(self.systems)
        if name is None:
            message = f"say which system is meant with ?system=: {known}"
        else:
            message = f"there is no system {name!r}{did_you_mean(name, self.systems)}"
        raise InputError(message, field="system", code="unknown_system")

    def door(self, stream: str) -> EventDecoder:
        """Return the decoder of a stream; an unknown one raises `InputError`."""
        if stream not in self.doors:
            message = f"there is no stream {stream!r}{did_you_mean(stream, self.doors)}"
            raise InputError(message, field="stream", code="unknown_stream")
        return self.doors[stream]

    def prepare(self, stream: str, events: Sequence[EventStruct], first: int) -> Prepared:
        """Encode events for the systems that read them; nothing is changed by it, whatever is wrong with them.

        Parameters
        ----------
        stream
            Their stream.
        events
            Checked events with new ids, in log order.
        first
            Position of the first.
        """
        id_field = self.doors[stream].schema.id_field
        ids = [getattr(e, id_field) for e in events]
        reading = self._reading(stream)
        stretches = []
        for start, stop in self._stretches(stream, ids):
            part, seqs = events[start:stop], np.arange(first + start, first + stop)
            stretches.append((start, stop, [(s, s.plan.encode(stream, part, seqs)) for s in reading]))
        return Prepared(stream, events, ids, first, stretches)

    def decide(self, prepared: Prepared) -> Iterator[Part]:
        """Fold events at consecutive positions, and decide them where a system decides their stream.

        Parameters
        ----------
        prepared
            What `prepare` has just made of them.
        """
        stream, ids, first = prepared.stream, prepared.ids, prepared.first
        for start, stop, batches in prepared.stretches:
            made = {s.name: s.plan.step(s.state, batch) for s, batch in batches}
            self._note_times(stream, batches[0][1].ts)
            self.ids[stream].update(zip(ids[start:stop], range(first + start, first + stop), strict=True))
            decisions = {name: d for name, d in made.items() if d is not None}
            for name, decided in decisions.items():
                self._remember_outcomes(self.systems[name], ids[start:stop], decided)
            self.decided += (stop - start) * bool(decisions)
            for change in self._waited(stream, ids[stop - 1]):
                self._apply([change], [first + stop - 1], [prepared.events[stop - 1]])
            yield start, stop, decisions

    def encode_score(self, running: Running, events: Sequence[EventStruct], position: int) -> Batch:
        """Encode events that are only scored, each as if it were the next in the log.

        Parameters
        ----------
        running
            The system that is asked.
        events
            Events of its decided stream.
        position
            The next position of the log.
        """
        return running.plan.encode(running.plan.decides, events, np.full(len(events), position))

    def score(self, running: Running, batch: Batch) -> Decisions:
        """Decide events that `encode_score` has just made a batch of, without a trace."""
        decisions = running.plan.step(running.state, batch, append=False)
        assert decisions is not None  # the decided stream is always decided
        return decisions

    def prepare_table(self, entry: Entry, frame: Any) -> list[tuple[Running, Batch]]:
        """Encode a table of events for the systems that read them; `InputError` names what does not fit."""
        seqs = np.arange(entry.seq, entry.seq + entry.count)
        return [(s, s.plan.encode_frame(entry.stream, frame, seqs)) for s in self._reading(entry.stream)]

    def insert(self, entry: Entry, frame: Any, ids: Sequence[str], batches: list[tuple[Running, Batch]]) -> None:
        """Fold a table of events that were never decided, one position of the log for each.

        Parameters
        ----------
        entry
            Its entry in the log.
        frame
            The table as `Plan.encode_frame` reads it.
        ids
            The events' ids.
        batches
            What `prepare_table` has just made of it.
        """
        stream = entry.stream
        for s, batch in batches:
            s.plan.insert(s.state, batch)
        self._note_times(stream, batches[0][1].ts)
        self._tables[entry.seq] = frame
        self.ids[stream].update(zip(ids, range(entry.seq, entry.seq + entry.count), strict=True))
        for id_ in ids if self._waiting else ():
            self.change(self._waited(stream, id_))

    def change(self, changes: Sequence[Change]) -> list[bool]:
        """Fold changes of earlier events; those of events that are not there yet wait for them.

        Parameters
        ----------
        changes
            In log order.

        Returns
        -------
        list[bool]
            For each whether its event was there.
        """
        there = []
        run: list[Change] = []
        for c in changes:
            known = c.id in self.ids[c.stream]
            there.append(known)
            if not known:
                self._waiting.setdefault((c.stream, c.id), []).append(c)
                self.waiting += 1
                continue
            if run and (c.kind, c.stream, c.name) != (run[0].kind, run[0].stream, run[0].name):
                self._apply_known(run)
                run = []
            run.append(c)
        self._apply_known(run)
        return there

    def value(self, change: Change) -> float | None:
        """Return what a label or outcome is set to now, or None; the first system that has it is asked."""
        waiting = self._waiting.get((change.stream, change.id), ())
        for earlier in reversed(list(waiting)):
            if (earlier.kind, earlier.name) == (change.kind, change.name):
                return earlier.value
        for s in self.deciding(change.stream):
            if change.name in s.mark_names:
                return s.marks.get(change.id, {}).get(change.name)
        return None

    def is_retracted(self, stream: str, id_: str) -> bool:
        """Return whether an event was taken back, or will be when it comes."""
        waiting = self._waiting.get((stream, id_), ())
        return (stream, id_) in self.retracted or any(c.kind == Kind.RETRACTION for c in waiting)

    def digest(self) -> str:
        """Return a hash of every system's state: equal workspaces have equal digests."""
        return "-".join(s.state.digest() for s in self.systems.values())

    def share(self, running: Running, decided: bytes, features: bytes) -> tuple[bytes, bytes]:
        """Return one system's part of what was decided about an event, and of the features behind it.

        Parameters
        ----------
        running
            A system that decides the event's stream.
        decided, features
            As the log keeps them: one line, and one stretch of features, for each system that decides.
        """
        deciding = self.deciding(running.plan.decides)
        if len(deciding) == 1:
            return decided, features
        place = deciding.index(running)
        start = sum(s.recorder.width for s in deciding[:place])
        return decided.split(b"\n")[place], features[start : start + running.recorder.width]

    def entry_at(self, seq: int) -> Entry:
        """Return the entry that holds a position of the log."""
        return next(iter(self._log.read(seq, seq + 1)))

    def event_at(self, seq: int) -> EventStruct:
        """Return the event at a position of the log."""
        entry = self.entry_at(seq)
        door = self.doors[entry.stream]
        if entry.kind != Kind.TABLE:
            return door.one(entry.body)
        if entry.seq not in self._tables:
            self._tables[entry.seq] = table.decode(entry.body)
        return table.event(door, self._tables[entry.seq], seq - entry.seq)

    def _waited(self, stream: str, id_: str) -> list[Change]:
        """Return the changes that waited for an event that is there now; they wait no longer."""
        changes = self._waiting.pop((stream, id_), [])
        self.waiting -= len(changes)
        return changes

    def _note_times(self, stream: str, ts: IntArray) -> None:
        """Remember the newest event time, which lateness is measured from; profiles may be of any age."""
        if len(ts) and not self.doors[stream].schema.profile:
            newest = int(ts.max())
            self.newest_us = newest if self.newest_us is None else max(newest, self.newest_us)

    def _reading(self, stream: str) -> list[Running]:
        return [s for s in self.systems.values() if stream in s.plan.streams]

    def _stretches(self, stream: str, ids: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Cut a run of events after each one for which changes wait, so that the next event sees them."""
        start = 0
        if self._waiting:
            for i, id_ in enumerate(ids):
                if (stream, id_) in self._waiting and i + 1 < len(ids):
                    yield start, i + 1
                    start = i + 1
        if ids:
            yield start, len(ids)

    def _remember_outcomes(self, running: Running, ids: Sequence[str], decisions: Decisions) -> None:
        """Note the outcomes that the system's own decisions have set."""
        for outcome in running.plan.system.outcomes:
            if outcome.decided:
                for id_, action in zip(ids, decisions.action, strict=True):
                    if action in outcome.decided:
                        running.marks.setdefault(id_, {})[outcome.name] = 1.0

    def _apply_known(self, run: list[Change]) -> None:
        """Apply changes of one kind, name and stream; an event that comes twice starts another batch."""
        seen: set[str] = set()
        start = 0
        for i, c in enumerate(run):
            if c.id in seen:
                self._apply_at(run[start:i])
                start, seen = i, set()
            seen.add(c.id)
        self._apply_at(run[start:])

    def _apply_at(self, run: list[Change]) -> None:
        seqs = [self.ids[c.stream][c.id] for c in run]
        self._apply(run, seqs, [self.event_at(seq) for seq in seqs])

    def _apply(self, run: Sequence[Change], seqs: Sequence[int], events: Sequence[EventStruct]) -> None:
        """Change rows of distinct events of one stream, all in the same way."""
        alive = [i for i, c in enumerate(run) if (c.stream, c.id) not in self.retracted]
        if not alive:
            return
        run, events = [run[i] for i in alive], [events[i] for i in alive]
        kind, stream, name = run[0].kind, run[0].stream, run[0].name
        positions = np.array([seqs[i] for i in alive], np.int64)
        for s in self._reading(stream):
            if kind == Kind.RETRACTION:
                self._take_marks_back(s, [c.id for c in run], positions, events)
                s.plan.retract(s.state, s.plan.encode(stream, events, positions))
            elif s.plan.decides == stream and name in s.mark_names:
                marks = [s.marks.setdefault(c.id, {}) for c in run]
                old = np.array([m.get(name, np.nan) for m in marks])
                new = np.array([c.value for c in run])
                s.plan.label(s.state, s.plan.encode(stream, events, positions), name, old, new)
                for m, c in zip(marks, run, strict=True):
                    m[name] = c.value
        if kind == Kind.RETRACTION:
            self.retracted.update((c.stream, c.id) for c in run)

    @staticmethod
    def _take_marks_back(s: Running, ids: Sequence[str], positions: IntArray, events: Sequence[EventStruct]) -> None:
        """Unset what was set on events: a merged row would keep it after the events have left."""
        for name in s.mark_names:
            marked = [i for i, id_ in enumerate(ids) if name in s.marks.get(id_, {})]
            if marked:
                batch = s.plan.encode(s.plan.decides, [events[i] for i in marked], positions[marked])
                old = np.array([s.marks[ids[i]][name] for i in marked])
                s.plan.label(s.state, batch, name, old, np.full(len(marked), np.nan))


def _streams(plans: Sequence[Plan]) -> Mapping[str, Schema]:
    streams: dict[str, Schema] = {}
    for plan in plans:
        for name, stream in plan.streams.items():
            if streams.setdefault(name, stream.schema).digest != stream.schema.digest:
                msg = f"system {plan.system.name!r} gives stream {name!r} other fields than another system does"
                raise DefinitionError(msg)
    return streams
