"""A graph of events and their entities: an event is tied to each user, device, card or address that it names.

It is bipartite: two users are near each other because events of both name one device. Edges are kept by entity in
the order of the log, so that what was known at a moment is the front of a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from adjudge.errors import BundleError, ShapeError
from adjudge.kernel import kernel
from adjudge.models.raw import Arrays, Meta, take
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

UNLABELLED = -1
"""The label of an event of which nobody ever says what it was."""

MOST_EVENTS = 2**31 - 1
"""Events are numbered in 32 bits."""


@kernel
def _lists(of_event: AnyArray, indptr: IntArray, edges: AnyArray) -> None:
    """Write the events of each node one after the other, in rising order; `indptr` holds counts, then starts."""
    total = 0
    for v in range(len(indptr)):
        count = indptr[v]
        indptr[v] = total
        total += count
    place = indptr.copy()
    for e in range(of_event.shape[0]):
        for k in range(of_event.shape[1]):
            v = of_event[e, k]
            if v >= 0:
                edges[place[v]] = e
                place[v] += 1


@kernel
def _counts(of_event: AnyArray, count: IntArray) -> None:
    """Count the events of each node."""
    for e in range(of_event.shape[0]):
        for k in range(of_event.shape[1]):
            if of_event[e, k] >= 0:
                count[of_event[e, k]] += 1


@kernel
def find(hashes: HashArray, first: int, last: int, mark: np.uint64) -> int:
    """Return where a hash stands among the sorted ones from `first` to `last`, -1 where it does not."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if hashes[middle] < mark:
            low = middle + 1
        else:
            high = middle
    return low if low < last and hashes[low] == mark else -1


@kernel
def _find_all(start: IntArray, hashes: HashArray, keys: HashArray, out: IntArray) -> None:
    for k in range(keys.shape[0]):
        for j in range(keys.shape[1]):
            known = keys[k, j] != np.uint64(0)
            out[k, j] = find(hashes, start[k], start[k + 1], keys[k, j]) if known else -1


