"""TabFormer: card transactions of 2,000 American consumers over decades, simulated by IBM."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Category, Event, Id, Key, Money, System, Time, days, field, hours
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind
from adjudge.learn.datasets.shared import FRAUD, HOUR, fraud_system, numbered, zscore

if TYPE_CHECKING:
    import polars as pl


class Transaction(Event):
    """A card transaction; what is below zero was paid back."""

    transaction_id: Id
    at: Time = field(meaning="to the minute, by the clock of the file, read as UTC")
    user: Key
    card: Key = field(meaning="user and number of the card")
    merchant: Key
    amount: Money = field(currency="USD")
    method: Category = field(meaning="swipe, chip or online")
    city: Category
    state: Category | None = field(meaning="or country; missing online")
    kind: Category = field(meaning="merchant category code")
    error: Category | None = field(meaning="what went wrong, such as Bad PIN; known when the transaction is decided")


def system() -> System:
    """Return definitions for TabFormer: what card and user usually do, where, and what goes wrong.

    Examples
    --------
    >>> system().card
    'card'
    """
    user, card, merchant = Transaction.by("user"), Transaction.by("card"), Transaction.by("merchant")
    return fraud_system(
        "tabformer",
        Transaction,
        [
            card.count(hours(1), days(1), days(7), days(30)),
            card.sum("amount", days(1)),
            card.mean("amount", days(30)),
            card.std("amount", days(30)),
            card.since_last(),
            user.distinct("state", days(1), days(7)),
            user.distinct("kind", days(1)),
            user.count(days(30), of=FRAUD),
            Transaction.by("user", "merchant").is_new(),
            Transaction.by("user", "state").is_new(),
            Transaction.by("user", "kind").count(days(30)),
            merchant.rate(FRAUD, days(90)),
            zscore("amount_zscore", "card_amount", "30d"),
            HOUR,
        ],
        meaning="Ranks IBM's simulated card transactions.",
        card="card",
    )


SHARED: dict[str, Kind] = {
    "User": "whole",
    "Card": "whole",
    "Amount": "money",
    "Use Chip": "text",
    "Merchant Name": "text",
    "Merchant City": "text",
    "Merchant State": "text",
    "MCC": "whole",
    "Errors?": "text",
}

IBM: dict[str, Kind] = {
    **SHARED,
    **dict.fromkeys(("Year", "Month", "Day"), "number"),
    "Time": "text",
    "Is Fraud?": "truth",
}
"""Columns of IBM's file."""

ONE_USER: dict[str, Kind] = {**SHARED, "timestamp": "time", "is_fraud": "truth"}
"""Columns of a table whose time is one column."""


def _ibm(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    import polars as pl

    clock = pl.col("Time").str.split_exact(":", 1)
    hour, minute = (clock.struct.field(f"field_{i}").cast(pl.Int64) for i in (0, 1))
    year, month, day = (pl.col(c).cast(pl.Int64) for c in ("Year", "Month", "Day"))
    at = pl.datetime(year, month, day, hour, minute, time_unit="us", time_zone="UTC")
    return _events(frame.with_columns(at=at, fraud=pl.col("Is Fraud?")))


def _one_user(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    return _events(frame.rename({"timestamp": "at", "is_fraud": "fraud"}))


def _events(frame: pl.LazyFrame) -> pl.LazyFrame:
    import polars as pl

    return frame.select(
        transaction_id=numbered(),
        at="at",
        user="User",
        card=pl.format("{}-{}", "User", "Card"),
        merchant="Merchant Name",
        amount="Amount",
        method="Use Chip",
        city="Merchant City",
        state=_or_null("Merchant State"),
        kind="MCC",
        error=_or_null("Errors?"),
        fraud="fraud",
    )


def _or_null(column: str) -> pl.Expr:
    """Return a text without the comma that ends a list of one, missing where it is empty."""
    import polars as pl

    text = pl.col(column).str.strip_chars(", ")
    return pl.when(text != "").then(text)


DATASET = Dataset(
    name="tabformer",
    meaning="TabFormer: IBM's simulated card transactions of 2,000 consumers, 1991 to 2020",
    obtain="https://github.com/IBM/TabFormer (data/credit_card/transactions.tgz holds card_transaction.v1.csv), or "
    "https://www.kaggle.com/datasets/ealtman2019/credit-card-transactions",
    licence="Apache-2.0",
    files=("card_transaction.v1", "credit_card_transactions-ibm_v2", "transactions"),
    editions=(Edition("all users", 24_386_900, 29_757), Edition("user 0 alone", 19_963, 27)),
    forms=(Form(IBM, _ibm), Form(ONE_USER, _one_user)),
    system=system,
    notes=(
        "times are local, to the minute and without zone, and are read as UTC",
        "amounts are in USD, the dollar sign before the minus; what is below zero was paid back",
        "merchants are hashes and kept as text: some copies have rounded them",
        "rows have no ids and are numbered t0, t1, ...; the file goes user by user and is put in order of time",
    ),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""
