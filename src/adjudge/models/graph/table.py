"""Vectors of entities, computed on a schedule: as of a moment, by 64-bit hash, saved without pickle."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from adjudge.errors import BundleError
from adjudge.kernel import kernel
from adjudge.models.graph.events import EventGraph
from adjudge.models.graph.layers import Layers, embed, room_for
from adjudge.models.graph.sample import Fanout
from adjudge.models.raw import Arrays, Meta, take
from adjudge.typing import AnyArray, FloatArray, HashArray, IntArray

NOT_YET = np.iinfo(np.int64).max
"""The moment of a table that nothing may be read from."""


@kernel
def _embed_all(
    columns: tuple[Any, ...],
    layers: tuple[AnyArray, ...],
    nodes: IntArray,
    kinds: IntArray,
    cut: int,
    t: int,
    bounds: IntArray,
    sizes: IntArray,
    out: FloatArray,
) -> None:
    """Write the vectors of some nodes, one after the other."""
    room = room_for(columns, bounds, layers[1].shape[1])
    for r in range(len(nodes)):
        embed(columns, layers, (nodes[r], kinds[r], cut, t), bounds, room, sizes[r], out[r])


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Vectors of entities as of a moment.

    Parameters
    ----------
    as_of
        The moment, microseconds; an event before it must not read the table.
    start, hashes
        Entities by kind and hash, as in a graph.
    vectors
        One row each.
    made_with
        Version of the layers: other layers' vectors mean something else.
    """

    as_of: int
    start: IntArray
    hashes: HashArray
    vectors: FloatArray
    made_with: str

    def __post_init__(self) -> None:
        rises = self.start[0] == 0 and self.start[-1] == len(self.hashes) and (np.diff(self.start) >= 0).all()
        sorted_ = rises and all(
            (self.hashes[a + 1 : b] > self.hashes[a : b - 1]).all()
            for a, b in zip(self.start[:-1], self.start[1:], strict=True)
            if b > a
        )
        if not sorted_ or len(self.vectors) != len(self.hashes) or not np.isfinite(self.vectors).all():
            msg = "this is no table of vectors: hashes must rise within a kind, and each has one finite vector"
            raise BundleError(msg)

    @property
    def version(self) -> str:
        """A short hash of everything in it."""
        digest = hashlib.sha256(f"{self.as_of}:{self.made_with}".encode())
        for array in self.arrays().values():
            digest.update(array.tobytes())
        return digest.hexdigest()[:16]

    def meta(self) -> Meta:
        """Return the part to be written as JSON."""
        return {"as_of": self.as_of, "made_with": self.made_with}

    def arrays(self) -> Arrays:
        """Return the part to be written as arrays."""
        return {"start": self.start, "hashes": self.hashes, "vectors": self.vectors}

    @classmethod
    def from_arrays(cls, meta: Mapping[str, Any], arrays: Mapping[str, AnyArray]) -> Self:
        """Build a table from what `meta` and `arrays` returned."""
        start, hashes = take(arrays, "start", np.int64), take(arrays, "hashes", np.uint64)
        return cls(int(meta["as_of"]), start, hashes, take(arrays, "vectors", np.float64, 2), str(meta["made_with"]))

    @classmethod
    def empty(cls, layers: Layers) -> Self:
        """Return a table of nobody."""
        start = np.zeros(len(layers.b2) + 1, np.int64)
        return cls(NOT_YET, start, np.empty(0, np.uint64), np.empty((0, layers.b2.shape[1])), version_of_layers(layers))


def version_of_layers(layers: Layers) -> str:
    """Return a short hash of the weights."""
    digest = hashlib.sha256()
    for array in layers.arrays().values():
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def embeddings(
    layers: Layers, graph: EventGraph, fanout: Fanout, as_of: int, *, keys: HashArray | None = None
) -> tuple[Embeddings, IntArray]:
    """Return the vectors of entities as of a moment, and the sizes of what surrounds each, shape (m, 2).

    Parameters
    ----------
    layers, fanout
        The trained net, and how far it looks.
    graph
        Events and entities, columns scaled as the layers read them.
    as_of
        The moment: events before it count, and labels known by it.
    keys
        Only these entities, shape (kinds, m), 0 for none; all of the graph when None. Those that the graph had
        not seen by then are left out: theirs are computed when they come.
    """
    cut = int(graph.cut(np.array([as_of]))[0])
    seen = np.zeros(graph.nodes, np.bool_)
    there = graph.of_event[:cut]
    seen[there[there >= 0]] = True
    if keys is not None:
        wanted = np.zeros(graph.nodes, np.bool_)
        named = graph.nodes_of(keys)
        wanted[named[named >= 0]] = True
        seen &= wanted
    nodes = np.flatnonzero(seen)
    kinds = np.searchsorted(graph.start, nodes, side="right") - 1
    start = np.searchsorted(nodes, graph.start).astype(np.int64)
    vectors, sizes = np.empty((len(nodes), layers.b2.shape[1])), np.empty((len(nodes), 2), np.int64)
    bounds = fanout.bounds(len(graph.kinds))
    _embed_all(graph.columns, layers.graph, nodes, kinds, cut, as_of, bounds, sizes, vectors)
    return Embeddings(as_of, start, graph.hashes[nodes], vectors, version_of_layers(layers)), sizes
