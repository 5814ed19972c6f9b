"""Segments: runs of old commits repacked column by column; unpacked they are the same commits, byte for byte.

Events that one plan has decided one after another resemble each other in every column, so the columns of many commits
are laid end to end and compressed, each by itself: what is known of one event is read back without unpacking what is
not asked for. A commit that would not come back the very same is kept as it was, for links cover its bytes.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np

from adjudge.log.codec import Block, CodecError, Events, Made, Texts, blocks_of, pack
from adjudge.log.column import Column
from adjudge.log.columnar import PackedAny, PackedEvents, events_of, pack_commits, seal, unseal
from adjudge.log.protocol import Commit, End
from adjudge.typing import AnyArray, IntArray

LINK = 32
"""Bytes of a link."""

MANY = 16
"""Commits from which on it pays to lay a group's matrices out anew before they are cut."""


Part = Literal["bodies", "fields", "records", "features"]
"""What may be left out of events; their ids always come."""

ALL: frozenset[Part] = frozenset(("bodies", "fields", "records", "features"))


class Stretch(NamedTuple):
    """Entries of one kind at consecutive positions.

    Parameters
    ----------
    first
        Position of the first.
    block
        The entries, of one commit or, where they are alike, of several.
    received_at
        When the first of them was admitted, in microseconds.
    end
        Where a log ends that holds everything up to here; None in the middle of a commit.
    """

    first: int
    block: Block
    received_at: int
    end: End | None


def whole(blocks: Sequence[tuple[int, Block]], received_at: int, end: End, parts: Container[Part]) -> Iterator[Stretch]:
    """Yield the blocks of one commit, with what is wanted of events."""
    for i, (first, block) in enumerate(blocks, 1):
        if isinstance(block, Events) and parts is not ALL:
            block = _only(block, parts)
        yield Stretch(first, block, received_at, end if i == len(blocks) else None)


def _only(block: Events, parts: Container[Part]) -> Events:
    made = [
        Made(m.card, m.records if "records" in parts else b"", m.features if "features" in parts else b"")
        for m in (block.made if "records" in parts or "features" in parts else ())
    ]
    bodies, fields = block.bodies if "bodies" in parts else _NONE, block.fields if "fields" in parts else b""
    return Events(block.stream, block.schema, block.ids, bodies, fields, made)


def segment_of(commits: Sequence[Commit]) -> bytes:
    """Return the segment that holds some consecutive commits."""
    packed = seal(pack_commits(commits, [events_of(c) for c in commits]))
    if Segment(packed).commits() != list(commits):  # links cover every byte: what comes back must be what was
        packed = seal(pack_commits(commits, [None] * len(commits)))
    return packed


class Segment:
    """A segment opened for reading; its columns are unpacked when they are first needed.

    Parameters
    ----------
    packed
        What `segment_of` returned.

    Attributes
    ----------
    first, stop
        Position of its first entry, and after its last.

    Raises
    ------
    CodecError
        If it is damaged, or was written by a later version.
    """

    def __init__(self, packed: bytes) -> None:
        self._packed = unseal(packed)
        with _plain_errors():
            counts, self._kinds = self._packed.counts.numbers(), self._packed.kinds.numbers()
            n = len(counts)
            good = 0 < n == len(self._kinds) == len(self._packed.links) / LINK and counts.min() > 0
            if not good or self._kinds.min() < 0 or self._kinds.max() >= len(self._packed.groups):
                message = "a segment contradicts itself"
                raise CodecError(message)
        self.first = self._packed.first
        self._firsts = self.first + np.concatenate([[0], np.cumsum(counts)])
        self.stop = int(self._firsts[-1])
        self._groups: dict[int, _Alike | _Any] = {}

    def commits(self, start: int | None = None, stop: int | None = None) -> list[Commit]:
        """Return the commits that hold positions from `start` up to, not including, `stop`; all where absent."""
        low = 0 if start is None else self._index(start)
        high = len(self._kinds) if stop is None else int(np.searchsorted(self._firsts[:-1], stop))
        with _plain_errors():
            for kind in np.flatnonzero(np.bincount(self._kinds[low:high]) > MANY):
                self._group(int(kind)).by_event()
            links, firsts = bytes(self._packed.links), self._firsts.tolist()
            return [
                Commit(
                    firsts[i],
                    firsts[i + 1] - firsts[i],
                    self._received[i],
                    self._payload(i),
                    links[LINK * i : LINK * (i + 1)],
                )
                for i in range(low, high)
            ]

    def block(self, position: int, parts: Container[Part] = ALL) -> tuple[int, Block]:
        """Return the block that holds a position, and the position of its first entry.

        Parameters
        ----------
        position
            One of this segment.
        parts
            What is wanted of events; the rest may be empty.
        """
        i = self._index(position)
        group, place = self._group(int(self._kinds[i])), int(self._places[i])
        if isinstance(group, _Alike):
            with _plain_errors():
                return int(self._firsts[i]), group.block(place, place + 1, parts)
        return next((at, block) for at, block in self._blocks(i) if at <= position < at + len(block))

    def stretches(self, start: int, stop: int, parts: Container[Part] = ALL) -> Iterator[Stretch]:
        """Yield the entries of the commits from the one that holds `start` on, those left out that end after `stop`.

        Parameters
        ----------
        start, stop
            The range.
        parts
            What is wanted of events; the rest may be empty.
        """
        low, high = self._index(start), int(np.searchsorted(self._firsts[1:], stop, side="right"))
        cuts = np.flatnonzero(np.diff(self._kinds[low:high])) + low + 1
        for first, last in itertools.pairwise([low, *cuts.tolist(), high] if low < high else ()):
            group = self._group(int(self._kinds[first]))
            if isinstance(group, _Alike):
                place = int(self._places[first])
                with _plain_errors():
                    block = group.block(place, place + last - first, parts)
                yield Stretch(int(self._firsts[first]), block, self._received[first], self._end(last - 1))
                continue
            for i in range(first, last):
                yield from whole(self._blocks(i), self._received[i], self._end(i), parts)

    def _blocks(self, i: int) -> list[tuple[int, Block]]:
        first, after = self._firsts[i : i + 2].tolist()
        with _plain_errors():
            return list(blocks_of(Commit(first, after - first, self._received[i], self._payload(i), b"")))

    def _end(self, i: int) -> End:
        return End(int(self._firsts[i + 1]), bytes(self._packed.links[LINK * i : LINK * (i + 1)]))

    @functools.cached_property
    def _received(self) -> list[int]:
        with _plain_errors():
            received: list[int] = np.cumsum(self._packed.received_at.numbers()).tolist()
            return received

    def _index(self, position: int) -> int:
        """Return which commit holds a position, the first one for those before."""
        return max(0, int(np.searchsorted(self._firsts, position, side="right")) - 1)

    def _payload(self, i: int) -> bytes:
        return self._group(int(self._kinds[i])).payload(int(self._places[i]))

    def _group(self, kind: int) -> _Alike | _Any:
        if kind not in self._groups:
            mine = self._kinds == kind
            counts = np.diff(self._firsts)[mine]
            packed = self._packed.groups[kind]
            self._groups[kind] = _Alike(packed, counts) if isinstance(packed, PackedEvents) else _Any(packed)
        return self._groups[kind]

    @functools.cached_property
    def _places(self) -> IntArray:
        """For each commit how many of its group come before it."""
        places = np.empty(len(self._kinds), np.int64)
        for kind in np.unique(self._kinds):
            mine = np.flatnonzero(self._kinds == kind)
            places[mine] = np.arange(len(mine))
        return places


