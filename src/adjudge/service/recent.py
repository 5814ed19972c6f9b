"""What a log tells of the decided events of one system, as columns: whose they were, what was known, what came of them.

Nothing is folded: numbers are those that were recorded with each decision. What was brought in as history was not
decided, and has keys and times only. A log is read twice, in stretches: first for what was taken back and who was
erased, then for the events that are left, so that no more is held than one stretch of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import InputError
from adjudge.log import Kind, Log
from adjudge.log.codec import Block, Changes, Events, Note, Table
from adjudge.log.scan import scan
from adjudge.log.segment import Part
from adjudge.service import snapshot, table
from adjudge.service.activation import Activation, rows_from
from adjudge.service.fold import changes_of
from adjudge.service.personal.erasure import Erasure
from adjudge.service.record import Recorded
from adjudge.service.rekey.moved import Moved
from adjudge.typing import BoolArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    from adjudge.engine import Plan

READ: frozenset[Part] = frozenset(("fields", "records", "features"))
"""What is read of an event, beside its id."""

NOTES: frozenset[Part] = frozenset()
"""What is read of events where only entries beside them are looked for."""

PART = 1 << 18
"""Events of a stretch, about, unless told otherwise."""

NEWEST = 10_000
"""Of so many of the newest decided events, at most, everything is kept that models read."""


@dataclass(frozen=True)
class Recent:
    """A stretch of the decided stream of a system as a log has it, in the order of the log, without what is gone.

    Parameters
    ----------
    ids
        Hash of each event's id, shape (n,).
    ts
        Event times in microseconds.
    keys
        Hashes of some key fields, 0 where an event has none, shape (keys, n).
    X
        What was recorded of some features, as the engine gives them, shape (names, n); missing where nothing was.
    recorded
        Of which events anything was.
    stopped
        Which were stopped: what they were stays unknown unless somebody says so.
    said, said_value, said_at
        What was said in the stretch, of whatever events: hashes of their ids, 1 or 0, and when.
    gone
        Hashes of the ids of events that are left out because their person was erased.
    """

    ids: HashArray
    ts: IntArray
    keys: HashArray
    X: FloatArray
    recorded: BoolArray
    stopped: BoolArray
    said: HashArray
    said_value: FloatArray
    said_at: IntArray
    gone: HashArray


@dataclass(frozen=True)
class Before:
    """What has to be known of a log before its events are read.

    Parameters
    ----------
    gone
        Hashes of the ids of events that were taken back, anywhere in the log.
    erased
        The persons that were erased, as a field with a hash, and where the last erasure of each stands.
    """

    gone: HashArray
    erased: dict[tuple[str, int], int]


class LogReader:
    """Reads what a log tells of the decided events of a system.

    Parameters
    ----------
    log
        The log; a service may go on with it.
    plan
        The system as it is.
    keys, names
        Key fields, and features that graphs hold.
    inputs
        Features that models read.
    snapshots
        Folder of the log's snapshots: they say how to read what stands behind an archived beginning.
    moved
        What a rekey has moved, if there was one.
    """

    def __init__(
        self,
        log: Log,
        plan: Plan,
        keys: Sequence[str],
        names: Sequence[str],
        inputs: Sequence[str] = (),
        *,
        snapshots: Path | None = None,
        moved: Moved | None = None,
    ) -> None:
        facts, _ = snapshot.newest(log, snapshots)
        self.log, self.total = log, len(log)
        self.columns = _Columns(plan, keys, names, facts, moved)
        self.before = self._before(facts)
        self._newest = _Newest(self.columns, inputs)

    @property
    def newest(self) -> FloatArray:
        """What was recorded of the inputs of the newest events that were read so far, shape (inputs, n)."""
        return np.concatenate([np.empty((len(self._newest.names), 0)), *self._newest.parts], axis=1)[:, -NEWEST:]

    def parts(
        self, most: Callable[[], int] = lambda: PART, told: Callable[[int, int], None] = lambda done, of: None
    ) -> Iterator[Recent]:
        """Yield the log from its beginning, a stretch at a time.

        Parameters
        ----------
        most
            Returns of about how many events the next stretch is.
        told
            Is told how many positions are read, and how many there are.

        Raises
        ------
        InputError
            If the entry that says how to read something was archived.
        """
        reader = _Reader(self.columns, self.before, self._newest)
        for stretch in scan(self.log, 0, self.total, READ):
            reader.block(stretch.first, stretch.block, stretch.received_at)
            if stretch.end is not None:
                told(stretch.end.position, self.total)
            if reader.events >= most():
                yield reader.part()
        yield reader.part()

    def _before(self, facts: snapshot.Facts | None) -> Before:
        columns, gone = self.columns, [np.empty(0, np.uint64)]
        archived = self.log.begin().position > 0 and facts is not None
        erased = columns.erased_by(facts) if archived and facts is not None else {}
        for stretch in scan(self.log, 0, self.total, NOTES):
            block = stretch.block
            if isinstance(block, Changes) and block.kind == Kind.RETRACTION and block.stream == columns.plan.decides:
                gone.append(columns.hashes(block.ids.texts()))
            elif isinstance(block, Note) and block.kind == Kind.ERASURE:
                erasure = Erasure.read(block)
                person = (erasure.moved(columns.move) if columns.is_moved(stretch.first) else erasure).person
                erased[person.field, person.token] = stretch.first
        return Before(np.concatenate(gone), erased)


class _Columns:
    """How entries become columns."""

    def __init__(
        self, plan: Plan, keys: Sequence[str], names: Sequence[str], facts: snapshot.Facts | None, moved: Moved | None
    ) -> None:
        stream = plan.stream(plan.decides)
        self.plan, self.schema, self.encoder = plan, stream.schema, stream.encoder
        self.names, self.keys = list(names), list(keys)
        self.key_rows = [stream.encoder.row[name] for name in keys]
        person = stream.schema.person_field
        self.person_row = None if person is None else stream.encoder.row[person]
        self.moved = moved
        self.cards = {} if facts is None else dict(facts.cards)
        self.layouts = {} if facts is None else dict(facts.fields)
        label = plan.system.label
        self.label = "" if label is None else label.name

    def hashes(self, ids: Sequence[str]) -> HashArray:
        """Return the hashes of events' ids."""
        return hash_texts(self.encoder.secret, TEXT_TAG, ids)

    def is_moved(self, position: int) -> bool:
        """Return whether what stands at a position is hashed with an earlier secret."""
        return self.moved is not None and position < self.moved.position

    def move(self, hashes: HashArray) -> HashArray:
        """Return hashes by an earlier secret as they are now."""
        assert self.moved is not None  # asked only where something has moved
        return self.moved.where_known(hashes)

    def erased_by(self, facts: snapshot.Facts) -> dict[tuple[str, int], int]:
        """Return the persons that a snapshot knows as erased."""
        found = {}
        for one in facts.erased:
            token = np.array([one.person.token], np.uint64)
            if self.is_moved(facts.position):
                token = self.move(token)
            found[one.field, int(token[0])] = one.position
        return found

    def fields(self, first: int, block: Events) -> FloatArray:
        """Return the fields of logged events as they are now, one row a slot."""
        fields = block.matrix()
        if block.schema != self.schema.digest:
            if block.schema not in self.layouts:
                message = f"position {first}: the entry that says how its fields are read was archived"
                raise InputError(message, code="archived")
            fields = rows_from(fields, self.layouts[block.schema], self.schema)
        if self.is_moved(first):
            texts = [self.encoder.row[f.name] for f in self.schema if f.is_text]
            fields = np.array(fields)
            fields.view(np.uint64)[texts] = self.move(fields.view(np.uint64)[texts])
        return fields

    def recorded(self, first: int, block: Events) -> Recorded | None:
        """Return what the system recorded with logged events."""
        made = [one for one in block.made if one.card in self.cards]
        own = [one for one in made if self.cards[one.card].system == self.plan.system.name]
        if not own:
            return None
        recorded = Recorded.read(self.cards[own[0].card], (), first, own[0])
        return recorded.rehashed(self.move) if self.is_moved(first) else recorded

    def stopped(self, recorded: Recorded) -> BoolArray:
        """Return which events never took place; what a person looks at does."""
        last = len(recorded.card.actions) - 1
        if recorded.card.actions[last] in self.plan.policy.review:
            return np.zeros(len(recorded.records), np.bool_)
        stopped: BoolArray = recorded.records["action"] == last
        return stopped

    def of(self, names: Sequence[str], fields: FloatArray, recorded: Recorded) -> FloatArray:
        """Return what was recorded of some features, shape (names, n)."""
        place = {name: i for i, name in enumerate(recorded.card.names)}
        X = np.full((len(names), fields.shape[1]), np.nan)
        for i, name in enumerate(names):
            if name in self.encoder.row:
                X[i] = fields[self.encoder.row[name]]
            elif name in place and len(recorded.features):
                X[i] = recorded.features[place[name]]
        return X


