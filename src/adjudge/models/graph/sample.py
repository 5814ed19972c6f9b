"""Neighbourhoods: what surrounds an entity as of a moment, two steps far and never more than so many nodes.

Always the newest first. A ring works in a burst, which a uniform draw from a long history would miss; the newest are
the end of a list, so that a hub with a million events costs no more to read than a user with twenty; and nothing is
drawn by lot, so that a neighbourhood depends on its target alone, never on the batch, a seed or the thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log1p
from typing import Any

import numpy as np

from adjudge.errors import DefinitionError
from adjudge.kernel import kernel
from adjudge.models.graph.events import EventGraph
from adjudge.typing import AnyArray, FloatArray, IntArray

WALK = 64
"""The most edges of one node that are looked at: a degree is counted up to here, and no late event makes a hub slow."""

OWN = 3
"""What is told of a node first of all: its degree, and the hours since its newest and its oldest event."""

HOUR_US = 3_600_000_000.0


@dataclass(frozen=True)
class Fanout:
    """How far a neighbourhood reaches.

    Parameters
    ----------
    first
        Newest events of an entity that is asked about.
    second
        Newest events of each entity that those name.
    cap, kept
        A decision whose neighbourhood would have more than `cap` nodes gets `kept`. Its entities have equal
        shares, so that what is said of an entity does not depend on who else is in the event.
    alert
        Where the 95th percentile of sizes passes this, `Sizes.report` says so.
    """

    first: int = 15
    second: int = 10
    cap: int = 1000
    kept: int = 800
    alert: int = 900

    def __post_init__(self) -> None:
        if not (1 <= self.first <= WALK and 1 <= self.second <= WALK and 1 <= self.kept <= self.cap):
            msg = f"{self} reaches nowhere: fan-outs lie in 1..{WALK}, and kept is at most cap"
            raise DefinitionError(msg)

    def bounds(self, kinds: int) -> IntArray:
        """Return fan-outs and one entity's share of the nodes, as the kernel reads them."""
        over, keep = (self.cap - 1) // kinds, (self.kept - 1) // kinds
        if keep < self.first + 3:
            msg = f"{self.kept} nodes do not go round {kinds} entities with {self.first} events each"
            raise DefinitionError(msg)
        return np.array([self.first, self.second, over, keep], np.int64)


@kernel
def _front(edges: AnyArray, first: int, last: int, cut: int) -> int:
    """Return where the events that were logged before `cut` end; edges rise."""
    low, high = first, last
    while low < high:
        middle = (low + high) // 2
        if edges[middle] < cut:
            low = middle + 1
        else:
            high = middle
    return low


@kernel
def _newest(columns: tuple[Any, ...], v: int, cut: int, t: int, limit: int, picked: AnyArray) -> tuple[int, int]:
    """Write the newest events of a node that were there, and return how many, and how many there are up to `WALK`."""
    ts, indptr, edges = columns[0], columns[5], columns[6]
    last = _front(edges, indptr[v], indptr[v + 1], cut)
    taken = seen = 0
    for i in range(last - 1, max(indptr[v], last - WALK) - 1, -1):
        e = edges[i]
        if ts[e] > t:
            continue
        seen += 1
        if taken < limit:
            picked[taken] = e
            taken += 1
    return taken, seen


@kernel
def _others(columns: tuple[Any, ...], v: int, k: int, picked: AnyArray, taken: int, found: AnyArray, at: int) -> int:
    """Add the nodes of one kind that some events name, newest first and each once, and return where they end."""
    of_event = columns[4]
    first = at
    for i in range(taken):
        w = of_event[picked[i], k]
        if w < 0 or w == v:
            continue
        new = True
        for j in range(first, at):
            new = new and found[j] != w
        if new:
            found[at] = w
            at += 1
    return at


@kernel
def _tell(columns: tuple[Any, ...], t: int, picked: AnyArray, taken: int, seen: int, out: FloatArray) -> None:
    """Write what some events say together: how many, how old, their mean, and the labels known by then."""
    ts, label, known_at, x = columns[0], columns[1], columns[2], columns[3]
    if taken == 0:
        return
    kinds, width = columns[4].shape[1], x.shape[1]
    out[0] = 0.5 * log1p(seen)
    out[1] = 0.25 * log1p((t - ts[picked[0]]) / HOUR_US)
    out[2] = 0.25 * log1p((t - ts[picked[taken - 1]]) / HOUR_US)
    at = OWN + kinds
    for i in range(taken):
        e = picked[i]
        for f in range(width):
            out[at + f] += x[e, f]
        if label[e] >= 0 and known_at[e] <= t:
            out[at + width + 1 - label[e]] += 1.0
    for f in range(width + 2):
        out[at + f] /= taken


