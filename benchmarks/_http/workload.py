"""What the `http` benchmark decides: 50 window features, 500 trees and 50 rules, for us and for the peer.

The features are those that counters in Redis can keep, so that both sides do the same work: count and sum of
the amount for five keys over five windows. Both sides serve the very same booster.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

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
    field,
    hours,
    minutes,
)
from adjudge.engine import Plan
from adjudge.engine import compile as compile_system

KEYS = ("user", "card", "device", "merchant", "ip")
"""What a payment is counted by."""

WINDOWS = {"5m": 300, "1h": 3_600, "1d": 86_400, "7d": 604_800, "30d": 2_592_000}
"""Windows by name, in seconds."""

TREES, DEPTH, RULES = 500, 6, 50
"""Size of the booster and of the rule set."""

MODEL, TABLE, FACTS = "model.txt", "history.parquet", "facts.json"
"""Files of a workload's folder."""


class Payment(Event):
    """A payment before authorisation."""

    payment_id: Id
    at: Time
    user: Key
    card: Key
    device: Key
    merchant: Key
    ip: Key
    amount: Money = field(minimum=0)
    method: Category
    category: Category


def feature_names() -> list[str]:
    """Return what the booster reads: the amount and the 50 window features."""
    counts = [f"{key}_count_{w}" for key in KEYS for w in WINDOWS]
    sums = [f"{key}_amount_sum_{w}" for key in KEYS for w in WINDOWS]
    return ["amount", *counts, *sums]


def thresholds() -> list[tuple[str, float]]:
    """Return a feature and a bound for each of the 50 rules; nearly none of them is ever passed."""
    names = feature_names()[1:]
    return [(name, 5e4 if "_count_" in name else 5e7) for name in names[:RULES]]


def system() -> System:
    """Return the definitions."""
    windows = (minutes(5), hours(1), days(1), days(7), days(30))
    entities = [Payment.by(key) for key in KEYS]
    rules = [
        Rule(f"limit_{name}", when=f"{name} > {bound!r}", action="review", reason=f"{name} is above its limit.")
        for name, bound in thresholds()
    ]
    return System(
        "payments",
        decides=Payment,
        label=Label("fraud"),
        features=[f for e in entities for f in (e.count(*windows), e.sum("amount", *windows))],
        rules=Rules(tuple(rules)),
        policy=Policy(thresholds={"review": 0.5, "block": 0.9}),
        amount="amount",
        inputs=feature_names(),
    )


def plan(folder: Path) -> Plan:
    """Return the compiled system with the booster of a workload; no training library is needed."""
    from adjudge.models.native import from_lightgbm
    from adjudge.models.scorers import ModelScorer

    return compile_system(system(), scorer=ModelScorer(from_lightgbm((folder / MODEL).read_text())))


def prepare(folder: Path, *, rows: int, keys: int, seed: int = 7) -> None:
    """Write a workload: the booster, and a history in which every key has about 100 rows and more.

    Parameters
    ----------
    folder
        Where; must exist.
    rows
        Payments of history.
    keys
        Users; the other keys are as many, merchants a tenth.
    seed
        Of all draws.
    """
    rng = np.random.default_rng(seed)
    train(folder / MODEL, rng)
    _history(rng, rows, keys).write_parquet(folder / TABLE)
    facts = {"by": KEYS, "windows": WINDOWS, "rules": thresholds()}
    (folder / FACTS).write_text(json.dumps(facts))


def train(path: Path, rng: np.random.Generator) -> None:
    """Train 500 trees of depth 6 on made-up rows; what they predict is of no interest, what they cost is."""
    import lightgbm

    names = feature_names()
    X = np.exp(rng.normal(1.5, 1.2, (6_000, len(names))))
    odds = np.log(X) @ rng.normal(0, 0.25, len(names)) + 0.4 * np.sin(X[:, 1] * X[:, 2] / 7)
    y = (odds + rng.logistic(size=len(X)) > np.quantile(odds, 0.9)).astype(float)
    settings = {
        "objective": "binary",
        "num_leaves": 2**DEPTH - 1,
        "max_depth": DEPTH,
        "learning_rate": 0.05,
        "min_data_in_leaf": 2,
        "min_sum_hessian_in_leaf": 0.0,
        "verbosity": -1,
        "seed": 1,
        "num_threads": 1,
        "deterministic": True,
    }
    data = lightgbm.Dataset(X, y, feature_name=names)
    lightgbm.train(settings, data, num_boost_round=TREES).save_model(path)


def _history(rng: np.random.Generator, rows: int, keys: int) -> Any:
    import polars as pl

    end = datetime.now(UTC).replace(microsecond=0)
    seconds = np.sort(rng.integers(0, 25 * 86_400, rows))
    return pl.DataFrame(
        {
            "payment_id": [f"h{i}" for i in range(rows)],
            "at": pl.Series([end - timedelta(days=25) + timedelta(seconds=int(s)) for s in seconds]),
            "user": _texts(rng, "u", rows, keys),
            "card": _texts(rng, "c", rows, keys),
            "device": _texts(rng, "d", rows, keys),
            "merchant": _texts(rng, "m", rows, keys // 10),
            "ip": _texts(rng, "i", rows, keys),
            "amount": np.round(np.exp(rng.normal(3.2, 1.0, rows)), 2),
            "method": ["card"] * rows,
            "category": ["grocery"] * rows,
        }
    )


def _texts(rng: np.random.Generator, prefix: str, rows: int, keys: int) -> list[str]:
    return [f"{prefix}{k}" for k in rng.integers(0, keys, rows).tolist()]


def bodies(n: int, keys: int, *, seed: int) -> list[bytes]:
    """Return payments as a client would send them, all with ids of their own.

    Parameters
    ----------
    n
        How many.
    keys
        As in `prepare`.
    seed
        Of the draws, and part of the ids.
    """
    rng = np.random.default_rng(seed)
    at = datetime.now(UTC).isoformat()
    columns = {
        "user": _texts(rng, "u", n, keys),
        "card": _texts(rng, "c", n, keys),
        "device": _texts(rng, "d", n, keys),
        "merchant": _texts(rng, "m", n, keys // 10),
        "ip": _texts(rng, "i", n, keys),
    }
    amounts = np.exp(rng.normal(3.2, 1.0, n)).tolist()
    made = []
    for i in range(n):
        payment = {"payment_id": f"b{seed}-{i}", "at": at, **{k: v[i] for k, v in columns.items()}}
        payment |= {"amount": f"{amounts[i]:.2f}", "method": "card", "category": "grocery"}
        made.append(json.dumps(payment).encode())
    return made
