"""Encoding: typed events become columns of numbers, the only thing that the rest of the engine reads.

Text becomes a keyed hash, a time its microseconds and local offset, money its base-currency amount, a place two
degrees. Events that arrive one by one and tables that arrive whole give the same columns, bit for bit.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import ROUND_HALF_EVEN, Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import numpy as np

from adjudge.define.event import MINOR_DIGITS, Field, Schema
from adjudge.engine.hashing import TEXT_TAG, hash_arrow, hash_fields
from adjudge.errors import InputError, did_you_mean
from adjudge.typing import FloatArray, IntArray

if TYPE_CHECKING:
    import polars as pl

Event = Any
"""An object with one attribute per field."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""When event time is 0."""


class Encoder:
    """Turns the events of one stream into columns.

    Parameters
    ----------
    schema
        The stream.
    secret
        The workspace's 16 secret bytes, the key of every hash.
    """

    def __init__(self, schema: Schema, secret: bytes) -> None:
        self.schema = schema
        self.secret = secret
        self.row: dict[str, int] = {}
        at = 0
        for f in schema:
            self.row[f.name] = at
            at += f.slots
        self.width = at
        self._texts = [f for f in schema if f.is_text]
        self._tags = [TEXT_TAG] * len(self._texts)
        self._text_rows = np.array([self.row[f.name] for f in self._texts], np.int64)
        self._get_texts = _getter([f.name for f in self._texts])
        self._numbers = [f for f in schema if f.role in ("number", "boolean")]
        self._number_rows = np.array([self.row[f.name] for f in self._numbers], np.int64)
        self._get_numbers = _getter([f.name for f in self._numbers])
        self._others = [(f, self.row[f.name], _WRITERS[f.role]) for f in schema if f.role in _WRITERS]

    def events(self, events: Sequence[Event], out: FloatArray) -> IntArray:
        """Write events into the first `width` rows of a matrix and return their event times.

        Parameters
        ----------
        events
            Checked events: aware times, exact money, finite numbers.
        out
            At least `width` rows and exactly as many columns as there are events.

        Returns
        -------
        IntArray
            Event time of each, in microseconds UTC.

        Raises
        ------
        InputError
            If money has more digits than its currency, naming field and row.
        """
        if self._texts:
            columns = list(zip(*[self._get_texts(e) for e in events], strict=True))
            out.view(np.uint64)[self._text_rows] = hash_fields(self.secret, self._tags, columns)
        if self._numbers:
            rows = np.array([self._get_numbers(e) for e in events], np.float64)
            out[self._number_rows] = rows.T
        for f, row, write in self._others:
            write(f, events, out, row)
        return self.times(out)

    def frame(self, frame: pl.DataFrame, out: FloatArray) -> IntArray:
        """Write a whole table into the first `width` rows of a matrix and return the event times.

        Columns are named like the fields; a place has two columns ``{name}_lat`` and ``{name}_lon``; a time may have a
        companion ``{name}_offset_minutes`` where its local offset is not that of the field's zone.

        Parameters
        ----------
        frame
            One row per event. Optional fields may be absent.
        out
            At least `width` rows and exactly as many columns as the table has rows.

        Raises
        ------
        InputError
            If a column is missing or holds what its field forbids, naming field and row.
        """
        for f in self.schema:
            _FRAME_WRITERS.get(f.role, _frame_number)(self, f, frame, out)
        return self.times(out)

    def times(self, matrix: FloatArray) -> IntArray:
        """Return the event times that encoded fields hold, in microseconds UTC."""
        ts: IntArray = np.rint(matrix[self.row[self.schema.time_field]]).astype(np.int64)
        return ts


def _getter(names: list[str]) -> Callable[[Event], tuple[Any, ...]]:
    if len(names) == 1:
        one = operator.attrgetter(names[0])
        return lambda event: (one(event),)
    return operator.attrgetter(*names) if names else lambda _: ()


def micros_of(at: datetime) -> int:
    """Return an aware time in microseconds UTC.

    Examples
    --------
    >>> micros_of(datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC))
    1000005
    """
    since = at - EPOCH  # whole numbers, because seconds as a double are off by a microsecond before 2120
    return since.days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds


def micros_of_each(ats: Iterable[datetime]) -> list[int]:
    """Return aware times in microseconds UTC, like `micros_of`.

    Examples
    --------
    >>> micros_of_each([EPOCH, datetime(1970, 1, 1, 0, 0, 1, 5, tzinfo=UTC)])
    [0, 1000005]
    """
    return [(since := at - EPOCH).days * 86_400_000_000 + since.seconds * 1_000_000 + since.microseconds for at in ats]


def _write_times(f: Field, events: Sequence[Event], out: FloatArray, row: int) -> None:
    ats: list[datetime | None] = list(map(operator.attrgetter(f.name), events))
    there = [EPOCH if at is None else at for at in ats]
    try:
        out[row] = micros_of_each(there)
    except TypeError:
        naive = next(i for i, at in enumerate(there) if at.utcoffset() is None)
        msg = f"field {f.name!r} has a time without offset"
        raise InputError(msg, field=f.name, row=naive, code="naive_time") from None
    zone = None if f.zone is None else _zone(f.zone)
    out[row + 1] = [0.0 if (to := zone or at.tzinfo) is UTC else _offset(at, to) for at in there]
    if None in ats:
        out[row : row + 2, [at is None for at in ats]] = math.nan


