"""Decided events of an export as one table: fields, features, decision and what is known of it, for whoever watches."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adjudge.errors import InputError, did_you_mean

if TYPE_CHECKING:
    import polars as pl

ANSWER = ("decision", "probability", "score", "reason", "method", "degraded", "latency_ms")
"""Members of an answer that are read."""


def systems(folder: Path) -> list[str]:
    """Return the systems that have decided something in an export."""
    return sorted(path.name.removeprefix("system=") for path in (folder / "decisions").glob("system=*"))


def decided(folder: Path, system: str, first: date, last: date) -> pl.DataFrame:
    """Return the decided events of some days, in order of their position.

    Parameters
    ----------
    folder
        What `export` has made.
    system
        Whose decisions.
    first, last
        Days of the events, both included.

    Returns
    -------
    pl.DataFrame
        ``seq``, ``ts``, ``id``, `ANSWER`, every field of the stream, and features with ``feature.`` before their name.
        A field that has the name of one of these has a ``_`` behind its own; see `column_of`.

    Raises
    ------
    InputError
        If the system has decided nothing on these days.
    """
    answers = _days(folder / "decisions" / f"system={system}", first, last)
    if answers is None:
        known = systems(folder)
        hint = "" if system in known else did_you_mean(system, known)
        message = f"system {system!r} has decided nothing from {first} to {last}{hint}"
        raise InputError(message, field="system", code="nothing_to_compare")
    found = answers.select("seq", "ts", "id", *ANSWER)
    features = _days(folder / "features" / f"system={system}", first, last)
    if features is not None:
        named = features.drop("ts", "received_at", "id", "day", strict=False)
        found = found.join(
            named.rename(lambda name: name if name == "seq" else f"feature.{name}"), on="seq", how="left"
        )
    for path in sorted((folder / "events").glob("stream=*")):
        events = _days(path, first, last)
        if events is not None and events["seq"].is_in(found["seq"].implode()).any():
            fields = _plain(events.drop("received_at", "day", "sealed", "ts", "id", strict=False))
            fields = fields.rename({name: f"{name}_" for name in ANSWER if name in fields.columns})
            found = found.join(fields, on="seq", how="left")
    return found.sort("seq")


def column_of(frame: pl.DataFrame, name: str) -> str:
    """Return the column of `decided` that holds a field of the stream; empty if none does."""
    return next((one for one in (f"{name}_", name) if one in frame.columns), "")


def known_labels(folder: Path, label: str) -> pl.DataFrame:
    """Return what the last entry said of each event's label, as ``id``, ``value`` and ``known_at``."""
    import polars as pl

    parts = sorted((folder / "labels").glob("**/part-*.parquet"))
    columns = ("seq", "received_at", "id", "name", "value")
    empty = pl.DataFrame(schema={"id": pl.String, "value": pl.Boolean, "known_at": pl.Datetime("us", "UTC")})
    if not parts:
        return empty
    said = pl.concat([pl.read_parquet(part, columns=list(columns)) for part in parts]).filter(pl.col("name") == label)
    last = said.sort("seq").group_by("id", maintain_order=True).last()
    return last.select("id", "value", known_at=pl.col("received_at"))


def retracted(folder: Path) -> pl.Series:
    """Return the ids of the events that were taken back."""
    import polars as pl

    parts = sorted((folder / "labels").glob("**/part-*.parquet"))
    found = [pl.read_parquet(part, columns=["id", "kind"]) for part in parts]
    said = pl.concat(found) if found else pl.DataFrame(schema={"id": pl.String, "kind": pl.String})
    return said.filter(pl.col("kind") == "retraction")["id"].unique()


def told(folder: Path) -> pl.DataFrame:
    """Return every label and outcome that was told: which event, what, when and by whom."""
    import polars as pl

    wanted = {
        "seq": pl.Int64,
        "received_at": pl.Datetime("us", "UTC"),
        "id": pl.String,
        "kind": pl.String,
        "name": pl.String,
        "value": pl.Boolean,
        "text": pl.String,
        "who": pl.String,
    }
    return _all(folder / "labels", wanted).filter(pl.col("kind") != "retraction")


def notes(folder: Path) -> pl.DataFrame:
    """Return every note of the log: ``seq``, ``received_at``, ``kind``, ``who``, ``why`` and ``content``."""
    import polars as pl

    texts = dict.fromkeys(("kind", "who", "why", "content"), pl.String)
    return _all(folder / "notes", {"seq": pl.Int64, "received_at": pl.Datetime("us", "UTC"), **texts})


def _all(folder: Path, wanted: dict[str, Any]) -> pl.DataFrame:
    """Return some columns of all parts of a table, empty where there is none."""
    import polars as pl

    found = [pl.read_parquet(part, hive_partitioning=False) for part in sorted(folder.glob("**/part-*.parquet"))]
    if not found:
        return pl.DataFrame(schema=wanted)
    whole = pl.concat(found, how="diagonal_relaxed")
    missing = [pl.lit(None, kind).alias(name) for name, kind in wanted.items() if name not in whole.columns]
    return whole.with_columns(missing).select(pl.col(name).cast(kind) for name, kind in wanted.items())


def _days(folder: Path, first: date, last: date) -> pl.DataFrame | None:
    """Return the rows of some days of one table, None where there are none."""
    import polars as pl

    parts = [
        part
        for day in sorted(folder.glob("day=*"))
        if first.isoformat() <= day.name.removeprefix("day=") <= last.isoformat()
        for part in sorted(day.glob("part-*.parquet"))
    ]
    frames = [pl.read_parquet(part, hive_partitioning=False) for part in parts]
    return pl.concat(frames, how="diagonal_relaxed") if frames else None


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Return amounts as floats and places as two numbers: what is watched is compared and not added up."""
    import polars as pl

    structs = [name for name, kind in frame.schema.items() if isinstance(kind, pl.Struct)]
    for name in structs:
        frame = frame.with_columns(frame[name].struct.rename_fields([f"{name}_lat", f"{name}_lon"]).struct.unnest())
    decimals = [name for name, kind in frame.schema.items() if kind.is_decimal()]
    return frame.drop(structs).with_columns(pl.col(name).cast(pl.Float64) for name in decimals)
