"""A source: everything that is known about a stretch of the past, ready to be folded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from adjudge.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

    from adjudge.define import Schema, System
    from adjudge.define.label import Truth


@dataclass(frozen=True)
class Source:
    """Events of every stream, and what became known about the decided ones.

    Parameters
    ----------
    frames
        Tables of events by stream, columns named like the fields.
    labels
        Tables of labels and outcomes by name, with the event's id, ``value`` (true or false, or one of the outcome's
        values) and ``known_at``.
    lists
        Contents of named lists.
    truth
        What really was, for evaluation only, with the event's id; None for real data. It may say of what ``pattern`` a
        fraud is, whether there is ``fraud``, and in ``chance`` what somebody says who knows how the data comes about.
    approvals
        For each decided event its id, ``approved``, and ``propensity``: its chance of having been let through. Where
        every event was let through, None.
    """

    frames: Mapping[str, pl.DataFrame]
    labels: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    lists: Mapping[str, Collection[str | float]] = field(default_factory=dict)
    truth: pl.DataFrame | None = None
    approvals: pl.DataFrame | None = None

    def head(self, system: System, events: int) -> Source:
        """Return the source up to the time of the n-th decided event, with the labels of what is left.

        Parameters
        ----------
        system
            Whose streams they are.
        events
            How many decided events to keep.

        Raises
        ------
        InputError
            If the decided stream, or a column that this needs, is missing.
        """
        import polars as pl

        schema = system.decides.schema()
        if schema.name not in self.frames:
            msg = f"there are no events of stream {schema.name!r}{did_you_mean(schema.name, self.frames)}"
            raise InputError(msg, code="missing_stream")
        for name, frame in self.frames.items():
            needed = system.schemas[name]
            _need(frame, f"stream {name!r}", needed.time_field, *[schema.id_field] * (name == schema.name))
        for name, frame in self.labels.items():
            _need(frame, f"the table of {name!r}", schema.id_field)
        kept = self.frames[schema.name].sort(schema.time_field, maintain_order=True).head(events)
        end = kept[schema.time_field].max()
        frames = {
            name: kept if name == schema.name else frame.filter(pl.col(system.schemas[name].time_field) <= end)
            for name, frame in self.frames.items()
        }
        ids = kept.select(schema.id_field)
        labels = {name: frame.join(ids, on=schema.id_field, how="semi") for name, frame in self.labels.items()}
        return Source(frames, labels, self.lists, self.truth, self.approvals)

    def before(self, system: System, moment: datetime) -> Source:
        """Return what was known just before a moment: earlier events, and the labels that had come by then.

        The truth, which nobody knew, is left out.

        Parameters
        ----------
        system
            Whose streams they are.
        moment
            An aware time.

        Raises
        ------
        InputError
            If a column that this needs is missing.
        """
        import polars as pl

        frames, labels = {}, {}
        for name, frame in self.frames.items():
            time = system.schemas[name].time_field
            _need(frame, f"stream {name!r}", time)
            frames[name] = frame.filter(pl.col(time) < moment)
        for name, frame in self.labels.items():
            _need(frame, f"the table of {name!r}", "known_at")
            labels[name] = frame.filter(pl.col("known_at") < moment)
        return Source(frames, labels, self.lists, approvals=self.approvals)

    def write(self, folder: Path) -> list[Path]:
        """Write every table as parquet into a folder that `read_streams` reads, and return the files.

        Parameters
        ----------
        folder
            Made where it is not there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tables = dict(self.frames) | {f"labels_{name}": frame for name, frame in self.labels.items()}
        beside = {"truth": self.truth, "approvals": self.approvals}
        tables |= {name: frame for name, frame in beside.items() if frame is not None}
        written = []
        for name, frame in tables.items():
            written.append(folder / f"{name}.parquet")
            frame.write_parquet(written[-1])
        written.append(folder / "lists.json")
        written[-1].write_bytes(msgspec.json.encode({name: sorted(v) for name, v in self.lists.items()}))
        return written


def read_table(path: Path) -> pl.DataFrame:
    """Return a parquet or CSV file as a table.

    Raises
    ------
    InputError
        If there is no such file or it cannot be read.
    """
    import polars as pl

    if not path.exists():
        msg = f"there is no file {path.name!r}"
        raise InputError(msg, code="no_file")
    try:
        if path.suffix == ".csv":
            return pl.read_csv(path, try_parse_dates=True)
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        kind = "CSV" if path.suffix == ".csv" else "parquet"
        msg = f"{path.name} cannot be read as {kind}: {str(error).splitlines()[0]}"
        raise InputError(msg, code="unreadable_file") from error


