"""A made-up system of the size that the decision benchmarks ask for: 50 window features, 500 trees, 50 rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl

from adjudge.define import (
    Category,
    Event,
    Id,
    Key,
    Label,
    Money,
    Policy,
    Rule,
    Rules,
    System,
    Time,
    days,
    feature,
    field,
    hours,
    minutes,
)
from adjudge.engine import Decisions, Plan, State, compile
from adjudge.engine.encode import micros_of
from adjudge.engine.scorer import Scorer
from adjudge.models.trees import Trees
from adjudge.typing import FloatArray

START = datetime(2026, 1, 1, tzinfo=UTC)
SIX = (minutes(5), minutes(15), hours(1), hours(24), days(7), days(30))
TREES = 500
DEPTH = 6
RULES = 50
WINDOWS = 50
HISTORY_ROWS = 120
"""Rows of every key before anything is measured."""


class Order(Event):
    """An order with a payment."""

    order_id: Id
    at: Time
    user: Key
    merchant: Key
    device: Key
    amount: Money = field(minimum=0)
    method: Category


user, merchant, device = Order.by("user"), Order.by("merchant"), Order.by("device")


def system(count: int = WINDOWS) -> System:
    """Return the system: so many window features, at most 56, and 50 rules."""
    windows = [
        *user.count(*SIX),
        *user.sum("amount", *SIX),
        *user.mean("amount", *SIX),
        *user.max("amount", *SIX),
        *user.std("amount", days(7), days(30)),
        *user.distinct("merchant", hours(24), days(7)),
        *merchant.count(*SIX),
        *merchant.mean("amount", *SIX),
        *device.count(*SIX),
        *device.distinct("user", hours(24), days(7)),
        *user.since_last(),
        *merchant.rate("fraud", days(30)),
        *device.sum("amount", *SIX),
    ]
    made = [
        feature("amount_zscore", "(amount - user_amount_mean_30d) / user_amount_std_30d"),
        feature("hour", "hour(at)"),
    ]
    return System(
        "orders",
        Order,
        label=Label("fraud"),
        features=[windows[:count], *made],
        rules=Rules(tuple(_rules([w.name for w in windows[:WINDOWS]]))),
        policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
        amount="amount",
    )


def _rules(names: list[str]) -> list[Rule]:
    return [
        Rule(
            f"rule_{i:02}",
            f"{names[i]} > {1000 + 100 * i} and amount > {10 * i} or amount_zscore > {20 + i} and hour < {i % 24}",
            ("review", "block")[i % 2],
            f"{{{names[i]}}} is too much",
            priority=i,
        )
        for i in range(RULES)
    ]


def keys_at(rows: int) -> tuple[int, int, int]:
    """Return how many users, merchants and devices so many events have at 120 rows each."""
    return rows // HISTORY_ROWS, rows // HISTORY_ROWS, rows // HISTORY_ROWS


def history(rows: int, seed: int = 0) -> pl.DataFrame:
    """Return so many events in order of time over 30 days, about 120 for each user, merchant and device."""
    draw = np.random.default_rng(seed)
    users, merchants, devices = keys_at(rows)
    at = np.sort(draw.integers(0, 30 * 86_400_000_000, rows))
    return pl.DataFrame(
        {
            "order_id": [f"o{i}" for i in range(rows)],
            "at": pl.Series(at + micros_of(START), dtype=pl.Int64).cast(pl.Datetime("us", "UTC")),
            "user": [f"u{i}" for i in draw.permutation(rows) % users],
            "merchant": [f"m{i}" for i in draw.permutation(rows) % merchants],
            "device": [f"d{i}" for i in draw.permutation(rows) % devices],
            "amount": np.round(np.exp(draw.normal(3.5, 1.0, rows)), 2),
            "method": draw.choice(["card", "wallet", "transfer"], rows),
        }
    )


def fresh(count: int, rows: int, seed: int = 1) -> list[Any]:
    """Return so many events after the history, on keys that it holds, a second apart."""
    draw = np.random.default_rng(seed)
    users, merchants, devices = keys_at(rows)
    return [
        SimpleNamespace(
            order_id=f"f{i}",
            at=START + timedelta(days=30, seconds=i),
            user=f"u{draw.integers(users)}",
            merchant=f"m{draw.integers(merchants)}",
            device=f"d{draw.integers(devices)}",
            amount=Decimal(int(np.exp(draw.normal(8.1, 1.0)))) / 100,
            method="card",
        )
        for i in range(count)
    ]


def seen(rows: int, plan: Plan, table: pl.DataFrame) -> tuple[Decisions, FloatArray]:
    """Return the last events of the history as the plan sees them, and an outcome that their features half explain."""
    state = plan.start()
    cut = rows - min(rows // 2, 20_000)
    plan.insert(state, plan.encode_frame("order", table[:cut], np.arange(cut)))
    batch = plan.encode_frame("order", table[cut:], np.arange(cut, rows))
    decisions = plan.step(state, batch)
    assert decisions is not None
    z = np.nan_to_num(decisions.X[[plan.slots[n].row for n in numbers(plan)]].T)
    draw = np.random.default_rng(2)
    hard = np.sin(z[:, 0] / 20) + np.cos(z[:, 8] / 100) + (z[:, 3] > 4) + draw.normal(0, 1.5, len(z))
    return decisions, (hard > np.quantile(hard, 0.95)).astype(float)


def numbers(plan: Plan) -> tuple[str, ...]:
    """Return the features that hold numbers."""
    return tuple(n for n in plan.names if n not in plan.categorical)


def trained(rows: int, plan: Plan, table: pl.DataFrame, trees: int = TREES) -> Scorer:
    """Return trees of depth 6 trained on the features of the last events of the history."""
    names = numbers(plan)
    decisions, y = seen(rows, plan, table)
    X = decisions.X[[plan.slots[n].row for n in names]].T
    model = Trees(n_trees=trees, depth=DEPTH, patience=0, min_rows=10)
    half = len(X) // 2
    return model.fit(X[:half], y[:half], validation=(X[half:], y[half:]), names=names).served()


def ready(rows: int, windows: int = WINDOWS, trees: int = TREES) -> tuple[Plan, State]:
    """Return the plan with its model, and a state in which every key has about 120 rows."""
    table = history(rows)
    scorer = trained(rows, compile(system(windows)), table, trees)
    plan = compile(system(windows), scorer=scorer)
    return plan, filled(plan, table)


def filled(plan: Plan, table: pl.DataFrame) -> State:
    """Return a state that has folded a history and nothing else."""
    state = plan.start()
    plan.insert(state, plan.encode_frame("order", table, np.arange(len(table))))
    return state
