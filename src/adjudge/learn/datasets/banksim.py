"""BankSim: payments of a Spanish bank's customers, simulated day by day for half a year."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Category, Event, Id, Key, Money, System, Time, days, feature, field
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind
from adjudge.learn.datasets.shared import FRAUD, fraud_system, numbered, since, zscore

if TYPE_CHECKING:
    import polars as pl

ORIGIN = datetime(2012, 11, 1, tzinfo=UTC)
"""Step 0: the bank's data behind the simulator begin in November 2012."""


class Payment(Event):
    """A payment."""

    payment_id: Id
    at: Time = field(meaning="the day; within one the order is the file's")
    customer: Key
    merchant: Key
    category: Category
    amount: Money = field(minimum=0)


def system() -> System:
    """Return definitions for BankSim: a customer's habits in all and in each category, and the merchant's frauds.

    Examples
    --------
    >>> [f.name for f in system().flat_features if f.name.startswith("merchant")]
    ['merchant_fraud_rate_30d', 'merchant_count_7d']
    """
    customer, merchant = Payment.by("customer"), Payment.by("merchant")
    usual = Payment.by("customer", "category")
    return fraud_system(
        "banksim",
        Payment,
        [
            customer.count(days(1), days(7), days(30)),
            customer.mean("amount", days(30)),
            customer.std("amount", days(30)),
            customer.count(days(30), of=FRAUD),
            usual.count(days(7), days(30)),
            usual.mean("amount", days(60)),
            Payment.by("customer", "merchant").is_new(),
            merchant.rate(FRAUD, days(30)),
            merchant.count(days(7)),
            zscore("amount_zscore", "customer_amount", "30d"),
            feature("usual_ratio", "amount / customer_category_amount_mean_60d"),
        ],
        meaning="Ranks BankSim's simulated payments.",
        card="customer",
    )


COLUMNS: dict[str, Kind] = {
    "step": "number",
    "customer": "text",
    "merchant": "text",
    "category": "text",
    "amount": "number",
    "fraud": "truth",
}


def _events(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:

    return frame.select(
        payment_id=numbered(),
        at=since(ORIGIN, "step", days(1)),
        customer="customer",
        merchant="merchant",
        category="category",
        amount="amount",
        fraud="fraud",
    )


DATASET = Dataset(
    name="banksim",
    meaning="BankSim: simulated payments of a Spanish bank's customers in 180 days",
    obtain="https://www.kaggle.com/datasets/ealaxi/banksim1 (bs140513_032310.csv)",
    licence="see the page of the set",
    files=("bs140513_032310", "banksim"),
    editions=(Edition("Kaggle", 594_643, 7_200),),
    forms=(Form(COLUMNS, _events, quote="'"),),
    system=system,
    notes=(
        "steps are days; step 0 is taken to be 2012-11-01 UTC",
        "amounts are in EUR",
        "texts stand in single quotes, which are taken off",
        "age and sex are not read; both postal codes are the same everywhere",
        "rows have no ids and are numbered t0, t1, ...",
    ),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""
