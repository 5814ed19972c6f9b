"""What the engine passes around: encoded events, labels of earlier events, and the state they are folded into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.history import Histories, Profiles
from adjudge.typing import FloatArray, HashArray, IntArray


@dataclass(frozen=True)
class Batch:
    """Events of one stream in log order, encoded.

    Parameters
    ----------
    stream
        Its name.
    ids
        The events' ids; empty for tables, whose rows stand for themselves.
    ts, seq
        Event time in microseconds and position in the log, shape (n,).
    matrix
        Fields, conditions and measures; for the decided stream with room for everything else, shape (height, n).
    keys
        Key of every entity, shape (entities, n).
    """

    stream: str
    ids: Sequence[str]
    ts: IntArray
    seq: IntArray
    matrix: FloatArray
    keys: HashArray

    def __len__(self) -> int:
        return len(self.ts)

    def part(self, start: int, stop: int) -> Batch:
        """Return some of the events, those from one row up to another, as a batch of their own."""
        some = slice(start, stop)
        matrix, keys = np.ascontiguousarray(self.matrix[:, some]), np.ascontiguousarray(self.keys[:, some])
        return Batch(self.stream, self.ids[some], self.ts[some], self.seq[some], matrix, keys)


def untimed(stage: str) -> None:
    """Time nothing."""


@dataclass
class State:
    """What folding the log has built up.

    Parameters
    ----------
    histories, profiles
        In the plan's order.
    lap
        Is told the name of every stage that ends, for whoever has a clock.
    """

    histories: list[Histories]
    profiles: list[Profiles]
    lap: Callable[[str], None] = field(default=untimed, compare=False, repr=False)

    @property
    def held(self) -> bool:
        """Whether `restore` would take anything back."""
        return any(kept.held for kept in (*self.histories, *self.profiles))

    def hold(self) -> None:
        """Begin to remember what `restore` has to take back."""
        for kept in (*self.histories, *self.profiles):
            kept.hold()

    def restore(self) -> None:
        """Take back everything since `hold`."""
        for kept in (*self.histories, *self.profiles):
            kept.restore()

    def release(self) -> None:
        """Keep everything since `hold`, and stop remembering."""
        for kept in (*self.histories, *self.profiles):
            kept.release()

    def digest(self) -> str:
        """Return a hash of all rows in (key, ts, seq) order: equal states have equal digests."""
        return "-".join([h.digest() for h in self.histories] + [p.digest() for p in self.profiles])


@dataclass(frozen=True)
class Marks:
    """Labels or outcomes of earlier events, one entry each.

    Parameters
    ----------
    name
        The mark: a label's or an outcome's name, with one of its values where it has some.
    keys
        Keys of the labelled events, as in their batch, shape (entities, m).
    ts, seq
        Their event times and positions, shape (m,).
    old, new
        The value before (NaN where unknown) and the value set, shape (m,).
    conditions
        Rows of the decided stream's matrix that measures of this label are conditioned on, by row, shape (m,).
    """

    name: str
    keys: HashArray
    ts: IntArray
    seq: IntArray
    old: FloatArray
    new: FloatArray
    conditions: Mapping[int, FloatArray] = field(default_factory=dict)
