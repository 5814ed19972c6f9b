"""The Fraud Detection Handbook's simulated card transactions: 5,000 customers, 10,000 terminals, 183 days of 2018."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Event, Id, Key, Money, System, Time, days, feature
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind, find, need
from adjudge.learn.datasets.shared import FRAUD, HOUR, fraud_system, label_of, zscore
from adjudge.learn.source import read_table

if TYPE_CHECKING:
    import polars as pl


class Transaction(Event):
    """A card transaction."""

    transaction_id: Id
    at: Time
    customer: Key
    terminal: Key
    amount: Money


def system() -> System:
    """Return definitions for the handbook: the customer's habits, and what is known of the terminal.

    Examples
    --------
    >>> system().label.delay.days
    7
    """
    customer, terminal = Transaction.by("customer"), Transaction.by("terminal")
    return fraud_system(
        "handbook",
        Transaction,
        [
            customer.count(days(1), days(7), days(30)),
            customer.mean("amount", days(7), days(30)),
            customer.std("amount", days(30)),
            customer.max("amount", days(7)),
            terminal.count(days(28)),
            terminal.rate(FRAUD, days(1), days(7), days(30)),
            terminal.count(days(28), of=FRAUD),
            customer.count(days(28), of=FRAUD),
            zscore("amount_zscore", "customer_amount", "30d"),
            feature("amount_ratio", "amount / customer_amount_mean_30d"),
            HOUR,
        ],
        meaning="Ranks the Fraud Detection Handbook's simulated card transactions.",
        card="customer",
        alerts_per_day=100,
    )


COLUMNS: dict[str, Kind] = {
    "TRANSACTION_ID": "whole",
    "TX_DATETIME": "time",
    "CUSTOMER_ID": "whole",
    "TERMINAL_ID": "whole",
    "TX_AMOUNT": "number",
    "TX_FRAUD": "truth",
}


def _events(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    return frame.select(
        label_of("TX_FRAUD"),
        transaction_id="TRANSACTION_ID",
        at="TX_DATETIME",
        customer="CUSTOMER_ID",
        terminal="TERMINAL_ID",
        amount="TX_AMOUNT",
    )


DATASET = Dataset(
    name="handbook",
    meaning="Fraud Detection Handbook: simulated card transactions with three kinds of fraud",
    obtain="https://github.com/Fraud-Detection-Handbook/simulated-data-raw (183 pickled days; join them with "
    "pandas and write transactions.parquet)",
    licence="none stated for the data; the book: GPL-3.0 (code), CC BY-SA 4.0 (text)",
    files=("transactions",),
    editions=(Edition("all days", 1_754_155, 14_681),),
    forms=(Form(COLUMNS, _events, unlabelled=("TX_FRAUD",)),),
    system=system,
    notes=("times have no zone and are read as UTC", "the currency is not named; EUR is assumed"),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""


def table(path: Path, *, strict: bool = True) -> pl.DataFrame:
    """Return the transactions as the authors have them, all columns, in order of time, after counting them.

    Parameters
    ----------
    path
        The file, or the folder that holds it.
    strict
        Whether rows and frauds must be those that were published.

    Raises
    ------
    InputError
        If it cannot be read, a column is missing, or the counts are others than published.
    """
    file = find(path, DATASET.files)[0]
    frame = read_table(file)
    need(frame.lazy(), COLUMNS, f"{DATASET.name}: {file.name}")
    if strict:
        DATASET.hold(frame.height, int(frame["TX_FRAUD"].sum()), file.name)
    return frame.sort("TX_DATETIME", "TRANSACTION_ID")
