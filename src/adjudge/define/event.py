"""Events: one class declares the typed fields of a stream, and a schema is what the rest of the house reads.

An event is one immutable, typed, time-stamped fact with an id. A field's type says its role: what may be done with it,
how it is checked at the door, and how many slots of the feature matrix it takes.
"""

from __future__ import annotations

import functools
import hashlib
import json
import types
import typing
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from dataclasses import fields as attributes
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, cast

from adjudge.errors import DefinitionError, did_you_mean

if TYPE_CHECKING:
    from adjudge.define.entity import Entity

RoleName = Literal["id", "time", "key", "money", "category", "place", "text", "number", "boolean"]
"""What a field is for; decides its checks, its slots and the operations on it."""

TEXT_ROLES = frozenset({"id", "key", "category", "text"})
"""Roles whose values are text outside and a keyed 64-bit hash inside."""


@dataclass(frozen=True)
class Role:
    """Marks an annotation as a field type of a stream."""

    name: RoleName


Id = Annotated[str, Role("id")]
"""Identifies the event: the same id again is the same event."""
Time = Annotated[datetime, Role("time")]
"""An aware timestamp; the first required one of a stream is its event time."""
Key = Annotated[str, Role("key")]
"""Names something that has a history: a user, a card, a machine."""
Money = Annotated[Decimal, Role("money")]
"""An exact amount: decimal on the wire, whole minor units of the base currency inside."""
Category = Annotated[str, Role("category")]
"""One of few values."""
Place = Annotated[tuple[float, float], Role("place")]
"""Latitude and longitude in degrees."""
Text = Annotated[str, Role("text")]
"""Free text; only compared for equality."""
Number = Annotated[float, Role("number")]
"""A finite number."""
Boolean = Annotated[bool, Role("boolean")]
"""True or false."""

_TYPES: dict[str, Any] = {
    "Id": Id,
    "Time": Time,
    "Key": Key,
    "Money": Money,
    "Category": Category,
    "Place": Place,
    "Text": Text,
    "Number": Number,
    "Boolean": Boolean,
    "ClassVar": ClassVar,
}
"""The field types by name, for streams declared inside functions, whose module does not know them."""

MINOR_DIGITS = {"JPY": 0, "KRW": 0, "CLP": 0, "VND": 0, "ISK": 0, "BHD": 3, "KWD": 3, "OMR": 3, "TND": 3, "JOD": 3}
"""Digits after the point of currencies that do not have two (ISO 4217)."""


@dataclass(frozen=True)
class Field:
    """One typed field of a stream.

    Parameters
    ----------
    name
        The attribute's name.
    role
        What the field is for.
    optional
        Whether it may be missing.
    minimum, maximum
        Inclusive bounds for numbers and money (major units); None for no bound.
    max_length
        Longest text accepted, in characters.
    currency
        Money only: the base currency that amounts are kept in.
    currency_from, rate_from
        Money only: fields that hold an event's own currency and the base-currency price of one unit of it.
    zone
        Time only: the zone whose local time `hour` and `weekday` use; None takes the timestamp's own offset.
    meaning
        One sentence for the catalogue.
    personal
        Whether the readable value is kept encrypted under a key of the person that the event is about. Texts only:
        all others stand readable among the numbers that histories are made of.
    person
        Key only: names that person, and is itself personal; one field of a stream that has personal ones.
    """

    name: str
    role: RoleName
    optional: bool = False
    minimum: float | None = None
    maximum: float | None = None
    max_length: int = 200
    currency: str = "EUR"
    currency_from: str | None = None
    rate_from: str | None = None
    zone: str | None = None
    meaning: str = ""
    personal: bool = False
    person: bool = False

    @property
    def slots(self) -> int:
        """How many rows of the feature matrix the field takes."""
        return 2 if self.role in ("time", "place") else 1

    @property
    def is_text(self) -> bool:
        """Whether the field is text outside and a hash inside."""
        return self.role in TEXT_ROLES

    @property
    def scale(self) -> float:
        """How many minor units make one major unit of the base currency; 1 for anything but money."""
        return float(10 ** MINOR_DIGITS.get(self.currency, 2)) if self.role == "money" else 1.0


@dataclass(frozen=True)
class Options:
    """What `field` records until the stream's schema is made."""

    values: dict[str, Any]


def field(
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    max_length: int = 200,
    currency: str = "EUR",
    currency_from: str | None = None,
    rate_from: str | None = None,
    zone: str | None = None,
    meaning: str = "",
    personal: bool = False,
    person: bool = False,
) -> Any:
    """Return the options of a field, written as its default in the class body.

    See `Field` for what each means.

    Examples
    --------
    >>> class Payment(Event):
    ...     payment_id: Id
    ...     at: Time
    ...     amount: Money = field(minimum=0)
    >>> Payment.schema()["amount"].minimum
    0
    """
    return Options(dict(locals()))


