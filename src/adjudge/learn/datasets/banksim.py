"""BankSim: payments of a Spanish bank's customers, simulated day by day for half a year."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import (
    Capacity,
    Category,
    Costs,
    Event,
    Id,
    Key,
    Label,
    Money,
    Policy,
    System,
    Time,
    days,
    feature,
    field,
)
from adjudge.learn.datasets.dataset import FRAUD, Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind

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
    return System(
        name="banksim",
        decides=Payment,
        label=Label(FRAUD, delay=days(7)),
        features=[
            customer.count(days(1), days(7), days(30)),
            customer.mean("amount", days(30)),
            customer.std("amount", days(30)),
            customer.count(days(30), of=FRAUD),
            usual.count(days(7), days(30)),
            usual.mean("amount", days(60)),
            Payment.by("customer", "merchant").is_new(),
            merchant.rate(FRAUD, days(30)),
            merchant.count(days(7)),
            feature("amount_zscore", "(amount - customer_amount_mean_30d) / customer_amount_std_30d"),
            feature("usual_ratio", "amount / customer_category_amount_mean_60d"),
        ],
        policy=Policy(costs=Costs(), capacity=Capacity(alerts_per_day=50)),
        amount="amount",
        card="customer",
        meaning="Ranks BankSim's simulated payments.",
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
    import polars as pl

    return frame.with_row_index("row").select(
        payment_id=pl.format("t{}", "row"),
        at=pl.lit(ORIGIN).dt.cast_time_unit("us") + pl.duration(days=pl.col("step").cast(pl.Int64)),
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
    licence="CC BY-NC-SA 4.0",
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