class _Alike:
    """Reads the events of a group of commits."""

    def __init__(self, packed: PackedEvents, counts: IntArray) -> None:
        self._packed = packed
        self._ends: list[int] = [0, *np.cumsum(counts).tolist()]

    def by_event(self) -> None:
        """Lay the matrices in memory event after event, which is how many commits are cut out of them."""
        self._fields = np.asfortranarray(self._fields)
        self._features = [np.asfortranarray(features) for features in self._features]

    def payload(self, place: int) -> bytes:
        """Return the payload of one commit."""
        return pack([self.block(place, place + 1, ALL)])

    def block(self, place: int, after: int, parts: Container[Part]) -> Events:
        """Return what consecutive commits of the group hold as one block."""
        a, b = self._ends[place], self._ends[after]
        made = range(len(self._packed.made)) if "records" in parts or "features" in parts else ()
        return Events(
            self._packed.stream,
            self._packed.schema,
            self._ids.cut(a, b),
            self._bodies.cut(a, b) if "bodies" in parts else _NONE,
            self._fields[:, a:b].tobytes() if "fields" in parts else b"",
            [self._made_of(m, a, b, parts) for m in made],
        )

    def _made_of(self, m: int, a: int, b: int, parts: Container[Part]) -> Made:
        records = self._records[m][a:b].tobytes() if "records" in parts else b""
        features = self._features[m][:, a:b].tobytes() if "features" in parts else b""
        return Made(self._packed.made[m].card, records, features)

    @functools.cached_property
    def _ids(self) -> _Cuts:
        return _Cuts(self._packed.id_sizes, self._packed.ids)

    @functools.cached_property
    def _bodies(self) -> _Cuts:
        return _Cuts(self._packed.body_sizes, self._packed.bodies)

    @functools.cached_property
    def _fields(self) -> AnyArray:
        return self._matrix(self._packed.fields)

    @functools.cached_property
    def _records(self) -> list[AnyArray]:
        """One row of bytes an event, for each system."""
        raw = [made.records.unpack() for made in self._packed.made]
        return [np.frombuffer(one, np.uint8).reshape(self._ends[-1], -1) for one in raw]

    @functools.cached_property
    def _features(self) -> list[AnyArray]:
        return [self._matrix(made.features) for made in self._packed.made]

    def _matrix(self, column: Column) -> AnyArray:
        """One row a slot, one column an event."""
        return np.frombuffer(column.unpack(), "<f8").reshape(-1, self._ends[-1])


class _Any:
    """Reads the payloads of commits that were left as they were."""

    def __init__(self, packed: PackedAny) -> None:
        self._texts = _Cuts(packed.sizes, packed.payloads)

    def by_event(self) -> None:
        """Do nothing: there are no matrices."""

    def payload(self, place: int) -> bytes:
        """Return the payload of one commit."""
        return self._texts.cut(place, place + 1).run


class _Cuts:
    """A run of bytes and where to cut it."""

    def __init__(self, sizes: Column, run: Column) -> None:
        self._bounds: list[int] = [0, *np.cumsum(sizes.numbers()).tolist()]
        self._run = run.unpack()
        if self._bounds[-1] != len(self._run):
            message = "a column does not hold what its sizes say"
            raise CodecError(message)

    def cut(self, a: int, b: int) -> Texts:
        """Return the items from `a` up to `b`."""
        first, *ends = self._bounds[a : b + 1]
        return Texts(struct.pack(f"<{b - a}I", *[end - first for end in ends]), self._run[first : ends[-1]])


_NONE = Texts(b"", b"")


@contextmanager
def _plain_errors() -> Iterator[None]:
    """Say in the words of the log that a segment makes no sense."""
    try:
        yield
    except (struct.error, OSError, ValueError, IndexError) as error:  # Arrow's are among them
        message = f"a segment cannot be read: {error}"
        raise CodecError(message) from error