@kernel
def surround(
    columns: tuple[Any, ...],
    v: int,
    cut: int,
    t: int,
    bounds: IntArray,
    work: AnyArray,
    own: FloatArray,
    near: FloatArray,
    near_kind: AnyArray,
    size: IntArray,
) -> int:
    """Write what is known of a node and of the nodes around it, and return how many those are.

    `size` receives how many nodes there would have been and how many there are; an event is counted as often as it
    is read. `work` holds three rows of scratch numbers.
    """
    first, second, over, keep = bounds[0], bounds[1], bounds[2], bounds[3]
    picked, inner, found = work[0], work[1], work[2]
    kinds = columns[4].shape[1]
    own[:] = 0.0
    taken, seen = _newest(columns, v, cut, t, first, picked)
    _tell(columns, t, picked, taken, seen, own)
    around = 0
    for k in range(kinds):
        begin = around
        around = _others(columns, v, k, picked, taken, found, around)
        own[OWN + k] = 0.5 * log1p(around - begin)
        near_kind[begin:around] = k
    reach = np.zeros(second + 1, np.int64)
    for j in range(around):
        reach[_newest(columns, found[j], cut, t, second, inner)[0]] += 1
    size[0], around, fan, size[1] = _within(reach, 1 + taken, around, second, over, keep)
    for j in range(around):
        near[j] = 0.0
        taken, seen = _newest(columns, found[j], cut, t, fan, inner)
        _tell(columns, t, inner, taken, seen, near[j])
        for k in range(kinds):
            # the room behind the nodes found is free
            begin = len(found) - first - second
            near[j, OWN + k] = 0.5 * log1p(_others(columns, found[j], k, inner, taken, found, begin) - begin)
    return around


@kernel
def _within(reach: IntArray, base: int, around: int, second: int, over: int, keep: int) -> tuple[int, int, int, int]:
    """Return the size without bounds, how many nodes around and events of each may stay, and the size with them."""
    wanted = base + around
    for c in range(second + 1):
        wanted += c * reach[c]
    if wanted <= over:
        return wanted, around, second, wanted
    for fan in range(second - 1, 0, -1):
        size = base + around
        for c in range(second + 1):
            size += min(c, fan) * reach[c]
        if size <= keep:
            return wanted, around, fan, size
    around = min(around, (keep - base) // 2)
    return wanted, around, 1, base + 2 * around


@kernel
def _surround_all(
    columns: tuple[Any, ...],
    nodes: IntArray,
    cut: IntArray,
    t: IntArray,
    bounds: IntArray,
    own: AnyArray,
    near: AnyArray,
    near_kind: AnyArray,
    sizes: IntArray,
    starts: IntArray,
) -> None:
    """Do what `surround` does for one node after the other, what is around them end to end."""
    room = bounds[0] * columns[4].shape[1]
    work = np.empty((3, room + bounds[0] + bounds[1]), np.int64)
    one, some = np.empty(own.shape[1]), np.empty((room, own.shape[1]))
    kinds = np.empty(room, np.int64)
    for r in range(len(nodes)):
        count = surround(columns, nodes[r], cut[r], t[r], bounds, work, one, some, kinds, sizes[r])
        own[r] = one
        begin = starts[r]
        near[begin : begin + count] = some[:count]
        near_kind[begin : begin + count] = kinds[:count]
        starts[r + 1] = begin + count


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What surrounds r entities, each as of its own moment.

    Parameters
    ----------
    own
        What is known of each, shape (r, D), float32: degree and times, distinct nodes of each kind around it, the
        mean of its newest events, and the shares of them known as positive and as negative.
    near, near_kind
        The same of the nodes around them, end to end, and their kinds.
    starts
        Where those of each begin, shape (r + 1,).
    sizes
        How many nodes each would have had and how many it has, shape (r, 2).
    """

    own: AnyArray
    near: AnyArray
    near_kind: AnyArray
    starts: IntArray
    sizes: IntArray


def width(graph: EventGraph) -> int:
    """Return how many numbers tell of a node."""
    return OWN + len(graph.kinds) + len(graph.names) + 2


def surroundings(graph: EventGraph, nodes: IntArray, cut: IntArray, ts: IntArray, fanout: Fanout) -> Surroundings:
    """Return what surrounds some entities.

    Parameters
    ----------
    graph
        Events and entities.
    nodes
        The entities that are asked about, shape (r,).
    cut
        How many entries of the log were there for each: only those are seen.
    ts
        The moment of each: of the entries that were there, only those not after it, and labels known by it.
    fanout
        How far to go.

    Examples
    --------
    User 7 shared a device with user 8 and is asked about at 25; what the log has after two entries does not count:

    >>> keys = np.array([[7, 8, 7], [5, 5, 0]], dtype=np.uint64)
    >>> graph = EventGraph.build(("user", "device"), keys, np.array([10, 20, 30]))
    >>> found = surroundings(graph, np.array([0]), np.array([2]), np.array([25]), Fanout())
    >>> found.sizes.tolist(), len(found.near)  # the user, its payment, the device, the device's two payments
    ([[5, 5]], 1)
    """
    bounds = fanout.bounds(len(graph.kinds))
    r, d = len(nodes), width(graph)
    room = r * fanout.first * len(graph.kinds)
    own, near = np.empty((r, d), np.float32), np.empty((room, d), np.float32)
    near_kind, starts = np.empty(room, np.int64), np.zeros(r + 1, np.int64)
    sizes = np.empty((r, 2), np.int64)
    _surround_all(graph.columns, nodes, cut, ts, bounds, own, near, near_kind, sizes, starts)
    return Surroundings(own, near[: starts[-1]], near_kind[: starts[-1]], starts, sizes)
