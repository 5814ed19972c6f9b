"""The roster of rings: who is in each, what they share, what was known of them, since when and for how much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from adjudge.errors import InputError, did_you_mean
from adjudge.learn.rings import HUB, WINDOW_US, Rings, Ties, find_rings
from adjudge.typing import BoolArray

if TYPE_CHECKING:
    import polars as pl

    from adjudge.define import System
    from adjudge.learn.source import Source

MEMBERS, SHARED = "members", "shares"
"""Columns of a roster that hold lists: the users of a ring, and what they share, each as ``field:value``."""


@dataclass(frozen=True)
class Asked:
    """What rings are looked for.

    Parameters
    ----------
    who
        Field of those who are tied together.
    over
        Fields of what they may share.
    as_of
        The moment in microseconds; None for just after the newest event.
    window_us, hub
        As for `find_rings`.
    """

    who: str = "user"
    over: Sequence[str] = ("device", "card", "address")
    as_of: int | None = None
    window_us: int = WINDOW_US
    hub: int = HUB


def roster(system: System, source: Source, asked: Asked | None = None) -> tuple[Rings, pl.DataFrame]:
    """Return the rings of a source as of a moment, and a table of them, the most known frauds first.

    Parameters
    ----------
    system
        The definitions: they say which stream, which label, and which field is money.
    source
        Its data.
    asked
        What to look for.

    Returns
    -------
    tuple
        The rings, and a row for each: users, what they share, ties, density, events and known frauds of its users
        within the window, their money and that of the frauds, the first and last event, and the lists of both.

    Raises
    ------
    InputError
        If a field is not there.
    """
    import polars as pl

    asked = asked or Asked()
    schema = system.decides.schema()
    for name in (asked.who, *asked.over):
        if name not in schema.names or not schema[name].is_text:
            keys = [f.name for f in schema if f.role == "key"]
            msg = f"{schema.name!r} has no key {name!r}{did_you_mean(name, keys)}"
            raise InputError(msg, field=name, code="missing_field")
    at, kinds = schema.time_field, (asked.who, *asked.over)
    moment = asked.as_of
    if moment is None:
        last = source.frames[schema.name][at].cast(pl.Datetime("us", "UTC")).to_physical().max()
        moment = 1 + (int(last) if isinstance(last, int) else 0)
    frame = _labelled(system, source, moment)
    absent = [pl.lit(None, pl.String).alias(name) for name in kinds if name not in frame.columns]
    ties = Ties.of_frame(frame.with_columns(absent), kinds, at=at)
    rings = find_rings(ties, moment, window_us=asked.window_us, hub=asked.hub)
    inside = (ties.ts < moment) & (ties.ts > moment - asked.window_us)
    known = (ties.label == 1.0) & (ties.known_at <= moment)
    money = frame[system.amount].cast(pl.Float64) if system.amount in frame.columns else pl.Series([1.0] * frame.height)
    events = pl.DataFrame(
        {
            "ring": np.where(inside, rings.of_node[ties.nodes[0]], -1),
            "member": frame[asked.who].cast(pl.String),
            "at": frame[at],
            "amount": money,
            "lost": money.to_numpy() * known,
        }
    ).filter(pl.col("ring") >= 0)
    told = events.group_by("ring").agg(
        pl.col("amount").sum().round(2),
        pl.col("lost").sum().round(2).alias("fraud_amount"),
        pl.col("at").min().alias("first_seen"),
        pl.col("at").max().alias("last_seen"),
        pl.col("member").unique().sort().alias(MEMBERS),
    )
    counts = pl.DataFrame(
        {
            "ring": np.arange(len(rings)),
            "users": rings.users,
            "shared": rings.shared,
            "edges": rings.edges,
            "density": rings.density,
            "events": rings.events,
            "frauds": rings.frauds,
        }
    )
    shares = _shares(frame, ties, rings, kinds, inside)
    table = counts.join(told, on="ring", how="left").join(shares, on="ring", how="left")
    return rings, table.sort("frauds", "users", "ring", descending=[True, True, False]).drop("ring")


def write(table: pl.DataFrame, path: Path) -> None:
    """Write a roster as Parquet, or as CSV with its lists joined by spaces, as the name of the file says.

    Raises
    ------
    InputError
        If the name says neither.
    """
    import polars as pl

    if path.suffix == ".parquet":
        table.write_parquet(path)
    elif path.suffix == ".csv":
        table.with_columns(pl.col(MEMBERS, SHARED).list.join(" ")).write_csv(path)
    else:
        msg = f"{path.name} is neither .parquet nor .csv"
        raise InputError(msg, field="to")


def _labelled(system: System, source: Source, as_of: int) -> pl.DataFrame:
    """Return the decided events in the order in which they stand, with the last label that each had at a moment."""
    import polars as pl

    schema = system.decides.schema()
    frame = source.frames[schema.name]
    if system.label is None or system.label.name not in source.labels:
        return frame
    said = source.labels[system.label.name].sort("known_at", maintain_order=True)
    said = said.filter(pl.col("known_at").cast(pl.Datetime("us", "UTC")).to_physical() <= as_of)
    last = said.unique(schema.id_field, keep="last").rename({"value": "label"})
    columns = last.select(schema.id_field, "label", "known_at")
    return frame.drop("label", "known_at", strict=False).join(
        columns, on=schema.id_field, how="left", maintain_order="left"
    )


def _shares(frame: pl.DataFrame, ties: Ties, rings: Rings, kinds: Sequence[str], inside: BoolArray) -> pl.DataFrame:
    """Return what the users of each ring share, as ``field:value``."""
    import polars as pl

    parts = [
        pl.DataFrame(
            {
                "ring": np.where(inside & (nodes >= 0), rings.of_node[nodes], -1),
                SHARED: frame[name].cast(pl.String) if name in frame.columns else pl.Series([None] * frame.height),
            }
        )
        .filter((pl.col("ring") >= 0) & pl.col(SHARED).is_not_null())
        .with_columns(pl.format("{}:{}", pl.lit(name), pl.col(SHARED)).alias(SHARED))
        for name, nodes in zip(kinds[1:], ties.nodes[1:], strict=True)
    ]
    return pl.concat(parts).group_by("ring").agg(pl.col(SHARED).unique().sort())