def _offset(at: datetime, zone: tzinfo | None) -> float:
    """Return how many seconds clocks of a zone are ahead of UTC at some time."""
    offset = at.astimezone(zone).utcoffset()
    assert offset is not None  # whatever has a zone has one
    return offset.total_seconds()


def _write_places(f: Field, events: Sequence[Event], out: FloatArray, row: int) -> None:
    places = map(operator.attrgetter(f.name), events)
    for i, place in enumerate(places):
        out[row, i], out[row + 1, i] = (math.nan, math.nan) if place is None else (place.lat, place.lon)


def usual_steps(currency: str) -> tuple[Decimal, Decimal, Decimal]:
    """Return the steps in which amounts of a currency are usually written, finest first: none finer is allowed.

    Examples
    --------
    >>> usual_steps("EUR")
    (Decimal('0.01'), Decimal('0.1'), Decimal('1'))
    """
    digits = MINOR_DIGITS.get(currency, 2)
    fine, middle, coarse = (Decimal(1).scaleb(-max(0, digits - less)) for less in range(3))
    return fine, middle, coarse


def _write_amounts(f: Field, events: Sequence[Event], out: FloatArray, row: int) -> None:
    amounts: list[Decimal | None] = list(map(operator.attrgetter(f.name), events))
    own = [None] * len(events) if f.currency_from is None else list(map(operator.attrgetter(f.currency_from), events))
    plain = (None, "", f.currency)
    fine, middle, coarse = usual_steps(f.currency)
    out[row] = [  # hardly any needs the second look below
        float(a)
        if a is not None
        and (a.same_quantum(fine) or a.same_quantum(middle) or a.same_quantum(coarse))
        and currency in plain
        else math.nan
        for a, currency in zip(amounts, own, strict=True)
    ]
    for i in np.flatnonzero(np.isnan(out[row])).tolist():
        if (amount := amounts[i]) is not None:
            out[row, i] = _amount(f, events[i], amount, own[i] or f.currency, i)


def _amount(f: Field, event: Event, amount: Decimal, currency: str, row: int) -> float:
    """Return an amount in major units of the field's base currency."""
    digits = MINOR_DIGITS.get(currency, 2)
    if currency == f.currency and -amount.as_tuple().exponent <= digits:  # type: ignore[operator]  # finite: checked
        return float(amount)  # correctly rounded, so the same bits as whole minor units over their scale
    minor = amount.scaleb(digits)
    if minor != minor.to_integral_value():
        msg = f"field {f.name!r} has more than {digits} digits after the point, which {currency} does not have"
        raise InputError(msg, field=f.name, row=row, code="too_many_digits")
    return base_minor(f, amount, currency, getattr(event, f.rate_from) if f.rate_from else None, row) / f.scale


def base_minor(f: Field, amount: Decimal, currency: str, rate: float | None, row: int | None = None) -> int:
    """Return an amount in whole minor units of the field's base currency, at the rate logged with the event.

    Parameters
    ----------
    f
        The money field.
    amount
        Major units of `currency`.
    currency
        ISO code of the event's own currency.
    rate
        Base-currency price of one unit; needed where the currency is not the base.
    row
        For the error message.

    Raises
    ------
    InputError
        If the currency is foreign and no rate is given.

    Examples
    --------
    >>> base_minor(Field("amount", "money"), Decimal("10.00"), "USD", 0.925)
    925
    """
    scale = Decimal(int(f.scale))
    if currency == f.currency:
        exact = amount * scale
    elif rate is None:
        msg = f"field {f.name!r} is in {currency} and no rate to {f.currency} is given"
        raise InputError(msg, field=f.rate_from or f.name, row=row, code="missing_rate")
    else:
        exact = amount * Decimal(rate) * scale
    return int(exact.to_integral_value(ROUND_HALF_EVEN))


_WRITERS: dict[str, Callable[[Field, Sequence[Event], FloatArray, int], None]] = {
    "time": _write_times,
    "place": _write_places,
    "money": _write_amounts,
}


def _zone(name: str) -> tzinfo:
    return ZoneInfo(name)


def _column(f: Field, frame: pl.DataFrame, name: str) -> pl.Series | None:
    """Return a column, None where an optional one is absent."""
    if name in frame.columns:
        series = frame[name]
        if not f.optional and series.null_count():
            row = int(np.flatnonzero(series.is_null().to_numpy())[0])
            msg = f"column {name!r} is required and is empty in row {row}"
            raise InputError(msg, field=f.name, row=row, code="missing_field")
        return series
    if f.optional:
        return None
    msg = f"column {name!r} is required{did_you_mean(name, frame.columns)}"
    raise InputError(msg, field=f.name, code="missing_field")


