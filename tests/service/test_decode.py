"""The door: what passes, and what is said about what does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjudge.define import Boolean, Category, Event, Id, Key, Money, Number, Place, Text, Time, field
from adjudge.errors import InputError
from adjudge.service.decode import MAX_ROW_ERRORS, BadBody, EventDecoder


class Sale(Event):
    """A sale with one field of every type."""

    sale_id: Id
    at: Time
    user: Key
    device: Key | None
    amount: Money = field(minimum=0, maximum=1_000_000)
    fee: Money | None = field(currency_from="currency", rate_from="rate")
    currency: Category | None
    rate: Number | None
    method: Category
    place: Place | None
    note: Text | None = field(max_length=20)
    minutes: Number | None = field(minimum=0, maximum=60)
    guest: Boolean | None


DOOR = EventDecoder(Sale.schema())
GOOD: dict[str, Any] = {
    "sale_id": "s1",
    "at": "2026-03-01T10:00:00+01:00",
    "user": "u1",
    "amount": "12.50",
    "method": "card",
}


def body(**changes: Any) -> bytes:
    """Return a good sale with changes, as JSON; `None` stays as null."""
    return json.dumps(GOOD | changes).encode()


def test_a_full_event_comes_through() -> None:
    """Every type arrives as the value that was sent."""
    event: Any = DOOR.one(
        body(
            device="d1",
            place={"lat": 52.5, "lon": 13.4},
            note="hello",
            minutes=3,
            guest=True,
            fee=1,
            currency="JPY",
            rate=0.006,
        )
    )
    assert event.amount == Decimal("12.50")
    assert event.at == datetime(2026, 3, 1, 9, tzinfo=UTC)
    assert event.at.utcoffset() == timedelta(hours=1)
    assert (event.place.lat, event.place.lon) == (52.5, 13.4)
    assert (event.minutes, event.guest, event.device, event.fee) == (3.0, True, "d1", Decimal(1))


def test_money_is_exact_from_text_and_from_a_number() -> None:
    """0.1 is a tenth, however it is written; trailing zeros say nothing new."""
    for written in (b'"0.10"', b"0.1", b"0.10", b'"0.1000"'):
        event: Any = DOOR.one(body().replace(b'"12.50"', written))
        assert event.amount == Decimal("0.1")


def test_canonical_bytes_come_back_as_the_same_event() -> None:
    """Encoding and decoding again loses nothing, the offset of the time included."""
    event = DOOR.one(body(place={"lat": 1, "lon": 2}, at="2026-03-01T10:00:00.123456-07:00"))
    again = DOOR.one(DOOR.encode(event))
    assert again == event
    assert again.at.utcoffset() == timedelta(hours=-7)  # type: ignore[attr-defined]
    assert b"device" not in DOOR.encode(event)


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "missing": ({"user": None}, "user", "missing_field"),
    "unknown": ({"amuont": 3}, "amuont", "unknown_field"),
    "text for a number": ({"minutes": "3"}, "minutes", "wrong_type"),
    "boolean for money": ({"amount": True}, "amount", "wrong_type"),
    "words for money": ({"amount": "a lot"}, "amount", "wrong_type"),
    "number for text": ({"method": 3}, "method", "wrong_type"),
    "number for a time": ({"at": 1_700_000_000}, "at", "wrong_type"),
    "text for a boolean": ({"guest": "yes"}, "guest", "wrong_type"),
    "list for a place": ({"place": [1, 2]}, "place", "wrong_type"),
    "half a place": ({"place": {"lat": 1}}, "place", "missing_field"),
    "more than a place": ({"place": {"lat": 1, "lon": 2, "alt": 3}}, "place", "unknown_field"),
    "north of the pole": ({"place": {"lat": 91, "lon": 2}}, "place.lat", "out_of_range"),
    "text in a place": ({"place": {"lat": "1", "lon": 2}}, "place.lat", "wrong_type"),
    "negative money": ({"amount": "-0.01"}, "amount", "out_of_range"),
    "too much money": ({"amount": 1_000_001}, "amount", "out_of_range"),
    "half a cent": ({"amount": "0.005"}, "amount", "too_many_digits"),
    "half a yen": ({"fee": "0.5", "currency": "JPY", "rate": 0.006}, "fee", "too_many_digits"),
    "foreign money without a rate": ({"fee": "5", "currency": "JPY"}, "fee", "missing_rate"),
    "money at an absurd rate": ({"fee": "5", "currency": "USD", "rate": 1e300}, "fee", "out_of_range"),
    "money at a rate of text": ({"fee": "5", "currency": "USD", "rate": "1.1"}, "rate", "wrong_type"),
    "money at a rate of NaN": ({"fee": "5", "currency": "USD", "rate": float("nan")}, "rate", "not_finite"),
    "money at a true rate": ({"fee": "5", "currency": "USD", "rate": True}, "rate", "wrong_type"),
    "no money at an endless rate": ({"fee": "0", "currency": "USD", "rate": 10**400}, "rate", "not_finite"),
    "half a surrogate in a place": ({"place": {"lat": 1, "lon": 2, "\ud800": 3}}, "place", "bad_text"),
    "half a surrogate in a name": ({"\ud800": 3}, "?", "unknown_field"),
    "money at a negative rate": ({"fee": "5", "currency": "USD", "rate": -1}, "fee", "out_of_range"),
    "astronomic money": ({"fee": "1e999999"}, "fee", "out_of_range"),
    "money of NaN": ({"amount": "NaN"}, "amount", "not_finite"),
    "infinite money": ({"fee": "-Infinity"}, "fee", "not_finite"),
    "an amount without end": ({"amount": "1E-99999999999"}, "amount", "too_many_digits"),
    "a place of NaN": ({"place": {"lat": float("nan"), "lon": 2}}, "place.lat", "not_finite"),
    "below its bound": ({"minutes": -1}, "minutes", "out_of_range"),
    "above its bound": ({"minutes": 61}, "minutes", "out_of_range"),
    "naive time": ({"at": "2026-03-01T10:00:00"}, "at", "naive_time"),
    "no such time": ({"at": "2026-02-30T10:00:00Z"}, "at", "bad_time"),
    "words for a time": ({"at": "yesterday"}, "at", "bad_time"),
    "year 1": ({"at": "0001-01-01T00:00:00+14:00"}, "at", "out_of_range"),
    "year 9999": ({"at": "9999-12-31T23:59:59-14:00"}, "at", "out_of_range"),
    "long text": ({"note": "x" * 21}, "note", "too_long"),
    "long id": ({"sale_id": "x" * 201}, "sale_id", "too_long"),
    "empty key": ({"user": ""}, "user", "too_short"),
    "empty id": ({"sale_id": ""}, "sale_id", "too_short"),
    "NaN": ({"minutes": float("nan")}, "minutes", "not_finite"),
    "infinity": ({"minutes": float("-inf")}, "minutes", "not_finite"),
    "NaN for money": ({"amount": float("nan")}, "amount", "not_finite"),
}


@pytest.mark.parametrize(("changes", "name", "code"), BAD.values(), ids=BAD.keys())
def test_a_bad_field_is_named(changes: dict[str, Any], name: str, code: str) -> None:
    """One event or a row of many: the same field and code, and the row beside it is decoded."""
    with pytest.raises(BadBody) as caught:
        DOOR.one(body(**changes))
    assert [(e.row, e.field, e.code) for e in caught.value.errors] == [(None, name, code)]

    many = DOOR.many(b"[" + body(sale_id="a") + b"," + body(**changes) + b"," + body(sale_id="b") + b"]")
    assert [(e.row, e.field, e.code) for e in many.errors] == [(1, name, code)]
    assert many.rows == [0, 2]
    assert [event.sale_id for event in many.events] == ["a", "b"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("amount", ["1_000.00", " 12.50 ", "\u0661\u0662", "+5", "5.", ".5", "", "0" * 41])
def test_an_amount_is_written_as_json_writes_numbers(amount: str) -> None:
    """What Python reads besides is a mistake more often than an amount."""
    data = body(amount=amount)
    assert refusals(DOOR.one, data) == [("amount", "wrong_type")]
    many = DOOR.many(b"[" + data + b"," + body() + b"]")
    assert [(e.row, e.field, e.code) for e in many.errors] == [(0, "amount", "wrong_type")]
    assert many.rows == [1]


@pytest.mark.parametrize("name", [r"\u0061mount", r"am\u006fun\u0074"])
def test_a_name_with_escapes_hides_no_amount(name: str) -> None:
    """JSON may write a letter of a name as its number; what stands behind it is looked at all the same."""
    odd, good = (body(amount=amount).replace(b"amount", name.encode()) for amount in ("1_000.00", "12.50"))
    assert refusals(DOOR.one, odd) == [("amount", "wrong_type")]
    many = DOOR.many(b"[" + odd + b"," + good + b"]")
    assert [(e.row, e.field, e.code) for e in many.errors] == [(0, "amount", "wrong_type")]
    assert many.rows == [1]
    assert DOOR.one(good) == DOOR.one(body(amount="12.50"))


def test_a_part_of_a_field_is_named_with_a_point() -> None:
    with pytest.raises(BadBody, match=r"^place\.lat must be at most 90"):
        DOOR.one(body(place={"lat": 91, "lon": 2}))


def test_a_row_that_is_not_utf_8_is_refused_alone() -> None:
    """The rows beside it are decoded."""
    many = DOOR.many(b"[" + body(sale_id="a") + b"," + body(sale_id="X").replace(b"X", b"\xff") + b"]")
    assert [(e.row, e.code) for e in many.errors] == [(1, "malformed")]
    assert many.rows == [0]


def test_rows_are_counted_before_they_are_explained() -> None:
    with pytest.raises(InputError, match="may hold 2 items, this one has 3") as caught:
        DOOR.many(b"[3, 4, 5]", 2)
    assert caught.value.code == "too_large"
    with pytest.raises(InputError, match="may hold 1 items"):
        DOOR.many(b"[" + body() + b"," + body() + b"]", 1)


def test_errors_without_end_are_not_all_explained() -> None:
    """Every row has one, but only so many say why."""
    many = DOOR.many(b"[" + b",".join([b'{"no": 1}'] * 2_000) + b"]")
    assert {e.row for e in many.errors} == set(range(2_000))
    assert len(many.errors) < 3_000
    assert len(refusals(DOOR.one, body(**{f"x{i}": 1 for i in range(5_000)}))) == MAX_ROW_ERRORS


@pytest.mark.parametrize("name", ["sale_id", "user", "method", "note"])
def test_half_a_surrogate_is_named(name: str) -> None:
    """JSON can spell it, and no UTF-8 text can hold it."""
    data = body(**{name: "\ud800"})
    assert refusals(DOOR.one, data) == [(name, "bad_text")]
    assert [(e.field, e.code) for e in DOOR.many(b"[" + data + b"]").errors] == [(name, "bad_text")]


@pytest.mark.parametrize(("changes", "name", "code"), BAD.values(), ids=BAD.keys())
def test_rows_from_a_file_are_held_to_the_same(changes: dict[str, Any], name: str, code: str) -> None:
    """A mapping in this process is refused for the same reason as its JSON."""
    decoded = DOOR.rows([GOOD, GOOD | changes])
    assert [(e.row, e.field, e.code) for e in decoded.errors] == [(1, name, code)]
    assert decoded.rows == [0]


def test_numbers_too_large_for_a_double_are_not_finite() -> None:
    """1e400 must not become infinity."""
    with pytest.raises(BadBody) as caught:
        DOOR.one(body(minutes=1).replace(b'"minutes": 1', b'"minutes": 1e400'))
    assert (caught.value.field, caught.value.code) == ("minutes", "not_finite")


def test_all_errors_of_a_row_are_told_at_once() -> None:
    """Nobody wants to learn of their mistakes one by one."""
    with pytest.raises(BadBody) as caught:
        DOOR.one(body(user=None, amount="-1", method=4, extra=1))
    assert {(e.field, e.code) for e in caught.value.errors} == {
        ("user", "missing_field"),
        ("amount", "out_of_range"),
        ("method", "wrong_type"),
        ("extra", "unknown_field"),
    }


def test_an_unknown_field_comes_with_the_nearest_name() -> None:
    """The hint names what was probably meant."""
    with pytest.raises(BadBody, match="did you mean 'amount'"):
        DOOR.one(body(amuont=1))


def test_values_are_never_repeated() -> None:
    """What a client sent may be personal and does not belong into answers or logs."""
    secret = "4929-1234-5678-9999"
    for changes in (
        {"minutes": secret},
        {"amount": secret},
        {"at": secret},
        {"note": secret * 5},
        {"place": secret},
    ):
        with pytest.raises(BadBody) as caught:
            DOOR.one(body(**changes))
        assert secret[:9] not in str(caught.value)


MALFORMED = {
    "nothing": b"",
    "half": b'{"sale_id": "s1"',
    "words": b"hello",
    "not UTF-8": b'{"sale_id": "\xff\xfe"}',
    "deep": b"[" * 100_000,
    "two documents": b"{}{}",
    "half a surrogate": b'{"sale_id": "\\ud800"}',
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_not_json_is_told_so(data: bytes) -> None:
    """One sentence, whatever the bytes."""
    for decode in (DOOR.one, DOOR.many):
        with pytest.raises(BadBody) as caught:
            decode(data)
        assert caught.value.errors


@pytest.mark.parametrize("data", [b"3", b'"text"', b"null", b"true", b"[]", b"[[]]"])
def test_one_event_must_be_an_object(data: bytes) -> None:
    """An array, a number or null is not an event."""
    with pytest.raises(BadBody) as caught:
        DOOR.one(data)
    assert caught.value.code == "wrong_type"


@pytest.mark.parametrize("data", [b"3", b'"text"', b"null", b"{}", b"1.5"])
def test_many_events_must_be_an_array(data: bytes) -> None:
    """An object is one event and belongs to the other address."""
    with pytest.raises(BadBody) as caught:
        DOOR.many(data)
    assert caught.value.code == "wrong_type"


def test_rows_that_are_not_objects_are_named() -> None:
    """Each by its number."""
    many = DOOR.many(b'[3, null, "x", [], ' + body() + b", NaN]")
    assert [(e.row, e.code) for e in many.errors] == [(n, "wrong_type") for n in (0, 1, 2, 3, 5)]
    assert many.rows == [4]


def test_an_empty_batch_is_empty() -> None:
    """No events, no errors."""
    assert DOOR.many(b"[]").events == []


def test_text_files_may_write_everything_as_text() -> None:
    """CSV has no types: numbers and booleans come from text, and empty means missing."""
    row = GOOD | {"minutes": "3.5", "guest": "true", "device": "", "note": ""}
    event: Any = DOOR.rows([row], strict=False).events[0]
    assert (event.minutes, event.guest, event.device, event.note) == (3.5, True, None, None)
    assert DOOR.rows([row]).errors


def test_python_values_pass_as_they_are() -> None:
    """Datetimes, decimals and floats need no detour through text."""
    at = datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=2)))
    event: Any = DOOR.rows([GOOD | {"at": at, "amount": Decimal("3.10"), "minutes": 2}]).events[0]
    assert (event.at, event.amount, event.minutes) == (at, Decimal("3.10"), 2.0)
    assert DOOR.rows([GOOD | {"at": at.replace(tzinfo=None)}]).errors[0].code == "naive_time"


def refusals(decode: Callable[[bytes], object], data: bytes) -> list[tuple[str, str]]:
    """Return field and code of every reason for which data were refused; nothing else may be raised."""
    try:
        decode(data)
    except BadBody as refused:
        return [(e.field, e.code) for e in refused.errors] or [("", "refused without a reason")]
    return []


@given(st.binary(max_size=200))
def test_no_bytes_make_it_stumble(data: bytes) -> None:
    """Anything is either decoded or refused for a reason."""
    for decode in (DOOR.one, DOOR.many):
        assert ("", "refused without a reason") not in refusals(decode, data)


@given(
    st.dictionaries(
        st.sampled_from(DOOR.schema.names) | st.text(max_size=5),
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=30),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
            max_leaves=5,
        ),
        max_size=6,
    )
)
def test_no_object_makes_it_stumble(changes: dict[str, Any]) -> None:
    """A good event with arbitrary changes is decoded or refused by name, alone and in a batch alike."""
    data = json.dumps(GOOD | changes).encode()
    alone = refusals(DOOR.one, data)
    assert all(name or "" in changes for name, _ in alone)
    if not alone:
        event = DOOR.one(data)
        assert DOOR.one(DOOR.encode(event)) == event
    assert [(e.field, e.code) for e in DOOR.many(b"[" + data + b"]").errors] == alone
