"""PaySim: mobile money of an African country, simulated hour by hour for a month."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Category, Event, Id, Key, Label, Money, System, Time, days, feature, field, hours
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind
from adjudge.learn.datasets.shared import FRAUD, HOUR, fraud_system, numbered, since, zscore

if TYPE_CHECKING:
    import polars as pl

ORIGIN = datetime(2017, 1, 1, tzinfo=UTC)
"""Beginning of step 1, an assumption: the authors name no month."""


class Transfer(Event):
    """A movement of mobile money."""

    transfer_id: Id
    at: Time = field(meaning="beginning of the hour; within one the order is the file's")
    kind: Category = field(meaning="cash in, cash out, debit, payment or transfer")
    amount: Money = field(minimum=0)
    sender: Key
    receiver: Key


def system() -> System:
    """Return definitions for PaySim: what goes out, and what arrives where; balances are not read.

    Examples
    --------
    >>> system().label.delay.days
    1
    """
    sender, receiver = Transfer.by("sender"), Transfer.by("receiver")
    return fraud_system(
        "paysim",
        Transfer,
        [
            sender.count(days(1), days(30)),
            receiver.count(hours(1), days(1), days(7)),
            receiver.sum("amount", hours(1), days(1), days(7)),
            receiver.mean("amount", days(7)),
            receiver.std("amount", days(7)),
            receiver.since_last(),
            receiver.count(days(30), of=FRAUD),
            Transfer.by("receiver", "kind").count(days(7)),
            feature("amount_log", "log1p(amount)"),
            zscore("receiver_zscore", "receiver_amount", "7d"),
            HOUR,
        ],
        meaning="Ranks PaySim's simulated mobile money.",
        card="receiver",
        alerts_per_day=200,
        label=Label(FRAUD, delay=days(1), meaning="a month leaves little room for a delay"),
    )


COLUMNS: dict[str, Kind] = {
    "step": "number",
    "type": "text",
    "amount": "number",
    "nameOrig": "text",
    "nameDest": "text",
    "isFraud": "truth",
}


def _events(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    import polars as pl

    return frame.select(
        transfer_id=numbered(),
        at=since(ORIGIN, pl.col("step") - 1, hours(1)),
        kind="type",
        amount="amount",
        sender="nameOrig",
        receiver="nameDest",
        fraud="isFraud",
    )


DATASET = Dataset(
    name="paysim",
    meaning="PaySim: simulated mobile money of a month, frauds that empty accounts",
    obtain="https://www.kaggle.com/datasets/ealaxi/paysim1 (PS_20174392719_1491204439457_log.csv)",
    licence="see the page of the set",
    files=("PS_20174392719_1491204439457_log", "paysim"),
    editions=(Edition("Kaggle", 6_362_620, 8_213),),
    forms=(Form(COLUMNS, _events),),
    system=system,
    notes=(
        "steps are hours; step 1 is taken to begin at 2017-01-01 UTC",
        "amounts are in a local currency that is not named; EUR is assumed, so that only ratios mean something",
        "the four balances are not read: frauds were undone in them, which gives the label away, as the authors say",
        "isFlaggedFraud is the answer of a rule and is not read",
        "rows have no ids and are numbered t0, t1, ...",
    ),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""
