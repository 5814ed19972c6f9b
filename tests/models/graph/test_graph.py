"""Edges, neighbourhoods and their bounds, held to a few lines of Python that say the same."""

from __future__ import annotations

from math import log1p

import numpy as np
import pytest

from adjudge.errors import BundleError, DefinitionError, ShapeError
from adjudge.models.graph import EventGraph, Fanout, Sizes, surroundings
from adjudge.models.graph.sample import HOUR_US, OWN, WALK
from adjudge.typing import AnyArray, IntArray

KINDS = ("user", "device", "address")


def keys_of(n: int, people: int, seed: int, missing: float = 0.1) -> AnyArray:
    """Return hashes of three entities: as many users as said, half as many devices and addresses, one very busy."""
    random = np.random.default_rng(seed)
    keys = random.integers(1, np.array([[people], [people // 2], [people // 2]]), (3, n)).astype(np.uint64)
    keys[1:, random.random(n) < 0.3] = 1
    keys[random.random((3, n)) < missing] = 0
    return keys * np.uint64(0x9E3779B97F4A7C15)


def graph_of(n: int = 400, people: int = 40, seed: int = 0, *, late: bool = False) -> EventGraph:
    """Return a graph of random events with two columns, some of them late, and labels that come after a while."""
    random = np.random.default_rng(seed + 1)
    ts = np.sort(random.integers(0, n * 50_000_000, n))
    if late:
        ts[random.integers(0, n, n // 5)] -= 2_000_000_000
    label = np.where(random.random(n) < 0.7, random.integers(0, 2, n), np.nan)
    known_at = ts + random.integers(0, 4_000_000_000, n)
    x = random.normal(size=(n, 2)).astype(np.float32)
    return EventGraph.build(KINDS, keys_of(n, people, seed), ts, x=x, names=("a", "b"), labels=(label, known_at))


def kind_of(graph: EventGraph, v: int) -> int:
    return int(np.searchsorted(graph.start, v, side="right")) - 1


def newest(graph: EventGraph, v: int, cut: int, t: int, limit: int) -> tuple[list[int], int]:
    """Return the newest events of a node that could be seen, and how many there are up to the limit of the walk."""
    column = graph.of_event[:, kind_of(graph, v)]
    mine = [e for e in np.flatnonzero(column == v)[::-1] if e < cut][:WALK]
    there = [int(e) for e in mine if graph.ts[e] <= t]
    return there[:limit], len(there)


def others(graph: EventGraph, v: int, events: list[int]) -> list[int]:
    """Return the other nodes that some events name, kind by kind, newest first, each once."""
    found: list[int] = []
    for k in range(len(graph.kinds)):
        for e in events:
            w = int(graph.of_event[e, k])
            if w >= 0 and w != v and w not in found:
                found.append(w)
    return found


def told(graph: EventGraph, v: int, events: list[int], seen: int, t: int) -> AnyArray:
    """Return what some events say together."""
    kinds, columns = len(graph.kinds), graph.x.shape[1]
    out = np.zeros(OWN + kinds + columns + 2)
    if events:
        hours = [(t - int(graph.ts[e])) / HOUR_US for e in (events[0], events[-1])]
        out[:OWN] = 0.5 * log1p(seen), 0.25 * log1p(hours[0]), 0.25 * log1p(hours[1])
        kind = [kind_of(graph, w) for w in others(graph, v, events)]
        out[OWN : OWN + kinds] = [0.5 * log1p(kind.count(k)) for k in range(kinds)]
        out[OWN + kinds : -2] = graph.x[events].astype(np.float64).mean(axis=0)
        known = [int(graph.label[e]) if graph.known_at[e] <= t else -1 for e in events]
        out[-2:] = known.count(1) / len(events), known.count(0) / len(events)
    return out


def targets(graph: EventGraph) -> tuple[IntArray, IntArray, IntArray]:
    """Return every entity of every event, with the log and the moment as it found them."""
    rows, kinds = np.nonzero(graph.of_event >= 0)
    return graph.of_event[rows, kinds].astype(np.int64), rows.astype(np.int64), graph.ts[rows]


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("fanout", [Fanout(), Fanout(3, 2), Fanout(8, 6, cap=120, kept=90)])
def test_a_neighbourhood_is_what_a_few_lines_of_python_find(fanout: Fanout, late: bool) -> None:
    graph = graph_of(late=late)
    nodes, cut, ts = targets(graph)
    found = surroundings(graph, nodes, cut, ts, fanout)
    _, second, over, keep = fanout.bounds(3).tolist()
    for r in range(0, len(nodes), 7):
        v, c, t = int(nodes[r]), int(cut[r]), int(ts[r])
        events, seen = newest(graph, v, c, t, fanout.first)
        around = others(graph, v, events)
        reach = [len(newest(graph, w, c, t, second)[0]) for w in around]
        base = 1 + len(events) + len(around)
        fan = second
        if base + sum(reach) > over:
            fits = [f for f in range(1, second) if base + sum(min(f, n) for n in reach) <= keep]
            fan = max(fits, default=1)
            around = around if fits else around[: (keep - 1 - len(events)) // 2]
        assert found.sizes[r, 0] == base + sum(reach)
        np.testing.assert_allclose(found.own[r], told(graph, v, events, seen, t), rtol=1e-6)
        near = found.near[found.starts[r] : found.starts[r + 1]]
        assert len(near) == len(around)
        for row, w in zip(near, around, strict=True):
            theirs, seen = newest(graph, w, c, t, fan)
            np.testing.assert_allclose(row, told(graph, w, theirs, seen, t), rtol=1e-6)


def test_a_planted_future_edge_is_not_seen() -> None:
    """An event that ties a user to a new device changes nothing for who came before: not by log, not by time."""
    graph = graph_of(200)
    at = 120
    node, moment = graph.nodes_of(graph.hashes[graph.of_event[:, :1].T][:, [at]])[:1, 0], graph.ts[[at]]
    before = surroundings(graph, node, np.array([at]), moment, Fanout())
    keys = graph.arrays()["keys"]
    for place, planted_ts in ((at + 1, int(moment[0])), (at + 1, int(moment[0]) - 5), (at - 1, int(moment[0]) + 1)):
        plant = np.array([keys[0, at], np.uint64(4711), np.uint64(0)])
        planted = EventGraph.build(
            KINDS,
            np.insert(keys, place, plant, axis=1),
            np.insert(graph.ts, place, planted_ts),
            x=np.insert(graph.x, place, 1000.0, axis=0),
            names=graph.names,
            labels=(np.insert(graph.arrays()["label"], place, 1.0), np.insert(graph.known_at, place, 0)),
        )
        cut = np.array([at + (place < at)])
        v = planted.nodes_of(plant[:, None])[:1, 0]
        after = surroundings(planted, v, cut, moment, Fanout())
        for name in ("own", "near", "near_kind", "sizes"):
            assert getattr(after, name).tobytes() == getattr(before, name).tobytes(), (name, place)
        seen = surroundings(planted, v, np.array([len(planted.ts)]), moment + 10, Fanout())
        assert seen.own.tobytes() != before.own.tobytes()  # the check can fail


def test_a_label_is_seen_from_the_moment_it_is_known() -> None:
    keys = np.array([[7, 7], [5, 5], [0, 0]], dtype=np.uint64)
    labels = (np.array([1.0, np.nan]), np.array([50, 0]))
    graph = EventGraph.build(KINDS, keys, np.array([10, 20]), labels=labels)
    node, cut = np.array([0, 0]), np.array([2, 2])
    found = surroundings(graph, node, cut, np.array([49, 50]), Fanout())
    assert found.own[:, -2].tolist() == [0.0, 0.5]
    assert found.own[:, -1].tolist() == [0.0, 0.0]


def test_neither_batch_nor_order_changes_a_neighbourhood() -> None:
    graph = graph_of()
    nodes, cut, ts = targets(graph)
    whole = surroundings(graph, nodes, cut, ts, Fanout())
    for r in np.random.default_rng(0).permutation(len(nodes))[:60]:
        alone = surroundings(graph, nodes[[r]], cut[[r]], ts[[r]], Fanout())
        assert alone.own[0].tobytes() == whole.own[r].tobytes()
        assert alone.near.tobytes() == whole.near[whole.starts[r] : whole.starts[r + 1]].tobytes()


def test_a_huge_component_is_cut_down_and_never_fails() -> None:
    """A device that all use, and streets of very different length: bounded, counted, and told about."""
    n, fanout = 100_000, Fanout(cap=500, kept=400, alert=450)
    random = np.random.default_rng(0)
    people, streets = random.integers(1, 5000, n), random.zipf(1.3, n) % 5000 + 1
    keys = np.stack([people, np.full(n, 9), streets]).astype(np.uint64)
    graph = EventGraph.build(KINDS, keys, np.arange(n) * 1_000_000)
    rows = np.arange(n - 300, n)
    nodes = graph.of_event[rows].astype(np.int64).ravel()
    found = surroundings(graph, nodes, np.repeat(rows, 3), np.repeat(graph.ts[rows], 3), fanout)
    wanted, kept = (1 + found.sizes[:, i].reshape(-1, 3).sum(axis=1) for i in (0, 1))
    assert kept.max() <= fanout.cap
    assert found.sizes[found.sizes[:, 0] > (fanout.cap - 1) // 3, 1].max() <= fanout.kept // 3
    sizes = Sizes(fanout)
    sizes.add(wanted, kept)
    report = sizes.report()
    assert (report.targets, report.largest_kept) == (300, int(kept.max()))
    assert report.sampled == int((kept < wanted).sum()) > 100
    assert "above 450" in report.alert


def test_sizes_alert_when_most_are_near_the_bound() -> None:
    quiet, loud = Sizes(Fanout()), Sizes(Fanout())
    quiet.add(np.array([900] * 99 + [5000]), np.array([900] * 99 + [800]))
    loud.add(np.array([100] * 90 + [901] * 10), np.array([100] * 90 + [901] * 10))
    assert (quiet.report().p95, quiet.report().sampled, quiet.report().alert) == (900, 1, "")
    assert loud.report().alert == "the 95th percentile of neighbourhoods is 901 nodes, above 900: 0 of 100 were sampled"
    assert Sizes(Fanout()).report().p95 == 0


def test_a_graph_survives_saving() -> None:
    graph = graph_of()
    again = EventGraph.from_arrays(graph.meta(), graph.arrays())
    for name in ("ts", "x", "label", "known_at", "of_event", "start", "hashes", "indptr", "edges"):
        assert getattr(again, name).tobytes() == getattr(graph, name).tobytes(), name


def test_what_is_no_graph_is_refused() -> None:
    with pytest.raises(ShapeError, match="do not make a graph"):
        EventGraph.build(KINDS, np.zeros((2, 5), np.uint64), np.zeros(5, np.int64))
    arrays = graph_of(20).arrays()
    with pytest.raises(BundleError, match="do not make a graph"):
        EventGraph.from_arrays({"kinds": ["user"], "names": ["a", "b"]}, arrays)
    with pytest.raises(DefinitionError, match="reaches nowhere"):
        Fanout(first=0)
    with pytest.raises(DefinitionError, match="do not go round"):
        Fanout(cap=50, kept=40).bounds(5)


def test_the_cut_leaves_out_events_logged_late() -> None:
    """Times 10, 30, 20 (late), 40: at 25 only the first had been logged before one at or after 25 was."""
    graph = EventGraph.build(KINDS, np.ones((3, 4), np.uint64), np.array([10, 30, 20, 40]))
    assert graph.cut(np.array([5, 10, 25, 31, 99])).tolist() == [0, 0, 1, 3, 4]
