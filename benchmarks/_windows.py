"""The windows of the benchmark ``history``, computed by us and by each peer: one process, one thread, the same columns.

Run as ``python -m benchmarks._windows EVENTS ROUNDS`` in a process of its own, because Polars settles its threads when
it is imported. Every contender starts from columns in memory, in order of time, and ends with columns in memory.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

os.environ["POLARS_MAX_THREADS"] = "1"

import duckdb
import numpy as np
import pandas as pd
import polars as pl

from adjudge.history import ADVANCE, Aggregation, Histories, Layout, Measure
from adjudge.typing import AnyArray, FloatArray

MINUTE, DAY = 60_000_000, 86_400_000_000
VELOCITY = {"1m": MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "1h": 60 * MINUTE, "24h": DAY, "7d": 7 * DAY}
"""The windows of a payment system's velocity features: count, sum, mean and greatest amount."""

HABIT = {"30d": 30 * DAY}
"""The window of its customers' habits: mean and deviation."""

COLUMNS = [(op, w, us) for w, us in VELOCITY.items() for op in ("count", "sum", "mean", "max")]
COLUMNS += [(op, w, us) for w, us in HABIT.items() for op in ("mean", "std")]

DAYS, ROWS_PER_KEY = 90, 100


def events(count: int) -> dict[str, AnyArray]:
    """Return events in order of time, all times different, amounts in cents."""
    random = np.random.default_rng(1)
    ts = np.unique(random.integers(0, DAYS * DAY, count + count // 100))
    ts = np.sort(random.choice(ts, count, replace=False))
    keys = random.integers(1, max(2, count // ROWS_PER_KEY), count)
    return {"key": keys, "ts": ts, "amount": np.round(random.lognormal(3.0, 1.0, count), 2)}


@functools.cache
def matrix(rows: int, count: int) -> FloatArray:
    """Return the caller's matrix, the same in every round, as the peers' allocators keep their memory."""
    return np.zeros((rows, count))


def ours(data: dict[str, AnyArray]) -> FloatArray:
    """Fold every event once, each one included in its windows as it is with the peers."""
    n = len(data["ts"])
    asked = [Aggregation(op, 0, window_us=us, including=True) for op, _, us in COLUMNS]
    histories = Histories(Layout([Measure("amount")], asked))
    out = matrix(len(asked), n)
    kind, keys = np.full(n, ADVANCE, np.int8), data["key"].astype(np.uint64)
    histories.fold(kind, keys, data["ts"], np.arange(n), data["amount"][None], out)
    return out


def _frame(data: dict[str, AnyArray]) -> pl.DataFrame:
    return pl.DataFrame(data).with_columns(pl.col("ts").cast(pl.Datetime("us")))


def polars_groups(data: dict[str, AnyArray]) -> pl.DataFrame:
    """One rolling group-by for each window: how its guide does it."""
    frame, x = _frame(data), pl.col("amount")
    of = {"count": pl.len().cast(pl.Float64), "sum": x.sum(), "mean": x.mean(), "max": x.max(), "std": x.std()}
    parts: list[pl.DataFrame] = []
    for window in [*VELOCITY, *HABIT]:
        wanted = [of[op].alias(f"{op}_{w}") for op, w, _ in COLUMNS if w == window]
        part = frame.rolling("ts", period=window, group_by="key").agg(*wanted)
        parts.append(part.drop("key", "ts") if parts else part)
    return pl.concat(parts, how="horizontal")


def polars_expressions(data: dict[str, AnyArray]) -> pl.DataFrame:
    """One rolling expression for each column, over the key: more to write, and faster."""
    x, one = pl.col("amount"), pl.col("one")
    of: dict[str, Callable[[str], pl.Expr]] = {
        "count": lambda w: one.rolling_sum_by("ts", window_size=w),
        "sum": lambda w: x.rolling_sum_by("ts", window_size=w),
        "mean": lambda w: x.rolling_mean_by("ts", window_size=w),
        "max": lambda w: x.rolling_max_by("ts", window_size=w),
        "std": lambda w: x.rolling_std_by("ts", window_size=w),
    }
    wanted = [of[op](w).over("key").alias(f"{op}_{w}") for op, w, _ in COLUMNS]
    return _frame(data).with_columns(one=1.0).select("ts", *wanted)


def duck(data: dict[str, AnyArray]) -> dict[str, AnyArray]:
    """Window functions over RANGE frames; a frame ends with the row itself, as times are unique."""
    connection = duckdb.connect()
    connection.execute("set threads = 1")
    connection.register("events", data)
    of = {"count": "count(*)", "sum": "sum(amount)", "mean": "avg(amount)", "max": "max(amount)"}
    of["std"] = "stddev_samp(amount)"
    wanted = ", ".join(f'{of[op]} over w{w} as "{op}_{w}"' for op, w, _ in COLUMNS)
    frames = ", ".join(
        f"w{w} as (partition by key order by ts range between {us - 1} preceding and current row)"
        for w, us in [*VELOCITY.items(), *HABIT.items()]
    )
    found: dict[str, AnyArray] = connection.execute(f"select ts, {wanted} from events window {frames}").fetchnumpy()
    return found


def pandas_groups(data: dict[str, AnyArray]) -> pd.DataFrame:
    """One rolling window over groups for each column."""
    frame = pd.DataFrame({"key": data["key"], "amount": data["amount"]}, index=pd.to_datetime(data["ts"], unit="us"))
    frame.index.name = "ts"
    grouped = frame.groupby("key")["amount"]
    spelled = {w: w.replace("m", "min").replace("d", "D") for w in [*VELOCITY, *HABIT]}
    return pd.DataFrame({f"{op}_{w}": getattr(grouped.rolling(spelled[w]), op)() for op, w, _ in COLUMNS})


def in_order(found: Any) -> FloatArray:
    """Return what a contender found as a matrix like ours: a row for each column, in order of time."""
    if isinstance(found, np.ndarray):
        return found
    if isinstance(found, pd.DataFrame):
        found = found.sort_index(level="ts")
        return np.stack([found[f"{op}_{w}"].to_numpy() for op, w, _ in COLUMNS])
    if isinstance(found, pl.DataFrame):
        found = found.sort("ts")
        return np.stack([found[f"{op}_{w}"].to_numpy() for op, w, _ in COLUMNS])
    order = np.argsort(found["ts"])
    columns = [np.ma.filled(found[f"{op}_{w}"].astype(np.float64), np.nan) for op, w, _ in COLUMNS]
    return np.stack([column[order] for column in columns])


def largest_difference(a: FloatArray, b: FloatArray) -> float:
    """Return the largest relative difference; infinite where one is missing and the other is not."""
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    size = np.maximum(np.maximum(np.abs(a), np.abs(b)), np.finfo(np.float64).tiny)
    return float(np.nanmax(np.abs(a - b) / size))


CONTENDERS: dict[str, Callable[[dict[str, AnyArray]], Any]] = {
    "ours": ours,
    "polars_expressions": polars_expressions,
    "polars_groups": polars_groups,
    "duckdb": duck,
    "pandas": pandas_groups,
}


def measure(count: int, rounds: int) -> dict[str, Any]:
    """Return the best time of each contender in seconds for an event, and how far its values are from ours.

    Processor seconds: with one thread each they are what the work takes however busy the machine is. The contenders
    take turns, so that what else it does to the caches hits them alike. pandas, far slower than the
    others, gets a tenth of the events, at the same rows for each key.
    After two rounds only the two fastest go on.
    """
    for contender in CONTENDERS.values():
        contender(events(500))
    data, fewer = events(count), events(count // 10)
    best = dict.fromkeys(CONTENDERS, float("inf"))
    differences: dict[str, float] = {}
    expected: FloatArray = np.empty(0)
    for turn in range(rounds):
        for name, contender in CONTENDERS.items():
            if turn > 1 and name not in ("ours", "polars_expressions"):
                continue
            given = fewer if name == "pandas" else data
            began = time.process_time()
            found = contender(given)
            seconds = time.process_time() - began
            best[name] = min(best[name], seconds / len(given["ts"]))
            print(f"round {turn + 1}: {name}, {seconds:.2f} s", file=sys.stderr, flush=True)
            if name == "ours":
                expected = found
            elif turn == 0:
                differences[name] = largest_difference(in_order(found), ours(fewer) if name == "pandas" else expected)
    return {
        "seconds_per_event": best,
        "differences": differences,
        "polars_threads": pl.thread_pool_size(),
        "keys": len(np.unique(data["key"])),
    }


if __name__ == "__main__":
    warnings.simplefilter("error")
    print(json.dumps(measure(int(sys.argv[1]), int(sys.argv[2]))))
