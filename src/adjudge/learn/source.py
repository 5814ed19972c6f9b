"""A source: everything that is known about a stretch of the past, ready to be folded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from adjudge.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from adjudge.define import System


@dataclass(frozen=True)
class Source:
    """Events of every stream, and what became known about the decided ones.

    Parameters
    ----------
    frames
        Tables of events by stream, columns named like the fields.
    labels
        Tables of labels and outcomes by name, with the event's id, ``value`` and ``known_at``.
    lists
        Contents of named lists.
    truth
        What really was, for evaluation only, with the event's id; None for real data.
    """

    frames: Mapping[str, pl.DataFrame]
    labels: Mapping[str, pl.DataFrame] = field(default_factory=dict)
    lists: Mapping[str, Collection[str | float]] = field(default_factory=dict)
    truth: pl.DataFrame | None = None

    def head(self, system: System, events: int) -> Source:
        """Return the source up to the time of the n-th decided event, with the labels of what is left.

        Parameters
        ----------
        system
            Whose streams they are.
        events
            How many decided events to keep.
        """
        import polars as pl

        schema = system.decides.schema()
        kept = self.frames[schema.name].sort(schema.time_field, maintain_order=True).head(events)
        end = kept[schema.time_field].max()
        frames = {
            name: kept if name == schema.name else frame.filter(pl.col(system.schemas[name].time_field) <= end)
            for name, frame in self.frames.items()
        }
        ids = kept.select(schema.id_field)
        labels = {name: frame.join(ids, on=schema.id_field, how="semi") for name, frame in self.labels.items()}
        return Source(frames, labels, self.lists, self.truth)

    def write(self, folder: Path) -> list[Path]:
        """Write every table as parquet into a folder that `read_streams` reads, and return the files.

        Parameters
        ----------
        folder
            Made where it is not there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        tables = dict(self.frames) | {f"labels_{name}": frame for name, frame in self.labels.items()}
        if self.truth is not None:
            tables["truth"] = self.truth
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
    label, and where there are any ``lists.json`` and, for evaluation, ``truth.parquet``.
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
        frame = utc(read_table(path), schema.time_field)
        return Source({schema.name: frame}, _labels_inside(system, frame))
    frames, labels = {}, {}
    for name, stream in system.schemas.items():
        found = _find(path, name)
        if found is not None:
            frames[name] = utc(read_table(found), stream.time_field)
    if schema.name not in frames:
        msg = f"{path.name} holds no file {schema.name}.parquet or {schema.name}.csv"
        raise InputError(msg, code="no_file")
    for known in (system.label, *system.outcomes):
        found = None if known is None else _find(path, f"labels_{known.name}")
        if known is not None and found is not None:
            labels[known.name] = utc(read_table(found), "known_at")
    truth = read_table(path / "truth.parquet") if (path / "truth.parquet").exists() else None
    return Source(frames, labels, _lists(path / "lists.json"), truth)


def _lists(path: Path) -> dict[str, list[str | float]]:
    if not path.exists():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str | float]])
    except msgspec.MsgspecError as error:
        msg = f"{path.name} must map names to lists of texts or numbers: {error}"
        raise InputError(msg, code="unreadable_file") from error


def utc(frame: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return a table whose time column is in UTC; text is parsed as ISO 8601, which must name an offset."""
    import polars as pl

    if column in frame.columns and frame[column].dtype == pl.String:
        return frame.with_columns(pl.col(column).str.to_datetime(time_unit="us", time_zone="UTC"))
    return frame


def _find(folder: Path, name: str) -> Path | None:
    for suffix in (".parquet", ".csv"):
        if (folder / f"{name}{suffix}").exists():
            return folder / f"{name}{suffix}"
    return None


def _labels_inside(system: System, frame: pl.DataFrame) -> dict[str, pl.DataFrame]:
    import polars as pl

    schema, label = system.decides.schema(), system.label
    if label is None or label.name not in frame.columns:
        return {}
    known: pl.Expr = pl.col(schema.time_field) + label.delay
    if "known_at" in frame.columns:
        known = pl.col("known_at")
    rows = frame.filter(pl.col(label.name).is_not_null()).select(
        pl.col(schema.id_field), value=pl.col(label.name).cast(pl.Float64), known_at=known
    )
    return {label.name: rows.filter(pl.col("known_at").is_not_null())}
