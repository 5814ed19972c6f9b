"""SQL over an export: DuckDB reads the Parquet files in place, each table as a view of its own."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from adjudge.errors import InputError, UnavailableError, did_you_mean

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

    The tables are `EMPTY`'s, and one for each stream with the columns of its own fields alone. A question reads these
    and nothing else: no other file, no network, and it changes nothing.

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
        tables = _add_views(connection, folder)
        _close_off(connection, folder)
        try:
            statements = connection.extract_statements(sql)
            if [s.type for s in statements] != [duckdb.StatementType.SELECT]:
                message = "ask one question, such as SELECT, FROM, WITH, DESCRIBE or SUMMARIZE; nothing can be changed"
                raise InputError(message, field="sql")
            found = connection.sql(sql).to_arrow_table()
        except duckdb.Error as error:
            raise InputError(_told(error, tables), field="sql") from None
    rows = zip(*(column.to_pylist(maps_as_pydicts="strict") for column in found.columns), strict=True)
    return Answered(_distinct(found.column_names), list(rows))


def _add_views(connection: duckdb.DuckDBPyConnection, folder: Path) -> list[str]:
    """Make a view of each table, and return their names."""
    for name, columns in EMPTY.items():
        _view(connection, name, folder / name, columns)
    streams = sorted((folder / "events").glob("stream=*"))
    named = [(path, name) for path in streams if (name := path.name.removeprefix("stream=")) not in EMPTY]
    for path, name in named:
        _view(connection, name, path, "")
    return [*EMPTY, *(name for _, name in named)]


def _close_off(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
    """Let nothing be read but the export from here on."""
    allowed = str(folder.absolute()).replace("'", "''")
    connection.execute(f"SET allowed_directories = ['{allowed}/']")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _told(error: Exception, tables: Sequence[str]) -> str:
    """Return what DuckDB says is wrong as one sentence, with the names that were meant."""
    said = str(error).split("\nLINE ")[0]
    missing = re.search(r"Table with name (.+) does not exist", said)
    if missing is not None:
        return f"there is no table {missing[1]!r}{did_you_mean(missing[1], tables)}; there are {', '.join(tables)}"
    said = re.sub(r"^[A-Z]\w*(?: \w+)? Error: ", "", said)
    return "; ".join(line.strip() for line in said.splitlines() if line.strip())


def _distinct(columns: Sequence[str]) -> list[str]:
    """Return names of columns of which no two are the same.

    Examples
    --------
    >>> _distinct(["seq", "id", "id"])
    ['seq', 'id', 'id_2']
    """
    names: list[str] = []
    for column in columns:
        tries = itertools.chain([column], (f"{column}_{n}" for n in itertools.count(2)))
        names.append(next(name for name in tries if name not in names))
    return names


def _view(connection: duckdb.DuckDBPyConnection, name: str, folder: Path, columns: str) -> None:
    if next(folder.glob("**/*.parquet"), None) is None:
        typed = ", ".join(f"NULL::{c.split()[1]} AS {c.split()[0]}" for c in columns.split(", "))
        source = f"SELECT {typed} WHERE false"
    else:
        files = str(folder.absolute() / "**" / "part-*.parquet").replace("'", "''")
        source = f"SELECT * FROM read_parquet('{files}', hive_partitioning = true, union_by_name = true)"
    quoted = name.replace('"', '""')
    connection.execute(f'CREATE VIEW "{quoted}" AS {source}')
