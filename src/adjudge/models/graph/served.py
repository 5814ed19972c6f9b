"""GraphSAGE as it is served: an event's own numbers, and its entities' vectors from a table or computed on the spot.

The engine gives keys as 64-bit hashes in float slots and the event's time, by the names of the fields. It does not give
the events since the graph was made: a service refreshes graph and table together on a schedule, and an entity that came
after that has the vector of one without a past, while those of its device or address are as the last refresh had them.
Training is made to see the same: whatever an event looks back on, it sees as of the last refresh before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.graph.events import EventGraph, find
from adjudge.models.graph.layers import Layers, embed, judge, room_for, scale_one
from adjudge.models.graph.sample import Fanout
from adjudge.models.graph.table import Embeddings, embeddings, version_of_layers
from adjudge.models.pushes import note
from adjudge.models.raw import Arrays, Meta, Raw, check_matrix, sub, under
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray


@kernel
def _cut(latest: IntArray, t: int) -> int:
    """Return how many events were logged before the first one at or after a moment."""
    low, high = 0, len(latest)
    while low < high:
        middle = (low + high) // 2
        if latest[middle] < t:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def moment_of(t: int, refresh_us: int) -> int:
    """Return the last refresh before a time, or the time itself where there is no schedule."""
    return t - t % refresh_us if refresh_us > 0 else t


@kernel
def _rows(
    X: FloatArray,
    bits: HashArray,
    rows: IntArray,
    columns: tuple[Any, ...],
    nodes: tuple[Any, ...],
    table: tuple[Any, ...],
    layers: tuple[AnyArray, ...],
    scales: tuple[FloatArray, FloatArray],
    head: tuple[AnyArray, ...],
    bounds: IntArray,
    k: int,
    margin: FloatArray,
    top: NDArray[np.int32],
    top_value: FloatArray,
    every: FloatArray,
    sizes: IntArray,
) -> None:
    """Judge each event alone: its numbers, then the vector of each of its entities."""
    start, hashes, latest = nodes
    as_of, refresh_us, table_start, table_hashes, vectors = table
    mean, scale = scales
    features, kinds, d2 = len(mean), len(start) - 1, layers[3].shape[1]
    z, hidden = np.empty(2 * features + kinds * d2), np.empty(len(head[2]))
    push, pushes = np.zeros(len(z)), np.zeros(len(rows))
    room = room_for(columns, bounds, layers[1].shape[1])
    size = np.zeros(2, np.int64)
    explain = k > 0 or len(every) > 0
    for j in range(X.shape[1]):
        for f in range(features):
            value = X[rows[f], j]
            z[f] = scale_one(value, mean[f], scale[f])
            z[features + f] = 1.0 if np.isnan(value) else 0.0
        t = int(np.rint(X[rows[features + kinds], j]))
        sizes[j] = 1
        for kind in range(kinds):
            begin = 2 * features + kind * d2
            out = z[begin : begin + d2]
            mark = bits[rows[features + kind], j]
            if mark == np.uint64(0):
                out[:] = 0.0
                continue
            known = find(table_hashes, table_start[kind], table_start[kind + 1], mark) if t >= as_of else -1
            if known >= 0:
                out[:] = vectors[known]
                continue
            v = find(hashes, start[kind], start[kind + 1], mark)
            s = moment_of(t, refresh_us)
            if t >= as_of:
                s = max(s, as_of)  # the table is the last refresh
            embed(columns, layers, (v, kind, _cut(latest, s), s), bounds, room, size, out)
            sizes[j] += size
        margin[j] = judge(head, z, hidden, explain, push)
        if explain:
            for f in range(features):
                pushes[f] = push[f] + push[features + f]
            for kind in range(kinds):
                pushes[features + kind] = 0.0
                for i in range(d2):
                    pushes[features + kind] += push[2 * features + kind * d2 + i]
            note(pushes, j, k, top, top_value, every)


@dataclass(frozen=True, eq=False)
class SageModel:
    """A GraphSAGE net with the vectors of entities and the graph that new ones are found in.

    Parameters
    ----------
    layers
        The trained net.
    graph
        Events up to the last refresh, columns scaled as the layers read them.
    time
        Name of the event's time among the inputs, in microseconds.
    fanout
        How far a neighbourhood reaches.
    table
        Vectors computed ahead; an event before its moment, or an entity it does not hold, is computed from the graph.
    refresh_us
        How often graph and table are made anew: what is computed from the graph is computed as of the last multiple
        of it, as a table would have had it. 0 computes everything as of the event.
    """

    layers: Layers
    graph: EventGraph
    time: str
    fanout: Fanout
    table: Embeddings
    refresh_us: int = 0

    def __post_init__(self) -> None:
        kinds, features = len(self.graph.kinds), len(self.graph.names)
        if (len(self.layers.b1), len(self.layers.mean)) != (kinds, features) or len(self.table.start) != kinds + 1:
            msg = f"layers, table and a graph of {kinds} kinds and {features} columns do not belong together"
            raise BundleError(msg)
        if self.table.made_with != version_of_layers(self.layers):
            msg = "the table of vectors was made with other layers"
            raise BundleError(msg)

    @property
    def names(self) -> tuple[str, ...]:
        """The features it reads: numbers, keys, time."""
        return (*self.graph.names, *self.graph.kinds, self.time)

    @cached_property
    def bias(self) -> float:
        """The margin of an ordinary event, from which contributions are counted."""
        z, hidden = self.layers.base[:-1].copy(), np.empty(len(self.layers.wo))
        return float(judge(self.layers.head, z, hidden, False, np.empty(0)))

    @cached_property
    def _latest(self) -> IntArray:
        return np.maximum.accumulate(self.graph.ts)

    def raw(self, X: FloatArray, rows: IntArray, k: int) -> Raw:
        """Return margins and the k largest pushes; `rows` says where in X each name is."""
        result = Raw.empty(X.shape[1], k)
        self._judge(X, rows, k, result, np.empty((0, 0)))
        return result

    def contributions(self, X: FloatArray, rows: IntArray) -> FloatArray:
        """Return every contribution, shape (n, len(names)); with `bias` they add up to the margin.

        An entity's is that of its whole vector; the time has none.
        """
        return self.explained(X, rows)[1]

    def explained(self, X: FloatArray, rows: IntArray) -> tuple[FloatArray, FloatArray]:
        """Return margins and every contribution, computed together."""
        result, every = Raw.empty(X.shape[1], 0), np.empty((X.shape[1], len(self.names)))
        self._judge(X, rows, 0, result, every)
        return result.margin, every

    def sizes(self, X: FloatArray, rows: IntArray) -> IntArray:
        """Return for each event how many nodes would have been read, and were, shape (n, 2); a table costs none."""
        return self._judge(X, rows, 0, Raw.empty(X.shape[1], 0), np.empty((0, 0)))

    def refreshed(self, graph: EventGraph, as_of: int, *, keys: HashArray | None = None) -> Self:
        """Return the model with another graph and the vectors of its entities as of a moment.

        Parameters
        ----------
        graph
            Events up to now, columns as they come: they are scaled here.
        as_of, keys
            See `adjudge.models.graph.table.embeddings`.
        """
        scaled = graph.with_columns(graph.names, self.layers.scaled(graph.x))
        return self.rescheduled(as_of, graph=scaled, keys=keys)

    def rescheduled(self, as_of: int, *, graph: EventGraph | None = None, keys: HashArray | None = None) -> Self:
        """Return the model with vectors as of another moment, of a graph that is scaled already."""
        graph = self.graph if graph is None else graph
        table, _ = embeddings(self.layers, graph, self.fanout, as_of, keys=keys)
        return replace(self, graph=graph, table=table)

    def _judge(self, X: FloatArray, rows: IntArray, k: int, result: Raw, every: FloatArray) -> IntArray:
        check_matrix(X, rows, len(self.names))
        graph, layers, table = self.graph, self.layers, self.table
        sizes = np.empty((X.shape[1], 2), np.int64)
        _rows(
            X,
            X.view(np.uint64),
            rows,
            graph.columns,
            (graph.start, graph.hashes, self._latest),
            (table.as_of, self.refresh_us, table.start, table.hashes, table.vectors),
            layers.graph,
            (layers.mean, layers.scale),
            layers.head,
            self.fanout.bounds(len(graph.kinds)),
            k,
            result.margin,
            result.top,
            result.top_value,
            every,
            sizes,
        )
        return sizes

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        reach = [getattr(self.fanout, name) for name in ("first", "second", "cap", "kept", "alert")]
        meta: Meta = {"kind": "sage", "time": self.time, "fanout": reach, "refresh_us": self.refresh_us}
        return meta | {"graph": self.graph.meta(), "table": self.table.meta()}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        layers, graph = under(self.layers.arrays(), "layers"), under(self.graph.arrays(), "graph")
        return layers | graph | under(self.table.arrays(), "table")

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Self:
        """Build the model from what `meta` and `arrays` returned."""
        return cls(
            Layers.from_arrays(sub(arrays, "layers")),
            EventGraph.from_arrays(meta["graph"], sub(arrays, "graph")),
            str(meta["time"]),
            Fanout(*meta["fanout"]),
            Embeddings.from_arrays(meta["table"], sub(arrays, "table")),
            int(meta["refresh_us"]),
        )
