"""Watching a span of days against a reference: quality, drift, whose change it is, and what it rests on, day by day."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.errors import InputError, did_you_mean
from adjudge.monitor.days import Days, days_of
from adjudge.monitor.distances import Distances, distances
from adjudge.monitor.drift import Drift, drifts
from adjudge.monitor.expectations import Expectations, check_fields, learn
from adjudge.monitor.fields import Kind, kinds_of
from adjudge.monitor.quality import Breach, breaches
from adjudge.monitor.questions import Family, families
from adjudge.monitor.verdict import Cause, Evidence, Verdict, verdict
from adjudge.typing import BoolArray

if TYPE_CHECKING:
    import polars as pl

BROKEN = ("missing", "range", "duplicates", "silence")
"""Checks that nobody but a pipeline fails."""


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """One day as it was watched.

    Parameters
    ----------
    date
        The UTC date.
    start_us
        Its midnight.
    events
        How many.
    drifts
        What has drifted, the surest first.
    breaches
        Expectations that were not met.
    verdict
        Whose change it is; None where nothing is the matter.
    distances
        How far each field's mix is from the usual one.
    """

    date: str
    start_us: int
    events: int
    drifts: tuple[Drift, ...]
    breaches: tuple[Breach, ...]
    verdict: Verdict | None
    distances: tuple[Distances, ...]

    @property
    def alarm(self) -> bool:
        """Whether anything is the matter."""
        return self.verdict is not None


@dataclass(frozen=True)
class Watch:
    """What came of watching.

    Parameters
    ----------
    days
        The watched days.
    span
        Days of reference and watched ones.
    kinds
        Kind of each field.
    families
        What was asked, with every day's answers.
    expected
        What was expected of the data.
    """

    days: tuple[Watched, ...]
    span: Days
    kinds: dict[str, Kind]
    families: tuple[Family, ...]
    expected: Expectations


def watch(
    frame: pl.DataFrame,
    watch_us: int,
    *,
    time: str = "at",
    offset: str | None = None,
    until_us: int | None = None,
    expected: Expectations | None = None,
    ignore: Collection[str] = (),
) -> Watch:
    """Watch the days of a table against those before them.

    Parameters
    ----------
    frame
        Rows in any order.
    watch_us
        Microseconds UTC from which on days are watched; what is before is the reference.
    time
        Column with the time of each row.
    offset
        Column with the minutes by which the local clock is ahead.
    until_us
        When somebody looks; the end of the last day unless given. Rows from then on are not looked at.
    expected
        What is expected of the data; learned from the reference unless given.
    ignore
        Columns to leave out.

    Raises
    ------
    InputError
        If a column is not there, or there is no reference or nothing to watch.
    """
    frame, span = _spanned(frame, watch_us, time, offset, until_us)
    columns = frame.drop([name for name in {time, offset, *ignore} if name is not None], strict=False)
    known = span.day < span.watched
    kinds = _kinds(columns, span, expected, known)
    asked = tuple(families(columns, span, kinds))
    twice = next(family for family in asked if family.field == "events").found.seen[0]
    worst = float(np.nan_to_num(twice[: span.watched]).max())
    watched_kinds = {name: kind for name, kind in kinds.items() if kind != "unread"}
    expected = expected or learn(columns, span, watched_kinds, worst)
    check_fields(expected, dict.fromkeys(columns.columns))
    wrong = breaches(columns, span, expected, np.nan_to_num(twice), until_us=until_us)
    moved, far = drifts(asked, span), distances(asked, span.watched)
    rows = np.bincount(span.day, minlength=span.count)
    days = []
    for i, (drifted, broken) in enumerate(zip(moved, wrong, strict=True)):
        day = span.watched + i
        days.append(
            Watched(
                date=span.date(day),
                start_us=span.start_us(day),
                events=int(rows[day]),
                drifts=drifted,
                breaches=broken,
                verdict=_verdict(columns, span, kinds, drifted, broken),
                distances=tuple(one[i] for one in far.values()),
            )
        )
    return Watch(tuple(days), span, kinds, asked, expected)


def learned(
    frame: pl.DataFrame, *, time: str = "at", offset: str | None = None, ignore: Collection[str] = ()
) -> Expectations:
    """Return what a table leads one to expect of a day; all of its rows are the reference.

    Parameters
    ----------
    frame, time, offset, ignore
        See `watch`.

    Raises
    ------
    InputError
        If a column is not there, or there are no rows.
    """
    frame, part = _spanned(frame, None, time, offset, None)
    columns = frame.drop([name for name in {time, offset, *ignore} if name is not None], strict=False)
    kinds = _kinds(columns, part, None, np.ones(len(frame), np.bool_))
    twice = next(family for family in families(columns, part, kinds) if family.field == "events").found.seen[0]
    watched = {name: kind for name, kind in kinds.items() if kind != "unread"}
    return learn(columns, part, watched, float(np.nan_to_num(twice).max()))


def _spanned(
    frame: pl.DataFrame, watch_us: int | None, time: str, offset: str | None, until_us: int | None
) -> tuple[pl.DataFrame, Days]:
    import polars as pl

    for name in (time, *([offset] if offset else [])):
        if name not in frame.columns:
            message = f"the table has no column {name!r}{did_you_mean(name, frame.columns)}"
            raise InputError(message, field=name, code="missing_field")
    if not frame[time].dtype.is_temporal():
        message = f"column {time!r} holds {frame[time].dtype} and no times"
        raise InputError(message, field=time, code="wrong_type")
    frame = frame.drop_nulls(time)
    if until_us is not None:
        frame = frame.filter(pl.col(time).dt.epoch("us") < until_us)
    at = frame[time].dt.epoch("us").to_numpy()
    minutes = None if offset is None else frame[offset].fill_null(0).cast(pl.Int64).to_numpy()
    return frame, days_of(at, watch_us, end_us=until_us, offset_min=minutes)


def _kinds(columns: pl.DataFrame, span: Days, expected: Expectations | None, known: BoolArray) -> dict[str, Kind]:
    """Return the kinds that expectations name, or those that the reference looks like."""
    import polars as pl

    if expected is not None:
        check_fields(expected, dict.fromkeys(columns.columns))
        return {name: one.kind for name, one in expected.fields.items()}
    mask = pl.Series(known)
    return kinds_of(columns.filter(mask), pl.Series(span.day).filter(mask))


def _verdict(
    columns: pl.DataFrame, span: Days, kinds: dict[str, Kind], drifted: Sequence[Drift], broken: Sequence[Breach]
) -> Verdict | None:
    """Return whose change it is, from what has drifted and from what was not as expected."""
    told = list(verdict(columns, span, kinds, drifted).evidence) if drifted else []
    named = {(one.field, one.mark) for one in told}
    for breach in broken:
        if (breach.field, breach.check) not in named and not (drifted and breach.check in ("new", "missing")):
            few = breach.check == "volume" and breach.seen < breach.allowed
            cause: Cause = "pipeline" if few or breach.check in BROKEN else "world"
            told.append(Evidence(cause, breach.check, breach.field, breach.words))
    if not told:
        return None
    ordered = sorted(told, key=lambda one: one.cause != "pipeline")
    return Verdict(ordered[0].cause, tuple(ordered))
