"""Encoding: what cannot be encoded is named by its field, and never by its value."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest

from adjudge.define.event import Field, Schema
from adjudge.engine import SECRET
from adjudge.engine.encode import Encoder
from adjudge.errors import InputError

FIELDS = (
    Field("payment_id", "id"),
    Field("at", "time"),
    Field("amount", "money", currency_from="currency", rate_from="rate"),
    Field("currency", "category", optional=True),
    Field("rate", "number", optional=True),
)


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"amount": Decimal("123.456")}, "too_many_digits"), ({"currency": "USD"}, "missing_rate")],
)
def test_an_amount_is_never_repeated(changes: dict[str, object], code: str) -> None:
    encoder = Encoder(Schema("payment", FIELDS, id_field="payment_id", time_field="at"), SECRET)
    good = {
        "payment_id": "p1",
        "at": datetime(2026, 1, 1, tzinfo=UTC),
        "amount": Decimal("123.45"),
        "currency": None,
        "rate": None,
    }
    with pytest.raises(InputError) as caught:
        encoder.events([SimpleNamespace(**(good | changes))], np.zeros((encoder.width, 1)))
    assert (caught.value.code, caught.value.row) == (code, 0)
    assert "123" not in str(caught.value)
