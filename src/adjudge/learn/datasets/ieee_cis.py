"""IEEE-CIS: card payments without presence that Vesta published for a competition, with masked columns."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Category, Event, Id, Key, Money, Number, System, Time, days, field, hours, seconds
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind, table
from adjudge.learn.datasets.shared import FRAUD, HOUR, fraud_system, label_of, since, zscore

if TYPE_CHECKING:
    import polars as pl

ORIGIN = datetime(2017, 11, 30, tzinfo=UTC)
"""Second 0, an assumption: the authors give seconds since some day, and the first is 86,400."""

NUMBERS = ("C1", "C2", "C5", "C9", "C13", "C14", "D1", "D2", "D3", "D4", "D10", "D11", "D15")
"""The masked counts and days that are read; which V columns are worth it is for others to find."""


class Payment(Event):
    """A payment without the card being present."""

    payment_id: Id
    at: Time
    card: Key = field(meaning="card1 to card3 and card5 together: close to one card, not exactly one")
    account: Key | None = field(meaning="card, address and the day on which D1 says that it was first seen")
    product: Category
    amount: Money = field(currency="USD")
    brand: Category | None
    funding: Category | None = field(meaning="debit or credit")
    address: Key | None = field(meaning="masked billing region")
    country: Category | None = field(meaning="masked billing country")
    payer_mail: Category | None = field(meaning="domain of the payer's address")
    receiver_mail: Category | None
    device: Key | None
    device_type: Category | None
    km: Number | None = field(meaning="dist1, in a unit that is not told")
    c1: Number | None
    c2: Number | None
    c5: Number | None
    c9: Number | None
    c13: Number | None
    c14: Number | None
    d1: Number | None
    d2: Number | None
    d3: Number | None
    d4: Number | None
    d10: Number | None
    d11: Number | None
    d15: Number | None


def system() -> System:
    """Return definitions for IEEE-CIS: what a card and an account usually do, beside the masked columns.

    Examples
    --------
    >>> system().decides.schema()["amount"].currency
    'USD'
    """
    card, account, device = Payment.by("card"), Payment.by("account"), Payment.by("device")
    return fraud_system(
        "ieee_cis",
        Payment,
        [
            card.count(hours(1), days(1), days(7), days(30)),
            card.mean("amount", days(30)),
            card.std("amount", days(30)),
            card.since_last(),
            card.distinct("payer_mail", days(30)),
            card.rate(FRAUD, days(30)),
            account.count(days(1), days(30)),
            account.mean("amount", days(30)),
            account.std("amount", days(30)),
            account.since_last(),
            account.count(days(60), of=FRAUD),
            device.count(days(1), days(7)),
            device.distinct("card", days(7)),
            zscore("card_zscore", "card_amount", "30d"),
            zscore("account_zscore", "account_amount", "30d"),
            HOUR,
        ],
        meaning="Ranks the card payments of the IEEE-CIS competition.",
        card="card",
        alerts_per_day=200,
    )


COLUMNS: dict[str, Kind] = {
    "TransactionID": "whole",
    "isFraud": "truth",
    "TransactionDT": "number",
    "TransactionAmt": "number",
    "ProductCD": "text",
    **dict.fromkeys(("card1", "card2", "card3", "card5", "addr1", "addr2"), "whole"),
    "card4": "text",
    "card6": "text",
    "dist1": "number",
    "P_emaildomain": "text",
    "R_emaildomain": "text",
    **dict.fromkeys(NUMBERS, "number"),
}

IDENTITY: dict[str, Kind] = {"TransactionID": "whole", "DeviceType": "text", "DeviceInfo": "text"}

DAY_S = 86_400


def _events(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    import polars as pl

    card = pl.concat_str([pl.col(c).fill_null("") for c in ("card1", "card2", "card3", "card5")], separator="-")
    first_day = ((pl.col("TransactionDT") / DAY_S).floor() - pl.col("D1")).cast(pl.Int64).cast(pl.String)
    devices = table(folder, ["train_identity", "test_identity"], IDENTITY)  # of about a quarter of all payments
    return frame.join(devices, on="TransactionID", how="left", maintain_order="left").select(
        label_of("isFraud"),
        payment_id="TransactionID",
        at=since(ORIGIN, "TransactionDT", seconds(1)),
        card=card,
        account=pl.concat_str([card, pl.col("addr1").fill_null(""), first_day], separator="-"),
        product="ProductCD",
        amount="TransactionAmt",
        brand="card4",
        funding="card6",
        address="addr1",
        country="addr2",
        payer_mail="P_emaildomain",
        receiver_mail="R_emaildomain",
        device="DeviceInfo",
        device_type="DeviceType",
        km="dist1",
        **{name.lower(): pl.col(name) for name in NUMBERS},
    )


DATASET = Dataset(
    name="ieee_cis",
    meaning="IEEE-CIS: card payments on the net of half a year, with masked columns and devices",
    obtain="https://www.kaggle.com/c/ieee-fraud-detection/data (train_transaction.csv, train_identity.csv; an account "
    "and the competition's rules are needed)",
    licence="see the rules of the competition",
    files=("train_transaction",),
    editions=(
        Edition("train_transaction.csv", 590_540, 20_663),
        Edition("test_transaction.csv, without labels", 506_691, None),
    ),
    forms=(Form(COLUMNS, _events, unlabelled=("isFraud",)),),
    system=system,
    notes=(
        "seconds are counted from 2017-11-30 UTC, which is assumed: differences are exact, hours and weekdays a guess",
        "amounts are in USD",
        "a card is card1, card2, card3 and card5; an account adds addr1 and the day that D1 points back to",
        "the labels spread from a reported payment to later ones of the same account, as the authors say",
        "the V, M and id columns are not read",
    ),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""
