"""Made-up events for tests of the monitor: five weeks with weekdays and hours, and what can happen to them."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

from adjudge.monitor.days import DAY_US

START_US = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1_000_000
"""A Monday."""

REFERENCE, DAYS, PER_DAY = 28, 35, 800
"""Days of the reference and in all, and events of a working day."""

WATCH_US, END_US = START_US + REFERENCE * DAY_US, START_US + DAYS * DAY_US
CHANGE_US = START_US + 30 * DAY_US
"""When what changes does so: the third watched day."""

CURRENCY = {"DE": "EUR", "FR": "EUR", "GB": "GBP", "PL": "PLN"}


def events(*, seed: int = 0, days: int = DAYS, per_day: int = PER_DAY) -> pl.DataFrame:
    """Return events of so many days, fewer on weekends."""
    rng = np.random.default_rng(seed)
    counts = [rng.poisson(per_day * (0.6 if day % 7 >= 5 else 1.0)) for day in range(days)]
    day = np.repeat(np.arange(days), counts)
    n = len(day)
    hour = rng.normal(np.where(day % 7 >= 5, 14.0, 12.0), 4.0, n) % 24
    at = np.sort(START_US + day * DAY_US + (hour * 3_600_000_000).astype(np.int64))
    country = rng.choice(list(CURRENCY), n, p=[0.5, 0.2, 0.2, 0.1])
    channel = rng.choice(["pos", "web", "app"], n, p=[0.5, 0.3, 0.2])
    session = np.where(channel == "pos", np.nan, np.exp(rng.normal(4.5, 0.6, n)).round(1))
    return pl.DataFrame(
        {
            "id": [f"e{i}" for i in range(n)],
            "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
            "user": [f"u{i}" for i in rng.integers(0, 3_000, n)],
            "country": country,
            "currency": [CURRENCY[one] for one in country],
            "channel": channel,
            "method": rng.choice(["card", "wallet", "transfer"], n, p=[0.7, 0.2, 0.1]),
            "amount": np.exp(rng.normal(3.0, 1.0, n)).round(2),
            "session_s": pl.Series(session, nan_to_null=True),
        }
    )


def since(change: dict[str, pl.Expr], *, where: pl.Expr | None = None, seed: int = 0) -> pl.DataFrame:
    """Return events whose fields are others since the change."""
    after = pl.col("at").dt.epoch("us") >= CHANGE_US
    mask = after if where is None else after & where
    return events(seed=seed).with_columns(
        pl.when(mask).then(value).otherwise(pl.col(name)).alias(name) for name, value in change.items()
    )