def read_streams(system: System, path: Path) -> Source:
    """Return the events of a system from a folder with one file per stream, or from one file of decided events.

    A folder holds ``{stream}.parquet`` or ``.csv`` for each stream, ``labels_{name}.parquet`` or ``.csv`` for each
    label, and where there are any ``lists.json``, ``approvals.parquet`` and, for evaluation, ``truth.parquet``.
    A single file may carry its labels in a column named like the label, known once the label's delay has passed or at
    the time in a column ``known_at``.

    Parameters
    ----------
    system
        The definitions.
    path
        Folder or file.

    Raises
    ------
    InputError
        If something is missing or unreadable.
    """
    schema = system.decides.schema()
    if not path.is_dir():
        frame = _events(path, schema)
        return Source({schema.name: frame}, _labels_inside(system, frame, path.name))
    frames, labels = {}, {}
    for name, stream in system.schemas.items():
        found = _find(path, name)
        if found is not None:
            frames[name] = _events(found, stream)
    if schema.name not in frames:
        msg = f"{path.name} holds no file {schema.name}.parquet or {schema.name}.csv"
        raise InputError(msg, code="no_file")
    for known in system.truths.values():
        found = _find(path, f"labels_{known.name}")
        if found is not None:
            table = _texts(read_table(found), schema.id_field, found.name)
            labels[known.name] = _known(table, found.name, "value", schema.id_field, known)
    truth, approvals = (_beside(path, name, schema.id_field) for name in ("truth", "approvals"))
    if approvals is not None:
        _need(approvals, "approvals.parquet", "approved", "propensity")
    return Source(frames, labels, _lists(path / "lists.json"), truth, approvals)


def _beside(path: Path, name: str, id_field: str) -> pl.DataFrame | None:
    """Return a table that says something about each decided event, None where there is none."""
    file = path / f"{name}.parquet"
    return _texts(read_table(file), id_field, file.name) if file.exists() else None


def _lists(path: Path) -> dict[str, list[str | float]]:
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str | float]])
    except msgspec.MsgspecError as error:
        msg = f"{path.name} must map names to lists of texts or numbers: {error}"
        raise InputError(msg, code="unreadable_file") from error


def _need(frame: pl.DataFrame, where: str, *columns: str) -> None:
    """Raise `InputError` if a column is missing."""
    for column in columns:
        if column not in frame.columns:
            msg = f"{where} has no column {column!r}{did_you_mean(column, frame.columns)}"
            raise InputError(msg, field=column, code="missing_field")


def _events(path: Path, schema: Schema) -> pl.DataFrame:
    """Return the events of a stream with the columns that place them: their id and their time."""
    frame = _texts(read_table(path), schema.id_field, path.name)
    return utc(frame, schema.time_field, path.name)


def _texts(frame: pl.DataFrame, column: str, where: str) -> pl.DataFrame:
    """Return a table whose ids are text, however the file has them, so that those of two files can be compared."""
    import polars as pl

    _need(frame, where, column)
    return _cast(frame, column, pl.String, f"{where}: column {column!r} must hold ids")


def _cast(frame: pl.DataFrame, column: str, kind: type[pl.DataType], otherwise: str) -> pl.DataFrame:
    import polars as pl

    try:
        return frame.with_columns(pl.col(column).cast(kind))
    except pl.exceptions.PolarsError as error:
        raise InputError(otherwise, field=column, code="wrong_type") from error


def utc(frame: pl.DataFrame, column: str, where: str) -> pl.DataFrame:
    """Return a table whose time column is in UTC; text is parsed as ISO 8601, which must name an offset.

    Parameters
    ----------
    frame
        The table.
    column
        Holds times.
    where
        What the table is called in an error.

    Raises
    ------
    InputError
        If the column is missing or holds something else, naming table and column.
    """
    import polars as pl

    _need(frame, where, column)
    kind = frame[column].dtype
    if isinstance(kind, pl.Datetime):
        if kind.time_zone is None:
            msg = f"{where}: column {column!r} holds times without their offset from UTC, such as Z or +01:00"
            raise InputError(msg, field=column, code="naive_time")
        return frame
    msg = f"{where}: column {column!r} must hold times such as 2026-01-31T10:00:00+01:00"
    if kind != pl.String:
        msg += f", not {kind}"
        raise InputError(msg, field=column, code="wrong_type")
    try:
        return frame.with_columns(pl.col(column).str.to_datetime(time_unit="us", time_zone="UTC"))
    except pl.exceptions.PolarsError as error:
        raise InputError(msg, field=column, code="bad_time") from error


def _find(folder: Path, name: str) -> Path | None:
    for suffix in (".parquet", ".csv"):
        if (folder / f"{name}{suffix}").exists():
            return folder / f"{name}{suffix}"
    return None


def _labels_inside(system: System, frame: pl.DataFrame, where: str) -> dict[str, pl.DataFrame]:
    """Return the labels in a column of a file of events."""
    import polars as pl

    schema, label = system.decides.schema(), system.label
    if label is None or label.name not in frame.columns:
        return {}
    if "known_at" not in frame.columns:
        frame = frame.with_columns(known_at=pl.col(schema.time_field) + label.delay)
    return {label.name: _known(frame, where, label.name, schema.id_field, label)}


def _known(frame: pl.DataFrame, where: str, column: str, id_field: str, truth: Truth) -> pl.DataFrame:
    """Return id, value and time of what is known; rows that say nothing are left out."""
    import polars as pl

    _need(frame, where, column)
    frame = utc(frame, "known_at", where)
    needed = ", ".join(truth.values) or "true or false, or 1 or 0"
    kind = pl.String if truth.values else pl.Float64
    frame = _cast(frame, column, kind, f"{where}: column {column!r} must hold {needed}")
    rows = frame.select(pl.col(id_field), value=pl.col(column), known_at=pl.col("known_at"))
    return rows.drop_nulls()
