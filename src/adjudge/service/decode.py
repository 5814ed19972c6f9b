"""The door: bytes or rows from outside become typed events, or errors that name the field and the row.

A good batch is decoded in one pass. Only when that pass fails is each row looked at by itself, and a bad row
field by field, so that all of its errors are reported at once and the good rows beside it go on.
"""

from __future__ import annotations

import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as default
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any

import msgspec

from adjudge.define.event import Field, Schema
from adjudge.errors import InputError, did_you_mean
from adjudge.service.checks import Found, NotFinite, check_of, glance_of, not_finite

EventStruct = msgspec.Struct
"""One event of some stream: an immutable struct whose attributes are the schema's fields."""

MAX_ERRORS = 1_000
"""Errors of one batch that are told; bad rows beyond them are refused without an explanation."""

MAX_ROW_ERRORS = 100
"""Errors of one row that are told."""

AMOUNT = r"(?=[^\"]{1,40}\")-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?\""
"""An amount as text, up to its closing quotation mark: the grammar of JSON's numbers, which Python's is wider than."""

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What decoding raises on bytes that are not what they should be."""


class Place(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A point on the map, as it is written on the wire.

    Parameters
    ----------
    lat
        Degrees north of the equator, in [-90, 90].
    lon
        Degrees east of Greenwich, in [-180, 180].
    """

    lat: Annotated[float, msgspec.Meta(ge=-90.0, le=90.0)]
    lon: Annotated[float, msgspec.Meta(ge=-180.0, le=180.0)]


@dataclass(frozen=True)
class Decoded:
    """What came out of a batch: the good events, where each stood, and what was wrong with the others.

    Parameters
    ----------
    events
        The good events, in order.
    rows
        For each good event its row in the batch, from 0.
    errors
        One or more errors for every row that is not among them.
    alone
        Whether the only event came by itself and not in an array: what is wrong with it is then wrong with the body.
    """

    events: list[EventStruct] = default(default_factory=list)
    rows: list[int] = default(default_factory=list)
    errors: list[InputError] = default(default_factory=list)
    alone: bool = False


class BadBody(InputError):
    """The body as a whole, or its only event, cannot be used; `errors` has every reason."""

    def __init__(self, errors: Sequence[InputError]) -> None:
        first = errors[0]
        super().__init__(first.message, field=first.field, row=first.row, code=first.code)
        self.errors = list(errors)


