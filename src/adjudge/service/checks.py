"""Checks of a field's values that its type cannot make, and a quick look that spares nearly all events of them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from adjudge.define.event import MINOR_DIGITS, Field
from adjudge.engine.encode import usual_steps

LARGEST_MONEY = Decimal(10) ** 13
"""Amounts at or beyond this are refused: minor units of every currency stay exact in a double below it."""

YEARS = (1900, 2200)
"""Timestamps must lie in these years: their microseconds since 1970 are exact in a double."""

Found = tuple[str, str]
"""The code of an error and the words that follow the field's name, with a point where a part of it is meant."""


def glance_of(f: Field) -> Callable[[Sequence[Any]], bool]:
    """Return what tells at a glance that the values of a field are sound in all events of a batch.

    It never takes a wrong one for sound, and leaves unusual ones, such as foreign money, to the check of the field.
    """
    get = operator.attrgetter(f.name)
    if f.role == "time":
        return lambda events: all(at is None or YEARS[0] <= at.year < YEARS[1] for at in map(get, events))
    return _money_glance(f) if f.role == "money" else lambda events: True


def _money_glance(f: Field) -> Callable[[Sequence[Any]], bool]:
    get, own = operator.attrgetter(f.name), f.currency_from
    fine, middle, coarse = usual_steps(f.currency)
    low = 1 - LARGEST_MONEY if f.minimum is None else Decimal(str(f.minimum))
    high = LARGEST_MONEY - 1 if f.maximum is None else Decimal(str(f.maximum))

    def glance(events: Sequence[Any]) -> bool:
        if own is not None and not {getattr(e, own) for e in events} <= {None, "", f.currency}:
            return False
        return all(
            a is None
            or ((a.same_quantum(fine) or a.same_quantum(middle) or a.same_quantum(coarse)) and low <= a <= high)
            for a in map(get, events)
        )

    return glance


def check_of(f: Field) -> Callable[[Any, Any], Found | None] | None:
    """Return the check of a field that its type cannot make, or None.

    It is given the value and the event, or the row under explanation, and returns what is wrong, if anything is.
    """
    if f.role == "time":
        return lambda value, event: check_time(value)
    return _money_check(f) if f.role == "money" else None


def check_time(value: datetime) -> Found | None:
    """Return code and words if a time lies outside `YEARS`, else None.

    Examples
    --------
    >>> check_time(datetime.fromisoformat("0001-01-01T00:00:00+14:00"))
    ('out_of_range', 'must lie in the years 1900 to 2199')
    """
    if YEARS[0] <= value.year < YEARS[1]:
        return None
    return ("out_of_range", f"must lie in the years {YEARS[0]} to {YEARS[1] - 1}")


def _money_check(f: Field) -> Callable[[Decimal, Any], Found | None]:
    low = None if f.minimum is None else Decimal(str(f.minimum))
    high = None if f.maximum is None else Decimal(str(f.maximum))
    own, rate_from = f.currency_from, f.rate_from

    def check(value: Decimal, event: Any) -> Found | None:
        if not value.is_finite():
            return ("not_finite", "must be a finite amount")
        if not -LARGEST_MONEY < value < LARGEST_MONEY:
            return ("out_of_range", f"must be smaller than {LARGEST_MONEY:.0e}")
        sent = None if own is None else _value(event, own)
        currency = sent if sent and isinstance(sent, str) else f.currency
        digits = MINOR_DIGITS.get(currency, 2)
        if value and value.adjusted() < -digits:  # the remainder below underflows to nothing
            return ("too_many_digits", f"may have {digits} digits after the point")
        if int(value.as_tuple().exponent) < -digits and value % (Decimal(1).scaleb(-digits)):
            return ("too_many_digits", f"may have {digits} digits after the point")
        if rate_from is not None and currency != f.currency:
            if _part(event, rate_from) is None:
                return (
                    "missing_rate",
                    f"is in another currency than {f.currency} and {rate_from} is missing",
                )
            rate = _value(event, rate_from)
            if not isinstance(rate, float) or not math.isfinite(rate):
                return None  # the rate has an error of its own
            if rate <= 0 or abs(value) * Decimal(rate) >= LARGEST_MONEY:
                return ("out_of_range", f"makes no amount in {f.currency} at this {rate_from}")
        if low is not None and value < low:
            return ("out_of_range", f"must be at least {f.minimum}")
        if high is not None and value > high:
            return ("out_of_range", f"must be at most {f.maximum}")
        return None

    return check


def _part(event: Any, name: str) -> Any:
    """Return another field of an event, or of a row under explanation, as it stands there."""
    return event.get(name) if isinstance(event, Mapping) else getattr(event, name)


def _value(event: Any, name: str) -> str | float | None:
    """Return another field where it is text or a number; in a row under explanation it may be anything."""
    value = _part(event, name)
    if isinstance(value, msgspec.Raw):
        return float(bytes(value))
    if isinstance(value, bool) or not_finite(value):
        return None
    if isinstance(value, int):
        return float(value) if abs(value) < LARGEST_MONEY else math.inf
    return value if isinstance(value, (str, float)) else None


class NotFinite(str):
    """Stands for NaN, Infinity and -Infinity, which are not JSON but are often sent as if they were."""


def not_finite(value: Any) -> bool:
    """Whether a value is no number although JSON's readers let it pass for one."""
    return isinstance(value, NotFinite) or (isinstance(value, float) and not math.isfinite(value))
