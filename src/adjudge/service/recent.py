"""What a log tells of the decided events of one system, as columns: whose they were, what was known, what came of them.

Nothing is folded: numbers are those that were recorded with each decision. What was brought in as history was not
decided, and has keys and times only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Recent:
    """The decided stream of a system as a log has it, in the order of the log.

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
        Which were given the most severe action: what they were stays unknown unless somebody says so.
    said, said_value, said_at
        What was said of events: hashes of their ids, 1 or 0, and when.
    gone
        Hashes of the ids of events that were taken back, or whose person was erased.
    erased
        Fields that name a person, with the hash of an erased one.
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
    erased: Sequence[tuple[str, int]]


def read_recent(
    log: Log,
    plan: Plan,
    keys: Sequence[str],
    names: Sequence[str],
    *,
    snapshots: Path | None = None,
    moved: Moved | None = None,
    told: Callable[[int, int], None] = lambda done, of: None,
) -> Recent:
    """Read a log from its beginning.

    Parameters
    ----------
    log
        The log; a service may go on with it.
    plan
        The system as it is.
    keys, names
        Key fields, and features that models read.
    snapshots
        Folder of the log's snapshots: they say how to read what stands behind an archived beginning.
    moved
        What a rekey has moved, if there was one.
    told
        Is told how many positions are read, and how many there are.

    Raises
    ------
    InputError
        If the entry that says how to read something was archived.
    """
    reader = _Reader(plan, keys, names, snapshot.newest(log, snapshots)[0], moved)
    total = len(log)
    for stretch in scan(log, parts=READ):
        reader.block(stretch.first, stretch.block, stretch.received_at)
        if stretch.end is not None:
            told(stretch.end.position, total)
    return reader.recent()


class _Reader:
    def __init__(
        self, plan: Plan, keys: Sequence[str], names: Sequence[str], facts: snapshot.Facts | None, moved: Moved | None
    ) -> None:
        stream = plan.stream(plan.decides)
        self.plan, self.schema, self.encoder = plan, stream.schema, stream.encoder
        self.names, self.keys = list(names), list(keys)
        self.key_rows = [stream.encoder.row[name] for name in keys]
        self.moved = moved
        self.cards = {} if facts is None else dict(facts.cards)
        self.layouts = {} if facts is None else dict(facts.fields)
        self.parts: list[tuple[HashArray, IntArray, HashArray, FloatArray, BoolArray, BoolArray]] = []
        self.said: list[tuple[HashArray, FloatArray, IntArray]] = []
        self.gone: list[HashArray] = []
        self.erased: list[tuple[str, int]] = []
        label = plan.system.label
        self.label = "" if label is None else label.name

    def block(self, first: int, block: Block, received_at: int) -> None:
        """Take a block in."""
        if isinstance(block, Note):
            self._note(first, block)
        elif block.stream != self.plan.decides:
            return
        elif isinstance(block, Events):
            self._events(first, block)
        elif isinstance(block, Table):
            frame = table.decode(block.parquet)
            fields = np.empty((self.encoder.width, frame.height))
            self.encoder.frame(frame, fields)
            self._add(self._hashes(frame[self.schema.id_field].cast(str).to_list()), fields)
        elif isinstance(block, Changes):
            self._changes(block, received_at)

    def _note(self, first: int, block: Note) -> None:
        if block.kind == Kind.ACTIVATION:
            found = Activation.read(block)
            self.cards |= found.cards
            self.layouts |= {layout.digest: layout for layout in found.streams.values()}
        elif block.kind == Kind.ERASURE:
            erasure = Erasure.read(block)
            person = (erasure if not self._is_moved(first) else erasure.moved(self._move)).person
            self.erased.append((person.field, person.token))

    def _events(self, first: int, block: Events) -> None:
        fields = block.matrix()
        if block.schema != self.schema.digest:
            if block.schema not in self.layouts:
                message = f"position {first}: the entry that says how its fields are read was archived"
                raise InputError(message, code="archived")
            fields = rows_from(fields, self.layouts[block.schema], self.schema)
        if self._is_moved(first):
            texts = [self.encoder.row[f.name] for f in self.schema if f.is_text]
            fields = np.array(fields)
            fields.view(np.uint64)[texts] = self._move(fields.view(np.uint64)[texts])
        made = [one for one in block.made if one.card in self.cards]
        own = [one for one in made if self.cards[one.card].system == self.plan.system.name]
        ids = self._hashes(block.ids.texts())
        if not own:
            self._add(ids, fields)
            return
        recorded = Recorded.read(self.cards[own[0].card], (), first, own[0])
        if self._is_moved(first):
            recorded = recorded.rehashed(self._move)
        place = {name: i for i, name in enumerate(recorded.card.names)}
        X = np.full((len(self.names), len(ids)), np.nan)
        for i, name in enumerate(self.names):
            if name in self.encoder.row:
                X[i] = fields[self.encoder.row[name]]
            elif name in place and len(recorded.features):
                X[i] = recorded.features[place[name]]
        stopped = recorded.records["action"] == len(recorded.card.actions) - 1
        self._add(ids, fields, X, stopped)

    def _add(
        self, ids: HashArray, fields: FloatArray, X: FloatArray | None = None, stopped: BoolArray | None = None
    ) -> None:
        n = len(ids)
        recorded = np.full(n, X is not None)
        X = np.full((len(self.names), n), np.nan) if X is None else X
        keys = np.ascontiguousarray(fields[self.key_rows]).view(np.uint64)
        stopped = np.zeros(n, np.bool_) if stopped is None else stopped
        self.parts.append((ids, self.encoder.times(fields), keys, X, recorded, stopped))

    def _changes(self, block: Changes, received_at: int) -> None:
        ids = self._hashes(block.ids.texts())
        if block.kind == Kind.RETRACTION:
            self.gone.append(ids)
            return
        changes = changes_of(block)
        mine = np.array([block.kind == Kind.LABEL and change.name == self.label for change in changes], np.bool_)
        value = np.array([float(change.value == 1.0) for change in changes])
        self.said.append((ids[mine], value[mine], np.full(int(mine.sum()), received_at)))

    def _hashes(self, ids: Sequence[str]) -> HashArray:
        return hash_texts(self.encoder.secret, TEXT_TAG, ids)

    def _is_moved(self, position: int) -> bool:
        return self.moved is not None and position < self.moved.position

    def _move(self, hashes: HashArray) -> HashArray:
        assert self.moved is not None  # asked only where something has moved
        return self.moved.where_known(hashes)

    def recent(self) -> Recent:
        """Return everything that was taken in."""
        hashes, numbers = np.empty(0, np.uint64), np.empty(0)
        flags, moments = np.empty(0, np.bool_), np.empty(0, np.int64)
        start = (hashes, moments, np.empty((len(self.key_rows), 0), np.uint64), np.empty((len(self.names), 0)))
        columns = zip((*start, flags, flags), *self.parts, strict=True)
        ids, ts, keys, X, recorded, stopped = (np.concatenate(parts, axis=-1) for parts in columns)
        said, value, at = (np.concatenate(parts) for parts in zip((hashes, numbers, moments), *self.said, strict=True))
        erased = [(self.keys.index(name), token) for name, token in self.erased if name in self.keys]
        gone = np.concatenate([hashes, *self.gone, *(ids[keys[k] == np.uint64(token)] for k, token in erased)])
        return Recent(ids, ts, keys, X, recorded, stopped, said, value, at, gone, self.erased)
