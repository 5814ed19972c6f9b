"""Looking earlier entries up: which block of the log holds a position, with the last few kept unpacked."""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from adjudge.errors import NotFoundError
from adjudge.log import Commit, Log
from adjudge.log.codec import Block, Table, blocks_of
from adjudge.log.scan import Segmented
from adjudge.log.segment import ALL, Part, Segment
from adjudge.service import table

KEPT = 16
"""Commits that stay unpacked: what is asked about one event is often asked about its neighbours."""

KEPT_PARTS = 48
"""Blocks of segments that stay as far unpacked as was asked for."""

Found = tuple[int, Block]
"""Position of a block's first entry, and the block."""


class Lookup:
    """Finds blocks by position.

    Parameters
    ----------
    log
        Where they are.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._commits: OrderedDict[int, tuple[Commit, list[Found]]] = OrderedDict()
        self._parts: OrderedDict[tuple[frozenset[Part], int], Found] = OrderedDict()
        self._frames: dict[int, Any] = {}

    def block(self, position: int, parts: frozenset[Part] = ALL) -> Found:
        """Return the block that holds a position; `NotFoundError` if the log does not hold it any more.

        Parameters
        ----------
        position
            Any.
        parts
            What is wanted of events; the rest may be empty.
        """
        if parts is not ALL and isinstance(self._log, Segmented) and self._kept(position) is None:
            cut = self._cut(position, parts)
            if cut is not None:
                return cut
            segment = self._log.find(position)
            if isinstance(segment, Segment):  # unpacks no more than that
                found = segment.block(position, parts)
                self._parts[parts, found[0]] = found
                if len(self._parts) > KEPT_PARTS:
                    self._parts.popitem(last=False)
                return found
        return next(f for f in self._blocks(position) if f[0] <= position < f[0] + len(f[1]))

    def received_at(self, position: int) -> int:
        """Return when the entry at a position was admitted, in microseconds."""
        return self._commit(position)[0].received_at

    def grouped(self, positions: Sequence[int], parts: frozenset[Part] = ALL) -> Iterator[tuple[Found, list[int]]]:
        """Yield the blocks that hold some positions, each with the places of its positions in the sequence."""
        order = sorted(range(len(positions)), key=positions.__getitem__)
        start = 0
        while start < len(order):
            found = self.block(positions[order[start]], parts)
            stop = found[0] + len(found[1])
            end = bisect_left(order, stop, lo=start, key=positions.__getitem__)
            yield found, order[start:end]
            start = end

    def frame(self, first: int, block: Table) -> Any:
        """Return the events of a table as Polars has them."""
        if first not in self._frames:
            self._frames[first] = table.decode(block.parquet)
        return self._frames[first]

    def keep(self, first: int, frame: Any) -> None:
        """Remember a table that has just been appended at a position, so that it need not be read."""
        self._frames[first] = frame

    def _blocks(self, position: int) -> list[Found]:
        return self._commit(position)[1]

    def _kept(self, position: int) -> tuple[Commit, list[Found]] | None:
        for first, kept in reversed(self._commits.items()):
            if first <= position < kept[0].stop:
                self._commits.move_to_end(first)
                return kept
        return None

    def _cut(self, position: int, parts: frozenset[Part]) -> Found | None:
        for (read, first), kept in reversed(self._parts.items()):
            if read == parts and first <= position < first + len(kept[1]):
                self._parts.move_to_end((read, first))
                return kept
        return None

    def _commit(self, position: int) -> tuple[Commit, list[Found]]:
        kept = self._kept(position)
        if kept is not None:
            return kept
        found = next(iter(self._log.read(position, position + 1)), None)
        if found is None:
            message = f"position {position} was archived: the log begins at {self._log.begin().position} now"
            raise NotFoundError(message)
        self._commits[found.first] = found, list(blocks_of(found))
        if len(self._commits) > KEPT:
            self._commits.popitem(last=False)
        return self._commits[found.first]
