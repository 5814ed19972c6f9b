"""Refreshing: the models of a scorer that look back on a graph are given a newer one, and vectors as of its end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from adjudge.kernel import kernel
from adjudge.models.graph.events import UNLABELLED, EventGraph
from adjudge.models.graph.sample import WALK
from adjudge.models.graph.served import SageModel
from adjudge.models.scorers import ModelScorer, Served
from adjudge.models.stacked import StackScorer
from adjudge.typing import AnyArray, BoolArray, FloatArray, HashArray, IntArray

if TYPE_CHECKING:
    from adjudge.models.raw import Model

MEMORY_US = 400 * 86_400_000_000
"""An event older than that is forgotten."""


def graphs_of(scorer: Served) -> list[SageModel]:
    """Return the models of a scorer that look back on a graph."""
    models: Sequence[Model] = ()
    if isinstance(scorer, ModelScorer):
        models = [scorer.model]
    elif isinstance(scorer, StackScorer):
        models = [member.model for member in scorer.members]
    return [model for model in models if isinstance(model, SageModel)]


def with_graphs(scorer: Served, change: Callable[[SageModel], SageModel]) -> Served:
    """Return a scorer whose models that look back on a graph were changed; the same one where it has none."""
    if not graphs_of(scorer):
        return scorer

    def changed(model: Model) -> Model:
        return change(model) if isinstance(model, SageModel) else model

    if isinstance(scorer, StackScorer):
        members = [replace(member, model=changed(member.model)) for member in scorer.members]
        return StackScorer(members, scorer.mixes, needed=scorer.needed, categories=scorer.categories, top=scorer.top)
    assert isinstance(scorer, ModelScorer)  # nothing else has such a model
    return ModelScorer(changed(scorer.model), scorer.calibrator, scorer.categories, top=scorer.top)


def refreshed(scorer: Served, as_of: int) -> Served:
    """Return a scorer whose graphs stay, with the vectors of their entities as of a moment."""
    return with_graphs(scorer, lambda model: model.rescheduled(as_of))


@kernel
def _reach(indptr: IntArray, edges: AnyArray, cut: int, most: int, out: BoolArray) -> None:
    """Mark the events that are among the newest of some entity now, or were when the log had `cut` events."""
    for v in range(len(indptr) - 1):
        first, last = indptr[v], indptr[v + 1]
        low = last
        while low > first and edges[low - 1] >= cut:
            low -= 1
        for i in range(max(first, low - most), last):
            out[edges[i]] = True


def trimmed(
    graph: EventGraph, as_of: int, lateness_us: int, *, schedule_us: int = 0, memory_us: int = MEMORY_US
) -> EventGraph:
    """Return a graph without the events that no neighbourhood can reach any more.

    Parameters
    ----------
    graph
        Events up to now.
    as_of
        The moment of the refresh.
    lateness_us
        How much older than that an event may be that is still to come.
    schedule_us
        How often refreshes are reckoned with (`SageModel.refresh_us`): a late event looks back from the last of them
        before it, which may lie so much further back. 0 where it looks back from its own time.
    memory_us
        Events older than that are forgotten, and entities that have no others.

    Examples
    --------
    User 7 had 70 events: of one at the very front of the list nothing is read any more. An event may still come at the
    time of the newest one, 69, and then sees what lies before that:

    >>> graph = EventGraph.build(("user",), np.full((1, 70), 7, np.uint64), np.arange(70))
    >>> len(trimmed(graph, 70, 0).ts), len(trimmed(graph, 70, 3).ts)
    (65, 68)
    """
    kept = np.zeros(len(graph.ts), np.bool_)
    # newest + 1 is the moment, newest - lateness the oldest time that is still taken
    cut = int(graph.cut(np.array([as_of - 1 - lateness_us - schedule_us]))[0])
    _reach(graph.indptr, graph.edges, cut, WALK, kept)
    kept &= graph.ts > as_of - memory_us
    return graph if kept.all() else graph.take(kept)


def merged(old: EventGraph, new: EventGraph, gone: HashArray) -> EventGraph:
    """Return one graph of two, in order of time.

    Parameters
    ----------
    old, new
        Graphs over the same entities and columns, scaled as the layers read them. An event that both hold stands as the
        newer one has it, with the label of the older one; its numbers, where the newer one has none but missing ones,
        are those of the older one as well.
    gone
        Hashes of the ids of events that were taken back.

    Examples
    --------
    >>> def graph(ids, ts, labels):
    ...     n = len(ts)
    ...     return EventGraph.build(("user",), np.ones((1, n), np.uint64), np.array(ts), ids=np.array(ids, np.uint64),
    ...                             labels=(np.array(labels), np.array(ts)))
    >>> both = merged(graph([1, 2, 3], [10, 20, 30], [0.0, 1, 0]), graph([2, 4], [20, 40], [0.0, 0]), np.array([3]))
    >>> both.ids.tolist(), both.label.tolist()
    ([1, 2, 4], [0, 1, 0])
    """
    place = places(old.ids, new.ids)
    again = place >= 0
    x, label, known_at = new.x.copy(), new.labels, new.known_at.copy()
    label[again], known_at[again] = old.labels[place[again]], old.known_at[place[again]]
    unknown = again & np.isnan(x).all(axis=1) if x.shape[1] else np.zeros(len(x), np.bool_)
    x[unknown] = old.x[place[unknown]]
    stays, fresh = ~np.isin(old.ids, gone), ~np.isin(new.ids, gone)
    stays[place[again]] = False
    order = np.argsort(np.concatenate([old.ts[stays], new.ts[fresh]]), kind="stable")

    def both(a: AnyArray, b: AnyArray) -> AnyArray:
        return np.concatenate([a[..., stays], b[..., fresh]], axis=-1)[..., order]

    return EventGraph.build(
        old.kinds,
        np.ascontiguousarray(both(old.keys, new.keys)),
        both(old.ts, new.ts),
        x=np.nan_to_num(both(old.x.T, x.T).T, nan=0.0),
        names=old.names,
        labels=(both(old.labels, label), both(old.known_at, known_at)),
        ids=both(old.ids, new.ids),
    )


def relabelled(graph: EventGraph, ids: HashArray, label: FloatArray, known_at: IntArray, delay_us: int) -> EventGraph:
    """Return a graph with what was said of some events by now; of several things said of one the last counts.

    Parameters
    ----------
    graph
        The graph.
    ids
        Hashes of the events' ids, in the order in which they were spoken of; those it does not hold are passed over.
    label, known_at
        1 or 0, and from when on that is known.
    delay_us
        Before so long is over, a no is not taken for one.
    """
    place = places(graph.ids, ids)
    there = place >= 0
    at = place[there]
    labels, known = graph.labels, graph.known_at.copy()
    positive = label[there] == 1.0
    labels[at] = label[there]
    known[at] = np.where(positive, known_at[there], np.maximum(known_at[there], graph.ts[at] + delay_us))
    return replace(graph, label=np.where(np.isnan(labels), UNLABELLED, labels).astype(np.int8), known_at=known)


def places(ids: HashArray, wanted: HashArray) -> IntArray:
    """Return where each wanted hash stands among some others, -1 where it is 0 or not there."""
    if not len(ids):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(ids, kind="stable")
    place = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
    return np.where((ids[place] == wanted) & (wanted != 0), place, -1)