@dataclass(frozen=True, eq=False)
class EventGraph:
    """Events in the order of the log, and the entities that tie them together.

    Parameters
    ----------
    kinds
        Names of the entities, such as ``user`` and ``device``.
    names
        Names of the columns of `x`.
    ts
        Event times in microseconds, shape (n,). Late events stand where the log has them.
    x
        What is known of an event when it arrives, shape (n, F), float32.
    label, known_at
        1 or 0 and the time from which that is known; -1 where it never is.
    of_event
        The node of each entity of each event, -1 where it has none, shape (n, kinds), int32.
    start, hashes
        Nodes of one kind stand together, sorted by hash: node v of kind k has start[k] <= v < start[k + 1].
    indptr, edges
        The events of node v are ``edges[indptr[v] : indptr[v + 1]]``, in the order of the log.
    ids
        A hash of each event's id, by which it is found again; 0 where it is not known, shape (n,).

    Examples
    --------
    Two users who share a device; 0 stands for no device:

    >>> keys = np.array([[7, 8, 7], [5, 5, 0]], dtype=np.uint64)
    >>> graph = EventGraph.build(("user", "device"), keys, np.array([10, 20, 30]))
    >>> graph.nodes, graph.edges.tolist()
    (3, [0, 2, 1, 0, 1])
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    ts: IntArray
    x: AnyArray
    label: AnyArray
    known_at: IntArray
    of_event: AnyArray
    start: IntArray
    hashes: HashArray
    indptr: IntArray
    edges: AnyArray
    ids: HashArray

    @classmethod
    def build(
        cls,
        kinds: Sequence[str],
        keys: HashArray,
        ts: IntArray,
        *,
        x: AnyArray | None = None,
        names: Sequence[str] = (),
        labels: tuple[AnyArray, IntArray] | None = None,
        ids: HashArray | None = None,
    ) -> Self:
        """Sort nodes and edges of a table of events.

        Parameters
        ----------
        kinds
            Names of the entities.
        keys
            Their 64-bit hashes, 0 where an event has none, shape (kinds, n).
        ts
            Event times, in the order of the log.
        x, names
            What each event brings, shape (n, F), and what its columns are called.
        labels
            The label (1, 0, or NaN where it stays unknown) and the time from which it is known.
        ids
            A hash of each event's id.

        Raises
        ------
        ShapeError
            If the columns do not belong together.
        """
        n = len(ts)
        x = np.empty((n, 0), np.float32) if x is None else np.ascontiguousarray(x, np.float32)
        label, known_at = labels if labels is not None else (np.full(n, np.nan), np.zeros(n, np.int64))
        ids = np.zeros(n, np.uint64) if ids is None else ids
        fits = keys.shape == (len(kinds), n) and x.shape == (n, len(names)) and label.shape == known_at.shape == (n,)
        if not fits or ids.shape != (n,) or n > MOST_EVENTS:
            msg = f"{n} events, keys {keys.shape}, columns {x.shape} and {len(label)} labels do not make a graph"
            raise ShapeError(msg)
        of_event = np.full((n, len(kinds)), -1, np.int32)
        start, hashes = np.zeros(len(kinds) + 1, np.int64), []
        for k, column in enumerate(keys):
            unique, inverse = np.unique(column, return_inverse=True)
            none = int(len(unique) > 0 and unique[0] == 0)
            of_event[:, k] = np.where(inverse >= none, inverse - none + start[k], -1)
            hashes.append(unique[none:])
            start[k + 1] = start[k] + len(unique) - none
        indptr = np.zeros(start[-1] + 1, np.int64)
        _counts(of_event, indptr)
        edges = np.empty(int(indptr.sum()), np.int32)
        _lists(of_event, indptr, edges)
        known = ~np.isnan(label)
        return cls(
            tuple(kinds),
            tuple(names),
            np.asarray(ts, np.int64),
            x,
            np.where(known, label, UNLABELLED).astype(np.int8),
            np.where(known, known_at, 0).astype(np.int64),
            of_event,
            start,
            np.concatenate([np.empty(0, np.uint64), *hashes]),
            indptr,
            edges,
            np.ascontiguousarray(ids, np.uint64),
        )

    @property
    def nodes(self) -> int:
        """How many entities there are; with `len(ts)` events they are the nodes."""
        return len(self.hashes)

    @property
    def columns(self) -> tuple[Any, ...]:
        """The arrays that kernels read."""
        return self.ts, self.label, self.known_at, self.x, self.of_event, self.indptr, self.edges

    def nodes_of(self, keys: HashArray) -> IntArray:
        """Return the node of each hash, -1 where it is 0 or not in the graph, shape (kinds, m)."""
        out = np.empty(keys.shape, np.int64)
        _find_all(self.start, self.hashes, np.ascontiguousarray(keys), out)
        return out

    def cut(self, ts: IntArray) -> IntArray:
        """Return how many events were logged before the first one at or after each time.

        What stands in front of it in the log was known when an event of that time arrived, were it the first of
        its microsecond. Late events, logged behind, are left out.
        """
        found: IntArray = np.searchsorted(np.maximum.accumulate(self.ts), ts, side="left").astype(np.int64)
        return found

    def with_columns(self, names: Sequence[str], x: AnyArray) -> Self:
        """Return the same graph with other columns."""
        return replace(self, names=tuple(names), x=np.ascontiguousarray(x, np.float32))

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """Return the graph itself: it never changes, and estimators that share one are copied cheaply."""
        return self

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"kinds": list(self.kinds), "names": list(self.names)}

    @property
    def keys(self) -> HashArray:
        """Hash of each entity of each event, 0 where it has none, shape (kinds, n)."""
        of_event = self.of_event.astype(np.int64)
        if not self.nodes:
            return np.zeros(of_event.T.shape, np.uint64)
        return np.ascontiguousarray(np.where(of_event >= 0, self.hashes[of_event], np.uint64(0)).T)

    @property
    def labels(self) -> FloatArray:
        """The label of each event as `build` takes it: 1, 0, or NaN where it stays unknown."""
        return np.where(self.label == UNLABELLED, np.nan, self.label.astype(np.float64))

    def take(self, rows: AnyArray) -> Self:
        """Return the graph of some events only, in the order in which they stand."""
        return self.build(
            self.kinds,
            np.ascontiguousarray(self.keys[:, rows]),
            self.ts[rows],
            x=self.x[rows],
            names=self.names,
            labels=(self.labels[rows], self.known_at[rows]),
            ids=self.ids[rows],
        )

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays; nodes and edges follow from them."""
        return {
            "keys": self.keys,
            "ts": self.ts,
            "x": self.x,
            "label": self.labels,
            "known_at": self.known_at,
            "ids": self.ids,
        }

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Self:
        """Build a graph from what `meta` and `arrays` returned."""
        label: FloatArray = take(arrays, "label", np.float64)
        try:
            return cls.build(
                meta["kinds"],
                take(arrays, "keys", np.uint64, 2),
                take(arrays, "ts", np.int64),
                x=take(arrays, "x", np.float32, 2),
                names=meta["names"],
                labels=(label, take(arrays, "known_at", np.int64)),
                ids=take(arrays, "ids", np.uint64),
            )
        except ShapeError as error:
            raise BundleError(str(error)) from error
