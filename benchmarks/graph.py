"""What a huge component costs: 2.3 million nodes and 12 million edges that hang together, hubs included.

2 million events name 6 entities each out of 300,000, a few of them very often. Whoever is asked about gets at most so
many nodes, in a time that the hubs do not set, and an alert says that most are cut down.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from adjudge.models.graph import EventGraph, Fanout, Sizes, surroundings
from adjudge.models.graph.table import embeddings
from adjudge.typing import FloatArray, IntArray
from benchmarks._sage import random_layers

EVENTS, ENTITIES, COLUMNS = 2_000_000, 300_000, 8

KINDS = ("user", "card", "device", "address", "ip", "merchant")

SHARES = (0.35, 0.35, 0.15, 0.1, 0.045, 0.005)
"""Of the entities, by kind: merchants are few and busy."""

TAIL = 1.2
"""Exponent of the heavy tail of how often an entity is named."""

TARGETS = 5_000


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Build the graph, ask about its newest events, and compute vectors.

    Parameters
    ----------
    quick
        A tenth of the size.
    progress
        Where to say what is being done.
    """
    part = 10 if quick else 1
    events, entities = EVENTS // part, ENTITIES // part
    progress(f"{events:,} events that name {entities:,} entities")
    keys, ts, x, labels = drawn(events, entities)
    progress("building the graph")
    EventGraph.build(KINDS, keys[:, :100], ts[:100])  # compiled, or read from the cache
    began, spent = time.perf_counter(), time.process_time()
    graph = EventGraph.build(KINDS, keys, ts, x=x, names=[f"x{f}" for f in range(COLUMNS)], labels=labels)
    waited, built = time.perf_counter() - began, time.process_time() - spent
    progress("neighbourhoods of the newest events and of the busiest entities")
    fanout = Fanout()
    asked(graph, fanout, 10)  # compiled, or read from the cache
    sizes, seconds = asked(graph, fanout, TARGETS // part)
    seen = Sizes(fanout)
    seen.add(sizes[:, 0], sizes[:, 1])
    report = seen.report()
    progress("vectors")
    degree = np.diff(graph.indptr)
    return {
        "nodes": graph.nodes + events,
        "edges": len(graph.edges),
        "largest_component_share": round(component(graph), 4),
        "largest_hub_edges": int(degree.max()),
        "times_are_of": "the processor, as others may be at work; build_seconds_waited is of the clock on the wall",
        "build_seconds": round(built, 2),
        "build_seconds_waited": round(waited, 2),
        "build_edges_per_second": round(len(graph.edges) / built),
        "graph_mb": round(sum(column.nbytes for column in (*graph.columns, graph.start, graph.hashes)) / 2**20, 1),
        "targets": report.targets,
        "us_per_target_p50": round(float(np.median(seconds)) * 1e6, 1),
        "us_per_target_p99": round(float(np.quantile(seconds, 0.99)) * 1e6, 1),
        "us_per_target_of_hubs": round(hubs(graph, fanout, degree) * 1e6, 1),
        "p95_nodes_without_bounds": report.p95,
        "p99_nodes_without_bounds": report.p99,
        "p99_nodes": report.p99_kept,
        "largest_nodes": report.largest_kept,
        "sampled": report.sampled,
        "alert": report.alert,
        "us_per_vector": round(vectors(graph, fanout, 20_000 // part) * 1e6, 1),
    }


def drawn(events: int, entities: int) -> tuple[Any, IntArray, FloatArray, tuple[FloatArray, IntArray]]:
    """Return keys, times, columns and labels: each entity once, and the rest by a heavy tail."""
    random = np.random.default_rng(3)
    counts = [int(entities * share) for share in SHARES]
    counts[0] += entities - sum(counts)
    keys = np.empty((len(KINDS), events), np.uint64)
    for k, count in enumerate(counts):
        weight = np.cumsum(np.arange(1, count + 1) ** -TAIL * random.permutation(np.linspace(0.5, 1.5, count)))
        rest = np.searchsorted(weight, random.random(events - count) * weight[-1])
        named = np.concatenate([np.arange(count), np.minimum(rest, count - 1)])
        keys[k] = (random.permutation(named) + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    ts = np.arange(events) * 3_000_000
    labels = (random.random(events) < 0.005).astype(np.float64), ts + random.integers(0, 10**12, events)
    return keys, ts, random.normal(size=(events, COLUMNS)).astype(np.float32), labels


def asked(graph: EventGraph, fanout: Fanout, targets: int) -> tuple[IntArray, FloatArray]:
    """Return sizes and seconds of the neighbourhoods of the newest events, asked about one by one."""
    sizes, seconds = np.empty((targets, 2), np.int64), np.empty(targets)
    for i, e in enumerate(range(len(graph.ts) - targets, len(graph.ts))):
        nodes = graph.of_event[e].astype(np.int64)
        cut, ts = np.full(len(nodes), e), np.full(len(nodes), graph.ts[e])
        began = time.thread_time()
        found = surroundings(graph, nodes, cut, ts, fanout)
        seconds[i] = time.thread_time() - began
        sizes[i] = 1 + found.sizes.sum(axis=0)
    return sizes, seconds


def hubs(graph: EventGraph, fanout: Fanout, degree: IntArray) -> float:
    """Return the seconds of an event that names the busiest entity of each kind, the median of many."""
    nodes = np.array([a + int(degree[a:b].argmax()) for a, b in zip(graph.start[:-1], graph.start[1:], strict=True)])
    cut, ts = np.full(len(nodes), len(graph.ts)), np.full(len(nodes), graph.ts[-1] + 1)
    seconds = []
    for _ in range(200):
        began = time.thread_time()
        surroundings(graph, nodes, cut, ts, fanout)
        seconds.append(time.thread_time() - began)
    return float(np.median(seconds))


def vectors(graph: EventGraph, fanout: Fanout, count: int) -> float:
    """Return the seconds of one vector of a table, with layers of the usual size and random weights."""
    layers = random_layers(graph)
    keys = graph.hashes[graph.of_event[-count // len(KINDS) :]].T
    as_of = int(graph.ts[-1]) + 1
    embeddings(layers, graph, fanout, as_of, keys=keys[:, :1])
    began = time.thread_time()
    table, _ = embeddings(layers, graph, fanout, as_of, keys=keys)
    return (time.thread_time() - began) / len(table.hashes)


def component(graph: EventGraph) -> float:
    """Return the share of all nodes that the largest connected component holds."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import connected_components

    events = len(graph.ts)
    rows, kinds = np.nonzero(graph.of_event >= 0)
    entities = graph.of_event[rows, kinds] + events
    total = events + graph.nodes
    edges = csr_matrix((np.ones(len(rows), np.int8), (rows, entities)), shape=(total, total))
    return float(np.bincount(connected_components(edges, directed=False)[1]).max() / total)