class EventDecoder:
    """Turn the wire form of one stream's events into structs, and back into canonical bytes.

    Parameters
    ----------
    schema
        The stream.
    wider
        Types of fields that take more than their role says, by name.

    Examples
    --------
    >>> fields = (Field("payment_id", "id"), Field("at", "time"), Field("amount", "money"))
    >>> door = EventDecoder(Schema("payment", fields, id_field="payment_id", time_field="at"))
    >>> event = door.one(b'{"payment_id": "p1", "at": "2026-01-01T10:00:00Z", "amount": 12.50}')
    >>> door.encode(event)
    b'{"payment_id":"p1","at":"2026-01-01T10:00:00Z","amount":"12.50"}'
    >>> [(e.row, e.field, e.code) for e in door.many(b'[{"payment_id": "p2", "at": "10:00"}]').errors]
    [(0, 'at', 'bad_time'), (0, 'amount', 'missing_field')]
    """

    def __init__(self, schema: Schema, wider: Mapping[str, Any] = MappingProxyType({})) -> None:
        self.schema = schema
        self.type = event_type(schema, tuple(wider.items()))
        self._one = msgspec.json.Decoder(self.type)
        self._many = msgspec.json.Decoder(list[self.type])  # type: ignore[name-defined]
        self._split = msgspec.json.Decoder(list[msgspec.Raw])
        self._encode = msgspec.json.Encoder().encode
        self._checks = tuple((f.name, check) for f in schema if (check := check_of(f)) is not None)
        self._glances = tuple(glance_of(f) for f in schema)
        self._numbers = tuple(f.name for f in schema if f.role == "number")
        self._types = {f.name: _type_of(f) for f in schema} | dict(wider)
        self._odd = _odd_amounts([f.name for f in schema if f.role == "money"])

    def one(self, body: bytes) -> EventStruct:
        """Decode a body that holds one event.

        Raises
        ------
        BadBody
            With every error of the event; its `row` is None.
        """
        try:
            if self._odd(body):
                raise BadBody(self._explain(_loose(body), None))
            event = self._one.decode(body)
        except UNREADABLE:
            raise BadBody(self._explain(_loose(body), None)) from None
        errors = self._check(event, None)
        if errors:
            raise BadBody(errors)
        return event

    def many(self, body: bytes, limit: int | None = None) -> Decoded:
        """Decode a body that holds an array of events; bad rows become errors, good rows go on.

        Parameters
        ----------
        body
            The array.
        limit
            Most rows accepted.

        Raises
        ------
        BadBody
            If the body is not an array at all.
        InputError
            If it has too many rows; they are counted before any is explained.
        """
        if self._odd(body):
            return self._row_by_row(body, limit)
        try:
            events = self._many.decode(body)
        except UNREADABLE:
            return self._row_by_row(body, limit)
        _check_rows(len(events), limit)
        if all(glance(events) for glance in self._glances):
            return Decoded(events, list(range(len(events))))
        result = Decoded()
        for row, event in enumerate(events):
            self._sort(event, row, result)
        return result

    def rows(self, rows: Iterable[Mapping[str, Any]], *, strict: bool = True) -> Decoded:
        """Decode rows that are Python mappings already, as a file or a caller in the same process has them.

        Parameters
        ----------
        rows
            One mapping per event.
        strict
            False reads numbers, booleans and amounts from text too, and takes empty text as missing: the
            manner of CSV files.
        """
        result = Decoded()
        for number, row in enumerate(rows):
            if not strict and isinstance(row, Mapping):
                row = {name: value for name, value in row.items() if value != ""}
            try:
                event = msgspec.convert(row, self.type, strict=strict)
            except (*UNREADABLE, ArithmeticError):
                result.errors.extend(self._explain(row, number, strict=strict))
                continue
            if all(v is None or math.isfinite(v) for v in map(event.__getattribute__, self._numbers)):
                self._sort(event, number, result)
            else:
                result.errors.extend(self._explain(row, number, strict=strict))
        return result

    def encode(self, event: EventStruct) -> bytes:
        """Return the canonical bytes of an event: fields in schema order, missing ones left out."""
        return self._encode(event)

    def _sort(self, event: EventStruct, row: int, result: Decoded) -> None:
        errors = self._check(event, row)
        if errors:
            result.errors.extend(errors)
        else:
            result.events.append(event)
            result.rows.append(row)

    def _check(self, event: EventStruct, row: int | None) -> list[InputError]:
        errors: list[InputError] = []
        for name, check in self._checks:
            value = getattr(event, name)
            if value is not None:
                found = check(value, event)
                if found is not None:
                    errors.append(_named(name, found, row))
        return errors

    def _row_by_row(self, body: bytes, limit: int | None) -> Decoded:
        result = Decoded()
        try:
            parts: list[Any] = self._split.decode(body)
        except UNREADABLE:
            loose = _loose(body)
            if not isinstance(loose, list):
                message = f"expected an array of events of stream {self.schema.name!r}, got {_kind(loose)}"
                raise BadBody([InputError(message, code="wrong_type")]) from None
            parts = loose
        _check_rows(len(parts), limit)
        for row, part in enumerate(parts):
            event = self._tried(part)
            if event is not None:
                self._sort(event, row, result)
            elif len(result.errors) < MAX_ERRORS:
                result.errors.extend(self._explain_part(part, row))
            else:
                result.errors.append(InputError("the event cannot be read", row=row))
        return result

    def _tried(self, part: Any) -> EventStruct | None:
        """Return the event of a row of a batch, None where the row is not as it should be."""
        try:
            text = bytes(part) if isinstance(part, msgspec.Raw) else self._encode(part)
            return None if self._odd(text) else self._one.decode(text)
        except (*UNREADABLE, TypeError):
            return None

    def _explain_part(self, part: Any, row: int) -> Sequence[InputError]:
        try:
            return self._explain(_loose(bytes(part), row) if isinstance(part, msgspec.Raw) else part, row)
        except BadBody as bad:
            return bad.errors

    def _explain(self, row: Any, number: int | None, *, strict: bool = True) -> list[InputError]:
        """Return every error of a row that was refused as a whole."""
        if not isinstance(row, Mapping):
            message = f"expected an object with the fields of stream {self.schema.name!r}, got {_kind(row)}"
            return [InputError(message, row=number, code="wrong_type")]
        errors = []
        for f in self.schema:
            found = self._explain_field(f, row, strict)
            if found is not None:
                errors.append(_named(f.name, found, number))
        for name in row:
            if len(errors) >= MAX_ROW_ERRORS:
                break
            if name not in self._types:
                shown = _printable(str(name)[:80])
                message = f"stream {self.schema.name!r} has no field {shown!r}{did_you_mean(shown, self._types)}"
                errors.append(InputError(message, field=shown, row=number, code="unknown_field"))
        return errors or [InputError("the event cannot be read", row=number)]

    def _explain_field(self, f: Field, row: Mapping[str, Any], strict: bool) -> Found | None:
        value = row.get(f.name)
        if value is None:
            return None if f.optional else ("missing_field", "is required")
        if not_finite(value):
            return ("not_finite", "must be a finite number")
        if isinstance(value, str) and _printable(value) != value:
            return _BAD_TEXT
        if isinstance(value, Mapping):
            for part in ("lat", "lon"):
                if not_finite(value.get(part)):
                    return ("not_finite", f".{part} must be a finite number")
        try:
            if isinstance(value, (msgspec.Raw, dict, list)):
                typed = msgspec.json.decode(self._encode(value), type=self._types[f.name])
            else:
                typed = msgspec.convert(value, self._types[f.name], strict=strict)
        except msgspec.DecodeError as error:
            return _translate(str(error))
        except UnicodeError:
            return _BAD_TEXT
        except (TypeError, ArithmeticError, RecursionError):
            return ("wrong_type", "has a value of the wrong type")
        check = check_of(f)
        found = check(typed, row) if check is not None else None
        if found is None and f.role == "money" and isinstance(value, str) and not re.match(AMOUNT, value + '"'):
            return ("wrong_type", "must be an amount such as 12.50")
        return found


