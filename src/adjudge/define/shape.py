"""Shapes: how one kind of definition is written as plain JSON values and read back, one line an attribute.

A shape is a table: for each attribute the kind of its value, and the value that is left out because it is the usual
one. Writing and reading follow the same table, so what one does the other undoes. Whatever does not fit is a
`DefinitionError` that names the place.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from numbers import Integral, Real
from reprlib import repr as shown
from typing import Any, NoReturn

from adjudge.define.duration import MICROSECOND
from adjudge.errors import DefinitionError, did_you_mean

Json = Any
"""A plain JSON value: text, finite number, truth value, null, list, or mapping from texts."""

Change = Callable[[Any, str], Any]
"""Turns a value into another; given the place of the value, for what it says when it cannot."""

WORD = 1 << 63
"""Whole numbers below it, and not below its negative, are read by whoever reads JSON in 64 bits."""

ALWAYS = object()
"""In place of a usual value: the attribute is always written."""


@dataclass(frozen=True)
class Kind:
    """How values of one kind are written and read.

    Parameters
    ----------
    write
        From the definition's value to JSON.
    read
        Back again.
    suffix
        Put behind the attribute's name to make its key, where that should name a unit.
    """

    write: Change
    read: Change
    suffix: str = ""


@dataclass(frozen=True)
class Attribute:
    """How one attribute is written.

    Parameters
    ----------
    kind
        How its values are written.
    usual
        The value that is left out.
    """

    kind: Kind
    usual: object = ALWAYS


class Shape:
    """How the objects of one class are written as mappings.

    Parameters
    ----------
    make
        The class, or what builds its objects from the attributes by name.
    attributes
        The attributes in the order in which they are written; a bare kind stands for one that is always written.

    Examples
    --------
    >>> from adjudge.define.label import Label
    >>> shape = Shape(Label, name=TEXT, delay=DURATION, meaning=Attribute(TEXT, ""))
    >>> shape.write(Label("fraud"), "label")
    {'name': 'fraud', 'delay_us': 604800000000}
    >>> shape.read({"name": "fraud", "delay_us": 604800000000}, "label") == Label("fraud")
    True
    >>> shape.read({"name": "fraud", "delay": 7}, "label")
    Traceback (most recent call last):
    adjudge.errors.DefinitionError: label: unknown key 'delay'; did you mean 'delay_us'?
    """

    def __init__(self, make: Callable[..., Any], **attributes: Attribute | Kind) -> None:
        self.make = make
        self.attributes = {
            name: Attribute(given) if isinstance(given, Kind) else given for name, given in attributes.items()
        }
        self.keys = {name: name + given.kind.suffix for name, given in self.attributes.items()}

    def write(self, value: Any, where: str) -> dict[str, Json]:
        """Return an object as a mapping.

        Parameters
        ----------
        value
            The object.
        where
            Its place, for errors.
        """
        written = {}
        for name, attribute in self.attributes.items():
            content = getattr(value, name)
            if attribute.usual is ALWAYS or content != attribute.usual:
                written[self.keys[name]] = attribute.kind.write(content, f"{where}: {name}")
        return written

    def read(self, content: Json, where: str) -> Any:
        """Return the object that `write` wrote.

        Parameters
        ----------
        content
            The mapping.
        where
            Its place, for errors.
        """
        given = mapping(content, where)
        for key in given:
            if key not in self.keys.values():
                refuse(f"{where}: unknown key {key!r}{did_you_mean(str(key), self.keys.values())}")
        values = {}
        for name, attribute in self.attributes.items():
            key = self.keys[name]
            if key in given:
                values[name] = attribute.kind.read(given[key], f"{where}: {key}")
            elif attribute.usual is ALWAYS:
                refuse(f"{where}: {key!r} is missing")
            else:
                values[name] = attribute.usual
        return self.make(**values)

    @property
    def kind(self) -> Kind:
        """The kind of an attribute that holds such an object."""
        return Kind(self.write, self.read)


def refuse(message: str) -> NoReturn:
    """Raise a `DefinitionError`."""
    raise DefinitionError(message)


def mapping(value: Any, where: str) -> Mapping[str, Any]:
    """Return a mapping as it is; anything else is refused."""
    if not isinstance(value, Mapping):
        refuse(f"{where} must be a mapping, not {shown(value)}")
    return value


def listed(value: Any, where: str) -> list[Any]:
    """Return a list as it is; anything else is refused."""
    if not isinstance(value, list):
        refuse(f"{where} must be a list, not {shown(value)}")
    return value


def encodable(content: Json, where: str) -> Json:
    """Return content as it is; texts that are not valid Unicode, which no file can hold, are refused."""
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        refuse(f"{where} must be valid Unicode: {error}")
    return content


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str):
        refuse(f"{where} must be a text, not {shown(value)}")
    try:
        value.encode()
    except UnicodeEncodeError:
        refuse(f"{where} must be valid Unicode, not {shown(value)}")
    return value


def _truth(value: Any, where: str) -> bool:
    if not isinstance(value, bool):
        refuse(f"{where} must be true or false, not {shown(value)}")
    return value


def _number(value: Any, where: str) -> int | float:
    if isinstance(value, Integral):
        return _whole(value, where)
    if not isinstance(value, Real) or not math.isfinite(value):
        refuse(f"{where} must be a finite number, not {shown(value)}")
    return float(value)


def _whole(value: Any, where: str) -> int:
    if not isinstance(value, Integral) or isinstance(value, bool) or not -WORD <= int(value) < WORD:
        refuse(f"{where} must be a whole number of 64 bits, not {shown(value)}")
    return int(value)


def _micros(value: Any, where: str) -> int:
    if not isinstance(value, timedelta):
        refuse(f"{where} must be a duration, not {shown(value)}")
    return value // MICROSECOND


def _duration(value: Any, where: str) -> timedelta:
    try:
        return timedelta(microseconds=_whole(value, where))
    except OverflowError:
        refuse(f"{where} is longer than any duration: {shown(value)}")


TEXT = Kind(_text, _text)
"""A text."""
TRUTH = Kind(_truth, _truth)
"""True or false."""
NUMBER = Kind(_number, _number)
"""A finite number; whole ones stay whole."""
WHOLE = Kind(_whole, _whole)
"""A whole number."""
DURATION = Kind(_micros, _duration, "_us")
"""A duration, written in microseconds."""


def choice(*options: str) -> Kind:
    """Return the kind of a text that is one of a few."""

    def check(value: Any, where: str) -> str:
        if value not in options:
            refuse(f"{where} must be one of {', '.join(options)}, not {shown(value)}")
        return _text(value, where)

    return Kind(check, check)


def optional(kind: Kind) -> Kind:
    """Return the kind of a value that may be None."""

    def maybe(change: Change) -> Change:
        return lambda value, where: None if value is None else change(value, where)

    return Kind(maybe(kind.write), maybe(kind.read), kind.suffix)


def several(kind: Kind) -> Kind:
    """Return the kind of a sequence, written as a list and read as a tuple."""

    def write(values: Any, where: str) -> list[Json]:
        if isinstance(values, str):
            refuse(f"{where} must be a sequence, not {values!r}")
        return [kind.write(value, where) for value in values]

    def read(content: Json, where: str) -> tuple[Any, ...]:
        return tuple(kind.read(value, where) for value in listed(content, where))

    return Kind(write, read)


def ordered(kind: Kind) -> Kind:
    """Return the kind of a mapping whose order matters, written as pairs: JSON may forget the order of keys."""

    def write(values: Any, where: str) -> list[Json]:
        pairs = mapping(values, where).items()
        return [[_text(name, where), kind.write(value, f"{where}: {name}")] for name, value in pairs]

    def read(content: Json, where: str) -> dict[str, Any]:
        pairs = listed(content, where)
        if any(not isinstance(pair, list) or len(pair) != 2 for pair in pairs):
            refuse(f"{where} must be a list of pairs, not {shown(content)}")
        return {_text(name, where): kind.read(value, f"{where}: {name}") for name, value in pairs}

    return Kind(write, read)
