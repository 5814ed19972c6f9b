"""The decider: the one place where a log, the state that it has built, and a clock meet.

It admits or refuses, gives every accepted entry its position, folds it, and appends it to the log before
anybody gets an answer. Apart from `received_at`, which is logged, all it does is a function of the log and
the request.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec

from adjudge.define import micros, minutes
from adjudge.engine.batch import Batch
from adjudge.engine.encode import micros_of
from adjudge.engine.plan import Plan
from adjudge.errors import ConflictError, InputError, NotFoundError, UnavailableError, did_you_mean
from adjudge.log import Entry, Kind, Log, MemoryLog
from adjudge.service import table
from adjudge.service.decode import EventStruct, Found
from adjudge.service.replay import fold_log
from adjudge.service.verdict import Clock, Status, Stored, Verdict, wall_clock
from adjudge.service.workspace import Change, Prepared, Running, Workspace

log = logging.getLogger(__name__)

FUTURE_US = micros(minutes(5))
"""How far after its `received_at` an event may be dated."""


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

    Raises
    ------
    UnavailableError
        If the log was made by systems with other versions.
    """

    def __init__(self, plans: Sequence[Plan], log: Log | None = None, *, clock: Clock = wall_clock) -> None:
        self.log: Log = MemoryLog() if log is None else log
        self.clock = clock
        self.failed = ""
        self._lock = threading.Lock()
        self.workspace = Workspace(plans, self.log)
        self.made: Counter[tuple[str, str]] = Counter()
        self.repeated = 0
        if len(self.log):
            fold_log(self.workspace, self.log)
        else:
            self.log.append([self._activation()])

    def decide(
        self, stream: str, events: Sequence[EventStruct], *, arrived: Sequence[float] | None = None
    ) -> list[Verdict]:
        """Admit events of one stream in order, decide those that are new, and log them.

        Every system that decides the stream decides each event; the verdict has a line of JSON for each, in
        the order of the workspace's systems.

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
            If an earlier failure has stopped the decider.
        """
        with self._lock:
            self._check_running()
            received = self.clock()
            verdicts, accepted, later = self._admit(stream, events, received)
            if accepted:
                prepared = self._prepare(stream, events, accepted, verdicts)
                since = [arrived[i] for i in accepted] if arrived else [time.perf_counter()] * len(accepted)
                for i, verdict in zip(accepted, self._commit(prepared, since, received), strict=True):
                    verdicts[i] = verdict
            for i, first in later.items():  # came twice in this batch: as its first coming
                verdicts[i] = replace(verdicts[first], repeated=verdicts[first].error is None)
            return verdicts

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
            began, received = time.perf_counter(), self.clock()
            time_field = running.plan.schema(running.plan.decides).time_field
            verdicts, good = [Verdict() for _ in events], []
            for i, event in enumerate(events):
                ts = micros_of(getattr(event, time_field))
                code = self._refuse_time(ts, received, self.workspace.newest_us)
                if code is None:
                    good.append(i)
                else:
                    verdicts[i] = Verdict(error=_refusal(code, time_field))
            batch = self._prepare_score(running, events, good, verdicts)
            if batch is not None:
                decisions = self.workspace.score(running, batch)
                latency = _ms(time.perf_counter() - began)
                answers = running.recorder.answers(decisions, [latency] * len(good))
                features = running.recorder.features(decisions)
                for i, record, bits in zip(good, answers, features, strict=True):
                    verdicts[i] = Verdict(record, bits)
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
        with self._lock:
            self._check_running()
            received = self.clock()
            results: list[Status | InputError] = []
            run: list[Change] = []
            places: list[int] = []
            named: set[tuple[str, str]] = set()
            early = 0
            for change in changes:
                if (change.stream, change.id) in named:
                    self._commit_changes(run, places, received, results)  # what follows must see what was said
                    named.clear()
                    early = 0
                problem = self._refuse_change(change)
                if problem is not None:
                    results.append(problem)
                elif self._says_nothing_new(change):
                    results.append("unchanged")
                elif (unknown := change.id not in self.workspace.ids[change.stream]) and (
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
        """
        with self._lock:
            running = self.workspace.system(system)
            stream = running.plan.decides
            seq = self.workspace.ids[stream].get(id_)
            entry = None if seq is None else self.workspace.entry_at(seq)
            if entry is None or not entry.decided:
                message = f"there is no decision of system {running.name!r} for this id"
                raise NotFoundError(message)
            record, features = self.workspace.share(running, entry.decided, entry.features)
            event = msgspec.json.decode(entry.body)
            return Stored(
                record=record,
                features=running.recorder.named(features),
                event=event,
                words=running.recorder.words(record, features, event),
                received_at=entry.received_at,
                marks={name: value == 1.0 for name, value in running.marks.get(id_, {}).items()},
                retracted=self.workspace.is_retracted(stream, id_),
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
            Time in microseconds; None for now.
        system
            The system whose features are meant; None for the only one.
        """
        with self._lock:
            self._check_running()
            running = self.workspace.system(system)
            return running.plan.read(running.state, entity, key, self.clock() if as_of is None else as_of)

    def import_table(self, stream: str, frame: Any) -> int:
        """Bring in history from before the first decision: logged and folded, not decided, never too late.

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
        with self._lock:
            self._check_running()
            if self.workspace.decided:
                message = "history can only be imported before the first decision"
                raise InputError(message, code="too_late")
            schema = self.workspace.door(stream).schema
            ids = table.check(schema, frame, self.workspace.ids[stream])
            if not ids:
                return 0
            entry = Entry(
                seq=len(self.log),
                received_at=self.clock(),
                kind=Kind.TABLE,
                stream=stream,
                id="",
                body=table.encode(frame),
                count=len(ids),
            )
            batches = self.workspace.prepare_table(entry, frame)
            with _Guard(self):
                self.log.append([entry])
                self.workspace.insert(entry, frame, ids, batches)
            return len(ids)

    def _admit(
        self, stream: str, events: Sequence[EventStruct], received: int
    ) -> tuple[list[Verdict], list[int], dict[int, int]]:
        """Return a verdict for each event that is not new, which ones are, and repetitions of new ones."""
        schema = self.workspace.door(stream).schema
        known, id_field, time_field = self.workspace.ids[stream], schema.id_field, schema.time_field
        verdicts = [Verdict() for _ in events]
        accepted: list[int] = []
        later: dict[int, int] = {}
        new: dict[str, int] = {}
        newest = self.workspace.newest_us
        for i, event in enumerate(events):
            id_ = getattr(event, id_field)
            if id_ in known:
                verdicts[i] = self._again(stream, known[id_], event)
            elif id_ in new:
                if events[new[id_]] == event:
                    later[i] = new[id_]
                else:
                    verdicts[i] = Verdict(error=_conflict(id_field))
            else:
                ts = micros_of(getattr(event, time_field))
                code = self._refuse_time(ts, received, None if schema.profile else newest)
                if code is not None:
                    verdicts[i] = Verdict(error=_refusal(code, time_field))
                    continue
                newest = ts if newest is None else max(newest, ts)
                new[id_] = i
                accepted.append(i)
        return verdicts, accepted, later

    def _refuse_time(self, ts: int, received: int, newest: int | None) -> Found | None:
        """Return code and words if an event time is not acceptable, else None."""
        if ts > received + FUTURE_US:
            return ("in_future", "is more than 5 minutes after the event's arrival")
        if newest is not None and ts < newest - self.workspace.lateness_us:
            lateness = timedelta(microseconds=self.workspace.lateness_us)
            return ("too_late", f"is more than {lateness} before the newest accepted event")
        return None

    def _again(self, stream: str, seq: int, event: EventStruct) -> Verdict:
        """Return what came of an event that the log holds already."""
        self.repeated += 1
        id_field = self.workspace.doors[stream].schema.id_field
        if self.workspace.event_at(seq) != event:
            return Verdict(error=_conflict(id_field))
        entry = self.workspace.entry_at(seq)
        if not entry.decided and self.workspace.deciding(stream):
            message = "the event was imported as history and never decided"
            return Verdict(error=ConflictError(message, field=id_field, code="not_decided"))
        return Verdict(entry.decided, entry.features, repeated=True, seq=seq)

    def _prepare(
        self, stream: str, events: Sequence[EventStruct], accepted: list[int], verdicts: list[Verdict]
    ) -> Prepared:
        """Encode the accepted events; those that passed the door and still cannot be encoded are refused."""
        first, prepare = len(self.log), self.workspace.prepare
        try:
            return prepare(stream, [events[i] for i in accepted], first)
        except Exception:
            log.exception("events of stream %r cannot be encoded", stream)
            self._refuse_unencodable(stream, events, accepted, verdicts)
            return prepare(stream, [events[i] for i in accepted], first)

    def _prepare_score(
        self, running: Running, events: Sequence[EventStruct], good: list[int], verdicts: list[Verdict]
    ) -> Batch | None:
        """Encode events that are only scored, like `_prepare`; None if nothing is left of them."""
        stream, position, encode = running.plan.decides, len(self.log), self.workspace.encode_score
        if not good:
            return None
        try:
            return encode(running, [events[i] for i in good], position)
        except Exception:
            log.exception("events of stream %r cannot be encoded", stream)
            self._refuse_unencodable(stream, events, good, verdicts)
            return encode(running, [events[i] for i in good], position) if good else None

    def _refuse_unencodable(
        self, stream: str, events: Sequence[EventStruct], accepted: list[int], verdicts: list[Verdict]
    ) -> None:
        """Take out of the accepted events, one by one, those that cannot be encoded."""
        for i in accepted.copy():
            try:
                self.workspace.prepare(stream, [events[i]], len(self.log))
            except Exception as error:
                field = error.field if isinstance(error, InputError) else ""
                refusal = InputError("the event cannot be encoded", field=field, code="not_encodable")
                verdicts[i] = Verdict(error=refusal)
                accepted.remove(i)

    def _commit(self, prepared: Prepared, since: Sequence[float], received: int) -> list[Verdict]:
        """Fold new events, decide them where a system does, and append them to the log."""
        stream, first = prepared.stream, prepared.first
        door = self.workspace.doors[stream]
        verdicts: list[Verdict] = []
        with _Guard(self):
            for start, stop, made in self.workspace.decide(prepared):
                now = time.perf_counter()
                latencies = [_ms(now - s) for s in since[start:stop]]
                records, bits = [b""] * (stop - start), [b""] * (stop - start)
                for name, decisions in made.items():
                    self.made.update((name, action) for action in decisions.action)
                    recorder = self.workspace.systems[name].recorder
                    records = _join(b"\n", records, recorder.answers(decisions, latencies))
                    bits = _join(b"", bits, recorder.features(decisions))
                verdicts += [
                    Verdict(record, features, seq=first + start + i)
                    for i, (record, features) in enumerate(zip(records, bits, strict=True))
                ]
            self.log.append(
                [
                    Entry(
                        seq=v.seq,
                        received_at=received,
                        kind=Kind.EVENT,
                        stream=stream,
                        id=id_,
                        body=door.encode(event),
                        decided=v.record,
                        features=v.features,
                    )
                    for id_, event, v in zip(prepared.ids, prepared.events, verdicts, strict=True)
                ]
            )
        return verdicts

    def _commit_changes(
        self, run: list[Change], places: list[int], received: int, results: list[Status | InputError]
    ) -> None:
        """Log and fold a run of changes of different events, then empty it."""
        if not run:
            return
        first = len(self.log)
        with _Guard(self):
            self.log.append([_entry(c, first + i, received) for i, c in enumerate(run)])
            for place, there in zip(places, self.workspace.change(run), strict=True):
                if not there:
                    results[place] = "waiting"
        run.clear()
        places.clear()

    def _check_running(self) -> None:
        if self.failed:
            raise UnavailableError(self.failed)

    def _activation(self) -> Entry:
        """Say which versions decide from here on."""
        versions = {name: dict(s.plan.versions) for name, s in self.workspace.systems.items()}
        return Entry(
            seq=0,
            received_at=self.clock(),
            kind=Kind.ACTIVATION,
            stream="",
            id="",
            body=msgspec.json.encode(versions),
        )

    def _refuse_change(self, change: Change) -> InputError | None:
        try:
            schema = self.workspace.door(change.stream).schema
        except InputError as error:
            return error
        if change.kind == Kind.RETRACTION and schema.profile:
            message = f"stream {change.stream!r} holds profiles: a newer row replaces one, none can be taken back"
            return InputError(message, field="stream", code="not_retractable")
        names = [n for s in self.workspace.deciding(change.stream) for n in s.mark_names]
        if change.kind == Kind.RETRACTION or change.name in names:
            return None
        what = "label" if change.kind == Kind.LABEL else "outcome"
        message = f"stream {change.stream!r} has no {what} {change.name!r}{did_you_mean(change.name, names)}"
        return InputError(message, field=what, code=f"unknown_{what}")

    def _says_nothing_new(self, change: Change) -> bool:
        if change.kind == Kind.RETRACTION:
            return self.workspace.is_retracted(change.stream, change.id)
        return self.workspace.value(change) == change.value


class _Guard:
    """Stops the decider for good if anything inside fails: the state may then be ahead of the log."""

    def __init__(self, decider: Decider) -> None:
        self._decider = decider

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._decider.failed = f"deciding has stopped after a failure: {kind.__name__ if kind else ''}"


def _entry(change: Change, seq: int, received: int) -> Entry:
    content = {} if change.kind == Kind.RETRACTION else {"name": change.name, "value": change.value == 1.0}
    return Entry(
        seq=seq,
        received_at=received,
        kind=change.kind,
        stream=change.stream,
        id=change.id,
        body=msgspec.json.encode(content),
    )


def _refusal(found: Found, field: str) -> InputError:
    return InputError(f"{field} {found[1]}", field=field, code=found[0])


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)


def _join(separator: bytes, left: list[bytes], right: list[bytes]) -> list[bytes]:
    return [a + separator + b if a else b for a, b in zip(left, right, strict=True)]


def _conflict(id_field: str) -> ConflictError:
    message = "the same id was used before for an event with other content"
    return ConflictError(message, field=id_field, code="conflict")
