"""Rings among honest crowds: the simulator's world of device farms and quiet fraud, fixed before any model saw it.

A farm is four devices that run up to sixteen young accounts for a week or so, with a few addresses and lines.
Beside it stand decoys that share as much: sixty computers in hotels and libraries, partners who lend each
other devices, households with one address and one line, mobile lines of hundreds. Quiet fraud cannot be told from
honest payments by anybody: it sets the limit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from adjudge.define import Costs, Label, Policy, System, days, feature, hours
from adjudge.engine import compile
from adjudge.learn.backfill import backfill
from adjudge.learn.ranking import Curve
from adjudge.learn.split import Span, Split
from adjudge.learn.table import Table
from adjudge.models import Categories
from adjudge.models.graph import EventGraph
from adjudge.systems.payments.data import of_world
from adjudge.systems.payments.definition import Account, Payment
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    from adjudge.learn.source import Source

WORLDS = {"even": {"device_farm": 1.0, "quiet": 1.0}, "mostly_rings": {"device_farm": 9.0, "quiet": 1.0}}
"""Weights of the patterns. `even` is the setting that was asked for; half of its fraud is invisible by construction."""

EVENTS, DAYS, SEED, FRAUD_SHARE = 1_000_000, 92, 11, 0.005
"""Size of a world; all else is the simulator's own, its decoys included."""

DAY_US = 86_400_000_000

DELAY_DAYS = 7
"""Days after which a payment that nobody reported counts as honest."""

ENTITIES = ("user", "card", "device", "address", "ip")
"""What links payments to one another. Merchants do not: everybody shares them."""

TEXTS = ("category", "method", "channel", "ip_country", "card_country", "address_country", "currency")

SCALARS = (
    *("amount_log", "hour", "weekday", "typing_speed", "session_s", "proxy", *TEXTS),
    *(f"user_count_{w}" for w in ("1h", "1d", "7d", "30d")),
    *(f"user_amount_sum_{w}" for w in ("1h", "1d", "7d", "30d")),
    *("user_amount_mean_30d", "amount_ratio", "user_since_last_s", "account_age_days", "user_account_verification"),
    *("user_method_is_new", "user_merchant_is_new", "user_device_is_new", "user_device_since_first_s"),
    *("user_postal_area_is_new", "address_abroad", "card_abroad", "ip_abroad", "merchant_amount_mean_30d"),
)
"""What all models read: the payment, its customer's own past, and prices at the merchant; nothing of other people."""

PAYMENT = SCALARS[: SCALARS.index("user_count_1h")]
"""What the payment itself says, without its customer's past or account."""

COLUMNS = {"scalars": SCALARS, "payment": PAYMENT}
"""Sets of columns by name."""


@dataclass(frozen=True)
class Setting:
    """A world and what models read of it."""

    world: str
    columns: str


SETTINGS = (Setting("even", "scalars"), Setting("mostly_rings", "scalars"), Setting("mostly_rings", "payment"))
"""What is measured. The last was added when logistic regression on `SCALARS` was found to see every ring by itself (how
old the account is and how new the device give it away), before a net had been judged in any setting."""

SHARING = (
    *(f"device_user_distinct_{w}" for w in ("1d", "30d")),
    *("device_card_distinct_30d", "address_user_distinct_30d", "ip_user_distinct_30d"),
    *(f"{who}_fraud_count_30d" for who in ("user", "device", "address", "ip")),
    *(f"{who}_count_30d" for who in ("device", "address", "ip")),
)
"""Who shares what, counted by hand: the neighbourhood of one step, for the booster that is told where to look."""


def system() -> System:
    """Return the definition from which the scalars come."""
    user, merchant = Payment.by("user"), Payment.by("merchant")
    device, address, ip = Payment.by("device"), Payment.by("address"), Payment.by("ip")
    month, spans = days(30), (hours(1), hours(24), days(7), days(30))
    return System(
        name="rings",
        decides=Payment,
        label=Label("fraud", delay=days(DELAY_DAYS)),
        policy=Policy(costs=Costs(), bands={"approve": 50, "block": 100}),
        amount="amount",
        card="user",
        features=[
            feature("amount_log", "log1p(amount)"),
            feature("hour", "hour(at)", unit="h"),
            feature("weekday", "weekday(at)"),
            user.count(*spans),
            user.sum("amount", *spans),
            user.mean("amount", month),
            feature("amount_ratio", "amount / user_amount_mean_30d"),
            user.since_last(),
            Payment.by("user", "method").is_new(),
            Payment.by("user", "merchant").is_new(),
            Payment.by("user", "device").is_new(),
            Payment.by("user", "device").since_first(),
            Payment.by("user", "postal_area").is_new(),
            Account.by("user").latest("opened", "verification", "home_country"),
            feature("account_age_days", "(at - user_account_opened) / 86400", unit="d"),
            feature("address_abroad", "address_country != user_account_home_country"),
            feature("card_abroad", "card_country != address_country"),
            feature("ip_abroad", "ip_country != user_account_home_country"),
            merchant.mean("amount", month),
            device.distinct("user", hours(24), month),
            device.distinct("card", month),
            address.distinct("user", month),
            ip.distinct("user", month),
            *(who.count(month, of="fraud") for who in (user, device, address, ip)),
            *(who.count(month) for who in (device, address, ip)),
        ],
        meaning="Ranks payments of a world of rings.",
    )