@dataclass(frozen=True)
class Schema:
    """The fields of one stream, in order: what admission, encoding, expressions and documents read.

    Parameters
    ----------
    name
        The stream's name, as in addresses and feature names.
    fields
        Its fields in declared order.
    id_field, time_field
        Names of the fields that identify and date an event.
    profile
        Whether only the latest row of a key is read.
    meaning
        One sentence for the catalogue.
    """

    name: str
    fields: tuple[Field, ...]
    id_field: str
    time_field: str
    profile: bool = False
    meaning: str = ""

    def __getitem__(self, name: str) -> Field:
        if name not in self._by_name:
            msg = f"stream {self.name!r} has no field {name!r}{did_you_mean(name, self.names)}"
            raise DefinitionError(msg)
        return self._by_name[name]

    def __iter__(self) -> Iterator[Field]:
        return iter(self.fields)

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the fields, in order."""
        return tuple(f.name for f in self.fields)

    @functools.cached_property
    def _by_name(self) -> dict[str, Field]:
        return {f.name: f for f in self.fields}

    @property
    def width(self) -> int:
        """Rows of the feature matrix that the fields take together."""
        return sum(f.slots for f in self.fields)

    @functools.cached_property
    def person_field(self) -> str | None:
        """Name of the field that names the person an event is about; None where nothing is personal."""
        return next((f.name for f in self.fields if f.person), None)

    @functools.cached_property
    def personal_fields(self) -> tuple[str, ...]:
        """Names of the fields whose readable values are kept encrypted, in order."""
        return tuple(f.name for f in self.fields if f.personal or f.person)

    @functools.cached_property
    def digest(self) -> str:
        """Short hash that changes when the meaning of a stored event changes.

        What is personal is left out: a body tells by itself whether it is sealed, and encoded fields stay the same.
        What is at its default is left out too, so that an attribute that fields get later changes no hash where it is
        not used.
        """
        unsaid = ("meaning", "personal", "person")
        told = [
            {a.name: v for a in attributes(f) if (v := getattr(f, a.name)) != a.default and a.name not in unsaid}
            for f in self.fields
        ]
        text = json.dumps([self.name, self.profile, told], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


class Event:
    """Base of every stream: a subclass declares the typed fields of its events.

    Examples
    --------
    >>> class Login(Event):
    ...     "A sign-in."
    ...     login_id: Id
    ...     at: Time
    ...     user: Key
    ...     device: Key | None
    >>> Login.schema().names
    ('login_id', 'at', 'user', 'device')
    >>> Login.by("user").name
    'user'
    """

    profile: ClassVar[bool] = False

    @classmethod
    def schema(cls) -> Schema:
        """Return the stream's schema; a wrong declaration raises `DefinitionError` naming the field."""
        return _schema(cast(Hashable, cls))

    @classmethod
    def by(
        cls, *fields: str, capacity: int = 512, eps: float = 0.02, memory: timedelta = timedelta(days=400)
    ) -> Entity:
        """Return the entity that one or more of this stream's fields name, whose histories hold its events.

        Parameters
        ----------
        fields
            Names of key or category fields; several make a combined key such as (user, device).
        capacity
            Rows a key keeps before neighbouring rows may merge, at least 8.
        eps
            Greatest width of a merged row as a share of its age, in (0, 0.5].
        memory
            How far back aggregations without a window see.
        """
        from adjudge.define.entity import Entity

        return Entity(cls, fields, capacity=capacity, eps=eps, memory=memory)


class Profile(Event):
    """A stream of which only the latest row of a key is read: account age, verification, home.

    Examples
    --------
    >>> class Account(Profile):
    ...     change_id: Id
    ...     at: Time
    ...     user: Key
    ...     verified: Boolean
    >>> Account.by("user").latest("verified")[0].name
    'user_account_verified'
    """

    profile = True


@functools.cache
def _schema(declared: Hashable) -> Schema:
    stream = cast(type[Event], declared)
    try:
        found = typing.get_type_hints(stream, localns=_TYPES, include_extras=True)
    except NameError as error:
        msg = f"stream {stream.__name__!r} uses a type that its module does not know: {error}"
        raise DefinitionError(msg) from error
    hints = {name: hint for name, hint in found.items() if typing.get_origin(hint) is not ClassVar}
    fields = tuple(_field(stream, name, hint) for name, hint in hints.items())
    ids = [f.name for f in fields if f.role == "id"]
    times = [f.name for f in fields if f.role == "time" and not f.optional]
    where = f"stream {stream.__name__!r}"
    if len(ids) != 1:
        msg = f"{where} must have exactly one Id field, not {len(ids)}"
        raise DefinitionError(msg)
    if not times:
        msg = f"{where} must have a required Time field: it is when the event happened"
        raise DefinitionError(msg)
    schema = Schema(
        name=_snake(stream.__name__),
        fields=fields,
        id_field=ids[0],
        time_field=times[0],
        profile=stream.profile,
        meaning=(stream.__doc__ or "").strip().partition("\n")[0],
    )
    _check_references(where, schema)
    _check_personal(where, schema)
    return schema


