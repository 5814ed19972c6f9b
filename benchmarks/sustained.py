"""`sustained`: events in, decisions out, all of it logged, at a fixed rate for minutes on the cores of one machine.

Events arrive on a schedule that nobody waits for. Whatever has arrived when the decider is free becomes a batch; its
events are decoded from JSON, admitted, encoded, decided with reasons, and appended to a log in a file. Latency runs
from the moment an event was due until the commit that holds it is durable as the log promises.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from adjudge.engine import Plan, State
from adjudge.engine.encode import micros_of
from adjudge.log.sqlite import SqliteLog
from adjudge.service.decider import Decider
from adjudge.service.decode import EventDecoder
from adjudge.service.keeper import Keeper
from adjudge.service.server import settle
from benchmarks import _orders

LARGEST = 2_048
"""Most events of one batch."""

SWITCH_S = 0.0002
"""How long a thread may keep the interpreter while another one waits: the usual 5 ms are a quarter of a batch."""

LATEST_S = 60.0
"""A run that is this far behind its schedule has failed, and ends."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Find the rate that is kept up for the whole time, from the highest tried downwards."""
    rows, seconds = (600_000, 8) if quick else (6_000_000, 300)  # keys enough that none gets hot on the way
    rates = (60_000, 50_000, 40_000, 30_000, 20_000)
    progress(f"history of {rows:,} events, {_orders.TREES} trees")
    plan, state = _orders.ready(rows)
    settle()  # as a service does before it serves
    rate, trial = _highest(plan, state, rows, rates, 3.0, progress)
    tried = {f"{rate}": trial}
    for rate in [r for r in rates if r <= rate]:
        del state  # what an earlier run has decided must not burden the next one
        progress(f"history of {rows:,} events again")
        state = _orders.filled(plan, _orders.history(rows))
        settle()
        progress(f"{rate:,}/s for {seconds} s")
        found = _at(plan, state, rows, rate, seconds, progress)
        tried[f"{rate}"] = found
        if found["per_s"] >= 0.99 * rate and found["p99_ms"] < 100:
            break
    windows = [f for f in plan.features.values() if hasattr(f, "aggregation")]
    size = {"windows": len(windows), "trees": _orders.TREES, "rules": len(plan.rules), "reasons": True}
    return {**found, "seconds": seconds, "rate": rate, **size, "tried": tried}


def _highest(
    plan: Plan, state: State, rows: int, rates: tuple[int, ...], seconds: float, progress: Callable[[str], None]
) -> tuple[int, dict[str, Any]]:
    """Return the highest rate that is kept up for a few seconds."""
    for rate in rates:
        found = _at(plan, state, rows, rate, seconds, progress)
        if found["per_s"] >= 0.97 * rate:
            break
    return rate, found


def _at(
    plan: Plan, state: State, rows: int, rate: int, seconds: float, progress: Callable[[str], None]
) -> dict[str, Any]:
    """Return the rate and the latencies of one run."""
    count = int(rate * seconds)
    before = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_S)
    with tempfile.TemporaryDirectory() as folder, closing(SqliteLog(Path(folder) / "log")) as log:
        decider = Decider([plan], log, clock=lambda: micros_of(_orders.START) + 10**14)
        decider.workspace.systems["orders"].state = state
        keeper = Keeper(decider)
        keeper.start()
        try:
            waits, batches, took, cpu = _drive(decider, Bodies(rows), rate, count, progress)
        finally:
            keeper.stop()
            sys.setswitchinterval(before)
        stored = sum(path.stat().st_size for path in Path(folder).iterdir()) / len(waits)
    p50, p99, p999 = np.percentile(waits, (50, 99, 99.9)).tolist()
    return {
        "per_s": round(len(waits) / took),
        "p50_ms": round(p50 * 1e3, 2),
        "p99_ms": round(p99 * 1e3, 2),
        "p999_ms": round(p999 * 1e3, 2),
        "decided": len(waits),
        "batch_mean": round(len(waits) / batches),
        "cores": round(cpu / took, 2),
        "bytes_per_decision": round(stored),
    }


def _drive(
    decider: Decider, bodies: Bodies, rate: int, count: int, progress: Callable[[str], None]
) -> tuple[np.ndarray, int, float, float]:
    """Return how long each event waited, the number of batches, and the seconds and processor seconds that it took."""
    door = decider.workspace.door("order")
    dues: list[tuple[int, int]] = []
    started = time.perf_counter() + 0.2

    def arriving() -> Iterator[list[Any]]:
        done = 0
        while done < count:
            due = min(count, int((time.perf_counter() - started) * rate))
            if due <= done:
                time.sleep(max(0.0, started + (done + 1) / rate - time.perf_counter()))
                continue
            stop = min(due, done + LARGEST)
            dues.append((done, stop))
            yield door.many(bodies.array(done, stop), None).events
            done = stop

    waits = np.empty(count)
    cpu, done, told = time.process_time(), 0, 0.0
    for n, verdicts in enumerate(decider.decide_all("order", arriving())):
        now = time.perf_counter() - started
        first, stop = dues[n]
        waits[first:stop] = now - np.arange(first, stop) / rate
        assert len(verdicts) == stop - first
        assert verdicts[0].error is None
        done = stop
        if now - first / rate > LATEST_S:
            break
        if now > told + 10:
            told = now
            progress(f"{now:.0f} s, {done:,} decided, {1e3 * (now - first / rate):.1f} ms behind")
    return waits[:done], len(dues), time.perf_counter() - started, time.process_time() - cpu


class Bodies:
    """Events as JSON on their way in: no two alike, none made while time is taken."""

    def __init__(self, rows: int) -> None:
        door = EventDecoder(_orders.Order.schema())
        drawn = [door.encode(door.type(**vars(e))) for e in _orders.fresh(200_000, rows)]
        self._rest = [body[body.index(b',"at"') :] for body in drawn]

    def array(self, first: int, stop: int) -> bytes:
        """Return the events of some places as one array."""
        rest, n = self._rest, len(self._rest)
        return b"[" + b",".join([b'{"order_id":"s%d"%b' % (i, rest[i % n]) for i in range(first, stop)]) + b"]"
