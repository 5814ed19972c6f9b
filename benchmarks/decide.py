"""Whole decisions in process: fresh events on keys of 100 rows and more, alone and in batches, reasons included."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from adjudge.engine import Decision, Decisions, Plan, State
from adjudge.typing import FloatArray
from benchmarks import _orders

BATCH = 256
STAGES = ("encode", "histories", "expressions", "model", "policy", "objects")


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure batches of one and of 256; every decision is made into an object with all its reasons."""
    rows = 36_000 if quick else 600_000
    alone, together = (2_000, 12_800) if quick else (20_000, 102_400)
    progress(f"history of {rows:,} events, 500 trees")
    plan, state = _orders.ready(rows)
    events = _orders.fresh(alone + together + BATCH, rows)
    batches(plan, state, events[-BATCH:], rows, 1)  # compiles what is not compiled yet
    batches(plan, state, events[-BATCH:], rows, BATCH)
    progress("one by one")
    single, made = batches(plan, state, events[:alone], rows, 1)
    progress(f"in batches of {BATCH}")
    batched, _ = batches(plan, state, events[alone : alone + together], rows + alone, BATCH)
    windows = [f for f in plan.features.values() if hasattr(f, "aggregation")]
    return {
        "p50_us": round(float(np.percentile(single, 50)) * 1e6, 1),
        "p99_us": round(float(np.percentile(single, 99)) * 1e6, 1),
        "batched_per_s": round(together / batched.sum()),
        "batched_p50_us": round(float(np.percentile(batched, 50)) / BATCH * 1e6, 1),
        "windows": len(windows),
        "trees": _orders.TREES,
        "rules": len(plan.rules),
        "reasons": all(d.reasons for d in made[-100:]),
        "slots": len(plan.slots),
        "stages_us": _stages(plan, state, events[-BATCH:], rows),
        "rows_per_key": _orders.HISTORY_ROWS,
    }


def batches(plan: Plan, state: State, events: list[Any], seq: int, size: int) -> tuple[FloatArray, list[Decision]]:
    """Return the seconds that each batch took, and the last decisions."""
    seconds: list[float] = []
    made: list[Decision] = []
    for start in range(0, len(events), size):
        part = events[start : start + size]
        began = time.perf_counter()
        batch = plan.encode("order", part, np.arange(seq + start, seq + start + len(part)))
        decisions = plan.step(state, batch)
        assert decisions is not None
        made = list(decisions) if size > 1 else [*made[-100:], decisions[0]]
        seconds.append(time.perf_counter() - began)
    return np.array(seconds), made


def _stages(plan: Plan, state: State, events: list[Any], seq: int) -> dict[str, dict[str, float]]:
    """Return where the time of a decision goes, alone and in a batch: microseconds an event."""
    from adjudge.engine.fold import fold_batch

    found: dict[str, dict[str, float]] = {}
    for size in (1, BATCH):
        times: dict[str, list[float]] = {name: [] for name in STAGES}
        for start in range(0, len(events), size):
            part = events[start : start + size]
            marks = [time.perf_counter()]
            batch = plan.encode("order", part, np.arange(seq, seq + len(part)))
            marks.append(time.perf_counter())
            fold_batch(plan, state, batch, append=False)
            marks.append(time.perf_counter())
            plan.program.run(batch.matrix)
            marks.append(time.perf_counter())
            assert plan.scorer is not None
            scores = plan.scorer.score(batch.matrix, plan.scorer_rows)
            marks.append(time.perf_counter())
            combined = plan.combine.run(batch.matrix, scores.p)
            marks.append(time.perf_counter())
            list(Decisions(plan, batch, batch.matrix, scores, combined, np.zeros((1, len(part)), np.uint8)))
            marks.append(time.perf_counter())
            for name, seconds in zip(times, np.diff(marks), strict=True):
                times[name].append(seconds / len(part) * 1e6)
        found["alone" if size == 1 else "batched"] = {n: round(float(np.median(t)), 2) for n, t in times.items()}
    return found