def stream_of(schema: Schema) -> type[Event]:
    """Return a stream that has exactly this schema: for definitions that are read from data, not from a class body.

    Parameters
    ----------
    schema
        Its name, its fields and what they mean.

    Raises
    ------
    DefinitionError
        If no class could have declared it.

    Examples
    --------
    >>> class Login(Event):
    ...     login_id: Id
    ...     at: Time
    ...     user: Key
    >>> stream_of(Login.schema()).by("user").schema == Login.schema()
    True
    """
    where = f"stream {schema.name!r}"
    if not schema.name.isidentifier() or len(set(schema.names)) != len(schema.names):
        msg = f"{where} needs a plain name, and fields of different names"
        raise DefinitionError(msg)
    if [f.name for f in schema if f.role == "id"] != [schema.id_field] or schema[schema.id_field].optional:
        msg = f"{where} must have exactly one Id field, the required {schema.id_field!r}"
        raise DefinitionError(msg)
    if schema[schema.time_field].role != "time" or schema[schema.time_field].optional:
        msg = f"{where}: {schema.time_field!r} must be a required Time field: it is when the event happened"
        raise DefinitionError(msg)
    _check_references(where, schema)
    _check_personal(where, schema)
    name = "".join(part.capitalize() for part in schema.name.split("_"))
    members = {"__doc__": schema.meaning, "__module__": __name__, "schema": classmethod(lambda cls: schema)}
    return cast(type[Event], type(name, (Profile if schema.profile else Event,), members))


def _field(stream: type[Event], name: str, hint: Any) -> Field:
    where = f"field {name!r} of stream {stream.__name__!r}"
    optional = False
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        inner = [a for a in typing.get_args(hint) if a is not type(None)]
        if len(inner) != 1 or len(typing.get_args(hint)) != 2:
            msg = f"{where} may be one field type or that type | None, not {hint}"
            raise DefinitionError(msg)
        hint, optional = inner[0], True
    roles = [m for m in getattr(hint, "__metadata__", ()) if isinstance(m, Role)]
    if not roles:
        msg = f"{where} has no field type; use one of Id, Time, Key, Money, Category, Place, Text, Number, Boolean"
        raise DefinitionError(msg)
    given = getattr(stream, name, None)
    if given is not None and not isinstance(given, Options):
        msg = f"{where} has a default; fields have options, written field(...), and `| None` where they may be missing"
        raise DefinitionError(msg)
    if roles[0].name == "id" and optional:
        msg = f"{where} identifies the event and cannot be optional"
        raise DefinitionError(msg)
    return Field(name, roles[0].name, optional, **(given.values if given else {}))


def _check_references(where: str, schema: Schema) -> None:
    for f in schema:
        if (f.currency_from is None) != (f.rate_from is None):
            msg = f"{where}: money field {f.name!r} needs both currency_from and rate_from, or neither"
            raise DefinitionError(msg)
        if f.currency_from is not None and f.rate_from is not None:
            if not schema[f.currency_from].is_text:
                msg = f"{where}: currency_from of {f.name!r} must name a category field"
                raise DefinitionError(msg)
            if schema[f.rate_from].role != "number":
                msg = f"{where}: rate_from of {f.name!r} must name a number field"
                raise DefinitionError(msg)
        if f.minimum is not None and f.maximum is not None and f.minimum > f.maximum:
            msg = f"{where}: field {f.name!r} has minimum {f.minimum} above maximum {f.maximum}"
            raise DefinitionError(msg)


def _check_personal(where: str, schema: Schema) -> None:
    for f in schema:
        if f.person and (f.role != "key" or f.optional):
            msg = f"{where}: field {f.name!r} names the person and must be a required Key field"
            raise DefinitionError(msg)
        if f.personal and (not f.is_text or f.role == "id"):
            msg = (
                f"{where}: field {f.name!r} is of type {f.role} and cannot be personal: only Key, Category and Text "
                f"fields can, because ids and numbers stay readable in what histories are made of"
            )
            raise DefinitionError(msg)
        if f.personal and any(m.currency_from == f.name for m in schema):
            msg = f"{where}: field {f.name!r} is the currency of an amount and cannot be personal"
            raise DefinitionError(msg)
    persons = [f.name for f in schema if f.person]
    if schema.personal_fields and len(persons) != 1:
        msg = (
            f"{where} has personal fields and must say with field(person=True) on exactly one Key field "
            f"whose they are, not on {len(persons)}"
        )
        raise DefinitionError(msg)


def _snake(name: str) -> str:
    return "".join(("_" if c.isupper() and i else "") + c.lower() for i, c in enumerate(name))
