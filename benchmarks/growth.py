"""What growth costs: a decision at 20 million events beside one at 1 million, a key of a million beside a light one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from adjudge.engine import Plan, State, compile
from adjudge.engine.encode import micros_of
from adjudge.engine.fold import fold_batch
from adjudge.history import ADVANCE, Aggregation, Histories, Layout, Measure
from benchmarks import _orders

DAY_US = 86_400_000_000
DAYS, ROWS_PER_KEY = 30, 100
CHUNK = 500_000
BATCH = 256
KEYS = ("user", "merchant", "device")
HOT, LIGHT = "hot", "light"


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure both on whole decisions of the orders system (50 windows, 50 rules, no model).

    Parameters
    ----------
    quick
        0.5 and 5 million events in place of 1 and 20, and a key of 200,000 in place of a million.
    progress
        Where to say what is being done.
    """
    small, large = (500_000, 5_000_000) if quick else (1_000_000, 20_000_000)
    plan = compile(_orders.system())
    states = {}
    for count in (small, large):
        progress(f"{count:,} events, {ROWS_PER_KEY} for each user, merchant and device")
        states[count] = filled(plan, count)
    progress("decisions on both, taking turns")
    whole, folds = decision_costs(plan, states, 40 if quick else 200)
    kept = [histories.stats() for histories in states[large].histories]
    del states
    events = 200_000 if quick else 1_000_000
    progress(f"decisions on a key of {events:,} events and on one of {ROWS_PER_KEY}")
    hot, single = hot_and_light(plan, events, 400 if quick else 2_000)
    return {
        "small_events": small,
        "large_events": large,
        "ratio_cost_20m_over_1m": round(whole[large] / whole[small], 2),
        "ratio_is_of": f"whole decisions in batches of {BATCH}, {large:,} events over {small:,}",
        "ratio_histories_alone": round(folds[large] / folds[small], 2),
        "us_per_decision_small": round(whole[small] * 1e6, 2),
        "us_per_decision_large": round(whole[large] * 1e6, 2),
        "us_of_histories_small": round(folds[small] * 1e6, 2),
        "us_of_histories_large": round(folds[large] * 1e6, 2),
        "large_keys": sum(stats.keys for stats in kept),
        "large_bytes_per_key": round(sum(stats.bytes for stats in kept) / sum(stats.keys for stats in kept)),
        "ratio_hot_key_over_light": round(hot / single, 2),
        "hot_key_events": events,
        "hot_us": round(hot * 1e6, 1),
        "light_us": round(single * 1e6, 1),
        "bytes_per_light_key": light_key_bytes(),
        "light_key_rows": ROWS_PER_KEY,
    }


def orders(count: int) -> Iterator[pl.DataFrame]:
    """Yield so many orders in order of time, in chunks; keys are in proportion, each as busy as any other."""
    draw = np.random.default_rng(5)
    for start in range(0, count, CHUNK):
        n = min(CHUNK, count - start)
        at = (start + np.arange(n)) * (DAYS * DAY_US // count) + micros_of(_orders.START)
        names = {key: draw.integers(count // ROWS_PER_KEY, size=n) for key in KEYS}
        yield pl.DataFrame(
            {
                "order_id": pl.int_range(start, start + n, eager=True).cast(pl.String),
                "at": pl.Series(at, dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
                **{key: pl.Series(numbers).cast(pl.String) for key, numbers in names.items()},
                "amount": np.round(np.exp(draw.normal(3.5, 1.0, n)), 2),
                "method": pl.Series(["card"], dtype=pl.String).new_from_index(0, n),
            }
        )


def filled(plan: Plan, count: int) -> State:
    """Return a state that so many orders have gone through."""
    state = plan.start()
    done = 0
    for frame in orders(count):
        plan.insert(state, plan.encode_frame("order", frame, np.arange(done, done + len(frame))))
        done += len(frame)
    return state


def decision_costs(plan: Plan, states: dict[int, State], rounds: int) -> tuple[dict[int, float], dict[int, float]]:
    """Return the median seconds of a decision, and of its histories, for each state; fresh orders on known keys."""
    draw = np.random.default_rng(6)
    whole: dict[int, list[float]] = {count: [] for count in states}
    folds: dict[int, list[float]] = {count: [] for count in states}
    for turn in range(rounds):
        for count, state in states.items():
            found = [fresh(f"f{turn}-{i}", draw.integers(count // ROWS_PER_KEY, size=3)) for i in range(BATCH)]
            seqs = np.arange(BATCH) + count + turn * BATCH
            asked = plan.encode("order", found, seqs)
            began = time.perf_counter()
            fold_batch(plan, state, asked, append=False)
            folds[count].append((time.perf_counter() - began) / BATCH)
            # Other keys, so that their rows are not in the cache already.
            found = [fresh(f"g{turn}-{i}", draw.integers(count // ROWS_PER_KEY, size=3)) for i in range(BATCH)]
            began = time.perf_counter()
            decisions = plan.step(state, plan.encode("order", found, seqs))
            assert decisions is not None
            list(decisions)
            whole[count].append((time.perf_counter() - began) / BATCH)
    median = {count: float(np.median(seconds)) for count, seconds in whole.items()}
    return median, {count: float(np.median(seconds)) for count, seconds in folds.items()}


def fresh(name: str, keys: Any) -> SimpleNamespace:
    """Return an order after all others."""
    template = _orders.fresh(1, _orders.HISTORY_ROWS)[0]
    named = {key: str(number) for key, number in zip(KEYS, keys, strict=True)}
    return SimpleNamespace(**(vars(template) | {"order_id": name} | named))


def light_key_bytes() -> int:
    """Return the memory of one key with a hundred rows of one measure, its place in the table included."""
    asked = [Aggregation(op, 0, window_us=DAYS * DAY_US) for op in ("count", "sum", "mean", "std")]
    histories = Histories(Layout([Measure("amount")], asked))
    keys = np.repeat(np.arange(1, 3001, dtype=np.uint64), ROWS_PER_KEY)
    n = len(keys)
    ts = np.tile(np.arange(ROWS_PER_KEY), 3000) * (DAYS * DAY_US // ROWS_PER_KEY)
    kind, out = np.full(n, ADVANCE, np.int8), np.empty((histories.layout.width, n))
    histories.fold(kind, keys, ts, np.arange(n), np.ones((1, n)), out)
    return round(histories.stats().bytes / 3000)


def hot_and_light(plan: Plan, events: int, rounds: int) -> tuple[float, float]:
    """Return the median seconds of a decision alone on hot keys and on light ones, taking turns."""
    state = plan.start()
    light = np.linspace(0, events - 1, ROWS_PER_KEY).astype(np.int64)
    done = 0
    for frame in orders(events):
        place = np.arange(done, done + len(frame))
        names = pl.Series(np.where(np.isin(place, light), LIGHT, HOT).tolist(), dtype=pl.String)
        plan.insert(state, plan.encode_frame("order", frame.with_columns(**dict.fromkeys(KEYS, names)), place))
        done += len(frame)
    seconds: dict[str, list[float]] = {HOT: [], LIGHT: []}
    for i in range(rounds):
        for name, found in seconds.items():
            event = fresh(f"{name}{i}", [name] * 3)
            began = time.perf_counter()
            decisions = plan.step(state, plan.encode("order", [event], np.array([events + i])))
            assert decisions is not None
            assert decisions[0].id
            found.append(time.perf_counter() - began)
    return float(np.median(seconds[HOT])), float(np.median(seconds[LIGHT]))
