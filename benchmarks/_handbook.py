"""The Fraud Detection Handbook's simulated cards: data, protocol, and the same payments as a system of ours.

The data are the authors' own files (see their book, "Reproducible Machine Learning for Credit Card Fraud
Detection"). Train on 7 days, leave 7 days out for the labels, test on the next 7; customers with a fraud
that was known by then take no part in the test.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from adjudge.define import Event, Id, Key, Label, Number, System, Time, days, feature
from adjudge.errors import UnavailableError
from adjudge.learn.datasets import handbook
from adjudge.learn.metrics import CardDays
from adjudge.learn.ranking import Ranking
from adjudge.learn.table import Table
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

FIRST_DAY = datetime(2018, 4, 1, tzinfo=UTC)
"""Day 0 of the data."""

WEEK = 7
"""Days of training, of delay and of test."""

SINGLE = 115
"""First day of training of the single split, 2018-07-25."""

TESTS = (136, 129, 122, 115)
"""First days of training of the prequential test folds."""

VALIDATIONS = (101, 94, 87, 80, 73, 66, 59, 52, 45)
"""First days of training of the folds that settings are chosen on; none reaches into a test of `TESTS`."""

DELAY = timedelta(days=WEEK)
"""When a transaction's label becomes known."""

BOOK_FEATURES = (
    "TX_DURING_WEEKEND",
    "TX_DURING_NIGHT",
    *(f"CUSTOMER_ID_{what}_{w}DAY_WINDOW" for w in (1, 7, 30) for what in ("NB_TX", "AVG_AMOUNT")),
    *(f"TERMINAL_ID_{what}_{w}DAY_WINDOW" for w in (1, 7, 30) for what in ("NB_TX", "RISK")),
)
"""The authors' own features, beside the amount."""


class Transaction(Event):
    """A card transaction at the moment it is asked for."""

    transaction_id: Id
    at: Time
    customer: Key
    terminal: Key
    amount: Number
    day: Number


class Settled(Event):
    """The same transaction a week later, when it is known whether it was a fraud."""

    settled_id: Id
    at: Time
    customer: Key
    terminal: Key
    amount: Number
    amount_log: Number
    day: Number
    fraud: Number


def cards() -> System:
    """Return the system: what a transaction looks like beside the customer's and the terminal's past.

    What is unlabelled is read from the transactions themselves, up to the moment; what needs labels only
    from settled ones.
    """
    customer, settled = Transaction.by("customer"), Settled.by("customer")
    honest = settled.where("fraud == 0", called="honest")
    terminal = Settled.by("terminal")
    fraud, fair = terminal.where("fraud == 1", called="fraud"), terminal.where("fraud == 0", called="fair")
    usual = "customer_settled_amount_honest"
    recent = "customer_amount"
    bad, first = "terminal_settled_fraud", "terminal_settled_day_fraud"
    ratios = [(f"max_{w}d_ratio", f"{recent}_max_{w}d / {usual}_mean_180d") for w in (1, 3, 7, 14)] + [
        (f"max_{w}d_of_max", f"{recent}_max_{w}d / {usual}_max_180d") for w in (7, 14)
    ]
    return System(
        name="cards",
        decides=Transaction,
        label=Label("fraud", delay=days(WEEK)),
        card="customer",
        leave_out=["day"],
        features=[
            honest.mean("amount", days(180)),
            honest.std("amount", days(180)),
            honest.max("amount", days(180)),
            honest.mean("amount_log", days(180)),
            customer.max("amount", days(1), days(3), days(7), days(14)),
            customer.mean("amount", days(7)),
            customer.count(days(1)),
            feature("ratio", f"amount / {usual}_mean_180d"),
            feature("zscore", f"(amount - {usual}_mean_180d) / {usual}_std_180d"),
            feature("log_ratio", "log1p(amount) - customer_settled_amount_log_honest_mean_180d"),
            feature("of_max", f"amount / {usual}_max_180d"),
            *(feature(name, text) for name, text in ratios),
            feature("mean_7d_ratio", f"{recent}_mean_7d / {usual}_mean_180d"),
            terminal.count(days(28)),
            fraud.count(days(7), days(14), days(28)),
            fraud.min("day", days(28), days(35)),
            fraud.max("day", days(28)),
            fair.max("day", days(60)),
            feature("fraud_rate_28d", f"{bad}_count_28d / terminal_settled_count_28d"),
            feature("first_fraud_28d", f"day - {first}_min_28d", unit="d"),
            feature("first_fraud_35d", f"day - {first}_min_35d", unit="d"),
            feature("last_fraud_28d", f"day - {first}_max_28d", unit="d"),
            feature("last_fair_60d", "day - terminal_settled_day_fair_max_60d", unit="d"),
        ],
        meaning="Ranks the handbook's simulated card transactions.",
    )


INPUTS = (
    "amount",
    "customer_settled_amount_honest_mean_180d",
    "customer_count_1d",
    "ratio",
    "zscore",
    "log_ratio",
    "of_max",
    "max_1d_ratio",
    "max_3d_ratio",
    "max_7d_ratio",
    "max_14d_ratio",
    "max_7d_of_max",
    "max_14d_of_max",
    "mean_7d_ratio",
    "terminal_settled_count_28d",
    "terminal_settled_fraud_count_7d",
    "terminal_settled_fraud_count_14d",
    "terminal_settled_fraud_count_28d",
    "fraud_rate_28d",
    "first_fraud_28d",
    "first_fraud_35d",
    "last_fraud_28d",
    "last_fair_60d",
)
"""What the model reads: days since, not dates, and amounts beside the customer's own."""


