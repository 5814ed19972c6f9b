"""Refreshing a graph net: what the vectors of all entities cost, what is cut away, how large the bundle is.

The net was drawn and never trained, for time and size do not depend on its weights. Payments are of users with two
cards and three devices each, some of them shared, one in twenty on a hub that thousands share; half of the users come
and go within a month, and one in a hundred pays as often as ten others.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.models import ModelScorer, load, save
from adjudge.models.graph import EventGraph, Fanout, Sizes
from adjudge.models.graph.refresh import merged, trimmed
from adjudge.models.graph.served import SageModel
from adjudge.models.graph.table import Embeddings
from adjudge.typing import HashArray
from benchmarks._sage import random_layers

DAY_US = 86_400_000_000

KINDS = ("user", "card", "device", "address", "ip")

COLUMNS = 20
"""Numbers that an event brings along."""

EVENTS, DAYS = {True: 60_000, False: 1_000_000}, 92

HUB_SHARE, HUBS = 0.05, 20

LATENESS_US = 7 * DAY_US

QUEUE = 10_000
"""Events that are decided, with the vectors and without."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Refresh a graph of 92 days, then one with a day more, and decide with it.

    Parameters
    ----------
    quick
        60,000 payments in place of a million.
    progress
        Where to say what is being done.
    """
    events = EVENTS[quick]
    progress(f"{events:,} payments")
    whole = payments(events)
    as_of = DAYS * DAY_US
    day = whole.take(whole.ts >= as_of - DAY_US)
    progress("merge a day, and cut away")
    began = time.process_time()
    again = merged(whole, day, np.empty(0, np.uint64))
    merging = time.process_time() - began
    began = time.process_time()
    short = trimmed(again, as_of, LATENESS_US)
    trimming = time.process_time() - began
    progress("vectors")
    net = random_layers(short)
    model = SageModel(net, short, "at", Fanout(), Embeddings.empty(net), DAY_US)
    model.rescheduled(as_of, keys=short.keys[:, :10])  # compiled, or read from the cache
    began = time.process_time()
    fresh = model.rescheduled(as_of)
    vectors = time.process_time() - began
    progress("save and load")
    scorer = ModelScorer(fresh, top=0)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        size = sum(path.stat().st_size for path in save(scorer, Path(folder)))
        saving = time.process_time() - began
        began = time.process_time()
        load(Path(folder), bytes(16))
        loading = time.process_time() - began
    return {
        "events": events,
        "entities": len(fresh.table.hashes),
        "columns": COLUMNS,
        "kept_events": len(short.ts),
        "kept_share": round(len(short.ts) / len(again.ts), 4),
        "merge_s": round(merging, 2),
        "cut_s": round(trimming, 2),
        "vectors_s": round(vectors, 2),
        "us_per_vector": round(1e6 * vectors / len(fresh.table.hashes), 1),
        "save_s": round(saving, 2),
        "load_s": round(loading, 2),
        "size_mb": round(size / 1e6, 1),
        **decided(fresh, whole),
        "clock": "processor time",
    }


def decided(model: SageModel, whole: EventGraph) -> dict[str, Any]:
    """Return the microseconds of an event with the vectors and without, and what surrounds it."""
    rows = np.arange(len(whole.ts) - QUEUE, len(whole.ts))
    slots = np.concatenate(
        [whole.x[rows].T, whole.keys[:, rows].view(np.float64), np.full((1, QUEUE), float(model.table.as_of))]
    )
    slots, places = np.ascontiguousarray(slots), np.arange(len(model.names))
    without = replace(model, table=Embeddings.empty(model.layers), refresh_us=0)
    found = {}
    for name, one in (("us_from_the_table", model), ("us_computed", without)):
        one.raw(slots[:, :10].copy(), places, 5)
        began = time.process_time()
        one.raw(slots, places, 5)
        found[name] = round(1e6 * (time.process_time() - began) / QUEUE, 1)
    counted, sizes = Sizes(model.fanout), without.sizes(slots, places)
    counted.add(sizes[:, 0], sizes[:, 1])
    report = counted.report()
    return found | {"neighbourhood": {f: getattr(report, f) for f in report.__struct_fields__}}


def payments(count: int) -> EventGraph:
    """Draw payments."""
    random = np.random.default_rng(1)
    users = max(count // 10, 10)
    ts = np.sort(random.integers(0, DAYS * DAY_US, count))
    user = random.integers(0, users, count)
    user = np.where(random.random(count) < 0.1, random.integers(0, max(users // 100, 1), count), user)
    brief = user % 2 == 1
    born = (user * 2_654_435_761 % (DAYS - 30)) * DAY_US  # half of them are there for thirty days
    ts = np.where(brief, born + ts % (30 * DAY_US), ts)
    order = np.argsort(ts, kind="stable")
    user, ts = user[order], ts[order]
    device = np.where(random.random(count) < HUB_SHARE, random.integers(0, HUBS, count), 100 + 3 * (user // 2))
    device = device + random.integers(0, 3, count)
    columns = (user, 2 * user + random.integers(0, 2, count), device, user // 2, user // 3)
    keys: HashArray = (np.stack(columns).astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    keys[2, random.random(count) < 0.2] = 0
    label = (random.random(count) < 0.005).astype(np.float64)
    x = random.normal(size=(count, COLUMNS)).astype(np.float32)
    names = [f"x{f}" for f in range(COLUMNS)]
    ids = np.arange(1, count + 1, dtype=np.uint64)
    return EventGraph.build(KINDS, keys, ts, x=x, names=names, labels=(label, ts + 7 * DAY_US), ids=ids)
