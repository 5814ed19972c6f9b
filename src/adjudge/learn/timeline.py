"""The order of the past: at which position of a log each event and each label would stand.

Entries stand by the time at which they were known. At one time labels come first, then what is only kept, then what is
decided; a label that was known before its event had come, or with it, waits for the event, as it does in a live log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from adjudge.define.label import Truth, problem_with
from adjudge.engine import Plan
from adjudge.engine.truth import codes_of
from adjudge.errors import InputError, did_you_mean
from adjudge.typing import AnyArray, BoolArray, FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class Effects:
    """Labels of one name in the order in which they take effect.

    Parameters
    ----------
    row
        Row of the labelled event among the decided events in order of time, shape (m,).
    old, new
        Value before (NaN where there was none) and value set.
    known_us
        When it was known.
    since_us
        When it takes effect: then, or when its event comes.
    waits
        Whether it waits for its event.
    """

    row: IntArray
    old: FloatArray
    new: FloatArray
    known_us: IntArray
    since_us: IntArray
    waits: BoolArray


@dataclass(frozen=True)
class Timeline:
    """Everything of a past in one order.

    Parameters
    ----------
    frames
        Events of each stream in order of time; what is decided comes last.
    labels
        What became known about decided events.
    label_seq, event_seq
        Position in the log of every label by name, and of every event by stream, each ascending.
    length
        Number of entries.
    """

    frames: Mapping[str, pl.DataFrame]
    labels: Mapping[str, Effects]
    label_seq: Mapping[str, IntArray]
    event_seq: Mapping[str, IntArray]
    length: int


def timeline(plan: Plan, frames: Mapping[str, pl.DataFrame], labels: Mapping[str, pl.DataFrame]) -> Timeline:
    """Return the order of a past.

    Parameters
    ----------
    plan
        The compiled system.
    frames
        Events by stream, in any order.
    labels
        By label or outcome the decided event's id, ``value`` (0 or 1, or one of its values as text) and ``known_at``.

    Raises
    ------
    InputError
        If a column of the labels is missing, or a value is none of an outcome's.
    DefinitionError
        If a label or a stream is unknown.
    """
    streams = sorted(frames, key=lambda s: s == plan.decides)
    ordered = {s: frames[s].sort(plan.schema(s).time_field, maintain_order=True) for s in streams}
    effects = {name: _effects(plan, ordered[plan.decides], name, frame) for name, frame in labels.items()}
    times = [e.since_us for e in effects.values()]
    times += [_micros(ordered[s], plan.schema(s).time_field) for s in streams]
    sizes = [len(t) for t in times]
    source = np.repeat(np.arange(len(times)), sizes)
    waits = np.concatenate([*(e.waits for e in effects.values()), np.zeros(0, np.bool_)])
    source[: len(waits)][waits] += len(times)
    order = np.lexsort((source, np.concatenate(times)))
    seqs = np.empty(len(order), np.int64)
    seqs[order] = np.arange(len(order))
    parts = np.split(seqs, np.cumsum(sizes)[:-1])
    return Timeline(
        ordered,
        effects,
        dict(zip(effects, parts, strict=False)),
        dict(zip(streams, parts[len(effects) :], strict=True)),
        len(order),
    )


def _effects(plan: Plan, decided: pl.DataFrame, name: str, frame: pl.DataFrame) -> Effects:
    import polars as pl

    truth = plan.truth(name)
    schema = plan.schema(plan.decides)
    for column in (schema.id_field, "value", "known_at"):
        if column not in frame.columns:
            msg = f"labels {name!r} need a column {column!r}{did_you_mean(column, frame.columns)}"
            raise InputError(msg, field=column, code="missing_field")
    at, came = (pl.col(c).dt.cast_time_unit("us").to_physical() for c in ("known_at", schema.time_field))
    ids = decided.select(schema.id_field, came=came).with_row_index("row")
    found = (
        frame.select(schema.id_field, "known_at", value=_codes(truth, frame["value"]), at=at)
        .join(ids, on=schema.id_field, how="inner")
        .sort("known_at", maintain_order=True)
        .with_columns(old=pl.col("value").shift(1).over("row"))
        .with_columns(waits=pl.col("at") <= pl.col("came"), since=pl.max_horizontal("at", "came"))
        .sort("since", "waits", maintain_order=True)
    )
    return Effects(
        found["row"].to_numpy().astype(np.int64),
        found["old"].fill_null(np.nan).to_numpy(),
        found["value"].to_numpy(),
        found["at"].to_numpy(),
        found["since"].to_numpy(),
        found["waits"].to_numpy(),
    )


def _codes(truth: Truth, values: pl.Series) -> pl.Series:
    """Return what is said as numbers: 0 or 1, or the code of a value."""
    import polars as pl

    if not truth.values:
        return values.cast(pl.Float64)
    for value in values.unique(maintain_order=True).to_list():
        wrong = problem_with(truth, value)
        if wrong:
            msg = f"outcome {truth.name!r} {wrong}; the table has {value!r}"
            raise InputError(msg, field="value", code="unknown_value")
    return pl.Series(codes_of(truth, values.to_list()))


def _micros(frame: pl.DataFrame, column: str) -> AnyArray:
    values: AnyArray = frame[column].dt.cast_time_unit("us").to_physical().to_numpy()
    return values