def _frame_text(encoder: Encoder, f: Field, frame: pl.DataFrame, out: FloatArray) -> None:
    import polars as pl

    row = encoder.row[f.name]
    series = _column(f, frame, f.name)
    if series is None:
        out[row] = 0.0
        return
    arrow = series.cast(pl.String).rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())
    _, offsets, data = arrow.buffers()
    rows = slice(arrow.offset, arrow.offset + len(series) + 1)
    out.view(np.uint64)[row] = hash_arrow(
        encoder.secret,
        TEXT_TAG,
        np.frombuffer(offsets, np.int64)[rows],
        np.frombuffer(data, np.uint8) if data is not None and data.size else np.empty(0, np.uint8),
        series.is_not_null().to_numpy() if series.null_count() else None,
    )


def _frame_number(encoder: Encoder, f: Field, frame: pl.DataFrame, out: FloatArray) -> None:
    row = encoder.row[f.name]
    series = _column(f, frame, f.name)
    out[row] = math.nan if series is None else _floats(f, series)
    _check_bounds(f, out[row])


def _frame_money(encoder: Encoder, f: Field, frame: pl.DataFrame, out: FloatArray) -> None:
    row = encoder.row[f.name]
    series = _column(f, frame, f.name)
    if series is None:
        out[row] = math.nan
        return
    amounts = _floats(f, series)
    _check_bounds(f, amounts)
    minor = np.rint(amounts * f.scale)
    if f.currency_from and f.rate_from and f.currency_from in frame.columns:
        # a foreign amount goes through the same exact arithmetic as a single event does
        currencies = frame[f.currency_from]
        rates = frame[f.rate_from] if f.rate_from in frame.columns else None
        foreign = (currencies != f.currency).fill_null(False).to_numpy() & ~np.isnan(amounts)
        for i in np.flatnonzero(foreign).tolist():
            exact = Decimal(repr(float(amounts[i]))).quantize(Decimal(1).scaleb(-MINOR_DIGITS.get(currencies[i], 2)))
            minor[i] = base_minor(f, exact, currencies[i], None if rates is None else rates[i], i)
    out[row] = minor / f.scale


def _frame_time(encoder: Encoder, f: Field, frame: pl.DataFrame, out: FloatArray) -> None:
    import polars as pl

    row = encoder.row[f.name]
    series = _column(f, frame, f.name)
    if series is None:
        out[row] = out[row + 1] = math.nan
        return
    if not isinstance(series.dtype, pl.Datetime):
        msg = f"column {f.name!r} must hold times with a zone, not {series.dtype}"
        raise InputError(msg, field=f.name, code="wrong_type")
    if series.dtype.time_zone is None:
        msg = f"column {f.name!r} holds times without a zone; say which, for example dt.replace_time_zone('UTC')"
        raise InputError(msg, field=f.name, code="naive_time")
    utc = series.dt.cast_time_unit("us")
    out[row] = utc.to_physical().cast(pl.Float64).fill_null(math.nan).to_numpy()
    companion = f"{f.name}_offset_minutes"
    if f.zone is not None:
        local = utc.dt.convert_time_zone(f.zone)
    elif companion in frame.columns:
        out[row + 1] = _floats(f, frame[companion]) * 60.0
        return
    else:
        local = utc
    offset = local.dt.base_utc_offset() + local.dt.dst_offset()
    out[row + 1] = offset.dt.total_seconds().cast(pl.Float64).fill_null(math.nan).to_numpy()


def _frame_place(encoder: Encoder, f: Field, frame: pl.DataFrame, out: FloatArray) -> None:
    row = encoder.row[f.name]
    for step, part in enumerate(("lat", "lon")):
        series = _column(f, frame, f"{f.name}_{part}")
        out[row + step] = math.nan if series is None else _floats(f, series)
    half = np.isnan(out[row]) | np.isnan(out[row + 1])
    out[row : row + 2, half] = math.nan


def _floats(f: Field, series: pl.Series) -> FloatArray:
    import polars as pl

    try:
        values = series.cast(pl.Float64)
    except pl.exceptions.PolarsError as error:
        msg = f"column {series.name!r} must hold numbers, not {series.dtype}"
        raise InputError(msg, field=f.name, code="wrong_type") from error
    result: FloatArray = values.fill_null(math.nan).to_numpy()
    return result


def _check_bounds(f: Field, values: FloatArray) -> None:
    low = -math.inf if f.minimum is None else f.minimum
    high = math.inf if f.maximum is None else f.maximum
    bad = np.isinf(values) | (values < low) | (values > high)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        msg = f"field {f.name!r} of row {row} is {values[row]}, outside {low} to {high}"
        raise InputError(msg, field=f.name, row=row, code="out_of_bounds")


_FRAME_WRITERS: dict[str, Callable[[Encoder, Field, Any, FloatArray], None]] = {
    **dict.fromkeys(("id", "key", "category", "text"), _frame_text),
    "money": _frame_money,
    "time": _frame_time,
    "place": _frame_place,
}
