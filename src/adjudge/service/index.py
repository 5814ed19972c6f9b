"""What the workspace looks up: the position of an id, and what has become known about the event at a position.

Both are kept in pieces by time, and go piece by piece once nothing can depend on them any more: memory is bounded by
the traffic of that span, and forgetting takes no time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.errors import DefinitionError
from adjudge.history.table import Table
from adjudge.typing import AnyArray, BoolArray, FloatArray, HashArray, IntArray

ABSENT = -1
"""What stands for the position of an id that is not there."""

STRETCH_BITS = 18
"""Marks are kept in stretches of 2 to this many positions."""


@dataclass(frozen=True)
class Span:
    """How long, in event time, an event can be spoken of by its id.

    Times are cut into generations as long as the span. A generation is forgotten as a whole, a span after its end: two
    are held at any time, and an id is kept for one span at least and two at most.

    Parameters
    ----------
    us
        At least so long behind the newest accepted time. No shorter than the lateness, so that an event whose id is
        forgotten is too late.

    Examples
    --------
    >>> span = Span(100)
    >>> span.generation(149), span.until(149)
    (1, 300)
    """

    us: int

    def generation(self, ts: int) -> int:
        """Return the generation that an event time belongs to."""
        return ts // self.us

    def generations(self, ts: IntArray) -> IntArray:
        """Return the generation of each event time."""
        return ts // self.us

    def until(self, ts: int) -> int:
        """Return the newest accepted time from which on an event of this time is forgotten."""
        return self.end(self.generation(ts))

    def end(self, generation: int) -> int:
        """Return the newest accepted time from which on a generation is forgotten."""
        return (generation + 2) * self.us


@dataclass
class Generation:
    """The ids of one generation.

    Parameters
    ----------
    table
        The position of each, by its hash.
    twins
        The position of those whose hash belonged to another id when they came, by their text.
    """

    table: Table = field(default_factory=Table)
    twins: dict[str, int] = field(default_factory=dict)


class Ids:
    """The ids of one stream and the position of each: a few bytes an id, whatever its length.

    A table for each generation holds a keyed 64-bit hash of each id. Two ids that share one are told apart by whoever
    reads the log; the later one is entered as a twin, by its text.

    Parameters
    ----------
    secret
        The workspace's secret.
    span
        How long an id is kept; None for ever.

    Examples
    --------
    >>> ids = Ids(bytes(16), Span(100))
    >>> ids.add(["a", "b"], 7, ts=np.array([20, 160]))
    >>> ids.find(["b", "c"]).tolist(), ids.get("a"), "c" in ids, len(ids)
    ([8, -1], 7, False, 2)

    From 200 on the generation of times 0 to 99 is forgotten:

    >>> gone = ids.forget(200)
    >>> ids.find(["a", "b"]).tolist()
    [-1, 8]
    >>> ids.bring_back(gone)
    >>> ids.get("a")
    7
    """

    def __init__(self, secret: bytes, span: Span | None = None) -> None:
        self._secret = secret
        self._span = span
        self._generations: dict[int, Generation] = {}  # the newest first; never changed, only replaced

    def find(self, ids: Sequence[str]) -> IntArray:
        """Return the position of each id, -1 where it is not there."""
        found = self._found(self._hashes(ids))
        for twins in self._twins():
            for i, id_ in enumerate(ids):
                found[i] = twins.get(id_, found[i])
        return found

    def get(self, id_: str) -> int | None:
        """Return the position of an id, None where it is not there."""
        position = int(self.find([id_])[0])
        return None if position == ABSENT else position

    def __contains__(self, id_: object) -> bool:
        return isinstance(id_, str) and self.get(id_) is not None

    def __len__(self) -> int:
        return sum(len(g.table) + len(g.twins) for g in self._generations.values())

    def add(
        self, ids: Sequence[str], first: int, hashes: HashArray | None = None, *, ts: IntArray | None = None
    ) -> None:
        """Enter new ids at consecutive positions.

        Parameters
        ----------
        ids
            The ids.
        first
            Position of the first.
        hashes
            Their hashes, where they are at hand: an encoded event holds that of its id.
        ts
            Their events' times; needed where ids are forgotten.
        """
        hashes = self._hashes(ids) if hashes is None else hashes
        positions = np.arange(first, first + len(ids))
        for at, part in self._parts(len(ids), ts):
            into = self._generation(at)
            keys, values = hashes[part], positions[part]
            elsewhere = self._elsewhere(at, keys)
            if elsewhere is None:
                twins = into.table.enter_many(keys, values)
            else:
                twins = elsewhere
                twins[~elsewhere] = into.table.enter_many(keys[~elsewhere], values[~elsewhere])
            if twins.any():
                into.twins.update({ids[p - first]: p for p in values[twins].tolist()})

    def remove(self, ids: Sequence[str], *, ts: IntArray | None = None) -> None:
        """Take ids out that were entered with these times."""
        hashes = self._hashes(ids)
        for generation, part in self._parts(len(ids), ts):
            if (found := self._generations.get(generation)) is None:
                continue
            at = np.arange(len(ids))[part]
            single = [i for i in at.tolist() if found.twins.pop(ids[i], None) is None] if found.twins else at
            found.table.remove_many(hashes[single])

    def forget(self, newest: int) -> Mapping[int, Generation]:
        """Drop the generations that are over at a newest accepted time, and return them."""
        if self._span is None:
            return {}
        gone = {at: g for at, g in self._generations.items() if self._span.end(at) <= newest}
        if gone:
            self._generations = {at: g for at, g in self._generations.items() if at not in gone}
        return gone

    def bring_back(self, gone: Mapping[int, Generation]) -> None:
        """Undo `forget`."""
        if gone:
            self._replace({**self._generations, **gone})

    def until(self, id_: str) -> int | None:
        """Return the newest accepted time from which on an id that is there is forgotten; None if it never is."""
        if self._span is None:
            return None
        by_text = next((self._span.end(at) for at, g in self._generations.items() if id_ in g.twins), None)
        if by_text is not None:
            return by_text
        hashes = self._hashes([id_])
        return next(
            (self._span.end(at) for at, g in self._generations.items() if g.table.find_many(hashes)[0] >= 0), None
        )

    def arrays(self) -> dict[str, AnyArray]:
        """Return the tables as arrays, in the order of generations and hashes."""
        tables = sorted((at, g.table.arrays()) for at, g in self._generations.items() if len(g.table))
        return {
            "keys": _joined([part["keys"] for _, part in tables], np.uint64),
            "values": _joined([part["values"] for _, part in tables], np.int64),
            "generations": np.array([at for at, _ in tables], np.int64),
            "sizes": np.array([len(part["keys"]) for _, part in tables], np.int64),
        }

    @property
    def twins(self) -> dict[int, dict[str, int]]:
        """The ids that are entered by their text, by generation."""
        return {at: dict(g.twins) for at, g in self._generations.items() if g.twins}

    @classmethod
    def from_arrays(
        cls,
        secret: bytes,
        span: Span | None,
        arrays: Mapping[str, AnyArray],
        twins: Mapping[int, Mapping[str, int]],
    ) -> Ids:
        """Return the ids that `arrays` and `twins` described."""
        self = cls(secret, span)
        stops = np.cumsum(arrays["sizes"])
        for at, size, stop in zip(arrays["generations"].tolist(), arrays["sizes"], stops, strict=True):
            part = {name: arrays[name][stop - size : stop] for name in ("keys", "values")}
            self._generation(at).table = Table.from_arrays(part)
        for at, texts in twins.items():
            self._generation(at).twins.update(texts)
        return self

    def _twins(self) -> list[dict[str, int]]:
        return [g.twins for g in self._generations.values() if g.twins]

    def _found(self, hashes: HashArray) -> IntArray:
        tables = [g.table for g in self._generations.values()]
        if not tables:
            return np.full(len(hashes), ABSENT)
        found = tables[0].find_many(hashes)
        for table in tables[1:]:
            absent = found < 0
            if absent.all():  # as nearly always: most events are new
                found = table.find_many(hashes)
            elif absent.any():
                found[absent] = table.find_many(hashes[absent])
        return found

    def _elsewhere(self, at: int, hashes: HashArray) -> BoolArray | None:
        """Return which hashes another generation has; None if none is there, as nearly always."""
        found = None
        for other, generation in self._generations.items():
            if other != at:
                there = generation.table.find_many(hashes) >= 0
                if there.any():
                    found = there if found is None else found | there
        return found

    def _parts(self, count: int, ts: IntArray | None) -> Iterator[tuple[int, slice | IntArray]]:
        """Yield each generation that is among some events, and which of them belong to it."""
        if self._span is None or ts is None or not count:
            yield 0, slice(None)
            return
        if count == 1:
            yield self._span.generation(int(ts[0])), slice(None)
            return
        generations = self._span.generations(ts)
        first = int(generations[0])
        if (generations == first).all():
            yield first, slice(None)
            return
        for generation in np.unique(generations).tolist():
            yield generation, np.flatnonzero(generations == generation)

    def _generation(self, at: int) -> Generation:
        if at not in self._generations:
            self._replace({**self._generations, at: Generation()})
        return self._generations[at]

    def _replace(self, generations: Mapping[int, Generation]) -> None:
        self._generations = dict(sorted(generations.items(), reverse=True))

    def _hashes(self, ids: Sequence[str]) -> AnyArray:
        return hash_texts(self._secret, TEXT_TAG, ids)


def _joined(parts: Sequence[AnyArray], dtype: type) -> AnyArray:
    return np.concatenate(parts) if parts else np.empty(0, dtype)


class Known:
    """What was set on events, by their position: for each name nothing, 0 or 1.

    Parameters
    ----------
    names
        The names, at most 31; their order is part of the arrays.

    Examples
    --------
    >>> known = Known(["fraud", "declined"])
    >>> known.set("fraud", [3, 4], [1.0, 0.0])
    >>> known.get("fraud", [3, 4, 5]).tolist(), known.of(3)
    ([1.0, 0.0, nan], {'fraud': True})
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = tuple(names)
        if len(self.names) > 31:
            message = f"a stream can have 31 labels and outcomes, not {len(self.names)}"
            raise DefinitionError(message)
        self._tables: dict[int, Table] = {}  # by stretch of positions

    def get(self, name: str, positions: Sequence[int] | IntArray) -> FloatArray:
        """Return what a name is set to at each position, NaN where it is not."""
        bits = (self._bits(positions) >> self._shift(name)) & 3
        return np.where(bits & 1, (bits >> 1).astype(float), np.nan)

    def set(self, name: str, positions: Sequence[int] | IntArray, values: Sequence[float] | FloatArray) -> None:
        """Set a name at distinct positions to 0 or 1, or to nothing where the value is NaN."""
        new = np.asarray(values, float)
        bits = np.where(np.isnan(new), 0, 1 | ((new == 1.0).astype(np.int64) << 1))
        shift = self._shift(name)
        self.put(positions, (self._bits(positions) & ~(3 << shift)) | (bits << shift))

    def of(self, position: int) -> dict[str, bool]:
        """Return everything that is set at a position, by name."""
        bits = int(self._bits([position])[0])
        return {name: bool(bits >> 2 * i & 2) for i, name in enumerate(self.names) if bits >> 2 * i & 1}

    def put(self, positions: Sequence[int] | IntArray, bits: IntArray) -> None:
        """Set everything at distinct positions, as `take` returned it."""
        keys = np.asarray(positions, np.uint64)
        for stretch, part in _stretches(keys):
            table = self._tables.setdefault(stretch, Table())
            held, new = keys[part], bits[part]
            table.put_many(held[new != 0], new[new != 0])
            table.remove_many(held[new == 0])

    def drop(self, stretch: int) -> None:
        """Forget everything at the positions of a stretch."""
        self._tables.pop(stretch, None)

    def take(self, positions: Sequence[int] | IntArray) -> IntArray:
        """Return everything that is set at some positions, one number each."""
        return self._bits(positions)

    def arrays(self) -> dict[str, AnyArray]:
        """Return the table as arrays, in the order of positions."""
        tables = [table.arrays() for _, table in sorted(self._tables.items())]
        types = {"keys": np.uint64, "values": np.int64}
        return {name: _joined([part[name] for part in tables], dtype) for name, dtype in types.items()}

    @classmethod
    def from_arrays(cls, names: Iterable[str], arrays: Mapping[str, AnyArray]) -> Known:
        """Return what `arrays` described."""
        self = cls(names)
        self.put(arrays["keys"], arrays["values"])
        return self

    def _bits(self, positions: Sequence[int] | IntArray) -> IntArray:
        keys = np.asarray(positions, np.uint64)
        found = np.zeros(len(keys), np.int64)
        for stretch, part in _stretches(keys):
            if stretch in self._tables:
                bits = self._tables[stretch].find_many(keys[part])
                found[part] = np.where(bits < 0, 0, bits)
        return found

    def _shift(self, name: str) -> int:
        return 2 * self.names.index(name)


