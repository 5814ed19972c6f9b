"""The Kaggle card set of the Université Libre de Bruxelles: two days of 2013, as principal components."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Field, Label, Schema, System, feature, seconds
from adjudge.define.event import stream_of
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind
from adjudge.learn.datasets.shared import FRAUD, HOUR, fraud_system, numbered, since

if TYPE_CHECKING:
    import polars as pl

ORIGIN = datetime(2013, 9, 1, tzinfo=UTC)
"""Second 0, an assumption: the authors say two days of September 2013."""

COMPONENTS = tuple(f"V{i}" for i in range(1, 29))

Transaction = stream_of(
    Schema(
        "transaction",
        (
            Field("transaction_id", "id"),
            Field("at", "time"),
            Field("amount", "money"),
            *(Field(name.lower(), "number", meaning="a principal component") for name in COMPONENTS),
        ),
        "transaction_id",
        "at",
        meaning="A card transaction.",
    )
)
"""A card transaction: there is nothing in it that two of them could have in common, so there are no histories."""


def system() -> System:
    """Return definitions for the card set: the components as they are, amount and hour.

    Examples
    --------
    >>> len(system().decides.schema().names)
    31
    """
    at_once = Label(FRAUD, delay=timedelta(0), meaning="known at once: two days leave no room for a delay")
    return fraud_system(
        "creditcard",
        Transaction,
        [feature("amount_log", "log1p(amount)"), HOUR],
        meaning="Ranks the card transactions of the Kaggle card set.",
        alerts_per_day=500,
        label=at_once,
    )


COLUMNS: dict[str, Kind] = {
    "Time": "number",
    **dict.fromkeys(COMPONENTS, "number"),
    "Amount": "number",
    "Class": "truth",
}


def _events(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    return frame.select(
        transaction_id=numbered(),
        at=since(ORIGIN, "Time", seconds(1)),
        amount="Amount",
        **{name.lower(): name for name in COMPONENTS},
        fraud="Class",
    )


DATASET = Dataset(
    name="creditcard",
    meaning="Kaggle's card set (ULB): two days of European cards as 28 principal components",
    obtain="https://www.kaggle.com/datasets/mlg-ulb/creditcardfraud (creditcard.csv)",
    licence="see the page of the set",
    files=("creditcard",),
    editions=(Edition("creditcard.csv", 284_807, 492),),
    forms=(Form(COLUMNS, _events),),
    system=system,
    notes=(
        "seconds are counted from 2013-09-01 UTC, which is assumed",
        "the currency is not named; EUR is assumed",
        "there is no card and no merchant: no feature can look back, so this set shows a model alone",
        "rows have no ids and are numbered t0, t1, ...",
    ),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""