@dataclass(frozen=True)
class Rings:
    """One world, ready to be learnt from.

    Parameters
    ----------
    table
        Scalars and shared counts; texts still as hashes.
    keys
        Hash of each entity of each payment, 0 where there is none, shape (entities, n).
    truth
        Whether a payment was fraud, reported or not, shape (n,).
    ring
        Whether it was a device farm's, shape (n,).
    vocabulary
        The texts of each text column.
    """

    table: Table
    keys: AnyArray
    truth: BoolArray
    ring: BoolArray
    vocabulary: dict[str, list[str]]


SECRET = bytes(range(16))
"""Secret of the workspace whose hashes these are."""


def build(patterns: dict[str, float], *, events: int = EVENTS, seed: int = SEED, days_: int = DAYS) -> Rings:
    """Simulate a world and fold it: what each payment saw, and whose it was."""
    from adjudge.systems.payments.simulate import simulate

    world = simulate(events, days=days_, seed=seed, fraud_share=FRAUD_SHARE, patterns=patterns)
    return of_source(of_world(world))


def of_source(source: Source) -> Rings:
    """Fold a history of payments."""
    import polars as pl

    from adjudge.engine.hashing import TEXT_TAG, hash_texts

    plan = compile(system(), secret=SECRET)
    table = backfill(plan, source.frames, {"fraud": source.labels["fraud"]}).table
    assert source.truth is not None
    order = pl.DataFrame({"payment_id": table.ids})
    payments = order.join(source.frames["payment"], on="payment_id", how="left", maintain_order="left")
    truth = order.join(source.truth, on="payment_id", how="left", maintain_order="left")
    keys = np.stack([hash_texts(SECRET, TEXT_TAG, payments[name].to_list()) for name in ENTITIES])
    return Rings(
        table,
        keys,
        truth["fraud"].to_numpy(),
        (truth["pattern"] == "device_farm").fill_null(False).to_numpy(),
        {name: payments[name].drop_nulls().unique().to_list() for name in TEXTS},
    )


def split(rings: Rings) -> Split:
    """Return the split by time: 36 days of training, a week's gap, 11 days of validation, a week, 21 days of test.

    The first ten days only fill histories.
    """
    start = int(rings.table.ts[0]) // DAY_US
    spans = [Span((start + a) * DAY_US, (start + b) * DAY_US) for a, b in ((10, 46), (53, 64), (71, 92))]
    return Split(train=spans[0], validation=spans[1], test=spans[2], gap_us=DELAY_DAYS * DAY_US)


@dataclass(frozen=True)
class Rows:
    """Rows of one part of the world: positions, and the outcome as it was known.

    Parameters
    ----------
    at
        Positions in the table, shape (m,).
    y
        Outcome as known when the part was used; of the test, as finally known.
    """

    at: IntArray
    y: FloatArray


def thinned(rows: Rows, kept: BoolArray, others: int) -> tuple[Rows, FloatArray]:
    """Return the rows to keep and so many of the others, drawn by lot, and weights by which those stand for all."""
    keep, rest = np.flatnonzero(kept), np.flatnonzero(~kept)
    some = np.random.default_rng(SEED).permutation(rest)[:others]
    order = np.sort(np.concatenate([keep, some]))
    weight = np.where(kept[order], 1.0, len(rest) / max(len(some), 1))
    return Rows(rows.at[order], rows.y[order]), weight


def parts(rings: Rings) -> tuple[Rows, Rows, Rows]:
    """Return training, validation and test rows; the split's own rule says which labels were known when."""
    table = replace(rings.table, extra={"at": np.arange(len(rings.table))})
    found = split(rings).parts(table)
    assert found.validation is not None
    train, validation, test = (Rows(t.extra["at"], t.label) for t in (found.train, found.validation, found.test))
    return train, validation, test


def numbers(rings: Rings, names: tuple[str, ...], train: Rows) -> FloatArray:
    """Return columns as numbers, shape (n, F): texts by how often training rows with them were fraud."""
    X = rings.table.features(names).matrix()
    texts = {name: words for name, words in rings.vocabulary.items() if name in names}
    categories = Categories.fit(X[train.at], train.y, names, texts, secret=SECRET)
    return categories.encode_table(X, names)


def graph_of(rings: Rings, names: tuple[str, ...], x: AnyArray) -> EventGraph:
    """Return the graph of all payments; silence counts as honest after the delay, a report from when it came."""
    table = rings.table
    label = np.where(np.isnan(table.label), 0.0, table.label)
    silent = table.ts + DELAY_DAYS * DAY_US
    known_at = np.where(
        table.label == 1, table.known_at, np.maximum(silent, np.where(table.label == 0, table.known_at, 0))
    )
    return EventGraph.build(ENTITIES, rings.keys, table.ts, x=x, names=names, labels=(label, known_at))


def recall_at(curve: Curve, precision: float) -> float:
    """Return the largest share of positives caught by a cut that is at least so precise; 0 where none is.

    Examples
    --------
    Of two frauds one stands first and one last of six, so half is caught at 0.5 and all at 1 in 3:

    >>> curve = Ranking.of([1, 0, 0, 0, 0, 1], [6, 5, 4, 3, 2, 1]).curve()
    >>> recall_at(curve, 0.5), recall_at(curve, 0.3)
    (0.5, 1.0)
    """
    precise = curve.caught >= precision * (curve.caught + curve.bothered)
    return float(curve.caught[precise].max(initial=0.0) / curve.caught[-1])
