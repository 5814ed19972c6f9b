"""Shadows: what challengers would have decided, decided after the answer and written down in bulk.

A shadow reads what the histories answered for the event when it was decided, so it decides in the same state, and what
comes of it sets nothing. It runs on a thread of its own, on what has been logged already. What it cannot keep up with
is left out and counted, because no answer waits for a shadow.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from adjudge.engine.layers import Guard, lacking
from adjudge.engine.panel import carried
from adjudge.engine.step import decide
from adjudge.errors import UnavailableError
from adjudge.log import Kind, LogError
from adjudge.log.codec import CodecError, Note
from adjudge.service.activation import Seat
from adjudge.service.challengers.seated import Seated
from adjudge.service.running import Said
from adjudge.service.stages import BOUNDS_S, Histogram
from adjudge.service.versions.beside import Pace
from adjudge.service.watches import Watches
from adjudge.typing import AnyArray, IntArray

logger = logging.getLogger(__name__)

MOST_WAITING = 20_000
"""Events that may wait for shadows; a batch that comes when there are more is left out."""

BULK = 4096
"""Decisions after which they are written down."""

EVERY_S = 1.0
"""Seconds after which they are written down anyway."""

IDLE_S = 5.0
"""Seconds after which they have a commit of their own, where no decision comes that they could go with."""

MOST_UNWRITTEN = 64
"""Notes that are kept while the log cannot be written; older ones are left out."""

DTYPE = np.dtype(
    [
        ("offset", "<u4"),
        ("action", "u1"),
        ("score", "u1"),
        ("lacks", "u1"),
        ("took_us", "<f4"),
        ("p", "<f8"),
    ]
)
"""One decision of a shadow, 19 bytes: how far its event lies behind the first, what was decided, whether a part of the
system was missing, how long it took, and the probability."""


class Head(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a note of shadow decisions says beside them.

    Parameters
    ----------
    system, name
        Whose, and which challenger.
    card
        Digest of the card that says how to read the actions.
    first
        Position of the first event.
    count
        How many events.
    missed
        Events since the note before that the shadow did not keep up with, or failed at.
    """

    system: str
    name: str
    card: str
    first: int
    count: int
    missed: int = 0


class Shadowed(NamedTuple):
    """Decisions of a shadow as a note has them."""

    head: Head
    positions: IntArray
    records: AnyArray

    @classmethod
    def read(cls, note: Note) -> Shadowed:
        """Return what `note_of` wrote.

        Raises
        ------
        CodecError
            If it is something else.
        """
        try:
            head = msgspec.json.decode(note.content, type=Head)
        except msgspec.DecodeError as error:
            message = f"a note of shadow decisions cannot be read: {error}"
            raise CodecError(message) from None
        if len(note.data) != head.count * DTYPE.itemsize:
            message = "a note of shadow decisions contradicts itself"
            raise CodecError(message)
        records = np.frombuffer(note.data, DTYPE)
        return cls(head, head.first + records["offset"].astype(np.int64), records)


def note_of(seat: Seat, positions: IntArray, records: AnyArray, missed: int = 0) -> Note:
    """Return the entry of some decisions of a shadow.

    Parameters
    ----------
    seat
        The challenger.
    positions
        The events, shape (n,).
    records
        What it decided, of `DTYPE`; the offsets are filled in.
    missed
        See `Head`.
    """
    first = int(positions.min()) if len(positions) else 0
    records = records.copy()
    records["offset"] = positions - first
    head = Head(seat.system, seat.name, seat.active.card.digest, first, len(records), missed)
    return Note(Kind.SHADOW, msgspec.json.encode(head), data=records.tobytes())


class _Task(NamedTuple):
    """Events that shadows are to decide: who they are, and the events with what the histories answered."""

    seated: tuple[Seated, ...]
    positions: IntArray
    said: Said


class _Buffer:
    """What a shadow has decided and is not written down yet."""

    def __init__(self, seat: Seat, now: float) -> None:
        self.seat, self.since = seat, now
        self.positions: list[IntArray] = []
        self.records: list[AnyArray] = []
        self.count = self.missed = 0


