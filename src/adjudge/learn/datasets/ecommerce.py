"""E-commerce fraud: first purchases of new users, as given to applicants as a task, with addresses and devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from adjudge.define import Category, Event, Id, Key, Money, System, Time, days, feature, field, hours
from adjudge.learn.datasets.dataset import Dataset, Edition, Form
from adjudge.learn.datasets.files import Kind, table
from adjudge.learn.datasets.shared import FRAUD, HOUR, fraud_system

if TYPE_CHECKING:
    import polars as pl


class Purchase(Event):
    """The first purchase of a user; every user has one."""

    purchase_id: Id = field(meaning="the user's id, which no other purchase has")
    at: Time
    signed_up: Time
    device: Key
    ip: Key
    country: Category | None = field(meaning="of the address, by the table of addresses")
    amount: Money = field(minimum=0, currency="USD")
    source: Category = field(meaning="how the user came: advert, search or directly")
    browser: Category


def system() -> System:
    """Return definitions for e-commerce: how soon after signing up, and who else had this device and address.

    Examples
    --------
    >>> system().leave_out
    ['signed_up']
    """
    device, ip = Purchase.by("device"), Purchase.by("ip")
    return fraud_system(
        "ecommerce",
        Purchase,
        [
            device.count(hours(1), days(1), days(30)),
            device.since_last(),
            device.mean("amount", days(30)),
            device.count(days(30), of=FRAUD),
            ip.count(hours(1), days(1), days(30)),
            ip.count(days(30), of=FRAUD),
            Purchase.by("country").rate(FRAUD, days(30)),
            feature("since_signed_up_s", "at - signed_up", unit="s"),
            HOUR,
            feature("weekday", "weekday(at)"),
        ],
        meaning="Ranks first purchases of new users.",
        card="device",
        leave_out=["signed_up"],
    )


COLUMNS: dict[str, Kind] = {
    "user_id": "whole",
    "signup_time": "time",
    "purchase_time": "time",
    "purchase_value": "number",
    "device_id": "text",
    "source": "text",
    "browser": "text",
    "ip_address": "number",
    "class": "truth",
}

ADDRESSES: dict[str, Kind] = {
    "lower_bound_ip_address": "number",
    "upper_bound_ip_address": "number",
    "country": "text",
}


def _events(frame: pl.LazyFrame, folder: Path) -> pl.LazyFrame:
    import polars as pl

    lower, upper = list(ADDRESSES)[:2]
    addresses = table(folder, ["IpAddress_to_Country", "ip_to_country"], ADDRESSES).sort(lower)
    located = (
        frame.with_row_index("row")
        .sort("ip_address")
        .join_asof(addresses, left_on="ip_address", right_on=lower, strategy="backward")
        .sort("row")
    )
    return located.select(
        purchase_id="user_id",
        at="purchase_time",
        signed_up="signup_time",
        device="device_id",
        ip=pl.col("ip_address").cast(pl.Int64).cast(pl.String),
        country=pl.when(pl.col("ip_address") <= pl.col(upper)).then(pl.col("country")),
        amount="purchase_value",
        source="source",
        browser="browser",
        fraud="class",
    )


DATASET = Dataset(
    name="ecommerce",
    meaning="E-commerce fraud: first purchases of new users with device and address, 2015",
    obtain="https://www.kaggle.com/datasets/vbinh002/fraud-ecommerce (Fraud_Data.csv, IpAddress_to_Country.csv)",
    licence="none stated",
    files=("Fraud_Data", "fraud_data", "purchases"),
    editions=(Edition("Kaggle", 151_112, 14_151),),
    forms=(Form(COLUMNS, _events),),
    system=system,
    notes=(
        "times have no zone and are read as UTC",
        "amounts are whole; their currency is not named, USD is assumed",
        "the country is that of the range that holds the address, if IpAddress_to_Country.csv is beside; else missing",
        "age and sex are not read",
        "January 2015 is mostly fraud and later months are not: splits by chance flatter here",
    ),
)
"""The set."""

read = DATASET.read
"""Return its events and labels from a path."""
