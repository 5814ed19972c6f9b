"""A workspace in memory: what folding its log has built up, for all of its systems at once.

Live deciding, replay and recovery all go through here and differ only in where the entries come from, so whatever is
true of one is true of the others. Nothing here reads a clock, admits or refuses. What is done between `hold` and
`restore` can be undone exactly: a batch whose commit fails has never been.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from adjudge.define import Schema
from adjudge.engine.batch import Batch
from adjudge.engine.decision import Decisions
from adjudge.engine.layers import Guard, lacking
from adjudge.engine.plan import Plan
from adjudge.engine.versions import state_version
from adjudge.errors import DefinitionError, InputError, did_you_mean
from adjudge.log import Log, MemoryLog
from adjudge.log.codec import Again, Events, Table
from adjudge.service import changing, logged
from adjudge.service.access.management import Management
from adjudge.service.activation import (
    Activation,
    FieldLayout,
    Seat,
    SystemActivation,
    fingerprint,
    secret_of,
    wrong_secret,
)
from adjudge.service.card import Card
from adjudge.service.challengers.seated import Seated
from adjudge.service.changed import Change
from adjudge.service.changing import RETRACTED, apply, apply_known, mark
from adjudge.service.decode import EventDecoder, EventStruct
from adjudge.service.index import ABSENT, Ids, Known, Passed, Span
from adjudge.service.lookup import Lookup
from adjudge.service.personal import folded
from adjudge.service.personal.erasure import Erased, Erasure
from adjudge.service.personal.keys import Keys, MemoryKeys, Person
from adjudge.service.personal.seal import Vault
from adjudge.service.record import Recorded
from adjudge.service.rekey.entry import Rekey
from adjudge.service.rekey.moved import Moved
from adjudge.service.remains import Remains
from adjudge.service.running import Prepared, Running, Said, span_of
from adjudge.service.undo import Undo
from adjudge.service.waiting import WaitingChanges
from adjudge.typing import BoolArray, CodeArray, FloatArray, HashArray, IntArray

__all__ = ["RETRACTED", "Change", "Part", "Prepared", "Running", "Said", "Workspace"]

Part = tuple[int, int, dict[str, list[Said]]]
"""First event and one past the last of a stretch that was folded in one go, and what each system decided."""


class Workspace:
    """The systems of a workspace and everything that its log has told them so far.

    Parameters
    ----------
    plans
        The compiled systems, which share streams by name.
    log
        Where earlier events are read again when something changes about them; never written to here.
    keys
        The keys of persons; needed where a stream has personal fields and the log outlives the process.

    Attributes
    ----------
    waits
        Labels, outcomes and retractions of events that are not there.
    undo
        What takes back what was folded since `hold`.
    management
        Who may do what, and what waits for a second person.
    remains
        What is kept of archived events, by stream.
    span
        How long an event can be spoken of by its id.
    passed
        What times folding has come through, for dropping the marks of events whose ids are forgotten.
    active
        What decides now, by system.
    activated
        Position of the last activation of each card, by its digest.
    seats
        Challengers that run beside what decides; `sit` has them run here.
    moved
        The rekey that led to the secret of the plans; None if the log begins with that secret.

    Raises
    ------
    DefinitionError
        If two systems have the same name, or give one stream different fields; or if keys of persons are needed.
    """

    def __init__(self, plans: Sequence[Plan], log: Log, keys: Keys | None = None) -> None:
        self.systems = {p.system.name: Running.start(p) for p in plans}
        if not plans or len(self.systems) != len(plans):
            msg = "a workspace needs at least one system, and no two of the same name"
            raise DefinitionError(msg)
        self.doors = {name: EventDecoder(schema) for name, schema in _streams(plans).items()}
        self.lateness_us = min(p.lateness_us for p in plans)
        self.secret = secret_of(plans)
        self.span = span_of(plans)
        self.ids = {name: Ids(self.secret, self.span_of(name)) for name in self.doors}
        self.retracted = {name: Known(RETRACTED) for name in self.doors}
        self.newest_us: int | None = None
        self.decided = 0
        self.cards: dict[str, Card] = {}
        self.layouts: dict[str, FieldLayout] = {}
        self.active: dict[str, SystemActivation] = {}
        self.activated: dict[str, int] = {}
        self.seats: list[Seat] = []
        self.management = Management()
        self.moved: Moved | None = None
        self.log = log
        self.lookup = Lookup(log)
        self.erased: dict[Person, Erased] = {}
        self.remains: dict[str, Remains] = {}
        self.vault = Vault({name: door.schema for name, door in self.doors.items()}, keys or self._no_keys(log))
        self.passed = Passed()
        self.waits = WaitingChanges()
        self.undo = Undo()

    def span_of(self, stream: str) -> Span | None:
        """Return how long the ids of a stream are kept: those of a profile, which is never too late, for ever."""
        return None if self.doors[stream].schema.profile else self.span

    @property
    def known_events(self) -> int:
        """How many events the workspace has seen, of all streams."""
        return sum(map(len, self.ids.values()))

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

    def hold(self) -> None:
        """Begin to remember what `restore` has to take back."""
        self.undo.begin()
        for s in self.systems.values():
            s.state.hold()

    def restore(self) -> None:
        """Take back everything since `hold`, exactly."""
        self.undo.take_back()
        for s in self.systems.values():
            s.state.restore()

    def release(self) -> None:
        """Keep everything since `hold`, and stop remembering."""
        self.undo.end()
        for s in self.systems.values():
            s.state.release()
        self._drop_marks()

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
        reading = self.reading(stream)
        width = self.encoder(stream).width
        stretches, fields = [], []
        for start, stop in self._stretches(stream, ids):
            part, seqs = events[start:stop], np.arange(first + start, first + stop)
            batches = [(s, s.plan.encode(stream, part, seqs)) for s in reading]
            stretches.append((start, stop, batches))
            fields.append(batches[0][1].matrix[:width])
        return Prepared(stream, ids, first, fields[0] if len(fields) == 1 else np.hstack(fields), stretches)

    def prepare_again(self, first: int, block: Events) -> Prepared:
        """Make logged events ready to be folded again, from their fields alone.

        Parameters
        ----------
        first
            Position of the first.
        block
            As the log keeps them.
        """
        ids = block.ids.texts()
        fields = logged.fields_of(self, first, block)
        stretches = []
        for start, stop in self._stretches(block.stream, ids):
            part, seqs = fields[:, start:stop], np.arange(first + start, first + stop)
            reading = self.reading(block.stream)
            batches = [(s, s.plan.encode_fields(block.stream, part, seqs, ids[start:stop])) for s in reading]
            stretches.append((start, stop, batches))
        return Prepared(block.stream, ids, first, fields, stretches)

    def enter(self, prepared: Prepared) -> Callable[[], None]:
        """Enter the ids and times of events that are about to be folded, and return what takes that back.

        Ids that nothing can name any more are forgotten.

        Parameters
        ----------
        prepared
            What `prepare` has just made of them.
        """
        stream, ids, newest = prepared.stream, self.ids[prepared.stream], self.newest_us
        hashes = np.ascontiguousarray(prepared.fields[self.encoder(stream).row[self.doors[stream].schema.id_field]])
        ts = prepared.ts
        ids.add(prepared.ids, prepared.first, hashes.view(np.uint64), ts=ts)
        self._note_times(stream, ts)
        gone = self._forget_ids()

        def undo() -> None:
            for old, tables in gone:
                old.bring_back(tables)
            ids.remove(prepared.ids, ts=ts)
            self.newest_us = newest

        return undo

    def decide(self, prepared: Prepared, guards: Mapping[str, Guard]) -> Iterator[Part]:
        """Fold events at consecutive positions, and decide them where a system decides their stream.

        Parameters
        ----------
        prepared
            What `prepare` has made of them, entered.
        guards
            How layers take part, by what `Running.guarded` calls each.
        """
        for start, stop, batches in prepared.stretches:
            self.pass_by(prepared.stream, prepared.first + start, batches[0][1].ts)
            made = {s.name: said for s, batch in batches if (said := s.decide(batch, guards, start, stop))}
            self._decided(stop - start if made else 0)
            for name, said in made.items():
                for one in said:
                    self.note_decided(name, prepared.first + start + one.events, one.decisions)
            self._arrived(prepared, stop)
            yield start, stop, made

    def fields_only(self, first: int, stream: str, ids: Sequence[str], fields: FloatArray) -> Prepared:
        """Return logged events ready to be entered, and then to be decided with others by `decide_together`."""
        n = len(ids)
        times, seqs = self.encoder(stream).times(fields), np.arange(first, first + n)
        batch = Batch(stream, ids, times, seqs, fields, np.empty((0, n), np.uint64))  # keys are made of all at once
        return Prepared(stream, list(ids), first, fields, [(0, n, [(s, batch) for s in self.reading(stream)])])

    def decide_together(self, parts: Sequence[Prepared]) -> tuple[IntArray, dict[str, list[Said]]]:
        """Fold and decide events of one stream that stand at rising positions with others between, as if these did not.

        Parameters
        ----------
        parts
            What `fields_only` has made of them, entered; nothing may wait for any of them.

        Returns
        -------
        tuple[IntArray, dict[str, list[Said]]]
            Their positions, and what each system decided.
        """
        stream, ids = parts[0].stream, [id_ for part in parts for id_ in part.ids]
        positions = np.concatenate([np.arange(part.first, part.first + len(part.ids)) for part in parts])
        fields = np.hstack([part.fields for part in parts])
        for part in parts:
            self.pass_by(stream, part.first, part.ts)
        made: dict[str, list[Said]] = {}
        for s in self.reading(stream):
            made[s.name] = s.decide(s.plan.encode_fields(stream, fields, positions, ids), {}, 0, len(ids))
            for one in made[s.name]:
                self.note_decided(s.name, positions[one.events], one.decisions)
        self._decided(len(ids))
        return positions, made

    def note_decided(self, system: str, positions: IntArray, decided: Decisions) -> None:
        """Note what a system's decisions about events at some positions have set, and what they lacked."""
        acted = self._acted(self.systems[system], decided.plan.combine.actions, decided.combined.action)
        self._remember(system, positions, acted)
        self._note_degraded(system, positions, decided.layers.T)

    def refold(self, prepared: Prepared, made: Mapping[str, Recorded]) -> None:
        """Fold events that were decided before, with what their decisions set; nothing is decided.

        Parameters
        ----------
        prepared
            What `prepare_again` has made of them, entered.
        made
            What each system decided then, by name.
        """
        for start, stop, batches in prepared.stretches:
            self.pass_by(prepared.stream, prepared.first + start, batches[0][1].ts)
            acted = {
                name: self._acted(self.systems[name], r.card.actions, r.records["action"][start:stop])
                for name, r in made.items()
                if name in self.systems
            }
            for s, batch in batches:
                s.plan.refold(s.state, batch, acted.get(s.name, {}))
            self._decided(stop - start if made else 0)
            positions = np.arange(prepared.first + start, prepared.first + stop)
            for name, hits in acted.items():
                self._remember(name, positions, hits)
                self._note_degraded(name, positions, made[name].records["layers"][start:stop])
            self._arrived(prepared, stop)
        self._drop_marks()

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

    def score(self, running: Running, batch: Batch, guard: Guard) -> Decisions:
        """Decide events that `encode_score` has just made a batch of, without a trace."""
        decisions = running.plan.step(running.state, batch, append=False, guard=guard)
        assert decisions is not None  # the decided stream is always decided
        return decisions

    def prepare_table(self, first: int, stream: str, frame: Any) -> list[tuple[Running, Batch]]:
        """Encode a table of events for the systems that read them; `InputError` names what does not fit."""
        seqs = np.arange(first, first + frame.height)
        return [(s, s.plan.encode_frame(stream, frame, seqs)) for s in self.reading(stream)]

    def insert(
        self, first: int, stream: str, frame: Any, ids: Sequence[str], batches: list[tuple[Running, Batch]]
    ) -> None:
        """Fold a table of events that were never decided, one position of the log for each.

        Parameters
        ----------
        first
            Position of the first.
        stream
            Their stream.
        frame
            The table as `Plan.encode_frame` reads it.
        ids
            The events' ids.
        batches
            What `prepare_table` has just made of it.
        """
        for s, batch in batches:
            s.plan.insert(s.state, batch)
        ts = batches[0][1].ts
        self._note_times(stream, ts)
        self.pass_by(stream, first, ts)
        self.lookup.keep(first, frame)
        self.ids[stream].add(ids, first, ts=ts)
        self._forget_ids()
        for id_ in ids if self.waits else ():
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
        there = [position is not None for position in self.positions_of(changes)]
        run: list[Change] = []
        for c, known in zip(changes, there, strict=True):
            if not known:
                self._wait(c)
                continue
            if run and not c.is_like(run[0]):
                apply_known(self, run)
                run = []
            run.append(c)
        apply_known(self, run)
        return there

    def positions_of(self, changes: Sequence[Change]) -> list[int | None]:
        """Return the positions of the events that changes name, None where they are not there."""
        found: list[int | None] = [None] * len(changes)
        for stream in {c.stream for c in changes} & self.ids.keys():
            places = [i for i, c in enumerate(changes) if c.stream == stream]
            positions = self.ids[stream].find([changes[i].id for i in places]).tolist()
            for i, position in zip(places, positions, strict=True):
                found[i] = None if position == ABSENT else position
        return found

    def value(self, change: Change, position: int | None) -> float | None:
        """Return what a label or outcome is set to now, or None; see `changing`."""
        return changing.value(self, change, position)

    def is_retracted(self, stream: str, id_: str) -> bool:
        """Return whether an event was taken back, or will be when it comes."""
        return changing.is_retracted(self, stream, id_)

    def is_archived(self, position: int) -> bool:
        """Return whether what stands at a position was archived; nothing new counts for it any more."""
        return position < self.management.archives.position

    def activate(self, position: int, activation: Activation) -> None:
        """Learn how to read the decisions and fields that follow, and what decides them.

        Nothing is decided otherwise by it: see `go_on_with`.

        Parameters
        ----------
        position
            Where it stands in the log.
        activation
            What the log says.

        Raises
        ------
        DefinitionError
            If the log's keys and ids were hashed with another secret than that of the plans.
        """
        own = fingerprint(self.secret)
        if activation.secret != own and not self.is_moved(position):
            raise wrong_secret(activation.secret, own)
        self.cards.update(activation.cards)
        self.layouts.update({layout.digest: layout for layout in activation.streams.values()})
        self.active = dict(activation.systems)
        self.activated.update(dict.fromkeys(activation.cards, position))
        self.seats = [seat.at(position) for seat in activation.challengers]

    def rekey(self, position: int, rekey: Rekey) -> None:
        """Pass a rekey: what came before it was folded with the new secret already.

        Raises
        ------
        DefinitionError
            If the log goes on with another secret than that of the plans.
        """
        own = fingerprint(self.secret)
        if rekey.new != own and not self.is_moved(position):
            raise wrong_secret(rekey.new, own)

    def moved_hashes(self, position: int, hashes: HashArray) -> HashArray:
        """Return what the secret of the plans makes of hashes that an entry at a position holds."""
        return self.moved.all(hashes) if self.moved is not None and self.is_moved(position) else hashes

    def made_of(self, first: int, block: Events, ids: Sequence[str]) -> dict[str, Recorded]:
        """Return what was decided about the events of a block, by system; see `logged`."""
        return logged.made_of(self, first, block, ids)

    def decided_again(self, first: int, block: Again) -> None:
        """Fold second decisions: nothing changes but that they are known.

        Parameters
        ----------
        first
            Position of the first.
        block
            As the log keeps them.
        """
        s = self.systems.get(self.cards[block.made.card].system)
        if s is not None:
            degraded, positions = s.degraded, block.events()
            self.undo.note(lambda: degraded.owe_again(positions))
            degraded.made_again(positions, first)

    def second(self, position: int) -> Recorded:
        """Return the second decision that stands at a position."""
        return logged.second(self, position)

    def fits(self, plans: Iterable[Plan]) -> bool:
        """Return whether the state is what folding the same log with these plans, too, would have made for each."""
        now = {name: s.plan for name, s in self.systems.items()}
        wanted = {plan.system.name: plan for plan in plans}
        return (
            wanted.keys() <= now.keys()
            and all(
                plan.histories is now[name].histories or state_version(plan) == state_version(now[name])
                for name, plan in wanted.items()
            )
            and span_of(list((now | wanted).values())) == self.span
        )

    def go_on_with(self, plans: Iterable[Plan]) -> None:
        """Decide with other plans from here on; the state must fit them."""
        for plan in plans:
            self.systems[plan.system.name].become(plan)

    def sit(self, seated: Sequence[Seated]) -> None:
        """Have challengers run beside the systems from here on, and no others."""
        for name, running in self.systems.items():
            running.sit([one for one in seated if one.seat.system == name])

    def adopt(self, other: Workspace, plan: Plan) -> None:
        """Go on with the state of another workspace, for a plan that the present one does not fit.

        Parameters
        ----------
        other
            Has folded the same log as far, with that plan; not to be used afterwards.
        plan
            One system as it is to be.
        """
        mine, theirs = self.systems[plan.system.name], other.systems[plan.system.name]
        theirs.state.lap = mine.state.lap
        mine.state, mine.marks, mine.degraded = theirs.state, theirs.marks, theirs.degraded
        mine.become(plan)
        self.span, self.passed, self.ids, self.retracted = other.span, other.passed, other.ids, other.retracted
        self.waits = other.waits

    def activation_of(self, card: Card) -> SystemActivation:
        """Return the activation that a card was written with; `NotFoundError` if the log does not hold it any more."""
        return logged.activation_of(self, card)

    @property
    def waiting(self) -> int:
        """How many labels, outcomes and retractions wait for events that are not there."""
        return len(self.waits)

    @property
    def waiting_changes(self) -> list[Change]:
        """The changes that wait for events that are not there, in the order in which they came for each."""
        return list(self.waits)

    def wait_for(self, changes: Sequence[Change]) -> None:
        """Let changes wait for events that are not there, as a snapshot has them."""
        for change in changes:
            self._wait(change)

    def seal(self, prepared: Prepared, events: Sequence[EventStruct]) -> list[bytes]:
        """Return the bodies of events that are ready to be folded, as the log keeps them."""
        return folded.seal(self, prepared, events)

    def erase(self, position: int, erasure: Erasure) -> None:
        """Fold an erasure: the rows of the person's own entities are gone, all others go on counting."""
        folded.erase(self, position, erasure)

    def remember_erased(self, erased: Erased) -> None:
        """Know a person as erased: the key is taken for destroyed from here on."""
        folded.remember_erased(self, erased)

    def person(self, stream: str, value: str) -> Person:
        """Return whom a value of a stream's person field names; see `personal.folded`."""
        return folded.person_of(self, stream, value)

    def hashes_in(self, first: int, block: Events | Table, names: Sequence[str]) -> HashArray:
        """Return the keyed hashes of some text fields of logged events, one row a field; see `logged`."""
        return logged.hashes_in(self, first, block, names)

    def digest(self) -> str:
        """Return a hash of every system's state: equal workspaces have equal digests."""
        return "-".join(s.state.digest() for s in self.systems.values())

    def is_at(self, position: int, stream: str, event: EventStruct) -> bool:
        """Return whether an event is the one at a position of the log; see `logged`."""
        return logged.is_at(self, position, stream, event)

    def fields_at(self, stream: str, positions: Sequence[int]) -> FloatArray:
        """Return the encoded fields of earlier events of one stream, one column each."""
        return logged.fields_at(self, stream, positions)

    def _no_keys(self, log: Log) -> Keys:
        """Return keys that end with a log in memory; another log needs some that outlive the process."""
        personal = [name for name, door in self.doors.items() if door.schema.person_field]
        if personal and not isinstance(log, MemoryLog):
            msg = f"stream {personal[0]!r} has personal fields: its events cannot be kept without the keys of persons"
            raise DefinitionError(msg)
        return MemoryKeys()

    def is_moved(self, position: int) -> bool:
        """Whether an entry was hashed with an earlier secret."""
        return self.moved is not None and position < self.moved.position

    def encoder(self, stream: str) -> Any:
        """Return what encodes a stream's events, for all systems alike."""
        return self.reading(stream)[0].plan.stream(stream).encoder

    def _acted(self, running: Running, actions: Sequence[str], action: IntArray) -> dict[str, BoolArray]:
        """For each outcome that decisions of a system set, which of them did."""
        outcomes = [o for o in running.plan.system.outcomes if o.decided]
        return {o.name: np.isin(action, [i for i, a in enumerate(actions) if a in o.decided]) for o in outcomes}

    def _decided(self, more: int) -> None:
        """Count decided events."""
        self.decided += more
        self.undo.note(lambda: self._uncount(more))

    def _uncount(self, fewer: int) -> None:
        self.decided -= fewer

    def _remember(self, system: str, positions: IntArray, acted: Mapping[str, BoolArray]) -> None:
        """Note the outcomes that a system's own decisions have set."""
        for name, hit in acted.items():
            if len(hits := positions[hit]):
                mark(self, self.systems[system].marks, name, hits, np.ones(len(hits)))

    def _note_degraded(self, system: str, positions: IntArray, layers: CodeArray) -> None:
        """Note which decisions lacked a part of the system; `layers` says how each took part, shape (n, layers)."""
        if np.count_nonzero(layers) and len(places := np.flatnonzero(lacking(layers).any(axis=1))):
            degraded, lacking_ = self.systems[system].degraded, positions[places]
            self.undo.note(lambda: degraded.take_back(lacking_))
            degraded.add(lacking_)

    def _arrived(self, prepared: Prepared, stop: int) -> None:
        """Apply what waited for the last event of a stretch."""
        for change in self._waited(prepared.stream, prepared.ids[stop - 1]):
            apply(self, [change], [prepared.first + stop - 1], prepared.fields[:, stop - 1 : stop])

    def _wait(self, change: Change) -> None:
        self.undo.note(self.waits.add(change))

    def _waited(self, stream: str, id_: str) -> list[Change]:
        """Return the changes that waited for an event that is there now; they wait no longer."""
        changes, undo = self.waits.take(stream, id_)
        if changes:
            self.undo.note(undo)
        return changes

    def _note_times(self, stream: str, ts: IntArray) -> None:
        """Remember the newest event time, which lateness is measured from; profiles may be of any age."""
        if len(ts) and not self.doors[stream].schema.profile:
            newest = int(ts.max())
            self.newest_us = newest if self.newest_us is None else max(newest, self.newest_us)

    def _forget_ids(self) -> list[tuple[Ids, Mapping[int, Any]]]:
        """Forget the ids whose time is over, and return what brings them back."""
        newest = self.newest_us
        return [] if newest is None else [(ids, gone) for ids in self.ids.values() if (gone := ids.forget(newest))]

    def pass_by(self, stream: str, first: int, ts: IntArray) -> None:
        """Note the times of events that are folded from a position on."""
        if len(ts) and not self.doors[stream].schema.profile:
            undo = self.passed.note(first, ts)
            self.undo.note(undo)

    def _drop_marks(self) -> None:
        """Drop what is known about events whose ids are all forgotten."""
        for stretch in self.passed.over(self.span):
            for s in self.systems.values():
                s.marks.drop(stretch)
            for stream, retracted in self.retracted.items():
                if self.span_of(stream) is not None:
                    retracted.drop(stretch)

    def reading(self, stream: str) -> list[Running]:
        """Return the systems that read a stream."""
        return [s for s in self.systems.values() if stream in s.plan.streams]

    def _stretches(self, stream: str, ids: Sequence[str]) -> Iterator[tuple[int, int]]:
        """Cut a run of events after each one for which changes wait, so that the next event sees them."""
        start = 0
        if self.waits:
            for i, id_ in enumerate(ids):
                if (stream, id_) in self.waits and i + 1 < len(ids):
                    yield start, i + 1
                    start = i + 1
        if ids:
            yield start, len(ids)


def _streams(plans: Sequence[Plan]) -> Mapping[str, Schema]:
    streams: dict[str, Schema] = {}
    for plan in plans:
        for name, stream in plan.streams.items():
            if streams.setdefault(name, stream.schema).digest != stream.schema.digest:
                msg = f"system {plan.system.name!r} gives stream {name!r} other fields than another system does"
                raise DefinitionError(msg)
    return streams
