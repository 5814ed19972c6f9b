"""The past: every event that is known, with when it became known what it was, for estimators that look back on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from adjudge.errors import DefinitionError, did_you_mean
from adjudge.models.categories import Categories
from adjudge.models.graph.events import EventGraph
from adjudge.typing import AnyArray, BoolArray, FloatArray, HashArray, IntArray

ROWS = 65_536
"""Events that are encoded at a time."""

NEVER = np.iinfo(np.int64).max
"""When a label becomes known that nobody ever gives."""


@dataclass(frozen=True, eq=False)
class Past:
    """All events up to now, those among them that nobody learns from included.

    Parameters
    ----------
    names
        Names of the rows of `X`: features, and fields such as keys and times.
    X
        Their values as the engine gives them, shape (names, n); texts and keys are hashes.
    ts
        Event times in microseconds, never falling.
    label, known_at
        What each event was (1, 0, or NaN where nobody ever says), and the time from which that is known.
    ids
        A hash of each event's id, 0 where it is not known.
    delay_us
        After so long an event that nobody reported counts as negative.
    categories
        How texts become numbers; None where there are none.
    stopped
        Which events never took place, so that nobody's silence says anything of them; None where none was stopped.
    """

    names: tuple[str, ...]
    X: FloatArray
    ts: IntArray
    label: FloatArray
    known_at: IntArray
    ids: HashArray
    delay_us: int
    categories: Categories | None = None
    stopped: BoolArray | None = None
    _graphs: dict[tuple[tuple[str, ...], tuple[str, ...]], EventGraph] = field(default_factory=dict)

    def __deepcopy__(self, memo: dict[int, object]) -> Past:
        """Return the past itself: it never changes, and estimators that share it are copied cheaply."""
        return self

    def graph(self, kinds: Sequence[str], numbers: Sequence[str]) -> EventGraph:
        """Return the graph of all events over some keys, with some numbers as its columns; made once.

        Raises
        ------
        DefinitionError
            If a name is not there.
        """
        asked = (tuple(kinds), tuple(numbers))
        if asked not in self._graphs:
            keys = np.ascontiguousarray(self.X[self._rows(kinds)]).view(np.uint64)
            self._graphs[asked] = EventGraph.build(
                kinds, keys, self.ts, x=self.numbers(numbers), names=numbers, labels=self.known(), ids=self.ids
            )
        return self._graphs[asked]

    def numbers(self, names: Sequence[str]) -> AnyArray:
        """Return columns as numbers, shape (n, F), float32."""
        rows, out = self._rows(names), np.empty((len(self.ts), len(names)), np.float32)
        for first in range(0, len(out), ROWS):
            part = np.ascontiguousarray(self.X[rows, first : first + ROWS])
            if self.categories is not None and self.categories.texts:
                part = self.categories.encode(part, np.arange(len(rows)), names)
            out[first : first + ROWS] = part.T
        return out

    def known(self) -> tuple[FloatArray, IntArray]:
        """Return what each event counts as and from when on; see `settled`.

        Examples
        --------
        A fraud reported at 30, and one that nobody speaks of, with a delay of 100:

        >>> past = Past((), np.empty((0, 2)), np.array([10, 20]), np.array([1.0, np.nan]), np.array([30, NEVER]),
        ...             np.zeros(2, np.uint64), 100)
        >>> [column.tolist() for column in past.known()]
        [[1.0, 0.0], [30, 120]]
        """
        return settled(self.ts, self.label, self.known_at, self.delay_us, self.stopped)

    def _rows(self, names: Sequence[str]) -> IntArray:
        for name in names:
            if name not in self.names:
                msg = f"the past has no {name!r}{did_you_mean(name, self.names)}"
                raise DefinitionError(msg)
        place: Mapping[str, int] = {name: i for i, name in enumerate(self.names)}
        return np.array([place[name] for name in names], np.int64)


def settled(
    ts: IntArray, label: FloatArray, known_at: IntArray, delay_us: int, stopped: BoolArray | None = None
) -> tuple[FloatArray, IntArray]:
    """Return what events count as and from when on: silence is a no once a delay is over.

    Silence about what was stopped says nothing: nobody misses money that was never taken.

    Parameters
    ----------
    ts, label, known_at, delay_us, stopped
        See `Past`.

    Examples
    --------
    Nobody has said anything of either; the second was stopped:

    >>> nothing = np.full(2, np.nan), np.full(2, NEVER)
    >>> label, since = settled(np.array([10, 20]), *nothing, 100, np.array([False, True]))
    >>> label.tolist(), since.tolist()
    ([0.0, nan], [110, 120])
    """
    positive = label == 1.0
    silent = ts + delay_us
    said = np.where(label == 0.0, np.maximum(silent, known_at), silent)
    counts = positive.astype(np.float64)
    if stopped is not None:
        counts[stopped & np.isnan(label)] = np.nan
    return counts, np.where(positive, known_at, said)
