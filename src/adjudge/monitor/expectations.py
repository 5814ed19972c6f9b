"""What data should look like: learned from a reference, kept as a file that people edit, checked when it is read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from adjudge.errors import InputError, did_you_mean
from adjudge.monitor.days import Days
from adjudge.monitor.fields import Kind

if TYPE_CHECKING:
    import polars as pl

FORMAT = 1
"""Version of the file."""

HEADER = """\
# What the data of a day should look like, as learned by `adjudge monitor learn`. Edit it: a field that is taken out
# is not watched. `missing`, `new`, `outside` and `duplicates` are the largest shares of a day's events that are fine,
# `low` and `high` bound a number, `values` are the known ones, `volume` is the number of events of a day,
# `silence_minutes` the longest time without any.
"""

LIST = 60
"""Categories with more values than this have no list of them."""


class Expectation(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """What is expected of one field.

    Parameters
    ----------
    kind
        See `Kind`.
    missing
        Largest share of events without it.
    low, high
        Bounds of a number; None for none.
    outside
        Largest share of events beyond them.
    values
        Known values of a category; empty for any.
    new
        Largest share of events with another value.
    """

    kind: Kind
    missing: float
    low: float | None = None
    high: float | None = None
    outside: float = 0.001
    values: list[str] = []
    new: float = 0.005


class Expectations(msgspec.Struct, forbid_unknown_fields=True):
    """What is expected of a day.

    Parameters
    ----------
    format
        Version of the file.
    volume
        Least and most events of a day.
    silence_minutes
        Longest time without an event.
    duplicates
        Largest share of events whose content came a moment before.
    fields
        By name.
    """

    format: int
    volume: tuple[int, int]
    silence_minutes: float
    duplicates: float
    fields: dict[str, Expectation]


def learn(frame: pl.DataFrame, days: Days, kinds: Mapping[str, Kind], duplicates: float = 0.0) -> Expectations:
    """Return what a reference leads one to expect, with room for what it has not seen.

    Parameters
    ----------
    frame, days
        Rows and their days; those before the watched ones are the reference.
    kinds
        Kind of each field that is to be checked.
    duplicates
        Share of duplicates on the worst reference day.
    """
    mask = days.day < days.watched
    known, day, at = frame.filter(mask), days.day[mask], days.at[mask]
    counts = np.bincount(day, minlength=days.watched)
    whole = counts[1:-1] if len(counts) > 4 else counts  # the first and the last may be parts of days
    silence = float(np.diff(np.sort(at)).max(initial=0)) / 60e6
    return Expectations(
        format=FORMAT,
        volume=(int(whole.min() * 0.4), int(whole.max() * 2.5)),
        silence_minutes=max(15.0, round(silence * 3, 1)),
        duplicates=round(min(1.0, 0.01 + 2 * duplicates), 4),
        fields={name: _expectation(known, name, kind, day, days.watched) for name, kind in kinds.items()},
    )


def _expectation(known: pl.DataFrame, name: str, kind: Kind, day: Any, count: int) -> Expectation:
    import polars as pl

    column = known[name]
    gone = np.bincount(day, weights=column.is_null().to_numpy(), minlength=count)
    share = float((gone / np.maximum(np.bincount(day, minlength=count), 1)).max())
    found = Expectation(kind, round(min(1.0, share * 1.25 + 0.02), 4))
    if kind in ("number", "level"):
        values = column.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
        if len(values):
            low, high = float(values.min()), float(values.max())
            room = high - low
            found.low = round(low / 3 if low > 0 else low - room, 6)
            found.high = round(high * 3 if low >= 0 else high + room, 6)
    elif kind == "category":
        names = column.cast(pl.String).drop_nulls().unique().sort().to_list()
        found.values = names if len(names) <= LIST else []
    return found


def write(expectations: Expectations, path: Path) -> None:
    """Write expectations as YAML for people to edit.

    Parameters
    ----------
    expectations
        What to write.
    path
        The file; written whole or not at all.
    """
    draft = path.with_name(path.name + ".part")
    draft.write_text(dumps(expectations), encoding="utf-8")
    draft.replace(path)


def dumps(expectations: Expectations) -> str:
    """Return expectations as YAML."""
    import yaml

    document = msgspec.to_builtins(expectations)
    document["volume"] = list(document["volume"])
    return HEADER + str(
        yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None)
    )


def read(path: Path) -> Expectations:
    """Return the expectations of a file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If it cannot be read; it says where, and what may have been meant.
    """
    return loads(path.read_text(encoding="utf-8"), str(path))


def loads(text: str, where: str = "expectations") -> Expectations:
    r"""Return the expectations of a YAML text.

    Parameters
    ----------
    text
        The text.
    where
        Whose it is, for errors.

    Raises
    ------
    InputError
        If it says something else.

    Examples
    --------
    >>> loads("format: 1\nvolume: [1, 9]\nsilense_minutes: 5")
    Traceback (most recent call last):
    adjudge.errors.InputError: expectations: unknown setting 'silense_minutes'; did you mean 'silence_minutes'?
    """
    import yaml

    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        message = f"{where} is no YAML: {str(error).splitlines()[-1].strip()}"
        raise InputError(message, field="expectations", code="malformed") from None
    if not isinstance(document, dict):
        message = f"{where} holds no settings"
        raise InputError(message, field="expectations", code="malformed")
    _known(document, Expectations, where)
    fields = document.get("fields")
    for name, one in fields.items() if isinstance(fields, dict) else ():
        if isinstance(one, dict):
            _known(one, Expectation, f"{where}, field {name}")
    try:
        return msgspec.convert(document, Expectations)
    except msgspec.ValidationError as error:
        message = f"{where}: {error}"
        raise InputError(message, field="expectations", code="malformed") from None


def _known(document: Mapping[str, Any], kind: type[msgspec.Struct], where: str) -> None:
    for name in document:
        if name not in kind.__struct_fields__:
            message = f"{where}: unknown setting {str(name)!r}{did_you_mean(str(name), kind.__struct_fields__)}"
            raise InputError(message, field=str(name), code="unknown_field")


def check_fields(expectations: Expectations, columns: Mapping[str, Any]) -> None:
    """Refuse expectations of a field that the data does not have.

    Raises
    ------
    InputError
        If there is one; it names the nearest column.
    """
    for name in expectations.fields:
        if name not in columns:
            message = f"expectations: the data has no field {name!r}{did_you_mean(name, list(columns))}"
            raise InputError(message, field=name, code="unknown_field")