class _Newest:
    """Keeps what models read of the newest decided events."""

    def __init__(self, columns: _Columns, names: Sequence[str]) -> None:
        self.columns, self.names = columns, list(names)
        self.parts: deque[FloatArray] = deque()
        self.count = 0

    def add(self, fields: FloatArray, recorded: Recorded, kept: BoolArray) -> None:
        """Take in some more."""
        part = self.columns.of(self.names, fields, recorded)[:, kept][:, -NEWEST:]
        self.parts.append(part)
        self.count += part.shape[1]
        while self.count - self.parts[0].shape[1] >= NEWEST:
            self.count -= self.parts.popleft().shape[1]


@dataclass
class _Reader:
    """Takes in blocks, and gives what they told as one stretch."""

    columns: _Columns
    before: Before
    newest: _Newest
    events: int = 0
    made: list[tuple[HashArray, IntArray, HashArray, FloatArray, BoolArray, BoolArray]] = field(default_factory=list)
    said: list[tuple[HashArray, FloatArray, IntArray]] = field(default_factory=list)
    gone: list[HashArray] = field(default_factory=list)

    def block(self, first: int, block: Block, received_at: int) -> None:
        """Take a block in."""
        columns = self.columns
        if isinstance(block, Note):
            if block.kind == Kind.ACTIVATION:
                found = Activation.read(block)
                columns.cards |= found.cards
                columns.layouts |= {layout.digest: layout for layout in found.streams.values()}
        elif block.stream != columns.plan.decides:
            return
        elif isinstance(block, Events):
            fields, recorded = columns.fields(first, block), columns.recorded(first, block)
            self._add(first, columns.hashes(block.ids.texts()), fields, recorded)
        elif isinstance(block, Table):
            frame = table.decode(block.parquet)
            fields = np.empty((columns.encoder.width, frame.height))
            columns.encoder.frame(frame, fields)
            self._add(first, columns.hashes(frame[columns.schema.id_field].cast(str).to_list()), fields)
        elif isinstance(block, Changes) and block.kind == Kind.LABEL:
            self._labels(block, received_at)

    def part(self) -> Recent:
        """Return what was taken in since the last one."""
        keys, names = len(self.columns.key_rows), len(self.columns.names)
        hashes, numbers = np.empty(0, np.uint64), np.empty(0)
        flags, moments = np.empty(0, np.bool_), np.empty(0, np.int64)
        start = (hashes, moments, np.empty((keys, 0), np.uint64), np.empty((names, 0)), flags, flags)
        ids, ts, tied, X, recorded, stopped = (np.concatenate(c, axis=-1) for c in zip(start, *self.made, strict=True))
        said, value, at = (np.concatenate(c) for c in zip((hashes, numbers, moments), *self.said, strict=True))
        gone = np.concatenate([hashes, *self.gone])
        self.events, self.made, self.said, self.gone = 0, [], [], []
        return Recent(ids, ts, tied, X, recorded, stopped, said, value, at, gone)

    def _add(self, first: int, ids: HashArray, fields: FloatArray, recorded: Recorded | None = None) -> None:
        columns, n = self.columns, len(ids)
        X, stopped = np.full((len(columns.names), n), np.nan), np.zeros(n, np.bool_)
        if recorded is not None:
            X = columns.of(columns.names, fields, recorded)
            stopped = columns.stopped(recorded)
        erased = self._erased(first, fields)
        self.gone.append(ids[erased])
        kept = ~erased & ~np.isin(ids, self.before.gone)
        keys = np.ascontiguousarray(fields[columns.key_rows]).view(np.uint64)
        was = np.full(n, recorded is not None)
        ts = columns.encoder.times(fields)
        if recorded is not None:
            self.newest.add(fields, recorded, kept)
        if not kept.all():
            ids, ts, keys, X, was, stopped = ids[kept], ts[kept], keys[:, kept], X[:, kept], was[kept], stopped[kept]
        self.made.append((ids, ts, keys, X, was, stopped))
        self.events += int(kept.sum())

    def _erased(self, first: int, fields: FloatArray) -> BoolArray:
        """Return which of some events are about a person who was erased after them."""
        erased = np.zeros(fields.shape[1], np.bool_)
        row, name = self.columns.person_row, self.columns.schema.person_field
        if row is not None:
            since = [token for (of, token), at in self.before.erased.items() if of == name and at > first]
            erased |= np.isin(np.ascontiguousarray(fields[row]).view(np.uint64), np.array(since, np.uint64))
        return erased

    def _labels(self, block: Changes, received_at: int) -> None:
        changes = changes_of(block)
        mine = np.array([change.name == self.columns.label for change in changes], np.bool_)
        value = np.array([float(change.value == 1.0) for change in changes])
        ids = self.columns.hashes(block.ids.texts())
        self.said.append((ids[mine], value[mine], np.full(int(mine.sum()), received_at)))
