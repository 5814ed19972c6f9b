"""Planted hot spots: quiet worlds, what is put into them, and how a scan is judged; fixed before the scan was written.

A world has the patterns of fraud that gather nowhere: sprees, takeovers, travel, bust-outs and the quiet kind. A plant
takes honest payments of as many customers and has them happen at one place: the same postal area, merchant, kind of
browser, or hour of the day. Their reports come as late as those of the simulator's own hot spots.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from adjudge.systems.payments.simulate import simulate

DAY_US = 86_400_000_000

EVENTS, DAYS, FRAUD_SHARE = 300_000, 100, 0.004
"""Three thousand payments a day, of which twelve are fraud."""

LONE = {
    "stolen_card_spree": 0.17,
    "account_takeover": 0.10,
    "impossible_travel": 0.05,
    "bust_out": 0.06,
    "quiet": 0.12,
}
"""Patterns that gather nowhere, with the weights that they have among all."""

SIZES = {"postal_area": 40, "merchant": 40, "browser": 120, "hour": 120}
"""Frauds of a plant by what they have in common; a tenth of them a day."""

LASTS_DAYS = 10
"""How long a plant lasts."""

BEGINS_DAY = (62, 75)
"""Between which days a plant begins."""

SHARES = {"browser": (0.02, 0.15), "hour": (0.01, 0.06)}
"""How common the browser or hour is that a plant is put at."""

LEAST_EVENTS = 10
"""Payments that an area or merchant has had before a plant is put there."""

DELAY_DAYS, CASE_SIGMA, VICTIM_SIGMA, NEVER = 6.0, 0.6, 0.55, 0.025
"""Median delay of a report, its spread between plants and between victims, and the share that is never reported."""

WATCHED = (60, 100)
"""Days that are watched where nothing is planted."""

LOOKS_A_DAY = 4

WITHIN_DAYS = 2.0
"""How soon after its first report a plant has to be flagged."""


@dataclass(frozen=True)
class World:
    """Payments with their reports.

    Parameters
    ----------
    payments
        In order of time, with ``browser`` cut to its kind and ``hour`` by local time.
    labels
        ``row``, ``fraud`` and ``known_at`` in microseconds.
    start_us
        Its first moment.
    """

    payments: pl.DataFrame
    labels: pl.DataFrame
    start_us: int


@dataclass(frozen=True)
class Plant:
    """What was put where.

    Parameters
    ----------
    world
        With the plant in it.
    field, value
        Where.
    first_us
        When its first report came.
    rows
        The payments.
    """

    world: World
    field: str
    value: str
    first_us: int
    rows: frozenset[int]


def quiet_world(seed: int) -> World:
    """Return a world in which nothing gathers."""
    made = simulate(EVENTS, days=DAYS, seed=seed, fraud_share=FRAUD_SHARE, patterns=LONE)
    local = pl.col("at") + pl.duration(minutes=pl.col("utc_offset_min"))
    payments = made.payments.with_columns(
        browser=pl.col("browser").str.extract(r"^([^0-9]*[^0-9\s])", 1), hour=local.dt.hour().cast(pl.String)
    ).with_row_index("row")
    labels = made.labels.join(payments.select("row", "payment_id"), on="payment_id").select(
        pl.col("row").cast(pl.Int64), "fraud", pl.col("known_at").dt.epoch("us")
    )
    start = payments["at"].dt.epoch("us").min()
    assert isinstance(start, int)
    return World(payments, labels, start // DAY_US * DAY_US)


def planted(world: World, field: str, seed: int) -> Plant:
    """Return a world with frauds put at one value of a field."""
    rng = np.random.default_rng([seed, list(SIZES).index(field)])
    payments = world.payments
    ts = payments["at"].dt.epoch("us").to_numpy()
    begin = world.start_us + int(rng.integers(*BEGINS_DAY)) * DAY_US
    value = str(rng.choice(_places(payments.filter(pl.Series(ts < begin)), field)))
    usual = set(world.labels["row"].to_list())
    there = np.flatnonzero((ts >= begin) & (ts < begin + LASTS_DAYS * DAY_US))
    there = np.array([row for row in rng.permutation(there).tolist() if row not in usual])
    users = payments["user"].to_numpy()[there]
    _, first = np.unique(users, return_index=True)
    rows = np.sort(there[np.sort(first)[: SIZES[field]]])
    moved = pl.Series(np.isin(np.arange(len(payments)), rows))
    payments = payments.with_columns(pl.when(moved).then(pl.lit(value)).otherwise(pl.col(field)).alias(field))
    delay = DELAY_DAYS * np.exp(rng.normal(0, CASE_SIGMA) + rng.normal(0, VICTIM_SIGMA, len(rows)))
    told = rng.random(len(rows)) >= NEVER
    known = ts[rows] + (delay * DAY_US).astype(np.int64)
    more = pl.DataFrame({"row": rows[told], "fraud": np.ones(told.sum(), np.bool_), "known_at": known[told]})
    labels = pl.concat(
        [world.labels, more.select(pl.col(name).cast(kind) for name, kind in world.labels.schema.items())]
    ).sort("known_at")
    return Plant(
        World(payments, labels, world.start_us), field, value, int(known[told].min()), frozenset(rows.tolist())
    )


def _places(before: pl.DataFrame, field: str) -> list[str]:
    """Return the values at which something may be planted."""
    counts = before[field].drop_nulls().value_counts()
    low, high = SHARES.get(field, (LEAST_EVENTS / len(before), 1.0))
    kept = counts.filter(pl.col("count") >= low * len(before), pl.col("count") <= high * len(before))
    return sorted(kept[field].to_list())
