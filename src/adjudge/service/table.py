"""Tables of imported history: one log entry holds many events as Parquet, and any of them can be read again.

Polars is imported where a table is handled, not before: a service without imported history does not need it.
"""

from __future__ import annotations

import io
from collections.abc import Container
from datetime import timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adjudge.define import Schema
from adjudge.define.event import MINOR_DIGITS, Field
from adjudge.errors import ConflictError, InputError
from adjudge.service.decode import EventDecoder, EventStruct, Place

if TYPE_CHECKING:
    import polars as pl

ROWS = 65_536
"""Most events of one log entry: few enough that one of them is read back within milliseconds, and that putting the
entry elsewhere holds nobody up; many enough to be packed well."""


def check(schema: Schema, frame: pl.DataFrame, known: Container[str]) -> list[str]:
    """Return the ids of a table's events after checking that they are there and new.

    Parameters
    ----------
    schema
        The stream.
    frame
        The table.
    known
        Ids that the workspace has already.

    Raises
    ------
    InputError
        If ids are missing, come twice, or are known already; it names the row.
    """
    name = schema.id_field
    if name not in frame.columns:
        message = f"the table has no column {name!r}, which identifies its events"
        raise InputError(message, field=name, code="missing_field")
    ids: list[str] = frame[name].cast(str).to_list()
    seen: set[str] = set()
    for row, id_ in enumerate(ids):
        if not id_:
            message = f"{name} is required and is empty in row {row}"
            raise InputError(message, field=name, row=row, code="missing_field")
        if id_ in seen or id_ in known:
            message = f"the id of row {row} was used before"
            raise ConflictError(message, field=name, row=row, code="conflict")
        seen.add(id_)
    return ids


def encode(frame: pl.DataFrame) -> bytes:
    """Return a table as Parquet bytes."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer, compression="zstd", compression_level=1)
    return buffer.getvalue()


def decode(body: bytes) -> pl.DataFrame:
    """Return the table that `encode` wrote."""
    import polars as pl

    return pl.read_parquet(io.BytesIO(body))


def event(door: EventDecoder, frame: pl.DataFrame, row: int) -> EventStruct:
    """Return one row of a table as the event that it stands for.

    Parameters
    ----------
    door
        Decoder of the table's stream.
    frame
        The table.
    row
        Which one, from 0. What was imported is taken as it is: the door's limits are for what comes in now.
    """
    return _event(door, frame.row(row, named=True))


def events(door: EventDecoder, frame: pl.DataFrame) -> list[EventStruct]:
    """Return every row of a table as `event` does one."""
    return [_event(door, columns) for columns in frame.iter_rows(named=True)]


def _event(door: EventDecoder, columns: dict[str, Any]) -> EventStruct:
    values = {f.name: value(f, columns) for f in door.schema}
    for f in door.schema:
        if f.role == "place" and values[f.name] is not None:
            values[f.name] = Place(**values[f.name])
    return door.type(**values)


def value(f: Field, values: dict[str, Any]) -> Any:
    """Return a field's value as the door takes it, from the columns that a table keeps it in."""
    if f.role == "place":
        lat, lon = values.get(f"{f.name}_lat"), values.get(f"{f.name}_lon")
        return None if lat is None or lon is None else {"lat": lat, "lon": lon}
    found = values.get(f.name)
    if found is None:
        return None
    match f.role:
        case "money":
            currency = values.get(f.currency_from) if f.currency_from else f.currency
            digits = MINOR_DIGITS.get(currency or f.currency, 2)
            return Decimal(repr(float(found))).quantize(Decimal(1).scaleb(-digits))
        case "time":
            minutes = values.get(f"{f.name}_offset_minutes")
            return found if minutes is None else found.astimezone(timezone(timedelta(minutes=float(minutes))))
        case "number":
            return float(found)
        case "boolean":
            return bool(found)
        case _:
            return str(found)
