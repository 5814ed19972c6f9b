"""A small shop whose orders go wrong where much is paid by one who was never seen: quick to train on, not too easy."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import Capacity, Costs, Event, Id, Key, Label, Money, Policy, System, Time, days, field
from adjudge.learn.source import Source
from adjudge.models import Trees

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 60


class Order(Event):
    """An order."""

    order_id: Id
    at: Time
    buyer: Key
    amount: Money = field(minimum=0)


def orders(model: Any = None) -> System:
    """Return the system; unless another model is given, trees whose settings are easily bettered."""
    buyer = Order.by("buyer")
    return System(
        name="orders",
        decides=Order,
        label=Label("fraud", delay=days(2)),
        features=[buyer.count(days(1), days(7)), buyer.mean("amount", days(7))],
        policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=5)),
        amount="amount",
        card="buyer",
        model=model or Trees(n_trees=20, depth=2, min_rows=500, threads=1),
    )


def history(n: int = 2500, seed: int = 0) -> Source:
    """Return orders of 60 days and the frauds among them, reported a day later."""
    random = np.random.default_rng(seed)
    seconds = np.sort(random.integers(0, DAYS * 86_400, n))
    amount = np.round(random.lognormal(3, 1, n), 2)
    risk = np.log(amount) + random.normal(0, 0.8, n)
    frame = pl.DataFrame(
        {
            "order_id": [f"o{i}" for i in range(n)],
            "at": [BEGIN + timedelta(seconds=int(s)) for s in seconds],
            "buyer": [f"b{i}" for i in random.integers(0, 200, n)],
            "amount": amount,
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    reported = frame.filter(pl.Series(risk > np.quantile(risk, 0.93)))
    labels = reported.select("order_id", value=pl.lit(True), known_at=pl.col("at") + timedelta(days=1))
    return Source({"order": frame}, {"fraud": labels})
