"""Encoding: what cannot be encoded is named by its field, and never by its value."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

from adjudge.define.event import Field, Schema
from adjudge.engine import SECRET
from adjudge.engine.encode import Encoder, micros_of
from adjudge.errors import InputError

FIELDS = (
    Field("payment_id", "id"),
    Field("at", "time"),
    Field("amount", "money", currency_from="currency", rate_from="rate"),
    Field("currency", "category", optional=True),
    Field("rate", "number", optional=True),
)


GOOD: dict[str, object] = {
    "payment_id": "p1",
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "amount": Decimal("123.45"),
    "currency": None,
    "rate": None,
}


def encoded(*rows: dict[str, object], fields: tuple[Field, ...] = FIELDS) -> dict[str, list[float]]:
    """Return what good events with changes are encoded as, row by row of the matrix."""
    encoder = Encoder(Schema("payment", fields, id_field="payment_id", time_field="at"), SECRET)
    out = np.zeros((encoder.width, len(rows)))
    encoder.events([SimpleNamespace(**(GOOD | changes)) for changes in rows], out)
    return {name: out[row].tolist() for name, row in encoder.row.items()} | {
        "offset": out[encoder.row["at"] + 1].tolist()
    }


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"amount": Decimal("123.456")}, "too_many_digits"), ({"currency": "USD"}, "missing_rate")],
)
def test_an_amount_is_never_repeated(changes: dict[str, object], code: str) -> None:
    with pytest.raises(InputError) as caught:
        encoded(changes)
    assert (caught.value.code, caught.value.row) == (code, 0)
    assert "123" not in str(caught.value)


def test_amounts_of_one_batch_are_what_each_is_alone() -> None:
    """However it is written, and whichever currency it is in: exact minor units of the base currency, as a double."""
    rows: list[dict[str, object]] = [
        {"amount": Decimal("0.1")},
        {"amount": Decimal(7)},
        {"amount": Decimal("1E+3"), "currency": "EUR"},
        {"amount": Decimal("10.00"), "currency": "USD", "rate": 0.925},
        {"amount": Decimal("99.10"), "currency": ""},
        {"amount": Decimal(500), "currency": "JPY", "rate": 0.0061},
        {"amount": Decimal("12.500")},
    ]
    assert encoded(*rows[:-1])["amount"] == [0.1, 7.0, 1000.0, 9.25, 99.1, 3.05]
    assert encoded(rows[-1])["amount"] == [12.5]  # a digit more than the currency has, but it is 0


def test_a_time_has_its_own_offset_or_that_of_its_zone() -> None:
    """Microseconds are whole far from 1970, and summer time is that of the event's day."""
    summer, winter = (
        datetime(2199, 7, 1, 12, 0, 0, 1, tzinfo=UTC),
        datetime(1901, 1, 1, tzinfo=timezone(timedelta(hours=-3))),
    )
    found = encoded({"at": summer}, {"at": winter})
    assert found["at"] == [micros_of(summer), micros_of(winter)]
    assert found["offset"] == [0.0, -10_800.0]
    berlin = (FIELDS[0], Field("at", "time", zone="Europe/Berlin"), *FIELDS[2:])
    days: list[dict[str, object]] = [{"at": datetime(2026, month, 1, tzinfo=UTC)} for month in (1, 7)]
    assert encoded(*days, fields=berlin)["offset"] == [3600.0, 7200.0]


def test_a_time_without_an_offset_is_named_with_its_row() -> None:
    """The door lets none in; whoever encodes without it is told."""
    with pytest.raises(InputError, match="without offset") as caught:
        encoded({}, {"at": datetime(2026, 1, 1)})  # noqa: DTZ001
    assert (caught.value.field, caught.value.row, caught.value.code) == ("at", 1, "naive_time")