class Shadows(threading.Thread):
    """Has shadows decide what a decider has decided.

    Parameters
    ----------
    watches
        Watch over their layers, as over everybody's.
    write
        Appends notes in a commit of their own; for when no other commit comes.
    timer
        Returns seconds that never run backwards.

    Attributes
    ----------
    made, missed
        Decisions, and events that were left out, by system and challenger.
    took
        How long deciding one event has taken, by system and challenger.
    """

    def __init__(
        self,
        watches: Watches,
        write: Callable[[Sequence[Note]], object],
        timer: Callable[[], float] = time.perf_counter,
    ) -> None:
        super().__init__(name="shadows", daemon=True)
        self.made: Counter[tuple[str, str]] = Counter()
        self.missed: Counter[tuple[str, str]] = Counter()
        self.took: dict[tuple[str, ...], Histogram] = {}
        self._watches, self._write, self._timer = watches, write, timer
        self._tasks: deque[_Task] = deque()
        self._waiting = 0
        self._buffers: dict[tuple[str, str], _Buffer] = {}
        self._ready: deque[tuple[float, Note]] = deque(maxlen=MOST_UNWRITTEN)
        self._pace = Pace()
        self._lock = threading.Lock()  # of buffers and notes; the decider takes it for a moment
        self._told = threading.Event()
        self._done = threading.Event()

    def offer(self, seated: Sequence[Seated], positions: IntArray, said: Said) -> None:
        """Have shadows decide events that were logged; returns at once.

        Parameters
        ----------
        seated
            The challengers that decide without effect.
        positions
            Of the events, shape (n,).
        said
            What was decided, with what the histories answered.
        """
        if self._waiting > MOST_WAITING:
            for one in seated:
                self._miss(one.seat, len(positions))
            return
        self._waiting += len(positions)
        self._tasks.append(_Task(tuple(seated), positions, said))
        self._told.set()

    def ripe(self) -> list[Note]:
        """Return the notes that are to be written down with the next commit; they stay until `written`."""
        if not self._ready:
            return []
        with self._lock:
            return [note for _, note in self._ready]

    def written(self, notes: Sequence[Note]) -> None:
        """Forget notes that were written down."""
        if notes:
            gone = set(map(id, notes))
            with self._lock:
                left = [kept for kept in self._ready if id(kept[1]) not in gone]
                self._ready.clear()
                self._ready.extend(left)

    def run(self) -> None:
        """Decide what is offered until told to stop."""
        while not self._done.is_set():
            self._told.wait(EVERY_S)
            self._told.clear()
            self.work()

    def work(self) -> None:
        """Decide all that was offered, and put what is due into notes."""
        while self._tasks and not self._done.is_set():
            task = self._tasks.popleft()
            self._waiting -= len(task.positions)
            for one in task.seated:
                self._decide(one, task)
            if self.is_alive():
                self._pace.step()  # half of a processor at most
        self._collect(self._timer())

    def flush(self) -> None:
        """Decide all that was offered, and write down everything."""
        self.work()
        self._collect(float("inf"))

    def stop(self) -> None:
        """Stop, and write down what was decided."""
        self._done.set()
        self._told.set()
        if self.is_alive():
            self.join()
        self._done.clear()
        self.flush()

    def _decide(self, one: Seated, task: _Task) -> None:
        began, n = self._timer(), len(task.positions)
        try:
            (guard,) = self._watches.over([one.guard], [began] * n).values()
            records = _records(one, task.said, guard)
        except Exception:
            logger.exception("challenger %s of system %s failed in the shadow", one.seat.name, one.seat.system)
            self._miss(one.seat, n)
            return
        took = (self._timer() - began) / n
        records["took_us"] = took * 1e6
        key = one.seat.system, one.seat.name
        self.made[key] += n
        self.took.setdefault(key, Histogram(BOUNDS_S)).add(took, n)
        with self._lock:
            buffer = self._buffer(one.seat)
            buffer.positions.append(task.positions)
            buffer.records.append(records)
            buffer.count += n

    def _miss(self, seat: Seat, n: int) -> None:
        self.missed[seat.system, seat.name] += n
        with self._lock:
            self._buffer(seat).missed += n

    def _buffer(self, seat: Seat) -> _Buffer:
        """Return where the decisions of a seat are collected; those of an earlier version are put into a note first."""
        key = seat.system, seat.name
        found = self._buffers.get(key)
        if found is not None and found.seat.active.card != seat.active.card:
            self._note(key)
            found = None
        if found is None:
            found = self._buffers[key] = _Buffer(seat, self._timer())
        return found

    def _collect(self, now: float) -> None:
        """Put what is due into notes, and write down those that have waited long for a commit to go with."""
        with self._lock:
            for key, buffer in list(self._buffers.items()):
                if buffer.count >= BULK or now - buffer.since >= EVERY_S:
                    self._note(key)
            late = [note for since, note in self._ready if now - since >= IDLE_S]
        if late:
            try:
                self._write(late)
            except (LogError, UnavailableError) as error:
                logger.warning("what shadows decided cannot be written down yet: %s", error)
            else:
                self.written(late)

    def _note(self, key: tuple[str, str]) -> None:
        buffer = self._buffers.pop(key)
        if buffer.count or buffer.missed:
            positions = np.concatenate([np.empty(0, np.int64), *buffer.positions])
            records = np.concatenate([np.empty(0, DTYPE), *buffer.records])
            self._ready.append((self._timer(), note_of(buffer.seat, positions, records, buffer.missed)))


def _records(one: Seated, said: Said, guard: Guard) -> AnyArray:
    """Return what a shadow decides about events that somebody else has decided."""
    batch = carried(said.decisions.plan, one.plan, said.decisions.batch)
    decisions = decide(one.plan, batch, guard)
    records = np.zeros(len(decisions), DTYPE)
    records["action"], records["score"] = decisions.combined.action, decisions.combined.score
    records["p"] = decisions.probability
    records["lacks"] = lacking(decisions.layers).any(axis=0)
    return records


__all__ = ["DTYPE", "Head", "Shadowed", "Shadows", "note_of"]
