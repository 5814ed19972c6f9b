"""What growth costs: an event at 20 million events beside one at 1 million, a key of a million beside a light one."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from adjudge.engine import Plan, State, compile
from adjudge.history import ADVANCE, Aggregation, Histories, Layout, Measure
from adjudge.typing import AnyArray
from benchmarks import _orders

DAY_US = 86_400_000_000
DAYS, ROWS_PER_KEY = 90, 100
WINDOWS = (300_000_000, 3_600_000_000, DAY_US, 7 * DAY_US, 30 * DAY_US)
BATCH = 4096
HOT, LIGHT = "hot", "light"


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure both, the first on histories alone, where nothing else dilutes it, the second on whole decisions.

    Parameters
    ----------
    quick
        0.5 and 5 million events in place of 1 and 20, and a key of 200,000 in place of a million.
    progress
        Where to say what is being done.
    """
    small, large = (500_000, 5_000_000) if quick else (1_000_000, 20_000_000)
    progress("histories, warming up")
    fold_all(50_000)
    progress(f"histories of {small:,} events, {ROWS_PER_KEY} for each key")
    before = [fold_all(small)[0] for _ in range(2)]
    progress(f"histories of {large:,} events, {ROWS_PER_KEY} for each key")
    at_large, held = fold_all(large)
    progress(f"histories of {small:,} events once more")
    at_small = min([*before, *(fold_all(small)[0] for _ in range(2))])
    light = light_key_bytes()
    events = 200_000 if quick else 1_000_000
    progress(f"whole decisions on a key of {events:,} events and on one of {ROWS_PER_KEY}")
    hot, single = hot_and_light(events, 400 if quick else 2_000)
    return {
        "small_events": small,
        "large_events": large,
        "ratio_cost_20m_over_1m": round(at_large / at_small, 2),
        "ratio_is_of": f"{large:,} events over {small:,}",
        "ns_per_event_small": round(at_small * 1e9),
        "ns_per_event_large": round(at_large * 1e9),
        "large_keys": held.stats().keys,
        "large_bytes_per_key": round(held.stats().bytes / held.stats().keys),
        "ratio_hot_key_over_light": round(hot / single, 2),
        "hot_key_events": events,
        "hot_us": round(hot * 1e6, 1),
        "light_us": round(single * 1e6, 1),
        "bytes_per_light_key": light,
        "light_key_rows": ROWS_PER_KEY,
    }


def layout() -> Layout:
    """Return one measure with count, sum, mean and deviation over five windows."""
    ops = (("count", None), ("sum", 0), ("mean", 0), ("std", 0))
    return Layout([Measure("amount")], [Aggregation(op, m, window_us=w) for w in WINDOWS for op, m in ops])


def fold_all(count: int) -> tuple[float, Histories]:
    """Return the processor seconds for an event of folding so many, keys in proportion, and what is then held."""
    random = np.random.default_rng(3)
    ts = np.sort(random.integers(0, DAYS * DAY_US, count))
    keys = random.integers(1, count // ROWS_PER_KEY + 1, count).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    amount: AnyArray = np.round(random.lognormal(3.0, 1.0, (1, count)), 2)
    seq, kind = np.arange(count), np.full(count, ADVANCE, np.int8)
    histories = Histories(layout())
    out = np.zeros((histories.layout.width, BATCH))
    seconds = 0.0
    for start in range(0, count, BATCH):
        part = slice(start, start + BATCH)
        values = np.ascontiguousarray(amount[:, part])
        began = time.thread_time()
        histories.fold(kind[part], keys[part], ts[part], seq[part], values, out)
        seconds += time.thread_time() - began
    return seconds / count, histories


def light_key_bytes() -> int:
    """Return the memory of one key with a hundred rows of one measure, its place in the table included."""
    keys = np.repeat(np.arange(1, 3001, dtype=np.uint64), ROWS_PER_KEY)
    n = len(keys)
    histories = Histories(layout())
    ts = np.tile(np.arange(ROWS_PER_KEY), 3000) * (30 * DAY_US // ROWS_PER_KEY)
    kind, out = np.full(n, ADVANCE, np.int8), np.empty((histories.layout.width, n))
    histories.fold(kind, keys, ts, np.arange(n), np.ones((1, n)), out)
    return round(histories.stats().bytes / 3000)


def hot_and_light(events: int, rounds: int) -> tuple[float, float]:
    """Return the median seconds of a decision on the hot key and on a light one, taking turns."""
    plan, state = prepared(events)
    seconds: dict[str, list[float]] = {HOT: [], LIGHT: []}
    for i in range(rounds):
        for name, found in seconds.items():
            event = order(name, i)
            began = time.perf_counter()
            batch = plan.encode("order", [event], np.array([2 * events + i]))
            decisions = plan.step(state, batch, append=False)
            assert decisions is not None
            assert decisions[0].id
            found.append(time.perf_counter() - began)
    return float(np.median(seconds[HOT])), float(np.median(seconds[LIGHT]))


def prepared(events: int) -> tuple[Plan, State]:
    """Return the orders system and a state in which one user, merchant and device have had so many events."""
    plan = compile(_orders.system())
    state = plan.start()
    light = np.linspace(0, events - 1, ROWS_PER_KEY).astype(np.int64)
    table = _orders.history(events)
    name = np.full(events, HOT, dtype=object)
    name[light] = LIGHT
    named = {column: pl.Series(name.tolist(), dtype=pl.String) for column in ("user", "merchant", "device")}
    plan.insert(state, plan.encode_frame("order", table.with_columns(**named), np.arange(events)))
    return plan, state


def order(name: str, i: int) -> SimpleNamespace:
    """Return a fresh order of one user, merchant and device, after all others."""
    template = _orders.fresh(1, _orders.HISTORY_ROWS)[0]
    changed = vars(template) | {"order_id": f"{name}{i}", "user": name, "merchant": name, "device": name}
    return SimpleNamespace(**changed)