@dataclass(frozen=True)
class Cards:
    """The transactions in order of time.

    Parameters
    ----------
    frame
        The authors' table.
    day, customer, fraud, scenario
        Its columns, shape (n,).
    """

    frame: pl.DataFrame
    day: IntArray
    customer: IntArray
    fraud: FloatArray
    scenario: IntArray


def folder() -> Path:
    """Return where the handbook's files are: ``fraud/fdh_simulated`` in the folder that ADJUDGE_DATA names.

    Raises
    ------
    UnavailableError
        If they are not there.
    """
    named = os.environ.get("ADJUDGE_DATA", "")
    path = Path(named) / "fraud" / "fdh_simulated"
    if not named or not (path / "transactions.parquet").is_file():
        message = "the handbook's transactions are not there: ADJUDGE_DATA must name a folder that holds "
        raise UnavailableError(message + "fraud/fdh_simulated/transactions.parquet")
    return path


def read(last_day: int) -> Cards:
    """Return the transactions up to a day, that day included."""
    return of_frame(handbook.table(folder()).filter(pl.col("TX_TIME_DAYS") <= last_day))


def of_frame(frame: pl.DataFrame) -> Cards:
    """Return a table in the authors' columns, in order of time, with the columns that the protocol needs."""

    def column(name: str, kind: type) -> AnyArray:
        return frame[name].to_numpy().astype(kind)

    return Cards(
        frame,
        column("TX_TIME_DAYS", np.int64),
        column("CUSTOMER_ID", np.int64),
        column("TX_FRAUD", np.float64),
        column("TX_FRAUD_SCENARIO", np.int64),
    )


def streams(cards: Cards) -> dict[str, pl.DataFrame]:
    """Return the transactions as events of the system's two streams."""
    seconds = pl.col("TX_TIME_SECONDS").cast(pl.Int64)
    at = pl.lit(FIRST_DAY).cast(pl.Datetime("us", "UTC")) + pl.duration(seconds=seconds)
    transactions = cards.frame.select(
        transaction_id=pl.col("TRANSACTION_ID").cast(pl.String),
        at=at,
        customer=pl.col("CUSTOMER_ID").cast(pl.String),
        terminal=pl.col("TERMINAL_ID").cast(pl.String),
        amount=pl.col("TX_AMOUNT"),
        day=seconds / 86_400,
        fraud=pl.col("TX_FRAUD").cast(pl.Float64),
    )
    settled = transactions.select(
        settled_id="transaction_id",
        at=pl.col("at") + DELAY,
        customer="customer",
        terminal="terminal",
        amount="amount",
        amount_log=pl.col("amount").log1p(),
        day="day",
        fraud="fraud",
    )
    return {"transaction": transactions.drop("fraud"), "settled": settled}


@dataclass(frozen=True)
class Fold:
    """Rows of one training and test week.

    Parameters
    ----------
    train, test
        Positions in the table.
    """

    train: IntArray
    test: IntArray


def fold(cards: Cards, start: int, *, since: int | None = None) -> Fold:
    """Return the book's split: a week from a first day, a week's gap, a test week without known victims.

    Parameters
    ----------
    cards
        The transactions.
    start
        First day of the training week.
    since
        Instead of a week, train on everything from this day to the end of the training week.
    """
    day, fraud = cards.day, cards.fraud == 1
    week: BoolArray = (day >= start) & (day < start + WEEK)
    known = set(cards.customer[week & fraud].tolist())
    tests = []
    for later in range(WEEK):
        known |= set(cards.customer[(day == start + WEEK + later - 1) & fraud].tolist())
        today = np.flatnonzero(day == start + 2 * WEEK + later)
        tests.append(today[~np.isin(cards.customer[today], list(known))])
    train = week if since is None else (day >= since) & (day < start + WEEK)
    return Fold(np.flatnonzero(train), np.concatenate(tests))


@dataclass(frozen=True)
class Figures:
    """The book's three figures of one ranking, as functions of weights per row.

    Parameters
    ----------
    ranking, cards
        The test rows in order, and per day and customer.
    first
        A row of every customer, by which weights per row become weights per customer.
    """

    ranking: Ranking
    cards: CardDays
    first: IntArray

    @classmethod
    def of(cls, cards: Cards, rows: IntArray, score: FloatArray) -> Figures:
        """Rank the test rows."""
        y, customer = cards.fraud[rows], cards.customer[rows]
        first = np.unique(customer, return_index=True)[1].astype(np.int64)
        return cls(Ranking.of(y, score), CardDays.of(y, score, cards.day[rows], customer), first)

    def __call__(self, weight: FloatArray) -> dict[str, float]:
        """Return AUC, average precision and card precision at 100."""
        curve = self.ranking.curve(weight)
        return {
            "auc": curve.auc(),
            "ap": curve.average_precision(),
            "cp100": self.cards.precision(100, weight[self.first]),
        }


def inputs(table: Table) -> FloatArray:
    """Return what the model reads, shape (n, F)."""
    return table.features(INPUTS).matrix()
