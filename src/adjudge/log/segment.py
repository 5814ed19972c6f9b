"""Segments: runs of old commits repacked column by column; unpacked they are the same commits, byte for byte.

Events that one plan has decided one after another resemble each other in every column, so the columns of many commits
are laid end to end and compressed, each by itself: what is known of one event is read back without unpacking what is
not asked for. A commit that would not come back the very same is kept as it was, for links cover its bytes.
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np

from adjudge.log.codec import Block, CodecError, Events, Made, Texts, blocks_of, pack
from adjudge.log.column import Column
from adjudge.log.columnar import PackedAny, PackedEvents, events_of, pack_commits, seal, unseal
from adjudge.log.protocol import Commit
from adjudge.typing import AnyArray, IntArray

LINK = 32
"""Bytes of a link."""

MANY = 16
"""Commits from which on it pays to lay a group's matrices out anew before they are cut."""


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
            received: list[int] = np.cumsum(self._packed.received_at.numbers()).tolist()
            return [
                Commit(
                    firsts[i],
                    firsts[i + 1] - firsts[i],
                    received[i],
                    self._payload(i),
                    links[LINK * i : LINK * (i + 1)],
                )
                for i in range(low, high)
            ]

    def block(
        self, position: int, *, bodies: bool = False, fields: bool = False, made: bool = False
    ) -> tuple[int, Block]:
        """Return the block that holds a position, and the position of its first entry.

        Parameters
        ----------
        position
            One of this segment.
        bodies, fields, made
            Which parts of events are wanted beside their ids; the others may be empty.
        """
        i = self._index(position)
        group, place = self._group(int(self._kinds[i])), int(self._places[i])
        first, after = self._firsts[i : i + 2].tolist()
        with _plain_errors():
            if isinstance(group, _Alike):
                return first, group.block(place, bodies=bodies, fields=fields, made=made)
            commit = Commit(first, after - first, 0, group.payload(place), b"")
        return next((at, block) for at, block in blocks_of(commit) if at <= position < at + len(block))

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
        self._made = [(card, records, np.asfortranarray(features)) for card, records, features in self._made]

    def payload(self, place: int) -> bytes:
        """Return the payload of one commit."""
        return pack([self.block(place, bodies=True, fields=True, made=True)])

    def block(self, place: int, *, bodies: bool, fields: bool, made: bool) -> Events:
        """Return the block of one commit."""
        a, b = self._ends[place : place + 2]
        return Events(
            self._packed.stream,
            self._packed.schema,
            self._ids.cut(a, b),
            self._bodies.cut(a, b) if bodies else _NONE,
            self._fields[:, a:b].tobytes() if fields else b"",
            [
                Made(card, records[a:b].tobytes(), features[:, a:b].tobytes())
                for card, records, features in (self._made if made else ())
            ],
        )

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
    def _made(self) -> list[tuple[str, AnyArray, AnyArray]]:
        return [(m.card, self._rows(m.records), self._matrix(m.features)) for m in self._packed.made]

    def _matrix(self, column: Column) -> AnyArray:
        """One row a slot, one column an event."""
        return np.frombuffer(column.unpack(), "<f8").reshape(-1, self._ends[-1])

    def _rows(self, column: Column) -> AnyArray:
        """One row of bytes an event."""
        return np.frombuffer(column.unpack(), np.uint8).reshape(self._ends[-1], -1)


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
