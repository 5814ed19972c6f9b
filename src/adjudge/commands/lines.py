"""Rows of a file on their way to a service: CSV, JSON lines and Parquet become JSON texts, each with its number.

What a value is, the service knows: texts of a CSV file become what its catalogue says the field holds, and what does
not fit goes on as it is, for the service to refuse by name.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any

import msgspec

from adjudge.errors import InputError, did_you_mean

Roles = Mapping[str, str]
"""What each field holds, by name, as the catalogue says it."""

TEXTS = frozenset({"id", "key", "category", "text"})
"""Roles whose values are text, whatever a column holds."""

NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
BOOLEANS = {"true": True, "1": True, "false": False, "0": False}

PIECE = 1 << 20
"""Bytes, or rows, that are looked at together."""


class Format(StrEnum):
    """How a file holds its rows."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


ENDINGS = {".csv": Format.CSV, ".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".parquet": Format.PARQUET}


@dataclass(frozen=True)
class Line:
    """One row of a file.

    Parameters
    ----------
    number
        Its line, or its row in a Parquet file, from 1.
    text
        The row as JSON; as it stands in the file where it cannot be read.
    error
        Why it cannot be read.
    """

    number: int
    text: bytes
    error: InputError | None = None


def format_of(path: Path) -> Format:
    """Return the format that the ending of a file's name means; standard input holds JSON lines.

    Raises
    ------
    InputError
        If the ending means none.

    Examples
    --------
    >>> format_of(Path("payments.ndjson")).value, format_of(Path("-")).value
    ('jsonl', 'jsonl')
    """
    if str(path) == "-":
        return Format.JSONL
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        message = f"{path.name} ends in none of {', '.join(ENDINGS)}{did_you_mean(ending, ENDINGS)}; name its --format"
        raise InputError(message, field="format", code="unknown_format")
    return ENDINGS[ending]


def count(path: Path, kind: Format) -> int | None:
    """Return about how many rows a file has, for a progress bar; None where one cannot tell.

    Parameters
    ----------
    path
        The file.
    kind
        Its format.
    """
    if not path.is_file():
        return None
    if kind is Format.PARQUET:
        with path.open("rb") as stream, _parquet(stream, path.name) as file:
            return int(file.metadata.num_rows)
    with path.open("rb") as stream:
        ends = sum(piece.count(b"\n") for piece in iter(lambda: stream.read(PIECE), b""))
    return max(1, ends - (kind is Format.CSV))


def lines_of(stream: IO[bytes], kind: Format, roles: Roles, name: str) -> Iterator[Line]:
    r"""Yield the rows of a file in their order.

    Parameters
    ----------
    stream
        The file.
    kind
        Its format.
    roles
        What its fields hold.
    name
        What the file is called in an error.

    Raises
    ------
    InputError
        If the file as a whole is not what it should be.

    Examples
    --------
    >>> text = io.BytesIO(b"id,value,note\np1,true,\n")
    >>> [line.text for line in lines_of(text, Format.CSV, {"id": "id", "value": "boolean"}, "labels.csv")]
    [b'{"id":"p1","value":true}']
    """
    if kind is Format.JSONL:
        return _jsonl(stream)
    return (_csv if kind is Format.CSV else _parquet_rows)(stream, roles, name)


def _jsonl(stream: IO[bytes]) -> Iterator[Line]:
    for number, line in enumerate(stream, start=1):
        text = (line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line).strip()
        if text:
            yield Line(number, text, None if _is_json(text) else InputError("the line is not JSON", code="malformed"))


def _is_json(text: bytes) -> bool:
    """Return whether a text is JSON, or as near to it as the service can say more about: NaN, say."""
    try:
        msgspec.json.decode(text)
    except (ValueError, RecursionError):
        try:
            json.loads(text)
        except (ValueError, RecursionError):
            return False
    return True


def _csv(stream: IO[bytes], roles: Roles, name: str) -> Iterator[Line]:
    from adjudge.client.rows import encode

    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    reader = csv.reader(text, strict=True)
    try:
        header = next(reader, [])
        twice = [column for column in header if header.count(column) > 1]
        if not header or twice:
            message = f"{name} has two columns {twice[0]!r}" if twice else f"{name} has no header"
            raise InputError(message, code="malformed")
        for cells in reader:
            if len(cells) > len(header):
                error = InputError("the line has more cells than the header", code="malformed")
                yield Line(reader.line_num, ",".join(cells).encode(), error)
            elif cells:
                values = _nested(zip(header, cells, strict=False), roles)
                yield Line(reader.line_num, encode(values))
    except (csv.Error, UnicodeDecodeError) as error:
        message = f"{name} cannot be read as CSV in UTF-8 after line {reader.line_num}: {error}"
        raise InputError(message, code="malformed") from None
    finally:
        if not text.closed:
            text.detach()  # the stream is its opener's to close


def _nested(cells: Iterable[tuple[str, str]], roles: Roles) -> dict[str, Any]:
    """Return the values of a line by field; ``place.lat`` is a part of the field ``place``."""
    values: dict[str, Any] = {}
    for column, cell in cells:
        if cell == "":
            continue
        name, _, part = column.partition(".")
        if part and roles.get(name) == "place":
            values.setdefault(name, {})[part] = _typed(cell, "number")
        else:
            values[column] = _typed(cell, roles.get(column, ""))
    return values


def _typed(cell: str, role: str) -> Any:
    if role == "boolean":
        return BOOLEANS.get(cell.lower(), cell)
    if role == "number" and NUMBER.fullmatch(cell):
        return float(cell)
    return cell


def _parquet_rows(stream: IO[bytes], roles: Roles, name: str) -> Iterator[Line]:
    import polars as pl

    from adjudge.client.rows import encode

    texts = {column for column, role in roles.items() if role in TEXTS}
    number = 0
    with _parquet(stream, name) as file:
        for batch in file.iter_batches(batch_size=PIECE >> 8):
            for row in pl.DataFrame(batch).iter_rows(named=True):
                number += 1
                values = {k: str(v) if k in texts and isinstance(v, int) else v for k, v in row.items()}
                try:
                    yield Line(number, encode(values))
                except InputError as error:
                    yield Line(number, b"null", error)


def _parquet(stream: IO[bytes], name: str) -> Any:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        return ParquetFile(stream if stream.seekable() else io.BytesIO(stream.read()))
    except (ArrowException, OSError):
        message = f"{name} cannot be read as parquet"
        raise InputError(message, code="malformed") from None
