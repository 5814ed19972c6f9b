"""Whether the data of a day is as expected: volume, silence, duplicates, and every field's gaps, range and values."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from adjudge.monitor.days import DAY_US, Days
from adjudge.monitor.expectations import Expectation, Expectations
from adjudge.typing import BoolArray, FloatArray

if TYPE_CHECKING:
    import polars as pl

LEAST = 5
"""Events of a day that have to be wrong before anybody is told."""


class Breach(msgspec.Struct, frozen=True):
    """One expectation that a day did not meet.

    Parameters
    ----------
    day
        Number of the day.
    field
        Which one; ``events`` for the day as a whole.
    check
        ``missing``, ``range``, ``new``, ``volume``, ``silence`` or ``duplicates``.
    seen, allowed
        Share of events, number of events, or minutes; what was seen and the bound that it is beyond.
    words
        One sentence.
    """

    day: int
    field: str
    check: str
    seen: float
    allowed: float
    words: str


def breaches(
    frame: pl.DataFrame, days: Days, expected: Expectations, twice: FloatArray, *, until_us: int | None = None
) -> list[tuple[Breach, ...]]:
    """Return what each watched day did not meet.

    Parameters
    ----------
    frame, days
        Rows and their days.
    expected
        What is expected.
    twice
        Share of duplicates by day.
    until_us
        When somebody looks; a day that is not over by then is held against the part of it that is.
    """
    rows = np.bincount(days.day, minlength=days.count).astype(np.float64)
    end = days.start_us(days.count) if until_us is None else until_us
    found: list[list[Breach]] = [[] for _ in range(days.count - days.watched)]
    for day in range(days.watched, days.count):
        told = found[day - days.watched]
        told += _of_day(day, rows[day], min(end, days.start_us(day + 1)), days, expected, float(twice[day]))
    for name, one in expected.fields.items():
        for breach in _of_field(name, one, frame, days, rows):
            found[breach.day - days.watched].append(breach)
    return [tuple(one) for one in found]


def _of_day(day: int, rows: float, end: int, days: Days, expected: Expectations, twice: float) -> Iterator[Breach]:
    start = days.start_us(day)
    low, high = expected.volume
    least = low * (end - start) / DAY_US
    if rows < least or rows > high:
        bound = least if rows < least else high
        words = f"{rows:,.0f} events, {'at least' if rows < least else 'at most'} {bound:,.0f} expected"
        yield Breach(day, "events", "volume", rows, bound, words)
    at = np.sort(days.at[days.day == day])
    gaps = np.diff(np.concatenate([[start], at, [end]])) / 60e6
    if (longest := float(gaps.max(initial=0.0))) > expected.silence_minutes:
        words = f"no event for {longest:,.0f} minutes, at most {expected.silence_minutes:,.0f} expected"
        yield Breach(day, "events", "silence", longest, expected.silence_minutes, words)
    if twice > expected.duplicates and twice * rows >= LEAST:
        words = f"{twice:.1%} of the events are duplicates, at most {expected.duplicates:.1%} expected"
        yield Breach(day, "events", "duplicates", twice, expected.duplicates, words)


def _of_field(name: str, one: Expectation, frame: pl.DataFrame, days: Days, rows: FloatArray) -> Iterator[Breach]:
    import polars as pl

    column = frame[name]
    gone = column.is_null()
    yield from _shares(name, "missing", gone.to_numpy(), one.missing, days, rows, "are without it")
    if one.low is not None or one.high is not None:
        value = column.cast(pl.Float64)
        beyond = pl.select(
            ((value < one.low) if one.low is not None else pl.lit(False))
            | ((value > one.high) if one.high is not None else pl.lit(False))
        ).to_series()
        words = f"are outside {one.low:g} to {one.high:g}" if None not in (one.low, one.high) else "are out of range"
        yield from _shares(name, "range", beyond.fill_null(False).to_numpy(), one.outside, days, rows, words)
    if one.values:
        new = ~column.cast(pl.String).is_in(one.values) & ~gone
        text = column.filter(new).cast(pl.String).value_counts(sort=True).head(3)[:, 0].to_list()
        words = f"have a value that was not known, such as {', '.join(text)}"
        yield from _shares(name, "new", new.fill_null(False).to_numpy(), one.new, days, rows, words)


def _shares(
    name: str, check: str, wrong: BoolArray, allowed: float, days: Days, rows: FloatArray, words: str
) -> Iterator[Breach]:
    counts = np.bincount(days.day[wrong], minlength=days.count)
    for day in range(days.watched, days.count):
        share = float(counts[day] / max(rows[day], 1.0))
        if share > allowed and counts[day] >= LEAST:
            said = f"{name}: {share:.1%} of the events {words}, at most {allowed:.1%} expected"
            yield Breach(day, name, check, share, allowed, said)


def worst(found: Sequence[Breach]) -> Breach | None:
    """Return the breach that is furthest beyond its bound."""
    return max(found, key=lambda one: max(one.seen, 1e-9) / max(one.allowed, 1e-9), default=None)
