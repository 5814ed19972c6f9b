"""A look at a whole batch never takes for sound what the check of a field refuses, and both doors say the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.define import Event, Id, Money, Time, field
from adjudge.define.event import Field
from adjudge.service.checks import check_of, glance_of
from adjudge.service.decode import BadBody, EventDecoder

PRICE = Field("price", "money", minimum=-5, maximum=1_000, currency_from="currency", rate_from="rate", optional=True)
PLAIN = Field("price", "money")
YEN = Field("price", "money", currency="JPY")
WHEN = Field("price", "time")

amounts = st.one_of(
    st.none(),
    st.decimals(allow_nan=True, allow_infinity=True),
    st.decimals(-2_000, 2_000, places=2),
    st.sampled_from(["1E13", "-1E13", "9999999999999.99", "0E-9", "1E+3", "0.001", "12.5", "7"]).map(Decimal),
)
currencies = st.sampled_from([None, "", "EUR", "USD", "JPY", "KWD"])
rates = st.sampled_from([None, 0.5, 1e12, 0.0])
times = st.datetimes(timezones=st.just(UTC))


def a_row(price: object, currency: str | None, rate: float | None) -> SimpleNamespace:
    """Return what both look at, as an event would hold it."""
    return SimpleNamespace(price=price, currency=currency, rate=rate)


@pytest.mark.parametrize("f", [PRICE, PLAIN, YEN])
@given(rows=st.lists(st.builds(a_row, amounts, currencies, rates), max_size=4))
def test_a_glance_never_passes_an_amount_that_is_refused(f: Field, rows: list[Any]) -> None:
    """Whatever the check finds wrong with one event, the glance at the batch has not called sound."""
    check = found_by(f)
    if glance_of(f)(rows):
        assert all(row.price is None or check(row.price, row) is None for row in rows)


@given(rows=st.lists(st.builds(a_row, times, st.none(), st.none()), max_size=4))
def test_a_glance_at_times_comes_to_what_the_check_says(rows: list[Any]) -> None:
    """Years are all that is checked, so both always agree."""
    check = found_by(WHEN)
    assert glance_of(WHEN)(rows) == all(check(row.price, row) is None for row in rows)


@pytest.mark.parametrize("text", ["12.50", "12.5", "12", "0", "-5", "999.99"])
def test_usual_amounts_pass_at_a_glance(text: str) -> None:
    """Money in the field's own currency costs no second look, however many of its digits are written."""
    assert glance_of(PRICE)([a_row(Decimal(text), None, None), a_row(None, "EUR", None)])


class Fee(Event):
    """An event with bounds."""

    fee_id: Id
    at: Time
    amount: Money = field(minimum=0, maximum=100)


@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["1", "1.50", "0.001", "-1", "101", "100", "0.5", "1e1"]),
            st.sampled_from([datetime(1899, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_batch_passes_what_single_events_pass(rows: list[tuple[str, datetime]]) -> None:
    """Good and refused rows, with their codes, are the same whether events come together or one by one."""
    door = EventDecoder(Fee.schema())
    bodies = [
        f'{{"fee_id":"{i}","at":"{at.isoformat()}","amount":"{amount}"}}'.encode()
        for i, (amount, at) in enumerate(rows)
    ]
    together = door.many(b"[" + b",".join(bodies) + b"]")
    alone, refused = [], []
    for i, body in enumerate(bodies):
        try:
            alone.append(door.one(body))
        except BadBody as bad:
            refused += [(i, error.field, error.code) for error in bad.errors]
    assert together.events == alone
    assert [(error.row, error.field, error.code) for error in together.errors] == refused
    assert together.rows == [i for i in range(len(rows)) if i not in {row for row, _, _ in refused}]


def found_by(f: Field) -> Callable[[Any, Any], object]:
    """Return the check of a field that has one."""
    check = check_of(f)
    assert check is not None
    return check
