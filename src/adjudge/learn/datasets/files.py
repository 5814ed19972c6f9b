"""Files of other people: which of them is meant, whether it has the columns, and what its cells mean.

Whatever a file holds becomes one of six kinds of column, and a cell that cannot be one is named. Times without a zone
are read as UTC, so that the hour of an event is the hour that stands in the file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from adjudge.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

Kind = Literal["text", "whole", "number", "money", "time", "truth"]
"""What a column holds: text; whole numbers that are names; numbers; amounts, perhaps with a dollar sign before them;
times; yes or no."""

SUFFIXES = (".parquet", ".csv", ".csv.gz")
"""Endings of files that can be read."""

YES, NO = ("1", "1.0", "yes", "true"), ("0", "0.0", "no", "false")


def find(path: Path, stems: Sequence[str]) -> list[Path]:
    """Return the file that a path names, or the files of some names in the folder that it names.

    Parameters
    ----------
    path
        A file or a folder.
    stems
        Names of files without their endings, in the order in which they are read.

    Raises
    ------
    InputError
        If there is no such file.
    """
    if path.is_file():
        return [path]
    found = [one for stem in stems if (one := beside(path, stem)) is not None]
    if not found:
        wanted = ", ".join(f"{stem}.csv" for stem in stems)
        holds = "holds none of them" if path.is_dir() else "is not there"
        msg = f"a file, or a folder with {wanted} (or .parquet, .csv.gz), was expected; {path.name or path} {holds}"
        raise InputError(msg, field="path", code="no_file")
    return found


def beside(folder: Path, stem: str) -> Path | None:
    """Return the file of a name in a folder, whatever its ending; None where there is none."""
    return next((folder / f"{stem}{end}" for end in SUFFIXES if (folder / f"{stem}{end}").is_file()), None)


def scan(path: Path, *, quote: str = '"') -> pl.LazyFrame:
    """Return a file as a table that is read when it is collected; every cell of a CSV file is text.

    Parameters
    ----------
    path
        The file.
    quote
        What stands around texts in a CSV file.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    import polars as pl

    try:
        if path.suffix == ".parquet":
            frame = pl.scan_parquet(path)
        else:
            frame = pl.scan_csv(path, infer_schema=False, quote_char=quote)
        frame.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(path.name, error) from error
    return frame


def missing(frame: pl.LazyFrame, columns: Mapping[str, Kind]) -> list[str]:
    """Return the columns that a table lacks."""
    there = frame.collect_schema().names()
    return [name for name in columns if name not in there]


def need(frame: pl.LazyFrame, columns: Mapping[str, Kind], where: str) -> None:
    """Raise `InputError` if a table lacks a column, naming all that it lacks and what is near the first."""
    lacks = missing(frame, columns)
    if lacks:
        hint = did_you_mean(lacks[0], frame.collect_schema().names())
        msg = f"{where} has no column {', '.join(map(repr, lacks))}{hint}"
        raise InputError(msg, field=lacks[0], code="missing_field")


def typed(frame: pl.LazyFrame, columns: Mapping[str, Kind]) -> pl.LazyFrame:
    """Return the named columns of a table, each as its kind.

    Parameters
    ----------
    frame
        The table.
    columns
        Its columns and what they hold.

    Examples
    --------
    >>> import polars as pl
    >>> frame = pl.LazyFrame({"Amount": ["$-99.50"], "Is Fraud?": ["Yes"], "Zip": ["91750.0"]})
    >>> typed(frame, {"Amount": "money", "Is Fraud?": "truth", "Zip": "whole"}).collect().row(0)
    (-99.5, True, '91750')
    """
    schema = frame.collect_schema()
    return frame.select(_expression(name, kind, schema[name]) for name, kind in columns.items())


def table(folder: Path, stems: Sequence[str], columns: Mapping[str, Kind]) -> pl.LazyFrame:
    """Return the named columns of the tables of some names in a folder, one below the other; empty where there is none.

    Parameters
    ----------
    folder
        Where they are looked for.
    stems
        Names of files without their endings.
    columns
        What is read of each, and what it holds.

    Raises
    ------
    InputError
        If one cannot be read or lacks a column.
    """
    import polars as pl

    parts = []
    for found in (beside(folder, stem) for stem in stems):
        if found is not None:
            part = scan(found)
            need(part, columns, found.name)
            parts.append(typed(part, columns))
    nothing = typed(pl.LazyFrame(schema=dict.fromkeys(columns, pl.String)), columns)
    return pl.concat(parts or [nothing])


def _expression(name: str, kind: Kind, held: pl.DataType) -> pl.Expr:
    import polars as pl

    column = pl.col(name)
    text = column.cast(pl.String)
    if kind == "text":
        return text
    if kind == "whole":  # spreadsheets make 91750.0 of it, and 7.3e8
        return text if held.is_integer() else column.cast(pl.Float64).cast(pl.Int64).cast(pl.String)
    if kind == "number":
        return column.cast(pl.Float64)
    if kind == "money":
        return column.cast(pl.Float64) if held.is_numeric() else text.str.strip_prefix("$").cast(pl.Float64)
    if kind == "truth":
        said = text.str.to_lowercase().replace({**dict.fromkeys(YES, "yes"), **dict.fromkeys(NO, "no")})
        return said.cast(pl.Enum(["no", "yes"])) == "yes"  # whatever is neither is named by the cast
    if isinstance(held, pl.Datetime):
        moment = column if held.time_zone is None else column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return moment.dt.cast_time_unit("us").dt.replace_time_zone("UTC")
    return text.str.to_datetime(time_unit="us").dt.replace_time_zone("UTC")


def collect(frame: pl.LazyFrame, where: str) -> pl.DataFrame:
    """Read a table.

    Raises
    ------
    InputError
        If a cell is not what its column should hold, naming both.
    """
    import polars as pl

    try:
        return frame.collect()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(where, error) from error


def unreadable(where: str, error: Exception) -> InputError:
    """Return the error of a file that is not there or cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"there is no file {where!r}", code="no_file")
    kind = " as parquet" if where.endswith(".parquet") else ""
    return InputError(f"{where} cannot be read{kind}: {str(error).splitlines()[0]}", code="unreadable_file")
