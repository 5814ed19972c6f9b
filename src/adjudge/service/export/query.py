"""SQL over an export: DuckDB reads the Parquet files in place, each table as a view of its own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adjudge.errors import InputError, UnavailableError

if TYPE_CHECKING:
    import duckdb

EMPTY = {
    "events": "seq BIGINT, ts TIMESTAMPTZ, received_at TIMESTAMPTZ, day DATE, stream VARCHAR",
    "decisions": "seq BIGINT, ts TIMESTAMPTZ, received_at TIMESTAMPTZ, id VARCHAR, decision VARCHAR, score BIGINT, "
    "probability DOUBLE, reason VARCHAR, method VARCHAR, degraded BOOLEAN, day DATE, system VARCHAR",
    "second_decisions": "seq BIGINT, event_seq BIGINT, received_at TIMESTAMPTZ, id VARCHAR, decision VARCHAR, "
    "score BIGINT, probability DOUBLE, reason VARCHAR, method VARCHAR, degraded BOOLEAN, day DATE, system VARCHAR",
    "features": "seq BIGINT, ts TIMESTAMPTZ, received_at TIMESTAMPTZ, id VARCHAR, day DATE, system VARCHAR",
    "labels": "seq BIGINT, received_at TIMESTAMPTZ, id VARCHAR, kind VARCHAR, name VARCHAR, value BOOLEAN, "
    "text VARCHAR, who VARCHAR, day DATE, stream VARCHAR",
    "notes": "seq BIGINT, received_at TIMESTAMPTZ, kind VARCHAR, who VARCHAR, why VARCHAR, content VARCHAR, day DATE",
}
"""The tables, and the columns that each has at least."""


class Answered(msgspec.Struct, frozen=True):
    """What a question came to.

    Parameters
    ----------
    columns
        Names of the columns.
    rows
        The rows, in order.
    """

    columns: list[str]
    rows: list[tuple[Any, ...]]


def query(folder: Path, sql: str) -> Answered:
    """Return what a SQL question about an export comes to.

    The tables are `EMPTY`'s, and one for each stream with the columns of its own fields alone.

    Parameters
    ----------
    folder
        What `export` has made.
    sql
        The question, in DuckDB's SQL.

    Raises
    ------
    InputError
        If the question cannot be answered; it says why.
    UnavailableError
        If DuckDB is not installed.
    """
    try:
        import duckdb
    except ImportError:
        message = "queries need DuckDB: pip install 'adjudge[query]'"
        raise UnavailableError(message) from None
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, columns in EMPTY.items():
            _view(connection, name, folder / name, columns)
        for stream in sorted((folder / "events").glob("stream=*")):
            name = stream.name.removeprefix("stream=")
            if name not in EMPTY:
                _view(connection, name, stream, "")
        try:
            asked = connection.sql(sql)
            if asked is None:  # a statement that has no answer
                return Answered([], [])
            found = asked.to_arrow_table()
        except duckdb.Error as error:
            raise InputError(str(error).strip(), field="sql") from None
    return Answered(found.column_names, list(zip(*(column.to_pylist() for column in found.columns), strict=True)))


def _view(connection: duckdb.DuckDBPyConnection, name: str, folder: Path, columns: str) -> None:
    if next(folder.glob("**/*.parquet"), None) is None:
        typed = ", ".join(f"NULL::{c.split()[1]} AS {c.split()[0]}" for c in columns.split(", "))
        source = f"SELECT {typed} WHERE false"
    else:
        files = str(folder / "**" / "part-*.parquet").replace("'", "''")
        source = f"SELECT * FROM read_parquet('{files}', hive_partitioning = true, union_by_name = true)"
    quoted = name.replace('"', '""')
    connection.execute(f'CREATE VIEW "{quoted}" AS {source}')
