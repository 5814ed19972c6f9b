"""`log`: what keeping a decision costs: recording, packing, chaining, appending, finding its id among millions."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.engine import Plan, State
from adjudge.engine.hashing import TEXT_TAG, hash_texts
from adjudge.log.protocol import Durability
from adjudge.log.sqlite import SqliteLog
from adjudge.service.blocks import block_of
from adjudge.service.decode import EventDecoder
from adjudge.service.index import Ids
from adjudge.service.record import Recorder
from adjudge.service.workspace import Prepared
from adjudge.service.writer import Writer
from benchmarks import _orders, http

BATCH = 256
WINDOWS = 56
"""Window features of the system: with amount, method and two derived ones it has 60 features."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Append decisions in batches and one by one, in both durabilities, with 10 million ids known."""
    rows, known = 36_000, 1_000_000 if quick else 10_000_000
    together, alone, synced = (51_200, 3_000, 200) if quick else (409_600, 20_000, 1_000)
    progress(f"history of {rows:,} events, {known:,} known ids")
    plan, state = _orders.ready(rows, WINDOWS, trees=20)  # what scores a decision is no part of keeping it
    secret = plan.stream(plan.decides).encoder.secret
    ids = Ids(secret)
    for first in range(0, known, 1_000_000):
        ids.add([f"known{i}" for i in range(first, min(known, first + 1_000_000))], first)
    found: dict[str, Any] = {"features": len(Recorder(plan).names), "ids_known": known}
    progress(f"batches of {BATCH}")
    found["us_per_decision_appended"], found["bytes_per_decision"] = _appended(plan, state, ids, together, BATCH)
    progress("one by one")
    found["us_batch_of_one"], found["bytes_alone"] = _appended(plan, state, ids, alone, 1)
    progress("fsync")
    found["us_fsync_batch"] = BATCH * _appended(plan, state, ids, synced * BATCH // 8, BATCH, "fsync")[0]
    found["us_fsync_batch_of_one"] = _appended(plan, state, ids, synced, 1, "fsync")[0]
    return {**found, **http.with_and_without_log(quick=quick, progress=progress)}


def _appended(
    plan: Plan, state: State, ids: Ids, count: int, size: int, durability: Durability = "process"
) -> tuple[float, float]:
    """Return microseconds per decision for what the log adds, the median over batches, and its bytes in the file."""
    door = EventDecoder(plan.schema(plan.decides))
    recorder, width = Recorder(plan), plan.stream(plan.decides).encoder.width
    events = [door.type(**vars(e)) for e in _orders.fresh(BATCH * 8, 36_000)]
    batches = [events[i : i + size] for i in range(0, len(events), size)]
    made = []
    for part in batches:
        batch = plan.encode(plan.decides, part, np.arange(len(part)))
        made.append((batch, plan.step(state, batch, append=False)))
    spent = []
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteLog(Path(folder) / "log", durability=durability)) as log,
    ):
        writer = Writer(log, clock=lambda: 1, timer=time.monotonic, holder="benchmark")
        for n in range(count // size):
            part, (batch, decisions) = batches[n % len(batches)], made[n % len(batches)]
            assert decisions is not None
            names = [f"{n}-{durability}-{size}-{id_}" for id_ in batch.ids]
            hashes = hash_texts(plan.stream(plan.decides).encoder.secret, TEXT_TAG, names)  # a part of encoding
            began = time.perf_counter()
            assert (ids.find(names) < 0).all()
            positions = range(writer.position, writer.position + len(part))
            recorded = recorder.record(decisions, [1.0] * len(part), positions)
            prepared = Prepared(plan.decides, names, positions.start, batch.matrix[:width], [])
            writer.append([block_of(door, prepared, [door.encode(event) for event in part], {"orders": recorded})], 1)
            ids.add(names, positions.start, hashes)
            spent.append((time.perf_counter() - began) / size)
            if n % 64 == 63:
                log.maintain()
        log.maintain()
        stored = sum(path.stat().st_size for path in Path(folder).iterdir()) / (count // size * size)
    return round(float(np.median(spent)) * 1e6, 2), round(stored, 1)
