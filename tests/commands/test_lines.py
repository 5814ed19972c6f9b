"""Reading rows: three formats, one meaning."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from adjudge.commands.lines import Format, Line, count, format_of, lines_of
from adjudge.errors import InputError

ROLES = {
    "id": "id",
    "at": "time",
    "user": "key",
    "amount": "money",
    "place": "place",
    "age": "number",
    "new": "boolean",
    "note": "text",
}

CSV = """id,at,user,amount,place.lat,place.lon,age,new,note
p1,2026-03-01T12:00:00+01:00,17,12.50,48.2,16.4,30,true,"a, ""b""\nc"
p2,2026-03-01T12:00:01+01:00,u2,7,,,,,
"""

ROWS: list[dict[str, Any]] = [
    {
        "id": "p1",
        "at": "2026-03-01T12:00:00+01:00",
        "user": "17",
        "amount": "12.50",
        "place": {"lat": 48.2, "lon": 16.4},
        "age": 30.0,
        "new": True,
        "note": 'a, "b"\nc',
    },
    {"id": "p2", "at": "2026-03-01T12:00:01+01:00", "user": "u2", "amount": "7"},
]


def read(data: bytes, kind: Format) -> list[Line]:
    return list(lines_of(io.BytesIO(data), kind, ROLES, "f"))


def parquet(frame: pl.DataFrame) -> bytes:
    held = io.BytesIO()
    frame.write_parquet(held)
    return held.getvalue()


def test_csv_takes_the_types_of_the_fields() -> None:
    lines = read(CSV.encode(), Format.CSV)
    assert [json.loads(line.text) for line in lines] == ROWS
    assert [line.number for line in lines] == [3, 4]  # where each ends: the first has a line break in it


def test_json_lines_pass_as_they_are() -> None:
    """Numbers keep every digit; empty lines count and are passed over; a mark of the encoding is none of it."""
    data = b'\xef\xbb\xbf{"amount": 0.10000000000000000000001}\n\n  {"id":"p2"}  \n{"id": NaN}\n'
    lines = read(data, Format.JSONL)
    assert [(line.number, line.text) for line in lines] == [
        (1, b'{"amount": 0.10000000000000000000001}'),
        (3, b'{"id":"p2"}'),
        (4, b'{"id": NaN}'),
    ]
    assert [line.error for line in lines] == [None, None, None]  # what is wrong with NaN the service says


@pytest.mark.parametrize("line", [b"{", b'{"id":"p1"} {"id":"p2"}', b"\xff", b"[" * 5_000, b"id,amount"])
def test_a_line_that_is_no_json_is_an_error_of_its_own(line: bytes) -> None:
    bad, good = read(line + b'\n{"id":"p2"}', Format.JSONL)
    assert bad.error is not None
    assert (bad.number, bad.text, bad.error.code) == (1, line, "malformed")
    assert good == Line(2, b'{"id":"p2"}')


def test_parquet_has_types_of_its_own() -> None:
    """Ids that are numbers there are text here; amounts and times are exact."""
    frame = pl.DataFrame(
        {
            "id": [1, 2],
            "at": [datetime(2026, 3, 1, 12, 0, 0, 1, tzinfo=UTC)] * 2,
            "amount": pl.Series([Decimal("12.50"), Decimal("7.00")], dtype=pl.Decimal(12, 2)),
            "place": [{"lat": 48.2, "lon": 16.4}, None],
            "age": [30.5, None],
            "new": [True, None],
        }
    )
    assert [json.loads(line.text) for line in read(parquet(frame), Format.PARQUET)] == [
        {
            "id": "1",
            "at": "2026-03-01T12:00:00.000001Z",
            "amount": "12.50",
            "place": {"lat": 48.2, "lon": 16.4},
            "age": 30.5,
            "new": True,
        },
        {"id": "2", "at": "2026-03-01T12:00:00.000001Z", "amount": "7.00"},
    ]


def test_what_does_not_fit_goes_on_for_the_service_to_refuse() -> None:
    (line,) = read(b"id,age,new,colour\np1,old,maybe,red\n", Format.CSV)
    assert json.loads(line.text) == {"id": "p1", "age": "old", "new": "maybe", "colour": "red"}


def test_a_line_with_too_many_cells_is_an_error_of_its_own() -> None:
    bad, good = read(b"id,age\np1,1,2\np2,3\n", Format.CSV)
    assert bad.error is not None
    assert (bad.number, bad.text) == (2, b"p1,1,2")
    assert good.error is None


BROKEN: dict[str, tuple[bytes, Format, str]] = {
    "no header": (b"", Format.CSV, "f has no header"),
    "a column twice": (b"id,age,id\n", Format.CSV, "f has two columns 'id'"),
    "an open quote": (b'id,note\np1,"open', Format.CSV, "cannot be read as CSV"),
    "another encoding": ("id,note\np1,schön\n".encode("latin-1"), Format.CSV, "cannot be read as CSV in UTF-8"),
    "no parquet": (b"id,age\n", Format.PARQUET, "cannot be read as parquet"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_file_that_is_broken_is_refused_by_name(name: str) -> None:
    data, kind, message = BROKEN[name]
    with pytest.raises(InputError, match=message):
        read(data, kind)


def test_the_format_is_that_of_the_name(tmp_path: Path) -> None:
    assert [format_of(Path(name)) for name in ("a.csv", "a.NDJSON", "a.jsonl", "a.parquet", "-")] == [
        Format.CSV,
        Format.JSONL,
        Format.JSONL,
        Format.PARQUET,
        Format.JSONL,
    ]
    with pytest.raises(InputError, match=r"did you mean '\.jsonl'\?; name its --format"):
        format_of(Path("a.json"))


def test_rows_are_counted_for_the_progress_bar(tmp_path: Path) -> None:
    for name, data in (("a.csv", b"id\np1\np2\n"), ("a.jsonl", b"{}\n{}\n")):
        (tmp_path / name).write_bytes(data)
        assert count(tmp_path / name, format_of(tmp_path / name)) == 2
    pl.DataFrame({"id": [1, 2]}).write_parquet(tmp_path / "a.parquet")
    assert count(tmp_path / "a.parquet", Format.PARQUET) == 2
    assert count(Path("-"), Format.JSONL) is None