def _named(name: str, found: Found, row: int | None) -> InputError:
    """Return the error of a field; words such as ``.lat must be`` mean its part ``lat``."""
    code, words = found
    if words.startswith("."):
        part, words = words.split(" ", 1)
        name += part
    return InputError(f"{name} {words}", field=name, row=row, code=code)


def _check_rows(rows: int, limit: int | None) -> None:
    if limit is not None and rows > limit:
        message = f"a request may hold {limit} items, this one has {rows}"
        raise InputError(message, code="too_large")


def _odd_amounts(names: Sequence[str]) -> Callable[[bytes], object]:
    """Return what finds out whether an amount that is text in a body is none by JSON's grammar of numbers.

    A name may be written with escapes, and is then read as it would be without them. No serialiser escapes letters of
    ASCII, so that hardly any body is looked at twice.
    """
    if not names:
        return lambda body: None
    plain = re.compile(rf'"({"|".join(names)})"\s*:\s*"(?!{AMOUNT})'.encode()).search
    hides = re.compile(rb"\\u00[3-7]" if all(map(str.isascii, names)) else rb"\\u").search

    def odd(body: bytes) -> object:
        return plain(body) or (hides(body) and plain(_without_escapes(body)))

    return odd


def _without_escapes(body: bytes) -> bytes:
    """Return JSON with each text as it is; what cannot be read stays as it was, for the decoder to refuse."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, RecursionError):
        return body


_BAD_TEXT: Found = ("bad_text", "holds half of a surrogate pair, which is no character")


@functools.cache
def event_type(schema: Schema, wider: tuple[tuple[str, Any], ...] = ()) -> type[EventStruct]:
    """Return the struct type of a stream's events, with the checks that cost nothing in it.

    The same schema has the same type everywhere, so that events of two decoders can be compared.

    Parameters
    ----------
    schema
        The stream.
    wider
        As for `EventDecoder`.
    """
    types = {f.name: _type_of(f) for f in schema} | dict(wider)
    return msgspec.defstruct(
        "".join(part.title() for part in schema.name.split("_")),
        [(f.name, types[f.name] | None, None) if f.optional else (f.name, types[f.name]) for f in schema],
        frozen=True,
        gc=False,
        kw_only=True,
        forbid_unknown_fields=True,
        omit_defaults=True,
    )


def _type_of(f: Field) -> Any:
    match f.role:
        case "time":
            return Annotated[datetime, msgspec.Meta(tz=True)]
        case "money":
            return Decimal
        case "place":
            return Place
        case "boolean":
            return bool
        case "number":
            return Annotated[float, msgspec.Meta(ge=_float(f.minimum), le=_float(f.maximum))]
        case "id" | "key":
            return Annotated[str, msgspec.Meta(min_length=1, max_length=f.max_length)]
        case _:
            return Annotated[str, msgspec.Meta(max_length=f.max_length)]


def _float(bound: float | None) -> float | None:
    return None if bound is None else float(bound)


def _loose(body: bytes, row: int | None = None) -> Any:
    """Parse JSON for an explanation: numbers stay as they were written, NaN and infinities are marked."""
    try:
        return json.loads(body, parse_float=_raw, parse_int=_raw, parse_constant=NotFinite)
    except RecursionError:
        error = InputError("the JSON is nested too deeply", row=row, code="malformed")
    except UnicodeDecodeError:
        error = InputError("the body is not UTF-8 text", row=row, code="malformed")
    except json.JSONDecodeError as reason:
        where = f"line {reason.lineno}, column {reason.colno}"
        error = InputError(f"the body is not JSON: {reason.msg} at {where}", row=row, code="malformed")
    raise BadBody([error])


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _printable(text: str) -> str:
    """Return a text with a question mark for each half of a surrogate pair, which no answer can hold."""
    return text.encode("utf-8", "replace").decode()


def _kind(value: Any) -> str:
    if isinstance(value, msgspec.Raw):
        return "a number"
    names = {dict: "an object", list: "an array", str: "text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


_WORDS = {
    "str": "text",
    "float": "a number",
    "int": "a number",
    "decimal": "an amount",
    "datetime": "a timestamp",
    "bool": "true or false",
    "object": "an object",
    "array": "an array",
    "null": "null",
}


def _translate(message: str) -> Found:
    """Turn the decoder's message into a code and words; the value itself is never repeated."""
    where = re.search(r" - at `\$\.?([^`]*)`$", message)
    inner = f".{where[1]} " if where and where[1] else ""
    if "timezone" in message:
        return ("naive_time", "must carry its offset from UTC, such as Z or +01:00")
    if "RFC3339" in message:
        return ("bad_time", "must be a timestamp such as 2026-01-31T10:00:00+01:00")
    if "decimal string" in message:
        return ("wrong_type", "must be an amount such as 12.50")
    if "out of range" in message:
        return ("not_finite", f"{inner}must be a finite number of ordinary size")
    if length := re.search(r"of length ([<>])= (\d+)", message):
        if length[1] == "<":
            return ("too_long", f"may have at most {length[2]} characters")
        return ("too_short", "must not be empty; leave it out where it is missing")
    if bound := re.search(r"([<>])= (-?[\d.e+]+)", message):
        return ("out_of_range", f"{inner}must be at {'most' if bound[1] == '<' else 'least'} {bound[2]}")
    if types := re.search(r"Expected `([\w |]+)[^`]*`, got `(\w+)", message):
        options = [_WORDS.get(name, name) for name in types[1].split(" | ") if name != "null"]
        return ("wrong_type", f"{inner}must be {' or '.join(options)}, not {_WORDS.get(types[2], types[2])}")
    if "missing required field" in message:
        return ("missing_field", "must have both lat and lon")
    if "unknown field" in message:
        return ("unknown_field", "has a part that does not belong there; a place has lat and lon")
    return ("invalid", "cannot be read")
