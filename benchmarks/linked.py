"""What linked entities cost: folding an event with them beside folding it without, and a device that is a full hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import Event, Id, Key, Label, System, Time, days
from adjudge.define.feature import Features
from adjudge.engine import Batch, Plan, compile
from adjudge.engine.fold import fold_batch
from adjudge.history import INSERT, SCAN, Aggregation, Histories, Layout, Measure

DAY_US = 86_400_000_000
CAPACITY, FAN_OUT = 512, 64
HUBS, HUB_SHARE = 20, 0.05


class Payment(Event):
    """A payment, with nothing but who and where."""

    payment_id: Id
    at: Time
    user: Key
    device: Key


user, device = Payment.by("user"), Payment.by("device")
sharing = device.linked("user")

ASKED: dict[str, Sequence[Features]] = {
    "plain": [user.count(days(30)), device.count(days(30))],
    "count": [sharing.count(days(30))],
    "count_known": [sharing.count(days(30)), sharing.known("fraud", days(30))],
}
"""What is asked, beside the plain windows where it is not them."""


def run(*, quick: bool, progress: Callable[[str], None]) -> dict[str, Any]:
    """Measure the fold of payments over 90 days, in batches of 1 and of 1,000, and a question about a full hub.

    Parameters
    ----------
    quick
        30,000 payments and three rounds in place of 200,000 and five; a tenth of them one by one.
    progress
        Where to say what is being done.
    """
    count, rounds = (30_000, 3) if quick else (200_000, 5)
    frame = payments(count)
    costs: dict[str, float] = {}
    for batch in (1_000, 1):
        part = frame if batch > 1 else frame.head(count // 10)
        taken: dict[str, list[float]] = {name: [] for name in ASKED}
        for k in range(rounds):
            progress(f"{part.height:,} payments in batches of {batch:,}, round {k + 1} of {rounds}")
            for name, asked in ASKED.items():
                taken[name].append(seconds(plan_of([*ASKED["plain"], *asked]), part, batch) / part.height)
        for name in ASKED:
            costs[f"us_{name}_batches_of_{batch}"] = round(min(taken[name]) * 1e6, 2)
    progress(f"a device with {CAPACITY} users, each with {CAPACITY} payments of which none is known to be fraud")
    hub = hub_costs(200 if quick else 2_000)
    return {
        "events": count,
        **costs,
        "us_added_count_batches_of_1000": round(
            costs["us_count_batches_of_1000"] - costs["us_plain_batches_of_1000"], 2
        ),
        "us_added_count_known_batches_of_1000": round(
            costs["us_count_known_batches_of_1000"] - costs["us_plain_batches_of_1000"], 2
        ),
        "us_full_hub_count": round(hub["linked_count"] * 1e6, 2),
        "us_full_hub_known": round(hub["linked_known"] * 1e6, 2),
        "fan_out": FAN_OUT,
        "hub_share": HUB_SHARE,
        "clock": "processor time of the fold alone, the best of the rounds; kernels compiled before",
    }


def payments(count: int) -> pl.DataFrame:
    """Draw payments of users with two devices each, one shared by three users; some on hubs, shared by thousands."""
    random = np.random.default_rng(1)
    users = random.integers(0, count // 5, count)
    devices = users // 3 * 2 + random.integers(0, 2, count)
    devices = np.where(random.random(count) < HUB_SHARE, -1 - random.integers(0, HUBS, count), devices)
    at = pl.Series(np.sort(random.integers(0, 90 * DAY_US, count))).cast(pl.Datetime("us", "UTC"))
    names = {"payment_id": range(count), "user": users, "device": devices}
    return pl.DataFrame({"at": at, **{name: pl.Series(values).cast(pl.String) for name, values in names.items()}})


def plan_of(asked: Sequence[Features]) -> Plan:
    """Compile a system that asks some features."""
    return compile(System("linked", Payment, label=Label("fraud", delay=days(7)), features=asked))


def seconds(plan: Plan, frame: pl.DataFrame, size: int) -> float:
    """Return the processor time of folding payments in batches."""
    n = frame.height
    whole = plan.encode_frame("payment", frame, np.arange(n))
    pieces = [
        Batch(
            whole.stream, (), whole.ts[i : i + size], whole.seq[i : i + size],
            np.ascontiguousarray(whole.matrix[:, i : i + size]), np.ascontiguousarray(whole.keys[:, i : i + size]),
        )
        for i in range(0, n, size)
    ]  # fmt: skip
    state = plan.start()
    began = time.process_time()
    for piece in pieces:
        fold_batch(plan, state, piece, append=True)
    return time.process_time() - began


def hub_costs(questions: int) -> dict[str, float]:
    """Return the processor time of one question about a device where all that is looked at is full."""
    costs = {}
    for op, other in (("linked_count", None), ("linked_known", 1)):
        asked = Aggregation(op, 0, other, window_us=30 * DAY_US, parameter=float(FAN_OUT))
        layout = Layout([Measure("user", "hash"), Measure("fraud", "label")], [asked], capacity=CAPACITY)
        histories = Histories(layout)
        n = CAPACITY * CAPACITY
        others = np.repeat(np.arange(1, CAPACITY + 1), CAPACITY)
        values = np.full((2, n), np.nan)
        values[0] = np.zeros(n)
        entries = np.full(n, INSERT, np.int8), others.astype(np.uint64), np.arange(n), np.arange(n), values
        histories.fold(*entries, np.empty((1, n)))
        first = np.arange(1, CAPACITY + 1)
        values = np.full((2, CAPACITY), np.nan)
        values[0] = first.view(np.float64)
        shared = np.full(CAPACITY, 1 << 40, np.uint64)
        histories.fold(
            np.full(CAPACITY, INSERT, np.int8), shared, np.arange(CAPACITY), n + first, values, np.empty((1, CAPACITY))
        )
        kinds, keys = np.full(questions, SCAN, np.int8), np.full(questions, 1 << 40, np.uint64)
        ts, values, out = np.full(questions, n), np.zeros((2, questions)), np.empty((1, questions))
        histories.fold(kinds, keys, ts, ts + n, values, out)
        began = time.process_time()
        histories.fold(kinds, keys, ts, ts + n, values, out)
        costs[op] = (time.process_time() - began) / questions
    return costs