class Passed:
    """The newest event time by the end of each stretch of positions, for as long as marks are kept there.

    Parameters
    ----------
    times
        By stretch, in order.

    Examples
    --------
    >>> passed = Passed()
    >>> undo = passed.note(0, np.array([10, 30, 20]))
    >>> undo = passed.note(1 << STRETCH_BITS, np.array([230]))
    >>> list(passed.over(Span(100))), passed.times
    ([0], {1: 230})
    """

    def __init__(self, times: Mapping[int, int] | None = None) -> None:
        self.times: dict[int, int] = dict(times or {})

    def note(self, first: int, ts: IntArray) -> Callable[[], None]:
        """Note the times of events at consecutive positions, and return what takes that back."""
        newest = next(reversed(self.times.values()), int(ts[0]))
        before: dict[int, int | None] = {}
        for stretch in range(first >> STRETCH_BITS, (first + len(ts) - 1 >> STRETCH_BITS) + 1):
            stop = (stretch + 1 << STRETCH_BITS) - first
            before[stretch] = self.times.get(stretch)
            newest = self.times[stretch] = max(newest, int(ts[:stop].max()))

        def undo() -> None:
            for stretch, time in before.items():
                if time is None:
                    del self.times[stretch]
                else:
                    self.times[stretch] = time

        return undo

    def over(self, span: Span) -> Iterator[int]:
        """Yield the stretches whose events are all forgotten by now, and keep them no longer."""
        while self.times:
            stretch, time = next(iter(self.times.items()))
            if span.until(time) > next(reversed(self.times.values())):
                return
            del self.times[stretch]
            yield stretch


def _stretches(keys: HashArray) -> Iterator[tuple[int, slice | IntArray]]:
    """Yield each stretch that some positions lie in, and which of them do."""
    if not len(keys):
        return
    stretches = keys >> np.uint64(STRETCH_BITS)
    first = int(stretches[0])
    if (stretches == np.uint64(first)).all():
        yield first, slice(None)
        return
    for stretch in np.unique(stretches).tolist():
        yield stretch, np.flatnonzero(stretches == np.uint64(stretch))
