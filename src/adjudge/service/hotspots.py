"""Hot spots of a log: what is scanned of it, what is told of a spot, and the switch that stops it.

The switch is a management change like any other: one rule with an expiry, or an element of a list with one. Whoever
must approve such changes approves this one, and the log says who wanted it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from adjudge.define import DerivedFeature, System
from adjudge.define.event import TEXT_ROLES
from adjudge.errors import InputError, did_you_mean
from adjudge.monitor.alerts import Signal
from adjudge.monitor.hotspots import Field, Place, Reports, Spot
from adjudge.service.versions.revision import Entry, ListRevision, Revision

if TYPE_CHECKING:
    import polars as pl

GROUP = "hotspots"
"""Group and source of the alerts."""

TAG = "hotspot"
"""Tag of the rules that a switch makes."""

PRIORITY = 2
"""Of these rules: asked early, behind lists of cards."""

DAYS = 100
"""Days of events that are read: volume, reference and the reports that come late for it."""


@dataclass(frozen=True)
class Columns:
    """Where things are in a table of events.

    Parameters
    ----------
    time
        Column with the time of each event.
    places
        Columns that are looked at.
    victim
        Column that says whose event it is; empty where each is somebody else's.
    amount
        Column with its worth; empty where it has none.
    where
        What its columns with latitude and longitude are called before ``_lat`` and ``_lon``; empty where it has none.
    """

    time: str
    places: Sequence[str]
    victim: str = ""
    amount: str = ""
    where: str = ""


def columns_of(system: System) -> Columns:
    """Return what is looked at of a system: every key and category that is nobody's own, and the local hour.

    Parameters
    ----------
    system
        Its definitions. The hour is looked at where there is a feature that says ``hour(...)`` of the event's time.
    """
    schema = system.decides.schema()
    own = {schema.id_field, system.card or "", *schema.personal_fields}
    named = [f.name for f in schema if f.role in ("key", "category") and f.name not in own]
    where = next((f.name for f in schema if f.role == "place"), "")
    return Columns("ts", [*named, *hours_of(system)], system.card or "", system.amount or "", where)


def hours_of(system: System) -> list[str]:
    """Return the feature that is the local hour of an event, if there is one."""
    said = f"hour({system.decides.schema().time_field})"
    found = [f.name for f in system.flat_features if isinstance(f, DerivedFeature) and f.expression == said]
    return found[:1]


def logged(folder: Path, system: System, first: date, last: date, by: Collection[str] = ()) -> Field:
    """Return what is scanned of a log, from its export.

    Parameters
    ----------
    folder
        What `adjudge.service.export.export` has made.
    system
        Whose events.
    first, last
        Days of the events, both included.
    by
        Only these fields; all of `columns_of` where empty.

    Raises
    ------
    InputError
        If the system has no label, has decided nothing on these days, or there is no such field.
    """
    import polars as pl

    from adjudge.service.export.frame import decided, known_labels, retracted

    if system.label is None:
        message = f"system {system.name!r} has no label, so nobody says what fraud is"
        raise InputError(message, field="system")
    columns = columns_of(system)
    frame = decided(folder, system.name, first, last)
    frame = frame.filter(~pl.col("id").is_in(retracted(folder).implode()))
    found = {name: _column(frame, name) for name in columns.places}
    places = [name for name in _chosen(by, columns.places) if found[name]]
    frame = frame.with_columns(pl.col(found[name]).alias(name) for name in places)
    known = known_labels(folder, system.label.name)
    where = columns.where if f"{columns.where}_lat" in frame.columns else ""
    return tabled(frame, Columns("ts", places, columns.victim, columns.amount, where), known)


def _column(frame: pl.DataFrame, name: str) -> str:
    """Return the column of an export that holds a field or feature; empty if none does."""
    from adjudge.service.export.frame import column_of

    return column_of(frame, name) or (f"feature.{name}" if f"feature.{name}" in frame.columns else "")


def tabled(frame: pl.DataFrame, columns: Columns, known: pl.DataFrame) -> Field:
    """Return what is scanned of a table.

    Parameters
    ----------
    frame
        Events with ``id``.
    columns
        Where things are in it.
    known
        ``id``, ``value`` and ``known_at`` of what was told, several rows of one event in any order.

    Raises
    ------
    InputError
        If a column is not there.
    """
    import polars as pl

    for name in filter(None, (columns.time, "id", *columns.places, columns.victim, columns.amount)):
        if name not in frame.columns:
            message = f"the table has no column {name!r}{did_you_mean(name, frame.columns)}"
            raise InputError(message, field=name, code="missing_field")
    frame = frame.drop_nulls(columns.time).sort(columns.time, maintain_order=True).with_row_index("row_")
    told = known.drop_nulls(["value", "known_at"]).join(frame.select("row_", "id"), on="id")
    rows = np.arange(len(frame), dtype=np.int64)
    # One who is not named is somebody else than everybody.
    victim = -1 - rows if not columns.victim else _codes(frame[columns.victim], missing=-1 - rows)
    amount = frame[columns.amount].cast(pl.Float64).fill_null(0.0).to_numpy() if columns.amount else np.ones(len(frame))
    return Field(
        frame[columns.time].dt.epoch("us").to_numpy(),
        victim,
        amount,
        [_place(frame[name], name) for name in columns.places],
        Reports.of(
            told["row_"].to_numpy().astype(np.int64),
            told["value"].cast(pl.Boolean).to_numpy(),
            told["known_at"].dt.epoch("us").to_numpy(),
        ),
        frame.select(f"{columns.where}_lat", f"{columns.where}_lon").to_numpy() if columns.where else None,
    )


def _codes(column: pl.Series, missing: np.ndarray[Any, np.dtype[np.int64]]) -> np.ndarray[Any, np.dtype[np.int64]]:
    rank = column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
    return np.where(rank > 0, rank, missing)


def _place(column: pl.Series, name: str) -> Place:
    """Return a column as codes; whole numbers, such as hours, lose their point."""
    import polars as pl

    if column.dtype.is_float():
        column = column.cast(pl.Int64, strict=False)
    texts = column.cast(pl.String)
    names = sorted(texts.drop_nulls().unique().to_list())
    code = texts.replace_strict(names, range(len(names)), default=-1, return_dtype=pl.Int64) if names else None
    return Place(name, np.full(len(column), -1) if code is None else code.to_numpy(), names)


def _chosen(by: Collection[str], known: Sequence[str]) -> list[str]:
    for name in by:
        if name not in known:
            message = f"{name[:40]!r} is no field that is looked at{did_you_mean(name[:40], known)}; "
            message += f"there are {', '.join(known)}"
            raise InputError(message, field="by", code="unknown_field")
    return [name for name in known if not by or name in by]


def words(spot: Spot) -> str:
    """Return a spot as people read it.

    Examples
    --------
    >>> words(Spot("merchant=m4", "merchant", "m4", 4, 7, 0.31, 22.6, 350.0, 12.0, 0, 1e-7, 1e-4))
    'fraud at merchant m4: 7 customers in 4 days, where 0.3 are usual'
    """
    days = "a day" if spot.days == 1 else f"{spot.days} days"
    return (
        f"fraud at {spot.field} {spot.value}: {spot.victims} customers in {days}, where {spot.expected:.1f} are usual"
    )


def signal(spot: Spot) -> Signal:
    """Return what is told of a spot."""
    return Signal(f"hotspot:{spot.id}", words(spot), GROUP, urgent=True)


@dataclass(frozen=True)
class Switch:
    """What is done about a spot.

    Parameters
    ----------
    id
        ``field=value``, as a scan tells it.
    until
        Time of the event from which on it is over: a day or a time.
    action
        What is done with events there.
    why
        The reason, for the log.
    to_list
        Name of a list that the value goes on instead, where a rule asks that already.
    number
        Whether the value is a number, as an hour is.
    """

    id: str
    until: str
    action: str
    why: str
    to_list: str = ""
    number: bool = False

    def revision(self, system: str | None, owner: str = "") -> Revision:
        """Return the change: one rule more, or one element of a list more.

        Parameters
        ----------
        system
            Whose; None where there is only one.
        owner
            Who keeps the rule.

        Raises
        ------
        InputError
            If the id is none, or what is called a number is none.

        Examples
        --------
        >>> switch = Switch("merchant=m4", "2026-12-31", "block", "seven customers in four days")
        >>> rule, = switch.revision("shop").add_rules
        >>> rule["when"], rule["expires"]
        ('merchant == "m4"', '2026-12-31')
        """
        field, found, value = self.id.partition("=")
        if not found or not field.isidentifier() or not value:
            message = f"a hot spot is named field=value, such as merchant=m-17, not {self.id[:80]!r}"
            raise InputError(message, field="id", code="bad_value")
        element = _number(value) if self.number else value
        if self.to_list:
            entry = Entry(element, self.until, f"hot spot: {self.why}"[:200])
            return Revision(self.why, system, {self.to_list: ListRevision(add=[entry])})
        rule: dict[str, Any] = {
            "id": f"{TAG}_{field}_{hashlib.sha256(value.encode()).hexdigest()[:8]}".lower(),
            "when": f"{field} == {json.dumps(element, ensure_ascii=False)}",
            "action": self.action,
            "reason": f"A hot spot of fraud: {field} {{{field}}}.",
            "code": TAG,
            "priority": PRIORITY,
            "expires": self.until,
            "description": self.why,
            "tags": [TAG],
        }
        return Revision(self.why, system, add_rules=[rule | ({"owner": owner} if owner else {})])


def check(system: System, switch: Switch) -> None:
    """Refuse a switch that says in the clear what is personal, or asks a field for what it is not.

    Parameters
    ----------
    system
        Its definitions.
    switch
        What is to be done.

    Raises
    ------
    InputError
        If the field is not there, or personal, or of another kind.
    """
    schema, name = system.decides.schema(), switch.id.partition("=")[0]
    known = [*schema.names, *hours_of(system)]
    if name not in known:
        message = f"events of system {system.name!r} have no field {name[:40]!r}{did_you_mean(name[:40], known)}"
        raise InputError(message, field="id", code="unknown_field")
    if name in schema.personal_fields:
        message = f"field {name!r} is personal, and rules and lists hold what they say for good"
        raise InputError(message, field="id", code="personal")
    text = name in schema.names and next(f.role for f in schema if f.name == name) in TEXT_ROLES
    if text == switch.number:
        message = f"{name} is {'a text: leave out' if text else 'no text: give'} --number"
        raise InputError(message, field="number", code="wrong_type")


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        message = f"{text[:40]!r} is no number"
        raise InputError(message, field="id", code="wrong_type")
    return value
