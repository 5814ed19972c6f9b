"""Entities: what a history belongs to, and the aggregations that one can ask of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import timedelta

from adjudge.define.duration import duration_text
from adjudge.define.event import Event, Schema
from adjudge.define.feature import AggregationName, ProfileFeature, WindowFeature
from adjudge.define.linked import Linked
from adjudge.errors import DefinitionError

Made = tuple[WindowFeature, ...]
"""What an aggregation method returns: one feature a window."""


@dataclass(frozen=True)
class Entity:
    """A user, a card, a (user, device) pair: whatever one or more fields of a stream name.

    Parameters
    ----------
    stream
        The stream whose events make up the histories.
    fields
        The fields that name it, in order.
    capacity, eps, memory
        Bounds of a history; see `Event.by`.
    condition, called
        Set by `where`: which rows are seen, and the short name for that in feature names.
    includes
        Set by `including`: whether the event itself is in its windows.
    link, fan_out
        Set by `linked`: the fields of the neighbours that are asked, and how many of them at most.
    """

    stream: type[Event]
    fields: tuple[str, ...]
    capacity: int = 512
    eps: float = 0.02
    memory: timedelta = timedelta(days=400)
    condition: str = ""
    called: str = ""
    includes: bool = False
    link: tuple[str, ...] = ()
    fan_out: int = 64

    def __post_init__(self) -> None:
        if not self.fields:
            msg = f"an entity of stream {self.stream.__name__!r} needs at least one field"
            raise DefinitionError(msg)
        if self.capacity < 8 or not 0 < self.eps <= 0.5:
            msg = f"entity {self.name!r} needs a capacity of 8 or more and an eps in (0, 0.5]"
            raise DefinitionError(msg)
        if self.link and (self.condition or self.includes or set(self.link) == set(self.fields)):
            msg = f"entity {self.name!r} can be linked to another one only, without a condition or the event itself"
            raise DefinitionError(msg)
        if not 1 <= self.fan_out <= 1024:
            msg = f"entity {self.name!r} needs a fan-out from 1 to 1024, not {self.fan_out}"
            raise DefinitionError(msg)

    @property
    def name(self) -> str:
        """The fields joined by underscores: ``user_device``."""
        return "_".join(self.fields)

    @property
    def schema(self) -> Schema:
        """Schema of the stream behind the histories."""
        return self.stream.schema()

    @property
    def history(self) -> Entity:
        """The entity without condition: the one whose history is kept."""
        return replace(self, condition="", called="", includes=False)

    def where(self, condition: str, *, called: str = "") -> Entity:
        """Return the same entity seen through a condition on each row's own fields.

        Parameters
        ----------
        condition
            Expression text over the fields of the stream; only rows where it is true are aggregated.
        called
            Short name for feature names; made from the condition's text unless given.

        Examples
        --------
        >>> from adjudge.define import Event, Id, Key, Number, Time, hours
        >>> class Login(Event):
        ...     login_id: Id
        ...     at: Time
        ...     user: Key
        ...     tries: Number
        >>> Login.by("user").where("tries > 3", called="hard").count(hours(1))[0].name
        'user_hard_count_1h'
        """
        short = called or re.sub(r"\W+", "_", condition).strip("_").lower()
        return replace(self, condition=condition, called=short)

    def including(self) -> Entity:
        """Return the same entity with the event itself counted in its own windows."""
        return replace(self, includes=True)

    def linked(self, *fields: str, fan_out: int = 64) -> Linked:
        """Return a view of the others that share this entity: the users of a device, the cards of a user.

        Parameters
        ----------
        fields
            Fields that name what is linked, of the same stream.
        fan_out
            How many of the newest different ones are looked at.

        Examples
        --------
        >>> from adjudge.define import Event, Id, Key, Time, hours
        >>> class Login(Event):
        ...     login_id: Id
        ...     at: Time
        ...     user: Key
        ...     device: Key
        >>> [f.name for f in Login.by("device").linked("user").count(hours(1), hours(24))]
        ['device_linked_user_count_1h', 'device_linked_user_count_1d']
        """
        if not fields:
            msg = f"linked() by {self.name!r} needs at least one field, such as 'user'"
            raise DefinitionError(msg)
        return Linked(replace(self, link=fields, fan_out=fan_out))

    def count(self, *windows: timedelta, of: str | None = None) -> Made:
        """Count rows; with `of`, rows where that field is there or that outcome is positive.

        Parameters
        ----------
        windows
            One feature is made for each.
        of
            A field or an outcome; None counts every row.

        Examples
        --------
        >>> from adjudge.define import Event, Id, Key, Time, hours
        >>> class Login(Event):
        ...     login_id: Id
        ...     at: Time
        ...     user: Key
        >>> [f.name for f in Login.by("user").count(hours(1), hours(24))]
        ['user_count_1h', 'user_count_1d']
        """
        return self._windowed("count", of, windows)

    def sum(self, of: str, *windows: timedelta) -> Made:
        """Sum a field over windows; 0 where there are no rows."""
        return self._windowed("sum", of, windows)

    def mean(self, of: str, *windows: timedelta) -> Made:
        """Average a field over windows."""
        return self._windowed("mean", of, windows)

    def std(self, of: str, *windows: timedelta) -> Made:
        """Sample deviation of a field over windows; missing below two rows."""
        return self._windowed("std", of, windows)

    def min(self, of: str, *windows: timedelta) -> Made:
        """Smallest value of a field in windows."""
        return self._windowed("min", of, windows)

    def max(self, of: str, *windows: timedelta) -> Made:
        """Largest value of a field in windows."""
        return self._windowed("max", of, windows)

    def first(self, of: str, *windows: timedelta) -> Made:
        """Oldest value of a field in windows, or in memory where no window is given."""
        return self._windowed("first", of, windows or (None,))

    def last(self, of: str, *windows: timedelta) -> Made:
        """Newest value of a field in windows, or in memory where no window is given."""
        return self._windowed("last", of, windows or (None,))

    def distinct(self, of: str, *windows: timedelta) -> Made:
        """Count different values of a field in windows."""
        return self._windowed("distinct", of, windows)

    def trend(self, of: str, *windows: timedelta) -> Made:
        """Least-squares slope of a field over windows, per day."""
        return self._windowed("trend", of, windows)

    def correlation(self, of: str, other: str, *windows: timedelta) -> Made:
        """Pearson correlation of two fields over windows."""
        return self._windowed("correlation", of, windows, other=other)

    def rate(self, of: str, *windows: timedelta, delay: timedelta | None = None) -> Made:
        """Share of rows with a positive label; the window ends a label delay before the event.

        Parameters
        ----------
        of
            A label or an outcome.
        windows
            One feature is made for each.
        delay
            None takes the label's own delay when the system is compiled.
        """
        return self._windowed("rate", of, windows, delay=delay)

    def delayed_count(self, delay: timedelta, *windows: timedelta, of: str | None = None) -> Made:
        """Count rows (or positives of a label) in windows that end a delay before the event."""
        return self._windowed("count", of, windows, delay=delay)

    def decayed_sum(self, of: str, *half_lives: timedelta) -> Made:
        """Sum a field with weights that halve every half-life."""
        return tuple(f for h in half_lives for f in self._plain("decayed_sum", of, parameter=h))

    def decayed_count(self, *half_lives: timedelta) -> Made:
        """Count rows with weights that halve every half-life."""
        return tuple(f for h in half_lives for f in self._plain("decayed_count", None, parameter=h))

    def is_new(self) -> Made:
        """1 if the history holds no row inside the memory, else 0."""
        return self._plain("is_new", None)

    def since_last(self) -> Made:
        """Seconds since the newest row."""
        return self._plain("since_last", None)

    def since_first(self) -> Made:
        """Seconds since the oldest row inside the memory."""
        return self._plain("since_first", None)

    def speed(self, of: str) -> Made:
        """Kilometres per hour from the place of the row before, great circle."""
        return self._plain("speed", of)

    def distance(self, of: str) -> Made:
        """Kilometres from the place of the row before."""
        return self._plain("distance", of)

    def distance_typical(self, of: str, *windows: timedelta) -> Made:
        """Kilometres from the robust centre of the places in windows."""
        return self._windowed("distance_typical", of, windows)

    def last_n(self, of: str, n: int) -> Made:
        """Return the newest n values of a field, newest first, as n columns."""
        return self._several("last_n", of, n)

    def since_last_n(self, n: int, *, of: str | None = None) -> Made:
        """Return the seconds since each of the newest n rows, newest first, as n columns.

        Parameters
        ----------
        n
            How many rows.
        of
            Only rows that know this field, as `last_n` takes them; None takes every row.
        """
        return self._several("since_last_n", of, n)

    def _several(self, aggregation: AggregationName, of: str | None, n: int) -> Made:
        if not 1 <= n <= 256:
            what = aggregation if of is None else f"{aggregation} of {of!r}"
            msg = f"{what} by {self.name!r} needs n between 1 and 256, not {n}"
            raise DefinitionError(msg)
        return self._plain(aggregation, of, parameter=n)

    def latest(self, *fields: str) -> tuple[ProfileFeature, ...]:
        """Read fields of the latest row of this profile.

        Raises
        ------
        DefinitionError
            If the stream is not a `Profile`.
        """
        if not self.stream.profile:
            msg = f"latest() reads profiles and {self.stream.__name__!r} is a stream of events; use last()"
            raise DefinitionError(msg)
        return tuple(ProfileFeature(f"{self.name}_{self.schema.name}_{f}", self, f) for f in fields)

    def _windowed(
        self,
        aggregation: AggregationName,
        of: str | None,
        windows: tuple[timedelta | None, ...] | tuple[timedelta, ...],
        *,
        other: str | None = None,
        delay: timedelta | None = timedelta(0),
    ) -> Made:
        if not windows:
            msg = f"{aggregation} by {self.name!r} needs at least one window, such as days(7)"
            raise DefinitionError(msg)
        stem = self._stem(aggregation, of, other)
        late = f"_after_{duration_text(delay)}" if delay else ""
        return tuple(
            WindowFeature(
                f"{stem}_{duration_text(w)}{late}" if w is not None else stem,
                self,
                aggregation,
                of,
                other,
                w,
                delay,
                unit=_UNITS.get(aggregation, ""),
            )
            for w in windows
        )

    def _plain(
        self,
        aggregation: AggregationName,
        of: str | None,
        *,
        parameter: timedelta | int = 0,
    ) -> Made:
        stem = self._stem(aggregation, of, None)
        if isinstance(parameter, timedelta):
            name, value = f"{stem}_{duration_text(parameter)}", parameter.total_seconds()
        else:
            suffix = {
                "last_n": f"_{parameter}",
                "since_last_n": f"_s_{parameter}",
                "speed": "_kmh",
                "distance": "_km",
                "since_last": "_s",
                "since_first": "_s",
            }
            name, value = stem + suffix.get(aggregation, ""), float(parameter)
        return (
            WindowFeature(
                name,
                self,
                aggregation,
                of,
                parameter=value,
                unit=_UNITS.get(aggregation, ""),
            ),
        )

    def _stem(self, aggregation: str, of: str | None, other: str | None) -> str:
        """Name without its window."""
        parts = [
            self.name,
            "_".join(("linked", *self.link)) if self.link else "",
            of,
            other,
            self.called,
            aggregation.removesuffix("_n").removeprefix("linked_"),
            "including" if self.includes else "",
        ]
        return "_".join(p for p in parts if p)


_UNITS = {
    "since_last": "s",
    "since_last_n": "s",
    "since_first": "s",
    "speed": "km/h",
    "distance": "km",
    "distance_typical": "km",
    "trend": "per day",
}
