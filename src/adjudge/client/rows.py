"""Rows on their way out: whatever holds an event's fields becomes JSON, exactly.

Nothing is judged here. Amounts leave as they are written, times with their offset, numbers in full; what is wrong
with a value is for the service to say, which says the same to everybody.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from adjudge.errors import InputError

Row = Mapping[str, Any] | msgspec.Raw | object
"""One event or mark: a mapping by field, an instance whose attributes are the fields (of an event class, a dataclass,
a struct), or JSON text as `msgspec.Raw`."""

UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError)
"""What encoding raises on values that JSON has no form for; text that is no UTF-8 is a `ValueError`."""

_encode = msgspec.json.Encoder().encode


def encode(row: Row, number: int | None = None) -> bytes:
    """Return a row as JSON; missing values are left out.

    Parameters
    ----------
    row
        The row.
    number
        Its place among others, named in an error.

    Raises
    ------
    InputError
        If a value is nothing that JSON could hold, naming the field.

    Examples
    --------
    >>> from decimal import Decimal
    >>> encode({"payment_id": "p1", "amount": Decimal("12.50"), "place": (48.2, 16.4), "device": None})
    b'{"payment_id":"p1","amount":"12.50","place":{"lat":48.2,"lon":16.4}}'
    """
    if isinstance(row, msgspec.Raw):
        return bytes(row)
    values = {name: _value(value) for name, value in _fields(row, number).items() if value is not None}
    try:
        return _encode(values)
    except UNWRITABLE:
        raise _unwritable(values, number) from None


def pieces(rows: Iterable[Row], *, max_rows: int, max_bytes: int) -> Iterator[list[bytes]]:
    """Yield rows as JSON, so many as may go together, in their order.

    Parameters
    ----------
    rows
        Read as they are needed.
    max_rows
        Most rows of one piece.
    max_bytes
        Size that the body of no piece of more than one row goes beyond.

    Examples
    --------
    >>> list(pieces([{"id": "a"}, {"id": "b"}, {"id": "c"}], max_rows=2, max_bytes=1000))
    [[b'{"id":"a"}', b'{"id":"b"}'], [b'{"id":"c"}']]
    """
    held: list[bytes] = []
    size = 1
    for number, row in enumerate(rows):
        text = encode(row, number)
        if held and (len(held) == max_rows or size + len(text) + 1 > max_bytes):
            yield held
            held, size = [], 1
        held.append(text)
        size += len(text) + 1
    if held:
        yield held


def body_of(piece: Sequence[bytes]) -> bytes:
    """Return the body of a request for the rows of a piece."""
    return b"[%b]" % b",".join(piece)


def _fields(row: Row, number: int | None) -> Mapping[str, Any]:
    """Return the values of a row by field."""
    if isinstance(row, Mapping):
        return row
    if isinstance(row, msgspec.Struct):
        return {name: getattr(row, name) for name in row.__struct_fields__}
    if dataclasses.is_dataclass(row):
        return _given({field.name: getattr(row, field.name) for field in dataclasses.fields(row)})
    if hasattr(row, "__dict__"):
        return _given(vars(row))
    message = f"a row must be a mapping or an object with fields, not {type(row).__name__}"
    raise InputError(message, row=number, code="wrong_type")


def _given(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Leave out what an instance of an event class was not given: it still has the declaration there."""
    from adjudge.define.event import Options  # loaded already where there are event classes, and not light

    return {name: value for name, value in values.items() if not isinstance(value, Options)}


def _value(value: Any) -> Any:
    """Return a value as the wire has it, where that is not how it would be encoded anyway."""
    if isinstance(value, float) and not math.isfinite(value):
        return msgspec.Raw(
            json.dumps(value).encode()
        )  # not JSON: the service refuses it by name; null would mean missing
    if isinstance(value, tuple) and len(value) == 2:
        return {"lat": _value(value[0]), "lon": _value(value[1])}
    if isinstance(value, Mapping):
        return {name: _value(part) for name, part in value.items()}
    return value


def _unwritable(values: Mapping[str, Any], number: int | None) -> InputError:
    for name, value in values.items():
        try:
            _encode({name: value})
        except UNWRITABLE:
            message = f"{name} is a {type(value).__name__} that cannot be written as JSON"
            return InputError(message, field=name, row=number, code="wrong_type")
    return InputError("the row cannot be written as JSON", row=number, code="wrong_type")
