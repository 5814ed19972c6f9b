"""Deciding again: what was decided without a part of the system is decided with it, once that works again.

The first decision stands, and so does what it set: a sender that comes again gets it, and no history changes. The
second one is an entry of its own, made from what the log keeps of the first and from nothing else.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adjudge.engine.again import decide_again
from adjudge.engine.decision import Decisions
from adjudge.engine.layers import Guard
from adjudge.history.table import Table
from adjudge.log.codec import Again, Events, Texts
from adjudge.service.record import Recorded
from adjudge.typing import AnyArray, FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.service.workspace import Running, Workspace

OWED = 0
"""In place of the position of a second decision: there is none yet. Position 0 is an activation."""

TRIES = 3
"""How often a second decision is tried that fails while others succeed; the next process begins anew."""


class Degraded:
    """The decisions of one system that lacked a part of it, by position, and which of them were made again.

    Examples
    --------
    >>> degraded = Degraded()
    >>> degraded.add(np.array([3, 5]))
    >>> degraded.made_again([3], 9)
    >>> degraded.owed(10).tolist(), degraded.second(3), degraded.second(5), degraded.pending
    ([5], 9, None, 1)
    """

    def __init__(self) -> None:
        self._table = Table()
        self._queue = array("q")
        self._head = 0
        self.pending = 0

    def add(self, positions: IntArray) -> None:
        """Note decisions, at rising positions, that lack something."""
        self._table.put_many(positions.astype(np.uint64), np.full(len(positions), OWED))
        self._queue.extend(positions.tolist())
        self.pending += len(positions)

    def take_back(self, positions: IntArray) -> None:
        """Forget the decisions that were added last."""
        self._table.remove_many(positions.astype(np.uint64))
        del self._queue[len(self._queue) - len(positions) :]
        self.pending -= len(positions)

    def made_again(self, positions: Sequence[int] | IntArray, first: int) -> None:
        """Note that decisions were made again, in entries from a position on."""
        keys = np.asarray(positions, np.uint64)
        self._table.put_many(keys, np.arange(first, first + len(keys)))
        self.pending -= len(keys)

    def owe_again(self, positions: Sequence[int] | IntArray) -> None:
        """Take `made_again` back."""
        keys = np.asarray(positions, np.uint64)
        self._table.put_many(keys, np.full(len(keys), OWED))
        self._head = 0
        self.pending += len(keys)

    def second(self, position: int) -> int | None:
        """Return where the second decision about an event stands; None if there is none."""
        found = int(self._table.find_many(np.array([position], np.uint64))[0])
        return found if found > OWED else None

    def owed(self, most: int, without: Collection[int] = ()) -> IntArray:
        """Return the first positions whose decision was not made again, at most so many, some left out."""
        found: list[int] = []
        at, queue = self._head, self._queue
        while at < len(queue) and len(found) < most:
            part = np.array(queue[at : at + 4096])
            owed = self._table.find_many(part.astype(np.uint64)) == OWED
            if at == self._head and not owed.any():
                self._head += len(part)
            found += [position for position in part[owed].tolist() if position not in without]
            at += len(part)
        return np.array(found[:most], np.int64)

    def arrays(self) -> dict[str, AnyArray]:
        """Return everything as arrays, in the order of positions."""
        return self._table.arrays()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray]) -> Degraded:
        """Return what `arrays` described; a snapshot from before there were any has none."""
        self = cls()
        if arrays:
            self._table = Table.from_arrays(arrays)
            keys, values = arrays["keys"], arrays["values"]
            self._queue = array("q", np.sort(keys[values == OWED]).astype(np.int64).tolist())
            self.pending = len(self._queue)
        return self


@dataclass(frozen=True)
class First:
    """First decisions of one system, as the log keeps them.

    Parameters
    ----------
    positions, ids
        The events.
    received_at
        When each was admitted, in microseconds.
    fields
        Their encoded fields, shape (width, n).
    kept
        For each feature that was kept with all of them its values.
    """

    positions: IntArray
    ids: list[str]
    received_at: IntArray
    fields: FloatArray
    kept: dict[str, FloatArray]

    @classmethod
    def read(cls, workspace: Workspace, running: Running, positions: IntArray) -> First:
        """Return what the log keeps of some decisions of a system."""
        n, names = len(positions), running.recorder.card.names
        ids, received = [""] * n, np.zeros(n, np.int64)
        values, kept = np.full((len(names), n), np.nan), np.ones(len(names), bool)
        for (first, block), places in workspace.lookup.grouped(positions.tolist()):
            assert isinstance(block, Events)  # only what was decided can lack something
            recorded = workspace.made_of(first, block, block.ids.texts())[running.name]
            row = {name: i for i, name in enumerate(recorded.card.names)}
            at = positions[places] - first
            for i, name in enumerate(names):
                if name in row:
                    values[i, places] = recorded.features[row[name], at]
                else:
                    kept[i] = False
            received[places] = workspace.lookup.received_at(first)
            for place, k in zip(places, at.tolist(), strict=True):
                ids[place] = recorded.ids[k]
        fields = workspace.fields_at(running.plan.decides, positions.tolist())
        return cls(positions, ids, received, fields, {n: values[i] for i, n in enumerate(names) if kept[i]})

    def decide(self, running: Running, guard: Guard) -> Decisions:
        """Decide the events again; `DefinitionError` if something that the system reads now was not kept then."""
        return decide_again(running.plan, self.fields, self.kept, self.positions, ids=self.ids, guard=guard)


def again_of(stream: str, recorded: Recorded) -> Again:
    """Return second decisions as the log keeps them."""
    ids = Texts.pack([id_.encode() for id_ in recorded.ids])
    return Again(stream, ids, np.asarray(recorded.positions, "<i8").tobytes(), recorded.made())


class Tries:
    """Which second decisions have failed again, in this process.

    Parameters
    ----------
    most
        Tries after which an event is left aside.
    """

    def __init__(self, most: int = TRIES) -> None:
        self._most = most
        self._failed: Counter[int] = Counter()
        self.aside: set[int] = set()

    def failed(self, positions: IntArray) -> None:
        """Note failures while the layer was well."""
        self._failed.update(positions.tolist())
        self.aside.update(p for p in positions.tolist() if self._failed[p] >= self._most)

    def give_up(self, positions: IntArray) -> None:
        """Leave events aside that cannot be decided by the system as it is now."""
        self.aside.update(positions.tolist())
