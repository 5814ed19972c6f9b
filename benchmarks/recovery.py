"""`recovery`: how fast a log is folded again, and how fast a state of a million keys comes back from a snapshot."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from adjudge.engine import Plan
from adjudge.engine.encode import micros_of
from adjudge.log import Kind
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.follow import Follower
from adjudge.service.workspace import Change
from benchmarks import _orders

BATCHES = (256, 16, 1)
"""Events of one commit: what a busy service leaves behind, and what a quiet one does."""

ROWS_PER_KEY = 4
"""Rows of a key in the snapshot: a million keys are a whole country's cards, most of which are rarely used."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Fold logs of decided events with labels between them; save and load a state of many keys."""
    events, keys = (100_000, 200_000) if quick else (400_000, 1_000_000)
    rows = 36_000
    progress(f"history of {rows:,} events")
    plan, _ = _orders.ready(rows, trees=20)  # folding decides nothing, so the model plays no part
    rates = {}
    for size in BATCHES:
        count = events if size == max(BATCHES) else events // 8
        progress(f"{count:,} events in commits of {size}")
        rates[size] = _folded(plan, count, size)
    progress(f"a snapshot of {keys:,} keys")
    return {
        "entries_per_s": rates[max(BATCHES)],
        "entries_per_s_by_commit": {str(size): rate for size, rate in rates.items()},
        "label_share": 0.01,
        **_snapshot(plan, keys, progress),
    }


def _folded(plan: Plan, count: int, size: int) -> int:
    """Return how many entries a second are folded of a log that a decider wrote."""
    with tempfile.TemporaryDirectory() as folder, closing(SqliteLog(Path(folder) / "log")) as log:
        decider = Decider([plan], log, clock=lambda: micros_of(_orders.START) + 10**14)
        door = decider.workspace.door("order")
        drawn = _orders.fresh(count, 12_000_000)
        for start in range(0, count, size):
            events = [door.type(**vars(e)) for e in drawn[start : start + size]]
            decider.decide("order", events)
            if start % (100 * size) == 0:
                _label(decider, [e.order_id for e in drawn[max(0, start - 100 * size) : start : 100]])
        while log.maintain():  # what the keeper of a service does every second
            pass
        began = time.perf_counter()
        follower = Follower([plan], log, say=print)
        entries = follower.catch_up()
        took = time.perf_counter() - began
        assert follower.workspace.digest() == decider.workspace.digest()
    return round(entries / took)


def _label(decider: Decider, ids: list[str]) -> None:
    if ids:
        decider.change([Change(Kind.LABEL, "order", id_, "fraud", 1.0) for id_ in ids])


def _snapshot(plan: Plan, keys: int, progress: Callable[[str], None]) -> dict[str, Any]:
    """Return how long saving and loading a state takes, with so many keys over all of its histories."""
    with tempfile.TemporaryDirectory() as folder, closing(SqliteLog(Path(folder) / "log")) as log:
        decider = Decider([plan], log, clock=lambda: micros_of(_orders.START) + 10**14)
        rows = keys // len(plan.histories) * ROWS_PER_KEY
        table = _orders.history(rows)
        spread = np.arange(rows) % (keys // len(plan.histories))
        columns = {name: pl.Series([f"{name[0]}{i}" for i in spread]) for name in ("user", "merchant", "device")}
        decider.import_table("order", table.with_columns(**columns))
        held = sum(h.stats().keys for h in decider.workspace.systems["orders"].state.histories)
        follower = Follower([plan], log, say=print)
        follower.catch_up()
        began = time.perf_counter()
        path = follower.snapshot(Path(folder) / "snapshots")
        saved = time.perf_counter() - began
        size = sum(file.stat().st_size for file in path.iterdir())
        progress("restoring it")
        began = time.perf_counter()
        again = Follower([plan], log, Path(folder) / "snapshots", say=print)
        took = time.perf_counter() - began
        assert again.restored == len(log)
        assert again.workspace.digest() == follower.workspace.digest()
    return {
        "snapshot_keys": held,
        "snapshot_rows": rows * len(plan.histories),
        "snapshot_bytes": size,
        "snapshot_save_s": round(saved, 2),
        "snapshot_restore_s": round(took, 2),
    }
